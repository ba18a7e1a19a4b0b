/* Cases of ops/affine.c: x / scale + zero as integers, and back, by tensor, channel, token or
 * block. */
#include "table_families.h"

#include <math.h>

typedef enum sharing_kind { TENSOR, CHANNEL, TOKEN, BLOCK } sharing_kind;
/* What a row has of the arguments behind the bounds; bits above a sharing, for a case's code. */
enum { SHARINGS = 4, EXTRA = SHARINGS, DOMAIN = 2 * EXTRA, DEQUANTIZES = 2 * DOMAIN };

static sharing_kind sharing_of(const table *t) { return (sharing_kind)(t->row->code % SHARINGS); }

/* Elements of each dim that share a scale. */
typedef struct blocks {
    vkd_shape shape, size, count; /* count = shape / size: dims of the scales */
    uint32_t axis;
} blocks;

static blocks draw_blocks(table *t, sharing_kind sharing, uint32_t most_rank)
{
    blocks b = {.shape = table_shape_filled(t, sharing == TENSOR ? 0 : 1, most_rank)};
    const uint32_t rank = b.size.rank = b.count.rank = b.shape.rank;
    b.axis = rank ? table_below(t, rank) : 0;
    for (uint32_t d = 0; d < rank; d++) {
        const uint32_t most = rank > 4 ? 2 : 4;
        uint32_t drawn = 1 + table_below(t, 4), size = b.shape.dims[d];
        bool whole = sharing == TENSOR || (sharing == CHANNEL && d != b.axis) ||
                     (sharing == TOKEN && d + 1 == rank);
        if (sharing == BLOCK) /* one, some, or all of them */
            b.shape.dims[d] = size = drawn == 4 ? size : drawn * (1 + table_below(t, most));
        b.size.dims[d] = whole || (sharing == BLOCK && drawn == 4) ? size
                         : sharing == BLOCK                        ? drawn
                                                                   : 1;
        b.count.dims[d] = size / b.size.dims[d];
    }
    return b;
}

static size_t block_of(const blocks *b, size_t i)
{
    uint32_t at[VKD_MAX_RANK];
    table_places(&b->shape, i, at);
    for (uint32_t d = 0; d < b->shape.rank; d++)
        at[d] /= b->size.dims[d];
    return table_place(&b->count, at);
}

/* Scales are powers of two, of which a reciprocal is exact. */
static void draw_parameters(table *t, const blocks *b, table_tensor **scales, table_tensor **zeros)
{
    vkd_shape shape = {1, {(uint32_t)vkd_dims_count(b->count.rank, b->count.dims)}};
    if (sharing_of(t) == TOKEN || sharing_of(t) == BLOCK)
        shape = b->count;
    *scales = table_input(t, VKD_DTYPE_FLOAT32, shape);
    for (size_t i = 0; i < (*scales)->count; i++)
        (*scales)->values[i] = ldexp(1, random_range(t->random, -6, 2));
    *zeros = NULL;
    if (table_chance(t, 3))
        table_null(t);
    else
        *zeros =
            table_drawn(t, table_chance(t, 2) ? VKD_DTYPE_INT32 : VKD_DTYPE_INT8, shape, -20, 20);
}

static void draw_bounds(table *t, vkd_dtype integers, double bounds[2])
{
    bounds[0] = integers == VKD_DTYPE_INT8 ? -128 : 0;
    bounds[1] = integers == VKD_DTYPE_INT8 ? 127 : 255;
    for (int i = 0; i < 2; i++)
        if (table_chance(t, 3))
            table_null(t);
        else
            table_int(t,
                      (int64_t)(bounds[i] += i ? -(double)table_below(t, 9) : table_below(t, 9)));
}

static void draw_block_sizes(table *t, const blocks *b)
{
    int64_t sizes[VKD_MAX_RANK];
    for (uint32_t d = 0; d < b->size.rank; d++)
        sizes[d] = b->size.dims[d];
    if (sharing_of(t) == BLOCK)
        table_ints(t, b->size.rank, sizes);
}

