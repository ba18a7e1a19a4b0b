/* A batch norm by constants that becomes part of the convolution before it, against a plain one in
 * double precision, and what must stay apart: parameters that are computed, not finite, or too
 * large to multiply weights by, and convolutions that somebody else reads. */
#include "include/vkdelegate.h"
#include "runtime/base/element.h"
#include "support/harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 1 << 14, CHANNELS = 24 };

/* What is drawn, or asked for. */
typedef enum oddity {
    PLAIN,
    READ_TWICE,   /* the convolution is an output, too */
    COMPUTED,     /* the convolution's bias is an input */
    ODD_FACTOR,   /* infinite, NaN, or more than products may have */
    NORMED_TWICE, /* one norm behind the other: the first is part of it */
    ODDITIES
} oddity;

typedef struct drawn {
    hand_model m;
    vkd_random *random;
    vkd_dtype dtype;
    uint32_t dims, groups, in_c, out_c, kernel[2], size[2], stride, padding, out[2], n;
    bool transposed, bias, affine;
    float eps;
    /* as f32 or f16, then as what they are */
    void *x, *w, *b, *norm[4]; /* weight, bias, mean, variance */
} drawn;

static uint32_t between(drawn *d, int32_t low, int32_t high)
{
    return (uint32_t)random_range(d->random, low, high);
}

static void *numbers(drawn *d, size_t count, float low, float high)
{
    float *data = checked_alloc(count, sizeof *data);
    random_floats(d->random, low, high, data, count);
    for (size_t i = 0; d->dtype == VKD_DTYPE_FLOAT16 && i < count; i++)
        vkd_element_set(d->dtype, data, i, (double)data[i]);
    return data;
}

static double get(const drawn *d, const void *data, size_t i)
{
    return vkd_element_get(d->dtype, data, i);
}

static size_t taps_of(const drawn *d) { return (size_t)d->kernel[0] * d->kernel[1]; }

static void draw(drawn *d)
{
    d->dtype = between(d, 0, 1) ? VKD_DTYPE_FLOAT16 : VKD_DTYPE_FLOAT32;
    d->dims = between(d, 1, 2);
    d->groups = between(d, 1, 3);
    d->transposed = between(d, 0, 2) == 0;
    d->bias = between(d, 0, 1);
    d->affine = between(d, 0, 3);
    d->in_c = d->groups * between(d, 1, 5);
    d->out_c = d->groups * between(d, 1, CHANNELS / 3);
    d->n = between(d, 1, 2);
    d->stride = between(d, 1, 2);
    d->padding = between(d, 0, 1);
    d->eps = 1e-3f;
    for (int axis = 0; axis < 2; axis++) {
        const bool real = axis || d->dims == 2;
        d->kernel[axis] = real ? between(d, 1, 3) : 1;
        d->size[axis] = real ? between(d, 4, 7) : 1;
        d->out[axis] = !real ? 1
                       : d->transposed
                           ? (d->size[axis] - 1) * d->stride + d->kernel[axis] - 2 * d->padding
                           : (d->size[axis] + 2 * d->padding - d->kernel[axis]) / d->stride + 1;
    }
    d->x = numbers(d, (size_t)d->n * d->in_c * d->size[0] * d->size[1], -2, 2);
    d->w = numbers(d, (size_t)d->in_c / d->groups * d->out_c * taps_of(d), -1, 1);
    for (size_t i = 0; i < (size_t)d->in_c / d->groups * d->out_c * taps_of(d); i++)
        if (fabs(get(d, d->w, i)) < 0.1) /* halves of less than 2^-14 lose bits */
            vkd_element_set(d->dtype, d->w, i, 0.5);
    d->b = numbers(d, d->out_c, -1, 1);
    for (int i = 0; i < 4; i++)
        d->norm[i] = numbers(d, d->out_c, i == 3 ? 0.1f : i ? -2 : 0.5f, 2);
}

/* -------------------------------------------------------------------------------------- the net */

