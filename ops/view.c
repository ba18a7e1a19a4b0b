/* Operators whose result is the elements of their operand under other dims. */
#include "graph/operators.h"
#include "ops/tables.h"
#include "shaders/copy_params.h"

#include <string.h>

/* --------------------------------------------------------------------------------------- copies */

static bool is_dense(const vkd_tensor *t) { return t->layout == VKD_ROWS || t->c % 4 == 0; }

/* Whether dst's bytes are src's: elements in the same order, and no padding, which a copy would
 * have to clear. */
static bool is_memcpy(const vkd_tensor *src, const vkd_tensor *dst)
{
    return vkd_same_order(src, dst) && is_dense(src) && is_dense(dst);
}

static void add_shape_specs(const vkd_lowering *lowering, vkd_node *node, const vkd_tensor *t,
                            bool whole)
{
    vkd_node_spec(node, whole ? VKD_ROWS : t->layout);
    vkd_node_spec(node, whole ? 1 : vkd_op_size_spec(lowering, t->c));
    vkd_node_spec(node, whole ? 1 : vkd_op_size_spec(lowering, t->h));
    vkd_node_spec(node, whole ? 1 : vkd_op_size_spec(lowering, t->w));
}

vkd_status vkd_op_copy(vkd_lowering *lowering, vkd_tensor_id src, vkd_tensor_id dst)
{
    const vkd_tensor *from = &lowering->graph->tensors[src], *to = &lowering->graph->tensors[dst];
    uint32_t size = (uint32_t)vkd_dtype_size(to->dtype);
    copy_params params = {
        .words = vkd_tensor_groups(to) * size,
        .src_n = from->n,
        .src_c = from->c,
        .src_h = from->h,
        .src_w = from->w,
        .dst_n = to->n,
        .dst_c = to->c,
        .dst_h = to->h,
        .dst_w = to->w,
    };
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_COPY, vkd_loop(4, 0), &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.words);
    vkd_node_read(&node, src);
    vkd_node_write(&node, dst);
    bool whole = is_memcpy(from, to);
    vkd_node_spec(&node, size);
    add_shape_specs(lowering, &node, from, whole);
    add_shape_specs(lowering, &node, to, whole);
    return vkd_op_add_node(lowering, &node, src, dst);
}

/* ---------------------------------------------------------------------------------------- views */

/* What was only moved may show its elements under y's dims as well; of several readers one would
 * rather have them in one piece. */
static bool reshapes(const vkd_lowering *lowering, const view_args *args, vkd_view *out)
{
    const vkd_model_tensor *y = vkd_value_tensor(lowering, args->y);
    const vkd_view *x = &lowering->views[args->x];
    return lowering->tensors[args->x] == VKD_NO_TENSOR && x->tensor != VKD_NO_TENSOR &&
           lowering->use[args->x].reads == 1 && vkd_view_reshape(x, y->rank, y->dims, out);
}

/* An image that is to have more dims than kernels of images know: only operators that walk views
 * read it. */
static bool spreads(const vkd_lowering *lowering, const view_args *args, vkd_view *out)
{
    const vkd_model_tensor *y = vkd_value_tensor(lowering, args->y);
    const vkd_tensor_id x = lowering->tensors[args->x];
    if (x == VKD_NO_TENSOR || y->rank <= 4 || lowering->use[args->x].reads != 1 ||
        lowering->graph->tensors[x].layout != VKD_4C ||
        lowering->graph->tensors[x].place != VKD_PLACE_SCRATCH)
        return false;
    const vkd_view all = vkd_view_of(lowering->graph, x);
    return vkd_view_reshape(&all, y->rank, y->dims, out);
}

/* A view of rank 5 of an image, n, a, b, h, w, that is to be one of a * b channels again: channels
 * that were shuffled. */
static bool gathers(const vkd_lowering *lowering, const view_args *args)
{
    const vkd_model_tensor *y = vkd_value_tensor(lowering, args->y);
    const vkd_view *x = &lowering->views[args->x];
    return lowering->tensors[args->x] == VKD_NO_TENSOR && x->tensor != VKD_NO_TENSOR &&
           lowering->graph->tensors[x->tensor].layout == VKD_4C && x->rank == 5 && y->rank == 4 &&
           y->dims[1] % 4 == 0 && y->dims[0] == x->dims[0] &&
           y->dims[1] == x->dims[1] * x->dims[2] && y->dims[2] == x->dims[3] && !y->state &&
           !lowering->use[args->y].is_output;
}

/* A copy whose memory is that of an image. */
static vkd_status gather(vkd_lowering *lowering, const view_args *args)
{
    static const uint32_t pixels_first[] = {0, 3, 4, 1, 2};
    const vkd_view *x = &lowering->views[args->x];
    vkd_view copy;
    vkd_tensor_id y;
    VKD_TRY(vkd_op_straighten(lowering, x, pixels_first, 5, &copy));
    VKD_TRY(vkd_op_output_4c(lowering, args->y, lowering->graph->tensors[copy.tensor].dtype, &y));
    lowering->graph->tensors[y].storage = copy.tensor;
    return VKD_OK;
}

/* y is x under y's own dims, whatever they are. */
static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const view_args *args = arguments;
    vkd_tensor_id x;
    vkd_view view;
    VKD_TRY(vkd_op_make_late(lowering, args->x));
    if (reshapes(lowering, args, &view) || spreads(lowering, args, &view))
        return vkd_op_output_view(lowering, args->y, &view);
    if (gathers(lowering, args))
        return gather(lowering, args);
    VKD_TRY(vkd_op_input_any(lowering, args->x, vkd_value_tensor(lowering, args->x)->dtype, &x));
    return vkd_op_reshape(lowering, x, args->y);
}

