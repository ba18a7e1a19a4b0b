/* The public engine: one Vulkan device for any number of delegates, methods and programs. */
#include "backend/engine.h"

struct vkd_engine {
    vkd_context context;
    vkd_device *device;
    vkd_device_info info;
};

vkd_status vkd_engine_create(const vkd_options *given, vkd_engine **out)
{
    vkd_context context;
    vkd_options options;
    vkd_engine *engine = NULL;
    vkd_status status = vkd_options_read(&options, given, &context);
    if (out)
        *out = NULL;
    if (status == VKD_OK && (!out || options.engine))
        status = vkd_fail(&context, VKD_INVALID_ARGUMENT, "vkd_engine_create: %s",
                          out ? "an engine is made without vkd_options.engine"
                              : "a null pointer for the result");
    else if (status == VKD_OK && !(engine = vkd_alloc(&context, 1, sizeof *engine)))
        status = vkd_fail_memory(&context, "the engine");
    else if (status == VKD_OK) {
        engine->context = context;
        status = vkd_device_open(&engine->context, &options, &engine->device);
        context = engine->context;
    }
    vkd_context_report(&context, &options, status);
    if (status != VKD_OK) {
        vkd_engine_destroy(engine);
        return status;
    }
    vkd_caps_info(vkd_device_caps(engine->device), &engine->info);
    *out = engine;
    return VKD_OK;
}

void vkd_engine_destroy(vkd_engine *engine)
{
    if (!engine)
        return;
    vkd_device_close(engine->device);
    vkd_context context = engine->context;
    vkd_free(&context, engine);
}

const vkd_device_info *vkd_engine_device(const vkd_engine *engine)
{
    return engine ? &engine->info : NULL;
}

vkd_status vkd_engine_open_device(vkd_context *context, const vkd_options *options,
                                  vkd_device **out)
{
    return options->engine ? vkd_device_share(options->engine->device, context, options, out)
                           : vkd_device_open(context, options, out);
}
