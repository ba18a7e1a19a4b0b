/* Cases of ops/sort.c. */
#include "table_families.h"

#include <math.h>
#include <string.h>

enum { SORT, STABLE, ARGSORT, TOPK };

/* NaN is the largest. */
static bool is_less(double a, double b) { return isnan(b) ? !isnan(a) : !isnan(a) && a < b; }

/* The numbers of a line's elements, by insertion: equal ones stay in their order. */
static void sort_line(const double *line, size_t step, uint32_t count, bool falls, uint32_t *order)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t to = i;
        for (; to > 0; to--) {
            double mine = line[i * step], theirs = line[order[to - 1] * step];
            if (!(falls ? is_less(theirs, mine) : is_less(mine, theirs)))
                break;
            order[to] = order[to - 1];
        }
        order[to] = i;
    }
}

static table_tensor *draw_elements(table *t)
{
    table_tensor *x = table_input(t, table_dtype(t, TABLE_ALL), table_shape(t, 0, 8));
    const bool ties = table_chance(t, 2);
    table_uniform(t, x, ties ? 0 : -300, ties ? 3 : 300);
    if (table_chance(t, 2))
        table_extremes(t, x);
    for (size_t i = 0; table_is_float(x->dtype) && i < x->count; i++)
        x->values[i] = table_chance(t, 20) ? -NAN : x->values[i];
    return x;
}

static void draw_sort(table *t)
{
    const int code = t->row->code;
    table_tensor *x = draw_elements(t);
    vkd_shape shape = x->shape;
    uint32_t kept = 0, dim;
    if (code == STABLE || code == ARGSORT)
        table_bool(t, true);
    if (code == TOPK) { /* how many comes before the dim */
        dim = table_below(t, shape.rank ? shape.rank : 1);
        kept = shape.rank ? table_below(t, shape.dims[dim] + 1) : 1;
        table_size(t, kept);
        table_int(t, table_from_an_end(t, dim, shape.rank ? shape.rank : 1));
    } else {
        dim = table_dim(t, shape.rank);
        kept = shape.rank ? shape.dims[dim] : 1;
    }
    bool falls = table_chance(t, 2);
    table_bool(t, falls);
    if (code == TOPK)
        table_bool(t, true); /* sorted */
    const uint32_t count = shape.rank ? shape.dims[dim] : 1;
    size_t step = 1;
    for (uint32_t d = dim + 1; d < shape.rank; d++)
        step *= shape.dims[d];
    if (shape.rank)
        shape.dims[dim] = kept;
    table_tensor *y = code == ARGSORT ? NULL : table_output(t, x->dtype, shape),
                 *places = table_output(t, VKD_DTYPE_INT32, shape);
    for (size_t line = 0; count && kept && line < x->count / count; line++) {
        uint32_t order[512];
        const double *first = x->values + line / step * step * count + line % step;
        sort_line(first, step, count, falls, order);
        for (uint32_t i = 0; i < kept; i++) {
            const size_t to = (line / step * kept + i) * step + line % step;
            places->values[to] = order[i];
            if (y)
                y->values[to] = first[order[i] * step];
        }
    }
    if (y)
        table_gather(t, 2);
}

static const table_case cases[] = {
    {"aten::sort.values", draw_sort, SORT},
    {"aten::sort.values_stable", draw_sort, STABLE},
    {"aten::argsort.stable_out", draw_sort, ARGSORT},
    {"aten::topk.values", draw_sort, TOPK},
};
const table_family table_sort = TABLE_FAMILY(cases);
