#include "graph/fuse.h"

/* Where things lie in the argument lists: a convolution's scale and zero point of its result, and what "vkd.q8_conv2d" appends
 * to the 15 arguments of a convolution: low, high, residual, r_scale, r_zero, sum_scale, sum_zero, result. */
enum {
    CONV_ARGS = 15,
    CONV_Y_SCALE = 6,
    LOW = CONV_ARGS,
    HIGH,
    RESIDUAL,
    R_SCALE,
    R_ZERO,
    SUM_SCALE,
    SUM_ZERO,
    RESULT,
    FUSED_ARGS
};

static const struct {
    const char *plain, *fused;
} convs[] = {
    {"et_vk.q8ta_conv2d.default", "vkd.q8_conv2d"},         {"et_vk.q8ta_conv2d_pw.default", "vkd.q8_conv2d"},
    {"et_vk.q8ta_conv2d_general.default", "vkd.q8_conv2d"}, {"et_vk.q8ta_conv2d_im2col.default", "vkd.q8_conv2d"},
    {"et_vk.q8ta_conv2d_dw.default", "vkd.q8_conv2d_dw"},
};
enum { CONV_COUNT = sizeof convs / sizeof *convs };

/* The fused form of a convolution's name, null for other operators. */
static const char *fused_name(const vkd_model_op *op)
{
    for (size_t i = 0; i < CONV_COUNT; i++)
        if (vkd_rw_named(op, convs[i].plain, CONV_ARGS + 1) || vkd_rw_named(op, convs[i].fused, FUSED_ARGS))
            return convs[i].fused;
    return NULL;
}

/* Fills in the fused argument list of a convolution, fused already or not. */
static vkd_status fused_args(vkd_rewriter *r, const vkd_model_op *conv, uint32_t args[FUSED_ARGS])
{
    bool plain = conv->arg_count == CONV_ARGS + 1;
    for (size_t i = 0; i < (plain ? CONV_ARGS : FUSED_ARGS); i++)
        args[i] = conv->args[i];
    if (!plain)
        return VKD_OK;
    uint32_t zero;
    VKD_TRY(vkd_rw_add_int(r, -128, &args[LOW]));
    VKD_TRY(vkd_rw_add_int(r, 127, &args[HIGH]));
    VKD_TRY(vkd_rw_add_null(r, &args[RESIDUAL]));
    VKD_TRY(vkd_rw_add_int(r, 0, &zero));
    for (int i = R_SCALE; i < RESULT; i++)
        args[i] = zero;
    return VKD_OK;
}

static bool has_residual(const vkd_rewriter *r, const vkd_model_op *conv)
{
    return conv->arg_count == FUSED_ARGS && r->values[conv->args[RESIDUAL]].kind != VKD_VALUE_NULL;
}

/* conv -> "vkd.q8_clamp" (x, low, high, y): the bounds of the convolution's own clamp. */
vkd_status vkd_fuse_clamp(vkd_rewriter *r, size_t index)
{
    vkd_model_op *clamp = &r->ops[index];
    if (!vkd_rw_named(clamp, "vkd.q8_clamp", 4) || vkd_rw_result(r, clamp) == VKD_NO_ID)
        return VKD_OK;
    vkd_model_op *conv = vkd_rw_only_producer(r, clamp->args[0], index);
    double low, high, old_low, old_high;
    if (!conv || !fused_name(conv) || has_residual(r, conv) || vkd_rw_result(r, conv) != clamp->args[0] ||
        !vkd_rw_number(r, clamp->args[1], &low) || !vkd_rw_number(r, clamp->args[2], &high))
        return VKD_OK;
    uint32_t args[FUSED_ARGS];
    VKD_TRY(fused_args(r, conv, args));
    if (!vkd_rw_number(r, args[LOW], &old_low) || !vkd_rw_number(r, args[HIGH], &old_high))
        return VKD_OK;
    /* One clamp after another is one clamp only while the ranges overlap. */
    if (low > old_high || high < old_low)
        return VKD_OK;
    VKD_TRY(vkd_rw_add_int(r, (int64_t)(low > old_low ? low : old_low), &args[LOW]));
    VKD_TRY(vkd_rw_add_int(r, (int64_t)(high < old_high ? high : old_high), &args[HIGH]));
    args[RESULT] = vkd_rw_result(r, clamp);
    const char *name = fused_name(conv);
    vkd_rw_remove(r, clamp);
    return vkd_rw_replace(r, conv, name, FUSED_ARGS, args);
}

