/* Clamps by bounds, and of int8 tensors where a rewrite rule made one of them. */
#include "graph/chain.h"
#include "ops/elementwise.h"
#include "ops/tables.h"
#include "shaders/q8_clamp_params.h"

#include <math.h>

#define BOUNDED(low_, high_)                                                                       \
    VKD_TENSOR(clamp_args, x, self), VKD_OPTIONAL_NUMBER(clamp_args, low, low_),                   \
        VKD_OPTIONAL_NUMBER(clamp_args, high, high_), VKD_OUTPUT(clamp_args, y, out),              \
        VKD_PARAMS_END
static const vkd_param clamp_parameters[] = {BOUNDED(min, max)};
static const vkd_param hardtanh_parameters[] = {BOUNDED(min_val, max_val)};

static const vkd_param relu_parameters[] = {
    VKD_TENSOR(clamp_args, x, self),
    VKD_OUTPUT(clamp_args, y, out),
    VKD_PARAMS_END,
};
static const clamp_args relu_bounds = {.low = {.kind = VKD_NUMBER_INT}};
static const clamp_args relu6_bounds = {.low = {.kind = VKD_NUMBER_INT},
                                        .high = {.kind = VKD_NUMBER_INT, .number = 6, .real = 6}};

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const clamp_args *args = arguments;
    return vkd_shape_set_as(shaping, args->y, args->x);
}

/* Towards zero, which is where a bound between two ints leaves an int that is cut off. */
static int32_t int_bound(const vkd_number *number, int32_t unbounded)
{
    double real = number->real; /* an int beyond 2^53 is beyond 32 bits, too */
    if (number->kind == VKD_NUMBER_NULL || isnan(real))
        return unbounded;
    return real <= INT32_MIN ? INT32_MIN : real >= INT32_MAX ? INT32_MAX : (int32_t)real;
}

static float real_bound(const vkd_number *number, float unbounded)
{
    return number->kind == VKD_NUMBER_NULL || isnan(number->real) ? unbounded : (float)number->real;
}

static vkd_status view_bound(vkd_lowering *lowering, const vkd_number *number, bool real,
                             int32_t unbounded, vkd_view *view, const vkd_view **out)
{
    const vkd_number whole = {.kind = VKD_NUMBER_INT, .number = int_bound(number, unbounded)};
    *out = number->kind == VKD_NUMBER_NULL ? NULL : view;
    if (number->kind == VKD_NUMBER_NULL)
        return VKD_OK;
    return vkd_op_scalar(lowering, real ? VKD_DTYPE_FLOAT32 : VKD_DTYPE_INT32,
                         real || number->kind == VKD_NUMBER_SYM ? number : &whole, view);
}

/* Bounds that may be others in the next execution. */
static vkd_status lower_symbols(vkd_lowering *lowering, const clamp_args *args)
{
    vkd_view x, views[2];
    const vkd_view *low, *high;
    vkd_tensor_id y;
    const bool real = vkd_is_float(vkd_value_tensor(lowering, args->y)->dtype);
    VKD_TRY(vkd_op_view(lowering, args->x, &x));
    VKD_TRY(view_bound(lowering, &args->low, real, INT32_MIN, &views[0], &low));
    VKD_TRY(view_bound(lowering, &args->high, real, INT32_MAX, &views[1], &high));
    VKD_TRY(vkd_op_output_as(lowering, args->y, &args->x, 1, &y));
    return vkd_op_between(lowering, &x, low, high, y);
}

/* One bound that is NaN is none, NaN among two of them makes everything NaN: as eager PyTorch
 * does. */
static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const clamp_args *args = arguments;
    const vkd_number *low = &args->low, *high = &args->high;
    if (low->kind == VKD_NUMBER_SYM || high->kind == VKD_NUMBER_SYM)
        return lower_symbols(lowering, args);
    const bool both = low->kind != VKD_NUMBER_NULL && high->kind != VKD_NUMBER_NULL,
               spoils = both && (isnan(low->real) || isnan(high->real));
    const vkd_unary clamp = {.function = UNARY_CLAMP,
                             .low = spoils ? NAN : real_bound(low, -INFINITY),
                             .high = spoils ? NAN : real_bound(high, INFINITY),
                             .low_int = int_bound(low, INT32_MIN),
                             .high_int = int_bound(high, INT32_MAX)};
    return vkd_op_unary(lowering, &clamp, args->x, args->y);
}

static bool chain(const vkd_net *net, const vkd_call *call, chain_args *out)
{
    const clamp_args *args = call->args;
    const chain_step step = {
        .function = UNARY_CLAMP,
        .numbers = {real_bound(&args->low, -INFINITY), real_bound(&args->high, INFINITY)}};
    return args->low.kind != VKD_NUMBER_SYM && args->high.kind != VKD_NUMBER_SYM &&
           vkd_chain_unary(net, args->x, args->y, &step, out);
}

/* ----------------------------------------------------------------------------------------- int8 */

static const vkd_param q8_clamp_parameters[] = {
    VKD_TENSOR(q8_clamp_args, x, self),
    VKD_INT(q8_clamp_args, low),
    VKD_INT(q8_clamp_args, high),
    VKD_OUTPUT(q8_clamp_args, y, out),
    VKD_PARAMS_END,
};

static vkd_status q8_shape(vkd_shaping *shaping, const void *arguments)
{
    const q8_clamp_args *args = arguments;
    return vkd_shape_set_as(shaping, args->y, args->x);
}

static vkd_status lower_q8(vkd_lowering *lowering, const void *arguments)
{
    const q8_clamp_args *args = arguments;
    vkd_tensor_id x, y;
    VKD_TRY(vkd_op_output(lowering, args->y, VKD_DTYPE_INT8, &y));
    VKD_TRY(
        vkd_op_input(lowering, args->x, VKD_DTYPE_INT8, lowering->graph->tensors[y].layout, &x));

    q8_clamp_params params = {
        .quads = (uint32_t)vkd_divide_up(vkd_tensor_groups(&lowering->graph->tensors[y]), 4),
        .low = args->low,
        .high = args->high,
    };
    vkd_node node =
        vkd_op_node(lowering, VKD_SHADER_Q8_CLAMP, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.quads);
    vkd_node_read(&node, x);
    vkd_node_write(&node, y);
    return vkd_op_add_node(lowering, &node, x, y);
}

/* clang-format off */
#define CLAMP(name_, params_) \
    {name_, params_, sizeof(clamp_args), shape, lower, chain, .kind = VKD_OP_CLAMP}
#define RELU(name_, bounds_) \
    {name_, relu_parameters, sizeof(clamp_args), shape, lower, chain, .kind = VKD_OP_CLAMP, \
     .defaults = &bounds_}
/* clang-format on */

static const vkd_op rows[] = {
    CLAMP("aten.hardtanh.default", hardtanh_parameters),
    CLAMP("aten.clamp.default", clamp_parameters),
    RELU("aten.relu.default", relu_bounds),
    RELU("aten.relu6.default", relu6_bounds),
    CLAMP("aten::hardtanh.out", hardtanh_parameters),
    CLAMP("aten::clamp.out", clamp_parameters),
    RELU("aten::relu.out", relu_bounds),
    {"vkd.q8_clamp", q8_clamp_parameters, sizeof(q8_clamp_args), q8_shape, lower_q8,
     .kind = VKD_OP_Q8_CLAMP, .internal = true},
};

const vkd_op_table vkd_clamp_ops = VKD_OP_TABLE(rows);
