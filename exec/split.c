#include "exec/split.h"

#include <string.h>

/* Guesses for nodes without an estimate; low ones, as too many submissions do less harm than one
 * that is too long. */
typedef struct rates {
    double launch_us, macs_per_us, bytes_per_us;
} rates;

static const rates discrete = {3, 1e6, 200e3}, mobile = {10, 50e3, 10e3}, cpu = {6, 2e3, 2e3};

static const rates *rates_of(vkd_device_type type)
{
    return type == VKD_TYPE_CPU ? &cpu : type == VKD_TYPE_DISCRETE ? &discrete : &mobile;
}

static double estimate(const vkd_graph *graph, const vkd_node *node, const rates *device)
{
    double bytes = 0;
    if (node->cost_us > 0)
        return node->cost_us;
    for (uint32_t b = 0; b < node->binding_count; b++)
        bytes += (double)graph->tensors[node->bindings[b].tensor].bytes;
    return device->launch_us + (double)node->macs / device->macs_per_us +
           bytes / device->bytes_per_us;
}

/* How many submissions there are if each gets as many nodes as fit, with room for one that takes a
 * third longer than last time. out null: they are only counted. */
static uint32_t cut(const vkd_split *split, uint32_t *out)
{
    const double room = 0.75 * split->limit_us;
    double sum = 0;
    uint32_t current = 0;
    for (size_t i = 0; i < split->node_count; i++) {
        if (i && sum + split->node_us[i] > room) {
            current++;
            sum = 0;
        }
        sum += split->node_us[i];
        if (out)
            out[i] = current;
    }
    return current + 1;
}

vkd_status vkd_split_create(const vkd_graph *graph, vkd_device_type type, double limit_us,
                            vkd_split **out)
{
    vkd_split *split = vkd_arena_alloc(graph->arena, 1, sizeof *split);
    if (!split)
        return vkd_fail_memory(graph->arena->context, "submissions");
    split->limit_us = limit_us;
    split->node_count = graph->node_count;
    split->node_us = vkd_arena_alloc(graph->arena, graph->node_count, sizeof *split->node_us);
    split->submission = vkd_arena_alloc(graph->arena, graph->node_count, sizeof *split->submission);
    if (!split->node_us || !split->submission)
        return vkd_fail_memory(graph->arena->context, "submissions");
    for (size_t i = 0; i < graph->node_count; i++)
        split->node_us[i] = estimate(graph, &graph->nodes[i], rates_of(type));
    split->count = cut(split, split->submission);
    *out = split;
    return VKD_OK;
}

/* Makes the nodes of each submission together as long as it was. True if one was too long and can
 * be cut. */
static bool learn(vkd_split *split, const double *submission_us)
{
    bool too_long = false;
    size_t end;
    for (size_t first = 0; first < split->node_count; first = end) {
        const uint32_t submission = split->submission[first];
        double sum = 0;
        for (end = first; end < split->node_count && split->submission[end] == submission; end++)
            sum += split->node_us[end];
        for (size_t i = first; sum > 0 && i < end; i++)
            split->node_us[i] *= submission_us[submission] / sum;
        too_long |= submission_us[submission] > split->limit_us && end - first > 1;
    }
    return too_long;
}

void vkd_split_measured(vkd_split *split, const double *submission_us, const double *node_us)
{
    if (node_us)
        memcpy(split->node_us, node_us, split->node_count * sizeof *node_us);
    const bool too_long = learn(split, submission_us);
    if (!too_long && 2 * cut(split, NULL) > split->count)
        return;
    split->count = cut(split, split->submission);
    split->revision++;
}
