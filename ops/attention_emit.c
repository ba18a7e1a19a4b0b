/* The dispatches of attention: which kernels, and what they are given. */
#include "graph/operators.h"
#include "ops/attention.h"
#include "ops/attention_oracle.h"
#include "ops/rotary.h"
#include "runtime/base/element.h"
#include "shaders/attention_step_params.h"

#include <string.h>

/* Whether rows are whole groups of so many elements. */
static bool are_whole(const attention *a, const attention_rows *r, uint32_t group)
{
    return a->width % group == 0 && r->offset % group == 0 && r->image % group == 0 &&
           r->position % group == 0 && r->head % group == 0;
}

static bool are_fours(const attention *a, const attention_rows *r) { return are_whole(a, r, 4); }

/* What the loops of attention_weights.comp take where so many invocations share the keys. */
static uint64_t weight_loops(const attention *a, uint32_t lanes)
{
    const uint64_t rounds = vkd_divide_up(a->keys, lanes),
                   products = are_fours(a, &a->q) && are_fours(a, &a->k) ? a->width / 4 : a->width;
    return vkd_loop(rounds, products + 1) + 2 * vkd_loop(rounds, 0) + 32;
}

/* On a CPU as few as will do: they take turns there. */
static uint32_t lanes_of(const vkd_caps *caps, const attention *a)
{
    uint32_t lanes = 1,
             most = caps->max_workgroup_invocations < 256 ? caps->max_workgroup_invocations : 256;
    uint32_t wanted = caps->type == VKD_TYPE_CPU ? 8 : a->keys;
    while (lanes * 2 <= most && (lanes < wanted || vkd_loops_refuse(caps, weight_loops(a, lanes))))
        lanes *= 2;
    return lanes;
}

/* Groups of four elements of the result, and how many invocations share the keys of each: a GPU has
 * little else to be parallel in where queries are few. */
static void values_workgroup(const vkd_caps *caps, const attention *a, uint64_t groups,
                             uint32_t local[2])
{
    enum { GROUP = 256, FEW = 1 << 15, LEAST_KEYS = 8, MOST = 32 };
    const uint32_t most =
        caps->max_workgroup_invocations < GROUP ? caps->max_workgroup_invocations : GROUP;
    local[0] = local[1] = 1;
    while (caps->type != VKD_TYPE_CPU && local[1] < MOST && groups * local[1] < FEW &&
           local[1] * 2 * LEAST_KEYS <= a->keys && local[1] * 2 <= most)
        local[1] *= 2;
    while (local[0] < 64 && local[0] * local[1] * 2 <= most)
        local[0] *= 2;
}

/* Queries whose weights are in memory at once. */
typedef struct portion {
    uint32_t first, count;
    vkd_tensor_id weights;
} portion;

static attention_params params_of(const attention *a, const portion *part, uint32_t word)
{
    attention_params params = {
        .heads = a->heads,
        .image_heads = a->image_heads,
        .queries = part->count,
        .first = part->first,
        .all = a->queries,
        .keys = a->keys,
        .width = a->width,
        .group = a->group,
        .symbol = word,
        .start = a->start.value == VKD_NO_VALUE ? (int32_t)a->start.number : 0,
        .scale = a->scale,
        .q_offset = a->q.offset,
        .q_i = a->q.image,
        .q_h = a->q.head,
        .q_s = a->q.position,
        .y_i = a->y.image,
        .y_h = a->y.head,
        .y_s = a->y.position,
        .k_offset = a->k.offset,
        .k_i = a->k.image,
        .k_h = a->k.head,
        .k_l = a->k.position,
        .v_offset = a->v.offset,
        .v_i = a->v.image,
        .v_h = a->v.head,
        .v_l = a->v.position,
        .mask_images = 1,
    };
    if (a->mask.tensor != VKD_NO_TENSOR) {
        params.mask_offset = (uint32_t)a->mask.offset;
        params.mask_images = a->mask_images;
        params.mask_i = (uint32_t)a->mask.strides[0];
        params.mask_h = (uint32_t)a->mask.strides[1];
        params.mask_s = (uint32_t)a->mask.strides[2];
        params.mask_l = (uint32_t)a->mask.strides[3];
    }
    return params;
}

