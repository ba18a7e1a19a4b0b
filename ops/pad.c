/* Padding, rolling and tiling. */
#include "graph/operators.h"
#include "ops/tables.h"
#include "runtime/base/element.h"
#include "shaders/pad_params.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------ pad */

static const vkd_param pad_parameters[] = {
    VKD_TENSOR(pad_args, x, self), VKD_SIZE_LIST(pad_args, pads, pad), VKD_NUMBER(pad_args, value),
    VKD_OUTPUT(pad_args, y, out), VKD_PARAMS_END};

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
        return vkd_shape_fail_at(
            shaping, VKD_INVALID_MODEL, &args->pads,
            "has %zu numbers, expected two for each of %u dims, or of the last ones",
            args->pads.count, x->rank);
    for (uint32_t d = 0; d < x->rank; d++) {
        int64_t before = pad_of(shaping->values, args, x->rank, d, 0),
                behind = pad_of(shaping->values, args, x->rank, d, 1);
        int64_t size = x->dims[d] + before + behind;
        if (before < INT32_MIN || before > INT32_MAX || behind > INT32_MAX || size < 0 ||
            size > INT32_MAX)
            return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->pads,
                                     "pads dim %u of %u elements by %lld and %lld, expected what "
                                     "leaves 0 to 2^31-1 elements",
                                     d, x->dims[d], (long long)before, (long long)behind);
        dims[d] = (uint32_t)size;
    }
    return vkd_shape_set(shaping, args->y, x->rank, dims);
}

/* A row's code: what is beside x, and of how many dims: those of the operator's name. */
#define BORDER(mode, dims) (10 * (mode) + (dims))
static uint32_t mode_of(const vkd_op *row) { return (uint32_t)row->code / 10; }
static uint32_t padded_dims(const vkd_op *row) { return (uint32_t)row->code % 10; }

/* What is around x in each dim of y; x begins there at `at`. */
typedef struct padding {
    uint32_t mode; /* VKD_PAD_* */
    uint32_t value;
    uint32_t dims[VKD_MAX_RANK];
    int32_t at[VKD_MAX_RANK];
} padding;

/* Fills in dims from the innermost outwards; those without padding join the one within them. False:
 * more than the kernel has. */
static bool set_dims(const padding *p, const vkd_view *x, pad_params *params, uint32_t *rank)
{
    bool was_padded = true;
    *rank = 0;
    for (uint32_t d = x->rank; d-- > 0;) {
        bool padded = p->at[d] != 0 || p->dims[d] != x->dims[d];
        uint32_t inside = VKD_PAD_DIMS - *rank;
        if (!padded && !was_padded &&
            x->strides[d] == params->strides[inside] * params->size[inside]) {
            params->dims[inside] *= p->dims[d];
            params->size[inside] *= (int32_t)x->dims[d];
            continue;
        }
        if (*rank == VKD_PAD_DIMS)
            return false;
        uint32_t slot = VKD_PAD_DIMS - 1 - (*rank)++;
        params->dims[slot] = p->dims[d];
        params->at[slot] = p->at[d];
        params->size[slot] = (int32_t)x->dims[d];
        params->strides[slot] = x->strides[d];
        was_padded = padded;
    }
    return true;
}

static vkd_status emit(vkd_lowering *lowering, const vkd_view *x, const padding *p,
                       vkd_tensor_id y);

/* The inner dims, then the outer ones, of which fewer lie apart each time. */
static vkd_status emit_in_two(vkd_lowering *lowering, const vkd_view *x, const padding *p,
                              vkd_tensor_id y)
{
    const vkd_dtype dtype = lowering->graph->tensors[x->tensor].dtype;
    vkd_tensor_id whole, between;
    padding inner = *p, outer = *p;
    for (uint32_t d = 0; d < x->rank; d++) {
        padding *other = d < x->rank / 2 ? &inner : &outer;
        other->at[d] = 0;
        other->dims[d] = d < x->rank / 2 ? x->dims[d] : p->dims[d];
    }
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, dtype, VKD_ROWS, x->rank,
                                 x->dims, &whole));
    VKD_TRY(vkd_op_move(lowering, x, whole));
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, dtype, VKD_ROWS, x->rank,
                                 inner.dims, &between));
    const vkd_view all = vkd_view_of(lowering->graph, whole),
                   padded = vkd_view_of(lowering->graph, between);
    VKD_TRY(emit(lowering, &all, &inner, between));
    return emit(lowering, &padded, &outer, y);
}

