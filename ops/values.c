/* Where the model's values lie: the graph's tensors that operators read and write. */
#include "ops/lower.h"
#include "runtime/base/element.h"
#include "shaders/element_params.h"
#include "shaders/move_params.h"

#include <string.h>

_Static_assert(VKD_ELEMENT_BOOL == VKD_DTYPE_BOOL && VKD_ELEMENT_U8 == VKD_DTYPE_UINT8 &&
                   VKD_ELEMENT_I8 == VKD_DTYPE_INT8 && VKD_ELEMENT_I32 == VKD_DTYPE_INT32 &&
                   VKD_ELEMENT_F16 == VKD_DTYPE_FLOAT16 && VKD_ELEMENT_F32 == VKD_DTYPE_FLOAT32,
               "kernels get a tensor's dtype as it is");

static bool may_alias(const vkd_tensor *from, const vkd_tensor *to);

/* Whether a view's elements lie in its tensor's memory as they would in y's. */
static bool lies_there(const vkd_graph *graph, const vkd_view *view, vkd_tensor_id y)
{
    vkd_walk walk;
    vkd_walk_make(graph, y, view, 1, &walk);
    return walk.reads[0] == VKD_READ_SAME &&
           graph->tensors[y].bytes <= graph->tensors[view->tensor].bytes &&
           may_alias(&graph->tensors[view->tensor], &graph->tensors[y]);
}

/* Brings what is only a view into one piece. */
static vkd_status materialise(vkd_lowering *lowering, uint32_t value, vkd_layout layout)
{
    const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
    bool boundary = layout == VKD_ROWS && lowering->use[value].is_output;
    vkd_tensor_id y;
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, boundary ? VKD_PLACE_OUTPUT : VKD_PLACE_SCRATCH,
                                 tensor->dtype, layout, tensor->rank, tensor->dims, &y));
    vkd_tensor *tensors = lowering->graph->tensors;
    const vkd_view *view = &lowering->views[value];
    if (lies_there(lowering->graph, view, y))
        tensors[y].storage = tensors[view->tensor].storage;
    else
        VKD_TRY(vkd_op_move(lowering, view, y));
    lowering->tensors[value] = y;
    return VKD_OK;
}

/* ------------------------------------------------------------------------------------ constants */

static void pack_plain(const void *source, void *dst, size_t size)
{
    const vkd_content *constant = source;
    size_t used = constant->data ? constant->size : 0; /* a state may begin as zeros */
    if (used)
        memcpy(dst, constant->data, used);
    memset((char *)dst + used, 0, size - used);
}

/* A constant of the file as it is, to be used like an activation or as the beginning of a state. */
static vkd_status add_constant(vkd_lowering *lowering, uint32_t constant, vkd_place place,
                               vkd_tensor_id *out)
{
    const vkd_model_tensor *tensor = vkd_value_tensor(lowering, constant);
    vkd_content *source = vkd_arena_alloc(lowering->graph->arena, 1, sizeof *source);
    if (!source)
        return vkd_fail_memory(lowering->context, "a constant");
    *source = vkd_op_content(lowering, constant);
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, place, tensor->dtype, VKD_ROWS, tensor->rank,
                                 tensor->dims, out));
    vkd_tensor *added = &lowering->graph->tensors[*out];
    added->pack = pack_plain;
    added->source = source;
    added->source_size = sizeof *source;
    added->contents = 1;
    return VKD_OK;
}

vkd_status vkd_op_symbol(vkd_lowering *lowering, vkd_sym sym, vkd_tensor_id otherwise,
                         vkd_tensor_id *out_tensor, uint32_t *out_word)
{
    *out_tensor = otherwise;
    *out_word = VKD_NO_VALUE;
    if (sym.value == VKD_NO_VALUE)
        return VKD_OK;
    VKD_TRY(vkd_graph_add_symbol(lowering->graph, sym.value, out_word));
    *out_tensor = lowering->graph->symbols;
    return VKD_OK;
}

vkd_content vkd_op_content(const vkd_lowering *lowering, uint32_t value)
{
    if (value == VKD_NO_VALUE)
        return (vkd_content){0};
    const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
    return (vkd_content){tensor->data, tensor->data ? tensor->size : 0};
}

