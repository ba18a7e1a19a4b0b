/* Quantisation with parameters that are tensors: by tensor, channel, token or block, and the choice
 * of such parameters. */
#include "ops/elementwise.h"
#include "ops/quantize.h"
#include "ops/reduction.h"
#include "ops/tables.h"
#include "shaders/affine_params.h"
#include "shaders/choose_params.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ arguments */

typedef struct affine_args {
    uint32_t x, scales, zeros, y;
    vkd_int_list block; /* elements of each dim that share a scale; by code otherwise */
    int32_t axis;
    vkd_number low, high; /* null: those of the integers' type */
} affine_args;

/* Which elements share a scale. */
typedef enum affine_code { BY_TENSOR, BY_CHANNEL, BY_TOKEN, BY_BLOCK } affine_code;
enum { DEQUANTIZES = 16 }; /* added to a code */

#define BOUNDS                                                                                     \
    VKD_OPTIONAL_NUMBER(affine_args, low, quant_min),                                              \
        VKD_OPTIONAL_NUMBER(affine_args, high, quant_max)
#define HEAD(scale_, zero_)                                                                        \
    VKD_TENSOR(affine_args, x, input), VKD_TENSOR(affine_args, scales, scale_),                    \
        VKD_OPTIONAL_TENSOR(affine_args, zeros, zero_)
#define BLOCKS                                                                                     \
    VKD_TENSOR(affine_args, x, input), VKD_INT_LIST(affine_args, block, block_size),               \
        VKD_TENSOR(affine_args, scales, scale),                                                    \
        VKD_OPTIONAL_TENSOR(affine_args, zeros, zero_point)
#define RESULT VKD_OUTPUT(affine_args, y, out), VKD_PARAMS_END

static const vkd_param tensor_quantize_params[] = {HEAD(scale, zero_point), BOUNDS,
                                                   VKD_IGNORED("dtype"), RESULT};
static const vkd_param tensor_dequantize_params[] = {
    HEAD(scale, zero_point), BOUNDS, VKD_IGNORED("dtype"), VKD_IGNORED("out_dtype"), RESULT};
static const vkd_param token_quantize_params[] = {HEAD(scales, zero_points), BOUNDS,
                                                  VKD_IGNORED("dtype"), RESULT};
static const vkd_param token_dequantize_params[] = {
    HEAD(scales, zero_points), BOUNDS, VKD_IGNORED("dtype"), VKD_IGNORED("output_dtype"), RESULT};
static const vkd_param channel_quantize_params[] = {
    HEAD(scales, zero_points), VKD_INT(affine_args, axis), BOUNDS, VKD_IGNORED("dtype"), RESULT};
static const vkd_param channel_dequantize_params[] = {
    HEAD(scales, zero_points), VKD_INT(affine_args, axis), BOUNDS,
    VKD_IGNORED("dtype"),      VKD_IGNORED("out_dtype"),   RESULT};
static const vkd_param block_quantize_params[] = {BLOCKS, VKD_IGNORED("output_dtype"), BOUNDS,
                                                  RESULT};
static const vkd_param block_quantize_domain_params[] = {
    BLOCKS, VKD_IGNORED("output_dtype"), BOUNDS, VKD_IGNORED("zero_point_domain"), RESULT};
static const vkd_param block_dequantize_params[] = {BLOCKS, VKD_IGNORED("input_dtype"), BOUNDS,
                                                    RESULT};
static const vkd_param block_dequantize_dtype_params[] = {
    BLOCKS, VKD_IGNORED("input_dtype"), BOUNDS, VKD_IGNORED("output_dtype"), RESULT};
static const vkd_param block_dequantize_domain_params[] = {BLOCKS,
                                                           VKD_IGNORED("input_dtype"),
                                                           BOUNDS,
                                                           VKD_IGNORED("zero_point_domain"),
                                                           VKD_IGNORED("output_dtype"),
                                                           RESULT};
static const affine_args no_zeros = {.zeros = VKD_NO_VALUE};

static affine_code code_of(const vkd_call *call)
{
    return (affine_code)(call->row->code % DEQUANTIZES);
}

/* --------------------------------------------------------------------------------------- shapes */

