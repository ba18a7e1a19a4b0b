#include "ops/normalise.h"

#include <string.h>

/* Weight and bias, or another tensor that may be bound in their place. */
static vkd_view operand(const vkd_view *view, const vkd_view *otherwise)
{
    return view->tensor == VKD_NO_TENSOR ? *otherwise : *view;
}

static bool is_there(const vkd_view *view) { return view->tensor != VKD_NO_TENSOR; }

/* ----------------------------------------------------------------------------- too many strides */

/* A copy whose elements lie as those of a row-major tensor; dims without a stride stay so. */
static vkd_status straighten(vkd_lowering *lowering, vkd_view *view)
{
    uint32_t order[VKD_MAX_RANK], count = 0;
    if (!is_there(view))
        return VKD_OK;
    for (uint32_t d = 0; d < view->rank; d++)
        if (view->strides[d])
            order[count++] = d;
    return vkd_op_straighten(lowering, view, order, count, view);
}

/* The walk over y; operands that lie in more pieces than the kernels' strides can say are copied
 * first: y is row-major then, and what remains are the dims of runs and those between them. */
static vkd_status make_walk(vkd_lowering *lowering, vkd_normalisation *n, const vkd_view *stats,
                            vkd_tensor_id y, vkd_walk *out)
{
    for (int copied = 0; copied < 2; copied++) {
        const vkd_view operands[] = {n->x, operand(&n->weight, &n->x), operand(&n->bias, &n->x),
                                     stats ? *stats : n->x};
        vkd_walk_make(lowering->graph, y, operands, 4, out);
        if (out->dim_count <= VKD_NORMALISE_DIMS)
            return VKD_OK;
        VKD_TRY(straighten(lowering, &n->x));
        VKD_TRY(straighten(lowering, &n->weight));
        VKD_TRY(straighten(lowering, &n->bias));
    }
    return vkd_op_fail_at(lowering, VKD_UNSUPPORTED, lowering->call->args,
                          "has runs of %u dims apart, expected %d at most", out->dim_count,
                          VKD_NORMALISE_DIMS);
}

/* ------------------------------------------------------------------------------- two dispatches */

vkd_status vkd_normalise_by(vkd_lowering *lowering, const vkd_normalisation *normalisation,
                            const vkd_view *stats, vkd_tensor_id y)
{
    vkd_normalisation n = *normalisation;
    const uint32_t first = VKD_VIEW_DIMS - VKD_NORMALISE_DIMS;
    const vkd_tensor *tensors;
    vkd_walk walk;
    VKD_TRY(make_walk(lowering, &n, stats, y, &walk));
    tensors = lowering->graph->tensors;
    const vkd_tensor_id weight = operand(&n.weight, stats).tensor,
                        bias = operand(&n.bias, stats).tensor;
    normalise_params params = {.groups = walk.groups,
                               .slots = walk.slots,
                               .inner = walk.inner,
                               .x_offset = walk.offsets[0],
                               .weight_offset = walk.offsets[1],
                               .bias_offset = walk.offsets[2]};
    memcpy(params.dims, walk.dims + first, sizeof params.dims);
    memcpy(params.x_strides, walk.strides[0] + first, sizeof params.x_strides);
    memcpy(params.weight_strides, walk.strides[1] + first, sizeof params.weight_strides);
    memcpy(params.bias_strides, walk.strides[2] + first, sizeof params.bias_strides);
    memcpy(params.stats_strides, walk.strides[3] + first, sizeof params.stats_strides);
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_NORMALISE,
                                vkd_loop(16, VKD_NORMALISE_DIMS) + 16, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, walk.groups);
    vkd_node_read(&node, n.x.tensor);
    vkd_node_read(&node, stats->tensor);
    vkd_node_read(&node, weight);
    vkd_node_read(&node, bias);
    vkd_node_write(&node, y);
    vkd_node_spec(&node, tensors[n.x.tensor].dtype);
    vkd_node_spec(&node, tensors[y].dtype);
    vkd_node_spec(&node, tensors[weight].dtype);
    vkd_node_spec(&node, tensors[bias].dtype);
    vkd_node_spec(&node, n.op);
    vkd_node_spec(&node, is_there(&n.weight));
    vkd_node_spec(&node, is_there(&n.bias));
    vkd_node_spec(&node, walk.dim_count);
    vkd_node_spec(&node, walk.whole);
    return vkd_op_add_node(lowering, &node, n.x.tensor, y);
}

