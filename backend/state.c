/* What a delegate keeps between executions: tensors that its graph writes. */
#include "backend/delegate.h"
#include "runtime/transfer.h"

vkd_status vkd_delegate_find_states(vkd_delegate *delegate)
{
    const vkd_net *net = &delegate->net;
    delegate->states =
        vkd_arena_alloc(&delegate->arena, net->value_count, sizeof *delegate->states);
    if (!delegate->states)
        return vkd_fail_memory(&delegate->context, "a model's states");
    for (size_t i = 0; i < net->value_count; i++) {
        const vkd_model_value *value = &net->values[i];
        vkd_slice unused;
        if (value->kind == VKD_VALUE_TENSOR && value->tensor.state &&
            vkd_residents_state(delegate->residents, (uint32_t)i + 1, &unused))
            delegate->states[delegate->state_count++] = (uint32_t)i;
    }
    return VKD_OK;
}

bool vkd_needs_constants(const vkd_delegate *delegate)
{
    return delegate && (delegate->is_dynamic || delegate->state_count);
}

size_t vkd_state_count(const vkd_delegate *delegate)
{
    return delegate ? delegate->state_count : 0;
}

vkd_status vkd_state_info(const vkd_delegate *delegate, size_t index, vkd_tensor_info *out)
{
    if (!delegate || !out)
        return VKD_INVALID_ARGUMENT;
    if (index >= delegate->state_count)
        return VKD_NOT_FOUND;
    vkd_tensor_info_of(&delegate->net.values[delegate->states[index]].tensor, out);
    return VKD_OK;
}

vkd_status vkd_state_read(vkd_delegate *delegate, size_t index, void *data, size_t capacity)
{
    vkd_tensor_info info;
    vkd_slice slice = {0};
    VKD_TRY(vkd_state_info(delegate, index, &info));
    if (!data || capacity < info.size)
        return vkd_fail(&delegate->context, VKD_INVALID_ARGUMENT,
                        "state %zu has %zu bytes, there is room for %zu", index, info.size,
                        data ? capacity : 0);
    VKD_TRY(vkd_delegate_complete_all(delegate));
    if (!vkd_residents_state(delegate->residents, delegate->states[index] + 1, &slice))
        return VKD_NOT_FOUND;
    return vkd_buffer_read(delegate->device, slice.buffer, slice.offset, info.size, data);
}

vkd_status vkd_state_reset(vkd_delegate *delegate)
{
    if (!delegate)
        return VKD_INVALID_ARGUMENT;
    VKD_TRY(vkd_delegate_complete_all(delegate));
    return vkd_residents_reset(delegate->residents);
}
