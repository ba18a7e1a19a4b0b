/* A root mean square norm before a rotary embedding becomes part of it. */
#include "graph/fuse.h"
#include "shaders/rotary_params.h"

/* Whether a kernel that turns rows can make this norm of them, too. */
static bool is_norm_of_rows(const vkd_rewriter *r, const norm_args *norm)
{
    if (norm->weight == VKD_NO_VALUE)
        return false;
    const vkd_model_tensor *x = vkd_rw_tensor(r, norm->x), *weight = vkd_rw_tensor(r, norm->weight);
    const uint32_t width = x->rank ? x->dims[x->rank - 1] : 0;
    return !x->state && !weight->state && vkd_rw_alike(r, norm->x, norm->y[0]) &&
           width % VKD_ROTARY_STEP == 0 && width <= VKD_ROTARY_MOST && weight->rank == 1 &&
           weight->dims[0] == width;
}

/* rotary(rms_norm(x)) -> rotary, where the position of the first row is no symbol: the weight takes
 * its buffer. */
vkd_status vkd_fuse_rotary(vkd_rewriter *r, size_t index)
{
    rotary_args *rotary = vkd_rw_args(&r->net->calls[index], VKD_OP_ROTARY);
    if (!rotary || rotary->start.value != VKD_NO_VALUE)
        return VKD_OK;
    for (int i = 0; i < 2 && rotary->x[i] != VKD_NO_VALUE; i++) {
        const uint32_t id = rotary->x[i];
        const norm_args *norm = vkd_rw_args(vkd_rw_only_producer(r, id, index), VKD_OP_RMS_NORM);
        if (!norm || !is_norm_of_rows(r, norm))
            continue;
        rotary->eps[i] = norm->eps;
        vkd_rw_set_input(r, &rotary->weight[i], norm->weight);
        vkd_rw_set_input(r, &rotary->x[i], norm->x);
        vkd_rw_drop_unread(r, id);
    }
    return VKD_OK;
}
