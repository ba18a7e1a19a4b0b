/* Draws and runs the cases of the table test. */
#include "table.h"

#include "exec/executor.h"
#include "graph/plan.h"
#include "ops/lower.h"
#include "runtime/base/element.h"
#include "support/canary.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------------------------------- drawing */

static void *zeros(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p)
        abort();
    return p;
}

/* A case is wrong, not what it tests. */
static void refuse_case(const table *t, const char *why)
{
    fprintf(stderr, "%s: %s\n", t->row->name, why);
    abort();
}

uint32_t table_below(table *t, uint32_t count)
{
    return (uint32_t)random_range(t->random, 0, (int32_t)count - 1);
}
bool table_chance(table *t, uint32_t in) { return table_below(t, in) == 0; }

vkd_dtype table_dtype(table *t, uint32_t set)
{
    for (;;) {
        uint32_t dtype = table_below(t, VKD_DTYPE_COUNT);
        if (set >> dtype & 1)
            return (vkd_dtype)dtype;
    }
}

bool table_is_float(vkd_dtype dtype)
{
    return dtype == VKD_DTYPE_FLOAT32 || dtype == VKD_DTYPE_FLOAT16;
}

vkd_shape table_shape_filled(table *t, uint32_t least_rank, uint32_t most_rank)
{
    static const uint32_t most[VKD_MAX_RANK + 1] = {1, 400, 24, 13, 9, 4, 3, 3, 2};
    /* Kernels of many dims take a driver long to compile. */
    uint32_t usual = most_rank <= 4 || least_rank > 4 || table_chance(t, 4) ? most_rank : 4;
    vkd_shape shape = {.rank = least_rank + table_below(t, usual - least_rank + 1)};
    for (uint32_t d = 0; d < shape.rank; d++)
        shape.dims[d] = table_chance(t, 6) ? 1 : 1 + table_below(t, most[shape.rank]);
    return shape;
}

vkd_shape table_shape(table *t, uint32_t least_rank, uint32_t most_rank)
{
    vkd_shape shape = table_shape_filled(t, least_rank, most_rank);
    if (shape.rank && table_chance(t, 12))
        shape.dims[table_below(t, shape.rank)] = 0;
    return shape;
}

vkd_shape table_narrowed(table *t, vkd_shape full)
{
    uint32_t missing = table_chance(t, 3) ? table_below(t, full.rank + 1) : 0;
    vkd_shape shape = {.rank = full.rank - missing};
    bool narrow = table_chance(t, 2);
    for (uint32_t d = 0; d < shape.rank; d++)
        shape.dims[d] = narrow && table_chance(t, 2) ? 1 : full.dims[missing + d];
    return shape;
}

size_t table_broadcast_index(const vkd_shape *operand, const vkd_shape *result, size_t index)
{
    size_t at = 0, step = 1;
    for (uint32_t d = result->rank; d-- > 0; index /= result->dims[d]) {
        if (d + operand->rank < result->rank)
            continue;
        uint32_t dim = operand->dims[d + operand->rank - result->rank];
        at += dim == 1 ? 0 : index % result->dims[d] * step;
        step *= dim;
    }
    return at;
}

/* ------------------------------------------------------------------------------------ arguments */

static void add_argument(table *t, uint32_t value)
{
    if (t->arg_count >= HAND_ARGS)
        refuse_case(t, "too many arguments");
    t->args[t->arg_count++] = value;
}

static table_tensor *add_tensor(table *t, bool is_output, vkd_dtype dtype, vkd_shape shape)
{
    if (t->tensor_count >= TABLE_TENSORS)
        refuse_case(t, "too many tensors");
    table_tensor *x = &t->tensors[t->tensor_count++];
    size_t count = (size_t)vkd_dims_count(shape.rank, shape.dims);
    *x = (table_tensor){.dtype = dtype, .shape = shape, .count = count, .is_output = is_output};
    x->values = zeros(count, sizeof *x->values);
    x->value = hand_tensor(&t->model, dtype, shape.rank, shape.dims);
    add_argument(t, x->value);
    return x;
}

table_tensor *table_input(table *t, vkd_dtype dtype, vkd_shape shape)
{
    return add_tensor(t, false, dtype, shape);
}

table_tensor *table_output(table *t, vkd_dtype dtype, vkd_shape shape)
{
    table_tensor *y = add_tensor(t, true, dtype, shape);
    hand_mark_output(&t->model, y->value);
    return y;
}

