#version 450
#extension GL_GOOGLE_include_directive : require
#define POOL_BUFFER vec4
#define POOL_VECTOR vec4
#define POOL_LEAST uintBitsToFloat(0xff800000u) // minus infinity
#include "max_pool2d.glsl"

vec4 pool_load(uint group) { return x[group]; }

void pool_store(uint group, vec4 v) { y[group] = v; }

// A NaN in the window is its maximum, as in PyTorch.
vec4 pool_larger(vec4 a, vec4 b) { return mix(a, b, bvec4(uvec4(greaterThan(b, a)) | uvec4(isnan(b)))); }
