/* What an engine shares. */
#ifndef VKD_BACKEND_ENGINE_H
#define VKD_BACKEND_ENGINE_H

#include "runtime/device.h"

/* The device for an object with these options: the engine's, or one of its own. */
VKD_MUST_USE vkd_status vkd_engine_open_device(vkd_context *context, const vkd_options *options,
                                               vkd_device **out);

#endif
