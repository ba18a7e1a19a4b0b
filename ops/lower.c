#include "ops/lower.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------ inputs, outputs */

static void count_use(void *user, uint32_t *id, bool write)
{
    vkd_value_use *use = user;
    if (write)
        use[*id].writes++;
    else
        use[*id].reads++;
}

static vkd_status begin_values(vkd_lowering *lowering)
{
    const vkd_net *net = lowering->net;
    vkd_arena *arena = lowering->graph->arena;
    vkd_value_use *use = vkd_arena_alloc(arena, net->value_count, sizeof *use);
    lowering->tensors = vkd_arena_alloc(arena, net->value_count, sizeof *lowering->tensors);
    lowering->copies = vkd_arena_alloc(arena, net->value_count, sizeof *lowering->copies);
    lowering->views = vkd_arena_alloc(arena, net->value_count, sizeof *lowering->views);
    lowering->late = vkd_arena_alloc(arena, net->value_count, sizeof *lowering->late);
    lowering->grown = vkd_arena_alloc(arena, net->value_count, sizeof *lowering->grown);
    lowering->baked = vkd_arena_alloc(arena, net->value_count, sizeof *lowering->baked);
    lowering->graph->inputs =
        vkd_arena_alloc(arena, net->input_count, sizeof *lowering->graph->inputs);
    lowering->graph->outputs =
        vkd_arena_alloc(arena, net->output_count, sizeof *lowering->graph->outputs);
    if (!use || !lowering->tensors || !lowering->copies || !lowering->views || !lowering->late ||
        !lowering->grown || !lowering->baked || !lowering->graph->inputs ||
        !lowering->graph->outputs)
        return vkd_fail_memory(lowering->context, "a model's tensors");
    for (size_t i = 0; i < net->value_count; i++) {
        lowering->tensors[i] = lowering->copies[i] = lowering->grown[i] = VKD_NO_TENSOR;
        lowering->views[i].tensor = VKD_NO_TENSOR;
    }
    for (size_t i = 0; i < net->call_count; i++)
        vkd_call_uses(&net->calls[i], count_use, use);
    for (size_t i = 0; i < net->output_count; i++)
        use[net->outputs[i]].is_output = true;
    lowering->use = use;
    return VKD_OK;
}

static vkd_status check_boundary(vkd_lowering *lowering, const char *what, size_t index,
                                 uint32_t value)
{
    const vkd_model_value *v = &lowering->values[value];
    if (v->kind != VKD_VALUE_TENSOR)
        return vkd_fail(lowering->context, VKD_UNSUPPORTED, "%s %zu (value %u) is not a tensor",
                        what, index, value);
    if (vkd_dtype_size(v->tensor.dtype) > 4)
        return vkd_fail(
            lowering->context, VKD_UNSUPPORTED,
            "%s %zu (value %u) has dtype %s on the device: types of up to 32 bits are supported",
            what, index, value, vkd_dtype_name(v->tensor.dtype));
    return VKD_OK;
}

static vkd_status add_inputs(vkd_lowering *lowering)
{
    const vkd_net *net = lowering->net;
    for (size_t i = 0; i < net->input_count; i++) {
        uint32_t value = net->inputs[i];
        lowering->graph->inputs[i] = VKD_NO_TENSOR;
        lowering->graph->input_count = i + 1;
        if (lowering->values[value].kind == VKD_VALUE_SYMINT)
            continue;
        VKD_TRY(check_boundary(lowering, "input", i, value));
        const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
        if (tensor->data || lowering->tensors[value] != VKD_NO_TENSOR)
            return vkd_fail(lowering->context, VKD_INVALID_MODEL, "input %zu (value %u) is %s", i,
                            value, tensor->data ? "a constant" : "an earlier input too");
        VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_INPUT, tensor->dtype, VKD_ROWS,
                                     tensor->rank, tensor->dims, &lowering->graph->inputs[i]));
        lowering->tensors[value] = lowering->graph->inputs[i];
    }
    return VKD_OK;
}

