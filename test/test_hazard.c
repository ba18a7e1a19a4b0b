/* Which dispatches need a barrier between them. No driver is needed. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "runtime/hazard.h"
#include "support/gpu.h"

static const char memory_a, memory_b;

static void pairs(void **state)
{
    enum { READ, WRITE };
    static const struct {
        vkd_range first, second;
        bool hazard;
    } rows[] = {
        {{&memory_a, 0, 16, WRITE}, {&memory_a, 0, 16, READ}, true},   /* read after write */
        {{&memory_a, 0, 16, READ}, {&memory_a, 0, 16, WRITE}, true},   /* write after read */
        {{&memory_a, 0, 16, WRITE}, {&memory_a, 0, 16, WRITE}, true},  /* write after write */
        {{&memory_a, 0, 16, READ}, {&memory_a, 0, 16, READ}, false},   /* two readers */
        {{&memory_a, 0, 16, WRITE}, {&memory_b, 0, 16, WRITE}, false}, /* other memory */
        {{&memory_a, 0, 16, WRITE}, {&memory_a, 16, 16, READ}, false}, /* neighbours */
        {{&memory_a, 16, 16, WRITE}, {&memory_a, 0, 16, READ}, false},
        {{&memory_a, 0, 17, WRITE}, {&memory_a, 16, 16, READ}, true}, /* one byte */
        {{&memory_a, 16, 16, WRITE}, {&memory_a, 0, 17, READ}, true},
        {{&memory_a, 0, 64, WRITE}, {&memory_a, 16, 1, READ}, true}, /* inside */
        {{&memory_a, 16, 1, READ}, {&memory_a, 0, 64, WRITE}, true},
        /* nothing */
        {{&memory_a, 8, 0, WRITE}, {&memory_a, 0, 16, WRITE}, false},
        /* an end beyond 64 bits */
        {{&memory_a, UINT64_MAX - 8, UINT64_MAX, WRITE}, {&memory_a, 0, 8, READ}, false},
        {{&memory_a, UINT64_MAX - 8, UINT64_MAX, WRITE}, {&memory_a, UINT64_MAX, 1, READ}, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vkd_range storage[1];
        vkd_hazards hazards = {storage, 0, 1};
        assert_false(vkd_hazards_found(&hazards, &rows[i].second, 1)); /* nothing came before */
        assert_true(vkd_hazards_add(&hazards, &rows[i].first, 1));
        assert_int_equal(vkd_hazards_found(&hazards, &rows[i].second, 1), rows[i].hazard);
        vkd_hazards_clear(&hazards);
        assert_false(vkd_hazards_found(&hazards, &rows[i].second, 1));
    }
}

static void room_is_bounded(void **state)
{
    (void)state;
    vkd_range storage[2];
    vkd_hazards hazards = {storage, 0, 2};
    const vkd_range uses[] = {
        {&memory_a, 0, 1, true}, {&memory_a, 0, 1, false}, {&memory_b, 0, 1, false}};
    assert_false(vkd_hazards_add(&hazards, uses, 3));
    assert_int_equal(hazards.count, 0);
    assert_true(vkd_hazards_add(&hazards, uses, 2)); /* one dispatch may read what it writes */
    assert_false(vkd_hazards_add(&hazards, uses, 1));
    assert_true(vkd_hazards_add(&hazards, NULL, 0));
}

/* Dispatches that nothing ties to each other: work does not grow with the square of them. */
static void a_barrier_comes_at_last(void **state)
{
    static vkd_range storage[VKD_HAZARDS_WATCHED + 2];
    vkd_hazards hazards = {storage, 0, VKD_HAZARDS_WATCHED + 2};
    (void)state;
    for (uint64_t i = 0; i <= VKD_HAZARDS_WATCHED; i++) {
        const vkd_range use = {&memory_a, 16 * i, 16, true};
        assert_false(vkd_hazards_found(&hazards, &use, 1));
        assert_true(vkd_hazards_add(&hazards, &use, 1));
    }
    const vkd_range use = {&memory_b, 0, 16, false};
    assert_true(vkd_hazards_found(&hazards, &use, 1));
    vkd_hazards_clear(&hazards);
    assert_false(vkd_hazards_found(&hazards, &use, 1));
}

enum { BYTES = 24, DISPATCHES = 40, USES = 3 };

/* Random dispatches over a few bytes, against bookkeeping byte by byte. */
static void against_bytes(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        vkd_range storage[DISPATCHES * USES];
        vkd_hazards hazards = {storage, 0, DISPATCHES * USES};
        unsigned char read[BYTES] = {0}, written[BYTES] = {0};
        for (int d = 0; d < DISPATCHES; d++) {
            vkd_range uses[USES];
            bool expected = false;
            for (int u = 0; u < USES; u++) {
                uint64_t offset = gpu_random() % BYTES;
                uses[u] = (vkd_range){&memory_a, offset, gpu_random() % (BYTES - offset + 1) % 4,
                                      gpu_random() % 4 == 0};
                for (uint64_t b = offset; b < offset + uses[u].size; b++)
                    expected = expected || written[b] || (uses[u].write && read[b]);
            }
            assert_int_equal(vkd_hazards_found(&hazards, uses, USES), expected);
            if (expected) {
                vkd_hazards_clear(&hazards);
                memset(read, 0, sizeof read);
                memset(written, 0, sizeof written);
            }
            assert_true(vkd_hazards_add(&hazards, uses, USES));
            for (int u = 0; u < USES; u++)
                memset((uses[u].write ? written : read) + uses[u].offset, 1, uses[u].size);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs),
        cmocka_unit_test(room_is_bounded),
        cmocka_unit_test(a_barrier_comes_at_last),
        cmocka_unit_test(against_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
