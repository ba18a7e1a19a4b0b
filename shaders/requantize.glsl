// From int32 accumulators of four output channels to one word of int8; see requantize_params.h. Every step rounds separately
// (`precise`: no contraction to fma), so that all variants, fused or not, and the scalar oracle agree bit for bit.
#include "requantize_params.h"
#include "int8.glsl"

// Per four channels: offsets, scales and biases.
struct channel_block {
    ivec4 offset;
    vec4 scale;
    vec4 bias;
};

vec4 requantize_sum(ivec4 acc, channel_block channels, requantize_params p)
{
    precise vec4 scaled = vec4(acc + channels.offset) * channels.scale;
    precise vec4 real = scaled + channels.bias;
    precise vec4 steps = real * p.inv_scale;
    return clamp(roundEven(steps) + float(p.zero), p.low, p.high);
}

int requantize(ivec4 acc, channel_block channels, requantize_params p)
{
    return pack_int8(ivec4(requantize_sum(acc, channels, p)));
}

// The same with a residual word added.
int requantize_add(ivec4 acc, channel_block channels, int residual, requantize_params p)
{
    precise vec4 a = (requantize_sum(acc, channels, p) - float(p.zero)) * p.q_scale;
    precise vec4 b = (vec4(unpack_int8(residual)) - float(p.r_zero)) * p.r_scale;
    precise vec4 sum = a + b;
    precise vec4 steps = sum * p.sum_inv_scale;
    return pack_int8(round_int8(steps, p.sum_zero));
}
