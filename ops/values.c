/* Where the model's values lie: the graph's tensors that operators read and write. */
#include "ops/lower.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------------------- constants */

typedef struct plain_constant {
    const void *data;
    size_t size;
} plain_constant;

static void pack_plain(const void *source, void *dst, size_t size)
{
    const plain_constant *constant = source;
    memcpy(dst, constant->data, constant->size);
    memset((char *)dst + constant->size, 0, size - constant->size);
}

/* A constant that is used like an activation. */
static vkd_status add_constant(vkd_lowering *lowering, uint32_t value)
{
    const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
    plain_constant *source = vkd_arena_alloc(lowering->graph->arena, 1, sizeof *source);
    if (!source)
        return vkd_fail_memory(lowering->context, "a constant");
    *source = (plain_constant){tensor->data, tensor->size};
    vkd_tensor_id id;
    VKD_TRY(
        vkd_graph_add_tensor(lowering->graph, VKD_PLACE_CONSTANT, tensor->dtype, VKD_PLAIN, tensor->rank, tensor->dims, &id));
    lowering->graph->tensors[id].pack = pack_plain;
    lowering->graph->tensors[id].source = source;
    lowering->tensors[value] = id;
    return VKD_OK;
}

vkd_status vkd_op_constant(vkd_lowering *lowering, uint64_t bytes, vkd_pack_fn pack, const void *source, size_t source_size,
                           vkd_tensor_id *out)
{
    if (bytes > INT32_MAX)
        return vkd_op_fail(lowering, VKD_UNSUPPORTED, "its weights take %llu bytes: at most 2 GiB are supported",
                           (unsigned long long)bytes);
    void *copy = vkd_arena_alloc(lowering->graph->arena, 1, source_size);
    if (!copy)
        return vkd_fail_memory(lowering->context, "a constant");
    memcpy(copy, source, source_size);
    return vkd_graph_add_buffer(lowering->graph, bytes, pack, copy, out);
}

/* --------------------------------------------------------------------------------------------------------- inputs */

vkd_status vkd_op_input_any(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype, vkd_tensor_id *out)
{
    const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
    if (tensor->dtype != dtype)
        return vkd_op_fail(lowering, VKD_UNSUPPORTED, "value %u has dtype %s, expected %s", value,
                           vkd_dtype_name(tensor->dtype), vkd_dtype_name(dtype));
    if (lowering->tensors[value] == VKD_NO_TENSOR) {
        if (!tensor->data)
            return vkd_op_fail(lowering, VKD_INVALID_MODEL, "value %u is read before an operator has produced it", value);
        VKD_TRY(add_constant(lowering, value));
    }
    *out = lowering->tensors[value];
    return VKD_OK;
}

vkd_status vkd_op_input(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype, vkd_layout layout, vkd_tensor_id *out)
{
    vkd_tensor_id source = VKD_NO_TENSOR;
    VKD_TRY(vkd_op_input_any(lowering, value, dtype, &source));
    const vkd_tensor *tensor = &lowering->graph->tensors[source];
    if (tensor->layout == layout) {
        *out = source;
        return VKD_OK;
    }
    if (lowering->copies[value] == VKD_NO_TENSOR) {
        vkd_tensor_id copy;
        VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, dtype, layout, tensor->rank, tensor->dims, &copy));
        VKD_TRY(vkd_op_copy(lowering, source, copy));
        lowering->copies[value] = copy;
    }
    *out = lowering->copies[value];
    return VKD_OK;
}

/* -------------------------------------------------------------------------------------------------------- outputs */

static vkd_status check_output(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype)
{
    const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
    if (tensor->data || lowering->tensors[value] != VKD_NO_TENSOR)
        return vkd_op_fail(lowering, VKD_INVALID_MODEL, "the output, value %u, is %s", value,
                           tensor->data ? "a constant" : "a graph input or another operator's output");
    if (tensor->dtype != dtype) /* a conversion on the way, for all that is known here: no fault of the file */
        return vkd_op_fail(lowering, VKD_UNSUPPORTED, "the output, value %u, has dtype %s, expected %s", value,
                           vkd_dtype_name(tensor->dtype), vkd_dtype_name(dtype));
    return VKD_OK;
}

static vkd_status add_output(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype, vkd_place place, vkd_layout layout,
                             vkd_tensor_id *out)
{
    const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
    VKD_TRY(check_output(lowering, value, dtype));
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, place, dtype, layout, tensor->rank, tensor->dims, out));
    lowering->tensors[value] = *out;
    return VKD_OK;
}

vkd_status vkd_op_output(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype, vkd_tensor_id *out)
{
    bool boundary = lowering->is_output[value];
    return add_output(lowering, value, dtype, boundary ? VKD_PLACE_OUTPUT : VKD_PLACE_SCRATCH, boundary ? VKD_PLAIN : VKD_4C,
                      out);
}

vkd_status vkd_op_output_4c(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype, vkd_tensor_id *out)
{
    return add_output(lowering, value, dtype, VKD_PLACE_SCRATCH, VKD_4C, out);
}

/* ---------------------------------------------------------------------------------------------------------- checks */

vkd_status vkd_op_dim(vkd_lowering *lowering, int32_t dim, uint32_t rank, uint32_t *out)
{
    int64_t resolved = dim < 0 ? (int64_t)dim + rank : dim;
    if (resolved < 0 || resolved >= rank)
        return vkd_op_fail(lowering, VKD_INVALID_MODEL, "dim %d is out of range for rank %u", dim, rank);
    *out = (uint32_t)resolved;
    return VKD_OK;
}

vkd_status vkd_op_check_dims(vkd_lowering *lowering, uint32_t value, uint32_t rank, const uint32_t *dims)
{
    const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
    if (tensor->rank == rank && !memcmp(tensor->dims, dims, rank * sizeof *dims))
        return VKD_OK;
    vkd_arena *arena = lowering->graph->arena;
    const char *is = vkd_dims_text(arena, tensor->rank, tensor->dims), *expected = vkd_dims_text(arena, rank, dims);
    return vkd_op_fail(lowering, VKD_INVALID_MODEL, "value %u is %s, expected %s", value, is ? is : "?",
                       expected ? expected : "?");
}

/* ---------------------------------------------------------------------------------------------------------- shapes */

/* Whether the elements lie in row-major order without gaps between them. */
static bool is_flat(const vkd_tensor *t)
{
    return t->layout == VKD_PLAIN || (t->h * t->w == 1 && (t->c % 4 == 0 || t->n == 1));
}

bool vkd_same_order(const vkd_tensor *a, const vkd_tensor *b)
{
    if (a->layout == b->layout && a->n == b->n && a->c == b->c && a->h * a->w == b->h * b->w)
        return true;
    return is_flat(a) && is_flat(b);
}

vkd_status vkd_op_reshape(vkd_lowering *lowering, vkd_tensor_id src, uint32_t value)
{
    vkd_graph *graph = lowering->graph;
    vkd_tensor_id dst;
    VKD_TRY(vkd_op_output(lowering, value, graph->tensors[src].dtype, &dst));
    const vkd_tensor *from = &graph->tensors[src];
    vkd_tensor *to = &graph->tensors[dst];
    if (from->place == VKD_PLACE_SCRATCH && to->place == VKD_PLACE_SCRATCH && vkd_same_order(from, to)) {
        to->storage = from->storage; /* a view */
        return VKD_OK;
    }
    return vkd_op_copy(lowering, src, dst);
}
