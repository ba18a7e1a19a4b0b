/* Nets of linear layers, norms and attention, in floats: torchvision's, and a decoder. */
#include "nets/write.h"

#include <math.h>

enum { CLASSES = 1000 };

static net_value layer_norm(building *g, const net_value *x, double epsilon)
{
    const uint32_t width = x->dims[x->rank - 1], ones = net_same(g, 1, &width, 1),
                   zeros = net_same(g, 1, &width, 0);
    net_value y = net_like(g, x), means = *x;
    means.dims[x->rank - 1] = 1;
    const uint32_t outputs[] = {y.id, net_like(g, &means).id, net_like(g, &means).id};
    NET_OP(g, "aten.native_layer_norm.default", x->id, NET_LIST(g, width), ones, zeros,
           blob_double(g->blob, epsilon), blob_value_list(g->blob, outputs, 3));
    return y;
}

/* Two linear layers over the last dimension, in rows as the exporter has them. */
static net_value perceptron(building *g, net_value *x, uint32_t hidden)
{
    const uint32_t width = x->dims[x->rank - 1], rows = x->dims[0] * x->dims[1] * x->dims[2];
    net_value flat = NET_VIEW(g, x, rows, width), a = net_linear(g, &flat, hidden, true, GELU),
              b = net_linear(g, &a, width, true, NONE);
    return net_view(g, &b, x->rank, x->dims);
}

static net_value to_rows(building *g, const net_value *x) { return NET_PERMUTE(g, x, 0, 2, 3, 1); }
static net_value to_image(building *g, const net_value *x) { return NET_PERMUTE(g, x, 0, 3, 1, 2); }

/* A constant that the program prepares. */
static net_value prepared(building *g, uint32_t constant, uint32_t rank, const uint32_t *dims)
{
    net_value y = net_tensor(g, rank, dims);
    NET_OP(g, "et_vk.prepack.default", constant, y.id);
    return y;
}

/* ------------------------------------------------------------------------------------- ConvNeXt */

/* Of an image's channels. */
static net_value image_norm(building *g, const net_value *x)
{
    net_value rows = to_rows(g, x), normed = layer_norm(g, &rows, 1e-6);
    return to_image(g, &normed);
}

static net_value convnext_block(building *g, net_value *x)
{
    const uint32_t width = x->dims[1], dims[] = {width, 1, 1};
    net_value scale = prepared(g, net_same(g, 3, dims, 1), 3, dims),
              a = net_conv(g, x, width, (window){7, 1, 3, width}, NONE), rows = to_rows(g, &a),
              normed = layer_norm(g, &rows, 1e-6), b = perceptron(g, &normed, 4 * width),
              c = to_image(g, &b), d = net_mul(g, &scale, &c);
    return net_add(g, &d, x, NONE);
}

net_value net_convnext_tiny(building *g)
{
    static const uint32_t depths[] = {3, 3, 9, 3};
    net_value x = net_images(g);
    for (uint32_t stage = 0; stage < 4; stage++) {
        const uint32_t step = stage ? 2 : 4;
        if (stage)
            x = image_norm(g, &x);
        x = net_conv(g, &x, net_narrow(g, 96u) << stage, (window){step, step, 0}, NONE);
        if (!stage)
            x = image_norm(g, &x);
        for (uint32_t i = 0; i < net_layers(g, depths[stage]); i++)
            x = convnext_block(g, &x);
    }
    x = net_mean(g, &x);
    x = image_norm(g, &x);
    net_value flat = NET_VIEW(g, &x, x.dims[0], x.dims[1]);
    return net_linear(g, &flat, net_narrow(g, CLASSES), true, NONE);
}

/* ------------------------------------------------------------------------------------------ ViT */

static void count_attention(building *g, uint64_t heads, uint64_t tokens, uint64_t width)
{
    g->macs += 2 * heads * tokens * tokens * width;
}

static net_value attend(building *g, net_value *x, uint32_t heads)
{
    const uint32_t n = x->dims[0], tokens = x->dims[1], width = x->dims[2];
    net_value qkv = net_linear(g, x, 3 * width, true, NONE),
              apart = NET_VIEW(g, &qkv, n, tokens, 3, heads, width / heads),
              turned = NET_PERMUTE(g, &apart, 2, 0, 3, 1, 4), q = net_select(g, &turned, 0, 0),
              k = net_select(g, &turned, 0, 1), v = net_select(g, &turned, 0, 2),
              y = net_like(g, &q);
    NET_OP(g, "et_vk.sdpa.default", q.id, k.id, v.id, blob_null(g->blob), blob_null(g->blob), y.id);
    count_attention(g, n * heads, tokens, width / heads);
    net_value back = NET_PERMUTE(g, &y, 0, 2, 1, 3), rows = NET_VIEW(g, &back, n, tokens, width);
    return net_linear(g, &rows, width, true, NONE);
}