typedef struct size_args {
    view_args view;
    vkd_sym_list size; /* at most one is -1: what the others leave */
} size_args;

static const vkd_param size_parameters[] = {
    VKD_TENSOR(size_args, view.x, self),
    VKD_SIZES(size_args, size),
    VKD_OUTPUT(size_args, view.y, out),
    VKD_PARAMS_END,
};

static vkd_status shape_view(vkd_shaping *shaping, const void *arguments)
{
    const size_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->view.x);
    uint64_t count = vkd_dims_count(x->rank, x->dims), known = 1;
    uint32_t dims[VKD_MAX_RANK], open = VKD_NO_VALUE, rank = (uint32_t)args->size.count;
    for (uint32_t i = 0; i < rank; i++) {
        int64_t size = vkd_shape_number(shaping, args->size.items[i]);
        if (size == -1 && open == VKD_NO_VALUE)
            open = i;
        else if (size < 0 || size > INT32_MAX || (known && size > INT64_MAX / (int64_t)known))
            return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->size,
                                     "has %lld for dim %u, expected 0 at least, or one -1",
                                     (long long)size, i);
        else
            known *= (uint64_t)size;
        dims[i] = (uint32_t)size;
    }
    if (open != VKD_NO_VALUE) {
        dims[open] = known ? (uint32_t)(count / known) : 0;
        known *= dims[open];
    }
    if (known != count)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->size,
                                 "makes %llu elements, expected %llu", (unsigned long long)known,
                                 (unsigned long long)count);
    return vkd_shape_set(shaping, args->view.y, rank, dims);
}

/* --------------------------------------------------------------------------- squeeze, unsqueeze */

typedef struct squeeze_args {
    view_args view;
    vkd_int_list dims;
} squeeze_args;

static const vkd_param squeeze_parameters[] = {
    VKD_TENSOR(squeeze_args, view.x, self),
    VKD_INT_LIST(squeeze_args, dims, dim),
    VKD_OUTPUT(squeeze_args, view.y, out),
    VKD_PARAMS_END,
};

/* The listed dims go where they are 1. */
static vkd_status shape_squeeze(vkd_shaping *shaping, const void *arguments)
{
    const squeeze_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->view.x);
    bool listed[VKD_MAX_RANK] = {false};
    for (size_t i = 0; i < args->dims.count; i++) {
        uint32_t dim = 0;
        VKD_TRY(vkd_shape_dim(shaping, &args->dims.items[i], x->rank, &dim));
        listed[dim] = true;
    }
    uint32_t dims[VKD_MAX_RANK], rank = 0;
    for (uint32_t i = 0; i < x->rank; i++)
        if (!listed[i] || x->dims[i] != 1)
            dims[rank++] = x->dims[i];
    return vkd_shape_set(shaping, args->view.y, rank, dims);
}

static vkd_status shape_unsqueeze(vkd_shaping *shaping, const void *arguments)
{
    const squeeze_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->view.x);
    uint32_t dims[VKD_MAX_RANK + 1], at = 0;
    if (args->dims.count != 1)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->dims,
                                 "has %zu dims, expected one", args->dims.count);
    VKD_TRY(vkd_shape_dim(shaping, &args->dims.items[0], x->rank + 1, &at));
    memcpy(dims, x->dims, at * sizeof dims[0]);
    dims[at] = 1;
    memcpy(dims + at + 1, x->dims + at, (x->rank - at) * sizeof dims[0]);
    return vkd_shape_set(shaping, args->view.y, x->rank + 1, dims);
}

/* ---------------------------------------------------------------------------------------- clone */

static const vkd_param clone_parameters[] = {
    VKD_TENSOR(view_args, x, self),
    VKD_IGNORED("memory_format"),
    VKD_OUTPUT(view_args, y, out),
    VKD_PARAMS_END,
};

static const vkd_op rows[] = {
    {"aten.view_copy.default", size_parameters, sizeof(size_args), shape_view, lower,
     .kind = VKD_OP_VIEW},
    {"aten.squeeze_copy.dim", squeeze_parameters, sizeof(squeeze_args), shape_squeeze, lower,
     .kind = VKD_OP_VIEW},
    {"aten.squeeze_copy.dims", squeeze_parameters, sizeof(squeeze_args), shape_squeeze, lower,
     .kind = VKD_OP_VIEW},
    {"aten.unsqueeze_copy.default", squeeze_parameters, sizeof(squeeze_args), shape_unsqueeze,
     lower, .kind = VKD_OP_VIEW},
    {"aten::view_copy.out", size_parameters, sizeof(size_args), shape_view, lower,
     .kind = VKD_OP_VIEW},
    {"aten::squeeze_copy.dim_out", squeeze_parameters, sizeof(squeeze_args), shape_squeeze, lower,
     .kind = VKD_OP_VIEW},
    {"aten::squeeze_copy.dims_out", squeeze_parameters, sizeof(squeeze_args), shape_squeeze, lower,
     .kind = VKD_OP_VIEW},
    {"aten::unsqueeze_copy.out", squeeze_parameters, sizeof(squeeze_args), shape_unsqueeze, lower,
     .kind = VKD_OP_VIEW},
    {"executorch_prim::et_view.default", size_parameters, sizeof(size_args), shape_view, lower,
     .kind = VKD_OP_VIEW},
    {"aten.clone.default", clone_parameters, sizeof(view_args), vkd_shape_same, lower,
     .kind = VKD_OP_CLONE},
};

const vkd_op_table vkd_view_ops = VKD_OP_TABLE(rows);
