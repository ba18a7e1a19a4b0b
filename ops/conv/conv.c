/* et_vk.q8ta_conv2d and its spellings, and et_vk.q8ta_conv2d_dw, which differs only in the order of
 * its weights: both are handed to the factory. */
#include "ops/conv/args.h"
#include "ops/conv/pair.h"
#include "ops/tables.h"

static const vkd_param conv2d_params[] = {
    VKD_CONV_PARAMS,
    VKD_INTS(conv_args, dilation, 2),
    VKD_INT(conv_args, groups),
    VKD_STRING(conv_args, requantize.activation, activation),
    VKD_OUTPUT(conv_args, y, out),
    VKD_FUSED(conv_args, fused.residual),
    VKD_PARAMS_END,
};

static int64_t out_size(const conv_args *args, int axis, int64_t in)
{
    int64_t reach = (int64_t)args->dilation[axis] * (args->kernel[axis] - 1) + 1;
    int64_t room = in + 2 * (int64_t)args->padding[axis] - reach;
    return room < 0 ? 0 : room / args->stride[axis] + 1;
}

/* A depthwise weight that is [kernel_h][kernel_w][channel]. */
static vkd_status weight_taps(vkd_lowering *lowering, uint32_t value, const conv2d_problem *p,
                              vkd_weights *out)
{
    if (!conv2d_is_depthwise(p))
        return vkd_op_fail_value(
            lowering, VKD_UNSUPPORTED, value,
            "is for %u groups of %u input and %u output channels, expected one channel a group",
            p->groups, p->in_c, p->out_c);
    const vkd_model_tensor *weight = vkd_value_tensor(lowering, value);
    uint32_t padded = (uint32_t)vkd_align_up(p->out_c, 4);
    /* channels may be padded to whole words */
    bool whole = weight->rank == 3 && weight->dims[2] == padded;
    const uint32_t dims[] = {p->kernel[0], p->kernel[1], whole ? padded : p->out_c};
    VKD_TRY(vkd_conv_args_check_weight(lowering, value, 3, dims));
    *out = (vkd_weights){vkd_op_content(lowering, value), 1, dims[2]};
    return VKD_OK;
}

/* ----------------------------------------------------------------------------------------- rows */

static uint32_t channels_of(const vkd_shaping *shaping, const conv_args *args)
{
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x),
                           *weight = vkd_shape_of(shaping, args->weight);
    return !args->taps_first ? weight->dims[0] : x->rank >= 3 ? x->dims[x->rank - 3] : 0;
}

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const conv_args *args = arguments;
    return vkd_conv_args_shape(shaping, args, out_size, channels_of(shaping, args));
}

static vkd_status take_weights(vkd_lowering *lowering, const conv_args *args, conv2d *conv)
{
    return args->taps_first
               ? weight_taps(lowering, args->weight, &conv->problem, &conv->weights)
               : vkd_conv_args_weight_rows(lowering, args->weight, &conv->problem, &conv->weights);
}

static vkd_status build(vkd_lowering *lowering, const conv_args *args)
{
    conv2d conv;
    VKD_TRY(vkd_conv_args_begin(lowering, args, &conv));
    VKD_TRY(take_weights(lowering, args, &conv));
    return vkd_conv2d_build(lowering, &conv, vkd_conv2d_variants, vkd_conv2d_variant_count);
}

/* ---------------------------------------------------------------------------------------- pairs */

static vkd_status make_conv(vkd_lowering *lowering, const void *arguments, uint32_t value)
{
    (void)value;
    return build(lowering, arguments);
}

/* Whether a reader may make this one, too. */
static vkd_status may_wait(vkd_lowering *lowering, const conv_args *args, bool *out)
{
    conv2d conv;
    *out = false;
    if (args->fused.residual != VKD_NO_VALUE || lowering->use[args->y].reads != 1 ||
        vkd_value_tensor(lowering, args->y)->dtype != VKD_DTYPE_INT8 ||
        !vkd_op_may_be_late(lowering, args->y, &args->x, 1))
        return VKD_OK;
    VKD_TRY(vkd_conv_args_problem(lowering, args, &conv));
    *out = !vkd_conv2d_pair_first_refuses(&conv, lowering->caps);
    return VKD_OK;
}

/* What a convolution is that another one is put off for, for which its call is the current one. */
static vkd_status take_first(vkd_lowering *lowering, const vkd_call *call, conv2d *out)
{
    const vkd_call *second = lowering->call;
    lowering->call = call;
    vkd_status status = vkd_conv_args_input(lowering, call->args, out);
    status = status == VKD_OK ? take_weights(lowering, call->args, out) : status;
    status = status == VKD_OK ? vkd_conv_args_numbers(lowering, call->args, out) : status;
    lowering->call = second;
    return status;
}

/* With the one that was put off, where they win. */
static vkd_status lower_pair(vkd_lowering *lowering, const vkd_call *call, const conv_args *args,
                             bool *out_wins)
{
    conv2d first, second;
    VKD_TRY(vkd_conv_args_problem(lowering, call->args, &first));
    VKD_TRY(vkd_conv_args_problem(lowering, args, &second));
    VKD_TRY(vkd_conv2d_pair_wins(lowering, &first, &second, out_wins));
    if (!*out_wins)
        return VKD_OK;
    VKD_TRY(take_first(lowering, call, &first));
    VKD_TRY(vkd_conv_args_output(lowering, args, &second));
    VKD_TRY(take_weights(lowering, args, &second));
    VKD_TRY(vkd_conv_args_numbers(lowering, args, &second));
    return vkd_conv2d_emit_pair(lowering, &first, &second);
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const conv_args *args = arguments;
    const vkd_call *first = vkd_op_late(lowering, args->x, make_conv);
    bool waits, wins = false;
    VKD_TRY(may_wait(lowering, args, &waits));
    if (waits) {
        /* or a row of them would be made by as many calls, each inside of the next */
        VKD_TRY(vkd_op_make_late(lowering, args->x));
        vkd_op_put_off(lowering, args->y, make_conv);
        return VKD_OK;
    }
    if (first)
        VKD_TRY(lower_pair(lowering, first, args, &wins));
    return wins ? VKD_OK : build(lowering, args);
}

static const conv_args rows_first = {.fused = {.low = -128, .high = 127, .residual = VKD_NO_VALUE}};
static const conv_args taps_first = {.fused = {.low = -128, .high = 127, .residual = VKD_NO_VALUE},
                                     .taps_first = true};

#define CONV2D(name_, defaults_)                                                                   \
    {                                                                                              \
        .name = name_, .params = conv2d_params, .args_size = sizeof(conv_args), .shape = shape,    \
        .lower = lower, .kind = VKD_OP_Q8_CONV, .defaults = defaults_                              \
    }

static const vkd_op rows[] = {
    CONV2D("et_vk.q8ta_conv2d.default", &rows_first),
    CONV2D("et_vk.q8ta_conv2d_general.default", &rows_first),
    CONV2D("et_vk.q8ta_conv2d_im2col.default", &rows_first),
    CONV2D("et_vk.q8ta_conv2d_pw.default", &rows_first),
    CONV2D("et_vk.q8ta_conv2d_dw.default", &taps_first),
};

const vkd_op_table vkd_q8_conv_ops = VKD_OP_TABLE(rows);
