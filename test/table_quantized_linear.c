/* Cases of ops/gemm/quantized_linear.c and mixed.c. */
#include "table_families.h"

#include <math.h>

/* How weights lie in the file: bytes, or two nibbles in a byte with the even one in the high or the
 * low half. */
typedef enum weight_form { BYTES, HIGH_FIRST, LOW_FIRST, PAIRS } weight_form; /* PAIRS: of bits */

static double weight_at(weight_form form, const table_tensor *weights, size_t n, size_t k)
{
    size_t row = weights->shape.dims[1];
    if (form == BYTES)
        return weights->values[n * row + k];
    if (form == PAIRS)
        return (double)((uint32_t)weights->values[n * row + k / 4] >> k % 4 * 2 & 3) - 2;
    uint32_t byte = (uint32_t)weights->values[n * row + k / 2];
    bool high = (k % 2 == 0) == (form == HIGH_FIRST);
    return (double)(high ? byte >> 4 : byte & 15) - 8;
}

/* Real rows times integers with scales: y[m, n] = sum_k x[m, k] w[n, k] s[k / group, n] + bias[n].
 */
typedef struct linear {
    weight_form form;
    size_t m, n, k, group;
    const double *rows; /* x, or what its quantisation leaves of it */
    const table_tensor *x, *weights, *scales, *bias;
} linear;

static uint32_t align(uint32_t size, uint32_t by) { return (size + by - 1) / by * by; }

static void expect(table *t, const linear *l)
{
    vkd_shape shape = l->x->shape;
    shape.dims[shape.rank - 1] = (uint32_t)l->n;
    table_tensor *y =
        table_output(t, table_is_float(l->x->dtype) ? l->x->dtype : VKD_DTYPE_FLOAT32, shape);
    double *sizes = table_scales(t, y);
    size_t row = l->scales->count / (l->k / l->group);
    y->relative = 1e-5;
    for (size_t i = 0; i < y->count; i++) {
        size_t m = i / l->n, n = i % l->n;
        for (size_t k = 0; k < l->k; k++) {
            double scaled =
                weight_at(l->form, l->weights, n, k) * l->scales->values[k / l->group * row + n];
            y->values[i] += l->rows[m * l->k + k] * scaled;
            sizes[i] += fabs(l->rows[m * l->k + k] * scaled);
        }
        double bias = l->bias ? l->bias->values[n] : 0;
        y->values[i] += bias;
        sizes[i] += fabs(bias);
    }
}

enum { ELEMENTS = 13 * 13 * 13 * 128 }; /* of x, at most: small groups in three dims */

/* One row, a few in up to three dims, or many; any number of columns. A group of 0: all of k, which
 * is any number then, shares a scale. */
static void draw_x(table *t, linear *l, uint32_t group, vkd_dtype dtype)
{
    vkd_shape shape = table_shape_filled(t, 0, 3);
    if (table_chance(t, 2) || group > 32)
        shape = (vkd_shape){1, {table_chance(t, 2) ? 1 : 1 + table_below(t, 90)}};
    l->m = (size_t)vkd_dims_count(shape.rank, shape.dims);
    l->k = shape.dims[shape.rank++] =
        group ? group * (1 + table_below(t, 4)) : 1 + table_below(t, 120);
    l->group = group && !table_chance(t, 8) ? group : l->k;
    l->n = 1 + table_below(t, table_chance(t, 3) ? 140 : 30);
    l->x = table_drawn(t, dtype, shape, -3, 3);
    l->rows = l->x->values;
}

/* Small ones, of no whole words too, and those that there are. */
static uint32_t draw_group(table *t)
{
    static const uint32_t groups[] = {4, 8, 12, 16, 24, 32, 36, 64, 128, 256};
    return groups[table_below(t, sizeof groups / sizeof *groups)];
}

