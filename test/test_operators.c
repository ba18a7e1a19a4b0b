/* Every operator of every sample model with the inputs that it really had, against the reference in double precision: at most
 * one step of int8, on every element. */
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/model_io.h"
#include "support/reference.h"

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
    for (size_t i = 0; i < s.model.op_count; i++)
        check_operator(vkd_method_delegate(method), &s, &s.model.ops[i], t);
    vkd_method_unload(method);
    vkd_program_close(program);
    watch_end(&w);
    sample_close(&s);
}

static void print_tally(const char *what, const operator_tally *t)
{
    print_message(
        "%s: %zu int8 operators, %zu elements: %zu differ (%.6f %%), by at most %.0f; %zu float operators within %.2g\n", what,
        t->operators, t->elements, t->differing, 100.0 * (double)t->differing / (double)t->elements, t->largest,
        t->float_operators, t->largest_relative);
}

static void check_if_supported(const char *folder, void *user)
{
    sample s;
    if (strncmp(folder, "tiny/", 5))
        return;
    sample_open(&s, folder);
    bool supported = !sample_unsupported(&s);
    sample_close(&s);
    if (supported)
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
        cmocka_unit_test(every_operator_of_resnet50),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
