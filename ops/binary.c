/* Arithmetic of two operands that broadcast, element by element: one kernel. */
#include "graph/chain.h"
#include "ops/elementwise.h"
#include "ops/tables.h"

#include <string.h>

typedef struct binary_args {
    uint32_t a, b, y;
    vkd_number number, alpha; /* number: in place of b, or of a */
    const char *mode;         /* rounding of quotients */
} binary_args;
static const binary_args no_tensors = {.a = VKD_NO_VALUE, .b = VKD_NO_VALUE};

static const vkd_param tensor_params[] = {VKD_TENSOR(binary_args, a, self),
                                          VKD_TENSOR(binary_args, b, other),
                                          VKD_OUTPUT(binary_args, y, out), VKD_PARAMS_END};
static const vkd_param tensor_alpha_params[] = {
    VKD_TENSOR(binary_args, a, self), VKD_TENSOR(binary_args, b, other),
    VKD_NUMBER(binary_args, alpha), VKD_OUTPUT(binary_args, y, out), VKD_PARAMS_END};
static const vkd_param tensor_mode_params[] = {
    VKD_TENSOR(binary_args, a, self), VKD_TENSOR(binary_args, b, other),
    VKD_OPTIONAL_STRING(binary_args, mode, rounding_mode), VKD_OUTPUT(binary_args, y, out),
    VKD_PARAMS_END};
static const vkd_param scalar_params[] = {VKD_TENSOR(binary_args, a, self),
                                          VKD_NUMBER(binary_args, number, other),
                                          VKD_OUTPUT(binary_args, y, out), VKD_PARAMS_END};
static const vkd_param scalar_alpha_params[] = {
    VKD_TENSOR(binary_args, a, self), VKD_NUMBER(binary_args, number, other),
    VKD_NUMBER(binary_args, alpha), VKD_OUTPUT(binary_args, y, out), VKD_PARAMS_END};
static const vkd_param scalar_mode_params[] = {
    VKD_TENSOR(binary_args, a, self), VKD_NUMBER(binary_args, number, other),
    VKD_OPTIONAL_STRING(binary_args, mode, rounding_mode), VKD_OUTPUT(binary_args, y, out),
    VKD_PARAMS_END};
static const vkd_param base_params[] = {VKD_NUMBER(binary_args, number, self),
                                        VKD_TENSOR(binary_args, b, exponent),
                                        VKD_OUTPUT(binary_args, y, out), VKD_PARAMS_END};

/* ---------------------------------------------------------------------------------------- shape */

static vkd_status check_mode(vkd_shaping *shaping, const binary_args *args)
{
    const char *mode = args->mode;
    if (!mode || !strcmp(mode, "floor") || !strcmp(mode, "trunc"))
        return VKD_OK;
    return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->mode,
                             "is '%s', expected 'floor', 'trunc' or null", mode);
}

static vkd_status shape_binary(vkd_shaping *shaping, const void *arguments)
{
    const binary_args *args = arguments;
    uint32_t operands[2];
    size_t count = 0;
    vkd_shape y;
    if (args->a != VKD_NO_VALUE)
        operands[count++] = args->a;
    if (args->b != VKD_NO_VALUE)
        operands[count++] = args->b;
    VKD_TRY(check_mode(shaping, args));
    VKD_TRY(vkd_shape_broadcast(shaping, operands, count, &y));
    return vkd_shape_set(shaping, args->y, y.rank, y.dims);
}

/* ---------------------------------------------------------------------------------------- lower */

/* A number meets an int tensor as an int where the result is one, else everything as the real
 * number that it is. */
static vkd_status view_number(vkd_lowering *lowering, const binary_args *args, vkd_view *out)
{
    uint32_t tensor = args->a == VKD_NO_VALUE ? args->b : args->a;
    bool real = vkd_is_float(vkd_value_tensor(lowering, tensor)->dtype) ||
                vkd_is_float(vkd_value_tensor(lowering, args->y)->dtype) ||
                args->number.kind == VKD_NUMBER_DOUBLE;
    return vkd_op_scalar(lowering, real ? VKD_DTYPE_FLOAT32 : VKD_DTYPE_INT32, &args->number, out);
}

static vkd_status view_operand(vkd_lowering *lowering, const binary_args *args, uint32_t value,
                               vkd_view *out)
{
    return value == VKD_NO_VALUE ? view_number(lowering, args, out)
                                 : vkd_op_view(lowering, value, out);
}

static vkd_status emit(vkd_lowering *lowering, const binary_args *args, int function)
{
    const vkd_number alpha = vkd_op_plain(lowering, args->alpha);
    uint32_t operands[2];
    size_t count = 0;
    vkd_view a, b;
    vkd_tensor_id y;
    if (args->a != VKD_NO_VALUE)
        operands[count++] = args->a;
    if (args->b != VKD_NO_VALUE)
        operands[count++] = args->b;
    VKD_TRY(view_operand(lowering, args, args->a, &a));
    VKD_TRY(view_operand(lowering, args, args->b, &b));
    VKD_TRY(vkd_op_output_as(lowering, args->y, operands, count, &y));
    return vkd_op_binary(lowering, function, &alpha, &a, &b, y);
}

