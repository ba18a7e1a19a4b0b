#version 450
#define WORDS 0
#include "gemm_coop.glsl"
