#version 450
// glslc -O0
#define TILE_M 2
#define TILE_N 32
#define WORDS 0
#include "gemm_lanes.glsl"