static uint32_t shaped(drawn *d, uint32_t n, uint32_t c, const uint32_t pixels[2],
                       uint32_t (*add)(hand_model *, vkd_dtype, uint32_t, const uint32_t *))
{
    const uint32_t image[] = {n, c, pixels[0], pixels[1]}, line[] = {n, c, pixels[1]};
    return d->dims == 2 ? add(&d->m, d->dtype, 4, image) : add(&d->m, d->dtype, 3, line);
}

static void add_norm(drawn *d, const uint32_t p[4], uint32_t x, uint32_t y)
{
    hand_model *m = &d->m;
    HAND_OP(m, "aten._native_batch_norm_legit_no_training.default", x, p[0], p[1], p[2], p[3],
            hand_double(m, 0.1), hand_double(m, (double)d->eps),
            hand_list(m, 3,
                      (uint32_t[]){y, hand_tensor(m, d->dtype, 1, (uint32_t[]){0}),
                                   hand_tensor(m, d->dtype, 1, (uint32_t[]){0})}));
}

static void build(drawn *d, oddity odd)
{
    hand_model *m = &d->m;
    const uint32_t w_first = d->transposed ? d->in_c : d->out_c,
                   w_second = (d->transposed ? d->out_c : d->in_c) / d->groups,
                   w_image[] = {w_first, w_second, d->kernel[0], d->kernel[1]},
                   w_line[] = {w_first, w_second, d->kernel[1]}, c[] = {d->out_c};
    const uint32_t x = shaped(d, d->n, d->in_c, d->size, hand_input),
                   sum = shaped(d, d->n, d->out_c, d->out, hand_tensor),
                   normed = shaped(d, d->n, d->out_c, d->out, hand_tensor),
                   y = shaped(d, d->n, d->out_c, d->out, hand_output),
                   w = hand_constant(m, d->dtype, d->dims + 2, d->dims == 2 ? w_image : w_line,
                                     d->w);
    uint32_t p[4];
    for (int i = 0; i < 4; i++)
        p[i] = i < 2 && !d->affine ? hand_null(m) : hand_constant(m, d->dtype, 1, c, d->norm[i]);
    const int64_t stride[] = {d->stride, d->stride}, padding[] = {d->padding, d->padding},
                  one[] = {1, 1}, zero[] = {0, 0};
    HAND_OP(m, "aten.convolution.default", x, w,
            odd == COMPUTED ? hand_input(m, d->dtype, 1, c)
            : d->bias       ? hand_constant(m, d->dtype, 1, c, d->b)
                            : hand_null(m),
            hand_ints(m, d->dims, stride), hand_ints(m, d->dims, padding),
            hand_ints(m, d->dims, one), hand_bool(m, d->transposed), hand_ints(m, d->dims, zero),
            hand_int(m, d->groups), sum);
    add_norm(d, p, sum, normed);
    const uint32_t last =
        odd == NORMED_TWICE ? shaped(d, d->n, d->out_c, d->out, hand_tensor) : normed;
    if (odd == NORMED_TWICE)
        add_norm(d, p, normed, last);
    HAND_OP(m, "aten.neg.default", last, y); /* what is an output is copied once more */
    if (odd == READ_TWICE)
        hand_mark_output(m, sum);
}

/* ------------------------------------------------------------------------------------ the oracle
 */

static int64_t under(const drawn *d, int axis, uint32_t out, uint32_t tap)
{
    const int64_t padding = axis || d->dims == 2 ? d->padding : 0, size = d->size[axis],
                  stride = axis || d->dims == 2 ? d->stride : 1;
    int64_t at = d->transposed ? (int64_t)out + padding - tap : out * stride - padding + tap;
    if (d->transposed && (at < 0 || at % stride))
        return -1;
    at = d->transposed ? at / stride : at;
    return at >= 0 && at < size ? at : -1;
}

