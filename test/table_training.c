/* Cases of ops/training.c. */
#include "table_families.h"

#include <math.h>

/* Labels below 0 do not count. Logits may be beyond what exp can take. */
static void draw_entropy(table *t)
{
    uint32_t rows = 1 + table_below(t, 12), classes = 1 + table_below(t, 40);
    double count = 1 + table_below(t, rows), loss = 0, size = 0;
    table_tensor *x = table_drawn(t, VKD_DTYPE_FLOAT32, (vkd_shape){2, {rows, classes}}, -5, 5);
    double spread = table_chance(t, 3) ? 100 : 1;
    for (size_t i = 0; i < x->count; i++)
        x->values[i] = table_stored(x->dtype, x->values[i] * spread);
    table_tensor *labels =
        table_drawn(t, VKD_DTYPE_INT32, (vkd_shape){1, {rows}}, -1, (double)classes - 1);
    table_double(t, count);
    table_tensor *y = table_output(t, VKD_DTYPE_FLOAT32, (vkd_shape){0});
    table_tensor *gradient = table_output(t, VKD_DTYPE_FLOAT32, x->shape);
    for (size_t r = 0; r < rows; r++) {
        const double *logits = x->values + r * classes, label = labels->values[r];
        double most = -INFINITY, sum = 0;
        for (size_t c = 0; c < classes; c++)
            most = fmax(most, logits[c]);
        for (size_t c = 0; c < classes; c++)
            sum += exp(logits[c] - most);
        const double whole = most + log(sum);
        for (size_t c = 0; c < classes && label >= 0; c++)
            gradient->values[r * classes + c] =
                (exp(logits[c] - whole) - (c == (size_t)label)) / count;
        loss += label < 0 ? 0 : (whole - logits[(size_t)label]) / count;
        size += label < 0 ? 0 : (fabs(whole) + fabs(logits[(size_t)label])) / count;
    }
    y->values[0] = loss;
    y->absolute = 1e-5 * (size + 0.1);
    gradient->absolute = 1e-5 / count;
    table_gather(t, 2);
}

/* The weight decays before its step. */
static void draw_adamw(table *t)
{
    enum { WEIGHT, FIRST, SECOND };
    const double rate = 0.125, beta1 = 0.75, beta2 = 0.875, eps = 0.0625, decay = 0.5,
                 correction1 = 0.25, correction2 = 0.5;
    const double numbers[] = {rate, beta1, beta2, eps, decay, correction1, correction2};
    vkd_shape shape = table_shape_filled(t, 0, 4);
    table_tensor *x[3], *y[3];
    for (int i = 0; i < 3; i++) {
        x[i] = table_drawn(t, VKD_DTYPE_FLOAT32, shape, i == SECOND ? 0 : -2, 2);
        x[i]->arrival = TABLE_STATE;
    }
    table_tensor *gradient = table_drawn(t, VKD_DTYPE_FLOAT32, shape, -2, 2);
    for (int i = 0; i < 7; i++)
        table_double(t, numbers[i]);
    for (int i = 0; i < 3; i++) {
        y[i] = table_output(t, VKD_DTYPE_FLOAT32, shape);
        y[i]->absolute = 3e-6;
    }
    for (size_t i = 0; i < gradient->count; i++)
        if (table_chance(t, 4)) /* neither a step nor a division by 0 */
            x[FIRST]->values[i] = x[SECOND]->values[i] = gradient->values[i] = 0;
    for (size_t i = 0; i < gradient->count; i++) {
        double g = gradient->values[i];
        double first = y[FIRST]->values[i] = beta1 * x[FIRST]->values[i] + (1 - beta1) * g;
        double second = y[SECOND]->values[i] = beta2 * x[SECOND]->values[i] + (1 - beta2) * g * g;
        double step = first / correction1 / (sqrt(second / correction2) + eps);
        y[WEIGHT]->values[i] = x[WEIGHT]->values[i] * (1 - rate * decay) - rate * step;
    }
    table_gather(t, 3);
}

static void draw_gradient(table *t)
{
    vkd_shape rows = table_shape_filled(t, 0, 3), other = rows;
    vkd_dtype dtype = table_dtype(t, TABLE_FLOATS);
    uint32_t n = 1 + table_below(t, 30), k = 1 + table_below(t, 30);
    size_t m = (size_t)vkd_dims_count(rows.rank, rows.dims);
    rows.dims[rows.rank++] = n;
    other.dims[other.rank++] = k;
    table_tensor *d = table_drawn(t, dtype, rows, -2, 2), *x = table_drawn(t, dtype, other, -2, 2);
    table_tensor *y = table_output(t, dtype, (vkd_shape){2, {n, k}});
    double *scales = table_scales(t, y);
    y->relative = 1e-5;
    for (size_t i = 0; i < y->count; i++)
        for (size_t r = 0; r < m; r++) {
            double product = d->values[r * n + i / k] * x->values[r * k + i % k];
            y->values[i] += product;
            scales[i] += fabs(product);
        }
}

/* Codes of -8..7 plus 8, two in a byte, the first in the low half; values stay away from where they
 * round to another. */
static void draw_requant(table *t)
{
    uint32_t n = 1 + table_below(t, 9), group = 4 * (1 + table_below(t, 4)),
             groups = 1 + table_below(t, 3);
    uint32_t k = group * groups - table_below(t, 2), bytes = (k + 1) / 2,
             row = n + table_below(t, 4);
    table_tensor *x = table_input(t, VKD_DTYPE_FLOAT32, (vkd_shape){2, {n, k}});
    table_tensor *scales =
        table_drawn(t, VKD_DTYPE_FLOAT32, (vkd_shape){2, {groups, row}}, 0.01, 2);
    table_int(t, group);
    table_tensor *y = table_output(t, VKD_DTYPE_UINT8, (vkd_shape){2, {n, bytes}});
    for (size_t i = 0; i < y->count; i++)
        y->values[i] = k % 2 && i % bytes == bytes - 1 ? 8 * 16 : 0;
    for (size_t i = 0; i < x->count; i++) {
        int32_t code = random_range(t->random, -10, 9);
        double rest = random_range(t->random, -45, 45) / 100.0;
        uint32_t at_n = (uint32_t)(i / k), at_k = (uint32_t)(i % k);
        x->values[i] = table_stored(VKD_DTYPE_FLOAT32,
                                    (code + rest) * scales->values[at_k / group * row + at_n]);
        code = code < -8 ? -8 : code > 7 ? 7 : code;
        y->values[at_n * bytes + at_k / 2] += (code + 8) * (at_k % 2 ? 16 : 1);
    }
}

static const table_case cases[] = {
    {"et_vk.fused_ce.default", draw_entropy},
    {"et_vk.adamw_step.default", draw_adamw},
    {"et_vk.linear_dW.default", draw_gradient},
    {"et_vk.q4gsw_requant.default", draw_requant},
};
const table_family table_training = TABLE_FAMILY(cases);
