/* Functions of one tensor, element by element: one kernel. Operators with bounds are in clamp.c. */
#include "graph/chain.h"
#include "ops/elementwise.h"
#include "ops/tables.h"

#include <math.h>
#include <string.h>

typedef struct unary_args {
    uint32_t x, y;
    vkd_number numbers[3];
    const char *approximate;
} unary_args;

static const vkd_param plain_params[] = {VKD_TENSOR(unary_args, x, self),
                                         VKD_OUTPUT(unary_args, y, out), VKD_PARAMS_END};

static vkd_status lower_plain(vkd_lowering *lowering, const void *arguments)
{
    const unary_args *args = arguments;
    return vkd_op_unary(lowering, &(vkd_unary){.function = lowering->call->row->code}, args->x,
                        args->y);
}

static bool chain_plain(const vkd_net *net, const vkd_call *call, chain_args *out)
{
    const unary_args *args = call->args;
    return vkd_chain_unary(net, args->x, args->y,
                           &(chain_step){.function = (uint32_t)call->row->code}, out);
}

/* --------------------------------------------------------------------------------- with numbers */

#define ONE(name_)                                                                                 \
    VKD_TENSOR(unary_args, x, self), VKD_OPTIONAL_NUMBER(unary_args, numbers[0], name_),           \
        VKD_OUTPUT(unary_args, y, out), VKD_PARAMS_END
static const vkd_param slope_params[] = {ONE(negative_slope)};
static const vkd_param lambd_params[] = {ONE(lambd)};
static const vkd_param eps_params[] = {ONE(eps)};
static const vkd_param three_params[] = {VKD_TENSOR(unary_args, x, self),
                                         VKD_NUMBER(unary_args, numbers[0], alpha),
                                         VKD_NUMBER(unary_args, numbers[1], scale),
                                         VKD_NUMBER(unary_args, numbers[2], input_scale),
                                         VKD_OUTPUT(unary_args, y, out),
                                         VKD_PARAMS_END};

static float number_or(vkd_lowering *lowering, vkd_number number, float otherwise)
{
    return number.kind == VKD_NUMBER_NULL ? otherwise : (float)vkd_op_plain(lowering, number).real;
}

static vkd_status lower_leaky_relu(vkd_lowering *lowering, const void *arguments)
{
    const unary_args *args = arguments;
    const vkd_unary f = {.function = UNARY_LEAKY_RELU,
                         .low = number_or(lowering, args->numbers[0], 0.01f)};
    return vkd_op_unary(lowering, &f, args->x, args->y);
}

static bool chain_leaky_relu(const vkd_net *net, const vkd_call *call, chain_args *out)
{
    const unary_args *args = call->args;
    const vkd_number *slope = &args->numbers[0];
    const chain_step step = {
        .function = UNARY_LEAKY_RELU,
        .numbers = {slope->kind == VKD_NUMBER_NULL ? 0.01f : (float)slope->real}};
    return slope->kind != VKD_NUMBER_SYM && vkd_chain_unary(net, args->x, args->y, &step, out);
}

static vkd_status lower_hardshrink(vkd_lowering *lowering, const void *arguments)
{
    const unary_args *args = arguments;
    float bound = number_or(lowering, args->numbers[0], 0.5f);
    return vkd_op_unary(lowering,
                        &(vkd_unary){.function = UNARY_HARDSHRINK, .low = -bound, .high = bound},
                        args->x, args->y);
}

static vkd_status lower_logit(vkd_lowering *lowering, const void *arguments)
{
    const unary_args *args = arguments;
    float eps = number_or(lowering, args->numbers[0], NAN);
    return vkd_op_unary(lowering,
                        &(vkd_unary){.function = UNARY_LOGIT, .low = eps, .high = 1 - eps}, args->x,
                        args->y);
}

/* alpha, scale, input_scale */
static vkd_status lower_elu(vkd_lowering *lowering, const void *arguments)
{
    const unary_args *args = arguments;
    float alpha = number_or(lowering, args->numbers[0], 1),
          scale = number_or(lowering, args->numbers[1], 1);
    const vkd_unary f = {.function = UNARY_ELU,
                         .low = alpha * scale,
                         .high = scale,
                         .third = number_or(lowering, args->numbers[2], 1)};
    return vkd_op_unary(lowering, &f, args->x, args->y);
}

/* ----------------------------------------------------------------------------------------- gelu */