static void draw_weights(table *t, linear *l, uint32_t k_step)
{
    uint32_t row = l->form == BYTES ? (uint32_t)l->k : align((uint32_t)l->k, k_step) / 2;
    vkd_dtype dtype = l->form == BYTES ? VKD_DTYPE_INT8 : VKD_DTYPE_UINT8;
    table_tensor *weights = table_drawn(t, dtype, (vkd_shape){2, {(uint32_t)l->n, row}},
                                        l->form == BYTES ? -128 : 0, 255);
    weights->arrival = TABLE_CONSTANT;
    l->weights = weights;
}

static table_tensor *draw_constant(table *t, const linear *l, vkd_shape shape, double low,
                                   double high)
{
    bool halves = l->x->dtype == VKD_DTYPE_FLOAT16;
    table_tensor *x =
        table_drawn(t, halves ? VKD_DTYPE_FLOAT16 : VKD_DTYPE_FLOAT32, shape, low, high);
    x->arrival = TABLE_CONSTANT;
    return x;
}

static void draw_scales(table *t, linear *l, uint32_t padded)
{
    uint32_t groups = (uint32_t)(l->k / l->group);
    const vkd_shape shape =
        groups > 1 || padded != l->n ? (vkd_shape){2, {groups, padded}} : (vkd_shape){1, {padded}};
    l->scales = draw_constant(t, l, shape, 0.01, 0.2);
}

static void draw_bias(table *t, linear *l)
{
    if (table_chance(t, 3))
        table_null(t);
    else
        l->bias = draw_constant(t, l, (vkd_shape){1, {(uint32_t)l->n}}, -5, 5);
}

static void draw_plain(table *t)
{
    linear l = {.form = (weight_form)t->row->code};
    draw_x(t, &l, 0, table_dtype(t, TABLE_FLOATS));
    draw_weights(t, &l, 2);
    draw_scales(t, &l, (uint32_t)l.n);
    expect(t, &l);
}

/* Null, or what the signed weights of a group add up to. */
static void draw_sums(table *t, const linear *l, uint32_t padded)
{
    const uint32_t groups = (uint32_t)(l->k / l->group);
    if (table_chance(t, 3)) {
        table_null(t);
        return;
    }
    table_tensor *sums = table_drawn(t, VKD_DTYPE_INT32, (vkd_shape){2, {groups, padded}}, 0, 0);
    sums->arrival = TABLE_CONSTANT;
    for (size_t n = 0; n < l->n; n++)
        for (size_t k = 0; k < l->k; k++)
            sums->values[k / l->group * padded + n] += weight_at(l->form, l->weights, n, k);
}

static void draw_biased(table *t)
{
    linear l = {.form = BYTES};
    draw_x(t, &l, 0, table_dtype(t, TABLE_FLOATS));
    draw_weights(t, &l, 2);
    draw_scales(t, &l, (uint32_t)l.n);
    draw_bias(t, &l);
    expect(t, &l);
}

static void draw_groups(table *t)
{
    linear l = {.form = LOW_FIRST};
    draw_x(t, &l, draw_group(t), table_dtype(t, TABLE_FLOATS));
    draw_weights(t, &l, 8);
    draw_scales(t, &l, align((uint32_t)l.n, 4));
    table_int(t, (int64_t)l.group);
    draw_bias(t, &l);
    expect(t, &l);
}

/* ------------------------------------------------------------------------------- quantised rows */

/* x becomes a whole number of steps and a rest too small to round to another; rows are what the
 * steps are worth. */
static void draw_steps(table *t, table_tensor *x, size_t i, double scale, double zero, double *rows)
{
    int32_t step = random_range(t->random, -140, 140);
    double rest = random_range(t->random, -40, 40) / 100.0;
    x->values[i] = table_stored(x->dtype, (step + rest) * scale);
    double q = step + zero;
    q = q < -128 ? -128 : q > 127 ? 127 : q;
    rows[i] = (q - zero) * scale;
}

