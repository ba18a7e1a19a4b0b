/* The nets by their names, and the file around one. */
#include "nets/write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct net_row {
    const char *name;
    net_value (*build)(building *g);
    int least, usual; /* size of images */
    bool floats;      /* alone */
} net_row;

/* Each name once, for the table and for the list of names. */
#define NETS(NET)                                                                                  \
    NET(resnet50, 1, 224, false)                                                                   \
    NET(regnet_x_400mf, 1, 224, false)                                                             \
    NET(mobilenet_v2, 1, 224, false)                                                               \
    NET(mobilenet_v3_small, 1, 224, false)                                                         \
    NET(mobilenet_v3_large, 1, 224, false)                                                         \
    NET(efficientnet_b0, 1, 224, false)                                                            \
    NET(densenet121, 32, 224, false)                                                               \
    NET(shufflenet_v2_x0_5, 1, 224, false)                                                         \
    NET(squeezenet1_1, 32, 224, false)                                                             \
    NET(deeplabv3, 1, 256, false)                                                                  \
    NET(convnext_tiny, 32, 224, true)                                                              \
    NET(vit_b16, 16, 224, true)                                                                    \
    NET(swin_t, 4, 224, true)                                                                      \
    NET(decoder, 0, 0, true)

#define ROW(name, least, usual, floats) {#name, net_##name, least, usual, floats},
static const net_row nets[] = {NETS(ROW)};
#define NAME(name, least, usual, floats) #name,
const char *const net_names[] = {NETS(NAME) NULL};

static const net_row *find(const char *name)
{
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
        if (!strcmp(nets[i].name, name))
            return &nets[i];
    return NULL;
}

/* --------------------------------------------------------------------------------------- checks */

static bool in_range(const char *what, int value, int least, int most, net_file *out)
{
    if (value >= least && value <= most)
        return true;
    snprintf(out->error, sizeof out->error, "the %s must be %d to %d, not %d", what, least, most,
             value);
    return false;
}

static bool check_type(const net_row *row, const net_shape *shape, net_file *out)
{
    const bool is_float = shape->dtype == VKD_DTYPE_FLOAT32 || shape->dtype == VKD_DTYPE_FLOAT16;
    if (is_float || (shape->dtype == VKD_DTYPE_INT8 && !row->floats))
        return true;
    snprintf(out->error, sizeof out->error, "it can be of %s, not of %s",
             row->floats ? "f32 or f16" : "f32, f16 or i8", vkd_dtype_name(shape->dtype));
    return false;
}

static bool check(const net_row *row, const net_shape *shape, net_file *out)
{
    return check_type(row, shape, out) && in_range("size", shape->size, row->least, 1 << 14, out) &&
           in_range("width", shape->width, row->least, 1 << 14, out) &&
           in_range("batch", shape->batch, 1, 1 << 14, out) &&
           in_range("number of tokens", shape->tokens, 1, 512, out) &&
           in_range("divisor of channels", shape->narrow, 1, 64, out) &&
           in_range("number of layers", shape->layers, 0, 100, out) &&
           in_range("number of words", shape->words, 1, 1 << 20, out);
}

static bool check_largest(const building *g, net_file *out)
{
    if (g->largest < 2147483648.0)
        return true;
    snprintf(out->error, sizeof out->error,
             "size %d with batch %d makes a tensor of %.0f elements, 2^31 - 1 are possible",
             g->shape.size, g->shape.batch, g->largest);
    return false;
}

/* ---------------------------------------------------------------------------------------- whole */

static void set_default(int *number, int usual) { *number = *number ? *number : usual; }

static void begin(building *g, const net_row *row, const net_shape *shape)
{
    *g = (building){.shape = *shape,
                    .int8 = shape->dtype == VKD_DTYPE_INT8,
                    .random = {shape->seed},
                    .bits = shape->seed * 0x9e3779b97f4a7c15 + 1};
    g->dtype = g->int8 ? VKD_DTYPE_FLOAT32 : shape->dtype;
    set_default(&g->shape.size, row->usual);
    g->shape.size = row->usual ? g->shape.size : 0; /* it has no images */
    set_default(&g->shape.width, g->shape.size);
    set_default(&g->shape.batch, 1);
    set_default(&g->shape.tokens, 1);
    set_default(&g->shape.narrow, 1);
    set_default(&g->shape.words, 151936);
}

static void wrap(building *g, net_file *out)
{
    static const vkd_compile_spec resizes = {sizeof resizes, "require_dynamic_shapes", "\1", 1};
    blob_pte pte = {.inputs = g->inputs,
                    .input_count = g->input_count,
                    .outputs = &g->output,
                    .output_count = 1,
                    .specs = &resizes,
                    .spec_count = g->shape.resizes,
                    .named = g->named,
                    .named_count = g->named_count};
    void *blob = blob_finish(g->blob, &pte.blob_size);
    pte.blob = blob;
    if (check_largest(g, out))
        out->file = blob_wrap_pte(&pte, &out->file_size);
    out->macs = g->macs;
    out->size = g->shape.size;
    out->batch = g->shape.batch;
    free(blob);
}

bool net_build(const net_shape *shape, net_file *out)
{
    const net_row *row = find(shape->name);
    building g;
    *out = (net_file){0};
    if (!row) {
        snprintf(out->error, sizeof out->error, "there is no net of this name");
        return false;
    }
    begin(&g, row, shape);
    if (!check(row, &g.shape, out))
        return false;
    vkd_context_init(&g.context, NULL);
    vkd_arena_init(&g.arena, &g.context);
    g.blob = blob_new();
    net_value y = row->build(&g);
    net_output(&g, &y);
    wrap(&g, out);
    vkd_arena_release(&g.arena);
    return out->file != NULL;
}

void net_release(net_file *net)
{
    free(net->file);
    *net = (net_file){0};
}

void net_image(const net_shape *shape, int index, float *out)
{
    const size_t count = NET_COLOURS * (size_t)shape->size * (size_t)shape->size;
    /* the weights' sequence starts at the seed */
    vkd_random random = {shape->seed + 0x100000001u * ((uint64_t)index + 1)};
    random_floats(&random, -1.7f, 1.7f, out, count); /* variance 1 */
}