/* A sum, and of absolute values. */
static double convolve(const drawn *d, uint32_t n, uint32_t c, uint32_t oy, uint32_t ox,
                       double *size)
{
    const uint32_t inputs = d->in_c / d->groups, outputs = d->out_c / d->groups,
                   group = c / outputs;
    double sum = d->bias ? get(d, d->b, c) : 0;
    *size = fabs(sum);
    for (uint32_t i = 0; i < inputs; i++)
        for (uint32_t ky = 0; ky < d->kernel[0]; ky++)
            for (uint32_t kx = 0; kx < d->kernel[1]; kx++) {
                const int64_t y = under(d, 0, oy, ky), x = under(d, 1, ox, kx);
                const uint32_t ic = group * inputs + i;
                const size_t row =
                    d->transposed ? (size_t)ic * outputs + c % outputs : (size_t)c * inputs + i;
                if (y < 0 || x < 0)
                    continue;
                const double product =
                    get(d, d->x,
                        ((n * d->in_c + ic) * d->size[0] + (size_t)y) * d->size[1] + (size_t)x) *
                    get(d, d->w, row * taps_of(d) + ky * d->kernel[1] + kx);
                sum += product;
                *size += fabs(product);
            }
    return sum;
}

static double normed(const drawn *d, uint32_t c, double sum, double size, double *tolerance)
{
    const double weight = d->affine ? get(d, d->norm[0], c) : 1,
                 bias = d->affine ? get(d, d->norm[1], c) : 0, mean = get(d, d->norm[2], c),
                 factor = weight / sqrt(get(d, d->norm[3], c) + (double)d->eps);
    const double unit = d->dtype == VKD_DTYPE_FLOAT16 ? 1.0 / 1024 : 1e-5;
    *tolerance = unit * ((size + fabs(mean)) * fabs(factor) + fabs(bias) + 1e-3);
    return (sum - mean) * factor + bias;
}

static void compare(const drawn *d, const void *y)
{
    size_t at = 0;
    for (uint32_t n = 0; n < d->n; n++)
        for (uint32_t c = 0; c < d->out_c; c++)
            for (uint32_t oy = 0; oy < d->out[0]; oy++)
                for (uint32_t ox = 0; ox < d->out[1]; ox++, at++) {
                    double size, tolerance, sum = convolve(d, n, c, oy, ox, &size),
                                            expected = normed(d, c, sum, size, &tolerance),
                                            got = -get(d, y, at);
                    const bool fits = isnan(expected) || isinf(expected) || isnan(tolerance)
                                          ? (isnan(got) || isinf(got))
                                          : fabs(got - expected) <= tolerance ||
                                                (isinf(got) && fabs(expected) > 6e4);
                    if (!fits)
                        fail_msg("%s, %u dims, %u groups%s: element %zu is %g, expected %g",
                                 vkd_dtype_name(d->dtype), d->dims, d->groups,
                                 d->transposed ? ", transposed" : "", at, got, expected);
                }
}

/* ----------------------------------------------------------------------------------------- tests
 */

static size_t run(harness *h, drawn *d, oddity odd, uint32_t skip, void *y)
{
    static float sums[MOST];
    const void *inputs[] = {d->x, odd == COMPUTED ? d->b : NULL};
    void *outputs[] = {y, odd == READ_TWICE ? sums : NULL};
    size_t nodes = 0;
    memset(y, 0xff, MOST * sizeof(float));
    if (harness_run_rewritten(h, hand_finish(&d->m), NULL, skip, inputs, outputs, &nodes) != VKD_OK)
        fail_msg("%s", h->gpu.context.error);
    return nodes;
}

/* In one channel: what no weight may be multiplied by. */
static void make_odd(drawn *d, int kind)
{
    const size_t c = between(d, 0, (int32_t)d->out_c - 1);
    const bool half = d->dtype == VKD_DTYPE_FLOAT16;
    d->affine = true;
    if (kind == 0)
        vkd_element_set(d->dtype, d->norm[0], c, INFINITY);
    else if (kind == 1)
        vkd_element_set(d->dtype, d->norm[3], c, -1); /* the root of it */
    else {
        vkd_element_set(d->dtype, d->norm[0], c, half ? 65504 : 3e38);
        vkd_element_set(d->dtype, d->norm[3], c, 0.125);
    }
    vkd_element_set(d->dtype, d->w, c / (d->transposed ? d->out_c : 1), 1);
}

