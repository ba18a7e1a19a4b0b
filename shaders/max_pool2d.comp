#version 450
// build: T = - q8
// module: {T}_max_pool2d
// Maximum pooling of a 4C tensor of floats or int8, and where the maxima of floats are: one
// invocation per group of four channels.
#extension GL_GOOGLE_include_directive : require
#if defined T_Q8
#include "int8.glsl"
#define VECTOR ivec4
#define LEAST -128
#else
#include "element.glsl"
#define VECTOR vec4
#define LEAST uintBitsToFloat(0xff800000u) // minus infinity
#endif
#include "pool2d.glsl"

#if defined T_Q8
layout(binding = 0) readonly buffer x_buffer { int x[]; };
layout(binding = 1) writeonly buffer y_buffer { int y[]; };
#else
layout(constant_id = 9) const uint TYPE = VKD_ELEMENT_F32;
layout(constant_id = 10) const uint PLACES =
    0; // 1: row * width + column of each maximum, the first one's, goes to `places`
ELEMENTS_IN(0, x, TYPE)
ELEMENTS_OUT(1, y, TYPE)
layout(binding = 2) writeonly buffer places_buffer { ivec4 places[]; };
#endif

VECTOR load_group(uint group);
void store_group(uint group, VECTOR v);
bvec4 are_larger(VECTOR a, VECTOR b);

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    uint pixel = group / BLOCKS, block = group % BLOCKS;
    uint row = pixel / Y_W;
    uint image = row / Y_H;
    ivec2 of = ivec2(row % Y_H, pixel % Y_W), start = window_start(of), limit = window_limit(of);

    VECTOR best = VECTOR(LEAST);
    ivec4 place = ivec4(-1);
    for (int tap = 0; tap < KERNEL_H * KERNEL_W;
         tap++) { // one loop: nested, narrow windows cost llvmpipe three rounds a tap
        int h = start.x + tap / KERNEL_W * params.dilation_h,
            w = start.y + tap % KERNEL_W * params.dilation_w;
        if (h >= 0 && h < limit.x && w >= 0 && w < limit.y) {
            VECTOR v = load_group(
                ((image * uint(params.x_h) + uint(h)) * uint(params.x_w) + uint(w)) * BLOCKS +
                block);
            bvec4 larger = are_larger(v, best);
            place = mix(place, ivec4(h * params.x_w + w),
                        bvec4(uvec4(larger) | uvec4(lessThan(place, ivec4(0)))));
            best = mix(best, v, larger);
        }
    }
    store_group(group, best);
#if !defined T_Q8
    if (PLACES == 1)
        places[group] = place;
#endif
}

#if defined T_Q8
VECTOR load_group(uint group) { return unpack_int8(x[group]); }

void store_group(uint group, VECTOR v) { y[group] = pack_int8(v); }

bvec4 are_larger(VECTOR a, VECTOR b) { return greaterThan(a, b); }
#else
VECTOR load_group(uint group) { return x_load4(group); }

void store_group(uint group, VECTOR v) { y_store4(group, v); }

// A NaN in the window is its maximum, as in PyTorch.
bvec4 are_larger(VECTOR a, VECTOR b)
{
    return bvec4(uvec4(greaterThan(a, b)) |
                 uvec4(is_nan(a.x), is_nan(a.y), is_nan(a.z), is_nan(a.w)));
}
#endif
