/* What nets are described with (nets.h): operators that append themselves to a program, in floats
 * or in int8, as the program is. */
#ifndef VKD_TEST_NETS_WRITE_H
#define VKD_TEST_NETS_WRITE_H

#include "nets/nets.h"
#include "runtime/base/arena.h"
#include "support/blob_builder.h"
#include "support/random.h"

typedef struct range {
    double scale;
    int zero;
} range;

/* A tensor that is computed, and what is expected of its numbers, over all elements alike. A
 * program of int8 holds it as floats, as int8, or as both: whichever an operator needs is made of
 * the other. */
typedef struct net_value {
    uint32_t id;    /* the floats, or NET_NONE */
    uint32_t bytes; /* int8, or NET_NONE */
    uint32_t rank, dims[6];
    double mean, variance;
    range range; /* of int8 */
} net_value;

enum { NET_NONE = -1 };

typedef struct building {
    net_shape shape; /* without zeros that mean another number */
    bool int8;
    vkd_dtype dtype; /* of the floats */
    vkd_context context;
    vkd_arena arena; /* constants and their keys, until the file is made */
    vkd_random random;
    uint64_t bits; /* the state of many words at once */
    vkd_blob_builder *blob;
    blob_named *named;
    size_t named_count, named_capacity;
    uint32_t op_count;
    uint64_t macs;
    double largest; /* elements of a tensor */
    vkd_tensor_info inputs[2], output;
    size_t input_count;
} building;

#define NET_OP(g, name, ...)                                                                       \
    blob_op((g)->blob, name, (g)->op_count++, (const uint32_t[]){__VA_ARGS__},                     \
            sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))
#define NET_LIST(g, ...)                                                                           \
    blob_int_list((g)->blob, (const int64_t[]){__VA_ARGS__},                                       \
                  sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

/* ------------------------------------------------------------------------------------ constants */

void *net_alloc(building *g, size_t count, size_t size);
/* data lies in the arena. */
uint32_t net_constant(building *g, vkd_dtype dtype, uint32_t rank, const uint32_t *dims,
                      const void *data);
/* Floats for so many products a sum, whose results are about as large as what goes in, or a bias
 * where `k` is 0. */
uint32_t net_weights(building *g, uint32_t rank, const uint32_t *dims, uint32_t k);
uint32_t net_same(building *g, uint32_t rank, const uint32_t *dims, double number);
/* A number as a tensor of rank 0 that the program prepares: a constant int, then floats of it. */
uint32_t net_scalar(building *g, int32_t number);
/* The constants of a 4-bit linear layer, in groups of NET_GROUP of k, each with a scale. */
enum { NET_GROUP = 32 };
void net_nibbles(building *g, uint32_t n, uint32_t k, uint32_t *out_weight, uint32_t *out_scales);

/* -------------------------------------------------------------------------------------- tensors */

net_value net_tensor(building *g, uint32_t rank, const uint32_t *dims); /* of floats */
net_value net_like(building *g, const net_value *x);
#define NET_TENSOR(g, ...)                                                                         \
    net_tensor(g, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t),                            \
               (const uint32_t[]){__VA_ARGS__})

void net_input(building *g, vkd_dtype dtype, const net_value *x);
void net_output(building *g, net_value *y);
net_value net_images(building *g);

/* n of these channels, layers of a stage, by what the shape asks for. */
uint32_t net_narrow(const building *g, uint32_t n);
uint32_t net_layers(const building *g, uint32_t n);

/* ----------------------------------------------------------------------------------------- int8 */

/* The numbers spread over so many standard deviations to either side. */
range net_range(building *g, double mean, double variance);
/* What a function makes of normally distributed numbers: y's mean, variance and range. */
void net_expect(net_value *y, const net_value *x, double (*f)(double));
void net_expect_sum(net_value *y, const net_value *a, const net_value *b);

