/* Writing a tensor into a part of another one: concatenations and caches. */
#ifndef VKD_OPS_PASTE_H
#define VKD_OPS_PASTE_H

#include "ops/lower.h"

/* Both are rows, one below the other; x's are as long or shorter, and begin in y's at `at`. */
typedef struct vkd_pasting {
    uint32_t x_row, y_row, at; /* elements */
    /* moves `at` by symbol_stride for each of it, of which there are symbol_most at most */
    vkd_sym symbol;
    uint32_t symbol_stride, symbol_most;
} vkd_pasting;

/* y, in VKD_ROWS, keeps what x does not cover. */
VKD_MUST_USE vkd_status vkd_paste(vkd_lowering *lowering, const vkd_view *x,
                                  const vkd_pasting *pasting, vkd_tensor_id y);

#endif
