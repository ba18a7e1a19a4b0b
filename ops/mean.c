/* Means over the pixels of images, of floats and of int8, from sums of slices. */
#include "graph/chain.h"
#include "ops/tables.h"
#include "ops/reduction.h"
#include "ops/requantize.h"
#include "shaders/mean_params.h"
#include "shaders/q8_mean_params.h"

#include <string.h>

#include <math.h>

/* --------------------------------------------------------------------------------------- slices */

/* How many slices a sum is made in that is longer than what may be added up whole: 1 of others. As
 * many as a slice has elements are the fewest additions one after the other. */
static uint32_t slices_of(uint32_t elements, uint32_t whole)
{
    uint32_t slices = 1;
    while (elements > whole && (uint64_t)slices * slices < elements)
        slices *= 2;
    return slices;
}

/* About so many, none of them empty. */
static void set_slices(uint32_t elements, uint32_t slices, uint32_t *out_slices,
                       uint32_t *out_slice)
{
    *out_slice = (uint32_t)vkd_divide_up(elements, slices);
    *out_slices = (uint32_t)vkd_divide_up(elements, *out_slice);
}

/* ------------------------------------------------------------------------------------- mean.dim */

static const vkd_param mean_parameters[] = {
    VKD_TENSOR(reduce_args, x, self), VKD_INT_LIST(reduce_args, dims, dim),
    VKD_BOOL(reduce_args, keepdim),   VKD_IGNORED("dtype"),
    VKD_OUTPUT(reduce_args, y, out),  VKD_PARAMS_END,
};

/* Where the elements of one group of y lie: from the channels outwards, dims that lie within each
 * other make one run. Of four dims there are no more than two. */
static void set_runs(mean_params *p)
{
    const uint32_t size[] = {p->blocks, p->w, p->h, p->n};
    const bool over[] = {p->over_c, p->y_w != p->w, p->y_h != p->h, p->y_n != p->n};
    uint32_t stride = 1, elements[3] = {1, 1, 1}, steps[3] = {0}, runs = 0;
    bool before = false;
    for (int dim = 0; dim < 4; stride *= size[dim++]) {
        if (size[dim] == 1)
            continue;
        if (over[dim] && !before)
            steps[runs++] = stride;
        if (over[dim])
            elements[runs - 1] *= size[dim];
        before = over[dim];
    }
    p->elements = p->slice = elements[0] * elements[1];
    p->run = elements[0];
    p->step = steps[0];
    p->jump = steps[1];
}

static vkd_status add_mean(vkd_lowering *lowering, const mean_params *params, vkd_tensor_id x,
                           vkd_tensor_id y)
{
    vkd_node node =
        vkd_op_node(lowering, VKD_SHADER_MEAN, vkd_loop(params->slice, 0), params, sizeof *params);
    vkd_node_linear(&node, lowering->caps, (uint64_t)params->groups * params->slices);
    vkd_node_read(&node, x);
    vkd_node_write(&node, y);
    return vkd_op_add_node(lowering, &node, x, y);
}

/* The sums of slices, then the mean as that over the rows of an image of such sums, a row a slice.
 */
static vkd_status emit_sliced_mean(vkd_lowering *lowering, const mean_params *params,
                                   uint32_t slices, vkd_tensor_id x, vkd_tensor_id y)
{
    mean_params first = *params,
                second = {
                    .n = 1, .c = 4, .y_n = 1, .y_h = 1, .blocks = 1, .y_blocks = 1, .slices = 1};
    set_slices(params->elements, slices, &first.slices, &first.slice);
    first.count = 1;
    second.h = first.slices;
    second.w = second.y_w = second.groups = params->groups;
    second.count = params->count;
    set_runs(&second);
    const uint32_t dims[] = {1, 4, first.slices, params->groups};
    vkd_tensor_id sums;
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_FLOAT32, VKD_4C, 4,
                                 dims, &sums));
    VKD_TRY(add_mean(lowering, &first, x, sums));
    return add_mean(lowering, &second, sums, y);
}