static vkd_status lower_binary(vkd_lowering *lowering, const void *arguments)
{
    return emit(lowering, arguments, lowering->call->row->code);
}

static bool chain_binary(const vkd_net *net, const vkd_call *call, chain_args *out)
{
    const binary_args *args = call->args;
    return vkd_chain_binary(net, (uint32_t)call->row->code, args->a, args->b, &args->number,
                            &args->alpha, args->y, out);
}

static vkd_status lower_div_mode(vkd_lowering *lowering, const void *arguments)
{
    const binary_args *args = arguments;
    int function = !args->mode                    ? BINARY_DIV
                   : !strcmp(args->mode, "floor") ? BINARY_DIV_FLOOR
                                                  : BINARY_DIV_TRUNC;
    return emit(lowering, args, function);
}

/* other - alpha self */
static vkd_status lower_rsub(vkd_lowering *lowering, const void *arguments)
{
    binary_args turned = *(const binary_args *)arguments;
    turned.b = turned.a;
    turned.a = VKD_NO_VALUE;
    return emit(lowering, &turned, BINARY_SUB);
}

/* ---------------------------------------------------------------------- bounds that are tensors */

typedef struct bounds_args {
    uint32_t x, low, high, y; /* low, high: VKD_NO_VALUE for none */
} bounds_args;

static const vkd_param bounds_params[] = {
    VKD_TENSOR(bounds_args, x, self), VKD_OPTIONAL_TENSOR(bounds_args, low, min),
    VKD_OPTIONAL_TENSOR(bounds_args, high, max), VKD_OUTPUT(bounds_args, y, out), VKD_PARAMS_END};

static size_t list_operands(const bounds_args *args, uint32_t out[3])
{
    const uint32_t all[] = {args->x, args->low, args->high};
    size_t count = 0;
    for (size_t i = 0; i < 3; i++)
        if (all[i] != VKD_NO_VALUE)
            out[count++] = all[i];
    return count;
}

static vkd_status shape_bounds(vkd_shaping *shaping, const void *arguments)
{
    const bounds_args *args = arguments;
    uint32_t operands[3];
    vkd_shape y;
    if (args->low == VKD_NO_VALUE && args->high == VKD_NO_VALUE)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->low,
                                 "is null and max too, expected one of them");
    VKD_TRY(vkd_shape_broadcast(shaping, operands, list_operands(args, operands), &y));
    return vkd_shape_set(shaping, args->y, y.rank, y.dims);
}

vkd_status vkd_op_between(vkd_lowering *lowering, const vkd_view *x, const vkd_view *low,
                          const vkd_view *high, vkd_tensor_id y)
{
    const vkd_tensor t = lowering->graph->tensors[y];
    vkd_view from = *x;
    vkd_tensor_id between = y;
    if (low && high)
        VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, t.dtype, t.layout, t.rank,
                                     t.dims, &between));
    if (low) {
        VKD_TRY(vkd_op_binary(lowering, BINARY_MAX, NULL, &from, low, between));
        from = vkd_view_of(lowering->graph, between);
    }
    return high ? vkd_op_binary(lowering, BINARY_MIN, NULL, &from, high, y) : VKD_OK;
}

static vkd_status view_bound(vkd_lowering *lowering, uint32_t value, vkd_view *view,
                             const vkd_view **out)
{
    *out = value == VKD_NO_VALUE ? NULL : view;
    return *out ? vkd_op_view(lowering, value, view) : VKD_OK;
}

static vkd_status lower_bounds(vkd_lowering *lowering, const void *arguments)
{
    const bounds_args *args = arguments;
    uint32_t operands[3];
    size_t count = list_operands(args, operands);
    vkd_view x, views[2];
    const vkd_view *low, *high;
    vkd_tensor_id y;
    VKD_TRY(vkd_op_view(lowering, args->x, &x));
    VKD_TRY(view_bound(lowering, args->low, &views[0], &low));
    VKD_TRY(view_bound(lowering, args->high, &views[1], &high));
    VKD_TRY(vkd_op_output_as(lowering, args->y, operands, count, &y));
    return vkd_op_between(lowering, &x, low, high, y);
}

/* ------------------------------------------------------------------------------------------ glu */

typedef struct glu_args {
    uint32_t x, y;
    int32_t dim;
} glu_args;

static const vkd_param glu_params[] = {VKD_TENSOR(glu_args, x, self), VKD_INT(glu_args, dim),
                                       VKD_OUTPUT(glu_args, y, out), VKD_PARAMS_END};

