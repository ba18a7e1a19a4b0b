/* aten.mm, bmm, addmm and linear: one product of views. */
#include "ops/gemm/matmul.h"
#include "graph/operators.h"
#include "ops/conv/float.h"
#include "ops/normalise.h"
#include "ops/tables.h"
#include "runtime/base/element.h"
#include "shaders/matmul_params.h"

#include <math.h>
#include <string.h>

/* -------------------------------------------------------------------------------------- kernels */

typedef struct packing {
    vkd_content weight;  /* [n][k] */
    uint32_t n, k, size; /* size: bytes of an element */
} packing;

/* VKD_B_PACKED */
static void pack(const void *from, void *dst, size_t size)
{
    const packing *p = from;
    unsigned char *out = dst;
    for (uint32_t n = 0; n < p->n; n += 4)
        for (uint32_t k = 0; k < p->k; k++)
            for (uint32_t j = 0; j < 4; j++, out += p->size) {
                if (n + j < p->n)
                    memcpy(out,
                           (const char *)p->weight.data + ((size_t)(n + j) * p->k + k) * p->size,
                           p->size);
                else
                    memset(out, 0, p->size);
            }
    memset(out, 0, size - (size_t)(out - (unsigned char *)dst));
}

static bool is_constant(const vkd_lowering *lowering, uint32_t value)
{
    return value != VKD_NO_VALUE && vkd_value_tensor(lowering, value)->data &&
           lowering->use[value].writes == 0;
}

/* b as a constant of the kernel's own form. */
static vkd_status pack_weight(vkd_lowering *lowering, uint32_t value, vkd_tensor_id *out)
{
    const vkd_model_tensor *weight = vkd_value_tensor(lowering, value);
    packing p;
    memset(&p, 0, sizeof p);
    p.weight = vkd_op_content(lowering, value);
    p.n = weight->dims[0];
    p.k = weight->dims[1];
    p.size = (uint32_t)vkd_dtype_size(weight->dtype);
    VKD_TRY(
        vkd_op_constant(lowering, vkd_align_up(p.n, 4) * p.k * p.size, pack, &p, sizeof p, 1, out));
    lowering->graph->tensors[*out].dtype = weight->dtype;
    return VKD_OK;
}

static bool are_groups(const vkd_view *view, uint32_t contiguous, uint32_t other)
{
    return (view->strides[contiguous] == 1 || view->dims[contiguous] == 1) &&
           view->dims[contiguous] % 4 == 0 && view->strides[other] % 4 == 0 &&
           view->strides[0] % 4 == 0 && view->offset % 4 == 0;
}

static uint32_t form_of(const vkd_view *b)
{
    return are_groups(b, 2, 1) ? VKD_B_ROWS : are_groups(b, 1, 2) ? VKD_B_COLUMNS : VKD_B_STRIDED;
}

/* Rows below which a workgroup shares k, and of how many invocations; where one of the kernels is
 * refused, it is the other one. */
static uint32_t lanes_of(const vkd_caps *caps, const matmul_params *p)
{
    enum { FEW = 65536, SHORT = 64 };
    if (vkd_kernel_refuses(caps, VKD_SHADER_MATMUL_ROWS))
        return 1;
    if (vkd_kernel_refuses(caps, VKD_SHADER_MATMUL))
        return 32;
    uint64_t tiles = (uint64_t)p->batch * vkd_divide_up(p->m, 4) * vkd_divide_up(p->n, 4);
    if (caps->type == VKD_TYPE_CPU)
        return 1;
    if (p->k < SHORT || (tiles * 16 >= FEW && p->m > 4) || (uint64_t)p->batch * p->m > 64)
        return 1;
    uint32_t lanes = 32,
             most = caps->max_workgroup_invocations < 256 ? caps->max_workgroup_invocations : 256;
    while (lanes * 2 <= most && lanes * 8 < p->k)
        lanes *= 2;
    return lanes;
}

