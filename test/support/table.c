/* Runs the cases of the table test, and what they were lowered to. */
#include "exec/executor.h"
#include "graph/plan.h"
#include "runtime/base/element.h"
#include "support/canary.h"
#include "support/table_parts.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t size_of(const table_tensor *x) { return x->count * vkd_dtype_size(x->dtype); }

/* What the model's inputs hold, for operators that look into them while shapes are computed. */
static void see_inputs(const table *t, vkd_input *inputs)
{
    for (size_t i = 0; i < t->model.model.input_count; i++) {
        const vkd_model_tensor *tensor = &t->model.values[t->model.inputs[i]].tensor;
        inputs[i] = (vkd_input){.shape.rank = tensor->rank, .dtype = tensor->dtype};
        memcpy(inputs[i].shape.dims, tensor->dims, sizeof tensor->dims);
        for (size_t x = 0; x < t->tensor_count; x++)
            if (t->tensors[x].value == t->model.inputs[i] &&
                tensor->size == size_of(&t->tensors[x]))
                inputs[i].data = t->tensors[x].bytes;
    }
}

static vkd_status wrong(table_outcome *out, const char *format, ...) VKD_PRINTF(2, 3);
static vkd_status wrong(table_outcome *out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out->why, sizeof out->why, format, arguments);
    va_end(arguments);
    out->right = false;
    return VKD_OK;
}

vkd_status table_lower(vkd_context *context, const vkd_caps *caps, const table *t,
                       const vkd_model *model, vkd_graph *graph, table_outcome *out)
{
    vkd_input inputs[HAND_LIST];
    const vkd_op_table *tables[64] = {&table_arrange_ops};
    const vkd_op_tables ops = {tables, vkd_ops.count + 1};
    memcpy(tables + 1, vkd_ops.tables, vkd_ops.count * sizeof *tables);
    vkd_net *net = vkd_arena_alloc(graph->arena, 1, sizeof *net);
    vkd_model_value *values = vkd_arena_alloc(graph->arena, model->value_count, sizeof *values);
    vkd_lowered lowered;
    if (!net || !values)
        return vkd_fail_memory(context, "a net");
    VKD_TRY(vkd_net_bind(net, model, &ops, graph->arena));
    out->row = net->calls[t->call].row;
    see_inputs(t, inputs);
    VKD_TRY(vkd_shape_net(context, net, inputs, values));
    const vkd_model_value *symbol = &values[t->symbol];
    const double number = symbol->kind == VKD_VALUE_SYMFLOAT ? symbol->d : (double)symbol->i;
    if (t->symbol && number != t->number)
        return wrong(out, "%.17g, expected %.17g", number, t->number);
    VKD_TRY(
        vkd_lower_net(context, net, values, caps, &(vkd_advice){t->row->variant}, graph, &lowered));
    out->ran_variant = t->row->variant && lowered.selection_count &&
                       !strcmp(lowered.selections[0].winner, t->row->variant);
    return vkd_plan_memory(graph, caps->storage_alignment, true);
}

/* Whether a number among a constant's is an address in the file: such a one belongs to its
 * contents, as objects share constants by what is there, not by where it is. */
static void check_source(const table *t, const vkd_tensor *c, table_outcome *out)
{
    for (size_t at = c->contents * sizeof(vkd_content);
         c->source && at + sizeof(uintptr_t) <= c->source_size; at += 4) {
        uintptr_t word;
        memcpy(&word, (const char *)c->source + at, sizeof word);
        for (size_t v = 0; v < sizeof t->model.values / sizeof *t->model.values; v++) {
            const vkd_model_value *value = &t->model.values[v];
            const uintptr_t data = (uintptr_t)value->tensor.data;
            if (value->kind == VKD_VALUE_TENSOR && data && word - data < value->tensor.size)
                wrong(out, "a constant's source has a pointer that is none of its contents");
        }
    }
}

static vkd_status execute(const table_device *on, table *t, const vkd_graph *graph,
                          table_outcome *out)
{
    vkd_executor *executor;
    for (size_t i = 0; i < graph->tensor_count; i++)
        check_source(t, &graph->tensors[i], out);
    VKD_TRY(vkd_executor_create(on->device, graph, NULL, false, 1, &executor));
    size_t in = 0, outputs = 0;
    for (size_t i = 0; i < t->tensor_count; i++) {
        const table_tensor *x = &t->tensors[i];
        if (!x->is_output && !t->model.values[x->value].tensor.data) {
            memcpy(vkd_executor_input(executor, 0, in), x->bytes,
                   t->model.values[t->model.inputs[in]].tensor.size);
            in++;
        }
    }
    for (uint32_t i = 0; i < graph->symbol_count; i++)
        vkd_executor_symbols(executor, 0)[i] = (int32_t)t->model.values[graph->symbol_values[i]].i;
    vkd_status status = vkd_executor_run(executor);
    for (size_t i = 0; status == VKD_OK && i < t->tensor_count; i++)
        if (t->tensors[i].is_output)
            memcpy(t->tensors[i].got, vkd_executor_output(executor, 0, outputs++),
                   t->tensors[i].count * vkd_dtype_size(t->tensors[i].dtype));
    vkd_executor_destroy(executor);
    return status;
}