/* Where there is none the queries are bound in its place. */
static vkd_tensor_id mask_of(const attention *a)
{
    return a->mask.tensor == VKD_NO_TENSOR ? a->q.tensor : a->mask.tensor;
}

static void spec_mask(vkd_node *node, const vkd_tensor *tensors, const attention *a)
{
    const vkd_dtype type = tensors[mask_of(a)].dtype;
    vkd_node_spec(node, type);
    vkd_node_spec(node, a->mask.tensor == VKD_NO_TENSOR ? 0 : type == VKD_DTYPE_BOOL ? 2 : 1);
    vkd_node_spec(node, a->safe);
}

static vkd_status add_weights(vkd_lowering *lowering, const attention *a, const portion *part,
                              vkd_tensor_id symbols, uint32_t word)
{
    const vkd_tensor *tensors = lowering->graph->tensors;
    const attention_params params = params_of(a, part, word);
    const uint32_t lanes = lanes_of(lowering->caps, a);
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_ATTENTION_WEIGHTS, weight_loops(a, lanes),
                                &params, sizeof params);
    node.specs[0] = lanes;
    vkd_node_groups(&node, lowering->caps, (uint64_t)a->heads * part->count);
    vkd_node_read(&node, a->q.tensor);
    vkd_node_read(&node, a->k.tensor);
    vkd_node_read(&node, mask_of(a));
    vkd_node_read(&node, symbols);
    vkd_node_write(&node, part->weights);
    vkd_node_spec(&node, tensors[a->q.tensor].dtype);
    vkd_node_spec(&node, tensors[a->k.tensor].dtype);
    spec_mask(&node, tensors, a);
    vkd_node_spec(&node, are_fours(a, &a->q) && are_fours(a, &a->k));
    vkd_node_spec(&node, a->sees);
    node.macs = (uint64_t)a->heads * part->count * a->keys * a->width;
    return vkd_op_add_node(lowering, &node, a->q.tensor, part->weights);
}

static vkd_status add_values(vkd_lowering *lowering, const attention *a, const portion *part,
                             vkd_tensor_id symbols, uint32_t word)
{
    const vkd_tensor *tensors = lowering->graph->tensors;
    const attention_params params = params_of(a, part, word);
    const uint64_t groups = vkd_divide_up((uint64_t)a->heads * part->count * a->width, 4);
    uint32_t local[2];
    values_workgroup(lowering->caps, a, groups, local);
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_ATTENTION_VALUES,
                                vkd_loop(vkd_divide_up(a->keys, local[1]), 0) +
                                    (local[1] > 1 ? vkd_loop(local[1], 0) : 0),
                                &params, sizeof params);
    memcpy(node.specs, local, sizeof local);
    vkd_node_groups(&node, lowering->caps, vkd_divide_up(groups, local[0]));
    vkd_node_read(&node, part->weights);
    vkd_node_read(&node, a->v.tensor);
    vkd_node_read(&node, symbols);
    vkd_node_write(&node, a->y.tensor);
    vkd_node_spec(&node, tensors[a->v.tensor].dtype);
    vkd_node_spec(&node, tensors[a->y.tensor].dtype);
    vkd_node_spec(&node, are_fours(a, &a->v));
    vkd_node_spec(&node, a->sees);
    node.macs = (uint64_t)a->heads * part->count * a->keys * a->width;
    return vkd_op_add_node(lowering, &node, a->v.tensor, a->y.tensor);
}

/* All queries, or as many as keep the weights in bounds, so that memory does not grow with the
 * square of a text's length. Parts of y must end with a group of four. */
static uint32_t part_of(const attention *a)
{
    const uint64_t most = 32 << 20, row = 4 * (uint64_t)a->heads * vkd_align_up(a->keys, 4);
    const uint64_t fit = row ? most / row : a->queries;
    return a->width % 4 || fit >= a->queries ? a->queries : fit ? (uint32_t)fit : 1;
}

