/* Images at places between their pixels: enlarging, shrinking, sampling by a grid; and where an
 * image's pixels are. */
#include "graph/operators.h"
#include "ops/tables.h"
#include "shaders/resample_params.h"
#include "shaders/upsample_nearest_params.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------- dispatch */

typedef struct resampling {
    uint32_t filter, places; /* VKD_RESAMPLE_* */
    uint32_t outside;        /* VKD_RESAMPLE_BORDER, _ZEROS or _MIRROR */
    float ratio[2];
    uint32_t taps[2]; /* VKD_RESAMPLE_SMOOTH: at most, of h and w */
    vkd_view x, grid; /* grid: of [n, h, w, 2]; for places that need it, else x */
} resampling;

static vkd_status emit(vkd_lowering *lowering, const resampling *r, vkd_tensor_id y_id)
{
    const vkd_tensor *y = &lowering->graph->tensors[y_id];
    const vkd_view *x = &r->x, *grid = &r->grid;
    const bool by_grid = r->places == VKD_RESAMPLE_GRID || r->places == VKD_RESAMPLE_GRID_EDGES;
    vkd_view planes = *x, pixels = {.rank = 4, .strides = {0, 0, (int32_t)y->dims[3], 1}},
             places = {.rank = 4};
    vkd_walk walk;
    planes.strides[2] = planes.strides[3] = 0;
    pixels.tensor = places.tensor = x->tensor;
    memcpy(planes.dims, y->dims, sizeof planes.dims);
    memcpy(pixels.dims, y->dims, sizeof pixels.dims);
    memcpy(places.dims, y->dims, sizeof places.dims);
    if (by_grid) {
        const int32_t strides[] = {grid->strides[0], 0, grid->strides[1], grid->strides[2]};
        memcpy(places.strides, strides, sizeof strides);
        places.offset = grid->offset;
    }
    vkd_walk_make(lowering->graph, y_id, (const vkd_view[]){planes, pixels, places}, 3, &walk);
    resample_params params = {.groups = walk.groups,
                              .slots = walk.slots,
                              .inner = walk.inner,
                              .x_offset = walk.offsets[0],
                              .grid_offset = walk.offsets[2],
                              .y_w = y->dims[3],
                              .x_h = (int32_t)x->dims[2],
                              .x_w = (int32_t)x->dims[3],
                              .x_stride_h = (uint32_t)x->strides[2],
                              .x_stride_w = (uint32_t)x->strides[3],
                              .grid_stride = by_grid ? (uint32_t)grid->strides[3] : 0,
                              .ratio_h = r->ratio[0],
                              .ratio_w = r->ratio[1]};
    const uint32_t first = VKD_VIEW_DIMS - VKD_RESAMPLE_DIMS;
    memcpy(params.dims, walk.dims + first, sizeof params.dims);
    memcpy(params.x_strides, walk.strides[0] + first, sizeof params.x_strides);
    memcpy(params.pixel_strides, walk.strides[1] + first, sizeof params.pixel_strides);
    memcpy(params.grid_strides, walk.strides[2] + first, sizeof params.grid_strides);
    const uint64_t taps = r->taps[0] ? vkd_loop(r->taps[0], vkd_loop(r->taps[1], 0)) : 0;
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_RESAMPLE,
                                3 * vkd_loop(4 * VKD_RESAMPLE_DIMS, 0) + vkd_loop(4, taps), &params,
                                sizeof params);
    vkd_node_linear(&node, lowering->caps, walk.groups);
    vkd_node_read(&node, x->tensor);
    vkd_node_read(&node, grid->tensor);
    vkd_node_write(&node, y_id);
    vkd_node_spec(&node, y->dtype);
    vkd_node_spec(&node, lowering->graph->tensors[grid->tensor].dtype);
    vkd_node_spec(&node, walk.dim_count);
    vkd_node_spec(&node, walk.whole);
    vkd_node_spec(&node, r->filter);
    vkd_node_spec(&node, r->places);
    vkd_node_spec(&node, r->outside);
    return vkd_op_add_node(lowering, &node, x->tensor, y_id);
}

