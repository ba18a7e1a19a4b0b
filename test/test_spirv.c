/* The packed form of SPIR-V: every module of the library, and a kernel of awkward constants,
 * unpack to what glslc wrote, but for names. Needs no device. */
#include "runtime/base/spirv.h"
#include "shaders/shaders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t literals_packed[] = {
#include "test/shaders/literals.inc"
};
static const vkd_spirv literals = {literals_packed, sizeof literals_packed, NULL};

/* What glslc wrote: the words of a file. */
static uint32_t *read_words(const char *folder, const char *file, size_t *out_count)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.num", folder, file);
    FILE *stream = fopen(path, "r");
    if (!stream)
        fail_msg("there is no %s", path);
    enum { MOST = 1 << 20 };
    uint32_t *words = calloc(MOST, sizeof *words);
    assert_non_null(words);
    size_t count = 0;
    while (count < MOST && fscanf(stream, " %x ,", &words[count]) == 1)
        count++;
    assert_true(feof(stream));
    fclose(stream);
    *out_count = count;
    return words;
}

/* Drops OpSource, OpSourceExtension, OpName and OpMemberName; the instructions must fill the words.
 */
static size_t without_names(uint32_t *words, size_t count)
{
    enum { HEADER = 5 };
    size_t kept = HEADER, at = HEADER;
    for (size_t length; at < count; at += length) {
        uint32_t opcode = words[at] & 0xffff;
        length = words[at] >> 16;
        assert_true(length > 0 && length <= count - at);
        if (opcode >= 3 && opcode <= 6)
            continue;
        memmove(words + kept, words + at, length * sizeof *words);
        kept += length;
    }
    assert_int_equal(at, count);
    return kept;
}

static void check(const char *folder, const char *file, const vkd_spirv *code)
{
    size_t expected_count;
    uint32_t *expected = read_words(folder, file, &expected_count),
             *got = calloc(vkd_spirv_room(code), sizeof *got);
    assert_non_null(got);
    size_t words = vkd_spirv_unpack(code, got);
    assert_int_equal(got[0], 0x07230203); /* SPIR-V's magic number */
    expected_count = without_names(expected, expected_count);
    if (words != expected_count)
        fail_msg("%s: %zu words, expected %zu", file, words, expected_count);
    for (size_t i = 0; i < words; i++)
        if (got[i] != expected[i])
            fail_msg("%s: word %zu is %#x, expected %#x", file, i, got[i], expected[i]);
    free(expected);
    free(got);
}

static void every_module(void **state)
{
    static const char *const names[] = {"none", "signed", "mixed"};
    (void)state;
    size_t checked = 0;
    for (size_t s = 0; s < VKD_SHADER_COUNT; s++)
        for (size_t f = 0; f < 3; f++) {
            const vkd_spirv *const *flavours = vkd_shaders[s].flavours;
            const bool same = flavours[0] == flavours[1];
            assert_int_equal(!flavours[f], (VKD_FAMILIES_LEFT_OUT & vkd_shaders[s].family) != 0);
            if (!flavours[f] || (same && f > 0))
                continue;
            char file[256];
            snprintf(file, sizeof file, "%s.%s", vkd_shaders[s].name, same ? "all" : names[f]);
            check(VKD_PACKED, file, flavours[f]);
            checked++;
        }
    print_message("%zu flavours of %d modules\n", checked, VKD_SHADER_COUNT);
    assert_true(checked > 40);
}

static void awkward_constants(void **state)
{
    (void)state;
    check(VKD_GENERATED, "test/shaders/literals", &literals);
}

static size_t unpack(const uint8_t *packed, size_t size, const vkd_spirv *base, uint32_t *room,
                     size_t room_size)
{
    const vkd_spirv code = {packed, size, base};
    assert_in_range(vkd_spirv_room(&code), 0, room_size);
    memset(room, 0, room_size * sizeof *room);
    return vkd_spirv_unpack(&code, room);
}

/* The same codes as they are, and behind a base of which they repeat the most. */
static void numbers(void **state)
{
    (void)state;
    static const uint8_t packed[] = {
        49,  0,    0,    7 << 5, 49 - 7, /* 49 codes, none of them a match's */
        255, 0x03, 0x02, 0x23,   0x07,   63,   192, 194,  44,  66,       /* a header */
        255, 43,   0,    4,      0,      64,   192, 254,  255,           /* of 4 words: 43 */
        43,  255,  0xff, 0xff,   0xff,   0xff, 0,   68,                  /* the same again */
        255, 0x01, 0x12, 2,      0,      255,  0,   0x3e, 0,   0,        /* one of a large opcode */
        43,  0,    0,    0,      43,     0,    0,   0,    43,  0,  0, 0, /* three of 4 words */
    };
    /* clang-format off */
    static const uint8_t behind[] = {
        49, 0, 0,                                     /* 49 codes: */
        3 << 3 | 7, 49, 0, 12 - 2 - 7,                /* 12 of the base, */
        0 << 3 | 7, 20 - 2 - 7,                       /* 20 behind those, */
        7 << 5 | 2 << 3 | (4 - 2), 9 - 7,             /* 9 others */
        255, 0, 0x3e, 0, 0, 43, 0, 0, 0, 4 - 1,       /* and again the last 4, */
        1 << 3 | (4 - 2),                             /* and 4 of the base */
    };
    /* clang-format on */
    static const uint32_t expected[] = {0x07230203, 63,
                                        1,          300,
                                        0x07230203, 4 << 16 | 43,
                                        0x07230203, 301,
                                        15871,      4 << 16 | 43,
                                        UINT32_MAX, 0,
                                        300,        2 << 16 | 0x1201,
                                        15872,      4 << 16 | 43,
                                        0,          0,
                                        0,          4 << 16 | 43,
                                        0,          0,
                                        0,          4 << 16 | 43,
                                        0,          0,
                                        0};
    enum { ROOM = 64 };
    uint32_t got[ROOM];
    const vkd_spirv base = {packed, sizeof packed, NULL};
    size_t count = unpack(packed, sizeof packed, NULL, got, ROOM);
    assert_int_equal(count, sizeof expected / sizeof *expected);
    assert_memory_equal(got, expected, sizeof expected);
    count = unpack(behind, sizeof behind, &base, got, ROOM);
    assert_int_equal(count, sizeof expected / sizeof *expected);
    assert_memory_equal(got, expected, sizeof expected);
    assert_int_equal(unpack(packed, 0, NULL, got, ROOM), 0);
    /* an end in the midst of a word, or of a match: nothing beyond is read or written */
    for (size_t size = 1; size < sizeof packed; size++)
        assert_in_range(unpack(packed, size, NULL, got, ROOM), 0, sizeof packed);
    for (size_t size = 1; size < sizeof behind; size++)
        assert_in_range(unpack(behind, size, &base, got, ROOM), 0, sizeof packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(awkward_constants),
        cmocka_unit_test(every_module),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
