/* et_vk.q8ta_linear and _gemv, and "vkd.q8_linear" with the dequantize behind them in it: a kernel
 * of their own for few rows, else the GEMM over rows of features. */
#include "ops/gemm/linear.h"
#include "ops/gemm/gemm.h"
#include "ops/gemm/gemm_oracle.h"
#include "ops/tables.h"
#include "ops/quantize.h"
#include "ops/requantize.h"
#include "shaders/linear_params.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ arguments */

static const vkd_param linear_parameters[] = {
    VKD_TENSOR(linear_args, x),
    VKD_FLOAT(linear_args, requantize.x_scale, input_scale),
    VKD_INT(linear_args, requantize.x_zero, input_zero_point),
    VKD_CONSTANT(linear_args, weight, weights),
    VKD_CONSTANT(linear_args, requantize.weight_sums, weight_sums),
    VKD_FINITE(linear_args, requantize.weight_scales, weight_scales),
    VKD_FLOAT(linear_args, requantize.y_scale, output_scale),
    VKD_INT(linear_args, requantize.y_zero, output_zero_point),
    VKD_OPTIONAL_FINITE(linear_args, requantize.bias, bias),
    VKD_STRING(linear_args, requantize.activation, activation),
    VKD_OUTPUT(linear_args, y, out),
    VKD_PARAMS_END,
};

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const linear_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x),
                           *weight = vkd_shape_of(shaping, args->weight);
    if (x->rank < 1 || weight->dtype != VKD_DTYPE_INT8 || weight->rank != 2 ||
        weight->dims[1] != vkd_align_up(x->dims[x->rank - 1], 4)) {
        char is[VKD_DIMS_TEXT], weights[VKD_DIMS_TEXT];
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->weight,
                                 "is %s %s, expected i8 with rows as long as those of %s",
                                 vkd_dtype_name(weight->dtype),
                                 vkd_dims_format(weight->rank, weight->dims, weights),
                                 vkd_dims_format(x->rank, x->dims, is));
    }
    uint32_t dims[VKD_MAX_RANK];
    memcpy(dims, x->dims, x->rank * sizeof *dims);
    dims[x->rank - 1] = weight->dims[0];
    return vkd_shape_set(shaping, args->y, x->rank, dims);
}

static vkd_status check_shapes(vkd_lowering *lowering, const linear_args *args)
{
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x);
    if (x->dims[x->rank - 1] > VKD_MAX_K)
        return vkd_op_fail_at(lowering, VKD_UNSUPPORTED, &args->x,
                              "makes sums of %u products, expected %d at most, for 32 bits",
                              x->dims[x->rank - 1], VKD_MAX_K);
    return args->real ? vkd_check_qparams(lowering, &args->real_scale, &args->real_zero) : VKD_OK;
}

/* ---------------------------------------------------------------------- the kernel for few rows */

/* By how much k is loaded at once; the last one that can is taken. */
static const struct {
    vkd_shader shader;
    uint32_t step; /* bytes */
} kernels[] = {{VKD_SHADER_LINEAR_WORDS, 4}, {VKD_SHADER_LINEAR, 16}};
enum { KERNELS = sizeof kernels / sizeof *kernels };

static uint32_t row_bytes(const linear_problem *problem)
{
    return (uint32_t)vkd_align_up(problem->k, 4);
}

/* Behind a single row is the tensor's own padding, whose values meet zero weights. */
static size_t kernel_for(const linear_problem *problem)
{
    size_t i = KERNELS - 1;
    while (problem->m > 1 && row_bytes(problem) % kernels[i].step)
        i--;
    return i;
}

static uint32_t steps_of(const linear_problem *problem)
{
    return (uint32_t)vkd_divide_up(problem->k, kernels[kernel_for(problem)].step);
}

/* What the estimate knows of devices, by their type: microseconds, on the scale of gemm.c's. The
 * CPU's are measured, the GPUs' follow from what gemm.c takes them for. */
typedef struct device_costs {
    uint32_t least, most; /* invocations of a workgroup */
    /* whatever the size; for each workgroup; for each step of an invocation */
    double launch, group, step;
    double rate; /* MACs in a microsecond */
} device_costs;

/* a SIMD register: wider workgroups only have barriers in addition */
static const device_costs cpu = {8, 8, 6, 0.1, 0, 6.7e3};
static const device_costs discrete = {32, 256, 2, 0, 0.15, 5e6},
                          mobile = {32, 256, 2, 0, 0.15, 200e3};

static const device_costs *costs_of(const vkd_caps *caps)
{
    return caps->type == VKD_TYPE_CPU        ? &cpu
           : caps->type == VKD_TYPE_DISCRETE ? &discrete
                                             : &mobile;
}

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* On GPUs at most two steps for each invocation, as far as the limits allow: few rows have nothing
 * else to be parallel in. */
