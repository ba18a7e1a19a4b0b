/* Pooling of images by windows and to given sizes: maxima, their places too, and averages. */
#include "graph/operators.h"
#include "ops/tables.h"
#include "runtime/base/element.h"
#include "shaders/pool2d_params.h"

#include <math.h>
#include <string.h>

static const vkd_param pool_parameters[] = {
    VKD_TENSOR(pool_args, x, self),          VKD_INTS(pool_args, kernel, 2, kernel_size),
    VKD_INTS_OR_EMPTY(pool_args, stride, 2), VKD_INTS(pool_args, padding, 2),
    VKD_INTS(pool_args, dilation, 2),        VKD_BOOL(pool_args, ceil_mode),
    VKD_OUTPUTS(pool_args, y, 2, out),       VKD_PARAMS_END,
};

static const vkd_param avg_parameters[] = {
    VKD_TENSOR(pool_args, x, self),
    VKD_INTS(pool_args, kernel, 2, kernel_size),
    VKD_INTS_OR_EMPTY(pool_args, stride, 2),
    VKD_INTS(pool_args, padding, 2),
    VKD_BOOL(pool_args, ceil_mode),
    VKD_BOOL(pool_args, count_padding, count_include_pad),
    VKD_OPTIONAL_FLOAT(pool_args, divisor, divisor_override),
    VKD_OUTPUT(pool_args, y, out),
    VKD_PARAMS_END,
};

/* --------------------------------------------------------------------------------------- shapes */

/* The output's extent as PyTorch has it; 0 when the window does not fit. In ceil mode one that
 * lacks less than a step does. */
static uint32_t extent(uint32_t size, int32_t kernel, int32_t stride, int32_t padding,
                       int32_t dilation, bool ceil_mode)
{
    int64_t reach = (int64_t)dilation * (kernel - 1) + 1;
    int64_t room =
        (int64_t)size + 2 * (int64_t)padding - reach + (ceil_mode ? (int64_t)stride - 1 : 0);
    if (room < 0 || !size)
        return 0;
    int64_t count = room / stride + 1;
    /* The last window must start inside the image or its left padding. */
    if (ceil_mode && (count - 1) * stride >= (int64_t)size + padding)
        count--;
    return (uint32_t)count;
}

/* What an empty list of strides means. */
static const int32_t *strides_of(const pool_args *args)
{
    return args->stride[0] || args->stride[1] ? args->stride : args->kernel;
}

static vkd_status check_window(vkd_shaping *shaping, const pool_args *args, const int32_t stride[2],
                               const uint32_t size[2])
{
    VKD_TRY(vkd_shape_pair(shaping, args->kernel, 1, INT32_MAX));
    VKD_TRY(vkd_shape_pair(shaping, stride, 1, INT32_MAX));
    VKD_TRY(vkd_shape_pair(shaping, args->padding, 0, INT32_MAX));
    VKD_TRY(vkd_shape_pair(shaping, args->dilation, 1, INT32_MAX));
    for (int i = 0; i < 2; i++) /* positions in a window and behind its end fit the shader's int */
        if (size[i] + 2 * (uint64_t)args->padding[i] > 1u << 30)
            return vkd_shape_fail_at(shaping, VKD_UNSUPPORTED, args->padding,
                                     "has %d for %u pixels, expected 2^30 in all at most",
                                     args->padding[i], size[i]);
    return VKD_OK;
}

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const pool_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    if (x->rank != 3 && x->rank != 4)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->x,
                                 "has rank %u, expected 3 or 4", x->rank);
    const int32_t *stride = strides_of(args);
    VKD_TRY(check_window(shaping, args, stride, &x->dims[x->rank - 2]));
    uint32_t dims[4] = {x->dims[0], x->dims[1]};
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t axis = x->rank - 2 + i;
        dims[axis] = extent(x->dims[axis], args->kernel[i], stride[i], args->padding[i],
                            args->dilation[i], args->ceil_mode);
    }
    VKD_TRY(vkd_shape_set(shaping, args->y[1], x->rank, dims));
    return vkd_shape_set(shaping, args->y[0], x->rank, dims);
}

/* ------------------------------------------------------------------------------------- lowering */

