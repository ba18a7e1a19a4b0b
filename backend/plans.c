#include "backend/plans.h"
#include "graph/plan.h"

#include <string.h>

static vkd_status lower(const vkd_planner *planner, const vkd_input *inputs, vkd_plan *plan)
{
    const vkd_net *net = planner->net;
    const vkd_caps *caps = &planner->caps;
    plan->values = vkd_arena_alloc(&plan->arena, net->value_count, sizeof *plan->values);
    if (!plan->values)
        return vkd_fail_memory(plan->context, "a model's values");
    VKD_TRY(vkd_shape_net(plan->context, net, inputs, plan->values));
    vkd_graph_init(&plan->graph, &plan->arena);
    VKD_TRY(vkd_lower_net(plan->context, net, plan->values, caps, &planner->advice, &plan->graph,
                          &plan->lowered));
    return vkd_plan_memory(&plan->graph, caps->storage_alignment, !planner->keep_intermediates);
}

vkd_status vkd_plan_lower(const vkd_planner *planner, vkd_context *context, const vkd_input *inputs,
                          vkd_plan **out)
{
    vkd_plan *plan = vkd_alloc(context, 1, sizeof *plan);
    *out = NULL;
    if (!plan)
        return vkd_fail_memory(context, "a plan");
    plan->context = context;
    vkd_arena_init(&plan->arena, context);
    vkd_status status = lower(planner, inputs, plan);
    if (status != VKD_OK)
        vkd_plan_destroy(plan);
    else
        *out = plan;
    return status;
}

vkd_status vkd_plan_prepare(const vkd_planner *planner, vkd_plan *plan)
{
    VKD_TRY(vkd_executor_create(planner->device, &plan->graph, planner->residents, planner->profile,
                                0, &plan->executor));
    return planner->max_submit_ms
               ? vkd_executor_limit(plan->executor, 1000.0 * planner->max_submit_ms)
               : VKD_OK;
}

vkd_status vkd_plan_fill_slots(const vkd_planner *planner, vkd_plan *plan)
{
    while (vkd_executor_slot_count(plan->executor) < planner->slots)
        VKD_TRY(vkd_executor_add_slot(plan->executor));
    return VKD_OK;
}

void vkd_plan_destroy(vkd_plan *plan)
{
    if (!plan)
        return;
    vkd_context *context = plan->context;
    vkd_executor_destroy(plan->executor);
    vkd_arena_release(&plan->arena);
    vkd_free(context, plan);
}

static bool same_value(const vkd_model_value *a, const vkd_model_value *b, bool baked)
{
    if (a->kind == VKD_VALUE_SYMINT)
        return !baked || a->i == b->i;
    return a->kind != VKD_VALUE_TENSOR ||
           (a->tensor.rank == b->tensor.rank &&
            !memcmp(a->tensor.dims, b->tensor.dims, a->tensor.rank * sizeof(uint32_t)));
}

bool vkd_plan_fits(const vkd_plan *plan, const vkd_net *net, const vkd_model_value *values)
{
    for (size_t i = 0; i < net->value_count; i++)
        if (!same_value(&plan->values[i], &values[i], plan->lowered.baked[i]))
            return false;
    return true;
}
