/* aten.convolution and conv_with_clamp, of floats and halves: one and two dimensions, any groups,
 * strides, dilations; transposed too. One that has one dimension is an image of height 1. */
#include "ops/conv/conv.h"
#include "graph/operators.h"
#include "ops/tables.h"

#include <math.h>
#include <string.h>

#define CONV_FLOAT_RESULT                                                                          \
    VKD_OUTPUT(conv_float_args, product.y, out),                                                   \
        VKD_FUSED(conv_float_args, product.epilogue.residual),                                     \
        VKD_FUSED(conv_float_args, factors), VKD_PARAMS_END

#define CONV_FLOAT_PARAMS                                                                          \
    VKD_TENSOR(conv_float_args, x, input), VKD_TENSOR(conv_float_args, weight),                    \
        VKD_OPTIONAL_TENSOR(conv_float_args, bias), VKD_INT_LIST(conv_float_args, stride),         \
        VKD_INT_LIST(conv_float_args, padding), VKD_INT_LIST(conv_float_args, dilation),           \
        VKD_BOOL(conv_float_args, transposed), VKD_INT_LIST(conv_float_args, output_padding),      \
        VKD_INT(conv_float_args, groups)

static const vkd_param plain_params[] = {CONV_FLOAT_PARAMS, CONV_FLOAT_RESULT};
static const vkd_param clamp_params[] = {
    CONV_FLOAT_PARAMS, VKD_OPTIONAL_NUMBER(conv_float_args, low, output_min),
    VKD_OPTIONAL_NUMBER(conv_float_args, high, output_max), CONV_FLOAT_RESULT};
/* Of one dimension, never transposed. */
static const vkd_param line_params[] = {VKD_TENSOR(conv_float_args, x, input),
                                        VKD_TENSOR(conv_float_args, weight),
                                        VKD_OPTIONAL_TENSOR(conv_float_args, bias),
                                        VKD_INT_LIST(conv_float_args, stride),
                                        VKD_INT_LIST(conv_float_args, padding),
                                        VKD_INT_LIST(conv_float_args, dilation),
                                        VKD_INT(conv_float_args, groups),
                                        VKD_OPTIONAL_NUMBER(conv_float_args, low, output_min),
                                        VKD_OPTIONAL_NUMBER(conv_float_args, high, output_max),
                                        CONV_FLOAT_RESULT};
static const conv_float_args unbounded = {
    .product = VKD_NO_EPILOGUE, .bias = VKD_NO_VALUE, .factors = VKD_NO_VALUE};

/* --------------------------------------------------------------------------------------- shapes */

enum { MAX_WINDOW = 1 << 15 }; /* all arithmetic on what is within fits 32 bits */

/* A list's number for a dimension, counted from the last one: 0 the width. */
static int32_t item(const vkd_int_list *list, uint32_t from_last, int32_t otherwise)
{
    if (!list->count)
        return otherwise;
    return list->items[list->count == 1 ? 0 : list->count - 1 - from_last];
}

static vkd_status check_list(vkd_shaping *shaping, const vkd_int_list *list, uint32_t dims,
                             int32_t least)
{
    if (list->count > 1 && list->count != dims)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, list, "has %zu numbers, expected %u",
                                 list->count, dims);
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i] < least || list->items[i] > MAX_WINDOW)
            return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, list, "has %d, expected %d to %d",
                                     list->items[i], least, MAX_WINDOW);
    return VKD_OK;
}

static vkd_status check_lists(vkd_shaping *shaping, const conv_float_args *args, uint32_t dims)
{
    VKD_TRY(check_list(shaping, &args->stride, dims, 1));
    VKD_TRY(check_list(shaping, &args->padding, dims, 0));
    VKD_TRY(check_list(shaping, &args->dilation, dims, 1));
    return check_list(shaping, &args->output_padding, dims, 0);
}

