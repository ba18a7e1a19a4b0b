#include "ops/ops.h"

#include <string.h>

static const vkd_op registry[] = {
    {"et_vk.q8ta_conv2d.default", vkd_lower_conv2d},
    {"et_vk.q8ta_conv2d_general.default", vkd_lower_conv2d},
    {"et_vk.q8ta_conv2d_im2col.default", vkd_lower_conv2d},
    {"et_vk.q8ta_conv2d_pw.default", vkd_lower_conv2d},
    {"vkd.q8_conv2d", vkd_lower_fused_conv2d},
    {"et_vk.q8ta_conv2d_dw.default", vkd_lower_conv2d_dw},
    {"vkd.q8_conv2d_dw", vkd_lower_fused_conv2d_dw},
    {"et_vk.q8ta_conv2d_transposed.default", vkd_lower_conv2d_transposed},
    {"et_vk.q8ta_linear.default", vkd_lower_linear},
    {"et_vk.q8ta_linear_gemv.default", vkd_lower_linear},
    {"vkd.q8_linear", vkd_lower_fused_linear},
    {"et_vk.q8ta_add.default", vkd_lower_q8ta_add},
    {"et_vk.q8ta_relu.default", vkd_lower_q8ta_relu},
    {"et_vk.q8ta_pixel_shuffle.default", vkd_lower_q8ta_pixel_shuffle},
    {"quantized_decomposed.quantize_per_tensor.default", vkd_lower_quantize},
    {"quantized_decomposed.dequantize_per_tensor.default", vkd_lower_dequantize},
    {"aten.max_pool2d.default", vkd_lower_max_pool2d},
    {"aten.max_pool2d_with_indices.default", vkd_lower_max_pool2d},
    {"aten.avg_pool2d.default", vkd_lower_avg_pool2d},
    {"aten.mean.dim", vkd_lower_mean},
    {"aten::mean.out", vkd_lower_mean},
    {"vkd.q8_mean", vkd_lower_q8_mean},
    {"aten.hardtanh.default", vkd_lower_clamp},
    {"aten.clamp.default", vkd_lower_clamp},
    {"aten.relu.default", vkd_lower_relu},
    {"vkd.q8_clamp", vkd_lower_q8_clamp},
    {"aten.cat.default", vkd_lower_cat},
    {"aten.upsample_nearest2d.vec", vkd_lower_upsample_nearest2d},
    {"aten.view_copy.default", vkd_lower_view},
    {"aten.squeeze_copy.dim", vkd_lower_squeeze_dim},
    {"aten.squeeze_copy.dims", vkd_lower_squeeze_dims},
    {"aten.unsqueeze_copy.default", vkd_lower_unsqueeze},
    {"aten.clone.default", vkd_lower_clone},
};

const vkd_op *vkd_op_find(const char *name)
{
    for (size_t i = 0; i < sizeof registry / sizeof registry[0]; i++)
        if (!strcmp(registry[i].name, name))
            return &registry[i];
    return NULL;
}