static const vkd_param gelu_params[] = {VKD_TENSOR(unary_args, x, self),
                                        VKD_OPTIONAL_STRING(unary_args, approximate),
                                        VKD_OUTPUT(unary_args, y, out), VKD_PARAMS_END};

static vkd_status shape_gelu(vkd_shaping *shaping, const void *arguments)
{
    const unary_args *args = arguments;
    const char *form = args->approximate;
    if (form && strcmp(form, "none") && strcmp(form, "tanh"))
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->approximate,
                                 "is '%s', expected 'none' or 'tanh'", form);
    return vkd_shape_set_as(shaping, args->y, args->x);
}

static int gelu_function(const unary_args *args)
{
    return args->approximate && !strcmp(args->approximate, "tanh") ? UNARY_GELU_TANH : UNARY_GELU;
}

static bool chain_gelu(const vkd_net *net, const vkd_call *call, chain_args *out)
{
    const unary_args *args = call->args;
    return vkd_chain_unary(net, args->x, args->y,
                           &(chain_step){.function = (uint32_t)gelu_function(args)}, out);
}

static vkd_status lower_gelu(vkd_lowering *lowering, const void *arguments)
{
    const unary_args *args = arguments;
    return vkd_op_unary(lowering, &(vkd_unary){.function = gelu_function(args)}, args->x, args->y);
}

/* ------------------------------------------------------------------------------------------ pow */

/* The exponents that nets have most, as products and roots. */
static const struct {
    double exponent;
    int function;
} powers[] = {
    {1, UNARY_COPY},
    {2, UNARY_SQUARE},
    {3, UNARY_CUBE},
    {0.5, UNARY_SQRT},
    {-0.5, UNARY_RSQRT},
    {-1, UNARY_RECIPROCAL},
    {-2, UNARY_RECIPROCAL_SQUARE},
};

static vkd_status lower_general_pow(vkd_lowering *lowering, const unary_args *args,
                                    const vkd_number *exponent)
{
    bool real = exponent->kind == VKD_NUMBER_DOUBLE ||
                vkd_is_float(vkd_value_tensor(lowering, args->y)->dtype);
    vkd_tensor_id y;
    vkd_view x, power;
    VKD_TRY(vkd_op_view(lowering, args->x, &x));
    VKD_TRY(vkd_op_scalar(lowering, real ? VKD_DTYPE_FLOAT32 : VKD_DTYPE_INT32, exponent, &power));
    VKD_TRY(vkd_op_output_as(lowering, args->y, &args->x, 1, &y));
    return vkd_op_binary(lowering, BINARY_POW, NULL, &x, &power, y);
}

/* -1: none of these, or not known yet. */
static int power_function(const vkd_number *exponent, bool real)
{
    for (size_t i = 0; i < sizeof powers / sizeof *powers && exponent->kind != VKD_NUMBER_SYM; i++)
        if (exponent->real == powers[i].exponent && (real || powers[i].function < UNARY_FLOATS))
            return powers[i].function;
    return -1;
}

static vkd_status lower_pow(vkd_lowering *lowering, const void *arguments)
{
    const unary_args *args = arguments;
    const vkd_number exponent = args->numbers[0];
    bool real = vkd_is_float(vkd_value_tensor(lowering, args->y)->dtype);
    int function = power_function(&exponent, real);
    return function < 0
               ? lower_general_pow(lowering, args, &exponent)
               : vkd_op_unary(lowering, &(vkd_unary){.function = function}, args->x, args->y);
}

static bool chain_pow(const vkd_net *net, const vkd_call *call, chain_args *out)
{
    const unary_args *args = call->args;
    int function = power_function(&args->numbers[0], true);
    return function >= 0 && vkd_chain_unary(net, args->x, args->y,
                                            &(chain_step){.function = (uint32_t)function}, out);
}

static const vkd_param pow_params[] = {VKD_TENSOR(unary_args, x, self),
                                       VKD_NUMBER(unary_args, numbers[0], exponent),
                                       VKD_OUTPUT(unary_args, y, out), VKD_PARAMS_END};

/* ----------------------------------------------------------------------------------------- rows */

/* clang-format off */
#define ROW(name_, params_, lower_, chain_) \
    {name_, params_, sizeof(unary_args), vkd_shape_same, lower_, chain_}
#define PLAIN(name_, function_) \
    {name_, plain_params, sizeof(unary_args), vkd_shape_same, lower_plain, chain_plain, \
     .code = function_}
#define NOT(name_) \
    {name_, plain_params, sizeof(unary_args), vkd_shape_same, lower_plain, chain_plain, \
     .code = UNARY_LOGICAL_NOT, .kind = VKD_OP_NOT}
