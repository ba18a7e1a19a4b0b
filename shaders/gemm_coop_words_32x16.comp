#version 450
#define WORDS 1
#include "gemm_coop.glsl"