/* What attention_coop.comp shares: rows of queries and of keys, scores, weights and sums. */
static uint32_t coop_bytes(const attention *a)
{
    enum { KEYS = 16 * VKD_ATTENTION_SUBGROUPS, QUERIES = VKD_ATTENTION_QUERIES };
    const uint32_t units = (uint32_t)vkd_divide_up(a->width, 16), row = 2 * units + 1;
    return 16 * ((QUERIES + KEYS) * row + QUERIES * (KEYS / 4 + 1) + 2 * QUERIES * (KEYS / 8 + 1) +
                 QUERIES * (4 * units + 1)) +
           4 * 32 * VKD_ATTENTION_SUBGROUPS;
}

/* A single query would leave most of a matrix empty. */
static bool has_units(const vkd_caps *caps, const vkd_tensor *tensors, const attention *a)
{
    const attention_rows *all[] = {&a->q, &a->k, &a->v, &a->y};
    bool fits = caps->matrix_f16 && caps->subgroup_size == 32 && a->queries > 1 &&
                coop_bytes(a) <= caps->shared_memory &&
                !vkd_kernel_refuses(caps, VKD_SHADER_ATTENTION_COOP);
    for (int i = 0; fits && i < 4; i++)
        fits = tensors[all[i]->tensor].dtype == VKD_DTYPE_FLOAT16 && are_whole(a, all[i], 8);
    return fits;
}

/* Of a kernel that does all of it. */
static void bind_all(vkd_node *node, const attention *a, vkd_tensor_id symbols)
{
    vkd_node_read(node, a->q.tensor);
    vkd_node_read(node, a->k.tensor);
    vkd_node_read(node, a->v.tensor);
    vkd_node_read(node, mask_of(a));
    vkd_node_read(node, symbols);
    vkd_node_write(node, a->y.tensor);
}

static vkd_status add_coop(vkd_lowering *lowering, const attention *a, vkd_tensor_id symbols,
                           uint32_t word)
{
    const vkd_tensor *tensors = lowering->graph->tensors;
    const portion all = {0, a->queries, VKD_NO_TENSOR};
    const attention_params params = params_of(a, &all, word);
    vkd_node node = vkd_op_node(
        lowering, VKD_SHADER_ATTENTION_COOP,
        vkd_loop(vkd_divide_up(a->keys, 16 * VKD_ATTENTION_SUBGROUPS), a->width / 8 + 8), &params,
        sizeof params);
    node.specs[0] = 32;
    node.specs[1] = VKD_ATTENTION_SUBGROUPS;
    vkd_node_groups(&node, lowering->caps,
                    a->heads * vkd_divide_up(a->queries, VKD_ATTENTION_QUERIES));
    bind_all(&node, a, symbols);
    spec_mask(&node, tensors, a);
    vkd_node_spec(&node, a->width / 8);
    node.oracle = &vkd_attention_oracle;
    vkd_node_spec(&node, a->sees);
    node.macs = 2 * (uint64_t)a->heads * a->queries * a->keys * a->width;
    return vkd_op_add_node(lowering, &node, a->q.tensor, a->y.tensor);
}

/* ------------------------------------------------------------------------------- a single query */

enum { QUERY_BINDINGS = 6, QUERY_MOST_LANES = 512, QUERY_SCORES = 256 };

/* Parts of a row, of 16 bytes. */
static uint32_t parts_of(const attention *a, vkd_dtype dtype)
{
    return a->width * (uint32_t)vkd_dtype_size(dtype) / 16;
}

static uint32_t scores_of(const attention *a)
{
    return (uint32_t)vkd_align_up(a->keys ? a->keys : 1, QUERY_SCORES);
}

/* What attention_query.comp shares. */
static uint64_t query_bytes(const attention *a, uint32_t parts, uint32_t lanes)
{
    return 4 * ((uint64_t)scores_of(a) + lanes + VKD_ATTENTION_BATCH * (lanes + lanes / parts));
}

/* As many as have enough keys to read; 0 where there are too few for a row, or no room. */
static uint32_t query_lanes(const vkd_caps *caps, const attention *a, uint32_t parts)
{
    uint32_t lanes = 32;
    while (lanes * 2 <= QUERY_MOST_LANES && lanes * 2 <= caps->max_workgroup_invocations &&
           lanes * 2 <= caps->max_workgroup_size[0] &&
           query_bytes(a, parts, lanes * 2) <= caps->shared_memory &&
           (lanes < a->width || lanes < a->keys * parts / VKD_ATTENTION_BATCH))
        lanes *= 2;
    return lanes >= a->width && query_bytes(a, parts, lanes) <= caps->shared_memory ? lanes : 0;
}

