// What the convolutions of floats have in common: operands, window, bias and clamp. With TEXELS x
// and w are texel buffers, for llvmpipe.
#include "conv_float_params.h"
#include "floats.glsl"
#include "nan.glsl"

layout(constant_id = 3) const uint TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const bool BIAS = false;
layout(constant_id = 5) const bool TRANSPOSED = false;

layout(push_constant) uniform params_block { conv_float_params p; };
#ifdef TEXELS
layout(binding = 0) uniform isamplerBuffer x; // texels are four floats, or words of two halves
layout(binding = 1) uniform isamplerBuffer w;
#define FETCH(source, group)                                                                       \
    (TYPE == VKD_ELEMENT_F32 ? intBitsToFloat(texelFetch(source, group))                           \
                             : vec4(unpackHalf2x16(uint(texelFetch(source, 2 * (group)).x)),       \
                                    unpackHalf2x16(uint(texelFetch(source, 2 * (group) + 1).x))))
vec4 x_load4(uint group) { return FETCH(x, int(group)); }
vec4 w_load4(uint group) { return FETCH(w, int(group)); }
#else
FLOATS_IN(0, x, TYPE)
FLOATS_IN(1, w, TYPE)
#endif
FLOATS_IN(2, b, TYPE) // bound, but not read, where there is none
FLOATS_OUT(3, y, TYPE)
#define EPILOGUE_ID 6
#define EPILOGUE_NUMBERS p.numbers
#include "float_epilogue.glsl"

void finish(uint pixel, uint word, vec4 sum)
{
    uint at = pixel * p.out_c4 + word;
    if (BIAS)
        sum += b_load4(word);
    for (int i = 0; i < 4; i++)
        sum[i] = bounded(sum[i], p.low, p.high);
    y_store4(at, epilogue(sum, RESIDUAL_TYPE == 0 ? sum : residual_load4(at)));
}

// What window_tap counts from, for an output pixel.
ivec2 window_start(uint out_x, uint out_y)
{
    ivec2 out_at = ivec2(out_x, out_y), padding = ivec2(p.padding_w, p.padding_h);
    return TRANSPOSED ? out_at + padding : out_at * ivec2(p.stride_w, p.stride_h) - padding;
}

// The input's x or y under a tap; beyond any size where there is none.
uint window_tap(int start, uint k, uint dilation, uint stride)
{
    if (!TRANSPOSED)
        return uint(start + int(k * dilation));
    int at = start - int(k * dilation);
    return at < 0 || uint(at) % stride != 0 ? ~0u : uint(at) / stride;
}
uvec2 window_tap(ivec2 start, uint kx, uint ky)
{
    return uvec2(window_tap(start.x, kx, p.dilation_w, p.stride_w),
                 window_tap(start.y, ky, p.dilation_h, p.stride_h));
}
