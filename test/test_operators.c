/* Every operator of every sample model with the inputs that it really had, against the reference in
 * double precision: at most one step of int8, on every element. */
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/layers.h"
#include "support/model_io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct operator_tally {
    size_t operators, elements, differing; /* of int8 and int32 results */
    double largest;                        /* of those */
    size_t float_operators;
    double largest_relative;
} operator_tally;

static void count(operator_tally *t, vkd_dtype dtype, const reference_difference *d)
{
    if (dtype == VKD_DTYPE_FLOAT32 || dtype == VKD_DTYPE_FLOAT16) {
        t->float_operators++;
        if (dtype == VKD_DTYPE_FLOAT32)
            t->largest_relative = fmax(t->largest_relative, d->largest);
        return;
    }
    t->operators++;
    t->elements += d->count;
    t->differing += d->differing;
    t->largest = fmax(t->largest, d->largest);
}

static void check_operator(const sample *s, layers *l, const vkd_model_op *op, operator_tally *t)
{
    const layer_result result = layers_check(l, op);
    const reference_difference *d = &result.difference;
    switch (result.verdict) {
    case LAYER_RIGHT:
        count(t, result.dtype, d);
        break;
    case LAYER_WRONG:
        fail_msg("%s: operator %s (node %u): %zu of %zu elements differ, by at most %g", s->folder,
                 op->name, op->node_id, d->differing, d->count, d->largest);
        break;
    case LAYER_MOVED:
        break;
    case LAYER_UNKNOWN:
        fail_msg("%s: there is no reference for %s", s->folder, op->name);
        break;
    case LAYER_LOST:
        fail_msg("%s: operator %s (node %u) has computed nothing", s->folder, op->name,
                 op->node_id);
    }
}

/* Every operator with the inputs that it really had. */
static void check_operators(const char *folder, operator_tally *t)
{
    sample s;
    watch w;
    vkd_program *program;
    vkd_method *method;
    sample_open(&s, folder);
    vkd_options options = watch_begin(&w);
    options.keep_intermediates = true;
    options.no_rewrites = true;
    if (sample_load(&s, &options, &program, &method) != VKD_OK)
        fail_msg("%s: %s", folder, w.error);
    float *output = malloc(s.count * sizeof *output);
    assert_non_null(output);
    if (sample_execute(&s, method, output) != VKD_OK)
        fail_msg("%s: %s", folder, vkd_method_error(method));
    free(output);
    layers l;
    layers_begin(&l, vkd_method_delegate(method), &s.model);
    for (size_t i = 0; i < s.model.op_count; i++)
        check_operator(&s, &l, &s.model.ops[i], t);
    layers_end(&l);
    vkd_method_unload(method);
    vkd_program_close(program);
    watch_end(&w);
    sample_close(&s);
}

static void print_tally(const char *what, const operator_tally *t)
{
    print_message("%s: %zu int8 operators, %zu elements: %zu differ (%.6f %%), by at most %.0f; "
                  "%zu float operators within %.2g\n",
                  what, t->operators, t->elements, t->differing,
                  100.0 * (double)t->differing / (double)t->elements, t->largest,
                  t->float_operators, t->largest_relative);
}

static void check_if_supported(const char *folder, void *user)
{
    sample s;
    if (strncmp(folder, "tiny/", 5))
        return;
    sample_open(&s, folder);
    bool known = !sample_unsupported(&s);
    for (size_t i = 0; i < s.model.op_count && known; i++)
        if (!reference_knows(&s.model, &s.model.ops[i])) {
            print_message("%s: only as a whole, there is no reference for %s\n", folder,
                          s.model.ops[i].name);
            known = false;
        }
    sample_close(&s);
    if (known)
        check_operators(folder, user);
}

static void every_operator_of_small_nets(void **state)
{
    (void)state;
    gpu_needed();
    operator_tally t = {0};
    reading_each_sample(check_if_supported, &t);
    print_tally("small nets", &t);
    assert_true(t.operators >= 100 && t.float_operators >= 50);
}

/* The library has packed its own copy of a weight that is another one now. */
static void a_wrong_operator_is_found(void **state)
{
    (void)state;
    gpu_needed();
    sample s;
    watch w;
    vkd_program *program;
    vkd_method *method;
    layers l;
    sample_open(&s, "tiny/tinynet_32x32");
    vkd_options options = watch_begin(&w);
    options.keep_intermediates = options.no_rewrites = true;
    assert_int_equal(sample_load(&s, &options, &program, &method), VKD_OK);
    float *output = malloc(s.count * sizeof *output);
    assert_int_equal(sample_execute(&s, method, output), VKD_OK);
    free(output);
    size_t wrong = 0, convolution = 0;
    while (!strstr(s.model.ops[convolution].name, "conv2d"))
        convolution++;
    const vkd_model_op *op = &s.model.ops[convolution];
    const vkd_model_tensor *weight = NULL;
    for (size_t a = 0; a < op->arg_count && !weight; a++) {
        const vkd_model_value *value = &s.model.values[op->args[a]];
        if (value->kind == VKD_VALUE_TENSOR && value->tensor.data &&
            value->tensor.dtype == VKD_DTYPE_INT8)
            weight = &value->tensor;
    }
    assert_non_null(weight);
    for (size_t i = 0; i < weight->size; i++)
        ((int8_t *)(uintptr_t)weight->data)[i] ^= 0x40;
    layers_begin(&l, vkd_method_delegate(method), &s.model);
    for (size_t i = 0; i < s.model.op_count; i++) {
        layer_result result = layers_check(&l, &s.model.ops[i]);
        assert_true((result.verdict == LAYER_WRONG) == (i == convolution));
        wrong += result.verdict == LAYER_WRONG;
    }
    assert_int_equal(wrong, 1);
    layers_end(&l);
    vkd_method_unload(method);
    vkd_program_close(program);
    watch_end(&w);
    sample_close(&s);
}

static void every_operator_of_resnet50(void **state)
{
    (void)state;
    gpu_needed();
    operator_tally t = {0};
    check_operators("resnet50-fashion", &t);
    print_tally("ResNet50", &t);
    assert_int_equal(t.operators + t.float_operators, 82);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_of_small_nets),
        cmocka_unit_test(a_wrong_operator_is_found),
        cmocka_unit_test(every_operator_of_resnet50),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
