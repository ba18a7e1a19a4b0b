#include "graph/operators.h"
#include "ops/tables.h"
#include "ops/requantize.h"
#include "shaders/mean_params.h"
#include "shaders/q8_mean_params.h"

#include <math.h>

/* ------------------------------------------------------------------------------------------------------ mean.dim */

static const vkd_param mean_parameters[] = {
    VKD_TENSOR(reduce_args, x), VKD_INT_LIST(reduce_args, dims), VKD_BOOL(reduce_args, keepdim),
    VKD_IGNORED("dtype"),       VKD_OUTPUT(reduce_args, y),      VKD_PARAMS_END,
};

/* dims of x with those that are reduced as 1; returns how many `dims` are left, without them unless keepdim. */
static uint32_t reduced_dims(const vkd_model_tensor *x, const bool reduced[VKD_MAX_RANK], bool keepdim,
                             uint32_t dims[VKD_MAX_RANK])
{
    uint32_t rank = 0;
    for (uint32_t i = 0; i < x->rank; i++)
        if (keepdim || !reduced[i])
            dims[rank++] = reduced[i] ? 1 : x->dims[i];
    return rank;
}

static vkd_status mean_shape(vkd_shaping *shaping, const void *arguments)
{
    const reduce_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    bool reduced[VKD_MAX_RANK];
    uint32_t dims[VKD_MAX_RANK];
    VKD_TRY(vkd_shape_listed(shaping, &args->dims, x->rank, reduced));
    uint32_t rank = reduced_dims(x, reduced, args->keepdim, dims);
    return vkd_shape_set(shaping, args->y, rank, dims);
}

static vkd_status emit_mean(vkd_lowering *lowering, vkd_tensor_id x_id, vkd_tensor_id y_id)
{
    const vkd_tensor *x = &lowering->graph->tensors[x_id], *y = &lowering->graph->tensors[y_id];
    mean_params params = {
        .n = x->n,
        .c = x->c,
        .h = x->h,
        .w = x->w,
        .y_n = y->n,
        .y_h = y->h,
        .y_w = y->w,
        .over_c = y->c != x->c,
        .blocks = (uint32_t)vkd_divide_up(x->c, 4),
        .y_blocks = (uint32_t)vkd_divide_up(y->c, 4),
        .groups = vkd_tensor_groups(y),
        .count = (float)(vkd_dims_count(x->rank, x->dims) / vkd_dims_count(y->rank, y->dims)),
    };
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_MEAN, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.groups);
    vkd_node_read(&node, x_id);
    vkd_node_write(&node, y_id);
    return vkd_op_add_node(lowering, &node, x_id, y_id);
}

static vkd_status lower_mean(vkd_lowering *lowering, const void *arguments)
{
    const reduce_args *args = arguments;
    vkd_tensor_id x, y;
    VKD_TRY(vkd_op_input(lowering, args->x, VKD_DTYPE_FLOAT32, VKD_4C, &x));
    if (args->keepdim) {
        VKD_TRY(vkd_op_output_4c(lowering, args->y, VKD_DTYPE_FLOAT32, &y));
        return emit_mean(lowering, x, y);
    }
    const vkd_model_tensor *from = vkd_value_tensor(lowering, args->x);
    bool reduced[VKD_MAX_RANK];
    uint32_t kept[VKD_MAX_RANK];
    vkd_op_listed(&args->dims, from->rank, reduced);
    uint32_t rank = reduced_dims(from, reduced, true, kept);
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_FLOAT32, VKD_4C, rank, kept, &y));
    VKD_TRY(emit_mean(lowering, x, y));
    return vkd_op_reshape(lowering, y, args->y);
}

/* ------------------------------------------------------------------------------------------------- vkd.q8_mean */

static const vkd_param q8_mean_parameters[] = {
    VKD_TENSOR(q8_mean_args, x),
    VKD_FLOAT(q8_mean_args, x_scale),
    VKD_INT(q8_mean_args, x_zero),
    VKD_OPTIONAL_FLOAT(q8_mean_args, low),
    VKD_OPTIONAL_FLOAT(q8_mean_args, high),
    VKD_FLOAT(q8_mean_args, y_scale),
    VKD_INT(q8_mean_args, y_zero),
    VKD_OUTPUT(q8_mean_args, y),
    VKD_PARAMS_END,
};

