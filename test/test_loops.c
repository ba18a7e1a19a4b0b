/* What nodes say of their loops (vkd_node.loops) against what a device does. A CPU device ends the
 * loops of an invocation after so many iterations; here the rule that keeps them shorter is lifted,
 * and sums grow until the device gets one wrong. */
#include "ops/conv/conv.h"
#include "runtime/base/spirv.h"
#include "support/fake_caps.h"
#include "support/harness.h"
#include "support/lowering.h"
#include "support/oracle.h"
#include "support/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void *make(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    assert_non_null(memory);
    return memory;
}

/* ------------------------------------------------------------------------------------- problems */

typedef struct probe probe;

/* A model, what goes in and what has to come out: `count` elements, floats where `real`. */
typedef struct problem {
    hand_model m;
    void *x, *got;
    double *expected;
    size_t count;
    bool real;
    int8_t *weights;
    int32_t sums[32];
    float scales[32];
} problem;

/* A kernel and a problem of any length `n` for it; `most` is the greatest that is asked. */
struct probe {
    vkd_shader shader;
    const char *variant; /* of a convolution */
    void (*build)(problem *p, const probe *which, uint32_t n, vkd_random *random);
    uint32_t channels, groups, width; /* width: of the window, whose height is n */
    uint32_t most;
    /* how many times as long a sum the device may get right: compilers unroll some loops; 0: `most`
     * is right */
    double waste;
};

/* Zeros but for some ones, the last elements always: whatever is left out at the end is missed. */
static void *sparse(vkd_random *random, size_t count, size_t last, bool real)
{
    void *x = make(count, real ? sizeof(float) : 1);
    for (size_t i = 0; i < 20 + last; i++) {
        size_t at = i < last ? count - 1 - i : random_bits(random) % count;
        if (real)
            ((float *)x)[at] = 1;
        else
            ((int8_t *)x)[at] = 1;
    }
    return x;
}

static oracle_window tall(const probe *which, uint32_t n)
{
    return (oracle_window){
        1,      which->channels, n,     which->width, {(int32_t)n, (int32_t)which->width},
        {1, 1}, {0, 0},          {1, 1}};
}

static void finish(problem *p, size_t count, bool real)
{
    p->count = count;
    p->real = real;
    p->expected = make(count, sizeof *p->expected);
    p->got = make(count, sizeof(float));
}

static void build_pool(problem *p, const probe *which, uint32_t n, vkd_random *random)
{
    hand_model *m = &p->m;
    const oracle_window w = tall(which, n);
    bool real = which->shader != VKD_SHADER_Q8_MAX_POOL2D,
         average = which->shader == VKD_SHADER_AVG_POOL2D;
    const vkd_dtype dtype = real ? VKD_DTYPE_FLOAT32 : VKD_DTYPE_INT8;
    finish(p, 1, real);
    size_t size = (size_t)n * which->width;
    p->x = average ? sparse(random, size, 1, true) : make(size, real ? sizeof(float) : 1);
    uint32_t x = hand_input(m, dtype, 4, (uint32_t[]){1, 1, n, which->width});
    uint32_t y = hand_output(m, dtype, 4, (uint32_t[]){1, 1, 1, 1});
    uint32_t window = hand_pair(m, (int64_t)n, which->width), no = hand_bool(m, false);
    if (average) {
        oracle_avg_pool(&w, false, false, 1, p->x, p->expected);
        HAND_OP(m, "aten.avg_pool2d.default", x, window, window, hand_pair(m, 0, 0), no, no,
                hand_int(m, 1), y);
        return;
    }
    ((char *)p->x)[size * (real ? sizeof(float) : 1) - 1] = 0x41; /* the last is the largest */
    p->expected[0] = real ? ((float *)p->x)[size - 1] : 0x41;
    HAND_OP(m, "aten.max_pool2d.default", x, window, window, hand_pair(m, 0, 0), hand_pair(m, 1, 1),
            no, y);
}

