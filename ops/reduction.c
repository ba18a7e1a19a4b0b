/* Sums, means, extremes and where they are, over any dims: shaders/reduce.comp. */
#include "ops/reduction.h"
#include "ops/elementwise.h"
#include "ops/tables.h"

#include <string.h>

/* ---------------------------------------------------------------------------------------- views */

/* Dims in two: those that stay, and runs of those that go. Returns how many runs there are. */
static uint32_t split(const vkd_view *x, const bool reduced[VKD_MAX_RANK], vkd_reduction *out)
{
    *out = (vkd_reduction){.kept = {.tensor = x->tensor, .offset = x->offset}, .count = 1};
    uint32_t sizes[VKD_MAX_RANK], runs = 0;
    int32_t strides[VKD_MAX_RANK];
    for (uint32_t d = 0; d < x->rank; d++) {
        if (!reduced[d]) {
            out->kept.dims[out->kept.rank] = x->dims[d];
            out->kept.strides[out->kept.rank++] = x->strides[d];
            continue;
        }
        out->count *= x->dims[d];
        if (runs && strides[runs - 1] == x->strides[d] * (int32_t)x->dims[d]) {
            sizes[runs - 1] *= x->dims[d];
            strides[runs - 1] = x->strides[d];
        } else if (x->dims[d] != 1) {
            sizes[runs] = x->dims[d];
            strides[runs++] = x->strides[d];
        }
    }
    out->runs = runs ? runs : 1;
    for (uint32_t r = 0; r < VKD_REDUCE_DIMS; r++)
        out->run[r] = 1;
    for (uint32_t r = 0; r < runs && runs <= VKD_REDUCE_DIMS; r++) {
        out->run[VKD_REDUCE_DIMS - runs + r] = sizes[r];
        out->run_strides[VKD_REDUCE_DIMS - runs + r] = strides[r];
    }
    return runs;
}

/* A copy of x whose reduced dims lie within the others, so that they are one run. */
static vkd_status gather_runs(vkd_lowering *lowering, const vkd_view *x,
                              const bool reduced[VKD_MAX_RANK], vkd_view *out)
{
    uint32_t order[VKD_MAX_RANK], count = 0;
    for (int last = 0; last < 2; last++)
        for (uint32_t d = 0; d < x->rank; d++)
            if (reduced[d] == last)
                order[count++] = d;
    return vkd_op_straighten(lowering, x, order, count, out);
}

vkd_status vkd_reduction_split(vkd_lowering *lowering, const vkd_view *x,
                               const bool reduced[VKD_MAX_RANK], vkd_reduction *out)
{
    vkd_view turned;
    if (split(x, reduced, out) <= VKD_REDUCE_DIMS)
        return VKD_OK;
    VKD_TRY(gather_runs(lowering, x, reduced, &turned));
    (void)split(&turned, reduced, out);
    return VKD_OK;
}

/* ------------------------------------------------------------------------------------- dispatch */

/* A run of several dims looks for each element's place in a loop, an extreme compares four in one;
 * statistics pass twice. */
static uint64_t loops_of(vkd_shader shader, const vkd_reduction *reduction, uint32_t lanes)
{
    enum { PLACES = 64 }; /* of the first elements */
    const uint64_t place = reduction->runs > 1 ? vkd_loop(reduction->runs, 0) : 0;
    const uint64_t rounds = vkd_divide_up(reduction->count, 4ull * lanes); /* of four elements */
    if (shader == VKD_SHADER_STATS)
        return 2 * (vkd_loop(rounds, 4 * place) + vkd_loop(8, 0)) + PLACES;
    return vkd_loop(rounds, 4 * place + 5 * vkd_loop(4, 0)) + vkd_loop(8, vkd_loop(4, 0)) +
           PLACES; /* 256 lanes halve 8 times */
}

/* How many invocations share a run: what a CPU's loops need, and what keeps a GPU busy. A power of
 * two. For the largest shape, so that others need no other pipeline. */
