#version 450
#define STEP int
#define COLUMNS ivec4
#define UNROLL GEMM_WORDS_UNROLL
#include "gemm.glsl"