net_value net_vit_b16(building *g)
{
    enum { LAYERS = 12, HEADS = 12, PATCH = 16 };
    const uint32_t width = HEADS * net_narrow(g, 64);
    net_value x = net_images(g);
    x = net_conv(g, &x, width, (window){PATCH, PATCH, 0}, NONE);
    const uint32_t n = x.dims[0], patches = x.dims[2] * x.dims[3];
    net_value flat = NET_VIEW(g, &x, n, width, patches), rows = NET_PERMUTE(g, &flat, 0, 2, 1);
    net_value token = {.rank = 3, .dims = {n, 1, width}};
    token.id = net_weights(g, 3, token.dims, 0);
    x = net_cat(g, (const net_value[]){token, rows}, 2, 1);
    net_value places = {.id = net_weights(g, 3, (const uint32_t[]){1, patches + 1, width}, 0)};
    x = net_add(g, &x, &places, NONE);
    for (uint32_t i = 0; i < net_layers(g, LAYERS); i++) {
        net_value a = layer_norm(g, &x, 1e-6), b = attend(g, &a, HEADS);
        x = net_add(g, &x, &b, NONE);
        net_value c = layer_norm(g, &x, 1e-6), d = net_linear(g, &c, 4 * width, true, GELU),
                  e = net_linear(g, &d, width, true, NONE);
        x = net_add(g, &x, &e, NONE);
    }
    x = layer_norm(g, &x, 1e-6);
    x = net_select(g, &x, 1, 0);
    return net_linear(g, &x, net_narrow(g, CLASSES), true, NONE);
}

/* ----------------------------------------------------------------------------------------- Swin */

enum { SIDE = 7, AREA = SIDE * SIDE, SPAN = 2 * SIDE - 1 };

/* Attention of one block: on windows of SIDE x SIDE pixels of an image [n, h, w, width] that is
 * padded to whole ones, h and w, and turned by `shift` before. */
typedef struct windows {
    uint32_t n, h, w, width, heads, shift, count; /* count: windows of an image */
} windows;

/* From a pixel to another: a table over their distance, gathered. */
static net_value place_bias(building *g, const windows *at)
{
    const uint32_t table_dims[] = {SPAN * SPAN, at->heads}, index_dims[] = {AREA * AREA};
    int32_t *index = net_alloc(g, AREA * AREA, sizeof *index);
    for (int a = 0; a < AREA; a++)
        for (int b = 0; b < AREA; b++)
            index[a * AREA + b] =
                (a / SIDE - b / SIDE + SIDE - 1) * SPAN + a % SIDE - b % SIDE + SIDE - 1;
    const uint32_t places = net_constant(g, VKD_DTYPE_INT32, 1, index_dims, index);
    net_value y = NET_TENSOR(g, AREA * AREA, at->heads);
    NET_OP(g, "aten.index.Tensor", net_weights(g, 2, table_dims, 0),
           blob_value_list(g->blob, &places, 1), y.id);
    net_value square = NET_VIEW(g, &y, AREA, AREA, at->heads),
              turned = NET_PERMUTE(g, &square, 2, 0, 1),
              bias = NET_TENSOR(g, 1, at->heads, AREA, AREA);
    NET_OP(g, "aten.unsqueeze_copy.default", turned.id, blob_int(g->blob, 0), bias.id);
    return bias;
}

/* Of the three stripes along an axis that a turn brings side by side. */
static uint32_t stripe(uint32_t place, uint32_t size, uint32_t shift)
{
    return place < size - SIDE ? 0 : place < size - shift ? 1 : 2;
}