static uint64_t taps_of(const pool_args *args)
{
    return (uint64_t)args->kernel[0] * (uint64_t)args->kernel[1];
}

/* One invocation for each group of four channels of y. places: where maxima are, or VKD_NO_TENSOR.
 */
static vkd_status add_window(vkd_lowering *lowering, const pool_args *args, vkd_shader shader,
                             vkd_tensor_id x_id, vkd_tensor_id y_id, vkd_tensor_id places)
{
    const vkd_tensor *x = &lowering->graph->tensors[x_id], *y = &lowering->graph->tensors[y_id];
    pool2d_params params = {
        .groups = vkd_tensor_groups(y),
        .x_h = (int32_t)x->h,
        .x_w = (int32_t)x->w,
        .y_h = (int32_t)y->h,
        .y_w = (int32_t)y->w,
        .kernel_h = args->kernel[0],
        .kernel_w = args->kernel[1],
        .stride_h = strides_of(args)[0],
        .stride_w = strides_of(args)[1],
        .padding_h = args->padding[0],
        .padding_w = args->padding[1],
        .dilation_h = args->dilation[0],
        .dilation_w = args->dilation[1],
        .count_padding = args->count_padding,
        .divisor = isnan(args->divisor) ? 0 : args->divisor,
        .x_scale = args->x_scale,
        .x_zero = (float)args->x_zero,
    };
    vkd_node node =
        vkd_op_node(lowering, shader, vkd_loop(taps_of(args), 0), &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.groups);
    vkd_node_read(&node, x_id);
    vkd_node_write(&node, y_id);
    for (int axis = 0; axis < 2; axis++) {
        const uint32_t kernel = (uint32_t)args->kernel[axis];
        vkd_node_spec(&node, args->adaptive ? vkd_op_size_spec(lowering, kernel) : kernel);
    }
    vkd_node_spec(&node, (uint32_t)vkd_divide_up(y->c, 4));
    vkd_node_spec(&node, vkd_op_size_spec(lowering, y->h));
    vkd_node_spec(&node, vkd_op_size_spec(lowering, y->w));
    if (shader != VKD_SHADER_Q8_MAX_POOL2D) {
        vkd_node_spec(&node, args->adaptive);
        vkd_node_spec(&node, y->dtype);
    }
    if (shader == VKD_SHADER_AVG_POOL2D)
        vkd_node_spec(&node, x->dtype);
    if (shader == VKD_SHADER_MAX_POOL2D) {
        vkd_node_spec(&node, places != VKD_NO_TENSOR);
        vkd_node_write(&node, places != VKD_NO_TENSOR ? places : y_id);
    }
    return vkd_op_add_node(lowering, &node, x_id, y_id);
}

/* A large window is one along w, then one along h: a maximum of maxima, a mean of means over as
 * many values each. The first has more outputs, which GPUs need, and both together far fewer steps.
 */
static vkd_status add_pool(vkd_lowering *lowering, const pool_args *args, vkd_shader shader,
                           vkd_tensor_id x_id, vkd_tensor_id y_id, vkd_tensor_id places)
{
    enum { LARGE = 65534 };
    if (taps_of(args) <= LARGE || args->kernel[0] == 1 || args->kernel[1] == 1 ||
        places != VKD_NO_TENSOR)
        return add_window(lowering, args, shader, x_id, y_id, places);
    pool_args along[2] = {*args, *args};
    memcpy(along[0].stride, strides_of(args), sizeof along[0].stride);
    memcpy(along[1].stride, strides_of(args), sizeof along[1].stride);
    for (int i = 0; i < 2; i++) {
        int other = i; /* the axis that this one leaves alone: h, then w */
        along[i].kernel[other] = along[i].stride[other] = along[i].dilation[other] = 1;
        along[i].padding[other] = 0;
    }
    along[0].divisor = isnan(args->divisor) ? NAN : 1;
    along[1].x_scale = 0; /* of floats */
    const vkd_tensor *x = &lowering->graph->tensors[x_id], *y = &lowering->graph->tensors[y_id];
    uint32_t dims[4];
    memcpy(dims, y->dims, sizeof dims);
    dims[y->rank - 2] = x->h;
    vkd_tensor_id between;
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, y->dtype, VKD_4C, y->rank,
                                 dims, &between));
    VKD_TRY(add_window(lowering, &along[0], shader, x_id, between, VKD_NO_TENSOR));
    return add_window(lowering, &along[1], shader, between, y_id, VKD_NO_TENSOR);
}

