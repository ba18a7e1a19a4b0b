/* Whole methods as one model, over programs made in memory: what becomes of every kind of step and
 * value, and what is refused. Pure: no device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "schema/inline.h"
#include "schema/named.h"
#include "support/flat.h"
#include "support/pte_builder.h"
#include "support/reading.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define IDS(...) (const uint32_t[]){__VA_ARGS__}, COUNT(((const uint32_t[]){__VA_ARGS__}))

/* ------------------------------------------------------------------------------ a model as text */

/* Values: "%3 f32[2,3]" with "=" behind a constant, "!" behind state, "..." for bounds and "<f16"
 * for what the host has; null
 * "-", a symbolic integer "?3". */
typedef struct text {
    char chars[8192];
    size_t length;
} text;

static VKD_PRINTF(2, 3) void say(text *t, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    t->length +=
        (size_t)vsnprintf(t->chars + t->length, sizeof t->chars - t->length, format, arguments);
    va_end(arguments);
    assert_true(t->length < sizeof t->chars);
}

static void say_tensor(text *t, uint32_t id, const vkd_model_tensor *tensor)
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

static void say_value(text *t, const vkd_model *model, uint32_t id)
{
    assert_true(id < model->value_count);
    const vkd_model_value *v = &model->values[id];
    bool is_list = v->kind >= VKD_VALUE_INT_LIST && v->kind <= VKD_VALUE_VALUE_LIST;
    if (v->kind == VKD_VALUE_TENSOR)
        say_tensor(t, id, &v->tensor);
    else if (v->kind == VKD_VALUE_INT || v->kind == VKD_VALUE_SYMINT)
        say(t, "%s%lld", v->kind == VKD_VALUE_INT ? "" : "?",
            v->kind == VKD_VALUE_INT ? (long long)v->i : (long long)id);
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

static void say_values(text *t, const vkd_model *model, const char *what, const uint32_t *ids,
                       size_t count)
{
    say(t, "%s", what);
    for (size_t i = 0; i < count; i++) {
        say(t, "%s", i ? ", " : " ");
        say_value(t, model, ids[i]);
    }
}

static void say_model(text *t, const vkd_model *model)
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

/* -------------------------------------------------------------------------------------- fixture */

static const float weights[6] = {1, 2, 3, 4, 5, 6};

typedef struct fixture {
    reading r;
    uint8_t *file, *data; /* data: of a data file, or null */
    size_t size, data_size;
    vkd_data_file data_file;
    vkd_model model;
    text text;
} fixture;

static vkd_status inline_file(fixture *f)
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

static void end(fixture *f)
{
    reading_end(&f->r);
    free(f->file);
    free(f->data);
}

/* Finishes the program and takes its first method. */
static void begin(fixture *f, vkd_pte_builder *b)
{
    *f = (fixture){0};
    f->file = pte_finish(b, &f->size);
    if (inline_file(f) != VKD_OK)
        fail_msg("%s", f->r.context.error);
    say_model(&f->text, &f->model);
}

static void expect_text(vkd_pte_builder *b, const char *expected)
{
    fixture f;
    begin(&f, b);
    if (strcmp(f.text.chars, expected))
        fail_msg("the model is\n%sexpected\n%s", f.text.chars, expected);
    end(&f);
}

static void expect_file_refused(fixture *f, vkd_status status, const char *says)
{
    vkd_status found = inline_file(f);
    if (found != status || !strstr(f->r.context.error, says))
        fail_msg("status %d, \"%s\"; expected %d, \"%s\"", found, f->r.context.error, status, says);
    assert_int_equal(f->r.messages, 1);
    reading_end(&f->r);
}

static void expect_refused(vkd_pte_builder *b, vkd_status status, const char *says)
{
    fixture f = {0};
    f.file = pte_finish(b, &f.size);
    expect_file_refused(&f, status, says);
    free(f.file);
}

static const vkd_tensor_info f32 = {VKD_DTYPE_FLOAT32, 2, {2, 3}, 0},
                             f16 = {VKD_DTYPE_FLOAT16, 2, {2, 3}, 0},
                             i64 = {VKD_DTYPE_INT64, 2, {2, 3}, 0},
                             i32 = {VKD_DTYPE_INT32, 2, {2, 3}, 0},
                             f64 = {VKD_DTYPE_FLOAT64, 2, {2, 3}, 0},
                             row = {VKD_DTYPE_FLOAT32, 1, {3}, 0},
                             turned = {VKD_DTYPE_FLOAT32, 2, {2, 3}, 0, {1, 0}},
                             one = {VKD_DTYPE_INT64, 0, {0}, 0};

static uint32_t blob_like(vkd_blob_builder *b, const vkd_tensor_info *info, const void *data)
{
    uint32_t dims[VKD_MAX_RANK];
    for (uint32_t i = 0; i < info->rank; i++)
        dims[i] = (uint32_t)info->dims[i];
    return blob_tensor(b, info->dtype, info->rank, dims, data);
}

/* A delegate of one operator from x to y. A constant comes first, so that ids show what moves. */
static uint32_t add_delegate(vkd_pte_builder *b, const char *name, const vkd_tensor_info *x,
                             const vkd_tensor_info *y)
{
    static const float constant[3] = {7, 8, 9};
    vkd_blob_builder *blob = blob_new();
    uint32_t c = blob_like(blob, &row, constant), in = blob_like(blob, x, NULL),
             out = blob_like(blob, y, NULL);
    blob_op(blob, name, 40, IDS(in, blob_value_list(blob, IDS(c, in)), out));
    blob_io(blob, &in, 1, &out, 1);
    size_t size;
    void *bytes = blob_finish(blob, &size);
    uint32_t delegate = pte_delegate(b, "VulkanBackend", bytes, size);
    free(bytes);
    return delegate;
}

/* ------------------------------------------------------------------------------------ delegates */

static void one_delegate_is_its_blob(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32);
    pte_call(b, add_delegate(b, "a", &f32, &f32), IDS(x, y));
    pte_io(b, &x, 1, &y, 1);
    expect_text(b, "in %1 f32[2,3]\n"
                   "40 a %1 f32[2,3], (%0 f32[3]=, %1 f32[2,3]), %2 f32[2,3]\n"
                   "out %2 f32[2,3]\n");
}

