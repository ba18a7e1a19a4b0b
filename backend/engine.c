/* The public engine: one Vulkan device for any number of delegates, methods and programs. */
#include "backend/engine.h"
#include "ops/conv/conv.h"
#include "runtime/import.h"

struct vkd_engine {
    /* One for each mutex that host memory is taken under: the device's, and those of commons. */
    vkd_context context, constants_context, facts_context;
    vkd_context unused_context; /* copied for what has one of its own */
    vkd_device *device;
    vkd_commons commons;
    vkd_device_info info;
};

static vkd_status open_engine(vkd_engine *engine, const vkd_options *options)
{
    vkd_context *context = &engine->context;
    engine->constants_context = engine->facts_context = engine->unused_context = *context;
    VKD_TRY(vkd_device_open(context, options, &engine->device));
    VKD_TRY(vkd_constants_create(&engine->constants_context, true, &engine->commons.constants));
    return vkd_facts_create(&engine->facts_context, options, vkd_conv2d_table_sum(),
                            &engine->commons.facts);
}

/* The message is in the context that was at work. */
static const vkd_context *failed_context(const vkd_engine *engine)
{
    return engine->facts_context.error[0]       ? &engine->facts_context
           : engine->constants_context.error[0] ? &engine->constants_context
                                                : &engine->context;
}

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
        status = open_engine(engine, &options);
        context = *failed_context(engine);
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

static void drop(vkd_device *device, const vkd_commons *commons)
{
    vkd_facts_destroy(commons->facts);
    vkd_constants_destroy(commons->constants);
    vkd_device_close(device);
}

void vkd_engine_destroy(vkd_engine *engine)
{
    if (!engine)
        return;
    drop(engine->device, &engine->commons);
    vkd_context context = engine->context;
    vkd_free(&context, engine);
}

const vkd_device_info *vkd_engine_device(const vkd_engine *engine)
{
    return engine ? &engine->info : NULL;
}

vkd_status vkd_engine_join(vkd_context *context, const vkd_options *options,
                           vkd_device **out_device, vkd_commons *out_commons)
{
    const vkd_engine *engine = options->engine;
    if (engine) {
        *out_commons = engine->commons;
        return vkd_device_share(engine->device, context, options, out_device);
    }
    out_commons->is_own = true;
    VKD_TRY(vkd_device_open(context, options, out_device));
    VKD_TRY(vkd_constants_create(context, false, &out_commons->constants));
    return vkd_facts_create(context, options, vkd_conv2d_table_sum(), &out_commons->facts);
}

void vkd_engine_leave(vkd_device *device, vkd_commons *commons)
{
    static const vkd_commons none;
    drop(device, commons->is_own ? commons : &none);
}

/* ----------------------------------------------------------------------------- imported memory */

static vkd_status import(vkd_engine *engine, const vkd_external_memory *external,
                         vkd_memory *memory)
{
    static const vkd_options defaults = {sizeof defaults};
    VKD_TRY(vkd_device_share(engine->device, &memory->context, &defaults, &memory->device));
    return vkd_buffer_import(memory->device, external, &memory->buffer);
}

vkd_status vkd_memory_import(vkd_engine *engine, const vkd_external_memory *given, vkd_memory **out)
{
    vkd_external_memory external = {0};
    vkd_memory *memory = NULL;
    if (out)
        *out = NULL;
    if (!engine || !given || !out)
        return VKD_INVALID_ARGUMENT;
    vkd_context context = engine->unused_context;
    vkd_status status = VKD_OK;
    if (!vkd_struct_read(&external, sizeof external, given, 0))
        status = vkd_fail(&context, VKD_INVALID_ARGUMENT,
                          "vkd_external_memory.size must be sizeof(vkd_external_memory)");
    else if (!(memory = vkd_alloc(&context, 1, sizeof *memory)))
        status = vkd_fail_memory(&context, "imported memory");
    else {
        memory->context = context;
        status = import(engine, &external, memory);
        context = memory->context;
    }
    const vkd_options report = {.error = external.error, .error_size = external.error_size};
    vkd_context_report(&context, &report, status);
    if (status != VKD_OK)
        vkd_memory_release(memory);
    else
        *out = memory;
    return status;
}

void vkd_memory_release(vkd_memory *memory)
{
    if (!memory)
        return;
    if (memory->device)
        vkd_buffer_destroy(memory->device, &memory->buffer);
    vkd_device_close(memory->device);
    vkd_context context = memory->context;
    vkd_free(&context, memory);
}
