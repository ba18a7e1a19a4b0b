/* The readers over every sample model, compared with the listings (ops.txt) that an independent
 * reader made of the same files: methods, steps, and each operator's name and arguments down to
 * every dimension and scalar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "schema/named.h"
#include "support/reading.h"

/* Where the comparison is: a line of a listing, and what it is compared with. */
typedef struct listing {
    const char *folder;
    /* of the text: the line's first character, and the next one to compare */
    const char *line, *at;
    const vkd_container *container;
    const vkd_model *model;
    size_t op_number; /* the next operator of the model */
    size_t steps;     /* steps met so far */
    size_t total_ops; /* over all files */
} listing;

static _Noreturn void differ(const listing *l, const char *what)
{
    fail_msg("%s: %s, at \"%.60s\" of\n%.*s", l->folder, what, l->at, (int)strcspn(l->line, "\n"),
             l->line);
    abort();
}

static bool accept(listing *l, const char *text)
{
    l->at += strspn(l->at, " ");
    size_t length = strlen(text);
    if (strncmp(l->at, text, length) != 0)
        return false;
    l->at += length;
    return true;
}

static void want(listing *l, const char *text)
{
    if (!accept(l, text))
        differ(l, text);
}

static long long number(listing *l)
{
    char *end;
    long long value = strtoll(l->at, &end, 10);
    if (end == l->at)
        differ(l, "a number was expected");
    l->at = end;
    return value;
}

static bool is_whole(const char *text)
{
    text += *text == '-';
    return text[strspn(text, "0123456789")] != '.' && text[strspn(text, "0123456789")] != 'e';
}

/* "f32[1,3,8,8]" */
static void want_type(listing *l, const vkd_model_tensor *t)
{
    static const char *const names[VKD_DTYPE_COUNT] = {"bool", "u8",  "i8",  "i32",
                                                       "f16",  "f32", "f64", "i64"};
    want(l, names[t->dtype]);
    want(l, "[");
    for (uint32_t i = 0; i < t->rank; i++) {
        if (i)
            want(l, ",");
        if (number(l) != t->dims[i])
            differ(l, "another dimension was read");
    }
    want(l, "]");
}

static void want_tensor(listing *l, uint32_t id, const vkd_model_tensor *t)
{
    want(l, "%");
    if (number(l) != id)
        differ(l, "another value id was read");
    if (accept(l, "const") != (t->data != NULL))
        differ(l, "constness differs");
    want_type(l, t);
    if (t->size != vkd_dims_count(t->rank, t->dims) * vkd_dtype_size(t->dtype))
        differ(l, "the size does not fit the dims");
}

static void want_value(listing *l, uint32_t id);

static void want_list(listing *l, const vkd_model_value *v)
{
    want(l, "[");
    for (size_t i = 0; i < v->list.count; i++) {
        if (i)
            want(l, ", ");
        switch (v->kind) {
        case VKD_VALUE_VALUE_LIST:
            want_value(l, v->list.values[i]);
            break;
        case VKD_VALUE_BOOL_LIST:
            want(l, v->list.bools[i] ? "True" : "False");
            break;
        case VKD_VALUE_INT_LIST:
            if (number(l) != v->list.ints[i])
                differ(l, "another int was read");
            break;
        default:
            if (strtod(l->at, (char **)&l->at) != v->list.doubles[i])
                differ(l, "another double was read");
        }
    }
    want(l, "]");
}

static void want_value(listing *l, uint32_t id)
{
    const vkd_model_value *v = &l->model->values[id];
    switch (v->kind) {
    case VKD_VALUE_NULL:
        want(l, "none");
        break;
    case VKD_VALUE_BOOL:
        want(l, v->b ? "True" : "False");
        break;
    case VKD_VALUE_STRING:
        want(l, "'");
        want(l, v->string);
        want(l, "'");
        break;
    case VKD_VALUE_INT:
        if (!is_whole(l->at) || number(l) != v->i)
            differ(l, "another int was read");
        break;
    case VKD_VALUE_DOUBLE:
        if (is_whole(l->at) || strtod(l->at, (char **)&l->at) != v->d)
            differ(l, "another double was read");
        break;
    case VKD_VALUE_SYMINT:
        differ(l, "a symbolic integer was read");
    case VKD_VALUE_TENSOR:
        want_tensor(l, id, &v->tensor);
        if (strncmp(l->at, " texture", 8) == 0 ||
            strncmp(l->at, " buffer", 7) == 0) /* storage and memory object are not read */
            l->at += strcspn(l->at, ",]\n");
        break;
    default:
        want_list(l, v);
    }
}

/* "0003 aten.cat.default(tensors=[...], dim=1) -> %42 ..." */
static void want_op(listing *l)
{
    if (number(l) != (long long)l->op_number || l->op_number >= l->model->op_count)
        differ(l, "operators are out of step");
    const vkd_model_op *op = &l->model->ops[l->op_number++];
    want(l, op->name);
    want(l, "(");
    for (size_t i = 0; i + 1 < op->arg_count; i++) {
        if (i)
            want(l, ", ");
        l->at += strcspn(l->at, "=\n") + 1; /* names are not in the file */
        want_value(l, op->args[i]);
    }
    want(l, ") -> ");
    want_value(l, op->args[op->arg_count - 1]);
    if (*l->at != '\n')
        differ(l, "the line should end");
    l->total_ops++;
}

