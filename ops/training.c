/* Operators of training: the cross entropy with its gradient, a step of AdamW, the gradient of a
 * linear layer's weights, and 4-bit weights made anew. */
#include "ops/gemm/matmul.h"
#include "ops/reduction.h"
#include "ops/tables.h"
#include "shaders/training_params.h"

#include <math.h>
#include <string.h>

static vkd_status input(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype, vkd_tensor_id *out)
{
    return vkd_op_input(lowering, value, dtype, VKD_ROWS, out);
}

/* -------------------------------------------------------------------------------- cross entropy */

typedef struct entropy_args {
    uint32_t logits, labels, y[2]; /* y: the loss, the gradient */
    float count;
} entropy_args;

static const vkd_param entropy_params[] = {
    VKD_TENSOR(entropy_args, logits), VKD_TENSOR(entropy_args, labels),
    VKD_FLOAT(entropy_args, count, n_valid), VKD_OUTPUTS(entropy_args, y, 2, out), VKD_PARAMS_END};

static vkd_status shape_entropy(vkd_shaping *shaping, const void *arguments)
{
    const entropy_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->logits),
                           *labels = vkd_shape_of(shaping, args->labels);
    if (x->rank != 2 || labels->rank != 1 || labels->dims[0] != x->dims[0] || !x->dims[1])
        return vkd_shape_fail_at(
            shaping, VKD_INVALID_MODEL, &args->labels,
            "has rank %u, expected 1, one for each row of logits of rank %u, 2", labels->rank,
            x->rank);
    VKD_TRY(vkd_shape_set(shaping, args->y[0], 0, NULL));
    return vkd_shape_set_as(shaping, args->y[1], args->logits);
}

static vkd_status lower_entropy(vkd_lowering *lowering, const void *arguments)
{
    const entropy_args *args = arguments;
    const bool reduced[VKD_MAX_RANK] = {false, true}, all[VKD_MAX_RANK] = {true};
    vkd_reduction runs, sum;
    vkd_tensor_id logits, labels, stats, losses, loss, gradient;
    if (args->y[1] == VKD_NO_VALUE)
        return vkd_op_fail_at(lowering, VKD_INVALID_MODEL, args->y,
                              "has one tensor, expected a loss and a gradient");
    VKD_TRY(input(lowering, args->logits, VKD_DTYPE_FLOAT32, &logits));
    VKD_TRY(input(lowering, args->labels, VKD_DTYPE_INT32, &labels));
    const vkd_view x = vkd_view_of(lowering->graph, logits);
    VKD_TRY(vkd_reduction_split(lowering, &x, reduced, &runs));
    VKD_TRY(vkd_reduction_stats(lowering, &runs, VKD_STATS_SOFTMAX, 0, &stats));
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_FLOAT32, VKD_ROWS, 1,
                                 x.dims, &losses));
    VKD_TRY(vkd_op_output_in(lowering, args->y[1], VKD_DTYPE_FLOAT32, VKD_ROWS, &gradient));
    const cross_entropy_params params = {
        .rows = x.dims[0], .classes = x.dims[1], .inverse_count = 1 / args->count};
    vkd_node node =
        vkd_op_node(lowering, VKD_SHADER_CROSS_ENTROPY, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, (uint64_t)x.dims[0] * x.dims[1]);
    vkd_node_read(&node, logits);
    vkd_node_read(&node, labels);
    vkd_node_read(&node, stats);
    vkd_node_write(&node, losses);
    vkd_node_write(&node, gradient);
    VKD_TRY(vkd_op_add_node(lowering, &node, logits, gradient));
    const vkd_view each = vkd_view_of(lowering->graph, losses);
    VKD_TRY(vkd_reduction_split(lowering, &each, all, &sum));
    VKD_TRY(vkd_op_output_in(lowering, args->y[0], VKD_DTYPE_FLOAT32, VKD_ROWS, &loss));
    return vkd_reduction_emit(lowering, &sum, VKD_REDUCE_SUM, loss);
}

/* ---------------------------------------------------------------------------------------- adamw */

typedef struct adamw_args {
    uint32_t weight, first, second, gradient, y[3];
    float rate, beta1, beta2, eps, decay, correction1, correction2;
} adamw_args;