static vkd_status run_watched(const table_device *on, vkd_graph *graph, const canary_io *io,
                              table_outcome *out)
{
    uint32_t at;
    if (on->watch == TABLE_CANARIES) {
        VKD_TRY(canary_run(on->device, on->caps, graph, io, &at));
        return at == VKD_NO_TENSOR ? VKD_OK : wrong(out, "wrote beside tensor %u", at);
    }
    VKD_TRY(canary_interpret(on->caps, graph, io, &at));
    return at == UINT32_MAX ? VKD_OK
                            : wrong(out, "kernel '%s' reads or writes outside of its tensors",
                                    vkd_shaders[graph->nodes[at].shader].name);
}

/* The same where accesses outside of tensors show. */
static vkd_status execute_watched(const table_device *on, table *t, vkd_graph *graph,
                                  table_outcome *out)
{
    const void *inputs[HAND_LIST];
    void *outputs[HAND_LIST];
    int32_t symbols[HAND_VALUES];
    size_t in = 0, count = 0;
    for (size_t i = 0; i < t->tensor_count; i++) {
        if (t->tensors[i].is_output) {
            const vkd_tensor_id id = graph->outputs[count];
            outputs[count++] = table_zeros((size_t)graph->tensors[id].bytes + CANARY_ZONE, 1);
        } else if (!t->model.values[t->tensors[i].value].tensor.data)
            inputs[in++] = t->tensors[i].bytes;
    }
    for (uint32_t i = 0; i < graph->symbol_count; i++)
        symbols[i] = (int32_t)t->model.values[graph->symbol_values[i]].i;
    const vkd_status status =
        run_watched(on, graph, &(const canary_io){inputs, outputs, symbols}, out);
    count = 0;
    for (size_t i = 0; i < t->tensor_count; i++) {
        if (!t->tensors[i].is_output)
            continue;
        memcpy(t->tensors[i].got, outputs[count], size_of(&t->tensors[i]));
        free(outputs[count++]);
    }
    return status;
}

/* All of a draw, for a message. */
void table_describe(const table *t, char *out, size_t size)
{
    char dims[VKD_DIMS_TEXT];
    size_t length =
        (size_t)snprintf(out, size, "%s%s%s:", t->row->name, t->row->variant ? ", " : "",
                         t->row->variant ? t->row->variant : "");
    for (size_t i = 0; i < t->tensor_count && length < size; i++) {
        const table_tensor *x = &t->tensors[i];
        length += (size_t)snprintf(
            out + length, size - length, " %s[%s] %s,", vkd_dtype_name(x->dtype),
            vkd_dims_format(x->shape.rank, x->shape.dims, dims), x->is_output ? "out" : x->how);
    }
    if (length < size)
        snprintf(out + length, size - length, "%s", t->text);
}

