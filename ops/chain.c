/* Chains of element by element operators, which rules make: one dispatch (graph/chain.h). */
#include "graph/chain.h"
#include "ops/cat.h"
#include "ops/elementwise.h"
#include "ops/tables.h"
#include "runtime/base/element.h"
#include "shaders/chain_params.h"

#include <string.h>

static const vkd_param chain_parameters[] = {
    VKD_TENSOR(chain_args, x[0]),
    VKD_OPTIONAL_TENSOR(chain_args, x[1]),
    VKD_OPTIONAL_TENSOR(chain_args, x[2]),
    VKD_OUTPUT(chain_args, y),
    VKD_PARAMS_END,
};

static size_t count_inputs(const chain_args *args)
{
    size_t count = 0;
    while (count < CHAIN_INPUTS && args->x[count] != VKD_NO_VALUE)
        count++;
    return count;
}

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const chain_args *args = arguments;
    vkd_shape y;
    VKD_TRY(vkd_shape_broadcast(shaping, args->x, count_inputs(args), &y));
    return vkd_shape_set(shaping, args->y, y.rank, y.dims);
}

static void pack_numbers(const void *source, void *dst, size_t size)
{
    memcpy(dst, source, sizeof(chain_numbers));
    memset((char *)dst + sizeof(chain_numbers), 0, size - sizeof(chain_numbers));
}

static vkd_status add_numbers(vkd_lowering *lowering, const chain_args *args,
                              const vkd_cat_part *part, vkd_tensor_id *out)
{
    chain_numbers n = {.first = part->first, .groups = part->groups};
    n.x_scales[CHAIN_INPUTS] = part->scale.scale;
    n.x_zeros[CHAIN_INPUTS] = (float)part->scale.zero;
    for (int i = 0; i < CHAIN_INPUTS; i++) {
        n.x_scales[i] = args->x_scales[i].scale;
        n.x_zeros[i] = (float)args->x_scales[i].zero;
    }
    if (vkd_value_tensor(lowering, args->y)->dtype == VKD_DTYPE_INT8) {
        n.y_inverse_scale = vkd_inverse_scale(args->y_scale.scale);
        n.y_zero = args->y_scale.zero;
    }
    for (uint32_t s = 0; s < args->step_count; s++)
        memcpy(&n.numbers[4 * s], args->steps[s].numbers, sizeof args->steps[s].numbers);
    return vkd_op_constant(lowering, sizeof n, pack_numbers, &n, sizeof n, 0, out);
}

static bool has_series(const chain_args *args)
{
    for (uint32_t s = 0; s < args->step_count; s++)
        if (args->steps[s].function >= UNARY_BY_EXP && args->steps[s].function < UNARY_BY_LOG)
            return true;
    return false;
}

/* The larger modules do what the smaller ones do, for a device that is wrong about one of those. */
static vkd_shader shader_of(const vkd_caps *caps, const chain_args *args)
{
    static const vkd_shader shaders[2][2] = {
        {VKD_SHADER_CHAIN_SHORT, VKD_SHADER_CHAIN_LONG},
        {VKD_SHADER_CHAIN_EXP_SHORT, VKD_SHADER_CHAIN_EXP_LONG}};
    const int series = has_series(args), is_long = args->step_count > CHAIN_SHORT;
    for (int i = series; i < 2; i++)
        for (int k = is_long; k < 2; k++)
            if (!vkd_kernel_refuses(caps, shaders[i][k]))
                return shaders[i][k];
    return shaders[series][is_long];
}

/* An int8 result is for operators that want images; the layout of others is the operands'. */
static vkd_status add_output(vkd_lowering *lowering, const chain_args *args, vkd_tensor_id *out)
{
    if (vkd_value_tensor(lowering, args->y)->dtype == VKD_DTYPE_INT8)
        return vkd_op_output(lowering, args->y, VKD_DTYPE_INT8, out);
    return vkd_op_output_as(lowering, args->y, args->x, count_inputs(args), out);
}

static void add_steps(vkd_node *node, const chain_args *args)
{
    vkd_node_spec(node, args->step_count ? CHAIN_INPUTS + args->step_count - 1 : 0);
    for (uint32_t s = 0; s < CHAIN_STEPS; s++) {
        const chain_step *step = &args->steps[s];
        vkd_node_spec(node, s < args->step_count
                                ? step->function | step->a << 8 | step->b << 16 | 1u << 24
                                : 0);
    }
}

/* ------------------------------------------------------------------------------------ constants */