/* Images stay in 4C where they are. */
static vkd_status emit_image(vkd_lowering *lowering, const resampling *r, uint32_t x, uint32_t y)
{
    vkd_tensor_id tensor;
    VKD_TRY(vkd_op_output_in(lowering, y, vkd_value_tensor(lowering, x)->dtype,
                             vkd_op_layout(lowering, &x, 1), &tensor));
    return emit(lowering, r, tensor);
}

/* ------------------------------------------------------------------------------------- upsample */

static const vkd_param nearest_parameters[] = {
    VKD_TENSOR(upsample_args, x, input),
    VKD_SIZES(upsample_args, size, output_size),
    VKD_DOUBLES_OR_NULL(upsample_args, factors, 2, scale_factors),
    VKD_OUTPUT(upsample_args, y, out),
    VKD_PARAMS_END,
};
static const vkd_param bilinear_parameters[] = {
    VKD_TENSOR(upsample_args, x, input),
    VKD_SIZES(upsample_args, size, output_size),
    VKD_BOOL(upsample_args, align_corners),
    VKD_DOUBLES_OR_NULL(upsample_args, factors, 2, scale_factors),
    VKD_OUTPUT(upsample_args, y, out),
    VKD_PARAMS_END,
};

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const upsample_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    if (x->rank != 4)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->x, "has rank %u, expected 4",
                                 x->rank);
    if (args->size.count && args->size.count != 2)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->size,
                                 "has %zu numbers, expected 2", args->size.count);
    uint32_t dims[4] = {x->dims[0], x->dims[1]};
    for (uint32_t i = 0; i < 2; i++) {
        double size = args->size.count ? (double)vkd_shape_number(shaping, args->size.items[i])
                                       : floor((double)x->dims[2 + i] * args->factors[i]);
        if (!(size >= 1 && size <= INT32_MAX && x->dims[2 + i]))
            return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL,
                                     args->size.count ? (const void *)&args->size : args->factors,
                                     "makes %g pixels of %u, expected 1 to 2^31-1", size,
                                     x->dims[2 + i]);
        dims[2 + i] = (uint32_t)size;
    }
    return vkd_shape_set(shaping, args->y, 4, dims);
}

/* Whether a nearest pixel's number is that of y divided by an integer, h and w. */
static bool are_integers(const vkd_lowering *lowering, const upsample_args *args, uint32_t out[2])
{
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x),
                           *y = vkd_value_tensor(lowering, args->y);
    for (int i = 0; i < 2; i++) {
        uint32_t from = x->dims[2 + i], to = y->dims[2 + i];
        out[i] = to / from;
        if (to % from || (args->factors[i] != 0 && args->factors[i] != (double)out[i]))
            return false;
    }
    return true;
}

/* Whole words, of 4C. */
static vkd_status lower_integers(vkd_lowering *lowering, const upsample_args *args,
                                 const uint32_t factors[2])
{
    vkd_tensor_id x_id, y_id;
    vkd_dtype dtype = vkd_value_tensor(lowering, args->x)->dtype;
    VKD_TRY(vkd_op_input(lowering, args->x, dtype, VKD_4C, &x_id));
    VKD_TRY(vkd_op_output_4c(lowering, args->y, dtype, &y_id));

    const vkd_tensor *x = &lowering->graph->tensors[x_id], *y = &lowering->graph->tensors[y_id];
    uint32_t size = (uint32_t)vkd_dtype_size(dtype);
    upsample_nearest_params params = {.words = vkd_tensor_groups(y) * size};
    vkd_node node =
        vkd_op_node(lowering, VKD_SHADER_UPSAMPLE_NEAREST, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.words);
    vkd_node_read(&node, x_id);
    vkd_node_write(&node, y_id);
    vkd_node_spec(&node, (uint32_t)vkd_divide_up(y->c, 4) * size);
    vkd_node_spec(&node, factors[0]);
    vkd_node_spec(&node, factors[1]);
    vkd_node_spec(&node, x->w);
    return vkd_op_add_node(lowering, &node, x_id, y_id);
}

