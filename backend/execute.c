/* Executions of a delegate: one at a time, or several in flight. */
#include "backend/delegate.h"

/* ------------------------------------------------------------------------------------------------------- arguments */

static vkd_status check_arg(vkd_context *context, const vkd_tensor_arg *arg, const vkd_tensor *tensor, const char *kind,
                            size_t index)
{
    if (!arg->data || (arg->rank && !arg->dims))
        return vkd_fail(context, VKD_INVALID_ARGUMENT, "%s %zu has a null pointer", kind, index);
    if (!vkd_convertible(arg->dtype, tensor->dtype))
        return vkd_fail(context, VKD_INVALID_ARGUMENT, "%s %zu is %s: the model has %s", kind, index,
                        vkd_dtype_name(arg->dtype), vkd_dtype_name(tensor->dtype));
    if (arg->rank != tensor->rank)
        return vkd_fail(context, VKD_INVALID_ARGUMENT, "%s %zu has rank %u: the model has %u", kind, index, arg->rank,
                        tensor->rank);
    for (uint32_t i = 0; i < arg->rank; i++)
        if (arg->dims[i] != tensor->dims[i])
            return vkd_fail(context, VKD_INVALID_ARGUMENT, "%s %zu has size %lld in dim %u: the model has %u", kind, index,
                            (long long)arg->dims[i], i, tensor->dims[i]);
    size_t needed = (size_t)vkd_dims_count(tensor->rank, tensor->dims) * vkd_dtype_size(arg->dtype);
    if (arg->size < needed)
        return vkd_fail(context, VKD_INVALID_ARGUMENT, "%s %zu has %zu bytes: %zu are needed", kind, index, arg->size, needed);
    return VKD_OK;
}

static vkd_status check_args(vkd_delegate *delegate, const vkd_tensor_arg *args, size_t count)
{
    const vkd_graph *graph = &delegate->graph;
    vkd_context *context = &delegate->context;
    if (!args || count < graph->input_count + graph->output_count)
        return vkd_fail(context, VKD_INVALID_ARGUMENT, "%zu arguments: the model has %zu inputs and %zu outputs",
                        args ? count : 0, graph->input_count, graph->output_count);
    for (size_t i = 0; i < graph->input_count; i++)
        VKD_TRY(check_arg(context, &args[i], &graph->tensors[graph->inputs[i]], "input", i));
    const vkd_tensor_arg *outputs = args + count - graph->output_count;
    for (size_t i = 0; i < graph->output_count; i++)
        VKD_TRY(check_arg(context, &outputs[i], &graph->tensors[graph->outputs[i]], "output", i));
    return VKD_OK;
}

void vkd_delegate_set_input(vkd_delegate *delegate, uint32_t slot, size_t index, vkd_dtype dtype, const void *data)
{
    const vkd_tensor *tensor = &delegate->graph.tensors[delegate->graph.inputs[index]];
    vkd_border_in(&delegate->borders[index], dtype, data, tensor->dtype, vkd_executor_input(delegate->executor, slot, index));
}

void vkd_delegate_get_output(vkd_delegate *delegate, uint32_t slot, size_t index, vkd_dtype dtype, void *data)
{
    const vkd_tensor *tensor = &delegate->graph.tensors[delegate->graph.outputs[index]];
    vkd_border_out(&delegate->borders[delegate->graph.input_count + index], tensor->dtype,
                   vkd_executor_output(delegate->executor, slot, index), dtype, data);
}

/* ------------------------------------------------------------------------------------------------------- in flight */

static void remember_failure(vkd_delegate *delegate, uint64_t ticket, vkd_status status)
{
    delegate->failures[delegate->failure_count++ % VKD_MAX_IN_FLIGHT] = (vkd_failure){ticket, status};
}

/* How an execution that is not in flight any more has ended. */
static vkd_status status_of(const vkd_delegate *delegate, uint64_t ticket)
{
    for (size_t i = 0; i < VKD_MAX_IN_FLIGHT; i++)
        if (delegate->failures[i].ticket == ticket)
            return delegate->failures[i].status;
    return VKD_OK;
}