/* Elements of each dim that share a scale. False: the arguments fit no such tensor. */
static bool block_sizes(affine_code code, const affine_args *args, const vkd_model_tensor *x,
                        uint32_t out[VKD_MAX_RANK])
{
    const int32_t axis = args->axis < 0 ? args->axis + (int32_t)x->rank : args->axis;
    if ((code == BY_CHANNEL && (axis < 0 || axis >= (int32_t)x->rank)) ||
        (code == BY_TOKEN && !x->rank) || (code == BY_BLOCK && args->block.count != x->rank))
        return false;
    for (uint32_t d = 0; d < x->rank; d++) {
        uint32_t whole = x->dims[d];
        out[d] = code == BY_TENSOR            ? whole
                 : code == BY_CHANNEL         ? (d == (uint32_t)axis ? 1 : whole)
                 : code == BY_TOKEN           ? (d + 1 == x->rank ? whole : 1)
                 : args->block.items[d] == -1 ? whole
                                              : (uint32_t)args->block.items[d];
        if (!out[d] ? whole != 0 : whole % out[d] != 0)
            return false;
    }
    return true;
}

static uint64_t block_count(const vkd_model_tensor *x, const uint32_t block[VKD_MAX_RANK])
{
    uint64_t count = 1;
    for (uint32_t d = 0; d < x->rank; d++)
        count *= block[d] ? x->dims[d] / block[d] : 0;
    return count;
}

/* A scale or a zero point for each of so many blocks. */
static vkd_status check_parameter(vkd_shaping *shaping, uint32_t value, uint64_t count,
                                  const vkd_model_tensor *x)
{
    char is[VKD_DIMS_TEXT], by[VKD_DIMS_TEXT];
    if (value == VKD_NO_VALUE)
        return VKD_OK;
    const vkd_model_tensor *values = vkd_shape_of(shaping, value);
    if (vkd_dims_count(values->rank, values->dims) == count)
        return VKD_OK;
    return vkd_shape_fail_value(shaping, VKD_INVALID_MODEL, value,
                                "is %s, expected one for each of %llu blocks of %s",
                                vkd_dims_format(values->rank, values->dims, by),
                                (unsigned long long)count, vkd_dims_format(x->rank, x->dims, is));
}

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const affine_args *args = arguments;
    const affine_code code = code_of(shaping->call);
    const vkd_model_tensor x = *vkd_shape_of(shaping, args->x);
    uint32_t block[VKD_MAX_RANK];
    char is[VKD_DIMS_TEXT];
    if (!block_sizes(code, args, &x, block))
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL,
                                 code == BY_CHANNEL ? (const void *)&args->axis
                                 : code == BY_BLOCK ? (const void *)&args->block
                                                    : (const void *)&args->x,
                                 "does not fit %s, expected what parts it into blocks",
                                 vkd_dims_format(x.rank, x.dims, is));
    const uint64_t count = block_count(&x, block);
    VKD_TRY(check_parameter(shaping, args->scales, count, &x));
    VKD_TRY(check_parameter(shaping, args->zeros, count, &x));
    return vkd_shape_set_as(shaping, args->y, args->x);
}

/* ------------------------------------------------------------------------------------- lowering */

/* Dims that have several blocks of several elements become two. False: more than a view has. */
static bool split_blocks(const vkd_view *x, const uint32_t block[VKD_MAX_RANK], vkd_view *elements,
                         vkd_view *scales)
{
    int32_t step = 1;
    *elements = (vkd_view){.tensor = x->tensor, .offset = x->offset};
    *scales = (vkd_view){.tensor = scales->tensor};
    uint32_t rank = 0;
    for (uint32_t d = 0; d < x->rank; d++)
        rank += block[d] != 1 && block[d] != x->dims[d] ? 2 : 1;
    if (rank > VKD_MAX_RANK)
        return false;
    elements->rank = scales->rank = rank;
    for (uint32_t d = x->rank; d-- > 0;) {
        const uint32_t blocks = x->dims[d] / block[d];
        if (block[d] != 1) { /* within a block the scale stays */
            elements->dims[--rank] = block[d];
            elements->strides[rank] = x->strides[d];
        }
        if (block[d] == 1 || blocks != 1) {
            elements->dims[--rank] = blocks;
            elements->strides[rank] = x->strides[d] * (int32_t)block[d];
            scales->strides[rank] = step;
            step *= (int32_t)blocks;
        }
    }
    memcpy(scales->dims, elements->dims, sizeof scales->dims);
    return true;
}

