/* Weights of convolutions of floats in the form that the kernels want: packed from the file, or on
 * the device where operators compute them. */
#include "ops/conv/float.h"
#include "runtime/base/element.h"
#include "shaders/conv_float_params.h"

#include <string.h>

typedef struct weights_source {
    vkd_content weights, factors;
    conv_weights_params form;
    uint32_t dtype, size; /* size: of an element */
} weights_source;

/* Where a weight is in PyTorch's order. */
static size_t place_of(const conv_weights_params *f, uint32_t oc, uint32_t tap, uint32_t ic)
{
    uint32_t group = oc / f->oc_group;
    size_t row = f->transposed
                     ? (size_t)(group * f->ic_group + ic) * f->oc_group + (oc - group * f->oc_group)
                     : (size_t)oc * f->ic_group + ic;
    return row * f->taps + tap;
}

double vkd_conv2d_float_weight(vkd_dtype dtype, const vkd_content *weights,
                               const vkd_content *factors, size_t place, uint32_t oc)
{
    const double weight = vkd_element_get(dtype, weights->data, place);
    double scaled;
    if (!factors->data)
        return weight;
    vkd_element_set(dtype, &scaled, 0, weight * (double)((const float *)factors->data)[oc]);
    return vkd_element_get(dtype, &scaled, 0);
}

/* Weights that are one behind the other in the file as well. */
static void copy_weights(const weights_source *source, size_t place, uint32_t oc, uint32_t count,
                         unsigned char *out)
{
    const vkd_dtype dtype = (vkd_dtype)source->dtype;
    if (!source->factors.data)
        memcpy(out, (const char *)source->weights.data + place * source->size,
               (size_t)count * source->size);
    else
        for (uint32_t i = 0; i < count; i++)
            vkd_element_set(
                dtype, out, i,
                vkd_conv2d_float_weight(dtype, &source->weights, &source->factors, place + i, oc));
}

/* A grain of channels one behind the other in PyTorch's order too. */
static void pack_grain(const weights_source *source, uint32_t oc, uint32_t first,
                       unsigned char *out)
{
    const conv_weights_params *f = &source->form;
    uint32_t count = oc < f->out_c && first < f->ic_group ? f->ic_group - first : 0;
    if (count > f->grain)
        count = f->grain;
    if (count)
        copy_weights(source, place_of(f, oc, 0, first), oc, count, out);
    memset(out + (size_t)count * source->size, 0, (size_t)(f->grain - count) * source->size);
}

/* One unit of channels of a grain. */
static unsigned char *pack_unit(const weights_source *source, uint32_t first, uint32_t tap,
                                uint32_t step, unsigned char *out)
{
    const conv_weights_params *f = &source->form;
    for (uint32_t oc = first; oc < first + f->unit; oc++) {
        if (f->taps == 1 && !f->transposed) {
            pack_grain(source, oc, step * f->grain, out);
            out += (size_t)f->grain * source->size;
            continue;
        }
        for (uint32_t ic = step * f->grain; ic < (step + 1) * f->grain; ic++, out += source->size) {
            if (oc < f->out_c && ic < f->ic_group)
                copy_weights(source, place_of(f, oc, tap, ic), oc, 1, out);
            else
                memset(out, 0, source->size);
        }
    }
    return out;
}

static void pack(const void *from, void *dst, size_t size)
{
    const weights_source *source = from;
    const conv_weights_params *f = &source->form;
    unsigned char *out = dst;
    for (uint32_t first = 0; first < f->out_c; first += f->unit)
        for (uint32_t tap = 0; tap < f->taps; tap++)
            for (uint32_t step = 0; step < f->tap_steps; step++)
                out = pack_unit(source, first, tap, step, out);
    memset(out, 0, size - (size_t)(out - (unsigned char *)dst));
}

static vkd_status pack_on_device(vkd_lowering *lowering, const conv2d *conv,
                                 const conv_weights_params *form, uint64_t count,
                                 vkd_tensor_id *out)
{
    vkd_dtype dtype = conv->problem.dtype;
    const uint64_t bytes = count * vkd_dtype_size(dtype);
    if (bytes > INT32_MAX)
        return vkd_op_fail(lowering, VKD_UNSUPPORTED, "its weights take more than 2 GiB");
    VKD_TRY(vkd_graph_add_buffer(lowering->graph, bytes, NULL, NULL, out));
    vkd_node node =
        vkd_op_node(lowering, VKD_SHADER_CONV_FLOAT_WEIGHTS, VKD_NO_LOOPS, form, sizeof *form);
    vkd_node_linear(&node, lowering->caps, count / 4);
    vkd_node_read(&node, conv->real.computed);
    vkd_node_write(&node, *out);
    vkd_node_spec(&node, dtype);
    return vkd_op_add_node(lowering, &node, conv->real.computed, *out);
}

vkd_status vkd_conv2d_float_weights(vkd_lowering *lowering, const conv2d *conv,
                                    const conv2d_packing *packing, vkd_tensor_id *out)
{
    const conv2d_problem *p = &conv->problem;
    uint64_t count = vkd_align_up(p->out_c, packing->unit) * conv2d_taps(p) * packing->w_tap;
    weights_source source;
    memset(&source, 0, sizeof source); /* it is compared by its bytes */
    source.weights = conv->real.weights;
    source.factors = conv->real.factors;
    source.dtype = p->dtype;
    source.size = (uint32_t)vkd_dtype_size(p->dtype);
    source.form = (conv_weights_params){
        .out_c = p->out_c,
        .ic_group = conv2d_ic_group(p),
        .oc_group = conv2d_oc_group(p),
        .taps = conv2d_taps(p),
        .tap_steps = packing->w_tap / packing->grain,
        .unit = packing->unit,
        .grain = packing->grain,
        .transposed = p->transposed,
    };
    if (!conv->real.weights.data)
        return pack_on_device(lowering, conv, &source.form, count, out);
    return vkd_op_constant(lowering, count * source.size, pack, &source, sizeof source, 2, out);
}
