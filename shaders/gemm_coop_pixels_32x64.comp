#version 450
#define ROWS 32
#define CHANNELS 64
#define LOADS LOADS_PIXELS
#include "gemm_coop.glsl"