static vkd_status emit_mean(vkd_lowering *lowering, vkd_tensor_id x_id, vkd_tensor_id y_id)
{
    const vkd_tensor *x = &lowering->graph->tensors[x_id], *y = &lowering->graph->tensors[y_id];
    mean_params params = {
        .n = x->n,
        .c = x->c,
        .h = x->h,
        .w = x->w,
        .y_n = y->n,
        .y_h = y->h,
        .y_w = y->w,
        .over_c = y->c != x->c,
        .blocks = (uint32_t)vkd_divide_up(x->c, 4),
        .y_blocks = (uint32_t)vkd_divide_up(y->c, 4),
        .groups = vkd_tensor_groups(y),
        .slices = 1,
        .count = (float)(vkd_dims_count(x->rank, x->dims) / vkd_dims_count(y->rank, y->dims)),
    };
    set_runs(&params);
    const uint32_t slices = slices_of(params.elements, lowering->caps->max_loops - 1);
    return slices == 1 ? add_mean(lowering, &params, x_id, y_id)
                       : emit_sliced_mean(lowering, &params, slices, x_id, y_id);
}

/* Images of f32 have a kernel of their own on CPUs, whose invocations add up as much as their loops
 * can; all else is reduced where it lies. */
static vkd_status lower_mean(vkd_lowering *lowering, const void *arguments)
{
    const reduce_args *args = arguments;
    const vkd_model_tensor *from = vkd_value_tensor(lowering, args->x);
    vkd_tensor_id x, y;
    if (!lowering->caps->max_loops || from->rank > 4 || from->dtype != VKD_DTYPE_FLOAT32 ||
        vkd_value_tensor(lowering, args->y)->dtype != VKD_DTYPE_FLOAT32 ||
        !vkd_dims_count(from->rank, from->dims))
        return vkd_op_reduce(lowering, args, VKD_REDUCE_MEAN);
    VKD_TRY(vkd_op_input(lowering, args->x, VKD_DTYPE_FLOAT32, VKD_4C, &x));
    if (args->keepdim) {
        VKD_TRY(vkd_op_output_4c(lowering, args->y, VKD_DTYPE_FLOAT32, &y));
        return emit_mean(lowering, x, y);
    }
    bool reduced[VKD_MAX_RANK];
    uint32_t kept[VKD_MAX_RANK];
    vkd_op_listed(&args->dims, from->rank, reduced);
    uint32_t rank = vkd_reduced_dims(from, reduced, true, kept);
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_FLOAT32, VKD_4C,
                                 rank, kept, &y));
    VKD_TRY(emit_mean(lowering, x, y));
    return vkd_op_reshape(lowering, y, args->y);
}

/* ---------------------------------------------------------------------------------- vkd.q8_mean */

enum { TABLE_BYTES = 256 * sizeof(float) };

static void pack_table(const void *source, void *dst, size_t size)
{
    float *table = dst;
    for (int i = 0; i < 256; i++)
        table[i] = vkd_chain_value(source, (int8_t)(i - 128));
    memset((char *)dst + TABLE_BYTES, 0, size - TABLE_BYTES);
}

/* VKD_NO_TENSOR without a chain. */
static vkd_status add_table(vkd_lowering *lowering, const chain_args *chain, vkd_tensor_id *out)
{
    *out = VKD_NO_TENSOR;
    if (!chain)
        return VKD_OK;
    chain_args function = *chain;
    memset(function.x, 0, sizeof function.x); /* equal functions are one constant */
    function.y = 0;
    return vkd_op_constant(lowering, TABLE_BYTES, pack_table, &function, sizeof function, 0, out);
}

/* What a dispatch makes: the mean of pixels, sums of slices of them, or the mean of such sums. */
typedef enum q8_mean_step { Q8_MEAN_WHOLE, Q8_MEAN_SLICES, Q8_MEAN_TOTAL } q8_mean_step;

