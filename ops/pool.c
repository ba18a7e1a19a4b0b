#include "ops/ops.h"
#include "shaders/pool2d_params.h"

#include <math.h>
#include <string.h>

typedef struct pool_args {
    uint32_t x;
    int32_t kernel[2], stride[2], padding[2], dilation[2]; /* h, w */
    bool ceil_mode;
    bool count_padding; /* averages */
    float divisor;      /* averages; NAN: what the window covers */
    uint32_t y[2];      /* the second: indices, which nobody computes */
} pool_args;

static const vkd_param pool_parameters[] = {
    VKD_TENSOR(pool_args, x),
    VKD_INTS(pool_args, kernel, 2),
    VKD_INTS_OR_EMPTY(pool_args, stride, 2),
    VKD_INTS(pool_args, padding, 2),
    VKD_INTS(pool_args, dilation, 2),
    VKD_BOOL(pool_args, ceil_mode),
    VKD_OUTPUTS(pool_args, y, 2),
    VKD_PARAMS_END,
};

static const vkd_param avg_parameters[] = {
    VKD_TENSOR(pool_args, x),
    VKD_INTS(pool_args, kernel, 2),
    VKD_INTS_OR_EMPTY(pool_args, stride, 2),
    VKD_INTS(pool_args, padding, 2),
    VKD_BOOL(pool_args, ceil_mode),
    VKD_BOOL(pool_args, count_padding),
    VKD_OPTIONAL_FLOAT(pool_args, divisor),
    VKD_OUTPUT(pool_args, y),
    VKD_PARAMS_END,
};

/* --------------------------------------------------------------------------------------------------------- indices */

static bool mentions(const vkd_model *model, uint32_t arg, uint32_t value)
{
    if (arg == value)
        return true;
    const vkd_model_value *v = &model->values[arg];
    if (v->kind == VKD_VALUE_VALUE_LIST)
        for (size_t i = 0; i < v->list.count; i++)
            if (v->list.values[i] == value)
                return true;
    return false;
}

static bool is_used(const vkd_lowering *lowering, uint32_t value)
{
    const vkd_model *model = lowering->model;
    if (lowering->is_output[value])
        return true;
    for (size_t i = 0; i < model->op_count; i++)
        for (size_t a = 0; &model->ops[i] != lowering->op && a < model->ops[i].arg_count; a++)
            if (mentions(model, model->ops[i].args[a], value))
                return true;
    return false;
}

/* ---------------------------------------------------------------------------------------------------------- shapes */

/* The output's extent as PyTorch has it; 0 when the window does not fit. */
static uint32_t extent(uint32_t size, int32_t kernel, int32_t stride, int32_t padding, int32_t dilation, bool ceil_mode)
{
    int64_t reach = (int64_t)dilation * (kernel - 1) + 1;
    int64_t room = (int64_t)size + 2 * (int64_t)padding - reach;
    if (room < 0)
        return 0;
    int64_t count = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
    /* The last window must start inside the image or its left padding. */
    if (ceil_mode && (count - 1) * stride >= (int64_t)size + padding)
        count--;
    return (uint32_t)count;
}

static vkd_status check_window(vkd_lowering *lowering, const pool_args *args, const uint32_t size[2])
{
    for (int i = 0; i < 2; i++) {
        if (args->kernel[i] < 1 || args->stride[i] < 1 || args->padding[i] < 0 || args->dilation[i] < 1)
            return vkd_op_fail(lowering, VKD_INVALID_MODEL, "kernel %d, stride %d, padding %d, dilation %d on axis %d",
                               args->kernel[i], args->stride[i], args->padding[i], args->dilation[i], i);
        /* Positions in a window and behind its end must fit in the shader's int. */
        if (size[i] + 2 * (uint64_t)args->padding[i] > 1u << 30)
            return vkd_op_fail(lowering, VKD_UNSUPPORTED, "%u pixels padded by %d on axis %d", size[i], args->padding[i], i);
    }
    return VKD_OK;
}

/* Fills in the stride that the file has left out, and checks everything against the tensors. */
static vkd_status check_shapes(vkd_lowering *lowering, pool_args *args)
{
    if (!args->stride[0] && !args->stride[1]) /* an empty list */
        memcpy(args->stride, args->kernel, sizeof args->stride);
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x);
    if (x->rank != 3 && x->rank != 4)
        return vkd_op_fail(lowering, VKD_INVALID_MODEL, "the input has rank %u, expected 3 or 4", x->rank);
    VKD_TRY(check_window(lowering, args, &x->dims[x->rank - 2]));
    uint32_t dims[4] = {x->dims[0], x->dims[1]};
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t axis = x->rank - 2 + i;
        dims[axis] =
            extent(x->dims[axis], args->kernel[i], args->stride[i], args->padding[i], args->dilation[i], args->ceil_mode);
    }
    return vkd_op_check_dims(lowering, args->y[0], x->rank, dims);
}

/* -------------------------------------------------------------------------------------------------------- lowering */

static uint64_t taps_of(const pool_args *args) { return (uint64_t)args->kernel[0] * (uint64_t)args->kernel[1]; }

