/* The self-check of the kernels of int8 linear layers that are not interpreted, on matrix units and
 * in lanes: their oracle in plain C against the scalar oracle of the tests, whose weights are those
 * of the file. The first tests need no device. */
#include "exec/kernel_check.h"
#include "ops/gemm/gemm.h"
#include "ops/gemm/gemm_oracle.h"
#include "ops/requantize.h"
#include "support/fake_caps.h"
#include "support/lowering.h"
#include "support/skip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_N = 300, MOST_K = 400 };

/* A linear layer with random weights, lowered for one kernel. */
typedef struct fixture {
    vkd_context context;
    vkd_arena arena;
    hand_model m;
    vkd_graph graph;
    uint32_t rows, n, k;
    oracle_channels channels;
    int8_t weights[MOST_N * MOST_K];
    int32_t sums[MOST_N];
    float scales[MOST_N], bias[MOST_N];
} fixture;

static void draw(fixture *f, vkd_random *random, const gemm_tile *tile)
{
    f->rows = (uint32_t)random_range(random, 2, 300);
    f->n = (uint32_t)random_range(random, 1, MOST_N);
    f->k = tile->grain * (uint32_t)random_range(random, 1, MOST_K / 16) -
           (uint32_t)random_range(random, 0, 3);
    const uint32_t row = (uint32_t)vkd_align_up(f->k, 4);
    random_int8(random, f->weights, sizeof f->weights);
    random_floats(random, 0.001f, 0.002f, f->scales, MOST_N);
    random_floats(random, -1, 1, f->bias, MOST_N);
    for (uint32_t n = 0; n < f->n; n++) {
        f->sums[n] = 0;
        for (uint32_t k = 0; k < f->k; k++)
            f->sums[n] += f->weights[n * row + k];
    }
    f->channels = (oracle_channels){.x_q = {0.05f, random_range(random, -128, 127)},
                                    .y_q = {0.1f, random_range(random, -40, 40)},
                                    .weights = f->weights,
                                    .weight_scales = f->scales,
                                    .bias = f->bias,
                                    .relu = random_range(random, 0, 1)};
}

static void build(fixture *f)
{
    hand_model *m = &f->m;
    const uint32_t padded = (uint32_t)vkd_align_up(f->n, 4);
    memset(m, 0, sizeof *m);
    const uint32_t x = hand_input(m, VKD_DTYPE_INT8, 2, (uint32_t[]){f->rows, f->k}),
                   x_scale = hand_double(m, (double)f->channels.x_q.scale),
                   x_zero = hand_int(m, f->channels.x_q.zero),
                   weight = hand_constant(m, VKD_DTYPE_INT8, 2,
                                          (uint32_t[]){f->n, (uint32_t)vkd_align_up(f->k, 4)},
                                          f->weights),
                   sums = hand_constant(m, VKD_DTYPE_INT32, 1, &padded, f->sums),
                   scales = hand_constant(m, VKD_DTYPE_FLOAT32, 1, &padded, f->scales),
                   y_scale = hand_double(m, (double)f->channels.y_q.scale),
                   y_zero = hand_int(m, f->channels.y_q.zero),
                   bias = hand_constant(m, VKD_DTYPE_FLOAT32, 1, &padded, f->bias),
                   activation = hand_string(m, f->channels.relu ? "relu" : "none"),
                   y = hand_output(m, VKD_DTYPE_INT8, 2, (uint32_t[]){f->rows, f->n});
    HAND_OP(m, "et_vk.q8ta_linear.default", x, x_scale, x_zero, weight, sums, scales, y_scale,
            y_zero, bias, activation, y);
}

/* All others are said to compute wrong results, so that this one is taken. */
static void leave_only(vkd_caps *caps, vkd_shader shader)
{
    memset(caps->wrong, 0, sizeof caps->wrong);
    for (int s = 0; s < VKD_SHADER_COUNT; s++)
        if (s != (int)shader && (!strncmp(vkd_shaders[s].name, "gemm_", 5) ||
                                 !strncmp(vkd_shaders[s].name, "linear", 6)))
            caps->wrong[s / 64] |= UINT64_C(1) << s % 64;
}

/* Null where the kernel takes no matrix. */
static const vkd_node *lower(fixture *f, vkd_random *random, const gemm_tile *tile,
                             const vkd_caps *device)
{
    vkd_caps caps = *device;
    vkd_lowered lowered;
    draw(f, random, tile);
    const gemm_problem p = vkd_gemm_matrix(f->rows, f->n, f->k, 1, (uint32_t)vkd_align_up(f->k, 4));
    leave_only(&caps, tile->shader);
    if (vkd_gemm_refuses(tile, &p, &caps))
        return NULL;
    vkd_context_init(&f->context, &(vkd_options){.log = lowering_keep_quiet});
    vkd_arena_init(&f->arena, &f->context);
    vkd_graph_init(&f->graph, &f->arena);
    build(f);
    if (lowering_of_model(&f->context, hand_finish(&f->m), &caps, NULL, &f->graph, &lowered) !=
        VKD_OK)
        fail_msg("%s", f->context.error);
    for (size_t i = 0; i < f->graph.node_count; i++)
        if (f->graph.nodes[i].shader == tile->shader)
            return &f->graph.nodes[i];
    fail_msg("%s is not taken", tile->name);
    return NULL;
}

