/* Operators on SymInts: host arithmetic while shapes are computed, no device work. */
#include "ops/tables.h"
#include "runtime/base/element.h"

/* ----------------------------------------------------------------------------------- arithmetic */

typedef enum symbol_code {
    SYM_ADD,
    SYM_SUB,
    SYM_MUL,
    SYM_FLOORDIV,
    SYM_MOD,
    SYM_MAX,
    SYM_MIN,
    SYM_LT,
    SYM_GT,
    SYM_GE,
    SYM_LE,
    SYM_EQ,
    SYM_NE
} symbol_code;

typedef struct binary_args {
    vkd_sym a, b;
    uint32_t y;
} binary_args;

static const vkd_param binary_params[] = {VKD_SYM(binary_args, a), VKD_SYM(binary_args, b),
                                          VKD_OUTPUT_SYM(binary_args, y, out), VKD_PARAMS_END};

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

static vkd_status compute(vkd_shaping *shaping, const vkd_sym *divisor, symbol_code code, int64_t a,
                          int64_t b, int64_t *out)
{
    if ((code == SYM_FLOORDIV || code == SYM_MOD) && (b == 0 || b == -1))
        return b ? (*out = code == SYM_MOD ? 0 : -a, VKD_OK)
                 : vkd_shape_fail_at(shaping, VKD_INVALID_ARGUMENT, divisor,
                                     "is 0, expected what divides %lld", (long long)a);
    const bool truths[] = {[SYM_LT] = a<b, [SYM_GT] = a> b,
                           [SYM_GE] = a >= b,
                           [SYM_LE] = a <= b,
                           [SYM_EQ] = a == b,
                           [SYM_NE] = a != b};
    switch (code) {
    case SYM_ADD:
        *out = a + b;
        break;
    case SYM_SUB:
        *out = a - b;
        break;
    case SYM_MUL:
        *out = a * b;
        break;
    case SYM_FLOORDIV:
        *out = floor_divide(a, b);
        break;
    case SYM_MOD:
        *out = a - floor_divide(a, b) * b;
        break;
    case SYM_MAX:
        *out = a > b ? a : b;
        break;
    case SYM_MIN:
        *out = a < b ? a : b;
        break;
    default:
        *out = truths[code];
        break;
    }
    return VKD_OK;
}

/* Sizes and positions are ints of 32 bits: their sums and products fit 64. */
static bool fits(int64_t number) { return number >= INT32_MIN && number <= INT32_MAX; }

static vkd_status shape_binary(vkd_shaping *shaping, const void *arguments)
{
    const binary_args *args = arguments;
    int64_t a = vkd_shape_number(shaping, args->a), b = vkd_shape_number(shaping, args->b), y = 0;
    if (fits(a) && fits(b))
        VKD_TRY(compute(shaping, &args->b, (symbol_code)shaping->call->row->code, a, b, &y));
    if (!fits(a) || !fits(b) || !fits(y))
        return vkd_shape_fail_at(
            shaping, VKD_INVALID_ARGUMENT, &args->a,
            "is %lld and the other operand %lld, expected ints of 32 bits, the result too",
            (long long)a, (long long)b);
    vkd_shape_set_number(shaping, args->y, y);
    return VKD_OK;
}

typedef struct negate_args {
    vkd_sym a;
    uint32_t y;
} negate_args;

static const vkd_param negate_params[] = {VKD_SYM(negate_args, a),
                                          VKD_OUTPUT_SYM(negate_args, y, out), VKD_PARAMS_END};

static vkd_status shape_negate(vkd_shaping *shaping, const void *arguments)
{
    const negate_args *args = arguments;
    const int64_t a = vkd_shape_number(shaping, args->a);
    if (!fits(a) || !fits(-a))
        return vkd_shape_fail_at(shaping, VKD_INVALID_ARGUMENT, &args->a,
                                 "is %lld, expected what has a negative of 32 bits", (long long)a);
    vkd_shape_set_number(shaping, args->y, -a);
    return VKD_OK;
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

#define BINARY(name_, code_)                                                                       \
    {                                                                                              \
        name_, binary_params, sizeof(binary_args), shape_binary, nothing, .code = code_            \
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
    {"executorch_prim::neg.Scalar", negate_params, sizeof(negate_args), shape_negate, nothing},
    {"aten::sym_numel", count_params, sizeof(size_args), shape_count, nothing},
    {"sym_size.int", size_params, sizeof(size_args), shape_size, nothing},
    {"aten::sym_size.int", size_params, sizeof(size_args), shape_size, nothing},
    {"et_vk.select_as_symint.default", select_params, sizeof(select_args), shape_select, nothing},
    {"aten::_local_scalar_dense", item_params, sizeof(select_args), shape_select, nothing,
     .defaults = &item},
};

const vkd_op_table vkd_symbol_ops = VKD_OP_TABLE(rows);