static void build_mean(problem *p, const probe *which, uint32_t n, vkd_random *random)
{
    hand_model *m = &p->m;
    bool real = which->shader == VKD_SHADER_MEAN;
    const vkd_dtype dtype = real ? VKD_DTYPE_FLOAT32 : VKD_DTYPE_INT8;
    p->x = sparse(random, n, 1, real);
    finish(p, 1, real);
    for (uint32_t i = 0; i < n; i++)
        p->expected[0] += real ? (double)((float *)p->x)[i] / n : ((int8_t *)p->x)[i];
    uint32_t x = hand_input(m, dtype, 4, (uint32_t[]){1, 1, n, 1});
    uint32_t y = hand_output(m, dtype, 4, (uint32_t[]){1, 1, 1, 1});
    uint32_t one = hand_double(m, 1), zero = hand_int(m, 0);
    if (real)
        HAND_OP(m, "aten.mean.dim", x, hand_pair(m, 2, 3), hand_bool(m, true), hand_null(m), y);
    else /* in steps of 1 / n: the mean is the sum */
        HAND_OP(m, "vkd.q8_mean", x, one, zero, hand_null(m), hand_null(m), hand_double(m, 1.0 / n),
                zero, y);
}

/* Weights of ones for so many channels and products, and what an operator takes with them: the sum
 * counts the ones of x. */
enum { COMMON_ARGS = 9 };

static size_t add_ones(problem *p, uint32_t x, uint32_t outputs, uint32_t k,
                       uint32_t args[HAND_ARGS])
{
    hand_model *m = &p->m;
    const uint32_t padded = (outputs + 3) / 4 * 4, row = (k + 3) / 4 * 4;
    p->weights = make(outputs, row);
    for (uint32_t oc = 0; oc < outputs; oc++) {
        memset(p->weights + (size_t)oc * row, 1, k);
        p->sums[oc] = (int32_t)k;
        p->scales[oc] = 1;
    }
    const uint32_t one = hand_double(m, 1), zero = hand_int(m, 0);
    const uint32_t common[COMMON_ARGS] = {
        x,
        one,
        zero,
        hand_constant(m, VKD_DTYPE_INT8, 2, (uint32_t[]){outputs, row}, p->weights),
        hand_constant(m, VKD_DTYPE_INT32, 1, &padded, p->sums),
        hand_constant(m, VKD_DTYPE_FLOAT32, 1, &padded, p->scales),
        one,
        zero,
        hand_null(m),
    };
    memcpy(args, common, sizeof common);
    return COMMON_ARGS;
}

static oracle_channels ones(const problem *p)
{
    return (oracle_channels){{1, 0}, {1, 0}, p->weights, p->scales, NULL, false};
}

static void expect(problem *p, const int8_t *y)
{
    for (size_t i = 0; i < p->count; i++)
        p->expected[i] = y[i];
}

/* One output pixel. The transposed one has the same sums, of the window turned round. */
static void build_conv(problem *p, const probe *which, uint32_t n, vkd_random *random)
{
    hand_model *m = &p->m;
    const bool transposed = which->shader == VKD_SHADER_CONV_TRANSPOSED;
    const uint32_t c = which->channels;
    const oracle_window window = tall(which, n);
    const size_t plane = (size_t)n * which->width;
    p->x = sparse(random, plane * c, 0, false);
    for (uint32_t i = 0; i < c; i++) /* the transposed one ends with the first */
        ((int8_t *)p->x)[i * plane] = ((int8_t *)p->x)[(i + 1) * plane - 1] = 1;
    finish(p, c, false);
    uint32_t args[HAND_ARGS],
        x = hand_input(m, VKD_DTYPE_INT8, 4, (uint32_t[]){1, c, n, which->width});
    size_t count = add_ones(p, x, c, (uint32_t)plane * c / which->groups, args);
    args[count++] = hand_pair(m, (int64_t)n, which->width);
    args[count++] = hand_pair(m, 1, 1);
    args[count++] =
        transposed ? hand_pair(m, (int64_t)n - 1, (int64_t)which->width - 1) : hand_pair(m, 0, 0);
    if (transposed)
        args[count++] = hand_pair(m, 0, 0);
    args[count++] = hand_pair(m, 1, 1);
    args[count++] = hand_int(m, which->groups);
    args[count++] = hand_string(m, "none");
    args[count++] = hand_output(m, VKD_DTYPE_INT8, 4, (uint32_t[]){1, c, 1, 1});
    hand_op(m, transposed ? "et_vk.q8ta_conv2d_transposed.default" : "et_vk.q8ta_conv2d.default",
            count, args);

    int8_t y[32];
    const oracle_channels channels = ones(p);
    oracle_conv2d(&window, c, which->groups, &channels, p->x, y, NULL);
    expect(p, y);
}

