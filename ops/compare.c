/* Comparisons, and what is done with truths and bits, element by element. */
#include "graph/operators.h"
#include "ops/elementwise.h"
#include "ops/tables.h"

#include <math.h>

static const vkd_param tensor_params[] = {VKD_TENSOR(compare_args, a, self),
                                          VKD_TENSOR(compare_args, b, other),
                                          VKD_OUTPUT(compare_args, y, out), VKD_PARAMS_END};
static const vkd_param scalar_params[] = {VKD_TENSOR(compare_args, a, self),
                                          VKD_NUMBER(compare_args, number, other),
                                          VKD_OUTPUT(compare_args, y, out), VKD_PARAMS_END};

static vkd_status shape_tensors(vkd_shaping *shaping, const void *arguments)
{
    const compare_args *args = arguments;
    vkd_shape y;
    VKD_TRY(vkd_shape_broadcast(shaping, (const uint32_t[]){args->a, args->b}, 2, &y));
    return vkd_shape_set(shaping, args->y, y.rank, y.dims);
}

static vkd_status shape_scalar(vkd_shaping *shaping, const void *arguments)
{
    const compare_args *args = arguments;
    return vkd_shape_set_as(shaping, args->y, args->a);
}

static vkd_status lower_tensors(vkd_lowering *lowering, const void *arguments)
{
    const compare_args *args = arguments;
    vkd_view a, b;
    vkd_tensor_id y;
    VKD_TRY(vkd_op_view(lowering, args->a, &a));
    VKD_TRY(vkd_op_view(lowering, args->b, &b));
    VKD_TRY(vkd_op_output_as(lowering, args->y, (const uint32_t[]){args->a, args->b}, 2, &y));
    return vkd_op_binary(lowering, lowering->call->row->code, NULL, &a, &b, y);
}

/* ------------------------------------------------------------------------- ints against numbers */

/* What an int of 32 bits is to be compared with so that the answer is the one that the real number
 * `real` gives: against what is between two ints, the one below or above it; against what no int
 * reaches, with all of them on one side. */
static vkd_number between_ints(int *function, double real)
{
    bool fits = real >= INT32_MIN && real <= INT32_MAX, whole = fits && real == floor(real);
    /* x > 2.5 is x > 2; x < 2.5 is x < 3 */
    int below = *function == BINARY_GT || *function == BINARY_LE;
    if (whole || (fits && *function != BINARY_EQ && *function != BINARY_NE))
        return (vkd_number){.kind = VKD_NUMBER_INT,
                            .number = (int64_t)(below ? floor(real) : ceil(real))};
    bool always = *function == BINARY_NE;
    if (*function != BINARY_EQ && !isnan(real))
        always |= (real > 0) == (*function == BINARY_LT || *function == BINARY_LE);
    *function = always ? BINARY_LE : BINARY_GT;
    return (vkd_number){.kind = VKD_NUMBER_INT, .number = INT32_MAX};
}

/* An int of 64 bits is exact as it is. */
static double real_of(const vkd_number *number)
{
    if (number->kind != VKD_NUMBER_INT ||
        (number->number >= INT32_MIN && number->number <= INT32_MAX))
        return number->real;
    return number->number < 0 ? -INFINITY : INFINITY;
}

/* By how many places, where an int of 64 bits says it. */
static void limit_shift(int function, vkd_number *number)
{
    if ((function != BINARY_SHIFT_LEFT && function != BINARY_SHIFT_RIGHT) ||
        number->kind != VKD_NUMBER_INT)
        return;
    number->number = number->number < 0 || number->number > 32 ? 32 : number->number;
    number->real = (double)number->number;
}

static vkd_status lower_scalar(vkd_lowering *lowering, const void *arguments)
{
    const compare_args *args = arguments;
    vkd_dtype dtype = vkd_value_tensor(lowering, args->a)->dtype;
    vkd_number number = args->number;
    int function = lowering->call->row->code;
    bool compares = function >= BINARY_EQ && function <= BINARY_GE && number.kind != VKD_NUMBER_SYM;
    vkd_view a, b;
    vkd_tensor_id y;
    if (compares && !vkd_is_float(dtype))
        number = between_ints(&function, real_of(&number));
    limit_shift(function, &number);
    VKD_TRY(vkd_op_view(lowering, args->a, &a));
    VKD_TRY(vkd_op_scalar(lowering, vkd_is_float(dtype) ? dtype : VKD_DTYPE_INT32, &number, &b));
    VKD_TRY(vkd_op_output_as(lowering, args->y, &args->a, 1, &y));
    return vkd_op_binary(lowering, function, NULL, &a, &b, y);
}

