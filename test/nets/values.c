/* Tensors of a net, and int8 in the place of floats: ranges that follow from what is expected. */
#include "nets/write.h"

#include <math.h>
#include <string.h>

/* How far from the mean a range reaches, in standard deviations. */
static const double reach = 4;

net_value net_tensor(building *g, uint32_t rank, const uint32_t *dims)
{
    net_value v = {.bytes = (uint32_t)NET_NONE, .rank = rank, .variance = 1};
    double elements = 1;
    for (uint32_t d = 0; d < rank; d++) {
        v.dims[d] = dims[d];
        elements *= dims[d];
    }
    g->largest = fmax(g->largest, elements);
    v.id = blob_constant_tensor(g->blob, g->dtype, rank, dims, -1);
    return v;
}

net_value net_like(building *g, const net_value *x)
{
    net_value y = net_tensor(g, x->rank, x->dims);
    y.mean = x->mean, y.variance = x->variance, y.range = x->range;
    return y;
}

static void set_info(vkd_tensor_info *info, vkd_dtype dtype, const net_value *x)
{
    *info = (vkd_tensor_info){.dtype = dtype, .rank = x->rank};
    for (uint32_t d = 0; d < x->rank; d++)
        info->dims[d] = (int)x->dims[d];
}

void net_input(building *g, vkd_dtype dtype, const net_value *x)
{
    set_info(&g->inputs[g->input_count++], dtype, x);
    blob_io(g->blob, &x->id, 1, NULL, 0);
}

void net_output(building *g, net_value *y)
{
    const uint32_t id = net_floats(g, y);
    set_info(&g->output, g->dtype, y);
    blob_io(g->blob, NULL, 0, &id, 1);
}

net_value net_images(building *g)
{
    net_value x = NET_TENSOR(g, (uint32_t)g->shape.batch, NET_COLOURS, (uint32_t)g->shape.size,
                             (uint32_t)g->shape.width);
    x.range = net_range(g, 0, 1);
    net_input(g, g->dtype, &x);
    return x;
}

uint32_t net_narrow(const building *g, uint32_t n)
{
    const uint32_t by = (uint32_t)g->shape.narrow;
    return (n + by - 1) / by;
}

uint32_t net_layers(const building *g, uint32_t n)
{
    const uint32_t most = (uint32_t)g->shape.layers;
    return most && most < n ? most : n;
}

/* ----------------------------------------------------------------------------------------- int8 */

static range make_range(double low, double high)
{
    low = fmin(low, 0), high = fmax(high, 0); /* 0 is a number of every range */
    const double scale = (high - low) / 255;
    return (range){scale, (int)lround(-128 - low / scale)};
}

range net_range(building *g, double mean, double variance)
{
    const double deviation = sqrt(variance),
                 off = mean + deviation * (double)random_float(&g->random, -0.28f, 0.28f);
    return make_range(off - reach * deviation, off + reach * deviation);
}

void net_expect(net_value *y, const net_value *x, double (*f)(double))
{
    enum { STEPS = 64 };
    const double deviation = sqrt(x->variance);
    double weights = 0, sum = 0, squares = 0, low = 0, high = 0;
    for (int i = -STEPS; i <= STEPS; i++) {
        const double t = reach * i / STEPS, weight = exp(-0.5 * t * t),
                     result = f(x->mean + t * deviation);
        weights += weight;
        sum += weight * result;
        squares += weight * result * result;
        low = fmin(low, result), high = fmax(high, result);
    }
    y->mean = sum / weights;
    y->variance = fmax(squares / weights - y->mean * y->mean, 1e-6);
    y->range = make_range(low, high);
}

void net_expect_sum(net_value *y, const net_value *a, const net_value *b)
{
    y->mean = a->mean + b->mean;
    y->variance = a->variance + b->variance;
}

uint32_t net_floats(building *g, const net_value *x)
{
    vkd_blob_builder *b = g->blob;
    if (x->id != (uint32_t)NET_NONE)
        return x->id;
    const uint32_t y = net_tensor(g, x->rank, x->dims).id;
    NET_OP(g, "quantized_decomposed.dequantize_per_tensor.default", x->bytes,
           blob_double(b, x->range.scale), blob_int(b, x->range.zero), blob_int(b, -128),
           blob_int(b, 127), blob_null(b), blob_null(b), y);
    return y;
}

uint32_t net_bytes(building *g, net_value *x)
{
    vkd_blob_builder *b = g->blob;
    if (x->bytes != (uint32_t)NET_NONE)
        return x->bytes;
    x->bytes = blob_constant_tensor(b, VKD_DTYPE_INT8, x->rank, x->dims, -1);
    NET_OP(g, "quantized_decomposed.quantize_per_tensor.default", x->id,
           blob_double(b, x->range.scale), blob_int(b, x->range.zero), blob_int(b, -128),
           blob_int(b, 127), blob_null(b), x->bytes);
    return x->bytes;
}