/* The sample models of one call: the whole method and the blob have the same values, operators and
 * ends. */
static void compare_sample(const char *folder, void *user)
{
    static text whole, blob;
    reading r;
    vkd_model model, alone;
    size_t size;
    uint8_t *file = reading_sample_file(folder, "model.pte", &size);
    reading_begin(&r, NULL);
    assert_int_equal(vkd_container_read(file, size, &r.arena, &r.container), VKD_OK);
    const vkd_container_method *method = &r.container.methods[0];
    if (method->step_count == 1 && size < 100000) {
        assert_int_equal(vkd_inline_method(&r.container, method, "VulkanBackend", &r.arena, &model),
                         VKD_OK);
        vkd_bytes bytes = method->delegates[0].blob;
        assert_int_equal(
            vkd_model_read(bytes.data, bytes.size, &r.container.named_data, &r.arena, &alone),
            VKD_OK);
        assert_int_equal(model.value_count, alone.value_count);
        say_model(&whole, &model);
        say_model(&blob, &alone);
        assert_string_equal(whole.chars, blob.chars);
        ++*(size_t *)user;
    }
    reading_end(&r);
    free(file);
}

static void sample_models_are_their_blobs(void **state)
{
    (void)state;
    size_t compared = 0;
    reading_each_sample(compare_sample, &compared);
    assert_true(compared >= 40);
}

static void delegates_and_a_kernel_between(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32), m = pte_tensor(b, &row),
             z = pte_tensor(b, &row);
    uint32_t dim = pte_int(b, 0), dims = pte_int_list(b, &dim, 1), no = pte_bool(b, false),
             null = pte_null(b);
    pte_call(b, add_delegate(b, "a", &f32, &f32), IDS(x, y));
    pte_kernel(b, "aten::mean.out", IDS(y, dims, no, null, m, m));
    pte_free(b, y);
    pte_call(b, add_delegate(b, "b", &row, &row), IDS(m, z));
    pte_io(b, &x, 1, &z, 1);
    expect_text(b, "in %1 f32[2,3]\n"
                   "40 a %1 f32[2,3], (%0 f32[3]=, %1 f32[2,3]), %2 f32[2,3]\n"
                   "1 aten::mean.out %2 f32[2,3], (0), false, -, %7 f32[3]\n"
                   "40 b %7 f32[3], (%8 f32[3]=, %7 f32[3]), %10 f32[3]\n"
                   "out %10 f32[3]\n");
}

/* A delegate's output may be its input or a constant; a method's an input of the method, and the
 * same twice. An input may be unread. */
static void ends_of_every_kind(void **state)
{
    (void)state;
    vkd_blob_builder *blob = blob_new();
    uint32_t c = blob_like(blob, &f32, weights), in = blob_like(blob, &f32, NULL);
    blob_io(blob, &in, 1, IDS(in, c, in));
    size_t size;
    void *bytes = blob_finish(blob, &size);
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), unread = pte_tensor(b, &i64), y0 = pte_tensor(b, &f32),
             y1 = pte_tensor(b, &f32), y2 = pte_tensor(b, &f32), k = pte_constant(b, &f32, weights);
    pte_call(b, pte_delegate(b, "VulkanBackend", bytes, size), IDS(x, y0, y1, y2));
    pte_io(b, IDS(x, unread), IDS(y0, y1, y2, x, y1, k));
    free(bytes);
    expect_text(
        b, "in %1 f32[2,3], %2 i32[2,3]<i64\n"
           "out %1 f32[2,3], %0 f32[2,3]=, %1 f32[2,3], %1 f32[2,3], %0 f32[2,3]=, %3 f32[2,3]=\n");
}

/* -------------------------------------------------------------------------------------- kernels */

static void arguments_of_every_kind(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32), n = pte_int(b, -3);
    uint32_t args[] = {x,
                       n,
                       pte_double(b, 0.5),
                       pte_bool(b, true),
                       pte_null(b),
                       pte_string(b, "floor"),
                       pte_int_list(b, IDS(n, n)),
                       pte_int_list(b, NULL, 0),
                       pte_double_list(b, (const double[]){1.5, 2}, 2),
                       pte_bool_list(b, (const bool[]){true, false}, 2),
                       pte_tensor_list(b, IDS(x, x)),
                       pte_optional_list(b, (const int32_t[]){-1, (int32_t)x}, 2),
                       y,
                       y};
    pte_kernel(b, "k", args, COUNT(args));
    pte_io(b, &x, 1, &y, 1);
    expect_text(b, "in %0 f32[2,3]\n"
                   "0 k %0 f32[2,3], -3, 0.5, true, -, 'floor', (-3, -3), (), (1.5, 2), (true, "
                   "false), (%0 f32[2,3], %0 f32[2,3]), "
                   "(-, %0 f32[2,3]), %12 f32[2,3]\n"
                   "out %12 f32[2,3]\n");
}

/* What an operator returns comes once: behind the others, however the schema says that. */
static void results(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32), i = pte_tensor(b, &i64),
             view = pte_tensor(b, &f32);
    uint32_t both = pte_tensor_list(b, IDS(y, i)), n = pte_int(b, 5), length = pte_int(b, 0);
    pte_kernel(b, "aten::max.dim_max", IDS(x, n, y, i, both));
    pte_kernel(b, "executorch_prim::et_view.default", IDS(y, n, view));
    pte_kernel(b, "aten::relu_", IDS(view, view));
    pte_kernel(b, "aten::sym_size.int", IDS(view, n, length));
    pte_kernel(b, "executorch_prim::add.Scalar", IDS(length, length, length));
    pte_kernel(b, "nothing", NULL, 0);
    pte_io(b, &x, 1, IDS(view, i, length));
    expect_text(b, "in %0 f32[2,3]\n"
                   "0 aten::max.dim_max %0 f32[2,3], 5, (%2 f32[2,3], %3 i32[2,3]<i64)\n"
                   "1 executorch_prim::et_view.default %2 f32[2,3], 5, %5 f32[2,3]\n"
                   "2 aten::relu_ %5 f32[2,3], %6 f32[2,3]\n"
                   "3 aten::sym_size.int %6 f32[2,3], 5, ?7\n"
                   "4 executorch_prim::add.Scalar ?7, ?7, ?8\n"
                   "5 nothing\n"
                   "out %6 f32[2,3], %3 i32[2,3]<i64, ?8\n");
}