/* An operator has often written the output's own tensor; what lies elsewhere, an input or a second
 * listing of the same value too, is copied to one. */
static vkd_status add_outputs(vkd_lowering *lowering)
{
    static const vkd_call output_call = {.name = "vkd.output"};
    const vkd_net *net = lowering->net;
    vkd_graph *graph = lowering->graph;
    lowering->call = &output_call;
    for (size_t i = 0; i < net->output_count; i++) {
        uint32_t value = net->outputs[i];
        graph->outputs[i] = VKD_NO_TENSOR;
        graph->output_count = i + 1;
        if (lowering->values[value].kind == VKD_VALUE_SYMINT)
            continue;
        VKD_TRY(check_boundary(lowering, "output", i, value));
        const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
        vkd_tensor_id source, output;
        VKD_TRY(vkd_op_input_any(lowering, value, tensor->dtype, &source));
        output = source;
        if (graph->tensors[source].place != VKD_PLACE_OUTPUT || graph->tensors[source].listed) {
            VKD_TRY(vkd_graph_add_tensor(graph, VKD_PLACE_OUTPUT, tensor->dtype, VKD_ROWS,
                                         tensor->rank, tensor->dims, &output));
            VKD_TRY(vkd_op_copy(lowering, source, output));
        }
        graph->outputs[i] = output;
        graph->tensors[output].listed = true;
    }
    return VKD_OK;
}

/* -------------------------------------------------------------------------------------- the net */

typedef struct emptiness {
    const vkd_lowering *lowering;
    bool writes, elements;
} emptiness;

static void see_output(void *user, uint32_t *id, bool write)
{
    emptiness *e = user;
    const vkd_model_tensor *tensor = vkd_value_tensor(e->lowering, *id);
    bool counts = write && e->lowering->values[*id].kind == VKD_VALUE_TENSOR;
    e->writes |= counts;
    e->elements |= counts && vkd_dims_count(tensor->rank, tensor->dims) > 0;
}

typedef struct making {
    vkd_lowering *lowering;
    vkd_status status;
} making;

static void make_empty(void *user, uint32_t *id, bool write)
{
    making *m = user;
    vkd_tensor_id y;
    if (write && m->status == VKD_OK)
        m->status = vkd_op_output_in(m->lowering, *id, vkd_value_tensor(m->lowering, *id)->dtype,
                                     VKD_ROWS, &y);
}

/* An operator that makes only tensors without elements needs no kernel. */
static vkd_status lower_call(vkd_lowering *lowering)
{
    const vkd_call *call = lowering->call;
    emptiness e = {.lowering = lowering};
    vkd_call_uses(call, see_output, &e);
    if (!e.writes || e.elements)
        return call->row->lower(lowering, call->args);
    making m = {lowering, VKD_OK};
    vkd_call_uses(call, make_empty, &m);
    return m.status;
}

vkd_status vkd_lower_net(vkd_context *context, const vkd_net *net, const vkd_model_value *values,
                         const vkd_caps *caps, const vkd_advice *advice, vkd_graph *graph,
                         vkd_lowered *out)
{
    static const vkd_advice none;
    advice = advice ? advice : &none;
    vkd_lowering lowering = {.context = context,
                             .graph = graph,
                             .net = net,
                             .values = values,
                             .caps = caps,
                             .variant = advice->variant,
                             .tuner = advice->tuner,
                             .known = advice->known};
    VKD_TRY(begin_values(&lowering));
    VKD_TRY(add_inputs(&lowering));
    for (size_t i = 0; i < net->call_count; i++) {
        lowering.call = &net->calls[i];
        VKD_TRY(lower_call(&lowering));
        VKD_TRY(vkd_op_finish_states(&lowering));
    }
    VKD_TRY(add_outputs(&lowering));
    *out = (vkd_lowered){lowering.tensors, lowering.baked, lowering.selection_count,
                         lowering.selections, lowering.convs};
    return VKD_OK;
}
