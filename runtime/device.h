/* One Vulkan device: opened or borrowed, its capabilities, memory, pipelines and commands. Knows no tensor and no model. */
#ifndef VKD_RUNTIME_DEVICE_H
#define VKD_RUNTIME_DEVICE_H

#include "runtime/caps.h"
#include "runtime/context.h"

typedef struct vkd_device vkd_device;

/* Opens the device that the options name (vkdelegate.h says how it is chosen), or works on options->vulkan; `validate` has no
 * effect there. A device of our own has as many queues as options->in_flight, if its family has them. The context must outlive
 * the device; the options need not. VKD_NO_DEVICE when there is no Vulkan library, driver or fitting device, VKD_NOT_FOUND when
 * validation was asked for and its layer is not installed, VKD_UNSUPPORTED when the device lacks the forced int8 flavour.
 * Devices may be opened by several threads at the same time. */
VKD_MUST_USE vkd_status vkd_device_open(vkd_context *context, const vkd_options *options, vkd_device **out);
/* The same device for another object: its messages, memory and time-out are the object's own, all else is shared; by any number of
 * threads. The owner must outlive it. VKD_DEVICE_LOST where the owner's device is lost. */
VKD_MUST_USE vkd_status vkd_device_share(vkd_device *owner, vkd_context *context, const vkd_options *options,
                                         vkd_device **out);
void vkd_device_close(vkd_device *device); /* writes the pipeline cache if it has grown; accepts null */

/* Writes the pipeline cache now, if it has grown, so that a process that is killed later leaves one too. A failure is a
 * warning. */
void vkd_device_save_cache(vkd_device *device);

/* How many messages the validation layers have given; 0 without options->validate. */
uint32_t vkd_device_validation_messages(const vkd_device *device);

const vkd_caps *vkd_device_caps(const vkd_device *device);
vkd_context *vkd_device_context(const vkd_device *device);

/* For vkd_list_devices: the devices that can run compute shaders, in the driver's order. */
VKD_MUST_USE vkd_status vkd_device_list(vkd_context *context, vkd_device_info *entries, uint32_t capacity, uint32_t *out_count);
void vkd_caps_info(const vkd_caps *caps, vkd_device_info *out);

/* ------------------------------------------------------------------------------------------------------- buffers */

typedef enum vkd_memory_kind {
    VKD_MEMORY_DEVICE,  /* device-local, not mapped */
    VKD_MEMORY_UPLOAD,  /* mapped, coherent, device-local where the device offers that: the host writes, the device reads */
    VKD_MEMORY_STAGING, /* mapped, coherent, in host memory: the host writes, the device copies it away */
    VKD_MEMORY_READBACK /* mapped, host-cached where possible: the device writes, the host reads */
} vkd_memory_kind;

typedef struct vkd_buffer {
    struct VkBuffer_T *handle; /* VkBuffer; null when not created */
    struct VkDeviceMemory_T *memory;
    uint64_t size;
    void *mapped; /* all of it, while the buffer lives; null for VKD_MEMORY_DEVICE */
    bool coherent;
} vkd_buffer;

/* Size 0 makes an empty buffer: no handle, valid to destroy. what: for the error message, "constants". VKD_OUT_OF_MEMORY when
 * no suitable memory has room. */
VKD_MUST_USE vkd_status vkd_buffer_create(vkd_device *device, vkd_memory_kind kind, uint64_t size, const char *what,
                                          vkd_buffer *out);
void vkd_buffer_destroy(vkd_device *device, vkd_buffer *buffer); /* accepts an all-zero buffer */
/* Makes the device's writes visible to the host's reads; nothing to do for coherent memory. */
VKD_MUST_USE vkd_status vkd_buffer_invalidate(vkd_device *device, const vkd_buffer *buffer);

/* Copies into device buffers through a bounded staging ring: begin, then any number of reserve, then finish. The destinations
 * of one uploader must not overlap. */
typedef struct vkd_uploader vkd_uploader;
enum { VKD_UPLOAD_ALIGNMENT = 64 };
/* chunk: the largest size that will be reserved. total: all sizes, each rounded up to the alignment; with less than that the
 * ring is waited for more often. The ring takes max(chunk, min(total, 8 MiB)). */
VKD_MUST_USE vkd_status vkd_uploader_begin(vkd_device *device, uint64_t chunk, uint64_t total, vkd_uploader **out);
uint64_t vkd_uploader_bytes(const vkd_uploader *uploader); /* of the ring */
/* Mapped memory for `size` bytes that will be copied to dst at offset; valid until the next reserve or finish. Waits for
 * earlier copies when the ring is full. */
VKD_MUST_USE vkd_status vkd_uploader_reserve(vkd_uploader *uploader, const vkd_buffer *dst, uint64_t offset, uint64_t size,
                                             void **out);
/* Submits what is left, waits and frees the uploader; null is accepted. After a failed reserve it only frees, and returns that
 * failure's status again. */
