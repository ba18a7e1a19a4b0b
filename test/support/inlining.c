#include "support/inlining.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static VKD_PRINTF(2, 3) void say(model_text *t, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    t->length +=
        (size_t)vsnprintf(t->chars + t->length, sizeof t->chars - t->length, format, arguments);
    va_end(arguments);
    assert_true(t->length < sizeof t->chars);
}

static void say_tensor(model_text *t, uint32_t id, const vkd_model_tensor *tensor)
{
    say(t, "%%%u %s[", id, vkd_dtype_name(tensor->dtype));
    for (uint32_t i = 0; i < tensor->rank; i++)
        say(t, "%s%u", i ? "," : "", tensor->dims[i]);
    say(t, "%s]%s%s", tensor->dynamic ? "..." : "", tensor->data ? "=" : "",
        tensor->state ? "!" : "");
    if (tensor->staging_dtype != tensor->dtype)
        say(t, "<%s", vkd_dtype_name(tensor->staging_dtype));
    assert_int_equal(tensor->size,
                     vkd_dims_count(tensor->rank, tensor->dims) * vkd_dtype_size(tensor->dtype));
}

static void say_value(model_text *t, const vkd_model *model, uint32_t id)
{
    assert_true(id < model->value_count);
    const vkd_model_value *v = &model->values[id];
    bool is_list = v->kind >= VKD_VALUE_INT_LIST && v->kind <= VKD_VALUE_VALUE_LIST;
    if (v->kind == VKD_VALUE_TENSOR)
        say_tensor(t, id, &v->tensor);
    else if (v->kind == VKD_VALUE_INT || v->kind == VKD_VALUE_SYMINT)
        say(t, "%s%lld", v->kind == VKD_VALUE_INT ? "" : "?",
            v->kind == VKD_VALUE_INT ? (long long)v->i : (long long)id);
    else if (v->kind == VKD_VALUE_SYMFLOAT)
        say(t, "?%u", id);
    else if (v->kind == VKD_VALUE_DOUBLE)
        say(t, "%.17g", v->d);
    else if (v->kind == VKD_VALUE_BOOL)
        say(t, "%s", v->b ? "true" : "false");
    else if (v->kind == VKD_VALUE_STRING)
        say(t, "'%s'", v->string);
    else if (!is_list)
        say(t, "-");
    say(t, "%s", is_list ? "(" : "");
    for (size_t i = 0; is_list && i < v->list.count; i++) {
        say(t, "%s", i ? ", " : "");
        if (v->kind == VKD_VALUE_VALUE_LIST)
            say_value(t, model, v->list.values[i]);
        else if (v->kind == VKD_VALUE_INT_LIST)
            say(t, "%lld", (long long)v->list.ints[i]);
        else if (v->kind == VKD_VALUE_DOUBLE_LIST)
            say(t, "%g", v->list.doubles[i]);
        else
            say(t, "%s", v->list.bools[i] ? "true" : "false");
    }
    say(t, "%s", is_list ? ")" : "");
}

static void say_values(model_text *t, const vkd_model *model, const char *what, const uint32_t *ids,
                       size_t count)
{
    say(t, "%s", what);
    for (size_t i = 0; i < count; i++) {
        say(t, "%s", i ? ", " : " ");
        say_value(t, model, ids[i]);
    }
}

void model_text_say(model_text *t, const vkd_model *model)
{
    t->length = 0;
    say_values(t, model, "in", model->inputs, model->input_count);
    say(t, "\n");
    for (size_t i = 0; i < model->op_count; i++) {
        const vkd_model_op *op = &model->ops[i];
        say(t, "%u ", op->node_id);
        say_values(t, model, op->name, op->args, op->arg_count);
        say(t, "\n");
    }
    say_values(t, model, "out", model->outputs, model->output_count);
    say(t, "\n");
}

const float inlining_weights[6] = {1, 2, 3, 4, 5, 6};

vkd_status inlining_take(inlining *f)
{
    reading_begin(&f->r, NULL);
    VKD_TRY(vkd_container_read(f->file, f->size, &f->r.arena, &f->r.container));
    if (f->data) {
        VKD_TRY(vkd_data_file_read(f->data, f->data_size, &f->r.arena, &f->data_file));
        VKD_TRY(vkd_container_add(&f->r.container, &f->r.context, &f->data_file));
    }
    return vkd_inline_method(&f->r.container, &f->r.container.methods[0], "VulkanBackend",
                             &f->r.arena, &f->model);
}

void inlining_end(inlining *f)
{
    reading_end(&f->r);
    free(f->file);
    free(f->data);
}

/* Finishes the program and takes its first method. */
void inlining_begin(inlining *f, vkd_pte_builder *b)
{
    *f = (inlining){0};
    f->file = pte_finish(b, &f->size);
    if (inlining_take(f) != VKD_OK)
        fail_msg("%s", f->r.context.error);
    model_text_say(&f->text, &f->model);
}

void inlining_expect(vkd_pte_builder *b, const char *expected)
{
    inlining f;
    inlining_begin(&f, b);
    if (strcmp(f.text.chars, expected))
        fail_msg("the model is\n%sexpected\n%s", f.text.chars, expected);
    inlining_end(&f);
}

void inlining_refuses(inlining *f, vkd_status status, const char *says)
{
    vkd_status found = inlining_take(f);
    if (found != status || !strstr(f->r.context.error, says))
        fail_msg("status %d, \"%s\"; expected %d, \"%s\"", found, f->r.context.error, status, says);
    assert_int_equal(f->r.messages, 1);
    reading_end(&f->r);
}

void inlining_expect_refused(vkd_pte_builder *b, vkd_status status, const char *says)
{
    inlining f = {0};
    f.file = pte_finish(b, &f.size);
    inlining_refuses(&f, status, says);
    free(f.file);
}

uint32_t inlining_tensor(vkd_blob_builder *b, const vkd_tensor_info *info, const void *data)
{
    uint32_t dims[VKD_MAX_RANK];
    for (uint32_t i = 0; i < info->rank; i++)
        dims[i] = (uint32_t)info->dims[i];
    return blob_tensor(b, info->dtype, info->rank, dims, data);
}

/* A delegate of one operator from x to y. A constant comes first, so that ids show what moves. */
uint32_t inlining_delegate(vkd_pte_builder *b, const char *name, const vkd_tensor_info *x,
                           const vkd_tensor_info *y)
{
    static const float constant[3] = {7, 8, 9};
    vkd_blob_builder *blob = blob_new();
    uint32_t c = inlining_tensor(blob, &row, constant), in = inlining_tensor(blob, x, NULL),
             out = inlining_tensor(blob, y, NULL);
    blob_op(blob, name, 40, IDS(in, blob_value_list(blob, IDS(c, in)), out));
    blob_io(blob, &in, 1, &out, 1);
    size_t size;
    void *bytes = blob_finish(blob, &size);
    uint32_t delegate = pte_delegate(b, "VulkanBackend", bytes, size);
    free(bytes);
    return delegate;
}