static vkd_status check_operands(vkd_shaping *shaping, const conv_float_args *args,
                                 uint32_t *out_channels)
{
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x),
                           *w = vkd_shape_of(shaping, args->weight);
    if (x->rank != w->rank || (x->rank != 3 && x->rank != 4))
        return vkd_shape_fail_at(shaping, VKD_UNSUPPORTED, &args->weight,
                                 "has rank %u, expected the input's, %u, and that 3 or 4", w->rank,
                                 x->rank);
    const int32_t groups = args->groups;
    const uint64_t in_c = args->transposed ? w->dims[0] : (uint64_t)w->dims[1] * (uint32_t)groups;
    const uint64_t out_c = args->transposed ? (uint64_t)w->dims[1] * (uint32_t)groups : w->dims[0];
    if (groups < 1 || in_c != x->dims[1] || in_c % (uint32_t)groups || out_c % (uint32_t)groups ||
        !in_c || out_c > INT32_MAX) {
        char of_x[VKD_DIMS_TEXT], of_w[VKD_DIMS_TEXT];
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->weight,
                                 "is %s, expected what fits an input of %s in %d groups",
                                 vkd_dims_format(w->rank, w->dims, of_w),
                                 vkd_dims_format(x->rank, x->dims, of_x), groups);
    }
    *out_channels = (uint32_t)out_c;
    if (args->bias == VKD_NO_VALUE)
        return VKD_OK;
    const vkd_model_tensor *bias = vkd_shape_of(shaping, args->bias);
    char of_bias[VKD_DIMS_TEXT];
    if (bias->rank != 1 || bias->dims[0] != out_c)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->bias,
                                 "is %s, expected %u, one an output channel",
                                 vkd_dims_format(bias->rank, bias->dims, of_bias), (uint32_t)out_c);
    return VKD_OK;
}

/* Pixels of the result along a dimension; less than 1 where the window does not fit. */
static int64_t out_size(const conv_float_args *args, uint32_t from_last, int64_t in, int64_t kernel)
{
    int64_t stride = item(&args->stride, from_last, 1),
            padding = item(&args->padding, from_last, 0);
    int64_t reach = item(&args->dilation, from_last, 1) * (kernel - 1) + 1;
    if (args->transposed)
        return (in - 1) * stride - 2 * padding + reach + item(&args->output_padding, from_last, 0);
    int64_t room = in + 2 * padding - reach;
    return room < 0 ? 0 : room / stride + 1;
}

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const conv_float_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x),
                           *w = vkd_shape_of(shaping, args->weight);
    uint32_t dims[4] = {x->dims[0]};
    VKD_TRY(check_operands(shaping, args, &dims[1]));
    VKD_TRY(check_lists(shaping, args, x->rank - 2));
    for (uint32_t d = 2; d < x->rank; d++) {
        if (!x->dims[d] || w->dims[d] < 1 || w->dims[d] > MAX_WINDOW)
            return vkd_shape_fail_at(
                shaping, VKD_INVALID_MODEL, &args->weight,
                "is a window of %u for %u pixels, expected 1 to %d for 1 at least", w->dims[d],
                x->dims[d], MAX_WINDOW);
        int64_t out = out_size(args, x->rank - 1 - d, x->dims[d], w->dims[d]);
        if (out < 1 || out > INT32_MAX)
            return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->x,
                                     "leaves %lld pixels under the window, expected 1 at least",
                                     (long long)out);
        dims[d] = (uint32_t)out;
    }
    return vkd_shape_set(shaping, args->product.y, x->rank, dims);
}

/* ------------------------------------------------------------------------------------- operands */

/* [N, C, L] as [N, C, 1, L]. */
static vkd_view as_image(const vkd_view *view)
{
    return (vkd_view){.tensor = view->tensor,
                      .rank = 4,
                      .dims = {view->dims[0], view->dims[1], 1, view->dims[2]},
                      .strides = {view->strides[0], view->strides[1], 0, view->strides[2]},
                      .offset = view->offset};
}