uint32_t vkd_linear_width(const linear_problem *problem, const vkd_caps *caps)
{
    const device_costs *costs = costs_of(caps);
    uint32_t limit = smaller(caps->max_workgroup_invocations, caps->max_workgroup_size[0]),
             width = costs->least;
    while (width > limit)
        width /= 2;
    while (width * 2 <= smaller(limit, costs->most) && steps_of(problem) > width * 2)
        width *= 2;
    return width;
}

double vkd_linear_cost(const linear_problem *problem, const vkd_caps *caps)
{
    const device_costs *costs = costs_of(caps);
    uint32_t steps = steps_of(problem),
             rounds = (uint32_t)vkd_divide_up(steps, vkd_linear_width(problem, caps));
    double groups = (double)problem->m * (double)vkd_divide_up(problem->n, 4);
    double macs = groups * 4 * steps * kernels[kernel_for(problem)].step;
    return costs->launch + costs->group * groups + costs->step * rounds + macs / costs->rate;
}

typedef struct weight_source {
    vkd_weights weights;
    uint32_t n, k, step, steps;
} weight_source;

/* As in shaders/linear_params.h. */
static void pack_weights(const void *from, void *dst, size_t size)
{
    const weight_source *s = from;
    int8_t *out = dst, *end = out + size;
    for (uint32_t first = 0; first < s->n; first += 4)
        for (uint32_t k = 0; k < s->steps * s->step; k += s->step)
            for (uint32_t n = first; n < first + 4; n++, out += s->step) {
                uint32_t count = n < s->n ? smaller(s->k - k, s->step) : 0;
                if (count)
                    memcpy(out, vkd_weights_at(&s->weights, n, k), count);
                memset(out + count, 0, s->step - count);
            }
    memset(out, 0, (size_t)(end - out));
}

/* ------------------------------------------------------------------------------------- lowering */

/* What both kernels take, and the matrix that they write. */
typedef struct operands {
    linear_problem problem;
    linear_problem largest; /* with the most rows, where shapes can change: kernels are for these */
    vkd_weights weights;
    vkd_tensor_id x, channels, y;
    requantize_params requantize;
} operands;

/* The result as a matrix: floats are rows of y's own memory, bytes become y by finish(). */
static vkd_status begin_output(vkd_lowering *lowering, const linear_args *args,
                               const linear_problem *problem, vkd_tensor_id *out)
{
    const uint32_t dims[] = {problem->m, problem->n};
    vkd_tensor_id y;
    if (vkd_value_tensor(lowering, args->y)->rank == 2)
        return args->real ? vkd_op_output(lowering, args->y, VKD_DTYPE_FLOAT32, out)
                          : vkd_op_output_4c(lowering, args->y, VKD_DTYPE_INT8, out);
    if (!args->real)
        return vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_INT8, VKD_4C, 2,
                                    dims, out);
    VKD_TRY(vkd_op_output_in(lowering, args->y, VKD_DTYPE_FLOAT32, VKD_ROWS, &y));
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, lowering->graph->tensors[y].place,
                                 VKD_DTYPE_FLOAT32, VKD_ROWS, 2, dims, out));
    lowering->graph->tensors[*out].storage = y;
    return VKD_OK;
}

static vkd_status finish(vkd_lowering *lowering, const linear_args *args, vkd_tensor_id y)
{
    return args->real || vkd_value_tensor(lowering, args->y)->rank == 2
               ? VKD_OK
               : vkd_op_reshape(lowering, y, args->y);
}

/* The sums of at most 256 invocations, and the floats of a word. */
#define ADDING_LOOPS (vkd_loop(8, 0) + vkd_loop(4, 0))

static vkd_status emit_rows(vkd_lowering *lowering, const linear_args *args, const operands *o,
                            vkd_node node)
{
    size_t kernel = kernel_for(&o->largest);
    weight_source source;
    memset(&source, 0, sizeof source); /* it is compared by its bytes */
    source.weights = o->weights;
    source.n = o->problem.n;
    source.k = o->problem.k;
    source.step = kernels[kernel].step;
    source.steps = steps_of(&o->largest);
    uint32_t blocks = (uint32_t)vkd_divide_up(o->problem.n, 4);
    vkd_tensor_id weights;
    VKD_TRY(vkd_op_constant(lowering, (uint64_t)blocks * 4 * source.steps * source.step,
                            pack_weights, &source, sizeof source, 1, &weights));
    linear_params params = {
        .groups = o->problem.m * blocks,
        .blocks = blocks,
        .steps = source.steps,
        .requantize = o->requantize,
        .y_row = lowering->graph->tensors[o->y].layout == VKD_ROWS ? o->problem.n : blocks * 4,
        .y_scale = args->real_scale,
        .y_zero = args->real_zero,
    };
    node.shader = kernels[kernel].shader;
    node.push_size = sizeof params;
    memcpy(node.push, &params, sizeof params);
    uint32_t width = vkd_linear_width(&o->largest, lowering->caps);
    node.specs[0] = width;
    node.loops = vkd_loop(vkd_divide_up(source.steps, width), 0) + ADDING_LOOPS;
    vkd_node_spec(&node, args->real);
    vkd_node_groups(&node, lowering->caps, params.groups);
    vkd_node_read(&node, o->x);
    vkd_node_read(&node, weights);
    vkd_node_read(&node, o->channels);
    vkd_node_write(&node, o->y);
    return vkd_op_add_node(lowering, &node, o->x, o->y);
}

