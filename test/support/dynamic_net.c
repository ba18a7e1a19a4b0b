#include "support/dynamic_net.h"
#include "support/blob_builder.h"
#include "support/call.h"

#include <math.h>
#include <stdlib.h>

enum { EXPANSION = 4, WIDTH = 8 };

/* A tensor of the net in the largest shape. */
typedef struct image {
    uint32_t id, channels, size;
} image;

static uint32_t weights(vkd_blob_builder *b, uint32_t rank, const uint32_t *dims)
{
    static uint32_t seed = 1;
    size_t count = 1;
    for (uint32_t i = 0; i < rank; i++)
        count *= dims[i];
    float *data = malloc(count * sizeof *data);
    const float scale = 1 / sqrtf((float)(count / dims[0]));
    for (size_t i = 0; data && i < count; i++) {
        seed = seed * 1664525 + 1013904223;
        data[i] = scale * ((float)(seed >> 16) / 32768 - 1);
    }
    uint32_t id = blob_tensor(b, VKD_DTYPE_FLOAT32, rank, dims, data);
    free(data);
    return id;
}

static image make_image(vkd_blob_builder *b, uint32_t channels, uint32_t size)
{
    const uint32_t dims[] = {1, channels, size, size};
    return (image){blob_tensor(b, VKD_DTYPE_FLOAT32, 4, dims, NULL), channels, size};
}

static uint32_t pair(vkd_blob_builder *b, int64_t value)
{
    return blob_int_list(b, (const int64_t[]){value, value}, 2);
}

static image convolve(vkd_blob_builder *b, image x, uint32_t channels, uint32_t kernel,
                      uint32_t stride)
{
    image y = make_image(b, channels, (x.size - 1) / stride + 1);
    const uint32_t w_dims[] = {channels, x.channels, kernel, kernel};
    const uint32_t args[] = {x.id,
                             weights(b, 4, w_dims),
                             weights(b, 1, &channels),
                             pair(b, stride),
                             pair(b, kernel / 2),
                             pair(b, 1),
                             blob_bool(b, false),
                             pair(b, 0),
                             blob_int(b, 1),
                             y.id};
    blob_op(b, "aten.convolution.default", 0, args, 10);
    return y;
}

static image relu(vkd_blob_builder *b, image x)
{
    image y = make_image(b, x.channels, x.size);
    blob_op(b, "aten.relu.default", 0, (const uint32_t[]){x.id, y.id}, 2);
    return y;
}

static image bottleneck(vkd_blob_builder *b, image x, uint32_t width, uint32_t stride)
{
    image y = relu(b, convolve(b, x, width, 1, 1));
    y = relu(b, convolve(b, y, width, 3, stride));
    y = convolve(b, y, EXPANSION * width, 1, 1);
    if (x.channels != y.channels || stride > 1)
        x = convolve(b, x, y.channels, 1, stride);
    image sum = make_image(b, y.channels, y.size);
    blob_op(b, "aten.add.Tensor", 0, (const uint32_t[]){x.id, y.id, blob_int(b, 1), sum.id}, 4);
    return relu(b, sum);
}

static uint32_t classify(vkd_blob_builder *b, image x)
{
    const uint32_t row[] = {1, x.channels}, out[] = {1, DYNAMIC_CLASSES},
                   w_dims[] = {DYNAMIC_CLASSES, x.channels};
    uint32_t mean = blob_tensor(b, VKD_DTYPE_FLOAT32, 2, row, NULL),
             dims = blob_int_list(b, (const int64_t[]){2, 3}, 2),
             y = blob_tensor(b, VKD_DTYPE_FLOAT32, 2, out, NULL), null = blob_null(b);
    blob_op(b, "aten.mean.dim", 0, (const uint32_t[]){x.id, dims, blob_bool(b, false), null, mean},
            5);
    blob_op(b, "aten.linear.default", 0, (const uint32_t[]){mean, weights(b, 2, w_dims), null, y},
            4);
    return y;
}

void dynamic_net_begin(dynamic_net *net, int most, const int blocks[4])
{
    vkd_blob_builder *b = blob_new();
    image x = make_image(b, DYNAMIC_COLOURS, (uint32_t)most);
    const uint32_t in = x.id;
    x = relu(b, convolve(b, x, 2 * WIDTH, 7, 2));
    for (int stage = 0; stage < 4; stage++)
        for (int i = 0; i < blocks[stage]; i++)
            x = bottleneck(b, x, WIDTH << stage, stage && !i ? 2 : 1);
    const uint32_t out = classify(b, x);
    blob_io(b, &in, 1, &out, 1);
    net->blob = blob_finish(b, &net->size);
    net->most = most;
}

void dynamic_net_end(dynamic_net *net) { free(net->blob); }

vkd_status dynamic_net_init(const dynamic_net *net, const vkd_options *options, vkd_delegate **out)
{
    static const vkd_compile_spec dynamic = {sizeof dynamic, "require_dynamic_shapes", "\1", 1};
    return vkd_init(net->blob, net->size, &dynamic, 1, NULL, options, out);
}

void dynamic_call_set(dynamic_call *call, int h, int w, const float *x)
{
    call->args[0] =
        call_arg(VKD_DTYPE_FLOAT32, 4, (const int64_t[]){1, DYNAMIC_COLOURS, h, w}, x, NULL);
    call->args[1] =
        call_arg(VKD_DTYPE_FLOAT32, 2, (const int64_t[]){1, DYNAMIC_CLASSES}, NULL, call->y);
}
