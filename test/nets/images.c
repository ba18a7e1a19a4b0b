/* Convolutional nets, in floats or in int8: torchvision's. */
#include "nets/write.h"

#include "runtime/base/math.h"

enum { CLASSES = 1000 };

net_value net_classify(building *g, const net_value *x, uint32_t classes)
{
    net_value m = net_mean(g, x), flat = NET_VIEW(g, &m, x->dims[0], x->dims[1]);
    return net_linear(g, &flat, classes, true, NONE);
}

/* -------------------------------------------------------------------------------------- ResNets */

/* What a residual block of this shape has in common. */
typedef struct bottleneck {
    uint32_t middle, out_c, groups, stride;
} bottleneck;

static net_value add_bottleneck(building *g, net_value *x, const bottleneck *k)
{
    const bool changes = k->stride != 1 || k->out_c != x->dims[1];
    net_value a = net_square(g, x, k->middle, 1, 1, RELU),
              b = net_conv(g, &a, k->middle, (window){3, k->stride, 1, k->groups}, RELU),
              c = net_square(g, &b, k->out_c, 1, 1, NONE);
    net_value shortcut = changes ? net_square(g, x, k->out_c, 1, k->stride, NONE) : *x;
    return net_add(g, &c, &shortcut, RELU);
}

net_value net_resnet50(building *g)
{
    static const uint32_t blocks[] = {3, 4, 6, 3};
    net_value x = net_images(g);
    x = net_square(g, &x, net_narrow(g, 64), 7, 2, RELU);
    x = net_max_pool(g, &x, 3, 2, 1, false);
    for (uint32_t stage = 0; stage < 4; stage++)
        for (uint32_t i = 0; i < net_layers(g, blocks[stage]); i++) {
            const uint32_t middle = net_narrow(g, 64) << stage, stride = stage && !i ? 2 : 1;
            x = add_bottleneck(g, &x, &(bottleneck){middle, 4 * middle, 1, stride});
        }
    return net_classify(g, &x, net_narrow(g, CLASSES));
}

net_value net_regnet_x_400mf(building *g)
{
    static const struct {
        uint32_t width, count;
    } stages[] = {{32, 1}, {64, 2}, {160, 7}, {400, 12}};
    const uint32_t group = net_narrow(g, 16);
    net_value x = net_images(g);
    x = net_square(g, &x, net_narrow(g, 32), 3, 2, RELU);
    for (uint32_t s = 0; s < 4; s++)
        for (uint32_t i = 0; i < net_layers(g, stages[s].count); i++) {
            const uint32_t width = (uint32_t)vkd_align_up(net_narrow(g, stages[s].width), group);
            x = add_bottleneck(g, &x, &(bottleneck){width, width, width / group, i ? 1 : 2});
        }
    return net_classify(g, &x, net_narrow(g, CLASSES));
}

/* --------------------------------------------------------------------- inverted residual blocks */

/* wide: channels between; squeezed 0: nothing is squeezed. */
typedef struct mobile_block {
    uint32_t kernel, wide, out_c, squeezed;
    activation how;
    uint32_t stride, dilation;
} mobile_block;

/* Squeeze and excite: what a channel is multiplied by follows from the means of all. */
static net_value excite(building *g, const net_value *x, uint32_t squeezed, activation how,
                        net_value (*gate)(building *g, const net_value *x))
{
    net_value m = net_mean(g, x), a = net_square(g, &m, squeezed, 1, 1, how),
              b = net_square(g, &a, x->dims[1], 1, 1, NONE), s = gate(g, &b);
    return net_mul(g, &s, x);
}

static net_value mobile(building *g, net_value *x, const mobile_block *b, activation squeeze,
                        net_value (*gate)(building *g, const net_value *x))
{
    const uint32_t dilation = b->dilation ? b->dilation : 1;
    net_value *in = x, wide, y;
    if (b->wide != x->dims[1]) {
        wide = net_square(g, x, b->wide, 1, 1, b->how);
        in = &wide;
    }
    y = net_conv(g, in, b->wide,
                 (window){b->kernel, b->stride, b->kernel / 2 * dilation, b->wide, dilation},
                 b->how);
    if (b->squeezed)
        y = excite(g, &y, b->squeezed, squeeze, gate);
    y = net_square(g, &y, b->out_c, 1, 1, NONE);
    return b->stride == 1 && b->out_c == x->dims[1] ? net_add(g, &y, x, NONE) : y;
}

