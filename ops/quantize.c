#include "ops/quantize.h"
#include "graph/chain.h"
#include "ops/elementwise.h"
#include "ops/tables.h"
#include "ops/requantize.h"
#include "shaders/quantize_params.h"

#include <math.h>

static const vkd_param quantize_parameters[] = {
    VKD_TENSOR(quantize_args, x, input),      VKD_FLOAT(quantize_args, scale),
    VKD_INT(quantize_args, zero, zero_point), VKD_INT(quantize_args, low, quant_min),
    VKD_INT(quantize_args, high, quant_max),  VKD_IGNORED("dtype"),
    VKD_OUTPUT(quantize_args, y, out),        VKD_PARAMS_END,
};

static const vkd_param dequantize_parameters[] = {
    VKD_TENSOR(quantize_args, x, input),
    VKD_FLOAT(quantize_args, scale),
    VKD_INT(quantize_args, zero, zero_point),
    VKD_INT(quantize_args, low, quant_min),
    VKD_INT(quantize_args, high, quant_max),
    VKD_IGNORED("dtype"),
    VKD_IGNORED("out_dtype"),
    VKD_OUTPUT(quantize_args, y, out),
    VKD_PARAMS_END,
};

/* f32 and int8 of the whole range, which have kernels of their own; bounds do not matter to what is
 * dequantized. */
static bool is_usual(const vkd_model_value *values, const quantize_args *args, uint32_t real,
                     uint32_t integer)
{
    return values[real].tensor.dtype == VKD_DTYPE_FLOAT32 &&
           values[integer].tensor.dtype == VKD_DTYPE_INT8 && args->zero >= -128 &&
           args->zero <= 127 && (integer == args->x || (args->low == -128 && args->high == 127));
}

static vkd_status check_scale(vkd_lowering *lowering, const quantize_args *args)
{
    static const int32_t any = 0;
    return vkd_check_qparams(lowering, &args->scale, &any);
}

static vkd_status emit(vkd_lowering *lowering, vkd_shader shader, vkd_tensor_id x, vkd_tensor_id y,
                       float scale, int32_t zero)
{
    const vkd_tensor *from = &lowering->graph->tensors[x], *to = &lowering->graph->tensors[y];
    uint32_t groups = vkd_tensor_groups(to);
    quantize_params params = {.groups = groups,
                              .n = to->n,
                              .c = to->c,
                              .h = to->h,
                              .w = to->w,
                              .scale = scale,
                              .zero = zero};
    vkd_node node = vkd_op_node(lowering, shader, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, groups);
    vkd_node_read(&node, x);
    vkd_node_write(&node, y);
    bool moves = from->layout != to->layout;
    vkd_node_spec(&node, from->layout);
    vkd_node_spec(&node, to->layout);
    vkd_node_spec(&node, moves ? vkd_op_size_spec(lowering, to->c) : 1);
    vkd_node_spec(&node, moves ? vkd_op_size_spec(lowering, to->h) : 1);
    vkd_node_spec(&node, moves ? vkd_op_size_spec(lowering, to->w) : 1);
    return vkd_op_add_node(lowering, &node, x, y);
}

vkd_status vkd_dequantize(vkd_lowering *lowering, vkd_tensor_id x, vkd_tensor_id y, float scale,
                          int32_t zero)
{
    return emit(lowering, VKD_SHADER_DEQUANTIZE, x, y, scale, zero);
}

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const quantize_args *args = arguments;
    return vkd_shape_set_as(shaping, args->y, args->x);
}

/* What was only moved is read where it lies, by a chain without steps. */
static vkd_status quantize_view(vkd_lowering *lowering, const quantize_args *args)
{
    chain_args chain;
    vkd_chain_copy(lowering->net, args->x, args->y, &chain);
    chain.y_scale = (chain_scale){args->scale, args->zero};
    return vkd_chain_lower(lowering, &chain);
}

static vkd_status lower_quantize(vkd_lowering *lowering, const void *arguments)
{
    const quantize_args *args = arguments;
    vkd_tensor_id x, y;
    VKD_TRY(check_scale(lowering, args));
    if (!is_usual(lowering->values, args, args->x, args->y))
        return vkd_affine_by_numbers(lowering, args, true);
    VKD_TRY(vkd_op_make_late(lowering, args->x));
    if (lowering->tensors[args->x] == VKD_NO_TENSOR &&
        lowering->views[args->x].tensor != VKD_NO_TENSOR)
        return quantize_view(lowering, args);
    VKD_TRY(vkd_op_input_any(lowering, args->x, VKD_DTYPE_FLOAT32, &x));
    VKD_TRY(vkd_op_output(lowering, args->y, VKD_DTYPE_INT8, &y));
    return emit(lowering, VKD_SHADER_QUANTIZE, x, y, vkd_inverse_scale(args->scale), args->zero);
}

static vkd_status lower_dequantize(vkd_lowering *lowering, const void *arguments)
{
    const quantize_args *args = arguments;
    vkd_tensor_id x, y;
    VKD_TRY(check_scale(lowering, args));
    if (!is_usual(lowering->values, args, args->y, args->x))
        return vkd_affine_by_numbers(lowering, args, false);
    VKD_TRY(vkd_op_input_any(lowering, args->x, VKD_DTYPE_INT8, &x));
    VKD_TRY(vkd_op_output(lowering, args->y, VKD_DTYPE_FLOAT32, &y));
    return vkd_dequantize(lowering, x, y, args->scale, args->zero);
}

static bool is_sound(const quantize_args *args) { return isfinite(args->scale) && args->scale > 0; }

static bool chain_quantize(const vkd_net *net, const vkd_call *call, chain_args *out)
{
    const quantize_args *args = call->args;
    vkd_chain_copy(net, args->x, args->y, out);
    out->y_scale = (chain_scale){args->scale, args->zero};
    return is_sound(args) && is_usual(net->values, args, args->x, args->y);
}

static bool chain_dequantize(const vkd_net *net, const vkd_call *call, chain_args *out)
{
    const quantize_args *args = call->args;
    vkd_chain_copy(net, args->x, args->y, out);
    out->x_scales[0] = (chain_scale){args->scale, args->zero};
    return is_sound(args) && is_usual(net->values, args, args->y, args->x);
}

/* clang-format off */
#define QUANTIZE(name_) \
    {"quantized_decomposed" name_, quantize_parameters, sizeof(quantize_args), shape, \
     lower_quantize, chain_quantize, .kind = VKD_OP_QUANTIZE}
#define DEQUANTIZE(name_) \
    {"quantized_decomposed" name_, dequantize_parameters, sizeof(quantize_args), shape, \
     lower_dequantize, chain_dequantize, .kind = VKD_OP_DEQUANTIZE}
/* clang-format on */

static const vkd_op rows[] = {
    QUANTIZE(".quantize_per_tensor.default"),
    DEQUANTIZE(".dequantize_per_tensor.default"),
    /* between delegates */
    QUANTIZE("::quantize_per_tensor.out"),
    DEQUANTIZE("::dequantize_per_tensor.out"),
};

const vkd_op_table vkd_quantize_ops = VKD_OP_TABLE(rows);