static void symbolic_integers(void **state)
{
    (void)state;
    vkd_blob_builder *blob = blob_new();
    uint32_t in = blob_like(blob, &f32, NULL), s = blob_symint(blob, 0),
             given = blob_symint(blob, 0);
    blob_op(blob, "sym_size.int", 1, IDS(in, given, s));
    blob_io(blob, IDS(in, given), &s, 1);
    size_t size;
    void *bytes = blob_finish(blob, &size);
    vkd_pte_builder *b = pte_new();
    uint32_t delegates[3];
    for (size_t i = 0; i < COUNT(delegates); i++)
        delegates[i] = pte_delegate(b, "VulkanBackend", bytes, size);
    free(bytes);
    uint32_t x = pte_tensor(b, &f32), pos = pte_tensor(b, &one), count = pte_int(b, 9),
             fixed = pte_int(b, 4);
    uint32_t a = pte_int(b, 0), c = pte_int(b, 0), d = pte_int(b, 0), y = pte_tensor(b, &f32);
    uint32_t list = pte_int_list(b, IDS(fixed, a)), plain = pte_int_list(b, IDS(fixed));
    pte_call(b, delegates[0], IDS(x, count, a));
    pte_call(b, delegates[1], IDS(x, fixed, c));
    pte_call(b, delegates[2], IDS(x, pos, d));
    pte_kernel(b, "k", IDS(x, list, plain, d, y, y));
    pte_io(b, IDS(x, pos, count), &y, 1);
    expect_text(b, "in %0 f32[2,3], %11 i32[]<i64, ?3\n"
                   "1 sym_size.int %0 f32[2,3], ?3, ?1\n"
                   "1 sym_size.int %0 f32[2,3], 4, ?5\n"
                   "2 aten::_local_scalar_dense %11 i32[]<i64, ?12\n"
                   "1 sym_size.int %0 f32[2,3], ?12, ?9\n"
                   "3 k %0 f32[2,3], (4, ?1), (4), ?9, %15 f32[2,3]\n"
                   "out %15 f32[2,3]\n");
}

static void moves_are_names(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32), z = pte_tensor(b, &f32),
             n = pte_int(b, 3), m = pte_int(b, 0), l = pte_int_list(b, &n, 1),
             k = pte_int_list(b, NULL, 0);
    pte_kernel(b, "a", IDS(x, y, y));
    pte_move(b, y, z);
    pte_move(b, n, m);
    pte_move(b, l, k);
    pte_kernel(b, "b", IDS(z, m, k, y, y)); /* y is another value from here on, z not */
    pte_kernel(b, "c", IDS(z, y, x, x));
    pte_io(b, &x, 1, IDS(y, z, x));
    expect_text(b, "in %0 f32[2,3]\n"
                   "0 a %0 f32[2,3], %1 f32[2,3]\n"
                   "4 b %1 f32[2,3], 3, (3), %4 f32[2,3]\n"
                   "5 c %1 f32[2,3], %4 f32[2,3], %5 f32[2,3]\n"
                   "out %4 f32[2,3], %1 f32[2,3], %5 f32[2,3]\n");
}

/* ------------------------------------------------------------------------------------ constants */

static void constants(void **state)
{
    (void)state;
    static const int64_t wide[6] = {1, -2, INT32_MAX, INT32_MIN, 5, 6};
    static const double reals[6] = {0.5, 1, 2, 3, 4, 5};
    for (int no_segments = 0; no_segments <= 1; no_segments++) {
        vkd_pte_builder *b = pte_new();
        uint32_t a = pte_constant(b, &f32, weights), w = pte_constant(b, &i64, wide),
                 d = pte_constant(b, &f64, reals), e = pte_tensor(b, &f32), y = pte_tensor(b, &f32);
        if (no_segments)
            pte_no_segments(b);
        pte_kernel(b, "k", IDS(a, w, d, e, a, y, y));
        pte_io(b, &e, 1, &y, 1);
        fixture f;
        begin(&f, b);
        assert_string_equal(f.text.chars, "in %3 f32[2,3]\n"
                                          "0 k %0 f32[2,3]=, %1 i32[2,3]=<i64, %2 f32[2,3]=<f64, "
                                          "%3 f32[2,3], %0 f32[2,3]=, %4 f32[2,3]\n"
                                          "out %4 f32[2,3]\n");
        const uint8_t *data = f.model.values[0].tensor.data;
        /* not a copy */
        assert_in_range((uintptr_t)data, (uintptr_t)f.file, (uintptr_t)f.file + f.size);
        assert_memory_equal(data, weights, sizeof weights);
        for (size_t i = 0; i < 6; i++) {
            assert_int_equal(((const int32_t *)f.model.values[1].tensor.data)[i], wide[i]);
            assert_true((double)((const float *)f.model.values[2].tensor.data)[i] == reals[i]);
        }
        end(&f);
    }
}

/* x: "weights" and "again", and "unused", which is not there; a blob's constant under the key
 * "blob". */
static vkd_pte_builder *build_external(void)
{
    vkd_blob_builder *blob = blob_new();
    uint32_t in = blob_like(blob, &f32, NULL), out = blob_like(blob, &f32, NULL),
             c = blob_named_tensor(blob, VKD_DTYPE_FLOAT32, 1, (const uint32_t[]){6}, "blob");
    blob_op(blob, "a", 0, IDS(in, c, out));
    blob_io(blob, &in, 1, &out, 1);
    size_t size;
    void *bytes = blob_finish(blob, &size);
    vkd_pte_builder *b = pte_new();
    uint32_t w = pte_tensor(b, &f32);
    pte_external(b, "weights");
    uint32_t again = pte_tensor(b, &f32);
    pte_external(b, "again");
    pte_tensor(b, &f32);
    pte_external(b, "unused"); /* that it is missing does not matter */
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32);
    pte_call(b, pte_delegate(b, "VulkanBackend", bytes, size), IDS(x, y));
    pte_kernel(b, "k", IDS(w, again, y, y));
    pte_io(b, &x, 1, &y, 1);
    free(bytes);
    return b;
}

