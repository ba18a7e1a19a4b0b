/* Concatenations that share memory and look their parts up in tables, on a device, against the same
 * operators one by one: the same bits. The models are drawn: blocks whose concatenations grow, of
 * floats and of int8 tensors, and of what is computed from those. */
#include "include/vkdelegate.h"
#include "support/harness.h"
#include "support/skip.h"

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
    size_t bytes[3 * MOST_PARTS]; /* of outputs */
} block;

typedef struct results {
    unsigned char of[3 * MOST_PARTS][MAX_COUNT * sizeof(float)];
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

/* The end of what is longer along the dim. */
static uint32_t add_slice(block *b, const uint32_t *dims)
{
    hand_model *m = &b->m;
    uint32_t longer[4];
    const uint32_t start = below(b, 2) ? 4 : 1 + below(b, 5), size = dims[b->dim];
    memcpy(longer, dims, sizeof longer);
    longer[b->dim] += start;
    random_int8(b->random, (int8_t *)b->inputs[b->input_count++], MAX_COUNT);
    const uint32_t x = dequantize(b, hand_input(m, VKD_DTYPE_INT8, b->rank, longer), longer),
                   y = hand_tensor(m, VKD_DTYPE_FLOAT32, b->rank, dims);
    HAND_OP(m, "aten.slice_copy.Tensor", x, hand_int(m, b->dim), hand_int(m, start),
            hand_int(m, start + size), hand_int(m, 1), y);
    return y;
}

/* An input, or what a dequantize or a function behind it makes of one. */
static uint32_t add_part(block *b, const uint32_t *dims)
{
    hand_model *m = &b->m;
    if (below(b, 5) == 0)
        return add_slice(b, dims);
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
    void *outputs[3 * MOST_PARTS];
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

/* As a device of this type lowers it. */
static size_t run_as(harness *h, vkd_device_type type, block *b, uint32_t skip, results *out)
{
    const vkd_device_type own = h->caps.type;
    h->caps.type = type;
    const size_t nodes = run(h, b, skip, out);
    h->caps.type = own;
    return nodes;
}

static void assert_same(const block *b, const results *got, const results *expected, const char *as)
{
    for (size_t o = 0; o < b->output_count; o++)
        if (memcmp(got->of[o], expected->of[o], b->bytes[o]))
            fail_msg("%s: output %zu differs", as, o);
}

/* Concatenations of ever more parts, a few left out, now and then one of another order. */
static void growing_concatenations_keep_every_bit(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("growing concatenations");
    static block b;
    static results got, expected;
    size_t fewer = 0, pairs = 0, apart = 0;
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
        apart += run_as(h, VKD_TYPE_CPU, &b, VKD_REWRITE_CATS | VKD_REWRITE_INT8, &expected);
        fewer += run_as(h, VKD_TYPE_CPU, &b, 0, &got);
        assert_same(&b, &got, &expected, "one by one");
        pairs += run_as(h, VKD_TYPE_DISCRETE, &b, 0, &got);
        assert_same(&b, &got, &expected, "in pairs");
    }
    print_message("%zu dispatches, in pairs %zu, instead of %zu\n", fewer, pairs, apart);
    assert_true(pairs < fewer && 20 * fewer < 19 * apart);
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
    /* of int8: dequantized, copied for each; images of what the host has, copied */
    const size_t parts = MOST_PARTS,
                 apart = run_as(h, VKD_TYPE_CPU, &b, VKD_REWRITE_CATS, &expected),
                 fewer = run_as(h, VKD_TYPE_CPU, &b, 0, &got);
    assert_int_equal(apart - fewer, parts + parts * (parts + 1) / 2 - 2 * parts);
    assert_same(&b, &got, &expected, "a dense block");
}

/* --------------------------------------------------------------------------------- dense layers */

static void count_channels(const block *b, size_t count, uint32_t dims[4])
{
    memcpy(dims, b->dims, sizeof b->dims);
    dims[1] = 0;
    for (size_t i = 0; i < count; i++)
        dims[1] += b->sizes[i];
}

static uint32_t add_dense(block *b, size_t count)
{
    uint32_t dims[4];
    count_channels(b, count, dims);
    const uint32_t all = hand_tensor(&b->m, VKD_DTYPE_FLOAT32, 4, dims);
    HAND_OP(&b->m, "aten.cat.default", hand_list(&b->m, count, b->parts), hand_int(&b->m, 1), all);
    return all;
}

/* All parts so far under five dims, moved. */
static void add_moved(block *b, uint32_t all, const uint32_t *dims)
{
    hand_model *m = &b->m;
    const uint32_t apart[] = {dims[0], dims[1], 1, dims[2], dims[3]},
                   turned[] = {dims[0], 1, dims[1], dims[2], dims[3]};
    const uint32_t wide = hand_tensor(m, VKD_DTYPE_FLOAT32, 5, apart),
                   turn = hand_tensor(m, VKD_DTYPE_FLOAT32, 5, turned);
    HAND_OP(m, "aten.view_copy.default", all,
            hand_ints(m, 5, (int64_t[]){dims[0], dims[1], 1, dims[2], dims[3]}), wide);
    HAND_OP(m, "aten.permute_copy.default", wide, hand_ints(m, 5, (int64_t[]){0, 2, 1, 3, 4}),
            turn);
    HAND_OP(m, "aten.abs.default", turn, hand_output(m, VKD_DTYPE_FLOAT32, 5, turned));
    b->bytes[b->output_count++] = 4 * vkd_dims_count(5, turned);
}

/* What a layer makes of all parts so far: a function of them, or of them and a number for each
 * channel, and int8 again. Other readers now and then. */
static void add_layer(block *b, uint32_t all, size_t count, bool plain)
{
    static float factors[MOST_PARTS][6 * MOST_PARTS];
    hand_model *m = &b->m;
    uint32_t dims[4];
    count_channels(b, count, dims);
    if (!plain && below(b, 4) == 0) {
        add_moved(b, all, dims);
        return;
    }
    const uint32_t real = hand_tensor(m, VKD_DTYPE_FLOAT32, 4, dims),
                   q = hand_tensor(m, VKD_DTYPE_INT8, 4, dims);
    if (!plain && below(b, 6) == 0)
        add_output(b, all, dims);
    if (plain || below(b, 2)) {
        HAND_OP(m, "aten.abs.default", all, real);
    } else {
        random_floats(b->random, -2, 2, factors[count - 1], dims[1]);
        HAND_OP(
            m, "aten.mul.Tensor", all,
            hand_constant(m, VKD_DTYPE_FLOAT32, 3, (uint32_t[]){dims[1], 1, 1}, factors[count - 1]),
            real);
    }
    quantize(b, real, q);
    if (!plain && below(b, 6) == 0)
        add_output(b, all, dims);
    HAND_OP(m, "et_vk.q8ta_relu.default", q, hand_double(m, 0.05), hand_int(m, 3),
            hand_double(m, 0.05), hand_int(m, 3), hand_output(m, VKD_DTYPE_INT8, 4, dims));
    b->bytes[b->output_count++] = vkd_dims_count(4, dims);
}

/* Each is read before the next is made, or all are made first and the last is read first. */
static void add_layers(block *b, bool late)
{
    uint32_t all[MOST_PARTS + 1] = {0};
    for (size_t count = 1; count <= MOST_PARTS; count++) {
        if (below(b, 5) == 0)
            continue;
        all[count] = add_dense(b, count);
        if (!late)
            add_layer(b, all[count], count, false);
    }
    for (size_t count = MOST_PARTS; late && count > 0; count--)
        if (all[count])
            add_layer(b, all[count], count, false);
}

/* A first part of floats, and int8 ones, of whole fours but where they are odd. */
static void begin_dense(block *b, vkd_random *random, bool odd)
{
    memset(b, 0, sizeof *b);
    b->random = random;
    b->rank = 4, b->dim = 1, b->part_count = MOST_PARTS;
    for (uint32_t d = 0; d < 4; d++)
        b->dims[d] = 1 + below(b, 4);
    for (size_t i = 0; i < MOST_PARTS; i++) {
        uint32_t dims[4];
        memcpy(dims, b->dims, sizeof dims);
        dims[1] = b->sizes[i] = odd && below(b, 4) == 0 ? 1 + below(b, 6) : 4;
        float *data = b->inputs[b->input_count++];
        if (i == 0) {
            random_floats(random, -4, 4, data, MAX_COUNT);
            b->parts[i] = hand_input(&b->m, VKD_DTYPE_FLOAT32, 4, dims);
            continue;
        }
        random_int8(random, (int8_t *)data, MAX_COUNT);
        b->parts[i] = dequantize(b, hand_input(&b->m, VKD_DTYPE_INT8, 4, dims), dims);
    }
}

/* As a device with so many bindings a kernel lowers it. */
static size_t run_bound(harness *h, uint32_t bindings, block *b, uint32_t skip, results *out)
{
    const uint32_t own = h->caps.max_storage_buffers;
    h->caps.max_storage_buffers = bindings;
    const size_t nodes = run(h, b, skip, out);
    h->caps.max_storage_buffers = own;
    return nodes;
}

/* Each layer puts the part there that is new to it, while it reads the others. */
static void layers_add_their_parts(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("dense layers");
    static block b;
    static results got, expected;
    if (h->caps.max_storage_buffers < 6)
        test_skip("the device has 5 bindings a kernel");
    begin_dense(&b, &random, false);
    for (size_t count = 1; count <= MOST_PARTS; count++)
        add_layer(&b, add_dense(&b, count), count, true);
    h->checks_kernels = true;
    const size_t apart = run_bound(h, 5, &b, 0, &expected), fewer = run_bound(h, 6, &b, 0, &got);
    h->checks_kernels = false;
    /* the first is rows, as the host has them, the second makes the image that all lie in */
    assert_int_equal(apart - fewer, MOST_PARTS - 2);
    assert_same(&b, &got, &expected, "layers that add a part");
}

static void layers_keep_every_bit(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("drawn dense layers");
    static block b;
    static results got, expected;
    size_t fewer = 0, apart = 0;
    for (int i = 0; i < BLOCKS / 3; i++) {
        begin_dense(&b, &random, true);
        add_layers(&b, i % 2);
        if (!b.output_count)
            continue;
        run(h, &b, VKD_REWRITE_CATS | VKD_REWRITE_CHAINS, &expected);
        fewer += run(h, &b, 0, &got);
        assert_same(&b, &got, &expected, "drawn layers");
        apart += run_bound(h, 5, &b, 0, &got);
        assert_same(&b, &got, &expected, "drawn layers with 5 bindings");
    }
    print_message("%zu dispatches instead of %zu\n", fewer, apart);
    assert_true(h->caps.max_storage_buffers < 6 || fewer < apart);
}

/* A concatenation that is read before an operator makes it, though another one is its beginning. */
static void none_is_read_too_early(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("read too early");
    static block b;
    static results got;
    void *outputs[] = {got.of[0], got.of[1]};
    size_t nodes;
    begin_dense(&b, &random, false);
    uint32_t dims[4], fewer[4];
    count_channels(&b, 3, dims);
    count_channels(&b, 2, fewer);
    const uint32_t early = hand_tensor(&b.m, VKD_DTYPE_FLOAT32, 4, dims);
    add_output(&b, add_dense(&b, 2), fewer);
    HAND_OP(&b.m, "aten.abs.default", early, hand_output(&b.m, VKD_DTYPE_FLOAT32, 4, dims));
    HAND_OP(&b.m, "aten.cat.default", hand_list(&b.m, 3, b.parts), hand_int(&b.m, 1), early);
    const void *inputs[MOST_PARTS];
    for (size_t i = 0; i < MOST_PARTS; i++)
        inputs[i] = b.inputs[i];
    assert_int_equal(harness_run_rewritten(h, hand_finish(&b.m), NULL, 0, inputs, outputs, &nodes),
                     VKD_INVALID_MODEL);
    assert_non_null(strstr(h->gpu.context.error, "before an operator has produced it"));
}

/* ------------------------------------------------------------------------------------- shuffles */

typedef struct shuffle {
    hand_model m;
    uint32_t n, groups, channels, pixels[2], first; /* of both parts, the channels of the first */
    int8_t x[MAX_COUNT];
} shuffle;

/* int8 -> floats, groups of channels take turns, in two parts: floats and int8 again; the second
 * also concatenated with half of what the int8 is. */
static void build_shuffle(shuffle *s, vkd_random *random)
{
    hand_model *m = &s->m;
    memset(m, 0, sizeof *m);
    s->n = (uint32_t)random_range(random, 1, 2);
    s->groups = (uint32_t)random_range(random, 1, 4);
    s->channels = s->groups * (uint32_t)random_range(random, 1, 9);
    s->channels += s->channels == 1 ? s->groups : 0;
    s->first = (uint32_t)random_range(random, 1, (int32_t)s->channels - 1);
    for (int i = 0; i < 2; i++)
        s->pixels[i] = (uint32_t)random_range(random, 1, 5);
    random_int8(random, s->x, sizeof s->x);
    const uint32_t h = s->pixels[0], w = s->pixels[1], g = s->groups, each = s->channels / g,
                   dims[] = {s->n, s->channels, h, w}, apart[] = {s->n, g, each, h, w},
                   turned[] = {s->n, each, g, h, w}, a_dims[] = {s->n, s->first, h, w},
                   b_dims[] = {s->n, s->channels - s->first, h, w},
                   all_dims[] = {s->n, 2 * s->channels - s->first, h, w};
    const uint32_t x = hand_input(m, VKD_DTYPE_INT8, 4, dims),
                   real = hand_tensor(m, VKD_DTYPE_FLOAT32, 4, dims),
                   wide = hand_tensor(m, VKD_DTYPE_FLOAT32, 5, apart),
                   turn = hand_tensor(m, VKD_DTYPE_FLOAT32, 5, turned),
                   flat = hand_tensor(m, VKD_DTYPE_FLOAT32, 4, dims),
                   parts[] = {hand_tensor(m, VKD_DTYPE_FLOAT32, 4, a_dims),
                              hand_tensor(m, VKD_DTYPE_FLOAT32, 4, b_dims)};
    HAND_OP(m, "quantized_decomposed.dequantize_per_tensor.default", x, hand_double(m, 0.5),
            hand_int(m, 3), hand_int(m, -128), hand_int(m, 127), hand_null(m), hand_null(m), real);
    HAND_OP(m, "aten.view_copy.default", real, hand_ints(m, 5, (int64_t[]){s->n, g, each, h, w}),
            wide);
    HAND_OP(m, "aten.permute_copy.default", wide, hand_ints(m, 5, (int64_t[]){0, 2, 1, 3, 4}),
            turn);
    HAND_OP(m, "aten.view_copy.default", turn,
            hand_ints(m, 4, (int64_t[]){s->n, s->channels, h, w}), flat);
    HAND_OP(m, "aten.split_with_sizes_copy.default", flat,
            hand_pair(m, s->first, s->channels - s->first), hand_int(m, 1), hand_list(m, 2, parts));
    HAND_OP(m, "aten.abs.default", parts[0], hand_output(m, VKD_DTYPE_FLOAT32, 4, a_dims));
    HAND_OP(m, "quantized_decomposed.quantize_per_tensor.default", parts[1], hand_double(m, 0.5),
            hand_int(m, 3), hand_int(m, -128), hand_int(m, 127), hand_null(m),
            hand_output(m, VKD_DTYPE_INT8, 4, b_dims));
    const uint32_t other = hand_tensor(m, VKD_DTYPE_FLOAT32, 4, dims),
                   all = hand_tensor(m, VKD_DTYPE_FLOAT32, 4, all_dims);
    HAND_OP(m, "quantized_decomposed.dequantize_per_tensor.default", x, hand_double(m, 0.25),
            hand_int(m, 3), hand_int(m, -128), hand_int(m, 127), hand_null(m), hand_null(m), other);
    HAND_OP(m, "aten.cat.default", hand_list(m, 2, (uint32_t[]){parts[1], other}), hand_int(m, 1),
            all);
    HAND_OP(m, "aten.abs.default", all, hand_output(m, VKD_DTYPE_FLOAT32, 4, all_dims));
}

/* The int8 value that channel c of the result has at a pixel. */
static int8_t shuffled(const shuffle *s, uint32_t image, uint32_t c, uint32_t pixel)
{
    const uint32_t from = c % s->groups * (s->channels / s->groups) + c / s->groups;
    return s->x[(image * s->channels + from) * s->pixels[0] * s->pixels[1] + pixel];
}

static float half_steps(int8_t q, float scale) { return (float)abs(q - 3) * scale; }

static void check_shuffle(const shuffle *s, const float *a, const int8_t *b, const float *all)
{
    const uint32_t area = s->pixels[0] * s->pixels[1], c_all = 2 * s->channels - s->first;
    for (uint32_t i = 0; i < s->n * c_all * area; i++) {
        const uint32_t image = i / area / c_all, c = i / area % c_all + s->first, p = i % area;
        const bool other = c >= s->channels;
        const int8_t q = other ? s->x[(image * s->channels + c - s->channels) * area + p]
                               : shuffled(s, image, c, p);
        if (all[i] != half_steps(q, other ? 0.25f : 0.5f) || (!other && *b++ != q))
            fail_msg("%u groups of %u channels, %u in the first part: channel %u is wrong",
                     s->groups, s->channels, s->first, c);
    }
    for (uint32_t i = 0; i < s->n * s->first * area; i++)
        if (a[i] !=
            half_steps(shuffled(s, i / area / s->first, i / area % s->first, i % area), 0.5f))
            fail_msg("%u groups of %u channels: element %u of the first part is wrong", s->groups,
                     s->channels, i);
}

static void shuffled_channels(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("shuffles");
    static shuffle s;
    static float a[MAX_COUNT], all[2 * MAX_COUNT];
    static int8_t b[MAX_COUNT];
    for (int i = 0; i < 60; i++) {
        size_t nodes = 0;
        build_shuffle(&s, &random);
        if (harness_run_rewritten(h, hand_finish(&s.m), NULL, 0, (const void *[]){s.x},
                                  (void *[]){a, b, all}, &nodes) != VKD_OK)
            fail_msg("%s", h->gpu.context.error);
        check_shuffle(&s, a, b, all);
        if (s.channels % 4 == 0 && s.first % 4 == 0)
            assert_true(nodes <= 8); /* dequantized, shuffled, parts; image, two copies, abs */
    }
}

/* What shares words with the part before it is copied behind that. */
static void pairs_share_no_words(void **state)
{
    static const uint32_t sizes[][2] = {{4, 4}, {3, 5}, {8, 3}, {6, 4}};
    harness *h = harness_get(state);
    vkd_random random = random_begin("pairs");
    static block b;
    static results got, expected;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint32_t parts[2];
        memset(&b, 0, sizeof b);
        for (int k = 0; k < 2; k++) {
            random_int8(&random, (int8_t *)b.inputs[k], MAX_COUNT);
            parts[k] = hand_input(&b.m, VKD_DTYPE_INT8, 4, (uint32_t[]){1, sizes[i][k], 3, 3});
        }
        const uint32_t dims[] = {1, sizes[i][0] + sizes[i][1], 3, 3};
        HAND_OP(&b.m, "aten.cat.default", hand_list(&b.m, 2, parts), hand_int(&b.m, 1),
                hand_output(&b.m, VKD_DTYPE_INT8, 4, dims));
        b.bytes[b.output_count++] = vkd_dims_count(4, dims);
        const size_t apart = run_as(h, VKD_TYPE_CPU, &b, 0, &expected),
                     pair = run_as(h, VKD_TYPE_DISCRETE, &b, 0, &got);
        assert_int_equal(apart - pair, sizes[i][0] % 4 == 0);
        assert_same(&b, &got, &expected, "a pair");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(growing_concatenations_keep_every_bit),
                                       cmocka_unit_test(each_part_is_written_once),
                                       cmocka_unit_test(layers_add_their_parts),
                                       cmocka_unit_test(layers_keep_every_bit),
                                       cmocka_unit_test(none_is_read_too_early),
                                       cmocka_unit_test(shuffled_channels),
                                       cmocka_unit_test(pairs_share_no_words)};
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
