#version 450
#define CHANNELS 16
#define WORDS 1
#include "gemm_coop.glsl"