static void *float_ones(size_t count)
{
    float *ones = make(count, sizeof *ones);
    for (size_t i = 0; i < count; i++)
        ones[i] = 1;
    return ones;
}

/* The same of floats: a sum for each channel of the output. */
static void build_float_conv(problem *p, const probe *which, uint32_t n, vkd_random *random)
{
    hand_model *m = &p->m;
    const uint32_t c = which->channels, ic = c / which->groups;
    const size_t plane = (size_t)n * which->width;
    p->x = sparse(random, plane * c, 0, true);
    for (uint32_t i = 0; i < c; i++)
        ((float *)p->x)[(i + 1) * plane - 1] = 1;
    p->weights = float_ones(plane * c * ic);
    finish(p, c, true);
    for (uint32_t oc = 0; oc < c; oc++)
        for (size_t k = oc / ic * ic * plane; k < (oc / ic + 1) * ic * plane; k++)
            p->expected[oc] += (double)((float *)p->x)[k];
    uint32_t x = hand_input(m, VKD_DTYPE_FLOAT32, 4, (uint32_t[]){1, c, n, which->width});
    uint32_t weight =
        hand_constant(m, VKD_DTYPE_FLOAT32, 4, (uint32_t[]){c, ic, n, which->width}, p->weights);
    uint32_t one = hand_pair(m, 1, 1), none = hand_pair(m, 0, 0);
    HAND_OP(m, "aten.convolution.default", x, weight, hand_null(m), one, none, one,
            hand_bool(m, false), none, hand_int(m, which->groups),
            hand_output(m, VKD_DTYPE_FLOAT32, 4, (uint32_t[]){1, c, 1, 1}));
}

/* As many rows as channels, of n features. */
static void build_linear(problem *p, const probe *which, uint32_t n, vkd_random *random)
{
    enum { OUTPUTS = 4 };
    hand_model *m = &p->m;
    const uint32_t rows = which->channels;
    p->x = sparse(random, (size_t)rows * n, 1, false);
    finish(p, (size_t)rows * OUTPUTS, false);
    uint32_t args[HAND_ARGS], x = hand_input(m, VKD_DTYPE_INT8, 2, (uint32_t[]){rows, n});
    size_t count = add_ones(p, x, OUTPUTS, n, args);
    args[count++] = hand_string(m, "none");
    args[count++] = hand_output(m, VKD_DTYPE_INT8, 2, (uint32_t[]){rows, OUTPUTS});
    hand_op(m, "et_vk.q8ta_linear.default", count, args);

    int8_t y[32];
    const oracle_channels channels = ones(p);
    oracle_linear(rows, n, OUTPUTS, &channels, p->x, y);
    expect(p, y);
}

/* A sum counts the ones of x; softmax of zeros gives all of them what one has. */
static void build_reduction(problem *p, const probe *which, uint32_t n, vkd_random *random)
{
    hand_model *m = &p->m;
    const bool softmax = which->shader != VKD_SHADER_REDUCE;
    const uint32_t dims[] = {1, n}, one[] = {1, 1};
    p->x = softmax ? make(n, sizeof(float)) : sparse(random, n, 1, true);
    finish(p, softmax ? n : 1, true);
    for (uint32_t i = 0; i < n; i++)
        p->expected[softmax ? i : 0] += softmax ? 1.0 / n : (double)((float *)p->x)[i];
    uint32_t x = hand_input(m, VKD_DTYPE_FLOAT32, 2, dims),
             y = hand_output(m, VKD_DTYPE_FLOAT32, 2, softmax ? dims : one);
    if (softmax)
        HAND_OP(m, "aten._softmax.default", x, hand_int(m, 1), hand_bool(m, false), y);
    else
        HAND_OP(m, "aten.sum.dim_IntList", x, hand_ints(m, 1, (int64_t[]){1}), hand_bool(m, true),
                hand_null(m), y);
}

