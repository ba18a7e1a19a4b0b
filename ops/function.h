/* A function of one int8 tensor, as a table that kernels look up. */
#ifndef VKD_OPS_FUNCTION_H
#define VKD_OPS_FUNCTION_H

#include "graph/operators.h"
#include "ops/lower.h"

/* A constant of 256 numbers, by byte as an unsigned number: int8, or floats. */
VKD_MUST_USE vkd_status vkd_op_function(vkd_lowering *lowering, const chain_args *chain,
                                        vkd_dtype dtype, vkd_tensor_id *out);

/* What such a constant is packed from and by, for one that has more in it; without a pointer. */
enum { VKD_TABLE_COUNT = 256 };
chain_args vkd_function_source(const chain_args *chain);
void vkd_pack_bytes(const void *source, void *dst, size_t size);
void vkd_pack_floats(const void *source, void *dst, size_t size);

#endif
