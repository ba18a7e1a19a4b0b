#include "support/model_io.h"
#include "support/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "ops/lower.h"
#include "schema/inline.h"

/* -------------------------------------------------------------------------------------- samples */

void sample_open(sample *s, const char *folder)
{
    *s = (sample){.folder = folder};
    s->file = reading_sample_file(folder, "model.pte", &s->file_size);
    reading_begin(&s->reading, NULL);
    assert_int_equal(
        vkd_container_read(s->file, s->file_size, &s->reading.arena, &s->reading.container),
        VKD_OK);
    s->method = &s->reading.container.methods[0];
    assert_int_equal(vkd_inline_method(&s->reading.container, s->method, vkd_backend.id,
                                       &s->reading.arena, &s->model),
                     VKD_OK);
    s->input_count = s->method->input_count;
    assert_true(s->input_count <= SAMPLE_INPUTS);
    for (size_t i = 0; i < s->input_count; i++) {
        char name[32];
        snprintf(name, sizeof name, "input%zu.f32", i);
        s->inputs[i] = reading_sample_file(folder, name, &s->input_sizes[i]);
    }
    size_t size;
    s->expected = (float *)(void *)reading_sample_file(folder, "expected-delegate.f32", &size);
    s->count = size / sizeof(float);
}

void sample_close(sample *s)
{
    reading_end(&s->reading);
    for (size_t i = 0; i < s->input_count; i++)
        free(s->inputs[i]);
    free(s->expected);
    free(s->file);
    *s = (sample){0};
}

const char *sample_unsupported(const sample *s)
{
    for (size_t i = 0; i < s->model.op_count; i++)
        if (!vkd_op_find(&vkd_ops, s->model.ops[i].name, s->model.ops[i].arg_count))
            return s->model.ops[i].name;
    return NULL;
}

double sample_output_step(const sample *s)
{
    for (size_t i = s->model.op_count; i-- > 0;) {
        const vkd_model_op *op = &s->model.ops[i];
        if (strcmp(op->name, "quantized_decomposed.dequantize_per_tensor.default"))
            continue;
        const vkd_model_value *scale = &s->model.values[op->args[1]];
        return scale->kind == VKD_VALUE_DOUBLE ? scale->d : (double)scale->i;
    }
    return 0;
}

/* -------------------------------------------------------------------------------------- running */

vkd_status sample_execute(const sample *s, vkd_method *method, float *out)
{
    vkd_tensor_arg args[SAMPLE_INPUTS + 1];
    vkd_tensor_info info;
    for (size_t i = 0; i < s->input_count; i++) {
        VKD_TRY(vkd_method_input_info(method, i, &info));
        args[i] = call_input(&info, s->inputs[i]);
        assert_int_equal(args[i].capacity, s->input_sizes[i]);
    }
    VKD_TRY(vkd_method_output_info(method, 0, &info));
    args[s->input_count] = call_output(&info, out);
    assert_int_equal(info.size, s->count * sizeof *out);
    return vkd_method_execute(method, args, s->input_count + 1);
}

vkd_status sample_load(const sample *s, const vkd_options *options, vkd_program **out_program,
                       vkd_method **out_method)
{
    *out_method = NULL;
    VKD_TRY(vkd_program_open_bytes(s->file, s->file_size, options, out_program));
    vkd_status status = vkd_method_load(*out_program, NULL, options, out_method);
    if (status == VKD_OK)
        return status;
    vkd_method_unload(*out_method);
    vkd_program_close(*out_program);
    *out_method = NULL;
    *out_program = NULL;
    return status;
}

float *sample_run(const sample *s, const vkd_options *options, int runs)
{
    vkd_program *program;
    vkd_method *method;
    vkd_status status = sample_load(s, options, &program, &method);
    if (status != VKD_OK)
        fail_msg("%s: %s: %s", s->folder, vkd_status_name(status), options->error);
    float *result = malloc(s->count * sizeof *result), *again = malloc(s->count * sizeof *again);
    assert_true(result && again);
    for (int run = 0; run < runs; run++) {
        if (sample_execute(s, method, run ? again : result) != VKD_OK)
            fail_msg("%s: %s", s->folder, vkd_method_error(method));
        if (run && memcmp(result, again, s->count * sizeof *result))
            fail_msg("%s: run %d gives another output than the first", s->folder, run);
    }
    free(again);
    vkd_method_unload(method);
    vkd_program_close(program);
    return result;
}

/* --------------------------------------------------------------------------------- one operator */

/* The value ids behind an argument: itself or the members of a list. */
static const uint32_t *members(const vkd_model *model, const uint32_t *arg, size_t *out_count)
{
    const vkd_model_value *value = &model->values[*arg];
    *out_count = value->kind == VKD_VALUE_VALUE_LIST ? value->list.count : 1;
    return value->kind == VKD_VALUE_VALUE_LIST ? value->list.values : arg;
}

static bool contains(const uint32_t *ids, size_t count, uint32_t id)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static bool is_read(const vkd_model *model, uint32_t id)
{
    for (size_t i = 0; i < model->op_count; i++)
        for (size_t a = 0; a + 1 < model->ops[i].arg_count; a++) {
            size_t count;
            const uint32_t *ids = members(model, &model->ops[i].args[a], &count);
            if (contains(ids, count, id))
                return true;
        }
    return contains(model->outputs, model->output_count, id);
}

vkd_model *model_of_operator(const vkd_model *model, size_t index, vkd_arena *arena)
{
    const vkd_model_op *op = &model->ops[index];
    vkd_model *one = vkd_arena_alloc(arena, 1, sizeof *one);
    uint32_t *inputs = vkd_arena_alloc(arena, model->value_count, sizeof *inputs);
    uint32_t *outputs = vkd_arena_alloc(arena, model->value_count, sizeof *outputs);
    if (!one || !inputs || !outputs)
        return NULL;
    *one = (vkd_model){.value_count = model->value_count,
                       .values = model->values,
                       .op_count = 1,
                       .ops = op,
                       .inputs = inputs,
                       .outputs = outputs};
    size_t count;
    for (size_t a = 0; a + 1 < op->arg_count; a++) {
        const uint32_t *ids = members(model, &op->args[a], &count);
        for (size_t i = 0; i < count; i++) {
            const vkd_model_value *value = &model->values[ids[i]];
            if (value->kind == VKD_VALUE_TENSOR && !value->tensor.data &&
                !contains(inputs, one->input_count, ids[i]))
                inputs[one->input_count++] = ids[i];
        }
    }
    const uint32_t *results = members(model, &op->args[op->arg_count - 1], &count);
    for (size_t i = 0; i < count; i++)
        if (is_read(model, results[i]))
            outputs[one->output_count++] = results[i];
    if (!one->output_count)
        outputs[one->output_count++] = results[0];
    return one;
}
