/* Means over the pixels of int8 images, which the operator behind may make itself. */
#ifndef VKD_OPS_MEAN_H
#define VKD_OPS_MEAN_H

#include "ops/lower.h"
#include "shaders/q8_mean_params.h"

/* A mean as shaders/q8_mean.glsl makes it. */
typedef struct vkd_q8_mean {
    vkd_tensor_id x, table; /* 4C; VKD_NO_TENSOR without a table */
    uint32_t most;          /* pixels, of the largest shape */
    uint32_t lanes;         /* that share them */
    q8_mean_params params;
} vkd_q8_mean;

/* Whether a value is a mean of few pixels that has been put off, and its reader is the only one. */
bool vkd_q8_mean_is_late(const vkd_lowering *lowering, uint32_t value);
/* Of such a one: what the reader's kernel makes of it. */
VKD_MUST_USE vkd_status vkd_q8_mean_take(vkd_lowering *lowering, uint32_t value, vkd_q8_mean *out);

#endif