static matmul_params params_of(const vkd_matmul *product)
{
    const vkd_view *a = &product->a, *c = &product->c;
    matmul_params params = {
        .batch = a->dims[0],
        .m = a->dims[1],
        .n = product->b.dims[2],
        .k = a->dims[2],
        .a_offset = (uint32_t)a->offset,
        .a_batch = (uint32_t)a->strides[0],
        .a_m = (uint32_t)a->strides[1],
        .a_k = (uint32_t)a->strides[2],
        .b_offset = (uint32_t)product->b.offset,
        .b_batch = (uint32_t)product->b.strides[0],
        .b_k = (uint32_t)product->b.strides[1],
        .b_n = (uint32_t)product->b.strides[2],
        .alpha = product->alpha,
        .beta = product->beta,
    };
    if (c->tensor != VKD_NO_TENSOR) {
        params.c_offset = (uint32_t)c->offset;
        params.c_batch = (uint32_t)c->strides[0];
        params.c_m = (uint32_t)c->strides[1];
        params.c_n = (uint32_t)c->strides[2];
    }
    return params;
}

static vkd_status emit(vkd_lowering *lowering, const vkd_matmul *product, uint32_t form,
                       vkd_tensor_id b, vkd_tensor_id y)
{
    vkd_graph *graph = lowering->graph;
    const vkd_view *a = &product->a, *c = &product->c;
    const bool has_c = c->tensor != VKD_NO_TENSOR;
    const vkd_dtype y_type = graph->tensors[y].dtype;
    matmul_params params = params_of(product);
    vkd_epilogue epilogue = {.step_count = 0};
    if (product->args)
        VKD_TRY(vkd_epilogue_rows(lowering, product->args, &epilogue));
    vkd_epilogue_numbers(&epilogue, params.numbers);
    const uint32_t lanes = lanes_of(lowering->caps, &params),
                   columns = (uint32_t)vkd_divide_up(params.n, 4);
    const uint64_t rounds = vkd_divide_up(params.k, 4 * (uint64_t)lanes);
    vkd_node node = vkd_op_node(lowering, lanes > 1 ? VKD_SHADER_MATMUL_ROWS : VKD_SHADER_MATMUL,
                                vkd_loop(rounds, 0) + vkd_loop(32, 0), &params, sizeof params);
    if (lanes > 1) {
        node.specs[0] = lanes;
        vkd_node_groups(&node, lowering->caps, (uint64_t)params.batch * params.m * columns);
    } else {
        vkd_node_linear(&node, lowering->caps,
                        (uint64_t)params.batch * vkd_divide_up(params.m, 4) * columns);
    }
    vkd_node_read(&node, a->tensor);
    vkd_node_read(&node, b);
    vkd_node_read(&node, has_c ? c->tensor : a->tensor);
    vkd_node_write(&node, y);
    vkd_node_spec(&node, graph->tensors[a->tensor].dtype);
    vkd_node_spec(&node, graph->tensors[b].dtype);
    vkd_node_spec(&node, graph->tensors[has_c ? c->tensor : a->tensor].dtype);
    vkd_node_spec(&node, y_type);
    vkd_node_spec(&node, are_groups(a, 2, 1));
    vkd_node_spec(&node, form);
    vkd_node_spec(&node, has_c);
    vkd_node_spec(&node, params.n % 4 == 0 ? 1 : y_type == VKD_DTYPE_FLOAT16 ? 2 : 0);
    vkd_epilogue_bind(&node, graph, &epilogue, a->tensor);
    node.macs = (uint64_t)params.batch * params.m * params.n * params.k;
    node.shape = vkd_arena_printf(graph->arena, "%ux%ux%u @ %ux%u", params.batch, params.m,
                                  params.k, params.k, params.n);
    if (!node.shape)
        return vkd_fail_memory(lowering->context, "a node's description");
    return vkd_op_add_node(lowering, &node, a->tensor, y);
}

vkd_status vkd_matmul_emit(vkd_lowering *lowering, const vkd_matmul *product, uint32_t value)
{
    const vkd_dtype dtype = vkd_value_tensor(lowering, value)->dtype;
    uint32_t form = form_of(&product->b);
    vkd_tensor_id b = product->b.tensor, y, sums;
    VKD_TRY(vkd_op_check_floats(lowering, &value, 1));
    if (is_constant(lowering, product->weight)) {
        form = VKD_B_PACKED;
        VKD_TRY(pack_weight(lowering, product->weight, &b));
    }
    VKD_TRY(vkd_op_output_in(lowering, value, dtype, VKD_ROWS, &y));
    if (dtype != VKD_DTYPE_FLOAT16 || product->b.dims[2] % 2 == 0)
        return emit(lowering, product, form, b, y);
    /* Two rows would share a word of halves. */
    const vkd_tensor *result = &lowering->graph->tensors[y];
    VKD_TRY(vkd_graph_add_tensor(
        lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_FLOAT32, VKD_ROWS, result->rank,
        (const uint32_t[]){result->dims[0], result->dims[1], result->dims[2], result->dims[3],
                           result->dims[4], result->dims[5], result->dims[6], result->dims[7]},
        &sums));
    VKD_TRY(emit(lowering, product, form, b, sums));
    const vkd_view all = vkd_view_of(lowering->graph, sums);
    return vkd_op_move(lowering, &all, y);
}

