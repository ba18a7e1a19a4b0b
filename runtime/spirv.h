/* SPIR-V as scripts/cmake/PackSpirv.cmake packs it: half of the bytes, most of which were
 * zeros. Numbers of 16 bits, one for a word: below 0x8000 the word itself; above, the first word of
 * an instruction of less than 64 words with an opcode below 512; but 0xffff is followed by any
 * word's two halves. */
#ifndef VKD_RUNTIME_SPIRV_H
#define VKD_RUNTIME_SPIRV_H

#include <stddef.h>
#include <stdint.h>

/* Returns the count of words, which is at most that of the numbers; as many must fit. */
size_t vkd_spirv_unpack(const uint16_t *packed, size_t count, uint32_t *words);

#endif