/* Pairs of a stats tensor by the dims of x: those that were reduced do not move in it. */
static vkd_view stats_view(const vkd_view *x, const bool reduced[VKD_MAX_RANK], vkd_tensor_id stats)
{
    vkd_view view = {.tensor = stats, .rank = x->rank};
    int32_t step = 1;
    memcpy(view.dims, x->dims, sizeof view.dims);
    for (uint32_t d = x->rank; d-- > 0;)
        if (!reduced[d]) {
            view.strides[d] = step;
            step *= (int32_t)x->dims[d];
        }
    return view;
}

static vkd_status normalise_in_two(vkd_lowering *lowering, const vkd_normalisation *n,
                                   vkd_tensor_id y, vkd_view *out)
{
    vkd_reduction reduction;
    vkd_tensor_id stats;
    VKD_TRY(vkd_reduction_split(lowering, &n->x, n->reduced, &reduction));
    VKD_TRY(vkd_reduction_stats(lowering, &reduction, n->stats, n->eps, &stats));
    *out = stats_view(&n->x, n->reduced, stats);
    return vkd_normalise_by(lowering, n, out, y);
}

/* --------------------------------------------------------------------------------- one dispatch */

/* How y is runs, one behind the other in memory, and who makes them. */
typedef struct runs {
    uint32_t row, count;  /* slots of a run, of which so many are elements */
    uint32_t lanes, each; /* invocations that share a run; runs of a workgroup */
    uint64_t loops;
} runs;

/* Whether the dims of a run are the innermost in y's memory, with padding at its end alone. */
static bool lie_in_runs(const vkd_tensor *y, const bool reduced[VKD_MAX_RANK], runs *out)
{
    uint32_t order[VKD_MAX_RANK], rank = vkd_memory_order(y, order);
    *out = (runs){.row = 1, .count = 1};
    for (uint32_t i = 0; i < rank; i++) {
        const uint32_t real = y->dims[order[i]], size = y->layout == VKD_4C && i + 1 == rank
                                                            ? (uint32_t)vkd_align_up(real, 4)
                                                            : real;
        if (size == 1)
            continue;
        if (!reduced[order[i]] && out->row > 1)
            return false;
        if (reduced[order[i]]) {
            if (size != real && out->row > 1)
                return false;
            out->row *= size;
            out->count *= real;
        } else if (size != real)
            return false;
    }
    return true;
}

/* Two passes for the numbers, one for the results, each looking for places in a walk. */
static uint64_t loops_of(const runs *r, uint32_t lanes, uint32_t dims)
{
    const uint64_t rounds = vkd_divide_up(r->row, 4ull * lanes), place = vkd_loop(dims, 0);
    return 2 * (vkd_loop(rounds, place) + vkd_loop(8, 0)) + vkd_loop(rounds + 4, 3 * place) + 32;
}

/* A SIMD register of a CPU; of a GPU what its memory reads at once, and more where runs are few.
 * Groups of y lie within a workgroup: four runs make whole ones. */
static void share(const vkd_caps *caps, uint32_t count, uint32_t dims, runs *r)
{
    enum { CPU_LANES = 8, GPU_LANES = 32, GPU_INVOCATIONS = 16384, SHORT = 2, LEAST = 64 };
    const bool is_cpu = caps->type == VKD_TYPE_CPU;
    const uint32_t apart = r->row % 4 ? 4 : 1,
                   most = caps->max_workgroup_invocations < 256 ? caps->max_workgroup_invocations
                                                                : 256,
                   groups = (uint32_t)vkd_divide_up(r->row, 4);
    r->lanes = 1;
    while (2 * r->lanes * apart <= most &&
           (is_cpu ? r->lanes < CPU_LANES || vkd_loops_refuse(caps, loops_of(r, r->lanes, dims))
                   : groups > SHORT * r->lanes &&
                         (r->lanes < GPU_LANES || (uint64_t)count * r->lanes < GPU_INVOCATIONS)))
        r->lanes *= 2;
    r->each = apart;
    while (!is_cpu && 2 * r->lanes * r->each <= most && r->lanes * r->each < LEAST)
        r->each *= 2;
    r->loops = loops_of(r, r->lanes, dims);
}