/* One invocation for each group of four channels of y. */
static vkd_status add_window(vkd_lowering *lowering, const pool_args *args, vkd_shader shader, vkd_tensor_id x_id,
                             vkd_tensor_id y_id)
{
    const vkd_tensor *x = &lowering->graph->tensors[x_id], *y = &lowering->graph->tensors[y_id];
    pool2d_params params = {
        .groups = vkd_tensor_groups(y),
        .x_h = (int32_t)x->h,
        .x_w = (int32_t)x->w,
        .stride_h = args->stride[0],
        .stride_w = args->stride[1],
        .padding_h = args->padding[0],
        .padding_w = args->padding[1],
        .dilation_h = args->dilation[0],
        .dilation_w = args->dilation[1],
        .count_padding = args->count_padding,
        .divisor = isnan(args->divisor) ? 0 : args->divisor,
    };
    vkd_node node = vkd_op_node(lowering, shader, vkd_loop(taps_of(args), 0), &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.groups);
    vkd_node_read(&node, x_id);
    vkd_node_write(&node, y_id);
    vkd_node_spec(&node, (uint32_t)args->kernel[0]);
    vkd_node_spec(&node, (uint32_t)args->kernel[1]);
    vkd_node_spec(&node, (uint32_t)vkd_divide_up(y->c, 4));
    vkd_node_spec(&node, y->h);
    vkd_node_spec(&node, y->w);
    return vkd_op_add_node(lowering, &node, x_id, y_id);
}

/* A large window is one along w, then one along h: a maximum of maxima, a mean of means over as many values each. The first has
 * more outputs, which GPUs need, and both together far fewer steps. */
static vkd_status add_pool(vkd_lowering *lowering, const pool_args *args, vkd_shader shader, vkd_tensor_id x_id,
                           vkd_tensor_id y_id)
{
    enum { LARGE = 65534 };
    if (taps_of(args) <= LARGE || args->kernel[0] == 1 || args->kernel[1] == 1)
        return add_window(lowering, args, shader, x_id, y_id);
    pool_args along[2] = {*args, *args};
    for (int i = 0; i < 2; i++) {
        int other = i; /* the axis that this one leaves alone: h, then w */
        along[i].kernel[other] = along[i].stride[other] = along[i].dilation[other] = 1;
        along[i].padding[other] = 0;
    }
    along[0].divisor = isnan(args->divisor) ? NAN : 1;
    const vkd_tensor *x = &lowering->graph->tensors[x_id], *y = &lowering->graph->tensors[y_id];
    uint32_t dims[4];
    memcpy(dims, y->dims, sizeof dims);
    dims[y->rank - 2] = x->h;
    vkd_tensor_id between;
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, x->dtype, VKD_4C, y->rank, dims, &between));
    VKD_TRY(add_window(lowering, &along[0], shader, x_id, between));
    return add_window(lowering, &along[1], shader, between, y_id);
}

vkd_status vkd_lower_max_pool2d(vkd_lowering *lowering)
{
    pool_args args = {.divisor = NAN};
    vkd_tensor_id x_id, y_id;
    VKD_TRY(vkd_op_args(lowering, pool_parameters, &args));
    VKD_TRY(check_shapes(lowering, &args));
    if (args.y[1] != VKD_NO_VALUE && is_used(lowering, args.y[1]))
        return vkd_op_fail(lowering, VKD_UNSUPPORTED, "the indices, value %u, are used", args.y[1]);
    bool is_int8 = vkd_value_tensor(lowering, args.x)->dtype == VKD_DTYPE_INT8;
    vkd_dtype dtype = is_int8 ? VKD_DTYPE_INT8 : VKD_DTYPE_FLOAT32;
    VKD_TRY(vkd_op_input(lowering, args.x, dtype, VKD_4C, &x_id));
    VKD_TRY(vkd_op_output_4c(lowering, args.y[0], dtype, &y_id));
    return add_pool(lowering, &args, is_int8 ? VKD_SHADER_Q8_MAX_POOL2D : VKD_SHADER_MAX_POOL2D, x_id, y_id);
}

vkd_status vkd_lower_avg_pool2d(vkd_lowering *lowering)
{
    pool_args args = {.dilation = {1, 1}};
    vkd_tensor_id x_id, y_id;
    VKD_TRY(vkd_op_args(lowering, avg_parameters, &args));
    VKD_TRY(check_shapes(lowering, &args));
    /* Then no window lies in the padding alone. */
    if (args.padding[0] > args.kernel[0] / 2 || args.padding[1] > args.kernel[1] / 2)
        return vkd_op_fail(lowering, VKD_INVALID_MODEL, "padding %dx%d is more than half of the kernel, %dx%d", args.padding[0],
                           args.padding[1], args.kernel[0], args.kernel[1]);
    if (args.divisor == 0)
        return vkd_op_fail(lowering, VKD_INVALID_MODEL, "a divisor of 0");
    VKD_TRY(vkd_op_input(lowering, args.x, VKD_DTYPE_FLOAT32, VKD_4C, &x_id));
    VKD_TRY(vkd_op_output_4c(lowering, args.y[0], VKD_DTYPE_FLOAT32, &y_id));
    return add_pool(lowering, &args, VKD_SHADER_AVG_POOL2D, x_id, y_id);
}
