/* Cases of ops/norm.c. */
#include "table_families.h"

#include <math.h>

/* -------------------------------------------------------------------------------------- softmax */

enum { SOFTMAX, LOG_SOFTMAX };

/* One line of `count` elements, `step` apart. */
static void expect_line(bool is_log, const double *x, size_t count, size_t step, double *y,
                        double *scales)
{
    double most = x[0], sum = 0;
    for (size_t i = 1; i < count; i++)
        most = isnan(most) || x[i * step] <= most ? most : x[i * step];
    for (size_t i = 0; i < count; i++)
        sum += exp(x[i * step] - most);
    for (size_t i = 0; i < count; i++) {
        double apart = x[i * step] - most;
        y[i * step] = is_log ? apart - log(sum) : exp(apart) / sum;
        scales[i * step] = is_log ? fabs(apart) + log(sum) + 1 : y[i * step];
    }
}

/* Places without probability, and now and then something that leaves no number in its line. */
static void draw_masked(table *t, table_tensor *x)
{
    for (size_t i = 0; i < x->count; i++)
        if (table_chance(t, 6))
            x->values[i] = -INFINITY;
    if (x->count && table_chance(t, 3))
        x->values[table_below(t, (uint32_t)x->count)] = table_chance(t, 2) ? NAN : INFINITY;
}

static void draw_softmax(table *t)
{
    vkd_dtype dtype = table_dtype(t, TABLE_FLOATS);
    table_tensor *x = table_drawn(t, dtype, table_shape(t, 0, 8), -10, 10);
    if (table_chance(t, 2))
        draw_masked(t, x);
    uint32_t dim = table_dim(t, x->shape.rank);
    bool widens = dtype == VKD_DTYPE_FLOAT16 && table_chance(t, 2); /* half_to_float */
    table_bool(t, widens);
    table_tensor *y = table_output(t, widens ? VKD_DTYPE_FLOAT32 : dtype, x->shape);
    double *scales = table_scales(t, y);
    y->relative = 1e-5;
    y->absolute = 1e-30;
    size_t count = x->shape.rank ? x->shape.dims[dim] : 1, step = 1;
    for (uint32_t d = dim + 1; d < x->shape.rank; d++)
        step *= x->shape.dims[d];
    for (size_t i = 0; i < x->count; i++)
        if (i / step % count == 0)
            expect_line(t->row->code == LOG_SOFTMAX, x->values + i, count, step, y->values + i,
                        scales + i);
}

/* ------------------------------------------------------------------------------- normalisations */

/* Runs of x that are normalised together, as run_of numbers them; each element has weight and bias
 * parameter_of. */
typedef struct norm {
    const table_tensor *x, *weight, *bias;
    /* element i is of run i / run_step % runs: of two numbers, the second is 1 elsewhere */
    size_t runs, run_step;
    size_t parameters, parameter_step; /* and has parameter i / parameter_step % parameters */
    double eps;
    bool keeps_mean; /* rms: x stays where it is */
} norm;

enum { RUNS = 4096 };
typedef struct moments {
    double mean[RUNS], variance[RUNS];
} moments;

static size_t run_of(const norm *n, size_t i) { return i / n->run_step % n->runs; }

static void find_moments(const norm *n, moments *m)
{
    double each = (double)n->runs / (double)n->x->count;
    for (size_t i = 0; i < n->x->count && !n->keeps_mean; i++)
        m->mean[run_of(n, i)] += n->x->values[i] * each;
    for (size_t i = 0; i < n->x->count; i++) {
        double apart = n->x->values[i] - m->mean[run_of(n, i)];
        m->variance[run_of(n, i)] += apart * apart * each;
    }
}

static void expect_normalised(table *t, const norm *n, const moments *m)
{
    table_tensor *y = table_output(t, n->x->dtype, n->x->shape);
    double *scales = table_scales(t, y);
    y->relative = 1e-5;
    for (size_t i = 0; i < y->count; i++) {
        size_t parameter = i / n->parameter_step % n->parameters, run = run_of(n, i);
        double w = n->weight ? n->weight->values[parameter] : 1,
               b = n->bias ? n->bias->values[parameter] : 0;
        double inverse = 1 / sqrt(m->variance[run] + n->eps), x = n->x->values[i];
        y->values[i] = (x - m->mean[run]) * inverse * w + b;
        scales[i] = (fabs(x) + fabs(m->mean[run])) * inverse * fabs(w) + fabs(b);
    }
}

/* Or outputs that nobody reads: the kernel has the moments for itself then. */
static void expect_moments(table *t, const norm *n, const moments *m, vkd_shape shape)
{
    if (table_chance(t, 2)) {
        table_unread(t, VKD_DTYPE_FLOAT32, shape);
        table_unread(t, VKD_DTYPE_FLOAT32, shape);
        table_gather(t, 3);
        return;
    }
    table_tensor *means = table_output(t, VKD_DTYPE_FLOAT32, shape),
                 *inverses = table_output(t, VKD_DTYPE_FLOAT32, shape);
    means->relative = inverses->relative = 1e-5;
    means->absolute = 1e-6;
    for (size_t i = 0; i < means->count; i++) {
        means->values[i] = m->mean[i];
        inverses->values[i] = 1 / sqrt(m->variance[i] + n->eps);
    }
    table_gather(t, 3);
}

static table_tensor *draw_x(table *t, uint32_t least_rank, uint32_t most_rank)
{
    return table_drawn(t, table_dtype(t, TABLE_FLOATS),
                       table_shape_filled(t, least_rank, most_rank), -3, 4);
}

/* Null: none. */
static table_tensor *draw_parameter(table *t, const norm *n, vkd_shape shape)
{
    if (!table_chance(t, 3))
        return table_drawn(t, n->x->dtype, shape, -2, 2);
    table_null(t);
    return NULL;
}

