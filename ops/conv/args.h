/* What the operators of the q8ta_conv2d family have in common until a kernel is chosen: arguments,
 * their checks, and the tensors. */
#ifndef VKD_OPS_CONV_ARGS_H
#define VKD_OPS_CONV_ARGS_H

#include "ops/conv/conv.h"

/* The parameters up to the padding; what follows differs. */
#define VKD_CONV_PARAMS                                                                            \
    VKD_TENSOR(conv_args, x), VKD_FLOAT(conv_args, requantize.x_scale, input_scale),               \
        VKD_INT(conv_args, requantize.x_zero, input_zero_point),                                   \
        VKD_CONSTANT(conv_args, weight, weights),                                                  \
        VKD_CONSTANT(conv_args, requantize.weight_sums, weight_sums),                              \
        VKD_FINITE(conv_args, requantize.weight_scales, weight_scales),                            \
        VKD_FLOAT(conv_args, requantize.y_scale, output_scale),                                    \
        VKD_INT(conv_args, requantize.y_zero, output_zero_point),                                  \
        VKD_OPTIONAL_FINITE(conv_args, requantize.bias, bias),                                     \
        VKD_INTS(conv_args, kernel, 2, kernel_size), VKD_INTS(conv_args, stride, 2),               \
        VKD_INTS(conv_args, padding, 2)

/* Output size along an axis (0: h, 1: w) for an input of so many pixels; below 1 if the window does
 * not fit. */
typedef int64_t (*conv_size_fn)(const conv_args *args, int axis, int64_t in);

/* Sets y's dims: channels of the result, and what the window leaves of x. */
VKD_MUST_USE vkd_status vkd_conv_args_shape(vkd_shaping *shaping, const conv_args *args,
                                            conv_size_fn size, uint32_t channels);

/* What vkd_conv_args_begin does, in four steps that build on the first: the problem, without any
 * tensor, though whether there is a residual or a table can be seen; x; y and the residual; and the
 * channels' parameters, with what is fused behind them. */
VKD_MUST_USE vkd_status vkd_conv_args_problem(vkd_lowering *lowering, const conv_args *args,
                                              conv2d *out);
VKD_MUST_USE vkd_status vkd_conv_args_input(vkd_lowering *lowering, const conv_args *args,
                                            conv2d *out);
VKD_MUST_USE vkd_status vkd_conv_args_output(vkd_lowering *lowering, const conv_args *args,
                                             conv2d *out);
VKD_MUST_USE vkd_status vkd_conv_args_numbers(vkd_lowering *lowering, const conv_args *args,
                                              conv2d *out);

/* Input and output tensors, the problem and the channels' parameters; all but out->weights, whose
 * form is the operator's own. VKD_INVALID_MODEL for arguments that contradict each other or the
 * tensors. */
VKD_MUST_USE vkd_status vkd_conv_args_begin(vkd_lowering *lowering, const conv_args *args,
                                            conv2d *out);

/* VKD_INVALID_MODEL unless the weight is an int8 constant of these dims. */
VKD_MUST_USE vkd_status vkd_conv_args_check_weight(vkd_lowering *lowering, uint32_t weight,
                                                   uint32_t rank, const uint32_t *dims);

/* A weight that is [out_c][conv2d_weight_row]. */
VKD_MUST_USE vkd_status vkd_conv_args_weight_rows(vkd_lowering *lowering, uint32_t weight,
                                                  const conv2d_problem *problem, vkd_weights *out);

#endif
