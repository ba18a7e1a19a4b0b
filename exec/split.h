/* How a graph is cut into submissions, so that none takes longer than others who use the device can
 * wait: by estimates at first, by the times that were measured from then on. No Vulkan in it. */
#ifndef VKD_EXEC_SPLIT_H
#define VKD_EXEC_SPLIT_H

#include "graph/graph.h"
#include "runtime/base/caps.h"

typedef struct vkd_split {
    double limit_us;
    size_t node_count;
    double *node_us;      /* the best knowledge */
    uint32_t *submission; /* by node: which one it is in, from 0 on */
    uint32_t count;       /* of submissions, 1 at least */
    uint32_t revision;    /* how often it was cut anew */
} vkd_split;

/* By the nodes' estimates, or what macs and bytes say where they have none. A node that is longer
 * than the limit is a submission by itself. The split is the graph's arena's. */
VKD_MUST_USE vkd_status vkd_split_create(const vkd_graph *graph, vkd_device_type type,
                                         double limit_us, vkd_split **out);

/* Takes in how long each submission took, and where it is known each node (null: it is not). The
 * graph is cut anew if one took longer than the limit and can be cut, or if half as many would do:
 * so that noise moves nothing. */
void vkd_split_measured(vkd_split *split, const double *submission_us, const double *node_us);

#endif
