/* The lower functions of all operator families; registry.c maps the file's operator names to them. */
#ifndef VKD_OPS_OPS_H
#define VKD_OPS_OPS_H

#include "ops/lower.h"

/* conv.c, conv_transposed.c, linear.c */
vkd_status vkd_lower_conv2d(vkd_lowering *lowering);
vkd_status vkd_lower_fused_conv2d(vkd_lowering *lowering);
vkd_status vkd_lower_conv2d_dw(vkd_lowering *lowering);
vkd_status vkd_lower_fused_conv2d_dw(vkd_lowering *lowering);
vkd_status vkd_lower_conv2d_transposed(vkd_lowering *lowering);
vkd_status vkd_lower_linear(vkd_lowering *lowering);
vkd_status vkd_lower_fused_linear(vkd_lowering *lowering);

/* quantize.c */
vkd_status vkd_lower_quantize(vkd_lowering *lowering);
vkd_status vkd_lower_dequantize(vkd_lowering *lowering);

/* binary.c, unary.c */
vkd_status vkd_lower_q8ta_add(vkd_lowering *lowering);
vkd_status vkd_lower_q8ta_relu(vkd_lowering *lowering);

/* pool.c */
vkd_status vkd_lower_max_pool2d(vkd_lowering *lowering);
vkd_status vkd_lower_avg_pool2d(vkd_lowering *lowering);

/* reduce.c */
vkd_status vkd_lower_mean(vkd_lowering *lowering);
vkd_status vkd_lower_q8_mean(vkd_lowering *lowering);

/* view.c */
vkd_status vkd_lower_view(vkd_lowering *lowering);
vkd_status vkd_lower_squeeze_dim(vkd_lowering *lowering);
vkd_status vkd_lower_squeeze_dims(vkd_lowering *lowering);
vkd_status vkd_lower_unsqueeze(vkd_lowering *lowering);
vkd_status vkd_lower_clone(vkd_lowering *lowering);

/* clamp.c */
vkd_status vkd_lower_clamp(vkd_lowering *lowering);
vkd_status vkd_lower_relu(vkd_lowering *lowering);
vkd_status vkd_lower_q8_clamp(vkd_lowering *lowering);

/* cat.c, pixel_shuffle.c, upsample.c */
vkd_status vkd_lower_cat(vkd_lowering *lowering);
vkd_status vkd_lower_q8ta_pixel_shuffle(vkd_lowering *lowering);
vkd_status vkd_lower_upsample_nearest2d(vkd_lowering *lowering);

#endif
