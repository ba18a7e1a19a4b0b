/* Selections by a condition: all operands broadcast. */
#include "graph/operators.h"
#include "ops/elementwise.h"
#include "ops/tables.h"

static const vkd_param where_params_list[] = {
    VKD_TENSOR(where_args, condition), VKD_TENSOR(where_args, a, self),
    VKD_TENSOR(where_args, b, other), VKD_OUTPUT(where_args, y, out), VKD_PARAMS_END};
static const vkd_param fill_params[] = {
    VKD_TENSOR(where_args, b, self), VKD_TENSOR(where_args, condition, mask),
    VKD_NUMBER(where_args, number, value), VKD_OUTPUT(where_args, y, out), VKD_PARAMS_END};

static const vkd_param fill_tensor_params[] = {
    VKD_TENSOR(where_args, b, self), VKD_TENSOR(where_args, condition, mask),
    VKD_TENSOR(where_args, a, value), VKD_OUTPUT(where_args, y, out), VKD_PARAMS_END};

static vkd_status shape_where(vkd_shaping *shaping, const void *arguments)
{
    const where_args *args = arguments;
    vkd_shape y;
    VKD_TRY(
        vkd_shape_broadcast(shaping, (const uint32_t[]){args->condition, args->a, args->b}, 3, &y));
    return vkd_shape_set(shaping, args->y, y.rank, y.dims);
}

static vkd_status shape_fill(vkd_shaping *shaping, const void *arguments)
{
    const where_args *args = arguments;
    vkd_shape y;
    VKD_TRY(vkd_shape_broadcast(shaping, (const uint32_t[]){args->condition, args->b}, 2, &y));
    return vkd_shape_set(shaping, args->y, y.rank, y.dims);
}

vkd_status vkd_op_where(vkd_lowering *lowering, vkd_view operands[3], vkd_tensor_id y)
{
    vkd_walk walk;
    triple_params params;
    VKD_TRY(vkd_op_walk_triple(lowering, operands, y, &walk, &params));
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_WHERE, 3 * vkd_loop(4 * VKD_TRIPLE_DIMS, 0),
                                &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, walk.groups);
    for (int i = 0; i < 3; i++)
        vkd_node_read(&node, operands[i].tensor);
    vkd_node_write(&node, y);
    for (int i = 0; i < 3; i++)
        vkd_node_spec(&node, lowering->graph->tensors[operands[i].tensor].dtype);
    vkd_node_spec(&node, lowering->graph->tensors[y].dtype);
    vkd_node_spec(&node, walk.dim_count);
    vkd_node_spec(&node, walk.whole);
    for (int i = 0; i < 3; i++)
        vkd_node_spec(&node, walk.reads[i]);
    return vkd_op_add_node(lowering, &node, operands[1].tensor, y);
}

static vkd_status lower_where(vkd_lowering *lowering, const void *arguments)
{
    const where_args *args = arguments;
    vkd_view operands[3];
    vkd_tensor_id y;
    VKD_TRY(vkd_op_view(lowering, args->a, &operands[0]));
    VKD_TRY(vkd_op_view(lowering, args->b, &operands[1]));
    VKD_TRY(vkd_op_view(lowering, args->condition, &operands[2]));
    VKD_TRY(vkd_op_output_as(lowering, args->y,
                             (const uint32_t[]){args->condition, args->a, args->b}, 3, &y));
    return vkd_op_where(lowering, operands, y);
}

static vkd_status lower_fill(vkd_lowering *lowering, const void *arguments)
{
    const where_args *args = arguments;
    vkd_view operands[3];
    vkd_tensor_id y;
    VKD_TRY(vkd_op_scalar(lowering, vkd_value_tensor(lowering, args->y)->dtype, &args->number,
                          &operands[0]));
    VKD_TRY(vkd_op_view(lowering, args->b, &operands[1]));
    VKD_TRY(vkd_op_view(lowering, args->condition, &operands[2]));
    VKD_TRY(
        vkd_op_output_as(lowering, args->y, (const uint32_t[]){args->condition, args->b}, 2, &y));
    return vkd_op_where(lowering, operands, y);
}

/* ------------------------------------------------------------------------------------ triangles */

typedef struct triangle_args {
    uint32_t x, y;
    vkd_sym diagonal;
} triangle_args;

static const vkd_param triangle_params[] = {VKD_TENSOR(triangle_args, x, self),
                                            VKD_SYM(triangle_args, diagonal),
                                            VKD_OUTPUT(triangle_args, y, out), VKD_PARAMS_END};

static vkd_status shape_triangle(vkd_shaping *shaping, const void *arguments)
{
    const triangle_args *args = arguments;
    const uint32_t rank = vkd_shape_of(shaping, args->x)->rank;
    if (rank < 2)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->x,
                                 "has rank %u, expected 2 at least", rank);
    return vkd_shape_set_as(shaping, args->y, args->x);
}

/* Compared byte by byte: without padding. */
typedef struct triangle_source {
    int64_t diagonal, rows, columns, is_upper;
} triangle_source;

static void pack_triangle(const void *source, void *dst, size_t size)
{
    const triangle_source *s = source;
    uint8_t *stays = dst;
    for (size_t i = 0; i < size; i++) {
        const int64_t row = (int64_t)i / s->columns, column = (int64_t)i % s->columns;
        stays[i] = s->is_upper ? column - row >= s->diagonal : column - row <= s->diagonal;
    }
}

/* A mask, the same for all matrices of x, says what stays. */
static vkd_status lower_triangle(vkd_lowering *lowering, const void *arguments)
{
    static const vkd_number zero = {.kind = VKD_NUMBER_INT};
    const triangle_args *args = arguments;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x);
    const uint32_t *matrix = x->dims + x->rank - 2;
    const triangle_source source = {vkd_op_number(lowering, args->diagonal), matrix[0], matrix[1],
                                    lowering->call->row->code};
    vkd_view operands[3];
    vkd_tensor_id mask, y;
    VKD_TRY(vkd_op_constant_tensor(lowering, VKD_DTYPE_BOOL, 2, matrix, pack_triangle, &source,
                                   sizeof source, 0, &mask));
    VKD_TRY(vkd_op_view(lowering, args->x, &operands[0]));
    VKD_TRY(vkd_op_scalar(lowering, x->dtype, &zero, &operands[1]));
    operands[2] = vkd_view_of(lowering->graph, mask);
    VKD_TRY(vkd_op_output_as(lowering, args->y, &args->x, 1, &y));
    return vkd_op_where(lowering, operands, y);
}

static const vkd_op rows[] = {
    {"aten::tril.out", triangle_params, sizeof(triangle_args), shape_triangle, lower_triangle},
    {"aten::triu.out", triangle_params, sizeof(triangle_args), shape_triangle, lower_triangle,
     .code = true},
    {"aten.where.self", where_params_list, sizeof(where_args), shape_where, lower_where,
     .kind = VKD_OP_WHERE},
    {"aten::where.self_out", where_params_list, sizeof(where_args), shape_where, lower_where,
     .kind = VKD_OP_WHERE},
    {"aten::masked_fill.Tensor_out", fill_tensor_params, sizeof(where_args), shape_where,
     lower_where},
    {"aten::masked_fill.Scalar_out", fill_params, sizeof(where_args), shape_fill, lower_fill},
};

const vkd_op_table vkd_where_ops = VKD_OP_TABLE(rows);