/* Bounds beyond the type's are the type's. */
static bool bounds_of(const affine_args *args, vkd_dtype integer, int32_t *low, int32_t *high)
{
    double from = integer == VKD_DTYPE_INT8    ? INT8_MIN
                  : integer == VKD_DTYPE_UINT8 ? 0
                                               : INT32_MIN / 2,
           to = integer == VKD_DTYPE_INT8    ? INT8_MAX
                : integer == VKD_DTYPE_UINT8 ? UINT8_MAX
                                             : INT32_MAX / 2;
    if (args->low.kind == VKD_NUMBER_SYM || args->high.kind == VKD_NUMBER_SYM)
        return false;
    if (args->low.kind != VKD_NUMBER_NULL && !(args->low.real < from))
        from = args->low.real;
    if (args->high.kind != VKD_NUMBER_NULL && !(args->high.real > to))
        to = args->high.real;
    const bool ordered = from <= to; /* which NaN is not */
    *low = ordered ? (int32_t)from : 0;
    *high = ordered ? (int32_t)to : 0;
    return ordered;
}

/* What one kernel does, on operands x, scales and zero points under the dims of y. */
typedef struct affine {
    vkd_view operands[3];
    bool quantizes, has_zeros;
    int32_t low, high;
} affine;

static vkd_status emit(vkd_lowering *lowering, const affine *a, const vkd_walk *walk,
                       vkd_tensor_id y)
{
    const vkd_tensor *tensors = lowering->graph->tensors;
    const uint32_t first = VKD_VIEW_DIMS - VKD_AFFINE_DIMS;
    affine_params params = {.groups = walk->groups,
                            .slots = walk->slots,
                            .inner = walk->inner,
                            .x_offset = walk->offsets[0],
                            .scale_offset = walk->offsets[1],
                            .zero_offset = walk->offsets[2],
                            .low = a->low,
                            .high = a->high};
    memcpy(params.dims, walk->dims + first, sizeof params.dims);
    memcpy(params.x_strides, walk->strides[0] + first, sizeof params.x_strides);
    memcpy(params.scale_strides, walk->strides[1] + first, sizeof params.scale_strides);
    memcpy(params.zero_strides, walk->strides[2] + first, sizeof params.zero_strides);
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_AFFINE, vkd_loop(12, VKD_AFFINE_DIMS) + 8,
                                &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, walk->groups);
    for (int i = 0; i < 3; i++)
        vkd_node_read(&node, a->operands[i].tensor);
    vkd_node_write(&node, y);
    for (int i = 0; i < 3; i++)
        vkd_node_spec(&node, tensors[a->operands[i].tensor].dtype);
    vkd_node_spec(&node, tensors[y].dtype);
    vkd_node_spec(&node, a->quantizes);
    vkd_node_spec(&node, a->has_zeros);
    vkd_node_spec(&node, walk->dim_count);
    vkd_node_spec(&node, walk->whole);
    return vkd_op_add_node(lowering, &node, a->operands[0].tensor, y);
}

static vkd_status parameter(vkd_lowering *lowering, uint32_t value, vkd_tensor_id *out)
{
    return vkd_op_rows(lowering, value, out);
}

/* Makes a parameter for each block one for each element of x, dim by dim. */
static vkd_status spread(vkd_lowering *lowering, const vkd_model_tensor *x,
                         const uint32_t block[VKD_MAX_RANK], vkd_tensor_id *parameter)
{
    const vkd_dtype dtype = lowering->graph->tensors[*parameter].dtype;
    uint32_t outer = 1, inner = (uint32_t)block_count(x, block); /* elements, blocks */
    for (uint32_t d = 0; d < x->rank; outer *= x->dims[d++]) {
        const uint32_t blocks = x->dims[d] / block[d],
                       dims[] = {outer, blocks, block[d], inner /= blocks};
        vkd_view narrow = {.tensor = *parameter,
                           .rank = 4,
                           .strides = {(int32_t)(blocks * inner), (int32_t)inner, 0, 1}};
        if (block[d] == 1)
            continue;
        memcpy(narrow.dims, dims, sizeof dims);
        VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, dtype, VKD_ROWS, 4, dims,
                                     parameter));
        VKD_TRY(vkd_op_move(lowering, &narrow, *parameter));
    }
    return VKD_OK;
}

