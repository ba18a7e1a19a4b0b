/* Tables of rows of 8, 4 or 2 bits, and the product that goes back through 4-bit weights. */
#include "ops/gemm/matmul.h"
#include "ops/tables.h"
#include "shaders/nibbles_params.h"

#include <string.h>

typedef struct nibble_args {
    uint32_t table, scales, zeros, index, y;
    int32_t group;
    bool low_first;
} nibble_args;

static const vkd_param embedding_params[] = {VKD_TENSOR(nibble_args, table, weight),
                                             VKD_TENSOR(nibble_args, scales, weight_scales),
                                             VKD_INT(nibble_args, group, group_size),
                                             VKD_TENSOR(nibble_args, index, indices),
                                             VKD_BOOL(nibble_args, low_first, is_linear_weight),
                                             VKD_OUTPUT(nibble_args, y, out),
                                             VKD_PARAMS_END};
static const vkd_param embedding_4bit_params[] = {
    VKD_TENSOR(nibble_args, table, weight),
    VKD_TENSOR(nibble_args, scales, weight_scales),
    VKD_OPTIONAL_TENSOR(nibble_args, zeros, weight_zero_points),
    VKD_IGNORED("quant_min"),
    VKD_IGNORED("quant_max"),
    VKD_TENSOR(nibble_args, index, indices),
    VKD_IGNORED("dtype"),
    VKD_OUTPUT(nibble_args, y, out),
    VKD_PARAMS_END};
static const vkd_param embedding_bits_params[] = {
    VKD_TENSOR(nibble_args, table, weight),
    VKD_TENSOR(nibble_args, scales, weight_scales),
    VKD_OPTIONAL_TENSOR(nibble_args, zeros, weight_zero_points),
    VKD_IGNORED("weight_quant_min"),
    VKD_IGNORED("weight_quant_max"),
    VKD_TENSOR(nibble_args, index, indices),
    VKD_OUTPUT(nibble_args, y, out),
    VKD_PARAMS_END};
static const vkd_param backward_params[] = {VKD_TENSOR(nibble_args, index, d_out),
                                            VKD_TENSOR(nibble_args, table, weights),
                                            VKD_TENSOR(nibble_args, scales, weight_scales),
                                            VKD_INT(nibble_args, group, group_size),
                                            VKD_OUTPUT(nibble_args, y, out),
                                            VKD_PARAMS_END};
static const nibble_args no_zeros = {.zeros = VKD_NO_VALUE};

static vkd_status fail_table(vkd_shaping *shaping, const nibble_args *args)
{
    const vkd_model_tensor *table = vkd_shape_of(shaping, args->table),
                           *scales = vkd_shape_of(shaping, args->scales);
    char rows[VKD_DIMS_TEXT], by[VKD_DIMS_TEXT];
    return vkd_shape_fail_at(
        shaping, VKD_INVALID_MODEL, &args->scales, "is %s, expected what fits a table of %s %s",
        vkd_dims_format(scales->rank, scales->dims, by), vkd_dtype_name(table->dtype),
        vkd_dims_format(table->rank, table->dims, rows));
}

/* Elements of a row; a row's code says of how many bits. */
static uint32_t width_of_rows(const vkd_call *call, const vkd_model_tensor *table)
{
    return table->dims[1] * (8 / (uint32_t)call->row->code);
}

static vkd_status shape_embedding(vkd_shaping *shaping, const void *arguments)
{
    const nibble_args *args = arguments;
    const vkd_model_tensor *table = vkd_shape_of(shaping, args->table),
                           *scales = vkd_shape_of(shaping, args->scales);
    const vkd_model_tensor *index = vkd_shape_of(shaping, args->index);
    bool fits = table->rank == 2 && vkd_dtype_size(table->dtype) == 1 &&
                (scales->rank == 1 || scales->rank == 2) && scales->dims[0] == table->dims[0] &&
                table->dims[0] > 0;
    uint32_t groups = fits && scales->rank == 2 ? scales->dims[1] : 1;
    if (!fits || !groups || width_of_rows(shaping->call, table) % groups)
        return fail_table(shaping, args);
    if (args->zeros != VKD_NO_VALUE) {
        const vkd_model_tensor *zeros = vkd_shape_of(shaping, args->zeros);
        if (vkd_dims_count(zeros->rank, zeros->dims) != vkd_dims_count(scales->rank, scales->dims))
            return fail_table(shaping, args);
    }
    uint32_t dims[VKD_MAX_RANK + 1];
    memcpy(dims, index->dims, sizeof index->dims);
    dims[index->rank] = width_of_rows(shaping->call, table);
    return vkd_shape_set(shaping, args->y, index->rank + 1, dims);
}

