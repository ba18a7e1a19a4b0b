/* et_vk.q8ta_conv2d and its spellings: decodes and checks the arguments, then hands the problem to the factory. */
#include "ops/conv.h"
#include "ops/ops.h"

#include <string.h>

typedef struct conv2d_args {
    uint32_t x, weight, y;
    requantize_args requantize;
    int32_t kernel[2], stride[2], padding[2], dilation[2], groups;
    fused_args fused;
} conv2d_args;

#define CONV2D_PARAMS                                      \
    VKD_TENSOR(conv2d_args, x),                            \
    VKD_FLOAT(conv2d_args, requantize.x_scale),            \
    VKD_INT(conv2d_args, requantize.x_zero),               \
    VKD_CONSTANT(conv2d_args, weight),                     \
    VKD_CONSTANT(conv2d_args, requantize.weight_sums),     \
    VKD_CONSTANT(conv2d_args, requantize.weight_scales),   \
    VKD_FLOAT(conv2d_args, requantize.y_scale),            \
    VKD_INT(conv2d_args, requantize.y_zero),               \
    VKD_OPTIONAL_CONSTANT(conv2d_args, requantize.bias),   \
    VKD_INTS(conv2d_args, kernel, 2),                      \
    VKD_INTS(conv2d_args, stride, 2),                      \
    VKD_INTS(conv2d_args, padding, 2),                     \
    VKD_INTS(conv2d_args, dilation, 2),                    \
    VKD_INT(conv2d_args, groups),                          \
    VKD_STRING(conv2d_args, requantize.activation)

static const vkd_param conv2d_params[] = {CONV2D_PARAMS, VKD_OUTPUT(conv2d_args, y), VKD_PARAMS_END};

/* The rewriter's "vkd.q8_conv2d": a byte clamp of the result, and an addition, where it found them behind the convolution. */
static const vkd_param fused_conv2d_params[] = {CONV2D_PARAMS, VKD_FUSED_PARAMS(conv2d_args, fused), VKD_OUTPUT(conv2d_args, y),
                                                VKD_PARAMS_END};

enum { MAX_WINDOW = 1 << 15 };

/* Kernel, stride, padding, dilation and groups within sane bounds, so that all arithmetic on them fits 32 bits. */
static vkd_status check_window(vkd_lowering *lowering, const conv2d_args *args)
{
    for (int axis = 0; axis < 2; axis++)
        if (args->kernel[axis] < 1 || args->stride[axis] < 1 || args->padding[axis] < 0 || args->dilation[axis] < 1 ||
            args->kernel[axis] > MAX_WINDOW || args->stride[axis] > MAX_WINDOW || args->padding[axis] > MAX_WINDOW ||
            args->dilation[axis] > MAX_WINDOW)
            return vkd_op_fail(lowering, VKD_INVALID_MODEL, "kernel %d, stride %d, padding %d or dilation %d is out of range",
                               args->kernel[axis], args->stride[axis], args->padding[axis], args->dilation[axis]);
    return VKD_OK;
}

/* The output size along an axis, 0 if the window does not fit. */
static int64_t out_size(int64_t in, const conv2d_args *args, int axis)
{
    int64_t reach = (int64_t)args->dilation[axis] * (args->kernel[axis] - 1) + 1;
    int64_t room = in + 2 * (int64_t)args->padding[axis] - reach;
    return room < 0 ? 0 : room / args->stride[axis] + 1;
}