/* Invocations of attention_query.comp; 0: it is not for this. On a CPU they would take turns. */
static uint32_t query_lanes_for(const vkd_caps *caps, const vkd_tensor *tensors, const attention *a)
{
    const attention_rows *all[] = {&a->q, &a->k, &a->v, &a->y};
    const vkd_dtype dtype = tensors[a->q.tensor].dtype;
    bool fits = caps->type != VKD_TYPE_CPU && a->queries == 1 && vkd_is_float(dtype) &&
                caps->max_storage_buffers >= QUERY_BINDINGS &&
                !vkd_kernel_refuses(caps, VKD_SHADER_ATTENTION_QUERY);
    for (int i = 0; fits && i < 4; i++)
        fits = tensors[all[i]->tensor].dtype == dtype &&
               are_whole(a, all[i], 16 / (uint32_t)vkd_dtype_size(dtype));
    return fits ? query_lanes(caps, a, parts_of(a, dtype)) : 0;
}

/* What the loops of attention_query.glsl take. */
static uint64_t query_loops(const attention *a, uint32_t lanes, uint32_t parts)
{
    enum { LEADERS = 32 };
    const uint32_t at_once = lanes / parts, chunk = VKD_ATTENTION_BATCH * at_once;
    const uint64_t chunks = vkd_divide_up(a->keys, chunk),
                   scores = vkd_loop(vkd_divide_up(chunk, lanes), vkd_loop(parts, 0));
    return vkd_loop(chunks, scores) + vkd_loop(lanes / LEADERS, 0) + vkd_loop(LEADERS, 0) +
           vkd_loop(vkd_divide_up(a->keys, lanes), 0) + vkd_loop(chunks, 0) + vkd_loop(at_once, 0);
}

static vkd_status add_query(vkd_lowering *lowering, const attention *a, uint32_t lanes,
                            vkd_tensor_id symbols, uint32_t word)
{
    const vkd_tensor *tensors = lowering->graph->tensors;
    const vkd_dtype dtype = tensors[a->q.tensor].dtype;
    const uint32_t parts = parts_of(a, dtype);
    const attention_params params = params_of(a, &(portion){0, 1, VKD_NO_TENSOR}, word);
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_ATTENTION_QUERY, query_loops(a, lanes, parts),
                                &params, sizeof params);
    node.specs[0] = lanes;
    vkd_node_groups(&node, lowering->caps, a->heads);
    bind_all(&node, a, symbols);
    vkd_node_spec(&node, dtype);
    spec_mask(&node, tensors, a);
    vkd_node_spec(&node, parts);
    vkd_node_spec(&node, scores_of(a));
    vkd_node_spec(&node, a->sees);
    node.macs = 2 * (uint64_t)a->heads * a->keys * a->width;
    return vkd_op_add_node(lowering, &node, a->q.tensor, a->y.tensor);
}

/* ---------------------------------------------------------------------------- one more token */

enum { STEP_BINDINGS = 10 };

/* Norms in front, whose weights are packed together. */
typedef struct step_weights {
    vkd_content of[2]; /* null: none */
    uint32_t dtype[2], width;
} step_weights;

static void pack_step_weights(const void *from, void *dst, size_t size)
{
    const step_weights *w = from;
    float *out = dst;
    memset(dst, 0, size);
    for (uint32_t i = 0; i < 2; i++)
        for (uint32_t d = 0; w->of[i].data && d < w->width; d++)
            out[i * w->width + d] =
                (float)vkd_element_get((vkd_dtype)w->dtype[i], w->of[i].data, d);
}

static vkd_status add_step_weights(vkd_lowering *lowering, const attention *a,
                                   const uint32_t values[2], vkd_tensor_id *out)
{
    step_weights w;
    memset(&w, 0, sizeof w);
    w.width = a->width;
    for (int i = 0; i < 2; i++) {
        w.of[i] = vkd_op_content(lowering, values[i]);
        w.dtype[i] = values[i] == VKD_NO_VALUE ? VKD_DTYPE_FLOAT32
                                               : vkd_value_tensor(lowering, values[i])->dtype;
    }
    return vkd_op_constant(lowering, (uint64_t)8 * a->width, pack_step_weights, &w, sizeof w, 2,
                           out);
}