/* -100 between pixels that were no neighbours before the turn. */
static net_value window_mask(building *g, const windows *at)
{
    const uint32_t dims[] = {1, at->count, 1, AREA, AREA}, across = at->w / SIDE;
    float *numbers = net_alloc(g, (size_t)at->count * AREA * AREA, sizeof *numbers);
    uint16_t *halves = (uint16_t *)numbers; /* of -100 and 0 alone */
    uint32_t of[AREA];
    for (uint32_t i = 0; i < at->count; i++) {
        for (uint32_t p = 0; p < AREA; p++)
            of[p] = 3 * stripe(i / across * SIDE + p / SIDE, at->h, at->shift) +
                    stripe(i % across * SIDE + p % SIDE, at->w, at->shift);
        for (uint32_t p = 0; p < AREA * AREA; p++) {
            const bool apart = of[p / AREA] != of[p % AREA];
            if (g->dtype == VKD_DTYPE_FLOAT16)
                halves[(size_t)i * AREA * AREA + p] = apart ? 0xd640 : 0;
            else
                numbers[(size_t)i * AREA * AREA + p] = apart ? -100 : 0;
        }
    }
    return prepared(g, net_constant(g, g->dtype, 5, dims, numbers), 5, dims);
}

/* Rows and columns move on by so many places, those that fall out come in again. */
static net_value turn(building *g, const net_value *x, uint32_t by)
{
    net_value y = *x;
    for (uint32_t axis = 1; axis < 3; axis++) {
        const uint32_t size = x->dims[axis];
        int32_t *index = net_alloc(g, size, sizeof *index);
        for (uint32_t i = 0; i < size; i++)
            index[i] = (int32_t)((i + by) % size);
        net_value next = net_like(g, &y);
        NET_OP(g, "aten.index_select.default", y.id, blob_int(g->blob, axis),
               net_constant(g, VKD_DTYPE_INT32, 1, &size, index), next.id);
        y = next;
    }
    return y;
}

static net_value pad(building *g, const net_value *x, uint32_t h, uint32_t w)
{
    net_value y = NET_TENSOR(g, x->dims[0], h, w, x->dims[3]);
    NET_OP(g, "aten.constant_pad_nd.default", x->id,
           NET_LIST(g, 0, 0, 0, w - x->dims[2], 0, h - x->dims[1]), blob_double(g->blob, 0), y.id);
    return y;
}

/* Softmax of a product, a bias and a mask, times values; q, k and v are [windows, heads, AREA, d].
 */
static net_value attend_windows(building *g, const windows *at, const net_value *qkv)
{
    vkd_blob_builder *b = g->blob;
    const uint32_t all = at->n * at->count, heads = at->heads, d = at->width / heads,
                   products = all * heads;
    net_value q = net_select(g, qkv, 0, 0), k = net_select(g, qkv, 0, 1),
              v = net_select(g, qkv, 0, 2),
              scale = prepared(g, net_same(g, 0, NULL, 1 / sqrt(d)), 0, NULL),
              scaled = net_like(g, &q);
    NET_OP(g, "aten.mul.Tensor", q.id, scale.id, scaled.id);
    net_value turned = NET_PERMUTE(g, &k, 0, 1, 3, 2), v3 = NET_VIEW(g, &v, products, AREA, d),
              q3 = NET_VIEW(g, &scaled, products, AREA, d),
              k3 = NET_VIEW(g, &turned, products, d, AREA),
              product = NET_TENSOR(g, products, AREA, AREA);
    NET_OP(g, "aten.bmm.default", q3.id, k3.id, product.id);
    net_value sum = NET_VIEW(g, &product, all, heads, AREA, AREA), bias = place_bias(g, at);
    sum = net_add(g, &sum, &bias, NONE);
    if (at->shift) {
        net_value apart = NET_VIEW(g, &sum, at->n, at->count, heads, AREA, AREA),
                  mask = window_mask(g, at), masked = net_add(g, &apart, &mask, NONE);
        sum = NET_VIEW(g, &masked, all, heads, AREA, AREA);
    }
    net_value weights = net_like(g, &sum);
    NET_OP(g, "aten._softmax.default", sum.id, blob_int(b, -1), blob_bool(b, false), weights.id);
    net_value w3 = NET_VIEW(g, &weights, products, AREA, AREA),
              y = NET_TENSOR(g, products, AREA, d);
    NET_OP(g, "aten.bmm.default", w3.id, v3.id, y.id);
    count_attention(g, products, AREA, d);
    net_value y4 = NET_VIEW(g, &y, all, heads, AREA, d);
    return NET_PERMUTE(g, &y4, 0, 2, 1, 3);
}

