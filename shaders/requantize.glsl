// From int32 accumulators to int8; see requantize_params.h. Every step rounds separately
// (`precise`: no contraction to fma), so that all variants, fused or not, and the scalar oracle
// agree bit for bit. Do not call this in an unrolled loop, but write the calls out:
// glslc's optimiser forgets `precise` on the copies of a loop's body (test/check_precise.cmake looks for that).
#include "requantize_params.h"
#include "int8.glsl"

// Per four channels. sum: of the weights, for kernels that shift activations.
struct channel_block {
    ivec4 offset;
    vec4 scale;
    vec4 bias;
    ivec4 sum;
};

// One channel, in the low byte; acc has its offset added.
int requantize_one(int acc, float scale, float bias, requantize_params p)
{
    precise float scaled = float(acc) * scale;
    precise float real = scaled + bias;
    precise float steps = real * p.inv_scale;
    precise float sum = clamp(steps, p.low - float(p.zero), p.high - float(p.zero)) + ROUNDER;
    return floatBitsToInt(sum) + p.zero;
}

// A word of four channels.
int requantize(ivec4 acc, channel_block channels, requantize_params p)
{
    precise vec4 scaled = vec4(acc + channels.offset) * channels.scale;
    precise vec4 real = scaled + channels.bias;
    precise vec4 steps = real * p.inv_scale;
    precise vec4 sum =
        clamp(steps, p.low - float(p.zero), p.high - float(p.zero)) + ROUNDER; // as in pack_rounded
    return pack_int8(floatBitsToInt(sum) + p.zero);
}

// A result and the word of the residual at the same place.
int add_residual(int word, int residual, requantize_params p)
{
    precise vec4 a = (vec4(unpack_int8(word)) - float(p.zero)) * p.q_scale;
    precise vec4 b = (vec4(unpack_int8(residual)) - float(p.r_zero)) * p.r_scale;
    precise vec4 sum = a + b;
    precise vec4 steps = sum * p.sum_inv_scale;
    return pack_rounded(steps, p.sum_zero);
}
