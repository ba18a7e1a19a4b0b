/* Cases of ops/pool.c. */
#include "table_families.h"

#include <math.h>

typedef struct window {
    int64_t kernel[2], stride[2], padding[2], dilation[2];
    bool ceil_mode, counts_padding, lacks; /* lacks: larger than the image, by less than a step */
    double divisor;                        /* 0: none */
} window;

/* A list of both numbers, or of one that stands for both; an empty one of strides is the kernel. */
static void draw_pair(table *t, int64_t pair[2], int64_t least, int64_t most)
{
    pair[0] = random_range(t->random, (int32_t)least, (int32_t)most);
    pair[1] = table_chance(t, 4) ? pair[0] : random_range(t->random, (int32_t)least, (int32_t)most);
    table_ints(t, pair[0] == pair[1] && table_chance(t, 2) ? 1 : 2, pair);
}

static void draw_stride(table *t, window *w)
{
    if (!table_chance(t, 4)) {
        draw_pair(t, w->stride, 1, 3);
        return;
    }
    w->stride[0] = w->kernel[0];
    w->stride[1] = w->kernel[1];
    table_ints(t, 0, w->stride);
}

static void draw_padding(table *t, window *w)
{
    for (int i = 0; i < 2; i++)
        w->padding[i] = table_below(t, (uint32_t)w->kernel[i] / 2 + 1);
    table_ints(t, 2, w->padding);
}

/* Large enough for a window, but now and then; rank 3 or 4. */
static table_tensor *draw_image(table *t, window *w, uint32_t types)
{
    const uint32_t least = (w->lacks = table_chance(t, 6)) ? 2 : 13, more = w->lacks ? 2 : 9;
    vkd_shape shape = {4,
                       {1 + table_below(t, 3), 1 + table_below(t, 9), least + table_below(t, more),
                        least + table_below(t, more)}};
    if (table_chance(t, 3))
        shape = (vkd_shape){3, {shape.dims[1], shape.dims[2], shape.dims[3]}};
    return table_drawn(t, table_dtype(t, types), shape, -100, 100);
}

/* Kernel, stride and padding. */
static void draw_window(table *t, window *w)
{
    if (!w->lacks) {
        draw_pair(t, w->kernel, 1, 5);
        draw_stride(t, w);
        draw_padding(t, w);
        return;
    }
    draw_pair(t, w->kernel, 4, 4);
    draw_pair(t, w->stride, 3, 4);
    draw_pair(t, w->padding, 0, 0);
}

/* The last window begins within the image or the padding before it. */
static vkd_shape result_of(const window *w, vkd_shape shape)
{
    for (int i = 0; i < 2; i++) {
        uint32_t *size = &shape.dims[shape.rank - 2 + (uint32_t)i];
        int64_t room = *size + 2 * w->padding[i] - w->dilation[i] * (w->kernel[i] - 1) - 1;
        int64_t count = (room + (w->ceil_mode ? w->stride[i] - 1 : 0)) / w->stride[i] + 1;
        if (w->ceil_mode && (count - 1) * w->stride[i] >= *size + w->padding[i])
            count--;
        *size = (uint32_t)count;
    }
    return shape;
}

/* What a window meets. */
typedef struct met {
    double most, sum, size; /* size: the sum of magnitudes */
    int64_t place, real;    /* of the first maximum in the plane; how many pixels */
} met;

static met meet(const window *w, const double *plane, int64_t height, int64_t width, int64_t y,
                int64_t x)
{
    met m = {-INFINITY, 0, 0, -1, 0};
    for (int64_t i = 0; i < w->kernel[0] * w->kernel[1]; i++) {
        int64_t h = y * w->stride[0] - w->padding[0] + i / w->kernel[1] * w->dilation[0];
        int64_t v = x * w->stride[1] - w->padding[1] + i % w->kernel[1] * w->dilation[1];
        if (h < 0 || h >= height || v < 0 || v >= width)
            continue;
        double value = plane[h * width + v];
        if (m.place < 0 || isnan(value) ||
            value > m.most) { /* of several NaNs the last one stays */
            m.most = value;
            m.place = h * width + v;
        }
        m.sum += value;
        m.size += fabs(value);
        m.real++;
    }
    return m;
}

/* Elements of the window within the padded image. */
static int64_t padded_count(const window *w, int64_t height, int64_t width, int64_t y, int64_t x)
{
    const int64_t sizes[] = {height, width}, at[] = {y, x};
    int64_t count = 1;
    for (int i = 0; i < 2; i++) {
        int64_t first = at[i] * w->stride[i] - w->padding[i], end = first + w->kernel[i];
        count *= (end < sizes[i] + w->padding[i] ? end : sizes[i] + w->padding[i]) - first;
    }
    return count;
}

static met met_by(const window *w, const table_tensor *x, const vkd_shape *y, size_t i,
                  int64_t *padded)
{
    uint32_t at[VKD_MAX_RANK], rank = y->rank;
    int64_t height = x->shape.dims[rank - 2], width = x->shape.dims[rank - 1];
    table_places(y, i, at);
    size_t plane = i / ((size_t)y->dims[rank - 2] * y->dims[rank - 1]);
    *padded = padded_count(w, height, width, at[rank - 2], at[rank - 1]);
    return meet(w, x->values + plane * (size_t)(height * width), height, width, at[rank - 2],
                at[rank - 1]);
}

