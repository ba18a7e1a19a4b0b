/* Cases of ops/binary.c. */
#include "table_families.h"

#include <float.h>
#include <math.h>

typedef enum function_id {
    ADD,
    SUB,
    RSUB,
    MUL,
    DIV,
    FLOOR,
    TRUNC,
    FMOD,
    REMAINDER,
    POW,
    MIN,
    MAX,
    ATAN2
} function_id;

/* -------------------------------------------------------------------------------------- oracles */

/* As PyTorch defines it, in floats. */
static double floor_quotient(float a, float b)
{
    if (b == 0)
        return (double)(a / b);
    float rest = fmodf(a, b), quotient = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0))
        quotient -= 1;
    if (quotient == 0)
        return copysign(0, (double)(a / b));
    float whole = floorf(quotient);
    return (double)(quotient - whole > 0.5f ? whole + 1 : whole);
}

static double remainder_of(double a, double b)
{
    double rest = fmod(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static double of_floats(function_id id, double a, double b, double alpha)
{
    switch (id) {
    case ADD:
        return a + alpha * b;
    case SUB:
        return a - alpha * b;
    case RSUB:
        return b - alpha * a;
    case MUL:
        return a * b;
    case DIV:
        return a / b;
    case FLOOR:
        return floor_quotient((float)a, (float)b);
    case TRUNC:
        return (double)truncf((float)a / (float)b);
    case FMOD:
        return fmod(a, b);
    case REMAINDER:
        return remainder_of(a, b);
    case POW:
        return pow(a, b);
    case MIN:
        return isnan(a) || isnan(b) ? NAN : a < b ? a : b;
    case MAX:
        return isnan(a) || isnan(b) ? NAN : a > b ? a : b;
    case ATAN2:
        return atan2(a, b);
    }
    return 0;
}

static int64_t int_power(int64_t base, int64_t exponent)
{
    uint32_t power = 1; /* 32 bits: a wide product would lose what narrow ones keep */
    if (exponent < 0)
        return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
    for (uint32_t square = (uint32_t)base, n = (uint32_t)exponent; n; n >>= 1, square *= square)
        power *= n & 1 ? square : 1;
    return (int32_t)power;
}

/* Of 32 bits that wrap. By 0 the quotients are 0. */
static int64_t of_ints(function_id id, int64_t a, int64_t b, int64_t alpha)
{
    int64_t quotient = b ? a / b : 0, rest = b ? a % b : 0;
    bool down = rest != 0 && (a < 0) != (b < 0);
    switch (id) {
    case ADD:
        return a + alpha * b;
    case SUB:
        return a - alpha * b;
    case RSUB:
        return b - alpha * a;
    case MUL:
        return (int64_t)((uint64_t)a * (uint64_t)b);
    case FLOOR:
        return quotient - down;
    case TRUNC:
        return quotient;
    case FMOD:
        return rest;
    case REMAINDER:
        return rest + (down ? b : 0);
    case POW:
        return int_power(a, b);
    case MIN:
        return a < b ? a : b;
    case MAX:
        return a > b ? a : b;
    default:
        return 0;
    }
}

static void set_tolerance(table_tensor *y, function_id id)
{
    static const double ulps[] = {
        [MUL] = 1, [DIV] = 3, [FLOOR] = 2, [TRUNC] = 2, [REMAINDER] = 1, [POW] = 7, [ATAN2] = 5};
    y->ulps = id < sizeof ulps / sizeof *ulps ? ulps[id] : 0;
    y->absolute = id == MIN || id == MAX ? DBL_MIN : 0; /* of two zeros either */
    y->relative = id <= RSUB ? 0x1p-22 : 0;
}

/* -------------------------------------------------------------------------------------- drawing */

typedef struct draw {
    table_tensor *a, *b; /* b null: `number` */
    double number, alpha;
    vkd_shape shape; /* of the result */
    function_id id;
} draw;

static void finish(table *t, const draw *d, vkd_dtype to)
{
    const table_tensor *a = d->a, *b = d->b;
    table_tensor *y = table_output(t, to, d->shape);
    double *scales = table_scales(t, y);
    set_tolerance(y, d->id);
    for (size_t i = 0; i < y->count; i++) {
        double u = a->values[table_broadcast_index(&a->shape, &y->shape, i)];
        double v = b ? b->values[table_broadcast_index(&b->shape, &y->shape, i)] : d->number;
        if (table_is_float(to)) {
            u = table_stored(VKD_DTYPE_FLOAT32, u);
            v = table_stored(VKD_DTYPE_FLOAT32, v);
            y->values[i] = of_floats(d->id, u, v, d->alpha);
            scales[i] = d->id == RSUB ? fabs(v) + fabs(d->alpha * u) : fabs(u) + fabs(d->alpha * v);
        } else {
            y->values[i] =
                table_wrapped_to(to, of_ints(d->id, (int64_t)u, (int64_t)v, (int64_t)d->alpha));
        }
    }
}

/* Quotients that are whole, or nearly, are met. */
static void draw_values(table *t, table_tensor *x, function_id id)
{
    table_uniform(t, x, -9, 9);
    for (size_t i = 0; i < x->count && table_is_float(x->dtype); i += 2)
        if (id >= DIV && id <= REMAINDER)
            x->values[i] = table_stored(x->dtype, (double)random_range(t->random, -40, 40) * 0.1);
    if (id != POW || table_is_float(x->dtype))
        table_extremes(t, x);
}

static vkd_dtype draw_type(table *t, function_id id)
{
    if (id == DIV || id == ATAN2)
        return table_dtype(t, TABLE_FLOATS);
    return table_dtype(t, table_chance(t, 2) ? TABLE_FLOATS : TABLE_INTS);
}

/* The dtypes are equal, but for one of three that makes floats of ints, or of halves and floats. */
static void draw_tensors(table *t, draw *d)
{
    vkd_shape full = d->shape = table_shape(t, 0, 8);
    vkd_dtype dtype = draw_type(t, d->id);
    bool swap = table_chance(t, 2);
    d->a = table_input(t, dtype, swap ? table_narrowed(t, full) : full);
    d->b = table_input(t, dtype, swap ? full : table_narrowed(t, full));
    draw_values(t, d->a, d->id);
    draw_values(t, d->b, d->id);
    d->alpha = 1;
}

static vkd_dtype result_type(table *t, const draw *d)
{
    if (d->a->dtype == VKD_DTYPE_INT32 && d->id == MUL && table_chance(t, 3))
        return VKD_DTYPE_FLOAT32;
    return d->a->dtype;
}

/* What a product with alpha takes beyond the floats may be infinite, or not if it is not rounded
 * before it is added. */
static void bound_values(table_tensor *x)
{
    for (size_t i = 0; x && i < x->count; i++)
        if (isfinite(x->values[i]) && fabs(x->values[i]) > 1e30)
            x->values[i] = table_stored(x->dtype, 1e30);
}

static void draw_alpha(table *t, draw *d)
{
    bound_values(d->a);
    bound_values(d->b);
    bool real = table_is_float(d->a->dtype);
    if (real && table_chance(t, 2)) {
        d->alpha = (double)random_float(t->random, -3, 3);
        table_double(t, d->alpha);
    } else {
        d->alpha = random_range(t->random, -2, 3);
        table_int(t, (int64_t)d->alpha);
    }
}

static void draw_binary(table *t)
{
    draw d = {.id = (function_id)t->row->code};
    draw_tensors(t, &d);
    if (d.id <= RSUB)
        draw_alpha(t, &d);
    finish(t, &d, result_type(t, &d));
}

/* A quotient of ints is a float. */
static void draw_div(table *t)
{
    draw d = {.id = DIV};
    draw_tensors(t, &d);
    finish(t, &d, table_is_float(d.a->dtype) ? d.a->dtype : VKD_DTYPE_FLOAT32);
}

static const char *draw_mode(table *t, draw *d)
{
    static const char *const modes[] = {"floor", "trunc", NULL};
    uint32_t mode = table_below(t, table_is_float(d->a->dtype) ? 3 : 2);
    d->id = mode == 0 ? FLOOR : mode == 1 ? TRUNC : DIV;
    if (modes[mode])
        table_string(t, modes[mode]);
    else
        table_null(t);
    return modes[mode];
}

static void draw_div_mode(table *t)
{
    draw d = {.id = TRUNC};
    draw_tensors(t, &d);
    draw_mode(t, &d);
    finish(t, &d, d.a->dtype);
}

/* -------------------------------------------------------------------------------------- numbers */

static void draw_number(table *t, draw *d)
{
    static const double reals[] = {0.5, -2.5, 3.0, 0.1, -0.3, 1e10, 7};
    if (table_is_float(d->a->dtype) && table_chance(t, 2)) {
        d->number = reals[table_below(t, sizeof reals / sizeof *reals)];
        table_double(t, d->number);
    } else {
        d->number = d->id == POW ? random_range(t->random, 0, 9) : random_range(t->random, -9, 9);
        table_size(t, (int64_t)d->number);
    }
}

static draw draw_scalar_operands(table *t)
{
    draw d = {.id = (function_id)t->row->code, .alpha = 1};
    d.shape = table_shape(t, 0, 8);
    d.a = table_input(t, draw_type(t, d.id), d.shape);
    draw_values(t, d.a, d.id);
    draw_number(t, &d);
    return d;
}

static void draw_scalar(table *t)
{
    draw d = draw_scalar_operands(t);
    if (d.id <= RSUB)
        draw_alpha(t, &d);
    finish(t, &d, d.a->dtype);
}

static void draw_scalar_mode(table *t)
{
    draw d = draw_scalar_operands(t);
    draw_mode(t, &d);
    finish(t, &d, d.a->dtype);
}

/* The number comes first: it is the base. */
static void draw_scalar_pow(table *t)
{
    double base = random_range(t->random, -3, 4);
    table_double(t, base);
    table_tensor *x = table_input(t, table_dtype(t, TABLE_FLOATS), table_shape(t, 0, 8));
    table_uniform(t, x, -5, 5);
    table_extremes(t, x);
    table_tensor *y = table_output(t, x->dtype, x->shape);
    y->ulps = 7;
    for (size_t i = 0; i < y->count; i++)
        y->values[i] = pow(base, x->values[i]);
}

/* ---------------------------------------------------------------------------------- bounds, glu */

static void draw_bounds(table *t)
{
    vkd_dtype dtype = table_dtype(t, TABLE_FLOATS | TABLE_INTS);
    table_tensor *x = table_input(t, dtype, table_shape(t, 0, 8)), *bounds[2] = {NULL, NULL};
    uint32_t left_out = table_below(t, 3);
    for (uint32_t i = 0; i < 2; i++)
        if (i == left_out)
            table_null(t);
        else
            bounds[i] = table_input(t, dtype, table_narrowed(t, x->shape));
    table_tensor *y = table_output(t, dtype, x->shape);
    y->absolute = table_is_float(dtype) ? DBL_MIN : 0;
    table_uniform(t, x, -9, 9);
    table_extremes(t, x);
    for (int i = 0; i < 2; i++)
        if (bounds[i])
            table_uniform(t, bounds[i], -9, 9);
    for (size_t i = 0; i < y->count; i++) {
        double v = x->values[i];
        if (bounds[0])
            v = of_floats(MAX, v,
                          bounds[0]->values[table_broadcast_index(&bounds[0]->shape, &y->shape, i)],
                          1);
        if (bounds[1])
            v = of_floats(MIN, v,
                          bounds[1]->values[table_broadcast_index(&bounds[1]->shape, &y->shape, i)],
                          1);
        y->values[i] = v;
    }
}

static void draw_glu(table *t)
{
    vkd_shape half = table_shape(t, 1, 8), whole = half;
    uint32_t dim = table_below(t, half.rank);
    whole.dims[dim] *= 2;
    table_tensor *x = table_input(t, table_dtype(t, TABLE_FLOATS), whole);
    table_uniform(t, x, -9, 9);
    table_int(t, table_chance(t, 2) ? (int64_t)dim : (int64_t)dim - half.rank);
    table_tensor *y = table_output(t, x->dtype, half);
    y->ulps = 7;
    size_t inner = 1;
    for (uint32_t d = dim; d < half.rank; d++)
        inner *= half.dims[d];
    for (size_t i = 0; i < y->count; i++) {
        const double *a = x->values + i / inner * 2 * inner + i % inner;
        y->values[i] = a[0] / (1 + exp(-a[inner]));
    }
}

static const table_case cases[] = {
    {"aten.add.Tensor", draw_binary, ADD},
    {"aten.sub.Tensor", draw_binary, SUB},
    {"aten.mul.Tensor", draw_binary, MUL},
    {"aten.div.Tensor", draw_div},
    {"aten.div.Tensor_mode", draw_div_mode},
    {"aten.minimum.default", draw_binary, MIN},
    {"aten.pow.Tensor_Tensor", draw_binary, POW},
    {"aten::add.out", draw_binary, ADD},
    {"aten::add.Scalar_out", draw_scalar, ADD},
    {"aten::sub.out", draw_binary, SUB},
    {"aten::sub.Scalar_out", draw_scalar, SUB},
    {"aten::rsub.Scalar_out", draw_scalar, RSUB},
    {"aten::mul.out", draw_binary, MUL},
    {"aten::mul.Scalar_out", draw_scalar, MUL},
    {"aten::div.out", draw_div},
    {"aten::div.Scalar_out", draw_scalar, DIV},
    {"aten::div.out_mode", draw_div_mode},
    {"aten::div.Scalar_mode_out", draw_scalar_mode, TRUNC},
    {"aten::floor_divide.out", draw_binary, FLOOR},
    {"aten::fmod.Tensor_out", draw_binary, FMOD},
    {"aten::fmod.Scalar_out", draw_scalar, FMOD},
    {"aten::remainder.Tensor_out", draw_binary, REMAINDER},
    {"aten::remainder.Scalar_out", draw_scalar, REMAINDER},
    {"aten::pow.Tensor_Tensor_out", draw_binary, POW},
    {"aten::pow.Scalar_out", draw_scalar_pow},
    {"aten::minimum.out", draw_binary, MIN},
    {"aten::maximum.out", draw_binary, MAX},
    {"aten::atan2.out", draw_binary, ATAN2},
    {"aten::clamp.Tensor_out", draw_bounds},
    {"aten::glu.out", draw_glu},
};
const table_family table_binary = TABLE_FAMILY(cases);
