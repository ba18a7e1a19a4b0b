// Halves: stored, never computed with.
#ifndef VKD_HALF
#define VKD_HALF

// To the nearest half, ties to even; packHalf2x16 may round either way.
uint half_bits(float value)
{
    uint bits = floatBitsToUint(value), magnitude = bits & 0x7fffffffu;
    uint normal = min((magnitude + 0xfffu + (magnitude >> 13 & 1u) - 0x38000000u) >> 13, 0x7c00u);
    // Below the normal halves their unit is that of floats from 1/2 to 1.
    precise float small = uintBitsToFloat(magnitude) + 0.5;
    uint half_magnitude = magnitude > 0x7f800000u   ? 0x7e00u
                          : magnitude < 0x38800000u ? floatBitsToUint(small) - 0x3f000000u
                                                    : normal;
    return (bits >> 16 & 0x8000u) | half_magnitude;
}

// The same half as a float, in fewer instructions than there and back.
float as_half(float value)
{
    uint bits = floatBitsToUint(value), magnitude = bits & 0x7fffffffu,
         normal = (magnitude + 0xfffu + (magnitude >> 13 & 1u)) & ~0x1fffu;
    precise float small = uintBitsToFloat(magnitude) + 0.5;
    small = small - 0.5;
    uint rounded = magnitude > 0x7f800000u   ? 0x7fc00000u
                   : magnitude < 0x38800000u ? floatBitsToUint(small)
                   : normal >= 0x47800000u   ? 0x7f800000u
                                             : normal;
    return uintBitsToFloat((bits & 0x80000000u) | rounded);
}

#endif
