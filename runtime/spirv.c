#include "runtime/spirv.h"

#include <string.h>

enum { HEADER = 5, SMALL = 64, RECENT = 128, NEXT = SMALL + RECENT, SHORT, LONG = 255 };

typedef struct unpacking {
    const uint8_t *at, *end;
    uint32_t left;           /* words until the next instruction */
    uint32_t lengths[LONG];  /* of the last instruction of each opcode */
    uint32_t recent[RECENT]; /* the operands seen last, the last one first */
    uint32_t newest;
} unpacking;

/* Nothing beyond the end is read. */
static uint32_t take(unpacking *u, unsigned bytes)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes && u->at < u->end; i++)
        value |= (uint32_t)*u->at++ << 8 * i;
    return value;
}

static uint32_t first_word(unpacking *u)
{
    uint32_t opcode = take(u, 1), length;
    if (opcode == LONG) {
        opcode = take(u, 2);
        length = take(u, 2);
        if (opcode < LONG)
            u->lengths[opcode] = length;
    } else {
        length = u->lengths[opcode];
    }
    u->left = length ? length - 1 : 0;
    return length << 16 | opcode;
}

/* place: of the word among the recent ones; RECENT - 1 for one that is new. */
static uint32_t to_front(unpacking *u, size_t place, uint32_t word)
{
    memmove(u->recent + 1, u->recent, place * sizeof *u->recent);
    return u->recent[0] = word;
}

static uint32_t operand(unpacking *u)
{
    const uint32_t code = take(u, 1);
    u->left--;
    if (code < SMALL)
        return code;
    if (code < NEXT)
        return to_front(u, code - SMALL, u->recent[code - SMALL]);
    const uint32_t word = code == NEXT   ? u->newest + 1
                          : code == LONG ? take(u, 4)
                                         : (code - SHORT) << 8 | take(u, 1);
    if (word > u->newest && word < 1u << 16)
        u->newest = word;
    return to_front(u, RECENT - 1, word);
}

size_t vkd_spirv_unpack(const uint8_t *packed, size_t size, uint32_t *words)
{
    unpacking u = {.at = packed, .end = packed + size, .left = HEADER};
    size_t written = 0;
    while (u.at < u.end)
        words[written++] = u.left ? operand(&u) : first_word(&u);
    return written;
}
