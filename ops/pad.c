/* Padding with a constant, and tiling. */
#include "ops/tables.h"
#include "runtime/base/element.h"
#include "shaders/pad_params.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------ pad */

typedef struct pad_args {
    uint32_t x, y;
    vkd_size_list pads; /* of the last dim before and behind, then of the one before it, ... */
    vkd_number value;
} pad_args;

static const vkd_param pad_parameters[] = {VKD_TENSOR(pad_args, x), VKD_SIZE_LIST(pad_args, pads),
                                           VKD_NUMBER(pad_args, value), VKD_OUTPUT(pad_args, y),
                                           VKD_PARAMS_END};

/* Padding of dim d; side 0 is before it, 1 behind. */
static int64_t pad_of(const vkd_model_value *values, const pad_args *args, uint32_t rank,
                      uint32_t d, size_t side)
{
    size_t at = 2 * (size_t)(rank - 1 - d) + side;
    if (at >= args->pads.count)
        return 0;
    vkd_sym pad = args->pads.items[at];
    return pad.value == VKD_NO_VALUE ? pad.number : values[pad.value].i;
}

static vkd_status shape_pad(vkd_shaping *shaping, const void *arguments)
{
    const pad_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    uint32_t dims[VKD_MAX_RANK];
    if (args->pads.count % 2 || args->pads.count > 2 * (size_t)x->rank)
        return vkd_shape_fail(shaping, VKD_INVALID_MODEL,
                              "%zu numbers for padding a tensor of rank %u", args->pads.count,
                              x->rank);
    for (uint32_t d = 0; d < x->rank; d++) {
        int64_t before = pad_of(shaping->values, args, x->rank, d, 0),
                behind = pad_of(shaping->values, args, x->rank, d, 1);
        int64_t size = x->dims[d] + before + behind;
        if (before < INT32_MIN || before > INT32_MAX || behind > INT32_MAX || size < 0 ||
            size > INT32_MAX)
            return vkd_shape_fail(shaping, VKD_INVALID_MODEL,
                                  "dim %u of %u elements is padded by %lld and %lld", d, x->dims[d],
                                  (long long)before, (long long)behind);
        dims[d] = (uint32_t)size;
    }
    return vkd_shape_set(shaping, args->y, x->rank, dims);
}

/* Fills in dims from the innermost outwards; those without padding join the one within them. False:
 * more than the kernel has. */
static bool set_dims(const vkd_lowering *lowering, const pad_args *args, const vkd_view *x,
                     pad_params *params, uint32_t *rank)
{
    const vkd_model_tensor *y = vkd_value_tensor(lowering, args->y);
    bool was_padded = true;
    *rank = 0;
    for (uint32_t d = x->rank; d-- > 0;) {
        int64_t at = pad_of(lowering->values, args, x->rank, d, 0);
        bool padded = at != 0 || y->dims[d] != x->dims[d];
        uint32_t inside = VKD_PAD_DIMS - *rank;
        if (!padded && !was_padded &&
            x->strides[d] == params->strides[inside] * params->size[inside]) {
            params->dims[inside] *= y->dims[d];
            params->size[inside] *= (int32_t)x->dims[d];
            continue;
        }
        if (*rank == VKD_PAD_DIMS)
            return false;
        uint32_t slot = VKD_PAD_DIMS - 1 - (*rank)++;
        params->dims[slot] = y->dims[d];
        params->at[slot] = (int32_t)at;
        params->size[slot] = (int32_t)x->dims[d];
        params->strides[slot] = x->strides[d];
        was_padded = padded;
    }
    return true;
}

/* The bits of an element of that value: an int exactly, whatever its size. */
static uint32_t element_bits(vkd_dtype dtype, const vkd_number *number)
{
    uint32_t bits = 0;
    if (number->kind == VKD_NUMBER_INT && dtype == VKD_DTYPE_INT32)
        return (uint32_t)number->number;
    vkd_element_set(dtype, &bits, 0, number->real);
    return bits;
}

