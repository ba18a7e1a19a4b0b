/* Products of floats with an epilogue against the same operators one by one, on a device, for every
 * variant of the convolutions: floats to the bit (on llvmpipe), halves within their last rounding.
 * What is behind the product is drawn: functions, numbers, the result once more, a residual. */
#include "include/vkdelegate.h"
#include "ops/conv/conv.h"
#include "runtime/base/element.h"
#include "support/harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_ELEMENTS = 1 << 13, MAX_STEPS = 4 };

typedef enum product_kind {
    CONV,
    CONV_1D,
    TRANSPOSED,
    LINEAR,
    MM,
    BMM,
    BYTES,   /* linear layers with weights of 8 and 4 bits */
    NIBBLES, /* in groups of k */
    KINDS
} product_kind;

/* What is drawn, so that it can be built as floats and as halves. */
typedef struct drawing {
    product_kind kind;
    uint32_t c, out_c, size, batch, kernel, stride, groups;
    bool bias, residual;
    bool late; /* the residual is made behind the product */
    uint32_t steps, functions[MAX_STEPS], operands[MAX_STEPS];
    float x[MAX_ELEMENTS], weights[MAX_ELEMENTS], residuals[MAX_ELEMENTS], biases[64], scales[64];
    int8_t bytes[512];
} drawing;

static float rounded(float value)
{
    uint16_t bits;
    vkd_element_set(VKD_DTYPE_FLOAT16, &bits, 0, (double)value);
    return (float)vkd_element_get(VKD_DTYPE_FLOAT16, &bits, 0);
}

static void draw_floats(vkd_random *random, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = rounded(random_float(random, -1, 1));
}

static void draw(drawing *d, vkd_random *random)
{
    memset(d, 0, sizeof *d);
    d->kind = (product_kind)random_range(random, 0, KINDS - 1);
    d->groups = d->kind <= CONV_1D && random_range(random, 0, 2) == 0 ? 4 : 1;
    d->c = 4 * (uint32_t)random_range(random, 1, 4);
    const bool depthwise = d->groups > 1 && random_range(random, 0, 1);
    d->groups = depthwise ? d->c : d->groups;
    d->out_c = depthwise                    ? d->c
               : random_range(random, 0, 3) ? 4 * (uint32_t)random_range(random, 1, 5)
               : d->groups > 1              ? 8
                                            : (uint32_t)random_range(random, 1, 21);
    d->size = (uint32_t)random_range(random, 1, 6);
    d->batch = (uint32_t)random_range(random, 1, 2);
    d->kernel = random_range(random, 0, 1) ? 1 : 3;
    d->stride = d->kernel == 1 ? 1 : (uint32_t)random_range(random, 1, 2);
    d->bias = random_range(random, 0, 1);
    d->residual = random_range(random, 0, 1);
    d->late = random_range(random, 0, 1);
    if (d->kind == LINEAR && d->residual) /* else another kernel takes the residual than has none */
        d->out_c = (uint32_t)vkd_align_up(d->out_c, 4);
    d->steps = (uint32_t)random_range(random, 1, MAX_STEPS);
    for (uint32_t s = 0; s < d->steps; s++) {
        d->functions[s] = (uint32_t)random_range(random, 0, 255);
        d->operands[s] = (uint32_t)random_range(random, 0, 2);
    }
    draw_floats(random, d->x, MAX_ELEMENTS);
    draw_floats(random, d->weights, MAX_ELEMENTS);
    draw_floats(random, d->residuals, MAX_ELEMENTS);
    draw_floats(random, d->biases, 64);
    draw_floats(random, d->scales, 64);
    random_int8(random, d->bytes, sizeof d->bytes);
    for (int i = random_range(random, 0, 3); i > 0; i--)
        d->x[random_range(random, 0, 40)] = i == 1 ? NAN : (float)(i == 2 ? INFINITY : -INFINITY);
}

/* ------------------------------------------------------------------------------------- building */

typedef struct building {
    const drawing *d;
    hand_model m;
    vkd_dtype dtype;
    uint32_t rank, dims[4]; /* of the result */
    unsigned char constants[2][4 * MAX_ELEMENTS];
} building;