/* conv -> q8ta_add: the convolution takes the addition's place in the order, where the other operand surely is there. */
vkd_status vkd_fuse_add(vkd_rewriter *r, size_t index)
{
    enum { A, B, A_SCALE, A_ZERO, B_SCALE, B_ZERO, Y_SCALE, Y_ZERO, ALPHA, Y, ADD_ARGS };
    vkd_model_op *add = &r->ops[index];
    uint32_t y = vkd_rw_result(r, add);
    double alpha;
    if (!vkd_rw_named(add, "et_vk.q8ta_add.default", ADD_ARGS) || y == VKD_NO_ID || !vkd_rw_is_tensor(r, add->args[A]) ||
        !vkd_rw_is_tensor(r, add->args[B]) || !vkd_rw_number(r, add->args[ALPHA], &alpha) || alpha != 1)
        return VKD_OK;
    /* Of two convolutions the later one: the earlier one runs while nothing waits for it. */
    vkd_model_op *a = vkd_rw_only_producer(r, add->args[A], index), *b = vkd_rw_only_producer(r, add->args[B], index);
    a = a && fused_name(a) && !has_residual(r, a) ? a : NULL;
    b = b && fused_name(b) && !has_residual(r, b) ? b : NULL;
    bool use_b = b && (!a || b > a);
    vkd_model_op *conv = use_b ? b : a;
    double conv_scale, conv_zero, scale, zero;
    if (!conv || !vkd_rw_number(r, conv->args[CONV_Y_SCALE], &conv_scale) ||
        !vkd_rw_number(r, conv->args[CONV_Y_SCALE + 1], &conv_zero) ||
        !vkd_rw_number(r, add->args[use_b ? B_SCALE : A_SCALE], &scale) ||
        !vkd_rw_number(r, add->args[use_b ? B_ZERO : A_ZERO], &zero) || scale != conv_scale || zero != conv_zero)
        return VKD_OK;
    uint32_t args[FUSED_ARGS];
    VKD_TRY(fused_args(r, conv, args));
    args[RESIDUAL] = add->args[use_b ? A : B];
    args[R_SCALE] = add->args[use_b ? A_SCALE : B_SCALE];
    args[R_ZERO] = add->args[use_b ? A_ZERO : B_ZERO];
    args[SUM_SCALE] = add->args[Y_SCALE];
    args[SUM_ZERO] = add->args[Y_ZERO];
    args[RESULT] = y;
    const char *name = fused_name(conv);
    vkd_rw_swap(r, conv, add); /* now `add` points to the convolution */
    vkd_rw_remove(r, conv);
    return vkd_rw_replace(r, add, name, FUSED_ARGS, args);
}

/* linear -> dequantize: "vkd.q8_linear" appends scale and zero point of the dequantize to a linear layer's 10 arguments. */
vkd_status vkd_fuse_dequantize(vkd_rewriter *r, size_t index)
{
    enum { LINEAR_ARGS = 10, SCALE = LINEAR_ARGS, ZERO, REAL, REAL_ARGS };
    vkd_model_op *dequantize = &r->ops[index];
    double scale, zero;
    if (!vkd_rw_is_dequantize(dequantize) || vkd_rw_result(r, dequantize) == VKD_NO_ID ||
        !vkd_rw_qparams(r, dequantize, &scale, &zero))
        return VKD_OK;
    vkd_model_op *linear = vkd_rw_only_producer(r, dequantize->args[0], index);
    if (!linear || vkd_rw_result(r, linear) != dequantize->args[0] ||
        !(vkd_rw_named(linear, "et_vk.q8ta_linear.default", LINEAR_ARGS + 1) ||
          vkd_rw_named(linear, "et_vk.q8ta_linear_gemv.default", LINEAR_ARGS + 1)))
        return VKD_OK;
    uint32_t args[REAL_ARGS] = {[SCALE] = dequantize->args[1], dequantize->args[2], vkd_rw_result(r, dequantize)};
    for (size_t i = 0; i < LINEAR_ARGS; i++)
        args[i] = linear->args[i];
    vkd_rw_remove(r, dequantize);
    return vkd_rw_replace(r, linear, "vkd.q8_linear", REAL_ARGS, args);
}
