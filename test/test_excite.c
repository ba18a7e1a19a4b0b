/* Two convolutions of one pixel as one dispatch, on a device, against one by one: of int8 the same
 * bits, of floats within what adding up in another order and one rounding more make. Channels,
 * activations and the functions behind both are drawn. */
#include "include/vkdelegate.h"
#include "graph/op.h"
#include "runtime/base/element.h"
#include "runtime/base/math.h"
#include "support/harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 1100, SMALL = 70, IMAGES = 3, CASES = 60 };

/* What is behind a convolution. The float kinds are for the second. */
typedef enum behind { NOTHING, ABS, FLOAT_ABS, BEHIND } behind;

typedef struct layer {
    int8_t weights[(MOST + 4) * (SMALL + 4)];
    int32_t sums[MOST];
    float scales[MOST], bias[MOST];
} layer;

typedef struct excite_case {
    hand_model m;
    uint32_t images, k, between, n;
    behind first, second;
    layer layers[2];
    int8_t x[IMAGES * MOST];
} excite_case;

static const double scales[] = {0.03, 0.05, 0.08};
static const int zeros[] = {3, -20, 11};

static void fill_layer(layer *l, uint32_t k, uint32_t n, vkd_random *random)
{
    const uint32_t row = (k + 3) / 4 * 4;
    memset(l, 0, sizeof *l);
    for (uint32_t c = 0; c < n; c++) {
        l->scales[c] = random_float(random, 0.5f, 2) / (float)(10 + 10 * k);
        l->bias[c] = random_float(random, -1, 1);
        for (uint32_t i = 0; i < k; i++)
            l->sums[c] += l->weights[c * row + i] = (int8_t)random_range(random, -127, 127);
    }
}

/* From q number `at` to number `at` + 1. */
static void add_conv(hand_model *m, const layer *l, uint32_t k, uint32_t n, int at, uint32_t x,
                     uint32_t y, bool bias, bool relu)
{
    const uint32_t padded = (n + 3) / 4 * 4, dims[] = {n, (k + 3) / 4 * 4};
    HAND_OP(m, "et_vk.q8ta_conv2d_pw.default", x, hand_double(m, scales[at]),
            hand_int(m, zeros[at]), hand_constant(m, VKD_DTYPE_INT8, 2, dims, l->weights),
            hand_constant(m, VKD_DTYPE_INT32, 1, &padded, l->sums),
            hand_constant(m, VKD_DTYPE_FLOAT32, 1, &padded, l->scales),
            hand_double(m, scales[at + 1]), hand_int(m, zeros[at + 1]),
            bias ? hand_constant(m, VKD_DTYPE_FLOAT32, 1, &padded, l->bias) : hand_null(m),
            hand_pair(m, 1, 1), hand_pair(m, 1, 1), hand_pair(m, 0, 0), hand_pair(m, 1, 1),
            hand_int(m, 1), hand_string(m, relu ? "relu" : "none"), y);
}

/* The absolute value of what has q number `at`, quantized with the same. */
static void add_abs(hand_model *m, int at, const uint32_t *dims, uint32_t x, uint32_t y,
                    bool quantized)
{
    const uint32_t real = hand_tensor(m, VKD_DTYPE_FLOAT32, 4, dims),
                   bent = quantized ? hand_tensor(m, VKD_DTYPE_FLOAT32, 4, dims) : y;
    HAND_OP(m, "quantized_decomposed.dequantize_per_tensor.default", x, hand_double(m, scales[at]),
            hand_int(m, zeros[at]), hand_int(m, -128), hand_int(m, 127), hand_null(m), hand_null(m),
            real);
    HAND_OP(m, "aten.abs.default", real, bent);
    if (quantized)
        HAND_OP(m, "quantized_decomposed.quantize_per_tensor.default", bent,
                hand_double(m, scales[at]), hand_int(m, zeros[at]), hand_int(m, -128),
                hand_int(m, 127), hand_null(m), y);
}

static void build(excite_case *c, vkd_random *random)
{
    hand_model *m = &c->m;
    memset(m, 0, sizeof *m);
    c->images = (uint32_t)random_range(random, 1, IMAGES);
    const int large = random_range(random, 0, 5); /* one of them, or none */
    c->k = (uint32_t)random_range(random, 1, large == 0 ? MOST : SMALL);
    c->between = (uint32_t)random_range(random, large == 1 ? 1000 : 1, large == 1 ? MOST : SMALL);
    c->n = (uint32_t)random_range(random, 1, large == 2 ? MOST : SMALL);
    c->first = (behind)random_range(random, 0, ABS);
    c->second = (behind)random_range(random, 0, BEHIND - 1);
    fill_layer(&c->layers[0], c->k, c->between, random);
    fill_layer(&c->layers[1], c->between, c->n, random);
    random_int8(random, c->x, sizeof c->x);
    const uint32_t x_dims[] = {c->images, c->k, 1, 1}, dims[] = {c->images, c->between, 1, 1},
                   y_dims[] = {c->images, c->n, 1, 1};
    const vkd_dtype result = c->second == FLOAT_ABS ? VKD_DTYPE_FLOAT32 : VKD_DTYPE_INT8;
    const uint32_t x = hand_input(m, VKD_DTYPE_INT8, 4, x_dims),
                   a = hand_tensor(m, VKD_DTYPE_INT8, 4, dims),
                   b = c->first ? hand_tensor(m, VKD_DTYPE_INT8, 4, dims) : a,
                   y = hand_output(m, result, 4, y_dims),
                   last = c->second ? hand_tensor(m, VKD_DTYPE_INT8, 4, y_dims) : y;
    add_conv(m, &c->layers[0], c->k, c->between, 0, x, a, random_range(random, 0, 1),
             random_range(random, 0, 1));
    if (c->first)
        add_abs(m, 1, dims, a, b, true);
    add_conv(m, &c->layers[1], c->between, c->n, 1, b, last, random_range(random, 0, 1),
             random_range(random, 0, 1));
    if (c->second)
        add_abs(m, 2, y_dims, last, y, c->second == ABS);
}

