#include "schema/named.h"
#include "bench/shapes.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "graph/rewrite.h"
#include "schema/container.h"

/* ----------------------------------------------------------------------------------------- text */

/* Up to four numbers with x between them; their count. */
static int numbers(const char *text, uint32_t out[4])
{
    int count = 0, length;
    while (count < 4 && isdigit((unsigned char)*text) &&
           sscanf(text, "%9u%n", &out[count], &length) == 1) {
        text += length;
        count++;
        if (*text != 'x')
            break;
        text++;
    }
    return *text ? 0 : count;
}

static bool set_pair(const char *text, uint32_t out[2])
{
    uint32_t values[4];
    int count = numbers(text, values);
    if (count != 1 && count != 2)
        return false;
    out[0] = values[0];
    out[1] = values[count - 1];
    return true;
}

bool bench_dtype_parse(const char *text, vkd_dtype *out)
{
    static const vkd_dtype dtypes[] = {VKD_DTYPE_INT8, VKD_DTYPE_FLOAT32, VKD_DTYPE_FLOAT16};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (!strcmp(text, vkd_dtype_name(dtypes[i]))) {
            *out = dtypes[i];
            return true;
        }
    return false;
}

static bool set_option(const char *word, conv2d_problem *p)
{
    uint32_t groups[2];
    switch (word[0]) {
    case 's':
        return set_pair(word + 1, p->stride);
    case 'p':
        return set_pair(word + 1, p->padding);
    case 'd':
        return set_pair(word + 1, p->dilation);
    case 'g':
        p->groups = set_pair(word + 1, groups) ? groups[0] : 0;
        return p->groups;
    case 'f':
    case 'i':
        return bench_dtype_parse(word, &p->dtype);
    case 't':
        p->transposed = 1;
        return !word[1];
    default:
        return set_pair(word, p->kernel);
    }
}

static uint32_t extent(uint32_t in, const conv2d_problem *p, int axis)
{
    int64_t reach = (int64_t)p->dilation[axis] * (p->kernel[axis] - 1) + 1;
    int64_t room = (int64_t)in + 2 * (int64_t)p->padding[axis] - reach;
    if (p->transposed) {
        int64_t out = ((int64_t)in - 1) * p->stride[axis] - 2 * (int64_t)p->padding[axis] + reach;
        return out < 1 || out > INT32_MAX ? 0 : (uint32_t)out;
    }
    return room < 0 || !p->stride[axis] ? 0 : (uint32_t)(room / p->stride[axis] + 1);
}

/* Whether a transposed one has this size, with some padding of its output. */
static bool is_output_padding(const conv2d_problem *p, const uint32_t *y)
{
    return y[2] >= p->out_h && y[2] - p->out_h < p->stride[0] && y[3] >= p->out_w &&
           y[3] - p->out_w < p->stride[1];
}

/* Derives the output's size, and checks everything that the factory takes for granted. */
static const char *complete(conv2d_problem *p, const uint32_t *y, int y_count)
{
    if (!p->kernel[0] || !p->kernel[1] || !p->dilation[0] || !p->dilation[1])
        return "kernel and dilation must be at least 1";
    p->out_h = extent(p->in_h, p, 0);
    p->out_w = extent(p->in_w, p, 1);
    if (!p->n || !p->in_c || !p->out_c || !p->out_h || !p->out_w)
        return "the window does not fit the input, or something is 0";
    if (p->in_c % p->groups || p->out_c % p->groups)
        return "the groups do not divide the channels";
    if (y_count == 4 && p->transposed && is_output_padding(p, y))
        p->out_h = y[2], p->out_w = y[3];
    if (y_count == 4 && (y[0] != p->n || y[2] != p->out_h || y[3] != p->out_w))
        return "input and window give another output size";
    if (p->transposed && !conv2d_is_float(p))
        return "only one of floats can be transposed";
    return !conv2d_is_float(p) && conv2d_k(p) > VKD_MAX_K ? "its sums would overflow" : NULL;
}

