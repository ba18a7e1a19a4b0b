/* What the objects on one engine share. */
#ifndef VKD_BACKEND_ENGINE_H
#define VKD_BACKEND_ENGINE_H

#include "exec/constants.h"
#include "exec/tuner.h"
#include "runtime/buffer.h"

/* Imported memory, on an engine's device. */
struct vkd_memory {
    vkd_context context;
    vkd_device *device; /* shared */
    vkd_buffer buffer;
};

/* Beside a device: constants on it, and what is known of its kernels. */
typedef struct vkd_commons {
    vkd_constants *constants;
    vkd_facts *facts;
    bool is_own; /* of the object that has it, not an engine's */
} vkd_commons;

/* The device for an object with these options, and what there is beside it: the engine's, or its
 * own. A failure leaves something to close. */
VKD_MUST_USE vkd_status vkd_engine_join(vkd_context *context, const vkd_options *options,
                                        vkd_device **out_device, vkd_commons *out_commons);
void vkd_engine_leave(vkd_device *device, vkd_commons *commons);

#endif
