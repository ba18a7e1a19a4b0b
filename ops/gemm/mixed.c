/* Products of floats and int8 matrices between delegates, whose rows have scales: the matrix
 * becomes floats first, as it may be computed. */
#include "ops/gemm/matmul.h"
#include "ops/quantize.h"
#include "ops/tables.h"

#include <string.h>

typedef struct mixed_args {
    uint32_t x, weight, scales, zeros, y;
} mixed_args;
static const mixed_args no_zeros = {.zeros = VKD_NO_VALUE};

#define OPERANDS                                                                                   \
    VKD_TENSOR(mixed_args, x, input), VKD_TENSOR(mixed_args, weight),                              \
        VKD_TENSOR(mixed_args, scales, weight_scales),                                             \
        VKD_OPTIONAL_TENSOR(mixed_args, zeros, weight_zero_points)
static const vkd_param mm_params[] = {OPERANDS, VKD_OUTPUT(mixed_args, y, out), VKD_PARAMS_END};
static const vkd_param linear_params[] = {OPERANDS, VKD_IGNORED("dtype"),
                                          VKD_OUTPUT(mixed_args, y, out), VKD_PARAMS_END};

/* Rows of y are those of x times the matrix [k, n], or times the transposed one, [n, k]. */
enum { PLAIN, TRANSPOSED };

/* Scales: one for each row of the matrix, or for each of some groups in it. */
static bool groups_fit(const vkd_model_tensor *weight, const vkd_model_tensor *scales,
                       bool transposed)
{
    if (!scales->rank || scales->rank > (transposed ? 2u : 1u) ||
        scales->dims[0] != weight->dims[0])
        return false;
    return scales->rank == 1 || (scales->dims[1] && weight->dims[1] % scales->dims[1] == 0);
}

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const mixed_args *args = arguments;
    const bool transposed = shaping->call->row->code == TRANSPOSED;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x),
                           *weight = vkd_shape_of(shaping, args->weight),
                           *scales = vkd_shape_of(shaping, args->scales),
                           *zeros = args->zeros == VKD_NO_VALUE
                                        ? scales
                                        : vkd_shape_of(shaping, args->zeros);
    char is[VKD_DIMS_TEXT], by[VKD_DIMS_TEXT];
    if (!x->rank || weight->rank != 2 || weight->dims[transposed] != x->dims[x->rank - 1])
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->weight,
                                 "is %s, expected what %s can be multiplied by",
                                 vkd_dims_format(weight->rank, weight->dims, by),
                                 vkd_dims_format(x->rank, x->dims, is));
    if (!groups_fit(weight, scales, transposed) || zeros->rank != scales->rank ||
        memcmp(zeros->dims, scales->dims, scales->rank * sizeof *scales->dims) != 0)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->scales,
                                 "is %s, expected what fits the rows of %s, and zero points alike",
                                 vkd_dims_format(scales->rank, scales->dims, by),
                                 vkd_dims_format(weight->rank, weight->dims, is));
    uint32_t dims[VKD_MAX_RANK];
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank - 1] = weight->dims[!transposed];
    return vkd_shape_set(shaping, args->y, x->rank, dims);
}

static vkd_status check_types(vkd_lowering *lowering, const mixed_args *args)
{
    const vkd_dtype dtype = vkd_value_tensor(lowering, args->weight)->dtype;
    VKD_TRY(vkd_op_check_floats(lowering, (const uint32_t[]){args->x, args->scales}, 2));
    return vkd_dtype_size(dtype) == 1 && dtype != VKD_DTYPE_BOOL
               ? VKD_OK
               : vkd_op_fail_at(lowering, VKD_UNSUPPORTED, &args->weight,
                                "has dtype %s, expected i8 or u8", vkd_dtype_name(dtype));
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const mixed_args *args = arguments;
    const bool transposed = lowering->call->row->code == TRANSPOSED;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x),
                           *weight = vkd_value_tensor(lowering, args->weight),
                           *scales = vkd_value_tensor(lowering, args->scales);
    const uint32_t m = (uint32_t)vkd_dims_count(x->rank - 1, x->dims), columns = weight->dims[1],
                   k = weight->dims[transposed], n = weight->dims[!transposed],
                   groups = scales->rank == 2 ? scales->dims[1] : 1;
    const vkd_affine_integers integers = {
        args->weight, args->scales, args->zeros,
        /* without columns there are no blocks, but one has a size */
        .block = {1, groups && columns > groups ? columns / groups : 1}};
    vkd_matmul product = {.weight = VKD_NO_VALUE, .alpha = 1, .c.tensor = VKD_NO_TENSOR};
    vkd_tensor_id rows, matrix;
    VKD_TRY(check_types(lowering, args));
    VKD_TRY(vkd_affine_reals(lowering, &integers, &matrix));
    VKD_TRY(vkd_op_rows(lowering, args->x, &rows));
    product.a =
        (vkd_view){.tensor = rows, .rank = 3, .dims = {1, m, k}, .strides = {0, (int32_t)k, 1}};
    product.b =
        (vkd_view){.tensor = matrix,
                   .rank = 3,
                   .dims = {1, k, n},
                   .strides = {0, transposed ? 1 : (int32_t)n, transposed ? (int32_t)k : 1}};
    return vkd_matmul_emit(lowering, &product, args->y);
}

static const vkd_op rows[] = {
    {"quantized_decomposed::mixed_mm.out", mm_params, sizeof(mixed_args), shape, lower,
     .code = PLAIN, .defaults = &no_zeros},
    {"quantized_decomposed::mixed_linear.out", linear_params, sizeof(mixed_args), shape, lower,
     .code = TRANSPOSED, .defaults = &no_zeros},
};

const vkd_op_table vkd_mixed_ops = VKD_OP_TABLE(rows);