void table_unread(table *t, vkd_dtype dtype, vkd_shape shape)
{
    add_argument(t, hand_tensor(&t->model, dtype, shape.rank, shape.dims));
}

table_tensor *table_after(table *t, const table_tensor *x)
{
    table_tensor *y = table_output(t, x->dtype, x->shape);
    t->arg_count--;
    t->written = x->value;
    t->after = y->value;
    return y;
}

static void say(table *t, const char *format, ...) VKD_PRINTF(2, 3);
static void say(table *t, const char *format, ...)
{
    size_t length = strlen(t->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(t->text + length, sizeof t->text - length, format, arguments);
    va_end(arguments);
}

void table_null(table *t)
{
    say(t, " null");
    add_argument(t, hand_null(&t->model));
}

void table_int(table *t, int64_t value)
{
    say(t, " %lld", (long long)value);
    add_argument(t, hand_int(&t->model, value));
}

void table_size(table *t, int64_t value)
{
    bool symbolic = table_chance(t, 2);
    say(t, symbolic ? " s%lld" : " %lld", (long long)value);
    add_argument(t, symbolic ? hand_symint(&t->model, value) : hand_int(&t->model, value));
}

void table_output_symint(table *t, int64_t expected)
{
    t->symint = hand_symint(&t->model, -1);
    t->number = expected;
    add_argument(t, t->symint);
}

void table_double(table *t, double value)
{
    say(t, " %.17g", value);
    add_argument(t, hand_double(&t->model, value));
}

void table_bool(table *t, bool value)
{
    say(t, value ? " true" : " false");
    add_argument(t, hand_bool(&t->model, value));
}

void table_string(table *t, const char *value)
{
    say(t, " '%s'", value);
    add_argument(t, hand_string(&t->model, value));
}

void table_ints(table *t, size_t count, const int64_t *items)
{
    say(t, " [");
    for (size_t i = 0; i < count; i++)
        say(t, "%s%lld", i ? ", " : "", (long long)items[i]);
    say(t, "]");
    add_argument(t, hand_ints(&t->model, count, items));
}

void table_pair(table *t, double a, double b)
{
    say(t, " [%.17g, %.17g]", a, b);
    add_argument(t, hand_doubles(&t->model, 2, (const double[]){a, b}));
}

void table_sizes(table *t, size_t count, const int64_t *items)
{
    if (!count || table_chance(t, 2)) {
        table_ints(t, count, items);
        return;
    }
    for (size_t i = 0; i < count; i++)
        table_size(t, items[i]);
    table_gather(t, count);
}

void table_gather(table *t, size_t count)
{
    t->arg_count -= count;
    add_argument(t, hand_list(&t->model, count, t->args + t->arg_count));
}

/* --------------------------------------------------------------------------------------- values */

double table_stored(vkd_dtype dtype, double value)
{
    unsigned char bytes[8];
    vkd_element_set(dtype, bytes, 0, value);
    return vkd_element_get(dtype, bytes, 0);
}

double table_wrapped(int64_t value) { return (double)(int32_t)(uint32_t)(uint64_t)value; }

double table_wrapped_to(vkd_dtype dtype, int64_t value)
{
    uint32_t bits = (uint32_t)(uint64_t)value;
    switch (dtype) {
    case VKD_DTYPE_BOOL:
        return value != 0;
    case VKD_DTYPE_UINT8:
        return (uint8_t)bits;
    case VKD_DTYPE_INT8:
        return (int8_t)bits;
    default:
        return (int32_t)bits;
    }
}

/* 53 bits, so that ints up to 32 bits are met evenly. */
static double unit(table *t)
{
    uint64_t bits = (uint64_t)random_bits(t->random) << 21 | random_bits(t->random) >> 11;
    return (double)bits / 9007199254740992.0;
}

void table_uniform(table *t, table_tensor *x, double low, double high)
{
    for (size_t i = 0; i < x->count; i++)
        x->values[i] = table_is_float(x->dtype)
                           ? table_stored(x->dtype, low + (high - low) * unit(t))
                           : table_stored(x->dtype, floor(low + (high - low + 1) * unit(t)));
}

void table_extremes(table *t, table_tensor *x)
{
    static const double singles[] = {NAN,      INFINITY, -INFINITY, 0.0,  -0.0,     FLT_MAX,
                                     -FLT_MAX, FLT_MIN,  -FLT_MIN,  0.5,  -0.5,     1.5,
                                     2.5,      -2.5,     1,         -1,   16777217, 88.8,
                                     -88.8,    1e-20,    2049,      2051, 65520,    65519};
    static const double halves[] = {NAN,     INFINITY, -INFINITY, 0.0,  -0.0, 65504, -65504,
                                    0x1p-14, -0x1p-14, 0x1p-24,   0.5,  -0.5, 1.5,   2.5,
                                    -2.5,    1,        -1,        2049, 11.1, -17};
    static const double ints[] = {
        0,        1,         -1,  2,    INT32_MAX, INT32_MIN, INT32_MAX - 1, INT32_MIN + 1,
        16777217, -16777217, 127, -128, 255,       65536};
    for (size_t i = 0; x->count && i < 4 + x->count / 4; i++) {
        double value;
        if (x->dtype == VKD_DTYPE_FLOAT32)
            value = singles[table_below(t, sizeof singles / sizeof *singles)];
        else if (x->dtype == VKD_DTYPE_FLOAT16)
            value = halves[table_below(t, sizeof halves / sizeof *halves)];
        else
            value = ints[table_below(t, sizeof ints / sizeof *ints)];
        x->values[random_bits(t->random) % x->count] = table_stored(x->dtype, value);
    }
}

void table_not_finite(table *t, table_tensor *x)
{
    static const double values[] = {INFINITY, -INFINITY, NAN};
    if (!x->count || !table_is_float(x->dtype) || !table_chance(t, 4))
        return;
    for (uint32_t i = 0, places = 1 + table_below(t, 2); i < places; i++)
        x->values[random_bits(t->random) % x->count] = values[table_below(t, 3)];
}

double *table_scales(table *t, table_tensor *y)
{
    (void)t;
    return y->scales = zeros(y->count, sizeof *y->scales);
}

/* ------------------------------------------------------------------------- how an input arrives */

/* Two operators of this test alone make what others leave behind: an image, and a view. Their first
 * operand is the memory as the device is to have it, in a tensor of rank 1. */
typedef struct arrange_args {
    uint32_t x, y;
    vkd_int_list strides;
    int32_t offset;
} arrange_args;

static const vkd_param image_params[] = {VKD_TENSOR(arrange_args, x), VKD_OUTPUT(arrange_args, y),
                                         VKD_PARAMS_END};
static const vkd_param view_params[] = {
    VKD_TENSOR(arrange_args, x), VKD_INT_LIST(arrange_args, strides), VKD_INT(arrange_args, offset),
    VKD_OUTPUT(arrange_args, y), VKD_PARAMS_END};

static vkd_status shape_arranged(vkd_shaping *shaping, const void *arguments)
{
    const arrange_args *args = arguments;
    const vkd_model_tensor *file = &shaping->net->values[args->y].tensor;
    return vkd_shape_set(shaping, args->y, file->rank, file->dims);
}

static vkd_status lower_image(vkd_lowering *lowering, const void *arguments)
{
    const arrange_args *args = arguments;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x);
    vkd_tensor_id memory, y;
    vkd_view all;
    VKD_TRY(vkd_op_view(lowering, args->x, &all));
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, x->dtype, VKD_ROWS, x->rank,
                                 x->dims, &memory));
    VKD_TRY(vkd_op_move(lowering, &all, memory));
    VKD_TRY(vkd_op_output_in(lowering, args->y, x->dtype, VKD_4C, &y));
    lowering->graph->tensors[y].storage = memory;
    return VKD_OK;
}

