/* The self-check's comparison, on results that the scalar oracle makes: what it takes for right and
 * what for wrong. */
#include "ops/conv/trial.h"
#include "support/fake_caps.h"
#include "support/oracle.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a convolution's weights are like in a file. */
typedef enum weight_kind { MADE_UP, ANY, SMALL, POSITIVE, MANY_ZEROS, WEIGHT_KINDS } weight_kind;

static int8_t weight_of(weight_kind kind, vkd_random *random)
{
    static const int32_t ranges[WEIGHT_KINDS][2] = {
        [ANY] = {-128, 127}, [SMALL] = {-2, 2}, [POSITIVE] = {1, 9}, [MANY_ZEROS] = {-9, 1}};
    int32_t value = random_range(random, ranges[kind][0], ranges[kind][1]);
    return (int8_t)(kind == MANY_ZEROS && value < 0 ? 0 : value);
}

typedef struct checked {
    vkd_context context;
    vkd_arena arena;
    conv2d_trial trial;
    int8_t *weights;  /* null: made up */
    int32_t *acc;     /* of the right result, an output each in NCHW */
    int8_t *x, *y;    /* x in NCHW, y as a device has it */
    size_t out_count; /* without padding */
} checked;

static size_t count_of(const conv2d_problem *p) { return (size_t)conv2d_pixels(p) * p->out_c; }

static oracle_window window_of(const conv2d_problem *p)
{
    return (oracle_window){.n = p->n,
                           .c = p->in_c,
                           .h = p->in_h,
                           .w = p->in_w,
                           .kernel = {(int32_t)p->kernel[0], (int32_t)p->kernel[1]},
                           .stride = {(int32_t)p->stride[0], (int32_t)p->stride[1]},
                           .padding = {(int32_t)p->padding[0], (int32_t)p->padding[1]},
                           .dilation = {(int32_t)p->dilation[0], (int32_t)p->dilation[1]}};
}

/* The activation of the trial in the oracle's order. */
static int8_t *make_x(const conv2d_problem *p)
{
    size_t pixels = (size_t)p->in_h * p->in_w, padded = vkd_align_up(p->in_c, 4);
    int8_t *x = calloc(p->n * p->in_c, pixels);
    for (size_t n = 0; n < p->n; n++)
        for (size_t pixel = 0; pixel < pixels; pixel++)
            for (size_t c = 0; c < p->in_c; c++)
                vkd_conv2d_trial_bytes(0, (n * pixels + pixel) * padded + c, 1,
                                       &x[(n * p->in_c + c) * pixels + pixel]);
    return x;
}

/* What the sums are without the zero point, of some weights. */
static int32_t *sums_with(const checked *c, const int8_t *weights)
{
    const conv2d_problem *p = &c->trial.problem;
    const oracle_window window = window_of(p);
    const requantize_args *r = &c->trial.requantize;
    const oracle_channels channels = {.x_q = {r->x_scale, r->x_zero},
                                      .y_q = {r->y_scale, r->y_zero},
                                      .weights = weights,
                                      .weight_scales = c->trial.scales,
                                      .bias = c->trial.bias};
    int32_t *acc = calloc(c->out_count, sizeof *acc);
    int8_t *unused = calloc(c->out_count, 1);
    size_t plane = (size_t)p->out_h * p->out_w, row = conv2d_weight_row(p);
    oracle_conv2d(&window, p->out_c, p->groups, &channels, c->x, unused, acc);
    for (size_t i = 0; i < c->out_count; i++) {
        const int8_t *of_channel = weights + i / plane % p->out_c * row;
        for (size_t k = 0; k < conv2d_k(p); k++)
            acc[i] -= r->x_zero * of_channel[k];
    }
    free(unused);
    return acc;
}

/* A result as a device with these sums would give it. */
static void finish(checked *c, const int32_t *sums)
{
    const conv2d_problem *p = &c->trial.problem;
    const requantize_args *r = &c->trial.requantize;
    const requantize_params *q = &c->trial.params;
    const oracle_channels channels = {.x_q = {r->x_scale, r->x_zero},
                                      .y_q = {r->y_scale, r->y_zero},
                                      .weight_scales = c->trial.scales,
                                      .bias = c->trial.bias};
    size_t plane = (size_t)p->out_h * p->out_w, padded = vkd_align_up(p->out_c, 4);
    for (size_t i = 0; i < c->out_count; i++) {
        size_t channel = i / plane % p->out_c,
               at = (i / plane / p->out_c * plane + i % plane) * padded + channel;
        c->y[at] = oracle_requantize(&channels, (uint32_t)channel, sums[i], 0);
        int8_t residual, sum;
        if (!c->trial.residual)
            continue;
        vkd_conv2d_trial_bytes(1, at, 1, &residual);
        oracle_add(&c->y[at], (oracle_q){q->q_scale, r->y_zero}, &residual,
                   (oracle_q){q->r_scale, q->r_zero}, 1, 1,
                   (oracle_q){1 / q->sum_inv_scale, q->sum_zero}, &sum);
        c->y[at] = sum;
    }
}