/* The same numbers in a dtype. */
static void *convert(vkd_dtype dtype, const float *from, void *to)
{
    for (size_t i = 0; i < MAX_ELEMENTS; i++)
        vkd_element_set(dtype, to, i, (double)from[i]);
    return to;
}

static uint32_t constant(building *b, int which, const float *from, uint32_t rank,
                         const uint32_t *dims)
{
    if (dims[0] > 64 || rank > 1)
        convert(b->dtype, from, b->constants[which]);
    else
        for (size_t i = 0; i < dims[0]; i++)
            vkd_element_set(b->dtype, b->constants[which], i, (double)from[i]);
    return hand_constant(&b->m, b->dtype, rank, dims, b->constants[which]);
}

static uint32_t result(building *b, uint32_t rank, const uint32_t *dims)
{
    b->rank = rank;
    memcpy(b->dims, dims, rank * sizeof *dims);
    return hand_tensor(&b->m, b->dtype, rank, dims);
}

static uint32_t build_conv(building *b)
{
    const drawing *d = b->d;
    hand_model *m = &b->m;
    const bool line = d->kind == CONV_1D, transposed = d->kind == TRANSPOSED;
    const uint32_t rank = line ? 3 : 4, padding = d->kernel / 2,
                   out = transposed ? (d->size - 1) * d->stride - 2 * padding + d->kernel
                                    : (d->size - 1) / d->stride + 1,
                   x_dims[] = {d->batch, d->c, d->size, d->size},
                   w_dims[] = {transposed ? d->c : d->out_c,
                               transposed ? d->out_c : d->c / d->groups, d->kernel, d->kernel},
                   y_dims[] = {d->batch, d->out_c, out, out};
    const int64_t stride = d->stride, pad = padding, one = 1, zero = 0;
    const uint32_t x = hand_input(m, b->dtype, rank, x_dims), y = result(b, rank, y_dims);
    HAND_OP(m, "aten.convolution.default", x, constant(b, 0, d->weights, rank, w_dims),
            d->bias ? constant(b, 1, d->biases, 1, &d->out_c) : hand_null(m),
            hand_ints(m, 1, &stride), hand_ints(m, 1, &pad), hand_ints(m, 1, &one),
            hand_bool(m, transposed), hand_ints(m, 1, &zero), hand_int(m, d->groups), y);
    return y;
}

/* Bytes are the bits of what other kinds take for weights. */
static uint32_t build_low_bits(building *b)
{
    const drawing *d = b->d;
    hand_model *m = &b->m;
    const bool nibbles = d->kind == NIBBLES;
    const uint32_t group = 8, k = nibbles ? (d->c + 7) / 8 * 8 : d->c, row = nibbles ? k / 2 : k,
                   x_dims[] = {d->batch, d->size, k}, w_dims[] = {d->out_c, row},
                   scale_dims[] = {nibbles ? k / group : 1, d->out_c},
                   y_dims[] = {d->batch, d->size, d->out_c};
    const uint32_t x = hand_input(m, b->dtype, 3, x_dims), y = result(b, 3, y_dims),
                   weights = hand_constant(m, VKD_DTYPE_INT8, 2, w_dims, d->bytes),
                   scales = hand_constant(m, VKD_DTYPE_FLOAT32, 1 + nibbles, &scale_dims[!nibbles],
                                          d->scales),
                   bias = d->bias ? constant(b, 1, d->biases, 1, &d->out_c) : hand_null(m);
    if (nibbles)
        HAND_OP(m, "et_vk.linear_q4gsw.default", x, weights, scales, hand_int(m, group), bias, y);
    else
        HAND_OP(m, "et_vk.linear_q8csw.default", x, weights, scales, bias, y);
    return y;
}

static uint32_t build_product(building *b)
{
    const drawing *d = b->d;
    hand_model *m = &b->m;
    const bool batch = d->kind != MM;
    const uint32_t a_dims[] = {d->batch, d->size, d->c}, w_dims[] = {d->out_c, d->c},
                   b_dims[] = {d->batch, d->c, d->out_c}, y_dims[] = {d->batch, d->size, d->out_c};
    const uint32_t x = hand_input(m, b->dtype, 2 + batch, &a_dims[!batch]);
    const uint32_t y = result(b, 2 + batch, &y_dims[!batch]);
    if (d->kind == LINEAR)
        HAND_OP(m, "aten.linear.default", x, constant(b, 0, d->weights, 2, w_dims),
                d->bias ? constant(b, 1, d->biases, 1, &d->out_c) : hand_null(m), y);
    else
        HAND_OP(m, batch ? "aten.bmm.default" : "aten.mm.default", x,
                constant(b, 0, d->weights, 2 + batch, &b_dims[!batch]), y);
    return y;
}

