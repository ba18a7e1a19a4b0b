#version 450
// glslc -O0
#define TILE_M 7
#define TILE_N 32
#define WORDS 1
#include "gemm_lanes.glsl"