static const ptd_entry external[] = {
    {{"weights", weights, sizeof weights}, &f32},
    {{"blob", weights, sizeof weights}, NULL},
    {{"again", weights, sizeof weights}, &f32},
};

static void external_constants(void **state)
{
    (void)state;
    fixture f = {0};
    f.file = pte_finish(build_external(), &f.size);
    f.data = ptd_build(external, COUNT(external), &f.data_size);
    if (inline_file(&f) != VKD_OK)
        fail_msg("%s", f.r.context.error);
    say_model(&f.text, &f.model);
    assert_string_equal(f.text.chars, "in %0 f32[2,3]\n"
                                      "0 a %0 f32[2,3], %2 f32[6]=, %1 f32[2,3]\n"
                                      "1 k %3 f32[2,3]=, %4 f32[2,3]=, %5 f32[2,3]\n"
                                      "out %5 f32[2,3]\n");
    for (uint32_t value = 2; value < 5; value++) {
        const uint8_t *data = f.model.values[value].tensor.data;
        assert_in_range((uintptr_t)data, (uintptr_t)f.data, (uintptr_t)f.data + f.data_size);
        assert_memory_equal(data, weights, sizeof weights);
    }
    assert_int_equal(f.r.container.size, f.size + f.data_size);
    end(&f);
}

/* What a data file has under a key comes before what the program has, except that a tensor may be
 * in one of them alone. */
static void keys_in_both(void **state)
{
    (void)state;
    static const float others[6] = {0};
    vkd_pte_builder *b = build_external();
    pte_named(b, &(blob_named){"blob", others, sizeof others});
    fixture f = {0};
    f.file = pte_finish(b, &f.size);
    f.data = ptd_build(external, COUNT(external), &f.data_size);
    assert_int_equal(inline_file(&f), VKD_OK);
    assert_memory_equal(f.model.values[2].tensor.data, weights, sizeof weights);
    end(&f);

    b = build_external();
    pte_named(b, &(blob_named){"weights", others, sizeof others});
    f = (fixture){0};
    f.file = pte_finish(b, &f.size);
    f.data = ptd_build(external, COUNT(external), &f.data_size);
    expect_file_refused(&f, VKD_INVALID_MODEL,
                        "the tensor \"weights\" is in the program, or in a data file before, too");
    free(f.file);
    free(f.data);
}

static void refuses_missing_data(void **state)
{
    (void)state;
    static const struct {
        size_t entry;
        ptd_entry other;
        const char *says;
    } cases[] = {
        {0,
         {{"other", weights, sizeof weights}, &f32},
         "value 0 is the external constant 'weights', which is not there"},
        {0,
         {{"weights", weights, 20}, NULL},
         "value 0: the external constant 'weights', of 20 bytes"},
        {0,
         {{"weights", weights, sizeof weights}, &i32},
         "'weights', of 24 bytes, has another dtype or shape"},
        {0,
         {{"weights", weights, sizeof weights}, &row},
         "'weights', of 24 bytes, has another dtype or shape"},
        {0,
         {{"weights", weights, sizeof weights}, &turned},
         "'weights', of 24 bytes, has another dtype or shape"},
        {1,
         {{"else", weights, sizeof weights}, NULL},
         "no named data \"blob\": where it is not in the program a .ptd file has it"},
        {1, {{"blob", weights, 20}, NULL}, "named data \"blob\" has 20 bytes"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        ptd_entry entries[COUNT(external)];
        memcpy(entries, external, sizeof entries);
        entries[cases[i].entry] = cases[i].other;
        fixture f = {0};
        f.file = pte_finish(build_external(), &f.size);
        f.data = ptd_build(entries, COUNT(entries), &f.data_size);
        expect_file_refused(&f, VKD_INVALID_MODEL, cases[i].says);
        free(f.file);
        free(f.data);
    }
}

/* Constants with the same bytes, dtype and dims are one value; others of the same bytes not. */
static void equal_constants_are_shared(void **state)
{
    (void)state;
    static const vkd_tensor_info tall = {VKD_DTYPE_FLOAT32, 2, {3, 2}, 0};
    vkd_pte_builder *b = pte_new();
    uint32_t a = pte_constant(b, &f32, weights), c = pte_constant(b, &tall, weights),
             d = pte_constant(b, &f32, weights), y = pte_tensor(b, &f32);
    pte_kernel(b, "k", IDS(d, c, a, y, y));
    pte_io(b, NULL, 0, &y, 1);
    fixture f = {0};
    f.file = pte_finish(b, &f.size);
    for (size_t i = 1; i < 3; i++) { /* all take the first one's data */
        size_t plan = flat_item(f.file, flat_child(f.file, flat_follow(f.file, 0), 6), 0);
        size_t tensor = flat_child(f.file, flat_item(f.file, flat_child(f.file, plan, 8), i), 6);
        flat_set(f.file, flat_field(f.file, tensor, 14), 1, 4);
    }
    assert_int_equal(inline_file(&f), VKD_OK);
    say_model(&f.text, &f.model);
    assert_string_equal(
        f.text.chars,
        "in\n0 k %0 f32[2,3]=, %1 f32[3,2]=, %0 f32[2,3]=, %2 f32[2,3]\nout %2 f32[2,3]\n");
    end(&f);
}

/* ---------------------------------------------------------------------------------------- state */

static void buffers_are_state(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32), z = pte_tensor(b, &f32),
             zeros = pte_tensor(b, &f32), begun = pte_tensor(b, &f32);
    pte_initial(b, weights, sizeof weights);
    uint32_t fixed = pte_tensor(b, &f32);
    pte_initial(b, weights, sizeof weights);
    uint32_t other = pte_tensor(b, &f32), null = pte_null(b);
    pte_kernel(b, "k", IDS(x, zeros, begun, fixed, y, y));
    pte_kernel(b, "aten::copy_", IDS(zeros, y, null, zeros));
    /* writes state without an operator of its own */
    pte_call(b, add_delegate(b, "a", &f32, &f32), IDS(zeros, begun));
    pte_move(b, begun, other);
    pte_kernel(b, "m", IDS(begun, other, z, z));
    pte_io(b, &x, 1, IDS(z, zeros));
    expect_text(b, "in %0 f32[2,3]\n"
                   "0 k %0 f32[2,3], %1 f32[2,3]!, %2 f32[2,3]=!, %3 f32[2,3]=, %4 f32[2,3]\n"
                   "1 aten::copy_ %1 f32[2,3]!, %4 f32[2,3], -, %1 f32[2,3]!\n"
                   "40 a %1 f32[2,3]!, (%6 f32[3]=, %1 f32[2,3]!), %8 f32[2,3]\n"
                   "2 aten::copy_ %2 f32[2,3]=!, %8 f32[2,3], -, %2 f32[2,3]=!\n"
                   "4 m %2 f32[2,3]=!, %2 f32[2,3]=!, %10 f32[2,3]\n"
                   "out %10 f32[2,3], %1 f32[2,3]!\n");
}

