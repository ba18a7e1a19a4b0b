// From int32 accumulators of four output channels to one word of int8. Every step rounds separately (`precise`: no contraction to
// fma), so that all variants and the scalar oracle agree bit for bit. ReLU is the lower bound of the clamp.
#include "requantize_params.h"
#include "int8.glsl"

// Per four channels: offsets, scales and biases; see requantize_params.h.
struct channel_block {
    ivec4 offset;
    vec4 scale;
    vec4 bias;
};

int requantize(ivec4 acc, channel_block channels, requantize_params p)
{
    precise vec4 scaled = vec4(acc + channels.offset) * channels.scale;
    precise vec4 real = scaled + channels.bias;
    precise vec4 steps = real * p.inv_scale;
    return pack_int8(ivec4(clamp(roundEven(steps) + float(p.zero), p.low, 127.0)));
}