static vkd_status lower_view(vkd_lowering *lowering, const void *arguments)
{
    const arrange_args *args = arguments;
    const vkd_model_tensor *y = vkd_value_tensor(lowering, args->y);
    vkd_view view;
    VKD_TRY(vkd_op_view(lowering, args->x, &view));
    view.rank = y->rank;
    view.offset = args->offset;
    memcpy(view.dims, y->dims, sizeof view.dims);
    memcpy(view.strides, args->strides.items, sizeof view.strides);
    return vkd_op_output_view(lowering, args->y, &view);
}

static const vkd_op arrange_rows[] = {
    {"table.image", image_params, sizeof(arrange_args), shape_arranged, lower_image},
    {"table.view", view_params, sizeof(arrange_args), shape_arranged, lower_view},
};
static const vkd_op_table arrange_ops = VKD_OP_TABLE(arrange_rows);

/* Where element `index` of a tensor lies. */
static size_t strided(const vkd_shape *shape, const int64_t *strides, size_t index)
{
    int64_t at = 0;
    for (uint32_t d = shape->rank; d-- > 0; index /= shape->dims[d])
        at += (int64_t)(index % shape->dims[d]) * strides[d];
    return (size_t)at;
}

/* Strides of dims that lie in memory in this order, the innermost `step` apart, the others with
 * `gap` slots between what lies within them; returns how many slots there are. */
