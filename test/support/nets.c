#include "support/nets.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/arena.h"
#include "runtime/base/math.h"
#include "support/blob_builder.h"

typedef struct building {
    net_shape shape;
    vkd_context context;
    vkd_arena arena; /* constants and their keys, until the file is made */
    uint64_t random;
    vkd_blob_builder *blob;
    blob_named *named;
    size_t named_count, named_capacity;
    uint32_t op_count;
    uint64_t macs;
    vkd_tensor_info inputs[2], output;
    size_t input_count;
} building;

/* A tensor that is computed: an image [n, c, h, w], or [n, tokens, width]. */
typedef struct value {
    uint32_t id, rank, dims[5];
} value;

#define ADD_OP(g, name, ...)                                                                       \
    blob_op((g)->blob, name, (g)->op_count++, (const uint32_t[]){__VA_ARGS__},                     \
            sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))
#define LIST(g, ...)                                                                               \
    blob_int_list((g)->blob, (const int64_t[]){__VA_ARGS__},                                       \
                  sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

static void *or_die(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* ------------------------------------------------------------------------------------ constants */

static uint64_t bits(building *g)
{
    g->random ^= g->random << 13;
    g->random ^= g->random >> 7;
    g->random ^= g->random << 17;
    return g->random;
}

static uint32_t named(building *g, vkd_dtype dtype, uint32_t rank, const uint32_t *dims,
                      const void *data, size_t size)
{
    g->named = or_die(
        vkd_arena_grow(&g->arena, g->named, g->named_count, &g->named_capacity, sizeof *g->named));
    const char *key = or_die(vkd_arena_printf(&g->arena, "constant%zu", g->named_count));
    g->named[g->named_count++] = (blob_named){key, data, size};
    return blob_named_tensor(g->blob, dtype, rank, dims, key);
}

static size_t count_of(uint32_t rank, const uint32_t *dims)
{
    size_t count = 1;
    for (uint32_t d = 0; d < rank; d++)
        count *= dims[d];
    return count;
}

/* Of either sign, and of sizes from 2^exponent to twice that: sign and mantissa of random words. */
static void fill(building *g, vkd_dtype dtype, int exponent, size_t count, void *out)
{
    const bool half = dtype == VKD_DTYPE_FLOAT16;
    const uint64_t kept = half ? 0x83ff83ff83ff83ff : 0x807fffff807fffff,
                   set = half ? (uint64_t)(exponent + 15) << 10 : (uint64_t)(exponent + 127) << 23;
    const uint64_t all = half ? set * 0x0001000100010001 : set | set << 32;
    const size_t size = count * (half ? 2 : 4);
    for (size_t at = 0; at < size; at += 8) {
        const uint64_t word = (bits(g) & kept) | all;
        memcpy((char *)out + at, &word, size - at < 8 ? size - at : 8);
    }
}

/* Weights of so many products a sum, whose results are about as large as what goes in, or a bias
 * where `k` is 0. */
static uint32_t weights(building *g, uint32_t rank, const uint32_t *dims, uint32_t k)
{
    const size_t count = count_of(rank, dims), size = count * vkd_dtype_size(g->shape.dtype);
    void *data = or_die(vkd_arena_alloc(&g->arena, size, 1));
    fill(g, g->shape.dtype, k ? (int)lround(log2(sqrt(1.6 / k) / 1.5)) : -5, count, data);
    return named(g, g->shape.dtype, rank, dims, data, size);
}

static uint32_t same_numbers(building *g, uint32_t rank, const uint32_t *dims, float number)
{
    const size_t count = count_of(rank, dims), size = vkd_dtype_size(g->shape.dtype);
    char *data = or_die(vkd_arena_alloc(&g->arena, count, size));
    const uint16_t half = number == 0 ? 0 : 0x3c00;
    for (size_t i = 0; i < count; i++)
        memcpy(data + i * size, size == 2 ? (const void *)&half : &number, size);
    return named(g, g->shape.dtype, rank, dims, data, count * size);
}

/* -------------------------------------------------------------------------------------- tensors */

static value tensor(building *g, uint32_t rank, const uint32_t *dims)
{
    value v = {.rank = rank};
    memcpy(v.dims, dims, rank * sizeof *dims);
    v.id = blob_constant_tensor(g->blob, g->shape.dtype, rank, dims, -1);
    return v;
}
#define TENSOR(g, ...)                                                                             \
    tensor(g, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), (const uint32_t[]){__VA_ARGS__})

static value like(building *g, const value *x) { return tensor(g, x->rank, x->dims); }

static void add_input(building *g, vkd_dtype dtype, const value *x)
{
    vkd_tensor_info *info = &g->inputs[g->input_count++];
    *info = (vkd_tensor_info){.dtype = dtype, .rank = x->rank};
    for (uint32_t d = 0; d < x->rank; d++)
        info->dims[d] = (int)x->dims[d];
    blob_io(g->blob, &x->id, 1, NULL, 0);
}

static void add_output(building *g, const value *y)
{
    g->output = (vkd_tensor_info){.dtype = g->shape.dtype, .rank = y->rank};
    for (uint32_t d = 0; d < y->rank; d++)
        g->output.dims[d] = (int)y->dims[d];
    blob_io(g->blob, NULL, 0, &y->id, 1);
}

/* ------------------------------------------------------------------------------------ operators */

typedef enum activation { NONE, RELU, RELU6, HARDSWISH, SILU, GELU } activation;

static value unary(building *g, const char *name, const value *x)
{
    value y = like(g, x);
    ADD_OP(g, name, x->id, y.id);
    return y;
}

static value binary(building *g, const char *name, const value *a, const value *b)
{
    value y = like(g, a);
    if (!strcmp(name, "aten.mul.Tensor"))
        ADD_OP(g, name, a->id, b->id, y.id);
    else
        ADD_OP(g, name, a->id, b->id, blob_int(g->blob, 1), y.id);
    return y;
}

static value activate(building *g, const value *x, activation how)
{
    if (how == HARDSWISH)
        return unary(g, "aten.hardswish.default", x);
    if (how == SILU) {
        value s = unary(g, "aten.sigmoid.default", x);
        return binary(g, "aten.mul.Tensor", x, &s);
    }
    if (how == GELU) {
        value y = like(g, x);
        ADD_OP(g, "aten.gelu.default", x->id, blob_string(g->blob, "none"), y.id);
        return y;
    }
    return *x;
}

typedef struct window {
    uint32_t kernel, stride, padding, groups;
} window;

static value conv(building *g, const value *x, uint32_t out_c, window w, activation how)
{
    vkd_blob_builder *b = g->blob;
    const uint32_t in_c = x->dims[1] / w.groups, k = in_c * w.kernel * w.kernel;
    uint32_t size[2];
    for (int axis = 0; axis < 2; axis++)
        size[axis] = (x->dims[2 + axis] + 2 * w.padding - w.kernel) / w.stride + 1;
    value y = TENSOR(g, x->dims[0], out_c, size[0], size[1]);
    const uint32_t weight = weights(g, 4, (const uint32_t[]){out_c, in_c, w.kernel, w.kernel}, k),
                   bias = weights(g, 1, &out_c, 0), padding = LIST(g, w.padding, w.padding),
                   stride = LIST(g, w.stride, w.stride), ones = LIST(g, 1, 1), none = LIST(g, 0, 0),
                   no = blob_bool(b, false), groups = blob_int(b, w.groups);
    if (how == RELU || how == RELU6)
        ADD_OP(g, "et_vk.conv_with_clamp.default", x->id, weight, bias, stride, padding, ones, no,
               none, groups, blob_double(b, 0), how == RELU ? blob_null(b) : blob_double(b, 6),
               y.id);
    else
        ADD_OP(g, "aten.convolution.default", x->id, weight, bias, stride, padding, ones, no, none,
               groups, y.id);
    g->macs += count_of(4, y.dims) * (uint64_t)k;
    return activate(g, &y, how);
}

static value square(building *g, const value *x, uint32_t out_c, uint32_t kernel, uint32_t stride,
                    activation how)
{
    return conv(g, x, out_c, (window){kernel, stride, kernel / 2, 1}, how);
}

/* In groups of 32 of k, each with a scale. */
static void add_nibbles(building *g, const value *x, uint32_t n, uint32_t k, const value *y)
{
    enum { GROUP = 32 };
    const uint32_t dims[] = {n, k / 2}, scale_dims[] = {k / GROUP, n};
    const size_t size = count_of(2, dims), count = count_of(2, scale_dims);
    unsigned char *data = or_die(vkd_arena_alloc(&g->arena, size, 1));
    for (size_t at = 0; at < size; at += 8) {
        const uint64_t word = bits(g);
        memcpy(data + at, &word, size - at < 8 ? size - at : 8);
    }
    const vkd_dtype dtype = g->shape.dtype;
    unsigned char *scales = or_die(vkd_arena_alloc(&g->arena, count, vkd_dtype_size(dtype)));
    fill(g, dtype, (int)lround(log2(1 / sqrt(k) / 7)), count, scales);
    for (size_t i = 0, element = vkd_dtype_size(dtype); i < count; i++)
        scales[i * element + element - 1] &= 0x7f;
    ADD_OP(g, "et_vk.linear_q4gsw.default", x->id, named(g, VKD_DTYPE_UINT8, 2, dims, data, size),
           named(g, dtype, 2, scale_dims, scales, count * vkd_dtype_size(dtype)),
           blob_int(g->blob, GROUP), blob_null(g->blob), y->id);
}

static value linear(building *g, const value *x, uint32_t n, bool bias, activation how)
{
    const uint32_t k = x->dims[x->rank - 1], dims[] = {n, k};
    value y = *x;
    y.dims[y.rank - 1] = n;
    y = like(g, &y);
    if (g->shape.nibbles && !bias)
        add_nibbles(g, x, n, k, &y);
    else
        ADD_OP(g, "aten.linear.default", x->id, weights(g, 2, dims, k),
               bias ? weights(g, 1, &n, 0) : blob_null(g->blob), y.id);
    g->macs += count_of(y.rank, y.dims) * (uint64_t)k;
    return activate(g, &y, how);
}

static value view(building *g, const value *x, uint32_t rank, const uint32_t *dims)
{
    value y = tensor(g, rank, dims);
    int64_t sizes[5];
    for (uint32_t d = 0; d < rank; d++)
        sizes[d] = dims[d];
    ADD_OP(g, "aten.view_copy.default", x->id, blob_int_list(g->blob, sizes, rank), y.id);
    return y;
}
#define VIEW(g, x, ...)                                                                            \
    view(g, x, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t),                               \
         (const uint32_t[]){__VA_ARGS__})