bool vkd_op_constant_view(const vkd_lowering *lowering, const vkd_view *view, vkd_content *out)
{
    const vkd_tensor *tensor = &lowering->graph->tensors[view->tensor];
    if (tensor->place != VKD_PLACE_CONSTANT || tensor->pack != pack_plain)
        return false;
    *out = *(const vkd_content *)tensor->source;
    return out->data;
}

vkd_status vkd_op_constant(vkd_lowering *lowering, uint64_t bytes, vkd_pack_fn pack,
                           const void *source, size_t source_size, size_t contents,
                           vkd_tensor_id *out)
{
    if (bytes > INT32_MAX)
        return vkd_op_fail(lowering, VKD_UNSUPPORTED,
                           "its weights take %llu bytes: at most 2 GiB are supported",
                           (unsigned long long)bytes);
    void *copy = vkd_arena_alloc(lowering->graph->arena, 1, source_size);
    if (!copy)
        return vkd_fail_memory(lowering->context, "a constant");
    memcpy(copy, source, source_size);
    VKD_TRY(vkd_graph_add_buffer(lowering->graph, bytes, pack, copy, out));
    lowering->graph->tensors[*out].source_size = source_size;
    lowering->graph->tensors[*out].contents = contents;
    return VKD_OK;
}

vkd_status vkd_op_constant_tensor(vkd_lowering *lowering, vkd_dtype dtype, uint32_t rank,
                                  const uint32_t *dims, vkd_pack_fn pack, const void *source,
                                  size_t source_size, size_t contents, vkd_tensor_id *out)
{
    void *copy = vkd_arena_alloc(lowering->graph->arena, 1, source_size);
    if (!copy)
        return vkd_fail_memory(lowering->context, "a constant");
    memcpy(copy, source, source_size);
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_CONSTANT, dtype, VKD_ROWS, rank, dims,
                                 out));
    vkd_tensor *added = &lowering->graph->tensors[*out];
    added->pack = pack;
    added->source = copy;
    added->source_size = source_size;
    added->contents = contents;
    return VKD_OK;
}

vkd_status vkd_op_state(vkd_lowering *lowering, uint32_t value, vkd_tensor_id *out)
{
    const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
    *out = lowering->tensors[value];
    if (*out != VKD_NO_TENSOR && lowering->graph->tensors[*out].place == VKD_PLACE_STATE)
        return VKD_OK;
    if (*out != VKD_NO_TENSOR || !tensor->state)
        return vkd_op_fail_value(lowering, VKD_INVALID_MODEL, value,
                                 "is written in place, expected a buffer of the model");
    VKD_TRY(add_constant(lowering, value, VKD_PLACE_STATE, out));
    lowering->tensors[value] = *out;
    lowering->graph->tensors[*out].state = value + 1;
    return VKD_OK;
}

vkd_status vkd_op_output_state(vkd_lowering *lowering, uint32_t value, uint32_t constant)
{
    if (!vkd_value_tensor(lowering, constant)->data || !vkd_value_tensor(lowering, value)->state ||
        lowering->tensors[value] != VKD_NO_TENSOR)
        return vkd_op_fail_value(
            lowering, VKD_INVALID_MODEL, value,
            "is a buffer of the model, expected one that starts as a constant");
    VKD_TRY(add_constant(lowering, constant, VKD_PLACE_STATE, &lowering->tensors[value]));
    lowering->graph->tensors[lowering->tensors[value]].state = value + 1;
    return VKD_OK;
}

/* ------------------------------------------------------------------------------ what is put off */

/* As an operator's output it would be refused. */
static bool is_made(const vkd_lowering *lowering, uint32_t value)
{
    return vkd_value_tensor(lowering, value)->data || lowering->tensors[value] != VKD_NO_TENSOR ||
           lowering->views[value].tensor != VKD_NO_TENSOR || lowering->late[value].make;
}

bool vkd_op_may_be_late(const vkd_lowering *lowering, uint32_t value, const uint32_t *operands,
                        size_t count)
{
    const vkd_model_tensor *y = vkd_value_tensor(lowering, value);
    bool may = !lowering->use[value].is_output && !y->state && !is_made(lowering, value);
    for (size_t i = 0; may && i < count; i++) {
        const vkd_model_tensor *x = vkd_value_tensor(lowering, operands[i]);
        const vkd_tensor_id tensor = lowering->tensors[operands[i]];
        may = !x->state &&
              (tensor == VKD_NO_TENSOR ? x->data || lowering->late[operands[i]].make
                                       : lowering->graph->tensors[tensor].place != VKD_PLACE_STATE);
    }
    return may;
}