static size_t lay_out(const vkd_shape *shape, const uint32_t *order, size_t step, size_t gap,
                      bool align, int64_t *strides)
{
    for (uint32_t i = shape->rank; i-- > 0;) {
        strides[order[i]] = (int64_t)step;
        size_t dim = shape->dims[order[i]];
        step = step * (align && i + 1 == shape->rank ? (dim + 3) / 4 * 4 : dim) + gap;
    }
    return step;
}

/* What lies between the elements must not matter. */
static void noise(table *t, vkd_dtype dtype, void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        vkd_element_set(
            dtype, bytes, i,
            table_is_float(dtype) && table_chance(t, 2) ? NAN : (double)random_bits(t->random));
}

/* The model's input for x, with these strides in a memory of so many slots. */
static uint32_t add_memory(table *t, table_tensor *x, size_t slots, const int64_t *strides,
                           size_t offset)
{
    uint32_t size = (uint32_t)slots;
    x->bytes = zeros(slots, vkd_dtype_size(x->dtype));
    noise(t, x->dtype, x->bytes, slots);
    for (size_t i = 0; i < x->count; i++)
        vkd_element_set(x->dtype, x->bytes, offset + strided(&x->shape, strides, i), x->values[i]);
    return hand_input(&t->model, x->dtype, 1, &size);
}

static void arrive_image(table *t, table_tensor *x)
{
    static const uint32_t orders[5][4] = {{0}, {0}, {0, 1}, {1, 2, 0}, {0, 2, 3, 1}};
    int64_t strides[VKD_MAX_RANK] = {0};
    size_t slots = lay_out(&x->shape, orders[x->shape.rank], 1, 0, true, strides);
    snprintf(x->how, sizeof x->how, "as an image");
    HAND_OP(&t->model, "table.image", add_memory(t, x, slots, strides, 0), x->value);
}

static void arrive_view(table *t, table_tensor *x)
{
    uint32_t order[VKD_MAX_RANK], rank = x->shape.rank;
    int64_t strides[VKD_MAX_RANK] = {0};
    for (uint32_t d = 0; d < rank; d++) {
        uint32_t other = table_below(t, d + 1);
        order[d] = order[other];
        order[other] = d;
    }
    size_t step = 1 + table_below(t, 2), offset = table_below(t, 4), gap = table_below(t, 3);
    size_t slots = offset + lay_out(&x->shape, order, step, gap, false, strides);
    uint32_t memory = add_memory(t, x, slots ? slots : 1, strides, offset);
    snprintf(x->how, sizeof x->how, "as a view");
    HAND_OP(&t->model, "table.view", memory, hand_ints(&t->model, rank, strides),
            hand_int(&t->model, (int64_t)offset), x->value);
}

static void arrive_whole(table *t, table_tensor *x, bool constant)
{
    x->bytes = zeros(x->count, vkd_dtype_size(x->dtype));
    for (size_t i = 0; i < x->count; i++)
        vkd_element_set(x->dtype, x->bytes, i, x->values[i]);
    snprintf(x->how, sizeof x->how, constant ? "constant" : "rows");
    if (constant)
        t->model.values[x->value].tensor.data = x->bytes;
    else
        t->model.inputs[t->model.model.input_count++] = x->value;
}

static void arrive(table *t, table_tensor *x)
{
    uint32_t kind = x->arrival == TABLE_DRAWN ? table_below(t, 4) : 0, rank = x->shape.rank;
    if (kind == 1 && x->count && rank >= 1 && rank <= 4)
        arrive_image(t, x);
    else if (kind == 2 && x->count)
        arrive_view(t, x);
    else
        arrive_whole(t, x, x->arrival == TABLE_CONSTANT || x->arrival == TABLE_STATE || kind == 3);
    t->model.values[x->value].tensor.state = x->arrival == TABLE_STATE;
}

/* -------------------------------------------------------------------------------------- running */

