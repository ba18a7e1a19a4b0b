/* Operators on SymInts and SymFloats: host arithmetic while shapes are computed, no device work. */
#include "ops/tables.h"
#include "runtime/base/element.h"

#include <math.h>

/* ----------------------------------------------------------------------------------- arithmetic */

typedef enum symbol_code {
    SYM_ADD,
    SYM_SUB,
    SYM_MUL,
    SYM_FLOORDIV,
    SYM_MOD,
    SYM_TRUEDIV,
    SYM_MAX,
    SYM_MIN,
    SYM_LT,
    SYM_GT,
    SYM_GE,
    SYM_LE,
    SYM_EQ,
    SYM_NE,
    /* of one operand */
    SYM_NEG,
    SYM_FLOAT,
    SYM_CEIL,
    SYM_ROUND,
    SYM_TRUNC
} symbol_code;

/* a may be all that there is. */
typedef struct symbol_args {
    vkd_number a, b;
    uint32_t y;
} symbol_args;

static const vkd_param binary_params[] = {VKD_SYMBOL(symbol_args, a), VKD_SYMBOL(symbol_args, b),
                                          VKD_OUTPUT_SYM(symbol_args, y, out), VKD_PARAMS_END};
static const vkd_param unary_params[] = {VKD_SYMBOL(symbol_args, a),
                                         VKD_OUTPUT_SYM(symbol_args, y, out), VKD_PARAMS_END};

static vkd_number make_int(int64_t number)
{
    return (vkd_number){.kind = VKD_NUMBER_INT, .number = number, .real = (double)number};
}

static vkd_number make_real(double real)
{
    return (vkd_number){.kind = VKD_NUMBER_DOUBLE, .real = real};
}

