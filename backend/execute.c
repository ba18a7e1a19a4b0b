/* Executions of a delegate: one at a time, or several in flight. */
#include "backend/delegate.h"
#include "runtime/element.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------------------- arguments */

/* A SymInt is passed as a tensor of rank 0. */
static vkd_model_tensor boundary(const vkd_model_value *value)
{
    return value->kind == VKD_VALUE_TENSOR ? value->tensor : (vkd_model_tensor){.dtype = VKD_DTYPE_INT32};
}

static vkd_status check_arg(vkd_context *context, const vkd_tensor_arg *arg, const vkd_model_tensor *tensor, const char *kind,
                            size_t index)
{
    if ((!arg->data && arg->size) || (arg->rank && !arg->dims))
        return vkd_fail(context, VKD_INVALID_ARGUMENT, "%s %zu has a null pointer", kind, index);
    if (!vkd_convertible(arg->dtype, tensor->dtype))
        return vkd_fail(context, VKD_INVALID_ARGUMENT, "%s %zu is %s: the model has %s", kind, index,
                        vkd_dtype_name(arg->dtype), vkd_dtype_name(tensor->dtype));
    if (arg->rank != tensor->rank)
        return vkd_fail(context, VKD_INVALID_ARGUMENT, "%s %zu has rank %u: the model has %u", kind, index, arg->rank,
                        tensor->rank);
    return VKD_OK;
}

static vkd_status check_size(vkd_context *context, const vkd_tensor_arg *arg, const uint32_t *dims, const char *kind,
                             size_t index)
{
    size_t needed = (size_t)vkd_dims_count(arg->rank, dims) * vkd_dtype_size(arg->dtype);
    if (arg->size < needed || (needed && !arg->data))
        return vkd_fail(context, VKD_INVALID_ARGUMENT, "%s %zu has %zu bytes: %zu are needed", kind, index,
                        arg->data ? arg->size : 0, needed);
    return VKD_OK;
}

/* Reads an input's dims, which may be smaller than the model's, and its number. */
static vkd_status read_input(vkd_delegate *delegate, const vkd_tensor_arg *arg, size_t index)
{
    vkd_context *context = &delegate->context;
    const vkd_model_value *value = &delegate->net.values[delegate->net.inputs[index]];
    const vkd_model_tensor tensor = boundary(value);
    vkd_input *input = &delegate->inputs[index];
    VKD_TRY(check_arg(context, arg, &tensor, "input", index));
    *input = (vkd_input){.shape.rank = arg->rank, .dtype = arg->dtype, .data = arg->data};
    for (uint32_t i = 0; i < arg->rank; i++) {
        if (arg->dims[i] < 0 || arg->dims[i] > tensor.dims[i])
            return vkd_fail(context, VKD_INVALID_ARGUMENT, "input %zu has size %lld in dim %u: the model takes at most %u",
                            index, (long long)arg->dims[i], i, tensor.dims[i]);
        input->shape.dims[i] = (uint32_t)arg->dims[i];
    }
    VKD_TRY(check_size(context, arg, input->shape.dims, "input", index));
    if (value->kind == VKD_VALUE_SYMINT)
        input->number = (int64_t)vkd_element_get(arg->dtype, arg->data, 0);
    return VKD_OK;
}

static vkd_status check_outputs(vkd_delegate *delegate, const vkd_plan *plan, const vkd_tensor_arg *outputs)
{
    for (size_t i = 0; i < delegate->net.output_count; i++) {
        const vkd_model_tensor tensor = boundary(&plan->values[delegate->net.outputs[i]]);
        VKD_TRY(check_arg(&delegate->context, &outputs[i], &tensor, "output", i));
        VKD_TRY(check_size(&delegate->context, &outputs[i], tensor.dims, "output", i));
    }
    return VKD_OK;
}

/* ------------------------------------------------------------------------------------------------------------ border */

void vkd_delegate_set_input(vkd_delegate *delegate, uint32_t slot, size_t index, vkd_dtype dtype, const void *data)
{
    vkd_plan *plan = delegate->plan;
    if (plan->graph.inputs[index] == VKD_NO_TENSOR)
        return;
    const vkd_tensor *tensor = &plan->graph.tensors[plan->graph.inputs[index]];
    vkd_border border;
    vkd_border_init(&border, tensor->rank, tensor->dims, delegate->orders[index]);
    vkd_border_in(&border, dtype, data, tensor->dtype, vkd_executor_input(plan->executor, slot, index));
}

void vkd_delegate_get_output(vkd_delegate *delegate, vkd_plan *plan, uint32_t slot, size_t index, vkd_dtype dtype, void *data)
{
    if (plan->graph.outputs[index] == VKD_NO_TENSOR) {
        vkd_element_set(dtype, data, 0, (double)plan->values[delegate->net.outputs[index]].i);
        return;
    }
    const vkd_tensor *tensor = &plan->graph.tensors[plan->graph.outputs[index]];
    vkd_border border;
    vkd_border_init(&border, tensor->rank, tensor->dims, delegate->orders[delegate->net.input_count + index]);
    vkd_border_out(&border, tensor->dtype, vkd_executor_output(plan->executor, slot, index), dtype, data);
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
    vkd_status status = vkd_executor_wait(flight->plan->executor, slot);
    if (status != VKD_OK) {
        remember_failure(delegate, ticket, status);
        return status;
    }
    for (size_t i = 0; i < delegate->net.output_count; i++)
        vkd_delegate_get_output(delegate, flight->plan, slot, i, flight->outputs[i].dtype, flight->outputs[i].data);
    return VKD_OK;
}