static uint32_t add_step(building *b, uint32_t function, uint32_t last, uint32_t other)
{
    static const char *const plain[] = {"aten.relu.default", "aten.hardswish.default",
                                        "aten.hardsigmoid.default", "aten.sigmoid.default",
                                        "aten.tanh.default"};
    static const char *const two[] = {"aten.mul.Tensor", "aten.minimum.default", "aten.add.Tensor",
                                      "aten.sub.Tensor"};
    static const float numbers[] = {0.5f, 3, -1.25f};
    hand_model *m = &b->m;
    const uint32_t one = 1, y = hand_tensor(m, b->dtype, b->rank, b->dims);
    switch (function % 12) {
    case 0:
        HAND_OP(m, "aten.hardtanh.default", last, hand_double(m, -0.75), hand_double(m, 2), y);
        return y;
    case 1:
        HAND_OP(m, "aten.gelu.default", last, hand_string(m, function & 16 ? "tanh" : "none"), y);
        return y;
    case 2:
        HAND_OP(m, "aten.leaky_relu.default", last, hand_double(m, 0.125), y);
        return y;
    case 3:
        HAND_OP(m, "aten.div.Tensor", last,
                hand_constant(m, VKD_DTYPE_FLOAT32, 0, &one, &numbers[1]), y);
        return y;
    case 4:
        other = hand_constant(m, VKD_DTYPE_FLOAT32, 0, &one, &numbers[function % 3]);
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        break;
    default:
        HAND_OP(m, plain[function % 5], last, y);
        return y;
    }
    if (function % 4 < 2)
        HAND_OP(m, two[function % 4], last, other, y);
    else
        HAND_OP(m, two[function % 4], last, other, hand_double(m, function & 32 ? 1 : 0.375), y);
    return y;
}

static void build(building *b, const drawing *d, vkd_dtype dtype)
{
    memset(b, 0, sizeof *b);
    b->d = d;
    b->dtype = dtype;
    hand_model *m = &b->m;
    const uint32_t product = d->kind >= BYTES    ? build_low_bits(b)
                             : d->kind >= LINEAR ? build_product(b)
                                                 : build_conv(b);
    uint32_t residual = product, last = product;
    if (d->residual)
        residual = hand_input(m, dtype, b->rank, b->dims);
    if (d->residual && d->late) {
        const uint32_t made = hand_tensor(m, dtype, b->rank, b->dims);
        HAND_OP(m, "aten.flip.default", residual, hand_ints(m, 1, (int64_t[]){0}), made);
        residual = made;
    }
    for (uint32_t s = 0; s < d->steps; s++)
        last = add_step(b, d->functions[s], last,
                        d->operands[s] == 0   ? product
                        : d->operands[s] == 1 ? last
                                              : residual);
    hand_mark_output(m, last);
}

/* ------------------------------------------------------------------------------------ comparing */

static size_t run(harness *h, building *b, const char *variant, uint32_t skip, void *y)
{
    static unsigned char x[4 * MAX_ELEMENTS], residuals[4 * MAX_ELEMENTS];
    const void *inputs[] = {convert(b->dtype, b->d->x, x),
                            convert(b->dtype, b->d->residuals, residuals)};
    size_t nodes = 0;
    if (harness_run_rewritten(h, hand_finish(&b->m), variant, skip, inputs, &y, &nodes) != VKD_OK)
        fail_msg("%s: %s", variant, h->gpu.context.error);
    return nodes;
}

static bool is_same(float got, float expected, bool exact)
{
    if (!memcmp(&got, &expected, 4) || (isnan(got) && isnan(expected)))
        return true;
    return !exact && fabsf(got - expected) <= 1e-5f * (fabsf(expected) + 1);
}