/* "  inputs: %0 f32[1,5] buffer/width mem 1 staging f32, %1 ..." */
static void want_ends(listing *l, const uint32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const vkd_model_tensor *t = &l->model->values[ids[i]].tensor;
        want_tensor(l, ids[i], t);
        const char *rest = l->at;
        l->at += strcspn(l->at, ",\n");
        const char *staging = strstr(rest, " staging ");
        if ((staging && staging < l->at) != (t->staging_dtype != t->dtype))
            differ(l, "the staging type differs");
        if (i + 1 < count)
            want(l, ",");
    }
    if (*l->at != '\n')
        differ(l, "the line should end");
}

/* "plan forward: (f32[1,3,8,8]) -> (f32[1,10])" */
static void want_method(listing *l)
{
    const vkd_container_method *method = &l->container->methods[0];
    want(l, method->name);
    want(l, ": (");
    for (size_t i = 0; i < method->input_count; i++) {
        const vkd_model_tensor *t = &method->values[method->inputs[i]].value.tensor;
        if (i)
            want(l, ",");
        want_type(l, t);
    }
    want(l, ") -> (");
    for (size_t i = 0; i < method->output_count; i++) {
        const vkd_model_tensor *t = &method->values[method->outputs[i]].value.tensor;
        if (i)
            want(l, ",");
        want_type(l, t);
    }
    want(l, ")\n");
}

/* "  DelegateCall 0 values [0, 1]", "  KernelCall aten::mean.out values [1, 5]" */
static void want_step(listing *l, vkd_step_kind kind)
{
    const vkd_container_method *method = &l->container->methods[0];
    if (l->steps >= method->step_count || method->steps[l->steps].kind != kind)
        differ(l, "another step was read");
    const vkd_container_step *step = &method->steps[l->steps++];
    if (kind == VKD_STEP_KERNEL)
        want(l, method->operators[step->index]);
    else if (number(l) != step->index)
        differ(l, "another delegate was read");
    want(l, "values [");
    for (size_t i = 0; i < step->arg_count; i++) {
        if (i)
            want(l, ",");
        if (number(l) != step->args[i])
            differ(l, "another argument was read");
    }
    want(l, "]\n");
}

/* "delegate 0 VulkanBackend: blob 1648, graph 32+1608, inline constants 1648+0, 18 values, ..."
 * Reads the delegate's model. */
static void want_delegate(listing *l, reading *r, vkd_model *model)
{
    if (l->model && l->op_number != l->model->op_count)
        differ(l, "the delegate before has more operators");
    size_t index = (size_t)number(l);
    const vkd_container_delegate *delegate = &l->container->methods[0].delegates[index];
    if (index >= l->container->methods[0].delegate_count)
        differ(l, "too few delegates were read");
    want(l, delegate->id);
    want(l, ": blob");
    if ((size_t)number(l) != delegate->blob.size)
        differ(l, "another size was read");
    if (vkd_model_read(delegate->blob.data, delegate->blob.size, &r->container.named_data,
                       &r->arena, model) != VKD_OK)
        differ(l, r->context.error);
    l->at = strstr(l->at, "+0, ") + 4; /* the sample files have no inline constants */
    if ((size_t)number(l) != model->value_count)
        differ(l, "another number of values was read");
    l->model = model;
    l->op_number = 0;
}

static void compare_line(listing *l, reading *r, vkd_model *model)
{
    l->at = l->line;
    if (accept(l, "plan"))
        want_method(l);
    else if (accept(l, "DelegateCall"))
        want_step(l, VKD_STEP_DELEGATE);
    else if (accept(l, "KernelCall"))
        want_step(l, VKD_STEP_KERNEL);
    else if (accept(l, "delegate"))
        want_delegate(l, r, model);
    else if (accept(l, "inputs:"))
        want_ends(l, l->model->inputs, l->model->input_count);
    else if (accept(l, "outputs:"))
        want_ends(l, l->model->outputs, l->model->output_count);
    else if (*l->line >= '0' && *l->line <= '9')
        want_op(l);
}

static void compare_sample(const char *folder, void *user)
{
    size_t *total = user, file_size, text_size;
    uint8_t *file = reading_sample_file(folder, "model.pte", &file_size);
    char *text = (char *)reading_sample_file(folder, "ops.txt", &text_size);
    reading r;
    reading_begin(&r, NULL);
    if (vkd_container_read(file, file_size, &r.arena, &r.container) != VKD_OK)
        fail_msg("%s: %s", folder, r.context.error);
    assert_int_equal(r.container.method_count, 1);
    listing l = {.folder = folder, .container = &r.container};
    vkd_model model = {0};
    for (l.line = text; *l.line; l.line += strcspn(l.line, "\n") + 1)
        compare_line(&l, &r, &model);
    assert_int_equal(l.steps, r.container.methods[0].step_count);
    assert_int_equal(l.op_number, model.op_count);
    *total += l.total_ops;
    reading_end(&r);
    free(file);
    free(text);
}

static void test_samples(void **state)
{
    (void)state;
    size_t ops = 0, count = reading_each_sample(compare_sample, &ops);
    print_message("%zu models, %zu operators compared\n", count, ops);
    assert_true(count >= 47 && ops >= 388);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_samples)};
    return cmocka_run_group_tests_name("listing", tests, NULL, NULL);
}