static size_t size_of(const table_tensor *x) { return x->count * vkd_dtype_size(x->dtype); }

/* What the model's inputs hold, for operators that look into them while shapes are computed. */
static void see_inputs(const table *t, vkd_input *inputs)
{
    for (size_t i = 0; i < t->model.model.input_count; i++) {
        const vkd_model_tensor *tensor = &t->model.values[t->model.inputs[i]].tensor;
        inputs[i] = (vkd_input){.shape.rank = tensor->rank, .dtype = tensor->dtype};
        memcpy(inputs[i].shape.dims, tensor->dims, sizeof tensor->dims);
        for (size_t x = 0; x < t->tensor_count; x++)
            if (t->tensors[x].value == t->model.inputs[i] &&
                tensor->size == size_of(&t->tensors[x]))
                inputs[i].data = t->tensors[x].bytes;
    }
}

static vkd_status wrong(table_outcome *out, const char *format, ...) VKD_PRINTF(2, 3);
static vkd_status wrong(table_outcome *out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out->why, sizeof out->why, format, arguments);
    va_end(arguments);
    out->right = false;
    return VKD_OK;
}

static vkd_status lower(vkd_context *context, const vkd_caps *caps, const table *t,
                        const vkd_model *model, vkd_graph *graph, table_outcome *out)
{
    vkd_input inputs[HAND_LIST];
    const vkd_op_table *tables[64] = {&arrange_ops};
    const vkd_op_tables ops = {tables, vkd_ops.count + 1};
    memcpy(tables + 1, vkd_ops.tables, vkd_ops.count * sizeof *tables);
    vkd_net *net = vkd_arena_alloc(graph->arena, 1, sizeof *net);
    vkd_model_value *values = vkd_arena_alloc(graph->arena, model->value_count, sizeof *values);
    vkd_lowered lowered;
    if (!net || !values)
        return vkd_fail_memory(context, "a net");
    VKD_TRY(vkd_net_bind(net, model, &ops, graph->arena));
    out->row = net->calls[t->call].row;
    see_inputs(t, inputs);
    VKD_TRY(vkd_shape_net(context, net, inputs, values));
    if (t->symint && values[t->symint].i != t->number)
        return wrong(out, "%lld, expected %lld", (long long)values[t->symint].i,
                     (long long)t->number);
    VKD_TRY(
        vkd_lower_net(context, net, values, caps, &(vkd_advice){t->row->variant}, graph, &lowered));
    out->ran_variant = t->row->variant && lowered.selection_count &&
                       !strcmp(lowered.selections[0].winner, t->row->variant);
    return vkd_plan_memory(graph, caps->storage_alignment, true);
}

/* Whether a number among a constant's is an address in the file: such a one belongs to its
 * contents, as objects share constants by what is there, not by where it is. */
static void check_source(const table *t, const vkd_tensor *c, table_outcome *out)
{
    for (size_t at = c->contents * sizeof(vkd_content);
         c->source && at + sizeof(uintptr_t) <= c->source_size; at += 4) {
        uintptr_t word;
        memcpy(&word, (const char *)c->source + at, sizeof word);
        for (size_t v = 0; v < sizeof t->model.values / sizeof *t->model.values; v++) {
            const vkd_model_value *value = &t->model.values[v];
            const uintptr_t data = (uintptr_t)value->tensor.data;
            if (value->kind == VKD_VALUE_TENSOR && data && word - data < value->tensor.size)
                wrong(out, "a constant's source has a pointer that is none of its contents");
        }
    }
}

static vkd_status execute(const table_device *on, table *t, const vkd_graph *graph,
                          table_outcome *out)
{
    vkd_executor *executor;
    for (size_t i = 0; i < graph->tensor_count; i++)
        check_source(t, &graph->tensors[i], out);
    VKD_TRY(vkd_executor_create(on->device, graph, NULL, false, 1, &executor));
    size_t in = 0, outputs = 0;
    for (size_t i = 0; i < t->tensor_count; i++) {
        const table_tensor *x = &t->tensors[i];
        if (!x->is_output && !t->model.values[x->value].tensor.data) {
            memcpy(vkd_executor_input(executor, 0, in), x->bytes,
                   t->model.values[t->model.inputs[in]].tensor.size);
            in++;
        }
    }
    for (uint32_t i = 0; i < graph->symbol_count; i++)
        vkd_executor_symbols(executor, 0)[i] = (int32_t)t->model.values[graph->symbol_values[i]].i;
    vkd_status status = vkd_executor_run(executor);
    for (size_t i = 0; status == VKD_OK && i < t->tensor_count; i++)
        if (t->tensors[i].is_output)
            memcpy(t->tensors[i].got, vkd_executor_output(executor, 0, outputs++),
                   t->tensors[i].count * vkd_dtype_size(t->tensors[i].dtype));
    vkd_executor_destroy(executor);
    return status;
}