/* An operand's own number, or that of the symbol that it is. */
static vkd_number number_of(const vkd_shaping *shaping, const vkd_number *operand)
{
    if (operand->kind != VKD_NUMBER_SYM)
        return *operand;
    const vkd_model_value *symbol = &shaping->values[operand->value];
    return symbol->kind == VKD_VALUE_SYMFLOAT ? make_real(symbol->d) : make_int(symbol->i);
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

static double modulo(double a, double b)
{
    const double rest = fmod(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

/* Sizes and positions are ints of 32 bits: their sums and products fit 64. */
static bool fits(int64_t number) { return number >= INT32_MIN && number <= INT32_MAX; }

static vkd_number of_ints(symbol_code code, int64_t a, int64_t b)
{
    switch (code) {
    case SYM_ADD:
        return make_int(a + b);
    case SYM_SUB:
        return make_int(a - b);
    case SYM_MUL:
        return make_int(a * b);
    case SYM_FLOORDIV:
        return make_int(floor_divide(a, b));
    case SYM_MOD:
        return make_int(a - floor_divide(a, b) * b);
    case SYM_TRUEDIV:
        return make_real((double)a / (double)b);
    case SYM_MAX:
        return make_int(a > b ? a : b);
    case SYM_MIN:
        return make_int(a < b ? a : b);
    case SYM_NEG:
        return make_int(-a);
    case SYM_FLOAT:
        return make_real((double)a);
    default: /* an int is what it is rounded to */
        return make_int(a);
    }
}

/* A real number that is rounded; one that is no int stays real. */
static vkd_number rounded(double real)
{
    return real >= INT32_MIN && real <= INT32_MAX ? make_int((int64_t)real) : make_real(real);
}

static vkd_number of_reals(symbol_code code, double a, double b)
{
    switch (code) {
    case SYM_ADD:
        return make_real(a + b);
    case SYM_SUB:
        return make_real(a - b);
    case SYM_MUL:
        return make_real(a * b);
    case SYM_FLOORDIV:
        return make_real(floor(a / b));
    case SYM_MOD:
        return make_real(modulo(a, b));
    case SYM_TRUEDIV:
        return make_real(a / b);
    case SYM_MAX:
        return make_real(b > a ? b : a);
    case SYM_MIN:
        return make_real(b < a ? b : a);
    case SYM_NEG:
        return make_real(-a);
    case SYM_CEIL:
        return rounded(ceil(a));
    case SYM_ROUND:
        return rounded(nearbyint(a)); /* halves to even */
    case SYM_TRUNC:
        return rounded(trunc(a));
    default:
        return make_real(a);
    }
}

static bool compares(symbol_code code) { return code >= SYM_LT && code <= SYM_NE; }

/* An int of 32 bits is the same as a double. */
static vkd_number compared(symbol_code code, double a, double b)
{
    const bool truths[] = {[SYM_LT] = a<b, [SYM_GT] = a> b,
                           [SYM_GE] = a >= b,
                           [SYM_LE] = a <= b,
                           [SYM_EQ] = a == b,
                           [SYM_NE] = a != b};
    return make_int(truths[code]);
}

static vkd_status check_int(vkd_shaping *shaping, const vkd_number *operand, const vkd_number *n)
{
    return n->kind != VKD_NUMBER_INT || fits(n->number)
               ? VKD_OK
               : vkd_shape_fail_at(shaping, VKD_INVALID_ARGUMENT, operand,
                                   "is %lld, expected an int of 32 bits", (long long)n->number);
}

static vkd_status set_result(vkd_shaping *shaping, const symbol_args *args, const vkd_number *y)
{
    vkd_model_value *out = &shaping->values[args->y];
    if (y->kind == VKD_NUMBER_INT && fits(y->number))
        vkd_shape_set_number(shaping, args->y, y->number);
    else if (y->kind == VKD_NUMBER_DOUBLE && out->kind == VKD_VALUE_SYMFLOAT)
        out->d = y->real;
    else
        return vkd_shape_fail_value(shaping, VKD_INVALID_ARGUMENT, args->y,
                                    "would be %.17g, expected an int of 32 bits", y->real);
    return VKD_OK;
}

static vkd_status shape_symbol(vkd_shaping *shaping, const void *arguments)
{
    const symbol_args *args = arguments;
    const symbol_code code = (symbol_code)shaping->call->row->code;
    const vkd_number a = number_of(shaping, &args->a), b = number_of(shaping, &args->b);
    const bool divides = code == SYM_FLOORDIV || code == SYM_MOD || code == SYM_TRUEDIV,
               whole = a.kind == VKD_NUMBER_INT && b.kind == VKD_NUMBER_INT;
    VKD_TRY(check_int(shaping, &args->a, &a));
    VKD_TRY(check_int(shaping, &args->b, &b));
    if (divides && b.real == 0)
        return vkd_shape_fail_at(shaping, VKD_INVALID_ARGUMENT, &args->b,
                                 "is 0, expected what divides %.17g", a.real);
    const vkd_number y = compares(code) ? compared(code, a.real, b.real)
                         : whole        ? of_ints(code, a.number, b.number)
                                        : of_reals(code, a.real, b.real);
    return set_result(shaping, args, &y);
}

/* ---------------------------------------------------------------------------------------- sizes */

typedef struct size_args {
    uint32_t x;
    int32_t dim;
    uint32_t y;
} size_args;

static const vkd_param size_params[] = {VKD_TENSOR(size_args, x, self), VKD_INT(size_args, dim),
                                        VKD_OUTPUT_SYM(size_args, y, out), VKD_PARAMS_END};

static vkd_status shape_size(vkd_shaping *shaping, const void *arguments)
{
    const size_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    uint32_t dim;
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, x->rank, &dim));
    vkd_shape_set_number(shaping, args->y, x->rank ? x->dims[dim] : 1);
    return VKD_OK;
}

static const vkd_param count_params[] = {VKD_TENSOR(size_args, x, self),
                                         VKD_OUTPUT_SYM(size_args, y, out), VKD_PARAMS_END};

static vkd_status shape_count(vkd_shaping *shaping, const void *arguments)
{
    const size_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    vkd_shape_set_number(shaping, args->y, (int64_t)vkd_dims_count(x->rank, x->dims));
    return VKD_OK;
}

/* --------------------------------------------------------------------------- elements of inputs */

typedef struct select_args {
    uint32_t x;
    int32_t dim;
    vkd_sym index;
    uint32_t y;
} select_args;

static const vkd_param select_params[] = {VKD_TENSOR(select_args, x, self),
                                          VKD_INT(select_args, dim), VKD_SYM(select_args, index),
                                          VKD_OUTPUT_SYM(select_args, y, out), VKD_PARAMS_END};

static const vkd_param item_params[] = {VKD_TENSOR(select_args, x, self),
                                        VKD_OUTPUT_SYM(select_args, y, out), VKD_PARAMS_END};

static vkd_status check_is_input(vkd_shaping *shaping, uint32_t x)
{
    for (size_t i = 0; i < shaping->net->input_count; i++)
        if (shaping->net->inputs[i] == x)
            return VKD_OK;
    return vkd_shape_fail_value(
        shaping, VKD_UNSUPPORTED, x,
        "is read while shapes are computed, expected an input of the model");
}

/* The element x[.., index, ..] of an input; at load, where there is no data, the file's number
 * stays. */
static vkd_status shape_select(vkd_shaping *shaping, const void *arguments)
{
    const select_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    uint32_t dim = 0;
    VKD_TRY(check_is_input(shaping, args->x));
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, x->rank, &dim));
    uint64_t size = x->rank ? x->dims[dim] : 1;
    int64_t index = vkd_shape_number(shaping, args->index);
    index += index < 0 ? (int64_t)size : 0;
    if (vkd_dims_count(x->rank, x->dims) != size || index < 0 || (uint64_t)index >= size)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->x,
                                 "has no single element at %lld of dim %u, expected one there",
                                 (long long)index, dim);
    const vkd_input *input = vkd_shape_input(shaping, args->x);
    if (!input || !input->data)
        return VKD_OK;
    double number = vkd_element_get(input->dtype, input->data, (size_t)index);
    if (!(number >= INT32_MIN && number <= INT32_MAX))
        return vkd_shape_fail_at(shaping, VKD_INVALID_ARGUMENT, &args->x,
                                 "has %g at %lld, expected an int of 32 bits", number,
                                 (long long)index);
    vkd_shape_set_number(shaping, args->y, (int64_t)number);
    return VKD_OK;
}