/* ----------------------------------------------------------------------------------------- rows */

/* clang-format off */
#define TENSORS(name_, function_) \
    {name_, tensor_params, sizeof(compare_args), shape_tensors, lower_tensors, .code = function_}
#define SCALAR(name_, function_) \
    {name_, scalar_params, sizeof(compare_args), shape_scalar, lower_scalar, .code = function_}
#define EQUAL(name_) \
    {name_, scalar_params, sizeof(compare_args), shape_scalar, lower_scalar, \
     .code = BINARY_EQ, .kind = VKD_OP_EQUAL}
/* clang-format on */

static const vkd_op rows[] = {
    TENSORS("aten.eq.Tensor", BINARY_EQ),
    TENSORS("aten.lt.Tensor", BINARY_LT),
    TENSORS("aten.le.Tensor", BINARY_LE),
    TENSORS("aten.gt.Tensor", BINARY_GT),
    TENSORS("aten.ge.Tensor", BINARY_GE),
    EQUAL("aten.eq.Scalar"),
    SCALAR("aten.ne.Scalar", BINARY_NE),
    SCALAR("aten.lt.Scalar", BINARY_LT),
    SCALAR("aten.le.Scalar", BINARY_LE),
    SCALAR("aten.gt.Scalar", BINARY_GT),
    SCALAR("aten.ge.Scalar", BINARY_GE),
    TENSORS("aten.logical_and.default", BINARY_LOGICAL_AND),
    TENSORS("aten.logical_or.default", BINARY_LOGICAL_OR),
    TENSORS("aten.bitwise_and.Tensor", BINARY_BITWISE_AND),
    TENSORS("aten.bitwise_or.Tensor", BINARY_BITWISE_OR),
    /* between delegates */
    TENSORS("aten::eq.Tensor_out", BINARY_EQ),
    TENSORS("aten::ne.Tensor_out", BINARY_NE),
    TENSORS("aten::lt.Tensor_out", BINARY_LT),
    TENSORS("aten::le.Tensor_out", BINARY_LE),
    TENSORS("aten::gt.Tensor_out", BINARY_GT),
    TENSORS("aten::ge.Tensor_out", BINARY_GE),
    EQUAL("aten::eq.Scalar_out"),
    SCALAR("aten::ne.Scalar_out", BINARY_NE),
    SCALAR("aten::lt.Scalar_out", BINARY_LT),
    SCALAR("aten::le.Scalar_out", BINARY_LE),
    SCALAR("aten::gt.Scalar_out", BINARY_GT),
    SCALAR("aten::ge.Scalar_out", BINARY_GE),
    TENSORS("aten::logical_and.out", BINARY_LOGICAL_AND),
    TENSORS("aten::logical_or.out", BINARY_LOGICAL_OR),
    TENSORS("aten::logical_xor.out", BINARY_LOGICAL_XOR),
    TENSORS("aten::bitwise_and.Tensor_out", BINARY_BITWISE_AND),
    TENSORS("aten::bitwise_or.Tensor_out", BINARY_BITWISE_OR),
    TENSORS("aten::bitwise_xor.Tensor_out", BINARY_BITWISE_XOR),
    SCALAR("aten::bitwise_and.Scalar_out", BINARY_BITWISE_AND),
    SCALAR("aten::bitwise_or.Scalar_out", BINARY_BITWISE_OR),
    SCALAR("aten::bitwise_xor.Scalar_out", BINARY_BITWISE_XOR),
    TENSORS("aten::bitwise_left_shift.Tensor_out", BINARY_SHIFT_LEFT),
    TENSORS("aten::bitwise_right_shift.Tensor_out", BINARY_SHIFT_RIGHT),
    SCALAR("aten::bitwise_left_shift.Tensor_Scalar_out", BINARY_SHIFT_LEFT),
    SCALAR("aten::bitwise_right_shift.Tensor_Scalar_out", BINARY_SHIFT_RIGHT),
};

const vkd_op_table vkd_compare_ops = VKD_OP_TABLE(rows);
