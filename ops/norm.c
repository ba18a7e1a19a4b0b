/* Softmax and the normalisations. */
#include "graph/operators.h"
#include "ops/normalise.h"
#include "ops/tables.h"
#include "runtime/base/element.h"

#include <math.h>
#include <string.h>

/* A row-major vector of parameters along dims [first, first + count) of x. none: VKD_NO_VALUE. */
static vkd_status parameter_view(vkd_lowering *lowering, uint32_t value, const vkd_view *x,
                                 uint32_t first, uint32_t count, vkd_view *out)
{
    vkd_view own;
    out->tensor = VKD_NO_TENSOR;
    if (value == VKD_NO_VALUE)
        return VKD_OK;
    VKD_TRY(vkd_op_view(lowering, value, &own));
    bool fits = own.rank == count;
    for (uint32_t i = 0; fits && i < count; i++)
        fits = own.dims[i] == x->dims[first + i];
    if (!fits) {
        char is[VKD_DIMS_TEXT], expected[VKD_DIMS_TEXT];
        return vkd_op_fail_value(lowering, VKD_INVALID_MODEL, value, "is %s, expected %s",
                                 vkd_dims_format(own.rank, own.dims, is),
                                 vkd_dims_format(count, x->dims + first, expected));
    }
    *out = (vkd_view){.tensor = own.tensor, .rank = x->rank, .offset = own.offset};
    memcpy(out->dims, x->dims, sizeof out->dims);
    memcpy(out->strides + first, own.strides, count * sizeof *own.strides);
    return VKD_OK;
}

static vkd_status output(vkd_lowering *lowering, uint32_t x, uint32_t y, vkd_tensor_id *out)
{
    return vkd_op_output_in(lowering, y, vkd_value_tensor(lowering, y)->dtype,
                            vkd_op_layout(lowering, &x, 1), out);
}

/* -------------------------------------------------------------------------------------- softmax */

static const vkd_param softmax_params[] = {VKD_TENSOR(softmax_args, x, self),
                                           VKD_INT(softmax_args, dim), VKD_IGNORED("half_to_float"),
                                           VKD_OUTPUT(softmax_args, y, out), VKD_PARAMS_END};

static vkd_status shape_softmax(vkd_shaping *shaping, const void *arguments)
{
    const softmax_args *args = arguments;
    uint32_t dim;
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, vkd_shape_of(shaping, args->x)->rank, &dim));
    return vkd_shape_set_as(shaping, args->y, args->x);
}

static vkd_status lower_softmax(vkd_lowering *lowering, const void *arguments)
{
    const softmax_args *args = arguments;
    vkd_normalisation n = {.op = (uint32_t)lowering->call->row->code,
                           .stats = VKD_STATS_SOFTMAX,
                           .weight.tensor = VKD_NO_TENSOR,
                           .bias.tensor = VKD_NO_TENSOR};
    vkd_tensor_id y;
    VKD_TRY(vkd_op_view(lowering, args->x, &n.x));
    if (n.x.rank)
        n.reduced[vkd_from_end(args->dim, n.x.rank)] = true;
    VKD_TRY(output(lowering, args->x, args->y, &y));
    return vkd_normalise(lowering, &n, y, NULL);
}

/* ---------------------------------------------------------------------------- layer, rms, group */

static const vkd_param layer_params[] = {VKD_TENSOR(norm_args, x, input),
                                         VKD_SIZES(norm_args, shape, normalized_shape),
                                         VKD_OPTIONAL_TENSOR(norm_args, weight),
                                         VKD_OPTIONAL_TENSOR(norm_args, bias),
                                         VKD_FLOAT(norm_args, eps),
                                         VKD_OUTPUTS(norm_args, y, 3, out),
                                         VKD_PARAMS_END};
static const vkd_param rms_params[] = {
    VKD_TENSOR(norm_args, x, input), VKD_OPTIONAL_TENSOR(norm_args, weight),
    VKD_FLOAT(norm_args, eps), VKD_OUTPUT(norm_args, y, out), VKD_PARAMS_END};
static const vkd_param group_params[] = {VKD_TENSOR(norm_args, x, input),
                                         VKD_OPTIONAL_TENSOR(norm_args, weight),
                                         VKD_OPTIONAL_TENSOR(norm_args, bias),
                                         VKD_IGNORED("N"),
                                         VKD_IGNORED("C"),
                                         VKD_IGNORED("HxW"),
                                         VKD_INT(norm_args, groups, group),
                                         VKD_FLOAT(norm_args, eps),
                                         VKD_OUTPUTS(norm_args, y, 3, out),
                                         VKD_PARAMS_END};
