#include "graph/fuse.h"
#include "graph/chain.h"
#include "runtime/base/element.h"

/* What a convolution is called once something is fused behind it. */
static void rename_fused(vkd_call *call)
{
    const conv_args *conv = call->args;
    call->name = conv->taps_first ? "vkd.q8_conv2d_dw" : "vkd.q8_conv2d";
}

/* The convolution that makes a value for one reader alone, if it can still take something behind
 * it; null otherwise. */
static vkd_call *open_conv(vkd_rewriter *r, uint32_t id, size_t before)
{
    vkd_call *call = vkd_rw_only_producer(r, id, before);
    const conv_args *conv = vkd_rw_args(call, VKD_OP_Q8_CONV);
    return conv && conv->fused.residual == VKD_NO_VALUE && !conv->fused.chain ? call : NULL;
}

/* conv -> q8_clamp: the bounds of the convolution's own clamp. */
vkd_status vkd_fuse_clamp(vkd_rewriter *r, size_t index)
{
    const q8_clamp_args *clamp = vkd_rw_args(&r->net->calls[index], VKD_OP_Q8_CLAMP);
    vkd_call *call = clamp ? open_conv(r, clamp->x, index) : NULL;
    conv_args *conv = vkd_rw_args(call, VKD_OP_Q8_CONV);
    /* One clamp after another is one clamp only while the ranges overlap. */
    if (!conv || clamp->low > conv->fused.high || clamp->high < conv->fused.low)
        return VKD_OK;
    conv->fused.low = clamp->low > conv->fused.low ? clamp->low : conv->fused.low;
    conv->fused.high = clamp->high < conv->fused.high ? clamp->high : conv->fused.high;
    uint32_t y = clamp->y;
    vkd_rw_remove(r, &r->net->calls[index]);
    vkd_rw_set_result(r, call, y);
    rename_fused(call);
    return VKD_OK;
}

/* conv -> q8ta_add: the convolution takes the addition's place in the order, where the other
 * operand surely is there. */
vkd_status vkd_fuse_add(vkd_rewriter *r, size_t index)
{
    vkd_call *call = &r->net->calls[index];
    const add_args *add = vkd_rw_args(call, VKD_OP_Q8_ADD);
    if (!add || add->alpha != 1 ||
        !vkd_rw_alike(r, add->a, add->b)) /* an epilogue does not broadcast */
        return VKD_OK;
    /* Of two convolutions the later one: the earlier one runs while nothing waits for it. */
    vkd_call *a = open_conv(r, add->a, index), *b = open_conv(r, add->b, index);
    bool use_b = b && (!a || b > a);
    vkd_call *conv_call = use_b ? b : a;
    conv_args *conv = vkd_rw_args(conv_call, VKD_OP_Q8_CONV);
    if (!conv || conv->requantize.y_scale != (use_b ? add->b_scale : add->a_scale) ||
        conv->requantize.y_zero != (use_b ? add->b_zero : add->a_zero))
        return VKD_OK;
    const add_args sum = *add;
    vkd_rw_swap(r, conv_call, call);
    vkd_rw_remove(r, conv_call); /* the addition, now in the convolution's place */
    conv->fused.r_scale = use_b ? sum.a_scale : sum.b_scale;
    conv->fused.r_zero = use_b ? sum.a_zero : sum.b_zero;
    conv->fused.sum_scale = sum.y_scale;
    conv->fused.sum_zero = sum.y_zero;
    vkd_rw_set_input(r, &conv->fused.residual, use_b ? sum.a : sum.b);
    vkd_rw_set_result(r, call, sum.y);
    rename_fused(call);
    return VKD_OK;
}

/* conv -> chain, where that is a function of the convolution's result alone: as a table. */
vkd_status vkd_fuse_chain(vkd_rewriter *r, size_t index)
{
    const chain_args *chain = vkd_rw_args(&r->net->calls[index], VKD_OP_CHAIN);
    if (!chain || !vkd_chain_is_table(r, chain) ||
        vkd_rw_tensor(r, chain->y)->dtype != VKD_DTYPE_INT8)
        return VKD_OK;
    vkd_call *call = open_conv(r, chain->x[0], index);
    conv_args *conv = vkd_rw_args(call, VKD_OP_Q8_CONV);
    if (!conv)
        return VKD_OK;
    const char *name = vkd_chain_name(r->net->arena, call->name, r->net->calls[index].name);
    if (!name)
        return vkd_fail_memory(r->net->arena->context, "the rewriter");
    conv->fused.chain = chain;
    vkd_rw_remove(r, &r->net->calls[index]);
    vkd_rw_set_result(r, call, chain->y);
    call->name = name;
    return VKD_OK;
}

