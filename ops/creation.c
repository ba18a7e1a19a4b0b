/* Tensors made of numbers alone. One value everywhere is a view of one element; a range is a
 * constant, where its numbers are known before the graph runs. */
#include "graph/operators.h"
#include "ops/elementwise.h"
#include "ops/tables.h"
#include "runtime/base/element.h"
#include "shaders/ramp_params.h"

#include <math.h>

/* ------------------------------------------------------------------------------------ one value */

static vkd_status shape_full(vkd_shaping *shaping, const void *arguments)
{
    const creation_args *args = arguments;
    uint32_t dims[VKD_MAX_RANK];
    for (uint32_t i = 0; i < args->size.count; i++) {
        int64_t size = vkd_shape_number(shaping, args->size.items[i]);
        if (size < 0 || size > INT32_MAX)
            return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->size,
                                     "has %lld at %u, expected 0 to 2^31-1", (long long)size, i);
        dims[i] = (uint32_t)size;
    }
    if (args->x != VKD_NO_VALUE)
        return vkd_shape_set_as(shaping, args->y, args->x);
    return vkd_shape_set(shaping, args->y, (uint32_t)args->size.count, dims);
}

/* The word of a number among the symbols; VKD_NO_VALUE for one that is known. */
static vkd_status find_word(vkd_lowering *lowering, const vkd_number *number,
                            vkd_tensor_id *symbols, uint32_t *out_word)
{
    *out_word = VKD_NO_VALUE;
    if (number->kind != VKD_NUMBER_SYM)
        return VKD_OK;
    return vkd_op_symbol(lowering, (vkd_sym){.value = number->value}, VKD_NO_TENSOR, symbols,
                         out_word);
}

/* y[i] = start + i step, one of them a symbol. */
static vkd_status add_ramp(vkd_lowering *lowering, const vkd_number *start, const vkd_number *step,
                           vkd_tensor_id y)
{
    const vkd_tensor tensor = lowering->graph->tensors[y];
    ramp_params params = {.groups = vkd_tensor_groups(&tensor),
                          .start = vkd_number_int(start),
                          .step = vkd_number_int(step),
                          .start_real = (float)start->real,
                          .step_real = (float)step->real};
    vkd_tensor_id symbols = VKD_NO_TENSOR;
    VKD_TRY(find_word(lowering, start, &symbols, &params.start_symbol));
    VKD_TRY(find_word(lowering, step, &symbols, &params.step_symbol));
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_RAMP, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.groups);
    vkd_node_read(&node, symbols);
    vkd_node_write(&node, y);
    vkd_node_spec(&node, tensor.dtype);
    vkd_node_spec(&node, vkd_is_float(tensor.dtype) || start->kind == VKD_NUMBER_DOUBLE ||
                             step->kind == VKD_NUMBER_DOUBLE);
    return vkd_op_add_node(lowering, &node, symbols, y);
}

static vkd_status view_value(vkd_lowering *lowering, vkd_dtype dtype, const vkd_number *number,
                             vkd_view *out)
{
    static const vkd_number zero = {.kind = VKD_NUMBER_INT};
    vkd_tensor_id one;
    if (number->kind != VKD_NUMBER_SYM)
        return vkd_op_scalar(lowering, dtype, number, out);
    VKD_TRY(
        vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, dtype, VKD_ROWS, 0, NULL, &one));
    VKD_TRY(add_ramp(lowering, number, &zero, one));
    *out = vkd_view_of(lowering->graph, one);
    return VKD_OK;
}

static vkd_status lower_full(vkd_lowering *lowering, const void *arguments)
{
    const creation_args *args = arguments;
    const vkd_model_tensor *y = vkd_value_tensor(lowering, args->y);
    vkd_view value;
    VKD_TRY(view_value(lowering, y->dtype, &args->start, &value));
    vkd_view_broadcast(&value, y->rank, y->dims);
    return vkd_op_output_view(lowering, args->y, &value);
}

/* --------------------------------------------------------------------------------------- ranges */

static double real_of(const vkd_shaping *shaping, const vkd_number *number)
{
    return number->kind == VKD_NUMBER_SYM ? (double)shaping->values[number->value].i : number->real;
}