/* Floats of the operand, in 4C. */
static vkd_status operands(vkd_lowering *lowering, const pool_args *args, vkd_tensor_id *x,
                           vkd_tensor_id *y)
{
    vkd_dtype dtype = vkd_value_tensor(lowering, args->x)->dtype;
    if (dtype != VKD_DTYPE_FLOAT32 && dtype != VKD_DTYPE_FLOAT16 && dtype != VKD_DTYPE_INT8)
        return vkd_op_fail_value(lowering, VKD_UNSUPPORTED, args->x,
                                 "has dtype %s, expected f32, f16 or i8", vkd_dtype_name(dtype));
    VKD_TRY(vkd_op_input(lowering, args->x, dtype, VKD_4C, x));
    return vkd_op_output_4c(lowering, args->y[0], args->x_scale != 0 ? VKD_DTYPE_FLOAT32 : dtype,
                            y);
}

static vkd_status lower_max(vkd_lowering *lowering, const void *arguments)
{
    const pool_args *args = arguments;
    const bool wants_places = args->y[1] != VKD_NO_VALUE && (lowering->use[args->y[1]].reads ||
                                                             lowering->use[args->y[1]].is_output);
    vkd_tensor_id x, y, places = VKD_NO_TENSOR;
    VKD_TRY(operands(lowering, args, &x, &y));
    bool is_int8 = lowering->graph->tensors[x].dtype == VKD_DTYPE_INT8;
    if (wants_places && is_int8)
        return vkd_op_fail_value(lowering, VKD_UNSUPPORTED, args->y[1],
                                 "is used, expected none: there are no indices of int8 maxima");
    if (wants_places)
        VKD_TRY(vkd_op_output_4c(lowering, args->y[1], VKD_DTYPE_INT32, &places));
    return add_pool(lowering, args, is_int8 ? VKD_SHADER_Q8_MAX_POOL2D : VKD_SHADER_MAX_POOL2D, x,
                    y, places);
}

static vkd_status lower_average(vkd_lowering *lowering, const void *arguments)
{
    const pool_args *args = arguments;
    vkd_tensor_id x, y;
    /* Then no window lies in the padding alone. */
    if (args->padding[0] > args->kernel[0] / 2 || args->padding[1] > args->kernel[1] / 2)
        return vkd_op_fail_at(lowering, VKD_INVALID_MODEL, args->padding,
                              "is %dx%d, expected half of the kernel, %dx%d, at most",
                              args->padding[0], args->padding[1], args->kernel[0], args->kernel[1]);
    if (args->divisor == 0)
        return vkd_op_fail_at(lowering, VKD_INVALID_MODEL, &args->divisor,
                              "is 0, expected another number");
    VKD_TRY(operands(lowering, args, &x, &y));
    if (lowering->graph->tensors[x].dtype == VKD_DTYPE_INT8 && args->x_scale == 0)
        return vkd_op_fail_value(lowering, VKD_UNSUPPORTED, args->x,
                                 "has dtype i8, expected f32 or f16");
    return add_pool(lowering, args, VKD_SHADER_AVG_POOL2D, x, y, VKD_NO_TENSOR);
}

/* ------------------------------------------------------------------------------------- adaptive */

typedef struct adaptive_args {
    uint32_t x;
    vkd_sym_list size; /* h, w */
    uint32_t y[2];     /* the second: indices */
} adaptive_args;

static const vkd_param adaptive_average_params[] = {
    VKD_TENSOR(adaptive_args, x, self), VKD_SIZES(adaptive_args, size, output_size),
    VKD_OUTPUT(adaptive_args, y[0], out), VKD_PARAMS_END};
static const vkd_param adaptive_max_params[] = {
    VKD_TENSOR(adaptive_args, x, self), VKD_SIZES(adaptive_args, size, output_size),
    VKD_OUTPUTS(adaptive_args, y, 2, out), VKD_PARAMS_END};