static vkd_status run_watched(const table_device *on, vkd_graph *graph, const canary_io *io,
                              table_outcome *out)
{
    uint32_t at;
    if (on->watch == TABLE_CANARIES) {
        VKD_TRY(canary_run(on->device, on->caps, graph, io, &at));
        return at == VKD_NO_TENSOR ? VKD_OK : wrong(out, "wrote beside tensor %u", at);
    }
    VKD_TRY(canary_interpret(on->caps, graph, io, &at));
    return at == UINT32_MAX ? VKD_OK
                            : wrong(out, "kernel '%s' reads or writes outside of its tensors",
                                    vkd_shaders[graph->nodes[at].shader].name);
}

/* The same where accesses outside of tensors show. */
static vkd_status execute_watched(const table_device *on, table *t, vkd_graph *graph,
                                  table_outcome *out)
{
    const void *inputs[HAND_LIST];
    void *outputs[HAND_LIST];
    int32_t symbols[HAND_VALUES];
    size_t in = 0, count = 0;
    for (size_t i = 0; i < t->tensor_count; i++) {
        if (t->tensors[i].is_output) {
            const vkd_tensor_id id = graph->outputs[count];
            outputs[count++] = zeros((size_t)graph->tensors[id].bytes + CANARY_ZONE, 1);
        } else if (!t->model.values[t->tensors[i].value].tensor.data)
            inputs[in++] = t->tensors[i].bytes;
    }
    for (uint32_t i = 0; i < graph->symbol_count; i++)
        symbols[i] = (int32_t)t->model.values[graph->symbol_values[i]].i;
    const vkd_status status =
        run_watched(on, graph, &(const canary_io){inputs, outputs, symbols}, out);
    count = 0;
    for (size_t i = 0; i < t->tensor_count; i++) {
        if (!t->tensors[i].is_output)
            continue;
        memcpy(t->tensors[i].got, outputs[count], size_of(&t->tensors[i]));
        free(outputs[count++]);
    }
    return status;
}

/* All of a draw, for a message. */
static void describe(const table *t, char *out, size_t size)
{
    char dims[VKD_DIMS_TEXT];
    size_t length =
        (size_t)snprintf(out, size, "%s%s%s:", t->row->name, t->row->variant ? ", " : "",
                         t->row->variant ? t->row->variant : "");
    for (size_t i = 0; i < t->tensor_count && length < size; i++) {
        const table_tensor *x = &t->tensors[i];
        length += (size_t)snprintf(
            out + length, size - length, " %s[%s] %s,", vkd_dtype_name(x->dtype),
            vkd_dims_format(x->shape.rank, x->shape.dims, dims), x->is_output ? "out" : x->how);
    }
    if (length < size)
        snprintf(out + length, size - length, "%s", t->text);
}