static vkd_status shape_arange(vkd_shaping *shaping, const void *arguments)
{
    const creation_args *args = arguments;
    double start = real_of(shaping, &args->start), end = real_of(shaping, &args->end),
           step = real_of(shaping, &args->step);
    double length = ceil((end - start) / step);
    if (!(length >= 0 && length <= INT32_MAX))
        return vkd_shape_fail_at(
            shaping, VKD_INVALID_MODEL, &args->end,
            "makes a range from %g to %g in steps of %g, expected 0 to 2^31-1 numbers", start, end,
            step);
    return vkd_shape_set(shaping, args->y, 1, &(uint32_t){(uint32_t)length});
}

/* Compared byte by byte: without padding. */
typedef struct range_source {
    double start, step;
    int64_t start_int, step_int;
    uint64_t dtype, count;
} range_source;

static void pack_range(const void *source, void *dst, size_t size)
{
    const range_source *range = source;
    vkd_dtype dtype = (vkd_dtype)range->dtype;
    (void)size;
    for (uint64_t i = 0; i < range->count; i++)
        vkd_element_set(dtype, dst, i,
                        vkd_is_float(dtype) ? range->start + (double)i * range->step
                                            : (int32_t)(uint32_t)((uint64_t)range->start_int +
                                                                  i * (uint64_t)range->step_int));
}

static vkd_status lower_arange(vkd_lowering *lowering, const void *arguments)
{
    const creation_args *args = arguments;
    const vkd_model_tensor *y = vkd_value_tensor(lowering, args->y);
    vkd_tensor_id tensor;
    if (args->start.kind == VKD_NUMBER_SYM || args->step.kind == VKD_NUMBER_SYM) {
        VKD_TRY(vkd_op_output_in(lowering, args->y, y->dtype, VKD_ROWS, &tensor));
        return add_ramp(lowering, &args->start, &args->step, tensor);
    }
    const range_source source = {.start = args->start.real,
                                 .step = args->step.real,
                                 .start_int = vkd_number_int(&args->start),
                                 .step_int = vkd_number_int(&args->step),
                                 .dtype = (uint64_t)y->dtype,
                                 .count = vkd_dims_count(y->rank, y->dims)};
    VKD_TRY(vkd_op_constant_tensor(lowering, y->dtype, y->rank, y->dims, pack_range, &source,
                                   sizeof source, 0, &tensor));
    return vkd_op_output_is(lowering, args->y, tensor);
}

/* ----------------------------------------------------------------------------------------- rows */

#define FOUR_IGNORED                                                                               \
    VKD_IGNORED("dtype"), VKD_IGNORED("layout"), VKD_IGNORED("device"), VKD_IGNORED("pin_memory")

static const vkd_param full_params[] = {VKD_SIZES(creation_args, size),
                                        VKD_NUMBER(creation_args, start, fill_value), FOUR_IGNORED,
                                        VKD_OUTPUT(creation_args, y, out), VKD_PARAMS_END};
static const vkd_param size_params[] = {VKD_SIZES(creation_args, size), FOUR_IGNORED,
                                        VKD_OUTPUT(creation_args, y, out), VKD_PARAMS_END};
static const vkd_param full_like_params[] = {VKD_TENSOR(creation_args, x, self),
                                             VKD_NUMBER(creation_args, start, fill_value),
                                             FOUR_IGNORED,
                                             VKD_IGNORED("memory_format"),
                                             VKD_OUTPUT(creation_args, y, out),
                                             VKD_PARAMS_END};
static const vkd_param like_params[] = {VKD_TENSOR(creation_args, x, self), FOUR_IGNORED,
                                        VKD_IGNORED("memory_format"),
                                        VKD_OUTPUT(creation_args, y, out), VKD_PARAMS_END};
static const vkd_param scalar_params[] = {VKD_NUMBER(creation_args, start, s), FOUR_IGNORED,
                                          VKD_OUTPUT(creation_args, y, out), VKD_PARAMS_END};
