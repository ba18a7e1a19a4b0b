/* Recorded command buffers of dispatches, with the barriers that they need. */
#ifndef VKD_RUNTIME_COMMANDS_H
#define VKD_RUNTIME_COMMANDS_H

#include "runtime/buffer.h"
#include "runtime/pipeline.h"

/* Recorded command buffers, one for each submission, with what they need: descriptor sets, time
 * stamps, fences. */
typedef struct vkd_commands vkd_commands;

/* Room for so many dispatches with so many bindings in all, in so many submissions. stamps: a time
 * stamp around every dispatch; dispatches then never overlap, so that each one's time is its own
 * (and the whole takes longer). */
VKD_MUST_USE vkd_status vkd_commands_begin(vkd_device *device, uint32_t dispatches,
                                           uint32_t bindings, uint32_t submissions, bool stamps,
                                           vkd_commands **out);
/* Records one dispatch, slices[i] as binding i; a barrier goes before it exactly when its slices
 * overlap, in memory, with slices used since the last barrier and either side writes. Buffers in
 * memory of others must stay where they are until the end; they are taken over before their first
 * use and given back at the end.
 * VKD_INVALID_ARGUMENT for what does not fit the pipeline, the buffers or the room, VKD_UNSUPPORTED
 * beyond the device's limits; the recording is then good for nothing but destroy. */
VKD_MUST_USE vkd_status vkd_commands_dispatch(vkd_commands *commands, const vkd_pipeline *pipeline,
                                              const vkd_slice *slices, uint32_t slice_count,
                                              const void *push, uint32_t push_size,
                                              const uint32_t groups[3]);
/* What follows is a submission of its own, behind the one before, so that others who use the device
 * can have it in between. */
VKD_MUST_USE vkd_status vkd_commands_cut(vkd_commands *commands);
/* Closes the recording. After a run the writes are visible to the host, in non-coherent memory
 * after vkd_buffer_invalidate. */
VKD_MUST_USE vkd_status vkd_commands_end(vkd_commands *commands);
/* Submits, to the device's queue of this number modulo their count; then the end must be waited
 * for, before another submit and for as long as the options' time-out, of each submission where
 * there are several. Any number of times. Where a submit fails, a part may have run; it is over.
 * VKD_DEVICE_LOST when the device failed or did not finish in time; every later call on this device
 * fails at once in the same way. Several recordings may be in flight, in any order. */
VKD_MUST_USE vkd_status vkd_commands_submit(vkd_commands *commands, uint32_t queue);
VKD_MUST_USE vkd_status vkd_commands_wait(vkd_commands *commands);
VKD_MUST_USE vkd_status vkd_commands_run(vkd_commands *commands); /* both, on the first queue */
/* whole run that was waited for last, 0: no time stamps */
uint64_t vkd_commands_gpu_ns(const vkd_commands *commands);
/* of one of its submissions; 0: no time stamps */
uint64_t vkd_commands_submission_ns(const vkd_commands *commands, uint32_t submission);
/* 0 without stamps */
uint64_t vkd_commands_dispatch_ns(const vkd_commands *commands, uint32_t dispatch);
/* from the start of the run */
uint64_t vkd_commands_dispatch_start_ns(const vkd_commands *commands, uint32_t dispatch);
/* those that hazards asked for, with stamps too */
uint32_t vkd_commands_barrier_count(const vkd_commands *commands);
void vkd_commands_destroy(vkd_commands *commands); /* accepts null */

#endif
