#include "ops/gemm/gemm.h"
#include "ops/requantize.h"

#include <stddef.h>
#include <string.h>

/* ------------------------------------------------------------------------------------- problems */

gemm_problem vkd_gemm_matrix(uint32_t m, uint32_t n, uint32_t k, uint32_t groups,
                             uint32_t row_bytes)
{
    return (gemm_problem){.m = m,
                          .n = n,
                          .tap_k = k,
                          .groups = groups,
                          .a_bytes = row_bytes,
                          .out_w = m,
                          .out_h = 1,
                          .in_w = m,
                          .in_h = 1,
                          .kernel = {1, 1},
                          .stride = {1, 1},
                          .dilation = {1, 1}};
}

/* Taps of a window's row as a tile sees them, and of the whole window. */
static uint32_t row_taps(const gemm_tile *tile, const gemm_problem *problem)
{
    return (uint32_t)vkd_align_up(problem->kernel[1], tile->row_taps);
}

static uint32_t taps(const gemm_tile *tile, const gemm_problem *problem)
{
    return problem->kernel[0] * row_taps(tile, problem);
}

/* Whether the channels of a tap can be loaded in grains of so many bytes: a grain must not straddle
 * two taps or groups. With one group a tap's channels are all of the pixel, whose padding meets
 * zero weights. */
static bool grains_fit(const gemm_problem *problem, uint32_t grain)
{
    return problem->a_bytes % grain == 0 && (problem->tap_k % grain == 0 || problem->groups == 1);
}

/* Values of k of one tap, and of all, as a tile sees them. */
static uint32_t padded_tap(const gemm_tile *tile, const gemm_problem *problem)
{
    return (uint32_t)vkd_align_up(problem->tap_k, tile->grain);
}

static uint32_t k_steps_of(const gemm_tile *tile, const gemm_problem *problem)
{
    return (uint32_t)vkd_divide_up(padded_tap(tile, problem) * taps(tile, problem), tile->step);
}

/* ------------------------------------------------------------------------------------ B packing */

typedef struct b_source {
    vkd_weights weights;
    uint32_t groups, n;            /* n of one group */
    uint32_t taps, tap_k;          /* of a row, its values that count */
    uint32_t row_taps, row_padded; /* of a row of the window */
    uint32_t tap_padded, n_padded, unit, grain, step, k_steps;
} b_source;

/* One grain of one channel, zero where there is nothing. */
static void pack_grain(const b_source *source, uint32_t group, uint32_t n, uint32_t k, int8_t *out)
{
    uint32_t place = k / source->tap_padded, c = k - place * source->tap_padded;
    uint32_t line = place / source->row_padded, x = place - line * source->row_padded;
    uint32_t tap = x < source->row_taps ? line * source->row_taps + x : source->taps;
    uint32_t count =
        n < source->n && tap < source->taps && c < source->tap_k ? source->tap_k - c : 0;
    if (count > source->grain)
        count = source->grain;
    if (count)
        memcpy(out,
               vkd_weights_at(&source->weights, (size_t)group * source->n + n,
                              (size_t)tap * source->tap_k + c),
               count);
    memset(out + count, 0, source->grain - count);
}

/* [group][n / unit][k / step][unit channels][step]. */
static void pack_b(const void *from, void *dst, size_t size)
{
    const b_source *source = from;
    int8_t *out = dst;
    for (uint32_t g = 0; g < source->groups; g++)
        for (uint32_t first = 0; first < source->n_padded; first += source->unit)
            for (uint32_t s = 0; s < source->k_steps; s++)
                for (uint32_t n = first; n < first + source->unit; n++)
                    for (uint32_t k = 0; k < source->step; k += source->grain, out += source->grain)
                        pack_grain(source, g, n, s * source->step + k, out);
    memset(out, 0, size - (size_t)(out - (int8_t *)dst));
}

/* ---------------------------------------------------------------------------------------- tiles */