/* Of n products a sum; in fours where rows are pixels. */
static void build_product(problem *p, const probe *which, uint32_t n, vkd_random *random)
{
    hand_model *m = &p->m;
    const bool pixels = which->shader == VKD_SHADER_CONV_FLOAT_VECTOR;
    if (pixels)
        n *= 4;
    const uint32_t rows = which->channels, a_dims[] = {rows, n}, b_dims[] = {n, 1},
                   w_dims[] = {1, n}, y_dims[] = {rows, 1}, one = 1;
    p->x = sparse(random, (size_t)rows * n, 4, true);
    finish(p, rows, true);
    for (size_t i = 0; i < (size_t)rows * n; i++)
        p->expected[i / n] += (double)((float *)p->x)[i];
    uint32_t a = hand_input(m, VKD_DTYPE_FLOAT32, 2, a_dims),
             y = hand_output(m, VKD_DTYPE_FLOAT32, 2, y_dims);
    if (pixels) {
        p->weights = float_ones(n);
        HAND_OP(m, "aten.linear.default", a,
                hand_constant(m, VKD_DTYPE_FLOAT32, 2, w_dims, p->weights), hand_null(m), y);
    } else if (which->shader == VKD_SHADER_MATMUL) {
        p->weights = float_ones(n);
        HAND_OP(m, "aten.mm.default", a, hand_constant(m, VKD_DTYPE_FLOAT32, 2, b_dims, p->weights),
                y);
    } else {
        p->weights = memset(make(n, 1), 1, n);
        p->scales[0] = 1;
        HAND_OP(m, "et_vk.linear_q8csw.default", a,
                hand_constant(m, VKD_DTYPE_INT8, 2, w_dims, p->weights),
                hand_constant(m, VKD_DTYPE_FLOAT32, 1, &one, p->scales), hand_null(m), y);
    }
}

static void build_scan(problem *p, const probe *which, uint32_t n, vkd_random *random)
{
    hand_model *m = &p->m;
    (void)which;
    p->x = sparse(random, n, 4, true);
    finish(p, n, true);
    for (uint32_t i = 0; i < n; i++)
        p->expected[i] = (i ? p->expected[i - 1] : 0) + (double)((float *)p->x)[i];
    uint32_t x = hand_input(m, VKD_DTYPE_FLOAT32, 1, &n),
             y = hand_output(m, VKD_DTYPE_FLOAT32, 1, &n);
    HAND_OP(m, "aten::cumsum.out", x, hand_int(m, 0), hand_null(m), y);
}

/* All of n elements are added to the last of four, which an invocation makes one after another. */
static void build_put(problem *p, const probe *which, uint32_t n, vkd_random *random)
{
    hand_model *m = &p->m;
    const uint32_t four = 4;
    (void)which;
    p->x = sparse(random, n, 4, true);
    int32_t *places = make(n, sizeof *places);
    p->weights = (void *)places;
    finish(p, four, true);
    for (uint32_t i = 0; i < n; i++) {
        places[i] = 3;
        p->expected[3] += (double)((float *)p->x)[i];
    }
    uint32_t source = hand_input(m, VKD_DTYPE_FLOAT32, 1, &n),
             to = hand_constant(m, VKD_DTYPE_FLOAT32, 1, &four, p->scales);
    HAND_OP(m, "aten::scatter_add.out", to, hand_int(m, 0),
            hand_constant(m, VKD_DTYPE_INT32, 1, &n, p->weights), source,
            hand_output(m, VKD_DTYPE_FLOAT32, 1, &four));
}

/* A query of zeros attends to all of n keys alike: the mean of the values. width: of a row. */
static void build_attention(problem *p, const probe *which, uint32_t n, vkd_random *random)
{
    hand_model *m = &p->m;
    const uint32_t q_dims[] = {1, 1, 1, which->width}, k_dims[] = {1, 1, n, which->width};
    p->x = make(which->width, sizeof(float));
    p->weights = sparse(random, (size_t)n * which->width, which->width, true);
    finish(p, which->width, true);
    for (size_t i = 0; i < (size_t)n * which->width; i++)
        p->expected[i % which->width] += (double)((float *)(void *)p->weights)[i] / n;
    uint32_t keys = hand_constant(m, VKD_DTYPE_FLOAT32, 4, k_dims, p->weights), null = hand_null(m);
    HAND_OP(m, "et_vk.sdpa.default", hand_input(m, VKD_DTYPE_FLOAT32, 4, q_dims), keys, keys, null,
            null, hand_output(m, VKD_DTYPE_FLOAT32, 4, q_dims));
}

