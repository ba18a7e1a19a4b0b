#version 450
#define ROWS 64
#define CHANNELS 64
#define SUBGROUPS_M 2
#define SUBGROUPS_N 2
#define LOADS LOADS_PIXELS
#include "gemm_coop.glsl"