/* Blocks in more dims than the kernel tells apart: all operands lie as y does. */
static vkd_status emit_spread(vkd_lowering *lowering, const affine_args *args,
                              const uint32_t block[VKD_MAX_RANK], affine *a, vkd_tensor_id y)
{
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x);
    vkd_tensor_id tensors[] = {VKD_NO_TENSOR, a->operands[1].tensor, a->operands[2].tensor};
    vkd_walk walk;
    VKD_TRY(vkd_op_input(lowering, args->x, x->dtype, VKD_ROWS, &tensors[0]));
    VKD_TRY(spread(lowering, x, block, &tensors[1]));
    if (a->has_zeros)
        VKD_TRY(spread(lowering, x, block, &tensors[2]));
    for (int i = 0; i < 3; i++) {
        a->operands[i] = vkd_view_of(lowering->graph, y);
        a->operands[i].tensor = tensors[i];
    }
    vkd_walk_make(lowering->graph, y, a->operands, 3, &walk);
    return emit(lowering, a, &walk, y);
}

/* y, in VKD_ROWS, is x by its blocks' scales and zero points. */
static vkd_status make(vkd_lowering *lowering, const affine_args *args,
                       const uint32_t block[VKD_MAX_RANK], affine *a, vkd_tensor_id y)
{
    const vkd_tensor result = lowering->graph->tensors[y];
    vkd_view all;
    vkd_tensor_id wide;
    vkd_walk walk;
    VKD_TRY(vkd_op_view(lowering, args->x, &all));
    VKD_TRY(parameter(lowering, args->scales, &a->operands[1].tensor));
    const bool splits = split_blocks(&all, block, &a->operands[0], &a->operands[1]);
    a->operands[2] = a->operands[1];
    if (a->has_zeros)
        VKD_TRY(parameter(lowering, args->zeros, &a->operands[2].tensor));
    if (!splits)
        return emit_spread(lowering, args, block, a, y);
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, result.place, result.dtype, VKD_ROWS,
                                 a->operands[0].rank, a->operands[0].dims, &wide));
    lowering->graph->tensors[wide].storage = y;
    vkd_walk_make(lowering->graph, wide, a->operands, 3, &walk);
    return walk.dim_count > VKD_AFFINE_DIMS ? emit_spread(lowering, args, block, a, y)
                                            : emit(lowering, a, &walk, wide);
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const affine_args *args = arguments;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x),
                           *result = vkd_value_tensor(lowering, args->y);
    affine a = {.quantizes = lowering->call->row->code < DEQUANTIZES,
                .has_zeros = args->zeros != VKD_NO_VALUE};
    uint32_t block[VKD_MAX_RANK];
    vkd_tensor_id y;
    block_sizes(code_of(lowering->call), args, x, block);
    if (!bounds_of(args, a.quantizes ? result->dtype : x->dtype, &a.low, &a.high))
        return vkd_op_fail_at(
            lowering, VKD_INVALID_MODEL, &args->high,
            "is %g, expected a number of the type, and no less than quant_min, %g", args->high.real,
            args->low.real);
    VKD_TRY(vkd_op_output_in(lowering, args->y, result->dtype, VKD_ROWS, &y));
    return make(lowering, args, block, &a, y);
}

vkd_status vkd_affine_reals(vkd_lowering *lowering, const vkd_affine_integers *integers,
                            vkd_tensor_id *out)
{
    const vkd_model_tensor *x = vkd_value_tensor(lowering, integers->x);
    const affine_args args = {
        .x = integers->x, .scales = integers->scales, .zeros = integers->zeros};
    affine a = {.has_zeros = integers->zeros != VKD_NO_VALUE};
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_FLOAT32, VKD_ROWS,
                                 x->rank, x->dims, out));
    return make(lowering, &args, integers->block, &a, *out);
}

