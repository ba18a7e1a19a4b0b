/* Lists that a driver fills in. */
#include "runtime/vulkan.h"

vkd_status vkd_enumerate(vkd_context *context, vkd_list_fn list, const void *of, size_t size,
                         const char *what, void **out, uint32_t *out_count)
{
    uint32_t room = 0;
    *out = NULL;
    *out_count = 0;
    VkResult result = list(of, &room, NULL);
    if (result < VK_SUCCESS)
        return vkd_vk_status(context, result, "%s", what);
    /* zeroes: what the driver leaves out is nothing */
    void *items = vkd_alloc(context, room, size);
    if (!items)
        return vkd_fail(context, VKD_OUT_OF_MEMORY, "out of host memory for the %u items of %s",
                        room, what);
    uint32_t count = room;
    result = list(of, &count, items);
    if (result <
        VK_SUCCESS) { /* VK_INCOMPLETE: there are more by now; they can wait for the next call */
        vkd_free(context, items);
        return vkd_vk_status(context, result, "%s", what);
    }
    *out = items;
    *out_count = count < room ? count : room;
    return VKD_OK;
}
