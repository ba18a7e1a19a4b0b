/* Operators of nets, in floats or in int8. */
#include "nets/write.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "runtime/base/math.h"

/* A result of int8 in a program of int8, else of floats. */
static net_value result(building *g, uint32_t rank, const uint32_t *dims)
{
    if (!g->int8)
        return net_tensor(g, rank, dims);
    net_value y = {.id = (uint32_t)NET_NONE, .rank = rank, .variance = 1};
    memcpy(y.dims, dims, rank * sizeof *dims);
    y.bytes = blob_constant_tensor(g->blob, VKD_DTYPE_INT8, rank, dims, -1);
    return y;
}

/* ---------------------------------------------------------------------------------- activations */

static double relu(double x) { return fmax(x, 0); }
static double relu6(double x) { return fmin(fmax(x, 0), 6); }
static double hardsigmoid(double x) { return relu6(x + 3) / 6; }
static double hardswish(double x) { return x * hardsigmoid(x); }
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double silu(double x) { return x * sigmoid(x); }
static double gelu(double x) { return 0.5 * x * erfc(-x * sqrt(0.5)); }

static double (*const functions[ACTIVATIONS])(double) = {
    [RELU] = relu, [RELU6] = relu6, [HARDSWISH] = hardswish, [SILU] = silu, [GELU] = gelu};

net_value net_activate(building *g, const net_value *x, activation how)
{
    vkd_blob_builder *b = g->blob;
    if (how == NONE)
        return *x;
    const uint32_t in = net_floats(g, x);
    net_value y = net_like(g, x);
    net_expect(&y, x, functions[how]);
    if (how == RELU)
        NET_OP(g, "aten.relu.default", in, y.id);
    if (how == HARDSWISH)
        NET_OP(g, "aten.hardswish.default", in, y.id);
    if (how == GELU)
        NET_OP(g, "aten.gelu.default", in, blob_string(b, "none"), y.id);
    if (how == RELU6) {
        y.range = x->range; /* a convolution and its clamp are observed as one */
        NET_OP(g, "aten.hardtanh.default", in, blob_double(b, 0), blob_double(b, 6), y.id);
    }
    if (how == SILU) {
        const uint32_t gate = net_like(g, x).id;
        NET_OP(g, "aten.sigmoid.default", in, gate);
        NET_OP(g, "aten.mul.Tensor", in, gate, y.id);
    }
    return y;
}

net_value net_sigmoid(building *g, const net_value *x)
{
    const uint32_t in = net_floats(g, x);
    net_value y = net_like(g, x);
    net_expect(&y, x, sigmoid);
    NET_OP(g, "aten.sigmoid.default", in, y.id);
    return y;
}

static uint32_t clone(building *g, uint32_t x)
{
    const uint32_t y = net_tensor(g, 0, NULL).id;
    NET_OP(g, "aten.clone.default", x, blob_null(g->blob), y);
    return y;
}

net_value net_hardsigmoid(building *g, const net_value *x)
{
    vkd_blob_builder *b = g->blob;
    const uint32_t three = net_scalar(g, 3), six = net_scalar(g, 6), in = net_floats(g, x),
                   sum = net_like(g, x).id, above = net_like(g, x).id, below = net_like(g, x).id;
    net_value y = net_like(g, x);
    net_expect(&y, x, hardsigmoid);
    NET_OP(g, "aten.add.Tensor", in, clone(g, three), blob_int(b, 1), sum);
    NET_OP(g, "aten.clamp.default", sum, blob_int(b, 0), blob_null(b), above);
    NET_OP(g, "aten.clamp.default", above, blob_null(b), blob_int(b, 6), below);
    NET_OP(g, "aten.div.Tensor", below, clone(g, six), y.id);
    return y;
}

/* ------------------------------------------------------------------------------------- products */

static net_value windowed(building *g, const net_value *x, uint32_t out_c, const window *w)
{
    uint32_t size[2];
    const uint32_t reaches = w->dilation * (w->kernel - 1) + 1;
    for (int axis = 0; axis < 2; axis++)
        size[axis] = (x->dims[2 + axis] + 2 * w->padding - reaches) / w->stride + 1;
    return result(g, 4, (const uint32_t[]){x->dims[0], out_c, size[0], size[1]});
}