static const adaptive_args no_places = {.y = {VKD_NO_VALUE, VKD_NO_VALUE}};

static vkd_status shape_adaptive(vkd_shaping *shaping, const void *arguments)
{
    const adaptive_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    if ((x->rank != 3 && x->rank != 4) || args->size.count != 2)
        return vkd_shape_fail_at(
            shaping, VKD_INVALID_MODEL, &args->size,
            "has %zu numbers for an input of rank %u, expected 2 for rank 3 or 4", args->size.count,
            x->rank);
    uint32_t dims[4] = {x->dims[0], x->dims[1]};
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t axis = x->rank - 2 + i, from = x->dims[axis];
        const int64_t to = vkd_shape_number(shaping, args->size.items[i]);
        /* Products of both must fit in the shader's int. */
        if (to < 0 || to > INT32_MAX || (to && !from) || (to + 1) * (int64_t)from > INT32_MAX - to)
            return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->size,
                                     "makes %u pixels %lld on axis %u, expected 1 at least", from,
                                     (long long)to, i);
        dims[axis] = (uint32_t)to;
    }
    VKD_TRY(vkd_shape_set(shaping, args->y[1], x->rank, dims));
    return vkd_shape_set(shaping, args->y[0], x->rank, dims);
}

/* As a pooling whose windows have at most this size. */
static vkd_status lower_adaptive(vkd_lowering *lowering, const void *arguments)
{
    const adaptive_args *args = arguments;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x),
                           *y = vkd_value_tensor(lowering, args->y[0]);
    pool_args pool = {.x = args->x,
                      .stride = {1, 1},
                      .dilation = {1, 1},
                      .divisor = NAN,
                      .adaptive = true,
                      .y = {args->y[0], args->y[1]}};
    if (!vkd_is_float(x->dtype))
        return vkd_op_fail_value(lowering, VKD_UNSUPPORTED, args->x,
                                 "has dtype %s, expected f32 or f16", vkd_dtype_name(x->dtype));
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t from = x->dims[x->rank - 2 + i], to = y->dims[y->rank - 2 + i];
        const bool evenly = from % to == 0;
        pool.kernel[i] = (int32_t)(from / to) + (evenly ? 0 : 2);
    }
    return lowering->call->row->code ? lower_max(lowering, &pool) : lower_average(lowering, &pool);
}

static const pool_args maximum = {.divisor = NAN, .y = {VKD_NO_VALUE, VKD_NO_VALUE}};
static const pool_args average = {.dilation = {1, 1}, .y = {VKD_NO_VALUE, VKD_NO_VALUE}};

static const vkd_op rows[] = {
    {"aten.max_pool2d.default", pool_parameters, sizeof(pool_args), shape, lower_max,
     .kind = VKD_OP_MAX_POOL, .defaults = &maximum},
    {"aten.max_pool2d_with_indices.default", pool_parameters, sizeof(pool_args), shape, lower_max,
     .kind = VKD_OP_MAX_POOL, .defaults = &maximum},
    {"aten::max_pool2d_with_indices.out", pool_parameters, sizeof(pool_args), shape, lower_max,
     .kind = VKD_OP_MAX_POOL, .defaults = &maximum},
    {"aten::avg_pool2d.out", avg_parameters, sizeof(pool_args), shape, lower_average,
     .kind = VKD_OP_AVERAGE_POOL, .defaults = &average},
    {"aten::_adaptive_avg_pool2d.out", adaptive_average_params, sizeof(adaptive_args),
     shape_adaptive, lower_adaptive, .defaults = &no_places},
    {"aten::adaptive_avg_pool2d.out", adaptive_average_params, sizeof(adaptive_args),
     shape_adaptive, lower_adaptive, .defaults = &no_places},
    {"aten::adaptive_max_pool2d.out", adaptive_max_params, sizeof(adaptive_args), shape_adaptive,
     lower_adaptive, .code = true, .defaults = &no_places},
    {"aten.avg_pool2d.default", avg_parameters, sizeof(pool_args), shape, lower_average,
     .kind = VKD_OP_AVERAGE_POOL, .defaults = &average},
};

const vkd_op_table vkd_pool_ops = VKD_OP_TABLE(rows);