static bool is_kept(const vkd_lowering *lowering, uint32_t value)
{
    const vkd_model_tensor *weight =
        value == VKD_NO_VALUE ? NULL : vkd_value_tensor(lowering, value);
    return !weight || (weight->data && !weight->state && vkd_is_float(weight->dtype));
}

/* What turns both, where it can be done on the way. */
static const rotary_args *turn_of(const vkd_lowering *lowering, const attention_token *token)
{
    int q, k;
    const vkd_call *call = vkd_late_rotary(lowering, token->q, &q);
    if (!call || vkd_late_rotary(lowering, token->k, &k) != call || q == k ||
        lowering->use[token->q].reads != 1 || lowering->use[token->k].reads != 1)
        return NULL;
    const rotary_args *args = call->args;
    const bool tables = vkd_is_float(vkd_value_tensor(lowering, args->cosine)->dtype) &&
                        vkd_value_tensor(lowering, args->sine)->dtype ==
                            vkd_value_tensor(lowering, args->cosine)->dtype;
    return tables && is_kept(lowering, args->weight[0]) && is_kept(lowering, args->weight[1])
               ? args
               : NULL;
}

bool vkd_attention_takes(const vkd_lowering *lowering, const attention *a, attention_token *token)
{
    const vkd_caps *caps = lowering->caps;
    const uint32_t values[] = {token->q, token->k, token->v, token->y};
    const vkd_dtype dtype = lowering->graph->tensors[a->k.tensor].dtype;
    bool fits = !(lowering->net->skipped & VKD_REWRITE_ATTENTION) && caps->type != VKD_TYPE_CPU &&
                a->queries == 1 && a->k.tensor != a->v.tensor && vkd_is_float(dtype) &&
                lowering->graph->tensors[a->v.tensor].dtype == dtype &&
                a->width % (16 / (uint32_t)vkd_dtype_size(dtype)) == 0 &&
                caps->max_storage_buffers >= STEP_BINDINGS &&
                !vkd_kernel_refuses(caps, VKD_SHADER_ATTENTION_STEP) && turn_of(lowering, token);
    for (int i = 0; fits && i < 4; i++)
        fits = vkd_value_tensor(lowering, values[i])->dtype == dtype &&
               !vkd_value_tensor(lowering, values[i])->state;
    token->lanes = fits ? query_lanes(caps, a, parts_of(a, dtype)) : 0;
    return token->lanes > 0;
}

static attention_step_params step_params_of(const vkd_lowering *lowering, const attention *a,
                                            const vkd_call *call, int q)
{
    const rotary_params turn = vkd_rotary_params(lowering, call, q);
    const rotary_args *args = call->args;
    return (attention_step_params){
        .heads = a->heads,
        .keys = a->keys,
        .width = a->width,
        .group = a->group,
        .start = a->start.value == VKD_NO_VALUE ? (int32_t)a->start.number : 0,
        .scale = a->scale,
        .rotated = turn.rotated,
        .table = turn.table,
        .table_rows = turn.table_rows,
        .turn_start = turn.start,
        .q_eps = args->eps[q],
        .k_eps = args->eps[!q],
    };
}

/* What the kernel reads beside the caches. */
typedef struct step_operands {
    vkd_tensor_id q, k, v, cosine, sine, weights, symbols;
} step_operands;

