/* Constants, casts, and copies that change nothing. */
#include "graph/operators.h"
#include "ops/tables.h"

static const vkd_param prepack_params[] = {VKD_TENSOR(view_args, x), VKD_OUTPUT(view_args, y), VKD_PARAMS_END};

/* A layout, a memory format or a dim order says nothing here. */
static const vkd_param to_copy_params[] = {
    VKD_TENSOR(view_args, x),    VKD_IGNORED("dtype"),        VKD_IGNORED("layout"),    VKD_IGNORED("device"),
    VKD_IGNORED("pin_memory"),   VKD_IGNORED("non_blocking"), VKD_IGNORED("dim_order"), VKD_OUTPUT(view_args, y),
    VKD_PARAMS_END,
};

static const vkd_param clone_dim_order_params[] = {
    VKD_TENSOR(view_args, x), VKD_IGNORED("non_blocking"), VKD_IGNORED("dim_order"), VKD_OUTPUT(view_args, y), VKD_PARAMS_END};

/* y is x, in y's dtype. */
static vkd_status lower_cast(vkd_lowering *lowering, const void *arguments)
{
    const view_args *args = arguments;
    vkd_dtype from = vkd_value_tensor(lowering, args->x)->dtype, to = vkd_value_tensor(lowering, args->y)->dtype;
    vkd_tensor_id y;
    vkd_view x;
    VKD_TRY(vkd_op_view(lowering, args->x, &x));
    if (from == to)
        return vkd_op_output_view(lowering, args->y, &x);
    VKD_TRY(vkd_op_output_in(lowering, args->y, to, vkd_op_layout(lowering, &args->x, 1), &y));
    return vkd_op_move(lowering, &x, y);
}

/* A constant that other operators write in place is state. */
static vkd_status lower_prepack(vkd_lowering *lowering, const void *arguments)
{
    const view_args *args = arguments;
    if (!vkd_value_tensor(lowering, args->y)->state)
        return lower_cast(lowering, arguments);
    return vkd_op_output_state(lowering, args->y, args->x);
}

static const vkd_op rows[] = {
    {"et_vk.prepack.default", prepack_params, sizeof(view_args), vkd_shape_same, lower_prepack, .kind = VKD_OP_PREPACK},
    {"aten._to_copy.default", to_copy_params, sizeof(view_args), vkd_shape_same, lower_cast, .kind = VKD_OP_CAST},
    {"dim_order_ops._to_dim_order_copy.default", to_copy_params, sizeof(view_args), vkd_shape_same, lower_cast,
     .kind = VKD_OP_CAST},
    {"dim_order_ops._clone_dim_order.default", clone_dim_order_params, sizeof(view_args), vkd_shape_same, lower_cast,
     .kind = VKD_OP_CLONE},
    {"aten.alias_copy.default", prepack_params, sizeof(view_args), vkd_shape_same, lower_cast, .kind = VKD_OP_CLONE},
};

const vkd_op_table vkd_cast_ops = VKD_OP_TABLE(rows);
