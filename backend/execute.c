/* Executions of a delegate: one at a time, or several in flight. */
#include "backend/foreign.h"
#include "runtime/base/element.h"

#include <string.h>

/* ------------------------------------------------------------------------------------ arguments */

/* A number is passed as a tensor of rank 0. */
static vkd_model_tensor boundary(const vkd_model_value *value)
{
    return value->kind == VKD_VALUE_TENSOR ? value->tensor
                                           : (vkd_model_tensor){.dtype = VKD_DTYPE_INT32};
}

/* Which argument a message is about. */
typedef struct argument {
    const char *kind;
    size_t index;
} argument;

static vkd_status check_dtype(vkd_context *context, const vkd_tensor_arg *arg, vkd_dtype dtype,
                              argument a)
{
    if (!vkd_convertible(arg->dtype, dtype))
        return vkd_fail(context, VKD_INVALID_ARGUMENT, "%s %zu is %s: the model has %s", a.kind,
                        a.index, vkd_dtype_name(arg->dtype), vkd_dtype_name(dtype));
    return VKD_OK;
}

static vkd_status check_room(vkd_context *context, const vkd_tensor_arg *arg, const void *data,
                             const vkd_model_tensor *tensor, argument a)
{
    const size_t needed =
        (size_t)vkd_dims_count(tensor->rank, tensor->dims) * vkd_dtype_size(arg->dtype);
    if (!data && needed)
        return vkd_fail(context, VKD_INVALID_ARGUMENT, "%s %zu has a null pointer for its bytes",
                        a.kind, a.index);
    if (arg->capacity < needed)
        return vkd_fail(context, VKD_INVALID_ARGUMENT, "%s %zu has %zu bytes: %zu are needed",
                        a.kind, a.index, arg->capacity, needed);
    return VKD_OK;
}

static vkd_status read_arg(vkd_context *context, const vkd_tensor_arg *args, size_t place,
                           argument a, vkd_tensor_arg *out)
{
    if (!vkd_struct_read(out, sizeof *out, args, place))
        return vkd_fail(context, VKD_INVALID_ARGUMENT,
                        "%s %zu: vkd_tensor_arg.size must be sizeof(vkd_tensor_arg), and what this "
                        "library does not know "
                        "there zero",
                        a.kind, a.index);
    return VKD_OK;
}

/* The dims of an input: the model's, or at most as large where shapes can change. */
static vkd_status read_dims(const vkd_delegate *delegate, vkd_context *context,
                            const vkd_tensor_arg *arg, vkd_model_tensor *tensor, argument a)
{
    if (arg->rank != tensor->rank)
        return vkd_fail(context, VKD_INVALID_ARGUMENT, "%s %zu has rank %u: the model has %u",
                        a.kind, a.index, arg->rank, tensor->rank);
    for (uint32_t i = 0; i < arg->rank; i++) {
        const int64_t given = arg->dims[i], most = tensor->dims[i];
        if (given < 0 || given > most || (given < most && !delegate->is_dynamic))
            return vkd_fail(context, VKD_INVALID_ARGUMENT,
                            "%s %zu has size %lld in dim %u: the model has %s%lld", a.kind, a.index,
                            (long long)given, i, delegate->is_dynamic ? "at most " : "",
                            (long long)most);
        tensor->dims[i] = (uint32_t)given;
    }
    return VKD_OK;
}

static vkd_status read_input(vkd_delegate *delegate, const vkd_tensor_arg *args, size_t index)
{
    vkd_context *context = &delegate->context;
    const argument a = {"input", index};
    const vkd_model_value *value = &delegate->net.values[delegate->net.inputs[index]];
    vkd_model_tensor tensor = boundary(value);
    vkd_input *input = &delegate->inputs[index];
    vkd_tensor_arg arg;
    VKD_TRY(read_arg(context, args, index, a, &arg));
    VKD_TRY(check_dtype(context, &arg, tensor.dtype, a));
    VKD_TRY(read_dims(delegate, context, &arg, &tensor, a));
    if (!arg.memory)
        VKD_TRY(check_room(context, &arg, arg.input, &tensor, a));
    *input = (vkd_input){.shape.rank = arg.rank, .dtype = arg.dtype};
    if (!arg.memory)
        input->data = arg.input;
    memcpy(input->shape.dims, tensor.dims, sizeof input->shape.dims);
    if (value->kind == VKD_VALUE_SYMINT && !input->data)
        return vkd_fail(context, VKD_INVALID_ARGUMENT,
                        "input %zu is a number: the host must see it", index);
    if (value->kind == VKD_VALUE_SYMINT)
        input->number = (int64_t)vkd_element_get(arg.dtype, arg.input, 0);
    return VKD_OK;
}

