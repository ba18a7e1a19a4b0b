#include "selftest/model.h"

#include "backend/delegate.h"
#include "runtime/base/element.h"
#include "selftest/report.h"
#include "support/layers.h"
#include "support/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A model that is loaded on a device. */
typedef struct loaded {
    vkd_program *program;
    vkd_method *method;
    vkd_delegate *delegate;
} loaded;

/* What is checked: the model on one device, or two. */
typedef struct check {
    const selftest_model *what;
    void *file, *data[8];
    size_t file_size, data_sizes[8];
    vkd_tensor_arg *args;
    size_t arg_count, input_count;
    loaded here, there;
    size_t right, wrong, unknown, moved, json_count;
} check;

static vkd_status complain(vkd_status status, const char *what, const char *why)
{
    fprintf(stderr, "vkd-selftest: %s: %s\n", what, why);
    return status;
}

/* -------------------------------------------------------------------------------------- loading */

/* The whole file, for free(). */
static vkd_status read_file(const char *path, void **out, size_t *out_size)
{
    FILE *file = fopen(path, "rb");
    size_t capacity = 1 << 16, size = 0, got;
    char *bytes = file ? malloc(capacity) : NULL;
    while (bytes && (got = fread(bytes + size, 1, capacity - size, file)) > 0) {
        size += got;
        char *grown = size == capacity ? realloc(bytes, capacity *= 2) : bytes;
        if (!grown)
            free(bytes);
        bytes = grown;
    }
    bool failed = !file || ferror(file);
    if (file)
        fclose(file);
    *out = bytes;
    *out_size = size;
    return failed  ? complain(VKD_IO_ERROR, path, "cannot be read")
           : bytes ? VKD_OK
                   : complain(VKD_OUT_OF_MEMORY, path, "out of memory");
}

/* The bytes stay ours: the reference reads constants where they are. */
static vkd_status load(check *c, const char *device, loaded *out)
{
    const selftest_model *what = c->what;
    const vkd_options options = {.size = sizeof options,
                                 .device = device,
                                 .no_cache = true,
                                 .no_rewrites = true,
                                 .keep_intermediates = true};
    vkd_status status = vkd_program_open_bytes(c->file, c->file_size, &options, &out->program);
    for (size_t i = 0; i < what->data_file_count && status == VKD_OK; i++)
        status = vkd_program_add_data_bytes(out->program, c->data[i], c->data_sizes[i]);
    if (status == VKD_OK)
        status = vkd_method_load(out->program, what->method, &options, &out->method);
    if (status == VKD_OK)
        out->delegate = vkd_method_delegate(out->method);
    return status; /* the library has said why */
}

/* Floats from -1 to 1, bytes all over, and zeros for ints, which may be indices. */
static void make_up(vkd_random *random, const vkd_tensor_info *info, void *bytes)
{
    size_t count = info->size / vkd_dtype_size(info->dtype);
    for (size_t i = 0; i < count; i++) {
        double value = (double)random_float(random, -1, 1);
        if (info->dtype == VKD_DTYPE_INT8 || info->dtype == VKD_DTYPE_UINT8)
            value = random_range(random, 0, 127);
        else if (info->dtype == VKD_DTYPE_INT32 || info->dtype == VKD_DTYPE_INT64)
            value = 0;
        if (info->dtype == VKD_DTYPE_INT64)
            ((int64_t *)bytes)[i] = 0;
        else if (info->dtype == VKD_DTYPE_FLOAT64)
            ((double *)bytes)[i] = value;
        else
            vkd_element_set(info->dtype, bytes, i, value);
    }
}

static vkd_status make_input(check *c, vkd_random *random, size_t index)
{
    vkd_tensor_info info;
    VKD_TRY(vkd_method_input_info(c->here.method, index, &info));
    vkd_tensor_arg *arg = &c->args[index];
    *arg = (vkd_tensor_arg){sizeof *arg, info.dtype, info.rank, {0}, NULL, NULL, info.size};
    memcpy(arg->dims, info.dims, sizeof arg->dims);
    void *bytes = NULL;
    size_t size = info.size;
    if (c->what->inputs)
        VKD_TRY(read_file(c->what->inputs[index], &bytes, &size));
    else if ((bytes = calloc(1, info.size + 1)))
        make_up(random, &info, bytes);
    arg->input = bytes;
    if (!bytes)
        return complain(VKD_OUT_OF_MEMORY, "an input", "out of memory");
    return size == info.size ? VKD_OK
                             : complain(VKD_INVALID_ARGUMENT, c->what->inputs[index],
                                        "is not as large as the model's input");
}