static vkd_status shape_glu(vkd_shaping *shaping, const void *arguments)
{
    const glu_args *args = arguments;
    vkd_model_tensor y = *vkd_shape_of(shaping, args->x);
    uint32_t dim = 0;
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, y.rank, &dim));
    char is[VKD_DIMS_TEXT];
    if (y.rank == 0 || y.dims[dim] % 2 != 0)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->dim,
                                 "is %d of %s, expected a dim that can be halved", args->dim,
                                 vkd_dims_format(y.rank, y.dims, is));
    y.dims[dim] /= 2;
    return vkd_shape_set(shaping, args->y, y.rank, y.dims);
}

/* The first half along a dim times the sigmoid of the second. */
static vkd_status lower_glu(vkd_lowering *lowering, const void *arguments)
{
    const glu_args *args = arguments;
    uint32_t rank = vkd_value_tensor(lowering, args->x)->rank;
    uint32_t dim = (uint32_t)(args->dim < 0 ? args->dim + (int32_t)rank : args->dim);
    vkd_view a, b;
    vkd_tensor_id y;
    VKD_TRY(vkd_op_view(lowering, args->x, &a));
    VKD_TRY(vkd_op_output_as(lowering, args->y, &args->x, 1, &y));
    a.dims[dim] /= 2;
    b = a;
    b.offset += (int32_t)a.dims[dim] * a.strides[dim];
    return vkd_op_binary(lowering, BINARY_GLU, NULL, &a, &b, y);
}

/* ----------------------------------------------------------------------------------------- rows */

/* clang-format off */
#define ROW(name_, params_, lower_, chain_, function_) \
    {name_, params_, sizeof(binary_args), shape_binary, lower_, chain_, .code = function_, \
     .defaults = &no_tensors}
#define TENSOR(name_, function_) ROW(name_, tensor_params, lower_binary, chain_binary, function_)
#define TENSOR_ALPHA(name_, function_) \
    ROW(name_, tensor_alpha_params, lower_binary, chain_binary, function_)
#define SCALAR(name_, function_) ROW(name_, scalar_params, lower_binary, chain_binary, function_)
#define SCALAR_ALPHA(name_, function_) \
    ROW(name_, scalar_alpha_params, lower_binary, chain_binary, function_)
/* clang-format on */

static const vkd_op rows[] = {
    TENSOR_ALPHA("aten.add.Tensor", BINARY_ADD),
    TENSOR_ALPHA("aten.sub.Tensor", BINARY_SUB),
    TENSOR("aten.mul.Tensor", BINARY_MUL),
    TENSOR("aten.div.Tensor", BINARY_DIV),
    ROW("aten.div.Tensor_mode", tensor_mode_params, lower_div_mode, NULL, 0),
    TENSOR("aten.minimum.default", BINARY_MIN),
    TENSOR("aten.pow.Tensor_Tensor", BINARY_POW),
    /* between delegates */
    TENSOR_ALPHA("aten::add.out", BINARY_ADD),
    SCALAR_ALPHA("aten::add.Scalar_out", BINARY_ADD),
    TENSOR_ALPHA("aten::sub.out", BINARY_SUB),
    SCALAR_ALPHA("aten::sub.Scalar_out", BINARY_SUB),
    ROW("aten::rsub.Scalar_out", scalar_alpha_params, lower_rsub, NULL, 0),
    TENSOR("aten::mul.out", BINARY_MUL),
    SCALAR("aten::mul.Scalar_out", BINARY_MUL),
    TENSOR("aten::div.out", BINARY_DIV),
    SCALAR("aten::div.Scalar_out", BINARY_DIV),
    ROW("aten::div.out_mode", tensor_mode_params, lower_div_mode, NULL, 0),
    ROW("aten::div.Scalar_mode_out", scalar_mode_params, lower_div_mode, NULL, 0),
    TENSOR("aten::floor_divide.out", BINARY_DIV_FLOOR),
    TENSOR("aten::fmod.Tensor_out", BINARY_FMOD),
    SCALAR("aten::fmod.Scalar_out", BINARY_FMOD),
    TENSOR("aten::remainder.Tensor_out", BINARY_REMAINDER),
    SCALAR("aten::remainder.Scalar_out", BINARY_REMAINDER),
    TENSOR("aten::pow.Tensor_Tensor_out", BINARY_POW),
    ROW("aten::pow.Scalar_out", base_params, lower_binary, NULL, BINARY_POW),
    TENSOR("aten::minimum.out", BINARY_MIN),
    TENSOR("aten::maximum.out", BINARY_MAX),
    TENSOR("aten::atan2.out", BINARY_ATAN2),
    {"aten::clamp.Tensor_out", bounds_params, sizeof(bounds_args), shape_bounds, lower_bounds},
    {"aten::glu.out", glu_params, sizeof(glu_args), shape_glu, lower_glu},
};

const vkd_op_table vkd_binary_ops = VKD_OP_TABLE(rows);