/* How many invocations a device needs in flight before more of them stop helping. */
static uint64_t wanted_invocations(const vkd_caps *caps)
{
    switch (caps->type) {
    case VKD_TYPE_CPU:
        return 1;
    case VKD_TYPE_DISCRETE:
        return 1 << 16;
    default:
        return 1 << 13;
    }
}

#define TILE(name, kernel, ...) [VKD_TILE_##kernel] = {name, VKD_SHADER_##kernel, __VA_ARGS__},
const gemm_tile vkd_gemm_tiles[VKD_TILE_COUNT] = {VKD_GEMM_TILES(TILE)};
#undef TILE

static const char *lanes_refuse(const gemm_tile *tile, const gemm_problem *problem,
                                const vkd_caps *caps)
{
    if (caps->type != VKD_TYPE_CPU || caps->subgroup_size != GEMM_LANES || !caps->subgroup_shuffle)
        return "it is for CPU devices with subgroups of 8";
    uint64_t a_bytes = (uint64_t)problem->in_w * problem->in_h *
                       (problem->m / (problem->out_w * problem->out_h)) * problem->a_bytes;
    return a_bytes / tile->grain > caps->max_texels ? "its input is larger than a texel buffer"
                                                    : NULL;
}

/* Rows of a workgroup. */
static uint32_t group_rows(const gemm_tile *tile, const uint32_t local[3])
{
    const uint32_t tiles = tile->kind == GEMM_INVOCATIONS ? local[1]
                           : tile->kind == GEMM_IN_LANES  ? GEMM_LANES
                                                          : 1;
    return tile->m * tiles;
}

/* The rows that workgroups are made for. */
static uint32_t most_rows(const gemm_problem *problem)
{
    return problem->most_m ? problem->most_m : problem->m;
}

/* How often the row of workgroups along m is folded into z, because y has no room for it. */
static uint64_t folds(const gemm_tile *tile, const gemm_problem *problem, const vkd_caps *caps,
                      const uint32_t local[3])
{
    return vkd_divide_up(vkd_divide_up(most_rows(problem), group_rows(tile, local)),
                         caps->max_workgroup_count[1]);
}

/* vkd_node.loops of shaders/gemm_4x4.comp: for every tap the steps of its longest slice, and the
 * slices at the end. */
static uint64_t invocation_loops(const gemm_tile *tile, const gemm_problem *problem,
                                 uint32_t slices)
{
    uint32_t unroll = tile->grain == 4 ? GEMM_WORDS_UNROLL : 1;
    uint64_t steps = vkd_divide_up(padded_tap(tile, problem) / tile->step, slices);
    uint64_t rest = unroll > 1 ? vkd_loop(unroll - 1, 0) : 0;
    return vkd_loop(taps(tile, problem), vkd_loop(steps / unroll, 0) + rest) +
           vkd_loop(slices - 1, 0);
}

/* The same of gemm_coop.glsl: chunks of k but the last, then words, four at a time, with their
 * slices. */
static uint64_t matrix_loops(const gemm_tile *tile, const gemm_problem *problem, uint32_t slices)
{
    uint64_t words = vkd_divide_up(tile->m * tile->n / 4, 32 * tile->subgroups * slices);
    return vkd_loop(vkd_divide_up(k_steps_of(tile, problem), slices) - 1, 0) +
           vkd_loop(vkd_divide_up(words, 4), vkd_loop(slices - 1, 0));
}

static uint64_t loops_of(const gemm_tile *tile, const gemm_problem *problem,
                         const uint32_t local[3])
{
    switch (tile->kind) {
    case GEMM_INVOCATIONS:
        return invocation_loops(tile, problem, local[2]);
    case GEMM_MATRIX:
        return matrix_loops(tile, problem, local[2]);
    default:
        return vkd_loop(k_steps_of(tile, problem), 0);
    }
}

