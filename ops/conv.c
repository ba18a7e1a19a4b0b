/* et_vk.q8ta_conv2d and its spellings, and et_vk.q8ta_conv2d_dw, which differs only in the order of its weights: both are
 * handed to the factory. */
#include "ops/conv_args.h"
#include "ops/ops.h"

#define CONV2D_PARAMS                                                                                                          \
    VKD_CONV_PARAMS, VKD_INTS(conv_args, dilation, 2), VKD_INT(conv_args, groups), VKD_STRING(conv_args, requantize.activation)

static const vkd_param conv2d_params[] = {CONV2D_PARAMS, VKD_OUTPUT(conv_args, y), VKD_PARAMS_END};

/* The rewriter's "vkd.q8_conv2d" and "vkd.q8_conv2d_dw": a byte clamp of the result, and an addition, where it found them
 * behind the convolution. */
static const vkd_param fused_conv2d_params[] = {CONV2D_PARAMS, VKD_FUSED_PARAMS(conv_args, fused), VKD_OUTPUT(conv_args, y),
                                                VKD_PARAMS_END};

static int64_t out_size(const conv_args *args, int axis, int64_t in)
{
    int64_t reach = (int64_t)args->dilation[axis] * (args->kernel[axis] - 1) + 1;
    int64_t room = in + 2 * (int64_t)args->padding[axis] - reach;
    return room < 0 ? 0 : room / args->stride[axis] + 1;
}

/* Brings a depthwise weight, [kernel_h][kernel_w][channel], into the order that the variants know. */
static vkd_status reorder_taps(vkd_lowering *lowering, uint32_t value, const conv2d_problem *p, const int8_t **out)
{
    if (!conv2d_is_depthwise(p))
        return vkd_op_fail(lowering, VKD_UNSUPPORTED,
                           "%u groups for %u input and %u output channels: one channel a group is supported", p->groups,
                           p->in_c, p->out_c);
    const vkd_model_tensor *weight = vkd_value_tensor(lowering, value);
    uint32_t padded = (uint32_t)vkd_align_up(p->out_c, 4), row = conv2d_weight_row(p), taps = conv2d_taps(p);
    bool whole = weight->rank == 3 && weight->dims[2] == padded; /* channels may be padded to whole words */
    const uint32_t dims[] = {p->kernel[0], p->kernel[1], whole ? padded : p->out_c};
    VKD_TRY(conv_args_check_weight(lowering, value, 3, dims));
    int8_t *rows = vkd_arena_alloc(lowering->graph->arena, p->out_c, row);
    if (!rows)
        return vkd_fail_memory(lowering->context, "convolution weights");
    const int8_t *from = weight->data;
    for (uint32_t tap = 0; tap < taps; tap++)
        for (uint32_t c = 0; c < p->out_c; c++)
            rows[(size_t)c * row + tap] = from[(size_t)tap * dims[2] + c];
    *out = rows;
    return VKD_OK;
}

typedef vkd_status (*weights_fn)(vkd_lowering *lowering, uint32_t value, const conv2d_problem *problem, const int8_t **out);

static vkd_status lower(vkd_lowering *lowering, const vkd_param *params, weights_fn weights)
{
    conv_args args = {0};
    conv2d conv;
    VKD_TRY(vkd_op_args(lowering, params, &args));
    VKD_TRY(conv_args_begin(lowering, &args, out_size, params == fused_conv2d_params, &conv));
    VKD_TRY(weights(lowering, args.weight, &conv.problem, &conv.weights));
    return conv2d_build(lowering, &conv, conv2d_variants, conv2d_variant_count);
}

vkd_status vkd_lower_conv2d(vkd_lowering *lowering) { return lower(lowering, conv2d_params, conv_args_weight_rows); }

vkd_status vkd_lower_fused_conv2d(vkd_lowering *lowering)
{
    return lower(lowering, fused_conv2d_params, conv_args_weight_rows);
}

vkd_status vkd_lower_conv2d_dw(vkd_lowering *lowering) { return lower(lowering, conv2d_params, reorder_taps); }

vkd_status vkd_lower_fused_conv2d_dw(vkd_lowering *lowering) { return lower(lowering, fused_conv2d_params, reorder_taps); }
