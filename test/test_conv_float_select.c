/* The choice among the variants of convolutions of floats as pure functions: fabricated devices,
 * every refusal. */
#include "ops/conv/float.h"
#include "support/fake_caps.h"
#include "support/lowering.h"
#include "support/random.h"
#include "support/refusals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static uint32_t below(vkd_random *random, uint32_t limit)
{
    return (uint32_t)random_range(random, 0, (int32_t)limit - 1);
}

/* A convolution of squares, but for the window; transposed where `t`. */
typedef struct shape {
    uint32_t in_c, out_c, size, kernel[2], stride, padding, dilation, groups, t;
} shape;

static conv2d_problem problem_of(const shape *s)
{
    conv2d_problem p = {.n = 1,
                        .in_c = s->in_c,
                        .in_h = s->size < s->kernel[0] ? s->kernel[0] : s->size,
                        .in_w = s->size < s->kernel[1] ? s->kernel[1] : s->size,
                        .out_c = s->out_c,
                        .groups = s->groups,
                        .dtype = VKD_DTYPE_FLOAT32,
                        .transposed = s->t};
    for (int axis = 0; axis < 2; axis++) {
        const uint32_t in = axis ? p.in_w : p.in_h, reach = s->dilation * (s->kernel[axis] - 1) + 1;
        p.kernel[axis] = s->kernel[axis];
        p.stride[axis] = s->stride;
        p.padding[axis] = s->padding;
        p.dilation[axis] = s->dilation;
        *(axis ? &p.out_w : &p.out_h) = s->t ? (in - 1) * s->stride - 2 * s->padding + reach
                                             : (in + 2 * s->padding - reach) / s->stride + 1;
    }
    return p;
}

static const conv2d_variant *choose(const conv2d_problem *problem, const vkd_caps *caps)
{
    vkd_candidate_info candidates[64];
    const char *reason;
    size_t count;
    const conv2d_variant *variants = vkd_conv2d_table(problem, &count);
    assert_ptr_equal(variants, vkd_conv2d_float_variants);
    assert_true(count <= 64);
    vkd_conv2d_consider(variants, count, problem, caps, candidates);
    size_t winner = vkd_conv2d_choose(variants, count, candidates, NULL, &reason);
    assert_true(winner < count);
    for (size_t i = 0; i < count; i++)
        assert_true(
            !candidates[i].eligible ||
            (candidates[i].cost_us > 0 && candidates[winner].cost_us <= candidates[i].cost_us));
    return &variants[winner];
}

/* -------------------------------------------------------------------------------------- choices */