const char *vkd_gemm_refuses(const gemm_tile *tile, const gemm_problem *problem,
                             const vkd_caps *caps)
{
    if (problem->groups > 1 && problem->n % 4)
        return "the output channels of a group are no multiple of 4";
    if (!grains_fit(problem, tile->grain))
        return tile->grain == 4 ? "the input channels are no multiple of 4"
                                : "the input channels are no multiple of 16";
    const char *reason = vkd_kernel_refuses(caps, tile->shader);
    if (!reason && tile->kind == GEMM_IN_LANES)
        reason = lanes_refuse(tile, problem, caps);
    if (reason)
        return reason;
    if (tile->kind == GEMM_MATRIX && (!caps->matrix_int8 || caps->subgroup_size != 32))
        return "the device has no int8 matrix units";
    if (tile->row_taps > 1 &&
        (problem->a_bytes > 4 || problem->kernel[1] == 1 || problem->dilation[1] > 1))
        return "its pixels are no single words side by side";
    uint32_t local[3];
    vkd_gemm_workgroup(tile, problem, caps, local);
    uint64_t count = folds(tile, problem, caps, local);
    if (count * problem->groups > caps->max_workgroup_count[2] ||
        (count > 1 && tile->kind == GEMM_IN_LANES))
        return "it has more rows than a dispatch can have workgroups for";
    return vkd_loops_refuse(caps, loops_of(tile, problem, local));
}

/* ----------------------------------------------------------------------------------- workgroups */

static uint32_t invocations(const uint32_t local[3]) { return local[0] * local[1] * local[2]; }

static void halve(uint32_t local[3]) { local[local[1] > local[0] ? 1 : 0] /= 2; }

/* Doubles the slices of k, if the device allows it and every slice keeps some steps. */
static bool slice_deeper(const gemm_tile *tile, uint32_t most, uint32_t tap_steps,
                         const vkd_caps *caps, uint32_t limit, uint32_t local[3])
{
    uint32_t deeper[3] = {local[0], local[1], local[2] * 2};
    while (invocations(deeper) > limit && deeper[0] * deeper[1] > 8)
        halve(deeper);
    uint32_t partial = (deeper[2] - 1) * deeper[0] * deeper[1] * tile->m * tile->n * 4;
    if (tap_steps < 2 * deeper[2] || deeper[2] > most || invocations(deeper) > limit ||
        partial > caps->shared_memory || deeper[2] > caps->max_workgroup_size[2])
        return false;
    memcpy(local, deeper, sizeof deeper);
    return true;
}

static void invocation_workgroup(const gemm_tile *tile, const gemm_problem *problem,
                                 const vkd_caps *caps, uint32_t local[3])
{
    const uint32_t m = most_rows(problem);
    while (local[1] > 1 && local[1] / 2 * tile->m >= m) {
        /* few rows do not fill a workgroup that is eight tiles high */
        local[1] /= 2;
        local[0] *= 2;
    }
    uint32_t limit = caps->max_workgroup_invocations < 256 ? caps->max_workgroup_invocations : 256;
    while (invocations(local) > limit)
        halve(local);
    uint64_t in_all =
        vkd_divide_up(m, tile->m) * vkd_divide_up(problem->n, tile->n) * problem->groups;
    uint32_t tap_steps = padded_tap(tile, problem) / tile->step;
    /* a single row has nothing else to be parallel in */
    uint32_t most = m <= tile->m ? 64 : 16;
    while (in_all * local[2] < wanted_invocations(caps) &&
           slice_deeper(tile, most, tap_steps, caps, limit, local))
        ;
}

/* --------------------------------------------------------------------------------- matrix units */

/* Fitted to 23 convolutions of ResNet50 at batches of 1 and 32, 15 of MobileNetV2 and 9 others,
 * with 1 to 16 slices of k each. */