static const vkd_param q8_mean_parameters[] = {
    VKD_TENSOR(q8_mean_args, x, self),
    VKD_FLOAT(q8_mean_args, x_scale),
    VKD_INT(q8_mean_args, x_zero),
    VKD_OPTIONAL_FLOAT(q8_mean_args, low),
    VKD_OPTIONAL_FLOAT(q8_mean_args, high),
    VKD_FLOAT(q8_mean_args, y_scale),
    VKD_INT(q8_mean_args, y_zero),
    VKD_OUTPUT(q8_mean_args, y, out),
    VKD_PARAMS_END,
};

static vkd_status check_q8_mean(vkd_lowering *lowering, const vkd_tensor *x, const vkd_tensor *y)
{
    if (x->n != y->n || x->c != y->c || y->h != 1 || y->w != 1)
        return vkd_op_fail(lowering, VKD_INVALID_MODEL,
                           "the output is %ux%ux%ux%u, expected %ux%ux1x1", y->n, y->c, y->h, y->w,
                           x->n, x->c);
    return VKD_OK;
}

/* A bound of real numbers in steps of x. */
static float bound_steps(float bound, float x_scale, float unbounded)
{
    return isnan(bound) ? unbounded : (float)((double)bound / (double)x_scale);
}

/* Invocations of a workgroup: words of y, and lanes that share the pixels of each. A GPU has
 * nothing else to be parallel in; a CPU runs the lanes one after the other, and barriers cost it
 * more. */
static void q8_mean_workgroup(const vkd_caps *caps, uint32_t pixels, uint32_t out[2])
{
    enum { FEWEST_PIXELS = 1, ALONE = 60000, CPU_LANES = 8, MOST_WORDS = 16, GROUP = 256 };
    const bool cpu = caps->type == VKD_TYPE_CPU;
    const uint32_t group =
        caps->max_workgroup_invocations < GROUP ? caps->max_workgroup_invocations : GROUP;
    const uint32_t most = !cpu ? group : pixels > ALONE ? CPU_LANES : 1;
    uint32_t words = 1, lanes = 1;
    while (2 * lanes <= most && 2 * lanes <= group && (uint64_t)2 * lanes * FEWEST_PIXELS <= pixels)
        lanes *= 2;
    while (2 * words <= MOST_WORDS && 2 * words * lanes <= group)
        words *= 2;
    out[0] = words;
    out[1] = lanes;
}

/* most: of its slices' pixels, in the largest shape. */
static vkd_status add_q8_mean(vkd_lowering *lowering, const q8_mean_params *params, uint32_t most,
                              q8_mean_step step, vkd_tensor_id table, vkd_tensor_id x,
                              vkd_tensor_id y)
{
    uint32_t local[2];
    q8_mean_workgroup(lowering->caps, most, local);
    const uint32_t lanes = local[1];
    /* halvings are no more */
    const uint64_t loops =
        vkd_loop(vkd_divide_up(params->slice, lanes), 0) + vkd_loop(lanes / 2, 0);
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_Q8_MEAN, loops, params, sizeof *params);
    vkd_node_linear(&node, lowering->caps, params->groups);
    if (lanes > 1) {
        memcpy(node.specs, local, sizeof local);
        vkd_node_groups(&node, lowering->caps, vkd_divide_up(params->groups, local[0]));
    }
    vkd_node_spec(&node, step == Q8_MEAN_TOTAL);
    vkd_node_spec(&node, step == Q8_MEAN_SLICES);
    vkd_node_spec(&node, table != VKD_NO_TENSOR);
    vkd_node_read(&node, x);
    vkd_node_write(&node, y);
    vkd_node_read(&node, table == VKD_NO_TENSOR ? x : table);
    return vkd_op_add_node(lowering, &node, x, y);
}

/* In two steps where the largest shape has more pixels than floats can count: the sums of slices,
 * then the sum of those. */