/* ---------------------------------------------------------------------------------------- views */

/* No step writes a view that the exporter dropped: it is in the place of what it views, whatever
 * that was last. */
static void dropped_views(void **state)
{
    (void)state;
    static const vkd_tensor_info tall = {VKD_DTYPE_FLOAT32, 2, {3, 2}, 0},
                                 flat = {VKD_DTYPE_FLOAT32, 1, {6}, 0};
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), x_view = pte_tensor(b, &flat);
    pte_place(b, x);
    uint32_t y = pte_tensor(b, &f32), y_view = pte_tensor(b, &tall);
    pte_place(b, y);
    uint32_t z = pte_tensor(b, &f32), z_view = pte_tensor(b, &flat);
    pte_place(b, z);
    uint32_t later = pte_tensor(b, &f32), later_view = pte_tensor(b, &flat);
    pte_place(b, y); /* used again */
    pte_kernel(b, "a", IDS(x_view, y, y));
    pte_kernel(b, "b", IDS(y_view, y_view, later, later));
    pte_kernel(b, "c", IDS(later, z, z));
    pte_move(b, z, y);
    pte_kernel(b, "d", IDS(later_view, later, later));
    pte_io(b, &x, 1, IDS(z_view, later));
    expect_text(b, "in %0 f32[2,3]\n"
                   "0 aten.view_copy.default %0 f32[2,3], (6), %2 f32[6]\n"
                   "0 a %2 f32[6], %3 f32[2,3]\n"
                   "1 aten.view_copy.default %3 f32[2,3], (3, 2), %5 f32[3,2]\n"
                   "1 b %5 f32[3,2], %5 f32[3,2], %6 f32[2,3]\n"
                   "2 c %6 f32[2,3], %7 f32[2,3]\n"
                   "4 aten.view_copy.default %7 f32[2,3], (6), %9 f32[6]\n"
                   "4 d %9 f32[6], %10 f32[2,3]\n"
                   "5 aten.view_copy.default %7 f32[2,3], (6), %12 f32[6]\n"
                   "out %12 f32[6], %10 f32[2,3]\n");
}

/* A view of state is made anew, since state changes under it; one of a delegate's halves has
 * halves. */
static void views_of_state_and_halves(void **state)
{
    (void)state;
    static const vkd_tensor_info flat = {VKD_DTYPE_FLOAT32, 1, {6}, 0};
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), s = pte_tensor(b, &f32), s_view = pte_tensor(b, &flat);
    pte_place(b, s);
    uint32_t h = pte_tensor(b, &f32), h_view = pte_tensor(b, &flat);
    pte_place(b, h);
    uint32_t y = pte_tensor(b, &f32), null = pte_null(b);
    pte_kernel(b, "a", IDS(s_view, s, y, y));
    pte_kernel(b, "aten::copy_", IDS(s, x, null, s));
    pte_call(b, add_delegate(b, "halves", &f16, &f16), IDS(x, h));
    pte_kernel(b, "b", IDS(s_view, h_view, y, y));
    pte_io(b, &x, 1, &y, 1);
    expect_text(
        b,
        "in %4 f32[2,3]\n"
        "0 aten.view_copy.default %0 f32[2,3]!, (6), %2 f32[6]\n"
        "0 a %2 f32[6], %0 f32[2,3]!, %3 f32[2,3]\n"
        "1 aten::copy_ %0 f32[2,3]!, %4 f32[2,3], -, %0 f32[2,3]!\n"
        "2 dim_order_ops._to_dim_order_copy.default %4 f32[2,3], -, -, -, -, -, -, %10 f16[2,3]\n"
        "40 halves %10 f16[2,3], (%6 f32[3]=, %10 f16[2,3]), %8 f16[2,3]\n"
        "3 aten.view_copy.default %0 f32[2,3]!, (6), %12 f32[6]\n"
        "3 aten.view_copy.default %8 f16[2,3], (6), %14 f16[6]<f32\n"
        "3 dim_order_ops._to_dim_order_copy.default %14 f16[6]<f32, -, -, -, -, -, -, %15 f32[6]\n"
        "3 b %12 f32[6], %15 f32[6], %16 f32[2,3]\n"
        "out %16 f32[2,3]\n");
}

static void what_is_no_view(void **state)
{
    (void)state;
    static const vkd_tensor_info short_row = {VKD_DTYPE_FLOAT32, 1, {5}, 0},
                                 ints = {VKD_DTYPE_INT32, 1, {6}, 0};
    const vkd_tensor_info *infos[] = {&short_row, &ints};
    for (size_t i = 0; i < COUNT(infos); i++) {
        vkd_pte_builder *b = pte_new();
        uint32_t x = pte_tensor(b, &f32), view = pte_tensor(b, infos[i]);
        pte_place(b, x);
        uint32_t z = pte_tensor(b, &f32);
        pte_kernel(b, "a", IDS(view, z, z));
        pte_io(b, &x, 1, &z, 1);
        expect_refused(b, VKD_INVALID_MODEL,
                       "step 0 reads value 1, which nothing has written before");
    }
}

