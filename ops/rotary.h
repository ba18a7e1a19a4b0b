/* Rotary embeddings that are made where they are read or kept. */
#ifndef VKD_OPS_ROTARY_H
#define VKD_OPS_ROTARY_H

#include "ops/paste.h"
#include "shaders/rotary_params.h"

/* The embedding that makes a value, where it was put off, and which of the two that it makes this
 * is; null for other values. */
const vkd_call *vkd_late_rotary(const vkd_lowering *lowering, uint32_t value, int *out);
/* What a kernel is told of that; where its tables begin may be a symbol besides. */
rotary_params vkd_rotary_params(const vkd_lowering *lowering, const vkd_call *call, int i);

/* Whether a value is what a rotary embedding makes for one reader alone, was put off, and may be
 * made within such rows of a tensor of its dtype. */
bool vkd_rotary_pastes(const vkd_lowering *lowering, uint32_t value, const vkd_pasting *pasting);
/* Makes it there, as vkd_paste puts what is there already. */
VKD_MUST_USE vkd_status vkd_rotary_paste(vkd_lowering *lowering, uint32_t value,
                                         const vkd_pasting *pasting, vkd_tensor_id y);

#endif
