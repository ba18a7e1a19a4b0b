/* The device side of one planned graph: buffers, pipelines, one recorded command buffer. */
#ifndef VKD_GRAPH_EXECUTOR_H
#define VKD_GRAPH_EXECUTOR_H

#include "graph/graph.h"
#include "runtime/device.h"

typedef struct vkd_executor vkd_executor;

/* Uploads the constants, creates the pipelines and records. The graph and the device must outlive the executor; the sources of
 * constants are not read after this returns. */
VKD_MUST_USE vkd_status vkd_executor_create(vkd_device *device, const vkd_graph *graph, bool profile, vkd_executor **out);
/* Only compiles a graph's kernels, several at a time; a later executor finds them. */
VKD_MUST_USE vkd_status vkd_executor_prepare(vkd_device *device, const vkd_graph *graph);
void vkd_executor_destroy(vkd_executor *executor);

/* For measurements: from now on a run goes through the nodes so many times. After a failure only destroy is allowed. */
VKD_MUST_USE vkd_status vkd_executor_repeat(vkd_executor *executor, uint32_t times);

/* Host memory of input or output i, as large as its tensor; write inputs before and read outputs after vkd_executor_run. */
void *vkd_executor_input(vkd_executor *executor, size_t index);
const void *vkd_executor_output(vkd_executor *executor, size_t index);

/* Runs once and waits. VKD_DEVICE_LOST after a time-out or loss: then only destroy is allowed. */
VKD_MUST_USE vkd_status vkd_executor_run(vkd_executor *executor);

uint64_t vkd_executor_gpu_ns(const vkd_executor *executor);               /* last run; 0 without time stamps */
uint64_t vkd_executor_node_ns(const vkd_executor *executor, size_t node); /* last run; 0 without profile */
uint64_t vkd_executor_io_bytes(const vkd_executor *executor);
uint64_t vkd_executor_staging_bytes(const vkd_executor *executor); /* host-visible memory that creation held for uploads */

/* Copies a scratch or constant tensor's device bytes to dst (at least its `bytes`). For tests. */
VKD_MUST_USE vkd_status vkd_executor_read(vkd_executor *executor, vkd_tensor_id tensor, void *dst);

#endif