/* -------------------------------------------------------------------------------------- probing */

enum { TALLEST = 1 << 15 }; /* window of a convolution that there may be */

static const probe probes[] = {
    {VKD_SHADER_AVG_POOL2D, NULL, build_pool, 1, 1, 1, 1 << 18, 1.01},
    {VKD_SHADER_MAX_POOL2D, NULL, build_pool, 1, 1, 1, 1 << 18, 1.01},
    {VKD_SHADER_Q8_MAX_POOL2D, NULL, build_pool, 1, 1, 1, 1 << 18, 1.01},
    {VKD_SHADER_MEAN, NULL, build_mean, 1, 1, 1, 1 << 18, 1.01},
    {VKD_SHADER_Q8_MEAN, NULL, build_mean, 1, 1, 1, 65793, 1.01},
    {VKD_SHADER_CONV_BYTES, "general", build_conv, 2, 2, 2, TALLEST, 1.01},
    {VKD_SHADER_CONV_GENERAL, "general", build_conv, 4, 1, 1, VKD_MAX_K / 4, 1.3},
    {VKD_SHADER_CONV_GENERAL, "general", build_conv, 1, 1, 20, VKD_MAX_K / 20, 1.05},
    {VKD_SHADER_CONV_DW, "depthwise", build_conv, 4, 4, 1, TALLEST, 1.01},
    {VKD_SHADER_CONV_DW, "depthwise", build_conv, 4, 4, 30, VKD_MAX_K / 30, 1.05},
    {VKD_SHADER_CONV_TRANSPOSED, NULL, build_conv, 4, 1, 1, VKD_MAX_K / 4, 1.3},
    {VKD_SHADER_GEMM_4X4_WORDS, "implicit 4x4 words", build_conv, 1, 1, 1, TALLEST, 1.05},
    {VKD_SHADER_GEMM_4X4_WORDS, "im2col 4x4 words", build_conv, 4, 1, 1, VKD_MAX_K / 4, 0},
    {VKD_SHADER_GEMM_4X4, "implicit 4x4", build_conv, 16, 1, 1, VKD_MAX_K / 16, 0},
    {VKD_SHADER_GEMM_LANES_2X32, "implicit lanes 2x32", build_conv, 16, 1, 1, VKD_MAX_K / 16, 0},
    {VKD_SHADER_GEMM_LANES_4X16, "implicit lanes 4x16", build_conv, 16, 1, 1, VKD_MAX_K / 16, 0},
    {VKD_SHADER_GEMM_LANES_7X32, "implicit lanes 7x32", build_conv, 16, 1, 1, VKD_MAX_K / 16, 0},
    {VKD_SHADER_GEMM_LANES_WORDS_7X32, "implicit lanes words 7x32", build_conv, 1, 1, 2, TALLEST,
     0},
    {VKD_SHADER_LINEAR_WORDS, NULL, build_linear, 2, 1, 1, VKD_MAX_K, 0},
    {VKD_SHADER_LINEAR, NULL, build_linear, 1, 1, 1, VKD_MAX_K, 0},
    {VKD_SHADER_CONV_FLOAT, "general", build_float_conv, 4, 1, 1, TALLEST, 1.3},
    {VKD_SHADER_CONV_FLOAT, "general", build_float_conv, 1, 1, 20, TALLEST, 1.3},
    {VKD_SHADER_CONV_FLOAT_DW, "depthwise", build_float_conv, 4, 4, 1, TALLEST, 1.3},
    {VKD_SHADER_CONV_FLOAT_DW, "depthwise", build_float_conv, 4, 4, 30, TALLEST, 1.3},
    {VKD_SHADER_CONV_FLOAT_ROW, "depthwise_row 4x4", build_float_conv, 4, 4, 1, TALLEST, 0},
    {VKD_SHADER_CONV_FLOAT_ROW, "depthwise_row 4x4", build_float_conv, 4, 4, 7, TALLEST, 0},
    {VKD_SHADER_CONV_FLOAT_ROW_LANES, "depthwise_row lanes 7x4", build_float_conv, 4, 4, 1, TALLEST,
     0},
    {VKD_SHADER_CONV_FLOAT_ROW_LANES, "depthwise_row lanes 7x4", build_float_conv, 4, 4, 7, TALLEST,
     0},
    {VKD_SHADER_CONV_FLOAT_TILE, "implicit 4x4", build_float_conv, 4, 1, 1, TALLEST, 1.3},
    {VKD_SHADER_CONV_FLOAT_TILE, "implicit 4x4", build_float_conv, 4, 1, 3, TALLEST, 1.3},
    {VKD_SHADER_CONV_FLOAT_TILE, "implicit 8x8", build_float_conv, 4, 1, 3, TALLEST, 1.3},
    {VKD_SHADER_CONV_FLOAT_LANES_4X32, "implicit lanes 4x32", build_float_conv, 4, 1, 3, TALLEST,
     1.3},
    {VKD_SHADER_CONV_FLOAT_LANES_2X16, "implicit lanes 2x16", build_float_conv, 4, 1, 3, TALLEST,
     1.3},
    {VKD_SHADER_CONV_FLOAT_BLOCK, "implicit block 32x32", build_float_conv, 4, 1, 5, TALLEST, 1.3},
    {VKD_SHADER_REDUCE, NULL, build_reduction, 1, 1, 1, 1 << 18, 0},
    {VKD_SHADER_STATS, NULL, build_reduction, 1, 1, 1, 1 << 18, 0},
    {VKD_SHADER_NORM, NULL, build_reduction, 1, 1, 1, 1 << 16, 0},
    {VKD_SHADER_SCAN, NULL, build_scan, 1, 1, 1, 1 << 17, 1.3},
    {VKD_SHADER_PUT, NULL, build_put, 1, 1, 1, 1 << 17, 1.3},
    {VKD_SHADER_MATMUL, NULL, build_product, 1, 1, 1, 1 << 20, 1.01},
    {VKD_SHADER_CONV_FLOAT_VECTOR, "pointwise vector 1x4", build_product, 1, 1, 1, 1 << 18, 1.01},
    {VKD_SHADER_CONV_FLOAT_VECTOR, "pointwise vector 4x4", build_product, 3, 1, 1, 1 << 18, 1.01},
    {VKD_SHADER_QLINEAR, NULL, build_product, 1, 1, 1, 1 << 19, 1.01},
    {VKD_SHADER_QLINEAR, NULL, build_product, 4, 1, 1, 1 << 19, 1.01}, /* rows */
    {VKD_SHADER_ATTENTION_WEIGHTS, NULL, build_attention, 1, 1, 64, 1 << 16, 1.1},
    {VKD_SHADER_ATTENTION_VALUES, NULL, build_attention, 1, 1, 2, 1 << 17, 1.01},
};
enum { PROBES = sizeof probes / sizeof *probes };

