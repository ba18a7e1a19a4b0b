/* Random weights and other constants. */
#include "nets/write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/element.h"
#include "runtime/base/math.h"

static void *or_die(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

void *net_alloc(building *g, size_t count, size_t size)
{
    return or_die(vkd_arena_alloc(&g->arena, count, size));
}

static size_t count_of(uint32_t rank, const uint32_t *dims)
{
    size_t count = 1;
    for (uint32_t d = 0; d < rank; d++)
        count *= dims[d];
    return count;
}

uint32_t net_constant(building *g, vkd_dtype dtype, uint32_t rank, const uint32_t *dims,
                      const void *data)
{
    g->named = or_die(
        vkd_arena_grow(&g->arena, g->named, g->named_count, &g->named_capacity, sizeof *g->named));
    const char *key = or_die(vkd_arena_printf(&g->arena, "constant%zu", g->named_count));
    const size_t size = count_of(rank, dims) * vkd_dtype_size(dtype);
    g->named[g->named_count++] = (blob_named){key, data, size};
    return blob_named_tensor(g->blob, dtype, rank, dims, key);
}

static uint64_t bits(building *g)
{
    g->bits ^= g->bits << 13;
    g->bits ^= g->bits >> 7;
    g->bits ^= g->bits << 17;
    return g->bits;
}

/* Of either sign, and of sizes from 2^exponent to twice that: sign and mantissa of random words. */
static void fill(building *g, vkd_dtype dtype, int exponent, size_t count, void *out)
{
    const bool half = dtype == VKD_DTYPE_FLOAT16;
    const uint64_t kept = half ? 0x83ff83ff83ff83ff : 0x807fffff807fffff,
                   set = half ? (uint64_t)(exponent + 15) << 10 : (uint64_t)(exponent + 127) << 23;
    const uint64_t all = half ? set * 0x0001000100010001 : set | set << 32;
    const size_t size = count * (half ? 2 : 4);
    for (size_t at = 0; at < size; at += 8) {
        const uint64_t word = (bits(g) & kept) | all;
        memcpy((char *)out + at, &word, size - at < 8 ? size - at : 8);
    }
}

uint32_t net_weights(building *g, uint32_t rank, const uint32_t *dims, uint32_t k)
{
    const size_t count = count_of(rank, dims);
    void *data = net_alloc(g, count, vkd_dtype_size(g->dtype));
    fill(g, g->dtype, k ? (int)lround(log2(sqrt(1.6 / k) / 1.5)) : -5, count, data);
    return net_constant(g, g->dtype, rank, dims, data);
}

uint32_t net_same(building *g, uint32_t rank, const uint32_t *dims, double number)
{
    const size_t count = count_of(rank, dims);
    void *data = net_alloc(g, count, vkd_dtype_size(g->dtype));
    for (size_t i = 0; i < count; i++)
        vkd_element_set(g->dtype, data, i, number);
    return net_constant(g, g->dtype, rank, dims, data);
}

uint32_t net_scalar(building *g, int32_t number)
{
    vkd_blob_builder *b = g->blob;
    int32_t *data = net_alloc(g, 1, sizeof *data);
    *data = number;
    const uint32_t constant = net_constant(g, VKD_DTYPE_INT32, 0, NULL, data),
                   prepared = blob_constant_tensor(b, VKD_DTYPE_INT32, 0, NULL, -1),
                   y = net_tensor(g, 0, NULL).id;
    NET_OP(g, "et_vk.prepack.default", constant, prepared);
    NET_OP(g, "dim_order_ops._to_dim_order_copy.default", prepared, blob_null(b), blob_null(b),
           blob_null(b), blob_null(b), blob_bool(b, false), blob_int_list(b, NULL, 0), y);
    return y;
}

void net_nibbles(building *g, uint32_t n, uint32_t k, uint32_t *out_weight, uint32_t *out_scales)
{
    const uint32_t dims[] = {n, k / 2}, scale_dims[] = {k / NET_GROUP, n};
    const size_t size = count_of(2, dims), count = count_of(2, scale_dims),
                 element = vkd_dtype_size(g->dtype);
    unsigned char *data = net_alloc(g, size, 1), *scales = net_alloc(g, count, element);
    for (size_t at = 0; at < size; at += 8) {
        const uint64_t word = bits(g);
        memcpy(data + at, &word, size - at < 8 ? size - at : 8);
    }
    fill(g, g->dtype, (int)lround(log2(1 / sqrt(k) / 7)), count, scales);
    for (size_t i = 0; i < count; i++)
        scales[i * element + element - 1] &= 0x7f; /* scales are positive */
    *out_weight = net_constant(g, VKD_DTYPE_UINT8, 2, dims, data);
    *out_scales = net_constant(g, g->dtype, 2, scale_dims, scales);
}

layer net_layer(building *g, const net_value *x, uint32_t out_c, uint32_t k,
                const weight_order *order)
{
    const uint32_t padded = (uint32_t)vkd_align_up(out_c, 4);
    int8_t *weight = net_alloc(g, count_of(order->rank, order->dims), 1);
    int32_t *sums = net_alloc(g, padded, sizeof *sums);
    float *scales = net_alloc(g, padded, sizeof *scales),
          *bias = net_alloc(g, padded, sizeof *bias);
    for (uint32_t c = 0; c < out_c; c++) {
        double squares = 1; /* never 0 */
        for (uint32_t i = 0; i < k; i++) {
            int8_t w = (int8_t)random_range(&g->random, -127, 127);
            weight[(size_t)c * order->row + (size_t)i * order->step] = w;
            sums[c] += w;
            squares += w * w;
        }
        double own = (double)random_float(&g->random, 0.8f, 1.2f),
               scale = own / sqrt(squares * x->variance);
        scales[c] = (float)scale;
        bias[c] = (float)(own * (double)random_float(&g->random, -0.2f, 0.2f) -
                          x->mean * scale * sums[c]);
    }
    return (layer){net_constant(g, VKD_DTYPE_INT8, order->rank, order->dims, weight),
                   net_constant(g, VKD_DTYPE_INT32, 1, &padded, sums),
                   net_constant(g, VKD_DTYPE_FLOAT32, 1, &padded, scales),
                   net_constant(g, VKD_DTYPE_FLOAT32, 1, &padded, bias)};
}