static uint32_t lanes_of(const vkd_caps *caps, vkd_shader shader, const vkd_reduction *reduction,
                         uint32_t units)
{
    enum { GPU_UNITS = 32768, SHORT = 4, SHARED_BYTES = 48 /* of an invocation */ };
    const uint32_t largest_group = caps->max_loops ? 256 : 512;
    uint32_t lanes = 1;
    vkd_reduction largest = *reduction;
    largest.count = reduction->most ? reduction->most : reduction->count;
    while (lanes * 2 <= largest_group && lanes * 2 <= caps->max_workgroup_size[1] &&
           lanes * 2 <= caps->max_workgroup_invocations &&
           lanes * 2 * SHARED_BYTES <= caps->shared_memory &&
           (caps->max_loops ? loops_of(shader, &largest, lanes) > VKD_CPU_MAX_LOOPS
                            : (uint64_t)units * lanes < GPU_UNITS && largest.count / lanes > SHORT))
        lanes *= 2;
    return lanes;
}

/* Columns of a workgroup: 64 invocations with the lanes, as far as the device has them. */
static uint32_t width_of(const vkd_caps *caps, uint32_t lanes)
{
    uint32_t width = 1;
    while (lanes * width * 2 <= 64 && lanes * width * 2 <= caps->max_workgroup_invocations)
        width *= 2;
    return width;
}

static vkd_node node_of(vkd_lowering *lowering, vkd_shader shader, const vkd_reduction *reduction,
                        const vkd_walk *walk, uint32_t units, float eps)
{
    reduce_params params = {.groups = walk->groups,
                            .slots = walk->slots,
                            .inner = walk->inner,
                            .x_offset = walk->offsets[0],
                            .count = reduction->count,
                            .eps = eps};
    memcpy(params.dims, walk->dims, sizeof params.dims);
    memcpy(params.x_strides, walk->strides[0], sizeof params.x_strides);
    memcpy(params.run, reduction->run, sizeof params.run);
    memcpy(params.run_strides, reduction->run_strides, sizeof params.run_strides);
    const uint32_t lanes = lanes_of(lowering->caps, shader, reduction, units),
                   width = width_of(lowering->caps, lanes);
    vkd_node node =
        vkd_op_node(lowering, shader, loops_of(shader, reduction, lanes), &params, sizeof params);
    node.specs[0] = width;
    node.specs[1] = lanes;
    vkd_node_groups(&node, lowering->caps, vkd_divide_up(units, width));
    return node;
}

static void add_specs(const vkd_lowering *lowering, vkd_node *node, const vkd_reduction *reduction,
                      const vkd_walk *walk, vkd_dtype y_type, uint32_t op)
{
    vkd_node_spec(node, lowering->graph->tensors[reduction->kept.tensor].dtype);
    vkd_node_spec(node, y_type);
    vkd_node_spec(node, op);
    vkd_node_spec(node, walk->dim_count);
    vkd_node_spec(node, reduction->runs);
}

/* The tensor's own dims, or those that stay where it has ones besides. */
static vkd_status kept_as(vkd_lowering *lowering, const vkd_reduction *reduction, vkd_tensor_id y,
                          vkd_tensor_id *out)
{
    const vkd_tensor *tensor = &lowering->graph->tensors[y];
    *out = y;
    if (tensor->rank == reduction->kept.rank)
        return VKD_OK;
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, tensor->place, tensor->dtype, VKD_ROWS,
                                 reduction->kept.rank, reduction->kept.dims, out));
    lowering->graph->tensors[*out].storage = y;
    return VKD_OK;
}

/* Four results, and elements of their runs, lie side by side. */
static bool is_in_quads(const vkd_reduction *reduction, const vkd_walk *walk)
{
    bool quads = walk->reads[0] != VKD_READ_EACH && walk->reads[0] != VKD_READ_ONE;
    for (uint32_t r = 0; r < VKD_REDUCE_DIMS; r++)
        quads &= reduction->run[r] == 1 || reduction->run_strides[r] % 4 == 0;
    return quads;
}

