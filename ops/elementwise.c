#include "ops/elementwise.h"
#include "runtime/base/element.h"

#include <math.h>
#include <string.h>

/* -------------------------------------------------------------------------------------- outputs */

/* Operands that broadcast do not decide, unless there are no others. */
vkd_status vkd_op_output_as(vkd_lowering *lowering, uint32_t value, const uint32_t *operands,
                            size_t count, vkd_tensor_id *out)
{
    const vkd_model_tensor *y = vkd_value_tensor(lowering, value);
    vkd_layout layout = VKD_ROWS;
    size_t whole = 0;
    for (size_t i = 0; i < count; i++) {
        const vkd_model_tensor *x = vkd_value_tensor(lowering, operands[i]);
        if (x->rank != y->rank || memcmp(x->dims, y->dims, y->rank * sizeof *y->dims))
            continue;
        whole++;
        if (vkd_op_layout(lowering, &operands[i], 1) == VKD_4C)
            layout = VKD_4C;
    }
    if (!whole)
        layout = vkd_op_layout(lowering, operands, count);
    if (y->rank > 4 || lowering->use[value].is_output)
        layout = VKD_ROWS;
    return vkd_op_output_in(lowering, value, y->dtype, layout, out);
}

/* -------------------------------------------------------------------------------------- numbers */

vkd_number vkd_op_plain(vkd_lowering *lowering, vkd_number number)
{
    if (number.kind != VKD_NUMBER_SYM)
        return number;
    int64_t value = vkd_op_number(lowering, (vkd_sym){.value = number.value});
    return (vkd_number){.kind = VKD_NUMBER_INT, .number = value, .real = (double)value};
}

int32_t vkd_number_int(const vkd_number *number)
{
    if (number->kind == VKD_NUMBER_INT)
        return (int32_t)(uint32_t)(uint64_t)number->number;
    double real = number->real;
    return isnan(real)         ? 0
           : real <= INT32_MIN ? INT32_MIN
           : real >= INT32_MAX ? INT32_MAX
                               : (int32_t)real;
}

/* Compared byte by byte: without padding. */
typedef struct scalar_source {
    double value;
    uint64_t dtype;
} scalar_source;

static void pack_scalar(const void *source, void *dst, size_t size)
{
    const scalar_source *scalar = source;
    vkd_dtype dtype = (vkd_dtype)scalar->dtype;
    for (size_t i = 0; i < size / vkd_dtype_size(dtype); i++)
        vkd_element_set(dtype, dst, i, scalar->value);
}

/* A SymInt is read when the graph runs. */
static vkd_status view_symbol(vkd_lowering *lowering, uint32_t value, vkd_view *out)
{
    uint32_t word;
    *out = (vkd_view){0};
    VKD_TRY(vkd_op_symbol(lowering, (vkd_sym){.value = value}, VKD_NO_TENSOR, &out->tensor, &word));
    out->offset = (int32_t)word;
    return VKD_OK;
}

vkd_status vkd_op_scalar(vkd_lowering *lowering, vkd_dtype dtype, const vkd_number *number,
                         vkd_view *out)
{
    if (number->kind == VKD_NUMBER_SYM)
        return view_symbol(lowering, number->value, out);
    bool wraps = number->kind == VKD_NUMBER_INT && dtype != VKD_DTYPE_BOOL && !vkd_is_float(dtype);
    int32_t wrapped = vkd_number_int(number);
    const scalar_source source = {wraps && dtype == VKD_DTYPE_UINT8  ? (uint8_t)wrapped
                                  : wraps && dtype == VKD_DTYPE_INT8 ? (int8_t)wrapped
                                  : wraps                            ? wrapped
                                                                     : number->real,
                                  (uint64_t)dtype};
    vkd_tensor_id tensor;
    VKD_TRY(vkd_op_constant_tensor(lowering, dtype, 0, NULL, pack_scalar, &source, sizeof source, 0,
                                   &tensor));
    *out = vkd_view_of(lowering->graph, tensor);
    return VKD_OK;
}

/* ---------------------------------------------------------------------------------------- unary */

static vkd_shader unary_shader(int function)
{
    return function < UNARY_BY_EXP     ? VKD_SHADER_UNARY
           : function < UNARY_BY_LOG   ? VKD_SHADER_UNARY_EXP
           : function < UNARY_BY_ANGLE ? VKD_SHADER_UNARY_LOG
                                       : VKD_SHADER_UNARY_ANGLE;
}

vkd_status vkd_op_unary(vkd_lowering *lowering, const vkd_unary *unary, uint32_t x_value,
                        uint32_t y_value)
{
    vkd_tensor_id y;
    vkd_view x;
    vkd_walk walk;
    VKD_TRY(vkd_op_view(lowering, x_value, &x));
    VKD_TRY(vkd_op_output_as(lowering, y_value, &x_value, 1, &y));
    vkd_walk_make(lowering->graph, y, &x, 1, &walk);
    vkd_dtype from = lowering->graph->tensors[x.tensor].dtype,
              to = lowering->graph->tensors[y].dtype;
    unary_params params = {.groups = walk.groups,
                           .slots = walk.slots,
                           .inner = walk.inner,
                           .x_offset = walk.offsets[0],
                           .low = unary->low,
                           .high = unary->high,
                           .third = unary->third,
                           .low_int = unary->low_int,
                           .high_int = unary->high_int};
    memcpy(params.dims, walk.dims, sizeof params.dims);
    memcpy(params.x_strides, walk.strides[0], sizeof params.x_strides);
    vkd_node node =
        vkd_op_node(lowering, unary_shader(unary->function),
                    vkd_loop(4 * VKD_VIEW_DIMS, 0) + vkd_loop(4, 0), &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, walk.groups);
    vkd_node_read(&node, x.tensor);
    vkd_node_write(&node, y);
    vkd_node_spec(&node, from);
    vkd_node_spec(&node, to);
    vkd_node_spec(&node, walk.dim_count);
    vkd_node_spec(&node, walk.whole);
    vkd_node_spec(&node, walk.reads[0]);
    vkd_node_spec(&node, (uint32_t)unary->function);
    vkd_node_spec(&node,
                  unary->function < UNARY_FLOATS && !vkd_is_float(from) && !vkd_is_float(to));
    return vkd_op_add_node(lowering, &node, x.tensor, y);
}