/* How far apart the pixels of y are in x. */
static float ratio_of(uint32_t from, uint32_t to, double factor, bool align_corners)
{
    if (align_corners)
        return to > 1 ? (float)(from - 1) / (float)(to - 1) : 0;
    return factor > 0 ? (float)(1 / factor) : (float)from / (float)to;
}

static vkd_status lower_upsample(vkd_lowering *lowering, const void *arguments)
{
    const upsample_args *args = arguments;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x),
                           *y = vkd_value_tensor(lowering, args->y);
    const uint32_t filter = (uint32_t)lowering->call->row->code;
    uint32_t factors[2];
    if (filter == VKD_RESAMPLE_NEAREST && are_integers(lowering, args, factors))
        return lower_integers(lowering, args, factors);
    resampling r = {.filter = filter};
    r.places = filter == VKD_RESAMPLE_NEAREST || args->align_corners ? VKD_RESAMPLE_RATIO
                                                                     : VKD_RESAMPLE_CENTRES;
    for (int i = 0; i < 2; i++)
        r.ratio[i] =
            ratio_of(x->dims[2 + i], y->dims[2 + i], args->factors[i], args->align_corners);
    VKD_TRY(vkd_op_view(lowering, args->x, &r.x));
    r.grid = r.x;
    return emit_image(lowering, &r, args->x, args->y);
}

/* --------------------------------------------------------------------------------- antialiased */

typedef struct smooth_args {
    uint32_t x, y;
    vkd_sym_list size; /* h, w */
    bool align_corners;
    float scales[2]; /* NAN: by the sizes */
} smooth_args;

static const vkd_param smooth_parameters[] = {
    VKD_TENSOR(smooth_args, x, self),
    VKD_SIZES(smooth_args, size, output_size),
    VKD_BOOL(smooth_args, align_corners),
    VKD_OPTIONAL_FLOAT(smooth_args, scales[0], scales_h),
    VKD_OPTIONAL_FLOAT(smooth_args, scales[1], scales_w),
    VKD_OUTPUT(smooth_args, y, out),
    VKD_PARAMS_END,
};

static vkd_status shape_smooth(vkd_shaping *shaping, const void *arguments)
{
    const smooth_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    if (x->rank != 4 || args->size.count != 2)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->size,
                                 "has %zu numbers for rank %u, expected 2 for rank 4",
                                 args->size.count, x->rank);
    uint32_t dims[4] = {x->dims[0], x->dims[1]};
    for (uint32_t i = 0; i < 2; i++) {
        const int64_t size = vkd_shape_number(shaping, args->size.items[i]);
        if (size < 1 || size > INT32_MAX || !x->dims[2 + i])
            return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->size,
                                     "makes %lld pixels of %u, expected 1 to 2^31-1",
                                     (long long)size, x->dims[2 + i]);
        dims[2 + i] = (uint32_t)size;
    }
    return vkd_shape_set(shaping, args->y, 4, dims);
}

static vkd_status lower_smooth(vkd_lowering *lowering, const void *arguments)
{
    const smooth_args *args = arguments;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x),
                           *y = vkd_value_tensor(lowering, args->y);
    enum { MOST = 4096 }; /* 32 to one along both axes */
    resampling r = {.filter = VKD_RESAMPLE_SMOOTH, .places = VKD_RESAMPLE_RATIO};
    VKD_TRY(vkd_op_check_floats(lowering, &args->x, 1));
    for (int i = 0; i < 2; i++) {
        const double factor = args->scales[i] > 0 ? (double)args->scales[i] : 0;
        const uint32_t from = x->dims[2 + i];
        r.ratio[i] = ratio_of(from, y->dims[2 + i], factor, args->align_corners);
        const double most = 2 * (double)r.ratio[i] + 2;
        r.taps[i] = most < from ? (uint32_t)most : from;
    }
    if ((uint64_t)r.taps[0] * r.taps[1] > MOST)
        return vkd_op_fail_at(lowering, VKD_UNSUPPORTED, &args->size,
                              "makes one pixel of up to %u x %u, expected %d in all at most",
                              r.taps[0], r.taps[1], MOST);
    VKD_TRY(vkd_op_view(lowering, args->x, &r.x));
    r.grid = r.x;
    return emit_image(lowering, &r, args->x, args->y);
}

