/* Tensors in parts along a dim: views, which cost nothing. */
#include "ops/tables.h"

#include <string.h>

typedef struct split_args {
    uint32_t x;
    vkd_size_list sizes;
    vkd_sym size; /* of every part but the last, where there is no list */
    int32_t dim;
    vkd_tensor_list parts;
} split_args;

static const vkd_param split_params[] = {
    VKD_TENSOR(split_args, x, self), VKD_SIZE_LIST(split_args, sizes, split_sizes),
    VKD_INT(split_args, dim), VKD_OUTPUT_LIST(split_args, parts, out), VKD_PARAMS_END};

static vkd_status shape_split(vkd_shaping *shaping, const void *arguments)
{
    const split_args *args = arguments;
    const vkd_model_tensor x = *vkd_shape_of(shaping, args->x);
    uint32_t dim = 0, dims[VKD_MAX_RANK];
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, x.rank, &dim));
    if (!x.rank || args->sizes.count != args->parts.count)
        return vkd_shape_fail_at(
            shaping, VKD_INVALID_MODEL, &args->sizes,
            "has %zu sizes, expected %zu, of the parts of a tensor of rank %u, 1 at least",
            args->sizes.count, args->parts.count, x.rank);
    int64_t sum = 0;
    memcpy(dims, x.dims, sizeof dims);
    for (size_t i = 0; i < args->parts.count; i++) {
        int64_t size = vkd_shape_number(shaping, args->sizes.items[i]);
        if (size < 0 || size > x.dims[dim])
            return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->sizes,
                                     "has %lld at %zu, expected 0 to %u", (long long)size, i,
                                     x.dims[dim]);
        sum += size;
        dims[dim] = (uint32_t)size;
        VKD_TRY(vkd_shape_set(shaping, args->parts.values[i], x.rank, dims));
    }
    if (sum != x.dims[dim])
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->sizes,
                                 "adds up to %lld, expected all %u of dim %u", (long long)sum,
                                 x.dims[dim], dim);
    return VKD_OK;
}

static vkd_status lower_split(vkd_lowering *lowering, const void *arguments)
{
    const split_args *args = arguments;
    vkd_view view;
    VKD_TRY(vkd_op_view(lowering, args->x, &view));
    uint32_t dim = vkd_from_end(args->dim, view.rank);
    for (size_t i = 0; i < args->parts.count; i++) {
        view.dims[dim] = vkd_value_tensor(lowering, args->parts.values[i])->dims[dim];
        VKD_TRY(vkd_op_output_view(lowering, args->parts.values[i], &view));
        view.offset += view.strides[dim] * (int32_t)view.dims[dim];
    }
    return VKD_OK;
}

/* ---------------------------------------------------------------------------- parts of one size */

static const vkd_param chunk_params[] = {
    VKD_TENSOR(split_args, x, self), VKD_SYM(split_args, size, split_size),
    VKD_INT(split_args, dim), VKD_OUTPUT_LIST(split_args, parts, out), VKD_PARAMS_END};
static const vkd_param unbind_params[] = {VKD_TENSOR(split_args, x, self), VKD_INT(split_args, dim),
                                          VKD_OUTPUT_LIST(split_args, parts, out), VKD_PARAMS_END};

static vkd_status shape_chunks(vkd_shaping *shaping, const void *arguments)
{
    const split_args *args = arguments;
    const vkd_model_tensor x = *vkd_shape_of(shaping, args->x);
    const int64_t size = vkd_shape_number(shaping, args->size);
    uint32_t dim = 0, dims[VKD_MAX_RANK];
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, x.rank, &dim));
    const int64_t all = x.rank ? x.dims[dim] : 0;
    /* A part of nothing is all of nothing. */
    const int64_t count = size > 0 ? all / size + (all % size != 0) : 1;
    if (!x.rank || size < 0 || (size == 0 && all) ||
        (count ? count : 1) != (int64_t)args->parts.count)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->size,
                                 "is %lld, expected what makes %zu parts of the %lld of dim %d",
                                 (long long)size, args->parts.count, (long long)all, args->dim);
    memcpy(dims, x.dims, sizeof dims);
    for (size_t i = 0; i < args->parts.count; i++) {
        const int64_t left = all - (int64_t)i * size;
        dims[dim] = (uint32_t)(left < size ? left : size);
        VKD_TRY(vkd_shape_set(shaping, args->parts.values[i], x.rank, dims));
    }
    return VKD_OK;
}

static vkd_status shape_unbind(vkd_shaping *shaping, const void *arguments)
{
    const split_args *args = arguments;
    const vkd_model_tensor x = *vkd_shape_of(shaping, args->x);
    uint32_t dim = 0, dims[VKD_MAX_RANK], rank = 0;
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, x.rank, &dim));
    if (!x.rank || x.dims[dim] != args->parts.count)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->parts,
                                 "has %zu parts, expected the %u of dim %d", args->parts.count,
                                 x.rank ? x.dims[dim] : 0, args->dim);
    for (uint32_t d = 0; d < x.rank; d++)
        if (d != dim)
            dims[rank++] = x.dims[d];
    for (size_t i = 0; i < args->parts.count; i++)
        VKD_TRY(vkd_shape_set(shaping, args->parts.values[i], rank, dims));
    return VKD_OK;
}

static vkd_status lower_unbind(vkd_lowering *lowering, const void *arguments)
{
    const split_args *args = arguments;
    vkd_view view;
    VKD_TRY(vkd_op_view(lowering, args->x, &view));
    const uint32_t dim = vkd_from_end(args->dim, view.rank);
    const int32_t step = view.strides[dim];
    view.rank--;
    memmove(view.dims + dim, view.dims + dim + 1, (view.rank - dim) * sizeof *view.dims);
    memmove(view.strides + dim, view.strides + dim + 1, (view.rank - dim) * sizeof *view.strides);
    for (size_t i = 0; i < args->parts.count; i++, view.offset += step)
        VKD_TRY(vkd_op_output_view(lowering, args->parts.values[i], &view));
    return VKD_OK;
}

static const vkd_op rows[] = {
    {"aten.split_with_sizes_copy.default", split_params, sizeof(split_args), shape_split,
     lower_split},
    {"aten::split_with_sizes_copy.out", split_params, sizeof(split_args), shape_split, lower_split},
    {"aten::split_copy.Tensor_out", chunk_params, sizeof(split_args), shape_chunks, lower_split},
    {"aten::unbind_copy.int_out", unbind_params, sizeof(split_args), shape_unbind, lower_unbind},
};

const vkd_op_table vkd_split_ops = VKD_OP_TABLE(rows);
