/* The conv factory's choice as a pure function: fabricated devices, the shapes of ResNet50 and random ones. */
#include "ops/conv.h"
#include "ops/conv_gemm.h"
#include "support/fake_caps.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static uint32_t below(vkd_random *random, uint32_t limit) { return (uint32_t)random_range(random, 0, (int32_t)limit - 1); }

static conv2d_problem square(uint32_t in_c, uint32_t out_c, uint32_t size, uint32_t kernel, uint32_t stride, uint32_t groups)
{
    uint32_t padding = kernel / 2, out = (size + 2 * padding - kernel) / stride + 1;
    return (conv2d_problem){.n = 1,
                            .in_c = in_c,
                            .in_h = size,
                            .in_w = size,
                            .out_c = out_c,
                            .out_h = out,
                            .out_w = out,
                            .kernel = {kernel, kernel},
                            .stride = {stride, stride},
                            .padding = {padding, padding},
                            .dilation = {1, 1},
                            .groups = groups};
}

static const conv2d_variant *choose_variant(const conv2d_problem *problem, const vkd_caps *caps, const char *forced)
{
    vkd_candidate_info candidates[64];
    const char *reason = NULL;
    assert_true(conv2d_variant_count <= 64);
    conv2d_consider(conv2d_variants, conv2d_variant_count, problem, caps, candidates);
    size_t winner = conv2d_choose(conv2d_variants, conv2d_variant_count, candidates, forced, &reason);
    assert_non_null(reason);
    for (size_t i = 0; i < conv2d_variant_count; i++) {
        assert_non_null(candidates[i].reason);
        assert_string_equal(candidates[i].variant, conv2d_variants[i].name);
        assert_true(!candidates[i].eligible || candidates[i].cost_us > 0);
        if (!forced)
            assert_true(!candidates[i].eligible || candidates[winner].cost_us <= candidates[i].cost_us);
    }
    assert_true(candidates[winner].eligible);
    return &conv2d_variants[winner];
}

static const char *choose(const conv2d_problem *problem, const vkd_caps *caps, const char *forced)
{
    return choose_variant(problem, caps, forced)->family;
}

/* Where the published rule leaves the sliding window for a GEMM, so do we, on every device: input channels a group % 4 == 0,
 * one group, and at least 32 of them or a small map. */
static void test_published_rule(void **state)
{
    static const uint32_t shapes[][4] = {{64, 64, 56, 1},   {128, 128, 56, 2}, {128, 128, 28, 1}, {256, 256, 28, 2},
                                         {256, 256, 14, 1}, {512, 512, 14, 2}, {512, 512, 7, 1}};
    (void)state;
    for (int device = 0; device < FAKE_COUNT; device++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            vkd_caps caps = fake_caps((fake_device)device);
            conv2d_problem problem = square(shapes[i][0], shapes[i][1], shapes[i][2], 3, shapes[i][3], 1);
            assert_string_not_equal(choose(&problem, &caps, NULL), "general");
        }
}

static void test_pointwise(void **state)
{
    (void)state;
    for (int device = 0; device < FAKE_COUNT; device++) {
        vkd_caps caps = fake_caps((fake_device)device);
        conv2d_problem plain = square(256, 64, 56, 1, 1, 1), strided = square(256, 512, 56, 1, 2, 1);
        assert_string_equal(choose(&plain, &caps, NULL), "pointwise");
        assert_string_equal(choose(&strided, &caps, NULL), "pointwise");
    }
}

static void test_groups_that_split_words(void **state)
{
    (void)state;
    vkd_caps caps = fake_caps(FAKE_H100);
    conv2d_problem problem = square(6, 10, 9, 3, 1, 2);
    assert_string_equal(choose(&problem, &caps, NULL), "general");
    assert_string_equal(choose(&problem, &caps, "im2col"), "general"); /* not eligible, so not forced */
}

static void test_forcing(void **state)
{
    (void)state;
    vkd_caps caps = fake_caps(FAKE_LLVMPIPE);
    conv2d_problem problem = square(64, 64, 56, 3, 1, 1);
    assert_string_equal(choose(&problem, &caps, "general"), "general");
    assert_string_equal(choose(&problem, &caps, "im2col"), "im2col");
    assert_string_equal(choose(&problem, &caps, "im2col 4x4"), "im2col");
    const char *automatic = choose(&problem, &caps, NULL);
    assert_string_equal(choose(&problem, &caps, "pointwise"), automatic); /* not eligible, so not forced */
    assert_string_equal(choose(&problem, &caps, "no such variant"), automatic);
}