static void float_conv(building *g, net_value *x, const window *w, const net_value *y,
                       activation fused)
{
    vkd_blob_builder *b = g->blob;
    const uint32_t in_c = x->dims[1] / w->groups, out_c = y->dims[1],
                   dims[] = {out_c, in_c, w->kernel, w->kernel},
                   weight = net_weights(g, 4, dims, in_c * w->kernel * w->kernel),
                   bias = w->no_bias ? blob_null(b) : net_weights(g, 1, &out_c, 0),
                   stride = NET_LIST(g, w->stride, w->stride),
                   padding = NET_LIST(g, w->padding, w->padding),
                   dilation = NET_LIST(g, w->dilation, w->dilation), no = blob_bool(b, false),
                   none = NET_LIST(g, 0, 0), groups = blob_int(b, w->groups);
    if (fused)
        NET_OP(g, "et_vk.conv_with_clamp.default", x->id, weight, bias, stride, padding, dilation,
               no, none, groups, blob_double(b, 0), blob_double(b, fused == RELU ? DBL_MAX : 6),
               y->id);
    else
        NET_OP(g, "aten.convolution.default", x->id, weight, bias, stride, padding, dilation, no,
               none, groups, y->id);
}

/* A depthwise weight is [tap][tap][channel], others have a row for each channel. */
static weight_order conv_order(const window *w, uint32_t out_c, uint32_t k, bool depthwise)
{
    const uint32_t row = (uint32_t)vkd_align_up(k, 4), padded = (uint32_t)vkd_align_up(out_c, 4);
    return depthwise ? (weight_order){3, {w->kernel, w->kernel, padded}, 1, padded}
                     : (weight_order){2, {out_c, row}, row, 1};
}

static void int8_conv(building *g, net_value *x, const window *w, const net_value *y,
                      activation fused)
{
    vkd_blob_builder *b = g->blob;
    const uint32_t out_c = y->dims[1], in_c = x->dims[1] / w->groups,
                   k = in_c * w->kernel * w->kernel, in = net_bytes(g, x);
    const bool depthwise = w->groups > 1 && w->groups == out_c && in_c == 1;
    const weight_order order = conv_order(w, out_c, k, depthwise);
    const layer l = net_layer(g, x, out_c, k, &order);
    NET_OP(g,
           depthwise                          ? "et_vk.q8ta_conv2d_dw.default"
           : w->kernel == 1 && w->stride == 1 ? "et_vk.q8ta_conv2d_pw.default"
                                              : "et_vk.q8ta_conv2d.default",
           in, blob_double(b, x->range.scale), blob_int(b, x->range.zero), l.weight, l.sums,
           l.scales, blob_double(b, y->range.scale), blob_int(b, y->range.zero),
           w->no_bias ? blob_null(b) : l.bias, NET_LIST(g, w->kernel, w->kernel),
           NET_LIST(g, w->stride, w->stride), NET_LIST(g, w->padding, w->padding),
           NET_LIST(g, w->dilation, w->dilation), blob_int(b, w->groups),
           blob_string(b, fused ? "relu" : "none"), y->bytes);
}

net_value net_conv(building *g, net_value *x, uint32_t out_c, window w, activation how)
{
    w.groups = w.groups ? w.groups : 1;
    w.dilation = w.dilation ? w.dilation : 1;
    const activation fused = how == RELU || (how == RELU6 && !g->int8) ? how : NONE;
    net_value y = windowed(g, x, out_c, &w);
    if (fused)
        net_expect(&y, &(net_value){.variance = 1}, functions[fused]);
    else
        y.range = net_range(g, 0, 1);
    if (w.range)
        y.range = *w.range;
    (g->int8 ? int8_conv : float_conv)(g, x, &w, &y, fused);
    g->macs += (uint64_t)y.dims[0] * y.dims[1] * y.dims[2] * y.dims[3] * (x->dims[1] / w.groups) *
               w.kernel * w.kernel;
    return fused ? y : net_activate(g, &y, how);
}

