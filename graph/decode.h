/* From the values that a file lists as an operator's arguments to the struct that its row declares.
 */
#ifndef VKD_GRAPH_DECODE_H
#define VKD_GRAPH_DECODE_H

#include "graph/op.h"

size_t vkd_params_count(const vkd_param *params);

/* Fills the struct at `args`, which holds the row's defaults, from the operator's arguments; lists
 * are copied into the arena. VKD_INVALID_MODEL with a message on any mismatch. */
VKD_MUST_USE vkd_status vkd_args_decode(vkd_arena *arena, const vkd_model *model,
                                        const vkd_model_op *op, const vkd_param *params,
                                        void *args);

#endif