static vkd_status emit_q8_mean(vkd_lowering *lowering, q8_mean_params params, uint32_t most,
                               vkd_tensor_id table, vkd_tensor_id x_id, vkd_tensor_id y_id)
{
    uint32_t most_slices, most_slice;
    set_slices(most, slices_of(most, Q8_MEAN_MAX_PIXELS), &most_slices, &most_slice);
    if (most_slices == 1)
        return add_q8_mean(lowering, &params, most, Q8_MEAN_WHOLE, table, x_id, y_id);
    q8_mean_params first = params;
    set_slices(params.pixels, slices_of(params.pixels, Q8_MEAN_MAX_PIXELS), &first.slices,
               &first.slice);
    first.groups = params.groups * first.slices;
    const uint32_t dims[] = {lowering->graph->tensors[x_id].n, params.blocks * 4, first.slices, 1};
    vkd_tensor_id sums;
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_FLOAT32, VKD_4C, 4,
                                 dims, &sums));
    VKD_TRY(add_q8_mean(lowering, &first, most_slice, Q8_MEAN_SLICES, table, x_id, sums));
    params.pixels = params.slice = first.slices;
    return add_q8_mean(lowering, &params, most_slices, Q8_MEAN_TOTAL, VKD_NO_TENSOR, sums, y_id);
}

static vkd_status lower_q8_mean(vkd_lowering *lowering, const void *arguments)
{
    const q8_mean_args *args = arguments;
    vkd_tensor_id x_id, y_id, table;
    VKD_TRY(vkd_check_qparams(lowering, &args->x_scale, &args->x_zero));
    VKD_TRY(vkd_check_qparams(lowering, &args->y_scale, &args->y_zero));
    VKD_TRY(vkd_op_input(lowering, args->x, VKD_DTYPE_INT8, VKD_4C, &x_id));
    VKD_TRY(vkd_op_output_4c(lowering, args->y, VKD_DTYPE_INT8, &y_id));
    const vkd_tensor *x = &lowering->graph->tensors[x_id], *y = &lowering->graph->tensors[y_id];
    VKD_TRY(check_q8_mean(lowering, x, y));

    uint32_t pixels = x->h * x->w;
    const q8_mean_params params = {
        .groups = vkd_tensor_groups(y),
        .blocks = (uint32_t)vkd_divide_up(x->c, 4),
        .pixels = pixels,
        .slices = 1,
        .slice = pixels,
        .x_zero = (float)args->x_zero,
        .low = bound_steps(args->low, args->x_scale, -INFINITY),
        .high = bound_steps(args->high, args->x_scale, INFINITY),
        .factor = (float)((double)args->x_scale / pixels),
        .y_inverse_scale = vkd_inverse_scale(args->y_scale),
        .y_zero = args->y_zero,
    };
    const uint32_t *most = &lowering->net->values[args->x].tensor.dims[2];
    VKD_TRY(add_table(lowering, args->chain, &table));
    return emit_q8_mean(lowering, params, most[0] * most[1], table, x_id, y_id);
}

static vkd_status q8_mean_shape(vkd_shaping *shaping, const void *arguments)
{
    const q8_mean_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x), *y = vkd_shape_of(shaping, args->y);
    const uint32_t dims[] = {x->dims[0], x->dims[1], 1, 1};
    return vkd_shape_set(shaping, args->y, y->rank == 2 ? 2 : 4, dims);
}

static const vkd_op rows[] = {
    {"aten.mean.dim", mean_parameters, sizeof(reduce_args), vkd_reduced_shape, lower_mean,
     .kind = VKD_OP_MEAN},
    {"aten::mean.out", mean_parameters, sizeof(reduce_args), vkd_reduced_shape, lower_mean,
     .kind = VKD_OP_MEAN},
    {"vkd.q8_mean", q8_mean_parameters, sizeof(q8_mean_args), q8_mean_shape, lower_q8_mean,
     .kind = VKD_OP_Q8_MEAN, .internal = true},
};

const vkd_op_table vkd_reduce_ops = VKD_OP_TABLE(rows);
