/* Whole models on a device: the small nets and ResNet50, against what the delegate is to give,
 * whatever the options. */
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/model_io.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESNET50 "resnet50-fashion"

/* ----------------------------------------------------------------------------------- comparison */

static void compare(const char *folder, const float *got, const float *expected, size_t count,
                    double *out_largest, double *out_relative, double *out_cosine)
{
    double largest = 0, distance = 0, a = 0, b = 0, product = 0;
    for (size_t i = 0; i < count; i++) {
        double x = (double)got[i], y = (double)expected[i];
        if (!isfinite(x))
            fail_msg("%s: element %zu is %g", folder, i, x);
        largest = fabs(x - y) > largest ? fabs(x - y) : largest;
        distance += (x - y) * (x - y);
        a += x * x, b += y * y, product += x * y;
    }
    *out_largest = largest;
    *out_relative = sqrt(distance) / (sqrt(b) + 1e-30);
    *out_cosine = product / (sqrt(a) * sqrt(b) + 1e-30);
}

/* Within `steps` of the output's int8 step; nets without int8: a relative distance of 1e-5. */
static void assert_close(const sample *s, const float *got, const float *expected, double steps)
{
    double largest, relative, cosine, step = sample_output_step(s);
    compare(s->folder, got, expected, s->count, &largest, &relative, &cosine);
    if (step > 0 && largest > step * (steps + 1e-3))
        fail_msg("%s: %.2f steps off, %.0f are allowed", s->folder, largest / step, steps);
    if (step == 0 && !(relative <= 1e-5))
        fail_msg("%s: relative distance %g", s->folder, relative);
}

static void assert_same(const sample *s, const float *got, const float *expected, const char *what)
{
    for (size_t i = 0; i < s->count; i++)
        if (memcmp(&got[i], &expected[i], sizeof *got))
            fail_msg("%s, %s: element %zu is %.9g, with the defaults %.9g", s->folder, what, i,
                     (double)got[i], (double)expected[i]);
}

/* ----------------------------------------------------------------------------------- small nets */

/* The nets that must run. Others may, and must match then; what does not run must be refused with
 * the name of an operator. */
static const char *const running[] = {
    "add_only_c5_9x9",
    "add_two_c3o5_9x11",
    "basic_c16_12x12",
    "bottleneck_c12m7o20_s2_11x11",
    "cat_c8_o8o12_9x9",
    "cat_conv_c3_o8o12o16_9x9",
    "conv1x5_p02_c8o12_7x19",
    "conv3x3_d2p2_c8o8_16x16",
    "conv3x3_s1p1_c3o5_13x17",
    "conv3x3_s1p1_c3o8_nobias_8x8",
    "conv3x3_s2p1_c5o7_15x11",
    "conv7x7_s2p3_c3o16_relu_33x35",
    "conv_avgpool_pw_14x14",
    "conv_chain_c3o20o7_16x16",
    "conv_chain_relu6_c3o8o8_12x12",
    "conv_n2_c3o8_9x9",
    "conv_pool_relu_pw_14x14",
    "conv_relu_maxpool3s2p1_15x13",
    "convT_k3s2_c8o8_7x9",
    "dw3x3_s1p1_c8_13x17",
    "dw3x3_s2p1_c12_15x11",
    "dw5x5_s2p2_c16_relu_13x13",
    "dwpw_c12o20_11x13",
    "gconv_g2_c8o8_14x14",
    "gconv_pw_g2_c8o16_9x7",
    "linear_1x20o7",
    "linear_5x20o12_relu",
    "linear_chain_1x64o20o10",
    "mean_linear_c12o7_13x13",
    "pixelshuffle_pw_6x6",
    "pw_c20o5_relu_8x13",
    "pw_c3o7_9x11",
    "pw_chain_c7o20o3_5x5",
    "tinynet_32x32",
    "tinynet_32x32_buffer",
    "tinynet_32x32_nomemplan",
    "upnearest_conv_7x7",
};
enum { RUNNING = sizeof running / sizeof running[0] };

static bool is_listed(const char *folder)
{
    for (size_t i = 0; i < RUNNING; i++)
        if (!strncmp(folder, "tiny/", 5) && !strcmp(folder + 5, running[i]))
            return true;
    return false;
}

typedef struct tally {
    size_t matched, listed, refused;
} tally;

