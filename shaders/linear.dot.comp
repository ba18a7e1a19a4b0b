#version 450
#define STEP ivec4
#define COLUMNS columns
#include "linear.glsl"