static vkd_status make_problem(vkd_lowering *lowering, const conv2d_args *args, const vkd_tensor *x, const vkd_tensor *y,
                               conv2d_problem *out)
{
    VKD_TRY(check_window(lowering, args));
    if (args->groups < 1 || x->c % (uint32_t)args->groups || y->c % (uint32_t)args->groups)
        return vkd_op_fail(lowering, VKD_INVALID_MODEL, "%d groups do not divide %u input and %u output channels", args->groups,
                           x->c, y->c);
    if (y->n != x->n || y->h != out_size(x->h, args, 0) || y->w != out_size(x->w, args, 1))
        return vkd_op_fail(lowering, VKD_INVALID_MODEL, "its output is %ux%ux%ux%u: input and window give %ux%ux%lldx%lld", y->n, y->c,
                           y->h, y->w, x->n, y->c, (long long)out_size(x->h, args, 0), (long long)out_size(x->w, args, 1));
    *out = (conv2d_problem){.n = x->n, .in_c = x->c, .in_h = x->h, .in_w = x->w, .out_c = y->c, .out_h = y->h, .out_w = y->w,
                            .groups = (uint32_t)args->groups};
    for (int axis = 0; axis < 2; axis++) {
        out->kernel[axis] = (uint32_t)args->kernel[axis];
        out->stride[axis] = (uint32_t)args->stride[axis];
        out->padding[axis] = (uint32_t)args->padding[axis];
        out->dilation[axis] = (uint32_t)args->dilation[axis];
    }
    if (conv2d_k(out) > VKD_MAX_K)
        return vkd_op_fail(lowering, VKD_UNSUPPORTED, "%llu products a sum: at most %d fit an int32 accumulator",
                           (unsigned long long)conv2d_k(out), VKD_MAX_K);
    return VKD_OK;
}

static vkd_status check_weight(vkd_lowering *lowering, uint32_t value, const conv2d_problem *problem)
{
    const vkd_model_tensor *weight = vkd_value_tensor(lowering, value);
    uint64_t row = (conv2d_k(problem) + 3) / 4 * 4;
    if (weight->dtype != VKD_DTYPE_INT8 || weight->rank != 2 || weight->dims[0] != problem->out_c || weight->dims[1] != row)
        return vkd_op_fail(lowering, VKD_INVALID_MODEL, "its weight is %s %s: i8 %ux%llu is needed", vkd_dtype_name(weight->dtype),
                           vkd_dims_text(lowering->graph->arena, weight->rank, weight->dims), problem->out_c,
                           (unsigned long long)row);
    return VKD_OK;
}

static vkd_status lower(vkd_lowering *lowering, const conv2d_args *args, bool fused)
{
    conv2d conv = {.x_zero = args->requantize.x_zero, .residual = VKD_NO_TENSOR};
    VKD_TRY(vkd_op_input(lowering, args->x, VKD_DTYPE_INT8, VKD_4C, &conv.x));
    if (fused && args->fused.residual != VKD_NO_VALUE)
        VKD_TRY(vkd_op_input(lowering, args->fused.residual, VKD_DTYPE_INT8, VKD_4C, &conv.residual));
    VKD_TRY(vkd_op_output_4c(lowering, args->y, VKD_DTYPE_INT8, &conv.y));
    const vkd_tensor *tensors = lowering->graph->tensors;
    VKD_TRY(make_problem(lowering, args, &tensors[conv.x], &tensors[conv.y], &conv.problem));
    VKD_TRY(check_weight(lowering, args->weight, &conv.problem));
    VKD_TRY(vkd_requantize(lowering, &args->requantize, conv.problem.out_c, &conv.channels, &conv.requantize));
    if (fused)
        VKD_TRY(vkd_requantize_fuse(lowering, &args->requantize, &args->fused, args->y, &conv.requantize));
    conv.weights = vkd_value_tensor(lowering, args->weight)->data;
    return conv2d_build(lowering, &conv, conv2d_variants, conv2d_variant_count);
}

vkd_status vkd_lower_conv2d(vkd_lowering *lowering)
{
    conv2d_args args;
    VKD_TRY(vkd_op_args(lowering, conv2d_params, &args));
    return lower(lowering, &args, false);
}

vkd_status vkd_lower_fused_conv2d(vkd_lowering *lowering)
{
    conv2d_args args;
    VKD_TRY(vkd_op_args(lowering, fused_conv2d_params, &args));
    return lower(lowering, &args, true);
}