/* The bounds of the file within those of the integers. */
static vkd_status check_numbers(vkd_lowering *lowering, const quantize_args *args, bool quantizes)
{
    const uint32_t real = quantizes ? args->x : args->y, integer = quantizes ? args->y : args->x;
    const vkd_dtype dtype = vkd_value_tensor(lowering, integer)->dtype;
    const affine_args any = {0};
    int32_t least, most;
    VKD_TRY(vkd_op_check_floats(lowering, &real, 1));
    if (dtype != VKD_DTYPE_INT8 && dtype != VKD_DTYPE_UINT8 && dtype != VKD_DTYPE_INT32)
        return vkd_op_fail_value(lowering, VKD_UNSUPPORTED, integer,
                                 "has dtype %s, expected i8, u8 or i32", vkd_dtype_name(dtype));
    bounds_of(&any, dtype, &least, &most);
    if (quantizes && (args->low < least || args->high > most || args->low > args->high))
        return vkd_op_fail_at(lowering, VKD_INVALID_MODEL, &args->low,
                              "and quant_max are %d and %d, expected what is within %d and %d",
                              args->low, args->high, least, most);
    return VKD_OK;
}

vkd_status vkd_affine_by_numbers(vkd_lowering *lowering, const quantize_args *args, bool quantizes)
{
    const vkd_number scale = {.kind = VKD_NUMBER_DOUBLE, .real = (double)args->scale},
                     zero = {.kind = VKD_NUMBER_INT, .real = args->zero, .number = args->zero};
    affine a = {.quantizes = quantizes, .has_zeros = true, .low = args->low, .high = args->high};
    vkd_tensor_id x, y;
    vkd_walk walk;
    VKD_TRY(check_numbers(lowering, args, quantizes));
    VKD_TRY(vkd_op_rows(lowering, args->x, &x));
    VKD_TRY(vkd_op_output_in(lowering, args->y, vkd_value_tensor(lowering, args->y)->dtype,
                             VKD_ROWS, &y));
    a.operands[0] = vkd_view_of(lowering->graph, x);
    VKD_TRY(vkd_op_scalar(lowering, VKD_DTYPE_FLOAT32, &scale, &a.operands[1]));
    VKD_TRY(vkd_op_scalar(lowering, VKD_DTYPE_INT32, &zero, &a.operands[2]));
    for (int i = 1; i < 3; i++)
        vkd_view_broadcast(&a.operands[i], a.operands[0].rank, a.operands[0].dims);
    vkd_walk_make(lowering->graph, y, a.operands, 3, &walk);
    return emit(lowering, &a, &walk, y);
}

/* --------------------------------------------------------------------------------------- choose */

typedef struct choose_args {
    uint32_t x, y[2]; /* y: scales, zero points */
    vkd_int_list block;
    const char *mapping;
    vkd_number low, high, eps;
} choose_args;

#define AFFINE_HEAD                                                                                \
    VKD_TENSOR(choose_args, x, input), VKD_OPTIONAL_STRING(choose_args, mapping, mapping_type),    \
        VKD_INT_LIST(choose_args, block, block_size), VKD_IGNORED("target_dtype"),                 \
        VKD_OPTIONAL_NUMBER(choose_args, low, quant_min),                                          \
        VKD_OPTIONAL_NUMBER(choose_args, high, quant_max), VKD_OPTIONAL_NUMBER(choose_args, eps),  \
        VKD_IGNORED("scale_dtype"), VKD_IGNORED("zero_point_dtype")

static const vkd_param choose_tensor_params[] = {VKD_TENSOR(choose_args, x, input),
                                                 VKD_OPTIONAL_NUMBER(choose_args, low, quant_min),
                                                 VKD_OPTIONAL_NUMBER(choose_args, high, quant_max),
                                                 VKD_OPTIONAL_NUMBER(choose_args, eps),
                                                 VKD_IGNORED("dtype"),
                                                 VKD_OUTPUTS(choose_args, y, 2, out),
                                                 VKD_PARAMS_END};
static const vkd_param choose_token_params[] = {
    VKD_TENSOR(choose_args, x, input), VKD_IGNORED("dtype"), VKD_OUTPUTS(choose_args, y, 2, out),
    VKD_PARAMS_END};
static const vkd_param choose_affine_params[] = {AFFINE_HEAD, VKD_OUTPUTS(choose_args, y, 2, out),
                                                 VKD_PARAMS_END};
static const vkd_param choose_affine_keepdim_params[] = {
    AFFINE_HEAD, VKD_IGNORED("keepdim"), VKD_OUTPUTS(choose_args, y, 2, out), VKD_PARAMS_END};
static const choose_args int8_range = {
    .mapping = "ASYMMETRIC",
    .low = {.kind = VKD_NUMBER_INT, .number = -128, .real = -128},
    .high = {.kind = VKD_NUMBER_INT, .number = 127, .real = 127}};