static void assert_refused(const sample *s, const char *operator)
{
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_program *program;
    vkd_method *method;
    vkd_status status = sample_load(s, &options, &program, &method);
    if (status != VKD_UNSUPPORTED || !strstr(w.error, operator))
        fail_msg("%s: %s, \"%s\": expected VKD_UNSUPPORTED and the name of %s", s->folder,
                 vkd_status_name(status), w.error, operator);
    assert_int_equal(w.counts[VKD_LOG_ERROR], 1);
    watch_end(&w);
}

static void match_or_be_refused(const char *folder, void *user)
{
    tally *t = user;
    sample s;
    watch w;
    if (strncmp(folder, "tiny/", 5))
        return;
    sample_open(&s, folder);
    const char *unsupported = sample_unsupported(&s);
    if (unsupported) {
        assert_refused(&s, unsupported);
        t->refused++;
    } else {
        vkd_options options = watch_begin(&w);
        options.no_self_check = false;
        float *output = sample_run(&s, &options, 3);
        assert_close(&s, output, s.expected, 1);
        /* no kernel failed its self-check */
        assert_int_equal(w.counts[VKD_LOG_ERROR] + w.counts[VKD_LOG_WARNING], 0);
        watch_end(&w);
        free(output);
        t->matched++;
        t->listed += is_listed(folder);
    }
    sample_close(&s);
}

static void small_nets_match_or_are_refused(void **state)
{
    (void)state;
    gpu_needed();
    tally t = {0};
    reading_each_sample(match_or_be_refused, &t);
    print_message("%zu nets match, %zu are refused\n", t.matched, t.refused);
    assert_int_equal(t.listed, RUNNING);
    assert_true(t.matched + t.refused >= 46);
}

/* ----------------------------------------------------------------------- options change nothing */

typedef struct option_case {
    const char *name;
    const char *variant;
    vkd_int8_dot int8_dot;
    bool keep_intermediates, profile, no_rewrites;
    uint32_t skip_rewrites;
} option_case;

static const option_case same_bits[] = {
    {.name = "general", .variant = "general"},
    {.name = "im2col, no shared memory", .variant = "im2col", .keep_intermediates = true},
    {.name = "implicit, time stamps", .variant = "implicit", .profile = true},
    {.name = "no int8 dot", .int8_dot = VKD_DOT_NONE},
    {.name = "signed int8 dot", .int8_dot = VKD_DOT_SIGNED},
    {.name = "mixed int8 dot", .int8_dot = VKD_DOT_MIXED},
    {.name = "general, no int8 dot", .variant = "general", .int8_dot = VKD_DOT_NONE},
    {.name = "clones kept", .skip_rewrites = VKD_REWRITE_CLONES},
    {.name = "clamps apart", .skip_rewrites = VKD_REWRITE_FUSE_CLAMP},
    {.name = "additions apart", .skip_rewrites = VKD_REWRITE_FUSE_ADD},
    {.name = "dequantizes apart", .skip_rewrites = VKD_REWRITE_FUSE_DEQUANTIZE},
    {.name = "chains apart", .skip_rewrites = VKD_REWRITE_CHAINS},
    {.name = "attention apart", .skip_rewrites = VKD_REWRITE_ATTENTION},
    {.name = "concatenations apart", .skip_rewrites = VKD_REWRITE_CATS},
    {.name = "squeezes apart", .skip_rewrites = VKD_REWRITE_EXCITE},
    {.name = "clamps and additions apart",
     .skip_rewrites = VKD_REWRITE_FUSE_CLAMP | VKD_REWRITE_FUSE_ADD},
};
enum { SAME_BITS = sizeof same_bits / sizeof same_bits[0] };

static vkd_options options_of(const option_case *c, watch *w)
{
    vkd_options options = watch_begin(w);
    options.variant = c->variant;
    options.int8_dot = c->int8_dot;
    options.keep_intermediates = c->keep_intermediates;
    options.profile = c->profile;
    options.no_rewrites = c->no_rewrites;
    options.skip_rewrites = c->skip_rewrites;
    return options;
}

/* Whether the device has no integer dot product, so that a case which forces it is refused, and
 * rightly. */
