#version 450
#define ROWS 32
#define CHANNELS 32
#define SUBGROUPS_M 1
#define SUBGROUPS_N 1
#define LOADS LOADS_PIXELS
#include "gemm_coop.glsl"