static const norm_args no_parameters = {
    .weight = VKD_NO_VALUE, .bias = VKD_NO_VALUE, .y = {VKD_NO_VALUE, VKD_NO_VALUE, VKD_NO_VALUE}};

static vkd_status shape_layer(vkd_shaping *shaping, const void *arguments)
{
    const norm_args *args = arguments;
    const vkd_model_tensor x = *vkd_shape_of(shaping, args->x);
    const uint32_t count = (uint32_t)args->shape.count;
    bool fits = count >= 1 && count <= x.rank;
    for (uint32_t i = 0; fits && i < count; i++)
        fits = vkd_shape_number(shaping, args->shape.items[i]) == x.dims[x.rank - count + i];
    char is[VKD_DIMS_TEXT];
    if (!fits)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->shape,
                                 "is the last %u dims, expected those of %s", count,
                                 vkd_dims_format(x.rank, x.dims, is));
    uint32_t dims[VKD_MAX_RANK];
    for (uint32_t i = 0; i < x.rank; i++)
        dims[i] = i < x.rank - count ? x.dims[i] : 1;
    VKD_TRY(vkd_shape_set(shaping, args->y[1], x.rank, dims));
    VKD_TRY(vkd_shape_set(shaping, args->y[2], x.rank, dims));
    return vkd_shape_set(shaping, args->y[0], x.rank, x.dims);
}

static vkd_status shape_rms(vkd_shaping *shaping, const void *arguments)
{
    const norm_args *args = arguments;
    if (!vkd_shape_of(shaping, args->x)->rank)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->x,
                                 "has rank 0, expected 1 at least");
    return vkd_shape_set_as(shaping, args->y[0], args->x);
}

static vkd_status shape_group(vkd_shaping *shaping, const void *arguments)
{
    const norm_args *args = arguments;
    const vkd_model_tensor x = *vkd_shape_of(shaping, args->x);
    if (x.rank < 2 || args->groups < 1 || x.dims[1] % (uint32_t)args->groups)
        return vkd_shape_fail_at(
            shaping, VKD_INVALID_MODEL, &args->groups,
            "is %d for %u channels of rank %u, expected a divisor of these, and rank 2 at least",
            args->groups, x.rank < 2 ? 0 : x.dims[1], x.rank);
    const uint32_t dims[] = {x.dims[0], (uint32_t)args->groups};
    VKD_TRY(vkd_shape_set(shaping, args->y[1], 2, dims));
    VKD_TRY(vkd_shape_set(shaping, args->y[2], 2, dims));
    return vkd_shape_set(shaping, args->y[0], x.rank, x.dims);
}

static bool is_wanted(const vkd_lowering *lowering, uint32_t value)
{
    return value != VKD_NO_VALUE && (lowering->use[value].reads || lowering->use[value].is_output);
}

/* Means and 1 / deviations, where somebody reads them: column 0 and 1 of the stats. */
static vkd_status output_stats(vkd_lowering *lowering, const norm_args *args, const vkd_view *stats)
{
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t value = args->y[1 + i];
        if (!is_wanted(lowering, value))
            continue;
        const vkd_model_tensor *tensor = vkd_value_tensor(lowering, value);
        vkd_view column = {.tensor = stats->tensor, .rank = tensor->rank, .offset = (int32_t)i};
        int32_t step = 2;
        vkd_tensor_id y;
        for (uint32_t d = tensor->rank; d-- > 0; step *= (int32_t)tensor->dims[d]) {
            column.dims[d] = tensor->dims[d];
            column.strides[d] = step;
        }
        VKD_TRY(vkd_op_output_in(lowering, value, tensor->dtype, VKD_ROWS, &y));
        VKD_TRY(vkd_op_move(lowering, &column, y));
    }
    return VKD_OK;
}

static vkd_status emit(vkd_lowering *lowering, const norm_args *args, const vkd_normalisation *n,
                       vkd_tensor_id y)
{
    const bool wanted = is_wanted(lowering, args->y[1]) || is_wanted(lowering, args->y[2]);
    vkd_view stats;
    VKD_TRY(vkd_normalise(lowering, n, y, wanted ? &stats : NULL));
    return wanted ? output_stats(lowering, args, &stats) : VKD_OK;
}