/* -------------------------------------------------------------------------------------- by grid */

typedef struct grid_args {
    uint32_t x, grid, y;
    int32_t filter, padding;
    bool align_corners;
} grid_args;

static const vkd_param grid_parameters[] = {VKD_TENSOR(grid_args, x, input),
                                            VKD_TENSOR(grid_args, grid),
                                            VKD_INT(grid_args, filter, interpolation_mode),
                                            VKD_INT(grid_args, padding, padding_mode),
                                            VKD_BOOL(grid_args, align_corners),
                                            VKD_OUTPUT(grid_args, y, out),
                                            VKD_PARAMS_END};

static vkd_status shape_grid(vkd_shaping *shaping, const void *arguments)
{
    const grid_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x),
                           *grid = vkd_shape_of(shaping, args->grid);
    if (x->rank != 4 || grid->rank != 4 || grid->dims[3] != 2 || grid->dims[0] != x->dims[0]) {
        char is[VKD_DIMS_TEXT], by[VKD_DIMS_TEXT];
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->grid,
                                 "is %s, expected N x H x W x 2 for images of %s",
                                 vkd_dims_format(grid->rank, grid->dims, by),
                                 vkd_dims_format(x->rank, x->dims, is));
    }
    return vkd_shape_set(shaping, args->y, 4,
                         (const uint32_t[]){x->dims[0], x->dims[1], grid->dims[1], grid->dims[2]});
}

static vkd_status lower_grid(vkd_lowering *lowering, const void *arguments)
{
    /* by the file's numbers */
    static const uint32_t filters[] = {VKD_RESAMPLE_BILINEAR, VKD_RESAMPLE_NEAREST,
                                       VKD_RESAMPLE_BICUBIC},
                          outsides[] = {VKD_RESAMPLE_ZEROS, VKD_RESAMPLE_BORDER,
                                        VKD_RESAMPLE_MIRROR};
    const grid_args *args = arguments;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x);
    if (args->filter < 0 || args->filter > 2)
        return vkd_op_fail_at(lowering, VKD_UNSUPPORTED, &args->filter, "is %d, expected 0 to 2",
                              args->filter);
    if (args->padding < 0 || args->padding > 2)
        return vkd_op_fail_at(lowering, VKD_UNSUPPORTED, &args->padding, "is %d, expected 0 to 2",
                              args->padding);
    if (!vkd_dims_count(x->rank, x->dims))
        return vkd_op_fail_at(lowering, VKD_INVALID_MODEL, &args->x,
                              "has no pixels, expected one at least");
    resampling r = {.filter = filters[args->filter],
                    .places = args->align_corners ? VKD_RESAMPLE_GRID : VKD_RESAMPLE_GRID_EDGES,
                    .outside = outsides[args->padding]};
    VKD_TRY(vkd_op_view(lowering, args->x, &r.x));
    VKD_TRY(vkd_op_view(lowering, args->grid, &r.grid));
    return emit_image(lowering, &r, args->x, args->y);
}

/* ----------------------------------------------------------------------------- centres of cells */

typedef struct priors_args {
    uint32_t x, y;
    int32_t stride;
    float offset;
} priors_args;