static gemm_problem product_of(const linear_problem *p)
{
    return vkd_gemm_matrix(p->m, p->n, p->k, 1, row_bytes(p));
}

static vkd_status emit_gemm(vkd_lowering *lowering, const linear_args *args, const operands *o,
                            const gemm_tile *tile, vkd_node node)
{
    gemm_problem problem = product_of(&o->problem);
    problem.most_m = lowering->net->resizes ? o->largest.m : 0;
    gemm_operands gemm = {.a = o->x,
                          .channels = o->channels,
                          .residual = VKD_NO_TENSOR,
                          .y = o->y,
                          .weights = o->weights,
                          .tap_k = o->problem.k,
                          .requantize = o->requantize};
    const uint32_t dims[] = {o->problem.m, o->problem.n};
    node.oracle = tile->kind == GEMM_INVOCATIONS ? NULL : &vkd_gemm_oracle;
    if (args->real)
        VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_INT8, VKD_4C, 2,
                                     dims, &gemm.y));
    VKD_TRY(vkd_gemm_emit(lowering, tile, &problem, &gemm, node));
    return args->real ? vkd_dequantize(lowering, gemm.y, o->y, args->real_scale, args->real_zero)
                      : VKD_OK;
}

/* The rows' kernel where that costs less, or where there is nothing else; not where it is refused
 * and there is. */
static bool takes_rows(const vkd_lowering *lowering, const linear_problem *p, double gemm_cost)
{
    const bool refused = vkd_kernel_refuses(lowering->caps, kernels[kernel_for(p)].shader);
    return refused ? isinf(gemm_cost) : vkd_linear_cost(p, lowering->caps) <= gemm_cost;
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const linear_args *args = arguments;
    VKD_TRY(check_shapes(lowering, args));
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x),
                           *y = vkd_value_tensor(lowering, args->y);
    const uint32_t last = x->rank - 1, /* the dims before it are rows */
        *most = lowering->net->values[args->x].tensor.dims;
    operands o = {
        .problem = {(uint32_t)vkd_dims_count(last, x->dims), y->dims[last], x->dims[last]}};
    o.largest = o.problem;
    o.largest.m = (uint32_t)vkd_dims_count(last, most);
    const linear_problem *p = &o.problem;
    o.weights = (vkd_weights){vkd_op_content(lowering, args->weight), row_bytes(p), 1};
    VKD_TRY(vkd_op_input_as(lowering, args->x, VKD_DTYPE_INT8, 2, (const uint32_t[]){p->m, p->k},
                            &o.x));
    VKD_TRY(begin_output(lowering, args, p, &o.y));
    VKD_TRY(vkd_requantize(lowering, &args->requantize, p->n, &o.channels, &o.requantize));
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_COUNT, VKD_NO_LOOPS, NULL, 0);
    node.shape = vkd_arena_printf(lowering->graph->arena, "%ux%u -> %ux%u", p->m, p->k, p->m, p->n);
    if (!node.shape)
        return vkd_fail_memory(lowering->context, "a label");
    node.macs = (uint64_t)p->m * p->n * p->k;

    const gemm_problem gemm = product_of(&o.largest);
    const gemm_tile *tile = vkd_gemm_best(&gemm, lowering->caps);
    double gemm_cost = tile ? vkd_gemm_cost(tile, &gemm, lowering->caps) : INFINITY;
    if (args->real) /* a dispatch of its own then */
        gemm_cost += costs_of(lowering->caps)->launch;
    const bool by_rows = takes_rows(lowering, &o.largest, gemm_cost);
    node.cost_us = by_rows ? vkd_linear_cost(&o.largest, lowering->caps) : gemm_cost;
    VKD_TRY(by_rows ? emit_rows(lowering, args, &o, node)
                    : emit_gemm(lowering, args, &o, tile, node));
    return finish(lowering, args, o.y);
}

static const vkd_op rows[] = {
    {"et_vk.q8ta_linear.default", linear_parameters, sizeof(linear_args), shape, lower,
     .kind = VKD_OP_Q8_LINEAR},
    {"et_vk.q8ta_linear_gemv.default", linear_parameters, sizeof(linear_args), shape, lower,
     .kind = VKD_OP_Q8_LINEAR},
};

const vkd_op_table vkd_q8_linear_ops = VKD_OP_TABLE(rows);