void vkd_op_put_off(vkd_lowering *lowering, uint32_t value, vkd_late_fn make)
{
    lowering->late[value] = (vkd_late){lowering->call, make};
}

const vkd_call *vkd_op_late(const vkd_lowering *lowering, uint32_t value, vkd_late_fn make)
{
    const vkd_late *late = &lowering->late[value];
    return late->make == make ? late->call : NULL;
}

vkd_status vkd_op_make_late(vkd_lowering *lowering, uint32_t value)
{
    const vkd_late late = lowering->late[value];
    const vkd_call *call = lowering->call;
    if (!late.make)
        return VKD_OK;
    lowering->late[value].make = NULL;
    lowering->call = late.call;
    const vkd_status status = late.make(lowering, late.call->args, value);
    lowering->call = call;
    return status;
}

/* --------------------------------------------------------------------------------------- inputs */

vkd_status vkd_op_input_any(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype,
                            vkd_tensor_id *out)
{
    VKD_TRY(vkd_op_make_late(lowering, value));
    if (vkd_value_tensor(lowering, value)->state &&
        vkd_value_tensor(lowering, value)->dtype == dtype)
        return vkd_op_state(lowering, value, out);
    const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
    if (tensor->dtype != dtype)
        return vkd_op_fail_value(lowering, VKD_UNSUPPORTED, value, "has dtype %s, expected %s",
                                 vkd_dtype_name(tensor->dtype), vkd_dtype_name(dtype));
    if (lowering->tensors[value] == VKD_NO_TENSOR && lowering->views[value].tensor != VKD_NO_TENSOR)
        VKD_TRY(materialise(lowering, value, VKD_ROWS));
    if (lowering->tensors[value] == VKD_NO_TENSOR) {
        if (!tensor->data)
            return vkd_op_fail_value(lowering, VKD_INVALID_MODEL, value,
                                     "is read before an operator has produced it, expected an "
                                     "input, a constant or an earlier result");
        VKD_TRY(add_constant(lowering, value, VKD_PLACE_CONSTANT, &lowering->tensors[value]));
    }
    *out = lowering->tensors[value];
    return VKD_OK;
}

vkd_layout vkd_op_layout(const vkd_lowering *lowering, const uint32_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        vkd_tensor_id tensor =
            values[i] == VKD_NO_VALUE ? VKD_NO_TENSOR : lowering->tensors[values[i]];
        if (tensor != VKD_NO_TENSOR && lowering->graph->tensors[tensor].layout == VKD_4C &&
            lowering->copies[values[i]] == VKD_NO_TENSOR)
            return VKD_4C;
    }
    return VKD_ROWS;
}

/* Without work where the bytes are the same. */
static vkd_status other_layout(vkd_lowering *lowering, vkd_tensor_id source, vkd_tensor_id copy)
{
    vkd_tensor *from = &lowering->graph->tensors[source], *to = &lowering->graph->tensors[copy];
    if (!may_alias(from, to) || !vkd_same_order(from, to))
        return vkd_op_copy(lowering, source, copy);
    to->storage = from->storage;
    return VKD_OK;
}

vkd_status vkd_op_check_floats(vkd_lowering *lowering, const uint32_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (values[i] == VKD_NO_VALUE)
            continue;
        const vkd_dtype dtype = vkd_value_tensor(lowering, values[i])->dtype;
        if (!vkd_is_float(dtype))
            return vkd_op_fail_value(lowering, VKD_UNSUPPORTED, values[i],
                                     "has dtype %s, expected f32 or f16", vkd_dtype_name(dtype));
    }
    return VKD_OK;
}