static bool is_beyond_device(const sample *s, const option_case *c)
{
    if (c->int8_dot != VKD_DOT_SIGNED && c->int8_dot != VKD_DOT_MIXED)
        return false;
    watch w;
    vkd_options options = options_of(c, &w);
    vkd_program *program;
    vkd_method *method;
    vkd_status status = sample_load(s, &options, &program, &method);
    if (status == VKD_OK) {
        vkd_method_unload(method);
        vkd_program_close(program);
        return false;
    }
    assert_int_equal(status, VKD_UNSUPPORTED);
    assert_non_null(strstr(w.error, "integer dot product"));
    print_message("skipped: %s: %s\n", c->name, w.error);
    return true;
}

static float *run_case(const sample *s, const option_case *c, int runs)
{
    watch w;
    vkd_options options = options_of(c, &w);
    float *output = sample_run(s, &options, runs);
    watch_end(&w);
    return output;
}

static bool has_mean(const sample *s)
{
    for (size_t i = 0; i < s->model.op_count; i++)
        if (!strcmp(s->model.ops[i].name, "aten.mean.dim"))
            return true;
    return false;
}

/* VKD_TEST_SWEEP: how many of 50. */
static bool is_drawn(vkd_random *random)
{
    const char *of_50 = getenv("VKD_TEST_SWEEP");
    return !of_50 || random_range(random, 1, 50) <= atoi(of_50);
}

/* The default against every case, and against the file's operators one by one: the rewrites are
 * exact but for that of the mean, which rounds once instead of several times. */
static void check_options(const sample *s, const bool beyond[SAME_BITS], vkd_random *random)
{
    float *plain = run_case(s, &(option_case){0}, 1);
    for (size_t i = 0; i < SAME_BITS; i++) {
        if (beyond[i] || !is_drawn(random))
            continue;
        float *output = run_case(s, &same_bits[i], 1);
        assert_same(s, output, plain, same_bits[i].name);
        free(output);
    }
    float *unchanged = run_case(s, &(option_case){.no_rewrites = true}, 1);
    if (has_mean(s))
        assert_close(s, unchanged, plain, 4);
    else
        assert_same(s, unchanged, plain, "no_rewrites");
    free(unchanged);
    free(plain);
}

static void find_beyond(const char *folder, bool beyond[SAME_BITS])
{
    sample s;
    sample_open(&s, folder);
    for (size_t i = 0; i < SAME_BITS; i++)
        beyond[i] = is_beyond_device(&s, &same_bits[i]);
    sample_close(&s);
}

static void options_change_no_bit_of_small_nets(void **state)
{
    (void)state;
    gpu_needed();
    bool beyond[SAME_BITS];
    vkd_random random = random_begin("options of small nets");
    find_beyond("tiny/linear_1x20o7", beyond);
    for (size_t i = 0; i < RUNNING; i++) {
        char folder[64];
        sample s;
        snprintf(folder, sizeof folder, "tiny/%s", running[i]);
        sample_open(&s, folder);
        check_options(&s, beyond, &random);
        sample_close(&s);
    }
}

/* -------------------------------------------------------------------------------- conv variants */

enum { VARIANTS = 64, VARIANT_NAME = 64 };

/* The variants that some convolution of the sample could run as, each once. */
static size_t find_variants(const sample *s, char names[VARIANTS][VARIANT_NAME])
{
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_program *program;
    vkd_method *method;
    size_t count = 0;
    if (sample_load(s, &options, &program, &method) != VKD_OK)
        fail_msg("%s: %s", s->folder, w.error);
    const vkd_delegate *delegate = vkd_method_delegate(method);
    for (size_t i = 0; i < vkd_selection_count(delegate); i++) {
        vkd_selection_info selection;
        assert_int_equal(vkd_describe_selection(delegate, i, &selection), VKD_OK);
        for (size_t c = 0; c < selection.candidate_count; c++) {
            bool known = !selection.candidates[c].eligible;
            for (size_t k = 0; k < count; k++)
                known |= !strcmp(names[k], selection.candidates[c].variant);
            if (known)
                continue;
            assert_true(count < VARIANTS);
            snprintf(names[count++], VARIANT_NAME, "%s", selection.candidates[c].variant);
        }
    }
    vkd_method_unload(method);
    vkd_program_close(program);
    watch_end(&w);
    return count;
}

