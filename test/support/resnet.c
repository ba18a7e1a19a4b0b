#include "support/resnet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/arena.h"
#include "runtime/base/math.h"
#include "support/blob_builder.h"
#include "support/random.h"

const resnet_shape resnet50 = {
    .size = 224, .batch = 1, .width = 64, .blocks = {3, 4, 6, 3}, .classes = 1000, .seed = 1};

typedef struct building {
    const resnet_shape *shape;
    vkd_context context;
    vkd_arena arena; /* constants and their keys, until the file is made */
    vkd_random random;
    vkd_blob_builder *blob;
    blob_named *named;
    size_t named_count, named_capacity;
    uint32_t op_count;
    uint64_t macs;
} building;

/* An int8 tensor, and what is expected of the real numbers in it, over all channels alike. */
typedef struct activation {
    uint32_t id, dims[4]; /* n, c, h, w */
    double scale, mean, variance;
    int zero;
} activation;

/* How far from the mean a range reaches, in standard deviations. */
static const double reach = 4;

#define ADD_OP(g, name, ...)                                                                       \
    blob_op((g)->blob, name, (g)->op_count++, (const uint32_t[]){__VA_ARGS__},                     \
            sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* ------------------------------------------------------------------------------------ constants */

static void *or_die(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static void *alloc(building *g, size_t count, size_t size)
{
    return or_die(vkd_arena_alloc(&g->arena, count, size));
}

/* data lies in the arena. */
static uint32_t constant(building *g, vkd_dtype dtype, uint32_t rank, const uint32_t *dims,
                         const void *data)
{
    size_t size = vkd_dtype_size(dtype);
    for (uint32_t i = 0; i < rank; i++)
        size *= dims[i];
    g->named = or_die(
        vkd_arena_grow(&g->arena, g->named, g->named_count, &g->named_capacity, sizeof *g->named));
    const char *key = or_die(vkd_arena_printf(&g->arena, "constant%zu", g->named_count));
    g->named[g->named_count++] = (blob_named){key, data, size};
    return blob_named_tensor(g->blob, dtype, rank, dims, key);
}

/* The constants of a convolution or a linear layer. */
typedef struct layer {
    uint32_t weight, sums, scales, bias;
} layer;

/* Random weights whose results have about this standard deviation and the mean 0, channel by
 * channel with some spread. */
static layer make_layer(building *g, const activation *x, uint32_t out_c, uint32_t k,
                        double deviation)
{
    const uint32_t dims[2] = {out_c, (uint32_t)vkd_align_up(k, 4)},
                   padded = (uint32_t)vkd_align_up(out_c, 4);
    int8_t *weight = alloc(g, out_c, dims[1]);
    int32_t *sums = alloc(g, padded, sizeof *sums);
    float *scales = alloc(g, padded, sizeof *scales), *bias = alloc(g, padded, sizeof *bias);
    for (uint32_t c = 0; c < out_c; c++) {
        double squares = 1; /* never 0 */
        for (uint32_t i = 0; i < k; i++) {
            int8_t w = (int8_t)random_range(&g->random, -127, 127);
            weight[(size_t)c * dims[1] + i] = w;
            sums[c] += w;
            squares += w * w;
        }
        double own = deviation * (double)random_float(&g->random, 0.8f, 1.2f),
               scale = own / sqrt(squares * x->variance);
        scales[c] = (float)scale;
        bias[c] = (float)(own * (double)random_float(&g->random, -0.2f, 0.2f) -
                          x->mean * scale * sums[c]);
    }
    return (layer){constant(g, VKD_DTYPE_INT8, 2, dims, weight),
                   constant(g, VKD_DTYPE_INT32, 1, &padded, sums),
                   constant(g, VKD_DTYPE_FLOAT32, 1, &padded, scales),
                   constant(g, VKD_DTYPE_FLOAT32, 1, &padded, bias)};
}

/* -------------------------------------------------------------------------------------- tensors */

/* The values of a tensor whose mean and variance are set: int8 around 0. */
static void quantise_signed(building *g, activation *a)
{
    a->scale = reach * sqrt(a->variance) / 127;
    a->zero = random_range(&g->random, -9, 9);
}

/* The same behind a ReLU: what is left of normally distributed numbers, from -128 for 0 upwards. */
static void quantise_rectified(activation *a)
{
    double deviation = sqrt(a->variance), at = a->mean / deviation;
    double above = 0.5 * erfc(-at * sqrt(0.5)), density = exp(-0.5 * at * at) / sqrt(2 * acos(-1));
    double square = (a->mean * a->mean + a->variance) * above + a->mean * deviation * density;
    a->scale = (a->mean + reach * deviation) / 255;
    a->zero = -128;
    a->mean = a->mean * above + deviation * density;
    a->variance = square - a->mean * a->mean;
}

static uint32_t tensor(building *g, vkd_dtype dtype, uint32_t rank, const uint32_t *dims)
{
    return blob_constant_tensor(g->blob, dtype, rank, dims, -1);
}

static uint32_t pair(building *g, int64_t value)
{
    return blob_int_list(g->blob, (const int64_t[]){value, value}, 2);
}

static void quantize(building *g, uint32_t x, const activation *y)
{
    vkd_blob_builder *b = g->blob;
    ADD_OP(g, "quantized_decomposed.quantize_per_tensor.default", x, blob_double(b, y->scale),
           blob_int(b, y->zero), blob_int(b, -128), blob_int(b, 127), blob_null(b), y->id);
}

static void dequantize(building *g, const activation *x, uint32_t y)
{
    vkd_blob_builder *b = g->blob;
    ADD_OP(g, "quantized_decomposed.dequantize_per_tensor.default", x->id, blob_double(b, x->scale),
           blob_int(b, x->zero), blob_int(b, -128), blob_int(b, 127), blob_null(b), blob_null(b),
           y);
}

/* ------------------------------------------------------------------------------------ operators */

static activation add_input(building *g)
{
    const uint32_t batch = (uint32_t)g->shape->batch, size = (uint32_t)g->shape->size;
    activation y = {.dims = {batch, RESNET_COLOURS, size, size}, .variance = 1};
    uint32_t x = tensor(g, VKD_DTYPE_FLOAT32, 4, y.dims);
    blob_io(g->blob, &x, 1, NULL, 0);
    y.id = tensor(g, VKD_DTYPE_INT8, 4, y.dims);
    quantise_signed(g, &y);
    quantize(g, x, &y);
    return y;
}

/* Windows have odd sizes and padding on all sides. */
static uint32_t extent(uint32_t in, uint32_t stride) { return (in - 1) / stride + 1; }

static activation conv(building *g, const activation *x, uint32_t out_c, uint32_t kernel,
                       uint32_t stride, bool relu)
{
    vkd_blob_builder *b = g->blob;
    uint32_t k = kernel * kernel * x->dims[1];
    activation y = {
        .dims = {x->dims[0], out_c, extent(x->dims[2], stride), extent(x->dims[3], stride)},
        .variance = 1};
    layer l = make_layer(g, x, out_c, k, 1);
    y.id = tensor(g, VKD_DTYPE_INT8, 4, y.dims);
    relu ? quantise_rectified(&y) : quantise_signed(g, &y);
    ADD_OP(g,
           kernel == 1 && stride == 1 ? "et_vk.q8ta_conv2d_pw.default"
                                      : "et_vk.q8ta_conv2d.default",
           x->id, blob_double(b, x->scale), blob_int(b, x->zero), l.weight, l.sums, l.scales,
           blob_double(b, y.scale), blob_int(b, y.zero), l.bias, pair(g, kernel), pair(g, stride),
           pair(g, kernel / 2), pair(g, 1), blob_int(b, 1), blob_string(b, relu ? "relu" : "none"),
           y.id);
    g->macs += (uint64_t)y.dims[0] * y.dims[1] * y.dims[2] * y.dims[3] * k;
    return y;
}

static activation max_pool(building *g, const activation *x)
{
    vkd_blob_builder *b = g->blob;
    activation y = *x;
    y.dims[2] = extent(x->dims[2], 2), y.dims[3] = extent(x->dims[3], 2);
    uint32_t from = tensor(g, VKD_DTYPE_FLOAT32, 4, x->dims),
             to = tensor(g, VKD_DTYPE_FLOAT32, 4, y.dims);
    uint32_t indices = tensor(g, VKD_DTYPE_INT32, 4, y.dims);
    dequantize(g, x, from);
    ADD_OP(g, "aten.max_pool2d_with_indices.default", from, pair(g, 3), pair(g, 2), pair(g, 1),
           pair(g, 1), blob_bool(b, false), blob_value_list(b, (const uint32_t[]){to, indices}, 2));
    y.id = tensor(g, VKD_DTYPE_INT8, 4, y.dims);
    quantize(g, to, &y);
    /* Measured, where the input is noise: the largest of nine neighbours, which are not
     * independent. */
    y.mean = 1.4, y.variance = 0.4;
    return y;
}

/* With the ReLU that the output's range implies. */
static activation add(building *g, const activation *p, const activation *q)
{
    vkd_blob_builder *b = g->blob;
    activation y = *p;
    y.mean = p->mean + q->mean, y.variance = p->variance + q->variance;
    quantise_rectified(&y);
    y.id = tensor(g, VKD_DTYPE_INT8, 4, y.dims);
    ADD_OP(g, "et_vk.q8ta_add.default", p->id, q->id, blob_double(b, p->scale),
           blob_int(b, p->zero), blob_double(b, q->scale), blob_int(b, q->zero),
           blob_double(b, y.scale), blob_int(b, y.zero), blob_int(b, 1), y.id);
    return y;
}

static activation bottleneck(building *g, const activation *x, uint32_t middle, uint32_t stride,
                             bool first)
{
    activation shortcut = first ? conv(g, x, 4 * middle, 1, stride, false) : *x;
    activation a = conv(g, x, middle, 1, 1, true);
    activation b = conv(g, &a, middle, 3, stride, true);
    activation c = conv(g, &b, 4 * middle, 1, 1, false);
    return add(g, &c, &shortcut);
}

/* The mean over the image, as a matrix. */
static activation mean(building *g, const activation *x)
{
    vkd_blob_builder *b = g->blob;
    const uint32_t small[4] = {x->dims[0], x->dims[1], 1, 1};
    uint32_t from = tensor(g, VKD_DTYPE_FLOAT32, 4, x->dims),
             to = tensor(g, VKD_DTYPE_FLOAT32, 4, small);
    uint32_t flat = tensor(g, VKD_DTYPE_FLOAT32, 2, small);
    dequantize(g, x, from);
    ADD_OP(g, "aten.mean.dim", from, blob_int_list(b, (const int64_t[]){-1, -2}, 2),
           blob_bool(b, true), blob_null(b), to);
    ADD_OP(g, "aten.view_copy.default", to,
           blob_int_list(b, (const int64_t[]){small[0], small[1]}, 2), flat);
    activation y = *x;
    y.dims[2] = y.dims[3] = 1;
    y.id = tensor(g, VKD_DTYPE_INT8, 2, small);
    /* measured, 64 to 320 pixels: neighbours are alike, and every channel has a level of its own */
    y.variance /= 4;
    quantize(g, flat, &y);
    return y;
}

static void classify(building *g, const activation *x)
{
    vkd_blob_builder *b = g->blob;
    const uint32_t classes = (uint32_t)g->shape->classes;
    activation y = {.dims = {x->dims[0], classes, 1, 1}, .variance = 1};
    layer l = make_layer(g, x, classes, x->dims[1], 1);
    y.id = tensor(g, VKD_DTYPE_INT8, 2, y.dims);
    quantise_signed(g, &y);
    ADD_OP(g, x->dims[0] == 1 ? "et_vk.q8ta_linear_gemv.default" : "et_vk.q8ta_linear.default",
           x->id, blob_double(b, x->scale), blob_int(b, x->zero), l.weight, l.sums, l.scales,
           blob_double(b, y.scale), blob_int(b, y.zero), l.bias, blob_string(b, "none"), y.id);
    uint32_t result = tensor(g, VKD_DTYPE_FLOAT32, 2, y.dims);
    dequantize(g, &y, result);
    blob_io(g->blob, NULL, 0, &result, 1);
    g->macs += (uint64_t)x->dims[0] * classes * x->dims[1];
}

static void add_network(building *g)
{
    uint32_t middle = (uint32_t)g->shape->width;
    activation x = add_input(g);
    x = conv(g, &x, middle, 7, 2, true);
    x = max_pool(g, &x);
    for (int stage = 0; stage < RESNET_STAGES; stage++, middle *= 2)
        for (int i = 0; i < g->shape->blocks[stage]; i++)
            x = bottleneck(g, &x, middle, stage && !i ? 2 : 1, !i);
    x = mean(g, &x);
    classify(g, &x);
}

/* ---------------------------------------------------------------------------------------- whole */

/* Elements of the largest tensor of any but tiny images: the input, the stem's output, or one of
 * the first stage. */
static double largest_tensor(const resnet_shape *shape)
{
    double half = (shape->size + 1) / 2, quarter = (shape->size + 3) / 4;
    double stem = half * half * shape->width, stage = quarter * quarter * 4 * shape->width;
    double input = (double)shape->size * shape->size * RESNET_COLOURS;
    return shape->batch * fmax(input, fmax(stem, stage));
}

static bool check(const resnet_shape *shape, resnet *out)
{
    /* The widest leaves the sums of the last stage's 3x3 convolutions within int32. */
    const struct {
        const char *name;
        int value, most;
    } ranges[] = {{"size", shape->size, 1 << 14},
                  {"batch", shape->batch, 1 << 14},
                  {"width", shape->width, 512},
                  {"number of classes", shape->classes, 1 << 16},
                  {"blocks of stage 1", *shape->blocks, 99},
                  {"blocks of stage 2", shape->blocks[1], 99},
                  {"blocks of stage 3", shape->blocks[2], 99},
                  {"blocks of stage 4", shape->blocks[3], 99}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (ranges[i].value < 1 || ranges[i].value > ranges[i].most) {
            snprintf(out->error, sizeof out->error, "the %s must be 1 to %d, not %d",
                     ranges[i].name, ranges[i].most, ranges[i].value);
            return false;
        }
    double elements = largest_tensor(shape);
    if (elements < 2147483648.0)
        return true;
    snprintf(out->error, sizeof out->error,
             "size %d with batch %d makes a tensor of %.0f elements, 2^31 - 1 are possible",
             shape->size, shape->batch, elements);
    return false;
}

static void wrap(building *g, resnet *out)
{
    const resnet_shape *shape = g->shape;
    const vkd_tensor_info input = {
        VKD_DTYPE_FLOAT32, 4, {shape->batch, RESNET_COLOURS, shape->size, shape->size}};
    const vkd_tensor_info output = {VKD_DTYPE_FLOAT32, 2, {shape->batch, shape->classes}};
    blob_pte pte = {.inputs = &input,
                    .input_count = 1,
                    .outputs = &output,
                    .output_count = 1,
                    .named = g->named,
                    .named_count = g->named_count};
    void *blob = blob_finish(g->blob, &pte.blob_size);
    pte.blob = blob;
    out->file = blob_wrap_pte(&pte, &out->file_size);
    out->macs = g->macs;
    free(blob);
}

bool resnet_build(const resnet_shape *shape, resnet *out)
{
    building g = {.shape = shape, .random = {shape->seed}};
    *out = (resnet){0};
    if (!check(shape, out))
        return false;
    vkd_context_init(&g.context, NULL);
    vkd_arena_init(&g.arena, &g.context);
    g.blob = blob_new();
    add_network(&g);
    wrap(&g, out);
    vkd_arena_release(&g.arena);
    return true;
}

void resnet_release(resnet *net)
{
    free(net->file);
    *net = (resnet){0};
}

void resnet_image(const resnet_shape *shape, int index, float *out)
{
    const size_t count = RESNET_COLOURS * (size_t)shape->size * (size_t)shape->size;
    /* the weights' sequence starts at the seed */
    vkd_random random = {shape->seed + 0x100000001u * ((uint64_t)index + 1)};
    random_floats(&random, -1.7f, 1.7f, out, count); /* variance 1 */
}
