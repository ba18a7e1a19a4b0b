/* Constants, casts, and copies that change nothing. */
#include "graph/chain.h"
#include "ops/tables.h"

static const vkd_param prepack_params[] = {VKD_TENSOR(view_args, x, self),
                                           VKD_OUTPUT(view_args, y, out), VKD_PARAMS_END};

/* A layout, a memory format or a dim order says nothing here. */
static const vkd_param to_copy_params[] = {
    VKD_TENSOR(view_args, x, self), VKD_IGNORED("dtype"),          VKD_IGNORED("layout"),
    VKD_IGNORED("device"),          VKD_IGNORED("pin_memory"),     VKD_IGNORED("non_blocking"),
    VKD_IGNORED("dim_order"),       VKD_OUTPUT(view_args, y, out), VKD_PARAMS_END,
};

static const vkd_param clone_dim_order_params[] = {
    VKD_TENSOR(view_args, x, self), VKD_IGNORED("non_blocking"), VKD_IGNORED("dim_order"),
    VKD_OUTPUT(view_args, y, out), VKD_PARAMS_END};

static const vkd_param clone_params[] = {VKD_TENSOR(view_args, x, self),
                                         VKD_IGNORED("memory_format"),
                                         VKD_OUTPUT(view_args, y, out), VKD_PARAMS_END};

/* y is x, in y's dtype. */
static vkd_status lower_cast(vkd_lowering *lowering, const void *arguments)
{
    const view_args *args = arguments;
    vkd_dtype from = vkd_value_tensor(lowering, args->x)->dtype,
              to = vkd_value_tensor(lowering, args->y)->dtype;
    vkd_tensor_id y;
    vkd_view x;
    VKD_TRY(vkd_op_view(lowering, args->x, &x));
    if (from == to)
        return vkd_op_output_view(lowering, args->y, &x);
    VKD_TRY(vkd_op_output_in(lowering, args->y, to, vkd_op_layout(lowering, &args->x, 1), &y));
    return vkd_op_move(lowering, &x, y);
}

static bool chain(const vkd_net *net, const vkd_call *call, chain_args *out)
{
    const view_args *args = call->args;
    bool narrows = net->values[args->x].tensor.dtype == VKD_DTYPE_FLOAT32 &&
                   net->values[args->y].tensor.dtype == VKD_DTYPE_FLOAT16;
    return narrows
               ? vkd_chain_unary(net, args->x, args->y, &(chain_step){.function = CHAIN_HALF}, out)
               : vkd_chain_copy(net, args->x, args->y, out);
}

/* src, in the place of what it is broadcast to. */
typedef struct copy_args {
    view_args view;
    uint32_t like;
} copy_args;

static const vkd_param copy_params[] = {
    VKD_TENSOR(copy_args, like, self), VKD_TENSOR(copy_args, view.x, src),
    VKD_IGNORED("non_blocking"), VKD_OUTPUT(copy_args, view.y, out), VKD_PARAMS_END};
static const vkd_param fill_params[] = {VKD_TENSOR(copy_args, like, self),
                                        VKD_TENSOR(copy_args, view.x, value),
                                        VKD_OUTPUT(copy_args, view.y, out), VKD_PARAMS_END};

static vkd_status shape_copy(vkd_shaping *shaping, const void *arguments)
{
    const copy_args *args = arguments;
    vkd_shape y;
    VKD_TRY(vkd_shape_broadcast(shaping, (const uint32_t[]){args->like, args->view.x}, 2, &y));
    VKD_TRY(vkd_shape_set_as(shaping, args->view.y, args->like));
    return vkd_shape_set(shaping, args->view.y, y.rank, y.dims);
}

static vkd_status lower_copy(vkd_lowering *lowering, const void *arguments)
{
    const copy_args *args = arguments;
    const vkd_model_tensor *to = vkd_value_tensor(lowering, args->view.y);
    vkd_tensor_id y;
    vkd_view x;
    VKD_TRY(vkd_op_view(lowering, args->view.x, &x));
    vkd_view_broadcast(&x, to->rank, to->dims);
    if (vkd_value_tensor(lowering, args->view.x)->dtype == to->dtype)
        return vkd_op_output_view(lowering, args->view.y, &x);
    VKD_TRY(vkd_op_output_in(lowering, args->view.y, to->dtype, VKD_ROWS, &y));
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
    {"et_vk.prepack.default", prepack_params, sizeof(view_args), vkd_shape_same, lower_prepack,
     .kind = VKD_OP_PREPACK},
    {"aten._to_copy.default", to_copy_params, sizeof(view_args), vkd_shape_same, lower_cast, chain,
     .kind = VKD_OP_CAST},
    {"dim_order_ops._to_dim_order_copy.default", to_copy_params, sizeof(view_args), vkd_shape_same,
     lower_cast, chain, .kind = VKD_OP_CAST},
    {"dim_order_ops._clone_dim_order.default", clone_dim_order_params, sizeof(view_args),
     vkd_shape_same, lower_cast, chain, .kind = VKD_OP_CLONE},
    {"aten.alias_copy.default", prepack_params, sizeof(view_args), vkd_shape_same, lower_cast,
     chain, .kind = VKD_OP_CLONE},
    {"aten.copy.default", copy_params, sizeof(copy_args), shape_copy, lower_copy},
    /* between delegates */
    {"aten::copy.out", copy_params, sizeof(copy_args), shape_copy, lower_copy},
    {"aten::copy_", copy_params, sizeof(copy_args), shape_copy, lower_copy, .effect = true},
    {"aten::fill.Tensor_out", fill_params, sizeof(copy_args), shape_copy, lower_copy},
    {"aten::_to_copy.out", clone_dim_order_params, sizeof(view_args), vkd_shape_same, lower_cast,
     chain, .kind = VKD_OP_CAST},
    {"dim_order_ops::_to_dim_order_copy.out", clone_dim_order_params, sizeof(view_args),
     vkd_shape_same, lower_cast, chain, .kind = VKD_OP_CAST},
    {"dim_order_ops::_clone_dim_order.out", clone_dim_order_params, sizeof(view_args),
     vkd_shape_same, lower_cast, chain, .kind = VKD_OP_CLONE},
    {"aten::clone.out", clone_params, sizeof(view_args), vkd_shape_same, lower_cast, chain,
     .kind = VKD_OP_CLONE},
    {"aten::alias_copy.out", prepack_params, sizeof(view_args), vkd_shape_same, lower_cast, chain,
     .kind = VKD_OP_CLONE},
    {"aten::detach_copy.out", prepack_params, sizeof(view_args), vkd_shape_same, lower_cast, chain,
     .kind = VKD_OP_CLONE},
    {"aten::lift_fresh_copy.out", prepack_params, sizeof(view_args), vkd_shape_same, lower_cast,
     chain, .kind = VKD_OP_CLONE},
    {"et_copy::_h2d_copy.out", prepack_params, sizeof(view_args), vkd_shape_same, lower_cast, chain,
     .kind = VKD_OP_CLONE},
    {"et_copy::_d2h_copy.out", prepack_params, sizeof(view_args), vkd_shape_same, lower_cast, chain,
     .kind = VKD_OP_CLONE},
    {"aten::_conj_physical.out", prepack_params, sizeof(view_args), vkd_shape_same, lower_cast,
     chain, .kind = VKD_OP_CLONE},
};

const vkd_op_table vkd_cast_ops = VKD_OP_TABLE(rows);