static size_t run(harness *h, excite_case *c, uint32_t skip, float *y)
{
    size_t nodes = 0;
    memset(y, 0, IMAGES * MOST * sizeof *y);
    if (harness_run_rewritten(h, hand_finish(&c->m), NULL, skip, (const void *[]){c->x},
                              (void *[]){y}, &nodes) != VKD_OK)
        fail_msg("%s", h->gpu.context.error);
    return nodes;
}

/* What one workgroup is given to read: graph/fuse.c. */
static bool is_fused(const excite_case *c)
{
    enum { MOST_WEIGHTS = 1 << 17 };
    return c->between * vkd_align_up(c->k, 4) <= MOST_WEIGHTS &&
           c->n * vkd_align_up(c->between, 4) <= MOST_WEIGHTS;
}

static void excites_keep_every_bit(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("excites");
    static excite_case c;
    static float got[IMAGES * MOST], expected[IMAGES * MOST];
    for (int i = 0; i < CASES; i++) {
        build(&c, &random);
        const size_t apart = run(h, &c, VKD_REWRITE_EXCITE, expected), fewer = run(h, &c, 0, got);
        if (memcmp(got, expected, sizeof got))
            fail_msg("%ux%u -> %u -> %u, functions %d and %d: the results differ", c.images, c.k,
                     c.between, c.n, c.first, c.second);
        assert_int_equal(fewer < apart, is_fused(&c));
    }
}

/* ---------------------------------------------------------------------------------------- floats
 */

typedef enum bend { PLAIN, RELU, NORM, SIGMOID, SILU, HARDSWISH, BENDS } bend;

enum { FLOAT_CASES = 60, MOST_K = 300 };

typedef struct float_case {
    hand_model m;
    vkd_dtype dtype;
    uint32_t images, channels[3];
    bool bias[2], shared; /* shared: what is between is a result, too */
    bend bends[2];
    float norms[4][MOST_K]; /* weight, bias, mean, variance */
    unsigned char weights[2][4 * MOST_K * MOST_K], biases[2][4 * MOST_K], x[4 * IMAGES * MOST_K];
} float_case;

static void fill_floats(vkd_random *random, vkd_dtype dtype, size_t count, float most, void *out)
{
    for (size_t i = 0; i < count; i++)
        vkd_element_set(dtype, out, i, (double)random_float(random, -most, most));
}

static uint32_t add_float_conv(float_case *c, int which, uint32_t x, uint32_t y)
{
    hand_model *m = &c->m;
    const uint32_t n = c->channels[which + 1], dims[] = {n, c->channels[which], 1, 1};
    const int64_t one = 1, zero = 0;
    const uint32_t weight = hand_constant(m, c->dtype, 4, dims, c->weights[which]),
                   bias = c->bias[which] ? hand_constant(m, c->dtype, 1, &n, c->biases[which])
                                         : hand_null(m);
    if (c->bends[which] == RELU)
        HAND_OP(m, "et_vk.conv_with_clamp.default", x, weight, bias, hand_ints(m, 1, &one),
                hand_ints(m, 1, &zero), hand_ints(m, 1, &one), hand_bool(m, false),
                hand_ints(m, 1, &zero), hand_int(m, 1), hand_double(m, 0), hand_null(m), y);
    else
        HAND_OP(m, "aten.convolution.default", x, weight, bias, hand_ints(m, 1, &one),
                hand_ints(m, 1, &zero), hand_ints(m, 1, &one), hand_bool(m, false),
                hand_ints(m, 1, &zero), hand_int(m, 1), y);
    return y;
}

/* The convolution and what is behind it; y: where it ends, or VKD_NO_VALUE for a tensor in between.
 */
