/* Cases of ops/resample.c. */
#include "table_families.h"

#include <math.h>

static table_tensor *draw_image(table *t, uint32_t types)
{
    const vkd_shape shape = {4,
                             {1 + table_below(t, 2), 1 + table_below(t, 7), 1 + table_below(t, 10),
                              1 + table_below(t, 10)}};
    return table_drawn(t, table_dtype(t, types), shape, -100, 100);
}

/* The pixel of a plane, or 0 outside it. */
static double pixel(const table_tensor *x, size_t plane, double h, double w)
{
    const uint32_t height = x->shape.dims[2], width = x->shape.dims[3];
    if (h < 0 || w < 0 || h >= height || w >= width)
        return 0;
    return x->values[(plane * height + (size_t)h) * width + (size_t)w];
}

/* Between four pixels: those beyond an edge are the ones at it where `clamps`. */
static double between(const table_tensor *x, size_t plane, double h, double w, bool clamps)
{
    double sum = 0, last[] = {(double)x->shape.dims[2] - 1, (double)x->shape.dims[3] - 1};
    for (int i = 0; i < 4; i++) {
        double row = floor(h) + i / 2, column = floor(w) + i % 2;
        double weight = (1 - fabs(h - row)) * (1 - fabs(w - column));
        if (clamps) {
            row = row > last[0] ? last[0] : row;
            column = column > last[1] ? last[1] : column;
        }
        sum += weight * pixel(x, plane, row, column);
    }
    return sum;
}

/* ------------------------------------------------------------------------------------- upsample */

typedef struct zoom {
    double ratio[2]; /* pixels of x for one of y */
    uint32_t size[2];
    bool align_corners;
} zoom;

/* By sizes, or by factors, of which some are no float: ten pixels times 0.7 are seven. */
static void draw_sizes(table *t, const table_tensor *x, zoom *z, double factors[2])
{
    static const double drawn[] = {0.5, 1, 2, 4, 3, 2.5, 1.25, 0.7, 1.1};
    int64_t sizes[2];
    for (int i = 0; i < 2; i++) {
        uint32_t from = x->shape.dims[2 + i];
        factors[i] = drawn[table_below(t, sizeof drawn / sizeof *drawn)];
        if (floor(from * factors[i]) < 1)
            factors[i] = 2;
        z->size[i] = (uint32_t)floor(from * factors[i]);
        sizes[i] = z->size[i] = factors[0] == 1 ? 1 + table_below(t, 15) : z->size[i];
    }
    if (factors[0] != 1) {
        table_null(t);
        return;
    }
    table_sizes(t, 2, sizes);
    factors[0] = factors[1] = 0;
}

static void draw_factors(table *t, const table_tensor *x, zoom *z, const double factors[2])
{
    for (int i = 0; i < 2; i++) {
        double from = x->shape.dims[2 + i], to = z->size[i];
        z->ratio[i] = factors[i] != 0 ? 1 / factors[i] : from / to;
        if (z->align_corners)
            z->ratio[i] = to > 1 ? (from - 1) / (to - 1) : 0;
    }
    if (factors[0] == 0)
        table_null(t);
    else
        table_pair(t, factors[0], factors[1]);
}

static table_tensor *output(table *t, const table_tensor *x, uint32_t h, uint32_t w)
{
    return table_output(t, x->dtype, (vkd_shape){4, {x->shape.dims[0], x->shape.dims[1], h, w}});
}

static double nearest(double at, double ratio, uint32_t size)
{
    double from = floor((float)at * (float)ratio); /* in floats, as PyTorch has it */
    return from < size - 1 ? from : size - 1;
}

static void draw_nearest(table *t)
{
    zoom z = {0};
    double factors[2];
    table_tensor *x = draw_image(t, TABLE_ALL);
    draw_sizes(t, x, &z, factors);
    draw_factors(t, x, &z, factors);
    table_tensor *y = output(t, x, z.size[0], z.size[1]);
    for (size_t i = 0; i < y->count; i++) {
        uint32_t at[4];
        table_places(&y->shape, i, at);
        y->values[i] = pixel(x, (size_t)at[0] * x->shape.dims[1] + at[1],
                             nearest(at[2], z.ratio[0], x->shape.dims[2]),
                             nearest(at[3], z.ratio[1], x->shape.dims[3]));
    }
}