/* --------------------------------------------------------------------------------------- binary */

static void set_alpha(const vkd_number *alpha, binary_params *params)
{
    bool given = alpha && alpha->kind != VKD_NUMBER_NULL;
    params->alpha = given ? (float)alpha->real : 1;
    params->alpha_int = given ? vkd_number_int(alpha) : 1;
}

vkd_status vkd_op_binary(vkd_lowering *lowering, int function, const vkd_number *alpha,
                         const vkd_view *a, const vkd_view *b, vkd_tensor_id y)
{
    const vkd_tensor *tensor = &lowering->graph->tensors[y];
    vkd_dtype a_type = lowering->graph->tensors[a->tensor].dtype,
              b_type = lowering->graph->tensors[b->tensor].dtype;
    vkd_view operands[] = {*a, *b};
    vkd_walk walk;
    for (int i = 0; i < 2; i++)
        vkd_view_broadcast(&operands[i], tensor->rank, tensor->dims);
    vkd_walk_make(lowering->graph, y, operands, 2, &walk);
    binary_params params = {.groups = walk.groups,
                            .slots = walk.slots,
                            .inner = walk.inner,
                            .a_offset = walk.offsets[0],
                            .b_offset = walk.offsets[1]};
    memcpy(params.dims, walk.dims, sizeof params.dims);
    memcpy(params.a_strides, walk.strides[0], sizeof params.a_strides);
    memcpy(params.b_strides, walk.strides[1], sizeof params.b_strides);
    set_alpha(alpha, &params);
    /* The longest: an fmod of floats takes 35 rounds for an element. */
    uint64_t loops = 2 * vkd_loop(4 * VKD_VIEW_DIMS, 0) + vkd_loop(4, vkd_loop(35, 0));
    vkd_shader shader = function < BINARY_BY_MATH ? VKD_SHADER_BINARY : VKD_SHADER_BINARY_MATH;
    vkd_node node = vkd_op_node(lowering, shader, loops, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, walk.groups);
    vkd_node_read(&node, a->tensor);
    vkd_node_read(&node, b->tensor);
    vkd_node_write(&node, y);
    vkd_node_spec(&node, a_type);
    vkd_node_spec(&node, b_type);
    vkd_node_spec(&node, tensor->dtype);
    vkd_node_spec(&node, walk.dim_count);
    vkd_node_spec(&node, walk.whole);
    vkd_node_spec(&node, walk.reads[0]);
    vkd_node_spec(&node, walk.reads[1]);
    vkd_node_spec(&node, (uint32_t)function);
    vkd_node_spec(&node,
                  !vkd_is_float(a_type) && !vkd_is_float(b_type) && !vkd_is_float(tensor->dtype));
    return vkd_op_add_node(lowering, &node, a->tensor, y);
}

/* --------------------------------------------------------------------------------------- triple */

/* Brings an operand that broadcasts to y's dims. */
static vkd_status expand(vkd_lowering *lowering, vkd_view *view, vkd_tensor_id y)
{
    const vkd_tensor tensor = lowering->graph->tensors[y];
    vkd_dtype dtype = lowering->graph->tensors[view->tensor].dtype;
    vkd_tensor_id whole;
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, dtype, tensor.layout,
                                 tensor.rank, tensor.dims, &whole));
    VKD_TRY(vkd_op_move(lowering, view, whole));
    *view = vkd_view_of(lowering->graph, whole);
    return VKD_OK;
}

/* The innermost dims of a walk. */
static void copy_dims(u32 to[VKD_TRIPLE_DIMS], const uint32_t from[VKD_VIEW_DIMS])
{
    memcpy(to, from + VKD_VIEW_DIMS - VKD_TRIPLE_DIMS, VKD_TRIPLE_DIMS * sizeof *to);
}

vkd_status vkd_op_walk_triple(vkd_lowering *lowering, vkd_view operands[3], vkd_tensor_id y,
                              vkd_walk *walk, triple_params *params)
{
    const vkd_tensor tensor = lowering->graph->tensors[y];
    for (int i = 0; i < 3; i++)
        vkd_view_broadcast(&operands[i], tensor.rank, tensor.dims);
    vkd_walk_make(lowering->graph, y, operands, 3, walk);
    for (int i = 0; i < 3 && walk->dim_count > VKD_TRIPLE_DIMS; i++) {
        VKD_TRY(expand(lowering, &operands[i], y));
        vkd_walk_make(lowering->graph, y, operands, 3, walk);
    }
    *params = (triple_params){.groups = walk->groups,
                              .slots = walk->slots,
                              .inner = walk->inner,
                              .a_offset = walk->offsets[0],
                              .b_offset = walk->offsets[1],
                              .c_offset = walk->offsets[2]};
    copy_dims(params->dims, walk->dims);
    copy_dims(params->a_strides, walk->strides[0]);
    copy_dims(params->b_strides, walk->strides[1]);
    copy_dims(params->c_strides, walk->strides[2]);
    return VKD_OK;
}
