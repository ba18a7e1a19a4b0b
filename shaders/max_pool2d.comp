#version 450
// build: T = - q8
// module: {T}_max_pool2d
// Maximum pooling of a 4C tensor of floats or int8: one invocation per group of four channels.
#extension GL_GOOGLE_include_directive : require
#if defined T_Q8
#include "int8.glsl"
#define BUFFER int // what a buffer holds for a group
#define VECTOR ivec4
#define LEAST -128
#else
#define BUFFER vec4
#define VECTOR vec4
#define LEAST uintBitsToFloat(0xff800000u) // minus infinity
#endif
#include "pool2d.glsl"

layout(binding = 0) readonly buffer x_buffer { BUFFER x[]; };
layout(binding = 1) writeonly buffer y_buffer { BUFFER y[]; };

VECTOR load_group(uint group);
void store_group(uint group, VECTOR v);
VECTOR larger(VECTOR a, VECTOR b);

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    uint pixel = group / BLOCKS, block = group % BLOCKS;
    uint row = pixel / Y_W;
    uint image = row / Y_H;
    int top = int(row % Y_H) * params.stride_h - params.padding_h;
    int left = int(pixel % Y_W) * params.stride_w - params.padding_w;

    VECTOR best = VECTOR(LEAST);
    for (int tap = 0; tap < KERNEL_H * KERNEL_W; tap++) { // one loop: nested, narrow windows cost llvmpipe three rounds a tap
        int h = top + tap / KERNEL_W * params.dilation_h, w = left + tap % KERNEL_W * params.dilation_w;
        if (h >= 0 && h < params.x_h && w >= 0 && w < params.x_w)
            best = larger(best, load_group(((image * uint(params.x_h) + uint(h)) * uint(params.x_w) + uint(w)) * BLOCKS + block));
    }
    store_group(group, best);
}

#if defined T_Q8
VECTOR load_group(uint group) { return unpack_int8(x[group]); }

void store_group(uint group, VECTOR v) { y[group] = pack_int8(v); }

VECTOR larger(VECTOR a, VECTOR b) { return max(a, b); }
#else
VECTOR load_group(uint group) { return x[group]; }

void store_group(uint group, VECTOR v) { y[group] = v; }

// A NaN in the window is its maximum, as in PyTorch.
VECTOR larger(VECTOR a, VECTOR b) { return mix(a, b, bvec4(uvec4(greaterThan(b, a)) | uvec4(isnan(b)))); }
#endif