static vkd_status find_operands(vkd_lowering *lowering, const attention *a,
                                const attention_token *token, const rotary_args *turn, int q,
                                attention_step_params *params, step_operands *o)
{
    const uint32_t weights[] = {turn->weight[q], turn->weight[!q]};
    vkd_tensor_id turn_symbols;
    VKD_TRY(vkd_op_rows(lowering, turn->x[q], &o->q));
    VKD_TRY(vkd_op_rows(lowering, turn->x[!q], &o->k));
    VKD_TRY(vkd_op_rows(lowering, token->v, &o->v));
    VKD_TRY(vkd_op_rows(lowering, turn->cosine, &o->cosine));
    VKD_TRY(vkd_op_rows(lowering, turn->sine, &o->sine));
    VKD_TRY(vkd_op_symbol(lowering, turn->start, o->q, &turn_symbols, &params->turn_symbol));
    VKD_TRY(vkd_op_symbol(lowering, a->start, turn_symbols, &o->symbols, &params->symbol));
    o->weights = o->cosine; /* the binding has to have something */
    if (weights[0] == VKD_NO_VALUE && weights[1] == VKD_NO_VALUE)
        return VKD_OK;
    return add_step_weights(lowering, a, weights, &o->weights);
}

vkd_status vkd_attention_step(vkd_lowering *lowering, const attention *a,
                              const attention_token *token)
{
    int q;
    const vkd_call *call = vkd_late_rotary(lowering, token->q, &q);
    const rotary_args *turn = call->args;
    const vkd_dtype dtype = vkd_value_tensor(lowering, token->q)->dtype;
    const uint32_t parts = parts_of(a, dtype);
    attention_step_params params = step_params_of(lowering, a, call, q);
    step_operands o;
    vkd_tensor_id y;
    VKD_TRY(find_operands(lowering, a, token, turn, q, &params, &o));
    VKD_TRY(vkd_op_output_in(lowering, token->y, dtype, VKD_ROWS, &y));
    const uint64_t loops = query_loops(a, token->lanes, parts) +
                           vkd_loop(vkd_divide_up(a->width, VKD_ROTARY_STEP), 0) +
                           vkd_loop(vkd_divide_up(2 * (uint64_t)a->width, token->lanes), 0);
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_ATTENTION_STEP, loops, &params, sizeof params);
    node.specs[0] = token->lanes;
    vkd_node_groups(&node, lowering->caps, a->heads);
    vkd_node_read(&node, o.q);
    vkd_node_write(&node, a->k.tensor);
    vkd_node_write(&node, a->v.tensor);
    vkd_node_read(&node, o.k);
    vkd_node_read(&node, o.symbols);
    vkd_node_write(&node, y);
    vkd_node_read(&node, o.v);
    vkd_node_read(&node, o.cosine);
    vkd_node_read(&node, o.sine);
    vkd_node_read(&node, o.weights);
    vkd_node_spec(&node, dtype);
    vkd_node_spec(&node, vkd_value_tensor(lowering, turn->cosine)->dtype);
    vkd_node_spec(&node, (uint32_t)call->row->code);
    vkd_node_spec(&node, (turn->weight[q] != VKD_NO_VALUE) | (turn->weight[!q] != VKD_NO_VALUE)
                                                                 << 1);
    vkd_node_spec(&node, parts);
    vkd_node_spec(&node, scores_of(a));
    node.macs = 2 * (uint64_t)a->heads * a->keys * a->width;
    return vkd_op_add_node(lowering, &node, o.q, y);
}

/* --------------------------------------------------------------------------------------- choice */

vkd_status vkd_attention_emit(vkd_lowering *lowering, const attention *a)
{
    const uint32_t lanes = query_lanes_for(lowering->caps, lowering->graph->tensors, a);
    const uint32_t most = part_of(a);
    vkd_tensor_id symbols;
    uint32_t word;
    VKD_TRY(vkd_op_symbol(lowering, a->start, a->q.tensor, &symbols, &word));
    if (has_units(lowering->caps, lowering->graph->tensors, a))
        return add_coop(lowering, a, symbols, word);
    if (lanes)
        return add_query(lowering, a, lanes, symbols, word);
    for (uint32_t first = 0; first < a->queries; first += most) {
        portion part = {first, a->queries - first < most ? a->queries - first : most,
                        VKD_NO_TENSOR};
        const uint32_t dims[] = {a->heads, part.count, (uint32_t)vkd_align_up(a->keys, 4)};
        VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_FLOAT32,
                                     VKD_ROWS, 3, dims, &part.weights));
        VKD_TRY(add_weights(lowering, a, &part, symbols, word));
        VKD_TRY(add_values(lowering, a, &part, symbols, word));
    }
    return VKD_OK;
}
