// Packed int8: four values in a 32-bit word, byte k in bits 8k .. 8k+7.

ivec4 unpack_int8(int word) { return ivec4(word << 24, word << 16, word << 8, word) >> 24; }

int pack_int8(ivec4 v)
{
    return (v.x & 0xff) | ((v.y & 0xff) << 8) | ((v.z & 0xff) << 16) | (v.w << 24);
}

// 1.5 * 2^23: a number below 2^22 that is added to it is rounded to an integer, half to even, and
// stands in the low bits of the sum's representation. GPUs round and convert at a fraction of the
// rate at which they add. Additions must round to nearest even, as all of requantize.glsl needs
// them to; Vulkan leaves that to the driver, and no driver is known to do otherwise.
const float ROUNDER = 12582912.0;

// Four floats to int8, packed, with round half to even. The clamp keeps them below 2^22.
int pack_rounded(vec4 scaled, int zero)
{
    precise vec4 sum = clamp(scaled, -128.0 - float(zero), 127.0 - float(zero)) + ROUNDER;
    return pack_int8(floatBitsToInt(sum) + zero);
}