static void build(problem *p, const probe *which, uint32_t n, vkd_random *random)
{
    memset(p, 0, sizeof *p);
    which->build(p, which, n, random);
}

static void release(problem *p) { free(p->x), free(p->got), free(p->expected), free(p->weights); }

/* What the node of the probed kernel says of its loops; 0 where the model has another. */
static uint64_t stated(harness *h, const probe *which, problem *p)
{
    vkd_arena arena;
    vkd_graph graph;
    vkd_lowered lowered;
    uint64_t loops = 0;
    vkd_arena_init(&arena, &h->gpu.context);
    vkd_graph_init(&graph, &arena);
    if (lowering_of_model(&h->gpu.context, hand_finish(&p->m), &h->caps, which->variant, &graph,
                          &lowered) != VKD_OK)
        fail_msg("%s", h->gpu.context.error);
    for (size_t i = 0; i < graph.node_count; i++)
        if (graph.nodes[i].shader == which->shader)
            loops = graph.nodes[i].loops;
    vkd_arena_release(&arena);
    return loops;
}

static uint64_t stated_for(harness *h, const probe *which, uint32_t n, vkd_random *random)
{
    problem *p = make(1, sizeof *p);
    build(p, which, n, random);
    uint64_t loops = stated(h, which, p);
    release(p);
    free(p);
    return loops;
}

static bool is_right(harness *h, const probe *which, uint32_t n, vkd_random *random)
{
    problem *p = make(1, sizeof *p);
    build(p, which, n, random);
    if (harness_run(h, hand_finish(&p->m), which->variant, (const void *[]){p->x},
                    (void *[]){p->got}) != VKD_OK)
        fail_msg("%s of %u: %s", vkd_shaders[which->shader].name, n, h->gpu.context.error);
    bool right = true;
    for (size_t i = 0; i < p->count; i++) {
        double got = p->real ? (double)((float *)p->got)[i] : ((int8_t *)p->got)[i];
        right = right && fabs(got - p->expected[i]) <= 1e-6 * fabs(p->expected[i]);
    }
    release(p);
    free(p);
    return right;
}