enum { MAXIMA, AND_PLACES };

static void draw_max(table *t)
{
    window w = {0};
    const bool places = t->row->code == AND_PLACES;
    table_tensor *x = draw_image(t, &w, places ? TABLE_FLOATS : TABLE_FLOATS | 1 << VKD_DTYPE_INT8);
    if (table_is_float(x->dtype) && table_chance(t, 2))
        table_extremes(t, x);
    draw_window(t, &w);
    draw_pair(t, w.dilation, 1, w.lacks ? 1 : 2);
    w.ceil_mode = w.lacks || table_chance(t, 2);
    table_bool(t, w.ceil_mode);
    const vkd_shape shape = result_of(&w, x->shape);
    table_tensor *y = table_output(t, x->dtype, shape),
                 *indices = places ? table_output(t, VKD_DTYPE_INT32, shape) : NULL;
    y->absolute = table_is_float(x->dtype) ? 1e-300 : 0; /* 0 of either sign */
    for (size_t i = 0; i < y->count; i++) {
        int64_t padded;
        met m = met_by(&w, x, &shape, i, &padded);
        y->values[i] = m.most;
        if (indices)
            indices->values[i] = (double)m.place;
    }
    if (places)
        table_gather(t, 2);
}

static void draw_average(table *t)
{
    window w = {.dilation = {1, 1}};
    table_tensor *x = draw_image(t, &w, TABLE_FLOATS);
    table_not_finite(t, x);
    draw_window(t, &w);
    w.ceil_mode = w.lacks || table_chance(t, 2);
    w.counts_padding = table_chance(t, 2);
    table_bool(t, w.ceil_mode);
    table_bool(t, w.counts_padding);
    w.divisor = table_chance(t, 3) ? 3 : 0;
    if (w.divisor == 0)
        table_null(t);
    else
        table_int(t, 3);
    const vkd_shape shape = result_of(&w, x->shape);
    table_tensor *y = table_output(t, x->dtype, shape);
    double *scales = table_scales(t, y);
    y->relative = 1e-5;
    for (size_t i = 0; i < y->count; i++) {
        int64_t padded;
        met m = met_by(&w, x, &shape, i, &padded);
        double divisor = w.divisor != 0 ? w.divisor : (double)(w.counts_padding ? padded : m.real);
        y->values[i] = m.sum / divisor;
        scales[i] = m.size / divisor;
    }
}

/* ------------------------------------------------------------------------------------- adaptive */

/* Pixel i of `to` is of these of `from`. */
static void part_of(uint32_t i, uint32_t from, uint32_t to, uint32_t part[2])
{
    part[0] = i * from / to;
    part[1] = ((i + 1) * from + to - 1) / to;
}

static void draw_adaptive(table *t)
{
    const bool maxima = t->row->code;
    table_tensor *x = draw_image(t, &(window){0}, TABLE_FLOATS);
    if (table_chance(t, 2))
        table_not_finite(t, x);
    const uint32_t rank = x->shape.rank, height = x->shape.dims[rank - 2],
                   width = x->shape.dims[rank - 1];
    int64_t size[2] = {1 + table_below(t, 30), 1 + table_below(t, 30)};
    vkd_shape shape = x->shape;
    table_sizes(t, 2, size);
    shape.dims[rank - 2] = (uint32_t)size[0];
    shape.dims[rank - 1] = (uint32_t)size[1];
    table_tensor *y = table_output(t, x->dtype, shape),
                 *places = maxima ? table_output(t, VKD_DTYPE_INT32, shape) : NULL;
    double *scales = table_scales(t, y);
    y->relative = maxima ? 0 : 1e-5;
    y->absolute = maxima ? 1e-300 : 0; /* 0 of either sign */
    for (size_t i = 0; i < y->count; i++) {
        uint32_t at[VKD_MAX_RANK], rows[2], columns[2];
        table_places(&shape, i, at);
        part_of(at[rank - 2], height, shape.dims[rank - 2], rows);
        part_of(at[rank - 1], width, shape.dims[rank - 1], columns);
        const window w = {.kernel = {rows[1] - rows[0], columns[1] - columns[0]},
                          .padding = {-(int64_t)rows[0], -(int64_t)columns[0]},
                          .dilation = {1, 1}};
        const size_t plane = i / ((size_t)shape.dims[rank - 2] * shape.dims[rank - 1]);
        met m = meet(&w, x->values + plane * height * width, height, width, 0, 0);
        y->values[i] = maxima ? m.most : m.sum / (double)m.real;
        scales[i] = m.size / (double)m.real;
        if (places)
            places->values[i] = (double)m.place;
    }
    if (maxima)
        table_gather(t, 2);
}

static const table_case cases[] = {
    {"aten::_adaptive_avg_pool2d.out", draw_adaptive, false},
    {"aten::adaptive_avg_pool2d.out", draw_adaptive, false},
    {"aten::adaptive_max_pool2d.out", draw_adaptive, true},
    {"aten.max_pool2d.default", draw_max, MAXIMA},
    {"aten.max_pool2d_with_indices.default", draw_max, AND_PLACES},
    {"aten::max_pool2d_with_indices.out", draw_max, AND_PLACES},
    {"aten.avg_pool2d.default", draw_average},
    {"aten::avg_pool2d.out", draw_average},
};
const table_family table_pool = TABLE_FAMILY(cases);