static vkd_status nothing(vkd_lowering *lowering, const void *arguments)
{
    (void)lowering, (void)arguments;
    return VKD_OK;
}

static const symbol_args alone = {.b = {.kind = VKD_NUMBER_INT}};

#define BINARY(name_, code_)                                                                       \
    {                                                                                              \
        name_, binary_params, sizeof(symbol_args), shape_symbol, nothing, .code = code_            \
    }
#define UNARY(name_, code_)                                                                        \
    {                                                                                              \
        name_, unary_params, sizeof(symbol_args), shape_symbol, nothing, .code = code_,            \
                                                                         .defaults = &alone        \
    }

static const select_args item = {.index = {0, VKD_NO_VALUE}};

static const vkd_op rows[] = {
    BINARY("add", SYM_ADD),
    BINARY("sub", SYM_SUB),
    BINARY("mul", SYM_MUL),
    BINARY("floordiv", SYM_FLOORDIV),
    BINARY("lt", SYM_LT),
    BINARY("gt", SYM_GT),
    BINARY("ge", SYM_GE),
    BINARY("le", SYM_LE),
    BINARY("eq", SYM_EQ),
    BINARY("executorch_prim::add.Scalar", SYM_ADD),
    BINARY("executorch_prim::sub.Scalar", SYM_SUB),
    BINARY("executorch_prim::mul.Scalar", SYM_MUL),
    BINARY("executorch_prim::floordiv.Scalar", SYM_FLOORDIV),
    BINARY("executorch_prim::mod.Scalar", SYM_MOD),
    BINARY("executorch_prim::sym_max.Scalar", SYM_MAX),
    BINARY("executorch_prim::sym_min.Scalar", SYM_MIN),
    BINARY("executorch_prim::lt.Scalar", SYM_LT),
    BINARY("executorch_prim::gt.Scalar", SYM_GT),
    BINARY("executorch_prim::ge.Scalar", SYM_GE),
    BINARY("executorch_prim::le.Scalar", SYM_LE),
    BINARY("executorch_prim::eq.Scalar", SYM_EQ),
    BINARY("executorch_prim::ne.Scalar", SYM_NE),
    BINARY("executorch_prim::floordiv.int", SYM_FLOORDIV),
    BINARY("executorch_prim::mod.int", SYM_MOD),
    BINARY("executorch_prim::truediv.Scalar", SYM_TRUEDIV),
    UNARY("executorch_prim::neg.Scalar", SYM_NEG),
    UNARY("executorch_prim::sym_float.Scalar", SYM_FLOAT),
    UNARY("executorch_prim::ceil.Scalar", SYM_CEIL),
    UNARY("executorch_prim::round.Scalar", SYM_ROUND),
    UNARY("executorch_prim::trunc.Scalar", SYM_TRUNC),
    {"aten::sym_numel", count_params, sizeof(size_args), shape_count, nothing},
    {"sym_size.int", size_params, sizeof(size_args), shape_size, nothing},
    {"aten::sym_size.int", size_params, sizeof(size_args), shape_size, nothing},
    {"et_vk.select_as_symint.default", select_params, sizeof(select_args), shape_select, nothing},
    {"aten::_local_scalar_dense", item_params, sizeof(select_args), shape_select, nothing,
     .defaults = &item},
};

const vkd_op_table vkd_symbol_ops = VKD_OP_TABLE(rows);
