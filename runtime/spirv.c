#include "runtime/spirv.h"

size_t vkd_spirv_unpack(const uint16_t *packed, size_t count, uint32_t *words)
{
    size_t written = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t number = packed[i];
        if (number == 0xffff && count - i > 2) {
            number = (uint32_t)packed[i + 1] << 16 | packed[i + 2];
            i += 2;
        } else if (number & 0x8000) {
            number = (number >> 9 & 63) << 16 | (number & 511);
        }
        words[written++] = number;
    }
    return written;
}