static double place(const zoom *z, int axis, double at)
{
    double centre = (at + 0.5) * z->ratio[axis] - 0.5;
    return z->align_corners ? at * z->ratio[axis] : centre < 0 ? 0 : centre;
}

static void draw_bilinear(table *t)
{
    zoom z = {0};
    double factors[2];
    table_tensor *x = draw_image(t, TABLE_FLOATS);
    draw_sizes(t, x, &z, factors);
    z.align_corners = table_chance(t, 2);
    table_bool(t, z.align_corners);
    draw_factors(t, x, &z, factors);
    table_tensor *y = output(t, x, z.size[0], z.size[1]);
    y->absolute = 1e-3; /* places are rounded, and pixels differ by up to 200 */
    for (size_t i = 0; i < y->count; i++) {
        uint32_t at[4];
        table_places(&y->shape, i, at);
        y->values[i] = between(x, (size_t)at[0] * x->shape.dims[1] + at[1], place(&z, 0, at[2]),
                               place(&z, 1, at[3]), true);
    }
}

/* --------------------------------------------------------------------------------- antialiased */

/* Of an axis, normalised: what a pixel of x counts for one of y. */
static double smooth_weight(double ratio, uint32_t size, uint32_t of, uint32_t at)
{
    const double support = ratio > 1 ? ratio : 1, centre = ratio * (of + 0.5);
    double total = 0, own = 0;
    for (uint32_t i = 0; i < size; i++) {
        const double far = fabs(i + 0.5 - centre) / support, weight = far < 1 ? 1 - far : 0;
        total += weight;
        own = i == at ? weight : own;
    }
    return own / total;
}

static void draw_smooth(table *t)
{
    zoom z = {0};
    table_tensor *x = draw_image(t, TABLE_FLOATS);
    const uint32_t *from = x->shape.dims + 2;
    const int64_t sizes[] = {1 + table_below(t, 12), 1 + table_below(t, 12)};
    table_sizes(t, 2, sizes);
    z.align_corners = table_chance(t, 3);
    table_bool(t, z.align_corners);
    const bool given = table_chance(t, 2);
    for (int i = 0; i < 2; i++) {
        const double to = (double)sizes[i];
        z.ratio[i] = z.align_corners ? (to > 1 ? (from[i] - 1) / (to - 1) : 0) : from[i] / to;
        if (given)
            table_double(t, to / from[i]);
        else
            table_null(t);
    }
    table_tensor *y = output(t, x, (uint32_t)sizes[0], (uint32_t)sizes[1]);
    y->absolute = 1e-3;
    for (size_t i = 0; i < y->count; i++) {
        uint32_t at[4];
        table_places(&y->shape, i, at);
        for (uint32_t h = 0; h < from[0]; h++)
            for (uint32_t w = 0; w < from[1]; w++)
                y->values[i] += smooth_weight(z.ratio[0], from[0], at[2], h) *
                                smooth_weight(z.ratio[1], from[1], at[3], w) *
                                pixel(x, (size_t)at[0] * x->shape.dims[1] + at[1], h, w);
    }
}

/* -------------------------------------------------------------------------------------- by grid */

/* By the file's numbers. */
enum { BILINEAR, NEAREST, BICUBIC, ZEROS = 0, BORDER, REFLECTION };
typedef struct sampling {
    uint32_t filter, padding;
    bool align_corners;
} sampling;

/* From wherever it is into the image; zeros: as it is. */
static double padded(const sampling *s, double at, uint32_t size)
{
    const double low = s->align_corners ? 0 : -0.5, span = size - 1 - 2 * low, last = size - 1;
    if (s->padding == ZEROS)
        return at;
    if (s->padding == REFLECTION && span == 0)
        return 0;
    if (s->padding == REFLECTION) {
        const double from = fabs(at - low), rest = fmod(from, span);
        at = low + (fmod(floor(from / span), 2) == 0 ? rest : span - rest);
    }
    return at < 0 ? 0 : at > last ? last : at;
}

/* -1 .. 1 of an axis in pixels. */
static double unnormalised(const sampling *s, double at, uint32_t size)
{
    double pixels = s->align_corners ? (at + 1) / 2 * (size - 1) : ((at + 1) * size - 1) / 2;
    return s->filter == BICUBIC ? pixels : padded(s, pixels, size);
}

