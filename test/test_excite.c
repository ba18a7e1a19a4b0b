/* Two int8 convolutions of one pixel as one dispatch, on a device, against one by one: the same
 * bits. Channels, activations and the functions behind both are drawn. */
#include "include/vkdelegate.h"
#include "runtime/base/math.h"
#include "support/harness.h"

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
    enum { MOST_WEIGHTS = 1 << 16 };
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(excites_keep_every_bit)};
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
