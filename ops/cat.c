/* Concatenation along any dim, and stacks. */
#include "ops/cat.h"
#include "ops/function.h"
#include "ops/paste.h"
#include "ops/tables.h"
#include "shaders/cat_params.h"

#include <string.h>

static const vkd_param cat_parameters[] = {
    VKD_TENSOR_LIST(cat_args, parts, tensors),
    VKD_INT(cat_args, dim),
    VKD_OUTPUT(cat_args, y, out),
    VKD_PARAMS_END,
};

enum axis { AXIS_N, AXIS_C, AXIS_H, AXIS_W };

/* What the kernels call a dim, by rank; see shaders/tensor_params.h. */
static const enum axis axes[5][4] = {
    [1] = {AXIS_C},
    [2] = {AXIS_N, AXIS_C},
    [3] = {AXIS_C, AXIS_H, AXIS_W},
    [4] = {AXIS_N, AXIS_C, AXIS_H, AXIS_W},
};

/* A part without elements may have any rank: it is skipped, as PyTorch does. */
static bool is_skipped(const vkd_model_tensor *part)
{
    return vkd_dims_count(part->rank, part->dims) == 0;
}

/* The one whose rank the result has: a tensor of rank 1 without elements stands for nothing,
 * whatever the others' rank. */
static const vkd_model_tensor *leading_part(vkd_shaping *shaping, const cat_args *args)
{
    const vkd_model_tensor *leading = vkd_shape_of(shaping, args->parts.values[0]);
    for (size_t i = 0; i < args->parts.count; i++) {
        const vkd_model_tensor *part = vkd_shape_of(shaping, args->parts.values[i]);
        if (!is_skipped(part))
            return part;
        if (leading->rank == 1)
            leading = part;
    }
    return leading;
}

/* The parts' dims must agree but for `dim`, along which they add up. */
static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const cat_args *args = arguments;
    const vkd_model_tensor *first = leading_part(shaping, args);
    uint32_t dim = 0, dims[VKD_MAX_RANK];
    uint64_t sum = 0;
    char is[VKD_DIMS_TEXT], expected[VKD_DIMS_TEXT];
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, first->rank, &dim));
    for (size_t i = 0; i < args->parts.count; i++) {
        const vkd_model_tensor *part = vkd_shape_of(shaping, args->parts.values[i]);
        bool fits = part->rank == first->rank;
        for (uint32_t d = 0; fits && d < first->rank; d++)
            fits = d == dim || part->dims[d] == first->dims[d];
        if (!fits && !is_skipped(part))
            return vkd_shape_fail_at(
                shaping, VKD_INVALID_MODEL, &args->parts,
                "has %s at %zu, expected what fits the first, %s, but for dim %d",
                vkd_dims_format(part->rank, part->dims, is), i,
                vkd_dims_format(first->rank, first->dims, expected), args->dim);
        sum += fits ? part->dims[dim] : 0;
    }
    if (sum > INT32_MAX)
        return vkd_shape_fail_at(shaping, VKD_UNSUPPORTED, &args->parts,
                                 "has %llu elements along dim %d, expected 2^31-1 at most",
                                 (unsigned long long)sum, args->dim);
    memcpy(dims, first->dims, sizeof dims);
    dims[dim] = (uint32_t)sum;
    return vkd_shape_set(shaping, args->y, first->rank, dims);
}

/* ----------------------------------------------------------------------------------------- rows */

static vkd_status view_part(vkd_lowering *lowering, const cat_args *args, size_t i, vkd_view *out)
{
    const vkd_dtype dtype = vkd_value_tensor(lowering, args->parts.values[i])->dtype,
                    expected = vkd_value_tensor(lowering, args->y)->dtype;
    if (dtype != expected)
        return vkd_op_fail_at(lowering, VKD_UNSUPPORTED, &args->parts,
                              "has dtype %s at %zu, expected the result's, %s",
                              vkd_dtype_name(dtype), i, vkd_dtype_name(expected));
    return vkd_op_view(lowering, args->parts.values[i], out);
}

static vkd_status paste_parts(vkd_lowering *lowering, const cat_args *args)
{
    const vkd_model_tensor *result = vkd_value_tensor(lowering, args->y);
    const uint32_t dim = (uint32_t)(args->dim < 0 ? args->dim + (int32_t)result->rank : args->dim);
    const uint32_t inside =
        (uint32_t)vkd_dims_count(result->rank - dim - 1, result->dims + dim + 1);
    vkd_tensor_id y;
    VKD_TRY(vkd_op_output_in(lowering, args->y, result->dtype, VKD_ROWS, &y));
    uint32_t at = 0;
    for (size_t i = 0; i < args->parts.count; i++) {
        const vkd_model_tensor *part = vkd_value_tensor(lowering, args->parts.values[i]);
        vkd_view x;
        if (is_skipped(part))
            continue;
        VKD_TRY(view_part(lowering, args, i, &x));
        const vkd_pasting pasting = {part->dims[dim] * inside, result->dims[dim] * inside,
                                     at * inside, .symbol = VKD_NO_SYMBOL};
        VKD_TRY(vkd_paste(lowering, &x, &pasting, y));
        at += part->dims[dim];
    }
    return VKD_OK;
}