/* Where the results go, into destinations. first: the place of the first output in args. */
static vkd_status read_outputs(vkd_delegate *delegate, const vkd_plan *plan, vkd_tensor_arg *args,
                               size_t first)
{
    vkd_context *context = &delegate->context;
    for (size_t i = 0; i < delegate->net.output_count; i++) {
        const argument a = {"output", i};
        const vkd_model_tensor tensor = boundary(&plan->values[delegate->net.outputs[i]]);
        vkd_tensor_arg arg;
        VKD_TRY(read_arg(context, args, first + i, a, &arg));
        VKD_TRY(check_dtype(context, &arg, tensor.dtype, a));
        if (!arg.memory)
            VKD_TRY(check_room(context, &arg, arg.output, &tensor, a));
        delegate->destinations[i] = (vkd_destination){
            .arg = (vkd_tensor_arg *)((unsigned char *)args + (first + i) * args->size),
            .dtype = arg.dtype,
            .data = arg.output,
            .in_place = arg.memory,
        };
    }
    return VKD_OK;
}

/* --------------------------------------------------------------------------------------- border */

static void set_input(vkd_delegate *delegate, const vkd_plan *plan, uint32_t slot, size_t index)
{
    if (plan->graph.inputs[index] == VKD_NO_TENSOR || delegate->foreign[index].memory)
        return;
    const vkd_tensor *tensor = &plan->graph.tensors[plan->graph.inputs[index]];
    const vkd_input *input = &delegate->inputs[index];
    vkd_border border;
    vkd_border_init(&border, tensor->rank, tensor->dims, delegate->orders[index]);
    vkd_border_in(&border, input->dtype, input->data, tensor->dtype,
                  vkd_executor_input(plan->executor, slot, index));
}

static void get_output(vkd_delegate *delegate, const vkd_plan *plan, uint32_t slot, size_t index,
                       const vkd_destination *to)
{
    const vkd_model_value *value = &plan->values[delegate->net.outputs[index]];
    const vkd_model_tensor declared = boundary(value);
    to->arg->rank = declared.rank;
    for (uint32_t i = 0; i < declared.rank; i++)
        to->arg->dims[i] = declared.dims[i];
    if (to->in_place)
        return;
    if (plan->graph.outputs[index] == VKD_NO_TENSOR) {
        vkd_element_set(to->dtype, to->data, 0, (double)value->i);
        return;
    }
    const vkd_tensor *tensor = &plan->graph.tensors[plan->graph.outputs[index]];
    vkd_border border;
    vkd_border_init(&border, tensor->rank, tensor->dims,
                    delegate->orders[delegate->net.input_count + index]);
    vkd_border_out(&border, tensor->dtype, vkd_executor_output(plan->executor, slot, index),
                   to->dtype, to->data);
}
/* ------------------------------------------------------------------------------------ in flight */

static void remember_failure(vkd_delegate *delegate, uint64_t ticket, vkd_status status)
{
    delegate->failures[delegate->failure_count++ % VKD_MAX_IN_FLIGHT] =
        (vkd_failure){ticket, status};
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
        get_output(delegate, flight->plan, slot, i, &flight->outputs[i]);
    return VKD_OK;
}

/* ---------------------------------------------------------------------------------------- plans */

static bool has_input_dims(const vkd_delegate *delegate, const vkd_plan *plan)
{
    for (size_t i = 0; i < delegate->net.input_count; i++) {
        const vkd_shape *shape = &delegate->inputs[i].shape;
        if (memcmp(plan->values[delegate->net.inputs[i]].tensor.dims, shape->dims,
                   shape->rank * sizeof *shape->dims))
            return false;
    }
    return true;
}

/* Of too many plans the one that was used longest ago goes. */
static vkd_status drop_oldest_plan(vkd_delegate *delegate)
{
    if (delegate->plan_count <= delegate->max_plans)
        return VKD_OK;
    size_t oldest = 0;
    for (size_t i = 1; i < delegate->plan_count; i++)
        if (delegate->plans[i]->used < delegate->plans[oldest]->used)
            oldest = i;
    vkd_plan *plan = delegate->plans[oldest];
    for (uint32_t slot = 0; slot < delegate->flight_count; slot++)
        if (delegate->flights[slot].ticket && delegate->flights[slot].plan == plan)
            VKD_TRY(complete(delegate, slot));
    delegate->plans[oldest] = delegate->plans[--delegate->plan_count];
    if (delegate->plan == plan)
        delegate->plan = delegate->plans[delegate->plan_count - 1];
    vkd_plan_destroy(plan);
    return VKD_OK;
}

