/* Cases of ops/conv/float_ops.c: convolutions of floats, with every variant where it can run. */
#include "table_families.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* h and w; of one dimension h is 1. */
typedef struct drawn {
    vkd_shape x, w, y;
    uint32_t groups, dims;
    bool transposed, pointwise, plain; /* plain: a product of matrices */
    int64_t kernel[2], stride[2], padding[2], dilation[2], output_padding[2];
} drawn;

static int64_t range(table *t, int64_t least, int64_t most)
{
    return least + table_below(t, (uint32_t)(most - least + 1));
}

/* Half of the draws of a forced variant are what it is for. */
static bool is_for(table *t, const char *family)
{
    return t->row->variant && !strncmp(t->row->variant, family, strlen(family)) &&
           table_chance(t, 2);
}

/* Channels of which some come in whole fours, some fill tiles, and some do neither; depthwise ones
 * and multiples of it too. */
static void draw_channels(table *t, drawn *d)
{
    static const uint32_t units[] = {1, 1, 3, 4, 8, 16}, most[] = {12, 12, 5, 9, 5, 3};
    uint32_t i = table_below(t, 6), o = table_below(t, 6);
    d->groups = d->plain || table_chance(t, 2) ? 1 : 1 + table_below(t, 4);
    uint32_t in = units[i] * (1 + table_below(t, most[i])),
             out = units[o] * (1 + table_below(t, most[o]));
    if (is_for(t, "depthwise") || (!d->plain && table_chance(t, 4))) { /* a channel a group */
        d->groups = in;
        in = 1;
        out = table_chance(t, 4) ? 1 + table_below(t, 3) : 1;
    } else if (d->groups > 1) {
        in = (in - 1) / d->groups + 1;
        out = (out - 1) / d->groups + 1;
        if (table_chance(t, 2))
            in = (in + 3) / 4 * 4, out = (out + 7) / 8 * 8;
    }
    d->x.dims[1] = in * d->groups;
    d->y.dims[1] = out * d->groups;
    d->w.dims[0] = d->transposed ? in * d->groups : out * d->groups;
    d->w.dims[1] = d->transposed ? out : in;
}

static int64_t out_size(const drawn *d, int axis, int64_t in)
{
    int64_t reach = d->dilation[axis] * (d->kernel[axis] - 1) + 1;
    if (d->transposed)
        return (in - 1) * d->stride[axis] - 2 * d->padding[axis] + reach + d->output_padding[axis];
    int64_t room = in + 2 * d->padding[axis] - reach;
    return room < 0 ? 0 : room / d->stride[axis] + 1;
}

/* Until the window fits. */
static void draw_window(table *t, drawn *d, int axis)
{
    const bool is_pointwise = d->pointwise || table_chance(t, 4), given = d->dims == 2 || axis == 1;
    int64_t in, out;
    do {
        in = given ? range(t, 1, table_chance(t, 4) ? 30 : 12) : 1;
        d->kernel[axis] = given && !is_pointwise ? range(t, 1, 5) : 1;
        d->stride[axis] = given && !d->plain ? range(t, 1, 3) : 1;
        d->padding[axis] = given && !is_pointwise ? range(t, 0, 3) : 0;
        d->dilation[axis] = given && table_chance(t, 3) ? range(t, 1, 3) : 1;
        d->output_padding[axis] = d->transposed && given ? range(t, 0, d->stride[axis] - 1) : 0;
        out = out_size(d, axis, in);
    } while (out < 1);
    uint32_t at = 2 + (d->dims == 2 ? (uint32_t)axis : 0);
    if (!given)
        return;
    d->x.dims[at] = (uint32_t)in;
    d->w.dims[at] = (uint32_t)d->kernel[axis];
    d->y.dims[at] = (uint32_t)out;
}

static drawn draw_shapes(table *t)
{
    drawn d = {.dims = table_chance(t, 3) ? 1 : 2,
               .transposed = table_chance(t, 4),
               .pointwise = table_chance(t, 4)};
    d.plain = is_for(t, "pointwise vector");
    if (d.plain || is_for(t, "pointwise"))
        d.pointwise = true;
    if (d.pointwise || is_for(t, "depthwise_row"))
        d.transposed = false;
    d.x.rank = d.w.rank = d.y.rank = d.dims + 2;
    d.x.dims[0] = d.y.dims[0] = 1 + table_below(t, 3);
    draw_channels(t, &d);
    draw_window(t, &d, 0);
    draw_window(t, &d, 1);
    return d;
}

/* --------------------------------------------------------------------------------------- oracle */

static uint32_t height(const vkd_shape *shape) { return shape->rank == 4 ? shape->dims[2] : 1; }
static uint32_t width(const vkd_shape *shape) { return shape->dims[shape->rank - 1]; }

/* What the input has under a tap of an output place; -1 outside of it. */
static int64_t under_tap(const drawn *d, int axis, int64_t out, int64_t tap)
{
    int64_t size = axis ? width(&d->x) : height(&d->x);
    int64_t at = out * d->stride[axis] - d->padding[axis] + tap * d->dilation[axis];
    if (d->transposed) { /* out = at * stride - padding + tap * dilation */
        at = out + d->padding[axis] - tap * d->dilation[axis];
        at = at < 0 || at % d->stride[axis] ? -1 : at / d->stride[axis];
    }
    return at < size ? at : -1;
}

typedef struct place {
    uint32_t n, c;
    int64_t y, x;
} place;

