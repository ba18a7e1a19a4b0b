#include "ops/function.h"
#include "graph/chain.h"

#include <string.h>

void vkd_pack_bytes(const void *source, void *dst, size_t size)
{
    int8_t *table = dst;
    for (int i = 0; i < VKD_TABLE_COUNT; i++)
        table[i] = vkd_chain_byte(source, (int8_t)i);
    memset(table + VKD_TABLE_COUNT, 0, size - VKD_TABLE_COUNT);
}

void vkd_pack_floats(const void *source, void *dst, size_t size)
{
    float *table = dst;
    for (int i = 0; i < VKD_TABLE_COUNT; i++)
        table[i] = vkd_chain_value(source, (int8_t)i);
    memset(table + VKD_TABLE_COUNT, 0, size - VKD_TABLE_COUNT * sizeof *table);
}

chain_args vkd_function_source(const chain_args *chain)
{
    chain_args function = *chain;
    memset(function.x, 0, sizeof function.x); /* equal functions are one constant */
    function.y = 0;
    return function;
}

vkd_status vkd_op_function(vkd_lowering *lowering, const chain_args *chain, vkd_dtype dtype,
                           vkd_tensor_id *out)
{
    const chain_args function = vkd_function_source(chain);
    return vkd_op_constant(lowering, VKD_TABLE_COUNT * vkd_dtype_size(dtype),
                           dtype == VKD_DTYPE_INT8 ? vkd_pack_bytes : vkd_pack_floats, &function,
                           sizeof function, 0, out);
}