/* conv -> cat by a table: the table is the convolution's. */
vkd_status vkd_fuse_part(vkd_rewriter *r, size_t index)
{
    cat_args *cat = vkd_rw_args(&r->net->calls[index], VKD_OP_CAT);
    if (!cat || !cat->tables || vkd_rw_tensor(r, cat->y)->dtype != VKD_DTYPE_INT8)
        return VKD_OK;
    for (size_t i = 0; i < cat->parts.count; i++) {
        vkd_call *call = cat->tables[i] ? open_conv(r, cat->parts.values[i], index) : NULL;
        conv_args *conv = vkd_rw_args(call, VKD_OP_Q8_CONV);
        if (!conv)
            continue;
        call->name = vkd_chain_name(r->net->arena, call->name, "vkd.dequantize+quantize");
        if (!call->name)
            return vkd_fail_memory(r->net->arena->context, "the rewriter");
        conv->fused.chain = cat->tables[i];
        cat->tables[i] = NULL;
    }
    return VKD_OK;
}

/* ---------------------------------------------------------------------------- squeeze and excite
 */

/* A workgroup reads all of the first convolution's weights, and keeps its channels. On an H200 two
 * dispatches take longer for 83 000 weights; the more they are, the less. */
enum { MOST_EXCITE_WEIGHTS = 1 << 17, MOST_EXCITE_CHANNELS = 1 << 12 };

static bool is_one_pixel(const vkd_model_tensor *x)
{
    return x->rank >= 3 && x->dims[x->rank - 1] == 1 && x->dims[x->rank - 2] == 1;
}

/* A convolution that is a matrix times the channels of one pixel; null for others. */
static conv_args *pixel_conv(const vkd_rewriter *r, const vkd_call *call)
{
    conv_args *conv = vkd_rw_args(call, VKD_OP_Q8_CONV);
    if (!conv || conv->taps_first || conv->groups != 1 || conv->fused.residual != VKD_NO_VALUE ||
        !is_one_pixel(vkd_rw_tensor(r, conv->x)) || !is_one_pixel(vkd_rw_tensor(r, conv->y)) ||
        vkd_rw_tensor(r, conv->weight)->rank != 2)
        return NULL;
    const uint32_t *dims = vkd_rw_tensor(r, conv->weight)->dims;
    const bool fits = (uint64_t)dims[0] * dims[1] <= MOST_EXCITE_WEIGHTS;
    for (int axis = 0; axis < 2; axis++)
        if (conv->kernel[axis] != 1 || conv->padding[axis])
            return NULL;
    return fits ? conv : NULL;
}

vkd_status vkd_fuse_excite(vkd_rewriter *r, size_t index)
{
    vkd_call *call = &r->net->calls[index];
    const conv_args *second = pixel_conv(r, call);
    const vkd_call *before = second ? vkd_rw_only_producer(r, second->x, index) : NULL;
    const conv_args *first = before ? pixel_conv(r, before) : NULL;
    if (!first || vkd_rw_tensor(r, first->weight)->dims[0] > MOST_EXCITE_CHANNELS)
        return VKD_OK;
    const uint32_t between = second->x;
    const excite_args args = {*first, *second};
    VKD_TRY(vkd_rw_become(r, call, VKD_OP_Q8_EXCITE, &args));
    vkd_rw_drop_unread(r, between);
    return VKD_OK;
}

vkd_status vkd_fuse_excite_chain(vkd_rewriter *r, size_t index)
{
    const vkd_call *last = &r->net->calls[index];
    const chain_args *chain = vkd_rw_args(last, VKD_OP_CHAIN);
    if (!chain || !vkd_chain_is_table(r, chain) ||
        vkd_rw_tensor(r, chain->y)->dtype == VKD_DTYPE_FLOAT16)
        return VKD_OK;
    vkd_call *call = vkd_rw_only_producer(r, chain->x[0], index);
    excite_args *excite = vkd_rw_args(call, VKD_OP_Q8_EXCITE);
    if (!excite || excite->second.fused.chain)
        return VKD_OK;
    const char *name = vkd_chain_name(r->net->arena, call->name, last->name);
    if (!name)
        return vkd_fail_memory(r->net->arena->context, "the rewriter");
    excite->second.fused.chain = chain;
    vkd_rw_remove(r, &r->net->calls[index]);
    vkd_rw_set_result(r, call, chain->y);
    call->name = name;
    return VKD_OK;
}

