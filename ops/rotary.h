/* Rotary embeddings that are written where they are kept. */
#ifndef VKD_OPS_ROTARY_H
#define VKD_OPS_ROTARY_H

#include "ops/paste.h"

/* Whether a value is what a rotary embedding makes for one reader alone, was put off, and may be
 * made within such rows of a tensor of its dtype. */
bool vkd_rotary_pastes(const vkd_lowering *lowering, uint32_t value, const vkd_pasting *pasting);
/* Makes it there, as vkd_paste puts what is there already. */
VKD_MUST_USE vkd_status vkd_rotary_paste(vkd_lowering *lowering, uint32_t value,
                                         const vkd_pasting *pasting, vkd_tensor_id y);

#endif