uint32_t net_floats(building *g, const net_value *x); /* each user has a dequantize of its own */
uint32_t net_bytes(building *g, net_value *x);        /* all users share one quantize */

/* The constants of a convolution or a linear layer. */
typedef struct layer {
    uint32_t weight, sums, scales, bias;
} layer;

/* Where element i of output channel c lies: c * row + i * step. */
typedef struct weight_order {
    uint32_t rank, dims[3], row, step;
} weight_order;

/* Random weights whose results have about the standard deviation 1 and the mean 0, channel by
 * channel with some spread. */
layer net_layer(building *g, const net_value *x, uint32_t out_c, uint32_t k,
                const weight_order *order);

/* ------------------------------------------------------------------------------------ operators */

typedef enum activation { NONE, RELU, RELU6, HARDSWISH, SILU, GELU, ACTIVATIONS } activation;

typedef struct window {
    uint32_t kernel, stride, padding;
    uint32_t groups, dilation; /* 0: 1 */
    bool no_bias;
    const range *range; /* of the result, where it is shared with others; null: its own */
} window;

net_value net_conv(building *g, net_value *x, uint32_t out_c, window w, activation how);
/* With padding for a result as large as x. */
net_value net_square(building *g, net_value *x, uint32_t out_c, uint32_t kernel, uint32_t stride,
                     activation how);
net_value net_linear(building *g, net_value *x, uint32_t n, bool bias, activation how);
net_value net_activate(building *g, const net_value *x, activation how);
net_value net_sigmoid(building *g, const net_value *x);
net_value net_hardsigmoid(building *g, const net_value *x); /* as the exporter decomposes it */
net_value net_add(building *g, net_value *a, net_value *b, activation how); /* NONE or RELU */
/* Of floats, also in a program of int8; the result has y's dims. */
net_value net_mul(building *g, const net_value *x, const net_value *y);
net_value net_mean(building *g, const net_value *x); /* over the image */
net_value net_cat(building *g, const net_value *parts, uint32_t count, int dim);
net_value net_max_pool(building *g, const net_value *x, uint32_t kernel, uint32_t stride,
                       uint32_t padding, bool up);        /* up: sizes are rounded up */
net_value net_mean_pool(building *g, const net_value *x); /* 2x2 */
net_value net_batch_norm(building *g, const net_value *x, activation how);
net_value net_upsample(building *g, const net_value *x, uint32_t h, uint32_t w); /* bilinear */

net_value net_view(building *g, const net_value *x, uint32_t rank, const uint32_t *dims);
#define NET_VIEW(g, x, ...)                                                                        \
    net_view(g, x, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t),                           \
             (const uint32_t[]){__VA_ARGS__})
net_value net_permute(building *g, const net_value *x, const int64_t *order);
#define NET_PERMUTE(g, x, ...) net_permute(g, x, (const int64_t[]){__VA_ARGS__})
net_value net_select(building *g, const net_value *x, uint32_t dim, int64_t index);
net_value net_slice(building *g, const net_value *x, uint32_t dim, int64_t start, int64_t end,
                    uint32_t step);
void net_split(building *g, const net_value *x, net_value out[2]); /* channels, in halves */

/* --------------------------------------------------------------------------------- descriptions */

/* The means of an image's channels, and what is told of them. */
net_value net_classify(building *g, const net_value *x, uint32_t classes);

net_value net_resnet50(building *g);
net_value net_regnet_x_400mf(building *g);
net_value net_mobilenet_v2(building *g);
net_value net_mobilenet_v3_small(building *g);
net_value net_mobilenet_v3_large(building *g);
net_value net_efficientnet_b0(building *g);
net_value net_densenet121(building *g);
net_value net_shufflenet_v2_x0_5(building *g);
net_value net_squeezenet1_1(building *g);
net_value net_deeplabv3(building *g);
net_value net_convnext_tiny(building *g);
net_value net_vit_b16(building *g);
net_value net_swin_t(building *g);
net_value net_decoder(building *g);

#endif
