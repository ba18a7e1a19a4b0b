#include "graph/pixels.h"

#include <math.h>
#include <string.h>

static vkd_status fail(const vkd_net *net, size_t index, const char *what)
{
    return vkd_fail(net->arena->context, VKD_INVALID_ARGUMENT, "vkd_options.pixels[%zu]: %s", index,
                    what);
}

/* The tensor in the place of which the bytes come. */
static vkd_status check(const vkd_net *net, size_t index, const vkd_pixels *pixels)
{
    if (pixels->input >= net->input_count)
        return fail(net, index, "the model has no such input");
    const uint32_t id = net->inputs[pixels->input];
    const vkd_model_value *value = &net->values[id];
    const vkd_model_tensor *tensor = &value->tensor;
    if (value->kind != VKD_VALUE_TENSOR || tensor->rank != 4 ||
        (tensor->dtype != VKD_DTYPE_FLOAT32 && tensor->dtype != VKD_DTYPE_FLOAT16))
        return fail(net, index, "its input is no f32 or f16 tensor of the dims N, C, H, W");
    const uint32_t channels = tensor->dims[1];
    if (channels < 1 || channels > VKD_PIXEL_CHANNELS)
        return fail(net, index, "its input has other than 1 to 4 channels");
    for (size_t i = 0, same = 0; i < net->input_count; i++)
        if (net->inputs[i] == id && same++)
            return fail(net, index, "its input is another input, too");
    for (uint32_t c = 0; c < channels; c++)
        if (!isfinite(pixels->mean[c]) || !isfinite(pixels->std[c]) || pixels->std[c] == 0)
            return fail(net, index, "a mean is not finite, or a std is not finite or 0");
    return VKD_OK;
}

/* The caller's tensor, by the model's. */
static vkd_model_value bytes_of(const vkd_model_value *floats, bool channels_last)
{
    vkd_model_value bytes = *floats;
    const uint32_t *dims = floats->tensor.dims, last[] = {dims[0], dims[2], dims[3], dims[1]};
    bytes.tensor.dtype = bytes.tensor.staging_dtype = VKD_DTYPE_UINT8;
    bytes.tensor.size = (size_t)vkd_dims_count(4, dims);
    if (channels_last)
        memcpy(bytes.tensor.dims, last, sizeof last);
    return bytes;
}

/* In front of all others. */
static vkd_status add_call(vkd_net *net, const pixels_args *args)
{
    const vkd_op *row = vkd_op_internal(net->tables, VKD_OP_PIXELS);
    vkd_call *calls = vkd_arena_alloc(net->arena, net->call_count + 1, sizeof *calls);
    pixels_args *own = vkd_arena_alloc(net->arena, 1, sizeof *own);
    if (!calls || !own)
        return vkd_fail_memory(net->arena->context, "the operators");
    *own = *args;
    calls[0] = (vkd_call){.row = row, .name = row->name, .args = own};
    if (net->call_count)
        memcpy(calls + 1, net->calls, net->call_count * sizeof *calls);
    net->calls = calls;
    net->call_count++;
    return VKD_OK;
}

static vkd_status set_input(vkd_net *net, size_t index, uint32_t id)
{
    uint32_t *inputs = vkd_arena_alloc(net->arena, net->input_count, sizeof *inputs);
    if (!inputs)
        return vkd_fail_memory(net->arena->context, "the inputs");
    memcpy(inputs, net->inputs, net->input_count * sizeof *inputs);
    inputs[index] = id;
    net->inputs = inputs;
    return VKD_OK;
}

static vkd_status add(vkd_net *net, size_t index, const vkd_pixels *pixels)
{
    VKD_TRY(check(net, index, pixels));
    const uint32_t y = net->inputs[pixels->input];
    const vkd_model_value bytes = bytes_of(&net->values[y], pixels->channels_last);
    pixels_args args = {.y = y, .channels_last = pixels->channels_last};
    memcpy(args.mean, pixels->mean, sizeof args.mean);
    memcpy(args.std, pixels->std, sizeof args.std);
    VKD_TRY(vkd_net_add_value(net, &bytes, &args.x));
    VKD_TRY(set_input(net, pixels->input, args.x));
    return add_call(net, &args);
}

vkd_status vkd_pixels_add(vkd_net *net, const vkd_pixels *pixels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        vkd_pixels own;
        if (!pixels || !vkd_struct_read(&own, sizeof own, pixels, i))
            return fail(net, i,
                        "size must be sizeof(vkd_pixels), and what this library does not "
                        "know there zero");
        VKD_TRY(add(net, i, &own));
    }
    return VKD_OK;
}

vkd_status vkd_pixels_quantize(vkd_rewriter *r, size_t index)
{
    vkd_call *quantizing = &r->net->calls[index];
    const quantize_args *quantize = vkd_rw_args(quantizing, VKD_OP_QUANTIZE);
    vkd_call *call = quantize ? vkd_rw_only_producer(r, quantize->x, index) : NULL;
    pixels_args *pixels = vkd_rw_args(call, VKD_OP_PIXELS);
    if (!pixels || vkd_rw_tensor(r, pixels->y)->dtype != VKD_DTYPE_FLOAT32 ||
        quantize->low != -128 || quantize->high != 127 || !isfinite(quantize->scale) ||
        quantize->scale <= 0 || quantize->zero < -128 || quantize->zero > 127)
        return VKD_OK;
    const uint32_t y = quantize->y;
    pixels->scale = quantize->scale;
    pixels->zero = quantize->zero;
    vkd_rw_remove(r, quantizing);
    vkd_rw_set_result(r, call, y);
    return VKD_OK;
}