static const vkd_param adamw_parameters[] = {VKD_MUTATED(adamw_args, weight, param),
                                             VKD_MUTATED(adamw_args, first, m),
                                             VKD_MUTATED(adamw_args, second, v),
                                             VKD_TENSOR(adamw_args, gradient, grad),
                                             VKD_FLOAT(adamw_args, rate, lr),
                                             VKD_FLOAT(adamw_args, beta1),
                                             VKD_FLOAT(adamw_args, beta2),
                                             VKD_FLOAT(adamw_args, eps),
                                             VKD_FLOAT(adamw_args, decay, weight_decay),
                                             VKD_FLOAT(adamw_args, correction1, bias_correction1),
                                             VKD_FLOAT(adamw_args, correction2, bias_correction2),
                                             VKD_OUTPUTS(adamw_args, y, 3, out),
                                             VKD_PARAMS_END};

static vkd_status shape_adamw(vkd_shaping *shaping, const void *arguments)
{
    const adamw_args *args = arguments;
    const uint32_t operands[] = {args->first, args->second, args->gradient};
    const vkd_model_tensor *weight = vkd_shape_of(shaping, args->weight);
    char is[VKD_DIMS_TEXT], expected[VKD_DIMS_TEXT];
    for (size_t i = 0; i < 3; i++) {
        const vkd_model_tensor *x = vkd_shape_of(shaping, operands[i]);
        if (x->rank != weight->rank || memcmp(x->dims, weight->dims, x->rank * sizeof *x->dims))
            return vkd_shape_fail_value(shaping, VKD_INVALID_MODEL, operands[i],
                                        "is %s, expected the weight's, %s",
                                        vkd_dims_format(x->rank, x->dims, is),
                                        vkd_dims_format(weight->rank, weight->dims, expected));
    }
    for (size_t i = 0; i < 3; i++)
        if (args->y[i] != args->weight && args->y[i] != args->first && args->y[i] != args->second)
            VKD_TRY(vkd_shape_set_as(shaping, args->y[i], args->weight));
    return VKD_OK;
}

/* The results are the operands, where the file has other values for them. */
static vkd_status name_results(vkd_lowering *lowering, const adamw_args *args,
                               const vkd_tensor_id state[3])
{
    const uint32_t operands[] = {args->weight, args->first, args->second};
    for (size_t i = 0; i < 3; i++)
        if (args->y[i] != VKD_NO_VALUE && args->y[i] != operands[i]) {
            const vkd_view view = vkd_view_of(lowering->graph, state[i]);
            VKD_TRY(vkd_op_output_view(lowering, args->y[i], &view));
        }
    return VKD_OK;
}

static vkd_status lower_adamw(vkd_lowering *lowering, const void *arguments)
{
    const adamw_args *args = arguments;
    vkd_tensor_id gradient, state[3];
    VKD_TRY(input(lowering, args->gradient, VKD_DTYPE_FLOAT32, &gradient));
    VKD_TRY(vkd_op_state(lowering, args->weight, &state[0]));
    VKD_TRY(vkd_op_state(lowering, args->first, &state[1]));
    VKD_TRY(vkd_op_state(lowering, args->second, &state[2]));
    const adamw_params params = {.groups = vkd_tensor_groups(&lowering->graph->tensors[gradient]),
                                 .rate = args->rate,
                                 .beta1 = args->beta1,
                                 .beta2 = args->beta2,
                                 .eps = args->eps,
                                 .decay = args->decay,
                                 .correction1 = args->correction1,
                                 .correction2 = args->correction2};
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_ADAMW, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.groups);
    vkd_node_read(&node, gradient);
    for (size_t i = 0; i < 3; i++)
        vkd_node_write(&node, state[i]);
    VKD_TRY(vkd_op_add_node(lowering, &node, gradient, state[0]));
    return name_results(lowering, args, state);
}

/* ---------------------------------------------------------------------------- weights' gradient */

typedef struct pair_args {
    uint32_t a, b, y;
    int32_t group;
} pair_args;

static const vkd_param dw_params[] = {VKD_TENSOR(pair_args, a, d_out), VKD_TENSOR(pair_args, b, x),
                                      VKD_OUTPUT(pair_args, y, out), VKD_PARAMS_END};
static const vkd_param requant_params[] = {
    VKD_TENSOR(pair_args, a, latent), VKD_TENSOR(pair_args, b, scales),
    VKD_INT(pair_args, group, group_size), VKD_OUTPUT(pair_args, y, out), VKD_PARAMS_END};

static uint32_t rows_of(const vkd_model_tensor *x)
{
    return (uint32_t)vkd_dims_count(x->rank - 1, x->dims);
}

