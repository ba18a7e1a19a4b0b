#version 450
#define CHANNELS 16
#define WORDS 0
#include "gemm_coop.glsl"
