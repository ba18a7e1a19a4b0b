/* Concatenations that share memory and look their parts up in tables, on a device, against the same
 * operators one by one: the same bits. The models are drawn: blocks whose concatenations grow, of
 * floats and of int8 tensors, and of what is computed from those. */
#include "include/vkdelegate.h"
#include "support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_PARTS = 5, MAX_COUNT = 6 * 6 * 6 * 30, BLOCKS = 150 };

typedef struct block {
    hand_model m;
    vkd_random *random;
    uint32_t rank, dim, dims[4]; /* of a part, but along dim */
    size_t part_count, input_count, output_count;
    uint32_t parts[MOST_PARTS], sizes[MOST_PARTS]; /* values, sizes along dim */
    float inputs[MOST_PARTS][MAX_COUNT];
    size_t bytes[2 * MOST_PARTS]; /* of outputs */
} block;

typedef struct results {
    unsigned char of[2 * MOST_PARTS][MAX_COUNT * sizeof(float)];
} results;

static uint32_t below(block *b, uint32_t count)
{
    return (uint32_t)random_range(b->random, 0, (int32_t)count - 1);
}

static uint32_t convert(block *b, const char *name, uint32_t x, uint32_t y)
{
    static const double scales[] = {0.05, 0.02};
    static const int zeros[] = {3, -77};
    hand_model *m = &b->m;
    const uint32_t which = below(b, 3) / 2;
    if (strstr(name, "dequantize"))
        HAND_OP(m, name, x, hand_double(m, scales[which]), hand_int(m, zeros[which]),
                hand_int(m, -128), hand_int(m, 127), hand_null(m), hand_null(m), y);
    else
        HAND_OP(m, name, x, hand_double(m, scales[which]), hand_int(m, zeros[which]),
                hand_int(m, -128), hand_int(m, 127), hand_null(m), y);
    return y;
}

static uint32_t quantize(block *b, uint32_t x, uint32_t y)
{
    return convert(b, "quantized_decomposed.quantize_per_tensor.default", x, y);
}

static uint32_t dequantize(block *b, uint32_t x, const uint32_t *dims)
{
    return convert(b, "quantized_decomposed.dequantize_per_tensor.default", x,
                   hand_tensor(&b->m, VKD_DTYPE_FLOAT32, b->rank, dims));
}

/* An input, or what a dequantize or a function behind it makes of one. */
static uint32_t add_part(block *b, const uint32_t *dims)
{
    hand_model *m = &b->m;
    float *data = b->inputs[b->input_count++];
    if (below(b, 4) == 0) {
        random_floats(b->random, -4, 4, data, MAX_COUNT);
        return hand_input(m, VKD_DTYPE_FLOAT32, b->rank, dims);
    }
    random_int8(b->random, (int8_t *)data, MAX_COUNT);
    const uint32_t x = dequantize(b, hand_input(m, VKD_DTYPE_INT8, b->rank, dims), dims);
    if (below(b, 4))
        return x;
    const uint32_t y = hand_tensor(m, VKD_DTYPE_FLOAT32, b->rank, dims);
    HAND_OP(m, below(b, 2) ? "aten.abs.default" : "aten.relu.default", x, y);
    return y;
}

static void draw_parts(block *b, vkd_random *random)
{
    memset(&b->m, 0, sizeof b->m);
    b->random = random;
    b->input_count = b->output_count = 0;
    b->rank = 1 + below(b, 4);
    b->dim = below(b, 3) && b->rank == 4 ? 1 : below(b, b->rank);
    b->part_count = 1 + below(b, MOST_PARTS);
    for (uint32_t d = 0; d < b->rank; d++)
        b->dims[d] = 1 + below(b, 6);
    for (size_t i = 0; i < b->part_count; i++) {
        uint32_t dims[4];
        memcpy(dims, b->dims, sizeof dims);
        dims[b->dim] = b->sizes[i] = below(b, 3) ? 4 * (1 + below(b, 2)) : 1 + below(b, 6);
        b->parts[i] = add_part(b, dims);
    }
}

static void add_output(block *b, uint32_t x, const uint32_t *dims)
{
    hand_model *m = &b->m;
    const bool quantized = below(b, 2);
    const vkd_dtype dtype = quantized ? VKD_DTYPE_INT8 : VKD_DTYPE_FLOAT32;
    const uint32_t y = hand_output(m, dtype, b->rank, dims);
    b->bytes[b->output_count++] = vkd_dims_count(b->rank, dims) * (quantized ? 1 : sizeof(float));
    if (quantized)
        quantize(b, x, y);
    else
        HAND_OP(m, "aten.abs.default", x, y);
}

