#include "ops/ops.h"
#include "shaders/copy_params.h"

#include <string.h>

/* ---------------------------------------------------------------------------------------------------------- copies */

static bool is_dense(const vkd_tensor *t) { return t->layout == VKD_PLAIN || t->c % 4 == 0; }

/* Whether dst's bytes are src's: elements in the same order, and no padding, which a copy would have to clear. */
static bool is_memcpy(const vkd_tensor *src, const vkd_tensor *dst)
{
    return vkd_same_order(src, dst) && is_dense(src) && is_dense(dst);
}

static void add_shape_specs(vkd_node *node, const vkd_tensor *t, bool whole)
{
    vkd_node_spec(node, whole ? VKD_PLAIN : t->layout);
    vkd_node_spec(node, whole ? 1 : t->c);
    vkd_node_spec(node, whole ? 1 : t->h);
    vkd_node_spec(node, whole ? 1 : t->w);
}

vkd_status vkd_op_copy(vkd_lowering *lowering, vkd_tensor_id src, vkd_tensor_id dst)
{
    const vkd_tensor *from = &lowering->graph->tensors[src], *to = &lowering->graph->tensors[dst];
    uint32_t size = (uint32_t)vkd_dtype_size(to->dtype);
    if (size != 1 && size != 4)
        return vkd_op_fail(lowering, VKD_UNSUPPORTED, "a copy of %s: 8-bit and 32-bit types are supported",
                           vkd_dtype_name(to->dtype));
    copy_params params = {.words = vkd_tensor_groups(to) * size, .src_n = from->n, .dst_n = to->n};
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_COPY, vkd_loop(4, 0), &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.words);
    vkd_node_read(&node, src);
    vkd_node_write(&node, dst);
    bool whole = is_memcpy(from, to);
    vkd_node_spec(&node, size);
    add_shape_specs(&node, from, whole);
    add_shape_specs(&node, to, whole);
    return vkd_op_add_node(lowering, &node, src, dst);
}

/* ----------------------------------------------------------------------------------------------------------- views */

/* y is x under y's own dims, whatever they are. */
static vkd_status lower_reshape(vkd_lowering *lowering, uint32_t x, uint32_t y)
{
    const vkd_model_tensor *from = vkd_value_tensor(lowering, x), *to = vkd_value_tensor(lowering, y);
    vkd_tensor_id src;
    uint64_t count = vkd_dims_count(from->rank, from->dims);
    if (vkd_dims_count(to->rank, to->dims) != count)
        return vkd_op_fail(lowering, VKD_INVALID_MODEL, "the output has %llu elements, the input %llu",
                           (unsigned long long)vkd_dims_count(to->rank, to->dims), (unsigned long long)count);
    VKD_TRY(vkd_op_input_any(lowering, x, from->dtype, &src));
    return vkd_op_reshape(lowering, src, y);
}

typedef struct view_args {
    uint32_t x;
    vkd_int_list size; /* at most one is -1: what the others leave */
    uint32_t y;
} view_args;

static const vkd_param view_parameters[] = {
    VKD_TENSOR(view_args, x),
    VKD_INT_LIST(view_args, size),
    VKD_OUTPUT(view_args, y),
    VKD_PARAMS_END,
};

vkd_status vkd_lower_view(vkd_lowering *lowering)
{
    view_args args;
    VKD_TRY(vkd_op_args(lowering, view_parameters, &args));
    const vkd_model_tensor *y = vkd_value_tensor(lowering, args.y);
    uint32_t dims[VKD_MAX_RANK];
    for (size_t i = 0; i < args.size.count; i++)
        dims[i] = args.size.items[i] == -1 && i < y->rank ? y->dims[i] : (uint32_t)args.size.items[i];
    VKD_TRY(vkd_op_check_dims(lowering, args.y, (uint32_t)args.size.count, dims));
    return lower_reshape(lowering, args.x, args.y);
}

/* --------------------------------------------------------------------------------------------- squeeze, unsqueeze */

typedef struct squeeze_args {
    uint32_t x;
    int32_t dim;
    vkd_int_list dims;
    uint32_t y;
} squeeze_args;

static const vkd_param dim_parameters[] = {
    VKD_TENSOR(squeeze_args, x),
    VKD_INT(squeeze_args, dim),
    VKD_OUTPUT(squeeze_args, y),
    VKD_PARAMS_END,
};

static const vkd_param dims_parameters[] = {
    VKD_TENSOR(squeeze_args, x),
    VKD_INT_LIST(squeeze_args, dims),
    VKD_OUTPUT(squeeze_args, y),
    VKD_PARAMS_END,
};

/* The listed dims go where they are 1. */
static vkd_status squeeze(vkd_lowering *lowering, uint32_t x, const int32_t *list, size_t count, uint32_t y)
{
    const vkd_model_tensor *from = vkd_value_tensor(lowering, x);
    bool listed[VKD_MAX_RANK] = {false};
    for (size_t i = 0; i < count; i++) {
        uint32_t dim = 0;
        VKD_TRY(vkd_op_dim(lowering, list[i], from->rank, &dim));
        listed[dim] = true;
    }
    uint32_t dims[VKD_MAX_RANK], rank = 0;
    for (uint32_t i = 0; i < from->rank; i++)
        if (!listed[i] || from->dims[i] != 1)
            dims[rank++] = from->dims[i];
    VKD_TRY(vkd_op_check_dims(lowering, y, rank, dims));
    return lower_reshape(lowering, x, y);
}

vkd_status vkd_lower_squeeze_dim(vkd_lowering *lowering)
{
    squeeze_args args;
    VKD_TRY(vkd_op_args(lowering, dim_parameters, &args));
    return squeeze(lowering, args.x, &args.dim, 1, args.y);
}

vkd_status vkd_lower_squeeze_dims(vkd_lowering *lowering)
{
    squeeze_args args;
    VKD_TRY(vkd_op_args(lowering, dims_parameters, &args));
    return squeeze(lowering, args.x, args.dims.items, args.dims.count, args.y);
}

vkd_status vkd_lower_unsqueeze(vkd_lowering *lowering)
{
    squeeze_args args;
    uint32_t dims[VKD_MAX_RANK + 1], at = 0;
    VKD_TRY(vkd_op_args(lowering, dim_parameters, &args));
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args.x);
    VKD_TRY(vkd_op_dim(lowering, args.dim, x->rank + 1, &at));
    memcpy(dims, x->dims, at * sizeof dims[0]);
    dims[at] = 1;
    memcpy(dims + at + 1, x->dims + at, (x->rank - at) * sizeof dims[0]);
    VKD_TRY(vkd_op_check_dims(lowering, args.y, x->rank + 1, dims));
    return lower_reshape(lowering, args.x, args.y);
}

/* ----------------------------------------------------------------------------------------------------------- clone */

typedef struct clone_args {
    uint32_t x, y;
} clone_args;

static const vkd_param clone_parameters[] = {
    VKD_TENSOR(clone_args, x),
    VKD_IGNORED("memory_format"),
    VKD_OUTPUT(clone_args, y),
    VKD_PARAMS_END,
};

vkd_status vkd_lower_clone(vkd_lowering *lowering)
{
    clone_args args;
    VKD_TRY(vkd_op_args(lowering, clone_parameters, &args));
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args.x);
    VKD_TRY(vkd_op_check_dims(lowering, args.y, x->rank, x->dims));
    return lower_reshape(lowering, args.x, args.y);
}
