#include "ops/conv/pair_oracle.h"
#include "ops/requantize.h"
#include "runtime/base/math.h"
#include "shaders/pair_params.h"

#include <stddef.h>
#include <string.h>

/* Of conv_pair.comp. */
enum { PIXELS = 3, TABLE_BEHIND, ADDS, BAKED }; /* specialisation constants */
enum { X, TAPS, BETWEEN, TABLE, B, CHANNELS, RESIDUAL, Y };
enum { STEP = 64, UNIT = 16, FEW = 2, SAMPLE = 64 };

static pair_params params_of(const vkd_node *node)
{
    pair_params p;
    memcpy(&p, node->specs + BAKED, offsetof(pair_params, first));
    memcpy(&p.first, node->push, sizeof p - offsetof(pair_params, first));
    return p;
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* A few workgroups: the first ones, whose windows hang over the image's edge. All numbers stay
 * those of the file, which fit together. */
static void shrink(vkd_node *node, uint64_t bytes[VKD_MAX_BINDINGS])
{
    const pair_params p = params_of(node);
    node->groups[0] = (uint32_t)least(node->groups[0], FEW);
    const uint64_t pixels = least(p.m, (uint64_t)node->groups[0] * node->specs[PIXELS]);
    bytes[Y] = least(bytes[Y], vkd_align_up(pixels * p.n4 * 4, 16));
    if (node->specs[ADDS] && p.second.r_scale != 0)
        bytes[RESIDUAL] = least(bytes[RESIDUAL], bytes[Y]);
}

static const int8_t *bytes_of(const vkd_words *words) { return (const int8_t *)words->at; }

/* A channel of a pixel of the first; false as vkd_requantize_one. */
static bool first_at(const vkd_node *node, const pair_params *p, const vkd_words *bindings,
                     uint32_t m, uint32_t c, int8_t *out)
{
    const int8_t *taps = bytes_of(&bindings[TAPS]) + c / 4 * 48 + c % 4 * 4;
    const uint32_t line = m / p->out_w, image = line / p->out_h;
    int32_t sum = 0;
    for (uint32_t tap = 0; tap < 9; tap++) {
        const uint32_t column = m % p->out_w * p->stride + tap % 3 - p->padding_w,
                       row = line % p->out_h * p->stride + tap / 3 - p->padding_h;
        const bool inside = row < p->in_h && column < p->in_w; /* negative ones wrap */
        const size_t at = ((size_t)(image * p->in_h + row) * p->in_w + column) * p->c4 * 4 + c;
        sum += taps[tap / 4 * 16 + tap % 4] * (inside ? bytes_of(&bindings[X])[at] : p->x_zero);
    }
    const bool says = vkd_requantize_one(
        &p->first, (const vkd_channel_block *)bindings[BETWEEN].at + c / 4, c % 4, sum, out);
    if (node->specs[TABLE_BEHIND])
        *out = bytes_of(&bindings[TABLE])[(uint8_t)*out];
    return says;
}

static bool all_at(const vkd_node *node, const pair_params *p, const vkd_words *bindings,
                   uint32_t m, int8_t between[VKD_PAIR_MOST_CHANNELS])
{
    bool say = true;
    for (uint32_t c = 0; c < p->c4 * 4; c++)
        say = first_at(node, p, bindings, m, c, &between[c]) && say;
    return say;
}

/* What the second makes of a pixel's channel n, which is byte y of the result. */
static void store_at(const vkd_node *node, const pair_params *p, const vkd_words *bindings,
                     const int8_t *between, uint32_t n, size_t y)
{
    const int8_t *b = bytes_of(&bindings[B]) + (size_t)n / UNIT * p->k_steps * STEP * UNIT,
                 *residual = bytes_of(&bindings[RESIDUAL]);
    int8_t *out = (int8_t *)bindings[Y].at + y;
    int32_t sum = 0;
    for (uint32_t k = 0; k < p->c4 * 4; k++)
        sum += between[k] * b[(k / STEP * UNIT + n % UNIT) * STEP + k % STEP];
    if (vkd_requantize_one(&p->second, (const vkd_channel_block *)bindings[CHANNELS].at + n / 4,
                           n % 4, sum, out))
        ((uint8_t *)bindings[Y].written)[y] = UINT8_MAX;
    if (node->specs[ADDS])
        *out = p->second.r_scale == 0 ? residual[(uint8_t)*out]
                                      : vkd_requantize_sum(&p->second, *out, residual[y]);
}

/* Every pixel has some of its channels stored. */
static void store(const vkd_node *node, const vkd_words bindings[VKD_MAX_BINDINGS])
{
    const pair_params p = params_of(node);
    const uint32_t channels = p.n4 * 4, step = channels / SAMPLE + 1,
                   pixels = (uint32_t)least(p.m, (uint64_t)node->groups[0] * node->specs[PIXELS]);
    int8_t between[VKD_PAIR_MOST_CHANNELS];
    for (uint32_t m = 0; m < pixels; m++)
        if (all_at(node, &p, bindings, m, between))
            for (uint32_t n = m % step; n < channels; n += step)
                store_at(node, &p, bindings, between, n, (size_t)m * channels + n);
}

const vkd_oracle vkd_pair_oracle = {shrink, store};