static windows make_windows(const net_value *x, uint32_t heads, bool shifted)
{
    const uint32_t h = (x->dims[1] + SIDE - 1) / SIDE * SIDE,
                   w = (x->dims[2] + SIDE - 1) / SIDE * SIDE;
    return (windows){.n = x->dims[0],
                     .h = h,
                     .w = w,
                     .width = x->dims[3],
                     .heads = heads,
                     .shift = shifted && h > SIDE && w > SIDE ? SIDE / 2 : 0,
                     .count = h / SIDE * (w / SIDE)};
}

static net_value swin_attention(building *g, const net_value *x, uint32_t heads, bool shifted)
{
    const windows at = make_windows(x, heads, shifted);
    const uint32_t rows = at.n * at.count * AREA, down = at.h / SIDE, across = at.w / SIDE;
    net_value whole = pad(g, x, at.h, at.w), y = at.shift ? turn(g, &whole, at.shift) : whole;
    net_value apart = NET_VIEW(g, &y, at.n, down, SIDE, across, SIDE, at.width),
              cut = NET_PERMUTE(g, &apart, 0, 1, 3, 2, 4, 5),
              flat = NET_VIEW(g, &cut, rows, at.width),
              qkv = net_linear(g, &flat, 3 * at.width, true, NONE),
              parts = NET_VIEW(g, &qkv, at.n * at.count, AREA, 3, heads, at.width / heads),
              turned = NET_PERMUTE(g, &parts, 2, 0, 3, 1, 4), a = attend_windows(g, &at, &turned),
              mixed = NET_VIEW(g, &a, rows, at.width),
              out = net_linear(g, &mixed, at.width, true, NONE),
              windowed = NET_VIEW(g, &out, at.n, down, across, SIDE, SIDE, at.width),
              joined = NET_PERMUTE(g, &windowed, 0, 1, 3, 2, 4, 5);
    y = NET_VIEW(g, &joined, at.n, at.h, at.w, at.width);
    if (at.shift)
        y = turn(g, &y, at.h - at.shift);
    if (at.h != x->dims[1])
        y = net_slice(g, &y, 1, 0, x->dims[1], 1);
    return at.w != x->dims[2] ? net_slice(g, &y, 2, 0, x->dims[2], 1) : y;
}

/* Four neighbours become one, of twice the width. */
static net_value merge(building *g, const net_value *x)
{
    net_value whole = pad(g, x, (x->dims[1] + 1) / 2 * 2, (x->dims[2] + 1) / 2 * 2), parts[4];
    for (int i = 0; i < 4; i++) {
        net_value rows = net_slice(g, &whole, 1, i % 2, INT64_MAX, 2);
        parts[i] = net_slice(g, &rows, 2, i / 2, INT64_MAX, 2);
    }
    net_value all = net_cat(g, parts, 4, -1), normed = layer_norm(g, &all, 1e-5);
    const uint32_t *d = all.dims;
    net_value flat = NET_VIEW(g, &normed, d[0] * d[1] * d[2], d[3]),
              less = net_linear(g, &flat, d[3] / 2, false, NONE);
    return NET_VIEW(g, &less, d[0], d[1], d[2], d[3] / 2);
}

net_value net_swin_t(building *g)
{
    static const uint32_t depths[] = {2, 2, 6, 2};
    enum { PATCH = 4, HEADS = 3 };
    net_value x = net_images(g);
    x = net_conv(g, &x, HEADS * net_narrow(g, 32), (window){PATCH, PATCH, 0}, NONE);
    x = to_rows(g, &x);
    x = layer_norm(g, &x, 1e-5);
    for (uint32_t stage = 0; stage < 4; stage++) {
        if (stage)
            x = merge(g, &x);
        for (uint32_t i = 0; i < net_layers(g, depths[stage]); i++) {
            net_value a = layer_norm(g, &x, 1e-5),
                      b = swin_attention(g, &a, (uint32_t)HEADS << stage, i % 2);
            x = net_add(g, &x, &b, NONE);
            net_value c = layer_norm(g, &x, 1e-5), d = perceptron(g, &c, 4 * x.dims[3]);
            x = net_add(g, &x, &d, NONE);
        }
    }
    net_value normed = layer_norm(g, &x, 1e-5), image = to_image(g, &normed);
    return net_classify(g, &image, net_narrow(g, CLASSES));
}

/* -------------------------------------------------------------------------------------- decoder */