static double ulp(double value)
{
    int exponent;
    frexp(value, &exponent);
    return ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

static bool is_close(const table_tensor *y, size_t i, double got)
{
    double expected = y->values[i];
    if (isnan(expected) || isnan(got))
        return isnan(expected) && isnan(got);
    double tolerance = y->absolute;
    if (table_is_float(y->dtype) && isfinite(expected)) {
        tolerance += y->ulps * ulp(expected);
        tolerance += y->relative ? y->relative * fabs(y->scales ? y->scales[i] : expected) : 0;
    }
    if (tolerance == 0)
        return got == table_stored(y->dtype, expected) &&
               (!table_is_float(y->dtype) || signbit(got) == signbit(expected));
    /* A device may take numbers below the normal ones for 0. */
    tolerance += table_is_float(y->dtype) && fabs(expected) < 2 * FLT_MIN ? FLT_MIN : 0;
    return table_stored(y->dtype, expected - tolerance) <= got &&
           got <= table_stored(y->dtype, expected + tolerance);
}

/* The first wrong element of a draw, with what the operands have there. */
static void tell(const table *t, const table_tensor *y, size_t i, double got, table_outcome *out)
{
    size_t length;
    wrong(out, "element %zu of %zu is %.17g, expected %.17g", i, y->count, got, y->values[i]);
    length = strlen(out->why);
    for (size_t o = 0; o < t->tensor_count && length < sizeof out->why; o++) {
        const table_tensor *x = &t->tensors[o];
        if (!x->is_output && x->count)
            length += (size_t)snprintf(
                out->why + length, sizeof out->why - length,
                "; operand %zu there, if it broadcasts: %.17g", o,
                x->values[table_broadcast_index(&x->shape, &y->shape, i) % x->count]);
    }
}

static void compare(const table *t, const table_tensor *y, table_outcome *out)
{
    out->count += y->count;
    for (size_t i = 0; i < y->count; i++) {
        double got = vkd_element_get(y->dtype, y->got, i);
        if (is_close(y, i, got))
            continue;
        double off = fabs(got - y->values[i]);
        out->off = fmax(out->off, isnan(off) ? INFINITY : off);
        out->wrong++;
        if (out->right)
            tell(t, y, i, got, out);
    }
}

static void release(table *t)
{
    for (size_t i = 0; i < t->tensor_count; i++) {
        free(t->tensors[i].values);
        free(t->tensors[i].scales);
        free(t->tensors[i].bytes);
        free(t->tensors[i].got);
    }
    free(t);
}

static void add_operators(table *t)
{
    t->call = t->model.model.op_count;
    hand_op(&t->model, t->row->name, t->arg_count, t->args);
    if (t->after)
        HAND_OP(&t->model, "aten.clone.default", t->written, hand_null(&t->model), t->after);
}

static table *draw(vkd_random *random, const table_case *row)
{
    table *t = zeros(1, sizeof *t);
    t->row = row;
    t->random = random;
    row->draw(t);
    return t;
}

static vkd_status run(const table_device *on, table *t, table_outcome *out)
{
    vkd_arena arena;
    vkd_graph graph;
    vkd_arena_init(&arena, on->context);
    vkd_graph_init(&graph, &arena);
    vkd_status status = lower(on->context, on->caps, t, hand_finish(&t->model), &graph, out);
    if (status == VKD_OK && out->right && graph.output_count)
        status = on->watch ? execute_watched(on, t, &graph, out) : execute(on, t, &graph, out);
    vkd_arena_release(&arena);
    return status;
}

void table_try(const table_device *on, vkd_random *random, const table_case *row,
               table_outcome *out)
{
    table *t = draw(random, row);
    *out = (table_outcome){.right = true};
    for (size_t i = 0; i < t->tensor_count; i++) {
        table_tensor *x = &t->tensors[i];
        if (x->is_output)
            x->got = zeros(x->count, vkd_dtype_size(x->dtype));
        else
            arrive(t, x);
    }
    add_operators(t);
    out->status = run(on, t, out);
    describe(t, out->what, sizeof out->what);
    if (out->status != VKD_OK)
        wrong(out, "%s", on->context->error);
    for (size_t i = 0; i < t->tensor_count && out->right; i++)
        if (t->tensors[i].is_output)
            compare(t, &t->tensors[i], out);
    release(t);
}

/* ---------------------------------------------------------------------------------- observation */

static void see_node(const vkd_graph *graph, const vkd_node *node, table_seen *out)
{
    out->kernels[node->shader] = true;
    for (uint32_t i = 0; i < node->binding_count; i++)
        out->layouts |= 1u << graph->tensors[node->bindings[i].tensor].layout;
}

vkd_status table_observe(vkd_context *context, const vkd_caps *caps, vkd_random *random,
                         const table_case *row, table_seen *out)
{
    table *t = draw(random, row);
    const table_tensor *first = &t->tensors[0];
    vkd_arena arena;
    vkd_graph graph;
    *out = (table_seen){0};
    for (size_t i = 0; i < t->tensor_count; i++)
        if (!t->tensors[i].is_output)
            arrive(t, &t->tensors[i]);
    add_operators(t);
    vkd_arena_init(&arena, context);
    vkd_graph_init(&graph, &arena);
    table_outcome outcome = {.row = NULL};
    vkd_status status = lower(context, caps, t, hand_finish(&t->model), &graph, &outcome);
    out->row = outcome.row;
    if (t->tensor_count) {
        out->types = 1u << first->dtype;
        out->least_rank = out->most_rank = first->shape.rank;
    }
    for (size_t i = 0; i < graph.node_count; i++)
        if (!strcmp(graph.nodes[i].op, row->name))
            see_node(&graph, &graph.nodes[i], out);
    vkd_arena_release(&arena);
    release(t);
    return status;
}

/* -------------------------------------------------------------------------------- odd arguments */

static uint32_t odd_value(table *t)
{
    static const int64_t ints[] = {-9, 0, 1, 100, (int64_t)1 << 40, INT64_MIN};
    const vkd_shape shape = table_shape(t, 0, 8);
    switch (table_below(t, 8)) {
    case 0:
        return hand_null(&t->model);
    case 1:
        return hand_string(&t->model, "odd");
    case 2:
        return hand_double(&t->model, table_chance(t, 2) ? NAN : 1e300);
    case 3:
        return hand_ints(&t->model, table_below(t, 4), ints);
    case 4:
        return hand_input(&t->model, table_dtype(t, TABLE_ALL), shape.rank, shape.dims);
    case 5:
        return hand_bool(&t->model, true);
    case 6:
        return hand_symint(&t->model, ints[table_below(t, 6)]);
    default:
        return hand_int(&t->model, ints[table_below(t, 6)]);
    }
}

/* Of another type or of other dims; of a constant the bytes are others then. */
static void spoil_tensor(table *t)
{
    table_tensor *x;
    do
        x = &t->tensors[table_below(t, (uint32_t)t->tensor_count)];
    while (t->after && x->value == t->after); /* which is no argument */
    vkd_model_tensor *tensor = &t->model.values[x->value].tensor;
    const vkd_shape shape = table_shape(t, 0, 8);
    if (table_chance(t, 2)) {
        tensor->dtype = tensor->staging_dtype = table_dtype(t, TABLE_ALL);
    } else if (tensor->rank && table_chance(t, 2)) {
        tensor->dims[table_below(t, tensor->rank)] += 1 + table_below(t, 3);
    } else {
        tensor->rank = shape.rank;
        memcpy(tensor->dims, shape.dims, sizeof shape.dims);
    }
    tensor->size =
        (size_t)vkd_dims_count(tensor->rank, tensor->dims) * vkd_dtype_size(tensor->dtype);
    x->shape.rank = tensor->rank;
    memcpy(x->shape.dims, tensor->dims, sizeof x->shape.dims);
    x->dtype = tensor->dtype;
    if (tensor->data) {
        free(x->bytes);
        tensor->data = x->bytes = zeros(tensor->size, 1);
    }
    if (t->after && x->value == t->written) {
        t->model.values[t->after].tensor = *tensor;
        t->model.values[t->after].tensor.data = NULL;
        t->model.values[t->after].tensor.state = false;
    }
}

/* Returns what was done to which argument. */
static const char *spoil(table *t, uint32_t *which)
{
    uint32_t how = table_below(t, 8);
    *which = table_below(t, (uint32_t)t->arg_count);
    if (how == 0) {
        t->args[*which] = t->args[--t->arg_count];
        return "left out";
    }
    if (how == 1 && t->arg_count < HAND_ARGS) {
        add_argument(t, hand_null(&t->model));
        return "one more";
    }
    if (how < 5 || !t->tensor_count) {
        t->args[*which] = odd_value(t);
        return "another value";
    }
    spoil_tensor(t);
    return "another tensor";
}

vkd_status table_spoil(vkd_context *context, const vkd_caps *caps, vkd_random *random,
                       const table_case *row, char what[TABLE_SPOILT])
{
    table *t = draw(random, row);
    vkd_arena arena;
    vkd_graph graph;
    uint32_t which;
    table_outcome unused = {.right = true};
    for (size_t i = 0; i < t->tensor_count; i++)
        if (!t->tensors[i].is_output)
            arrive_whole(t, &t->tensors[i], t->tensors[i].arrival == TABLE_CONSTANT);
    t->symint = 0;
    const char *how = spoil(t, &which);
    add_operators(t);
    context->error[0] = 0;
    vkd_arena_init(&arena, context);
    vkd_graph_init(&graph, &arena);
    vkd_status status = lower(context, caps, t, hand_finish(&t->model), &graph, &unused);
    vkd_arena_release(&arena);
    describe(t, what, TABLE_SPOILT);
    size_t length = strlen(what);
    snprintf(what + length, TABLE_SPOILT - length, "; argument %u: %s", which, how);
    release(t);
    return status;
}
