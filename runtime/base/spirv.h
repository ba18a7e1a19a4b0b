/* SPIR-V as scripts/cmake/PackSpirv.cmake packs it, in an eighth of the bytes, in two steps.
 *
 * Words become codes of a byte, with more bytes behind some (low ones first). Of an instruction's
 * first word, the opcode where the length is that of the last instruction with it; 255 is followed
 * by opcode and length, of two bytes each. Of the words behind, and of those of the header, the
 * word itself below 64; from 64 on one of the 128 that were seen last, the last one first (those
 * below 64 do not count); 192 is the largest one seen below 65536, and one more; from 193 on the
 * code has the high and a byte behind it the low half of a word below 15872; 255 is followed by the
 * word.
 *
 * The codes become their count, in three bytes, and sequences of literals and a match, as in LZ4,
 * until there are as many. A match repeats codes at a distance back, which may begin in the codes
 * of a base, in those of the base's own, and so on (scripts/cmake/Shaders.cmake says which). A
 * sequence is a token, literals, the distance. The token has from its high bits on: 3, how many
 * literals; 2, the distance's way, which is 0 for the last match's, 1 for another one's before
 * that, 2 for a byte behind, less 1, 3 for two bytes; 3, the match's length, less 2. 7 goes on in
 * bytes of 255 and a last one below: behind the token that of the literals, behind the distance
 * that of the match. */
#ifndef VKD_RUNTIME_BASE_SPIRV_H
#define VKD_RUNTIME_BASE_SPIRV_H

#include <stddef.h>
#include <stdint.h>

typedef struct vkd_spirv {
    const uint8_t *packed;
    size_t size;                  /* bytes */
    const struct vkd_spirv *base; /* or null */
} vkd_spirv;

/* Words of memory that unpacking takes: those that there will be, or more. */
size_t vkd_spirv_room(const vkd_spirv *code);
/* Returns the count of words, which are at the beginning of the room. */
size_t vkd_spirv_unpack(const vkd_spirv *code, uint32_t *room);

#endif