/* Waits for the execution in a slot, brings its results to their memory and frees the slot. */
static vkd_status complete(vkd_delegate *delegate, uint32_t slot)
{
    vkd_flight *flight = &delegate->flights[slot];
    const uint64_t ticket = flight->ticket;
    flight->ticket = 0;
    vkd_status status = vkd_executor_wait(delegate->executor, slot);
    if (status != VKD_OK) {
        remember_failure(delegate, ticket, status);
        return status;
    }
    for (size_t i = 0; i < delegate->graph.output_count; i++)
        vkd_delegate_get_output(delegate, slot, i, flight->outputs[i].dtype, flight->outputs[i].data);
    return VKD_OK;
}

/* A slot that is free, or that of the oldest execution. */
static uint32_t choose_slot(const vkd_delegate *delegate)
{
    uint32_t chosen = 0;
    for (uint32_t i = 1; i < delegate->flight_count; i++)
        if (delegate->flights[i].ticket < delegate->flights[chosen].ticket)
            chosen = i;
    return chosen;
}

vkd_status vkd_submit(vkd_delegate *delegate, const vkd_tensor_arg *args, size_t count, uint64_t *out_ticket)
{
    if (!delegate)
        return VKD_INVALID_ARGUMENT;
    if (!out_ticket)
        return vkd_fail(&delegate->context, VKD_INVALID_ARGUMENT, "vkd_submit: a null pointer for the ticket");
    VKD_TRY(check_args(delegate, args, count));
    const vkd_graph *graph = &delegate->graph;
    const uint32_t slot = choose_slot(delegate);
    vkd_flight *flight = &delegate->flights[slot];
    if (flight->ticket)
        VKD_TRY(complete(delegate, slot));
    delegate->inputs_replaced |= slot == delegate->method_slot;
    for (size_t i = 0; i < graph->input_count; i++)
        vkd_delegate_set_input(delegate, slot, i, args[i].dtype, args[i].data);
    VKD_TRY(vkd_executor_submit(delegate->executor, slot));
    const vkd_tensor_arg *outputs = args + count - graph->output_count;
    for (size_t i = 0; i < graph->output_count; i++)
        flight->outputs[i] = (vkd_destination){outputs[i].dtype, outputs[i].data};
    flight->ticket = ++delegate->last_ticket;
    *out_ticket = flight->ticket;
    return VKD_OK;
}

vkd_status vkd_wait(vkd_delegate *delegate, uint64_t ticket)
{
    if (!delegate)
        return VKD_INVALID_ARGUMENT;
    if (!ticket || ticket > delegate->last_ticket)
        return vkd_fail(&delegate->context, VKD_INVALID_ARGUMENT, "no execution has the ticket %llu",
                        (unsigned long long)ticket);
    for (uint32_t slot = 0; slot < delegate->flight_count; slot++)
        if (delegate->flights[slot].ticket == ticket)
            return complete(delegate, slot);
    return status_of(delegate, ticket);
}

vkd_status vkd_execute(vkd_delegate *delegate, const vkd_tensor_arg *args, size_t count)
{
    uint64_t ticket;
    VKD_TRY(vkd_submit(delegate, args, count, &ticket));
    return vkd_wait(delegate, ticket);
}

/* -------------------------------------------------------------------------------------------------- for the method */

vkd_status vkd_delegate_add_method_slot(vkd_delegate *delegate)
{
    if (delegate->flight_count == 1)
        return VKD_OK;
    VKD_TRY(vkd_executor_add_slot(delegate->executor));
    delegate->method_slot = delegate->flight_count;
    if (delegate->context.host_peak > delegate->host_peak)
        delegate->host_peak = delegate->context.host_peak;
    return VKD_OK;
}

vkd_status vkd_delegate_take_method_slot(vkd_delegate *delegate, bool *out_replaced)
{
    *out_replaced = delegate->inputs_replaced;
    delegate->inputs_replaced = false;
    if (delegate->method_slot < delegate->flight_count && delegate->flights[delegate->method_slot].ticket)
        return complete(delegate, delegate->method_slot);
    return VKD_OK;
}
