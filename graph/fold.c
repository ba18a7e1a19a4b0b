/* Exporters put constants behind operators: et_vk.prepack brings one to the device, and every
 * Python scalar of a float net comes as an int constant that is cast when the net runs. Both are
 * done here, once. */
#include "graph/fold.h"
#include "runtime/base/element.h"

/* Casts of more elements than this stay with the device. */
enum { MAX_FOLDED = 4096 };

/* The constant's elements in another dtype. */
static vkd_status cast(vkd_net *net, const vkd_model_tensor *from, const vkd_model_tensor *to,
                       void **out)
{
    size_t count = (size_t)vkd_dims_count(from->rank, from->dims);
    *out = vkd_arena_alloc(net->arena, count, vkd_dtype_size(to->dtype));
    if (!*out)
        return vkd_fail_memory(net->arena->context, "a constant");
    for (size_t i = 0; i < count; i++)
        vkd_element_set(to->dtype, *out, i, vkd_element_get(from->dtype, from->data, i));
    return VKD_OK;
}

static bool same_shape(const vkd_model_tensor *a, const vkd_model_tensor *b)
{
    bool same = a->rank == b->rank;
    for (uint32_t i = 0; same && i < a->rank; i++)
        same = a->dims[i] == b->dims[i];
    return same;
}

static vkd_status fold(vkd_rewriter *r, vkd_call *call)
{
    const view_args *args = call->args;
    const vkd_model_tensor *x = vkd_rw_tensor(r, args->x);
    vkd_model_tensor *y = &r->net->values[args->y].tensor;
    if (!x->data || y->data || !same_shape(x, y))
        return VKD_OK;
    void *data = (void *)x->data;
    if (x->dtype != y->dtype) {
        if (vkd_dims_count(x->rank, x->dims) > MAX_FOLDED)
            return VKD_OK;
        VKD_TRY(cast(r->net, x, y, &data));
    }
    y->data = data;
    vkd_rw_remove(r, call);
    return VKD_OK;
}

vkd_status vkd_fold_constants(vkd_rewriter *r)
{
    vkd_net *net = r->net;
    for (size_t i = 0; i < net->call_count; i++) {
        vkd_call *call = &net->calls[i];
        bool folds = vkd_rw_args(call, VKD_OP_PREPACK) || vkd_rw_args(call, VKD_OP_CAST) ||
                     vkd_rw_args(call, VKD_OP_CLONE);
        const view_args *args = folds ? call->args : NULL;
        if (args && !vkd_rw_tensor(r, args->x)->state && !vkd_rw_tensor(r, args->y)->state)
            VKD_TRY(fold(r, call));
    }
    return VKD_OK;
}
