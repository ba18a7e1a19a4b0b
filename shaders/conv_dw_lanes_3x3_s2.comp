#version 450
// glslc -O0
#extension GL_GOOGLE_include_directive : require
#define KERNEL 3
#define STRIDE 2
#define TILE_W 4
#include "conv_dw_lanes.glsl"
