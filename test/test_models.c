/* Whole models on a device: the small nets and ResNet50, against what the delegate is to give, and operator by operator. */
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/model_io.h"
#include "support/reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESNET50 "resnet50-fashion"

/* ------------------------------------------------------------------------------------------------------ comparison */

static void compare(const char *folder, const float *got, const float *expected, size_t count, double *out_largest,
                    double *out_relative, double *out_cosine)
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
            fail_msg("%s, %s: element %zu is %.9g, with the defaults %.9g", s->folder, what, i, (double)got[i], (double)expected[i]);
}

/* ----------------------------------------------------------------------------------------------------- small nets */

/* The nets that must run. Others may, and must match then; what does not run must be refused with the name of an operator. */
static const char *const running[] = {
    "add_only_c5_9x9",
    "add_two_c3o5_9x11",
    "basic_c16_12x12",
    "bottleneck_c12m7o20_s2_11x11",
    "conv1x5_p02_c8o12_7x19",
    "conv3x3_d2p2_c8o8_16x16",
    "conv3x3_s1p1_c3o5_13x17",
    "conv3x3_s1p1_c3o8_nobias_8x8",
    "conv3x3_s2p1_c5o7_15x11",
    "conv7x7_s2p3_c3o16_relu_33x35",
    "conv_chain_c3o20o7_16x16",
    "conv_n2_c3o8_9x9",
    "conv_pool_relu_pw_14x14",
    "conv_relu_maxpool3s2p1_15x13",
    "gconv_g2_c8o8_14x14",
    "gconv_pw_g2_c8o16_9x7",
    "linear_1x20o7",
    "linear_5x20o12_relu",
    "linear_chain_1x64o20o10",
    "pw_c20o5_relu_8x13",
    "pw_c3o7_9x11",
    "pw_chain_c7o20o3_5x5",
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
        fail_msg("%s: %s, \"%s\": expected VKD_UNSUPPORTED and the name of %s", s->folder, vkd_status_name(status), w.error, operator);
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
        float *output = sample_run(&s, &options, 3);
        assert_close(&s, output, s.expected, 1);
        assert_int_equal(w.counts[VKD_LOG_ERROR], 0);
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

/* --------------------------------------------------------------------------------------------- options change nothing */

typedef struct option_case {
    const char *name;
    const char *conv_variant;
    vkd_int8_dot int8_dot;
    bool keep_intermediates, profile, no_rewrites;
} option_case;

static const option_case same_bits[] = {
    {.name = "general", .conv_variant = "general"},
    {.name = "im2col", .conv_variant = "im2col"},
    {.name = "pointwise", .conv_variant = "pointwise"},
    {.name = "no int8 dot", .int8_dot = VKD_DOT_NONE},
    {.name = "signed int8 dot", .int8_dot = VKD_DOT_SIGNED},
    {.name = "mixed int8 dot", .int8_dot = VKD_DOT_MIXED},
    {.name = "keep_intermediates", .keep_intermediates = true},
    {.name = "profile", .profile = true},
    {.name = "general without int8 dot", .conv_variant = "general", .int8_dot = VKD_DOT_NONE},
    {.name = "im2col, mixed, unaliased", .conv_variant = "im2col", .int8_dot = VKD_DOT_MIXED, .keep_intermediates = true},
};
enum { SAME_BITS = sizeof same_bits / sizeof same_bits[0] };

static vkd_options options_of(const option_case *c, watch *w)
{
    vkd_options options = watch_begin(w);
    options.conv_variant = c->conv_variant;
    options.int8_dot = c->int8_dot;
    options.keep_intermediates = c->keep_intermediates;
    options.profile = c->profile;
    options.no_rewrites = c->no_rewrites;
    return options;
}

/* Whether the device has no integer dot product, so that a case which forces it is refused, and rightly. */
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

/* The default against every case, and against the file's operators one by one: the rewrites are exact but for that of the mean,
 * which rounds once instead of several times. */
static void check_options(const sample *s, const bool beyond[SAME_BITS], int runs)
{
    float *plain = run_case(s, &(option_case){0}, runs);
    for (size_t i = 0; i < SAME_BITS; i++) {
        if (beyond[i])
            continue;
        float *output = run_case(s, &same_bits[i], runs);
        assert_same(s, output, plain, same_bits[i].name);
        free(output);
    }
    float *unchanged = run_case(s, &(option_case){.no_rewrites = true}, runs);
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
    find_beyond("tiny/linear_1x20o7", beyond);
    for (size_t i = 0; i < RUNNING; i++) {
        char folder[64];
        sample s;
        snprintf(folder, sizeof folder, "tiny/%s", running[i]);
        sample_open(&s, folder);
        check_options(&s, beyond, 1);
        sample_close(&s);
    }
}

/* --------------------------------------------------------------------------------------------------------- ResNet50 */

static size_t argmax(const float *values, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        best = values[i] > values[best] ? i : best;
    return best;
}

static void resnet50_matches(void **state)
{
    (void)state;
    gpu_needed();
    sample s;
    watch w;
    double largest, relative, cosine;
    sample_open(&s, RESNET50);
    vkd_options options = watch_begin(&w);
    float *output = sample_run(&s, &options, 3);
    compare(RESNET50, output, s.expected, s.count, &largest, &relative, &cosine);
    double steps = largest / sample_output_step(&s);
    print_message("top-1 %zu, cosine %.6f, %.2f steps off\n", argmax(output, s.count), cosine, steps);
    assert_int_equal(argmax(output, s.count), argmax(s.expected, s.count));
    assert_true(cosine >= 0.998);
    assert_true(steps <= 4.001);
    watch_end(&w);
    free(output);
    sample_close(&s);
}

static void options_change_no_bit_of_resnet50(void **state)
{
    (void)state;
    gpu_needed();
    bool beyond[SAME_BITS];
    sample s;
    find_beyond("tiny/linear_1x20o7", beyond);
    sample_open(&s, RESNET50);
    check_options(&s, beyond, 2);
    sample_close(&s);
}

/* ------------------------------------------------------------------------------------------- operator by operator */

typedef struct operator_tally {
    size_t operators, elements, differing; /* of int8 and int32 results */
    double largest;                        /* of those */
    size_t float_operators;
    double largest_relative;
} operator_tally;

static void *read_value(vkd_delegate *delegate, const sample *s, uint32_t value)
{
    const vkd_model_tensor *tensor = &s->model.values[value].tensor;
    vkd_tensor_info info;
    void *bytes = malloc(tensor->size);
    assert_non_null(bytes);
    if (vkd_read_value(delegate, value, bytes, tensor->size, &info) != VKD_OK)
        fail_msg("%s: value %u cannot be read: %s", s->folder, value, vkd_last_error(delegate));
    assert_int_equal(info.dtype, tensor->dtype);
    assert_int_equal(info.size, tensor->size);
    return bytes;
}

static void set_input(reference *r, vkd_delegate *delegate, const sample *s, uint32_t value)
{
    if (s->model.values[value].kind != VKD_VALUE_TENSOR || s->model.values[value].tensor.data)
        return;
    void *bytes = read_value(delegate, s, value);
    reference_set(r, value, bytes);
    free(bytes);
}

static void check_operator(vkd_delegate *delegate, const sample *s, const vkd_model_op *op, operator_tally *t)
{
    reference r;
    if (!reference_knows(op->name))
        fail_msg("%s: there is no reference for %s", s->folder, op->name);
    reference_begin(&r, &s->model, op);
    for (size_t a = 0; a + 1 < op->arg_count; a++) {
        const vkd_model_value *value = &s->model.values[op->args[a]];
        set_input(&r, delegate, s, op->args[a]);
        for (size_t i = 0; value->kind == VKD_VALUE_VALUE_LIST && i < value->list.count; i++)
            set_input(&r, delegate, s, value->list.values[i]);
    }
    uint32_t result = reference_result(&r);
    const vkd_model_tensor *tensor = &s->model.values[result].tensor;
    size_t count = (size_t)vkd_dims_count(tensor->rank, tensor->dims);
    double *expected = malloc(count * sizeof *expected);
    assert_non_null(expected);
    reference_compute(&r, expected);
    void *got = read_value(delegate, s, result);
    reference_difference d = reference_compare(tensor->dtype, count, got, expected);
    if (!d.accepted)
        fail_msg("%s: operator %s (node %u): %zu of %zu elements differ, by at most %g", s->folder, op->name, op->node_id,
                 d.differing, d.count, d.largest);
    if (tensor->dtype == VKD_DTYPE_FLOAT32) {
        t->float_operators++;
        t->largest_relative = fmax(t->largest_relative, d.largest);
    } else {
        t->operators++;
        t->elements += d.count;
        t->differing += d.differing;
        t->largest = fmax(t->largest, d.largest);
    }
    free(got);
    free(expected);
    reference_end(&r);
}

/* Every operator with the inputs that it really had. */
static void check_operators(const char *folder, operator_tally *t)
{
    sample s;
    watch w;
    vkd_program *program;
    vkd_method *method;
    sample_open(&s, folder);
    vkd_options options = options_of(&(option_case){.keep_intermediates = true, .no_rewrites = true}, &w);
    if (sample_load(&s, &options, &program, &method) != VKD_OK)
        fail_msg("%s: %s", folder, w.error);
    if (vkd_method_execute(method) != VKD_OK)
        fail_msg("%s: %s", folder, vkd_method_error(method));
    for (size_t i = 0; i < s.model.op_count; i++)
        check_operator(vkd_method_delegate(method), &s, &s.model.ops[i], t);
    vkd_method_unload(method);
    vkd_program_close(program);
    watch_end(&w);
    sample_close(&s);
}

static void print_tally(const char *what, const operator_tally *t)
{
    print_message("%s: %zu int8 operators, %zu elements: %zu differ (%.6f %%), by at most %.0f; %zu float operators within %.2g\n",
                  what, t->operators, t->elements, t->differing, 100.0 * (double)t->differing / (double)t->elements, t->largest,
                  t->float_operators, t->largest_relative);
}

static void every_operator_of_small_nets(void **state)
{
    (void)state;
    gpu_needed();
    operator_tally t = {0};
    for (size_t i = 0; i < RUNNING; i++) {
        char folder[64];
        snprintf(folder, sizeof folder, "tiny/%s", running[i]);
        check_operators(folder, &t);
    }
    print_tally("small nets", &t);
    assert_true(t.operators > 3 * RUNNING / 2);
}

static void every_operator_of_resnet50(void **state)
{
    (void)state;
    gpu_needed();
    operator_tally t = {0};
    check_operators(RESNET50, &t);
    print_tally("ResNet50", &t);
    assert_int_equal(t.operators + t.float_operators, 82);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_nets_match_or_are_refused), cmocka_unit_test(options_change_no_bit_of_small_nets),
        cmocka_unit_test(every_operator_of_small_nets),    cmocka_unit_test(resnet50_matches),
        cmocka_unit_test(options_change_no_bit_of_resnet50), cmocka_unit_test(every_operator_of_resnet50),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