/* Whether a view is all of its tensor. */
static bool is_whole(const vkd_graph *graph, const vkd_view *view)
{
    const vkd_view all = vkd_view_of(graph, view->tensor);
    bool whole = view->rank == all.rank && view->offset == 0;
    for (uint32_t d = 0; whole && d < all.rank; d++)
        whole = view->dims[d] == all.dims[d] &&
                (view->dims[d] == 1 || view->strides[d] == all.strides[d]);
    return whole;
}

static vkd_status image_of(vkd_lowering *lowering, uint32_t value, vkd_tensor_id *out)
{
    vkd_graph *graph = lowering->graph;
    const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
    vkd_view view;
    if (tensor->rank == 4)
        return vkd_op_input(lowering, value, tensor->dtype, VKD_4C, out);
    VKD_TRY(vkd_op_view(lowering, value, &view));
    view = as_image(&view);
    *out = view.tensor;
    if (graph->tensors[view.tensor].layout == VKD_4C && is_whole(graph, &view))
        return VKD_OK;
    VKD_TRY(
        vkd_graph_add_tensor(graph, VKD_PLACE_SCRATCH, tensor->dtype, VKD_4C, 4, view.dims, out));
    return vkd_op_move(lowering, &view, *out);
}

static vkd_status check_types(vkd_lowering *lowering, const conv_float_args *args)
{
    const vkd_dtype dtype = vkd_value_tensor(lowering, args->x)->dtype;
    const uint32_t others[] = {args->weight, args->product.y, args->bias};
    if (dtype != VKD_DTYPE_FLOAT32 && dtype != VKD_DTYPE_FLOAT16)
        return vkd_op_fail_value(lowering, VKD_UNSUPPORTED, args->x,
                                 "has dtype %s, expected f32 or f16", vkd_dtype_name(dtype));
    for (size_t i = 0; i < 3; i++)
        if (others[i] != VKD_NO_VALUE && vkd_value_tensor(lowering, others[i])->dtype != dtype)
            return vkd_op_fail_value(lowering, VKD_UNSUPPORTED, others[i],
                                     "has dtype %s, expected the input's, %s",
                                     vkd_dtype_name(vkd_value_tensor(lowering, others[i])->dtype),
                                     vkd_dtype_name(dtype));
    return VKD_OK;
}

static float bound(vkd_lowering *lowering, const vkd_number *number, float otherwise)
{
    if (number->kind == VKD_NUMBER_SYM)
        return (float)vkd_op_number(lowering, (vkd_sym){.value = number->value});
    return number->kind == VKD_NUMBER_NULL ? otherwise : (float)number->real;
}

static vkd_status weights_of(vkd_lowering *lowering, const conv_float_args *args, conv2d_real *out)
{
    const vkd_model_tensor *weight = vkd_value_tensor(lowering, args->weight);
    *out = (conv2d_real){.factors = vkd_op_content(lowering, args->factors),
                         .computed = VKD_NO_TENSOR,
                         .bias = VKD_NO_TENSOR,
                         .low = bound(lowering, &args->low, -INFINITY),
                         .high = bound(lowering, &args->high, INFINITY)};
    if (args->bias != VKD_NO_VALUE)
        VKD_TRY(vkd_op_input(lowering, args->bias, weight->dtype, VKD_ROWS, &out->bias));
    if (weight->data && !lowering->use[args->weight].writes)
        out->weights = vkd_op_content(lowering, args->weight);
    else
        VKD_TRY(vkd_op_input(lowering, args->weight, weight->dtype, VKD_ROWS, &out->computed));
    return VKD_OK;
}

static vkd_status epilogue_of(vkd_lowering *lowering, const product_args *args, conv2d_real *out)
{
    VKD_TRY(vkd_epilogue_make(lowering, args, &out->epilogue));
    vkd_epilogue_take_bounds(&out->epilogue, &out->low, &out->high);
    return out->epilogue.has_residual
               ? image_of(lowering, args->epilogue.residual, &out->epilogue.residual)
               : VKD_OK;
}