/* ------------------------------------------------------------------------------------ operators */

#define MATMUL_RESULT                                                                              \
    VKD_OUTPUT(matmul_args, product.y, out), VKD_FUSED(matmul_args, product.epilogue.residual),    \
        VKD_PARAMS_END

static const matmul_args plain = {.product = VKD_NO_EPILOGUE, .c = VKD_NO_VALUE, .alpha = 1};

static const vkd_param mm_params[] = {VKD_TENSOR(matmul_args, a, self),
                                      VKD_TENSOR(matmul_args, b, mat2), MATMUL_RESULT};
static const vkd_param addmm_params[] = {
    VKD_TENSOR(matmul_args, c, self), VKD_TENSOR(matmul_args, a, mat1),
    VKD_TENSOR(matmul_args, b, mat2), VKD_FLOAT(matmul_args, beta),
    VKD_FLOAT(matmul_args, alpha),    MATMUL_RESULT};
static const vkd_param linear_params[] = {VKD_TENSOR(matmul_args, a, input),
                                          VKD_TENSOR(matmul_args, b, weight),
                                          VKD_OPTIONAL_TENSOR(matmul_args, c, bias), MATMUL_RESULT};
static const matmul_args linear = {
    .product = VKD_NO_EPILOGUE, .c = VKD_NO_VALUE, .alpha = 1, .beta = 1};

static vkd_status fail_shapes(vkd_shaping *shaping, const matmul_args *args)
{
    const vkd_model_tensor *a = vkd_shape_of(shaping, args->a), *b = vkd_shape_of(shaping, args->b);
    char left[VKD_DIMS_TEXT], right[VKD_DIMS_TEXT];
    return vkd_shape_fail_value(
        shaping, VKD_INVALID_MODEL, args->b, "is %s, expected what %s can be multiplied by",
        vkd_dims_format(b->rank, b->dims, right), vkd_dims_format(a->rank, a->dims, left));
}

static vkd_status shape_mm(vkd_shaping *shaping, const void *arguments)
{
    const matmul_args *args = arguments;
    const vkd_model_tensor *a = vkd_shape_of(shaping, args->a), *b = vkd_shape_of(shaping, args->b);
    const uint32_t rank = (uint32_t)shaping->call->row->code;
    if (a->rank != rank || b->rank != rank || a->dims[rank - 1] != b->dims[rank - 2] ||
        (rank == 3 && a->dims[0] != b->dims[0]))
        return fail_shapes(shaping, args);
    const uint32_t dims[] = {a->dims[0], a->dims[1], b->dims[2]},
                   matrix[] = {a->dims[0], b->dims[1]};
    return vkd_shape_set(shaping, args->product.y, rank, rank == 3 ? dims : matrix);
}

static vkd_status shape_linear(vkd_shaping *shaping, const void *arguments)
{
    const matmul_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->a),
                           *weight = vkd_shape_of(shaping, args->b);
    uint32_t dims[VKD_MAX_RANK];
    if (!x->rank || weight->rank != 2 || weight->dims[1] != x->dims[x->rank - 1])
        return fail_shapes(shaping, args);
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank - 1] = weight->dims[0];
    return vkd_shape_set(shaping, args->product.y, x->rank, dims);
}

/* A matrix as a batch of one. */
static vkd_view batched(vkd_view view)
{
    if (view.rank == 3)
        return view;
    return (vkd_view){.tensor = view.tensor,
                      .rank = 3,
                      .dims = {1, view.dims[0], view.dims[1]},
                      .strides = {0, view.strides[0], view.strides[1]},
                      .offset = view.offset};
}

