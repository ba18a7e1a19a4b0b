/* What the sliding-window kernels and im2col share. */
#ifndef VKD_OPS_CONV_WINDOW_H
#define VKD_OPS_CONV_WINDOW_H

#include "ops/conv/conv.h"
#include "shaders/conv_params.h"

/* The push constants of a convolution, but for k_row. */
conv_params vkd_conv2d_window_params(const conv2d *conv);

#endif
