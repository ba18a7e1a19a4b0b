#version 450
#extension GL_GOOGLE_include_directive : require
#define KERNEL 3
#define STRIDE 2
#define TILE_W 2
#include "conv_dw_row.glsl"