static value permute(building *g, const value *x, const int64_t *order)
{
    uint32_t dims[5];
    for (uint32_t d = 0; d < x->rank; d++)
        dims[d] = x->dims[order[d]];
    value y = tensor(g, x->rank, dims);
    ADD_OP(g, "aten.permute_copy.default", x->id, blob_int_list(g->blob, order, x->rank), y.id);
    return y;
}
#define PERMUTE(g, x, ...) permute(g, x, (const int64_t[]){__VA_ARGS__})

static value mean(building *g, const value *x)
{
    value y = TENSOR(g, x->dims[0], x->dims[1], 1, 1);
    ADD_OP(g, "aten.mean.dim", x->id, LIST(g, -1, -2), blob_bool(g->blob, true), blob_null(g->blob),
           y.id);
    return y;
}

static value select_one(building *g, const value *x, uint32_t dim, int64_t index)
{
    uint32_t dims[5], rank = 0;
    for (uint32_t d = 0; d < x->rank; d++)
        if (d != dim)
            dims[rank++] = x->dims[d];
    value y = tensor(g, rank, dims);
    ADD_OP(g, "aten.select_copy.int", x->id, blob_int(g->blob, dim), blob_int(g->blob, index),
           y.id);
    return y;
}

/* ----------------------------------------------------------------------------------------- nets */