vkd_status vkd_op_input(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype, vkd_layout layout,
                        vkd_tensor_id *out)
{
    vkd_tensor_id source = VKD_NO_TENSOR;
    VKD_TRY(vkd_op_make_late(lowering, value));
    if (lowering->tensors[value] == VKD_NO_TENSOR && lowering->views[value].tensor != VKD_NO_TENSOR)
        VKD_TRY(materialise(lowering, value, layout));
    VKD_TRY(vkd_op_input_any(lowering, value, dtype, &source));
    const vkd_tensor *tensor = &lowering->graph->tensors[source];
    if (tensor->layout == layout) {
        *out = source;
        return VKD_OK;
    }
    if (lowering->copies[value] == VKD_NO_TENSOR) {
        vkd_tensor_id copy;
        VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, dtype, layout,
                                     tensor->rank, tensor->dims, &copy));
        VKD_TRY(other_layout(lowering, source, copy));
        lowering->copies[value] = copy;
    }
    *out = lowering->copies[value];
    return VKD_OK;
}

vkd_status vkd_op_input_as(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype, uint32_t rank,
                           const uint32_t *dims, vkd_tensor_id *out)
{
    const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
    vkd_tensor_id rows;
    vkd_view x, view;
    if (tensor->dtype != dtype || /* which is said there */
        (tensor->rank == rank && !memcmp(tensor->dims, dims, rank * sizeof *dims)))
        return vkd_op_input(lowering, value, dtype, VKD_4C, out);
    VKD_TRY(vkd_op_view(lowering, value, &x));
    if (!vkd_view_reshape(&x, rank, dims, &view)) {
        VKD_TRY(vkd_op_input(lowering, value, dtype, VKD_ROWS, &rows));
        x = vkd_view_of(lowering->graph, rows);
        (void)vkd_view_reshape(&x, rank, dims, &view); /* not where it has no elements */
    }
    VKD_TRY(
        vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, dtype, VKD_4C, rank, dims, out));
    return vkd_op_move(lowering, &view, *out);
}

/* -------------------------------------------------------------------------------------- outputs */

static vkd_status check_output(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype)
{
    const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
    if (is_made(lowering, value) && !tensor->state)
        return vkd_op_fail_value(
            lowering, VKD_INVALID_MODEL, value, "is %s, expected a value that nothing else makes",
            tensor->data ? "a constant" : "a graph input or another operator's output");
    if (tensor->dtype !=
        dtype) /* a conversion on the way, for all that is known here: no fault of the file */
        return vkd_op_fail_value(lowering, VKD_UNSUPPORTED, value, "has dtype %s, expected %s",
                                 vkd_dtype_name(tensor->dtype), vkd_dtype_name(dtype));
    return VKD_OK;
}

/* Beside a state, which it becomes when the call is over. */
static vkd_status output_beside(vkd_lowering *lowering, uint32_t value, vkd_tensor_id *out)
{
    const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
    vkd_written_state *grown =
        vkd_arena_grow(lowering->graph->arena, lowering->written, lowering->written_count,
                       &lowering->written_capacity, sizeof *grown);
    if (!grown)
        return vkd_fail_memory(lowering->context, "a state");
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, tensor->dtype, VKD_ROWS,
                                 tensor->rank, tensor->dims, out));
    lowering->written = grown;
    grown[lowering->written_count++] = (vkd_written_state){value, *out};
    return VKD_OK;
}

vkd_status vkd_op_finish_states(vkd_lowering *lowering)
{
    for (size_t i = 0; i < lowering->written_count; i++) {
        const vkd_view result = vkd_view_of(lowering->graph, lowering->written[i].result);
        vkd_tensor_id state;
        VKD_TRY(vkd_op_state(lowering, lowering->written[i].value, &state));
        VKD_TRY(vkd_op_move(lowering, &result, state));
        lowering->copies[lowering->written[i].value] = VKD_NO_TENSOR; /* of what it was */
    }
    lowering->written_count = 0;
    return VKD_OK;
}

vkd_status vkd_op_output_in(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype,
                            vkd_layout layout, vkd_tensor_id *out)
{
    const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
    if (tensor->state) {
        VKD_TRY(check_output(lowering, value, dtype));
        return output_beside(lowering, value, out);
    }
    bool boundary = layout == VKD_ROWS && lowering->use[value].is_output;
    VKD_TRY(check_output(lowering, value, dtype));
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, boundary ? VKD_PLACE_OUTPUT : VKD_PLACE_SCRATCH,
                                 dtype, layout, tensor->rank, tensor->dims, out));
    lowering->tensors[value] = *out;
    return VKD_OK;
}

