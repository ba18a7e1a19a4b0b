/* Convolutions of floats that are a few vectors times a matrix: shaders/conv_float_vector.comp. */
#include "ops/conv/float.h"

#include <string.h>

#define TILE(id, tile_name, pixels)                                                                \
    [CONV2D_FLOAT_##id] = {.name = tile_name,                                                      \
                           .shader = VKD_SHADER_CONV_FLOAT_VECTOR,                                 \
                           .m = pixels,                                                            \
                           .n = 4,                                                                 \
                           .kind = GEMM_INVOCATIONS},
const gemm_tile vkd_conv2d_float_vector_tiles[CONV2D_FLOAT_VECTOR_COUNT] = {
    CONV2D_FLOAT_VECTOR_TILES(TILE)};
#undef TILE

/* Of 16 bytes. */
static uint32_t grain_of(const conv2d_problem *p) { return p->dtype == VKD_DTYPE_FLOAT16 ? 8 : 4; }

static uint32_t loads_of(const conv2d_problem *p)
{
    return (uint32_t)vkd_divide_up(p->in_c, grain_of(p));
}

static uint64_t words_of(const conv2d_problem *p) { return vkd_divide_up(p->out_c, 4); }

/* Along k, and fours of channels: as many as it takes to have enough loads under way. */
static void workgroup_of(const conv2d_problem *p, const vkd_caps *caps, uint32_t local[3])
{
    enum { GROUP = 128, WIDEST = 256 };
    const uint64_t wanted = caps->type == VKD_TYPE_DISCRETE ? 1 << 17 : 1 << 13;
    const uint32_t most =
        caps->max_workgroup_invocations < WIDEST ? caps->max_workgroup_invocations : WIDEST;
    local[0] = local[1] = local[2] = 1;
    if (caps->type != VKD_TYPE_CPU)
        while (local[0] * 2 <= most && local[0] * 2 <= loads_of(p) &&
               (local[0] < 32 || words_of(p) * local[0] < wanted))
            local[0] *= 2;
    while (local[0] * local[1] * 2 <= (most < GROUP ? most : GROUP) && local[1] < words_of(p))
        local[1] *= 2;
}

/* A lane's loads, then the sums of the others; twice where x is normalised. */
static uint64_t loops_of(const conv2d_problem *p, const uint32_t local[3], bool norm)
{
    enum { LEVELS = 8 };
    const uint64_t once = vkd_loop(vkd_divide_up(loads_of(p), local[0]), 0) + vkd_loop(LEVELS, 0);
    return norm ? 2 * once : once;
}

/* Tiles of pixels along y, and how often those are folded into z. */
static void fold_rows(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile,
                      uint64_t out[2])
{
    const uint64_t rows = vkd_divide_up(conv2d_pixels(p), tile->m);
    out[1] = vkd_divide_up(rows, caps->max_workgroup_count[1]);
    out[0] = vkd_divide_up(rows, out[1]);
}

const char *vkd_conv2d_float_vector_refuses(const conv2d_problem *p, const vkd_caps *caps,
                                            const gemm_tile *tile)
{
    uint32_t local[3];
    uint64_t rows[2];
    if (conv2d_taps(p) > 1 || p->padding[0] || p->padding[1] || p->stride[0] > 1 ||
        p->stride[1] > 1 || p->groups > 1 || p->transposed)
        return "it is no product of matrices";
    workgroup_of(p, caps, local);
    fold_rows(p, caps, tile, rows);
    if (rows[1] > caps->max_workgroup_count[2] ||
        vkd_divide_up(words_of(p), local[1]) > caps->max_workgroup_count[0])
        return "it has more rows than a dispatch can have workgroups for";
    return vkd_loops_refuse(caps, loops_of(p, local, false));
}

double vkd_conv2d_float_vector_cost(const conv2d_problem *p, const vkd_caps *caps,
                                    const gemm_tile *tile)
{
    const uint64_t tiles = vkd_divide_up(conv2d_pixels(p), tile->m);
    const double macs = (double)(tiles * tile->m * words_of(p) * 4 * loads_of(p) * grain_of(p)),
                 bytes = (double)(tiles * words_of(p) * 4 * loads_of(p) * 16);
    if (caps->type == VKD_TYPE_CPU)
        return 6 + macs / 0.9e3;
    if (caps->type != VKD_TYPE_DISCRETE)
        return 8 + bytes / 40e3;
    /* fitted on an H200 */
    return tile->m == 1 ? 3.1 + bytes / 4.6e6 : 4.1 + bytes / 1.16e6;
}

bool vkd_conv2d_float_norms(const conv2d_variant *variant, const vkd_caps *caps)
{
    return variant->emit == vkd_conv2d_float_emit_vector && caps->type != VKD_TYPE_CPU;
}

vkd_status vkd_conv2d_float_emit_vector(vkd_lowering *lowering, const conv2d *conv,
                                        const gemm_tile *tile)
{
    const conv2d_problem *p = &conv->problem;
    const conv2d_packing packing = {1, grain_of(p), loads_of(p) * grain_of(p)};
    uint32_t local[3];
    uint64_t rows[2];
    vkd_node node;
    enum { SUM_BYTES = 16 };
    workgroup_of(conv2d_choice(conv), lowering->caps, local);
    while (conv->real.other.data && local[0] > 1 &&
           2 * tile->m * local[0] * local[1] * SUM_BYTES > lowering->caps->shared_memory)
        local[0] /= 2;
    conv2d both = *conv;
    if (conv->real.other.data) {
        both.real.weights = conv->real.other;
        VKD_TRY(vkd_conv2d_float_weights(lowering, &both, &packing, &both.real.epilogue.residual));
        both.real.weights = conv->real.weights;
    }
    VKD_TRY(vkd_conv2d_float_begin(lowering, &both, tile->shader,
                                   loops_of(p, local, conv->real.has_norm), &packing, &node));
    memcpy(node.specs, local, sizeof local);
    fold_rows(p, lowering->caps, tile, rows);
    node.groups[0] = (uint32_t)vkd_divide_up(words_of(p), local[1]);
    node.groups[1] = (uint32_t)rows[0];
    node.groups[2] = (uint32_t)rows[1];
    vkd_node_spec(&node, p->in_c % grain_of(p) != 0);
    vkd_node_spec(&node, tile->m);
    vkd_node_spec(&node, conv->real.has_norm);
    vkd_node_spec(&node, conv->real.other.data != NULL);
    node.macs *= conv->real.other.data ? 2 : 1;
    return vkd_op_add_node(lowering, &node, conv->x, conv->y);
}
