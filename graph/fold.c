/* Exporters put constants behind operators: et_vk.prepack brings one to the device, and every
 * Python scalar of a float net comes as an int constant that is cast when the net runs. A table of
 * biases by distance is looked up for all places, and seen under other dims. All is done here,
 * once. */
#include "graph/fold.h"
#include "runtime/base/element.h"

#include <string.h>

/* Casts of more elements than this stay with the device; and what is looked up, of all calls. */
enum { MAX_FOLDED = 4096, MAX_INDEXED = 1 << 20 };

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

/* Whether y's elements are those of x one by one. */
static bool agree(const vkd_rewriter *r, const vkd_call *call, const vkd_model_tensor *x,
                  const vkd_model_tensor *y)
{
    if (!vkd_rw_args(call, VKD_OP_VIEW))
        return same_shape(x, y);
    return x->dtype == y->dtype && !r->net->has_symbols &&
           vkd_dims_count(x->rank, x->dims) == vkd_dims_count(y->rank, y->dims);
}

static vkd_status fold(vkd_rewriter *r, vkd_call *call)
{
    const view_args *args = call->args;
    const vkd_model_tensor *x = vkd_rw_tensor(r, args->x);
    vkd_model_tensor *y = &r->net->values[args->y].tensor;
    if (!x->data || y->data || !agree(r, call, x, y))
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

static bool is_constant(const vkd_model_tensor *t) { return t->data && !t->state; }

/* Whether rows of a constant are looked up by another one. */
static bool finds_rows(const vkd_rewriter *r, const index_args *args)
{
    const vkd_model_tensor *x = vkd_rw_tensor(r, args->gather.x),
                           *y = vkd_rw_tensor(r, args->gather.y);
    if (!is_constant(x) || !x->rank || !x->dims[0] || y->data || y->state || y->dtype != x->dtype)
        return false;
    if (args->indices.count != 1 || args->indices.values[0] == VKD_NO_VALUE)
        return false;
    const vkd_model_tensor *index = vkd_rw_tensor(r, args->indices.values[0]);
    return is_constant(index) && index->dtype == VKD_DTYPE_INT32 &&
           y->rank == index->rank + x->rank - 1 &&
           !memcmp(y->dims, index->dims, index->rank * sizeof *y->dims) &&
           !memcmp(y->dims + index->rank, x->dims + 1, (x->rank - 1) * sizeof *y->dims);
}

/* One out of range is taken for the nearest that is not, as the kernel does. */
static size_t row_of(double index, uint32_t rows)
{
    index = index < 0 ? index + rows : index;
    return index < 0 ? 0 : index >= rows ? rows - 1 : (size_t)index;
}

static vkd_status fold_index(vkd_rewriter *r, vkd_call *call, const index_args *args)
{
    vkd_model_tensor *y = &r->net->values[args->gather.y].tensor;
    const vkd_model_tensor *x = vkd_rw_tensor(r, args->gather.x),
                           *index = vkd_rw_tensor(r, args->indices.values[0]);
    const size_t count = (size_t)vkd_dims_count(index->rank, index->dims),
                 row = (size_t)vkd_dims_count(x->rank - 1, x->dims + 1) * vkd_dtype_size(x->dtype);
    char *data = vkd_arena_alloc(r->net->arena, count, row);
    if (!data)
        return vkd_fail_memory(r->net->arena->context, "a constant");
    for (size_t i = 0; i < count; i++) {
        const double at = vkd_element_get(VKD_DTYPE_INT32, index->data, i);
        memcpy(data + i * row, (const char *)x->data + row_of(at, x->dims[0]) * row, row);
    }
    y->data = data;
    y->size = count * row;
    vkd_rw_remove(r, call);
    return VKD_OK;
}

vkd_status vkd_fold_constants(vkd_rewriter *r)
{
    vkd_net *net = r->net;
    uint64_t indexed = 0;
    for (size_t i = 0; i < net->call_count; i++) {
        vkd_call *call = &net->calls[i];
        bool folds = vkd_rw_args(call, VKD_OP_PREPACK) || vkd_rw_args(call, VKD_OP_CAST) ||
                     vkd_rw_args(call, VKD_OP_CLONE) || vkd_rw_args(call, VKD_OP_VIEW);
        const view_args *args = folds ? call->args : NULL;
        if (args && !vkd_rw_tensor(r, args->x)->state && !vkd_rw_tensor(r, args->y)->state)
            VKD_TRY(fold(r, call));
        const index_args *index = vkd_rw_args(call, VKD_OP_INDEX);
        if (!index || !finds_rows(r, index))
            continue;
        const vkd_model_tensor *y = vkd_rw_tensor(r, index->gather.y);
        const vkd_model_tensor *places = vkd_rw_tensor(r, index->indices.values[0]);
        indexed += vkd_dims_count(y->rank, y->dims) + vkd_dims_count(places->rank, places->dims);
        if (indexed <= MAX_INDEXED)
            VKD_TRY(fold_index(r, call, index));
    }
    return VKD_OK;
}
