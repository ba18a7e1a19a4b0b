/* Rotary position embedding in its three forms. */
#include "ops/rotary.h"
#include "graph/operators.h"
#include "ops/tables.h"

static const vkd_param pairs_params[] = {
    VKD_TENSOR(rotary_args, x[0], xq),          VKD_TENSOR(rotary_args, x[1], xk),
    VKD_TENSOR(rotary_args, cosine, freqs_cos), VKD_TENSOR(rotary_args, sine, freqs_sin),
    VKD_OUTPUTS(rotary_args, y, 2, out),        VKD_FUSED(rotary_args, weight[0]),
    VKD_FUSED(rotary_args, weight[1]),          VKD_PARAMS_END};
static const vkd_param halves_params[] = {VKD_TENSOR(rotary_args, x[0], xq),
                                          VKD_TENSOR(rotary_args, x[1], xk),
                                          VKD_TENSOR(rotary_args, cosine, freqs_cos),
                                          VKD_TENSOR(rotary_args, sine, freqs_sin),
                                          VKD_SYM(rotary_args, start, start_pos),
                                          VKD_OUTPUTS(rotary_args, y, 2, out),
                                          VKD_FUSED(rotary_args, weight[0]),
                                          VKD_FUSED(rotary_args, weight[1]),
                                          VKD_PARAMS_END};
static const vkd_param interleaved_params[] = {VKD_TENSOR(rotary_args, x[0], x),
                                               VKD_TENSOR(rotary_args, cosine, freqs_cis),
                                               VKD_OUTPUT(rotary_args, y[0], out), VKD_PARAMS_END};
static const rotary_args no_start = {.x = {VKD_NO_VALUE, VKD_NO_VALUE},
                                     .sine = VKD_NO_VALUE,
                                     .y = {VKD_NO_VALUE, VKD_NO_VALUE},
                                     .start.value = VKD_NO_VALUE,
                                     .weight = {VKD_NO_VALUE, VKD_NO_VALUE}};

/* What is turned, as the kernel sees it: [.., positions, heads, width]; of the interleaved form
 * [.., positions, width]. */
static bool dims_of(const vkd_model_tensor *x, int form, uint32_t *positions, uint32_t *heads,
                    uint32_t *width)
{
    const uint32_t least = form == VKD_ROTARY_INTERLEAVED ? 2 : 3;
    if (x->rank < least)
        return false;
    *width = x->dims[x->rank - 1];
    *heads = least == 3 ? x->dims[x->rank - 2] : 1;
    *positions = x->dims[x->rank - least];
    return *width % 2 == 0;
}

/* Elements of a row of the table, and its rows. */
static void table_of(const vkd_model_tensor *table, int form, uint32_t width, uint32_t *row,
                     uint32_t *table_rows)
{
    uint64_t count = vkd_dims_count(table->rank, table->dims);
    *row = form == VKD_ROTARY_INTERLEAVED ? width : table->rank ? table->dims[table->rank - 1] : 1;
    *table_rows = *row ? (uint32_t)(count / *row) : 0;
}

static vkd_status shape_rotary(vkd_shaping *shaping, const void *arguments)
{
    const rotary_args *args = arguments;
    const int form = shaping->call->row->code;
    const vkd_model_tensor *table = vkd_shape_of(shaping, args->cosine);
    for (int i = 0; i < 2 && args->x[i] != VKD_NO_VALUE; i++) {
        const vkd_model_tensor *x = vkd_shape_of(shaping, args->x[i]);
        uint32_t positions, heads, width, row, table_rows;
        bool fits = dims_of(x, form, &positions, &heads, &width);
        if (fits) {
            table_of(table, form, width, &row, &table_rows);
            int64_t start = vkd_shape_number(shaping, args->start);
            fits = form == VKD_ROTARY_PAIRS ? 2 * row == width : row % 2 == 0 && row <= width;
            if (fits && (start < 0 || start + positions > table_rows))
                return vkd_shape_fail_at(
                    shaping, VKD_INVALID_ARGUMENT, &args->cosine,
                    "has angles for %u positions, expected %u from %lld on: the text is longer "
                    "than the model's context",
                    table_rows, positions, (long long)start);
        }
        if (!fits) {
            char is[VKD_DIMS_TEXT], angles[VKD_DIMS_TEXT];
            return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->cosine,
                                     "is %s, expected angles for %s",
                                     vkd_dims_format(table->rank, table->dims, angles),
                                     vkd_dims_format(x->rank, x->dims, is));
        }
        VKD_TRY(vkd_shape_set_as(shaping, args->y[i], args->x[i]));
    }
    return VKD_OK;
}

/* Where the result goes: into a part of y, or, without one, to a tensor of its own. */
typedef struct target {
    const vkd_pasting *pasting;
    vkd_tensor_id y;
} target;

rotary_params vkd_rotary_params(const vkd_lowering *lowering, const vkd_call *call, int i)
{
    const rotary_args *args = call->args;
    const int form = call->row->code;
    const vkd_model_tensor *shape = vkd_value_tensor(lowering, args->x[i]);
    rotary_params params = {.slots = (uint32_t)vkd_dims_count(shape->rank, shape->dims),
                            .start =
                                args->start.value == VKD_NO_VALUE ? (int32_t)args->start.number : 0,
                            .eps = args->eps[i]};
    dims_of(shape, form, &params.positions, &params.heads, &params.width);
    table_of(vkd_value_tensor(lowering, args->cosine), form, params.width, &params.table,
             &params.table_rows);
    params.groups = (uint32_t)vkd_divide_up(params.slots, 4);
    params.rotated = form == VKD_ROTARY_HALVES ? params.table : params.width;
    return params;
}