static vkd_status check_q8_mean(vkd_lowering *lowering, const vkd_tensor *x, const vkd_tensor *y)
{
    if (x->n != y->n || x->c != y->c || y->h != 1 || y->w != 1)
        return vkd_op_fail(lowering, VKD_INVALID_MODEL, "the output is %ux%ux%ux%u, expected %ux%ux1x1", y->n, y->c, y->h, y->w,
                           x->n, x->c);
    if ((uint64_t)x->h * x->w > Q8_MEAN_MAX_PIXELS)
        return vkd_op_fail(lowering, VKD_UNSUPPORTED, "a mean of %ux%u pixels: at most %d are supported", x->h, x->w,
                           Q8_MEAN_MAX_PIXELS);
    return VKD_OK;
}

/* A bound of real numbers in steps of x. */
static float bound_steps(float bound, float x_scale, float unbounded)
{
    return isnan(bound) ? unbounded : (float)((double)bound / (double)x_scale);
}

/* GPUs share the pixels of a channel among 8 lanes; a CPU runs the lanes one after the other, and barriers cost it more. */
static void set_q8_mean_size(vkd_node *node, const vkd_caps *caps, uint32_t words, uint32_t pixels)
{
    enum { WIDTH = 16, LANES = 8 };
    vkd_node_linear(node, caps, words);
    bool alone = caps->type == VKD_TYPE_CPU && pixels <= VKD_CPU_MAX_LOOP;
    if (alone || pixels < 2 * LANES || caps->max_workgroup_invocations < WIDTH * LANES)
        return;
    node->specs[0] = WIDTH;
    node->specs[1] = LANES;
    vkd_node_groups(node, caps, vkd_divide_up(words, WIDTH));
}

static vkd_status lower_q8_mean(vkd_lowering *lowering, const void *arguments)
{
    const q8_mean_args *args = arguments;
    vkd_tensor_id x_id, y_id;
    VKD_TRY(vkd_check_qparams(lowering, "input", args->x_scale, args->x_zero));
    VKD_TRY(vkd_check_qparams(lowering, "output", args->y_scale, args->y_zero));
    VKD_TRY(vkd_op_input(lowering, args->x, VKD_DTYPE_INT8, VKD_4C, &x_id));
    VKD_TRY(vkd_op_output_4c(lowering, args->y, VKD_DTYPE_INT8, &y_id));
    const vkd_tensor *x = &lowering->graph->tensors[x_id], *y = &lowering->graph->tensors[y_id];
    VKD_TRY(check_q8_mean(lowering, x, y));

    uint32_t pixels = x->h * x->w;
    q8_mean_params params = {
        .groups = vkd_tensor_groups(y),
        .blocks = (uint32_t)vkd_divide_up(x->c, 4),
        .pixels = pixels,
        .x_zero = (float)args->x_zero,
        .low = bound_steps(args->low, args->x_scale, -INFINITY),
        .high = bound_steps(args->high, args->x_scale, INFINITY),
        .factor = (float)((double)args->x_scale / pixels),
        .y_inverse_scale = vkd_inverse_scale(args->y_scale),
        .y_zero = args->y_zero,
    };
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_Q8_MEAN, &params, sizeof params);
    set_q8_mean_size(&node, lowering->caps, params.groups, pixels);
    vkd_node_read(&node, x_id);
    vkd_node_write(&node, y_id);
    return vkd_op_add_node(lowering, &node, x_id, y_id);
}

static vkd_status q8_mean_shape(vkd_shaping *shaping, const void *arguments)
{
    const q8_mean_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x), *y = vkd_shape_of(shaping, args->y);
    const uint32_t dims[] = {x->dims[0], x->dims[1], 1, 1};
    return vkd_shape_set(shaping, args->y, y->rank == 2 ? 2 : 4, dims);
}

static const vkd_op rows[] = {
    {"aten.mean.dim", mean_parameters, sizeof(reduce_args), mean_shape, lower_mean, .kind = VKD_OP_MEAN},
    {"vkd.q8_mean", q8_mean_parameters, sizeof(q8_mean_args), q8_mean_shape, lower_q8_mean, .kind = VKD_OP_Q8_MEAN,
     .internal = true},
};

const vkd_op_table vkd_reduce_ops = VKD_OP_TABLE(rows);