static bool wins_somewhere(const vkd_delegate *delegate, const char *variant)
{
    for (size_t i = 0; i < vkd_selection_count(delegate); i++) {
        vkd_selection_info selection;
        assert_int_equal(vkd_describe_selection(delegate, i, &selection), VKD_OK);
        if (!strcmp(selection.winner, variant))
            return true;
    }
    return false;
}

/* Forces a variant, sees that it is taken, and that it changes no bit. */
static void check_variant(const sample *s, const char *variant, const float *plain)
{
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_program *program;
    vkd_method *method;
    options.variant = variant;
    if (sample_load(s, &options, &program, &method) != VKD_OK)
        fail_msg("%s, %s: %s", s->folder, variant, w.error);
    if (!wins_somewhere(vkd_method_delegate(method), variant))
        fail_msg("%s: no convolution runs as %s though it was forced", s->folder, variant);
    float *output = malloc(s->count * sizeof *output);
    assert_non_null(output);
    for (int run = 0; run < 2; run++) {
        if (sample_execute(s, method, output) != VKD_OK)
            fail_msg("%s, %s: %s", s->folder, variant, vkd_method_error(method));
        assert_same(s, output, plain, variant);
    }
    free(output);
    vkd_method_unload(method);
    vkd_program_close(program);
    watch_end(&w);
}

static void check_variants(const char *folder)
{
    char variants[VARIANTS][VARIANT_NAME];
    sample s;
    sample_open(&s, folder);
    float *plain = run_case(&s, &(option_case){0}, 1);
    size_t count = find_variants(&s, variants);
    for (size_t i = 0; i < count; i++)
        check_variant(&s, variants[i], plain);
    print_message("%s: %zu variants\n", folder, count);
    assert_true(count >= 2);
    free(plain);
    sample_close(&s);
}

static void every_conv_variant(void **state)
{
    (void)state;
    gpu_needed();
    check_variants("tiny/tinynet_32x32"); /* channel counts that no tile likes */
    check_variants("tiny/dw5x5_s2p2_c16_relu_13x13");
    check_variants("tiny/gconv_g2_c8o8_14x14");
    check_variants(RESNET50);
}

/* --------------------------------------------------------------------------------- whole models */

/* How close whole models must come: deep nets are chaotic in the last bit. */
static const struct {
    const char *folder;
    double cosine, steps;
} models[] = {{RESNET50, 0.998, 4}, {"mobilenet_v2-fashion", 0.998, 4}, {"resnet18", 0.999, 8}};
enum { MODELS = sizeof models / sizeof models[0] };

static size_t argmax(const float *values, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        best = values[i] > values[best] ? i : best;
    return best;
}

static void check_model(size_t index)
{
    sample s;
    watch w;
    double largest, relative, cosine;
    sample_open(&s, models[index].folder);
    vkd_options options = watch_begin(&w);
    options.no_self_check = false;
    float *output = sample_run(&s, &options, 3);
    compare(s.folder, output, s.expected, s.count, &largest, &relative, &cosine);
    double steps = largest / sample_output_step(&s);
    print_message("%s: top-1 %zu, cosine %.6f, %.2f steps off\n", s.folder, argmax(output, s.count),
                  cosine, steps);
    assert_int_equal(argmax(output, s.count), argmax(s.expected, s.count));
    assert_true(cosine >= models[index].cosine);
    assert_true(steps <= models[index].steps + 1e-3);
    assert_int_equal(w.counts[VKD_LOG_ERROR] + w.counts[VKD_LOG_WARNING], 0);
    watch_end(&w);
    free(output);
    sample_close(&s);
}

static void whole_models_match(void **state)
{
    (void)state;
    gpu_needed();
    for (size_t i = 0; i < MODELS; i++)
        check_model(i);
}

static void options_change_no_bit_of_whole_models(void **state)
{
    (void)state;
    gpu_needed();
    bool beyond[SAME_BITS];
    vkd_random random = random_begin("options of whole models");
    find_beyond("tiny/linear_1x20o7", beyond);
    for (size_t i = 0; i < MODELS; i++) {
        sample s;
        sample_open(&s, models[i].folder);
        check_options(&s, beyond, &random);
        sample_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_nets_match_or_are_refused),
        cmocka_unit_test(options_change_no_bit_of_small_nets),
        cmocka_unit_test(every_conv_variant),
        cmocka_unit_test(whole_models_match),
        cmocka_unit_test(options_change_no_bit_of_whole_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