/* Matrix units: the tile grows with the work, slices of k come where tiles are few, and each kind of pixel has its loader. */
static void test_matrix_tiles(void **state)
{
    static const struct {
        uint32_t in_c, out_c, size, kernel, stride, images;
        const char *name;
    } rows[] = {
        {3, 32, 224, 3, 2, 1, "implicit matrix pixels 32x32"}, {3, 64, 224, 7, 2, 32, "implicit matrix pixels 64x64"},
        {512, 512, 7, 3, 1, 1, "implicit matrix 16x16"},       {512, 512, 7, 3, 1, 32, "implicit matrix 32x64"},
        {256, 256, 14, 3, 1, 1, "implicit matrix 32x16"},      {128, 128, 28, 3, 1, 1, "implicit matrix 32x32"},
        {1024, 256, 14, 1, 1, 32, "pointwise matrix 64x64"},   {512, 512, 2, 3, 1, 1, "implicit matrix 16x16"},
        {2048, 512, 2, 1, 1, 1, "pointwise matrix 16x16"},
    };
    (void)state;
    vkd_caps caps = fake_caps(FAKE_H100_MATRIX);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        conv2d_problem problem = square(rows[i].in_c, rows[i].out_c, rows[i].size, rows[i].kernel, rows[i].stride, 1);
        problem.n = rows[i].images;
        assert_string_equal(choose_variant(&problem, &caps, NULL)->name, rows[i].name);
    }

    const gemm_tile *tile = &vkd_gemm_tiles[VKD_TILE_GEMM_COOP_32X16];
    uint32_t few[3], many[3], short_k[3];
    vkd_gemm_workgroup(tile, &(gemm_problem){.m = 49, .n = 512, .tap_k = 4608, .groups = 1, .kernel = {1, 1}}, &caps, few);
    vkd_gemm_workgroup(tile, &(gemm_problem){.m = 100352, .n = 512, .tap_k = 4608, .groups = 1, .kernel = {1, 1}}, &caps, many);
    vkd_gemm_workgroup(tile, &(gemm_problem){.m = 49, .n = 512, .tap_k = 64, .groups = 1, .kernel = {1, 1}}, &caps, short_k);
    assert_true(few[2] >= 4 && many[2] == 1 && short_k[2] == 1);

    conv2d_problem dilated = square(3, 64, 64, 3, 1, 1);
    dilated.dilation[1] = 2; /* four taps of a row are not side by side */
    dilated.padding[0] = dilated.padding[1] = 2;
    dilated.dilation[0] = 2;
    assert_string_equal(choose_variant(&dilated, &caps, "matrix pixels 32x32")->tile->name, "matrix words 32x16");
    caps.matrix_int8 = false;
    conv2d_problem problem = square(128, 128, 28, 3, 1, 1);
    assert_null(strstr(choose_variant(&problem, &caps, NULL)->name, "matrix"));
}

/* The rows of a tile fit those of the image on llvmpipe, where each lane has some. */
static void test_lanes(void **state)
{
    (void)state;
    vkd_caps caps = fake_caps(FAKE_LLVMPIPE);
    conv2d_problem few = square(512, 512, 4, 3, 1, 1), some = square(256, 256, 5, 3, 1, 1), many = square(512, 512, 7, 3, 1, 1);
    assert_string_equal(choose_variant(&few, &caps, NULL)->name, "implicit lanes 2x32");
    assert_string_equal(choose_variant(&some, &caps, NULL)->name, "implicit lanes 4x16");
    assert_string_equal(choose_variant(&many, &caps, NULL)->name, "implicit lanes 7x32");
}

/* A matrix that the device cannot bind is not chosen. */
static void test_limits(void **state)
{
    (void)state;
    vkd_caps caps = fake_caps(FAKE_H100);
    conv2d_problem problem = square(64, 64, 56, 3, 1, 1);
    caps.max_storage_range = 1 << 20;
    assert_string_equal(choose(&problem, &caps, "im2col"), choose(&problem, &caps, NULL));
}

/* Whatever the problem and the device, the workgroup of the GEMM stays within the device's limits and the tile covers k
 * exactly. */
static void test_gemm_tiles_respect_limits(void **state)
{
    (void)state;
    vkd_random random = random_begin("conv selection");
    for (int round = 0; round < 2000; round++) {
        vkd_caps caps = fake_caps((fake_device)below(&random, FAKE_COUNT));
        if (round % 2)
            caps.shared_memory = 32768;
        uint32_t k = 1 + below(&random, 5000), m = 1 + below(&random, 20000);
        gemm_problem problem = vkd_gemm_matrix(m, 1 + below(&random, 3000), k, 1, (k + 3) / 4 * 4);
        assert_non_null(vkd_gemm_best(&problem, &caps));
        for (size_t t = 0; t < VKD_TILE_COUNT; t++) {
            const gemm_tile *tile = &vkd_gemm_tiles[t];
            if (vkd_gemm_refuses(tile, &problem, &caps))
                continue;
            uint32_t local[3];
            vkd_gemm_workgroup(tile, &problem, &caps, local);
            assert_int_equal(problem.a_bytes % tile->grain, 0);
            assert_true(local[0] >= 1 && local[1] >= 1 && local[2] >= 1);
            assert_true(local[0] * local[1] * local[2] <= caps.max_workgroup_invocations);
            for (int axis = 0; axis < 3; axis++)
                assert_true(local[axis] <= caps.max_workgroup_size[axis]);
            if (tile->kind == GEMM_INVOCATIONS)
                assert_true((local[2] - 1) * local[0] * local[1] * tile->m * tile->n * 4 <= caps.shared_memory);
            if (tile->kind == GEMM_MATRIX) { /* what a slice of gemm_coop.glsl shares: sums, or both operands of a chunk */
                uint32_t sums = tile->m * tile->n * 4, chunk = (tile->m + tile->n) * 80;
                assert_int_equal(local[0], 32);
                assert_int_equal(local[1], tile->subgroups);
                assert_true(local[2] * (sums > chunk ? sums : chunk) <= caps.shared_memory);
                assert_true(local[2] == 1 || local[2] * 64 < k + 64); /* no slice is empty */
            }
            assert_true(vkd_gemm_cost(tile, &problem, &caps) > 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_rule),
        cmocka_unit_test(test_pointwise),
        cmocka_unit_test(test_groups_that_split_words),
        cmocka_unit_test(test_forcing),
        cmocka_unit_test(test_matrix_tiles),
        cmocka_unit_test(test_lanes),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_gemm_tiles_respect_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
