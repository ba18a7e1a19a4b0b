#include "ops/ops.h"
#include "shaders/cat_params.h"

typedef struct cat_args {
    vkd_tensor_list parts;
    int32_t dim;
    uint32_t y;
} cat_args;

static const vkd_param cat_parameters[] = {
    VKD_TENSOR_LIST(cat_args, parts),
    VKD_INT(cat_args, dim),
    VKD_OUTPUT(cat_args, y),
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

/* The parts' dims must be the output's, but for `dim`, where they add up to it. */
static vkd_status check_shapes(vkd_lowering *lowering, const cat_args *args, enum axis *out)
{
    const vkd_model_tensor *y = vkd_value_tensor(lowering, args->y);
    uint32_t dim = 0;
    VKD_TRY(vkd_op_dim(lowering, args->dim, y->rank, &dim));
    if (y->rank > 4)
        return vkd_op_fail(lowering, VKD_UNSUPPORTED, "a result of rank %u: at most 4 dims are supported", y->rank);
    uint64_t sum = 0;
    for (size_t i = 0; i < args->parts.count; i++) {
        const vkd_model_tensor *part = vkd_value_tensor(lowering, args->parts.values[i]);
        bool fits = part->rank == y->rank;
        for (uint32_t d = 0; fits && d < y->rank; d++)
            fits = d == dim || part->dims[d] == y->dims[d];
        if (!fits)
            return vkd_op_fail(lowering, VKD_INVALID_MODEL, "part %zu, value %u, does not fit the output", i,
                               args->parts.values[i]);
        sum += part->dims[dim];
    }
    if (sum != y->dims[dim])
        return vkd_op_fail(lowering, VKD_INVALID_MODEL, "the parts have %llu elements along dim %d, the output %u",
                           (unsigned long long)sum, args->dim, y->dims[dim]);
    *out = axes[y->rank][dim];
    return VKD_OK;
}

/* Copies part x to where it begins in y: `at` along the axis. */
static vkd_status add_part(vkd_lowering *lowering, vkd_tensor_id x_id, vkd_tensor_id y_id, enum axis axis, uint32_t at)
{
    const vkd_tensor *x = &lowering->graph->tensors[x_id], *y = &lowering->graph->tensors[y_id];
    uint32_t size = (uint32_t)vkd_dtype_size(y->dtype), per_word = 4 / size, c_at = axis == AXIS_C ? at : 0;
    uint32_t part = (uint32_t)vkd_divide_up(c_at % per_word + x->c, per_word); /* words of a pixel, as in the shader */
    cat_params params = {
        .words = x->n * x->h * x->w * part,
        .n_at = axis == AXIS_N ? at : 0,
        .h_at = axis == AXIS_H ? at : 0,
        .w_at = axis == AXIS_W ? at : 0,
    };
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_CAT, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.words);
    vkd_node_read(&node, x_id);
    vkd_node_write(&node, y_id);
    vkd_node_spec(&node, size);
    vkd_node_spec(&node, x->c);
    vkd_node_spec(&node, x->h);
    vkd_node_spec(&node, x->w);
    vkd_node_spec(&node, y->c);
    vkd_node_spec(&node, y->h);
    vkd_node_spec(&node, y->w);
    vkd_node_spec(&node, c_at);
    return vkd_op_add_node(lowering, &node, x_id, y_id);
}

vkd_status vkd_lower_cat(vkd_lowering *lowering)
{
    cat_args args;
    enum axis axis = AXIS_N;
    vkd_tensor_id x, y;
    VKD_TRY(vkd_op_args(lowering, cat_parameters, &args));
    VKD_TRY(check_shapes(lowering, &args, &axis));
    vkd_dtype dtype = vkd_value_tensor(lowering, args.y)->dtype;
    if (vkd_dtype_size(dtype) != 1 && vkd_dtype_size(dtype) != 4)
        return vkd_op_fail(lowering, VKD_UNSUPPORTED, "a concatenation of %s: 8-bit and 32-bit types are supported",
                           vkd_dtype_name(dtype));
    VKD_TRY(vkd_op_output_4c(lowering, args.y, dtype, &y));
    uint32_t at = 0;
    for (size_t i = 0; i < args.parts.count; i++) {
        VKD_TRY(vkd_op_input(lowering, args.parts.values[i], dtype, VKD_4C, &x));
        VKD_TRY(add_part(lowering, x, y, axis, at));
        const vkd_tensor *part = &lowering->graph->tensors[x];
        at += axis == AXIS_N ? part->n : axis == AXIS_C ? part->c : axis == AXIS_H ? part->h : part->w;
    }
    return VKD_OK;
}