static double ulp(double value)
{
    int exponent;
    frexp(value, &exponent);
    return ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

static bool is_close(const table_tensor *y, size_t i, double got)
{
    double expected = y->values[i];
    if (isnan(expected) || isnan(got))
        return isnan(expected) && isnan(got);
    double tolerance = y->absolute;
    if (table_is_float(y->dtype) && isfinite(expected)) {
        tolerance += y->ulps * ulp(expected);
        tolerance += y->relative ? y->relative * fabs(y->scales ? y->scales[i] : expected) : 0;
    }
    /* A sum that may be off has either zero. */
    if (tolerance == 0)
        return got == table_stored(y->dtype, expected) &&
               (!table_is_float(y->dtype) || y->scales || signbit(got) == signbit(expected));
    /* A device may take numbers below the normal ones for 0. */
    tolerance += table_is_float(y->dtype) && fabs(expected) < 2 * FLT_MIN ? FLT_MIN : 0;
    return table_stored(y->dtype, expected - tolerance) <= got &&
           got <= table_stored(y->dtype, expected + tolerance);
}

/* The first wrong element of a draw, with what the operands have there. */
static void tell(const table *t, const table_tensor *y, size_t i, double got, table_outcome *out)
{
    size_t length;
    wrong(out, "element %zu of %zu is %.17g, expected %.17g", i, y->count, got, y->values[i]);
    length = strlen(out->why);
    for (size_t o = 0; o < t->tensor_count && length < sizeof out->why; o++) {
        const table_tensor *x = &t->tensors[o];
        if (!x->is_output && x->count)
            length += (size_t)snprintf(
                out->why + length, sizeof out->why - length,
                "; operand %zu there, if it broadcasts: %.17g", o,
                x->values[table_broadcast_index(&x->shape, &y->shape, i) % x->count]);
    }
}

static void compare(const table *t, const table_tensor *y, table_outcome *out)
{
    out->count += y->count;
    for (size_t i = 0; i < y->count; i++) {
        double got = vkd_element_get(y->dtype, y->got, i);
        if (is_close(y, i, got))
            continue;
        double off = fabs(got - y->values[i]);
        out->off = fmax(out->off, isnan(off) ? INFINITY : off);
        out->wrong++;
        if (out->right)
            tell(t, y, i, got, out);
    }
}

void table_release(table *t)
{
    for (size_t i = 0; i < t->tensor_count; i++) {
        free(t->tensors[i].values);
        free(t->tensors[i].scales);
        free(t->tensors[i].bytes);
        free(t->tensors[i].got);
    }
    free(t);
}

void table_add_operators(table *t)
{
    t->call = t->model.model.op_count;
    hand_op(&t->model, t->row->name, t->arg_count, t->args);
    if (t->after)
        HAND_OP(&t->model, "aten.clone.default", t->written, hand_null(&t->model), t->after);
}

table *table_draw(vkd_random *random, const table_case *row)
{
    table *t = table_zeros(1, sizeof *t);
    t->row = row;
    t->random = random;
    row->draw(t);
    return t;
}

static vkd_status run(const table_device *on, table *t, table_outcome *out)
{
    vkd_arena arena;
    vkd_graph graph;
    vkd_arena_init(&arena, on->context);
    vkd_graph_init(&graph, &arena);
    vkd_status status = table_lower(on->context, on->caps, t, hand_finish(&t->model), &graph, out);
    if (status == VKD_OK && out->right && graph.output_count)
        status = on->watch ? execute_watched(on, t, &graph, out) : execute(on, t, &graph, out);
    vkd_arena_release(&arena);
    return status;
}

void table_try(const table_device *on, vkd_random *random, const table_case *row,
               table_outcome *out)
{
    table *t = table_draw(random, row);
    *out = (table_outcome){.right = true};
    for (size_t i = 0; i < t->tensor_count; i++) {
        table_tensor *x = &t->tensors[i];
        if (x->is_output)
            x->got = table_zeros(x->count, vkd_dtype_size(x->dtype));
        else
            table_arrive(t, x);
    }
    table_add_operators(t);
    out->status = run(on, t, out);
    table_describe(t, out->what, sizeof out->what);
    if (out->status != VKD_OK)
        wrong(out, "%s", on->context->error);
    for (size_t i = 0; i < t->tensor_count && out->right; i++)
        if (t->tensors[i].is_output)
            compare(t, &t->tensors[i], out);
    table_release(t);
}

/* ---------------------------------------------------------------------------------- observation */

static void see_node(const vkd_graph *graph, const vkd_node *node, table_seen *out)
{
    out->kernels[node->shader] = true;
    for (uint32_t i = 0; i < node->binding_count; i++)
        out->layouts |= 1u << graph->tensors[node->bindings[i].tensor].layout;
}

vkd_status table_observe(vkd_context *context, const vkd_caps *caps, vkd_random *random,
                         const table_case *row, table_seen *out)
{
    table *t = table_draw(random, row);
    const table_tensor *first = &t->tensors[0];
    vkd_arena arena;
    vkd_graph graph;
    *out = (table_seen){0};
    for (size_t i = 0; i < t->tensor_count; i++)
        if (!t->tensors[i].is_output)
            table_arrive(t, &t->tensors[i]);
    table_add_operators(t);
    vkd_arena_init(&arena, context);
    vkd_graph_init(&graph, &arena);
    table_outcome outcome = {.row = NULL};
    vkd_status status = table_lower(context, caps, t, hand_finish(&t->model), &graph, &outcome);
    out->row = outcome.row;
    if (t->tensor_count) {
        out->types = 1u << first->dtype;
        out->least_rank = out->most_rank = first->shape.rank;
    }
    for (size_t i = 0; i < graph.node_count; i++)
        if (!strcmp(graph.nodes[i].op, row->name))
            see_node(&graph, &graph.nodes[i], out);
    vkd_arena_release(&arena);
    table_release(t);
    return status;
}
