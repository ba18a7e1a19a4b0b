/* The choice among the variants of convolutions of floats as pure functions: fabricated devices, every refusal. */
#include "ops/conv_float.h"
#include "support/fake_caps.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static uint32_t below(vkd_random *random, uint32_t limit) { return (uint32_t)random_range(random, 0, (int32_t)limit - 1); }

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
        *(axis ? &p.out_w : &p.out_h) =
            s->t ? (in - 1) * s->stride - 2 * s->padding + reach : (in + 2 * s->padding - reach) / s->stride + 1;
    }
    return p;
}

static const conv2d_variant *choose(const conv2d_problem *problem, const vkd_caps *caps)
{
    vkd_candidate_info candidates[64];
    const char *reason;
    size_t count;
    const conv2d_variant *variants = conv2d_table(problem, &count);
    assert_ptr_equal(variants, conv2d_float_variants);
    assert_true(count <= 64);
    conv2d_consider(variants, count, problem, caps, candidates);
    size_t winner = conv2d_choose(variants, count, candidates, NULL, &reason);
    assert_true(winner < count);
    for (size_t i = 0; i < count; i++)
        assert_true(!candidates[i].eligible ||
                    (candidates[i].cost_us > 0 && candidates[winner].cost_us <= candidates[i].cost_us));
    return &variants[winner];
}

/* ------------------------------------------------------------------------------------------------------------ choices */

