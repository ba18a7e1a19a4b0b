/* A program with Vulkan functions of its own beside the static library: libvulkan's, or with
 * LINK_VOLK those of volk, which are global variables of the same names. Both sides must work on
 * their own. */
#ifdef LINK_VOLK
#define VOLK_IMPLEMENTATION
#include <volk.h>
#else
#include <vulkan/vulkan.h>
#endif

#include <stdio.h>

#include <vkdelegate.h>

static uint32_t count_devices(void)
{
    const VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                           .apiVersion = VK_API_VERSION_1_1};
    const VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                       .pApplicationInfo = &application};
    VkInstance instance;
    uint32_t count = 0;
    if (vkCreateInstance(&info, NULL, &instance) != VK_SUCCESS)
        return 0;
#ifdef LINK_VOLK
    volkLoadInstance(instance);
#endif
    if (vkEnumeratePhysicalDevices(instance, &count, NULL) != VK_SUCCESS)
        count = 0;
    vkDestroyInstance(instance, NULL);
    return count;
}

int main(void)
{
    uint32_t ours = 0;
#ifdef LINK_VOLK
    if (volkInitialize() != VK_SUCCESS)
        return 77; /* no Vulkan library */
#endif
    if (!vkGetInstanceProcAddr(NULL, "vkCreateInstance"))
        return 1;
    uint32_t before = count_devices();
    vkd_status status = vkd_list_devices(NULL, NULL, 0, &ours);
    uint32_t after = count_devices();
    printf("%u devices, the library has %u: %s\n", before, ours, vkd_status_name(status));
    if (!before)
        return 77;
    return status == VKD_OK && ours >= 1 && before == after ? 0 : 1;
}