/* Where a workgroup for each run would leave most of a GPU idle for long, more pass over memory
 * twice; so they do where the self-check has something against the kernel. */
static bool is_worth_it(const vkd_caps *caps, uint32_t count, const runs *r)
{
    enum { FEW = 64, LONG = 1 << 16 };
    return !vkd_kernel_refuses(caps, VKD_SHADER_NORM) && !vkd_loops_refuse(caps, r->loops) &&
           (count >= FEW || r->row <= LONG);
}

static vkd_status normalise_in_one(vkd_lowering *lowering, const vkd_normalisation *n,
                                   const vkd_walk *walk, const runs *r, vkd_tensor_id y)
{
    const vkd_view weight = operand(&n->weight, &n->x), bias = operand(&n->bias, &n->x);
    const uint32_t first = VKD_VIEW_DIMS - VKD_NORMALISE_DIMS;
    const vkd_tensor *tensors = lowering->graph->tensors;
    norm_params params = {.groups = walk->groups,
                          .slots = walk->slots,
                          .inner = walk->inner,
                          .row = r->row,
                          .count = r->count,
                          .eps = n->eps,
                          .x_offset = walk->offsets[0],
                          .weight_offset = walk->offsets[1],
                          .bias_offset = walk->offsets[2]};
    memcpy(params.dims, walk->dims + first, sizeof params.dims);
    memcpy(params.x_strides, walk->strides[0] + first, sizeof params.x_strides);
    memcpy(params.weight_strides, walk->strides[1] + first, sizeof params.weight_strides);
    memcpy(params.bias_strides, walk->strides[2] + first, sizeof params.bias_strides);
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_NORM, r->loops, &params, sizeof params);
    node.specs[0] = r->lanes;
    node.specs[1] = r->each;
    vkd_node_groups(&node, lowering->caps, vkd_divide_up(walk->slots / r->row, r->each));
    vkd_node_read(&node, n->x.tensor);
    vkd_node_read(&node, weight.tensor);
    vkd_node_read(&node, bias.tensor);
    vkd_node_write(&node, y);
    vkd_node_spec(&node, tensors[n->x.tensor].dtype);
    vkd_node_spec(&node, tensors[y].dtype);
    vkd_node_spec(&node, tensors[weight.tensor].dtype);
    vkd_node_spec(&node, tensors[bias.tensor].dtype);
    vkd_node_spec(&node, n->stats);
    vkd_node_spec(&node, n->op);
    vkd_node_spec(&node, is_there(&n->weight));
    vkd_node_spec(&node, is_there(&n->bias));
    vkd_node_spec(&node, walk->dim_count);
    vkd_node_spec(&node, walk->whole);
    for (int i = 0; i < 3; i++)
        vkd_node_spec(&node, walk->reads[i]);
    vkd_node_spec(&node, r->row % 4 == 0);
    return vkd_op_add_node(lowering, &node, n->x.tensor, y);
}

vkd_status vkd_normalise(vkd_lowering *lowering, const vkd_normalisation *normalisation,
                         vkd_tensor_id y, vkd_view *stats)
{
    vkd_normalisation n = *normalisation;
    vkd_view own;
    vkd_walk walk;
    runs r;
    if (!stats && lie_in_runs(&lowering->graph->tensors[y], n.reduced, &r)) {
        VKD_TRY(make_walk(lowering, &n, NULL, y, &walk));
        share(lowering->caps, walk.slots / r.row, walk.dim_count, &r);
        if (is_worth_it(lowering->caps, walk.slots / r.row, &r))
            return normalise_in_one(lowering, &n, &walk, &r, y);
    }
    return normalise_in_two(lowering, &n, y, stats ? stats : &own);
}
