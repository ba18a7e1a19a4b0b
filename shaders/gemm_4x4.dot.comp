#version 450
#define STEP ivec4
#define COLUMNS columns
#define UNROLL 1
#include "gemm.glsl"