const char *bench_shape_parse(const char *text, conv2d_problem *out)
{
    char copy[256], *rest = NULL;
    uint32_t x[4], y[4];
    if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
        return "the line is too long";
    *out = (conv2d_problem){
        .stride = {1, 1}, .dilation = {1, 1}, .groups = 1, .dtype = VKD_DTYPE_INT8};
    const char *word = strtok_r(copy, " \t\r\n", &rest);
    if (!word || numbers(word, x) != 4)
        return "it must begin with the input as NxCxHxW";
    out->n = x[0], out->in_c = x[1], out->in_h = x[2], out->in_w = x[3];
    word = strtok_r(NULL, " \t\r\n", &rest);
    if (word && !strcmp(word, "->"))
        word = strtok_r(NULL, " \t\r\n", &rest);
    int y_count = word ? numbers(word, y) : 0;
    if (y_count != 1 && y_count != 4)
        return "the input must be followed by '->' and the output as NxCxHxW or C";
    out->out_c = y[y_count == 4 ? 1 : 0];
    while ((word = strtok_r(NULL, " \t\r\n", &rest)))
        if (!set_option(word, out))
            return "only a kernel (3x3), s, p, d, g with numbers, a type (i8, f32, f16) and t may "
                   "follow";
    return complete(out, y, y_count);
}

/* ---------------------------------------------------------------------------------------- lists */

static vkd_status add(vkd_arena *arena, const char *set, const conv2d_problem *problem,
                      bench_shapes *shapes)
{
    for (size_t i = 0; i < shapes->count; i++)
        if (!strcmp(shapes->items[i].set, set) &&
            !memcmp(&shapes->items[i].problem, problem, sizeof *problem))
            return VKD_OK;
    bench_shape *grown =
        vkd_arena_grow(arena, shapes->items, shapes->count, &shapes->capacity, sizeof *grown);
    if (!grown)
        return vkd_fail_memory(arena->context, "shapes");
    shapes->items = grown;
    grown[shapes->count++] = (bench_shape){set, *problem};
    return VKD_OK;
}

static vkd_status add_text(vkd_arena *arena, const char *set, const char *text,
                           bench_shapes *shapes)
{
    conv2d_problem problem;
    const char *fault = bench_shape_parse(text, &problem);
    if (fault)
        return vkd_fail(arena->context, VKD_INVALID_ARGUMENT, "%s: '%s': %s", set, text, fault);
    return add(arena, set, &problem, shapes);
}

/* The 23 of ResNet50 (stride in the 3x3). */
static vkd_status add_resnet50(vkd_arena *arena, bench_shapes *shapes)
{
    char text[128];
    uint32_t in_c = 64, size = 56;
    VKD_TRY(add_text(arena, "resnet50", "1x3x224x224 -> 64 7x7 s2 p3", shapes));
    for (uint32_t stage = 0; stage < 4; stage++) {
        uint32_t mid = 64u << stage, stride = stage ? 2 : 1, down = size / stride;
        const struct {
            uint32_t in_c, size, out_c, kernel, stride;
        } convs[] = {{in_c, size, mid, 1, 1},    {mid, size, mid, 3, stride},
                     {mid, down, 4 * mid, 1, 1}, {in_c, size, 4 * mid, 1, stride},
                     {4 * mid, down, mid, 1, 1}, {mid, down, mid, 3, 1}};
        for (size_t i = 0; i < sizeof convs / sizeof *convs; i++) {
            snprintf(text, sizeof text, "1x%ux%ux%u -> %u %ux%u s%u p%u", convs[i].in_c,
                     convs[i].size, convs[i].size, convs[i].out_c, convs[i].kernel, convs[i].kernel,
                     convs[i].stride, convs[i].kernel / 2);
            VKD_TRY(add_text(arena, "resnet50", text, shapes));
        }
        in_c = 4 * mid;
        size = down;
    }
    return VKD_OK;
}