/* The greatest n up to `most` whose loops stay within the limit, as the node says. */
static uint32_t longest_stated(harness *h, const probe *which, vkd_random *random)
{
    uint32_t fits = 1, beyond = which->most + 1;
    while (beyond - fits > 1) {
        uint32_t n = fits + (beyond - fits) / 2;
        *(stated_for(h, which, n, random) <= VKD_CPU_MAX_LOOPS ? &fits : &beyond) = n;
    }
    return fits;
}

/* The greatest n that the device gets right, from one that it does. */
static uint32_t longest_right(harness *h, const probe *which, uint32_t right, vkd_random *random)
{
    uint32_t wrong = which->most + 1;
    while (wrong - right > 1 + right / 500) {
        uint32_t n = right + (wrong - right) / 2;
        *(is_right(h, which, n, random) ? &right : &wrong) = n;
    }
    return right;
}

static void check_probe(harness *h, const probe *which, vkd_random *random)
{
    const char *name = vkd_shaders[which->shader].name,
               *variant = which->variant ? which->variant : "";
    const uint32_t n = longest_stated(h, which, random);
    if (!stated_for(h, which, n, random))
        fail_msg("%s %s: there is no such node, or it says nothing of its loops", name, variant);
    if (!is_right(h, which, n, random))
        fail_msg("%s %s: wrong for %u, which was to fit the loops", name, variant, n);
    if (which->waste == 0) {
        if (n != which->most)
            fail_msg("%s %s: %u are said not to fit the loops", name, variant, n + 1);
        print_message("%s %s: right for %u, as many as there can be\n", name, variant, n);
        return;
    }
    const uint32_t really = longest_right(h, which, n, random);
    print_message("%s %s: right for %u, for %u by its statement\n", name, variant, really, n);
    if (n == which->most || really > which->waste * n)
        fail_msg("%s %s: right for %u, but %u are said to be the most", name, variant, really, n);
}

/* Without the rule; CPU devices only, as others have no such limit. */
static void statements_hold_on_the_device(void **state)
{
    harness *h = harness_get(state);
    assert_int_equal(h->caps.max_loops, h->caps.type == VKD_TYPE_CPU ? VKD_CPU_MAX_LOOPS : 0);
    if (!h->caps.max_loops) {
        print_message("skipped: this device does not limit loops\n");
        skip();
    }
    vkd_random random = random_begin("loops");
    const vkd_caps own = h->caps;
    for (size_t i = 0; i < PROBES; i++) {
        const char *refusal = vkd_kernel_refuses(&h->caps, probes[i].shader);
        if (refusal) {
            print_message("%s is skipped: %s\n", vkd_shaders[probes[i].shader].name, refusal);
            continue;
        }
        h->caps.max_loops = UINT32_MAX;
        if (probes[i].shader ==
            VKD_SHADER_Q8_MEAN) /* without lanes, whose sums are far from the limit */
            h->caps.max_workgroup_invocations = 1;
        check_probe(h, &probes[i], &random);
        h->caps = own;
    }
}

/* ------------------------------------------------------------------------------------- coverage */

/* Kernels whose loops go round as often as the code says, whatever the problem; those that no CPU
 * device is given: for matrix units, for few rows of a product, for a single query; and those that
 * a rule keeps short: two convolutions of a pixel, small windows, what a resampled pixel covers. */