/* --------------------------------------------------------------------------------------- images */

/* Whether the parts are images that lie in 4C, or are int8, which always do. */
static bool is_image(const vkd_lowering *lowering, const cat_args *args)
{
    const vkd_model_tensor *y = vkd_value_tensor(lowering, args->y);
    if (y->rank > 4 || vkd_dtype_size(y->dtype) == 2)
        return false;
    return y->dtype == VKD_DTYPE_INT8 || args->tables ||
           vkd_op_layout(lowering, args->parts.values, args->parts.count) == VKD_4C;
}

/* Parts that one dispatch copies. */
typedef struct copying {
    vkd_lowering *lowering;
    vkd_tensor_id y;
    cat_part parts[2];
    vkd_tensor_id x[2], tables[2]; /* VKD_NO_TENSOR: no table */
    uint32_t count;
} copying;

static vkd_status flush(copying *c)
{
    const vkd_tensor *y = &c->lowering->graph->tensors[c->y];
    if (!c->count)
        return VKD_OK;
    cat_params params = {.first = c->parts[0], .y_c = y->c, .y_h = y->h, .y_w = y->w};
    const uint32_t last = c->count - 1; /* stands for a second that is not there */
    if (last)
        params.second = c->parts[1];
    vkd_node node = vkd_op_node(c->lowering, VKD_SHADER_CAT, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, c->lowering->caps,
                    (uint64_t)params.first.invocations + params.second.invocations);
    vkd_node_spec(&node, (uint32_t)vkd_dtype_size(y->dtype));
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t part = i < last ? i : last;
        const bool has_table = c->tables[part] != VKD_NO_TENSOR;
        vkd_node_read(&node, c->x[part]);
        vkd_node_read(&node, has_table ? c->tables[part] : c->x[part]);
        vkd_node_spec(&node, has_table);
    }
    vkd_node_spec(&node, last);
    vkd_node_write(&node, c->y);
    c->count = 0;
    return vkd_op_add_node(c->lowering, &node, c->x[0], c->y);
}

/* Whether a view is pixels of its tensor, all or some channels of each, from a group of four on. */
static bool is_of_pixels(const vkd_lowering *lowering, const vkd_view *view)
{
    const vkd_tensor *t = &lowering->graph->tensors[view->tensor];
    const vkd_view all = vkd_view_of(lowering->graph, view->tensor);
    bool same = t->layout == VKD_4C && view->rank == t->rank && view->offset % 4 == 0;
    for (uint32_t d = 0; same && d < view->rank; d++)
        same = view->strides[d] == all.strides[d] &&
               (view->dims[d] == all.dims[d] || view->strides[d] == 1);
    return same;
}

/* Where the part's elements are: its tensor, or in that of a view. */
static vkd_status find_part(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype,
                            vkd_tensor_id *x, cat_part *out)
{
    const vkd_view *view = &lowering->views[value];
    vkd_tensor shape = {.rank = vkd_value_tensor(lowering, value)->rank};
    vkd_dims_nchw(shape.rank, vkd_value_tensor(lowering, value)->dims, &shape);
    *out = (cat_part){.x_c = shape.c, .x_h = shape.h, .x_w = shape.w};
    const bool in_place = lowering->tensors[value] == VKD_NO_TENSOR &&
                          view->tensor != VKD_NO_TENSOR && is_of_pixels(lowering, view);
    *x = view->tensor;
    if (!in_place)
        VKD_TRY(vkd_op_input(lowering, value, dtype, VKD_4C, x));
    out->x_at = in_place ? (uint32_t)view->offset : 0;
    out->x_pixel = (uint32_t)vkd_align_up(lowering->graph->tensors[*x].c, 4);
    return VKD_OK;
}

static vkd_status find_table(vkd_lowering *lowering, const chain_args *function, vkd_dtype dtype,
                             vkd_tensor_id *out)
{
    *out = VKD_NO_TENSOR;
    return function ? vkd_op_function(lowering, function, dtype, out) : VKD_OK;
}

/* A dispatch less is worth more than a branch, but to a CPU device, which takes both sides of it.
 */
static uint32_t parts_at_once(const vkd_caps *caps) { return caps->type == VKD_TYPE_CPU ? 1 : 2; }

