#version 450
// glslc -O0
#define TILE_M 4
#define TILE_N 16
#define WORDS 0
#include "gemm_lanes.glsl"