/* ------------------------------------------------------------------------------------- plain C */

enum { A, B, CHANNELS, RESIDUAL, Y, BINDINGS };

static void bind(fixture *f, vkd_random *random, const vkd_node *node,
                 const uint64_t bytes[VKD_MAX_BINDINGS], vkd_words words[VKD_MAX_BINDINGS])
{
    for (int b = 0; b < BINDINGS; b++) {
        const vkd_tensor *tensor = &f->graph.tensors[node->bindings[b].tensor];
        const size_t room = tensor->bytes > bytes[b] ? tensor->bytes : bytes[b];
        words[b].count = (size_t)bytes[b] / 4;
        words[b].at = vkd_arena_alloc(&f->arena, 1, room);
        words[b].written = vkd_arena_alloc(&f->arena, 1, room);
        assert_true(words[b].at && words[b].written);
        if (tensor->pack)
            tensor->pack(tensor->source, words[b].at, tensor->bytes);
    }
    random_int8(random, (int8_t *)words[A].at, (size_t)bytes[A]);
}

/* What the layer makes of the first rows of A, but for values of k from `k` on. */
static void expect(const fixture *f, const vkd_words *a, uint32_t rows, uint32_t k, uint32_t *out)
{
    const uint32_t row = (uint32_t)vkd_align_up(f->k, 4), y_row = (uint32_t)vkd_align_up(f->n, 4);
    int8_t *x = malloc((size_t)rows * f->k), *y = malloc((size_t)rows * f->n);
    assert_true(x && y);
    for (uint32_t m = 0; m < rows; m++)
        for (uint32_t i = 0; i < f->k; i++)
            x[m * f->k + i] = i < k ? ((int8_t *)a->at)[m * row + i] : 0;
    oracle_linear(rows, f->k, f->n, &f->channels, x, y);
    for (uint32_t m = 0; m < rows; m++)
        memcpy((int8_t *)out + m * y_row, y + m * f->n, f->n);
    free(x);
    free(y);
}

static void check_draw(fixture *f, vkd_random *random, const vkd_node *lowered)
{
    vkd_node node = *lowered;
    vkd_words words[VKD_MAX_BINDINGS] = {0};
    uint64_t bytes[VKD_MAX_BINDINGS] = {0};
    char text[96] = "";
    for (int b = 0; b < BINDINGS; b++)
        bytes[b] = f->graph.tensors[node.bindings[b].tensor].bytes;
    const uint32_t y_row = (uint32_t)vkd_align_up(f->n, 4);
    assert_ptr_equal(node.oracle, &vkd_gemm_oracle);
    node.oracle->shrink(&node, bytes);
    const uint32_t rows = (uint32_t)(bytes[Y] / y_row);
    assert_in_range(rows, 1, f->rows + 16);
    bind(f, random, &node, bytes, words);
    node.oracle->store(&node, words);
    const uint32_t inside = rows < f->rows ? rows : f->rows;
    uint32_t *want = vkd_arena_alloc(&f->arena, 1, (size_t)bytes[Y]);
    assert_non_null(want);
    expect(f, &words[A], inside, f->k, want);
    uint32_t stored = 0, middle = 0;
    for (uint32_t m = 0; m < inside; m++)
        for (uint32_t n = 0; n < y_row; n++) {
            const size_t at = (size_t)m * y_row + n;
            if (n >= f->n) /* padding */
                ((uint8_t *)words[Y].written)[at] = 0;
            else if (((uint8_t *)words[Y].written)[at]) {
                stored++;
                middle += abs(((int8_t *)want)[at]) < 127;
            }
        }
    assert_in_range(stored, 1, 256);
    if (!vkd_kernel_same(VKD_DTYPE_INT8, false, &words[Y], want, text, sizeof text))
        fail_msg("%ux%u -> %u: %s", f->rows, f->k, f->n, text);
    if (f->k < 32 || middle < 16) /* too little to see the rest by */
        return;
    expect(f, &words[A], inside, f->k - 16, want);
    assert_false(vkd_kernel_same(VKD_DTYPE_INT8, true, &words[Y], want, text, sizeof text));
}

/* Sizes that can change are no specialisation constants. */
static vkd_node with_pushed_sizes(const gemm_tile *tile, const vkd_node *node)
{
    vkd_node pushed = *node;
    if (tile->kind == GEMM_MATRIX)
        memset(pushed.specs + 6, 0, sizeof(gemm_shape));
    return pushed;
}