/* Nobody kept these: nothing, where somebody reads them. */
static vkd_status output_no_stats(vkd_lowering *lowering, const norm_args *args)
{
    vkd_tensor_id nothing;
    for (uint32_t i = 1; i < 3; i++)
        if (is_wanted(lowering, args->y[i]))
            VKD_TRY(vkd_op_output_in(lowering, args->y[i],
                                     vkd_value_tensor(lowering, args->y[i])->dtype, VKD_ROWS,
                                     &nothing));
    return VKD_OK;
}

/* Over the last `count` dims. */
static vkd_status lower_last(vkd_lowering *lowering, const norm_args *args, uint32_t count,
                             uint32_t stats_op)
{
    vkd_normalisation n = {.op = VKD_NORMALISE_SCALE, .stats = stats_op, .eps = args->eps};
    vkd_tensor_id y;
    VKD_TRY(vkd_op_view(lowering, args->x, &n.x));
    for (uint32_t i = 0; i < count; i++)
        n.reduced[n.x.rank - 1 - i] = true;
    VKD_TRY(parameter_view(lowering, args->weight, &n.x, n.x.rank - count, count, &n.weight));
    VKD_TRY(parameter_view(lowering, args->bias, &n.x, n.x.rank - count, count, &n.bias));
    VKD_TRY(output(lowering, args->x, args->y[0], &y));
    return emit(lowering, args, &n, y);
}

static vkd_status lower_layer(vkd_lowering *lowering, const void *arguments)
{
    const norm_args *args = arguments;
    return lower_last(lowering, args, (uint32_t)args->shape.count, VKD_STATS_MOMENTS);
}

static vkd_status make_rms(vkd_lowering *lowering, const void *arguments, uint32_t value)
{
    (void)value;
    return lower_last(lowering, arguments, 1, VKD_STATS_RMS);
}

const norm_args *vkd_late_rms_norm(const vkd_lowering *lowering, uint32_t value)
{
    const vkd_call *call = vkd_op_late(lowering, value, make_rms);
    return call ? call->args : NULL;
}

/* Rows in one piece, times a vector of their type. */
static bool is_plain_rms(const vkd_lowering *lowering, const norm_args *args)
{
    if (args->weight == VKD_NO_VALUE)
        return false;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x),
                           *weight = vkd_value_tensor(lowering, args->weight),
                           *y = vkd_value_tensor(lowering, args->y[0]);
    return vkd_is_float(x->dtype) && weight->dtype == x->dtype && y->dtype == x->dtype &&
           weight->rank == 1 && weight->dims[0] == x->dims[x->rank - 1] &&
           vkd_op_layout(lowering, &args->x, 1) == VKD_ROWS;
}

static vkd_status lower_rms(vkd_lowering *lowering, const void *arguments)
{
    const norm_args *args = arguments;
    const uint32_t operands[] = {args->x, args->weight};
    vkd_view x;
    VKD_TRY(vkd_op_view(lowering, args->x, &x));
    if (!is_plain_rms(lowering, args) || !vkd_op_may_be_late(lowering, args->y[0], operands, 2))
        return make_rms(lowering, args, args->y[0]);
    vkd_op_put_off(lowering, args->y[0], make_rms);
    return VKD_OK;
}

/* Dim 1 as [groups][channels of a group]. */
static vkd_view grouped(const vkd_view *x, uint32_t groups)
{
    vkd_view view = *x;
    view.rank++;
    for (uint32_t d = view.rank - 1; d > 2; d--) {
        view.dims[d] = x->dims[d - 1];
        view.strides[d] = x->strides[d - 1];
    }
    view.dims[1] = groups;
    view.dims[2] = x->dims[1] / groups;
    view.strides[1] = x->strides[1] * (int32_t)view.dims[2];
    view.strides[2] = x->strides[1];
    return view;
}

