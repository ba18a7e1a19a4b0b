#version 450
#define ROWS 32
#define CHANNELS 16
#define LOADS LOADS_WORDS
#include "gemm_coop.glsl"