vkd_status vkd_reduction_emit(vkd_lowering *lowering, const vkd_reduction *reduction, uint32_t op,
                              vkd_tensor_id y)
{
    vkd_tensor_id kept;
    vkd_walk walk;
    VKD_TRY(kept_as(lowering, reduction, y, &kept));
    vkd_walk_make(lowering->graph, kept, &reduction->kept, 1, &walk);
    vkd_node node = node_of(lowering, VKD_SHADER_REDUCE, reduction, &walk, walk.groups, 0);
    add_specs(lowering, &node, reduction, &walk, lowering->graph->tensors[y].dtype, op);
    vkd_node_spec(&node, is_in_quads(reduction, &walk));
    vkd_node_read(&node, reduction->kept.tensor);
    vkd_node_write(&node, kept);
    return vkd_op_add_node(lowering, &node, reduction->kept.tensor, y);
}

vkd_status vkd_reduction_stats(vkd_lowering *lowering, const vkd_reduction *reduction, uint32_t op,
                               float eps, vkd_tensor_id *out)
{
    const vkd_view *kept = &reduction->kept;
    vkd_tensor_id rows;
    vkd_walk walk;
    uint32_t dims[VKD_MAX_RANK + 1], rank = kept->rank;
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_FLOAT32, VKD_ROWS,
                                 rank, kept->dims, &rows));
    vkd_walk_make(lowering->graph, rows, kept, 1, &walk);
    memcpy(dims, kept->dims, sizeof kept->dims);
    dims[rank] = 2;
    if (rank == VKD_MAX_RANK)
        return vkd_op_fail_at(lowering, VKD_UNSUPPORTED, lowering->call->args,
                              "has rank %u and no dim to take statistics over, expected one", rank);
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_FLOAT32, VKD_ROWS,
                                 rank + 1, dims, out));
    vkd_node node = node_of(lowering, VKD_SHADER_STATS, reduction, &walk, walk.slots, eps);
    add_specs(lowering, &node, reduction, &walk, VKD_DTYPE_FLOAT32, op);
    vkd_node_read(&node, kept->tensor);
    vkd_node_write(&node, *out);
    return vkd_op_add_node(lowering, &node, kept->tensor, *out);
}

/* ------------------------------------------------------------------------------------ operators */

static const vkd_param sum_params[] = {
    VKD_TENSOR(reduce_args, x, self), VKD_INT_LIST(reduce_args, dims, dim),
    VKD_BOOL(reduce_args, keepdim),   VKD_IGNORED("dtype"),
    VKD_OUTPUT(reduce_args, y, out),  VKD_PARAMS_END};
static const vkd_param extreme_params[] = {
    VKD_TENSOR(reduce_args, x, self), VKD_INT_LIST(reduce_args, dims, dim),
    VKD_BOOL(reduce_args, keepdim), VKD_OUTPUT(reduce_args, y, out), VKD_PARAMS_END};
static const vkd_param all_params[] = {VKD_TENSOR(reduce_args, x, self),
                                       VKD_OUTPUT(reduce_args, y, out), VKD_PARAMS_END};

/* An output dim without keepdim, with ones for what is reduced with it. */
uint32_t vkd_reduced_dims(const vkd_model_tensor *x, const bool reduced[VKD_MAX_RANK], bool keepdim,
                          uint32_t dims[VKD_MAX_RANK])
{
    uint32_t rank = 0;
    for (uint32_t i = 0; i < x->rank; i++)
        if (keepdim || !reduced[i])
            dims[rank++] = reduced[i] ? 1 : x->dims[i];
    return rank;
}

vkd_status vkd_reduced_shape(vkd_shaping *shaping, const void *arguments)
{
    const reduce_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    bool reduced[VKD_MAX_RANK];
    uint32_t dims[VKD_MAX_RANK];
    VKD_TRY(vkd_shape_listed(shaping, &args->dims, x->rank, reduced));
    uint32_t rank = vkd_reduced_dims(x, reduced, args->keepdim, dims);
    return vkd_shape_set(shaping, args->y, rank, dims);
}

static vkd_status check_not_empty(vkd_lowering *lowering, uint32_t x,
                                  const vkd_reduction *reduction, uint32_t op)
{
    bool needs = op == VKD_REDUCE_MAX || op == VKD_REDUCE_MIN || op == VKD_REDUCE_ARGMAX ||
                 op == VKD_REDUCE_ARGMIN;
    return needs && !reduction->count
               ? vkd_op_fail_value(lowering, VKD_INVALID_MODEL, x,
                                   "has no elements to take the extreme of, expected one at least")
               : VKD_OK;
}