static vkd_status view_c(vkd_lowering *lowering, const matmul_args *args, const uint32_t dims[3],
                         vkd_view *out)
{
    out->tensor = VKD_NO_TENSOR;
    if (args->c == VKD_NO_VALUE || args->beta == 0) /* then not even a NaN of it counts */
        return VKD_OK;
    VKD_TRY(vkd_op_view(lowering, args->c, out));
    bool fits = out->rank <= 3;
    for (uint32_t d = 0; fits && d < out->rank; d++)
        fits = out->dims[d] == 1 || out->dims[d] == dims[3 - out->rank + d];
    if (!fits) {
        char is[VKD_DIMS_TEXT], expected[VKD_DIMS_TEXT];
        return vkd_op_fail_value(
            lowering, VKD_INVALID_MODEL, args->c, "is %s, expected what broadcasts to %s",
            vkd_dims_format(out->rank, out->dims, is), vkd_dims_format(3, dims, expected));
    }
    vkd_view_broadcast(out, 3, dims);
    return VKD_OK;
}

static vkd_status lower_mm(vkd_lowering *lowering, const void *arguments)
{
    const matmul_args *args = arguments;
    vkd_matmul product = {
        .weight = VKD_NO_VALUE, .alpha = args->alpha, .beta = args->beta, .args = &args->product};
    VKD_TRY(vkd_op_check_floats(lowering, (const uint32_t[]){args->a, args->b, args->c}, 3));
    VKD_TRY(vkd_op_view(lowering, args->a, &product.a));
    VKD_TRY(vkd_op_view(lowering, args->b, &product.b));
    product.a = batched(product.a);
    product.b = batched(product.b);
    const uint32_t dims[] = {product.a.dims[0], product.a.dims[1], product.b.dims[2]};
    VKD_TRY(view_c(lowering, args, dims, &product.c));
    return vkd_matmul_emit(lowering, &product, args->product.y);
}

/* ---------------------------------------------------------------------- layers of a model's own */

/* Whether a layer is a convolution of pixels: its operands are of one type, its weight is constant,
 * and a row is one behind the other as pixels are. */
static bool is_convolution(const vkd_lowering *lowering, const matmul_args *args)
{
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->a),
                           *weight = vkd_value_tensor(lowering, args->b),
                           *bias =
                               args->c == VKD_NO_VALUE ? NULL : vkd_value_tensor(lowering, args->c);
    const bool real = x->dtype == VKD_DTYPE_FLOAT32 || x->dtype == VKD_DTYPE_FLOAT16;
    return real && is_constant(lowering, args->b) && weight->dims[1] && weight->dims[1] % 4 == 0 &&
           (args->product.epilogue.residual == VKD_NO_VALUE || weight->dims[0] % 4 == 0) &&
           weight->dtype == x->dtype &&
           vkd_value_tensor(lowering, args->product.y)->dtype == x->dtype &&
           (!bias ||
            (bias->rank == 1 && bias->dims[0] == weight->dims[0] && bias->dtype == x->dtype));
}

/* The rows of a matrix as the pixels of an image that is one line high. */
static vkd_status as_image(vkd_lowering *lowering, vkd_tensor_id rows, uint32_t count,
                           uint32_t channels, vkd_tensor_id *out)
{
    const vkd_tensor *from = &lowering->graph->tensors[rows];
    const vkd_dtype dtype = from->dtype;
    const vkd_place place = from->place;
    const vkd_tensor_id storage = from->storage;
    const uint32_t dims[] = {1, channels, 1, count};
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, place, dtype, VKD_4C, 4, dims, out));
    lowering->graph->tensors[*out].storage = storage;
    return VKD_OK;
}

static conv2d_problem layer_of(const vkd_model_value *values, const matmul_args *args)
{
    const vkd_model_tensor *x = &values[args->a].tensor, *weight = &values[args->b].tensor;
    return conv2d_of_rows((uint32_t)vkd_dims_count(x->rank - 1, x->dims), weight->dims[1],
                          weight->dims[0], x->dtype);
}

static vkd_status make_linear(vkd_lowering *lowering, const void *arguments, uint32_t value);

/* What was put off for this layer and may be computed with it: the norm of its input, null for
 * none, and the layer that makes its residual. Those of a variant that does not are dropped. */
static const norm_args *layer_more(const vkd_lowering *lowering, const matmul_args *args,
                                   conv2d *conv)
{
    const norm_args *norm = args->c == VKD_NO_VALUE ? vkd_late_rms_norm(lowering, args->a) : NULL;
    const uint32_t residual = args->product.epilogue.residual;
    const vkd_call *call =
        residual == VKD_NO_VALUE ? NULL : vkd_op_late(lowering, residual, make_linear);
    if (lowering->caps->type == VKD_TYPE_CPU)
        return NULL;
    conv->real.has_norm = norm;
    conv->real.norm_eps = norm ? norm->eps : 0;
    if (call)
        conv->real.other = vkd_op_content(lowering, ((const matmul_args *)call->args)->b);
    return norm;
}