static const vkd_param priors_parameters[] = {
    VKD_TENSOR(priors_args, x, self), VKD_INT(priors_args, stride), VKD_FLOAT(priors_args, offset),
    VKD_OUTPUT(priors_args, y, out), VKD_PARAMS_END};

static vkd_status shape_priors(vkd_shaping *shaping, const void *arguments)
{
    const priors_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    if (x->rank < 2)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->x,
                                 "has rank %u, expected 2 at least", x->rank);
    uint64_t count = (uint64_t)x->dims[x->rank - 2] * x->dims[x->rank - 1];
    if (count > INT32_MAX)
        return vkd_shape_fail_at(shaping, VKD_UNSUPPORTED, &args->x,
                                 "has %llu cells, expected 2^30 at most",
                                 (unsigned long long)count);
    return vkd_shape_set(shaping, args->y, 2, (const uint32_t[]){(uint32_t)count, 2});
}

typedef struct priors {
    uint32_t w, count;
    float stride, offset;
} priors;

static void pack_priors(const void *source, void *dst, size_t size)
{
    const priors *p = source;
    memset(dst, 0, size);
    for (uint32_t i = 0; i < p->count; i++) {
        const float at[] = {((float)(i % p->w) + p->offset) * p->stride,
                            ((float)(i / p->w) + p->offset) * p->stride};
        memcpy((char *)dst + i * sizeof at, at, sizeof at);
    }
}

static vkd_status lower_priors(vkd_lowering *lowering, const void *arguments)
{
    const priors_args *args = arguments;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x),
                           *y = vkd_value_tensor(lowering, args->y);
    const priors p = {x->dims[x->rank - 1], y->dims[0], (float)args->stride, args->offset};
    vkd_tensor_id cells, tensor;
    VKD_TRY(vkd_op_constant(lowering, 8 * (uint64_t)p.count, pack_priors, &p, sizeof p, 0, &cells));
    lowering->graph->tensors[cells].dtype = VKD_DTYPE_FLOAT32;
    const vkd_view view = {.tensor = cells, .rank = 2, .dims = {p.count, 2}, .strides = {2, 1}};
    VKD_TRY(vkd_op_output_in(lowering, args->y, y->dtype, VKD_ROWS, &tensor));
    return vkd_op_move(lowering, &view, tensor);
}

/* ----------------------------------------------------------------------------------------- rows */

#define UPSAMPLE(name_, params_, code_, ...)                                                       \
    {                                                                                              \
        name_, params_, sizeof(upsample_args), shape, lower_upsample, .code = code_, __VA_ARGS__   \
    }

static const vkd_op rows[] = {
    UPSAMPLE("aten.upsample_nearest2d.vec", nearest_parameters, VKD_RESAMPLE_NEAREST,
             .kind = VKD_OP_UPSAMPLE_NEAREST),
    UPSAMPLE("aten::upsample_nearest2d.vec_out", nearest_parameters, VKD_RESAMPLE_NEAREST,
             .kind = VKD_OP_UPSAMPLE_NEAREST),
    UPSAMPLE("aten.upsample_bilinear2d.vec", bilinear_parameters, VKD_RESAMPLE_BILINEAR,
             .kind = VKD_OP_OTHER),
    UPSAMPLE("aten::upsample_bilinear2d.vec_out", bilinear_parameters, VKD_RESAMPLE_BILINEAR,
             .kind = VKD_OP_OTHER),
    {"aten::_upsample_bilinear2d_aa.out", smooth_parameters, sizeof(smooth_args), shape_smooth,
     lower_smooth},
    {"aten.grid_sampler_2d.default", grid_parameters, sizeof(grid_args), shape_grid, lower_grid},
    {"aten::grid_sampler_2d.out", grid_parameters, sizeof(grid_args), shape_grid, lower_grid},
    {"et_vk.grid_priors.default", priors_parameters, sizeof(priors_args), shape_priors,
     lower_priors},
};

const vkd_op_table vkd_resample_ops = VKD_OP_TABLE(rows);
