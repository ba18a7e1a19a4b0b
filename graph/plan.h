/* The memory planner: where each tensor lies. A pure function of the graph. */
#ifndef VKD_GRAPH_PLAN_H
#define VKD_GRAPH_PLAN_H

#include "graph/graph.h"

/* Computes lifetimes and offsets of all scratch and constant tensors, and the graph's *_bytes.
 * Scratch: largest first, each at the lowest gap among the tensors it lives together with.
 * Lifetimes are levels, not nodes: tensors that nodes without a barrier between them touch share no
 * memory, as that would take a barrier; of two large ones nodes count. alignment: of every offset.
 * share = false gives every tensor memory of its own. */
VKD_MUST_USE vkd_status vkd_plan_memory(vkd_graph *graph, uint64_t alignment, bool share);

#endif