typedef struct nibble_rows {
    nibbles_params params;
    /* zeros, index: VKD_NO_TENSOR for none and all rows */
    vkd_tensor_id table, scales, zeros, index;
    bool high_first;
} nibble_rows;

static vkd_status emit_rows(vkd_lowering *lowering, const nibble_rows *r, vkd_tensor_id y)
{
    const vkd_tensor *tensors = lowering->graph->tensors;
    const bool has_zeros = r->zeros != VKD_NO_TENSOR, indexed = r->index != VKD_NO_TENSOR;
    const vkd_tensor_id zeros = has_zeros ? r->zeros : r->scales;
    vkd_node node =
        vkd_op_node(lowering, VKD_SHADER_NIBBLES, VKD_NO_LOOPS, &r->params, sizeof r->params);
    vkd_node_linear(&node, lowering->caps, r->params.groups);
    vkd_node_read(&node, r->table);
    vkd_node_read(&node, r->scales);
    vkd_node_read(&node, zeros);
    vkd_node_read(&node, indexed ? r->index : r->table);
    vkd_node_write(&node, y);
    vkd_node_spec(&node, tensors[r->scales].dtype);
    vkd_node_spec(&node, tensors[zeros].dtype);
    vkd_node_spec(&node, tensors[y].dtype);
    vkd_node_spec(&node, r->high_first);
    vkd_node_spec(&node, indexed);
    vkd_node_spec(&node, has_zeros);
    vkd_node_spec(&node, (uint32_t)lowering->call->row->code);
    vkd_node_spec(&node, tensors[r->table].dtype == VKD_DTYPE_INT8);
    return vkd_op_add_node(lowering, &node, r->table, y);
}

static vkd_status lower_embedding(vkd_lowering *lowering, const void *arguments)
{
    const nibble_args *args = arguments;
    const vkd_model_tensor *table = vkd_value_tensor(lowering, args->table),
                           *scales = vkd_value_tensor(lowering, args->scales);
    const vkd_model_tensor *y_shape = vkd_value_tensor(lowering, args->y);
    const uint32_t groups = scales->rank == 2 ? scales->dims[1] : 1,
                   width = width_of_rows(lowering->call, table);
    const uint32_t slots = (uint32_t)vkd_dims_count(y_shape->rank, y_shape->dims);
    nibble_rows r = {.params = {.groups = (uint32_t)vkd_divide_up(slots, 4),
                                .slots = slots,
                                .width = width,
                                .row_bytes = table->dims[1],
                                .rows = table->dims[0],
                                .group = width / groups,
                                .scale_row = groups,
                                .scale_group = 1},
                     .zeros = VKD_NO_TENSOR,
                     .high_first = !args->low_first};
    vkd_tensor_id y;
    if (vkd_value_tensor(lowering, args->index)->dtype != VKD_DTYPE_INT32)
        return vkd_op_fail_at(lowering, VKD_UNSUPPORTED, &args->index, "has dtype %s, expected i32",
                              vkd_dtype_name(vkd_value_tensor(lowering, args->index)->dtype));
    VKD_TRY(vkd_op_rows(lowering, args->table, &r.table));
    VKD_TRY(vkd_op_rows(lowering, args->scales, &r.scales));
    VKD_TRY(vkd_op_rows(lowering, args->index, &r.index));
    if (args->zeros != VKD_NO_VALUE)
        VKD_TRY(vkd_op_rows(lowering, args->zeros, &r.zeros));
    VKD_TRY(vkd_op_output_in(lowering, args->y, y_shape->dtype, VKD_ROWS, &y));
    return emit_rows(lowering, &r, y);
}

