#version 450
#define ROWS 64
#define CHANNELS 64
#define SUBGROUPS_M 2
#define SUBGROUPS_N 2
#define LOADS LOADS_STEPS
#include "gemm_coop.glsl"
