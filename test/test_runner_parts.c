/* The parts of vkd-run that read what others wrote: EXIF data and text in any encoding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runner/exif.h"
#include "runner/utf8.h"
#include "support/random.h"

/* ----------------------------------------------------------------------------------------- EXIF */

static size_t put(unsigned char *out, size_t value, unsigned size, bool big)
{
    for (unsigned i = 0; i < size; i++)
        out[big ? size - 1 - i : i] = (unsigned char)(value >> 8 * i);
    return size;
}

/* A directory of three entries at `at`, the orientation in the middle. Returns the size. */
static size_t make_exif(unsigned char *out, bool big, size_t at, unsigned type, unsigned value)
{
    static const unsigned tags[] = {0x10f, 0x112, 0x131};
    memset(out, 0xee, at);
    memcpy(out, big ? "MM\0*" : "II*\0", 4);
    put(out + 4, at, 4, big);
    size_t size = at + put(out + at, 3, 2, big);
    for (size_t i = 0; i < 3; i++) {
        size += put(out + size, tags[i], 2, big);
        size += put(out + size, i == 1 ? type : 2, 2, big);
        size += put(out + size, 1, 4, big);
        size += put(out + size, value, 2, big);
        size += put(out + size, 0, 2, big);
    }
    return size;
}

static void orientations(void **state)
{
    (void)state;
    unsigned char data[128];
    for (int big = 0; big < 2; big++) {
        for (size_t at = 8; at < 20; at++) {
            for (unsigned value = 0; value <= 10; value++) {
                size_t size = make_exif(data, big, at, 3, value);
                assert_int_equal(run_exif_orientation(data, size),
                                 value >= 1 && value <= 8 ? value : 1);
                /* another type */
                assert_int_equal(run_exif_orientation(data, make_exif(data, big, at, 4, value)), 1);
            }
        }
    }
}

/* Cut off anywhere, in blocks of exactly that size for the sanitizers, and with offsets and counts
 * that lead outside. */
static void broken_exif(void **state)
{
    (void)state;
    unsigned char data[128];
    vkd_random random = random_begin("EXIF");
    size_t whole = make_exif(data, true, 8, 3, 6), entry_end = 8 + 2 + 24;
    for (size_t size = 0; size <= whole; size++) {
        unsigned char *copy = malloc(size + !size);
        assert_non_null(copy);
        memcpy(copy, data, size);
        assert_int_equal(run_exif_orientation(copy, size), size >= entry_end ? 6 : 1);
        for (int i = 0; i < 200 && size; i++) {
            copy[random_bits(&random) % size] = (unsigned char)random_bits(&random);
            int got = run_exif_orientation(copy, size);
            assert_true(got >= 1 && got <= 8);
        }
        free(copy);
    }
}

/* ---------------------------------------------------------------------------------------- UTF-8 */

/* What the C library thinks of it. */
static bool is_valid(const char *text)
{
    char wide[1024], *from = (char *)(uintptr_t)text, *to = wide;
    size_t size = strlen(text), room = sizeof wide;
    iconv_t converter = iconv_open("UTF-32", "UTF-8");
    assert_true(converter != (iconv_t)-1);
    bool valid = iconv(converter, &from, &size, &to, &room) != (size_t)-1;
    iconv_close(converter);
    return valid;
}

static void invalid_bytes_are_replaced(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", ""},
        {"plain \x7f", "plain \x7f"},
        {"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"caf\xe9", "caf\xef\xbf\xbd"},
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* broken off */
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* longer than needed */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},                 /* the last one */
        {"\xf8\x88", "\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *got = run_utf8(rows[i][0]);
        assert_string_equal(got, rows[i][1]);
        free(got);
    }
}

static void any_bytes_become_valid(void **state)
{
    (void)state;
    vkd_random random = random_begin("UTF-8");
    static const unsigned char leads[] = {0x41, 0x80, 0xbf, 0xc1, 0xc2, 0xe0,
                                          0xed, 0xef, 0xf0, 0xf4, 0xf5};
    size_t kept = 0;
    for (int i = 0; i < 100000; i++) {
        char text[9] = "";
        size_t size = 1 + random_bits(&random) % 8;
        for (size_t k = 0; k < size; k++) {
            unsigned char any = (unsigned char)(1 + random_bits(&random) % 255);
            text[k] = (char)(random_bits(&random) % 3 ? (any & 0x3f) | 0x80
                                                      : leads[random_bits(&random) % sizeof leads]);
        }
        char *got = run_utf8(text);
        assert_true(is_valid(got));
        if (is_valid(text)) {
            assert_string_equal(got, text);
            kept++;
        }
        free(got);
    }
    print_message("%zu of 100000 were valid\n", kept);
    assert_true(kept > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orientations),
        cmocka_unit_test(broken_exif),
        cmocka_unit_test(invalid_bytes_are_replaced),
        cmocka_unit_test(any_bytes_become_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
