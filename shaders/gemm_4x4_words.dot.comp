#version 450
#define TILE_N4 1
#define STEP int
#define COLUMNS ivec4
#define UNROLL 2
#include "gemm.glsl"