net_value net_square(building *g, net_value *x, uint32_t out_c, uint32_t kernel, uint32_t stride,
                     activation how)
{
    return net_conv(g, x, out_c, (window){kernel, stride, kernel / 2}, how);
}

static void float_linear(building *g, net_value *x, bool bias, const net_value *y)
{
    const uint32_t k = x->dims[x->rank - 1], n = y->dims[y->rank - 1], dims[] = {n, k};
    if (!g->shape.nibbles || bias) {
        NET_OP(g, "aten.linear.default", x->id, net_weights(g, 2, dims, k),
               bias ? net_weights(g, 1, &n, 0) : blob_null(g->blob), y->id);
        return;
    }
    uint32_t weight, scales;
    net_nibbles(g, n, k, &weight, &scales);
    NET_OP(g, "et_vk.linear_q4gsw.default", x->id, weight, scales, blob_int(g->blob, NET_GROUP),
           blob_null(g->blob), y->id);
}

static void int8_linear(building *g, net_value *x, bool bias, const net_value *y)
{
    vkd_blob_builder *b = g->blob;
    const uint32_t k = x->dims[1], row = (uint32_t)vkd_align_up(k, 4), in = net_bytes(g, x);
    const weight_order order = {2, {y->dims[1], row}, row, 1};
    const layer l = net_layer(g, x, y->dims[1], k, &order);
    NET_OP(g, x->dims[0] == 1 ? "et_vk.q8ta_linear_gemv.default" : "et_vk.q8ta_linear.default", in,
           blob_double(b, x->range.scale), blob_int(b, x->range.zero), l.weight, l.sums, l.scales,
           blob_double(b, y->range.scale), blob_int(b, y->range.zero), bias ? l.bias : blob_null(b),
           blob_string(b, "none"), y->bytes);
}

net_value net_linear(building *g, net_value *x, uint32_t n, bool bias, activation how)
{
    uint32_t dims[6];
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank - 1] = n;
    net_value y = result(g, x->rank, dims);
    y.range = net_range(g, 0, 1);
    (g->int8 ? int8_linear : float_linear)(g, x, bias, &y);
    uint64_t macs = x->dims[x->rank - 1];
    for (uint32_t d = 0; d < y.rank; d++)
        macs *= y.dims[d];
    g->macs += macs;
    return net_activate(g, &y, how);
}

/* ------------------------------------------------------------------------- between the products */

net_value net_add(building *g, net_value *x, net_value *y, activation how)
{
    vkd_blob_builder *b = g->blob;
    net_value sum = result(g, x->rank, x->dims);
    net_expect_sum(&sum, x, y);
    if (!g->int8) {
        NET_OP(g, "aten.add.Tensor", x->id, y->id, blob_int(b, 1), sum.id);
        return net_activate(g, &sum, how);
    }
    sum.range = net_range(g, sum.mean, sum.variance);
    if (how == RELU) /* it is in the range */
        net_expect(&sum, &(net_value){.mean = sum.mean, .variance = sum.variance}, relu);
    const uint32_t in[] = {net_bytes(g, x), net_bytes(g, y)};
    NET_OP(g, "et_vk.q8ta_add.default", in[0], in[1], blob_double(b, x->range.scale),
           blob_int(b, x->range.zero), blob_double(b, y->range.scale), blob_int(b, y->range.zero),
           blob_double(b, sum.range.scale), blob_int(b, sum.range.zero), blob_int(b, 1), sum.bytes);
    return sum;
}

net_value net_mul(building *g, const net_value *x, const net_value *y)
{
    const uint32_t in[] = {net_floats(g, x), net_floats(g, y)};
    net_value product = net_like(g, y);
    product.mean = x->mean * y->mean;
    product.variance = (x->variance + x->mean * x->mean) * (y->variance + y->mean * y->mean) -
                       product.mean * product.mean;
    product.range = net_range(g, product.mean, product.variance);
    NET_OP(g, "aten.mul.Tensor", in[0], in[1], product.id);
    return product;
}

