#version 450
#extension GL_GOOGLE_include_directive : require
#define KERNEL 5
#define STRIDE 2
#define TILE_W 4
#include "conv_dw_row.glsl"