/* exact: to the bit. Vulkan lets quotients be 2.5 ulp off, and what is around them decide. */
static void compare_floats(const float *got, const float *expected, size_t count, bool exact,
                           const char *what)
{
    for (size_t i = 0; i < count; i++)
        if (!is_same(got[i], expected[i], exact))
            fail_msg("%s: element %zu of %zu is %.9g, one by one %.9g", what, i, count,
                     (double)got[i], (double)expected[i]);
}

/* Sums may have been added up in another order. */
static void compare_halves(const uint16_t *got, const float *expected, size_t count,
                           const char *what)
{
    for (size_t i = 0; i < count; i++) {
        double value = vkd_element_get(VKD_DTYPE_FLOAT16, got, i), wanted = (double)expected[i];
        bool right = isnan(wanted)          ? isnan(value)
                     : fabs(wanted) > 65504 ? isinf(value) || fabs(value) > 65000
                                            : fabs(value - wanted) <= fabs(wanted) / 1024 + 1e-4;
        if (!right)
            fail_msg("%s: element %zu of %zu is %.9g as a half, expected %.9g", what, i, count,
                     value, wanted);
    }
}

typedef struct counts {
    size_t apart, fused;
} counts;

static const char *describe(const drawing *d, const char *variant)
{
    static char text[256];
    snprintf(
        text, sizeof text,
        "%s, kind %d: %ux%u of %u -> %u, %ux%u s%u g%u, steps %u/%u %u/%u %u/%u %u/%u of %u%s%s",
        variant, (int)d->kind, d->batch, d->c, d->size, d->out_c, d->kernel, d->kernel, d->stride,
        d->groups, d->functions[0], d->operands[0], d->functions[1], d->operands[1],
        d->functions[2], d->operands[2], d->functions[3], d->operands[3], d->steps,
        d->residual ? ", residual" : "", d->late ? ", late" : "");
    return text;
}

static void check(harness *h, const drawing *d, const char *variant, counts *c)
{
    static building b;
    static float got[MAX_ELEMENTS], expected[MAX_ELEMENTS];
    static uint16_t halves[MAX_ELEMENTS];
    build(&b, d, VKD_DTYPE_FLOAT32);
    const size_t count = (size_t)vkd_dims_count(b.rank, b.dims);
    c->apart += run(h, &b, variant, VKD_REWRITE_CHAINS | VKD_REWRITE_FUSE_CHAIN, expected);
    c->fused += run(h, &b, variant, 0, got);
    compare_floats(got, expected, count, strstr(h->caps.name, "llvmpipe") != NULL,
                   describe(d, variant));
    build(&b, d, VKD_DTYPE_FLOAT16);
    run(h, &b, variant, 0, halves);
    compare_halves(halves, expected, count, describe(d, variant));
}

/* VKD_TEST_SWEEP: how many are drawn where 50 are, but one at least. */
static int draws(int usual)
{
    const char *text = getenv("VKD_TEST_SWEEP");
    const int of_50 = text ? atoi(text) : 50, count = usual * of_50 / 50;
    return count < 1 ? 1 : count;
}

static void epilogues_keep_every_bit(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("epilogues");
    counts c = {0};
    static drawing d;
    for (size_t v = 0; v < vkd_conv2d_float_variant_count; v++)
        for (int i = 0, count = draws(5); i < count; i++) {
            draw(&d, &random);
            h->checks_kernels = i == 0; /* no false alarms of the self-check */
            check(h, &d, vkd_conv2d_float_variants[v].name, &c);
        }
    h->checks_kernels = false;
    print_message("%zu dispatches instead of %zu\n", c.fused, c.apart);
    assert_true(4 * c.fused < 3 * c.apart); /* copies from and to the host stay */
}

/* As for a GPU, whose products are sliced along k. */
static void sliced_ones_too(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("sliced epilogues");
    const vkd_caps own = h->caps;
    counts c = {0};
    static drawing d;
    h->caps.type = VKD_TYPE_DISCRETE;
    for (int i = 0, count = draws(30); i < count; i++) {
        draw(&d, &random);
        check(h, &d, i % 2 ? "pointwise vector 1x4" : "8x8", &c);
    }
    h->caps = own;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(epilogues_keep_every_bit),
                                       cmocka_unit_test(sliced_ones_too)};
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