net_value net_mean(building *g, const net_value *x)
{
    vkd_blob_builder *b = g->blob;
    const uint32_t in = net_floats(g, x);
    net_value y = NET_TENSOR(g, x->dims[0], x->dims[1], 1, 1);
    y.mean = x->mean;
    /* Measured, 64 to 320 pixels: neighbours are alike, and every channel has a level of its own.
     */
    y.variance = x->variance / 4;
    const bool shared = x->bytes != (uint32_t)NET_NONE; /* a mean is in its operand's range */
    y.range = shared ? x->range : net_range(g, y.mean, y.variance);
    NET_OP(g, "aten.mean.dim", in, NET_LIST(g, -1, -2), blob_bool(b, true), blob_null(b), y.id);
    return y;
}

static bool same_range(const range *a, const range *b)
{
    return a->zero == b->zero && fabs(a->scale - b->scale) < 1e-12;
}

net_value net_cat(building *g, const net_value *parts, uint32_t count, int dim)
{
    uint32_t ids[64], dims[6];
    const uint32_t axis = dim < 0 ? parts->rank - 1 : (uint32_t)dim;
    bool same = true;
    double mean = 0, square = 0;
    memcpy(dims, parts->dims, sizeof dims);
    dims[axis] = 0;
    for (uint32_t i = 0; i < count; i++) {
        const net_value *part = &parts[i];
        const double elements = part->dims[axis];
        ids[i] = net_floats(g, part);
        dims[axis] += part->dims[axis];
        mean += elements * part->mean;
        square += elements * (part->variance + part->mean * part->mean);
        same = same && same_range(&part->range, &parts->range);
    }
    net_value y = net_tensor(g, parts->rank, dims);
    y.mean = mean / dims[axis];
    y.variance = square / dims[axis] - y.mean * y.mean;
    y.range = same ? parts->range : net_range(g, y.mean, y.variance);
    NET_OP(g, "aten.cat.default", blob_value_list(g->blob, ids, count), blob_int(g->blob, dim),
           y.id);
    return y;
}

net_value net_max_pool(building *g, const net_value *x, uint32_t kernel, uint32_t stride,
                       uint32_t padding, bool up)
{
    vkd_blob_builder *b = g->blob;
    uint32_t dims[4] = {x->dims[0], x->dims[1]};
    for (int axis = 2; axis < 4; axis++)
        dims[axis] = (x->dims[axis] + 2 * padding - kernel + (up ? stride - 1 : 0)) / stride + 1;
    const uint32_t in = net_floats(g, x),
                   indices = blob_constant_tensor(b, VKD_DTYPE_INT32, 4, dims, -1);
    net_value y = net_tensor(g, 4, dims);
    /* Measured behind a ReLU, where the input is noise: the largest of nine neighbours, which are
     * not independent. */
    y.mean = x->mean + 1.7 * sqrt(x->variance), y.variance = 1.2 * x->variance;
    y.range = x->range;
    NET_OP(g, "aten.max_pool2d_with_indices.default", in, NET_LIST(g, kernel, kernel),
           NET_LIST(g, stride, stride), NET_LIST(g, padding, padding), NET_LIST(g, 1, 1),
           blob_bool(b, up), blob_value_list(b, (const uint32_t[]){y.id, indices}, 2));
    return y;
}

net_value net_mean_pool(building *g, const net_value *x)
{
    vkd_blob_builder *b = g->blob;
    const uint32_t in = net_floats(g, x);
    net_value y = NET_TENSOR(g, x->dims[0], x->dims[1], x->dims[2] / 2, x->dims[3] / 2);
    y.mean = x->mean, y.variance = x->variance / 2; /* of pixels that are alike */
    y.range = x->range;
    NET_OP(g, "aten.avg_pool2d.default", in, NET_LIST(g, 2, 2), NET_LIST(g, 2, 2),
           NET_LIST(g, 0, 0), blob_bool(b, false), blob_bool(b, true), blob_null(b), y.id);
    return y;
}