static bool choose_blocks(affine_code code, const choose_args *args, const vkd_model_tensor *x,
                          uint32_t out[VKD_MAX_RANK])
{
    const affine_args blocks = {.block = args->block};
    return block_sizes(code, &blocks, x, out);
}

/* As many as there are blocks, in the shape that the file has, or one of these. */
static vkd_status shape_choose(vkd_shaping *shaping, const void *arguments)
{
    const choose_args *args = arguments;
    const affine_code code = code_of(shaping->call);
    const vkd_model_tensor x = *vkd_shape_of(shaping, args->x);
    uint32_t block[VKD_MAX_RANK], dims[VKD_MAX_RANK], rank = 0;
    char is[VKD_DIMS_TEXT];
    if (!choose_blocks(code, args, &x, block))
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL,
                                 code == BY_BLOCK ? (const void *)&args->block
                                                  : (const void *)&args->x,
                                 "does not divide a tensor of %s, expected a size for each dim",
                                 vkd_dims_format(x.rank, x.dims, is));
    const bool keeps = vkd_shape_of(shaping, args->y[0])->rank == x.rank || code == BY_TOKEN;
    for (uint32_t d = 0; d < x.rank; d++)
        if (keeps || block[d] != x.dims[d] || x.dims[d] == 1)
            dims[rank++] = block[d] ? x.dims[d] / block[d] : 0;
    if (code == BY_TENSOR || rank == 0)
        rank = 1, dims[0] = 1;
    VKD_TRY(vkd_shape_set(shaping, args->y[1], rank, dims));
    return vkd_shape_set(shaping, args->y[0], rank, dims);
}

static float number_or(const vkd_number *number, float otherwise)
{
    return number->kind == VKD_NUMBER_NULL || number->kind == VKD_NUMBER_SYM ? otherwise
                                                                             : (float)number->real;
}

static vkd_status add_choose(vkd_lowering *lowering, const choose_args *args, uint32_t rule,
                             vkd_tensor_id extremes, uint32_t rows)
{
    vkd_tensor_id y[2];
    const choose_params params = {.groups = (uint32_t)vkd_divide_up(rows, 4),
                                  .rows = rows,
                                  .low = number_or(&args->low, -128),
                                  .high = number_or(&args->high, 127),
                                  /* of a float, as in torch.finfo */
                                  .eps = number_or(&args->eps, 1.1920929e-07f)};
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_CHOOSE, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.groups);
    vkd_node_read(&node, extremes);
    for (int i = 0; i < 2; i++) {
        const vkd_dtype dtype = vkd_value_tensor(lowering, args->y[i])->dtype;
        VKD_TRY(vkd_op_output_in(lowering, args->y[i], dtype, VKD_ROWS, &y[i]));
        vkd_node_write(&node, y[i]);
        vkd_node_spec(&node, dtype);
    }
    vkd_node_spec(&node, rule);
    return vkd_op_add_node(lowering, &node, extremes, y[0]);
}

/* Of torchao's mapping_type. */
static bool mapping_rule(const char *mapping, uint32_t *out)
{
    static const struct {
        const char *mapping;
        uint32_t rule;
    } rules[] = {{"ASYMMETRIC", VKD_CHOOSE_ASYMMETRIC},
                 {"SYMMETRIC", VKD_CHOOSE_SYMMETRIC},
                 {"SYMMETRIC_NO_CLIPPING_ERR", VKD_CHOOSE_UNCLIPPED}};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (!mapping || !strcmp(mapping, rules[i].mapping)) {
            *out = rules[i].rule;
            return true;
        }
    return false;
}