static net_value rms_norm(building *g, const net_value *x)
{
    const uint32_t width = x->dims[x->rank - 1];
    net_value y = net_like(g, x);
    NET_OP(g, "et_vk.rms_norm.default", x->id, net_same(g, 1, &width, 1),
           blob_double(g->blob, 1e-6), y.id);
    return y;
}

/* What a decoder's layers have in common: turns of the positions, where the tokens are. */
typedef struct positions {
    net_value cosine, sine;
    uint32_t start;
} positions;

enum { DIM = 1024, HEADS = 16, KEYS = 8, HEAD = 128, HIDDEN = 3072, CACHE = 512 };

static net_value decoder_attention(building *g, net_value *x, const positions *at)
{
    vkd_blob_builder *b = g->blob;
    const uint32_t tokens = x->dims[1], cache[] = {1, CACHE, KEYS, HEAD};
    net_value q = net_linear(g, x, HEADS * HEAD, false, NONE),
              k = net_linear(g, x, KEYS * HEAD, false, NONE),
              v = net_linear(g, x, KEYS * HEAD, false, NONE);
    q = NET_VIEW(g, &q, 1, tokens, HEADS, HEAD);
    k = NET_VIEW(g, &k, 1, tokens, KEYS, HEAD);
    v = NET_VIEW(g, &v, 1, tokens, KEYS, HEAD);
    q = rms_norm(g, &q);
    k = rms_norm(g, &k);
    net_value turned_q = net_like(g, &q), turned_k = net_like(g, &k), y = net_like(g, &q);
    NET_OP(g, "et_vk.apply_rotary_emb.default", q.id, k.id, at->cosine.id, at->sine.id,
           blob_value_list(b, (const uint32_t[]){turned_q.id, turned_k.id}, 2));
    NET_OP(g, "sdpa_with_kv_cache.default", turned_q.id, turned_k.id, v.id,
           net_same(g, 4, cache, 0), net_same(g, 4, cache, 0), at->start, blob_int(b, tokens),
           blob_null(b), blob_double(b, 0), blob_bool(b, true), blob_null(b), y.id);
    y = NET_VIEW(g, &y, 1, tokens, HEADS * HEAD);
    return net_linear(g, &y, DIM, false, NONE);
}

static net_value decoder_layer(building *g, net_value *x, const positions *at)
{
    net_value a = rms_norm(g, x), b = decoder_attention(g, &a, at), sum = net_add(g, x, &b, NONE),
              c = rms_norm(g, &sum), gate = net_linear(g, &c, HIDDEN, false, SILU),
              up = net_linear(g, &c, HIDDEN, false, NONE), both = net_mul(g, &gate, &up),
              d = net_linear(g, &both, DIM, false, NONE);
    return net_add(g, &sum, &d, NONE);
}

/* Shaped like Qwen3-0.6B: embeddings in, the last token's logits out. */
net_value net_decoder(building *g)
{
    enum { LAYERS = 28 };
    const uint32_t tokens = (uint32_t)g->shape.tokens, turns[] = {CACHE, HEAD / 2};
    net_value x = NET_TENSOR(g, 1, tokens, DIM), place = {.rank = 1, .dims = {tokens}};
    place.id = blob_constant_tensor(g->blob, VKD_DTYPE_INT32, 1, &tokens, -1);
    net_input(g, g->dtype, &x);
    net_input(g, VKD_DTYPE_INT32, &place);
    positions at = {NET_TENSOR(g, tokens, HEAD / 2), NET_TENSOR(g, tokens, HEAD / 2),
                    blob_symint(g->blob, 0)};
    const uint32_t index = blob_value_list(g->blob, &place.id, 1);
    NET_OP(g, "aten.index.Tensor", net_weights(g, 2, turns, 2), index, at.cosine.id);
    NET_OP(g, "aten.index.Tensor", net_weights(g, 2, turns, 2), index, at.sine.id);
    NET_OP(g, "et_vk.select_as_symint.default", place.id, blob_int(g->blob, 0),
           blob_int(g->blob, 0), at.start);
    for (uint32_t i = 0; i < net_layers(g, LAYERS); i++)
        x = decoder_layer(g, &x, &at);
    x = net_select(g, &x, 1, -1);
    x = rms_norm(g, &x);
    return net_linear(g, &x, (uint32_t)g->shape.words, false, NONE);
}