static value add_image(building *g)
{
    const uint32_t size = (uint32_t)g->shape.size;
    value x = TENSOR(g, (uint32_t)g->shape.batch, 3, size, size);
    add_input(g, g->shape.dtype, &x);
    return x;
}

static value flatten_mean(building *g, const value *x)
{
    value m = mean(g, x);
    return VIEW(g, &m, x->dims[0], x->dims[1]);
}

static value bottleneck(building *g, const value *x, uint32_t middle, uint32_t stride, bool first)
{
    value shortcut = first ? square(g, x, 4 * middle, 1, stride, NONE) : *x;
    value a = square(g, x, middle, 1, 1, RELU), b = square(g, &a, middle, 3, stride, RELU),
          c = square(g, &b, 4 * middle, 1, 1, NONE),
          sum = binary(g, "aten.add.Tensor", &c, &shortcut);
    return unary(g, "aten.relu.default", &sum);
}

static value resnet50(building *g)
{
    static const int blocks[] = {3, 4, 6, 3};
    value x = add_image(g);
    x = square(g, &x, 64, 7, 2, RELU);
    value pooled = TENSOR(g, x.dims[0], 64, (x.dims[2] - 1) / 2 + 1, (x.dims[3] - 1) / 2 + 1);
    ADD_OP(g, "aten.max_pool2d.default", x.id, LIST(g, 3, 3), LIST(g, 2, 2), LIST(g, 1, 1),
           LIST(g, 1, 1), blob_bool(g->blob, false), pooled.id);
    x = pooled;
    for (int stage = 0; stage < 4; stage++)
        for (int i = 0; i < blocks[stage]; i++)
            x = bottleneck(g, &x, 64u << stage, stage && !i ? 2 : 1, !i);
    x = flatten_mean(g, &x);
    return linear(g, &x, 1000, true, NONE);
}