/* -------------------------------------------------------------------------------------- borders */

/* int64 outside is int32 inside; an input and an output that only a delegate of halves sees are
 * converted by the host. */
static void the_host_converts_at_the_ends(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &i64), h = pte_tensor(b, &f32), u = pte_tensor(b, &i64),
             v = pte_tensor(b, &f32), w = pte_tensor(b, &f32);
    pte_call(b, add_delegate(b, "ints", &i32, &i32), IDS(x, u));
    pte_call(b, add_delegate(b, "halves", &f16, &f16), IDS(h, v));
    pte_call(b, add_delegate(b, "halves", &f16, &f16), IDS(h, w));
    pte_io(b, IDS(x, h), IDS(u, v, w));
    expect_text(b, "in %1 i32[2,3]<i64, %5 f16[2,3]<f32\n"
                   "40 ints %1 i32[2,3]<i64, (%0 f32[3]=, %1 i32[2,3]<i64), %2 i32[2,3]<i64\n"
                   "40 halves %5 f16[2,3]<f32, (%4 f32[3]=, %5 f16[2,3]<f32), %6 f16[2,3]<f32\n"
                   "40 halves %5 f16[2,3]<f32, (%8 f32[3]=, %5 f16[2,3]<f32), %10 f16[2,3]<f32\n"
                   "out %2 i32[2,3]<i64, %6 f16[2,3]<f32, %10 f16[2,3]<f32\n");
}

static void casts_at_borders(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32), z = pte_tensor(b, &f32),
             k = pte_tensor(b, &f32);
    /* x is read by k too, which wants all of its bits */
    pte_call(b, add_delegate(b, "a", &f16, &f16), IDS(x, y));
    /* nothing is lost from half to half */
    pte_call(b, add_delegate(b, "b", &f16, &f16), IDS(y, z));
    pte_kernel(b, "k", IDS(x, y, k, k));
    pte_io(b, &x, 1, IDS(z, k));
    expect_text(
        b,
        "in %4 f32[2,3]\n"
        "0 dim_order_ops._to_dim_order_copy.default %4 f32[2,3], -, -, -, -, -, -, %6 f16[2,3]\n"
        "40 a %6 f16[2,3], (%0 f32[3]=, %6 f16[2,3]), %2 f16[2,3]\n"
        "40 b %2 f16[2,3], (%7 f32[3]=, %2 f16[2,3]), %9 f16[2,3]<f32\n"
        "2 dim_order_ops._to_dim_order_copy.default %2 f16[2,3], -, -, -, -, -, -, %11 f32[2,3]\n"
        "2 k %4 f32[2,3], %11 f32[2,3], %12 f32[2,3]\n"
        "out %9 f16[2,3]<f32, %12 f32[2,3]\n");
}

/* An output of the method is a reader, which wants the input as it is. */
static void an_input_that_is_an_output_is_not_rounded(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32);
    pte_call(b, add_delegate(b, "a", &f16, &f16), IDS(x, y));
    pte_io(b, &x, 1, IDS(x, y));
    expect_text(
        b, "in %4 f32[2,3]\n"
           "0 dim_order_ops._to_dim_order_copy.default %4 f32[2,3], -, -, -, -, -, -, %6 f16[2,3]\n"
           "40 a %6 f16[2,3], (%0 f32[3]=, %6 f16[2,3]), %2 f16[2,3]<f32\n"
           "out %4 f32[2,3], %2 f16[2,3]<f32\n");
}

static void bounds_and_orders(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32);
    pte_dynamic(b);
    /* of an output: the host turns it */
    uint32_t y = pte_tensor(b, &f32), z = pte_tensor(b, &turned);
    pte_dynamic(b);
    pte_call(b, add_delegate(b, "a", &f32, &f32), IDS(x, y));
    pte_kernel(b, "k", IDS(y, z, z));
    pte_io(b, &x, 1, &z, 1);
    expect_text(b, "in %1 f32[2,3...]\n"
                   "40 a %1 f32[2,3...], (%0 f32[3]=, %1 f32[2,3...]), %2 f32[2,3]\n"
                   "1 k %2 f32[2,3], %4 f32[2,3...]\n"
                   "out %4 f32[2,3...]\n");
}

/* ------------------------------------------------------------------------------------- refusals */

typedef struct refusal {
    vkd_pte_builder *b;
    uint32_t x, y, n; /* tensors, an int */
} refusal;

static refusal new_refusal(const vkd_tensor_info *x, const vkd_tensor_info *y)
{
    refusal r = {.b = pte_new()};
    r.x = pte_tensor(r.b, x);
    r.y = pte_tensor(r.b, y);
    r.n = pte_int(r.b, 1);
    pte_io(r.b, &r.x, 1, &r.y, 1);
    return r;
}

static void refuses_steps(void **state)
{
    (void)state;
    refusal r = new_refusal(&f32, &f32);
    pte_jump(r.b, r.n);
    expect_refused(r.b, VKD_UNSUPPORTED, "method \"forward\": step 0 is a JumpFalseCall");

    r = new_refusal(&f32, &f32);
    uint32_t delegate = add_delegate(r.b, "a", &f32, &f32);
    pte_call(r.b, delegate, IDS(r.x, r.y));
    pte_call(r.b, delegate, IDS(r.x, r.y));
    expect_refused(r.b, VKD_UNSUPPORTED, "delegate 0 is called twice");

    r = new_refusal(&f32, &f32);
    pte_call(r.b, pte_delegate(r.b, "XnnpackBackend", "x", 1), IDS(r.x, r.y));
    expect_refused(r.b, VKD_UNSUPPORTED,
                   "it is delegated to 'XnnpackBackend', not to 'VulkanBackend'");

    r = new_refusal(&f32, &f32);
    pte_call(r.b, add_delegate(r.b, "a", &f32, &f32), IDS(r.x));
    expect_refused(r.b, VKD_INVALID_MODEL,
                   "delegate 0 has 1 inputs and 1 outputs, but is called with 1 values");

    r = new_refusal(&f32, &f32);
    pte_call(r.b, pte_delegate(r.b, "VulkanBackend", "no blob", 7), IDS(r.x, r.y));
    expect_refused(r.b, VKD_INVALID_MODEL, "delegate blob");
}