static vkd_status emit(vkd_lowering *lowering, const vkd_view *x, const padding *p, vkd_tensor_id y)
{
    const uint32_t slots = (uint32_t)vkd_dims_count(x->rank, p->dims);
    uint32_t rank;
    pad_params params = {.groups = (uint32_t)vkd_divide_up(slots, 4),
                         .slots = slots,
                         .value = p->value,
                         .x_offset = (uint32_t)x->offset,
                         .dims = {1, 1, 1, 1, 1, 1}};
    if (!set_dims(p, x, &params, &rank))
        return emit_in_two(lowering, x, p, y);
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_PAD, vkd_loop(4 * VKD_PAD_DIMS, 0), &params,
                                sizeof params);
    vkd_node_linear(&node, lowering->caps, params.groups);
    vkd_node_read(&node, x->tensor);
    vkd_node_write(&node, y);
    vkd_node_spec(&node, lowering->graph->tensors[y].dtype);
    vkd_node_spec(&node, rank);
    vkd_node_spec(&node, p->mode);
    return vkd_op_add_node(lowering, &node, x->tensor, y);
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
    const vkd_model_tensor *result = vkd_value_tensor(lowering, args->y);
    vkd_view x;
    vkd_tensor_id y;
    for (size_t i = 0; i < args->pads.count; i++)
        vkd_op_number(lowering, args->pads.items[i]);
    VKD_TRY(vkd_op_view(lowering, args->x, &x));
    const vkd_dtype dtype = lowering->graph->tensors[x.tensor].dtype;
    padding p = {.mode = mode_of(lowering->call->row)};
    if (p.mode == VKD_PAD_VALUE)
        p.value = element_bits(dtype, &args->value);
    memcpy(p.dims, result->dims, sizeof p.dims);
    bool pads = false;
    for (uint32_t d = 0; d < x.rank; d++) {
        p.at[d] = (int32_t)pad_of(lowering->values, args, x.rank, d, 0);
        pads |= p.at[d] || p.dims[d] != x.dims[d];
    }
    if (!pads)
        return vkd_op_output_view(lowering, args->y, &x);
    VKD_TRY(vkd_op_output_in(lowering, args->y, dtype, VKD_ROWS, &y));
    return emit(lowering, &x, &p, y);
}

/* ------------------------------------------------------------------- reflection and replication */

static const vkd_param border_parameters[] = {VKD_TENSOR(pad_args, x, self),
                                              VKD_SIZE_LIST(pad_args, pads, pad),
                                              VKD_OUTPUT(pad_args, y, out), VKD_PARAMS_END};

/* Of so many dims, the last ones, with or without a batch in front of the channels. */
static vkd_status shape_border(vkd_shaping *shaping, const void *arguments)
{
    const pad_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    const vkd_op *row = shaping->call->row;
    const uint32_t padded = padded_dims(row);
    const bool mirrors = mode_of(row) == VKD_PAD_MIRROR;
    if ((x->rank != padded + 1 && x->rank != padded + 2) || args->pads.count != 2 * (size_t)padded)
        return vkd_shape_fail_at(
            shaping, VKD_INVALID_MODEL, &args->pads,
            "has %zu numbers for a tensor of rank %u, expected %u and rank %u or %u",
            args->pads.count, x->rank, 2 * padded, padded + 1, padded + 2);
    for (uint32_t d = x->rank - padded; d < x->rank; d++)
        for (size_t side = 0; side < 2; side++) {
            const int64_t pad = pad_of(shaping->values, args, x->rank, d, side);
            if (!x->dims[d] || (mirrors && pad >= x->dims[d]))
                return vkd_shape_fail_at(
                    shaping, VKD_INVALID_MODEL, &args->pads,
                    "pads dim %u of %u elements by %lld of its own, expected as many as there are",
                    d, x->dims[d], (long long)pad);
        }
    return shape_pad(shaping, arguments);
}