static uint32_t add_layer(float_case *c, int which, uint32_t x, uint32_t y)
{
    hand_model *m = &c->m;
    const uint32_t dims[] = {c->images, c->channels[which + 1], 1, 1};
    const bool more = c->bends[which] >= NORM;
    if (y == VKD_NO_VALUE)
        y = hand_tensor(m, c->dtype, 4, dims);
    const uint32_t sum = add_float_conv(c, which, x, more ? hand_tensor(m, c->dtype, 4, dims) : y);
    if (c->bends[which] == SILU) {
        const uint32_t gate = hand_tensor(m, c->dtype, 4, dims);
        HAND_OP(m, "aten.sigmoid.default", sum, gate);
        HAND_OP(m, "aten.mul.Tensor", sum, gate, y);
    } else if (c->bends[which] == NORM) {
        uint32_t norms[4];
        for (int i = 0; i < 4; i++)
            norms[i] = hand_constant(m, VKD_DTYPE_FLOAT32, 1, &dims[1], c->norms[i]);
        HAND_OP(m, "aten._native_batch_norm_legit_no_training.default", sum, norms[0], norms[1],
                norms[2], norms[3], hand_double(m, 0.1), hand_double(m, 1e-3),
                hand_list(m, 3,
                          (uint32_t[]){y, hand_tensor(m, VKD_DTYPE_FLOAT32, 1, (uint32_t[]){0}),
                                       hand_tensor(m, VKD_DTYPE_FLOAT32, 1, (uint32_t[]){0})}));
    } else if (more) {
        hand_op(m, c->bends[which] == SIGMOID ? "aten.sigmoid.default" : "aten.hardswish.default",
                2, (uint32_t[]){sum, y});
    }
    return y;
}

static void build_floats(float_case *c, vkd_random *random)
{
    hand_model *m = &c->m;
    memset(m, 0, sizeof *m);
    c->dtype = random_range(random, 0, 1) ? VKD_DTYPE_FLOAT32 : VKD_DTYPE_FLOAT16;
    c->images = (uint32_t)random_range(random, 1, IMAGES);
    for (int i = 0; i < 3; i++)
        c->channels[i] =
            (uint32_t)random_range(random, 1, random_range(random, 0, 2) ? 40 : MOST_K);
    for (int which = 0; which < 2; which++) {
        c->bias[which] = random_range(random, 0, 1);
        do
            c->bends[which] = (bend)random_range(random, 0, BENDS - 1);
        while (c->bends[which] == NORM && c->dtype == VKD_DTYPE_FLOAT16);
        fill_floats(random, c->dtype, (size_t)c->channels[which] * c->channels[which + 1],
                    2.0f / sqrtf((float)c->channels[which]), c->weights[which]);
        fill_floats(random, c->dtype, c->channels[which + 1], 1, c->biases[which]);
    }
    for (int i = 0; i < 4; i++)
        fill_floats(random, VKD_DTYPE_FLOAT32, MOST_K, 1, c->norms[i]);
    for (int i = 0; i < MOST_K; i++)
        c->norms[3][i] = fabsf(c->norms[3][i]) + 0.5f;
    c->shared = random_range(random, 0, 5) == 0;
    fill_floats(random, c->dtype, (size_t)c->images * c->channels[0], 2, c->x);
    const uint32_t x_dims[] = {c->images, c->channels[0], 1, 1},
                   dims[] = {c->images, c->channels[1], 1, 1},
                   y_dims[] = {c->images, c->channels[2], 1, 1};
    const uint32_t x = hand_input(m, c->dtype, 4, x_dims), y = hand_output(m, c->dtype, 4, y_dims);
    const uint32_t between =
        add_layer(c, 0, x, c->shared ? hand_output(m, c->dtype, 4, dims) : VKD_NO_VALUE);
    add_layer(c, 1, between, y);
}

static size_t run_floats(harness *h, float_case *c, uint32_t skip, void *y, void *between)
{
    size_t nodes = 0;
    if (harness_run_rewritten(h, hand_finish(&c->m), NULL, skip, (const void *[]){c->x},
                              (void *[]){y, between}, &nodes) != VKD_OK)
        fail_msg("%s", h->gpu.context.error);
    return nodes;
}

static void excites_of_floats(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("excites of floats");
    static float_case c;
    static float got[IMAGES * MOST_K], expected[IMAGES * MOST_K], between[2][IMAGES * MOST_K];
    for (int i = 0; i < FLOAT_CASES; i++) {
        build_floats(&c, &random);
        const size_t apart = run_floats(h, &c, VKD_REWRITE_EXCITE, expected, between[0]),
                     fewer = run_floats(h, &c, 0, got, between[1]);
        const bool norm = c.bends[0] == NORM || c.bends[1] == NORM;
        assert_int_equal(fewer, apart - (!c.shared && !norm));
        for (uint32_t e = 0; e < c.images * c.channels[2]; e++) {
            const double a = vkd_element_get(c.dtype, got, e),
                         b = vkd_element_get(c.dtype, expected, e);
            if (!(fabs(a - b) <= (c.dtype == VKD_DTYPE_FLOAT16 ? 8e-3 : 1e-5) * (1 + fabs(b))))
                fail_msg("%s %ux%u -> %u -> %u, functions %d and %d: element %u is %g, expected %g",
                         vkd_dtype_name(c.dtype), c.images, c.channels[0], c.channels[1],
                         c.channels[2], c.bends[0], c.bends[1], e, a, b);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(excites_keep_every_bit),
                                       cmocka_unit_test(excites_of_floats)};
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