static void draw_static(table *t)
{
    static double rows[ELEMENTS];
    linear l = {.form = BYTES};
    draw_x(t, &l, 0, VKD_DTYPE_FLOAT32);
    double scale = 0.03125, zero = random_range(t->random, -20, 20);
    for (size_t i = 0; i < l.x->count; i++)
        draw_steps(t, (table_tensor *)(uintptr_t)l.x, i, scale, zero, rows);
    l.rows = rows;
    table_double(t, scale);
    table_int(t, (int64_t)zero);
    draw_weights(t, &l, 2);
    draw_sums(t, &l, align((uint32_t)l.n, 4));
    draw_scales(t, &l, align((uint32_t)l.n, 4));
    draw_bias(t, &l);
    expect(t, &l);
}

static void draw_dynamic(table *t)
{
    static double rows[ELEMENTS];
    linear l = {.form = LOW_FIRST};
    draw_x(t, &l, draw_group(t), VKD_DTYPE_FLOAT32);
    vkd_shape pairs = l.x->shape;
    pairs.rank--;
    table_tensor *scales = table_drawn(t, VKD_DTYPE_FLOAT32, pairs, 0.01, 0.1);
    table_tensor *zeros =
        table_drawn(t, table_chance(t, 2) ? VKD_DTYPE_INT8 : VKD_DTYPE_INT32, pairs, -20, 20);
    for (size_t i = 0; i < l.x->count; i++)
        draw_steps(t, (table_tensor *)(uintptr_t)l.x, i, scales->values[i / l.k],
                   zeros->values[i / l.k], rows);
    l.rows = rows;
    draw_weights(t, &l, 8);
    draw_sums(t, &l, align((uint32_t)l.n, 8));
    draw_scales(t, &l, align((uint32_t)l.n, 4));
    table_int(t, (int64_t)l.group);
    draw_bias(t, &l);
    expect(t, &l);
}

/* ---------------------------------------------------------------- weights that were floats once */

static void set_weight(weight_form form, const table_tensor *weights, size_t n, size_t k, int code)
{
    const size_t row = weights->shape.dims[1];
    if (form == BYTES) {
        weights->values[n * row + k] = code;
        return;
    }
    double *byte = &weights->values[n * row + k / 2];
    const uint32_t shift = (k % 2 == 0) == (form == HIGH_FIRST) ? 4 : 0;
    *byte = ((uint32_t)*byte & ~(15u << shift)) | (uint32_t)(code + 8) << shift;
}

/* Weights and scales become what rounding floats makes of them, each group by its largest. */
static void round_weights(table *t, const linear *l, double *real)
{
    const double most = l->form == BYTES ? 127 : 7;
    const size_t row = l->scales->count / (l->k / l->group);
    for (size_t n = 0; n < l->n; n++)
        for (size_t first = 0; first < l->k; first += l->group) {
            double largest = 0, *w = real + n * l->k + first;
            for (size_t k = 0; k < l->group; k++) {
                w[k] = random_range(t->random, -10000, 10000) * 1e-4;
                largest = fmax(largest, fabs(w[k]));
            }
            double *scale = &l->scales->values[first / l->group * row + n];
            *scale = table_stored(l->scales->dtype, fmax(largest, 0.01) / most);
            for (size_t k = 0; k < l->group; k++)
                set_weight(l->form, l->weights, n, first + k, (int)lrint(w[k] / *scale));
        }
}

/* What the floats would give, and as far from it as the format implies: half a step of each weight
 * times its x, and half a step of each x times its weight (x_steps: of each row; null: x is not
 * rounded). */
static void expect_near(table *t, const linear *l, const double *real, const table_tensor *x_steps)
{
    vkd_shape shape = l->x->shape;
    shape.dims[shape.rank - 1] = (uint32_t)l->n;
    table_tensor *y = table_output(t, l->x->dtype, shape);
    double *bounds = table_scales(t, y);
    const size_t row = l->scales->count / (l->k / l->group);
    y->relative = 1;
    for (size_t i = 0; i < y->count; i++) {
        const size_t m = i / l->n, n = i % l->n;
        const double step = x_steps ? x_steps->values[m] : 0;
        for (size_t k = 0; k < l->k; k++) {
            const double x = l->x->values[m * l->k + k],
                         scale = l->scales->values[k / l->group * row + n],
                         w = weight_at(l->form, l->weights, n, k) * scale;
            y->values[i] += x * real[n * l->k + k];
            bounds[i] += fabs(x) * scale / 2 + fabs(w) * step / 2 + 1e-5 * fabs(x * w);
        }
        bounds[i] *= 1 + 1e-6;
    }
}