static void refuses_borders(void **state)
{
    (void)state;
    static const struct {
        const vkd_tensor_info *x, *y, *blob_x, *blob_y;
        const char *says;
    } cases[] = {
        {&f32, &f32, &row, &f32, "input 0 of delegate 0 (value 0) has another shape or dtype"},
        {&f32, &f32, &i32, &f32, "input 0 of delegate 0 (value 0) has another shape or dtype"},
        {&f32, &f32, &f32, &row, "output 0 of delegate 0 (value 1) has another shape or dtype"},
        {&f32, &i64, &f32, &f32, "output 0 of delegate 0 (value 1) has another shape or dtype"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        refusal r = new_refusal(cases[i].x, cases[i].y);
        pte_call(r.b, add_delegate(r.b, "a", cases[i].blob_x, cases[i].blob_y), IDS(r.x, r.y));
        expect_refused(r.b, VKD_INVALID_MODEL, cases[i].says);
    }
    refusal r = new_refusal(&f32, &f32);
    pte_call(r.b, add_delegate(r.b, "a", &f32, &f32), IDS(r.n, r.y));
    expect_refused(r.b, VKD_INVALID_MODEL, "input 0 of delegate 0 (value 2) has another");
    r = new_refusal(&f32, &f32);
    pte_call(r.b, add_delegate(r.b, "a", &f32, &f32), IDS(r.x, r.n));
    expect_refused(r.b, VKD_INVALID_MODEL, "output 0 of delegate 0 (value 2) has another");

    vkd_blob_builder *blob = blob_new();
    uint32_t s = blob_symint(blob, 0), t = blob_symint(blob, 0);
    blob_io(blob, &s, 1, &t, 1);
    size_t size;
    void *bytes = blob_finish(blob, &size);
    r = new_refusal(&f32, &f32);
    pte_call(r.b, pte_delegate(r.b, "VulkanBackend", bytes, size), IDS(r.x, r.n));
    expect_refused(r.b, VKD_INVALID_MODEL, "input 0 of delegate 0 (value 0) is no int");
    r = new_refusal(&f32, &f32);
    pte_call(r.b, pte_delegate(r.b, "VulkanBackend", bytes, size), IDS(r.n, r.y));
    expect_refused(r.b, VKD_INVALID_MODEL, "output 0 of delegate 0 (value 1) is no int");
    free(bytes);

    blob = blob_new();
    uint32_t in = blob_like(blob, &f32, NULL);
    blob_io(blob, IDS(in, in), &in, 1);
    bytes = blob_finish(blob, &size);
    r = new_refusal(&f32, &f32);
    pte_call(r.b, pte_delegate(r.b, "VulkanBackend", bytes, size), IDS(r.x, r.x, r.y));
    expect_refused(r.b, VKD_INVALID_MODEL, "input 1 of delegate 0 is an earlier input too");
    free(bytes);
}

static void refuses_values(void **state)
{
    (void)state;
    refusal r = new_refusal(&f32, &f32);
    uint32_t unwritten = pte_tensor(r.b, &f32);
    pte_kernel(r.b, "k", IDS(unwritten, r.y, r.y));
    expect_refused(r.b, VKD_INVALID_MODEL,
                   "step 0 reads value 3, which nothing has written before");

    r = new_refusal(&f32, &f32);
    expect_refused(r.b, VKD_INVALID_MODEL, "output 0 (value 1) is never written");

    r = new_refusal(&f32, &f32);
    pte_move(r.b, r.n, r.y);
    expect_refused(r.b, VKD_UNSUPPORTED,
                   "output 0 (value 1) is neither a tensor nor a computed int");

    r = new_refusal(&f32, &f32);
    pte_move(r.b, r.n, r.x);
    pte_kernel(r.b, "k", IDS(r.x, r.y, r.y));
    expect_refused(r.b, VKD_INVALID_MODEL, "step 1 reads value 0 as f32, but it is no tensor");

    r = new_refusal(&f32, &f32);
    pte_move(r.b, r.x, r.y);
    pte_io(r.b, IDS(pte_double(r.b, 1)), NULL, 0);
    expect_refused(r.b, VKD_UNSUPPORTED, "value 3, an input, is neither a tensor nor an int");

    r = new_refusal(&f32, &row);
    pte_move(r.b, r.x, r.y);
    expect_refused(r.b, VKD_INVALID_MODEL, "output 0 (value 1) has another shape");

    static const int64_t huge[6] = {0, 0, 1LL << 31, 0, 0, 0};
    r = new_refusal(&f32, &f32);
    uint32_t k = pte_constant(r.b, &i64, huge);
    pte_kernel(r.b, "k", IDS(k, r.y, r.y));
    expect_refused(r.b, VKD_UNSUPPORTED, "value 3: element 2 of the constant is 2147483648");
}

static void refuses_orders(void **state)
{
    (void)state;
    refusal r = new_refusal(&f32, &f32);
    uint32_t k = pte_constant(r.b, &turned, weights);
    pte_kernel(r.b, "k", IDS(k, r.y, r.y));
    expect_refused(r.b, VKD_UNSUPPORTED, "value 3, a constant, has a dim_order");
}

/* A tensor that vkd_model_tensor cannot describe matters where a step touches it. */
static void refuses_undescribed_tensors(void **state)
{
    (void)state;
    for (int use = 0; use < 4; use++) {
        refusal r = new_refusal(&f32, &f32);
        uint32_t z = pte_tensor(r.b, &f32);
        if (use == 1)
            pte_kernel(r.b, "k", IDS(z, r.y, r.y));
        else if (use == 2)
            pte_kernel(r.b, "k", IDS(r.x, z, z));
        else if (use == 3)
            pte_call(r.b, add_delegate(r.b, "a", &f32, &f32), IDS(r.x, z));
        pte_kernel(r.b, "last", IDS(r.x, r.y, r.y));
        fixture f = {0};
        f.file = pte_finish(r.b, &f.size);
        size_t plan = flat_item(f.file, flat_child(f.file, flat_follow(f.file, 0), 6), 0);
        size_t tensor = flat_child(f.file, flat_item(f.file, flat_child(f.file, plan, 8), z), 6);
        flat_set(f.file, flat_field(f.file, tensor, 4), 2, 1); /* int16 */
        if (use) {
            expect_file_refused(&f, VKD_UNSUPPORTED, "value 3: its scalar_type is not one of");
        } else {
            assert_int_equal(inline_file(&f), VKD_OK);
            reading_end(&f.r);
        }
        free(f.file);
    }
}

/* ----------------------------------------------------------------------------- small files only */

/* A long list that many steps mention, as an argument or as a result. */
static void refuses_lists_without_end(void **state)
{
    (void)state;
    enum { ITEMS = 4000, STEPS = 4000 };
    static uint32_t ids[ITEMS];
    for (int result = 0; result <= 1; result++) {
        refusal r = new_refusal(&f32, &f32);
        for (size_t i = 0; i < ITEMS; i++)
            ids[i] = r.x;
        uint32_t list = pte_tensor_list(r.b, ids, ITEMS);
        for (size_t i = 0; i < STEPS; i++)
            if (result)
                pte_kernel(r.b, "k", IDS(r.x, list));
            else
                pte_kernel(r.b, "k", IDS(list, r.y, r.y));
        expect_refused(r.b, VKD_INVALID_MODEL, "need more memory than the file can account for");
    }
}

/* The delegates' blobs, in the segments that they have as numbers. */
static size_t delegate_data(const uint8_t *file, size_t index)
{
    size_t plan = flat_item(file, flat_child(file, flat_follow(file, 0), 6), 0);
    return flat_field(file, flat_child(file, flat_item(file, flat_child(file, plan, 18), index), 6),
                      6);
}

/* Delegates of equal contents share their blob: it is read once. Blobs that overlap otherwise are
 * refused. */
static void blobs_are_read_once(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32), z = pte_tensor(b, &f32);
    vkd_blob_builder *blob = blob_new();
    uint32_t in = blob_like(blob, &f32, NULL),
             named =
                 blob_named_tensor(blob, VKD_DTYPE_FLOAT32, 1, (const uint32_t[]){6}, "weights"),
             out = blob_like(blob, &f32, NULL);
    uint8_t filler[30000] = {0};
    blob_inline(blob, filler, sizeof filler);
    blob_op(blob, "a", 40, IDS(in, named, out));
    blob_io(blob, &in, 1, &out, 1);
    size_t size;
    void *bytes = blob_finish(blob, &size);
    pte_delegate(b, "VulkanBackend", bytes, size);
    pte_delegate(b, "VulkanBackend", bytes, size);
    free(bytes);
    pte_call(b, 0, IDS(x, y));
    pte_call(b, 1, IDS(y, z));
    pte_named(b, &(blob_named){"weights", weights, sizeof weights});
    pte_io(b, &x, 1, &z, 1);
    fixture f = {0};
    f.file = pte_finish(b, &f.size);
    assert_int_equal(inline_file(&f), VKD_OK);
    assert_ptr_not_equal(f.model.ops[0].name, f.model.ops[1].name);
    reading_end(&f.r);

    flat_set(f.file, delegate_data(f.file, 1), 0, 4);
    assert_int_equal(inline_file(&f), VKD_OK);
    assert_ptr_equal(f.model.ops[0].name, f.model.ops[1].name);
    say_model(&f.text, &f.model);
    assert_string_equal(f.text.chars, "in %0 f32[2,3]\n"
                                      "40 a %0 f32[2,3], %1 f32[6]=, %2 f32[2,3]\n"
                                      "40 a %2 f32[2,3], %4 f32[6]=, %5 f32[2,3]\n"
                                      "out %5 f32[2,3]\n");
    reading_end(&f.r);

    /* both blobs to the end of the file */
    size_t segments = flat_child(f.file, flat_follow(f.file, 0), 12);
    flat_set(f.file, delegate_data(f.file, 1), 1, 4);
    flat_set(f.file, flat_field(f.file, flat_item(f.file, segments, 1), 4), 0, 8);
    flat_set(f.file, flat_field(f.file, flat_item(f.file, segments, 1), 6), 2 * size, 8);
    expect_file_refused(&f, VKD_INVALID_MODEL, "the blobs of its delegates lie over each other");
    free(f.file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_delegate_is_its_blob),
        cmocka_unit_test(sample_models_are_their_blobs),
        cmocka_unit_test(delegates_and_a_kernel_between),
        cmocka_unit_test(ends_of_every_kind),
        cmocka_unit_test(arguments_of_every_kind),
        cmocka_unit_test(results),
        cmocka_unit_test(symbolic_integers),
        cmocka_unit_test(moves_are_names),
        cmocka_unit_test(constants),
        cmocka_unit_test(external_constants),
        cmocka_unit_test(keys_in_both),
        cmocka_unit_test(refuses_missing_data),
        cmocka_unit_test(equal_constants_are_shared),
        cmocka_unit_test(buffers_are_state),
        cmocka_unit_test(dropped_views),
        cmocka_unit_test(views_of_state_and_halves),
        cmocka_unit_test(what_is_no_view),
        cmocka_unit_test(the_host_converts_at_the_ends),
        cmocka_unit_test(casts_at_borders),
        cmocka_unit_test(an_input_that_is_an_output_is_not_rounded),
        cmocka_unit_test(bounds_and_orders),
        cmocka_unit_test(refuses_steps),
        cmocka_unit_test(refuses_borders),
        cmocka_unit_test(refuses_values),
        cmocka_unit_test(refuses_orders),
        cmocka_unit_test(refuses_undescribed_tensors),
        cmocka_unit_test(refuses_lists_without_end),
        cmocka_unit_test(blobs_are_read_once),
    };
    return cmocka_run_group_tests_name("inline", tests, NULL, NULL);
}