/* What a pixel counts that is so far from the place. */
static double cubic(double d)
{
    const double a = -0.75;
    d = fabs(d);
    return d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
}

static double bicubic(const sampling *s, const table_tensor *x, size_t plane, double h, double w)
{
    double sum = 0;
    for (int i = -1; i <= 2; i++)
        for (int j = -1; j <= 2; j++) {
            const double at_h = floor(h) + i, at_w = floor(w) + j;
            sum += cubic(h - at_h) * cubic(w - at_w) *
                   pixel(x, plane, padded(s, at_h, x->shape.dims[2]),
                         padded(s, at_w, x->shape.dims[3]));
        }
    return sum;
}

/* Nearest pixels only where the place is well within one: ties are a matter of the last bit. */
static void draw_places(table *t, table_tensor *grid, const table_tensor *x, const sampling *s)
{
    const int32_t far = table_chance(t, 2) ? 1300 : 9000;
    for (size_t i = 0; i < grid->count; i++) {
        uint32_t size = x->shape.dims[i % 2 ? 2 : 3];
        for (int tries = 0; tries < 50; tries++) {
            grid->values[i] =
                table_stored(grid->dtype, random_range(t->random, -far, far) / 1000.0);
            double at = unnormalised(s, grid->values[i], size);
            if (s->filter != NEAREST || fabs(at - floor(at) - 0.5) > 0.05)
                break;
        }
    }
}

static void draw_grid(table *t)
{
    const sampling s = {table_below(t, 3), table_below(t, 3), table_chance(t, 2)};
    table_tensor *x = draw_image(t, TABLE_FLOATS);
    const vkd_shape shape = {4,
                             {x->shape.dims[0], 1 + table_below(t, 7), 1 + table_below(t, 7), 2}};
    table_tensor *grid = table_input(t, x->dtype, shape);
    draw_places(t, grid, x, &s);
    table_int(t, s.filter);
    table_int(t, s.padding);
    table_bool(t, s.align_corners);
    table_tensor *y = output(t, x, shape.dims[1], shape.dims[2]);
    y->absolute = s.filter == NEAREST ? 0 : 2e-3;
    for (size_t i = 0; i < y->count; i++) {
        uint32_t at[4];
        table_places(&y->shape, i, at);
        size_t plane = (size_t)at[0] * x->shape.dims[1] + at[1];
        const double *to =
            grid->values + (((size_t)at[0] * shape.dims[1] + at[2]) * shape.dims[2] + at[3]) * 2;
        double h = unnormalised(&s, to[1], x->shape.dims[2]),
               w = unnormalised(&s, to[0], x->shape.dims[3]);
        y->values[i] = s.filter == NEAREST   ? pixel(x, plane, floor(h + 0.5), floor(w + 0.5))
                       : s.filter == BICUBIC ? bicubic(&s, x, plane, h, w)
                                             : between(x, plane, h, w, false);
    }
}

static void draw_priors(table *t)
{
    table_tensor *x = table_any(t, TABLE_FLOATS, table_shape_filled(t, 2, 4));
    int64_t stride = 1 + table_below(t, 32);
    double offset = table_chance(t, 2) ? 0.5 : 0;
    uint32_t h = x->shape.dims[x->shape.rank - 2], w = x->shape.dims[x->shape.rank - 1];
    table_int(t, stride);
    table_double(t, offset);
    table_tensor *y = table_output(t, table_dtype(t, TABLE_FLOATS), (vkd_shape){2, {h * w, 2}});
    for (size_t i = 0; i < y->count; i++)
        y->values[i] = table_stored(y->dtype, ((double)(i % 2 ? i / 2 / w : i / 2 % w) + offset) *
                                                  (double)stride);
}

static const table_case cases[] = {
    {"aten.upsample_nearest2d.vec", draw_nearest},
    {"aten::upsample_nearest2d.vec_out", draw_nearest},
    {"aten.upsample_bilinear2d.vec", draw_bilinear},
    {"aten::upsample_bilinear2d.vec_out", draw_bilinear},
    {"aten::_upsample_bilinear2d_aa.out", draw_smooth, 0},
    {"aten.grid_sampler_2d.default", draw_grid},
    {"aten::grid_sampler_2d.out", draw_grid},
    {"et_vk.grid_priors.default", draw_priors},
};
const table_family table_resample = TABLE_FAMILY(cases);