static vkd_status lower_pad(vkd_lowering *lowering, const void *arguments)
{
    const pad_args *args = arguments;
    vkd_view x;
    vkd_tensor_id y;
    uint32_t rank;
    for (size_t i = 0; i < args->pads.count; i++)
        vkd_op_number(lowering, args->pads.items[i]);
    VKD_TRY(vkd_op_view(lowering, args->x, &x));
    vkd_dtype dtype = lowering->graph->tensors[x.tensor].dtype;
    const vkd_model_tensor *result = vkd_value_tensor(lowering, args->y);
    uint32_t slots = (uint32_t)vkd_dims_count(result->rank, result->dims);
    pad_params params = {.groups = (uint32_t)vkd_divide_up(slots, 4),
                         .slots = slots,
                         .value = element_bits(dtype, &args->value),
                         .x_offset = (uint32_t)x.offset,
                         .dims = {1, 1, 1, 1, 1, 1}};
    if (!set_dims(lowering, args, &x, &params, &rank))
        return vkd_op_fail(lowering, VKD_UNSUPPORTED, "a padding of more than %d dims",
                           VKD_PAD_DIMS);
    VKD_TRY(vkd_op_output_in(lowering, args->y, dtype, VKD_ROWS, &y));
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_PAD, vkd_loop(4 * VKD_PAD_DIMS, 0), &params,
                                sizeof params);
    vkd_node_linear(&node, lowering->caps, params.groups);
    vkd_node_read(&node, x.tensor);
    vkd_node_write(&node, y);
    vkd_node_spec(&node, dtype);
    vkd_node_spec(&node, rank);
    return vkd_op_add_node(lowering, &node, x.tensor, y);
}

/* --------------------------------------------------------------------------------------- repeat */

typedef struct repeat_args {
    uint32_t x, y;
    vkd_sym_list repeats;
} repeat_args;

static const vkd_param repeat_parameters[] = {VKD_TENSOR(repeat_args, x),
                                              VKD_SIZES(repeat_args, repeats),
                                              VKD_OUTPUT(repeat_args, y), VKD_PARAMS_END};

static vkd_status shape_repeat(vkd_shaping *shaping, const void *arguments)
{
    const repeat_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    uint32_t rank = (uint32_t)args->repeats.count, dims[VKD_MAX_RANK];
    if (rank < x->rank)
        return vkd_shape_fail(shaping, VKD_INVALID_MODEL, "%u repeats for a tensor of rank %u",
                              rank, x->rank);
    for (uint32_t d = 0; d < rank; d++) {
        int64_t repeats = vkd_shape_number(shaping, args->repeats.items[d]);
        int64_t size = d + x->rank >= rank ? x->dims[d + x->rank - rank] : 1;
        if (repeats < 0 || (size && repeats > INT32_MAX / size))
            return vkd_shape_fail(shaping, VKD_INVALID_MODEL, "%lld repeats of dim %u",
                                  (long long)repeats, d);
        dims[d] = (uint32_t)(size * repeats);
    }
    return vkd_shape_set(shaping, args->y, rank, dims);
}

/* x as a view of more dims: one of stride 0 before each that is repeated. False: too many. */
static bool tile(const vkd_view *x, const vkd_model_tensor *y, vkd_view *out)
{
    *out = (vkd_view){.tensor = x->tensor, .offset = x->offset};
    for (uint32_t d = 0; d < y->rank; d++) {
        bool own = d + x->rank >= y->rank;
        uint32_t from = d + x->rank - y->rank, size = own ? x->dims[from] : 1,
                 repeats = y->dims[d] / size;
        if (out->rank + 2 > VKD_MAX_RANK && (repeats > 1 || out->rank + 1 > VKD_MAX_RANK))
            return false;
        if (repeats > 1)
            out->dims[out->rank++] = repeats;
        if (size > 1) {
            out->strides[out->rank] = x->strides[from];
            out->dims[out->rank++] = size;
        }
    }
    return true;
}

static vkd_status lower_repeat(vkd_lowering *lowering, const void *arguments)
{
    const repeat_args *args = arguments;
    vkd_view x, tiled;
    vkd_tensor_id y, wide;
    VKD_TRY(vkd_op_view(lowering, args->x, &x));
    if (!tile(&x, vkd_value_tensor(lowering, args->y), &tiled))
        return vkd_op_fail(lowering, VKD_UNSUPPORTED,
                           "so many dims are repeated that more than %d are needed", VKD_MAX_RANK);
    vkd_dtype dtype = lowering->graph->tensors[x.tensor].dtype;
    VKD_TRY(vkd_op_output_in(lowering, args->y, dtype, VKD_ROWS, &y));
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, lowering->graph->tensors[y].place, dtype,
                                 VKD_ROWS, tiled.rank, tiled.dims, &wide));
    lowering->graph->tensors[wide].storage = y;
    return vkd_op_move(lowering, &tiled, wide);
}

static const vkd_op rows[] = {
    {"aten.constant_pad_nd.default", pad_parameters, sizeof(pad_args), shape_pad, lower_pad},
    {"aten::constant_pad_nd.out", pad_parameters, sizeof(pad_args), shape_pad, lower_pad},
    {"aten::repeat.out", repeat_parameters, sizeof(repeat_args), shape_repeat, lower_repeat},
    {"aten.repeat.default", repeat_parameters, sizeof(repeat_args), shape_repeat, lower_repeat},
};

const vkd_op_table vkd_pad_ops = VKD_OP_TABLE(rows);