/* Of the first `count` parts; also part by part where something else reads it. */
static void add_cat(block *b, size_t count)
{
    hand_model *m = &b->m;
    uint32_t dims[4];
    memcpy(dims, b->dims, sizeof dims);
    dims[b->dim] = 0;
    for (size_t i = 0; i < count; i++)
        dims[b->dim] += b->sizes[i];
    const uint32_t y = hand_tensor(m, VKD_DTYPE_FLOAT32, b->rank, dims);
    HAND_OP(m, "aten.cat.default", hand_list(m, count, b->parts),
            hand_int(m, below(b, 2) ? (int)b->dim : (int)b->dim - (int)b->rank), y);
    if (below(b, 6) == 0) {
        hand_mark_output(m, y);
        b->bytes[b->output_count++] = vkd_dims_count(b->rank, dims) * sizeof(float);
    }
    add_output(b, y, dims);
}

static size_t run(harness *h, block *b, uint32_t skip, results *out)
{
    const void *inputs[MOST_PARTS];
    void *outputs[2 * MOST_PARTS];
    size_t nodes = 0;
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < MOST_PARTS; i++)
        inputs[i] = b->inputs[i];
    for (size_t i = 0; i < b->output_count; i++)
        outputs[i] = out->of[i];
    if (harness_run_rewritten(h, hand_finish(&b->m), NULL, skip, inputs, outputs, &nodes) != VKD_OK)
        fail_msg("%s", h->gpu.context.error);
    return nodes;
}

/* Concatenations of ever more parts, a few left out, now and then one of another order. */
static void growing_concatenations_keep_every_bit(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("growing concatenations");
    static block b;
    static results got, expected;
    size_t fewer = 0, apart = 0;
    for (int i = 0; i < BLOCKS; i++) {
        draw_parts(&b, &random);
        for (size_t count = 1; count <= b.part_count; count++) {
            if (below(&b, 4) || count == b.part_count)
                add_cat(&b, count);
            if (below(&b, 8) == 0 && b.sizes[0] == b.sizes[count - 1]) {
                const uint32_t first = b.parts[0];
                b.parts[0] = b.parts[count - 1];
                b.parts[count - 1] = first;
            }
        }
        apart += run(h, &b, VKD_REWRITE_CATS | VKD_REWRITE_INT8, &expected);
        fewer += run(h, &b, 0, &got);
        for (size_t o = 0; o < b.output_count; o++)
            if (memcmp(got.of[o], expected.of[o], b.bytes[o]))
                fail_msg("block %d: output %zu differs", i, o);
    }
    print_message("%zu dispatches instead of %zu\n", fewer, apart);
    assert_true(fewer < apart);
}

/* A dense block of n parts, float images: every part is written once. */
static void each_part_is_written_once(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("dense blocks");
    static block b;
    static results got, expected;
    memset(&b, 0, sizeof b);
    b.random = &random;
    b.rank = 4, b.dim = 1, b.part_count = MOST_PARTS;
    memcpy(b.dims, (uint32_t[]){2, 0, 3, 5}, sizeof b.dims);
    for (size_t i = 0; i < MOST_PARTS; i++) {
        const uint32_t dims[] = {2, b.sizes[i] = i == 2 ? 3 : 4, 3, 5};
        random_int8(&random, (int8_t *)b.inputs[i], MAX_COUNT);
        b.parts[i] = dequantize(&b, hand_input(&b.m, VKD_DTYPE_INT8, 4, dims), dims);
    }
    for (size_t count = 1; count <= MOST_PARTS; count++) {
        uint32_t dims[] = {2, 0, 3, 5};
        for (size_t i = 0; i < count; i++)
            dims[1] += b.sizes[i];
        const uint32_t all = hand_tensor(&b.m, VKD_DTYPE_FLOAT32, 4, dims),
                       y = hand_output(&b.m, VKD_DTYPE_FLOAT32, 4, dims);
        HAND_OP(&b.m, "aten.cat.default", hand_list(&b.m, count, b.parts), hand_int(&b.m, 1), all);
        HAND_OP(&b.m, "aten.abs.default", all, y);
        b.bytes[b.output_count++] = vkd_dims_count(4, dims) * sizeof(float);
    }
    size_t pairs = 0; /* of parts, one by one */
    for (size_t count = 1; count <= MOST_PARTS; count++)
        pairs += (count + 1) / 2;
    /* dequantized and copied; images of what the host has, and copied */
    const size_t apart = run(h, &b, VKD_REWRITE_CATS, &expected), fewer = run(h, &b, 0, &got);
    assert_int_equal(apart - fewer, MOST_PARTS + pairs - 2 * MOST_PARTS);
    for (size_t o = 0; o < b.output_count; o++)
        assert_memory_equal(got.of[o], expected.of[o], b.bytes[o]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(growing_concatenations_keep_every_bit),
                                       cmocka_unit_test(each_part_is_written_once)};
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