/* What is made of constants, once. */
typedef struct constant_source {
    vkd_content x[CHAIN_INPUTS];
    chain_step steps[CHAIN_STEPS];
    uint32_t step_count, count, x_types[CHAIN_INPUTS], y_type;
    uint32_t rank, dims[VKD_MAX_RANK];
    int32_t offsets[CHAIN_INPUTS], strides[CHAIN_INPUTS][VKD_MAX_RANK];
} constant_source;
_Static_assert(sizeof(constant_source) == CHAIN_INPUTS * sizeof(vkd_content) + 90 * 4,
               "compared byte by byte: without padding");

static float constant_at(const constant_source *c, const int32_t at[CHAIN_INPUTS])
{
    float slots[CHAIN_SLOTS] = {0};
    uint32_t result = 0;
    for (uint32_t i = 0; i < c->count; i++)
        slots[i] = (float)vkd_element_get((vkd_dtype)c->x_types[i], c->x[i].data, (size_t)at[i]);
    for (uint32_t s = 0; s < c->step_count; s++) {
        const chain_step *step = &c->steps[s];
        slots[CHAIN_NUMBER] = step->numbers[0];
        result = CHAIN_INPUTS + s;
        slots[result] = (float)vkd_chain_step(step, (double)slots[step->a], (double)slots[step->b]);
    }
    return slots[result];
}

static void pack_constant(const void *source, void *dst, size_t size)
{
    const constant_source *c = source;
    const size_t count = (size_t)vkd_dims_count(c->rank, c->dims),
                 used = count * vkd_dtype_size((vkd_dtype)c->y_type);
    int32_t at[CHAIN_INPUTS];
    uint32_t place[VKD_MAX_RANK] = {0};
    memcpy(at, c->offsets, sizeof at);
    for (size_t i = 0; i < count; i++) {
        vkd_element_set((vkd_dtype)c->y_type, dst, i, (double)constant_at(c, at));
        for (uint32_t d = c->rank; d-- > 0;) {
            const bool carries = ++place[d] == c->dims[d];
            for (uint32_t x = 0; x < c->count; x++)
                at[x] += c->strides[x][d] * (carries ? 1 - (int32_t)c->dims[d] : 1);
            if (!carries)
                break;
            place[d] = 0;
        }
    }
    memset((char *)dst + used, 0, size - used);
}

/* Whether every step rounds on the host as on any device. */
static bool is_exact(const chain_args *args)
{
    bool exact = args->step_count > 0;
    for (uint32_t s = 0; s < args->step_count; s++) {
        const chain_step *step = &args->steps[s];
        const bool sum = step->function == CHAIN_BINARY + BINARY_ADD ||
                         step->function == CHAIN_BINARY + BINARY_SUB;
        /* with a factor a sum rounds twice on a device */
        exact &= sum ? step->numbers[1] == 1 : step->function == CHAIN_BINARY + BINARY_MUL;
    }
    return exact;
}

/* More than this is a dispatch rather than time while a net is loaded. */
enum { MAX_CONSTANT = 1 << 20 };

/* A few sums and products of constants of the file are one. *done: whether they are. */
static vkd_status fold_constants(vkd_lowering *lowering, const chain_args *args,
                                 const vkd_view operands[CHAIN_INPUTS], bool *done)
{
    const vkd_model_tensor *y = vkd_value_tensor(lowering, args->y);
    constant_source c;
    memset(&c, 0, sizeof c);
    c.count = (uint32_t)count_inputs(args);
    *done = is_exact(args) && vkd_is_float(y->dtype) && !y->state &&
            vkd_dims_count(y->rank, y->dims) <= MAX_CONSTANT;
    for (uint32_t i = 0; *done && i < c.count; i++) {
        vkd_view x = operands[i];
        c.x_types[i] = lowering->graph->tensors[x.tensor].dtype;
        *done =
            vkd_op_constant_view(lowering, &x, &c.x[i]) && vkd_is_float((vkd_dtype)c.x_types[i]);
        vkd_view_broadcast(&x, y->rank, y->dims);
        c.offsets[i] = x.offset;
        memcpy(c.strides[i], x.strides, sizeof c.strides[i]);
    }
    if (!*done)
        return VKD_OK;
    vkd_tensor_id tensor;
    memcpy(c.steps, args->steps, sizeof c.steps);
    c.step_count = args->step_count;
    c.y_type = y->dtype;
    c.rank = y->rank;
    memcpy(c.dims, y->dims, y->rank * sizeof *y->dims);
    VKD_TRY(vkd_op_constant_tensor(lowering, y->dtype, y->rank, y->dims, pack_constant, &c,
                                   sizeof c, CHAIN_INPUTS, &tensor));
    return vkd_op_output_is(lowering, args->y, tensor);
}

/* ------------------------------------------------------------------------------------- dispatch */

