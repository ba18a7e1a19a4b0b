#include "support/trials.h"
#include "exec/executor.h"
#include "graph/plan.h"
#include "runtime/base/element.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void *trial_run(harness *h, vkd_arena *arena, conv2d_trial *trial, const conv2d_variant *variant,
                size_t *dispatches)
{
    vkd_graph graph;
    vkd_tensor_id y;
    vkd_executor *executor;
    vkd_graph_init(&graph, arena);
    assert_int_equal(vkd_conv2d_trial_lower(trial, &h->caps, variant, &graph, &y), VKD_OK);
    vkd_conv2d_trial_fill(trial);
    assert_int_equal(vkd_plan_memory(&graph, h->caps.storage_alignment, true), VKD_OK);
    assert_int_equal(vkd_executor_create(h->gpu.device, &graph, NULL, false, 1, &executor), VKD_OK);
    void *bytes = vkd_arena_alloc(arena, 1, (size_t)graph.tensors[y].bytes);
    assert_non_null(bytes);
    assert_int_equal(vkd_executor_run(executor), VKD_OK);
    assert_int_equal(vkd_executor_read(executor, y, bytes), VKD_OK);
    vkd_executor_destroy(executor);
    if (dispatches)
        *dispatches = graph.node_count;
    return bytes;
}

bool trial_passes_when_off(const conv2d_trial *trial, void *y, vkd_dtype dtype, double by)
{
    const double first = vkd_element_get(dtype, y, 0);
    vkd_element_set(dtype, y, 0, first + by);
    const bool passes = vkd_conv2d_trial_check(trial, y);
    vkd_element_set(dtype, y, 0, first);
    return passes;
}