#define GELU(name_) {name_, gelu_params, sizeof(unary_args), shape_gelu, lower_gelu, chain_gelu}
/* clang-format on */

static const vkd_op rows[] = {
    PLAIN("aten.abs.default", UNARY_ABS),
    PLAIN("aten.neg.default", UNARY_NEG),
    PLAIN("aten.exp.default", UNARY_EXP),
    PLAIN("aten.sin.default", UNARY_SIN),
    PLAIN("aten.cos.default", UNARY_COS),
    PLAIN("aten.tan.default", UNARY_TAN),
    PLAIN("aten.sqrt.default", UNARY_SQRT),
    PLAIN("aten.rsqrt.default", UNARY_RSQRT),
    PLAIN("aten.log10.default", UNARY_LOG10),
    PLAIN("aten.tanh.default", UNARY_TANH),
    PLAIN("aten.sigmoid.default", UNARY_SIGMOID),
    PLAIN("aten.round.default", UNARY_ROUND),
    PLAIN("aten.hardswish.default", UNARY_HARDSWISH),
    PLAIN("aten.hardsigmoid.default", UNARY_HARDSIGMOID),
    PLAIN("aten.bitwise_not.default", UNARY_BITWISE_NOT),
    NOT("aten.logical_not.default"),
    ROW("aten.leaky_relu.default", slope_params, lower_leaky_relu, chain_leaky_relu),
    ROW("aten.hardshrink.default", lambd_params, lower_hardshrink, NULL),
    ROW("aten.pow.Tensor_Scalar", pow_params, lower_pow, chain_pow),
    GELU("aten.gelu.default"),
    /* between delegates */
    PLAIN("aten::abs.out", UNARY_ABS),
    PLAIN("aten::neg.out", UNARY_NEG),
    PLAIN("aten::sign.out", UNARY_SIGN),
    PLAIN("aten::exp.out", UNARY_EXP),
    PLAIN("aten::expm1.out", UNARY_EXPM1),
    PLAIN("aten::log.out", UNARY_LOG),
    PLAIN("aten::log2.out", UNARY_LOG2),
    PLAIN("aten::log10.out", UNARY_LOG10),
    PLAIN("aten::log1p.out", UNARY_LOG1P),
    PLAIN("aten::sin.out", UNARY_SIN),
    PLAIN("aten::cos.out", UNARY_COS),
    PLAIN("aten::tan.out", UNARY_TAN),
    PLAIN("aten::asin.out", UNARY_ASIN),
    PLAIN("aten::acos.out", UNARY_ACOS),
    PLAIN("aten::atan.out", UNARY_ATAN),
    PLAIN("aten::sinh.out", UNARY_SINH),
    PLAIN("aten::cosh.out", UNARY_COSH),
    PLAIN("aten::tanh.out", UNARY_TANH),
    PLAIN("aten::asinh.out", UNARY_ASINH),
    PLAIN("aten::acosh.out", UNARY_ACOSH),
    PLAIN("aten::atanh.out", UNARY_ATANH),
    PLAIN("aten::erf.out", UNARY_ERF),
    PLAIN("aten::sqrt.out", UNARY_SQRT),
    PLAIN("aten::rsqrt.out", UNARY_RSQRT),
    PLAIN("aten::reciprocal.out", UNARY_RECIPROCAL),
    PLAIN("aten::floor.out", UNARY_FLOOR),
    PLAIN("aten::ceil.out", UNARY_CEIL),
    PLAIN("aten::trunc.out", UNARY_TRUNC),
    PLAIN("aten::round.out", UNARY_ROUND),
    PLAIN("aten::isnan.out", UNARY_ISNAN),
    PLAIN("aten::isinf.out", UNARY_ISINF),
    PLAIN("aten::sigmoid.out", UNARY_SIGMOID),
    PLAIN("aten::bitwise_not.out", UNARY_BITWISE_NOT),
    NOT("aten::logical_not.out"),
    ROW("aten::leaky_relu.out", slope_params, lower_leaky_relu, chain_leaky_relu),
    ROW("aten::logit.out", eps_params, lower_logit, NULL),
    ROW("aten::elu.out", three_params, lower_elu, NULL),
    ROW("aten::pow.Tensor_Scalar_out", pow_params, lower_pow, chain_pow),
    GELU("aten::gelu.out"),
};

const vkd_op_table vkd_unary_ops = VKD_OP_TABLE(rows);