/* Squeeze and excite: what a channel is multiplied by follows from the means of all. */
static value excite(building *g, const value *x, uint32_t squeezed, activation how,
                    const char *gate)
{
    value m = mean(g, x), a = conv(g, &m, squeezed, (window){1, 1, 0, 1}, how),
          b = conv(g, &a, x->dims[1], (window){1, 1, 0, 1}, NONE), s = unary(g, gate, &b);
    return binary(g, "aten.mul.Tensor", x, &s);
}

/* An inverted residual block; wide: channels between, squeezed 0: nothing is squeezed. */
typedef struct mobile_block {
    uint32_t kernel, wide, out_c, squeezed;
    activation how;
    uint32_t stride;
} mobile_block;

static value mobile(building *g, const value *x, const mobile_block *b, activation squeeze,
                    const char *gate)
{
    value y = *x;
    if (b->wide != x->dims[1])
        y = square(g, &y, b->wide, 1, 1, b->how);
    y = conv(g, &y, b->wide, (window){b->kernel, b->stride, b->kernel / 2, b->wide}, b->how);
    if (b->squeezed)
        y = excite(g, &y, b->squeezed, squeeze, gate);
    y = square(g, &y, b->out_c, 1, 1, NONE);
    return b->stride == 1 && b->out_c == x->dims[1] ? binary(g, "aten.add.Tensor", &y, x) : y;
}

