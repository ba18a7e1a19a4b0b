/* et_vk.q8ta_conv2d_transposed: shaders/conv_transposed.comp. */
#include "ops/conv/args.h"
#include "ops/tables.h"
#include "shaders/conv_transposed_params.h"

#include <string.h>

static const vkd_param transposed_params[] = {
    VKD_CONV_PARAMS,
    VKD_INTS(conv_args, output_padding, 2),
    VKD_INTS(conv_args, dilation, 2),
    VKD_INT(conv_args, groups),
    VKD_STRING(conv_args, requantize.activation, activation),
    VKD_OUTPUT(conv_args, y, out),
    VKD_PARAMS_END,
};

static int64_t out_size(const conv_args *args, int axis, int64_t in)
{
    return (in - 1) * args->stride[axis] - 2 * (int64_t)args->padding[axis] + args->kernel[axis] +
           args->output_padding[axis];
}

/* -------------------------------------------------------------------------------------- weights */

typedef struct transposed_source {
    vkd_weights weights;
    uint32_t taps, in_c4, out_c, ic_group, oc_group, span;
    int32_t zero; /* what the kernel has added to the zero point of x */
} transposed_source;

/* The input channels [first, end) that output channels oc4 .. oc4 + 3 are computed from. */
static void channels_of_word(const conv2d_problem *p, uint32_t oc4, uint32_t *first, uint32_t *end)
{
    uint32_t last = oc4 + 3 < p->out_c ? oc4 + 3 : p->out_c - 1;
    *first = oc4 / conv2d_oc_group(p) * conv2d_ic_group(p);
    *end = (last / conv2d_oc_group(p) + 1) * conv2d_ic_group(p);
}

/* The most words that any word of output channels needs. */
static uint32_t span_of(const conv2d_problem *p)
{
    uint32_t span = 1, first, end;
    for (uint32_t oc4 = 0; oc4 < p->out_c; oc4 += 4) {
        channels_of_word(p, oc4, &first, &end);
        uint32_t words = (uint32_t)vkd_divide_up(end, 4) - first / 4;
        span = words > span ? words : span;
    }
    return span;
}

/* Weight of output channel oc for input channel ic at a tap; 0 for an input channel of another
 * group, and in the padding. */
static int8_t weight_at(const transposed_source *s, uint32_t oc, uint32_t tap, uint32_t ic)
{
    uint32_t first = oc / s->oc_group * s->ic_group;
    if (oc >= s->out_c || ic < first || ic >= first + s->ic_group)
        return 0;
    return *vkd_weights_at(&s->weights, oc, (size_t)tap * s->ic_group + (ic - first));
}

/* The tap's part of the zero point, then its words; see the shader. */
static void pack_tap(const transposed_source *s, uint32_t oc4, uint32_t tap, int8_t *out)
{
    uint32_t first = oc4 / s->oc_group * s->ic_group / 4; /* as in the shader */
    if (first > s->in_c4 - s->span)
        first = s->in_c4 - s->span;
    uint32_t ic = first * 4, end = (first + s->span) * 4;
    for (uint32_t oc = oc4; oc < oc4 + 4; oc++, out += 4) {
        int32_t sum = 0;
        for (uint32_t i = ic; i < end; i++)
            sum += weight_at(s, oc, tap, i);
        sum *= -s->zero;
        memcpy(out, &sum, 4);
    }
    for (; ic < end; ic += 4)
        for (uint32_t oc = oc4; oc < oc4 + 4; oc++)
            for (uint32_t i = ic; i < ic + 4; i++)
                *out++ = weight_at(s, oc, tap, i);
}

static void pack_taps(const void *from, void *dst, size_t size)
{
    const transposed_source *source = from;
    int8_t *out = dst;
    size_t step = 16 * ((size_t)source->span + 1);
    for (uint32_t oc4 = 0; oc4 < source->out_c; oc4 += 4)
        for (uint32_t tap = 0; tap < source->taps; tap++, out += step)
            pack_tap(source, oc4, tap, out);
    memset(out, 0, size - (size_t)(out - (int8_t *)dst));
}