static vkd_status turn(vkd_lowering *lowering, const rotary_args *args, int i, const target *to)
{
    const bool norm = args->weight[i] != VKD_NO_VALUE;
    rotary_params params = vkd_rotary_params(lowering, lowering->call, i);
    vkd_tensor_id x, y = to->y, cosine, sine, other,
                     places; /* other: the weight, or the position */
    VKD_TRY(vkd_op_rows(lowering, args->x[i], &x));
    VKD_TRY(vkd_op_rows(lowering, args->cosine, &cosine));
    sine = cosine;
    if (args->sine != VKD_NO_VALUE)
        VKD_TRY(vkd_op_rows(lowering, args->sine, &sine));
    VKD_TRY(vkd_op_symbol(lowering, args->start, x, &other, &params.symbol));
    if (norm)
        VKD_TRY(vkd_op_rows(lowering, args->weight[i], &other));
    if (to->pasting) {
        params.at = to->pasting->at;
        params.place_stride = to->pasting->symbol_stride;
        params.place_most = to->pasting->symbol_most;
        VKD_TRY(vkd_op_symbol(lowering, to->pasting->symbol, x, &places, &params.place));
    } else {
        VKD_TRY(vkd_op_output_in(lowering, args->y[i], lowering->graph->tensors[x].dtype, VKD_ROWS,
                                 &y));
    }
    vkd_node node = vkd_op_node(lowering, to->pasting ? VKD_SHADER_ROTARY_CACHE : VKD_SHADER_ROTARY,
                                VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.groups);
    vkd_node_read(&node, x);
    vkd_node_read(&node, cosine);
    vkd_node_read(&node, sine);
    vkd_node_read(&node, other);
    vkd_node_write(&node, y);
    if (to->pasting)
        vkd_node_read(&node, places);
    vkd_node_spec(&node, lowering->graph->tensors[x].dtype);
    vkd_node_spec(&node, lowering->graph->tensors[cosine].dtype);
    vkd_node_spec(&node, (uint32_t)lowering->call->row->code);
    vkd_node_spec(&node, norm);
    vkd_node_spec(&node, lowering->graph->tensors[other].dtype);
    return vkd_op_add_node(lowering, &node, x, y);
}

static vkd_status make_turned(vkd_lowering *lowering, const void *arguments, uint32_t value)
{
    const rotary_args *args = arguments;
    return turn(lowering, args, value != args->y[0], &(target){.y = VKD_NO_TENSOR});
}

/* Puts off what may be put off: a cache's part is best made there. */
static vkd_status lower_rotary(vkd_lowering *lowering, const void *arguments)
{
    const rotary_args *args = arguments;
    for (int i = 0; i < 2 && args->x[i] != VKD_NO_VALUE; i++) {
        const uint32_t all[] = {args->x[i], args->cosine, args->sine, args->weight[i]};
        uint32_t operands[4];
        size_t count = 0;
        for (int k = 0; k < 4; k++) {
            vkd_view view;
            if (all[k] == VKD_NO_VALUE)
                continue;
            operands[count++] = all[k];
            VKD_TRY(vkd_op_view(lowering, all[k], &view)); /* is made now, if that was put off */
        }
        if (vkd_op_may_be_late(lowering, args->y[i], operands, count))
            vkd_op_put_off(lowering, args->y[i], make_turned);
        else
            VKD_TRY(make_turned(lowering, args, args->y[i]));
    }
    return VKD_OK;
}

const vkd_call *vkd_late_rotary(const vkd_lowering *lowering, uint32_t value, int *out)
{
    const vkd_call *call = vkd_op_late(lowering, value, make_turned);
    const rotary_args *args = call ? call->args : NULL;
    *out = call && value != args->y[0];
    return call;
}

bool vkd_rotary_pastes(const vkd_lowering *lowering, uint32_t value, const vkd_pasting *pasting)
{
    enum { BINDINGS = 6 };
    const vkd_model_tensor *x = vkd_value_tensor(lowering, value);
    return vkd_op_late(lowering, value, make_turned) && lowering->use[value].reads == 1 &&
           vkd_dims_count(x->rank, x->dims) == pasting->x_row && pasting->at % 4 == 0 &&
           pasting->x_row % 4 == 0 && pasting->symbol_stride % 4 == 0 &&
           lowering->caps->max_storage_buffers >= BINDINGS &&
           !vkd_kernel_refuses(lowering->caps, VKD_SHADER_ROTARY_CACHE);
}

vkd_status vkd_rotary_paste(vkd_lowering *lowering, uint32_t value, const vkd_pasting *pasting,
                            vkd_tensor_id y)
{
    const vkd_call *reader = lowering->call, *call = vkd_op_late(lowering, value, make_turned);
    const rotary_args *args = call->args;
    lowering->call = call;
    const vkd_status status = turn(lowering, args, value != args->y[0], &(target){pasting, y});
    lowering->call = reader;
    return status;
}

static const vkd_op rows[] = {
    {"et_vk.apply_rotary_emb.default", pairs_params, sizeof(rotary_args), shape_rotary,
     lower_rotary, .code = VKD_ROTARY_PAIRS, .kind = VKD_OP_ROTARY, .defaults = &no_start},
    {"et_vk.apply_rotary_emb_hf.default", halves_params, sizeof(rotary_args), shape_rotary,
     lower_rotary, .code = VKD_ROTARY_HALVES, .kind = VKD_OP_ROTARY, .defaults = &no_start},
    {"et_vk.apply_rotary_emb_interleaved.default", interleaved_params, sizeof(rotary_args),
     shape_rotary, lower_rotary, .code = VKD_ROTARY_INTERLEAVED, .defaults = &no_start},
};

const vkd_op_table vkd_rotary_ops = VKD_OP_TABLE(rows);