enum { WEIGHTS = 140 * 1024 };

static void draw_rounded(table *t)
{
    static double real[WEIGHTS];
    linear l = {.form = (weight_form)t->row->code};
    draw_x(t, &l, l.form == LOW_FIRST ? draw_group(t) : 0, table_dtype(t, TABLE_FLOATS));
    draw_weights(t, &l, l.form == LOW_FIRST ? 8 : 2);
    draw_scales(t, &l, l.form == LOW_FIRST ? align((uint32_t)l.n, 4) : (uint32_t)l.n);
    round_weights(t, &l, real);
    if (l.form == LOW_FIRST) {
        table_int(t, (int64_t)l.group);
        table_null(t); /* bias */
    }
    expect_near(t, &l, real, NULL);
}

static void draw_rounded_both(table *t)
{
    static double real[WEIGHTS];
    linear l = {.form = LOW_FIRST};
    draw_x(t, &l, draw_group(t), VKD_DTYPE_FLOAT32);
    vkd_shape pairs = l.x->shape;
    pairs.rank--;
    table_tensor *steps = table_drawn(t, VKD_DTYPE_FLOAT32, pairs, 0, 0);
    for (size_t m = 0; m < l.m; m++) { /* the zero point is 0 */
        for (size_t k = 0; k < l.k; k++)
            steps->values[m] = fmax(steps->values[m], fabs(l.x->values[m * l.k + k]));
        steps->values[m] =
            table_stored(VKD_DTYPE_FLOAT32, fmax(steps->values[m], 1e-3) / 127 * 1.00001);
    }
    table_drawn(t, VKD_DTYPE_INT32, pairs, 0, 0);
    draw_weights(t, &l, 8);
    table_null(t); /* sums */
    draw_scales(t, &l, align((uint32_t)l.n, 4));
    round_weights(t, &l, real);
    table_int(t, (int64_t)l.group);
    table_null(t); /* bias */
    expect_near(t, &l, real, steps);
}

/* ------------------------------------------------------------------------------- tables of rows */

typedef struct rows {
    uint32_t count, width, groups;
    table_tensor *codes, *scales;
} rows;

static rows draw_rows(table *t, weight_form form)
{
    const uint32_t in_a_byte = form == BYTES ? 1 : form == PAIRS ? 4 : 2;
    const vkd_dtype dtype = form == BYTES && table_chance(t, 2) ? VKD_DTYPE_INT8 : VKD_DTYPE_UINT8;
    rows r = {.count = 1 + table_below(t, 20), .groups = 1 + table_below(t, 3)};
    r.width = r.groups * 8 * (1 + table_below(t, 4));
    r.codes = table_drawn(t, dtype, (vkd_shape){2, {r.count, r.width / in_a_byte}},
                          dtype == VKD_DTYPE_INT8 ? -128 : 0, dtype == VKD_DTYPE_INT8 ? 127 : 255);
    vkd_shape scales = {table_chance(t, 2) && r.groups == 1 ? 1 : 2, {r.count, r.groups}};
    r.scales = table_drawn(t, table_dtype(t, TABLE_FLOATS), scales, 0.01, 2);
    return r;
}

/* Rows of the table, some from its end, and some that there are not: the nearest one then. */
static table_tensor *draw_row_numbers(table *t, const rows *r)
{
    table_tensor *index = table_drawn(t, VKD_DTYPE_INT32, table_shape(t, 0, 3), -(double)r->count,
                                      (double)r->count - 1);
    const double odd[] = {r->count, -(double)r->count - 1, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < index->count; i++)
        if (table_chance(t, 12))
            index->values[i] = odd[table_below(t, 4)];
    return index;
}