static void begin(checked *c, const conv2d_problem *p, weight_kind kind, int32_t x_zero,
                  bool residual, vkd_random *random)
{
    size_t bytes = (size_t)p->out_c * conv2d_weight_row(p);
    vkd_graph graph;
    vkd_tensor_id y;
    const vkd_caps caps = fake_caps(FAKE_H100);
    memset(c, 0, sizeof *c);
    vkd_context_init(&c->context, NULL);
    vkd_arena_init(&c->arena, &c->context);
    vkd_graph_init(&graph, &c->arena);
    c->weights = kind == MADE_UP ? NULL : calloc(bytes, 1);
    for (size_t i = 0; c->weights && i < bytes; i++)
        if (i % conv2d_weight_row(p) < conv2d_k(p))
            c->weights[i] = weight_of(kind, random);
    const conv2d conv = {.problem = *p,
                         .weights = {{c->weights, bytes}, conv2d_weight_row(p), 1},
                         .x_zero = x_zero,
                         .residual = residual ? 0 : VKD_NO_TENSOR};
    assert_int_equal(vkd_conv2d_trial_make(&c->arena, &conv, &c->trial), VKD_OK);
    vkd_conv2d_trial_fill(&c->trial);
    assert_int_equal(vkd_conv2d_trial_lower(&c->trial, &caps, &vkd_conv2d_variants[0], &graph, &y),
                     VKD_OK);
    c->out_count = count_of(p);
    c->x = make_x(p);
    c->y = calloc((size_t)conv2d_pixels(p) * vkd_align_up(p->out_c, 4), 1);
    c->acc = sums_with(c, c->trial.weights.content.data);
    finish(c, c->acc);
}

static void end(checked *c)
{
    free(c->weights), free(c->acc), free(c->x), free(c->y);
    vkd_arena_release(&c->arena);
}

static conv2d_problem same(uint32_t in_c, uint32_t out_c, uint32_t size, uint32_t kernel,
                           uint32_t groups)
{
    return (conv2d_problem){.n = 1,
                            .in_c = in_c,
                            .in_h = size,
                            .in_w = size,
                            .out_c = out_c,
                            .out_h = size,
                            .out_w = size,
                            .kernel = {kernel, kernel},
                            .stride = {1, 1},
                            .padding = {kernel / 2, kernel / 2},
                            .dilation = {1, 1},
                            .groups = groups};
}

static conv2d_problem tall(uint32_t channels, uint32_t height)
{
    conv2d_problem p = same(channels, channels, 8, 1, channels);
    p.kernel[0] = height;
    p.in_h = height + p.out_h - 1;
    return p;
}

/* Calls body on problems of every kind, with weights, zero points and residuals of every kind. */
static void each(void (*body)(checked *c, vkd_random *random))
{
    const conv2d_problem problems[] = {
        same(16, 12, 9, 3, 1), same(64, 8, 7, 1, 1),  same(3, 10, 12, 7, 1), same(8, 8, 9, 3, 8),
        same(8, 8, 11, 5, 8),  same(4, 4, 20, 13, 4), same(8, 16, 9, 3, 2),  same(128, 4, 3, 3, 1),
        same(4, 4, 2, 7, 4),   same(4, 4, 40, 31, 4), tall(4, 200),          tall(4, 2000)};
    static const int32_t zeros[] = {-128, 3, 127};
    vkd_random random = random_begin("the self-check's comparison");
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++)
        for (int kind = 0; kind < WEIGHT_KINDS; kind++)
            for (int zero = 0; zero < 3; zero++) {
                checked c;
                begin(&c, &problems[i], (weight_kind)kind, zeros[zero],
                      (i + (size_t)kind + (size_t)zero) % 2, &random);
                body(&c, &random);
                end(&c);
            }
}

/* ---------------------------------------------------------------------------------------- right */

static void is_right(checked *c, vkd_random *random)
{
    (void)random;
    assert_true(vkd_conv2d_trial_check(&c->trial, c->y));
}

static void right_results_pass(void **state)
{
    (void)state;
    each(is_right);
}

