/* op-check MODEL.pte TRACE_DIR INPUT.f32...: runs every operator of a model's delegate by itself,
 * on the inputs that a reference recorded, and compares with the output that it recorded.
 *
 * TRACE_DIR has one NNNN-<value id>-<operator>.npy for every result. INPUT.f32: the model's inputs,
 * which no operator produces. Exit status 0: every int8 or int32 element within 1, every float
 * within 1e-5 of the tensor's largest magnitude. */
#include "schema/named.h"
#include "support/flat.h"
#include "support/harness.h"
#include "support/model_io.h"
#include "support/npy.h"
#include "support/reference.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct check {
    harness harness;
    reading reading;
    vkd_model model;
    char **traces; /* by value id: the file with its contents, or null */
    int input_count;
    char **inputs; /* files */
    size_t checked, failed;
} check;

/* ---------------------------------------------------------------------------------------- files */

static bool read_model(check *c, const char *path)
{
    size_t size;
    uint8_t *file = flat_read_file(path, &size); /* stays: the model points into it */
    if (!file)
        return false;
    reading_begin(&c->reading, NULL);
    vkd_status status = vkd_container_read(file, size, &c->reading.arena, &c->reading.container);
    const vkd_container_method *method = status == VKD_OK ? &c->reading.container.methods[0] : NULL;
    if (method && method->delegate_count != 1) {
        fprintf(stderr, "%s: %zu delegates: exactly one is needed\n", path, method->delegate_count);
        return false;
    }
    if (method)
        status = vkd_model_read(method->delegates[0].blob.data, method->delegates[0].blob.size,
                                &c->reading.container.named_data, &c->reading.arena, &c->model);
    if (status != VKD_OK)
        fprintf(stderr, "%s: %s\n", path, c->reading.context.error);
    return status == VKD_OK;
}

static bool list_traces(check *c, const char *directory)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, NULL, alphasort), found = 0;
    c->traces = calloc(c->model.value_count, sizeof *c->traces);
    for (int i = 0; i < count; i++) {
        unsigned number, value;
        if (c->traces && sscanf(entries[i]->d_name, "%u-%u-", &number, &value) == 2 &&
            value < c->model.value_count) {
            c->traces[value] = join_path(directory, entries[i]->d_name);
            found++;
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    if (!found)
        fprintf(stderr, "%s: no trace of this model\n", directory);
    return found;
}

/* A value's contents, from malloc: out of the trace or out of the input's file. Null with a
 * message. */
static void *load_value(const check *c, uint32_t value)
{
    const vkd_model_tensor *tensor = &c->model.values[value].tensor;
    for (int i = 0; i < c->input_count && i < (int)c->model.input_count; i++)
        if (c->model.inputs[i] == value) {
            size_t size;
            uint8_t *bytes = flat_read_file(c->inputs[i], &size);
            if (bytes && size == tensor->size)
                return bytes;
            fprintf(stderr, "%s has %zu bytes, the model's input %zu\n", c->inputs[i], size,
                    tensor->size);
            free(bytes);
            return NULL;
        }
    npy_array array;
    const char *fault = c->traces[value] ? npy_read(c->traces[value], &array) : "not in the trace";
    if (!fault && (array.dtype != tensor->dtype || array.size != tensor->size)) {
        npy_free(&array);
        fault = "another dtype or size than in the model";
    }
    if (!fault)
        return array.data;
    fprintf(stderr, "value %u: %s\n", value, fault);
    return NULL;
}

/* ------------------------------------------------------------------------------------ operators */

static bool report(const check *c, size_t index, uint32_t value, const void *got,
                   const void *expected)
{
    const vkd_model_tensor *tensor = &c->model.values[value].tensor;
    size_t count = (size_t)vkd_dims_count(tensor->rank, tensor->dims);
    double *values = malloc(count * sizeof *values);
    if (!values)
        return false;
    reference_load(tensor->dtype, count, expected, values);
    reference_difference d = reference_compare(tensor->dtype, count, got, values);
    free(values);
    printf("%04zu %-52s %s %9zu elements %8.5f %% differ, at most %.3g%s\n", index,
           c->model.ops[index].name, vkd_dtype_name(tensor->dtype), count,
           100.0 * (double)d.differing / (double)count, d.largest, d.accepted ? "" : "  WRONG");
    return d.accepted;
}

/* Runs and compares one operator, whose buffers are there. */
static bool check_operator(check *c, size_t index, const vkd_model *one, void **inputs,
                           void **outputs)
{
    for (size_t i = 0; i < one->input_count; i++)
        if (!(inputs[i] = load_value(c, one->inputs[i])))
            return false;
    for (size_t i = 0; i < one->output_count; i++)
        if (!(outputs[i] = calloc(1, one->values[one->outputs[i]].tensor.size)))
            return false;
    vkd_status status = harness_run(&c->harness, one, NULL, (const void *const *)inputs, outputs);
    if (status != VKD_OK) {
        printf("%04zu %s: %s: %s\n", index, c->model.ops[index].name, vkd_status_name(status),
               c->harness.gpu.context.error);
        return false;
    }
    bool good = true;
    for (size_t i = 0; i < one->output_count; i++) {
        void *expected = load_value(c, one->outputs[i]);
        good = expected && report(c, index, one->outputs[i], outputs[i], expected) && good;
        free(expected);
    }
    return good;
}

static bool run_operator(check *c, size_t index)
{
    vkd_arena arena;
    vkd_arena_init(&arena, &c->harness.gpu.context);
    const vkd_model *one = model_of_operator(&c->model, index, &arena);
    void **inputs = one ? vkd_arena_alloc(&arena, one->input_count, sizeof *inputs) : NULL;
    void **outputs = one ? vkd_arena_alloc(&arena, one->output_count, sizeof *outputs) : NULL;
    bool good = inputs && outputs && check_operator(c, index, one, inputs, outputs);
    for (size_t i = 0; inputs && i < one->input_count; i++)
        free(inputs[i]);
    for (size_t i = 0; outputs && i < one->output_count; i++)
        free(outputs[i]);
    vkd_arena_release(&arena);
    return good;
}

int main(int argc, char **argv)
{
    static check c;
    if (argc < 4) {
        fprintf(stderr, "usage: op-check MODEL.pte TRACE_DIR INPUT.f32...\n");
        return 2;
    }
    c.input_count = argc - 3;
    c.inputs = argv + 3;
    if (!read_model(&c, argv[1]) || !list_traces(&c, argv[2]))
        return 2;
    if (!gpu_present() || !harness_open(NULL, &c.harness)) {
        fprintf(stderr, "no device: %s\n", c.harness.gpu.context.error);
        return 2;
    }
    printf("device %s\n", c.harness.caps.name);
    for (size_t i = 0; i < c.model.op_count; i++) {
        c.checked++;
        c.failed += !run_operator(&c, i);
    }
    printf("%zu operators, %zu wrong\n", c.checked, c.failed);
    harness_close(&c.harness);
    return c.failed ? 1 : 0;
}