static void choices(void **state)
{
    static const struct {
        fake_device device;
        /* channels in and out, size, kernel, stride, padding, dilation, groups, transposed */
        shape s;
        const char *name;
    } rows[] = {
        {FAKE_LLVMPIPE, {64, 64, 56, {3, 3}, 1, 1, 1, 1, 0}, "implicit lanes 4x32"},
        {FAKE_LLVMPIPE, {256, 64, 56, {1, 1}, 1, 0, 1, 1, 0}, "pointwise lanes 4x32"},
        {FAKE_LLVMPIPE, {32, 16, 112, {1, 1}, 1, 0, 1, 1, 0}, "pointwise lanes 2x16"},
        {FAKE_LLVMPIPE, {96, 96, 56, {3, 3}, 1, 1, 1, 96, 0}, "depthwise_row lanes 7x4"},
        {FAKE_LLVMPIPE, {96, 96, 56, {3, 3}, 1, 2, 2, 96, 0}, "depthwise"},
        {FAKE_LLVMPIPE, {96, 96, 56, {9, 9}, 1, 4, 1, 96, 0}, "depthwise"},
        {FAKE_LLVMPIPE, {64, 32, 28, {2, 2}, 2, 0, 1, 1, 1}, "implicit lanes 4x32"},
        {FAKE_LLVMPIPE, {6, 10, 28, {3, 3}, 1, 1, 1, 2, 0}, "general"},
        {FAKE_H100, {64, 64, 56, {3, 3}, 1, 1, 1, 1, 0}, "implicit block 32x32"},
        {FAKE_H100, {64, 4, 56, {3, 3}, 1, 1, 1, 1, 0}, "implicit 4x4"},
        {FAKE_H100, {64, 32, 28, {2, 2}, 2, 0, 1, 1, 1}, "implicit 4x4"},
        {FAKE_H100, {1024, 1024, 1, {1, 1}, 1, 0, 1, 1, 0}, "pointwise vector 1x4"},
        {FAKE_H100, {512, 512, 64, {3, 3}, 1, 1, 1, 1, 0}, "implicit block 128x128"},
        {FAKE_H100, {96, 96, 56, {3, 3}, 1, 1, 1, 96, 0}, "depthwise_row 1x4"},
        {FAKE_H100, {96, 96, 224, {3, 3}, 1, 1, 1, 96, 0}, "depthwise_row 4x4"},
        {FAKE_ADRENO_640, {96, 96, 56, {5, 5}, 1, 2, 1, 96, 0}, "depthwise_row 4x4"},
        {FAKE_ADRENO_640, {6, 10, 28, {3, 3}, 1, 1, 1, 2, 0}, "general"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        vkd_caps caps = fake_caps(rows[i].device);
        conv2d_problem problem = problem_of(&rows[i].s);
        assert_string_equal(choose(&problem, &caps)->name, rows[i].name);
    }
}

/* ------------------------------------------------------------------------------------- refusals */

#define IS_LONG "its sums are longer than the device's loops may be"
#define NO_FOURS "the channels of a group are no multiple of 4"
#define NO_EIGHTS "the output channels of a group are no multiple of 8"
#define WRONG "its kernel computes wrong results on this device"
#define LEFT_OUT "its kernel is left out of this build"
#define NO_CPU "it is for CPU devices with subgroups of 8"
#define NO_ROW "it is transposed, or its window wider than 7"
#define NO_PIXEL "it is transposed, or its window larger than 7x7"
#define NO_RUN "its window is dilated, or more than 2 pixels from the next one"
#define TOO_MANY_ROWS "it has more rows than a dispatch can have workgroups for"
#define TOO_LARGE "its tensors are larger than a texel buffer"
#define SPILLS "an invocation's sums fill all registers of a Mali"
#define DILATED "it is transposed and dilated"
#define NO_SIXTEENS "a group's channels are no multiples of 4, and of 16 for the output"
#define NO_HALVES "it is not of halves"
#define TOO_LARGE_A_BLOCK "its block is larger than a workgroup of the device"
#define NO_UNITS "the device has no matrix units for f16"
#define NO_PRODUCT "it is no product of matrices"

/* Every refusal, next to what is just within it: a null reason. */
static const struct {
    const char *variant;
    shape s; /* channels in and out, size, kernel, stride, padding, dilation, groups, transposed */
    fake_device device;
    refusal_changes changed;
    const char *reason;
} refused[] = {
    {"general", {6, 10, 9, {3, 3}, 2, 1, 2, 2, 1}, FAKE_LLVMPIPE, {0}, NULL},
    {"general", {60, 4, 9, {992, 1}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {0}, NULL},
    {"general", {60, 4, 9, {993, 1}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {0}, IS_LONG},
    {"general", {60, 4, 9, {993, 1}, 1, 0, 1, 1, 0}, FAKE_H100, {0}, NULL},

    {"pointwise 4x4", {64, 64, 9, {1, 1}, 2, 0, 1, 1, 0}, FAKE_H100, {0}, NULL},
    {"pointwise 4x4",
     {64, 64, 9, {3, 3}, 1, 1, 1, 1, 0},
     FAKE_H100,
     {0},
     "the kernel is not 1x1 without padding"},
    {"pointwise 4x4",
     {64, 64, 9, {1, 1}, 1, 1, 1, 1, 0},
     FAKE_H100,
     {0},
     "the kernel is not 1x1 without padding"},
    {"pointwise 4x4",
     {64, 64, 9, {1, 1}, 1, 0, 1, 1, 1},
     FAKE_H100,
     {0},
     "the kernel is not 1x1 without padding"},
    {"implicit 4x4", {64, 64, 9, {1, 1}, 1, 0, 1, 1, 0}, FAKE_H100, {0}, "it is pointwise"},
    {"pointwise 4x4", {64, 64, 9, {1, 1}, 1, 0, 1, 1, 0}, FAKE_MALI_G610, {0}, NULL},
    {"pointwise 8x8", {64, 64, 9, {1, 1}, 1, 0, 1, 1, 0}, FAKE_MALI_G610, {0}, SPILLS},
    {"pointwise 8x8", {64, 64, 9, {1, 1}, 1, 0, 1, 1, 0}, FAKE_ADRENO_750, {0}, NULL},
    {"implicit block 32x32", {64, 64, 9, {3, 3}, 1, 1, 1, 1, 0}, FAKE_MALI_G610, {0}, NULL},
    {"implicit block 64x64", {64, 64, 9, {3, 3}, 1, 1, 1, 1, 0}, FAKE_MALI_G610, {0}, SPILLS},
    {"implicit 4x4", {5, 7, 9, {3, 3}, 1, 1, 1, 1, 0}, FAKE_H100, {0}, NULL},
    {"implicit 4x4", {8, 12, 9, {3, 3}, 1, 1, 1, 2, 0}, FAKE_H100, {0}, NO_FOURS},
    {"implicit 4x4", {12, 8, 9, {3, 3}, 1, 1, 1, 2, 0}, FAKE_H100, {0}, NO_FOURS},
    {"implicit 4x4", {8, 8, 9, {3, 3}, 1, 1, 1, 2, 0}, FAKE_H100, {0}, NULL},
    {"implicit 8x8", {8, 8, 9, {3, 3}, 1, 1, 1, 2, 0}, FAKE_H100, {0}, NO_EIGHTS},
    {"implicit 8x8", {8, 16, 9, {3, 3}, 1, 1, 1, 2, 0}, FAKE_H100, {0}, NULL},
    {"implicit 8x8", {8, 4, 9, {3, 3}, 1, 1, 1, 1, 0}, FAKE_H100, {0}, NULL},
    {"implicit 4x4", {8, 8, 9, {3, 3}, 2, 1, 1, 1, 1}, FAKE_H100, {0}, NULL},
    {"implicit 4x4", {8, 8, 9, {3, 3}, 2, 1, 2, 1, 1}, FAKE_H100, {0}, DILATED},
    {"implicit 4x4",
     {64, 64, 56, {3, 3}, 1, 1, 1, 1, 0},
     FAKE_H100,
     {.groups_y = 14, .groups_z = 28},
     NULL},
    {"implicit 4x4",
     {64, 64, 56, {3, 3}, 1, 1, 1, 1, 0},
     FAKE_H100,
     {.groups_y = 14, .groups_z = 27},
     TOO_MANY_ROWS},
    {"implicit 4x4", {64, 4, 9, {32768, 2}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {0}, IS_LONG},
    /* in slices */
    {"implicit 4x4", {64, 4, 9, {32768, 1}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {0}, NULL},
    {"implicit 4x4", {64, 4, 9, {32768, 2}, 1, 0, 1, 1, 0}, FAKE_H100, {0}, NULL},

    {"implicit lanes 4x32", {8, 8, 9, {3, 3}, 1, 1, 1, 2, 0}, FAKE_LLVMPIPE, {0}, NO_EIGHTS},
    {"implicit lanes 4x32", {8, 16, 9, {3, 3}, 1, 1, 1, 2, 0}, FAKE_LLVMPIPE, {0}, NULL},
    {"implicit lanes 4x32", {8, 16, 9, {3, 3}, 2, 1, 2, 2, 1}, FAKE_LLVMPIPE, {0}, DILATED},
    {"implicit lanes 4x32", {4, 4, 9, {16383, 4}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {0}, NULL},
    {"implicit lanes 4x32", {4, 4, 9, {16384, 4}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {0}, IS_LONG},
    {"pointwise lanes 4x32",
     {64, 32, 56, {1, 1}, 1, 0, 1, 1, 0},
     FAKE_LLVMPIPE,
     {.texels = 56 * 56 * 16},
     NULL},
    {"pointwise lanes 4x32",
     {64, 32, 56, {1, 1}, 1, 0, 1, 1, 0},
     FAKE_LLVMPIPE,
     {.texels = 56 * 56 * 16 - 1},
     TOO_LARGE},
    /* weights */
    {"pointwise lanes 4x32",
     {512, 512, 2, {1, 1}, 1, 0, 1, 1, 0},
     FAKE_LLVMPIPE,
     {.texels = 512 * 128},
     NULL},
    {"pointwise lanes 4x32",
     {512, 512, 2, {1, 1}, 1, 0, 1, 1, 0},
     FAKE_LLVMPIPE,
     {.texels = 512 * 128 - 1},
     TOO_LARGE},
    {"pointwise lanes 4x32",
     {64, 64, 56, {1, 1}, 1, 0, 1, 1, 0},
     FAKE_LLVMPIPE,
     {.subgroup = 4},
     NO_CPU},
    {"pointwise lanes 4x32",
     {64, 64, 56, {1, 1}, 1, 0, 1, 1, 0},
     FAKE_LLVMPIPE,
     {.no_shuffle = true},
     NO_CPU},
    {"pointwise lanes 4x32",
     {64, 64, 56, {1, 1}, 1, 0, 1, 1, 0},
     FAKE_MALI_G610,
     {.subgroup = 8},
     NO_CPU},
    {"pointwise lanes 4x32",
     {64, 64, 56, {1, 1}, 1, 0, 1, 1, 0},
     FAKE_LLVMPIPE,
     {.left_out = VKD_FAMILY_LANES},
     LEFT_OUT},
    {"pointwise lanes 4x32",
     {64, 64, 56, {1, 1}, 1, 0, 1, 1, 0},
     FAKE_LLVMPIPE,
     {.left_out = VKD_FAMILY_MATRIX},
     NULL},
    {"pointwise lanes 4x32",
     {64, 64, 56, {1, 1}, 1, 0, 1, 1, 0},
     FAKE_LLVMPIPE,
     {.groups_y = 14, .groups_z = 7},
     NULL},
    {"pointwise lanes 4x32",
     {64, 64, 56, {1, 1}, 1, 0, 1, 1, 0},
     FAKE_LLVMPIPE,
     {.groups_y = 14, .groups_z = 6},
     TOO_MANY_ROWS},

    {"implicit matrix 32x32",
     {8, 16, 9, {3, 3}, 1, 1, 1, 1, 0},
     FAKE_H100_MATRIX,
     {.halves = true},
     NULL},
    {"implicit matrix 32x32",
     {3, 5, 9, {3, 3}, 1, 1, 1, 1, 0},
     FAKE_H100_MATRIX,
     {.halves = true},
     NULL},
    {"implicit matrix 32x32",
     {8, 32, 9, {3, 3}, 1, 1, 1, 2, 0},
     FAKE_H100_MATRIX,
     {.halves = true},
     NULL},
    {"implicit matrix 32x32",
     {8, 8, 9, {3, 3}, 1, 1, 1, 2, 0},
     FAKE_H100_MATRIX,
     {.halves = true},
     NO_SIXTEENS},
    {"implicit matrix 32x32", {8, 16, 9, {3, 3}, 1, 1, 1, 1, 0}, FAKE_H100_MATRIX, {0}, NO_HALVES},
    {"implicit matrix 32x32",
     {8, 16, 9, {3, 3}, 1, 1, 1, 1, 0},
     FAKE_H100,
     {.halves = true},
     NO_UNITS},
    {"implicit matrix 32x32",
     {8, 16, 9, {3, 3}, 1, 1, 1, 1, 0},
     FAKE_H100_MATRIX,
     {.halves = true, .subgroup = 64},
     NO_UNITS},
    {"implicit matrix 32x32",
     {8, 16, 9, {3, 3}, 2, 1, 1, 1, 1},
     FAKE_H100_MATRIX,
     {.halves = true},
     "it is transposed"},
    {"implicit matrix 32x32",
     {8, 16, 9, {3, 3}, 1, 1, 1, 1, 0},
     FAKE_H100_MATRIX,
     {.halves = true, .left_out = VKD_FAMILY_MATRIX},
     LEFT_OUT},
    {"implicit matrix 64x64",
     {8, 16, 56, {3, 3}, 1, 1, 1, 1, 0},
     FAKE_H100_MATRIX,
     {.halves = true, .groups_y = 7, .groups_z = 7},
     NULL},
    {"implicit matrix 64x64",
     {8, 16, 56, {3, 3}, 1, 1, 1, 1, 0},
     FAKE_H100_MATRIX,
     {.halves = true, .groups_y = 7, .groups_z = 6},
     TOO_MANY_ROWS},
    {"implicit matrix 64x64",
     {8, 16, 9, {1, 1}, 1, 0, 1, 1, 0},
     FAKE_H100_MATRIX,
     {.halves = true},
     "it is pointwise"},
    {"pointwise matrix 64x64",
     {8, 16, 9, {1, 1}, 2, 0, 1, 1, 0},
     FAKE_H100_MATRIX,
     {.halves = true},
     NULL},

    {"implicit block 64x64",
     {3, 5, 9, {3, 3}, 1, 1, 1, 1, 0},
     FAKE_LLVMPIPE,
     {0},
     "it is for GPUs"},
    {"implicit block 128x128",
     {3, 5, 9, {3, 3}, 1, 1, 1, 1, 0},
     FAKE_MINIMAL,
     {0},
     TOO_LARGE_A_BLOCK},
    {"pointwise block 32x32",
     {3, 5, 9, {1, 1}, 1, 0, 1, 1, 0},
     FAKE_MINIMAL,
     {.halves = true},
     NULL},

    {"pointwise vector 1x4", {7, 5, 9, {1, 1}, 1, 0, 1, 1, 0}, FAKE_H100, {0}, NULL},
    {"pointwise vector 1x4",
     {7, 5, 9, {1, 1}, 1, 0, 1, 1, 0},
     FAKE_LLVMPIPE,
     {.halves = true},
     NULL},
    {"pointwise vector 1x4", {8, 8, 9, {1, 1}, 2, 0, 1, 1, 0}, FAKE_H100, {0}, NO_PRODUCT},
    {"pointwise vector 1x4", {8, 8, 9, {1, 1}, 1, 0, 1, 2, 0}, FAKE_H100, {0}, NO_PRODUCT},
    {"pointwise vector 4x4",
     {8, 8, 9, {1, 1}, 1, 0, 1, 1, 0},
     FAKE_H100,
     {.groups_y = 7, .groups_z = 3},
     NULL},
    {"pointwise vector 4x4",
     {8, 8, 9, {1, 1}, 1, 0, 1, 1, 0},
     FAKE_H100,
     {.groups_y = 5, .groups_z = 4},
     TOO_MANY_ROWS},

    {"depthwise", {16, 16, 9, {3, 3}, 2, 1, 2, 16, 1}, FAKE_LLVMPIPE, {0}, NULL},
    {"depthwise", {16, 32, 9, {3, 3}, 1, 1, 1, 16, 0}, FAKE_H100, {0}, "it is not depthwise"},
    {"depthwise", {16, 16, 9, {21844, 1}, 1, 0, 1, 16, 0}, FAKE_LLVMPIPE, {0}, NULL},
    {"depthwise", {16, 16, 9, {21845, 1}, 1, 0, 1, 16, 0}, FAKE_LLVMPIPE, {0}, IS_LONG},

    {"depthwise_row 4x4", {16, 16, 9, {1, 7}, 2, 3, 1, 16, 0}, FAKE_H100, {0}, NULL},
    {"depthwise_row 4x4",
     {16, 16, 9, {1, 7}, 2, 3, 1, 8, 0},
     FAKE_H100,
     {0},
     "it is not depthwise"},
    {"depthwise_row 4x4", {16, 16, 9, {1, 8}, 2, 3, 1, 16, 0}, FAKE_H100, {0}, NO_ROW},
    {"depthwise_row 4x4", {16, 16, 9, {1, 7}, 3, 3, 1, 16, 0}, FAKE_H100, {0}, NO_RUN},
    {"depthwise_row 4x4", {16, 16, 9, {1, 3}, 1, 3, 2, 16, 0}, FAKE_H100, {0}, NO_RUN},
    {"depthwise_row 1x4", {16, 16, 9, {1, 7}, 3, 3, 2, 16, 0}, FAKE_H100, {0}, NULL},
    {"depthwise_row 1x4", {16, 16, 9, {1, 8}, 3, 3, 2, 16, 0}, FAKE_H100, {0}, NO_PIXEL},
    {"depthwise_row 1x4", {16, 16, 9, {7, 7}, 3, 3, 2, 16, 0}, FAKE_H100, {0}, NULL},
    {"depthwise_row 1x4", {16, 16, 9, {8, 7}, 3, 3, 2, 16, 0}, FAKE_H100, {0}, NO_PIXEL},
    {"depthwise_row 4x4", {16, 16, 9, {1, 3}, 1, 1, 1, 16, 1}, FAKE_H100, {0}, NO_ROW},
    {"depthwise_row 4x4", {16, 16, 9, {32768, 1}, 1, 0, 1, 16, 0}, FAKE_LLVMPIPE, {0}, NULL},
    {"depthwise_row lanes 7x4",
     {16, 16, 9, {3, 3}, 1, 1, 1, 16, 0},
     FAKE_H100,
     {0},
     "it is for CPU devices"},
    {"depthwise_row lanes 7x4",
     {64, 64, 56, {3, 3}, 1, 1, 1, 64, 0},
     FAKE_LLVMPIPE,
     {.texels = 56 * 56 * 16},
     NULL},
    {"depthwise_row lanes 7x4",
     {64, 64, 56, {3, 3}, 1, 1, 1, 64, 0},
     FAKE_LLVMPIPE,
     {.texels = 56 * 56 * 16 - 1},
     TOO_LARGE},
    {"implicit 4x4", {5, 7, 9, {3, 3}, 1, 1, 1, 1, 0}, FAKE_H100, {.wrong = true}, WRONG},
    {"implicit block 128x128", {3, 5, 9, {3, 3}, 1, 1, 1, 1, 0}, FAKE_H100, {.size_x = 256}, NULL},
    {"implicit block 128x128",
     {3, 5, 9, {3, 3}, 1, 1, 1, 1, 0},
     FAKE_H100,
     {.size_x = 255},
     TOO_LARGE_A_BLOCK},
};

static refusal row_at(size_t i)
{
    refusal row = {refused[i].variant, problem_of(&refused[i].s), refused[i].device,
                   refused[i].changed, refused[i].reason};
    row.problem.dtype = row.changed.halves ? VKD_DTYPE_FLOAT16 : VKD_DTYPE_FLOAT32;
    return row;
}

static refusals the_table(void)
{
    return (refusals){vkd_conv2d_float_variants,
                      vkd_conv2d_float_variant_count,
                      sizeof refused / sizeof *refused,
                      "ops/conv/float_*.c",
                      {NULL},
                      row_at};
}

static void every_refusal(void **state)
{
    (void)state;
    const refusals r = the_table();
    refusals_check(&r);
    refusals_check_sources(&r);
}

/* Whatever reason a variant gives, of any problem on any device, has a row; and something runs what
 * is not long. */
static void no_other_refusals(void **state)
{
    (void)state;
    const refusals r = the_table();
    vkd_random random = random_begin("refusals of floats");
    for (int round = 0; round < 4000; round++) {
        const uint32_t groups = below(&random, 3) ? 1 : 1 + below(&random, 64),
                       most = 1 + below(&random, 9);
        shape s = {groups * (1 + below(&random, 20)),
                   groups * (1 + below(&random, 20)),
                   20 + below(&random, 100),
                   {1 + below(&random, most), 1 + below(&random, most)},
                   1 + below(&random, 3),
                   below(&random, 2),
                   1 + below(&random, 2),
                   groups,
                   below(&random, 4) == 0};
        if (below(&random, 8) == 0)
            s.kernel[below(&random, 2)] = 1 + below(&random, 32768);
        if (below(&random, 3) == 0)
            s.in_c = s.out_c = groups;
        const refusal_changes changed = {.texels = below(&random, 2) << 10,
                                         .groups_y = below(&random, 2) * 7,
                                         .groups_z = below(&random, 2) * 9,
                                         .subgroup = below(&random, 2) * 8,
                                         .no_shuffle = below(&random, 2),
                                         .left_out = below(&random, 4),
                                         .halves = below(&random, 2)};
        const vkd_caps caps = refusal_caps((fake_device)below(&random, FAKE_COUNT), &changed);
        conv2d_problem problem = problem_of(&s);
        problem.dtype = changed.halves ? VKD_DTYPE_FLOAT16 : VKD_DTYPE_FLOAT32;
        for (size_t v = 0; v < vkd_conv2d_float_variant_count; v++) {
            const char *reason = vkd_conv2d_float_variants[v].refuses(
                &problem, &caps, vkd_conv2d_float_variants[v].tile);
            if (reason && !refusals_expect(&r, reason))
                fail_msg("'%s' refuses because '%s', which no test expects",
                         vkd_conv2d_float_variants[v].name, reason);
        }
        if (conv2d_k(&problem) < 9000)
            (void)choose(&problem, &caps);
    }
}

/* --------------------------------------------------------------------------------- other shapes */

static uint32_t add_conv(hand_model *m, uint32_t x, uint32_t y, const uint32_t weight[4],
                         int64_t stride, int64_t padding, int64_t groups, bool transposed)
{
    static const float weights[64 * 64 * 9];
    HAND_OP(m, "aten.convolution.default", x,
            hand_constant(m, VKD_DTYPE_FLOAT32, 4, weight, weights), hand_null(m),
            hand_pair(m, stride, stride), hand_pair(m, padding, padding), hand_pair(m, 1, 1),
            hand_bool(m, transposed), hand_pair(m, 0, 0), hand_int(m, groups), y);
    return y;
}

/* A product, a depthwise one, one that splits fours, and one back to the input's size. */
static void build_net(hand_model *m)
{
    uint32_t x = hand_input(m, VKD_DTYPE_FLOAT32, 4, (uint32_t[]){3, 6, 64, 96});
    uint32_t a = add_conv(m, x, hand_tensor(m, VKD_DTYPE_FLOAT32, 4, (uint32_t[]){3, 64, 32, 48}),
                          (uint32_t[]){64, 6, 3, 3}, 2, 1, 1, false);
    uint32_t b = add_conv(m, a, hand_tensor(m, VKD_DTYPE_FLOAT32, 4, (uint32_t[]){3, 64, 32, 48}),
                          (uint32_t[]){64, 1, 3, 3}, 1, 1, 64, false);
    uint32_t c = add_conv(m, b, hand_tensor(m, VKD_DTYPE_FLOAT32, 4, (uint32_t[]){3, 6, 32, 48}),
                          (uint32_t[]){6, 32, 1, 1}, 1, 0, 2, false);
    add_conv(m, c, hand_output(m, VKD_DTYPE_FLOAT32, 4, (uint32_t[]){3, 16, 64, 96}),
             (uint32_t[]){6, 16, 2, 2}, 2, 0, 1, true);
}

static void lower_net(vkd_arena *arena, const vkd_net *net, const vkd_caps *caps,
                      const vkd_input *inputs, vkd_graph *out)
{
    vkd_model_value *values = vkd_arena_alloc(arena, net->value_count, sizeof *values);
    vkd_lowered lowered;
    assert_non_null(values);
    vkd_graph_init(out, arena);
    assert_int_equal(vkd_shape_net(arena->context, net, inputs, values), VKD_OK);
    assert_int_equal(vkd_lower_net(arena->context, net, values, caps, NULL, out, &lowered), VKD_OK);
}

/* What pipelines are made of does not depend on shapes. */
static void other_shapes_need_no_other_kernels(void **state)
{
    lowering_fixture *f = *state;
    vkd_random random = random_begin("shapes that change");
    vkd_net net;
    build_net(&f->m);
    assert_int_equal(vkd_net_bind(&net, hand_finish(&f->m), &vkd_ops, &f->arena), VKD_OK);
    net.resizes = true;
    for (int round = 0; round < 60; round++) {
        const vkd_caps caps = fake_caps((fake_device)(round % FAKE_COUNT));
        const vkd_input input = {.shape = {4,
                                           {1 + below(&random, 3), 6, 2 * (1 + below(&random, 32)),
                                            2 * (1 + below(&random, 48))}}};
        vkd_graph largest, other;
        lower_net(&f->arena, &net, &caps, NULL, &largest);
        lower_net(&f->arena, &net, &caps, &input, &other);
        assert_int_equal(largest.node_count, other.node_count);
        for (size_t i = 0; i < other.node_count; i++) {
            const vkd_node *a = &largest.nodes[i], *b = &other.nodes[i];
            if (!a->variant[0])
                continue;
            assert_int_equal(a->shader, b->shader);
            assert_int_equal(a->spec_count, b->spec_count);
            assert_memory_equal(a->specs, b->specs, a->spec_count * sizeof *a->specs);
        }
    }
}

/* -------------------------------------------------------------------------------- bad arguments */

/* What differs from 1x8x9x9 -> 1x4x7x7 by 3x3, in a group; 0: nothing. */
typedef struct flaw {
    uint32_t x[5], w[5], bias, y[5];           /* dims, ended by 0 */
    int64_t stride, padding, dilation, groups; /* the first of two numbers; NONE for 0 */
    size_t strides;
    vkd_dtype x_dtype, w_dtype, y_dtype;
    vkd_status status;
    const char *part;
} flaw;
enum { NONE = INT32_MIN };

static uint32_t rank_of(const uint32_t *dims)
{
    uint32_t rank = 0;
    while (rank < 5 && dims[rank])
        rank++;
    return rank;
}

static int64_t number(int64_t value, int64_t otherwise)
{
    return value == NONE ? 0 : value ? value : otherwise;
}
static vkd_dtype type(vkd_dtype dtype) { return dtype ? dtype : VKD_DTYPE_FLOAT32; }

static void build_flaw(hand_model *m, const flaw *f)
{
    static const float zeros[4 * 8 * 9 * 9];
    static const uint32_t good_x[5] = {1, 8, 9, 9}, good_w[5] = {4, 8, 3, 3},
                          good_y[5] = {1, 4, 7, 7};
    const uint32_t *x_dims = f->x[0] ? f->x : good_x, *w_dims = f->w[0] ? f->w : good_w,
                   *y_dims = f->y[0] ? f->y : good_y;
    const uint32_t bias = f->bias ? f->bias : 4;
    const int64_t strides[] = {number(f->stride, 1), 1, 1};
    uint32_t x = hand_input(m, type(f->x_dtype), rank_of(x_dims), x_dims);
    uint32_t y = hand_output(m, type(f->y_dtype), rank_of(y_dims), y_dims);
    HAND_OP(m, "aten.convolution.default", x,
            hand_constant(m, type(f->w_dtype), rank_of(w_dims), w_dims, zeros),
            hand_constant(m, type(f->w_dtype), 1, &bias, zeros),
            hand_ints(m, f->strides ? f->strides : 2, strides),
            hand_pair(m, number(f->padding, 0), 0), hand_pair(m, number(f->dilation, 1), 1),
            hand_bool(m, false), hand_pair(m, 0, 0), hand_int(m, number(f->groups, 1)), y);
}

static void bad_arguments(void **state)
{
    /* clang-format off */
    static const flaw flaws[] = {
        {.part = ""},
        {.x = {8, 9, 9}, .status = VKD_UNSUPPORTED, .part = "(weight) has rank 4, expected the input's, 3"},
        {.x = {8, 9}, .w = {4, 8}, .status = VKD_UNSUPPORTED, .part = "and that 3 or 4"},
        {.w = {4, 7, 3, 3}, .status = VKD_INVALID_MODEL, .part = "(weight) is 4x7x3x3, expected what fits an input of 1x8x9x9 in 1 groups"},
        {.groups = 2, .status = VKD_INVALID_MODEL, .part = "in 2 groups"},
        {.groups = NONE, .status = VKD_INVALID_MODEL, .part = "in 0 groups"},
        {.groups = -1, .status = VKD_INVALID_MODEL, .part = "in -1 groups"},
        {.x = {1, 9, 9, 9}, .w = {4, 3, 3, 3}, .groups = 3, .status = VKD_INVALID_MODEL, .part = "is 4x3x3x3, expected what fits an input of 1x9x9x9 in 3 groups"},
        {.bias = 5, .status = VKD_INVALID_MODEL, .part = "(bias) is 5, expected 4, one an output channel"},
        {.stride = NONE, .status = VKD_INVALID_MODEL, .part = "(stride) has 0, expected 1 to"},
        {.strides = 3, .status = VKD_INVALID_MODEL, .part = "(stride) has 3 numbers, expected 2"},
        {.padding = -1, .status = VKD_INVALID_MODEL, .part = "(padding) has -1"},
        {.padding = 40000, .status = VKD_INVALID_MODEL, .part = "(padding) has 40000, expected 0 to 32768"},
        {.dilation = NONE, .status = VKD_INVALID_MODEL, .part = "(dilation) has 0"},
        {.dilation = 5, .status = VKD_INVALID_MODEL, .part = "(input) leaves 0 pixels under the window"},
        {.y = {1, 4, 7, 8}, .status = VKD_INVALID_MODEL, .part = "1x4x7x7"},
        {.x_dtype = VKD_DTYPE_INT32, .status = VKD_UNSUPPORTED, .part = "(input) has dtype i32, expected f32 or f16"},
        {.w_dtype = VKD_DTYPE_FLOAT16, .status = VKD_UNSUPPORTED, .part = "has dtype f16, expected the input's, f32"},
        {.y_dtype = VKD_DTYPE_FLOAT16, .status = VKD_UNSUPPORTED, .part = "has dtype f16, expected the input's, f32"},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof flaws / sizeof *flaws; i++) {
        lowering_fixture *f;
        (void)state;
        assert_int_equal(lowering_setup((void **)&f), 0);
        build_flaw(&f->m, &flaws[i]);
        vkd_status status = lowering_run(f);
        if (status != flaws[i].status)
            fail_msg("row %zu: %s (%s)", i, vkd_status_name(status), f->context.error);
        if (status != VKD_OK &&
            (!strstr(f->context.error, flaws[i].part) ||
             !strstr(f->context.error, "operator 'aten.convolution.default' (node 0)")))
            fail_msg("row %zu: '%s' does not say '%s'", i, f->context.error, flaws[i].part);
        lowering_teardown((void **)&f);
    }
}

/* ----------------------------------------------------------------------------------- workgroups */

/* As the shaders have it: an invocation's sums for all slices but one; of blocks a chunk of both
 * operands for each, or in its place half the sums, where they have more than 32 rows. */
static uint32_t shared_bytes(const gemm_tile *tile, const uint32_t *local)
{
    const uint32_t chunk = (tile->m + tile->n) * 5 * 16,
                   sums = tile->m * tile->n * 4 / (tile->m > 32 ? 2 : 1);
    if (strncmp(tile->name, "block", 5) == 0)
        return local[2] * (chunk > sums ? chunk : sums);
    return (local[2] - 1) * local[0] * local[1] * tile->m * tile->n * 4;
}

/* Few outputs of long sums: slices of k leave theirs in shared memory, no more than fit. */
static void slices_fit_shared_memory(void **state)
{
    static const uint32_t sizes[] = {16384, 32768, 49152};
    lowering_fixture *f = *state;
    uint32_t most = 0;
    for (size_t v = 0; v < vkd_conv2d_float_variant_count; v++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            const conv2d_variant *variant = &vkd_conv2d_float_variants[v];
            if (!variant->tile || variant->tile->kind != GEMM_INVOCATIONS ||
                strcmp(variant->family, "implicit") != 0)
                continue;
            memset(&f->m, 0, sizeof f->m);
            vkd_graph_init(&f->graph, &f->arena);
            f->caps.shared_memory = sizes[i];
            uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, (uint32_t[]){1, 512, 3, 3}),
                     y = hand_output(&f->m, VKD_DTYPE_FLOAT32, 4, (uint32_t[]){1, 8, 1, 1});
            add_conv(&f->m, x, y, (uint32_t[]){8, 512, 3, 3}, 1, 0, 1, false);
            assert_int_equal(lowering_of_model(&f->context, hand_finish(&f->m), &f->caps,
                                               variant->name, &f->graph, &f->lowered),
                             VKD_OK);
            for (size_t n = 0; n < f->graph.node_count; n++) {
                const vkd_node *node = lowering_node(f, n);
                const uint32_t *local = node->specs;
                if (node->shader != variant->tile->shader)
                    continue;
                assert_true(shared_bytes(variant->tile, local) <= sizes[i]);
                most = local[2] > most ? local[2] : most;
            }
        }
    assert_true(most == 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choices),
        cmocka_unit_test(every_refusal),
        cmocka_unit_test(no_other_refusals),
        cmocka_unit_test(bad_arguments),
        LOWERING_TEST(other_shapes_need_no_other_kernels),
        LOWERING_TEST(slices_fit_shared_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