/* A result on a bound says little about its sum. */
static void spreads(checked *c, vkd_random *random)
{
    (void)random;
    size_t saturated = 0, padded = vkd_align_up(c->trial.problem.out_c, 4);
    int low = 127, high = -128;
    for (size_t i = 0; i < c->out_count; i++) {
        int value = c->y[i / c->trial.problem.out_c * padded + i % c->trial.problem.out_c];
        saturated += value == -128 || value == 127;
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    if (c->out_count >= 64) { /* enough to speak of a distribution */
        assert_true(saturated * 3 <= c->out_count);
        assert_true(high - low > 100);
    }
}

static void results_spread_over_the_range(void **state)
{
    (void)state;
    each(spreads);
}

/* ------------------------------------------------------------------------------------ tolerance */

/* The first place that is compared is a corner: byte 0. Rounding may go the other way there once,
 * by a step for each rounding, and no more. */
static void tolerates(checked *c, vkd_random *random)
{
    (void)random;
    const int steps = c->trial.residual ? 2 : 1, away = c->y[0] > 0 ? -1 : 1;
    const int8_t right = c->y[0];
    c->y[0] = (int8_t)(right + away * steps);
    assert_true(vkd_conv2d_trial_check(&c->trial, c->y));
    c->y[0] = (int8_t)(right + away * (steps + 1));
    assert_false(vkd_conv2d_trial_check(&c->trial, c->y));
    c->y[0] = right;
    for (size_t i = 0;
         i < (size_t)conv2d_pixels(&c->trial.problem) * vkd_align_up(c->trial.problem.out_c, 4);
         i++)
        c->y[i] = (int8_t)(c->y[i] + (c->y[i] > 0 ? -1 : 1)); /* all of them by one */
    assert_false(vkd_conv2d_trial_check(&c->trial, c->y));
}

static void a_rounding_is_tolerated_once(void **state)
{
    (void)state;
    each(tolerates);
}

/* ---------------------------------------------------------------------------------------- wrong */

/* Weights of which only those from k = first on, `count` of them, are left. */
static int8_t *only(const checked *c, size_t first, size_t count)
{
    const conv2d_problem *p = &c->trial.problem;
    size_t row = conv2d_weight_row(p);
    int8_t *weights = calloc(p->out_c, row);
    for (size_t oc = 0; oc < p->out_c; oc++)
        memcpy(weights + oc * row + first,
               (const int8_t *)c->trial.weights.content.data + oc * row + first, count);
    return weights;
}

/* Adds a share of what some of the values of k give. */
static void spoil(checked *c, size_t first, size_t count, double share)
{
    int8_t *weights = only(c, first, count);
    int32_t *part = sums_with(c, weights), *sums = calloc(c->out_count, sizeof *sums);
    for (size_t i = 0; i < c->out_count; i++)
        sums[i] = c->acc[i] + (int32_t)lround(share * part[i]);
    finish(c, sums);
    free(weights), free(part), free(sums);
}

/* Whether something is wrong at all. */
static bool differs(const checked *c)
{
    checked right = *c;
    size_t size =
               (size_t)conv2d_pixels(&c->trial.problem) * vkd_align_up(c->trial.problem.out_c, 4),
           off = 0;
    right.y = calloc(size, 1);
    finish(&right, c->acc);
    for (size_t i = 0; i < size; i++)
        off += right.y[i] != c->y[i];
    free(right.y);
    return off * 8 > size;
}

static void finds_tap(checked *c, vkd_random *random)
{
    const conv2d_problem *p = &c->trial.problem;
    size_t channels = conv2d_ic_group(p),
           tap = (size_t)random_range(random, 0, (int32_t)conv2d_taps(p) - 1);
    spoil(c, tap * channels, channels, 0.27);
    if (conv2d_taps(p) <= 49 && differs(c))
        assert_false(vkd_conv2d_trial_check(&c->trial, c->y));
}

/* A driver that ends a loop early. */
static void finds_end(checked *c, vkd_random *random)
{
    const conv2d_problem *p = &c->trial.problem;
    size_t k = (size_t)conv2d_k(p), channels = conv2d_ic_group(p), missing = conv2d_taps(p) / 4 + 1;
    (void)random;
    spoil(c, k - missing * channels, missing * channels, -1);
    if (differs(c))
        assert_false(vkd_conv2d_trial_check(&c->trial, c->y));
}

static void a_tap_that_is_27_percent_off_is_found(void **state)
{
    (void)state;
    each(finds_tap);
}

static void a_loop_that_ends_early_is_found(void **state)
{
    (void)state;
    each(finds_end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_results_pass),
        cmocka_unit_test(results_spread_over_the_range),
        cmocka_unit_test(a_rounding_is_tolerated_once),
        cmocka_unit_test(a_tap_that_is_27_percent_off_is_found),
        cmocka_unit_test(a_loop_that_ends_early_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