/* MobileNetV2's: expansion, depthwise, projection of every block. */
static vkd_status add_mobilenet_v2(vkd_arena *arena, bench_shapes *shapes)
{
    static const struct {
        uint32_t expand, out_c, count, stride;
    } blocks[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                  {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    static const char set[] = "mobilenet_v2";
    char text[128];
    uint32_t in_c = 32, size = 112;
    VKD_TRY(add_text(arena, set, "1x3x224x224 -> 32 3x3 s2 p1", shapes));
    for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++)
        for (uint32_t i = 0; i < blocks[b].count; i++) {
            uint32_t wide = in_c * blocks[b].expand, stride = i ? 1 : blocks[b].stride;
            if (blocks[b].expand > 1) {
                snprintf(text, sizeof text, "1x%ux%ux%u -> %u 1x1", in_c, size, size, wide);
                VKD_TRY(add_text(arena, set, text, shapes));
            }
            snprintf(text, sizeof text, "1x%ux%ux%u -> %u 3x3 s%u p1 g%u", wide, size, size, wide,
                     stride, wide);
            VKD_TRY(add_text(arena, set, text, shapes));
            size /= stride;
            snprintf(text, sizeof text, "1x%ux%ux%u -> %u 1x1", wide, size, size, blocks[b].out_c);
            VKD_TRY(add_text(arena, set, text, shapes));
            in_c = blocks[b].out_c;
        }
    return add_text(arena, set, "1x320x7x7 -> 1280 1x1", shapes);
}

/* Those of ExecuTorch's own q8ta_conv2d benchmark. */
static const char *const et_vk[] = {
    "1x3x256x256 -> 32 3x3 p0",
    "1x32x128x128 -> 64 3x3 p1",
    "1x64x128x128 -> 64 3x3 p1",
    "1x64x128x128 -> 64 3x3 p1 g2",
    "1x64x256x256 -> 64 3x3 p1 g2",
    "1x96x128x128 -> 96 3x3 s2 p1 g3",
    "1x128x128x128 -> 128 5x5 s2 p2 g4",
    "1x128x256x256 -> 128 5x5 s2 p2 g4",
    "1x512x7x7 -> 512 3x3 p1",
    "1x1024x14x14 -> 2048 1x1 s2",
    NULL,
};

/* MobileNetV3-large's, with the squeezes of its blocks and its two linear layers. */
static const char *const mobilenet_v3[] = {
    "1x3x224x224 -> 16 3x3 s2 p1",
    "1x16x112x112 -> 16 3x3 p1 g16",
    "1x16x112x112 -> 16 1x1",
    "1x16x112x112 -> 64 1x1",
    "1x64x112x112 -> 64 3x3 s2 p1 g64",
    "1x64x56x56 -> 24 1x1",
    "1x24x56x56 -> 72 1x1",
    "1x72x56x56 -> 72 3x3 p1 g72",
    "1x72x56x56 -> 24 1x1",
    "1x72x56x56 -> 72 5x5 s2 p2 g72",
    "1x72x1x1 -> 24 1x1",
    "1x24x1x1 -> 72 1x1",
    "1x72x28x28 -> 40 1x1",
    "1x40x28x28 -> 120 1x1",
    "1x120x28x28 -> 120 5x5 p2 g120",
    "1x120x1x1 -> 32 1x1",
    "1x32x1x1 -> 120 1x1",
    "1x120x28x28 -> 40 1x1",
    "1x40x28x28 -> 240 1x1",
    "1x240x28x28 -> 240 3x3 s2 p1 g240",
    "1x240x14x14 -> 80 1x1",
    "1x80x14x14 -> 200 1x1",
    "1x200x14x14 -> 200 3x3 p1 g200",
    "1x200x14x14 -> 80 1x1",
    "1x80x14x14 -> 480 1x1",
    "1x480x14x14 -> 480 3x3 p1 g480",
    "1x480x1x1 -> 120 1x1",
    "1x120x1x1 -> 480 1x1",
    "1x480x14x14 -> 112 1x1",
    "1x112x14x14 -> 672 1x1",
    "1x672x14x14 -> 672 5x5 s2 p2 g672",
    "1x672x1x1 -> 168 1x1",
    "1x168x1x1 -> 672 1x1",
    "1x672x7x7 -> 160 1x1",
    "1x160x7x7 -> 960 1x1",
    "1x960x7x7 -> 960 5x5 p2 g960",
    "1x960x7x7 -> 160 1x1",
    "1x960x1x1 -> 1280 1x1",
    "1x1280x1x1 -> 1000 1x1",
    NULL,
};

/* ViT-B/16's: the patches, then linear layers, whose rows are pixels. */
static const char *const vit_b16[] = {
    "1x3x224x224 -> 768 16x16 s16",
    "1x768x1x197 -> 2304 1x1",
    "1x768x1x197 -> 768 1x1",
    "1x768x1x197 -> 3072 1x1",
    "1x3072x1x197 -> 768 1x1",
    "1x768x1x1 -> 1000 1x1",
    NULL,
};

/* Linear layers of a decoder of 1024 dims: a token, a few, a prompt. */
static const char *const decoder[] = {
    "1x1024x1x1 -> 2048 1x1",   "1x1024x1x1 -> 1024 1x1",
    "1x2048x1x1 -> 1024 1x1",   "1x1024x1x1 -> 3072 1x1",
    "1x3072x1x1 -> 1024 1x1",   "1x1024x1x1 -> 151936 1x1",
    "1x1024x1x8 -> 3072 1x1",   "1x3072x1x8 -> 1024 1x1",
    "1x1024x1x128 -> 2048 1x1", "1x1024x1x128 -> 1024 1x1",
    "1x2048x1x128 -> 1024 1x1", "1x1024x1x128 -> 3072 1x1",
    "1x3072x1x128 -> 1024 1x1", NULL,
};

/* ---------------------------------------------------------------------------------------- files */

/* The whole file, zero-terminated, in the arena. */
static vkd_status read_file(vkd_arena *arena, const char *path, char **out, size_t *out_size)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        if (file)
            fclose(file);
        return vkd_fail(arena->context, VKD_IO_ERROR,
                        "%s is no built-in list (%s) and no file that can be read", path,
                        bench_shape_sets);
    }
    long size = ftell(file);
    rewind(file);
    *out = size < 0 ? NULL : vkd_arena_alloc(arena, (size_t)size + 1, 1);
    bool read = *out && fread(*out, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    *out_size = (size_t)size;
    return read ? VKD_OK : vkd_fail(arena->context, VKD_IO_ERROR, "%s cannot be read", path);
}

