#include "graph/finite.h"
#include "runtime/base/element.h"

#include <math.h>
#include <stdlib.h>

/* A constant, and the argument that it is. */
typedef struct mention {
    const vkd_model_tensor *tensor;
    const vkd_call *call;
    size_t argument;
} mention;

static uintptr_t start_of(const mention *m) { return (uintptr_t)m->tensor->data; }
static size_t size_of(const mention *m) { return vkd_dtype_size(m->tensor->dtype); }
static uintptr_t end_of(const mention *m) { return start_of(m) + m->tensor->size; }

static int compare(uintptr_t a, uintptr_t b) { return a < b ? -1 : a > b; }

/* Whose elements can be the same ones, by type and alignment; then by place. */
static int by_place(const void *a, const void *b)
{
    const mention *x = a, *y = b;
    int order = compare(x->tensor->dtype, y->tensor->dtype);
    order = order ? order : compare(start_of(x) % size_of(x), start_of(y) % size_of(y));
    return order ? order : compare(start_of(x), start_of(y));
}

static bool can_share(const mention *a, const mention *b)
{
    return a->tensor->dtype == b->tensor->dtype &&
           start_of(a) % size_of(a) == start_of(b) % size_of(b);
}

static bool is_finite_parameter(const vkd_param *param)
{
    return param->kind == VKD_PARAM_FINITE || param->kind == VKD_PARAM_OPTIONAL_FINITE;
}

/* The constants of a call; `out` null: only counts them. */
static size_t list(const vkd_net *net, const vkd_call *call, mention *out)
{
    size_t count = 0;
    for (size_t i = 0; call->row->params[i].kind != VKD_PARAM_END; i++) {
        const vkd_param *param = &call->row->params[i];
        if (!is_finite_parameter(param))
            continue;
        uint32_t id = *(const uint32_t *)((const char *)call->args + param->offset);
        if (id == VKD_NO_VALUE || !vkd_is_float(net->values[id].tensor.dtype))
            continue; /* ops/ refuse another type */
        if (out)
            out[count] = (mention){&net->values[id].tensor, call, i};
        count++;
    }
    return count;
}

static vkd_status check(const vkd_net *net, const mention *m, size_t first)
{
    for (size_t i = first; i < m->tensor->size / size_of(m); i++) {
        double value = vkd_element_get(m->tensor->dtype, m->tensor->data, i);
        if (!isfinite(value))
            return vkd_fail(net->arena->context, VKD_INVALID_MODEL,
                            "operator '%s' (node %u): argument %zu (%s) is %g at index %zu, "
                            "expected finite numbers",
                            m->call->name, m->call->node_id, m->argument,
                            m->call->row->params[m->argument].name, value, i);
    }
    return VKD_OK;
}

/* From the first address to the last: what an earlier constant had is not looked at again. */
static vkd_status check_all(const vkd_net *net, mention *mentions, size_t count)
{
    uintptr_t checked = 0;
    qsort(mentions, count, sizeof *mentions, by_place);
    for (size_t i = 0; i < count; i++) {
        const mention *m = &mentions[i];
        if (!i || !can_share(m, &mentions[i - 1]))
            checked = 0;
        VKD_TRY(check(net, m, checked > start_of(m) ? (checked - start_of(m)) / size_of(m) : 0));
        checked = end_of(m) > checked ? end_of(m) : checked;
    }
    return VKD_OK;
}

vkd_status vkd_net_check_finite(const vkd_net *net)
{
    size_t count = 0, filled = 0;
    for (size_t i = 0; i < net->call_count; i++)
        count += list(net, &net->calls[i], NULL);
    mention *mentions = vkd_arena_alloc(net->arena, count, sizeof *mentions);
    if (!mentions)
        return vkd_fail_memory(net->arena->context, "a model's constants");
    for (size_t i = 0; i < net->call_count; i++)
        filled += list(net, &net->calls[i], mentions + filled);
    return check_all(net, mentions, filled);
}