/* Part i begins in y at `at` along the axis. One that shares words with the part before it is
 * copied behind that. */
static vkd_status add_part(copying *c, const cat_args *args, size_t i, enum axis axis, uint32_t at)
{
    const vkd_dtype dtype = c->lowering->graph->tensors[c->y].dtype;
    const chain_args *function = args->tables ? args->tables[i] : NULL;
    const uint32_t shift = vkd_dtype_size(dtype) == 1 && axis == AXIS_C ? at % 4 : 0;
    if (c->count == parts_at_once(c->lowering->caps) || shift)
        VKD_TRY(flush(c));
    cat_part *part = &c->parts[c->count];
    VKD_TRY(find_part(c->lowering, args->parts.values[i], function ? VKD_DTYPE_INT8 : dtype,
                      &c->x[c->count], part));
    VKD_TRY(find_table(c->lowering, function, dtype, &c->tables[c->count]));
    const vkd_model_tensor *t = vkd_value_tensor(c->lowering, args->parts.values[i]);
    part->invocations = (uint32_t)vkd_dims_count(t->rank, t->dims) / part->x_c *
                        (uint32_t)vkd_divide_up(shift + part->x_c, 4);
    *(axis == AXIS_N   ? &part->n_at
      : axis == AXIS_C ? &part->c_at
      : axis == AXIS_H ? &part->h_at
                       : &part->w_at) = at;
    c->count++;
    return VKD_OK;
}

/* Copies the parts to y, but for the first `shared`, which are there. */
static vkd_status add_parts(vkd_lowering *lowering, const cat_args *args, size_t shared,
                            vkd_tensor_id y)
{
    const uint32_t rank = vkd_value_tensor(lowering, args->y)->rank,
                   dim = vkd_from_end(args->dim, rank);
    copying c = {.lowering = lowering, .y = y};
    uint32_t at = 0;
    for (size_t i = 0; i < args->parts.count; i++) {
        const vkd_model_tensor *part = vkd_value_tensor(lowering, args->parts.values[i]);
        if (is_skipped(part))
            continue;
        if (i >= shared)
            VKD_TRY(add_part(&c, args, i, axes[rank][dim], at));
        at += part->dims[dim];
    }
    return flush(&c);
}

/* ------------------------------------------------------------------------------------- growing */

/* Of a longer concatenation's memory. */
static vkd_status view_beginning(vkd_lowering *lowering, const cat_args *args)
{
    const vkd_tensor_id whole = lowering->grown[args->whole];
    if (args->y == args->whole)
        return vkd_op_output_is(lowering, args->y, whole);
    vkd_view view = vkd_view_of(lowering->graph, whole);
    memcpy(view.dims, vkd_value_tensor(lowering, args->y)->dims, sizeof view.dims);
    return vkd_op_output_view(lowering, args->y, &view);
}

static vkd_status make_grown(vkd_lowering *lowering, const void *arguments, uint32_t value)
{
    (void)value;
    const cat_args *args = arguments;
    VKD_TRY(add_parts(lowering, args, args->shared, lowering->grown[args->whole]));
    return view_beginning(lowering, args);
}

/* Whether all that is not there yet is an int8 tensor to be dequantized, in whole groups of four
 * channels behind the others. */
static bool lacks_int8(const vkd_lowering *lowering, const cat_args *args)
{
    const size_t last = args->parts.count - 1;
    const vkd_model_tensor *part = vkd_value_tensor(lowering, args->parts.values[last]),
                           *y = vkd_value_tensor(lowering, args->y);
    const uint32_t dim = vkd_from_end(args->dim, y->rank);
    return args->shared == last && y->dtype == VKD_DTYPE_FLOAT32 && axes[y->rank][dim] == AXIS_C &&
           args->tables && args->tables[last] && !args->tables[last]->step_count &&
           !is_skipped(part) && (y->dims[dim] - part->dims[dim]) % 4 == 0;
}

/* The beginning of a longer concatenation, whose memory the first such call makes. */
static vkd_status lower_beginning(vkd_lowering *lowering, const cat_args *args)
{
    const vkd_model_tensor *all = vkd_value_tensor(lowering, args->whole);
    vkd_tensor_id *whole = &lowering->grown[args->whole];
    vkd_view before;
    if (*whole == VKD_NO_TENSOR) {
        VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH,
                                     vkd_value_tensor(lowering, args->y)->dtype, VKD_4C, all->rank,
                                     all->dims, whole));
        VKD_TRY(add_parts(lowering, args, 0, *whole));
        return view_beginning(lowering, args);
    }
    VKD_TRY(vkd_op_view(lowering, args->before, &before)); /* is made now, if that was put off */
    if (lacks_int8(lowering, args) &&
        vkd_op_may_be_late(lowering, args->y, &args->parts.values[args->shared], 1)) {
        vkd_op_put_off(lowering, args->y, make_grown);
        return VKD_OK;
    }
    return make_grown(lowering, args, args->y);
}