static uint32_t longest_run(const vkd_model_tensor *x, const bool reduced[VKD_MAX_RANK])
{
    uint64_t count = 1;
    for (uint32_t d = 0; d < x->rank; d++)
        count *= reduced[d] ? x->dims[d] : 1;
    return (uint32_t)count;
}

vkd_status vkd_op_reduce(vkd_lowering *lowering, const reduce_args *args, uint32_t op)
{
    bool reduced[VKD_MAX_RANK];
    vkd_reduction reduction;
    vkd_view x;
    vkd_tensor_id y;
    VKD_TRY(vkd_op_view(lowering, args->x, &x));
    vkd_op_listed(&args->dims, x.rank, reduced);
    VKD_TRY(vkd_reduction_split(lowering, &x, reduced, &reduction));
    VKD_TRY(check_not_empty(lowering, args->x, &reduction, op));
    if (lowering->net->resizes)
        reduction.most = longest_run(&lowering->net->values[args->x].tensor, reduced);
    VKD_TRY(vkd_op_output_in(lowering, args->y, vkd_value_tensor(lowering, args->y)->dtype,
                             VKD_ROWS, &y));
    return vkd_reduction_emit(lowering, &reduction, op, y);
}

/* What truths add up to is whether there is one, and their product whether all are. */
static uint32_t by_result(uint32_t op, vkd_dtype y)
{
    if (y != VKD_DTYPE_BOOL)
        return op;
    return op == VKD_REDUCE_SUM ? VKD_REDUCE_ANY : op == VKD_REDUCE_PROD ? VKD_REDUCE_ALL : op;
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const reduce_args *args = arguments;
    const vkd_dtype y = vkd_value_tensor(lowering, args->y)->dtype;
    return vkd_op_reduce(lowering, args, by_result((uint32_t)lowering->call->row->code, y));
}

#define REDUCE(name_, params_, code_)                                                              \
    {                                                                                              \
        name_, params_, sizeof(reduce_args), vkd_reduced_shape, lower, .code = code_               \
    }

/* --------------------------------------------------------------------- an extreme and its place */

typedef struct extreme_args {
    reduce_args reduce; /* y: the extreme */
    uint32_t y[2];      /* the extreme, and where it is */
} extreme_args;

static const vkd_param place_params[] = {VKD_TENSOR(extreme_args, reduce.x, self),
                                         VKD_INT_LIST(extreme_args, reduce.dims, dim),
                                         VKD_BOOL(extreme_args, reduce.keepdim, keepdim),
                                         VKD_OUTPUTS(extreme_args, y, 2, out), VKD_PARAMS_END};

static vkd_status shape_extreme(vkd_shaping *shaping, const void *arguments)
{
    const extreme_args *args = arguments;
    reduce_args one = args->reduce;
    if (one.dims.count != 1)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->reduce.dims,
                                 "has %zu dims, expected one", one.dims.count);
    bool reduced[VKD_MAX_RANK];
    VKD_TRY(
        vkd_shape_listed(shaping, &args->reduce.dims, vkd_shape_of(shaping, one.x)->rank, reduced));
    for (size_t i = 0; i < 2; i++) {
        one.y = args->y[i];
        VKD_TRY(vkd_reduced_shape(shaping, &one));
    }
    return VKD_OK;
}

static vkd_status lower_extreme(vkd_lowering *lowering, const void *arguments)
{
    const extreme_args *args = arguments;
    const bool most = lowering->call->row->code == VKD_REDUCE_MAX;
    reduce_args one = args->reduce;
    one.y = args->y[0];
    VKD_TRY(vkd_op_reduce(lowering, &one, most ? VKD_REDUCE_MAX : VKD_REDUCE_MIN));
    one.y = args->y[1];
    if (one.y == VKD_NO_VALUE)
        return VKD_OK;
    return vkd_op_reduce(lowering, &one, most ? VKD_REDUCE_ARGMAX : VKD_REDUCE_ARGMIN);
}

/* -------------------------------------------------------------------------- spreads of elements */

