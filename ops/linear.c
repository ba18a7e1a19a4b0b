/* et_vk.q8ta_linear and _gemv: the GEMM over rows of features. */
#include "ops/gemm.h"
#include "ops/ops.h"
#include "ops/requantize.h"

#include <string.h>

typedef struct linear_args {
    uint32_t x, weight, y;
    requantize_args requantize;
} linear_args;

static const vkd_param linear_params[] = {
    VKD_TENSOR(linear_args, x),
    VKD_FLOAT(linear_args, requantize.x_scale),
    VKD_INT(linear_args, requantize.x_zero),
    VKD_CONSTANT(linear_args, weight),
    VKD_CONSTANT(linear_args, requantize.weight_sums),
    VKD_CONSTANT(linear_args, requantize.weight_scales),
    VKD_FLOAT(linear_args, requantize.y_scale),
    VKD_INT(linear_args, requantize.y_zero),
    VKD_OPTIONAL_CONSTANT(linear_args, requantize.bias),
    VKD_STRING(linear_args, requantize.activation),
    VKD_OUTPUT(linear_args, y),
    VKD_PARAMS_END,
};

static vkd_status check_shapes(vkd_lowering *lowering, const linear_args *args)
{
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x), *y = vkd_value_tensor(lowering, args->y);
    const vkd_model_tensor *weight = vkd_value_tensor(lowering, args->weight);
    if (x->rank != 2 || y->rank != 2)
        return vkd_op_fail(lowering, VKD_UNSUPPORTED, "input and output have ranks %u and %u: 2 is supported", x->rank,
                           y->rank);
    uint32_t k = x->dims[1], row = (uint32_t)vkd_align_up(k, 4);
    if (k > VKD_MAX_K)
        return vkd_op_fail(lowering, VKD_UNSUPPORTED, "%u products a sum: at most %d fit an int32 accumulator", k, VKD_MAX_K);
    if (weight->dtype != VKD_DTYPE_INT8 || weight->rank != 2 || weight->dims[0] != y->dims[1] || weight->dims[1] != row ||
        y->dims[0] != x->dims[0])
        return vkd_op_fail(lowering, VKD_INVALID_MODEL, "input %ux%u, output %ux%u and weight %s do not fit together",
                           x->dims[0], k, y->dims[0], y->dims[1],
                           vkd_dims_text(lowering->graph->arena, weight->rank, weight->dims));
    return VKD_OK;
}

vkd_status vkd_lower_linear(vkd_lowering *lowering)
{
    linear_args args;
    VKD_TRY(vkd_op_args(lowering, linear_params, &args));
    VKD_TRY(check_shapes(lowering, &args));
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args.x), *y = vkd_value_tensor(lowering, args.y);
    uint32_t m = x->dims[0], k = x->dims[1], n = y->dims[1], row = (uint32_t)vkd_align_up(k, 4);

    gemm_operands operands = {
        .weights = vkd_value_tensor(lowering, args.weight)->data, .weight_row = row, .tap_k = k, .residual = VKD_NO_TENSOR};
    VKD_TRY(vkd_op_input(lowering, args.x, VKD_DTYPE_INT8, VKD_4C, &operands.a));
    VKD_TRY(vkd_op_output_4c(lowering, args.y, VKD_DTYPE_INT8, &operands.y));
    VKD_TRY(vkd_requantize(lowering, &args.requantize, n, &operands.channels, &operands.requantize));
    gemm_problem problem = vkd_gemm_matrix(m, n, k, 1, row);
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_COUNT, NULL, 0);
    node.shape = vkd_arena_printf(lowering->graph->arena, "%ux%u -> %ux%u", m, k, m, n);
    if (!node.shape)
        return vkd_fail_memory(lowering->context, "a label");
    node.macs = (uint64_t)m * n * k;
    return vkd_gemm_emit(lowering, vkd_gemm_best(&problem, lowering->caps), &problem, &operands, node);
}