/* ----------------------------------------------------------------------------------------- roll */

typedef struct roll_args {
    uint32_t x, y;
    vkd_sym_list shifts;
    vkd_int_list dims; /* empty: all elements in one row */
} roll_args;

static const vkd_param roll_parameters[] = {
    VKD_TENSOR(roll_args, x, self), VKD_SIZES(roll_args, shifts), VKD_INT_LIST(roll_args, dims),
    VKD_OUTPUT(roll_args, y, out), VKD_PARAMS_END};

static vkd_status shape_roll(vkd_shaping *shaping, const void *arguments)
{
    const roll_args *args = arguments;
    const uint32_t rank = vkd_shape_of(shaping, args->x)->rank;
    const size_t expected = args->dims.count ? args->dims.count : 1;
    if (args->shifts.count != expected)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->shifts,
                                 "has %zu numbers, expected %zu", args->shifts.count, expected);
    for (size_t i = 0; i < args->dims.count; i++) {
        uint32_t dim;
        VKD_TRY(vkd_shape_dim(shaping, &args->dims.items[i], rank, &dim));
        if (!rank)
            return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->dims,
                                     "has %d for a tensor of rank 0, expected no dims",
                                     args->dims.items[i]);
    }
    return vkd_shape_set_as(shaping, args->y, args->x);
}

/* A dim that is listed twice is moved by both shifts. */
static vkd_status lower_roll(vkd_lowering *lowering, const void *arguments)
{
    const roll_args *args = arguments;
    const vkd_dtype dtype = vkd_value_tensor(lowering, args->x)->dtype;
    padding p = {.mode = VKD_PAD_WRAP};
    vkd_view x;
    vkd_tensor_id rows, y;
    if (args->dims.count) {
        VKD_TRY(vkd_op_view(lowering, args->x, &x));
    } else {
        VKD_TRY(vkd_op_input(lowering, args->x, dtype, VKD_ROWS, &rows));
        const vkd_tensor *tensor = &lowering->graph->tensors[rows];
        const uint64_t count = vkd_dims_count(tensor->rank, tensor->dims);
        x = (vkd_view){.tensor = rows, .rank = 1, .dims = {(uint32_t)count}, .strides = {1}};
    }
    memcpy(p.dims, x.dims, sizeof p.dims);
    for (size_t i = 0; i < args->shifts.count; i++) {
        const uint32_t d = args->dims.count ? vkd_from_end(args->dims.items[i], x.rank) : 0;
        const int64_t size = x.dims[d],
                      shift = vkd_op_number(lowering, args->shifts.items[i]) % size;
        p.at[d] = (int32_t)((p.at[d] + shift + size) % size);
    }
    VKD_TRY(vkd_op_output_in(lowering, args->y, dtype, VKD_ROWS, &y));
    return emit(lowering, &x, &p, y);
}

/* --------------------------------------------------------------------------------------- repeat */

typedef struct repeat_args {
    uint32_t x, y;
    vkd_sym_list repeats;
} repeat_args;

static const vkd_param repeat_parameters[] = {VKD_TENSOR(repeat_args, x, self),
                                              VKD_SIZES(repeat_args, repeats),
                                              VKD_OUTPUT(repeat_args, y, out), VKD_PARAMS_END};