static vkd_status add_lines(vkd_arena *arena, const char *path, char *text, bench_shapes *shapes)
{
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        line[strcspn(line, "#\r")] = 0;
        if (line[strspn(line, " \t")])
            VKD_TRY(add_text(arena, path, line, shapes));
    }
    return VKD_OK;
}

/* What the factory is asked for when the delegate is lowered. */
static vkd_status add_delegate(vkd_arena *arena, const vkd_caps *caps, const char *path,
                               const vkd_container *container, vkd_bytes blob, bench_shapes *shapes)
{
    vkd_model model;
    vkd_net net;
    vkd_graph graph;
    vkd_lowered lowered;
    VKD_TRY(vkd_model_read(blob.data, blob.size, &container->named_data, arena, &model));
    VKD_TRY(vkd_net_bind(&net, &model, &vkd_ops, arena));
    VKD_TRY(vkd_rewrite(&net, 0));
    vkd_model_value *values = vkd_arena_alloc(arena, net.value_count, sizeof *values);
    if (!values)
        return vkd_fail_memory(arena->context, "a model's values");
    VKD_TRY(vkd_shape_net(arena->context, &net, NULL, values));
    vkd_graph_init(&graph, arena);
    VKD_TRY(vkd_lower_net(arena->context, &net, values, caps, NULL, &graph, &lowered));
    for (size_t i = 0; i < lowered.selection_count; i++)
        VKD_TRY(add_text(arena, path, lowered.selections[i].problem, shapes));
    return VKD_OK;
}

static vkd_status add_model(vkd_arena *arena, const vkd_caps *caps, const char *path,
                            const char *bytes, size_t size, bench_shapes *shapes)
{
    vkd_container container;
    VKD_TRY(vkd_container_read(bytes, size, arena, &container));
    for (size_t m = 0; m < container.method_count; m++)
        for (size_t d = 0; d < container.methods[m].delegate_count; d++)
            VKD_TRY(add_delegate(arena, caps, path, &container,
                                 container.methods[m].delegates[d].blob, shapes));
    return VKD_OK;
}

static const struct {
    const char *name;
    vkd_status (*add)(vkd_arena *arena, bench_shapes *shapes); /* or a list: */
    const char *const *texts;
} sets[] = {{"resnet50", add_resnet50, NULL}, {"mobilenet_v2", add_mobilenet_v2, NULL},
            {"et_vk", NULL, et_vk},           {"mobilenet_v3", NULL, mobilenet_v3},
            {"vit_b16", NULL, vit_b16},       {"decoder", NULL, decoder}};
const char bench_shape_sets[] = "resnet50,mobilenet_v2,et_vk";

static vkd_status add_set(vkd_arena *arena, size_t set, bench_shapes *shapes)
{
    if (sets[set].add)
        return sets[set].add(arena, shapes);
    for (const char *const *text = sets[set].texts; *text; text++)
        VKD_TRY(add_text(arena, sets[set].name, *text, shapes));
    return VKD_OK;
}

vkd_status bench_shapes_add(vkd_arena *arena, const vkd_caps *caps, const char *source,
                            bench_shapes *shapes)
{
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (!strcmp(source, sets[i].name))
            return add_set(arena, i, shapes);
    char *bytes;
    size_t size, length = strlen(source);
    const char *name = strrchr(source, '/');
    name = vkd_arena_printf(arena, "%s", name ? name + 1 : source);
    if (!name)
        return vkd_fail_memory(arena->context, "shapes");
    VKD_TRY(read_file(arena, source, &bytes, &size));
    if (length > 4 && !strcmp(source + length - 4, ".pte"))
        return add_model(arena, caps, name, bytes, size, shapes);
    return add_lines(arena, name, bytes, shapes);
}