vkd_status vkd_op_output(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype,
                         vkd_tensor_id *out)
{
    bool rows = lowering->use[value].is_output || vkd_value_tensor(lowering, value)->rank > 4;
    return vkd_op_output_in(lowering, value, dtype, rows ? VKD_ROWS : VKD_4C, out);
}

vkd_status vkd_op_output_4c(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype,
                            vkd_tensor_id *out)
{
    return vkd_op_output_in(lowering, value, dtype, VKD_4C, out);
}

vkd_status vkd_op_output_is(vkd_lowering *lowering, uint32_t value, vkd_tensor_id tensor)
{
    VKD_TRY(check_output(lowering, value, lowering->graph->tensors[tensor].dtype));
    if (vkd_value_tensor(lowering, value)->state) {
        const vkd_view all = vkd_view_of(lowering->graph, tensor);
        return vkd_op_output_view(lowering, value, &all);
    }
    lowering->tensors[value] = tensor;
    return VKD_OK;
}

/* ---------------------------------------------------------------------------------------- views */

vkd_status vkd_op_view(vkd_lowering *lowering, uint32_t value, vkd_view *out)
{
    vkd_tensor_id tensor;
    VKD_TRY(vkd_op_make_late(lowering, value));
    *out = lowering->views[value];
    if (lowering->tensors[value] == VKD_NO_TENSOR && out->tensor != VKD_NO_TENSOR)
        return VKD_OK;
    VKD_TRY(vkd_op_input_any(lowering, value, vkd_value_tensor(lowering, value)->dtype, &tensor));
    *out = vkd_view_of(lowering->graph, tensor);
    return VKD_OK;
}

vkd_status vkd_op_output_view(vkd_lowering *lowering, uint32_t value, const vkd_view *view)
{
    VKD_TRY(check_output(lowering, value, lowering->graph->tensors[view->tensor].dtype));
    if (vkd_value_tensor(lowering, value)->state) {
        vkd_tensor_id result;
        VKD_TRY(output_beside(lowering, value, &result));
        return vkd_op_move(lowering, view, result);
    }
    lowering->views[value] = *view;
    /* What is written in place later must be read before. */
    bool changes = lowering->graph->tensors[view->tensor].place == VKD_PLACE_STATE;
    return changes || lowering->use[value].is_output ? materialise(lowering, value, VKD_ROWS)
                                                     : VKD_OK;
}

static vkd_status add_move(vkd_lowering *lowering, const vkd_view *x,
                           const vkd_symbol_offset *offset, vkd_tensor_id y)
{
    vkd_walk walk;
    vkd_walk_make(lowering->graph, y, x, 1, &walk);
    vkd_tensor_id symbols;
    uint32_t word;
    VKD_TRY(vkd_op_symbol(lowering, offset->number, x->tensor, &symbols, &word));
    move_params params = {.groups = walk.groups,
                          .slots = walk.slots,
                          .inner = walk.inner,
                          .x_offset = walk.offsets[0],
                          .symbol = word,
                          .symbol_stride = (uint32_t)offset->stride,
                          .symbol_size = offset->size,
                          .symbol_most = offset->most};
    memcpy(params.dims, walk.dims, sizeof params.dims);
    memcpy(params.x_strides, walk.strides[0], sizeof params.x_strides);
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_MOVE, vkd_loop(4 * VKD_VIEW_DIMS, 0), &params,
                                sizeof params);
    vkd_node_linear(&node, lowering->caps, walk.groups);
    vkd_node_read(&node, x->tensor);
    vkd_node_read(&node, symbols);
    vkd_node_write(&node, y);
    vkd_node_spec(&node, lowering->graph->tensors[x->tensor].dtype);
    vkd_node_spec(&node, lowering->graph->tensors[y].dtype);
    vkd_node_spec(&node, walk.rank);
    vkd_node_spec(&node, walk.whole);
    return vkd_op_add_node(lowering, &node, x->tensor, y);
}

vkd_status vkd_op_move(vkd_lowering *lowering, const vkd_view *x, vkd_tensor_id y)
{
    return add_move(lowering, x, &(vkd_symbol_offset){.number = VKD_NO_SYMBOL}, y);
}

