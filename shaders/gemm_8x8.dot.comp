#version 450
#define TILE_M 8
#define TILE_N4 2
#define STEP ivec4
#include "gemm.glsl"
