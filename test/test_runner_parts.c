/* The parts of vkd-run that read what others wrote, EXIF data, text in any encoding and token ids;
 * and drawing tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <iconv.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runner/exif.h"
#include "runner/sample.h"
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

/* --------------------------------------------------------------------------------------- tokens */

static void token_ids(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int count; /* -1: refused */
        int64_t last;
    } rows[] = {
        {"1,15,27", 3, 27},    {" 1\n 15 ", 2, 15}, {"", 0, 0},
        {",", 0, 0},           {"0", 1, 0},         {"2147483647", 1, INT32_MAX},
        {"2147483648", -1, 0}, {"-1", -1, 0},       {"1.5", -1, 0},
        {"1x", -1, 0},         {"0x10", -1, 0},     {"1;2", -1, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t *ids = NULL;
        size_t count = 0;
        run_exit result = run_tokens_parse("--prompt", rows[i].text, &ids, &count);
        assert_int_equal(result, rows[i].count < 0 ? RUN_USAGE : RUN_OK);
        if (!result) {
            assert_int_equal(count, rows[i].count);
            assert_true(!count || ids[count - 1] == rows[i].last);
            free(ids);
        }
    }
}

enum { LOGITS = 300, DRAWS = 20000 };

static int by_logit(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* How often each token comes against its probability, for any temperature and K. */
static void drawn_as_often_as_likely(void **state)
{
    (void)state;
    vkd_random random = random_begin("sampling");
    for (int round = 0; round < 12; round++) {
        double logits[LOGITS], sorted[LOGITS], sum = 0, temperature = 0.5 + round * 0.25;
        size_t places[LOGITS], counts[LOGITS] = {0};
        size_t count = (size_t)random_range(&random, 2, LOGITS), top = (size_t)round * 7;
        for (size_t i = 0; i < count; i++)
            logits[i] = sorted[i] = random_range(&random, -4000, 4000) * 1e-3 + (double)i * 1e-9;
        qsort(sorted, count, sizeof *sorted, by_logit);
        const size_t kept = top && top < count ? top : count;
        for (size_t i = 0; i < kept; i++)
            sum += exp(sorted[i] / temperature);
        run_sampler sampler = {temperature, top, (uint64_t)round};
        for (int i = 0; i < DRAWS; i++)
            counts[run_sample(&sampler, logits, count, places)]++;
        for (size_t i = 0; i < count; i++) {
            double p = logits[i] >= sorted[kept - 1] ? exp(logits[i] / temperature) / sum : 0;
            double off = fabs((double)counts[i] - p * DRAWS);
            if (off > 6 * sqrt(p * (1 - p) * DRAWS) + (p > 0)) /* sigmas, and one for the rare */
                fail_msg("round %d: token %zu came %zu times, expected %g", round, i, counts[i],
                         p * DRAWS);
        }
    }
}

static void odd_logits(void **state)
{
    (void)state;
    static const double rows[][4] = {{NAN, 1, 3, 2},
                                     {3, NAN, 3, -INFINITY},
                                     {NAN, INFINITY, 3, 5},
                                     {-INFINITY, -INFINITY, -1e308, NAN},
                                     {NAN, NAN, -INFINITY, NAN}};
    static const size_t greedy[] = {2, 0, 1, 2, 4};
    size_t places[4];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        run_sampler sampler = {0, 0, 1};
        assert_int_equal(run_sample(&sampler, rows[i], 4, places), greedy[i]);
        sampler.temperature = 1e-6;
        size_t token = run_sample(&sampler, rows[i], 4, places);
        assert_true(token == greedy[i] || (i == 1 && token == 2));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orientations),
        cmocka_unit_test(broken_exif),
        cmocka_unit_test(invalid_bytes_are_replaced),
        cmocka_unit_test(any_bytes_become_valid),
        cmocka_unit_test(token_ids),
        cmocka_unit_test(drawn_as_often_as_likely),
        cmocka_unit_test(odd_logits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