static size_t row_of(const rows *r, double index)
{
    double row = index < 0 ? index + r->count : index;
    return row < 0 ? 0 : row >= r->count ? r->count - 1 : (size_t)row;
}

static void expect_rows(table *t, const rows *r, const table_tensor *zeros,
                        const table_tensor *index, weight_form form)
{
    vkd_shape shape = index->shape;
    shape.dims[shape.rank++] = r->width;
    table_tensor *y = table_output(t, table_dtype(t, TABLE_FLOATS), shape);
    y->ulps = 2;
    for (size_t i = 0; i < y->count; i++) {
        size_t row = row_of(r, index->values[i / r->width]), k = i % r->width;
        size_t group = row * r->groups + k / (r->width / r->groups);
        double zero = zeros ? zeros->values[group] : 0;
        y->values[i] = (weight_at(form, r->codes, row, k) - zero) * r->scales->values[group];
    }
}

static void draw_embedding(table *t)
{
    rows r = draw_rows(t, LOW_FIRST);
    bool low_first = table_chance(t, 2);
    table_int(t, r.width / r.groups);
    table_tensor *index = draw_row_numbers(t, &r);
    table_bool(t, low_first);
    expect_rows(t, &r, NULL, index, low_first ? LOW_FIRST : HIGH_FIRST);
}

enum { DTYPE = 16 }; /* added to a form: there is a dtype among the arguments */

static void draw_embedding_bits(table *t)
{
    const weight_form form = (weight_form)(t->row->code % DTYPE);
    rows r = draw_rows(t, form);
    table_tensor *zeros = NULL;
    if (table_chance(t, 2))
        table_null(t);
    else
        zeros = table_drawn(t, r.scales->dtype, r.scales->shape, -3, 3);
    table_int(t, -8);
    table_int(t, 7);
    table_tensor *index = draw_row_numbers(t, &r);
    if (t->row->code >= DTYPE)
        table_null(t);
    expect_rows(t, &r, zeros, index, form);
}

/* d [.., n] times the weights [n, k]. */
static void draw_backward(table *t)
{
    vkd_shape shape = table_shape_filled(t, 0, 3);
    uint32_t n = 1 + table_below(t, 20), group = 8 * (1 + table_below(t, 3)),
             k = group * (1 + table_below(t, 3));
    uint32_t row = align(n, 4);
    shape.dims[shape.rank++] = n;
    table_tensor *d = table_drawn(t, VKD_DTYPE_FLOAT32, shape, -2, 2);
    table_tensor *weights = table_drawn(t, VKD_DTYPE_UINT8, (vkd_shape){2, {n, k / 2}}, 0, 255);
    table_tensor *scales =
        table_drawn(t, VKD_DTYPE_FLOAT32, (vkd_shape){2, {k / group, row}}, 0.01, 0.2);
    table_int(t, group);
    shape.dims[shape.rank - 1] = k;
    table_tensor *y = table_output(t, VKD_DTYPE_FLOAT32, shape);
    double *sizes = table_scales(t, y);
    y->relative = 1e-5;
    for (size_t i = 0; i < y->count; i++)
        for (size_t j = 0; j < n; j++) {
            double w =
                weight_at(LOW_FIRST, weights, j, i % k) * scales->values[i % k / group * row + j];
            y->values[i] += d->values[i / k * n + j] * w;
            sizes[i] += fabs(d->values[i / k * n + j] * w);
        }
}

/* -------------------------------------------------------------- int8 matrices between delegates */

/* x [.., k] times [k, n], or the transposed [n, k], which may have groups in its rows. Zero points
 * once in two. */