static vkd_status shape_repeat(vkd_shaping *shaping, const void *arguments)
{
    const repeat_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    uint32_t rank = (uint32_t)args->repeats.count, dims[VKD_MAX_RANK];
    if (rank < x->rank)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->repeats,
                                 "has %u numbers, expected %u at least", rank, x->rank);
    for (uint32_t d = 0; d < rank; d++) {
        int64_t repeats = vkd_shape_number(shaping, args->repeats.items[d]);
        int64_t size = d + x->rank >= rank ? x->dims[d + x->rank - rank] : 1;
        if (repeats < 0 || (size && repeats > INT32_MAX / size))
            return vkd_shape_fail_at(
                shaping, VKD_INVALID_MODEL, &args->repeats,
                "has %lld for dim %u, expected 0 at least, and 2^31-1 elements at most",
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

/* y = x with rows of `inside` elements `repeats` times each, one behind the other. */
static vkd_status repeat_rows(vkd_lowering *lowering, vkd_tensor_id x, uint32_t inside,
                              uint32_t repeats, vkd_tensor_id y)
{
    const vkd_tensor from = lowering->graph->tensors[x], to = lowering->graph->tensors[y];
    const uint32_t count = (uint32_t)vkd_dims_count(from.rank, from.dims);
    const vkd_view view = {.tensor = x,
                           .rank = 3,
                           .dims = {count / inside, repeats, inside},
                           .strides = {(int32_t)inside, 0, 1}};
    vkd_tensor_id wide;
    VKD_TRY(
        vkd_graph_add_tensor(lowering->graph, to.place, to.dtype, VKD_ROWS, 3, view.dims, &wide));
    lowering->graph->tensors[wide].storage = y;
    return vkd_op_move(lowering, &view, wide);
}

/* Dim by dim, from the innermost on. */
static vkd_status repeat_dims(vkd_lowering *lowering, const repeat_args *args, vkd_tensor_id y)
{
    const vkd_tensor to = lowering->graph->tensors[y];
    vkd_tensor_id x, next;
    uint32_t dims[VKD_MAX_RANK], inside = 1;
    VKD_TRY(vkd_op_input(lowering, args->x, to.dtype, VKD_ROWS, &x));
    const vkd_tensor from = lowering->graph->tensors[x];
    for (uint32_t d = 0; d < to.rank; d++)
        dims[d] = d + from.rank < to.rank ? 1 : from.dims[d + from.rank - to.rank];
    for (uint32_t d = to.rank; d-- > 0;) {
        const uint32_t own = dims[d];
        next = y;
        dims[d] = to.dims[d];
        if (d)
            VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, to.dtype, VKD_ROWS,
                                         to.rank, dims, &next));
        VKD_TRY(repeat_rows(lowering, x, own * inside, to.dims[d] / own, next));
        inside *= to.dims[d];
        x = next;
    }
    return VKD_OK;
}

static vkd_status lower_repeat(vkd_lowering *lowering, const void *arguments)
{
    const repeat_args *args = arguments;
    vkd_view x, tiled;
    vkd_tensor_id y, wide;
    VKD_TRY(vkd_op_view(lowering, args->x, &x));
    vkd_dtype dtype = lowering->graph->tensors[x.tensor].dtype;
    VKD_TRY(vkd_op_output_in(lowering, args->y, dtype, VKD_ROWS, &y));
    if (!tile(&x, vkd_value_tensor(lowering, args->y), &tiled))
        return repeat_dims(lowering, args, y);
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, lowering->graph->tensors[y].place, dtype,
                                 VKD_ROWS, tiled.rank, tiled.dims, &wide));
    lowering->graph->tensors[wide].storage = y;
    return vkd_op_move(lowering, &tiled, wide);
}

/* ---------------------------------------------------------------------------- repeat_interleave */

typedef struct interleave_args {
    uint32_t x, y;
    vkd_sym repeats;
    int32_t dim; /* FLAT: all elements in one row */
} interleave_args;
enum { FLAT = INT32_MIN };

static const vkd_param interleave_parameters[] = {
    VKD_TENSOR(interleave_args, x, self),   VKD_SYM(interleave_args, repeats),
    VKD_OPTIONAL_INT(interleave_args, dim), VKD_IGNORED("output_size"),
    VKD_OUTPUT(interleave_args, y, out),    VKD_PARAMS_END};

