/* What Vulkan returns, as a status and a message. */
#include <stdarg.h>
#include <stdio.h>

#include "runtime/vulkan.h"

/* The results that our calls can have, and what each means to a caller of this library. */
static const struct {
    VkResult result;
    const char *name;
    vkd_status status;
} results[] = {
#define ROW(result, status)                                                                        \
    {                                                                                              \
        result, #result, status                                                                    \
    }
    ROW(VK_SUCCESS, VKD_OK),
    ROW(VK_NOT_READY, VKD_DEVICE_ERROR),
    ROW(VK_TIMEOUT, VKD_DEVICE_LOST),
    ROW(VK_INCOMPLETE, VKD_DEVICE_ERROR),
    ROW(VK_ERROR_OUT_OF_HOST_MEMORY, VKD_OUT_OF_MEMORY),
    ROW(VK_ERROR_OUT_OF_DEVICE_MEMORY, VKD_OUT_OF_MEMORY),
    ROW(VK_ERROR_OUT_OF_POOL_MEMORY, VKD_OUT_OF_MEMORY),
    ROW(VK_ERROR_FRAGMENTED_POOL, VKD_OUT_OF_MEMORY),
    ROW(VK_ERROR_TOO_MANY_OBJECTS, VKD_OUT_OF_MEMORY),
    ROW(VK_ERROR_MEMORY_MAP_FAILED, VKD_OUT_OF_MEMORY),
    ROW(VK_ERROR_DEVICE_LOST, VKD_DEVICE_LOST),
    ROW(VK_ERROR_INCOMPATIBLE_DRIVER, VKD_NO_DEVICE),
    ROW(VK_ERROR_INITIALIZATION_FAILED, VKD_DEVICE_ERROR),
    ROW(VK_ERROR_LAYER_NOT_PRESENT, VKD_DEVICE_ERROR),
    ROW(VK_ERROR_EXTENSION_NOT_PRESENT, VKD_DEVICE_ERROR),
    ROW(VK_ERROR_FEATURE_NOT_PRESENT, VKD_DEVICE_ERROR),
    ROW(VK_ERROR_INVALID_SHADER_NV, VKD_DEVICE_ERROR),
    ROW(VK_ERROR_NOT_PERMITTED_KHR, VKD_DEVICE_ERROR),
    ROW(VK_ERROR_UNKNOWN, VKD_DEVICE_ERROR),
#undef ROW
};

enum { RESULT_COUNT = sizeof results / sizeof results[0] };

const char *vkd_vk_result_name(VkResult result)
{
    for (size_t i = 0; i < RESULT_COUNT; i++)
        if (results[i].result == result)
            return results[i].name;
    return "an unknown VkResult";
}

vkd_status vkd_vk_status(vkd_context *context, VkResult result, const char *what, ...)
{
    if (result == VK_SUCCESS)
        return VKD_OK;
    vkd_status status = VKD_DEVICE_ERROR;
    for (size_t i = 0; i < RESULT_COUNT; i++)
        if (results[i].result == result)
            status = results[i].status;
    char text[256];
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(text, sizeof text, what, arguments);
    va_end(arguments);
    return vkd_fail(context, status, "%s: %s (%d)", text, vkd_vk_result_name(result), (int)result);
}
