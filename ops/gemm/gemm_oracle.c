#include "ops/gemm/gemm_oracle.h"
#include "ops/gemm/gemm.h"
#include "ops/requantize.h"
#include "runtime/base/math.h"

#include <stddef.h>
#include <string.h>

enum { A, B, CHANNELS, Y = 4 }; /* bindings; the residual's is another one's */
enum { SAMPLE = 256 };

static const gemm_tile *tile_of(const vkd_node *node)
{
    const gemm_tile *tile = vkd_gemm_tiles;
    while (tile->shader != node->shader)
        tile++;
    return tile;
}

/* Of gemm_coop what vkd_requantize_bake has left, and what it has made specialisation constants. */
static gemm_params params_of(const gemm_tile *tile, const vkd_node *node)
{
    enum { BAKED = 6 };
    gemm_params params;
    if (tile->kind == GEMM_IN_LANES) {
        memcpy(&params, node->push, sizeof params);
        return params;
    }
    memcpy(&params, node->specs + BAKED, offsetof(gemm_params, requantize));
    memcpy(&params.shape, node->push, sizeof params.shape);
    memcpy(&params.requantize, node->push + sizeof params.shape, sizeof params.requantize);
    return params;
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Rows and channels of the workgroups of a node that was shrunk. */
static uint32_t rows_of(const gemm_tile *tile, const vkd_node *node, const gemm_params *p)
{
    const uint32_t rows = tile->m * (tile->kind == GEMM_IN_LANES ? GEMM_LANES : 1);
    return (uint32_t)least((uint64_t)node->groups[1] * rows, p->shape.m);
}

static uint32_t channels_of(const gemm_tile *tile, const vkd_node *node, const gemm_params *p)
{
    return (uint32_t)least((uint64_t)node->groups[0] * tile->n, p->n4_group * UINT64_C(4));
}

static uint64_t k_of(const gemm_tile *tile, const gemm_params *p)
{
    return (uint64_t)p->k_steps * tile->step;
}

/* A few workgroups, of sums as long as before. The numbers of the channels stay those of the file:
 * they fit together, and where activations are shifted, to the weights, too. */
static void shrink(vkd_node *node, uint64_t bytes[VKD_MAX_BINDINGS])
{
    enum { FEW = 2, LONG = 4096 };
    const gemm_tile *tile = tile_of(node);
    const gemm_params p = params_of(tile, node);
    const uint32_t most = k_of(tile, &p) > LONG ? 1 : FEW;
    for (int axis = 0; axis < 2; axis++)
        node->groups[axis] = (uint32_t)least(node->groups[axis], most);
    node->groups[2] = 1;
    const uint64_t rows = rows_of(tile, node, &p), columns = (uint64_t)node->groups[0] * tile->n;
    bytes[A] = least(bytes[A], vkd_align_up(rows * p.a_pixel * tile->grain, 16));
    if (tile->kind == GEMM_MATRIX)
        bytes[B] = least(bytes[B], columns * k_of(tile, &p));
    bytes[Y] = least(bytes[Y], vkd_align_up(rows * p.y_pixel * 4, 16));
}

static const int8_t *b_at(const gemm_tile *tile, const gemm_params *p, const vkd_words *b,
                          uint32_t n, uint64_t k)
{
    const uint64_t unit = n / tile->channel_unit, channel = n % tile->channel_unit,
                   step = unit * p->k_steps + k / tile->step;
    return (const int8_t *)b->at + (step * tile->channel_unit + channel) * tile->step +
           k % tile->step;
}

/* Of padding, as there are 4 bytes in a word, some is multiplied, as in the kernels. */
static int32_t sum_at(const gemm_tile *tile, const gemm_params *p, const vkd_words *bindings,
                      uint32_t m, uint32_t n)
{
    const int8_t *a = (const int8_t *)bindings[A].at + (size_t)m * p->a_pixel * tile->grain;
    const uint64_t inside = (uint64_t)p->tap_steps * tile->grain;
    int32_t sum = 0;
    for (uint64_t k = 0; k < k_of(tile, p); k++)
        sum += (k < inside ? a[k] : p->x_zero) * *b_at(tile, p, &bindings[B], n, k);
    return sum;
}

static void store_at(const gemm_tile *tile, const gemm_params *p, const vkd_words *bindings,
                     uint32_t m, uint32_t n)
{
    const vkd_channel_block *block = (const vkd_channel_block *)bindings[CHANNELS].at + n / 4;
    const size_t y = (size_t)m * p->y_pixel * 4 + n;
    const int32_t sum = sum_at(tile, p, bindings, m, n);
    if (vkd_requantize_one(&p->requantize, block, n % 4, sum, (int8_t *)bindings[Y].at + y))
        ((uint8_t *)bindings[Y].written)[y] = UINT8_MAX;
}

/* The first, the last, and some between, of all rows and channels. */
static void store(const vkd_node *node, const vkd_words bindings[VKD_MAX_BINDINGS])
{
    const gemm_tile *tile = tile_of(node);
    const gemm_params p = params_of(tile, node);
    const uint64_t channels = channels_of(tile, node, &p), all = rows_of(tile, node, &p) * channels,
                   count = least(all, SAMPLE);
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t at = i == 0 ? 0 : i == 1 ? all - 1 : i * all / count;
        store_at(tile, &p, bindings, (uint32_t)(at / channels), (uint32_t)(at % channels));
    }
}

const vkd_oracle vkd_gemm_oracle = {shrink, store};