static vkd_status layer_residual(vkd_lowering *lowering, const product_args *args, conv2d *conv)
{
    const conv2d_problem *p = &conv->problem;
    const uint32_t residual = args->epilogue.residual;
    vkd_tensor_id rows;
    if (residual == VKD_NO_VALUE || conv->real.other.data)
        return VKD_OK;
    VKD_TRY(vkd_op_input(lowering, residual, p->dtype, VKD_ROWS, &rows));
    return as_image(lowering, rows, p->out_w, p->out_c, &conv->real.epilogue.residual);
}

/* Chooses the variant, which may make the norm that was put off of its input by itself. */
static vkd_status layer_input(vkd_lowering *lowering, const matmul_args *args, conv2d *conv,
                              const conv2d_variant **out)
{
    const conv2d_problem *p = &conv->problem;
    const norm_args *norm = layer_more(lowering, args, conv);
    vkd_tensor_id x;
    VKD_TRY(vkd_conv2d_select(lowering, conv, vkd_conv2d_float_variants,
                              vkd_conv2d_float_variant_count, out));
    if (!vkd_conv2d_float_norms(*out, lowering->caps)) {
        conv->real.has_norm = false;
        conv->real.other = (vkd_content){NULL, 0};
    }
    if (conv->real.has_norm)
        VKD_TRY(vkd_op_rows(lowering, norm->weight, &conv->real.norm));
    VKD_TRY(
        vkd_op_input(lowering, conv->real.has_norm ? norm->x : args->a, p->dtype, VKD_ROWS, &x));
    return as_image(lowering, x, p->in_w, p->in_c, &conv->x);
}

static vkd_status lower_layer(vkd_lowering *lowering, const matmul_args *args)
{
    conv2d conv = {.problem = layer_of(lowering->values, args),
                   .channels = VKD_NO_TENSOR,
                   .residual = VKD_NO_TENSOR,
                   .real = {.weights = vkd_op_content(lowering, args->b),
                            .computed = VKD_NO_TENSOR,
                            .bias = VKD_NO_TENSOR,
                            .low = -INFINITY,
                            .high = INFINITY}};
    if (lowering->net->resizes)
        conv.largest = layer_of(lowering->net->values, args);
    const conv2d_problem *p = &conv.problem;
    const bool whole = p->out_c % 4 == 0;
    const uint32_t dims[] = {1, p->out_c, 1, p->out_w};
    const conv2d_variant *variant;
    vkd_tensor_id y;
    if (args->c != VKD_NO_VALUE)
        VKD_TRY(vkd_op_input(lowering, args->c, p->dtype, VKD_ROWS, &conv.real.bias));
    VKD_TRY(vkd_epilogue_make(lowering, &args->product, &conv.real.epilogue));
    vkd_epilogue_take_bounds(&conv.real.epilogue, &conv.real.low, &conv.real.high);
    VKD_TRY(layer_input(lowering, args, &conv, &variant));
    VKD_TRY(layer_residual(lowering, &args->product, &conv));
    VKD_TRY(vkd_op_output_in(lowering, args->product.y, p->dtype, VKD_ROWS, &y));
    VKD_TRY(whole ? as_image(lowering, y, p->out_w, p->out_c, &conv.y)
                  : vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, p->dtype, VKD_4C, 4,
                                         dims, &conv.y));
    VKD_TRY(variant->emit(lowering, &conv, variant->tile));
    if (whole)
        return VKD_OK;
    const vkd_view pixels = {.tensor = conv.y,
                             .rank = 2,
                             .dims = {p->out_w, p->out_c},
                             .strides = {(int32_t)vkd_align_up(p->out_c, 4), 1}};
    vkd_tensor_id matrix;
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, lowering->graph->tensors[y].place, p->dtype,
                                 VKD_ROWS, 2, pixels.dims, &matrix));
    lowering->graph->tensors[matrix].storage = y;
    return vkd_op_move(lowering, &pixels, matrix);
}