static vkd_status lower_choose(vkd_lowering *lowering, const void *arguments)
{
    const choose_args *args = arguments;
    const affine_code code = code_of(lowering->call);
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x);
    uint32_t block[VKD_MAX_RANK];
    bool reduced[VKD_MAX_RANK];
    vkd_view all, elements, blocks = {.tensor = VKD_NO_TENSOR};
    vkd_reduction reduction;
    vkd_tensor_id extremes;
    uint32_t rule;
    if (!mapping_rule(args->mapping, &rule))
        return vkd_op_fail_at(
            lowering, VKD_INVALID_MODEL, &args->mapping,
            "is '%s', expected ASYMMETRIC, SYMMETRIC or SYMMETRIC_NO_CLIPPING_ERR", args->mapping);
    if (args->y[0] == VKD_NO_VALUE || args->y[1] == VKD_NO_VALUE)
        return vkd_op_fail_at(lowering, VKD_INVALID_MODEL, args->y,
                              "has one tensor, expected a scale and a zero point");
    if (!vkd_dims_count(x->rank, x->dims))
        return vkd_op_fail_at(lowering, VKD_INVALID_MODEL, &args->x,
                              "has no elements, expected one at least, for a range");
    VKD_TRY(vkd_op_view(lowering, args->x, &all));
    choose_blocks(code, args, x, block);
    if (!split_blocks(&all, block, &elements, &blocks))
        return vkd_op_fail_at(lowering, VKD_UNSUPPORTED, &args->block,
                              "parts so many dims that there are more, expected %d at most",
                              VKD_MAX_RANK);
    for (uint32_t d = 0; d < elements.rank; d++)
        reduced[d] = blocks.strides[d] == 0 || elements.dims[d] == 1;
    VKD_TRY(vkd_reduction_split(lowering, &elements, reduced, &reduction));
    VKD_TRY(vkd_reduction_stats(lowering, &reduction, VKD_STATS_EXTREMES, 0, &extremes));
    return add_choose(lowering, args, code == BY_TOKEN ? VKD_CHOOSE_TOKEN : rule, extremes,
                      (uint32_t)block_count(x, block));
}

#define AFFINE(name_, params_, code_)                                                              \
    {                                                                                              \
        name_, params_, sizeof(affine_args), shape, lower, .code = code_, .defaults = &no_zeros    \
    }
#define CHOOSE(name_, params_, code_)                                                              \
    {                                                                                              \
        name_, params_, sizeof(choose_args), shape_choose, lower_choose, .code = code_,            \
                                                                         .defaults = &int8_range   \
    }
#define BOTH(name_, edge_, out_, quantize_params_, dequantize_params_, code_)                      \
    AFFINE("quantized_decomposed.quantize_" name_ edge_, quantize_params_, code_),                 \
        AFFINE("quantized_decomposed.dequantize_" name_ edge_, dequantize_params_,                 \
               DEQUANTIZES + code_),                                                               \
        AFFINE("quantized_decomposed::quantize_" name_ out_, quantize_params_, code_),             \
        AFFINE("quantized_decomposed::dequantize_" name_ out_, dequantize_params_,                 \
               DEQUANTIZES + code_)

static const vkd_op rows[] = {
    BOTH("per_tensor.", "tensor", "Tensor_out", tensor_quantize_params, tensor_dequantize_params,
         BY_TENSOR),
    BOTH("per_channel.", "default", "out", channel_quantize_params, channel_dequantize_params,
         BY_CHANNEL),
    BOTH("per_token.", "default", "out", token_quantize_params, token_dequantize_params, BY_TOKEN),
    AFFINE("torchao.quantize_affine.default", block_quantize_params, BY_BLOCK),
    AFFINE("torchao.quantize_affine.default", block_quantize_domain_params, BY_BLOCK),
    AFFINE("torchao.dequantize_affine.default", block_dequantize_params, DEQUANTIZES + BY_BLOCK),
    AFFINE("torchao.dequantize_affine.default", block_dequantize_dtype_params,
           DEQUANTIZES + BY_BLOCK),
    AFFINE("torchao.dequantize_affine.default", block_dequantize_domain_params,
           DEQUANTIZES + BY_BLOCK),
    CHOOSE("quantized_decomposed.choose_qparams.tensor", choose_tensor_params, BY_TENSOR),
    CHOOSE("quantized_decomposed.choose_qparams_per_token_asymmetric.default", choose_token_params,
           BY_TOKEN),
    CHOOSE("quantized_decomposed::choose_qparams.Tensor_out", choose_tensor_params, BY_TENSOR),
    CHOOSE("quantized_decomposed::choose_qparams_per_token_asymmetric.out", choose_token_params,
           BY_TOKEN),
    CHOOSE("torchao.choose_qparams_affine.default", choose_affine_params, BY_BLOCK),
    CHOOSE("torchao.choose_qparams_affine.default", choose_affine_keepdim_params, BY_BLOCK),
};

const vkd_op_table vkd_affine_ops = VKD_OP_TABLE(rows);