static bool is_constant(const vkd_rewriter *r, uint32_t id)
{
    const vkd_model_tensor *tensor = vkd_rw_tensor(r, id);
    return tensor->data && !tensor->state;
}

/* None, or a constant for each channel. */
static bool is_bias(const vkd_rewriter *r, uint32_t id, const vkd_model_tensor *weight)
{
    const vkd_model_tensor *bias = id == VKD_NO_VALUE ? NULL : vkd_rw_tensor(r, id);
    return !bias || (is_constant(r, id) && bias->rank == 1 && bias->dims[0] == weight->dims[0] &&
                     bias->dtype == weight->dtype);
}

/* Whether a convolution of floats is a matrix of constants times the channels of one pixel. */
static bool is_pixel_product(const vkd_rewriter *r, const conv_float_args *conv)
{
    const vkd_model_tensor *x = vkd_rw_tensor(r, conv->x), *w = vkd_rw_tensor(r, conv->weight),
                           *y = vkd_rw_tensor(r, conv->product.y);
    bool is = x->rank == 4 && w->rank == 4 && y->rank == 4 && is_one_pixel(x) && is_one_pixel(y) &&
              is_one_pixel(w) && w->dims[0] && w->dims[1] && w->dims[1] == x->dims[1] &&
              w->dims[0] == y->dims[1] && y->dims[0] == x->dims[0] && vkd_is_float(x->dtype) &&
              conv->factors == VKD_NO_VALUE && x->dtype == w->dtype && x->dtype == y->dtype &&
              !conv->transposed && conv->groups == 1 &&
              conv->product.epilogue.residual == VKD_NO_VALUE && conv->low.kind != VKD_NUMBER_SYM &&
              conv->high.kind != VKD_NUMBER_SYM &&
              (uint64_t)w->dims[0] * w->dims[1] <= MOST_EXCITE_WEIGHTS &&
              is_constant(r, conv->weight) && is_bias(r, conv->bias, w);
    for (size_t i = 0; i < conv->padding.count; i++)
        is &= conv->padding.items[i] == 0;
    return is;
}

vkd_status vkd_fuse_excite_floats(vkd_rewriter *r, size_t index)
{
    vkd_call *call = &r->net->calls[index];
    const conv_float_args *second = vkd_rw_args(call, VKD_OP_CONV);
    if (!second || !is_pixel_product(r, second))
        return VKD_OK;
    const vkd_call *before = vkd_rw_only_producer(r, second->x, index);
    const conv_float_args *first = vkd_rw_args(before, VKD_OP_CONV);
    if (!first || !is_pixel_product(r, first) ||
        vkd_rw_tensor(r, first->weight)->dims[0] > MOST_EXCITE_CHANNELS / 2)
        return VKD_OK; /* which take four times as much of a workgroup's memory as bytes */
    const uint32_t between = second->x;
    const excite_float_args args = {*first, *second};
    VKD_TRY(vkd_rw_become(r, call, VKD_OP_EXCITE, &args));
    vkd_rw_drop_unread(r, between);
    return VKD_OK;
}

/* -------------------------------------------------------------------------------- linear layers */

/* linear -> dequantize: the linear layer's result is real. */
vkd_status vkd_fuse_dequantize(vkd_rewriter *r, size_t index)
{
    const quantize_args *dequantize = vkd_rw_args(&r->net->calls[index], VKD_OP_DEQUANTIZE);
    if (!dequantize || dequantize->low != -128 || dequantize->high != 127 ||
        vkd_rw_tensor(r, dequantize->y)->dtype != VKD_DTYPE_FLOAT32)
        return VKD_OK;
    vkd_call *call = vkd_rw_only_producer(r, dequantize->x, index);
    linear_args *linear = vkd_rw_args(call, VKD_OP_Q8_LINEAR);
    if (!linear || linear->real)
        return VKD_OK;
    linear->real = true;
    linear->real_scale = dequantize->scale;
    linear->real_zero = dequantize->zero;
    uint32_t y = dequantize->y;
    vkd_rw_remove(r, &r->net->calls[index]);
    vkd_rw_set_result(r, call, y);
    call->name = "vkd.q8_linear";
    return VKD_OK;
}
