#version 450
#define STEP int
#define COLUMNS ivec4
#define UNROLL 2
#include "gemm.glsl"