static vkd_status shape_dw(vkd_shaping *shaping, const void *arguments)
{
    const pair_args *args = arguments;
    const vkd_model_tensor *d = vkd_shape_of(shaping, args->a), *x = vkd_shape_of(shaping, args->b);
    if (!d->rank || !x->rank || rows_of(d) != rows_of(x))
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->b,
                                 "has other rows than d_out, expected the same");
    const uint32_t dims[] = {d->dims[d->rank - 1], x->dims[x->rank - 1]};
    return vkd_shape_set(shaping, args->y, 2, dims);
}

/* d transposed times x. */
static vkd_status lower_dw(vkd_lowering *lowering, const void *arguments)
{
    const pair_args *args = arguments;
    const vkd_model_tensor *d = vkd_value_tensor(lowering, args->a),
                           *x = vkd_value_tensor(lowering, args->b);
    const uint32_t n = d->dims[d->rank - 1], k = x->dims[x->rank - 1], m = rows_of(d);
    vkd_matmul product = {.weight = VKD_NO_VALUE, .alpha = 1, .c.tensor = VKD_NO_TENSOR};
    vkd_tensor_id left, right;
    VKD_TRY(vkd_op_check_floats(lowering, (const uint32_t[]){args->a, args->b}, 2));
    VKD_TRY(input(lowering, args->a, d->dtype, &left));
    VKD_TRY(input(lowering, args->b, x->dtype, &right));
    product.a =
        (vkd_view){.tensor = left, .rank = 3, .dims = {1, n, m}, .strides = {0, 1, (int32_t)n}};
    product.b =
        (vkd_view){.tensor = right, .rank = 3, .dims = {1, m, k}, .strides = {0, (int32_t)k, 1}};
    return vkd_matmul_emit(lowering, &product, args->y);
}

static vkd_status shape_requant(vkd_shaping *shaping, const void *arguments)
{
    const pair_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->a),
                           *scales = vkd_shape_of(shaping, args->b);
    bool fits = x->rank == 2 && scales->rank == 2 && args->group > 0 &&
                scales->dims[1] >= x->dims[0] &&
                (uint64_t)scales->dims[0] * (uint32_t)args->group >= x->dims[1];
    if (!fits)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->b,
                                 "does not fit weights of rank %u in groups of %d, expected a "
                                 "scale for each group and row",
                                 x->rank, args->group);
    const uint32_t dims[] = {x->dims[0], (uint32_t)vkd_divide_up(x->dims[1], 2)};
    return vkd_shape_set(shaping, args->y, 2, dims);
}

static vkd_status lower_requant(vkd_lowering *lowering, const void *arguments)
{
    const pair_args *args = arguments;
    const vkd_model_tensor *x_shape = vkd_value_tensor(lowering, args->a),
                           *scales_shape = vkd_value_tensor(lowering, args->b);
    const uint32_t bytes = (uint32_t)vkd_divide_up(x_shape->dims[1], 2);
    vkd_tensor_id x, scales, y;
    VKD_TRY(input(lowering, args->a, VKD_DTYPE_FLOAT32, &x));
    VKD_TRY(input(lowering, args->b, VKD_DTYPE_FLOAT32, &scales));
    VKD_TRY(vkd_op_output_in(lowering, args->y, VKD_DTYPE_UINT8, VKD_ROWS, &y));
    const nibble_codes_params params = {
        .words = (uint32_t)vkd_divide_up((uint64_t)bytes * x_shape->dims[0], 4),
        .bytes = bytes,
        .rows = x_shape->dims[0],
        .width = x_shape->dims[1],
        .group = (uint32_t)args->group,
        .scale_row = scales_shape->dims[1]};
    vkd_node node =
        vkd_op_node(lowering, VKD_SHADER_NIBBLE_CODES, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.words);
    vkd_node_read(&node, x);
    vkd_node_read(&node, scales);
    vkd_node_write(&node, y);
    return vkd_op_add_node(lowering, &node, x, y);
}

static const vkd_op rows[] = {
    {"et_vk.fused_ce.default", entropy_params, sizeof(entropy_args), shape_entropy, lower_entropy},
    {"et_vk.adamw_step.default", adamw_parameters, sizeof(adamw_args), shape_adamw, lower_adamw,
     .effect = true},
    {"et_vk.linear_dW.default", dw_params, sizeof(pair_args), shape_dw, lower_dw},
    {"et_vk.q4gsw_requant.default", requant_params, sizeof(pair_args), shape_requant,
     lower_requant},
};

const vkd_op_table vkd_training_ops = VKD_OP_TABLE(rows);