static vkd_status make_args(check *c)
{
    vkd_random random = {c->what->seed};
    c->input_count = vkd_method_input_count(c->here.method);
    c->arg_count = c->input_count + vkd_method_output_count(c->here.method);
    c->args = calloc(c->arg_count + 1, sizeof *c->args);
    if (!c->args)
        return complain(VKD_OUT_OF_MEMORY, "the arguments", "out of memory");
    if (c->what->inputs && c->what->input_count != c->input_count)
        return complain(VKD_INVALID_ARGUMENT, "--input", "is needed once for each input");
    for (size_t i = 0; i < c->input_count; i++)
        VKD_TRY(make_input(c, &random, i));
    for (size_t i = c->input_count; i < c->arg_count; i++) {
        vkd_tensor_info info;
        VKD_TRY(vkd_method_output_info(c->here.method, i - c->input_count, &info));
        c->args[i] = (vkd_tensor_arg){sizeof *c->args,          info.dtype, 0, {0}, NULL,
                                      calloc(1, info.size + 1), info.size};
        if (!c->args[i].output)
            return complain(VKD_OUT_OF_MEMORY, "an output", "out of memory");
    }
    return VKD_OK;
}

static vkd_status prepare(check *c)
{
    const selftest_model *what = c->what;
    VKD_TRY(read_file(what->model, &c->file, &c->file_size));
    for (size_t i = 0; i < what->data_file_count; i++)
        VKD_TRY(read_file(what->data_files[i], &c->data[i], &c->data_sizes[i]));
    VKD_TRY(load(c, what->device, &c->here));
    VKD_TRY(make_args(c));
    VKD_TRY(vkd_method_execute(c->here.method, c->args, c->arg_count));
    if (!what->other)
        return VKD_OK;
    VKD_TRY(load(c, what->other, &c->there));
    return vkd_method_execute(c->there.method, c->args, c->arg_count);
}

static void unload(loaded *l)
{
    vkd_method_unload(l->method);
    vkd_program_close(l->program);
}

static void release(check *c)
{
    unload(&c->here);
    unload(&c->there);
    for (size_t i = 0; c->args && i < c->arg_count; i++) {
        free((void *)c->args[i].input);
        free(c->args[i].output);
    }
    free(c->args);
    free(c->file);
    for (size_t i = 0; i < sizeof c->data / sizeof *c->data; i++)
        free(c->data[i]);
}

/* ------------------------------------------------------------------------------------ comparing */

/* The same bytes on another device. Integers may be a step apart; floats go through other
 * roundings from the first operator on, so that they are compared as halves would be. */
static layer_result compare_devices(const layers *here, const layers *there, uint32_t value)
{
    const vkd_model_tensor *tensor = &here->model->values[value].tensor;
    layer_result out = {.verdict = LAYER_UNKNOWN, .dtype = tensor->dtype};
    void *a = layers_read(here, value), *b = layers_read(there, value);
    size_t count = tensor->size / vkd_dtype_size(tensor->dtype);
    double *expected = calloc(count + 1, sizeof *expected);
    if (a && b && expected) {
        reference_load(tensor->dtype, count, b, expected);
        out.difference = reference_compare(tensor->dtype, count, a, expected);
        bool is_float = tensor->dtype == VKD_DTYPE_FLOAT32 || tensor->dtype == VKD_DTYPE_FLOAT16;
        bool same = is_float ? out.difference.largest <= 1e-3 : out.difference.accepted;
        out.verdict = same ? LAYER_RIGHT : LAYER_WRONG;
    } else if (!a && !b) {
        out.verdict = LAYER_MOVED;
    }
    free(expected);
    free(a);
    free(b);
    return out;
}

/* The dispatches that an operator became. */
static void print_kernels(const check *c, const vkd_model_op *op)
{
    vkd_node_info node;
    for (size_t i = 0; vkd_describe_node(c->here.delegate, i, &node) == VKD_OK; i++)
        if (node.op_id == op->node_id && !strcmp(node.op, op->name))
            fprintf(c->what->text, "    kernel %s%s%s, %s\n", node.kernel,
                    *node.variant ? ", variant " : "", node.variant, node.shape);
}