bool vkd_cat_lacks_part(const vkd_lowering *lowering, uint32_t value)
{
    return vkd_op_late(lowering, value, make_grown);
}

vkd_status vkd_cat_take_part(vkd_lowering *lowering, uint32_t value, vkd_cat_part *out)
{
    const cat_args *args = vkd_op_late(lowering, value, make_grown)->args;
    const size_t last = args->parts.count - 1;
    lowering->late[value].make = NULL;
    VKD_TRY(vkd_op_input(lowering, args->parts.values[last], VKD_DTYPE_INT8, VKD_4C, &out->x));
    const vkd_tensor *part = &lowering->graph->tensors[out->x];
    vkd_tensor y;
    vkd_dims_nchw(vkd_value_tensor(lowering, value)->rank, vkd_value_tensor(lowering, value)->dims,
                  &y);
    out->scale = args->tables[last]->x_scales[0];
    out->first = (y.c - part->c) / 4;
    out->groups = (uint32_t)vkd_divide_up(y.c, 4);
    return view_beginning(lowering, args);
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const cat_args *args = arguments;
    const bool grows = args->whole != VKD_NO_VALUE;
    vkd_tensor_id y;
    if (grows && lowering->grown[args->whole] != VKD_NO_TENSOR)
        return lower_beginning(lowering, args);
    if (!is_image(lowering, args))
        return paste_parts(lowering, args);
    if (grows)
        return lower_beginning(lowering, args);
    VKD_TRY(vkd_op_output_4c(lowering, args->y, vkd_value_tensor(lowering, args->y)->dtype, &y));
    return add_parts(lowering, args, 0, y);
}

/* --------------------------------------------------------------------------------------- stack */

/* Along a dim of their own. */
static vkd_status shape_stack(vkd_shaping *shaping, const void *arguments)
{
    const cat_args *args = arguments;
    const vkd_model_tensor x = *vkd_shape_of(shaping, args->parts.values[0]);
    uint32_t dim = 0, dims[VKD_MAX_RANK + 1];
    char is[VKD_DIMS_TEXT], expected[VKD_DIMS_TEXT];
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, x.rank + 1, &dim));
    for (size_t i = 1; i < args->parts.count; i++) {
        const vkd_model_tensor *part = vkd_shape_of(shaping, args->parts.values[i]);
        if (part->rank != x.rank || memcmp(part->dims, x.dims, x.rank * sizeof *x.dims))
            return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->parts,
                                     "has %s at %zu, expected the first one's, %s",
                                     vkd_dims_format(part->rank, part->dims, is), i,
                                     vkd_dims_format(x.rank, x.dims, expected));
    }
    memcpy(dims, x.dims, dim * sizeof *dims);
    dims[dim] = (uint32_t)args->parts.count;
    memcpy(dims + dim + 1, x.dims + dim, (x.rank - dim) * sizeof *dims);
    return vkd_shape_set(shaping, args->y, x.rank + 1, dims);
}

static vkd_status lower_stack(vkd_lowering *lowering, const void *arguments)
{
    const cat_args *args = arguments;
    const vkd_model_tensor *result = vkd_value_tensor(lowering, args->y);
    const uint32_t dim = vkd_from_end(args->dim, result->rank),
                   inside =
                       (uint32_t)vkd_dims_count(result->rank - dim - 1, result->dims + dim + 1);
    vkd_tensor_id y;
    VKD_TRY(vkd_op_output_in(lowering, args->y, result->dtype, VKD_ROWS, &y));
    for (size_t i = 0; i < args->parts.count; i++) {
        vkd_view x;
        VKD_TRY(view_part(lowering, args, i, &x));
        const vkd_pasting pasting = {inside, (uint32_t)args->parts.count * inside,
                                     (uint32_t)i * inside, .symbol = VKD_NO_SYMBOL};
        VKD_TRY(vkd_paste(lowering, &x, &pasting, y));
    }
    return VKD_OK;
}

static const cat_args alone = {.whole = VKD_NO_VALUE, .before = VKD_NO_VALUE};

static const vkd_op rows[] = {
    {"aten::cat.out", cat_parameters, sizeof(cat_args), shape, lower, .kind = VKD_OP_CAT,
     .defaults = &alone},
    {"aten::stack.out", cat_parameters, sizeof(cat_args), shape_stack, lower_stack},
    {"aten.cat.default", cat_parameters, sizeof(cat_args), shape, lower, .kind = VKD_OP_CAT,
     .defaults = &alone},
};

const vkd_op_table vkd_cat_ops = VKD_OP_TABLE(rows);