static const gemm_rates matrix_rates_of[VKD_TILE_COUNT] = {
    [VKD_TILE_GEMM_COOP_PIXELS_32X32] = {2.75, 0.423, 0.00, 0.34, 0.0770, 0.189},
    [VKD_TILE_GEMM_COOP_PIXELS_64X64] = {1.90, 0.576, 0.80, 0.59, 0.1450, 1.000},
    [VKD_TILE_GEMM_COOP_WORDS_32X16] = {2.52, 0.372, 0.36, 0.09, 0.1115, 0.081},
    [VKD_TILE_GEMM_COOP_16X16] = {2.64, 0.244, 0.07, 0.06, 0.0426, 0.057},
    [VKD_TILE_GEMM_COOP_32X16] = {2.25, 0.279, 0.67, 0.20, 0.0593, 0.117},
    [VKD_TILE_GEMM_COOP_32X32] = {2.30, 0.246, 0.84, 0.34, 0.1004, 0.175},
    [VKD_TILE_GEMM_COOP_32X64] = {1.95, 0.369, 1.52, 0.56, 0.1290, 0.345},
    [VKD_TILE_GEMM_COOP_64X64] = {2.02, 0.207, 1.47, 0.59, 0.2285, 0.709},
};

double vkd_gemm_time(const gemm_rates *rates, const vkd_caps *caps, uint64_t tiles, uint64_t chunks,
                     uint32_t slices)
{
    /* on the busiest of them */
    uint64_t rounds = vkd_divide_up(tiles, caps->multiprocessors ? caps->multiprocessors : 80);
    double steps = (double)vkd_divide_up(chunks, slices);
    double alone =
        steps * rates->chunk + rates->epilogue / slices + (slices > 1 ? rates->adding : 0);
    double together = (double)rounds * slices * (steps * rates->chunk_work + rates->slice_work);
    double more = alone > together ? alone : together, less = alone > together ? together : alone;
    return rates->start + more + 0.3 * less * less / more; /* each hides some of the other */
}

/* Estimated microseconds of the largest shape with so many slices of k. */
static double matrix_cost(const gemm_tile *tile, const gemm_problem *problem, const vkd_caps *caps,
                          uint32_t slices)
{
    uint64_t tiles = vkd_divide_up(most_rows(problem), tile->m) *
                     vkd_divide_up(problem->n, tile->n) * problem->groups;
    return vkd_gemm_time(&matrix_rates_of[tile - vkd_gemm_tiles], caps, tiles,
                         k_steps_of(tile, problem), slices);
}

/* Bytes of shared memory of one slice: a chunk of both operands with the padding of its rows, or
 * the sums (gemm_coop.comp). */
static uint32_t matrix_shared(const gemm_tile *tile)
{
    uint32_t chunk = (tile->m + tile->n) * 5, sums = tile->m * tile->n / 4;
    return 16 * (chunk > sums ? chunk : sums);
}

/* No more than there are chunks of k. Whole tiles are spread more evenly in workgroups of their
 * own. */
static uint32_t matrix_slices(const gemm_tile *tile, const gemm_problem *problem,
                              const vkd_caps *caps)
{
    uint32_t best = 1, chunks = k_steps_of(tile, problem);
    uint32_t most = caps->max_workgroup_invocations / (caps->subgroup_size * tile->subgroups);
    for (uint32_t slices = 2; slices <= 16 && slices <= most && slices <= chunks; slices *= 2)
        if (slices * matrix_shared(tile) <= caps->shared_memory &&
            slices <= caps->max_workgroup_size[2] &&
            matrix_cost(tile, problem, caps, slices) < matrix_cost(tile, problem, caps, best))
            best = slices;
    return best;
}

void vkd_gemm_workgroup(const gemm_tile *tile, const gemm_problem *problem, const vkd_caps *caps,
                        uint32_t out[3])
{
    static const uint32_t start[][3] = {[GEMM_INVOCATIONS] = {8, 8, 1},
                                        [GEMM_IN_LANES] = {GEMM_LANES, 1, 1},
                                        [GEMM_MATRIX] = {32, 1, 1}};
    memcpy(out, start[tile->kind], sizeof start[0]);
    if (tile->kind == GEMM_INVOCATIONS)
        invocation_workgroup(tile, problem, caps, out);
    if (tile->kind == GEMM_MATRIX) {
        out[1] = tile->subgroups;
        out[2] = matrix_slices(tile, problem, caps);
    }
}

