/* The parts of the public interface that need no object. */
#include "include/vkdelegate.h"
#include "runtime/device.h"

static void discard(void *user, vkd_log_level level, const char *message)
{
    (void)user, (void)level, (void)message;
}

bool vkd_is_available(void)
{
    vkd_context context;
    vkd_options quiet = {.log = discard};
    uint32_t count = 0;
    vkd_context_init(&context, &quiet);
    return vkd_device_list(&context, NULL, 0, &count) == VKD_OK && count > 0;
}

vkd_status vkd_list_devices(const vkd_options *given, vkd_device_info *entries, uint32_t capacity,
                            uint32_t *out_count)
{
    vkd_context context;
    vkd_options options;
    vkd_status status = vkd_options_read(&options, given, &context);
    if (status == VKD_OK && (!out_count || (capacity && !entries)))
        status = vkd_fail(&context, VKD_INVALID_ARGUMENT,
                          "vkd_list_devices: a null pointer for the results");
    if (status == VKD_OK)
        status = vkd_device_list(&context, entries, capacity, out_count);
    vkd_context_report(&context, &options, status);
    return status;
}