typedef struct spread_args {
    reduce_args reduce;
    bool unbiased;
    vkd_number correction; /* taken from the count; null: as `unbiased` says */
} spread_args;
static const spread_args sample = {.unbiased = true};

static const vkd_param spread_params[] = {
    VKD_TENSOR(spread_args, reduce.x, self), VKD_INT_LIST(spread_args, reduce.dims, dim),
    VKD_BOOL(spread_args, unbiased),         VKD_BOOL(spread_args, reduce.keepdim, keepdim),
    VKD_OUTPUT(spread_args, reduce.y, out),  VKD_PARAMS_END};
static const vkd_param correction_params[] = {
    VKD_TENSOR(spread_args, reduce.x, self),      VKD_INT_LIST(spread_args, reduce.dims, dim),
    VKD_OPTIONAL_NUMBER(spread_args, correction), VKD_BOOL(spread_args, reduce.keepdim, keepdim),
    VKD_OUTPUT(spread_args, reduce.y, out),       VKD_PARAMS_END};

static vkd_status shape_spread(vkd_shaping *shaping, const void *arguments)
{
    const spread_args *args = arguments;
    return vkd_reduced_shape(shaping, &args->reduce);
}

/* One of the two numbers of each run, as y's elements. */
static vkd_status move_number(vkd_lowering *lowering, vkd_tensor_id stats, int32_t which,
                              uint32_t value)
{
    const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
    vkd_view number = {.tensor = stats, .rank = tensor->rank, .offset = which};
    int32_t step = 2;
    vkd_tensor_id y;
    for (uint32_t d = tensor->rank; d-- > 0; step *= (int32_t)tensor->dims[d]) {
        number.dims[d] = tensor->dims[d];
        number.strides[d] = step;
    }
    VKD_TRY(vkd_op_output_in(lowering, value, tensor->dtype, VKD_ROWS, &y));
    return vkd_op_move(lowering, &number, y);
}

static vkd_status spread_stats(vkd_lowering *lowering, const spread_args *args,
                               vkd_tensor_id *stats)
{
    const vkd_number correction = vkd_op_plain(lowering, args->correction);
    bool reduced[VKD_MAX_RANK];
    vkd_reduction reduction;
    vkd_view x;
    VKD_TRY(vkd_op_view(lowering, args->reduce.x, &x));
    vkd_op_listed(&args->reduce.dims, x.rank, reduced);
    VKD_TRY(vkd_reduction_split(lowering, &x, reduced, &reduction));
    return vkd_reduction_stats(
        lowering, &reduction, (uint32_t)lowering->call->row->code,
        correction.kind == VKD_NUMBER_NULL ? args->unbiased : (float)correction.real, stats);
}

static vkd_status lower_spread(vkd_lowering *lowering, const void *arguments)
{
    const spread_args *args = arguments;
    vkd_tensor_id stats;
    VKD_TRY(spread_stats(lowering, args, &stats));
    return move_number(lowering, stats, 1, args->reduce.y);
}

/* The spread, and the mean beside it. */
typedef struct spread_mean_args {
    spread_args spread;
    uint32_t y[2];
} spread_mean_args;
static const spread_mean_args sample_and_mean = {.spread.unbiased = true};

static const vkd_param spread_mean_params[] = {
    VKD_TENSOR(spread_mean_args, spread.reduce.x, self),
    VKD_INT_LIST(spread_mean_args, spread.reduce.dims, dim),
    VKD_OPTIONAL_NUMBER(spread_mean_args, spread.correction, correction),
    VKD_BOOL(spread_mean_args, spread.reduce.keepdim, keepdim),
    VKD_OUTPUTS(spread_mean_args, y, 2, out),
    VKD_PARAMS_END};

static vkd_status shape_spread_mean(vkd_shaping *shaping, const void *arguments)
{
    const spread_mean_args *args = arguments;
    reduce_args one = args->spread.reduce;
    bool reduced[VKD_MAX_RANK];
    VKD_TRY(vkd_shape_listed(shaping, &args->spread.reduce.dims, vkd_shape_of(shaping, one.x)->rank,
                             reduced));
    for (size_t i = 0; i < 2; i++) {
        one.y = args->y[i];
        VKD_TRY(vkd_reduced_shape(shaping, &one));
    }
    return VKD_OK;
}

