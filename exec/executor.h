/* The device side of one planned graph: buffers, pipelines, recorded command buffers.
 *
 * What one execution writes, and the command buffer that it is, make a slot; executions in
 * different slots may be in flight at the same time. Constants and pipelines are there once for
 * all. */
#ifndef VKD_EXEC_EXECUTOR_H
#define VKD_EXEC_EXECUTOR_H

#include "graph/graph.h"
#include "exec/residents.h"
#include "runtime/commands.h"

typedef struct vkd_executor vkd_executor;

/* Uploads the constants that are not among the residents, creates the pipelines and records so many
 * slots. The graph, the device and the residents must outlive the executor. residents null: its
 * own; then the sources of constants are not read after this returns. */
VKD_MUST_USE vkd_status vkd_executor_create(vkd_device *device, const vkd_graph *graph,
                                            vkd_residents *residents, bool profile, uint32_t slots,
                                            vkd_executor **out);
/* Only compiles a graph's kernels, several at a time; a later executor finds them. */
VKD_MUST_USE vkd_status vkd_executor_prepare(vkd_device *device, const vkd_graph *graph);
void vkd_executor_destroy(vkd_executor *executor);

/* An execution becomes as many submissions as it takes for each to last no longer than this
 * (exec/split.h); before there is a slot. */
VKD_MUST_USE vkd_status vkd_executor_limit(vkd_executor *executor, double submission_us);
/* Which of them a node is in. */
uint32_t vkd_executor_submission(const vkd_executor *executor, size_t node);

/* Adds the next slot. After a failure the executor is as it was. */
VKD_MUST_USE vkd_status vkd_executor_add_slot(vkd_executor *executor);
uint32_t vkd_executor_slot_count(const vkd_executor *executor);

/* For measurements: from now on a run of slot 0 goes through the nodes so many times. After a
 * failure only destroy is allowed. */
VKD_MUST_USE vkd_status vkd_executor_repeat(vkd_executor *executor, uint32_t times);

/* Host memory of input or output i, as large as its tensor; write inputs and read outputs while the
 * slot is not in flight. */
void *vkd_executor_input(vkd_executor *executor, uint32_t slot, size_t index);
const void *vkd_executor_output(vkd_executor *executor, uint32_t slot, size_t index);

/* Memory of others (vkd_buffer_import) in place of that of an argument, the inputs and then the
 * outputs, in a slot's next executions; null: its own again. Where that is a change, the slot is
 * recorded anew when it is started. */
void vkd_executor_bind(vkd_executor *executor, uint32_t slot, size_t argument,
                       const vkd_buffer *memory, uint64_t offset);
/* Whether it would be none. */
bool vkd_executor_binds(const vkd_executor *executor, uint32_t slot, size_t argument,
                        const vkd_buffer *memory, uint64_t offset);

/* Where the numbers of the graph's symbols go before a run; null without any. */
int32_t *vkd_executor_symbols(vkd_executor *executor, uint32_t slot);

/* Starts a slot, and waits for its end, which must come before it is started again. VKD_DEVICE_LOST
 * after a time-out or loss: then only destroy is allowed. Where a start fails and there are several
 * submissions, a part of the graph may have run. */
VKD_MUST_USE vkd_status vkd_executor_submit(vkd_executor *executor, uint32_t slot);
VKD_MUST_USE vkd_status vkd_executor_wait(vkd_executor *executor, uint32_t slot);
VKD_MUST_USE vkd_status vkd_executor_run(vkd_executor *executor); /* both, slot 0 */

/* Of the slot that was waited for last; 0 without time stamps, without profile. */
uint64_t vkd_executor_gpu_ns(const vkd_executor *executor);
uint64_t vkd_executor_node_ns(const vkd_executor *executor, size_t node);
/* from the start of the whole */
uint64_t vkd_executor_node_start_ns(const vkd_executor *executor, size_t node);
/* Of all slots: of inputs and outputs; of scratch that is not the residents'. */
uint64_t vkd_executor_io_bytes(const vkd_executor *executor);
uint64_t vkd_executor_scratch_bytes(const vkd_executor *executor);

/* Copies a tensor's device bytes to dst (at least its `bytes`), from the slot that was waited for
 * last. VKD_INVALID_ARGUMENT if that is in flight again. */
VKD_MUST_USE vkd_status vkd_executor_read(vkd_executor *executor, vkd_tensor_id tensor, void *dst);

#endif