static vkd_status make_plan(vkd_delegate *delegate, vkd_plan **out)
{
    vkd_plan *plan;
    VKD_TRY(vkd_device_check(delegate->device));
    VKD_TRY(vkd_plan_lower(&delegate->planner, &delegate->context, delegate->inputs, &plan));
    vkd_status status = vkd_plan_prepare(&delegate->planner, plan);
    if (status == VKD_OK)
        status = vkd_plan_fill_slots(&delegate->planner, plan);
    if (status != VKD_OK) {
        vkd_plan_destroy(plan);
        return status;
    }
    plan->used = delegate->last_ticket + 1;
    delegate->plans[delegate->plan_count++] = plan;
    *out = plan;
    return drop_oldest_plan(delegate);
}

/* The plan for the inputs that were read. A net without SymInts whose inputs have the last
 * execution's dims needs no look. */
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

static bool is_before(const vkd_flight *a, const vkd_flight *b)
{
    return a->ticket != b->ticket ? a->ticket < b->ticket : a->used < b->used;
}

/* A slot that is free, of those one that is recorded for the arguments' memory, else the
 * one that was used longest ago; or that of the oldest execution. */
static uint32_t choose_slot(const vkd_delegate *delegate, const vkd_plan *plan)
{
    uint32_t chosen = 0;
    for (uint32_t i = 0; i < delegate->flight_count; i++)
        if (!delegate->flights[i].ticket && vkd_foreign_fits(delegate, plan, i))
            return i;
    for (uint32_t i = 1; i < delegate->flight_count; i++)
        if (is_before(&delegate->flights[i], &delegate->flights[chosen]))
            chosen = i;
    return chosen;
}

vkd_status vkd_submit(vkd_delegate *delegate, vkd_tensor_arg *args, size_t count,
                      uint64_t *out_ticket)
{
    if (!delegate)
        return VKD_INVALID_ARGUMENT;
    if (!out_ticket)
        return vkd_fail(&delegate->context, VKD_INVALID_ARGUMENT,
                        "vkd_submit: a null pointer for the ticket");
    const vkd_net *net = &delegate->net;
    if (!args || count < net->input_count + net->output_count)
        return vkd_fail(&delegate->context, VKD_INVALID_ARGUMENT,
                        "%zu arguments: the model has %zu inputs and %zu outputs", args ? count : 0,
                        net->input_count, net->output_count);
    for (size_t i = 0; i < net->input_count; i++)
        VKD_TRY(read_input(delegate, args, i));
    vkd_plan *plan;
    VKD_TRY(choose_plan(delegate, &plan));
    VKD_TRY(vkd_plan_fill_slots(&delegate->planner, plan));
    VKD_TRY(read_outputs(delegate, plan, args, count - net->output_count));
    VKD_TRY(vkd_foreign_read(delegate, plan, args, count));
    const uint32_t slot = choose_slot(delegate, plan);
    vkd_flight *flight = &delegate->flights[slot];
    if (flight->ticket)
        VKD_TRY(complete(delegate, slot));
    delegate->plan = plan;
    vkd_foreign_bind(delegate, plan, slot);
    for (size_t i = 0; i < net->input_count; i++)
        set_input(delegate, plan, slot, i);
    write_symbols(delegate, plan, slot);
    VKD_TRY(vkd_executor_submit(plan->executor, slot));
    memcpy(flight->outputs, delegate->destinations, net->output_count * sizeof *flight->outputs);
    flight->plan = plan;
    flight->ticket = flight->used = plan->used = ++delegate->last_ticket;
    *out_ticket = flight->ticket;
    return VKD_OK;
}

vkd_status vkd_wait(vkd_delegate *delegate, uint64_t ticket)
{
    if (!delegate)
        return VKD_INVALID_ARGUMENT;
    if (!ticket || ticket > delegate->last_ticket)
        return vkd_fail(&delegate->context, VKD_INVALID_ARGUMENT,
                        "no execution has the ticket %llu", (unsigned long long)ticket);
    for (uint32_t slot = 0; slot < delegate->flight_count; slot++)
        if (delegate->flights[slot].ticket == ticket)
            return complete(delegate, slot);
    return status_of(delegate, ticket);
}

vkd_status vkd_execute(vkd_delegate *delegate, vkd_tensor_arg *args, size_t count)
{
    uint64_t ticket;
    VKD_TRY(vkd_submit(delegate, args, count, &ticket));
    return vkd_wait(delegate, ticket);
}

vkd_status vkd_delegate_complete_all(vkd_delegate *delegate)
{
    for (uint32_t slot = 0; slot < delegate->flight_count; slot++)
        if (delegate->flights[slot].ticket)
            VKD_TRY(complete(delegate, slot));
    return VKD_OK;
}
