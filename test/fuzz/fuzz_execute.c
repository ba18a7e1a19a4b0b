/* From a file to results on a device; files of more than a little work are left alone. */
#include "exec/executor.h"
#include "plan.h"
#include "runtime/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t most_bytes = 8 << 20, most_work = 20000000;

/* Opened once, as it takes its time. Null where there is none. */
static vkd_device *open_device(void)
{
    static vkd_context context;
    static vkd_device *device;
    static bool tried;
    const vkd_options options = {.size = sizeof options, .log = fuzz_be_quiet, .no_cache = true};
    if (tried)
        return device;
    tried = true;
    vkd_context_init(&context, &options);
    if (vkd_device_open(&context, &options, &device) != VKD_OK)
        fprintf(stderr, "%s\n", context.error);
    return device;
}

static bool is_small(const vkd_graph *graph)
{
    uint64_t work = 0, bytes = 0;
    for (size_t i = 0; i < graph->tensor_count; i++) {
        if (graph->tensors[i].bytes > most_bytes)
            return false;
        bytes += graph->tensors[i].bytes;
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        const vkd_node *node = &graph->nodes[i];
        uint64_t groups = (uint64_t)node->groups[0] * node->groups[1];
        if (groups > most_work || node->loops > most_work || node->groups[2] > most_work)
            return false;
        work += groups * node->groups[2] * node->specs[0] * (node->loops + 1);
        if (work > most_work)
            return false;
    }
    return bytes <= most_bytes;
}

/* The file's own bytes are what the inputs hold: all kinds of numbers. */
static void fill(const vkd_graph *graph, vkd_executor *executor, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < graph->input_count; i++) {
        if (graph->inputs[i] == VKD_NO_TENSOR)
            continue;
        uint8_t *input = vkd_executor_input(executor, 0, i);
        for (uint64_t k = 0; k < graph->tensors[graph->inputs[i]].bytes; k++)
            input[k] = data[k % size];
    }
    for (uint32_t i = 0; i < graph->symbol_count; i++)
        vkd_executor_symbols(executor, 0)[i] = data[i % size];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_plan p;
    vkd_executor *executor;
    vkd_device *device = open_device();
    if (!device)
        exit(4);
    fuzz_plan_begin(&p);
    if (size && fuzz_plan_make(&p, data, size, vkd_device_caps(device)) == VKD_OK &&
        is_small(&p.graph) &&
        vkd_executor_create(device, &p.graph, NULL, false, 1, &executor) == VKD_OK) {
        fill(&p.graph, executor, data, size);
        (void)!vkd_executor_run(executor);
        vkd_executor_destroy(executor);
    }
    fuzz_plan_end(&p);
    return 0;
}