static void choices(void **state)
{
    static const struct {
        fake_device device;
        shape s; /* channels in and out, size, kernel, stride, padding, dilation, groups, transposed */
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
        {FAKE_H100, {64, 64, 56, {3, 3}, 1, 1, 1, 1, 0}, "implicit 8x8"},
        {FAKE_H100, {64, 4, 56, {3, 3}, 1, 1, 1, 1, 0}, "implicit 4x4"},
        {FAKE_H100, {64, 32, 28, {2, 2}, 2, 0, 1, 1, 1}, "implicit 4x4"},
        {FAKE_H100, {96, 96, 56, {3, 3}, 1, 1, 1, 96, 0}, "depthwise_row 4x4"},
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

/* -------------------------------------------------------------------------------------------------------- refusals */

/* What a row changes of its device; 0: nothing. */
typedef struct changes {
    uint32_t texels, groups_y, groups_z, subgroup;
    bool no_shuffle;
    uint32_t left_out;
} changes;

#define IS_LONG "its sums are longer than the device's loops may be"
#define NO_FOURS "the channels of a group are no multiple of 4"
#define NO_EIGHTS "the output channels of a group are no multiple of 8"
#define LEFT_OUT "its kernel is left out of this build"
#define NO_CPU "it is for CPU devices with subgroups of 8"
#define NO_ROW "the window is wider than 7, dilated, transposed, or more than 2 pixels from the next one"
#define TOO_MANY_ROWS "it has more rows than a dispatch can have workgroups for"
#define TOO_LARGE "its tensors are larger than a texel buffer"
#define DILATED "it is transposed and dilated"

/* Every refusal, next to what is just within it: a null reason. */
static const struct refusal {
    const char *variant;
    shape s; /* channels in and out, size, kernel, stride, padding, dilation, groups, transposed */
    fake_device device;
    changes changed;
    const char *reason;
} refusals[] = {
    {"general", {6, 10, 9, {3, 3}, 2, 1, 2, 2, 1}, FAKE_LLVMPIPE, {0}, NULL},
    {"general", {60, 4, 9, {992, 1}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {0}, NULL},
    {"general", {60, 4, 9, {993, 1}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {0}, IS_LONG},
    {"general", {60, 4, 9, {993, 1}, 1, 0, 1, 1, 0}, FAKE_H100, {0}, NULL},

    {"pointwise 4x4", {64, 64, 9, {1, 1}, 2, 0, 1, 1, 0}, FAKE_H100, {0}, NULL},
    {"pointwise 4x4", {64, 64, 9, {3, 3}, 1, 1, 1, 1, 0}, FAKE_H100, {0}, "the kernel is not 1x1 without padding"},
    {"pointwise 4x4", {64, 64, 9, {1, 1}, 1, 1, 1, 1, 0}, FAKE_H100, {0}, "the kernel is not 1x1 without padding"},
    {"pointwise 4x4", {64, 64, 9, {1, 1}, 1, 0, 1, 1, 1}, FAKE_H100, {0}, "the kernel is not 1x1 without padding"},
    {"implicit 4x4", {64, 64, 9, {1, 1}, 1, 0, 1, 1, 0}, FAKE_H100, {0}, "it is pointwise"},
    {"implicit 4x4", {5, 7, 9, {3, 3}, 1, 1, 1, 1, 0}, FAKE_H100, {0}, NULL},
    {"implicit 4x4", {8, 12, 9, {3, 3}, 1, 1, 1, 2, 0}, FAKE_H100, {0}, NO_FOURS},
    {"implicit 4x4", {12, 8, 9, {3, 3}, 1, 1, 1, 2, 0}, FAKE_H100, {0}, NO_FOURS},
    {"implicit 4x4", {8, 8, 9, {3, 3}, 1, 1, 1, 2, 0}, FAKE_H100, {0}, NULL},
    {"implicit 8x8", {8, 8, 9, {3, 3}, 1, 1, 1, 2, 0}, FAKE_H100, {0}, NO_EIGHTS},
    {"implicit 8x8", {8, 16, 9, {3, 3}, 1, 1, 1, 2, 0}, FAKE_H100, {0}, NULL},
    {"implicit 8x8", {8, 4, 9, {3, 3}, 1, 1, 1, 1, 0}, FAKE_H100, {0}, NULL},
    {"implicit 4x4", {8, 8, 9, {3, 3}, 2, 1, 1, 1, 1}, FAKE_H100, {0}, NULL},
    {"implicit 4x4", {8, 8, 9, {3, 3}, 2, 1, 2, 1, 1}, FAKE_H100, {0}, DILATED},
    {"implicit 4x4", {64, 64, 56, {3, 3}, 1, 1, 1, 1, 0}, FAKE_H100, {.groups_y = 14, .groups_z = 28}, NULL},
    {"implicit 4x4", {64, 64, 56, {3, 3}, 1, 1, 1, 1, 0}, FAKE_H100, {.groups_y = 14, .groups_z = 27}, TOO_MANY_ROWS},
    {"implicit 4x4", {64, 4, 9, {32768, 2}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {0}, IS_LONG},
    {"implicit 4x4", {64, 4, 9, {32768, 1}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {0}, NULL}, /* in slices */
    {"implicit 4x4", {64, 4, 9, {32768, 2}, 1, 0, 1, 1, 0}, FAKE_H100, {0}, NULL},

    {"implicit lanes 4x32", {8, 8, 9, {3, 3}, 1, 1, 1, 2, 0}, FAKE_LLVMPIPE, {0}, NO_EIGHTS},
    {"implicit lanes 4x32", {8, 16, 9, {3, 3}, 1, 1, 1, 2, 0}, FAKE_LLVMPIPE, {0}, NULL},
    {"implicit lanes 4x32", {8, 16, 9, {3, 3}, 2, 1, 2, 2, 1}, FAKE_LLVMPIPE, {0}, DILATED},
    {"implicit lanes 4x32", {4, 4, 9, {16383, 4}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {0}, NULL},
    {"implicit lanes 4x32", {4, 4, 9, {16384, 4}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {0}, IS_LONG},
    {"pointwise lanes 4x32", {64, 32, 56, {1, 1}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {.texels = 56 * 56 * 16}, NULL},
    {"pointwise lanes 4x32", {64, 32, 56, {1, 1}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {.texels = 56 * 56 * 16 - 1}, TOO_LARGE},
    {"pointwise lanes 4x32", {512, 512, 2, {1, 1}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {.texels = 512 * 128}, NULL}, /* weights */
    {"pointwise lanes 4x32", {512, 512, 2, {1, 1}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {.texels = 512 * 128 - 1}, TOO_LARGE},
    {"pointwise lanes 4x32", {64, 64, 56, {1, 1}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {.subgroup = 4}, NO_CPU},
    {"pointwise lanes 4x32", {64, 64, 56, {1, 1}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {.no_shuffle = true}, NO_CPU},
    {"pointwise lanes 4x32", {64, 64, 56, {1, 1}, 1, 0, 1, 1, 0}, FAKE_MALI_G610, {.subgroup = 8}, NO_CPU},
    {"pointwise lanes 4x32", {64, 64, 56, {1, 1}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {.left_out = VKD_FAMILY_LANES}, LEFT_OUT},
    {"pointwise lanes 4x32", {64, 64, 56, {1, 1}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {.left_out = VKD_FAMILY_MATRIX}, NULL},
    {"pointwise lanes 4x32", {64, 64, 56, {1, 1}, 1, 0, 1, 1, 0}, FAKE_LLVMPIPE, {.groups_y = 14, .groups_z = 7}, NULL},
    {"pointwise lanes 4x32",
     {64, 64, 56, {1, 1}, 1, 0, 1, 1, 0},
     FAKE_LLVMPIPE,
     {.groups_y = 14, .groups_z = 6},
     TOO_MANY_ROWS},

    {"depthwise", {16, 16, 9, {3, 3}, 2, 1, 2, 16, 1}, FAKE_LLVMPIPE, {0}, NULL},
    {"depthwise", {16, 32, 9, {3, 3}, 1, 1, 1, 16, 0}, FAKE_H100, {0}, "it is not depthwise"},
    {"depthwise", {16, 16, 9, {21844, 1}, 1, 0, 1, 16, 0}, FAKE_LLVMPIPE, {0}, NULL},
    {"depthwise", {16, 16, 9, {21845, 1}, 1, 0, 1, 16, 0}, FAKE_LLVMPIPE, {0}, IS_LONG},

    {"depthwise_row 4x4", {16, 16, 9, {1, 7}, 2, 3, 1, 16, 0}, FAKE_H100, {0}, NULL},
    {"depthwise_row 4x4", {16, 16, 9, {1, 7}, 2, 3, 1, 8, 0}, FAKE_H100, {0}, "it is not depthwise"},
    {"depthwise_row 4x4", {16, 16, 9, {1, 8}, 2, 3, 1, 16, 0}, FAKE_H100, {0}, NO_ROW},
    {"depthwise_row 4x4", {16, 16, 9, {1, 7}, 3, 3, 1, 16, 0}, FAKE_H100, {0}, NO_ROW},
    {"depthwise_row 4x4", {16, 16, 9, {1, 3}, 1, 3, 2, 16, 0}, FAKE_H100, {0}, NO_ROW},
    {"depthwise_row 4x4", {16, 16, 9, {1, 3}, 1, 1, 1, 16, 1}, FAKE_H100, {0}, NO_ROW},
    {"depthwise_row 4x4", {16, 16, 9, {32768, 1}, 1, 0, 1, 16, 0}, FAKE_LLVMPIPE, {0}, NULL},
    {"depthwise_row lanes 7x4", {16, 16, 9, {3, 3}, 1, 1, 1, 16, 0}, FAKE_H100, {0}, "it is for CPU devices"},
    {"depthwise_row lanes 7x4", {64, 64, 56, {3, 3}, 1, 1, 1, 64, 0}, FAKE_LLVMPIPE, {.texels = 56 * 56 * 16}, NULL},
    {"depthwise_row lanes 7x4", {64, 64, 56, {3, 3}, 1, 1, 1, 64, 0}, FAKE_LLVMPIPE, {.texels = 56 * 56 * 16 - 1}, TOO_LARGE},
};
enum { REFUSALS = sizeof refusals / sizeof *refusals };

static vkd_caps changed_caps(fake_device device, const changes *c)
{
    vkd_caps caps = fake_caps(device);
    if (c->texels)
        caps.max_texels = c->texels;
    if (c->groups_y)
        caps.max_workgroup_count[1] = c->groups_y;
    if (c->groups_z)
        caps.max_workgroup_count[2] = c->groups_z;
    if (c->subgroup)
        caps.subgroup_size = c->subgroup;
    caps.subgroup_shuffle = caps.subgroup_shuffle && !c->no_shuffle;
    caps.left_out = c->left_out;
    return caps;
}

static const conv2d_variant *variant_named(const char *name)
{
    for (size_t i = 0; i < conv2d_float_variant_count; i++)
        if (!strcmp(conv2d_float_variants[i].name, name))
            return &conv2d_float_variants[i];
    fail_msg("there is no variant '%s'", name);
    return NULL;
}

static void every_refusal(void **state)
{
    (void)state;
    for (size_t i = 0; i < REFUSALS; i++) {
        const struct refusal *r = &refusals[i];
        const conv2d_variant *variant = variant_named(r->variant);
        const vkd_caps caps = changed_caps(r->device, &r->changed);
        const conv2d_problem problem = problem_of(&r->s);
        const char *reason = variant->refuses(&problem, &caps, variant->tile);
        if (!reason != !r->reason || (reason && strcmp(reason, r->reason)))
            fail_msg("row %zu, '%s' on %s: refused because '%s', expected '%s'", i, r->variant, caps.name,
                     reason ? reason : "(it is not)", r->reason ? r->reason : "(it is not)");
    }
}

static bool is_in_table(const char *reason)
{
    for (size_t i = 0; i < REFUSALS; i++)
        if (refusals[i].reason && !strcmp(reason, refusals[i].reason))
            return true;
    return false;
}

/* Whatever reason a variant gives, of any problem on any device, has a row; and something runs what is not long. */
static void no_other_refusals(void **state)
{
    (void)state;
    vkd_random random = random_begin("refusals of floats");
    for (int round = 0; round < 4000; round++) {
        const uint32_t groups = below(&random, 3) ? 1 : 1 + below(&random, 64), most = 1 + below(&random, 9);
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
        const changes changed = {below(&random, 2) << 10, below(&random, 2) * 7, below(&random, 2) * 9,
                                 below(&random, 2) * 8,   below(&random, 2),     below(&random, 4)};
        const vkd_caps caps = changed_caps((fake_device)below(&random, FAKE_COUNT), &changed);
        const conv2d_problem problem = problem_of(&s);
        for (size_t v = 0; v < conv2d_float_variant_count; v++) {
            const char *reason = conv2d_float_variants[v].refuses(&problem, &caps, conv2d_float_variants[v].tile);
            if (reason && !is_in_table(reason))
                fail_msg("'%s' refuses because '%s', which no test expects", conv2d_float_variants[v].name, reason);
        }
        if (conv2d_k(&problem) < 9000)
            (void)choose(&problem, &caps);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choices),
        cmocka_unit_test(every_refusal),
        cmocka_unit_test(no_other_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