static const vkd_param arange_params[] = {
    VKD_NUMBER(creation_args, start),  VKD_NUMBER(creation_args, end),
    VKD_NUMBER(creation_args, step),   FOUR_IGNORED,
    VKD_OUTPUT(creation_args, y, out), VKD_PARAMS_END};

static const vkd_param full_out_params[] = {VKD_SIZES(creation_args, size),
                                            VKD_NUMBER(creation_args, start, fill_value),
                                            VKD_OUTPUT(creation_args, y, out), VKD_PARAMS_END};
static const vkd_param size_out_params[] = {VKD_SIZES(creation_args, size),
                                            VKD_OUTPUT(creation_args, y, out), VKD_PARAMS_END};
static const vkd_param empty_out_params[] = {VKD_SIZES(creation_args, size),
                                             VKD_IGNORED("memory_format"),
                                             VKD_OUTPUT(creation_args, y, out), VKD_PARAMS_END};
static const vkd_param full_like_out_params[] = {
    VKD_TENSOR(creation_args, x, self), VKD_NUMBER(creation_args, start, fill_value),
    VKD_IGNORED("memory_format"), VKD_OUTPUT(creation_args, y, out), VKD_PARAMS_END};
static const vkd_param fill_out_params[] = {VKD_TENSOR(creation_args, x, self),
                                            VKD_NUMBER(creation_args, start, value),
                                            VKD_OUTPUT(creation_args, y, out), VKD_PARAMS_END};
static const vkd_param scalar_out_params[] = {VKD_NUMBER(creation_args, start, s),
                                              VKD_OUTPUT(creation_args, y, out), VKD_PARAMS_END};
static const vkd_param arange_out_params[] = {VKD_NUMBER(creation_args, end),
                                              VKD_OUTPUT(creation_args, y, out), VKD_PARAMS_END};
static const vkd_param arange_start_out_params[] = {
    VKD_NUMBER(creation_args, start), VKD_NUMBER(creation_args, end),
    VKD_NUMBER(creation_args, step), VKD_OUTPUT(creation_args, y, out), VKD_PARAMS_END};

/* Zeros in steps of 1, where the file says nothing else. */
#define ONE                                                                                        \
    {                                                                                              \
        .kind = VKD_NUMBER_INT, .number = 1, .real = 1                                             \
    }
static const creation_args zeros = {
    .x = VKD_NO_VALUE, .start = {.kind = VKD_NUMBER_INT}, .step = ONE};
static const creation_args ones = {.x = VKD_NO_VALUE, .start = ONE};

/* clang-format off */
#define FULL(name_, params_, defaults_) \
    {name_, params_, sizeof(creation_args), shape_full, lower_full, .kind = VKD_OP_FULL, \
     .defaults = &defaults_}
#define ARANGE(name_, params_) \
    {name_, params_, sizeof(creation_args), shape_arange, lower_arange, .defaults = &zeros}
/* clang-format on */

static const vkd_op rows[] = {
    FULL("aten.full.default", full_params, zeros),
    FULL("aten.full_like.default", full_like_params, zeros),
    FULL("aten.zeros.default", size_params, zeros),
    FULL("aten.ones.default", size_params, ones),
    FULL("aten.zeros_like.default", like_params, zeros),
    FULL("aten.ones_like.default", like_params, ones),
    FULL("aten.scalar_tensor.default", scalar_params, zeros),
    ARANGE("aten.arange.start_step", arange_params),
    /* between delegates; what is empty is zero */
    FULL("aten::full.out", full_out_params, zeros),
    FULL("aten::full_like.out", full_like_out_params, zeros),
    FULL("aten::fill.Scalar_out", fill_out_params, zeros),
    FULL("aten::zeros.out", size_out_params, zeros),
    FULL("aten::ones.out", size_out_params, ones),
    FULL("aten::empty.out", empty_out_params, zeros),
    FULL("dim_order_ops::_empty_dim_order.out", empty_out_params, zeros),
    FULL("aten::scalar_tensor.out", scalar_out_params, zeros),
    ARANGE("aten::arange.out", arange_out_params),
    ARANGE("aten::arange.start_out", arange_start_out_params),
};

const vkd_op_table vkd_creation_ops = VKD_OP_TABLE(rows);