static vkd_status add_weights(vkd_lowering *lowering, const conv2d *conv, uint32_t span,
                              vkd_tensor_id *out)
{
    const conv2d_problem *p = &conv->problem;
    transposed_source source;
    memset(&source, 0, sizeof source); /* it is compared by its bytes */
    source.weights = conv->weights;
    source.taps = conv2d_taps(p);
    source.in_c4 = (uint32_t)vkd_divide_up(p->in_c, 4);
    source.out_c = p->out_c;
    source.ic_group = conv2d_ic_group(p);
    source.oc_group = conv2d_oc_group(p);
    source.span = span;
    source.zero = conv->x_zero + (lowering->caps->dot == VKD_DOT_MIXED ? 128 : 0);
    uint64_t bytes = vkd_divide_up(p->out_c, 4) * source.taps * 16 * (span + 1u);
    return vkd_op_constant(lowering, bytes, pack_taps, &source, sizeof source, 1, out);
}

/* ------------------------------------------------------------------------------------- lowering */

/* Every stride-th tap meets a pixel. */
static uint64_t loops_of(const conv2d_problem *p, uint32_t span)
{
    uint64_t rows = vkd_divide_up(p->kernel[0], p->stride[0]),
             columns = vkd_divide_up(p->kernel[1], p->stride[1]);
    return vkd_loop(rows, vkd_loop(columns, vkd_loop(span, 0)));
}

static vkd_status emit(vkd_lowering *lowering, const conv2d *conv)
{
    const conv2d_problem *p = &conv->problem;
    conv_transposed_params push = {
        .n = p->n,
        .in_h = p->in_h,
        .in_w = p->in_w,
        .out_h = p->out_h,
        .out_w = p->out_w,
        .in_c4 = (uint32_t)vkd_divide_up(p->in_c, 4),
        .out_c4 = (uint32_t)vkd_divide_up(p->out_c, 4),
        .ic_group = conv2d_ic_group(p),
        .oc_group = conv2d_oc_group(p),
        .span = span_of(p),
        .kernel_h = p->kernel[0],
        .kernel_w = p->kernel[1],
        .stride_h = p->stride[0],
        .stride_w = p->stride[1],
        .padding_h = p->padding[0],
        .padding_w = p->padding[1],
        .requantize = conv->requantize,
    };
    vkd_tensor_id weights;
    VKD_TRY(add_weights(lowering, conv, push.span, &weights));
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_CONV_TRANSPOSED, loops_of(p, push.span), &push,
                                sizeof push);
    char text[CONV2D_TEXT];
    vkd_conv2d_problem_format(p, text);
    node.shape = vkd_arena_printf(lowering->graph->arena, "%s", text);
    if (!node.shape)
        return vkd_fail_memory(lowering->context, "a node's description");
    /* each input pixel meets each tap */
    node.macs = (uint64_t)p->n * p->in_h * p->in_w * p->out_c * conv2d_k(p);
    vkd_node_linear(&node, lowering->caps, conv2d_pixels(p) * push.out_c4);
    vkd_node_read(&node, conv->x);
    vkd_node_read(&node, weights);
    vkd_requantize_bind(&node, conv->channels, conv->residual, conv->y);
    return vkd_op_add_node(lowering, &node, conv->x, conv->y);
}

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const conv_args *args = arguments;
    return vkd_conv_args_shape(shaping, args, out_size,
                               vkd_shape_of(shaping, args->weight)->dims[0]);
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const conv_args *args = arguments;
    conv2d conv;
    VKD_TRY(vkd_conv_args_begin(lowering, args, &conv));
    const conv2d_problem *p = &conv.problem;
    if (p->dilation[0] != 1 || p->dilation[1] != 1)
        return vkd_op_fail_at(lowering, VKD_UNSUPPORTED, args->dilation, "is %ux%u, expected 1",
                              p->dilation[0], p->dilation[1]);
    VKD_TRY(vkd_conv_args_weight_rows(lowering, args->weight, p, &conv.weights));
    return emit(lowering, &conv);
}

static const conv_args unfused = {.fused = {.low = -128, .high = 127, .residual = VKD_NO_VALUE}};

static const vkd_op rows[] = {
    {"et_vk.q8ta_conv2d_transposed.default", transposed_params, sizeof(conv_args), shape, lower,
     .defaults = &unfused},
};

const vkd_op_table vkd_q8_conv_transposed_ops = VKD_OP_TABLE(rows);
