#version 450
#define CHANNELS 16
#include "gemm_coop.glsl"