static void add_products(const drawn *d, const table_tensor *x, const table_tensor *w, place at,
                         double *sum, double *scale)
{
    uint32_t in = d->x.dims[1] / d->groups, out = d->y.dims[1] / d->groups, group = at.c / out;
    for (int64_t ky = 0; ky < d->kernel[0]; ky++)
        for (int64_t kx = 0; kx < d->kernel[1]; kx++) {
            int64_t in_y = under_tap(d, 0, at.y, ky), in_x = under_tap(d, 1, at.x, kx);
            for (uint32_t i = 0; in_y >= 0 && in_x >= 0 && i < in; i++) {
                size_t ic = group * in + i,
                       row = d->transposed ? ic * out + at.c % out : (size_t)at.c * in + i;
                double a = x->values[((at.n * d->x.dims[1] + ic) * height(&d->x) + (size_t)in_y) *
                                         width(&d->x) +
                                     (size_t)in_x];
                double b =
                    w->values[(row * (size_t)d->kernel[0] + (size_t)ky) * (size_t)d->kernel[1] +
                              (size_t)kx];
                *sum += a * b;
                *scale += fabs(a * b);
            }
        }
}

static void compute(table *t, const drawn *d, const table_tensor *x, const table_tensor *w,
                    const table_tensor *bias, double low, double high, table_tensor *y)
{
    double *scales = table_scales(t, y);
    y->relative = 1e-5;
    for (size_t i = 0; i < y->count; i++) {
        size_t line = i / width(&d->y), plane = line / height(&d->y);
        place at = {(uint32_t)(plane / d->y.dims[1]), (uint32_t)(plane % d->y.dims[1]),
                    (int64_t)(line % height(&d->y)), (int64_t)(i % width(&d->y))};
        y->values[i] = bias ? bias->values[at.c] : 0;
        scales[i] = fabs(y->values[i]);
        add_products(d, x, w, at, &y->values[i], &scales[i]);
        y->values[i] = y->values[i] < low ? low : y->values[i];
        y->values[i] = y->values[i] > high ? high : y->values[i];
    }
}

/* ---------------------------------------------------------------------------------------- cases */

/* Lists of which one number stands for all, where they are equal. */
static void add_list(table *t, const drawn *d, const int64_t *both)
{
    bool one = d->dims == 1 || (both[0] == both[1] && table_chance(t, 2));
    table_ints(t, one ? 1 : 2, one ? both + 1 : both);
}

/* A bound, or none; the largest double of a float's relu is none too. */
static double add_bound(table *t, double value, double unbounded)
{
    switch (table_below(t, 4)) {
    case 0:
        table_null(t);
        return unbounded;
    case 1:
        table_double(t, unbounded > 0 ? 1.7976931348623157e308 : -1.7976931348623157e308);
        return unbounded;
    case 2:
        table_int(t, (int64_t)value);
        return (double)(int64_t)value;
    default:
        table_double(t, value);
        return (float)value;
    }
}

/* What is not finite must stay where it is: in windows that have it. */
static void draw_x(table *t, table_tensor *x)
{
    table_uniform(t, x, -1, 1);
    for (uint32_t i = 0; table_chance(t, 4) && i < 3; i++)
        x->values[table_below(t, (uint32_t)x->count)] = table_chance(t, 2) ? NAN : INFINITY;
}

/* code: with a clamp. */
enum { PLAIN, CLAMPED, LINE };

static void draw_conv(table *t)
{
    const bool is_line = t->row->code == LINE;
    drawn d;
    do
        d = draw_shapes(t);
    while (is_line && (d.transposed || d.dims != 1));
    vkd_dtype dtype = table_dtype(t, TABLE_FLOATS);
    table_tensor *x = table_input(t, dtype, d.x), *w = table_input(t, dtype, d.w), *bias = NULL;
    w->arrival = table_chance(t, 2) ? TABLE_CONSTANT : TABLE_DRAWN;
    draw_x(t, x);
    table_uniform(t, w, -1, 1);
    if (table_chance(t, 3)) {
        table_null(t);
    } else {
        bias = table_input(t, dtype, (vkd_shape){1, {d.y.dims[1]}});
        table_uniform(t, bias, -2, 2);
    }
    add_list(t, &d, d.stride);
    add_list(t, &d, d.padding);
    add_list(t, &d, d.dilation);
    if (!is_line) {
        table_bool(t, d.transposed);
        add_list(t, &d, d.output_padding);
    }
    table_int(t, d.groups);
    double low = t->row->code ? add_bound(t, -1 + table_below(t, 3) / 3.0, -INFINITY) : -INFINITY;
    double high = t->row->code ? add_bound(t, table_below(t, 6) / 3.0, INFINITY) : INFINITY;
    table_tensor *y = table_output(t, dtype, d.y);
    compute(t, &d, x, w, bias, low, high, y);
    snprintf(t->text, sizeof t->text, " s%dx%d p%dx%d d%dx%d g%u%s, clamp %g..%g", (int)d.stride[0],
             (int)d.stride[1], (int)d.padding[0], (int)d.padding[1], (int)d.dilation[0],
             (int)d.dilation[1], d.groups, d.transposed ? " transposed" : "", low, high);
}

static const table_case cases[] = {
    {"aten.convolution.default", draw_conv, 0},
    {"aten::convolution.out", draw_conv, 0},
    {"et_vk.conv_with_clamp.default", draw_conv, CLAMPED},
    {"et_vk.conv2d_gemm.default", draw_conv, PLAIN},
    {"et_vk.conv1d_pw.default", draw_conv, LINE},
    {"et_vk.conv1d_dw.default", draw_conv, LINE},
};
const table_family table_conv = TABLE_FAMILY(cases);