static void draw_mixed(table *t)
{
    const bool transposed = t->row->code;
    vkd_shape shape = table_shape_filled(t, 0, 2), scales_shape = {.rank = 1};
    const uint32_t groups = transposed && table_chance(t, 2) ? 1 + table_below(t, 4) : 1,
                   k = groups * (table_chance(t, 12) ? 0 : 1 + table_below(t, 40)),
                   n = 1 + table_below(t, 30), height = transposed ? n : k,
                   columns = transposed ? k : n;
    const size_t m = (size_t)vkd_dims_count(shape.rank, shape.dims);
    shape.dims[shape.rank++] = k;
    const table_tensor *x = table_drawn(t, table_dtype(t, TABLE_FLOATS), shape, -3, 3),
                       *w = table_drawn(t, VKD_DTYPE_INT8, (vkd_shape){2, {height, columns}}, -128,
                                        127);
    scales_shape.dims[0] = height;
    if (groups > 1)
        scales_shape.dims[scales_shape.rank++] = groups;
    const table_tensor *scales = table_drawn(t, x->dtype, scales_shape, 0.01, 0.2), *zeros = NULL;
    if (table_chance(t, 2))
        zeros = table_drawn(t, x->dtype, scales_shape, -3, 3);
    else
        table_null(t);
    if (transposed)
        table_null(t); /* dtype */
    shape.dims[shape.rank - 1] = n;
    table_tensor *y = table_output(t, transposed ? table_dtype(t, TABLE_FLOATS) : x->dtype, shape);
    double *sizes = table_scales(t, y);
    y->relative = 1e-5;
    for (size_t i = 0; i < m * n; i++)
        for (size_t j = 0; j < k; j++) {
            const size_t row = transposed ? i % n : j, column = transposed ? j : i % n,
                         group = row * groups + column / (columns / groups);
            const double real =
                (w->values[row * columns + column] - (zeros ? zeros->values[group] : 0)) *
                scales->values[group];
            y->values[i] += x->values[i / n * k + j] * real;
            sizes[i] += fabs(x->values[i / n * k + j] * real);
        }
}

static const table_case cases[] = {
    {"quantized_decomposed::mixed_mm.out", draw_mixed, false},
    {"quantized_decomposed::mixed_linear.out", draw_mixed, true},
    {"aten._weight_int8pack_mm.default", draw_plain, BYTES},
    {"et_vk.linear_qcs4w.default", draw_plain, HIGH_FIRST},
    {"et_vk.linear_q4gsw.default", draw_groups},
    {"et_vk.q4gsw_linear.default", draw_groups},
    {"et_vk.linear_dq8ca_q4gsw.default", draw_dynamic},
    {"et_vk.linear_q8ta_q8csw.default", draw_static},
    {"et_vk.linear_q8csw.default", draw_biased},
    {"aten._weight_int8pack_mm.default", draw_rounded, BYTES},
    {"et_vk.linear_qcs4w.default", draw_rounded, HIGH_FIRST},
    {"et_vk.linear_q4gsw.default", draw_rounded, LOW_FIRST},
    {"et_vk.linear_dq8ca_q4gsw.default", draw_rounded_both},
    {"et_vk.embedding_q4gsw.default", draw_embedding},
    {"quantized_decomposed.embedding_4bit.dtype", draw_embedding_bits, HIGH_FIRST + DTYPE},
    {"quantized_decomposed::embedding_byte.out", draw_embedding_bits, BYTES},
    {"quantized_decomposed::embedding_byte.dtype_out", draw_embedding_bits, BYTES + DTYPE},
    {"quantized_decomposed::embedding_4bit.out", draw_embedding_bits, HIGH_FIRST},
    {"quantized_decomposed::embedding_4bit.dtype_out", draw_embedding_bits, HIGH_FIRST + DTYPE},
    {"quantized_decomposed::embedding_2bit.out", draw_embedding_bits, PAIRS},
    {"quantized_decomposed::embedding_2bit.dtype_out", draw_embedding_bits, PAIRS + DTYPE},
    {"et_vk.linear_q4gsw_backward.default", draw_backward},
};
const table_family table_quantized_linear = TABLE_FAMILY(cases);