vkd_status vkd_op_straighten(vkd_lowering *lowering, const vkd_view *x, const uint32_t *order,
                             uint32_t count, vkd_view *out)
{
    vkd_view part = {.tensor = x->tensor, .offset = x->offset, .rank = count};
    vkd_tensor_id copy;
    for (uint32_t i = 0; i < count; i++) {
        part.dims[i] = x->dims[order[i]];
        part.strides[i] = x->strides[order[i]];
    }
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH,
                                 lowering->graph->tensors[x->tensor].dtype, VKD_ROWS, count,
                                 part.dims, &copy));
    VKD_TRY(vkd_op_move(lowering, &part, copy));
    const vkd_view whole = vkd_view_of(lowering->graph, copy);
    *out = *x;
    out->tensor = copy;
    out->offset = 0;
    for (uint32_t i = 0; i < count; i++)
        out->strides[order[i]] = whole.strides[i];
    return VKD_OK;
}

vkd_status vkd_op_output_moved(vkd_lowering *lowering, uint32_t value, const vkd_view *view,
                               const vkd_symbol_offset *offset)
{
    vkd_tensor_id y;
    VKD_TRY(vkd_op_output_in(lowering, value, lowering->graph->tensors[view->tensor].dtype,
                             VKD_ROWS, &y));
    return add_move(lowering, view, offset, y);
}

/* --------------------------------------------------------------------------------------- shapes */

void vkd_op_listed(const vkd_int_list *list, uint32_t rank, bool out[VKD_MAX_RANK])
{
    for (uint32_t i = 0; i < VKD_MAX_RANK; i++)
        out[i] = list->count == 0 && i < rank;
    for (size_t i = 0; i < list->count && rank; i++)
        out[(uint32_t)list->items[i] + (list->items[i] < 0 ? rank : 0)] = true;
}

/* Whether the elements lie in row-major order without gaps between them. */
static bool is_flat(const vkd_tensor *t)
{
    return t->layout == VKD_ROWS || (t->h * t->w == 1 && (t->c % 4 == 0 || t->n == 1));
}

bool vkd_same_order(const vkd_tensor *a, const vkd_tensor *b)
{
    if (a->layout == b->layout && a->n == b->n && a->c == b->c && a->h * a->w == b->h * b->w)
        return true;
    return is_flat(a) && is_flat(b);
}

/* What the elements of src become under another value's dims: ROWS stays ROWS; 4C stays 4C where
 * the bytes stay, and for int8. */
static vkd_layout reshaped_layout(const vkd_lowering *lowering, const vkd_tensor *src,
                                  uint32_t value)
{
    const vkd_model_tensor *to = vkd_value_tensor(lowering, value);
    if (src->layout == VKD_ROWS || lowering->use[value].is_output || to->rank > 4)
        return VKD_ROWS;
    if (src->dtype == VKD_DTYPE_INT8)
        return VKD_4C;
    vkd_tensor dst = {.layout = VKD_4C, .rank = to->rank};
    vkd_dims_nchw(to->rank, to->dims, &dst);
    return vkd_same_order(src, &dst) ? VKD_4C : VKD_ROWS;
}

/* Whether a tensor's memory may be seen under another name: what the host writes or what is written
 * in place stays apart. */
static bool may_alias(const vkd_tensor *from, const vkd_tensor *to)
{
    return from->place == VKD_PLACE_SCRATCH && to->place == VKD_PLACE_SCRATCH;
}

vkd_status vkd_op_reshape(vkd_lowering *lowering, vkd_tensor_id src, uint32_t value)
{
    vkd_graph *graph = lowering->graph;
    vkd_tensor_id dst;
    const vkd_dtype dtype = graph->tensors[src].dtype;
    VKD_TRY(vkd_op_output_in(lowering, value, dtype,
                             reshaped_layout(lowering, &graph->tensors[src], value), &dst));
    const vkd_tensor *from = &graph->tensors[src];
    vkd_tensor *to = &graph->tensors[dst];
    if (may_alias(from, to) && vkd_same_order(from, to)) {
        to->storage = from->storage; /* a view */
        return VKD_OK;
    }
    return vkd_op_copy(lowering, src, dst);
}