static void draw_eps(table *t, norm *n)
{
    table_double(t, n->eps = table_chance(t, 2) ? 1e-5 : 0.125);
}

static void draw_layer(table *t)
{
    norm n = {.x = draw_x(t, 1, 8), .parameter_step = 1};
    moments m = {{0}};
    const vkd_shape x = n.x->shape;
    uint32_t count = 1 + table_below(t, x.rank);
    vkd_shape shape = {.rank = count}, stats = x;
    int64_t sizes[VKD_MAX_RANK];
    for (uint32_t d = 0; d < count; d++) {
        sizes[d] = shape.dims[d] = x.dims[x.rank - count + d];
        stats.dims[x.rank - count + d] = 1;
    }
    n.parameters = n.run_step = (size_t)vkd_dims_count(count, shape.dims);
    n.runs = n.x->count / n.run_step;
    table_sizes(t, count, sizes);
    n.weight = draw_parameter(t, &n, shape);
    n.bias = draw_parameter(t, &n, shape);
    draw_eps(t, &n);
    find_moments(&n, &m);
    expect_normalised(t, &n, &m);
    expect_moments(t, &n, &m, stats);
}

static void draw_rms(table *t)
{
    norm n = {.x = draw_x(t, 1, 8), .parameter_step = 1, .keeps_mean = true};
    moments m = {{0}};
    n.parameters = n.run_step = n.x->shape.dims[n.x->shape.rank - 1];
    n.runs = n.x->count / n.run_step;
    n.weight = draw_parameter(t, &n, (vkd_shape){1, {(uint32_t)n.parameters}});
    draw_eps(t, &n);
    find_moments(&n, &m);
    expect_normalised(t, &n, &m);
}

/* Channels are dim 1. */
static void set_channels(norm *n)
{
    const vkd_shape *x = &n->x->shape;
    n->parameters = x->dims[1];
    n->parameter_step = (size_t)vkd_dims_count(x->rank - 2, x->dims + 2);
}

static void draw_group(table *t)
{
    vkd_shape x = table_shape_filled(t, 2, 5);
    uint32_t groups = 1 + table_below(t, 3);
    x.dims[1] *= groups;
    norm n = {.x = table_drawn(t, table_dtype(t, TABLE_FLOATS), x, -3, 4)};
    moments m = {{0}};
    set_channels(&n);
    n.runs = (size_t)x.dims[0] * groups;
    n.run_step = n.x->count / n.runs;
    n.weight = draw_parameter(t, &n, (vkd_shape){1, {x.dims[1]}});
    n.bias = draw_parameter(t, &n, (vkd_shape){1, {x.dims[1]}});
    table_int(t, x.dims[0]);
    table_int(t, x.dims[1]);
    table_int(t, (int64_t)n.parameter_step);
    table_int(t, groups);
    draw_eps(t, &n);
    find_moments(&n, &m);
    expect_normalised(t, &n, &m);
    expect_moments(t, &n, &m, (vkd_shape){2, {x.dims[0], groups}});
}

static void draw_channels(table *t, norm *n)
{
    n->x = draw_x(t, 2, 5);
    set_channels(n);
    n->runs = n->parameters;
    n->run_step = n->parameter_step;
    n->weight = draw_parameter(t, n, (vkd_shape){1, {n->x->shape.dims[1]}});
    n->bias = draw_parameter(t, n, (vkd_shape){1, {n->x->shape.dims[1]}});
}

static void draw_batch(table *t)
{
    static const vkd_shape nothing = {1, {0}};
    norm n = {0};
    moments m = {{0}};
    draw_channels(t, &n);
    const vkd_shape shape = {1, {n.x->shape.dims[1]}};
    table_tensor *mean = table_drawn(t, n.x->dtype, shape, -2, 2),
                 *variance = table_drawn(t, n.x->dtype, shape, 0, 3);
    mean->arrival = variance->arrival = TABLE_CONSTANT;
    table_double(t, 0.1); /* momentum */
    draw_eps(t, &n);
    for (size_t c = 0; c < n.parameters; c++) {
        m.mean[c] = mean->values[c];
        m.variance[c] = variance->values[c];
    }
    expect_normalised(t, &n, &m);
    table_output(t, VKD_DTYPE_FLOAT32, nothing);
    table_output(t, VKD_DTYPE_FLOAT32, nothing);
    table_gather(t, 3);
}

static void draw_batch_stats(table *t)
{
    norm n = {0};
    moments m = {{0}};
    draw_channels(t, &n);
    table_bool(t, true);  /* training */
    table_double(t, 0.1); /* momentum */
    draw_eps(t, &n);
    find_moments(&n, &m);
    expect_normalised(t, &n, &m);
    expect_moments(t, &n, &m, (vkd_shape){1, {n.x->shape.dims[1]}});
}

static const table_case cases[] = {
    {"aten._softmax.default", draw_softmax, SOFTMAX},
    {"aten::_softmax.out", draw_softmax, SOFTMAX},
    {"aten._log_softmax.default", draw_softmax, LOG_SOFTMAX},
    {"aten::_log_softmax.out", draw_softmax, LOG_SOFTMAX},
    {"aten.native_layer_norm.default", draw_layer},
    {"aten::native_layer_norm.out", draw_layer},
    {"et_vk.rms_norm.default", draw_rms},
    {"aten.native_group_norm.default", draw_group},
    {"aten::native_group_norm.out", draw_group},
    {"aten._native_batch_norm_legit_no_training.default", draw_batch},
    {"aten::_native_batch_norm_legit_no_training.out", draw_batch},
    {"aten::_native_batch_norm_legit.no_stats_out", draw_batch_stats},
};
const table_family table_norm = TABLE_FAMILY(cases);
