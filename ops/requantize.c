#include "ops/requantize.h"

#include <math.h>
#include <string.h>

void vkd_pack_channels(const void *from, void *dst, size_t size)
{
    const vkd_channel_source *source = from;
    unsigned char *out = dst;
    for (uint32_t first = 0; size >= sizeof(vkd_channel_block);
         first += 4, size -= sizeof(vkd_channel_block), out += sizeof(vkd_channel_block)) {
        vkd_channel_block block = {0};
        for (uint32_t i = 0; i < 4 && first + i < source->channels; i++) {
            size_t at = (first + i) * 4u;
            int32_t sum;
            float scale;
            memcpy(&sum, (const char *)source->sums.data + at, 4);
            memcpy(&scale, (const char *)source->scales.data + at, 4);
            /* Unsigned: a file's sums may be anything, and wrapping is what the kernels do too. */
            block.offset[i] = (int32_t)(0u - (uint32_t)source->x_zero * (uint32_t)sum);
            block.sum[i] = sum;
            block.scale[i] = scale * source->x_scale;
            if (source->bias.data)
                memcpy(&block.bias[i], (const char *)source->bias.data + at, 4);
        }
        memcpy(out, &block, sizeof block);
    }
    memset(out, 0, size);
}

bool vkd_requantize_one(const requantize_params *params, const vkd_channel_block *block,
                        uint32_t channel, int32_t sum, int8_t *out)
{
    /* wraps, as in the kernels */
    const int32_t shifted = (int32_t)((uint32_t)sum + (uint32_t)block->offset[channel]);
    const float real = (float)shifted * block->scale[channel] + block->bias[channel],
                q = nearbyintf(real * params->inv_scale) + (float)params->zero;
    *out = isnan(q) ? 0 : (int8_t)fmaxf(fminf(q, params->high), params->low);
    return isfinite(real) && isfinite(q);
}

int8_t vkd_requantize_sum(const requantize_params *params, int8_t q, int8_t residual)
{
    const float a = (float)(q - params->zero) * params->q_scale,
                b = (float)(residual - params->r_zero) * params->r_scale,
                sum = nearbyintf((a + b) * params->sum_inv_scale) + (float)params->sum_zero;
    return (int8_t)fmaxf(fminf(sum, 127), -128);
}

vkd_status vkd_check_qparams(vkd_lowering *lowering, const float *scale, const int32_t *zero)
{
    if (!isfinite(*scale) || *scale <= 0)
        return vkd_op_fail_at(lowering, VKD_INVALID_MODEL, scale,
                              "is %g, expected a positive and finite scale", (double)*scale);
    if (*zero < -128 || *zero > 127)
        return vkd_op_fail_at(lowering, VKD_INVALID_MODEL, zero,
                              "is %d, expected a zero point of -128 to 127", *zero);
    return VKD_OK;
}

/* A constant with at least one element a channel. */
static vkd_status check_per_channel(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype,
                                    uint32_t channels)
{
    const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
    if (tensor->dtype != dtype || tensor->size < (size_t)channels * 4)
        return vkd_op_fail_value(lowering, VKD_INVALID_MODEL, value,
                                 "has %zu bytes of dtype %s, expected %s for %u channels",
                                 tensor->size, vkd_dtype_name(tensor->dtype), vkd_dtype_name(dtype),
                                 channels);
    return VKD_OK;
}

