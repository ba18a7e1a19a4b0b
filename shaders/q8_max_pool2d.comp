#version 450
#extension GL_GOOGLE_include_directive : require
#include "int8.glsl"
#define POOL_BUFFER int
#define POOL_VECTOR ivec4
#define POOL_LEAST -128
#include "max_pool2d.glsl"

ivec4 pool_load(uint group) { return unpack_int8(x[group]); }

void pool_store(uint group, ivec4 v) { y[group] = pack_int8(v); }

ivec4 pool_larger(ivec4 a, ivec4 b) { return max(a, b); }
