/* Cases of ops/gemm/matmul.c. */
#include "table_families.h"

#include <math.h>

static uint32_t draw_size(table *t) { return 1 + table_below(t, table_chance(t, 2) ? 8 : 70); }
static uint32_t draw_k(table *t) { return table_chance(t, 12) ? 0 : draw_size(t); }

typedef struct product {
    /* [batch, m, k], [batch, k, n] or transposed [n, k], what broadcasts to y or null */
    const table_tensor *a, *b, *c;
    uint32_t m, n, k;
    bool transposed;
    double alpha, beta;
} product;

static void expect(table *t, const product *p, vkd_shape shape)
{
    table_tensor *y = table_output(t, p->a->dtype, shape);
    double *scales = table_scales(t, y);
    y->relative = 1e-5;
    y->absolute = 1e-300; /* 0 of either sign */
    for (size_t i = 0; i < y->count; i++) {
        size_t n = i % p->n, row = i / p->n, batch = row / p->m;
        double sum = 0, size = 0;
        for (size_t k = 0; k < p->k; k++) {
            double b = p->b->values[p->transposed ? n * p->k + k : (batch * p->k + k) * p->n + n];
            sum += p->a->values[row * p->k + k] * b;
            size += fabs(p->a->values[row * p->k + k] * b);
        }
        double c = p->c && p->beta
                       ? p->beta * p->c->values[table_broadcast_index(&p->c->shape, &shape, i)]
                       : 0;
        y->values[i] = p->alpha * sum + c;
        scales[i] = fabs(p->alpha) * size + fabs(c);
    }
}

static void draw_mm(table *t)
{
    uint32_t rank = (uint32_t)t->row->code, batch = rank == 3 ? 1 + table_below(t, 4) : 1;
    product p = {.m = draw_size(t), .n = draw_size(t), .k = draw_k(t), .alpha = 1};
    const vkd_shape a = rank == 3 ? (vkd_shape){3, {batch, p.m, p.k}} : (vkd_shape){2, {p.m, p.k}};
    const vkd_shape b = rank == 3 ? (vkd_shape){3, {batch, p.k, p.n}} : (vkd_shape){2, {p.k, p.n}};
    const vkd_shape y = rank == 3 ? (vkd_shape){3, {batch, p.m, p.n}} : (vkd_shape){2, {p.m, p.n}};
    vkd_dtype dtype = table_dtype(t, TABLE_FLOATS);
    p.a = table_drawn(t, dtype, a, -2, 2);
    p.b = table_drawn(t, dtype, b, -2, 2);
    expect(t, &p, y);
}

/* With a beta of 0 not even the NaNs of self count. */
static void draw_addmm(table *t)
{
    static const double numbers[] = {1, 0, -0.5, 2};
    product p = {.m = draw_size(t), .n = draw_size(t), .k = draw_k(t)};
    p.beta = numbers[table_below(t, 4)];
    p.alpha = numbers[table_below(t, 4)];
    vkd_dtype dtype = table_dtype(t, TABLE_FLOATS);
    const vkd_shape shape = {2, {p.m, p.n}};
    table_tensor *c = table_drawn(t, dtype, table_narrowed(t, shape), -5, 5);
    if (p.beta == 0)
        table_extremes(t, c);
    p.c = c;
    p.a = table_drawn(t, dtype, (vkd_shape){2, {p.m, p.k}}, -2, 2);
    p.b = table_drawn(t, dtype, (vkd_shape){2, {p.k, p.n}}, -2, 2);
    if (p.beta == 1 && table_chance(t, 2))
        table_int(t, 1);
    else
        table_double(t, p.beta);
    table_double(t, p.alpha);
    expect(t, &p, shape);
}

static void draw_linear(table *t)
{
    product p = {.n = draw_size(t), .k = draw_size(t), .transposed = true, .alpha = 1, .beta = 1};
    vkd_shape shape = table_shape(t, 0, 3);
    vkd_dtype dtype = table_dtype(t, TABLE_FLOATS);
    p.m = (uint32_t)vkd_dims_count(shape.rank, shape.dims);
    shape.dims[shape.rank++] = p.k;
    p.a = table_drawn(t, dtype, shape, -2, 2);
    p.b = table_drawn(t, dtype, (vkd_shape){2, {p.n, p.k}}, -2, 2);
    if (table_chance(t, 3))
        table_null(t);
    else
        p.c = table_drawn(t, dtype, (vkd_shape){1, {p.n}}, -5, 5);
    shape.dims[shape.rank - 1] = p.n;
    expect(t, &p, shape);
}

static const table_case cases[] = {
    {"aten.mm.default", draw_mm, 2},      {"aten::mm.out", draw_mm, 2},
    {"aten.bmm.default", draw_mm, 3},     {"aten::bmm.out", draw_mm, 3},
    {"aten.addmm.default", draw_addmm},   {"aten::addmm.out", draw_addmm},
    {"aten.linear.default", draw_linear}, {"aten::linear.out", draw_linear},
};
const table_family table_matmul = TABLE_FAMILY(cases);
