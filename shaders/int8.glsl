// Packed int8: four values in a 32-bit word, byte k in bits 8k .. 8k+7.

ivec4 unpack_int8(int word) { return ivec4(word << 24, word << 16, word << 8, word) >> 24; }

int pack_int8(ivec4 v) { return (v.x & 0xff) | ((v.y & 0xff) << 8) | ((v.z & 0xff) << 16) | (v.w << 24); }

// Float to int8 with round half to even. The clamp comes before the conversion, which is undefined out of int's range.
ivec4 round_int8(vec4 scaled, int zero)
{
    return ivec4(clamp(roundEven(scaled) + float(zero), -128.0, 127.0));
}