static const interleave_args flat_rows = {.dim = FLAT};

static vkd_status shape_interleave(vkd_shaping *shaping, const void *arguments)
{
    const interleave_args *args = arguments;
    const vkd_model_tensor x = *vkd_shape_of(shaping, args->x);
    const bool flat = args->dim == FLAT;
    const int64_t repeats = vkd_shape_number(shaping, args->repeats);
    uint32_t dim = 0, dims[VKD_MAX_RANK] = {(uint32_t)vkd_dims_count(x.rank, x.dims)};
    if (!flat) {
        VKD_TRY(vkd_shape_dim(shaping, &args->dim, x.rank, &dim));
        memcpy(dims, x.dims, x.rank * sizeof *dims);
    }
    if (repeats < 0 || repeats > INT32_MAX || (!flat && !x.rank) ||
        repeats * (int64_t)dims[dim] > INT32_MAX)
        return vkd_shape_fail_at(
            shaping, VKD_INVALID_MODEL, &args->repeats,
            "is %lld for dim %u of a tensor of rank %u, expected 0 at least, and a dim",
            (long long)repeats, dim, x.rank);
    dims[dim] *= (uint32_t)repeats;
    return vkd_shape_set(shaping, args->y, flat ? 1 : x.rank, dims);
}

static vkd_status lower_interleave(vkd_lowering *lowering, const void *arguments)
{
    const interleave_args *args = arguments;
    const vkd_model_tensor *from = vkd_value_tensor(lowering, args->x);
    const bool flat = args->dim == FLAT;
    vkd_tensor_id x, y;
    uint32_t inside = 1;
    if (!flat) {
        const uint32_t dim = vkd_from_end(args->dim, from->rank);
        inside = (uint32_t)vkd_dims_count(from->rank - dim - 1, from->dims + dim + 1);
    }
    VKD_TRY(vkd_op_input(lowering, args->x, from->dtype, VKD_ROWS, &x));
    VKD_TRY(vkd_op_output_in(lowering, args->y, from->dtype, VKD_ROWS, &y));
    return repeat_rows(lowering, x, inside, (uint32_t)vkd_op_number(lowering, args->repeats), y);
}

#define PADS(name_, mode_, dims_)                                                                  \
    {                                                                                              \
        name_, border_parameters, sizeof(pad_args), shape_border, lower_pad,                       \
            .code = BORDER(mode_, dims_)                                                           \
    }

static const vkd_op rows[] = {
    PADS("aten::reflection_pad1d.out", VKD_PAD_MIRROR, 1),
    PADS("aten::reflection_pad2d.out", VKD_PAD_MIRROR, 2),
    PADS("aten::reflection_pad3d.out", VKD_PAD_MIRROR, 3),
    PADS("aten::replication_pad1d.out", VKD_PAD_NEAREST, 1),
    PADS("aten::replication_pad2d.out", VKD_PAD_NEAREST, 2),
    PADS("aten::replication_pad3d.out", VKD_PAD_NEAREST, 3),
    {"aten::roll.out", roll_parameters, sizeof(roll_args), shape_roll, lower_roll},
    {"aten.constant_pad_nd.default", pad_parameters, sizeof(pad_args), shape_pad, lower_pad,
     .kind = VKD_OP_PAD},
    {"aten::constant_pad_nd.out", pad_parameters, sizeof(pad_args), shape_pad, lower_pad,
     .kind = VKD_OP_PAD},
    {"aten.repeat_interleave.self_int", interleave_parameters, sizeof(interleave_args),
     shape_interleave, lower_interleave, .defaults = &flat_rows},
    {"aten::repeat.out", repeat_parameters, sizeof(repeat_args), shape_repeat, lower_repeat},
    {"aten.repeat.default", repeat_parameters, sizeof(repeat_args), shape_repeat, lower_repeat},
};

const vkd_op_table vkd_pad_ops = VKD_OP_TABLE(rows);
