/* Every operator of every sample model with the inputs that it really had, against the reference in
 * double precision: at most one step of int8, on every element. */
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

/* A net's values. */
typedef struct values {
    const sample *s;
    vkd_delegate *delegate;
    double **moved; /* by id: what has no memory of its own, as it is a view of others */
} values;

/* Null for a value without memory of its own. */
static void *read_value(const values *v, uint32_t value)
{
    const vkd_model_tensor *tensor = &v->s->model.values[value].tensor;
    vkd_tensor_info info;
    void *bytes = malloc(tensor->size);
    assert_non_null(bytes);
    vkd_status status = vkd_read_value(v->delegate, value, bytes, tensor->size, &info);
    if (status == VKD_NOT_FOUND) {
        free(bytes);
        return NULL;
    }
    if (status != VKD_OK)
        fail_msg("%s: value %u cannot be read: %s", v->s->folder, value,
                 vkd_last_error(v->delegate));
    assert_int_equal(info.dtype, tensor->dtype);
    assert_int_equal(info.size, tensor->size);
    return bytes;
}

static void set_input(reference *r, const values *v, uint32_t value)
{
    if (v->s->model.values[value].kind != VKD_VALUE_TENSOR || v->s->model.values[value].tensor.data)
        return;
    void *bytes = read_value(v, value);
    if (bytes)
        reference_set(r, value, bytes);
    else if (v->moved[value])
        reference_give(r, value, v->moved[value]);
    else
        fail_msg("%s: value %u is nowhere", v->s->folder, value);
    free(bytes);
}

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

static void check_operator(const values *v, const vkd_model_op *op, operator_tally *t)
{
    const sample *s = v->s;
    reference r;
    if (!reference_knows(op->name))
        fail_msg("%s: there is no reference for %s", s->folder, op->name);
    reference_begin(&r, &s->model, op);
    for (size_t a = 0; a + 1 < op->arg_count; a++) {
        const vkd_model_value *value = &s->model.values[op->args[a]];
        set_input(&r, v, op->args[a]);
        for (size_t i = 0; value->kind == VKD_VALUE_VALUE_LIST && i < value->list.count; i++)
            set_input(&r, v, value->list.values[i]);
    }
    uint32_t result = reference_result(&r);
    const vkd_model_tensor *tensor = &s->model.values[result].tensor;
    size_t elements = (size_t)vkd_dims_count(tensor->rank, tensor->dims);
    double *expected = malloc(elements * sizeof *expected);
    assert_non_null(expected);
    reference_compute(&r, expected);
    void *got = read_value(v, result);
    if (got) {
        reference_difference d = reference_compare(tensor->dtype, elements, got, expected);
        if (!d.accepted)
            fail_msg("%s: operator %s (node %u): %zu of %zu elements differ, by at most %g",
                     s->folder, op->name, op->node_id, d.differing, d.count, d.largest);
        count(t, tensor->dtype, &d);
        free(expected);
    } else {
        if (!reference_moves(op->name))
            fail_msg("%s: operator %s (node %u) has computed nothing", s->folder, op->name,
                     op->node_id);
        v->moved[result] = expected;
    }
    free(got);
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
    values v = {&s, vkd_method_delegate(method), calloc(s.model.value_count, sizeof *v.moved)};
    assert_non_null(v.moved);
    for (size_t i = 0; i < s.model.op_count; i++)
        check_operator(&v, &s.model.ops[i], t);
    for (size_t i = 0; i < s.model.value_count; i++)
        free(v.moved[i]);
    free(v.moved);
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
        if (!reference_knows(s.model.ops[i].name)) {
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