/* Where no operand is, the dims do not matter, and all such nodes share a pipeline. */
static bool is_walked(const vkd_walk *walk)
{
    bool walked = false;
    for (int i = 0; i < CHAIN_INPUTS; i++)
        walked |= walk->reads[i] == VKD_READ_GROUP || walk->reads[i] == VKD_READ_EACH;
    return walked;
}

/* Whether the first operand is a concatenation whose last part this dispatch can put there: each
 * group of it is read once, for the group of the result at the same place. */
static bool grows(const vkd_lowering *lowering, const chain_args *args)
{
    enum { BINDINGS = 6 };
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x[0]),
                           *y = vkd_value_tensor(lowering, args->y);
    const bool is_image =
        !y->state && !lowering->use[args->y].is_output &&
        (y->dtype == VKD_DTYPE_INT8 || vkd_op_layout(lowering, args->x, 1) == VKD_4C);
    return vkd_cat_lacks_part(lowering, args->x[0]) && is_image && y->rank == x->rank &&
           !memcmp(y->dims, x->dims, x->rank * sizeof *x->dims) && args->x[1] != args->x[0] &&
           args->x[2] != args->x[0] && args->step_count <= CHAIN_SHORT && !has_series(args) &&
           lowering->caps->max_storage_buffers >= BINDINGS &&
           !vkd_kernel_refuses(lowering->caps, VKD_SHADER_CHAIN_GROWS);
}

/* The first operand is written as well where a part is put there. */
static void bind(vkd_node *node, const vkd_view operands[CHAIN_INPUTS], const vkd_cat_part *part,
                 vkd_tensor_id numbers, vkd_tensor_id y)
{
    const bool takes_part = part->x != VKD_NO_TENSOR;
    for (int i = 0; i < CHAIN_INPUTS; i++)
        if (takes_part && i == 0)
            vkd_node_write(node, operands[i].tensor);
        else
            vkd_node_read(node, operands[i].tensor);
    vkd_node_read(node, numbers);
    vkd_node_write(node, y);
    if (takes_part)
        vkd_node_read(node, part->x);
}

vkd_status vkd_chain_lower(vkd_lowering *lowering, const chain_args *args)
{
    const size_t count = count_inputs(args);
    const bool takes_part = grows(lowering, args);
    vkd_view operands[CHAIN_INPUTS];
    vkd_cat_part part = {.x = VKD_NO_TENSOR};
    vkd_walk walk;
    triple_params params;
    vkd_tensor_id numbers, y;
    if (takes_part)
        VKD_TRY(vkd_cat_take_part(lowering, args->x[0], &part));
    for (size_t i = 0; i < CHAIN_INPUTS; i++)
        VKD_TRY(vkd_op_view(lowering, args->x[i < count ? i : 0], &operands[i]));
    bool done;
    VKD_TRY(fold_constants(lowering, args, operands, &done));
    if (done)
        return VKD_OK;
    VKD_TRY(add_output(lowering, args, &y));
    VKD_TRY(vkd_op_walk_triple(lowering, operands, y, &walk, &params));
    VKD_TRY(add_numbers(lowering, args, &part, &numbers));
    const vkd_tensor *tensors = lowering->graph->tensors;
    const bool walks = is_walked(&walk);
    vkd_node node =
        vkd_op_node(lowering, takes_part ? VKD_SHADER_CHAIN_GROWS : shader_of(lowering->caps, args),
                    3 * vkd_loop(4 * VKD_TRIPLE_DIMS, 0) + vkd_loop(4, 0), &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, walk.groups);
    bind(&node, operands, &part, numbers, y);
    for (int i = 0; i < CHAIN_INPUTS; i++)
        vkd_node_spec(&node, tensors[operands[i].tensor].dtype);
    vkd_node_spec(&node, tensors[y].dtype);
    vkd_node_spec(&node, walks ? walk.dim_count : 0);
    vkd_node_spec(&node, walks && walk.whole);
    for (int i = 0; i < CHAIN_INPUTS; i++)
        vkd_node_spec(&node, walk.reads[i]);
    vkd_node_spec(&node, (uint32_t)count);
    add_steps(&node, args);
    return vkd_op_add_node(lowering, &node, operands[0].tensor, y);
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    return vkd_chain_lower(lowering, arguments);
}

static const chain_args no_inputs = {.x = {VKD_NO_VALUE, VKD_NO_VALUE, VKD_NO_VALUE}};

static const vkd_op rows[] = {
    {"vkd.chain", chain_parameters, sizeof(chain_args), shape, lower, .kind = VKD_OP_CHAIN,
     .defaults = &no_inputs, .internal = true},
};

const vkd_op_table vkd_chain_ops = VKD_OP_TABLE(rows);