/* d_out [.., n] times the weights [n, k]. */
static vkd_status shape_backward(vkd_shaping *shaping, const void *arguments)
{
    const nibble_args *args = arguments;
    const vkd_model_tensor *table = vkd_shape_of(shaping, args->table),
                           *scales = vkd_shape_of(shaping, args->scales);
    const vkd_model_tensor *d = vkd_shape_of(shaping, args->index);
    bool fits = d->rank && table->rank == 2 && scales->rank == 2 &&
                table->dims[0] == d->dims[d->rank - 1] && args->group > 0 &&
                scales->dims[1] >= table->dims[0];
    if (!fits)
        return fail_table(shaping, args);
    uint32_t dims[VKD_MAX_RANK];
    memcpy(dims, d->dims, sizeof dims);
    dims[d->rank - 1] = scales->dims[0] * (uint32_t)args->group;
    if (vkd_divide_up(dims[d->rank - 1], 2) > table->dims[1])
        return fail_table(shaping, args);
    return vkd_shape_set(shaping, args->y, d->rank, dims);
}

static vkd_status lower_backward(vkd_lowering *lowering, const void *arguments)
{
    const nibble_args *args = arguments;
    const vkd_model_tensor *table = vkd_value_tensor(lowering, args->table),
                           *scales = vkd_value_tensor(lowering, args->scales);
    const vkd_model_tensor *d = vkd_value_tensor(lowering, args->index);
    const uint32_t n = table->dims[0], k = scales->dims[0] * (uint32_t)args->group;
    nibble_rows r = {.params = {.groups = (uint32_t)vkd_divide_up((uint64_t)n * k, 4),
                                .slots = n * k,
                                .width = k,
                                .row_bytes = table->dims[1],
                                .rows = n,
                                .group = (uint32_t)args->group,
                                .scale_row = 1,
                                .scale_group = scales->dims[1]},
                     .zeros = VKD_NO_TENSOR,
                     .index = VKD_NO_TENSOR};
    vkd_tensor_id weights, rows;
    VKD_TRY(vkd_op_check_floats(lowering, &args->index, 1));
    VKD_TRY(vkd_op_rows(lowering, args->table, &r.table));
    VKD_TRY(vkd_op_rows(lowering, args->scales, &r.scales));
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_FLOAT32, VKD_ROWS, 2,
                                 (const uint32_t[]){n, k}, &weights));
    VKD_TRY(emit_rows(lowering, &r, weights));
    VKD_TRY(vkd_op_rows(lowering, args->index, &rows));
    const uint32_t m = (uint32_t)vkd_dims_count(d->rank - 1, d->dims);
    vkd_matmul product = {.weight = VKD_NO_VALUE, .alpha = 1, .c.tensor = VKD_NO_TENSOR};
    product.a =
        (vkd_view){.tensor = rows, .rank = 3, .dims = {1, m, n}, .strides = {0, (int32_t)n, 1}};
    product.b =
        (vkd_view){.tensor = weights, .rank = 3, .dims = {1, n, k}, .strides = {0, (int32_t)k, 1}};
    return vkd_matmul_emit(lowering, &product, args->y);
}

#define ROWS(name_, params_, bits_)                                                                \
    {                                                                                              \
        name_, params_, sizeof(nibble_args), shape_embedding, lower_embedding,                     \
            .code = bits_, .defaults = &no_zeros                                                   \
    }

static const vkd_op rows[] = {
    ROWS("et_vk.embedding_q4gsw.default", embedding_params, 4),
    ROWS("quantized_decomposed.embedding_4bit.dtype", embedding_4bit_params, 4),
    {"et_vk.linear_q4gsw_backward.default", backward_params, sizeof(nibble_args), shape_backward,
     lower_backward, .code = 4, .defaults = &no_zeros},
    /* between delegates */
    ROWS("quantized_decomposed::embedding_byte.out", embedding_bits_params, 8),
    ROWS("quantized_decomposed::embedding_byte.dtype_out", embedding_4bit_params, 8),
    ROWS("quantized_decomposed::embedding_4bit.out", embedding_bits_params, 4),
    ROWS("quantized_decomposed::embedding_4bit.dtype_out", embedding_4bit_params, 4),
    ROWS("quantized_decomposed::embedding_2bit.out", embedding_bits_params, 2),
    ROWS("quantized_decomposed::embedding_2bit.dtype_out", embedding_4bit_params, 2),
};

const vkd_op_table vkd_nibble_ops = VKD_OP_TABLE(rows);
