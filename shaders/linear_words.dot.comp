#version 450
#define STEP int
#define COLUMNS ivec4
#include "linear.glsl"