net_value net_mobilenet_v2(building *g)
{
    static const struct {
        uint32_t expand, out_c, count, stride;
    } rows[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    net_value x = net_images(g);
    x = net_square(g, &x, net_narrow(g, 32), 3, 2, RELU6);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (uint32_t i = 0; i < net_layers(g, rows[r].count); i++) {
            const mobile_block block = {
                3,     rows[r].expand * x.dims[1], net_narrow(g, rows[r].out_c), 0,
                RELU6, i ? 1 : rows[r].stride};
            x = mobile(g, &x, &block, NONE, NULL);
        }
    x = net_square(g, &x, net_narrow(g, 1280), 1, 1, RELU6);
    return net_classify(g, &x, net_narrow(g, CLASSES));
}

/* The image and all blocks, up to the last convolution's `last` channels. layers limits each run of
 * blocks of one width. */
static net_value mobilenet_v3(building *g, const mobile_block *blocks, size_t count, uint32_t last)
{
    net_value x = net_images(g);
    x = net_square(g, &x, net_narrow(g, 16), 3, 2, HARDSWISH);
    for (size_t i = 0, run = 0; i < count; i++) {
        mobile_block b = blocks[i];
        run = i && b.out_c == blocks[i - 1].out_c ? run + 1 : 0;
        if (run >= net_layers(g, UINT32_MAX))
            continue;
        b.wide = net_narrow(g, b.wide), b.out_c = net_narrow(g, b.out_c);
        b.squeezed = net_narrow(g, b.squeezed);
        x = mobile(g, &x, &b, RELU, net_hardsigmoid);
    }
    return net_square(g, &x, net_narrow(g, last), 1, 1, HARDSWISH);
}

static net_value classify_wide(building *g, const net_value *x, uint32_t hidden)
{
    net_value m = net_mean(g, x), flat = NET_VIEW(g, &m, x->dims[0], x->dims[1]),
              h = net_linear(g, &flat, net_narrow(g, hidden), true, HARDSWISH);
    return net_linear(g, &h, net_narrow(g, CLASSES), true, NONE);
}

enum { LARGE = 15 };

static const mobile_block mobilenet_v3_large[LARGE] = {
    {3, 16, 16, 0, RELU, 1},          {3, 64, 24, 0, RELU, 2},
    {3, 72, 24, 0, RELU, 1},          {5, 72, 40, 24, RELU, 2},
    {5, 120, 40, 32, RELU, 1},        {5, 120, 40, 32, RELU, 1},
    {3, 240, 80, 0, HARDSWISH, 2},    {3, 200, 80, 0, HARDSWISH, 1},
    {3, 184, 80, 0, HARDSWISH, 1},    {3, 184, 80, 0, HARDSWISH, 1},
    {3, 480, 112, 120, HARDSWISH, 1}, {3, 672, 112, 168, HARDSWISH, 1},
    {5, 672, 160, 168, HARDSWISH, 2}, {5, 960, 160, 240, HARDSWISH, 1},
    {5, 960, 160, 240, HARDSWISH, 1}};

net_value net_mobilenet_v3_large(building *g)
{
    net_value x = mobilenet_v3(g, mobilenet_v3_large, LARGE, 960);
    return classify_wide(g, &x, 1280);
}

net_value net_mobilenet_v3_small(building *g)
{
    static const mobile_block blocks[] = {
        {3, 16, 16, 8, RELU, 2},        {3, 72, 24, 0, RELU, 2},
        {3, 88, 24, 0, RELU, 1},        {5, 96, 40, 24, HARDSWISH, 2},
        {5, 240, 40, 64, HARDSWISH, 1}, {5, 240, 40, 64, HARDSWISH, 1},
        {5, 120, 48, 32, HARDSWISH, 1}, {5, 144, 48, 40, HARDSWISH, 1},
        {5, 288, 96, 72, HARDSWISH, 2}, {5, 576, 96, 144, HARDSWISH, 1},
        {5, 576, 96, 144, HARDSWISH, 1}};
    net_value x = mobilenet_v3(g, blocks, sizeof blocks / sizeof *blocks, 576);
    return classify_wide(g, &x, 1024);
}

net_value net_efficientnet_b0(building *g)
{
    static const struct {
        uint32_t expand, kernel, out_c, count, stride;
    } rows[] = {{1, 3, 16, 1, 1},  {6, 3, 24, 2, 2},  {6, 5, 40, 2, 2}, {6, 3, 80, 3, 2},
                {6, 5, 112, 3, 1}, {6, 5, 192, 4, 2}, {6, 3, 320, 1, 1}};
    net_value x = net_images(g);
    x = net_square(g, &x, net_narrow(g, 32), 3, 2, SILU);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (uint32_t i = 0; i < net_layers(g, rows[r].count); i++) {
            const uint32_t in_c = x.dims[1], squeezed = in_c / 4 ? in_c / 4 : 1;
            const mobile_block block = {
                rows[r].kernel, rows[r].expand * in_c, net_narrow(g, rows[r].out_c), squeezed,
                SILU,           i ? 1 : rows[r].stride};
            x = mobile(g, &x, &block, SILU, net_sigmoid);
        }
    x = net_square(g, &x, net_narrow(g, 1280), 1, 1, SILU);
    return net_classify(g, &x, net_narrow(g, CLASSES));
}

/* -------------------------------------------------------------------- nets of concatenations */

enum { GROWTH = 32, MOST_FEATURES = 25 };

/* A block's layers, each of which reads all that is there before it: one range for all. */
static net_value dense_block(building *g, const net_value *x, uint32_t layers)
{
    net_value features[MOST_FEATURES] = {*x};
    for (uint32_t i = 0; i < layers; i++) {
        net_value all = net_cat(g, features, i + 1, 1), a = net_batch_norm(g, &all, RELU),
                  b = net_square(g, &a, net_narrow(g, 4 * GROWTH), 1, 1, RELU);
        const window w = {3, 1, 1, .no_bias = true, .range = &x->range};
        features[i + 1] = net_conv(g, &b, net_narrow(g, GROWTH), w, NONE);
    }
    net_value all = net_cat(g, features, layers + 1, 1);
    return net_batch_norm(g, &all, RELU);
}

net_value net_densenet121(building *g)
{
    static const uint32_t blocks[] = {6, 12, 24, 16};
    net_value x = net_images(g);
    range shared = net_range(g, 0, 1);
    x = net_conv(g, &x, net_narrow(g, 64), (window){7, 2, 3, .range = &shared}, RELU);
    x = net_max_pool(g, &x, 3, 2, 1, false);
    for (uint32_t i = 0; i < 4; i++) {
        x = dense_block(g, &x, net_layers(g, blocks[i]));
        if (i == 3)
            break;
        shared = net_range(g, 0, 1);
        const window w = {1, 1, 0, .no_bias = true, .range = &shared};
        x = net_conv(g, &x, x.dims[1] / 2, w, NONE);
        x = net_mean_pool(g, &x);
    }
    return net_classify(g, &x, net_narrow(g, CLASSES));
}

/* Channels of both halves take turns. */
static net_value shuffle(building *g, const net_value *x)
{
    const uint32_t *d = x->dims;
    net_value apart = NET_VIEW(g, x, d[0], 2, d[1] / 2, d[2], d[3]),
              turned = NET_PERMUTE(g, &apart, 0, 2, 1, 3, 4);
    return NET_VIEW(g, &turned, d[0], d[1], d[2], d[3]);
}

static net_value depthwise(building *g, net_value *x, uint32_t stride)
{
    return net_conv(g, x, x->dims[1], (window){3, stride, 1, x->dims[1]}, NONE);
}

static net_value shuffle_unit(building *g, net_value *x, uint32_t half, uint32_t stride)
{
    net_value parts[2], *in = x;
    if (stride == 1) {
        net_split(g, x, parts);
        in = &parts[1];
    }
    net_value a = net_square(g, in, half, 1, 1, RELU), b = depthwise(g, &a, stride);
    if (stride != 1) {
        net_value other = depthwise(g, x, stride);
        parts[0] = net_square(g, &other, half, 1, 1, RELU);
    }
    parts[1] = net_square(g, &b, half, 1, 1, RELU);
    net_value both = net_cat(g, parts, 2, 1);
    return shuffle(g, &both);
}

net_value net_shufflenet_v2_x0_5(building *g)
{
    static const struct {
        uint32_t half, count;
    } stages[] = {{24, 4}, {48, 8}, {96, 4}};
    net_value x = net_images(g);
    x = net_square(g, &x, net_narrow(g, 24), 3, 2, RELU);
    x = net_max_pool(g, &x, 3, 2, 1, false);
    for (uint32_t s = 0; s < 3; s++)
        for (uint32_t i = 0; i < net_layers(g, stages[s].count); i++)
            x = shuffle_unit(g, &x, net_narrow(g, stages[s].half), i ? 1 : 2);
    x = net_square(g, &x, net_narrow(g, 1024), 1, 1, RELU);
    return net_classify(g, &x, net_narrow(g, CLASSES));
}

static net_value fire(building *g, net_value *x, uint32_t squeezed, uint32_t expanded)
{
    net_value s = net_square(g, x, net_narrow(g, squeezed), 1, 1, RELU);
    const uint32_t out_c = net_narrow(g, expanded);
    const net_value parts[] = {net_square(g, &s, out_c, 1, 1, RELU),
                               net_square(g, &s, out_c, 3, 1, RELU)};
    return net_cat(g, parts, 2, 1);
}

net_value net_squeezenet1_1(building *g)
{
    static const struct {
        uint32_t squeezed, expanded;
        bool pool; /* before it */
    } fires[] = {{16, 64, true},  {16, 64, false},  {32, 128, true},  {32, 128, false},
                 {48, 192, true}, {48, 192, false}, {64, 256, false}, {64, 256, false}};
    net_value x = net_images(g);
    x = net_conv(g, &x, net_narrow(g, 64), (window){3, 2, 0}, RELU);
    for (size_t i = 0; i < sizeof fires / sizeof *fires; i++) {
        if (fires[i].pool)
            x = net_max_pool(g, &x, 3, 2, 0, true);
        x = fire(g, &x, fires[i].squeezed, fires[i].expanded);
    }
    x = net_square(g, &x, net_narrow(g, CLASSES), 1, 1, RELU);
    net_value m = net_mean(g, &x);
    return NET_VIEW(g, &m, x.dims[0], x.dims[1]);
}

/* --------------------------------------------------------------------------------- segmentation */

/* DeepLabV3's head: what is seen through windows of several sizes. */
static net_value pyramid(building *g, net_value *x, uint32_t width)
{
    static const uint32_t dilations[] = {12, 24, 36};
    net_value parts[5] = {net_square(g, x, width, 1, 1, RELU)};
    for (int i = 0; i < 3; i++) {
        const uint32_t dilation = dilations[i];
        parts[1 + i] = net_conv(g, x, width, (window){3, 1, dilation, 1, dilation}, RELU);
    }
    net_value m = net_mean(g, x), seen = net_square(g, &m, width, 1, 1, RELU);
    parts[4] = net_upsample(g, &seen, x->dims[2], x->dims[3]);
    net_value all = net_cat(g, parts, 5, 1);
    return net_square(g, &all, width, 1, 1, RELU);
}

/* Of MobileNetV3-large, whose last stage is dilated instead of smaller. */
net_value net_deeplabv3(building *g)
{
    enum { KINDS = 21, LAST_STAGE = 12 };
    mobile_block blocks[LARGE];
    for (int i = 0; i < LARGE; i++) {
        blocks[i] = mobilenet_v3_large[i];
        if (i >= LAST_STAGE)
            blocks[i].dilation = 2, blocks[i].stride = 1;
    }
    const uint32_t width = net_narrow(g, 256), size = (uint32_t)g->shape.size;
    net_value x = mobilenet_v3(g, blocks, LARGE, 960);
    x = pyramid(g, &x, width);
    x = net_square(g, &x, width, 3, 1, RELU);
    x = net_square(g, &x, KINDS, 1, 1, NONE);
    return net_upsample(g, &x, size, size);
}