static vkd_status lower_group(vkd_lowering *lowering, const void *arguments)
{
    const norm_args *args = arguments;
    const uint32_t groups = (uint32_t)args->groups;
    vkd_normalisation n = {.op = VKD_NORMALISE_SCALE, .stats = VKD_STATS_MOMENTS, .eps = args->eps};
    vkd_tensor_id y, image;
    /* In row-major order, where channels of a group and pixels lie within each other. */
    VKD_TRY(vkd_op_rows(lowering, args->x, &image));
    const vkd_view x = vkd_view_of(lowering->graph, image);
    if (x.rank == VKD_MAX_RANK)
        return vkd_op_fail_value(lowering, VKD_UNSUPPORTED, args->x,
                                 "has rank %u, expected %d at most", x.rank, VKD_MAX_RANK - 1);
    n.x = grouped(&x, groups);
    for (uint32_t d = 2; d < n.x.rank; d++)
        n.reduced[d] = true;
    VKD_TRY(parameter_view(lowering, args->weight, &x, 1, 1, &n.weight));
    VKD_TRY(parameter_view(lowering, args->bias, &x, 1, 1, &n.bias));
    n.weight = n.weight.tensor == VKD_NO_TENSOR ? n.weight : grouped(&n.weight, groups);
    n.bias = n.bias.tensor == VKD_NO_TENSOR ? n.bias : grouped(&n.bias, groups);
    vkd_tensor_id wide;
    VKD_TRY(vkd_op_output_in(lowering, args->y[0], vkd_value_tensor(lowering, args->y[0])->dtype,
                             VKD_ROWS, &y));
    const vkd_tensor *result = &lowering->graph->tensors[y];
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, result->place, result->dtype, VKD_ROWS, n.x.rank,
                                 n.x.dims, &wide));
    lowering->graph->tensors[wide].storage = y;
    return emit(lowering, args, &n, wide);
}

/* ----------------------------------------------------------------------------------- batch norm */

static const vkd_param batch_params[] = {VKD_TENSOR(norm_args, x, input),
                                         VKD_OPTIONAL_TENSOR(norm_args, weight),
                                         VKD_OPTIONAL_TENSOR(norm_args, bias),
                                         VKD_CONSTANT(norm_args, mean, running_mean),
                                         VKD_CONSTANT(norm_args, variance, running_var),
                                         VKD_IGNORED("momentum"),
                                         VKD_FLOAT(norm_args, eps),
                                         VKD_OUTPUTS(norm_args, y, 3, out),
                                         VKD_PARAMS_END};

static vkd_status shape_batch(vkd_shaping *shaping, const void *arguments)
{
    const norm_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    const uint32_t nothing = 0;
    if (x->rank < 2)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->x,
                                 "has rank %u, expected 2 at least, for channels", x->rank);
    for (uint32_t i = 1; i < 3; i++)
        VKD_TRY(vkd_shape_set(shaping, args->y[i], 1, &nothing));
    return vkd_shape_set_as(shaping, args->y[0], args->x);
}

typedef struct running {
    vkd_content mean, variance;
    uint32_t channels, dtype;
    double eps;
} running;

/* Means and 1 / deviations, as stats.comp makes them. */
static void pack_running(const void *from, void *dst, size_t size)
{
    const running *r = from;
    for (uint32_t c = 0; c < r->channels; c++) {
        double variance = vkd_element_get((vkd_dtype)r->dtype, r->variance.data, c) + r->eps;
        const float pair[] = {(float)vkd_element_get((vkd_dtype)r->dtype, r->mean.data, c),
                              (float)(1 / sqrt(variance))};
        memcpy((char *)dst + c * sizeof pair, pair, sizeof pair);
    }
    memset((char *)dst + r->channels * 8u, 0, size - r->channels * 8u);
}

static vkd_status lower_batch(vkd_lowering *lowering, const void *arguments)
{
    const norm_args *args = arguments;
    const vkd_model_tensor *mean = vkd_value_tensor(lowering, args->mean),
                           *variance = vkd_value_tensor(lowering, args->variance);
    vkd_normalisation n = {.op = VKD_NORMALISE_SCALE};
    vkd_tensor_id y, stats;
    VKD_TRY(vkd_op_view(lowering, args->x, &n.x));
    const uint32_t channels = n.x.dims[1];
    if (mean->rank != 1 || variance->rank != 1 || mean->dims[0] != channels ||
        variance->dims[0] != channels || mean->dtype != variance->dtype)
        return vkd_op_fail_value(
            lowering, VKD_INVALID_MODEL, args->mean,
            "and running_var have not %u numbers, expected one for each channel", channels);
    running r;
    memset(&r, 0, sizeof r);
    r.mean = vkd_op_content(lowering, args->mean);
    r.variance = vkd_op_content(lowering, args->variance);
    r.channels = channels;
    r.dtype = mean->dtype;
    r.eps = (double)args->eps;
    VKD_TRY(
        vkd_op_constant(lowering, 8 * (uint64_t)channels, pack_running, &r, sizeof r, 2, &stats));
    lowering->graph->tensors[stats].dtype = VKD_DTYPE_FLOAT32;
    vkd_view pairs = {.tensor = stats, .rank = n.x.rank};
    memcpy(pairs.dims, n.x.dims, sizeof pairs.dims);
    pairs.strides[1] = 1;
    VKD_TRY(parameter_view(lowering, args->weight, &n.x, 1, 1, &n.weight));
    VKD_TRY(parameter_view(lowering, args->bias, &n.x, 1, 1, &n.bias));
    VKD_TRY(output(lowering, args->x, args->y[0], &y));
    VKD_TRY(vkd_normalise_by(lowering, &n, &pairs, y));
    return output_no_stats(lowering, args);
}

