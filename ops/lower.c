#include "ops/lower.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

vkd_status vkd_op_fail(vkd_lowering *lowering, vkd_status status, const char *format, ...)
{
    char reason[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return vkd_fail(lowering->context, status, "operator '%s' (node %u): %s", lowering->op->name, lowering->op->node_id,
                    reason);
}

vkd_status vkd_op_args(vkd_lowering *lowering, const vkd_param *params, void *args)
{
    return vkd_args_decode(lowering->context, lowering->model, lowering->op, params, args);
}

/* ------------------------------------------------------------------------------------------- unsupported operators */

static bool is_first_of_name(const vkd_model *model, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (!strcmp(model->ops[i].name, model->ops[index].name))
            return false;
    return true;
}

/* All of them in one message, so that a user learns at once what a model needs. */
static vkd_status check_operators(vkd_context *context, const vkd_model *model)
{
    char names[400];
    size_t count = 0, length = 0;
    for (size_t i = 0; i < model->op_count; i++) {
        if (vkd_op_find(model->ops[i].name) || !is_first_of_name(model, i))
            continue;
        if (length < sizeof names)
            length += (size_t)snprintf(names + length, sizeof names - length, "%s'%s' (node %u)", count ? ", " : "",
                                       model->ops[i].name, model->ops[i].node_id);
        count++;
    }
    if (!count)
        return VKD_OK;
    const char *cut = length < sizeof names ? "" : "...";
    return vkd_fail(context, VKD_UNSUPPORTED,
                    count == 1 ? "operator %s%s is not supported" : "operators %s%s are not supported", names, cut);
}

vkd_status vkd_check_supported(vkd_context *context, const vkd_model *model)
{
    VKD_TRY(check_operators(context, model));
    if (model->unsupported)
        return vkd_fail(context, VKD_UNSUPPORTED, "values[%u]: %s is not supported", model->unsupported_value,
                        model->unsupported);
    return VKD_OK;
}

/* ------------------------------------------------------------------------------------------------ inputs, outputs */

static vkd_status begin_values(vkd_lowering *lowering)
{
    const vkd_model *model = lowering->model;
    vkd_arena *arena = lowering->graph->arena;
    lowering->tensors = vkd_arena_alloc(arena, model->value_count, sizeof *lowering->tensors);
    lowering->copies = vkd_arena_alloc(arena, model->value_count, sizeof *lowering->copies);
    lowering->is_output = vkd_arena_alloc(arena, model->value_count, sizeof *lowering->is_output);
    lowering->graph->inputs = vkd_arena_alloc(arena, model->input_count, sizeof *lowering->graph->inputs);
    lowering->graph->outputs = vkd_arena_alloc(arena, model->output_count, sizeof *lowering->graph->outputs);
    if (!lowering->tensors || !lowering->copies || !lowering->is_output || !lowering->graph->inputs ||
        !lowering->graph->outputs)
        return vkd_fail_memory(lowering->context, "a model's tensors");
    for (size_t i = 0; i < model->value_count; i++)
        lowering->tensors[i] = lowering->copies[i] = VKD_NO_TENSOR;
    for (size_t i = 0; i < model->output_count; i++)
        lowering->is_output[model->outputs[i]] = true;
    return VKD_OK;
}

/* Halves and 64-bit elements have no kernels, not even to copy them. */
static bool is_known_dtype(vkd_dtype dtype)
{
    size_t size = vkd_dtype_size(dtype);
    return size == 1 || size == 4;
}

static vkd_status check_boundary(vkd_lowering *lowering, const char *what, size_t index, uint32_t value)
{
    const vkd_model_value *v = &lowering->model->values[value];
    if (v->kind != VKD_VALUE_TENSOR)
        return vkd_fail(lowering->context, VKD_UNSUPPORTED, "%s %zu (value %u) is not a tensor", what, index, value);
    if (!is_known_dtype(v->tensor.dtype))
        return vkd_fail(lowering->context, VKD_UNSUPPORTED,
                        "%s %zu (value %u) has dtype %s: 8-bit and 32-bit types are supported", what, index, value,
                        vkd_dtype_name(v->tensor.dtype));
    return VKD_OK;
}

static vkd_status add_inputs(vkd_lowering *lowering)
{
    const vkd_model *model = lowering->model;
    for (size_t i = 0; i < model->input_count; i++) {
        uint32_t value = model->inputs[i];
        VKD_TRY(check_boundary(lowering, "input", i, value));
        const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
        if (tensor->data || lowering->tensors[value] != VKD_NO_TENSOR)
            return vkd_fail(lowering->context, VKD_INVALID_MODEL, "input %zu (value %u) is %s", i, value,
                            tensor->data ? "a constant" : "an earlier input too");
        VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_INPUT, tensor->dtype, VKD_PLAIN, tensor->rank, tensor->dims,
                                     &lowering->graph->inputs[i]));
        lowering->tensors[value] = lowering->graph->inputs[i];
        lowering->graph->input_count = i + 1;
    }
    return VKD_OK;
}

static bool is_taken(const vkd_graph *graph, vkd_tensor_id tensor)
{
    for (size_t i = 0; i < graph->output_count; i++)
        if (graph->outputs[i] == tensor)
            return true;
    return false;
}

/* An operator has often written the output's own tensor; what lies elsewhere, an input or a second listing of the same value
 * too, is copied to one. */
static vkd_status add_outputs(vkd_lowering *lowering)
{
    static const vkd_model_op output_op = {.name = "vkd.output"};
    const vkd_model *model = lowering->model;
    vkd_graph *graph = lowering->graph;
    lowering->op = &output_op;
    for (size_t i = 0; i < model->output_count; i++) {
        uint32_t value = model->outputs[i];
        VKD_TRY(check_boundary(lowering, "output", i, value));
        const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
        vkd_tensor_id source, output;
        VKD_TRY(vkd_op_input_any(lowering, value, tensor->dtype, &source));
        output = source;
        if (graph->tensors[source].place != VKD_PLACE_OUTPUT || is_taken(graph, source)) {
            VKD_TRY(
                vkd_graph_add_tensor(graph, VKD_PLACE_OUTPUT, tensor->dtype, VKD_PLAIN, tensor->rank, tensor->dims, &output));
            VKD_TRY(vkd_op_copy(lowering, source, output));
        }
        graph->outputs[i] = output;
        graph->output_count = i + 1;
    }
    return VKD_OK;
}

/* ------------------------------------------------------------------------------------------------------ the model */

vkd_status vkd_lower_model(vkd_context *context, const vkd_model *model, const vkd_caps *caps, const char *conv_variant,
                           vkd_tuner *tuner, vkd_graph *graph, vkd_lowered *out)
{
    vkd_lowering lowering = {
        .context = context, .graph = graph, .model = model, .caps = caps, .conv_variant = conv_variant, .tuner = tuner};
    VKD_TRY(begin_values(&lowering));
    VKD_TRY(add_inputs(&lowering));
    for (size_t i = 0; i < model->op_count; i++) {
        lowering.op = &model->ops[i];
        VKD_TRY(vkd_op_find(lowering.op->name)->lower(&lowering));
    }
    VKD_TRY(add_outputs(&lowering));
    *out = (vkd_lowered){lowering.tensors, lowering.selection_count, lowering.selections, lowering.convs};
    return VKD_OK;
}
