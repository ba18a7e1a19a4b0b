#include "plan.h"

#include "graph/plan.h"
#include "graph/rewrite.h"
#include "ops/lower.h"
#include "schema/inline.h"

#include <stdlib.h>

void fuzz_be_quiet(void *user, vkd_log_level level, const char *message)
{
    (void)user, (void)level, (void)message;
}

void fuzz_plan_begin(fuzz_plan *p)
{
    vkd_context_init(&p->context, &(vkd_options){.log = fuzz_be_quiet});
    vkd_arena_init(&p->arena, &p->context);
    vkd_graph_init(&p->graph, &p->arena);
}

void fuzz_plan_end(fuzz_plan *p)
{
    vkd_arena_release(&p->arena);
    if (p->context.host_bytes)
        abort();
}

static vkd_status read_model(fuzz_plan *p, const uint8_t *data, size_t size, vkd_model *out)
{
    vkd_container container;
    vkd_status status = vkd_container_read(data, size, &p->arena, &container);
    if (status != VKD_OK)
        return vkd_model_read(data, size, NULL, &p->arena, out);
    if (!container.method_count)
        return vkd_fail(&p->context, VKD_INVALID_MODEL, "no method");
    return vkd_inline_method(&container, &container.methods[0], "VulkanBackend", &p->arena, out);
}

static vkd_status make(fuzz_plan *p, const uint8_t *data, size_t size, const vkd_caps *caps)
{
    vkd_model model;
    vkd_net net;
    vkd_lowered lowered;
    VKD_TRY(read_model(p, data, size, &model));
    VKD_TRY(vkd_net_bind(&net, &model, &vkd_ops, &p->arena));
    VKD_TRY(vkd_rewrite(&net, 0));
    vkd_model_value *values = vkd_arena_alloc(&p->arena, net.value_count, sizeof *values);
    if (!values)
        return vkd_fail_memory(&p->context, "values");
    VKD_TRY(vkd_shape_net(&p->context, &net, NULL, values));
    VKD_TRY(vkd_lower_net(&p->context, &net, values, caps, NULL, &p->graph, &lowered));
    return vkd_plan_memory(&p->graph, caps->storage_alignment, true);
}

vkd_status fuzz_plan_make(fuzz_plan *p, const uint8_t *data, size_t size, const vkd_caps *caps)
{
    vkd_status status = make(p, data, size, caps);
    if (status != VKD_OK && !p->context.error[0])
        abort();
    return status;
}