static value mobilenet_v2(building *g)
{
    static const struct {
        uint32_t expand, out_c, count, stride;
    } rows[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    value x = add_image(g);
    x = square(g, &x, 32, 3, 2, RELU6);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (uint32_t i = 0; i < rows[r].count; i++)
            x = mobile(g, &x,
                       &(mobile_block){3, rows[r].expand * x.dims[1], rows[r].out_c, 0, RELU6,
                                       i ? 1 : rows[r].stride},
                       NONE, NULL);
    x = square(g, &x, 1280, 1, 1, RELU6);
    x = flatten_mean(g, &x);
    return linear(g, &x, 1000, true, NONE);
}

static value mobilenet_v3(building *g, const mobile_block *blocks, size_t count, uint32_t last,
                          uint32_t hidden)
{
    value x = add_image(g);
    x = square(g, &x, 16, 3, 2, HARDSWISH);
    for (size_t i = 0; i < count; i++)
        x = mobile(g, &x, &blocks[i], RELU, "aten.hardsigmoid.default");
    x = square(g, &x, last, 1, 1, HARDSWISH);
    x = flatten_mean(g, &x);
    x = linear(g, &x, hidden, true, HARDSWISH);
    return linear(g, &x, 1000, true, NONE);
}

static value mobilenet_v3_large(building *g)
{
    static const mobile_block blocks[] = {
        {3, 16, 16, 0, RELU, 1},          {3, 64, 24, 0, RELU, 2},
        {3, 72, 24, 0, RELU, 1},          {5, 72, 40, 24, RELU, 2},
        {5, 120, 40, 32, RELU, 1},        {5, 120, 40, 32, RELU, 1},
        {3, 240, 80, 0, HARDSWISH, 2},    {3, 200, 80, 0, HARDSWISH, 1},
        {3, 184, 80, 0, HARDSWISH, 1},    {3, 184, 80, 0, HARDSWISH, 1},
        {3, 480, 112, 120, HARDSWISH, 1}, {3, 672, 112, 168, HARDSWISH, 1},
        {5, 672, 160, 168, HARDSWISH, 2}, {5, 960, 160, 240, HARDSWISH, 1},
        {5, 960, 160, 240, HARDSWISH, 1}};
    return mobilenet_v3(g, blocks, sizeof blocks / sizeof *blocks, 960, 1280);
}

static value mobilenet_v3_small(building *g)
{
    static const mobile_block blocks[] = {
        {3, 16, 16, 8, RELU, 2},        {3, 72, 24, 0, RELU, 2},
        {3, 88, 24, 0, RELU, 1},        {5, 96, 40, 24, HARDSWISH, 2},
        {5, 240, 40, 64, HARDSWISH, 1}, {5, 240, 40, 64, HARDSWISH, 1},
        {5, 120, 48, 32, HARDSWISH, 1}, {5, 144, 48, 40, HARDSWISH, 1},
        {5, 288, 96, 72, HARDSWISH, 2}, {5, 576, 96, 144, HARDSWISH, 1},
        {5, 576, 96, 144, HARDSWISH, 1}};
    return mobilenet_v3(g, blocks, sizeof blocks / sizeof *blocks, 576, 1024);
}

static value efficientnet_b0(building *g)
{
    static const struct {
        uint32_t expand, kernel, out_c, count, stride;
    } rows[] = {{1, 3, 16, 1, 1},  {6, 3, 24, 2, 2},  {6, 5, 40, 2, 2}, {6, 3, 80, 3, 2},
                {6, 5, 112, 3, 1}, {6, 5, 192, 4, 2}, {6, 3, 320, 1, 1}};
    value x = add_image(g);
    x = square(g, &x, 32, 3, 2, SILU);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (uint32_t i = 0; i < rows[r].count; i++)
            x = mobile(g, &x,
                       &(mobile_block){rows[r].kernel, rows[r].expand * x.dims[1], rows[r].out_c,
                                       x.dims[1] / 4, SILU, i ? 1 : rows[r].stride},
                       SILU, "aten.sigmoid.default");
    x = square(g, &x, 1280, 1, 1, SILU);
    x = flatten_mean(g, &x);
    return linear(g, &x, 1000, true, NONE);
}

static value layer_norm(building *g, const value *x)
{
    vkd_blob_builder *b = g->blob;
    const uint32_t width = x->dims[x->rank - 1], ones = same_numbers(g, 1, &width, 1),
                   zeros = same_numbers(g, 1, &width, 0);
    value y = like(g, x), means = *x;
    means.dims[x->rank - 1] = 1;
    const uint32_t outputs[] = {y.id, like(g, &means).id, like(g, &means).id};
    ADD_OP(g, "aten.native_layer_norm.default", x->id, LIST(g, width), ones, zeros,
           blob_double(b, 1e-6), blob_value_list(b, outputs, 3));
    return y;
}

static value attend(building *g, const value *x, uint32_t heads)
{
    const uint32_t n = x->dims[0], tokens = x->dims[1], width = x->dims[2];
    value qkv = linear(g, x, 3 * width, true, NONE),
          apart = VIEW(g, &qkv, n, tokens, 3, heads, width / heads),
          turned = PERMUTE(g, &apart, 2, 0, 3, 1, 4), q = select_one(g, &turned, 0, 0),
          k = select_one(g, &turned, 0, 1), v = select_one(g, &turned, 0, 2), y = like(g, &q);
    ADD_OP(g, "et_vk.sdpa.default", q.id, k.id, v.id, blob_null(g->blob), blob_null(g->blob), y.id);
    value back = PERMUTE(g, &y, 0, 2, 1, 3), rows = VIEW(g, &back, n, tokens, width);
    return linear(g, &rows, width, true, NONE);
}

static value vit_b16(building *g)
{
    enum { WIDTH = 768, LAYERS = 12, HEADS = 12, PATCH = 16 };
    value x = add_image(g);
    x = conv(g, &x, WIDTH, (window){PATCH, PATCH, 0, 1}, NONE);
    const uint32_t n = x.dims[0], patches = x.dims[2] * x.dims[3];
    value flat = VIEW(g, &x, n, WIDTH, patches), rows = PERMUTE(g, &flat, 0, 2, 1),
          all = TENSOR(g, n, patches + 1, WIDTH);
    const uint32_t parts[] = {weights(g, 3, (const uint32_t[]){n, 1, WIDTH}, 0), rows.id};
    ADD_OP(g, "aten.cat.default", blob_value_list(g->blob, parts, 2), blob_int(g->blob, 1), all.id);
    value places = {.id = weights(g, 3, (const uint32_t[]){1, patches + 1, WIDTH}, 0)};
    x = binary(g, "aten.add.Tensor", &all, &places);
    for (int i = 0; i < LAYERS; i++) {
        value a = layer_norm(g, &x), b = attend(g, &a, HEADS);
        x = binary(g, "aten.add.Tensor", &x, &b);
        value c = layer_norm(g, &x), d = linear(g, &c, 4 * WIDTH, true, GELU),
              e = linear(g, &d, WIDTH, true, NONE);
        x = binary(g, "aten.add.Tensor", &x, &e);
    }
    x = layer_norm(g, &x);
    x = select_one(g, &x, 1, 0);
    return linear(g, &x, 1000, true, NONE);
}

static value rms_norm(building *g, const value *x)
{
    const uint32_t width = x->dims[x->rank - 1];
    value y = like(g, x);
    ADD_OP(g, "et_vk.rms_norm.default", x->id, same_numbers(g, 1, &width, 1),
           blob_double(g->blob, 1e-6), y.id);
    return y;
}

/* What a decoder's layers have in common: turns of the positions, where the tokens are. */
typedef struct positions {
    value cosine, sine;
    uint32_t start;
} positions;

enum { DIM = 1024, HEADS = 16, KEYS = 8, HEAD = 128, HIDDEN = 3072, CACHE = 512 };

static value decoder_attention(building *g, const value *x, const positions *at)
{
    vkd_blob_builder *b = g->blob;
    const uint32_t tokens = x->dims[1], cache[] = {1, CACHE, KEYS, HEAD};
    value q = linear(g, x, HEADS * HEAD, false, NONE), k = linear(g, x, KEYS * HEAD, false, NONE),
          v = linear(g, x, KEYS * HEAD, false, NONE);
    q = VIEW(g, &q, 1, tokens, HEADS, HEAD);
    k = VIEW(g, &k, 1, tokens, KEYS, HEAD);
    v = VIEW(g, &v, 1, tokens, KEYS, HEAD);
    q = rms_norm(g, &q);
    k = rms_norm(g, &k);
    value turned_q = like(g, &q), turned_k = like(g, &k), y = like(g, &q);
    ADD_OP(g, "et_vk.apply_rotary_emb.default", q.id, k.id, at->cosine.id, at->sine.id,
           blob_value_list(b, (const uint32_t[]){turned_q.id, turned_k.id}, 2));
    ADD_OP(g, "sdpa_with_kv_cache.default", turned_q.id, turned_k.id, v.id,
           same_numbers(g, 4, cache, 0), same_numbers(g, 4, cache, 0), at->start,
           blob_int(b, tokens), blob_null(b), blob_double(b, 0), blob_bool(b, true), blob_null(b),
           y.id);
    y = VIEW(g, &y, 1, tokens, HEADS * HEAD);
    return linear(g, &y, DIM, false, NONE);
}

static value decoder_layer(building *g, const value *x, const positions *at)
{
    value a = rms_norm(g, x), b = decoder_attention(g, &a, at),
          sum = binary(g, "aten.add.Tensor", x, &b), c = rms_norm(g, &sum),
          gate = linear(g, &c, HIDDEN, false, SILU), up = linear(g, &c, HIDDEN, false, NONE),
          both = binary(g, "aten.mul.Tensor", &gate, &up), d = linear(g, &both, DIM, false, NONE);
    return binary(g, "aten.add.Tensor", &sum, &d);
}

/* Shaped like Qwen3-0.6B: embeddings in, the last token's logits out. */
static value decoder(building *g)
{
    const uint32_t tokens = (uint32_t)g->shape.tokens, turns[] = {CACHE, HEAD / 2};
    value x = TENSOR(g, 1, tokens, DIM), place = {.rank = 1, .dims = {tokens}};
    place.id = blob_constant_tensor(g->blob, VKD_DTYPE_INT32, 1, &tokens, -1);
    add_input(g, g->shape.dtype, &x);
    add_input(g, VKD_DTYPE_INT32, &place);
    positions at = {TENSOR(g, tokens, HEAD / 2), TENSOR(g, tokens, HEAD / 2),
                    blob_symint(g->blob, 0)};
    const uint32_t index = blob_value_list(g->blob, &place.id, 1);
    ADD_OP(g, "aten.index.Tensor", weights(g, 2, turns, 2), index, at.cosine.id);
    ADD_OP(g, "aten.index.Tensor", weights(g, 2, turns, 2), index, at.sine.id);
    ADD_OP(g, "et_vk.select_as_symint.default", place.id, blob_int(g->blob, 0),
           blob_int(g->blob, 0), at.start);
    for (int i = 0; i < g->shape.layers; i++)
        x = decoder_layer(g, &x, &at);
    x = select_one(g, &x, 1, -1);
    x = rms_norm(g, &x);
    return linear(g, &x, (uint32_t)g->shape.words, false, NONE);
}

static const struct {
    const char *name;
    value (*build)(building *g);
} nets[] = {{"resnet50", resnet50},
            {"mobilenet_v2", mobilenet_v2},
            {"mobilenet_v3_small", mobilenet_v3_small},
            {"mobilenet_v3_large", mobilenet_v3_large},
            {"efficientnet_b0", efficientnet_b0},
            {"vit_b16", vit_b16},
            {"decoder", decoder}};
enum { NETS = sizeof nets / sizeof *nets };
const char *const net_names[] = {"resnet50",
                                 "mobilenet_v2",
                                 "mobilenet_v3_small",
                                 "mobilenet_v3_large",
                                 "efficientnet_b0",
                                 "vit_b16",
                                 "decoder",
                                 NULL};

/* ---------------------------------------------------------------------------------------- whole */

static bool fail(net_file *out, const char *what)
{
    snprintf(out->error, sizeof out->error, "%s", what);
    return false;
}

static bool check(const net_shape *shape, net_file *out)
{
    if (shape->dtype != VKD_DTYPE_FLOAT32 && shape->dtype != VKD_DTYPE_FLOAT16)
        return fail(out, "nets are of f32 or f16");
    if (shape->size < 32 || shape->size > 1024 || shape->batch < 1 || shape->batch > 64)
        return fail(out, "sizes of 32 to 1024 and batches of 1 to 64 are possible");
    if (shape->tokens < 1 || shape->tokens > CACHE)
        return fail(out, "1 to 512 tokens are possible");
    if (shape->layers < 1 || shape->layers > 100 || shape->words < 1 || shape->words > 1 << 20)
        return fail(out, "1 to 100 layers and 1 to 2^20 words are possible");
    return true;
}

static void wrap(building *g, net_file *out)
{
    blob_pte pte = {.inputs = g->inputs,
                    .input_count = g->input_count,
                    .outputs = &g->output,
                    .output_count = 1,
                    .named = g->named,
                    .named_count = g->named_count};
    void *blob = blob_finish(g->blob, &pte.blob_size);
    pte.blob = blob;
    out->file = blob_wrap_pte(&pte, &out->file_size);
    out->macs = g->macs;
    free(blob);
}

bool net_build(const net_shape *shape, net_file *out)
{
    building g = {.shape = *shape, .random = shape->seed * 0x9e3779b97f4a7c15 + 1};
    size_t net = 0;
    g.shape.size = shape->size ? shape->size : 224;
    g.shape.batch = shape->batch ? shape->batch : 1;
    g.shape.tokens = shape->tokens ? shape->tokens : 1;
    g.shape.layers = shape->layers ? shape->layers : 28;
    g.shape.words = shape->words ? shape->words : 151936;
    *out = (net_file){0};
    while (net < NETS && strcmp(nets[net].name, shape->name))
        net++;
    if (net == NETS)
        return fail(out, "there is no net of this name");
    if (!check(&g.shape, out))
        return false;
    vkd_context_init(&g.context, NULL);
    vkd_arena_init(&g.arena, &g.context);
    g.blob = blob_new();
    value y = nets[net].build(&g);
    add_output(&g, &y);
    wrap(&g, out);
    vkd_arena_release(&g.arena);
    return true;
}

void net_release(net_file *net)
{
    free(net->file);
    *net = (net_file){0};
}
