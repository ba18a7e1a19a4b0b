#version 450
#define ROWS 16
#define CHANNELS 16
#define LOADS LOADS_STEPS
#include "gemm_coop.glsl"