/* The arguments of a row between x and its result. */
static void draw_arguments(table *t, const blocks *b, vkd_dtype integers, table_tensor **scales,
                           table_tensor **zeros, double bounds[2])
{
    const bool dequantizes = t->row->code & DEQUANTIZES;
    draw_block_sizes(t, b);
    draw_parameters(t, b, scales, zeros);
    if (sharing_of(t) == CHANNEL)
        table_int(t, table_from_an_end(t, b->axis, b->shape.rank));
    if (sharing_of(t) == BLOCK)
        table_null(t); /* output_dtype, input_dtype */
    draw_bounds(t, integers, bounds);
    if (t->row->code & DOMAIN)
        table_string(t, "INT");
    if (sharing_of(t) != BLOCK) {
        table_null(t); /* dtype */
        if (dequantizes)
            table_null(t); /* out_dtype */
    } else if (t->row->code & EXTRA)
        table_null(t); /* output_dtype */
}

static void draw_quantize(table *t)
{
    const blocks b = draw_blocks(t, sharing_of(t), 8);
    const vkd_dtype integers = table_chance(t, 2) ? VKD_DTYPE_INT8 : VKD_DTYPE_UINT8;
    table_tensor *scales, *zeros,
        *x = table_drawn(t, table_dtype(t, TABLE_FLOATS), b.shape, -40, 40);
    double bounds[2];
    draw_arguments(t, &b, integers, &scales, &zeros, bounds);
    table_tensor *y = table_output(t, integers, b.shape);
    for (size_t i = 0; i < y->count; i++) {
        size_t block = block_of(&b, i);
        double q =
            nearbyint(x->values[i] / scales->values[block]) + (zeros ? zeros->values[block] : 0);
        y->values[i] = q < bounds[0] ? bounds[0] : q > bounds[1] ? bounds[1] : q;
    }
}

static void draw_dequantize(table *t)
{
    const blocks b = draw_blocks(t, sharing_of(t), 8);
    const vkd_dtype integers = table_chance(t, 2) ? VKD_DTYPE_INT8 : VKD_DTYPE_UINT8;
    table_tensor *scales, *zeros,
        *x = table_drawn(t, integers, b.shape, integers == VKD_DTYPE_INT8 ? -128 : 0, 127);
    double bounds[2];
    draw_arguments(t, &b, integers, &scales, &zeros, bounds);
    table_tensor *y = table_output(t, table_dtype(t, TABLE_FLOATS), b.shape);
    y->ulps = 1;
    for (size_t i = 0; i < y->count; i++) {
        size_t block = block_of(&b, i);
        y->values[i] = (x->values[i] - (zeros ? zeros->values[block] : 0)) * scales->values[block];
    }
}

/* ------------------------------------------------------------------------- choice of parameters */

typedef struct choice {
    double low, high, eps;
    bool symmetric, unclipped;
} choice;

/* A zero point is one off where the last bit decides what it is rounded to. */
static void expect_choice(table *t, const table_tensor *x, const blocks *b, const choice *c,
                          vkd_shape shape)
{
    const double nearly = 2e-3;
    table_tensor *scales = table_output(t, VKD_DTYPE_FLOAT32, shape);
    table_tensor *zeros =
        table_output(t, table_chance(t, 2) ? VKD_DTYPE_INT32 : VKD_DTYPE_INT8, shape);
    scales->ulps = 3;
    zeros->absolute = 0;
    double least[4096] = {0}, most[4096] = {0};
    for (size_t i = 0; i < x->count; i++) {
        size_t block = block_of(b, i);
        least[block] = fmin(least[block], x->values[i]);
        most[block] = fmax(most[block], x->values[i]);
    }
    for (size_t i = 0; i < scales->count; i++) {
        double range = c->symmetric ? 2 * fmax(-least[i], most[i]) : most[i] - least[i];
        double own = c->unclipped ? fmax(least[i] / c->low, most[i] / c->high)
                                  : range / (c->high - c->low),
               scale = fmax(own, c->eps), steps = least[i] / scale,
               zero = c->low - nearbyint(steps);
        if (!c->symmetric && fabs(steps - floor(steps) - 0.5) < nearly)
            zeros->absolute = 1;
        scales->values[i] = scale;
        zeros->values[i] =
            c->symmetric ? floor((c->high + c->low + 1) / 2) : fmin(fmax(zero, c->low), c->high);
    }
    table_gather(t, 2);
}

/* Of x on one side of 0 now and then. */
static table_tensor *draw_chosen(table *t, const blocks *b)
{
    double low = table_chance(t, 4) ? 1 : -5, high = table_chance(t, 4) ? -1 : 7;
    return table_drawn(t, table_dtype(t, TABLE_FLOATS), b->shape, low < high ? low : -5,
                       low < high ? high : 7);
}