/* ----------------------------------------------------------------------------------------- cost */

/* MACs a microsecond, measured on two cores of an Intel Sapphire Rapids. A large tile has far more
 * sums than the CPU has registers: what that costs depends on what the driver's compiler knows of
 * the processor, and is probed. */
static const struct {
    double rate;
    bool large;
} lanes_figures[VKD_TILE_COUNT] = {
    [VKD_TILE_GEMM_LANES_2X32] = {41e3, false},
    [VKD_TILE_GEMM_LANES_4X16] = {62e3, false},
    [VKD_TILE_GEMM_LANES_7X32] = {70e3, true},
    [VKD_TILE_GEMM_LANES_WORDS_7X32] = {58e3, true},
};

static double lanes_rate(const gemm_tile *tile, const vkd_caps *caps)
{
    size_t index = (size_t)(tile - vkd_gemm_tiles);
    bool scaled = lanes_figures[index].large && caps->large_tiles > 0;
    return lanes_figures[index].rate * (scaled ? (double)caps->large_tiles : 1);
}

double vkd_gemm_cost(const gemm_tile *tile, const gemm_problem *problem, const vkd_caps *caps)
{
    if (tile->kind == GEMM_MATRIX)
        return matrix_cost(tile, problem, caps, matrix_slices(tile, problem, caps));
    uint32_t local[3];
    vkd_gemm_workgroup(tile, problem, caps, local);
    double outputs = (double)(vkd_align_up(problem->m, group_rows(tile, local)) *
                              vkd_align_up(problem->n, tile->n) * problem->groups);
    double macs = outputs * k_steps_of(tile, problem) * tile->step;
    if (tile->kind == GEMM_IN_LANES) /* and a share for the epilogue of each output */
        return 6.0 + macs / lanes_rate(tile, caps) + outputs * 0.36e-3;
    if (caps->type == VKD_TYPE_CPU)
        return 6.0 + macs / (tile->grain == 4 ? 2e3 : 4e3);
    double rate = caps->type == VKD_TYPE_DISCRETE ? 10e6 : 400e3; /* MACs a microsecond */
    double full = (double)(vkd_divide_up(problem->m, tile->m) * vkd_divide_up(problem->n, tile->n) *
                           problem->groups * local[2]) /
                  (double)wanted_invocations(caps);
    return 2.0 + macs / (rate * (full < 1 ? full : 1)) * (tile->grain == 4 ? 2 : 1);
}

const gemm_tile *vkd_gemm_best(const gemm_problem *problem, const vkd_caps *caps)
{
    const gemm_tile *best = NULL;
    double best_cost = 0;
    for (size_t i = 0; i < VKD_TILE_COUNT; i++) {
        const gemm_tile *tile = &vkd_gemm_tiles[i];
        if (vkd_gemm_refuses(tile, problem, caps))
            continue;
        double cost = vkd_gemm_cost(tile, problem, caps);
        if (!best || cost < best_cost) {
            best = tile;
            best_cost = cost;
        }
    }
    return best;
}

/* ------------------------------------------------------------------------------------- emission */

vkd_status vkd_gemm_add_weights(vkd_lowering *lowering, const gemm_tile *tile,
                                const gemm_problem *problem, const vkd_weights *weights,
                                uint32_t tap_k, vkd_tensor_id *out)
{
    const b_source source = {
        .weights = *weights,
        .groups = problem->groups,
        .n = problem->n,
        .taps = problem->kernel[0] * problem->kernel[1],
        .row_taps = problem->kernel[1],
        .row_padded = row_taps(tile, problem),
        .tap_k = tap_k,
        .tap_padded = padded_tap(tile, problem),
        .grain = tile->grain,
        .n_padded = vkd_align_up(problem->n, GEMM_N_ALIGN),
        .unit = tile->channel_unit,
        .step = tile->step,
        .k_steps = k_steps_of(tile, problem),
    };
    uint64_t bytes = (uint64_t)source.groups * source.n_padded * source.k_steps * source.step;
    return vkd_op_constant(lowering, bytes, pack_b, &source, sizeof source, 1, out);
}