static void as_the_layer(void **state)
{
    enum { DRAWS = 6 };
    (void)state;
    static fixture f;
    vkd_random random = random_begin("products' oracle");
    uint32_t kernels = 0;
    for (int t = 0; t < VKD_TILE_COUNT; t++) {
        const gemm_tile *tile = &vkd_gemm_tiles[t];
        const vkd_caps caps =
            fake_caps(tile->kind == GEMM_IN_LANES ? FAKE_LLVMPIPE : FAKE_H100_MATRIX);
        uint32_t draws = 0;
        for (int i = 0; i < DRAWS && tile->kind != GEMM_INVOCATIONS; i++) {
            const vkd_node *lowered = lower(&f, &random, tile, &caps);
            if (!lowered)
                continue;
            const vkd_node node = i % 2 ? with_pushed_sizes(tile, lowered) : *lowered;
            check_draw(&f, &random, &node);
            draws++;
            vkd_arena_release(&f.arena);
        }
        kernels += draws > 0;
    }
    assert_int_equal(kernels, 4 + 6); /* in lanes, on matrix units; two are for pixels of images */
}

/* Numbers of a file of which kernels may make different things say nothing against a kernel. */
static void what_is_not_finite_says_nothing(void **state)
{
    (void)state;
    static fixture f;
    vkd_random random = random_begin("numbers without end");
    const gemm_tile *tile = &vkd_gemm_tiles[VKD_TILE_GEMM_COOP_16X16];
    const vkd_caps caps = fake_caps(FAKE_H100_MATRIX);
    vkd_words words[VKD_MAX_BINDINGS] = {0};
    uint64_t bytes[VKD_MAX_BINDINGS] = {0};
    vkd_node node = *lower(&f, &random, tile, &caps);
    for (int b = 0; b < BINDINGS; b++)
        bytes[b] = f.graph.tensors[node.bindings[b].tensor].bytes;
    node.oracle->shrink(&node, bytes);
    bind(&f, &random, &node, bytes, words);
    vkd_channel_block *blocks = (vkd_channel_block *)words[CHANNELS].at;
    for (uint32_t n = 0; n < f.n; n++) {
        blocks[n / 4].scale[n % 4] = INFINITY;
        blocks[n / 4].offset[n % 4] = INT32_MAX; /* a sum that wraps */
    }
    node.oracle->store(&node, words);
    for (size_t at = 0; at < words[Y].count * 4; at++)
        if (at % vkd_align_up(f.n, 4) < f.n)
            assert_int_equal(((uint8_t *)words[Y].written)[at], 0);
    vkd_arena_release(&f.arena);
}

/* ----------------------------------------------------------------------------------- the device */

static void no_less(vkd_node *node, uint64_t bytes[VKD_MAX_BINDINGS])
{
    vkd_gemm_oracle.shrink(node, bytes);
}

static void too_much(const vkd_node *node, const vkd_words bindings[VKD_MAX_BINDINGS])
{
    vkd_gemm_oracle.store(node, bindings);
    for (size_t i = 0; i < bindings[Y].count; i++)
        bindings[Y].at[i] ^= 0x20202020;
}

static void the_device_is_held_against_it(void **state)
{
    static const vkd_oracle other = {no_less, too_much};
    static fixture f;
    harness *h = harness_get(state);
    vkd_random random = random_begin("products on the device");
    for (int t = 0; t < VKD_TILE_COUNT; t++) {
        const gemm_tile *tile = &vkd_gemm_tiles[t];
        const vkd_node *lowered =
            tile->kind == GEMM_INVOCATIONS ? NULL : lower(&f, &random, tile, &h->caps);
        if (!lowered)
            continue;
        vkd_node node = *lowered;
        for (int i = 0; i < 2; i++) {
            vkd_kernel_check check;
            assert_int_equal(vkd_kernel_check_run(h->gpu.device, &f.graph, &node, 400000, &check),
                             VKD_OK);
            if (check.verdict != (i ? VKD_VERDICT_WRONG : VKD_VERDICT_RIGHT))
                fail_msg("%s, %ux%u -> %u: verdict %d %s", tile->name, f.rows, f.k, f.n,
                         (int)check.verdict, check.difference);
            node.oracle = &other;
        }
        print_message("%s: right\n", tile->name);
        vkd_arena_release(&f.arena);
    }
}

int main(void)
{
    const struct CMUnitTest pure[] = {cmocka_unit_test(as_the_layer),
                                      cmocka_unit_test(what_is_not_finite_says_nothing)};
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_device_is_held_against_it)};
    const int failed = cmocka_run_group_tests(pure, NULL, NULL),
              others = cmocka_run_group_tests(tests, harness_setup, harness_teardown);
    return failed ? failed : others; /* which may have been skipped */
}
