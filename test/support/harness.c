#include "support/harness.h"
#include "exec/executor.h"
#include "exec/kernel_check.h"
#include "graph/plan.h"
#include "graph/rewrite.h"
#include "support/lowering.h"
#include "support/open_ops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ------------------------------------------------------------------------------------- fixtures */

bool harness_open(const vkd_options *options, harness *out)
{
    gpu_init(&out->gpu);
    out->checks_kernels = false;
    if (options)
        out->gpu.options.int8_dot = options->int8_dot;
    if (gpu_open(&out->gpu) != VKD_OK)
        return false;
    out->caps = *vkd_device_caps(out->gpu.device);
    return true;
}

void harness_close(harness *h) { gpu_close(&h->gpu); }

void harness_each_dot(void (*body)(harness *h, vkd_random *random), vkd_random *random)
{
    static const vkd_int8_dot flavours[] = {VKD_DOT_NONE, VKD_DOT_SIGNED, VKD_DOT_MIXED};
    for (size_t f = 0; f < sizeof flavours / sizeof *flavours; f++) {
        harness h;
        const vkd_options options = {.int8_dot = flavours[f], .no_cache = true};
        if (!harness_open(&options, &h)) {
            print_message("skipped: this device has no int8 dot flavour %d\n", flavours[f]);
            continue;
        }
        body(&h, random);
        harness_close(&h);
    }
}

int harness_setup(void **state)
{
    harness *h = calloc(1, sizeof *h);
    if (!h)
        return -1;
    *state = h;
    if (!gpu_present())
        return 0;
    if (!harness_open(NULL, h)) {
        print_error("%s\n", h->gpu.context.error);
        return -1;
    }
    print_message("device: %s\n", h->caps.name);
    return 0;
}

int harness_teardown(void **state)
{
    harness *h = *state;
    if (h->gpu.device)
        harness_close(h);
    free(h);
    return 0;
}

harness *harness_get(void **state)
{
    gpu_needed();
    return *state;
}

/* -------------------------------------------------------------------------------------- running */

/* Each kernel must be what the self-check takes for right. */
static vkd_status check_kernels(harness *h, const vkd_graph *graph)
{
    const uint64_t steps = 2000000;
    for (size_t i = 0; i < graph->node_count; i++) {
        vkd_kernel_check check;
        VKD_TRY(vkd_kernel_check_run(h->gpu.device, graph, &graph->nodes[i], steps, &check));
        if (check.verdict == VKD_VERDICT_WRONG)
            return vkd_fail(&h->gpu.context, VKD_DEVICE_ERROR,
                            "the self-check takes kernel '%s' for wrong: %s",
                            vkd_shaders[graph->nodes[i].shader].name, check.difference);
    }
    return VKD_OK;
}

static vkd_status execute(harness *h, const vkd_model *model, const vkd_graph *graph,
                          const void *const *inputs, void *const *outputs)
{
    vkd_executor *executor;
    if (h->checks_kernels)
        VKD_TRY(check_kernels(h, graph));
    VKD_TRY(vkd_executor_create(h->gpu.device, graph, NULL, false, 1, &executor));
    for (size_t i = 0; i < model->input_count; i++)
        memcpy(vkd_executor_input(executor, 0, i), inputs[i],
               model->values[model->inputs[i]].tensor.size);
    for (uint32_t i = 0; i < graph->symbol_count; i++)
        vkd_executor_symbols(executor, 0)[i] = (int32_t)model->values[graph->symbol_values[i]].i;
    vkd_status status = vkd_executor_run(executor);
    for (size_t i = 0; status == VKD_OK && i < model->output_count; i++)
        memcpy(outputs[i], vkd_executor_output(executor, 0, i),
               model->values[model->outputs[i]].tensor.size);
    vkd_executor_destroy(executor);
    return status;
}

/* skip: as vkd_rewrite has it. */
static vkd_status lower_rewritten(harness *h, const vkd_model *model, const char *variant,
                                  uint32_t skip, vkd_graph *graph, vkd_lowered *lowered)
{
    vkd_net net;
    VKD_TRY(vkd_net_bind(&net, model, open_ops(), graph->arena));
    VKD_TRY(vkd_rewrite(&net, skip));
    return lowering_of_net(&h->gpu.context, &net, &h->caps, variant, graph, lowered);
}

/* skip: null leaves the model as it is. */
static vkd_status run(harness *h, const vkd_model *model, const char *variant, const uint32_t *skip,
                      const void *const *inputs, void *const *outputs, size_t *out_nodes)
{
    vkd_arena arena;
    vkd_graph graph;
    vkd_lowered lowered;
    vkd_arena_init(&arena, &h->gpu.context);
    vkd_graph_init(&graph, &arena);
    vkd_status status =
        skip ? lower_rewritten(h, model, variant, *skip, &graph, &lowered)
             : lowering_of_model(&h->gpu.context, model, &h->caps, variant, &graph, &lowered);
    if (status == VKD_OK)
        status = vkd_plan_memory(&graph, h->caps.storage_alignment, true);
    if (status == VKD_OK)
        status = execute(h, model, &graph, inputs, outputs);
    *out_nodes = graph.node_count;
    vkd_arena_release(&arena);
    return status;
}

vkd_status harness_run(harness *h, const vkd_model *model, const char *variant,
                       const void *const *inputs, void *const *outputs)
{
    size_t nodes;
    return run(h, model, variant, NULL, inputs, outputs, &nodes);
}

vkd_status harness_run_rewritten(harness *h, const vkd_model *model, const char *variant,
                                 uint32_t skip, const void *const *inputs, void *const *outputs,
                                 size_t *out_nodes)
{
    return run(h, model, variant, &skip, inputs, outputs, out_nodes);
}

void harness_assert_int8(const int8_t *got, const int8_t *expected, size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++)
        if (got[i] != expected[i])
            fail_msg("%s: element %zu of %zu is %d, expected %d", what, i, count, got[i],
                     expected[i]);
}

void harness_must_run(harness *h, hand_model *m, const void *const *inputs, void *const *outputs,
                      const char *what)
{
    vkd_status status = harness_run(h, hand_finish(m), NULL, inputs, outputs);
    if (status != VKD_OK)
        fail_msg("%s: %s: %s", what, vkd_status_name(status), h->gpu.context.error);
}

void *checked_alloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    assert_non_null(memory);
    return memory;
}