VKD_MUST_USE vkd_status vkd_uploader_finish(vkd_uploader *uploader);

/* Copies size bytes of a buffer to host memory and waits. */
VKD_MUST_USE vkd_status vkd_buffer_read(vkd_device *device, const vkd_buffer *src, uint64_t offset, uint64_t size, void *dst);

/* ----------------------------------------------------------------------------------------------------- pipelines */

enum { VKD_PIPELINE_MAX_BINDINGS = 16, VKD_PIPELINE_MAX_SPECS = 32 };

typedef struct vkd_pipeline_desc {
    const char *name;       /* for messages */
    const uint16_t *code;   /* packed SPIR-V (spirv.h) with the entry point "main"; must stay where it is while the device lives */
    size_t code_count;      /* of numbers */
    uint32_t binding_count; /* buffers 0 .. count-1 of set 0 */
    uint32_t texel_mask;    /* bit i: binding i is a uniform texel buffer (isamplerBuffer), not a storage buffer */
    uint32_t push_size;     /* bytes, a multiple of 4 */
    uint32_t spec_count;
    const uint32_t *specs; /* specialisation constants 0 .. count-1, 32 bits each */
} vkd_pipeline_desc;

typedef struct vkd_pipeline {
    struct VkPipeline_T *handle;
    struct VkPipelineLayout_T *layout;
    struct VkDescriptorSetLayout_T *set_layout;
    const char *name;
    uint32_t binding_count, texel_mask, push_size; /* as in the description */
} vkd_pipeline;

/* The pipeline for a description; equal ones (same code address, specs, bindings, push size) are created once and live until
 * the device closes. Uses and fills the on-disk cache. */
VKD_MUST_USE vkd_status vkd_pipeline_get(vkd_device *device, const vkd_pipeline_desc *desc, vkd_pipeline *out);
/* Creates those of the described pipelines that do not exist yet, several at a time: compiling is most of a first init. */
VKD_MUST_USE vkd_status vkd_pipelines_prepare(vkd_device *device, const vkd_pipeline_desc *descs, uint32_t count);

/* ------------------------------------------------------------------------------------------------------ commands */

typedef struct vkd_slice {
    const vkd_buffer *buffer;
    uint64_t offset, size;
    bool write;
    uint32_t texel_bytes; /* of a texel buffer: 16 for ivec4, 4 for int */
} vkd_slice;

/* One recorded command buffer with what it needs: descriptor sets, time stamps, a fence. */
typedef struct vkd_commands vkd_commands;

/* Room for so many dispatches with so many bindings in all. stamps: a time stamp around every dispatch; dispatches then never
 * overlap, so that each one's time is its own (and the whole takes longer). */
VKD_MUST_USE vkd_status vkd_commands_begin(vkd_device *device, uint32_t dispatches, uint32_t bindings, bool stamps,
                                           vkd_commands **out);
/* Records one dispatch, slices[i] as binding i; a barrier goes before it exactly when its slices overlap, in memory, with
 * slices used since the last barrier and either side writes. VKD_INVALID_ARGUMENT for what does not fit the pipeline, the
 * buffers or the room, VKD_UNSUPPORTED beyond the device's limits; the recording is then good for nothing but destroy. */
VKD_MUST_USE vkd_status vkd_commands_dispatch(vkd_commands *commands, const vkd_pipeline *pipeline, const vkd_slice *slices,
                                              uint32_t slice_count, const void *push, uint32_t push_size,
                                              const uint32_t groups[3]);
/* Closes the recording. After a run the writes are visible to the host, in non-coherent memory after vkd_buffer_invalidate. */
VKD_MUST_USE vkd_status vkd_commands_end(vkd_commands *commands);
/* Submits, to the device's queue of this number modulo their count; then the end must be waited for, before another submit and
 * for as long as the options' time-out. Any number of times. VKD_DEVICE_LOST when the device failed or did not finish in time;
 * every later call on this device fails at once in the same way. Several recordings may be in flight, in any order. */
VKD_MUST_USE vkd_status vkd_commands_submit(vkd_commands *commands, uint32_t queue);
VKD_MUST_USE vkd_status vkd_commands_wait(vkd_commands *commands);
VKD_MUST_USE vkd_status vkd_commands_run(vkd_commands *commands); /* both, on the first queue */
uint64_t vkd_commands_gpu_ns(const vkd_commands *commands);       /* whole run that was waited for last, 0: no time stamps */
uint64_t vkd_commands_dispatch_ns(const vkd_commands *commands, uint32_t dispatch); /* 0 without stamps */
uint64_t vkd_commands_dispatch_start_ns(const vkd_commands *commands, uint32_t dispatch); /* from the start of the run */
uint32_t vkd_commands_barrier_count(const vkd_commands *commands); /* those that hazards asked for, with stamps too */
void vkd_commands_destroy(vkd_commands *commands);                 /* accepts null */

#endif
