#version 450
#define TILE_N4 1
#define STEP ivec4
#define COLUMNS columns
#define UNROLL 1
#include "gemm.glsl"
