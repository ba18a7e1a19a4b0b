#include "backend/foreign.h"

#include <inttypes.h>

static vkd_status refuse(vkd_delegate *delegate, size_t argument, const char *why)
{
    const size_t inputs = delegate->net.input_count;
    const bool is_input = argument < inputs;
    return vkd_fail(&delegate->context, VKD_INVALID_ARGUMENT, "%s %zu in memory of others: %s",
                    is_input ? "input" : "output", is_input ? argument : argument - inputs, why);
}

static vkd_tensor_id tensor_of(const vkd_delegate *delegate, const vkd_plan *plan, size_t argument)
{
    const size_t inputs = delegate->net.input_count;
    return argument < inputs ? plan->graph.inputs[argument]
                             : plan->graph.outputs[argument - inputs];
}

static vkd_status check_range(vkd_delegate *delegate, size_t argument, uint64_t bytes)
{
    const vkd_foreign *at = &delegate->foreign[argument];
    const uint32_t alignment = vkd_device_caps(delegate->device)->storage_alignment;
    if (at->offset % alignment)
        return vkd_fail(&delegate->context, VKD_INVALID_ARGUMENT,
                        "argument %zu in memory of others: offset %" PRIu64
                        " is no multiple of %" PRIu32 ", as the device needs it",
                        argument, at->offset, alignment);
    if (at->offset > at->memory->buffer.size || bytes > at->memory->buffer.size - at->offset)
        return vkd_fail(&delegate->context, VKD_INVALID_ARGUMENT,
                        "argument %zu in memory of others: %" PRIu64 " bytes from %" PRIu64
                        " on are needed, it has %" PRIu64,
                        argument, bytes, at->offset, at->memory->buffer.size);
    return VKD_OK;
}

static vkd_status check(vkd_delegate *delegate, const vkd_plan *plan, size_t argument,
                        vkd_dtype dtype)
{
    const vkd_foreign *at = &delegate->foreign[argument];
    const vkd_tensor_id id = tensor_of(delegate, plan, argument);
    if (!vkd_device_is_same(at->memory->device, delegate->device))
        return refuse(delegate, argument, "it was imported by another engine");
    if (id == VKD_NO_TENSOR)
        return refuse(delegate, argument, "a number is the host's");
    const vkd_tensor *tensor = &plan->graph.tensors[id];
    if (dtype != tensor->dtype)
        return vkd_fail(&delegate->context, VKD_INVALID_ARGUMENT,
                        "argument %zu in memory of others is %s: the device has %s, and nothing is "
                        "converted there",
                        argument, vkd_dtype_name(dtype), vkd_dtype_name(tensor->dtype));
    for (uint32_t dim = 0; dim < tensor->rank && dim < VKD_MAX_RANK; dim++)
        if (delegate->orders[argument][dim] != dim)
            return refuse(delegate, argument,
                          "the program declares another order of its dims, which is changed in a "
                          "copy");
    delegate->foreign[argument].bytes = tensor->bytes;
    return check_range(delegate, argument, tensor->bytes);
}

static bool overlap(const vkd_foreign *a, const vkd_foreign *b)
{
    return a->memory && a->memory == b->memory && a->offset < b->offset + b->bytes &&
           b->offset < a->offset + a->bytes;
}

static vkd_status check_overlaps(vkd_delegate *delegate)
{
    const size_t inputs = delegate->net.input_count, all = inputs + delegate->net.output_count;
    for (size_t output = inputs; output < all; output++)
        for (size_t other = 0; other < output; other++)
            if (overlap(&delegate->foreign[output], &delegate->foreign[other]))
                return refuse(delegate, output, "it overlaps another argument");
    return VKD_OK;
}

vkd_status vkd_foreign_read(vkd_delegate *delegate, const vkd_plan *plan,
                            const vkd_tensor_arg *args, size_t count)
{
    const size_t inputs = delegate->net.input_count, all = inputs + delegate->net.output_count;
    bool any = false;
    for (size_t i = 0; i < all; i++) {
        vkd_tensor_arg arg;
        if (!vkd_struct_read(&arg, sizeof arg, args, i < inputs ? i : count - all + i))
            return refuse(delegate, i, "vkd_tensor_arg.size is wrong");
        delegate->foreign[i] = (vkd_foreign){.memory = arg.memory, .offset = arg.offset};
        if (arg.memory)
            VKD_TRY(check(delegate, plan, i, arg.dtype));
        any |= arg.memory != NULL;
    }
    return any ? check_overlaps(delegate) : VKD_OK;
}

bool vkd_foreign_fits(const vkd_delegate *delegate, const vkd_plan *plan, uint32_t slot)
{
    const size_t all = delegate->net.input_count + delegate->net.output_count;
    for (size_t i = 0; i < all; i++) {
        const vkd_foreign *at = &delegate->foreign[i];
        if (!vkd_executor_binds(plan->executor, slot, i, at->memory ? &at->memory->buffer : NULL,
                                at->offset))
            return false;
    }
    return true;
}

void vkd_foreign_bind(const vkd_delegate *delegate, vkd_plan *plan, uint32_t slot)
{
    const size_t all = delegate->net.input_count + delegate->net.output_count;
    for (size_t i = 0; i < all; i++) {
        const vkd_foreign *at = &delegate->foreign[i];
        vkd_executor_bind(plan->executor, slot, i, at->memory ? &at->memory->buffer : NULL,
                          at->offset);
    }
}