static void print_wrong(check *c, const vkd_model_op *op, const layer_result *r)
{
    const reference_difference *d = &r->difference;
    fprintf(c->what->text, "%s %s (node %u), %s: ", c->wrong == 1 ? "FIRST:" : "then", op->name,
            op->node_id, vkd_dtype_name(r->dtype));
    if (r->verdict == LAYER_LOST)
        fprintf(c->what->text, "its result is nowhere\n");
    else
        fprintf(c->what->text, "%zu of %zu elements differ, by %.3g at most\n", d->differing,
                d->count, d->largest);
    print_kernels(c, op);
}

static void write_json(check *c, const vkd_model_op *op, const layer_result *r)
{
    static const char *const verdicts[] = {"right", "wrong", "view", "no reference", "lost"};
    FILE *out = c->what->json;
    const double largest = r->difference.largest;
    fprintf(out, "%s{\"op_id\": %u, \"op\": ", c->json_count++ ? ",\n" : "", op->node_id);
    selftest_json_text(op->name, out);
    fprintf(out, ", \"verdict\": \"%s\", \"elements\": %zu, \"differing\": %zu, \"largest\": ",
            verdicts[r->verdict], r->difference.count, r->difference.differing);
    fprintf(out, isfinite(largest) ? "%.9g}" : "null}", largest);
}

static void take(check *c, const vkd_model_op *op, const layer_result *r)
{
    size_t *const counts[] = {&c->right, &c->wrong, &c->moved, &c->unknown, &c->wrong};
    ++*counts[r->verdict];
    if (r->verdict == LAYER_WRONG || r->verdict == LAYER_LOST)
        print_wrong(c, op, r);
    if (c->what->json)
        write_json(c, op, r);
}

/* The operator's result: its last argument, or the first of a list. */
static bool result_of(const vkd_model *model, const vkd_model_op *op, uint32_t *out)
{
    if (!op->arg_count)
        return false;
    uint32_t id = op->args[op->arg_count - 1];
    if (model->values[id].kind == VKD_VALUE_VALUE_LIST && model->values[id].list.count)
        id = model->values[id].list.values[0];
    *out = id;
    return model->values[id].kind == VKD_VALUE_TENSOR;
}

static void check_all(check *c)
{
    const vkd_model *model = &c->here.delegate->model;
    layers here, there;
    uint32_t value;
    layers_begin(&here, c->here.delegate, model);
    if (c->what->other)
        layers_begin(&there, c->there.delegate, &c->there.delegate->model);
    for (size_t i = 0; i < model->op_count; i++) {
        layer_result result = {.verdict = LAYER_UNKNOWN};
        if (!c->what->other)
            result = layers_check(&here, &model->ops[i]);
        else if (result_of(model, &model->ops[i], &value))
            result = compare_devices(&here, &there, value);
        take(c, &model->ops[i], &result);
    }
    layers_end(&here);
    if (c->what->other)
        layers_end(&there);
}

static void print_end(const check *c)
{
    const selftest_model *what = c->what;
    fprintf(what->text, "%s on %s", what->model, vkd_delegate_device(c->here.delegate)->name);
    if (what->other)
        fprintf(what->text, " and %s", vkd_delegate_device(c->there.delegate)->name);
    fprintf(what->text,
            ": %zu operators right, %zu wrong, %zu views, %zu without a reference; seed %llu\n",
            c->right, c->wrong, c->moved, c->unknown, (unsigned long long)what->seed);
}

vkd_status selftest_model_check(const selftest_model *what, size_t *out_wrong)
{
    check c = {.what = what};
    vkd_status status = what->data_file_count <= sizeof c.data / sizeof *c.data
                            ? prepare(&c)
                            : complain(VKD_INVALID_ARGUMENT, "--ptd", "at most 8 files");
    if (status == VKD_OK) {
        if (what->json)
            fprintf(what->json, "{\"operators\": [\n");
        check_all(&c);
        print_end(&c);
        if (what->json)
            fprintf(what->json, "], \"right\": %zu, \"wrong\": %zu, \"without_reference\": %zu}\n",
                    c.right, c.wrong, c.unknown);
    }
    *out_wrong = c.wrong;
    release(&c);
    return status;
}
