/* SPIR-V as scripts/cmake/PackSpirv.cmake packs it, in a third of the bytes: codes of a byte, with
 * more bytes behind some (low ones first). Of an instruction's first word, the opcode where the
 * length is that of the last instruction with it; 255 is followed by opcode and length, of two
 * bytes each. Of the words behind, and of those of the header, the word itself below 64; from 64 on
 * one of the 128 that were seen last, the last one first (those below 64 do not count); 192 is the
 * largest one seen below 65536, and one more; from 193 on the code has the high and a byte behind
 * it the low half of a word below 15872; 255 is followed by the word. */
#ifndef VKD_RUNTIME_SPIRV_H
#define VKD_RUNTIME_SPIRV_H

#include <stddef.h>
#include <stdint.h>

/* Returns the count of words, which is at most that of the bytes; as many must fit. */
size_t vkd_spirv_unpack(const uint8_t *packed, size_t size, uint32_t *words);

#endif