net_value net_batch_norm(building *g, const net_value *x, activation how)
{
    vkd_blob_builder *b = g->blob;
    const uint32_t channels = x->dims[1], none = 0, in = net_floats(g, x);
    net_value y = net_like(g, x);
    y.mean = 0, y.variance = 1;
    y.range = net_range(g, 0, 1);
    const uint32_t results[] = {y.id, net_tensor(g, 1, &none).id, net_tensor(g, 1, &none).id};
    NET_OP(g, "aten._native_batch_norm_legit_no_training.default", in, net_same(g, 1, &channels, 1),
           net_weights(g, 1, &channels, 0), net_same(g, 1, &channels, x->mean),
           net_same(g, 1, &channels, x->variance), blob_double(b, 0.1), blob_double(b, 1e-5),
           blob_value_list(b, results, 3));
    return net_activate(g, &y, how);
}

net_value net_upsample(building *g, const net_value *x, uint32_t h, uint32_t w)
{
    const uint32_t in = net_floats(g, x);
    net_value y = NET_TENSOR(g, x->dims[0], x->dims[1], h, w);
    y.mean = x->mean, y.variance = x->variance, y.range = x->range;
    NET_OP(g, "aten.upsample_bilinear2d.vec", in, NET_LIST(g, h, w), blob_bool(g->blob, false),
           blob_null(g->blob), y.id);
    return y;
}

/* ---------------------------------------------------------------------------------------- views */

/* Floats of the same kind in other places. */
static net_value moved(building *g, const net_value *x, uint32_t rank, const uint32_t *dims)
{
    net_value y = net_tensor(g, rank, dims);
    y.mean = x->mean, y.variance = x->variance, y.range = x->range;
    return y;
}

net_value net_view(building *g, const net_value *x, uint32_t rank, const uint32_t *dims)
{
    const uint32_t in = net_floats(g, x);
    net_value y = moved(g, x, rank, dims);
    int64_t sizes[6];
    for (uint32_t d = 0; d < rank; d++)
        sizes[d] = dims[d];
    NET_OP(g, "aten.view_copy.default", in, blob_int_list(g->blob, sizes, rank), y.id);
    return y;
}

net_value net_permute(building *g, const net_value *x, const int64_t *order)
{
    const uint32_t in = net_floats(g, x);
    uint32_t dims[6];
    for (uint32_t d = 0; d < x->rank; d++)
        dims[d] = x->dims[order[d]];
    net_value y = moved(g, x, x->rank, dims);
    NET_OP(g, "aten.permute_copy.default", in, blob_int_list(g->blob, order, x->rank), y.id);
    return y;
}

net_value net_select(building *g, const net_value *x, uint32_t dim, int64_t index)
{
    const uint32_t in = net_floats(g, x);
    uint32_t dims[6], rank = 0;
    for (uint32_t d = 0; d < x->rank; d++)
        if (d != dim)
            dims[rank++] = x->dims[d];
    net_value y = moved(g, x, rank, dims);
    NET_OP(g, "aten.select_copy.int", in, blob_int(g->blob, dim), blob_int(g->blob, index), y.id);
    return y;
}

net_value net_slice(building *g, const net_value *x, uint32_t dim, int64_t start, int64_t end,
                    uint32_t step)
{
    vkd_blob_builder *b = g->blob;
    const uint32_t in = net_floats(g, x);
    uint32_t dims[6];
    memcpy(dims, x->dims, sizeof dims);
    const int64_t stop = end < dims[dim] ? end : dims[dim];
    dims[dim] = (uint32_t)((stop - start + step - 1) / step);
    net_value y = moved(g, x, x->rank, dims);
    NET_OP(g, "aten.slice_copy.Tensor", in, blob_int(b, dim), blob_int(b, start), blob_int(b, end),
           blob_int(b, step), y.id);
    return y;
}

void net_split(building *g, const net_value *x, net_value out[2])
{
    const uint32_t in = net_floats(g, x), half = x->dims[1] / 2;
    const uint32_t sizes[2] = {half, x->dims[1] - half};
    uint32_t ids[2];
    for (int i = 0; i < 2; i++) {
        out[i] = moved(g, x, 4, (const uint32_t[]){x->dims[0], sizes[i], x->dims[2], x->dims[3]});
        ids[i] = out[i].id;
    }
    NET_OP(g, "aten.split_with_sizes_copy.default", in, NET_LIST(g, sizes[0], sizes[1]),
           blob_int(g->blob, 1), blob_value_list(g->blob, ids, 2));
}