static void draw_choose_tensor(table *t)
{
    const blocks b = draw_blocks(t, TENSOR, 8);
    const choice c = {-128 + (double)table_below(t, 2), 127, 1e-5};
    table_tensor *x = draw_chosen(t, &b);
    table_int(t, (int64_t)c.low);
    table_int(t, (int64_t)c.high);
    table_double(t, c.eps);
    table_null(t); /* dtype */
    expect_choice(t, x, &b, &c, (vkd_shape){1, {1}});
}

static void draw_choose_token(table *t)
{
    const blocks b = draw_blocks(t, TOKEN, 4);
    const choice c = {-128, 127, 1.1920928955078125e-07};
    table_tensor *x = draw_chosen(t, &b);
    table_null(t); /* dtype */
    expect_choice(t, x, &b, &c, b.count);
}

static void draw_choose_affine(table *t)
{
    const blocks b = draw_blocks(t, BLOCK, 4);
    choice c = {-127, 127 - (double)table_below(t, 2), 1e-4, table_chance(t, 2)};
    c.unclipped = c.symmetric && table_chance(t, 2);
    table_tensor *x = draw_chosen(t, &b);
    table_string(t, c.unclipped   ? "SYMMETRIC_NO_CLIPPING_ERR"
                    : c.symmetric ? "SYMMETRIC"
                                  : "ASYMMETRIC");
    draw_block_sizes(t, &b);
    table_null(t); /* target_dtype */
    table_int(t, (int64_t)c.low);
    table_int(t, (int64_t)c.high);
    table_double(t, c.eps);
    table_null(t); /* scale_dtype, zero_point_dtype */
    table_null(t);
    if (t->row->code & EXTRA)
        table_bool(t, true); /* keepdim */
    expect_choice(t, x, &b, &c, b.count);
}

static const table_case cases[] = {
    {"quantized_decomposed.quantize_per_tensor.tensor", draw_quantize, TENSOR},
    {"quantized_decomposed.dequantize_per_tensor.tensor", draw_dequantize, TENSOR | DEQUANTIZES},
    {"quantized_decomposed.quantize_per_channel.default", draw_quantize, CHANNEL},
    {"quantized_decomposed.dequantize_per_channel.default", draw_dequantize, CHANNEL | DEQUANTIZES},
    {"quantized_decomposed.quantize_per_token.default", draw_quantize, TOKEN},
    {"quantized_decomposed.dequantize_per_token.default", draw_dequantize, TOKEN | DEQUANTIZES},
    {"torchao.quantize_affine.default", draw_quantize, BLOCK},
    {"torchao.quantize_affine.default", draw_quantize, BLOCK | DOMAIN},
    {"torchao.dequantize_affine.default", draw_dequantize, BLOCK | DEQUANTIZES},
    {"torchao.dequantize_affine.default", draw_dequantize, BLOCK | DEQUANTIZES | EXTRA},
    {"torchao.dequantize_affine.default", draw_dequantize, BLOCK | DEQUANTIZES | DOMAIN | EXTRA},
    {"quantized_decomposed.choose_qparams.tensor", draw_choose_tensor, TENSOR},
    {"quantized_decomposed.choose_qparams_per_token_asymmetric.default", draw_choose_token, TOKEN},
    {"torchao.choose_qparams_affine.default", draw_choose_affine, BLOCK},
    {"torchao.choose_qparams_affine.default", draw_choose_affine, BLOCK | EXTRA},
    {"quantized_decomposed::quantize_per_tensor.Tensor_out", draw_quantize, TENSOR},
    {"quantized_decomposed::dequantize_per_tensor.Tensor_out", draw_dequantize,
     TENSOR | DEQUANTIZES},
    {"quantized_decomposed::quantize_per_channel.out", draw_quantize, CHANNEL},
    {"quantized_decomposed::dequantize_per_channel.out", draw_dequantize, CHANNEL | DEQUANTIZES},
    {"quantized_decomposed::quantize_per_token.out", draw_quantize, TOKEN},
    {"quantized_decomposed::dequantize_per_token.out", draw_dequantize, TOKEN | DEQUANTIZES},
    {"quantized_decomposed::choose_qparams.Tensor_out", draw_choose_tensor, TENSOR},
    {"quantized_decomposed::choose_qparams_per_token_asymmetric.out", draw_choose_token, TOKEN},
};
const table_family table_affine = TABLE_FAMILY(cases);
