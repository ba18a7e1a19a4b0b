/* How an input of the table test reaches the operator: as rows, a constant, an image or a view. */
#include "runtime/base/element.h"
#include "support/table_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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

const vkd_op arrange_rows[] = {
    {"table.image", image_params, sizeof(arrange_args), shape_arranged, lower_image},
    {"table.view", view_params, sizeof(arrange_args), shape_arranged, lower_view},
};
const vkd_op_table table_arrange_ops = VKD_OP_TABLE(arrange_rows);

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
    x->bytes = table_zeros(slots, vkd_dtype_size(x->dtype));
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

void table_arrive_whole(table *t, table_tensor *x, bool constant)
{
    x->bytes = table_zeros(x->count, vkd_dtype_size(x->dtype));
    for (size_t i = 0; i < x->count; i++)
        vkd_element_set(x->dtype, x->bytes, i, x->values[i]);
    snprintf(x->how, sizeof x->how, constant ? "constant" : "rows");
    if (constant)
        t->model.values[x->value].tensor.data = x->bytes;
    else
        t->model.inputs[t->model.model.input_count++] = x->value;
}

void table_arrive(table *t, table_tensor *x)
{
    uint32_t kind = x->arrival == TABLE_DRAWN ? table_below(t, 4) : 0, rank = x->shape.rank;
    if (kind == 1 && x->count && rank >= 1 && rank <= 4)
        arrive_image(t, x);
    else if (kind == 2 && x->count)
        arrive_view(t, x);
    else
        table_arrive_whole(t, x,
                           x->arrival == TABLE_CONSTANT || x->arrival == TABLE_STATE || kind == 3);
    t->model.values[x->value].tensor.state = x->arrival == TABLE_STATE;
}