/* x's rows, whatever its rank, times the transposed weight. */
static vkd_status make_linear(vkd_lowering *lowering, const void *arguments, uint32_t value)
{
    (void)value;
    const matmul_args *args = arguments;
    VKD_TRY(vkd_op_check_floats(lowering, (const uint32_t[]){args->a, args->b, args->c}, 3));
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->a),
                           *weight = vkd_value_tensor(lowering, args->b);
    const uint32_t k = weight->dims[1], n = weight->dims[0],
                   m = (uint32_t)(vkd_dims_count(x->rank - 1, x->dims));
    if (is_convolution(lowering, args))
        return lower_layer(lowering, args);
    vkd_matmul product = {
        .weight = args->b, .alpha = args->alpha, .beta = args->beta, .args = &args->product};
    vkd_tensor_id rows;
    VKD_TRY(vkd_op_input(lowering, args->a, x->dtype, VKD_ROWS, &rows));
    product.a =
        (vkd_view){.tensor = rows, .rank = 3, .dims = {1, m, k}, .strides = {0, (int32_t)k, 1}};
    product.b = (vkd_view){.tensor = VKD_NO_TENSOR, .rank = 3, .dims = {1, k, n}};
    if (!is_constant(lowering, args->b)) {
        vkd_view b;
        VKD_TRY(vkd_op_view(lowering, args->b, &b));
        product.b.tensor = b.tensor;
        product.b.offset = b.offset;
        product.b.strides[1] = b.strides[1];
        product.b.strides[2] = b.strides[0];
    }
    VKD_TRY(view_c(lowering, args, (const uint32_t[]){1, m, n}, &product.c));
    return vkd_matmul_emit(lowering, &product, args->product.y);
}

/* Whether two layers multiply the same, and the other one has this one's result for a residual. */
static bool are_partners(const vkd_lowering *lowering, const vkd_call *call, const vkd_call *other)
{
    if (!other->row || other->row->shape != call->row->shape)
        return false;
    const matmul_args *a = call->args, *b = other->args;
    return !a->product.epilogue.step_count && a->a == b->a && a->c == VKD_NO_VALUE &&
           b->c == VKD_NO_VALUE && b->product.epilogue.residual == a->product.y &&
           is_convolution(lowering, a) && is_convolution(lowering, b);
}

/* Puts off a layer for one close behind it that computes both. */
static vkd_status lower_linear(vkd_lowering *lowering, const void *arguments)
{
    enum { NEAR = 4 };
    const matmul_args *args = arguments;
    const vkd_call *call = lowering->call, *end = lowering->net->calls + lowering->net->call_count;
    const uint32_t y = args->product.y;
    bool found = false;
    for (const vkd_call *other = call + 1; other < end && other <= call + NEAR && !found; other++)
        found = are_partners(lowering, call, other);
    if (!found || lowering->use[y].reads != 1 || !vkd_op_may_be_late(lowering, y, &args->a, 1))
        return make_linear(lowering, args, y);
    vkd_op_put_off(lowering, y, make_linear);
    return VKD_OK;
}

#define LINEAR(name_)                                                                              \
    {                                                                                              \
        name_, linear_params, sizeof(matmul_args), shape_linear, lower_linear,                     \
            .kind = VKD_OP_PRODUCT, .defaults = &linear                                            \
    }

static const vkd_op rows[] = {
    {"aten.mm.default", mm_params, sizeof(matmul_args), shape_mm, lower_mm, .code = 2,
     .kind = VKD_OP_PRODUCT, .defaults = &plain},
    {"aten::mm.out", mm_params, sizeof(matmul_args), shape_mm, lower_mm, .code = 2,
     .kind = VKD_OP_PRODUCT, .defaults = &plain},
    {"aten.bmm.default", mm_params, sizeof(matmul_args), shape_mm, lower_mm, .code = 3,
     .kind = VKD_OP_BMM, .defaults = &plain},
    {"aten::bmm.out", mm_params, sizeof(matmul_args), shape_mm, lower_mm, .code = 3,
     .kind = VKD_OP_BMM, .defaults = &plain},
    {"aten.addmm.default", addmm_params, sizeof(matmul_args), shape_mm, lower_mm, .code = 2,
     .kind = VKD_OP_PRODUCT, .defaults = &plain},
    {"aten::addmm.out", addmm_params, sizeof(matmul_args), shape_mm, lower_mm, .code = 2,
     .kind = VKD_OP_PRODUCT, .defaults = &plain},
    LINEAR("aten.linear.default"),
    LINEAR("aten::linear.out"),
};

const vkd_op_table vkd_matmul_ops = VKD_OP_TABLE(rows);
