/* What a product of floats has behind it, from a rule's arguments to its kernel's constants:
 * shaders/float_epilogue.glsl. */
#ifndef VKD_OPS_EPILOGUE_H
#define VKD_OPS_EPILOGUE_H

#include "graph/operators.h"
#include "ops/lower.h"

/* Without steps: none. */
typedef struct vkd_epilogue {
    uint32_t step_count;
    chain_step steps[EPILOGUE_STEPS];
    bool has_residual;
    vkd_tensor_id residual; /* which lies as the result does */
} vkd_epilogue;

/* Fails where the residual has other dims than the result. Its tensor is for the caller to add. */
VKD_MUST_USE vkd_status vkd_epilogue_make(vkd_lowering *lowering, const product_args *args,
                                          vkd_epilogue *out);
/* The same with its residual in VKD_ROWS. */
VKD_MUST_USE vkd_status vkd_epilogue_rows(vkd_lowering *lowering, const product_args *args,
                                          vkd_epilogue *out);
/* Makes a clamp that is all that happens to the sum the bounds, if they are infinite. */
void vkd_epilogue_take_bounds(vkd_epilogue *epilogue, float *low, float *high);
/* The numbers among the push constants. */
void vkd_epilogue_numbers(const vkd_epilogue *epilogue, float out[2 * EPILOGUE_STEPS]);
/* The next constants: what the steps are. */
void vkd_epilogue_steps(vkd_node *node, const vkd_epilogue *epilogue);
/* The next binding, any tensor where there is no residual, and the next constants. */
void vkd_epilogue_bind(vkd_node *node, const vkd_graph *graph, const vkd_epilogue *epilogue,
                       vkd_tensor_id otherwise);
/* What it makes of a sum, with 64 bits. */
double vkd_epilogue_value(const vkd_epilogue *epilogue, double sum, double residual);

#endif