/* A step of several grains may reach beyond the pixel, which only the window's tests keep inside
 * the image. */
static bool tests_window(const gemm_tile *tile, const gemm_problem *problem)
{
    return taps(tile, problem) > 1 || problem->padding[0] || problem->padding[1] ||
           problem->stride[0] > 1 || problem->stride[1] > 1 ||
           (tile->kind == GEMM_IN_LANES && tile->grain < tile->step);
}

static gemm_params params_of(const gemm_tile *tile, const gemm_problem *problem,
                             const gemm_operands *operands)
{
    return (gemm_params){
        .shape = {problem->m, problem->out_w, problem->out_h, problem->in_w, problem->in_h},
        .k_steps = k_steps_of(tile, problem),
        .tap_steps = padded_tap(tile, problem) / tile->grain,
        .a_pixel = problem->a_bytes / tile->grain,
        .n4_group = vkd_divide_up(problem->n, 4),
        .b_n4_group = (uint32_t)vkd_align_up(problem->n, GEMM_N_ALIGN) / 4,
        .y_pixel = vkd_divide_up(problem->n * problem->groups, 4),
        .kernel_w = row_taps(tile, problem) / tile->row_taps,
        .stride_h = problem->stride[0],
        .stride_w = problem->stride[1],
        .padding_h = problem->padding[0],
        .padding_w = problem->padding[1],
        .dilation_h = problem->dilation[0],
        .dilation_w = problem->dilation[1] * tile->row_taps,
        /* nothing is outside: one pipeline for all zero points */
        .x_zero = tests_window(tile, problem) ? problem->x_zero : 0,
        .requantize = operands->requantize,
    };
}

vkd_status vkd_gemm_emit(vkd_lowering *lowering, const gemm_tile *tile, const gemm_problem *problem,
                         const gemm_operands *operands, vkd_node node)
{
    vkd_tensor_id b;
    VKD_TRY(vkd_gemm_add_weights(lowering, tile, problem, &operands->weights, operands->tap_k, &b));
    const gemm_params push = params_of(tile, problem, operands);
    node.shader = tile->shader;
    node.push_size = sizeof push;
    memcpy(node.push, &push, sizeof push);
    uint32_t local[3];
    vkd_gemm_workgroup(tile, problem, lowering->caps, local);
    memcpy(node.specs, local, sizeof local);
    node.loops = loops_of(tile, problem, local);
    node.specs[3] = tests_window(tile, problem);
    uint32_t fold_count = (uint32_t)folds(tile, problem, lowering->caps, local);
    node.specs[4] = fold_count;
    node.spec_count = 5;
    node.groups[0] =
        vkd_divide_up(problem->n, tile->n * (tile->kind == GEMM_INVOCATIONS ? local[0] : 1));
    node.groups[1] = vkd_divide_up(vkd_divide_up(problem->m, group_rows(tile, local)), fold_count);
    node.groups[2] = problem->groups * fold_count;
    _Static_assert(6 + offsetof(gemm_params, requantize) / 4 <= VKD_MAX_SPECS, "all sizes fit");
    if (tile->kind == GEMM_IN_LANES) {
        node.specs[4] = operands->residual != VKD_NO_TENSOR;
        node.specs[5] = problem->n % 16 == 0;
        node.specs[6] = operands->table;
        node.spec_count = 7;
        node.texel_mask = 0xf;
        node.word_mask = tile->grain == 4 ? 0x1 : 0;
    } else {
        vkd_requantize_bake(&node, operands->residual != VKD_NO_TENSOR, sizeof(gemm_shape),
                            problem->most_m > 0);
    }
    vkd_node_read(&node, operands->a);
    vkd_node_read(&node, b);
    vkd_requantize_bind(&node, operands->channels, operands->residual, operands->y);
    return vkd_op_add_node(lowering, &node, operands->a, operands->y);
}