/* Of so many values: those that the graph is for, or the file's, which are the largest. */
static conv2d_problem problem_of(const vkd_model_value *values, const conv_float_args *args)
{
    const vkd_model_tensor *x = &values[args->x].tensor, *w = &values[args->weight].tensor,
                           *y = &values[args->product.y].tensor;
    const bool image = x->rank == 4;
    conv2d_problem p = {
        .n = x->dims[0],
        .in_c = x->dims[1],
        .in_h = image ? x->dims[2] : 1,
        .in_w = x->dims[x->rank - 1],
        .out_c = y->dims[1],
        .out_h = image ? y->dims[2] : 1,
        .out_w = y->dims[y->rank - 1],
        .groups = (uint32_t)args->groups,
        .dtype = x->dtype,
        .transposed = args->transposed,
    };
    for (uint32_t axis = 0; axis < 2; axis++) {
        const bool given = image || axis == 1;
        p.kernel[axis] = given ? w->dims[w->rank - 2 + axis] : 1;
        p.stride[axis] = given ? (uint32_t)item(&args->stride, 1 - axis, 1) : 1;
        p.padding[axis] = given ? (uint32_t)item(&args->padding, 1 - axis, 0) : 0;
        p.dilation[axis] = given ? (uint32_t)item(&args->dilation, 1 - axis, 1) : 1;
    }
    return p;
}

/* ------------------------------------------------------------------------------------- lowering */

/* The result as an image. */
static vkd_status make_output(vkd_lowering *lowering, uint32_t value, vkd_tensor_id *out)
{
    const vkd_model_tensor *y = vkd_value_tensor(lowering, value);
    const uint32_t dims[] = {y->dims[0], y->dims[1], 1, y->dims[2]};
    if (y->rank == 4)
        return vkd_op_output_4c(lowering, value, y->dtype, out);
    return vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, y->dtype, VKD_4C, 4, dims, out);
}

/* [N, C, 1, L] as [N, C, L]. */
static vkd_status as_sequence(vkd_lowering *lowering, uint32_t value, vkd_tensor_id image)
{
    vkd_view view = vkd_view_of(lowering->graph, image);
    view.rank = 3;
    view.dims[2] = view.dims[3];
    view.strides[2] = view.strides[3];
    return vkd_op_output_view(lowering, value, &view);
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const conv_float_args *args = arguments;
    const uint32_t rank = vkd_value_tensor(lowering, args->product.y)->rank;
    conv2d conv = {.channels = VKD_NO_TENSOR, .residual = VKD_NO_TENSOR};
    VKD_TRY(check_types(lowering, args));
    VKD_TRY(image_of(lowering, args->x, &conv.x));
    VKD_TRY(weights_of(lowering, args, &conv.real));
    VKD_TRY(epilogue_of(lowering, &args->product, &conv.real));
    VKD_TRY(make_output(lowering, args->product.y, &conv.y));
    conv.problem = problem_of(lowering->values, args);
    if (lowering->net->resizes)
        conv.largest = problem_of(lowering->net->values, args);
    VKD_TRY(vkd_conv2d_build(lowering, &conv, vkd_conv2d_float_variants,
                             vkd_conv2d_float_variant_count));
    return rank == 4 ? VKD_OK : as_sequence(lowering, args->product.y, conv.y);
}

#define CONV_FLOAT(name_, params_)                                                                 \
    {                                                                                              \
        name_, params_, sizeof(conv_float_args), shape, lower, .kind = VKD_OP_CONV,                \
                                                               .defaults = &unbounded              \
    }

static const vkd_op rows[] = {
    CONV_FLOAT("aten.convolution.default", plain_params),
    CONV_FLOAT("aten::convolution.out", plain_params),
    CONV_FLOAT("et_vk.conv_with_clamp.default", clamp_params),
    CONV_FLOAT("et_vk.conv2d_gemm.default", plain_params),
    CONV_FLOAT("et_vk.conv1d_pw.default", line_params),
    CONV_FLOAT("et_vk.conv1d_dw.default", line_params),
};

const vkd_op_table vkd_conv_float_ops = VKD_OP_TABLE(rows);
