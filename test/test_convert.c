/* What vkd_execute makes of arguments in another dtype than the tensor's: 64 bits and halves. Skips
 * without a device. */
#include "support/blob_builder.h"
#include "support/call.h"
#include "support/faulty.h"
#include "support/gpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

/* A delegate that copies n elements. */
static vkd_delegate *copier(const vkd_options *options, vkd_dtype dtype, uint32_t n)
{
    vkd_blob_builder *b = blob_new();
    uint32_t x = blob_constant_tensor(b, dtype, 1, &n, -1),
             y = blob_constant_tensor(b, dtype, 1, &n, -1);
    blob_op(b, "aten.clone.default", 0, (const uint32_t[]){x, blob_null(b), y}, 3);
    blob_io(b, &x, 1, &y, 1);
    size_t size;
    void *blob = blob_finish(b, &size);
    vkd_delegate *delegate;
    if (vkd_init(blob, size, NULL, 0, NULL, options, &delegate) != VKD_OK)
        fail_msg("%s", options->error);
    free(blob);
    return delegate;
}

static void copy(vkd_delegate *delegate, vkd_dtype in_dtype, const void *in, vkd_dtype out_dtype,
                 void *out, int64_t n)
{
    vkd_tensor_arg args[2] = {call_arg(in_dtype, 1, &n, in, NULL),
                              call_arg(out_dtype, 1, &n, NULL, out)};
    if (vkd_execute(delegate, args, 2) != VKD_OK)
        fail_msg("%s", vkd_last_error(delegate));
}

static void converts_64_bits(void **state)
{
    (void)state;
    gpu_needed();
    watch w;
    vkd_options options = watch_begin(&w);
    const int64_t longs[5] = {0, -1, INT32_MAX, INT32_MIN, 123456789};
    int64_t longs_back[5];
    int32_t ints[5];
    vkd_delegate *delegate = copier(&options, VKD_DTYPE_INT32, 5);
    copy(delegate, VKD_DTYPE_INT64, longs, VKD_DTYPE_INT64, longs_back, 5);
    assert_memory_equal(longs, longs_back, sizeof longs);
    copy(delegate, VKD_DTYPE_INT64, longs, VKD_DTYPE_INT32, ints, 5);
    assert_true(ints[1] == -1 && ints[3] == INT32_MIN && ints[4] == 123456789);
    vkd_destroy(delegate);

    const double doubles[6] = {0.1, -1e300, 0x1.000001p0, -0.0, NAN, 1e-46};
    double doubles_back[6];
    float floats[6];
    delegate = copier(&options, VKD_DTYPE_FLOAT32, 6);
    copy(delegate, VKD_DTYPE_FLOAT64, doubles, VKD_DTYPE_FLOAT64, doubles_back, 6);
    copy(delegate, VKD_DTYPE_FLOAT64, doubles, VKD_DTYPE_FLOAT32, floats, 6);
    assert_true(floats[0] == 0.1f && isinf(floats[1]) && floats[1] < 0 && floats[2] == 1.0f);
    assert_true(signbit(floats[3]) && isnan(floats[4]) && floats[5] == 0);
    for (int i = 0; i < 6; i++)
        assert_true(i == 4 ? isnan(doubles_back[i]) : doubles_back[i] == (double)floats[i]);
    vkd_destroy(delegate);
    watch_end(&w);
}

/* The value of half number `bits`, by the format's definition. */
static double half_value(uint32_t bits)
{
    int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
    double magnitude = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return bits >> 15 ? -magnitude : magnitude;
}

static bool is_half_nan(uint32_t bits) { return (bits & 0x7fff) > 0x7c00; }

/* All halves to floats and back; floats between two halves to the nearer one, half-way to the even
 * one. */
static void converts_halves(void **state)
{
    enum { HALVES = 1 << 16, FINITE = 0x7bff };
    (void)state;
    gpu_needed();
    watch w;
    vkd_options options = watch_begin(&w);
    uint16_t *halves = malloc(2 * HALVES), *back = malloc(2 * HALVES);
    float *floats = malloc(4 * HALVES);
    vkd_delegate *delegate = copier(&options, VKD_DTYPE_FLOAT32, HALVES);
    for (uint32_t i = 0; i < HALVES; i++)
        halves[i] = (uint16_t)i;
    copy(delegate, VKD_DTYPE_FLOAT16, halves, VKD_DTYPE_FLOAT32, floats, HALVES);
    copy(delegate, VKD_DTYPE_FLOAT16, halves, VKD_DTYPE_FLOAT16, back, HALVES);
    for (uint32_t i = 0; i < HALVES; i++) {
        if (is_half_nan(i)) {
            assert_true(isnan(floats[i]) && is_half_nan(back[i]));
            continue;
        }
        assert_true((i & 0x7fff) == 0x7c00 ? isinf(floats[i]) : (double)floats[i] == half_value(i));
        assert_true(!signbit(floats[i]) == !(i >> 15));
        assert_int_equal(back[i], i);
    }
    for (uint32_t i = 0; i < HALVES;
         i++) { /* below, at and above the middle of halves i and i + 1 */
        uint32_t low = i % FINITE;
        double middle = (half_value(low) + half_value(low + 1)) / 2, nudge = i % 3 == 0   ? -1
                                                                             : i % 3 == 1 ? 0
                                                                                          : 1;
        floats[i] = (float)(middle * (1 + nudge * 0x1p-20));
    }
    copy(delegate, VKD_DTYPE_FLOAT32, floats, VKD_DTYPE_FLOAT16, back, HALVES);
    for (uint32_t i = 0; i < HALVES; i++) {
        uint32_t low = i % FINITE;
        assert_int_equal(back[i], i % 3 == 0 ? low : i % 3 == 1 ? low + low % 2 : low + 1);
    }
    free(halves), free(back), free(floats);
    vkd_destroy(delegate);
    watch_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(converts_64_bits),
        cmocka_unit_test(converts_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
