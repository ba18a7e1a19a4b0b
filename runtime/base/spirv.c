#include "runtime/base/spirv.h"

#include <string.h>

/* --------------------------------------------------------------------------- sequences to codes */

typedef struct reader {
    const uint8_t *at, *end;
} reader;

/* A number of so many bytes, low ones first. Nothing beyond the end is read. */
static uint32_t take(reader *r, unsigned bytes)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes && r->at < r->end; i++)
        value |= (uint32_t)*r->at++ << 8 * i;
    return value;
}

/* Its first three bits are in the token. */
static size_t take_length(reader *r, size_t length)
{
    for (uint32_t more = length == 7 ? 255 : 0; more == 255; length += more)
        more = take(r, 1);
    return length;
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static reader read_packed(const vkd_spirv *code)
{
    return (reader){code->packed, code->packed + code->size};
}

static size_t count_codes(const vkd_spirv *code)
{
    reader r = read_packed(code);
    return take(&r, 3);
}

enum { LAST, ANOTHER, NEAR, FAR }; /* ways of distances */

/* Distances of the last match, and of the one with another before it. */
typedef struct distances {
    size_t last, another;
} distances;

static size_t take_distance(reader *r, uint32_t way, distances *d)
{
    if (way == LAST)
        return d->last;
    const size_t distance = way == ANOTHER ? d->another : way == NEAR ? take(r, 1) + 1 : take(r, 2);
    *d = (distances){distance, d->last};
    return distance;
}

/* Sequences to `at`, behind the codes that matches may begin in, from `window` on. */
static void expand_block(reader r, const uint8_t *window, uint8_t *at, const uint8_t *end)
{
    distances d = {0, 0};
    while (r.at < r.end && at < end) {
        const uint32_t token = take(&r, 1);
        size_t length = take_length(&r, token >> 5);
        length = least(length, least((size_t)(r.end - r.at), (size_t)(end - at)));
        memcpy(at, r.at, length);
        at += length;
        r.at += length;
        const size_t distance = take_distance(&r, token >> 3 & 3, &d);
        if (distance == 0 || distance > (size_t)(at - window))
            return;
        length = least(take_length(&r, token & 7) + 2, (size_t)(end - at));
        for (; length; length--, at++)
            *at = at[-(ptrdiff_t)distance];
    }
}

/* The codes, and those of the bases before them, up to `end`. Returns where they begin. */
static const uint8_t *expand(const vkd_spirv *code, const uint8_t *window, uint8_t *end)
{
    uint8_t *const begin = end - count_codes(code);
    if (code->base)
        expand(code->base, window, begin);
    reader r = read_packed(code);
    take(&r, 3);
    expand_block(r, window, begin, end);
    return begin;
}

/* ------------------------------------------------------------------------------ codes to words */

enum { HEADER = 5, SMALL = 64, RECENT = 128, NEXT = SMALL + RECENT, SHORT, LONG = 255 };

typedef struct unpacking {
    reader codes;
    uint32_t left;           /* words until the next instruction */
    uint32_t lengths[LONG];  /* of the last instruction of each opcode */
    uint32_t recent[RECENT]; /* the operands seen last, the last one first */
    uint32_t newest;
} unpacking;

static uint32_t first_word(unpacking *u)
{
    uint32_t opcode = take(&u->codes, 1), length;
    if (opcode == LONG) {
        opcode = take(&u->codes, 2);
        length = take(&u->codes, 2);
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
    const uint32_t code = take(&u->codes, 1);
    u->left--;
    if (code < SMALL)
        return code;
    if (code < NEXT)
        return to_front(u, code - SMALL, u->recent[code - SMALL]);
    const uint32_t word = code == NEXT   ? u->newest + 1
                          : code == LONG ? take(&u->codes, 4)
                                         : (code - SHORT) << 8 | take(&u->codes, 1);
    if (word > u->newest && word < 1u << 16)
        u->newest = word;
    return to_front(u, RECENT - 1, word);
}

size_t vkd_spirv_room(const vkd_spirv *code)
{
    size_t before = 0;
    for (const vkd_spirv *base = code->base; base; base = base->base)
        before += count_codes(base);
    return count_codes(code) + (before + sizeof(uint32_t) - 1) / sizeof(uint32_t);
}

/* The codes are at the end of the room: a word is of a code at least, so none is written over
 * before it is read. */
size_t vkd_spirv_unpack(const vkd_spirv *code, uint32_t *room)
{
    uint8_t *const end = (uint8_t *)(room + vkd_spirv_room(code));
    unpacking u = {.codes = {expand(code, (const uint8_t *)room, end), end}, .left = HEADER};
    size_t written = 0;
    while (u.codes.at < u.codes.end)
        room[written++] = u.left ? operand(&u) : first_word(&u);
    return written;
}
