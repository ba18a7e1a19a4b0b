#include "support/call.h"

vkd_tensor_arg call_arg(vkd_dtype dtype, uint32_t rank, const int64_t *dims, const void *input,
                        void *output)
{
    vkd_tensor_arg arg = {sizeof arg, dtype, rank, {0}, input, output, vkd_dtype_size(dtype)};
    for (uint32_t i = 0; i < rank; i++) {
        arg.dims[i] = dims[i];
        arg.capacity *= (size_t)dims[i];
    }
    return arg;
}

vkd_tensor_arg call_input(const vkd_tensor_info *info, const void *data)
{
    return call_arg(info->dtype, info->rank, info->dims, data, NULL);
}

vkd_tensor_arg call_output(const vkd_tensor_info *info, void *data)
{
    return call_arg(info->dtype, info->rank, info->dims, NULL, data);
}

vkd_status call_method(vkd_method *method, const void *input, void *output)
{
    vkd_tensor_info in, out;
    if (vkd_method_input_info(method, 0, &in) != VKD_OK ||
        vkd_method_output_info(method, 0, &out) != VKD_OK)
        return VKD_NOT_FOUND;
    vkd_tensor_arg args[] = {call_input(&in, input), call_output(&out, output)};
    return vkd_method_execute(method, args, 2);
}