static bool has_constant_loops(vkd_shader shader)
{
    static const char *const prefixes[] = {"copy",
                                           "move",
                                           "paste",
                                           "gather",
                                           "pad",
                                           "rotary",
                                           "normalise",
                                           "affine",
                                           "nibble_codes",
                                           "places",
                                           "resample",
                                           "im2col",
                                           "attention_coop",
                                           "attention_query",
                                           "attention_step",
                                           "conv_pair",
                                           "conv_dw_",
                                           "gemm_coop_",
                                           "conv_float_coop_",
                                           "conv_float_row_one",
                                           "matmul_rows",
                                           "unary",
                                           "binary",
                                           "where",
                                           "chain",
                                           "excite",
                                           "sort"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (!strncmp(vkd_shaders[shader].name, prefixes[i], strlen(prefixes[i])))
            return true;
    return false;
}

static bool is_probed(vkd_shader shader)
{
    for (size_t i = 0; i < PROBES; i++)
        if (probes[i].shader == shader)
            return true;
    return false;
}

/* Whether SPIR-V has a loop that is not asked to be unrolled. */
static bool has_loop(const vkd_spirv *code)
{
    enum { HEADER = 5, LOOP_MERGE = 246, UNROLL = 1 };
    if (!code)
        return false; /* left out */
    uint32_t *words = make(vkd_spirv_room(code), sizeof *words);
    size_t count = vkd_spirv_unpack(code, words);
    bool has = false;
    for (size_t at = HEADER; at < count; at += words[at] >> 16)
        has = has || ((words[at] & 0xffff) == LOOP_MERGE && !(words[at + 3] & UNROLL));
    free(words);
    return has;
}

/* Whoever adds a loop to a kernel has to say what it costs, and to add it here. */
static void every_kernel_with_loops_is_probed(void **state)
{
    (void)state;
    size_t with_loops = 0, missing = 0;
    for (vkd_shader s = 0; s < VKD_SHADER_COUNT; s++)
        for (int flavour = 0; flavour < 3; flavour++) {
            if (!has_loop(vkd_shaders[s].flavours[flavour]))
                continue;
            with_loops++;
            if (!is_probed(s) && !has_constant_loops(s)) {
                print_error("kernel %s has loops, and no probe\n", vkd_shaders[s].name);
                missing++;
            }
        }
    assert_int_equal(missing, 0);
    assert_true(with_loops > PROBES);
}

/* ------------------------------------------------------------------------------------- refusals */

/* What is too long for the loops of a CPU device is refused there by name, and runs elsewhere. */
static void too_long_is_refused(void **state)
{
    static const struct {
        probe which;
        uint32_t n;
        const char *message;
    } rows[] = {
        {{VKD_SHADER_MAX_POOL2D, NULL, build_pool, 1, 1, 1, 0, 0}, 65534, NULL},
        {{VKD_SHADER_MAX_POOL2D, NULL, build_pool, 1, 1, 1, 0, 0},
         65535,
         "kernel 'max_pool2d' needs 65536 iterations"},
        {{VKD_SHADER_AVG_POOL2D, NULL, build_pool, 1, 1, 1, 0, 0},
         65535,
         "kernel 'avg_pool2d' needs 65536 iterations"},
        {{VKD_SHADER_CONV_TRANSPOSED, NULL, build_conv, 4, 1, 1, 0, 0},
         15000,
         "kernel 'conv_transposed' needs"},
        {{VKD_SHADER_CONV_BYTES, NULL, build_conv, 2, 2, 2, 0, 0}, 32767, NULL},
        {{VKD_SHADER_CONV_BYTES, NULL, build_conv, 2, 2, 2, 0, 0}, 32768, "no kernel can run"},
    };
    (void)state;
    vkd_random random = random_begin("too long");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int device = 0; device < 2; device++) {
            const vkd_caps caps = fake_caps(device ? FAKE_H100 : FAKE_LLVMPIPE);
            problem *p = make(1, sizeof *p);
            vkd_context context;
            vkd_arena arena;
            vkd_graph graph;
            vkd_lowered lowered;
            build(p, &rows[i].which, rows[i].n, &random);
            vkd_context_init(&context, &(vkd_options){.log = lowering_keep_quiet});
            vkd_arena_init(&arena, &context);
            vkd_graph_init(&graph, &arena);
            vkd_status status =
                lowering_of_model(&context, hand_finish(&p->m), &caps, NULL, &graph, &lowered);
            assert_int_equal(status, rows[i].message && !device ? VKD_UNSUPPORTED : VKD_OK);
            if (status != VKD_OK && !strstr(context.error, rows[i].message))
                fail_msg("'%s' does not say '%s'", context.error, rows[i].message);
            vkd_arena_release(&arena);
            release(p);
            free(p);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_with_loops_is_probed),
        cmocka_unit_test(statements_hold_on_the_device),
        cmocka_unit_test(too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