static vkd_status lower_spread_mean(vkd_lowering *lowering, const void *arguments)
{
    const spread_mean_args *args = arguments;
    vkd_tensor_id stats;
    VKD_TRY(spread_stats(lowering, &args->spread, &stats));
    VKD_TRY(move_number(lowering, stats, 1, args->y[0]));
    return args->y[1] == VKD_NO_VALUE ? VKD_OK : move_number(lowering, stats, 0, args->y[1]);
}

static const vkd_param dtype_params[] = {VKD_TENSOR(reduce_args, x, self), VKD_IGNORED("dtype"),
                                         VKD_OUTPUT(reduce_args, y, out), VKD_PARAMS_END};

/* clang-format off */
#define ANY(name_) \
    {name_, extreme_params, sizeof(reduce_args), vkd_reduced_shape, lower, .code = VKD_REDUCE_ANY, .kind = VKD_OP_ANY}
#define EXTREME(name_, code_) \
    {name_, place_params, sizeof(extreme_args), shape_extreme, lower_extreme, .code = code_}
#define SPREAD(name_, params_, code_) \
    {name_, params_, sizeof(spread_args), shape_spread, lower_spread, .code = code_, \
     .defaults = &sample}
/* clang-format on */

static const vkd_op rows[] = {
    REDUCE("aten.sum.dim_IntList", sum_params, VKD_REDUCE_SUM),
    REDUCE("aten::sum.IntList_out", sum_params, VKD_REDUCE_SUM),
    REDUCE("aten.amax.default", extreme_params, VKD_REDUCE_MAX),
    REDUCE("aten::amax.out", extreme_params, VKD_REDUCE_MAX),
    REDUCE("aten.amin.default", extreme_params, VKD_REDUCE_MIN),
    REDUCE("aten::amin.out", extreme_params, VKD_REDUCE_MIN),
    REDUCE("aten.argmax.default", extreme_params, VKD_REDUCE_ARGMAX),
    REDUCE("aten::argmax.out", extreme_params, VKD_REDUCE_ARGMAX),
    REDUCE("aten.argmin.default", extreme_params, VKD_REDUCE_ARGMIN),
    REDUCE("aten::argmin.out", extreme_params, VKD_REDUCE_ARGMIN),
    ANY("aten::any.out"),
    ANY("aten::any.dims_out"),
    REDUCE("aten::any.all_out", all_params, VKD_REDUCE_ANY),
    REDUCE("aten::all.out", extreme_params, VKD_REDUCE_ALL),
    REDUCE("aten::all.dims_out", extreme_params, VKD_REDUCE_ALL),
    REDUCE("aten::all.all_out", all_params, VKD_REDUCE_ALL),
    REDUCE("aten::prod.int_out", sum_params, VKD_REDUCE_PROD),
    REDUCE("aten::prod.out", dtype_params, VKD_REDUCE_PROD),
    REDUCE("aten::mean.dtype_out", dtype_params, VKD_REDUCE_MEAN),
    REDUCE("aten::max.unary_out", all_params, VKD_REDUCE_MAX),
    REDUCE("aten::min.unary_out", all_params, VKD_REDUCE_MIN),
    EXTREME("aten::max.dim_max", VKD_REDUCE_MAX),
    EXTREME("aten::min.dim_min", VKD_REDUCE_MIN),
    SPREAD("aten.var.dim", spread_params, VKD_STATS_VAR),
    SPREAD("aten::var.out", spread_params, VKD_STATS_VAR),
    SPREAD("aten::var.correction_out", correction_params, VKD_STATS_VAR),
    {"aten::var_mean.correction_out", spread_mean_params, sizeof(spread_mean_args),
     shape_spread_mean, lower_spread_mean, .code = VKD_STATS_VAR, .defaults = &sample_and_mean},
    SPREAD("aten::std.out", spread_params, VKD_STATS_STD),
    SPREAD("aten::std.correction_out", correction_params, VKD_STATS_STD),
};

const vkd_op_table vkd_reduction_ops = VKD_OP_TABLE(rows);