static void check(harness *h, vkd_random *random, oddity odd, int kind)
{
    static float got[MOST];
    drawn *d = checked_alloc(1, sizeof *d);
    d->random = random;
    draw(d);
    if (odd == ODD_FACTOR) {
        d->transposed = false, d->groups = 1; /* so that a channel's weights are easily found */
        free(d->x), free(d->w), free(d->b);
        d->in_c = 3, d->out_c = 8, d->dims = 2, d->stride = 1, d->padding = 0;
        for (int axis = 0; axis < 2; axis++)
            d->kernel[axis] = 1, d->size[axis] = d->out[axis] = 5;
        d->x = numbers(d, (size_t)d->n * 75, 1, 2);
        d->w = numbers(d, 24, 1, 2);
        d->b = numbers(d, 8, -1, 1);
        for (int i = 0; i < 4; i++) {
            free(d->norm[i]);
            d->norm[i] = numbers(d, 8, i == 3 ? 0.1f : -2, 2);
        }
        make_odd(d, kind);
    }
    d->bias |= odd == COMPUTED;
    build(d, odd);
    const size_t apart = run(h, d, odd, VKD_REWRITE_FUSE_NORM | VKD_REWRITE_CHAINS, got);
    compare(d, got);
    const size_t one = run(h, d, odd, VKD_REWRITE_CHAINS, got);
    compare(d, got);
    if (odd == PLAIN ? one >= apart : one != apart)
        fail_msg("%zu dispatches, %zu apart", one, apart);
    free(d->x), free(d->w), free(d->b);
    for (int i = 0; i < 4; i++)
        free(d->norm[i]);
    free(d);
}

static void norms_join_convolutions(void **state)
{
    vkd_random random = random_begin("norms behind convolutions");
    for (int i = 0; i < 60; i++)
        check(harness_get(state), &random, PLAIN, 0);
}

static void others_stay(void **state)
{
    vkd_random random = random_begin("norms that stay");
    for (int i = 0; i < 5; i++) {
        check(harness_get(state), &random, READ_TWICE, 0);
        check(harness_get(state), &random, COMPUTED, 0);
        for (int kind = 0; kind < 3; kind++)
            check(harness_get(state), &random, ODD_FACTOR, kind);
    }
}

static void second_norms_stay(void **state)
{
    vkd_random random = random_begin("norms behind norms");
    static float got[MOST], expected[MOST];
    for (int i = 0; i < 20; i++) {
        drawn *d = checked_alloc(1, sizeof *d);
        d->random = &random;
        draw(d);
        build(d, NORMED_TWICE);
        run(harness_get(state), d, NORMED_TWICE, VKD_REWRITE_FUSE_NORM, expected);
        run(harness_get(state), d, NORMED_TWICE, 0, got);
        const bool half = d->dtype == VKD_DTYPE_FLOAT16;
        for (size_t e = 0; e < (size_t)d->n * d->out_c * d->out[0] * d->out[1]; e++) {
            const double a = get(d, got, e), b = get(d, expected, e);
            if (!(fabs(a - b) <= (half ? 0.3 : 1e-3) * (fabs(b) + 1) || (isnan(a) && isnan(b)) ||
                  isinf(b)))
                fail_msg("element %zu is %g, expected %g", e, a, b);
        }
        free(d->x), free(d->w), free(d->b);
        for (int p = 0; p < 4; p++)
            free(d->norm[p]);
        free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norms_join_convolutions),
        cmocka_unit_test(others_stay),
        cmocka_unit_test(second_norms_stay),
    };
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
