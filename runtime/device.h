/* One Vulkan device: opened or borrowed, and its capabilities. Knows no tensor and no model. */
#ifndef VKD_RUNTIME_DEVICE_H
#define VKD_RUNTIME_DEVICE_H

#include "runtime/base/caps.h"
#include "runtime/base/context.h"

typedef struct vkd_device vkd_device;

/* Opens the device that the options name (vkdelegate.h says how it is chosen), or works on
 * options->vulkan; `validate` has no effect there. A device of our own has as many queues as
 * options->in_flight, if its family has them. The context must outlive the device; the options need
 * not. VKD_NO_DEVICE when there is no Vulkan library, driver or fitting device, VKD_NOT_FOUND when
 * validation was asked for and its layer is not installed, VKD_UNSUPPORTED when the device lacks
 * the forced int8 flavour. Devices may be opened by several threads at the same time. */
VKD_MUST_USE vkd_status vkd_device_open(vkd_context *context, const vkd_options *options,
                                        vkd_device **out);
/* The same device for another object: its messages, memory and time-out are the object's own, all
 * else is shared; by any number of threads. The owner must outlive it. VKD_DEVICE_LOST where the
 * owner's device is lost. */
VKD_MUST_USE vkd_status vkd_device_share(vkd_device *owner, vkd_context *context,
                                         const vkd_options *options, vkd_device **out);
/* writes the pipeline cache if it has grown; accepts null */
void vkd_device_close(vkd_device *device);

/* Writes the pipeline cache now, if it has grown, so that a process that is killed later leaves one
 * too. A failure is a warning. */
void vkd_device_save_cache(vkd_device *device);

/* Whether two objects share a device. */
bool vkd_device_is_same(const vkd_device *a, const vkd_device *b);

/* Whether this is the process that opened the device, not one that was forked from it. */
bool vkd_device_is_ours(const vkd_device *device);
/* VKD_DEVICE_LOST, with a message, where no work can be given to it. */
VKD_MUST_USE vkd_status vkd_device_check(vkd_device *device);

/* How many messages the validation layers have given; 0 without options->validate. */
uint32_t vkd_device_validation_messages(const vkd_device *device);

const vkd_caps *vkd_device_caps(const vkd_device *device);
vkd_context *vkd_device_context(const vkd_device *device);

/* For vkd_list_devices: the devices that can run compute shaders, in the driver's order. */
VKD_MUST_USE vkd_status vkd_device_list(vkd_context *context, vkd_device_info *entries,
                                        uint32_t capacity, uint32_t *out_count);

#endif
