#version 450
#define ROWS 16
#define CHANNELS 16
#define SUBGROUPS_M 1
#define SUBGROUPS_N 1
#define LOADS LOADS_STEPS
#include "gemm_coop.glsl"
