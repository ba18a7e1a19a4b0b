#include "ops/conv/args.h"
#include "ops/function.h"

#include <string.h>

enum { MAX_WINDOW = 1 << 15 };

/* Everything within bounds in which all arithmetic on it fits 32 bits. */
static vkd_status check_window(vkd_shaping *shaping, const conv_args *args)
{
    VKD_TRY(vkd_shape_pair(shaping, args->kernel, 1, MAX_WINDOW));
    VKD_TRY(vkd_shape_pair(shaping, args->stride, 1, MAX_WINDOW));
    VKD_TRY(vkd_shape_pair(shaping, args->padding, 0, MAX_WINDOW));
    VKD_TRY(vkd_shape_pair(shaping, args->output_padding, 0, MAX_WINDOW));
    return vkd_shape_pair(shaping, args->dilation, 1, MAX_WINDOW);
}

vkd_status vkd_conv_args_shape(vkd_shaping *shaping, const conv_args *args, conv_size_fn size,
                               uint32_t channels)
{
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    VKD_TRY(check_window(shaping, args));
    if (x->rank != 3 && x->rank != 4)
        return vkd_shape_fail_value(shaping, VKD_INVALID_MODEL, args->x,
                                    "has rank %u, expected 3 or 4", x->rank);
    uint32_t dims[4] = {x->dims[0]}, image = x->rank - 2;
    dims[image - 1] = channels;
    for (uint32_t axis = 0; axis < 2; axis++) {
        int64_t out = size(args, (int)axis, x->dims[image + axis]);
        if (out < 1 || out > INT32_MAX)
            return vkd_shape_fail_value(shaping, VKD_INVALID_MODEL, args->x,
                                        "leaves %lld %s under the window, expected 1 at least",
                                        (long long)out, axis ? "columns" : "rows");
        dims[image + axis] = (uint32_t)out;
    }
    return vkd_shape_set(shaping, args->y, x->rank, dims);
}

/* Of so many values: those that the graph is for, or the file's, which are the largest. */
static conv2d_problem problem_of(const vkd_model_value *values, const conv_args *args)
{
    const vkd_model_tensor *x = &values[args->x].tensor, *y = &values[args->y].tensor;
    const uint32_t *in = x->dims + x->rank - 3, *out = y->dims + y->rank - 3; /* c, h, w */
    conv2d_problem p = {
        .n = x->rank == 4 ? x->dims[0] : 1,
        .in_c = in[0],
        .in_h = in[1],
        .in_w = in[2],
        .out_c = out[0],
        .out_h = out[1],
        .out_w = out[2],
        .groups = (uint32_t)args->groups,
        .dtype = VKD_DTYPE_INT8,
    };
    for (int axis = 0; axis < 2; axis++) {
        p.kernel[axis] = (uint32_t)args->kernel[axis];
        p.stride[axis] = (uint32_t)args->stride[axis];
        p.padding[axis] = (uint32_t)args->padding[axis];
        p.dilation[axis] = (uint32_t)args->dilation[axis];
    }
    return p;
}

static vkd_status make_problems(vkd_lowering *lowering, const conv_args *args, conv2d *out)
{
    const conv2d_problem *p = &out->problem;
    out->problem = problem_of(lowering->values, args);
    if (lowering->net->resizes)
        out->largest = problem_of(lowering->net->values, args);
    if (args->groups < 1 || p->in_c % p->groups || p->out_c % p->groups)
        return vkd_op_fail_at(
            lowering, VKD_INVALID_MODEL, &args->groups,
            "is %d, expected a number that divides %u input and %u output channels", args->groups,
            p->in_c, p->out_c);
    if (conv2d_k(p) > VKD_MAX_K)
        return vkd_op_fail_value(lowering, VKD_UNSUPPORTED, args->weight,
                                 "makes sums of %llu products, expected %d at most, for 32 bits",
                                 (unsigned long long)conv2d_k(p), VKD_MAX_K);
    return VKD_OK;
}

/* The table of a fused chain, in the residual's place. */
static vkd_status add_table(vkd_lowering *lowering, const chain_args *chain, conv2d *conv)
{
    conv->requantize.q_scale = 1;
    conv->requantize.r_scale = 0;
    conv->table = true;
    return vkd_op_function(lowering, chain, VKD_DTYPE_INT8, &conv->residual);
}

vkd_status vkd_conv_args_problem(vkd_lowering *lowering, const conv_args *args, conv2d *out)
{
    *out = (conv2d){.x_zero = args->requantize.x_zero,
                    .x = VKD_NO_TENSOR,
                    .y = VKD_NO_TENSOR,
                    .residual = args->fused.residual == VKD_NO_VALUE ? VKD_NO_TENSOR : 0,
                    .table = args->fused.chain};
    return make_problems(lowering, args, out);
}

vkd_status vkd_conv_args_input(vkd_lowering *lowering, const conv_args *args, conv2d *out)
{
    return vkd_op_input(lowering, args->x, VKD_DTYPE_INT8, VKD_4C, &out->x);
}

vkd_status vkd_conv_args_output(vkd_lowering *lowering, const conv_args *args, conv2d *out)
{
    if (args->fused.residual != VKD_NO_VALUE)
        VKD_TRY(
            vkd_op_input(lowering, args->fused.residual, VKD_DTYPE_INT8, VKD_4C, &out->residual));
    return vkd_op_output_4c(lowering, args->y, VKD_DTYPE_INT8, &out->y);
}

vkd_status vkd_conv_args_numbers(vkd_lowering *lowering, const conv_args *args, conv2d *out)
{
    VKD_TRY(vkd_requantize(lowering, &args->requantize, out->problem.out_c, &out->channels,
                           &out->requantize));
    VKD_TRY(
        vkd_requantize_fuse(lowering, &args->requantize, &args->fused, args->y, &out->requantize));
    return args->fused.chain ? add_table(lowering, args->fused.chain, out) : VKD_OK;
}

vkd_status vkd_conv_args_begin(vkd_lowering *lowering, const conv_args *args, conv2d *out)
{
    VKD_TRY(vkd_conv_args_problem(lowering, args, out));
    VKD_TRY(vkd_conv_args_input(lowering, args, out));
    VKD_TRY(vkd_conv_args_output(lowering, args, out));
    return vkd_conv_args_numbers(lowering, args, out);
}

vkd_status vkd_conv_args_check_weight(vkd_lowering *lowering, uint32_t weight, uint32_t rank,
                                      const uint32_t *dims)
{
    const vkd_model_tensor *tensor = vkd_value_tensor(lowering, weight);
    if (tensor->dtype == VKD_DTYPE_INT8 && tensor->rank == rank &&
        !memcmp(tensor->dims, dims, rank * sizeof *dims))
        return VKD_OK;
    vkd_arena *arena = lowering->graph->arena;
    const char *is = vkd_dims_text(arena, tensor->rank, tensor->dims),
               *expected = vkd_dims_text(arena, rank, dims);
    return vkd_op_fail_value(lowering, VKD_INVALID_MODEL, weight, "is %s %s, expected i8 %s",
                             vkd_dtype_name(tensor->dtype), is ? is : "?",
                             expected ? expected : "?");
}

vkd_status vkd_conv_args_weight_rows(vkd_lowering *lowering, uint32_t weight,
                                     const conv2d_problem *problem, vkd_weights *out)
{
    const uint32_t dims[] = {problem->out_c, conv2d_weight_row(problem)};
    VKD_TRY(vkd_conv_args_check_weight(lowering, weight, 2, dims));
    *out = (vkd_weights){vkd_op_content(lowering, weight), dims[1], 1};
    return VKD_OK;
}