/* The same with the means and variances of x itself: each channel over all images. */
static const vkd_param batch_stats_params[] = {VKD_TENSOR(norm_args, x, input),
                                               VKD_OPTIONAL_TENSOR(norm_args, weight),
                                               VKD_OPTIONAL_TENSOR(norm_args, bias),
                                               VKD_IGNORED("training"),
                                               VKD_IGNORED("momentum"),
                                               VKD_FLOAT(norm_args, eps),
                                               VKD_OUTPUTS(norm_args, y, 3, out),
                                               VKD_PARAMS_END};

static vkd_status shape_batch_stats(vkd_shaping *shaping, const void *arguments)
{
    const norm_args *args = arguments;
    const vkd_model_tensor x = *vkd_shape_of(shaping, args->x);
    if (x.rank < 2)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->x,
                                 "has rank %u, expected 2 at least, for channels", x.rank);
    for (uint32_t i = 1; i < 3; i++)
        VKD_TRY(vkd_shape_set(shaping, args->y[i], 1, &x.dims[1]));
    return vkd_shape_set_as(shaping, args->y[0], args->x);
}

static vkd_status lower_batch_stats(vkd_lowering *lowering, const void *arguments)
{
    const norm_args *args = arguments;
    vkd_normalisation n = {.op = VKD_NORMALISE_SCALE, .stats = VKD_STATS_MOMENTS, .eps = args->eps};
    vkd_tensor_id y;
    VKD_TRY(vkd_op_view(lowering, args->x, &n.x));
    for (uint32_t d = 0; d < n.x.rank; d++)
        n.reduced[d] = d != 1;
    VKD_TRY(parameter_view(lowering, args->weight, &n.x, 1, 1, &n.weight));
    VKD_TRY(parameter_view(lowering, args->bias, &n.x, 1, 1, &n.bias));
    VKD_TRY(output(lowering, args->x, args->y[0], &y));
    return emit(lowering, args, &n, y);
}

#define NORM(name_, params_, shape_, lower_)                                                       \
    {                                                                                              \
        name_, params_, sizeof(norm_args), shape_, lower_, .defaults = &no_parameters              \
    }
#define BATCH_NORM(name_)                                                                          \
    {                                                                                              \
        name_, batch_params, sizeof(norm_args), shape_batch, lower_batch,                          \
            .kind = VKD_OP_BATCH_NORM, .defaults = &no_parameters                                  \
    }
#define SOFTMAX(name_, code_, kind_)                                                               \
    {                                                                                              \
        name_, softmax_params, sizeof(softmax_args), shape_softmax, lower_softmax, .code = code_,  \
                                                                                   .kind = kind_   \
    }

static const vkd_op rows[] = {
    SOFTMAX("aten._softmax.default", VKD_NORMALISE_SOFTMAX, VKD_OP_SOFTMAX),
    SOFTMAX("aten::_softmax.out", VKD_NORMALISE_SOFTMAX, VKD_OP_SOFTMAX),
    SOFTMAX("aten._log_softmax.default", VKD_NORMALISE_LOG_SOFTMAX, VKD_OP_OTHER),
    SOFTMAX("aten::_log_softmax.out", VKD_NORMALISE_LOG_SOFTMAX, VKD_OP_OTHER),
    NORM("aten.native_layer_norm.default", layer_params, shape_layer, lower_layer),
    NORM("aten::native_layer_norm.out", layer_params, shape_layer, lower_layer),
    {"et_vk.rms_norm.default", rms_params, sizeof(norm_args), shape_rms, lower_rms,
     .kind = VKD_OP_RMS_NORM, .defaults = &no_parameters},
    NORM("aten.native_group_norm.default", group_params, shape_group, lower_group),
    NORM("aten::native_group_norm.out", group_params, shape_group, lower_group),
    BATCH_NORM("aten._native_batch_norm_legit_no_training.default"),
    BATCH_NORM("aten::_native_batch_norm_legit_no_training.out"),
    NORM("aten::_native_batch_norm_legit.no_stats_out", batch_stats_params, shape_batch_stats,
         lower_batch_stats),
};

const vkd_op_table vkd_norm_ops = VKD_OP_TABLE(rows);