/* ------------------------------------------------------------------------------------------------------------ plans */

static bool has_input_dims(const vkd_delegate *delegate, const vkd_plan *plan)
{
    for (size_t i = 0; i < delegate->net.input_count; i++) {
        const vkd_shape *shape = &delegate->inputs[i].shape;
        if (memcmp(plan->values[delegate->net.inputs[i]].tensor.dims, shape->dims, shape->rank * sizeof *shape->dims))
            return false;
    }
    return true;
}

/* Makes room for one more plan: the one that was used longest ago goes. */
static vkd_status drop_oldest_plan(vkd_delegate *delegate)
{
    if (delegate->plan_count < VKD_MAX_PLANS)
        return VKD_OK;
    size_t oldest = 0;
    for (size_t i = 1; i < delegate->plan_count; i++)
        if (delegate->plans[i]->used < delegate->plans[oldest]->used)
            oldest = i;
    vkd_plan *plan = delegate->plans[oldest];
    for (uint32_t slot = 0; slot < delegate->flight_count; slot++)
        if (delegate->flights[slot].ticket && delegate->flights[slot].plan == plan)
            VKD_TRY(complete(delegate, slot));
    vkd_plan_destroy(plan);
    delegate->plans[oldest] = delegate->plans[--delegate->plan_count];
    delegate->plan = delegate->plan == plan ? delegate->plans[0] : delegate->plan;
    return VKD_OK;
}

static vkd_status make_plan(vkd_delegate *delegate, vkd_plan **out)
{
    VKD_TRY(drop_oldest_plan(delegate));
    VKD_TRY(vkd_plan_lower(&delegate->planner, &delegate->context, delegate->inputs, out));
    vkd_status status = vkd_plan_prepare(&delegate->planner, *out);
    if (status == VKD_OK)
        status = vkd_delegate_fill_slots(delegate, *out);
    if (status != VKD_OK)
        vkd_plan_destroy(*out);
    else
        delegate->plans[delegate->plan_count++] = *out;
    return status;
}

vkd_status vkd_delegate_fill_slots(vkd_delegate *delegate, vkd_plan *plan)
{
    while (vkd_executor_slot_count(plan->executor) < delegate->flight_count)
        VKD_TRY(vkd_executor_add_slot(plan->executor));
    return VKD_OK;
}

/* The plan for the inputs that were read. A net without SymInts whose inputs have the last execution's dims needs no look. */
static vkd_status choose_plan(vkd_delegate *delegate, vkd_plan **out)
{
    *out = delegate->plan;
    const vkd_net *net = &delegate->net;
    if (!net->has_symbols && has_input_dims(delegate, delegate->plan))
        return VKD_OK;
    VKD_TRY(vkd_shape_net(&delegate->context, net, delegate->inputs, delegate->values));
    if (vkd_plan_fits(delegate->plan, net, delegate->values))
        return VKD_OK;
    for (size_t i = 0; i < delegate->plan_count; i++)
        if (vkd_plan_fits(delegate->plans[i], net, delegate->values)) {
            *out = delegate->plans[i];
            return VKD_OK;
        }
    return make_plan(delegate, out);
}

/* Numbers that change between executions of one plan. */
static void write_symbols(vkd_delegate *delegate, vkd_plan *plan, uint32_t slot)
{
    int32_t *words = vkd_executor_symbols(plan->executor, slot);
    for (uint32_t i = 0; i < plan->graph.symbol_count; i++)
        words[i] = (int32_t)delegate->values[plan->graph.symbol_values[i]].i;
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
    const vkd_net *net = &delegate->net;
    if (!args || count < net->input_count + net->output_count)
        return vkd_fail(&delegate->context, VKD_INVALID_ARGUMENT, "%zu arguments: the model has %zu inputs and %zu outputs",
                        args ? count : 0, net->input_count, net->output_count);
    for (size_t i = 0; i < net->input_count; i++)
        VKD_TRY(read_input(delegate, &args[i], i));
    vkd_plan *plan;
    VKD_TRY(choose_plan(delegate, &plan));
    const vkd_tensor_arg *outputs = args + count - net->output_count;
    VKD_TRY(check_outputs(delegate, plan, outputs));
    const uint32_t slot = choose_slot(delegate);
    vkd_flight *flight = &delegate->flights[slot];
    if (flight->ticket)
        VKD_TRY(complete(delegate, slot));
    delegate->plan = plan;
    delegate->inputs_replaced |= slot == delegate->method_slot;
    for (size_t i = 0; i < net->input_count; i++)
        vkd_delegate_set_input(delegate, slot, i, args[i].dtype, args[i].data);
    write_symbols(delegate, plan, slot);
    VKD_TRY(vkd_executor_submit(plan->executor, slot));
    for (size_t i = 0; i < net->output_count; i++)
        flight->outputs[i] = (vkd_destination){outputs[i].dtype, outputs[i].data};
    flight->plan = plan;
    flight->ticket = plan->used = ++delegate->last_ticket;
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
    VKD_TRY(vkd_executor_add_slot(delegate->plan->executor));
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