vkd_status vkd_requantize_source(vkd_lowering *lowering, const requantize_args *args,
                                 uint32_t channels, vkd_channel_source *source,
                                 requantize_params *out_params)
{
    VKD_TRY(vkd_check_qparams(lowering, &args->x_scale, &args->x_zero));
    VKD_TRY(vkd_check_qparams(lowering, &args->y_scale, &args->y_zero));
    VKD_TRY(check_per_channel(lowering, args->weight_sums, VKD_DTYPE_INT32, channels));
    VKD_TRY(check_per_channel(lowering, args->weight_scales, VKD_DTYPE_FLOAT32, channels));
    if (args->bias != VKD_NO_VALUE)
        VKD_TRY(check_per_channel(lowering, args->bias, VKD_DTYPE_FLOAT32, channels));
    bool relu = !strcmp(args->activation, "relu");
    if (!relu && strcmp(args->activation, "none"))
        return vkd_op_fail_at(lowering, VKD_UNSUPPORTED, &args->activation,
                              "is '%s', expected 'none' or 'relu'", args->activation);

    memset(source, 0, sizeof *source); /* it is compared by its bytes */
    source->sums = vkd_op_content(lowering, args->weight_sums);
    source->scales = vkd_op_content(lowering, args->weight_scales);
    source->bias = vkd_op_content(lowering, args->bias);
    source->x_scale = args->x_scale;
    source->x_zero = args->x_zero;
    source->channels = channels;
    *out_params = (requantize_params){
        .inv_scale = vkd_inverse_scale(args->y_scale),
        .zero = args->y_zero,
        .low = relu ? (float)args->y_zero : -128.0f,
        .high = 127.0f,
    };
    return VKD_OK;
}

vkd_status vkd_requantize(vkd_lowering *lowering, const requantize_args *args, uint32_t channels,
                          vkd_tensor_id *out_blocks, requantize_params *out_params)
{
    vkd_channel_source source;
    VKD_TRY(vkd_requantize_source(lowering, args, channels, &source, out_params));
    return vkd_op_constant(lowering, vkd_divide_up(channels, 4) * sizeof(vkd_channel_block),
                           vkd_pack_channels, &source, sizeof source, 3, out_blocks);
}

vkd_status vkd_requantize_fuse(vkd_lowering *lowering, const requantize_args *args,
                               const fused_args *fused, uint32_t y, requantize_params *params)
{
    params->high = fmaxf(fminf(params->high, (float)fused->high), -128.0f);
    /* Behind a relu the clamp has the last word, where all that it leaves lies below. */
    params->low = fminf(fmaxf(params->low, (float)fused->low), params->high);
    if (fused->residual == VKD_NO_VALUE)
        return VKD_OK;
    VKD_TRY(vkd_check_qparams(lowering, &fused->r_scale, &fused->r_zero));
    VKD_TRY(vkd_check_qparams(lowering, &fused->sum_scale, &fused->sum_zero));
    const vkd_model_tensor *r = vkd_value_tensor(lowering, fused->residual),
                           *sum = vkd_value_tensor(lowering, y);
    if (r->rank != sum->rank || memcmp(r->dims, sum->dims, r->rank * sizeof r->dims[0]))
        return vkd_op_fail_at(lowering, VKD_INVALID_MODEL, &fused->residual,
                              "has another shape than the result, expected the same");
    params->q_scale = args->y_scale;
    params->r_scale = fused->r_scale;
    params->r_zero = fused->r_zero;
    params->sum_inv_scale = vkd_inverse_scale(fused->sum_scale);
    params->sum_zero = fused->sum_zero;
    return VKD_OK;
}

void vkd_requantize_bind(vkd_node *node, vkd_tensor_id blocks, vkd_tensor_id residual,
                         vkd_tensor_id y)
{
    vkd_node_read(node, blocks);
    /* a binding may not stay empty */
    vkd_node_read(node, residual == VKD_NO_TENSOR ? blocks : residual);
    vkd_node_write(node, y);
}

void vkd_requantize_bake(vkd_node *node, bool residual, uint32_t shape, bool resizes)
{
    uint32_t sizes = node->push_size - (uint32_t)sizeof(requantize_params);
    vkd_node_spec(node, residual);
    memcpy(node->specs + node->spec_count, node->push, sizes);
    if (resizes)
        memset(node->specs + node->spec_count, 0, shape);
    node->spec_count += sizes / 4;
    memmove(node->push + shape, node->push + sizes, sizeof(requantize_params));
    node->push_size = shape + (uint32_t)sizeof(requantize_params);
}
