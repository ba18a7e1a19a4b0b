/* Executions that show an access outside of a tensor: on a device, where every tensor lies between
 * canaries, and by the interpreter of kernels, which knows the bounds of what is bound. */
#ifndef VKD_TEST_SUPPORT_CANARY_H
#define VKD_TEST_SUPPORT_CANARY_H

#include "graph/graph.h"
#include "runtime/device.h"

enum { CANARY_ZONE = 4096 }; /* bytes of a canary */

/* What goes into a planned graph and comes out of it. */
typedef struct canary_io {
    const void *const *inputs; /* by input of the graph, as large as its tensor's elements */
    void *const *outputs;      /* device bytes of each output, with room for a canary behind them */
    const int32_t *symbols;    /* by word of the graph's symbols */
} canary_io;

/* Runs a lowered graph, which is changed, with all that its nodes bind in one buffer, between
 * canaries. The one behind a tensor is bound with it, as drivers may drop accesses beyond. touched:
 * the number of the first tensor beside which one is not what it was; VKD_NO_TENSOR for none. */
VKD_MUST_USE vkd_status canary_run(vkd_device *device, const vkd_caps *caps, vkd_graph *graph,
                                   const canary_io *io, vkd_tensor_id *touched);

/* Runs it by the interpreter, workgroup after workgroup. outside: the number of the first node with
 * an access outside of what it binds; UINT32_MAX for none. VKD_UNSUPPORTED for a kernel that is not
 * interpreted, or takes too long. */
VKD_MUST_USE vkd_status canary_interpret(const vkd_caps *caps, const vkd_graph *graph,
                                         const canary_io *io, uint32_t *outside);

#endif
