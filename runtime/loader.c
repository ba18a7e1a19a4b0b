/* The one file in which volk's functions and globals come to life. */
#define VOLK_IMPLEMENTATION
#include "runtime/vulkan.h"

#include <dlfcn.h>
#include <pthread.h>

/* volk keeps what it loads in process-wide variables. They are written only here and only under this mutex; everything that
 * belongs to an instance or a device is looked up into our own structs. So two threads can open devices at the same time, and
 * no device depends on which instance was created last. The library stays open until the process ends, as the drivers' own
 * threads and exit handlers expect. */
static pthread_mutex_t volk_mutex = PTHREAD_MUTEX_INITIALIZER;

/* Not volkInitialize, which trusts every library of that name to have the entry point. */
static bool open_library(void)
{
    static const char *const names[] = {"libvulkan.so.1", "libvulkan.so"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        void *entry = library ? dlsym(library, "vkGetInstanceProcAddr") : NULL;
        if (entry) {
            volkInitializeCustom((PFN_vkGetInstanceProcAddr)entry);
            return vkCreateInstance;
        }
        if (library)
            dlclose(library);
    }
    return false;
}

vkd_status vkd_library_open(vkd_context *context)
{
    pthread_mutex_lock(&volk_mutex);
    bool opened = vkCreateInstance || open_library();
    uint32_t version = opened ? volkGetInstanceVersion() : 0;
    pthread_mutex_unlock(&volk_mutex);
    if (!opened)
        return vkd_fail(context, VKD_NO_DEVICE, "no Vulkan library (libvulkan.so.1) was found");
    if (version < VK_API_VERSION_1_1)
        return vkd_fail(context, VKD_NO_DEVICE, "the Vulkan library offers version %u.%u, 1.1 is needed",
                        VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version));
    return VKD_OK;
}

vkd_status vkd_instance_load(vkd_instance *instance)
{
#define LOAD(name) instance->name = (PFN_##name)vkGetInstanceProcAddr(instance->handle, #name);
    VKD_INSTANCE_FUNCTIONS(LOAD)
    VKD_DEBUG_FUNCTIONS(LOAD)
#undef LOAD
    bool complete = true;
#define CHECK(name) complete = complete && instance->name;
    VKD_INSTANCE_FUNCTIONS(CHECK)
#undef CHECK
    if (!complete)
        return vkd_fail(instance->context, VKD_NO_DEVICE, "the Vulkan instance lacks functions of Vulkan 1.1");
    return VKD_OK;
}

void vkd_device_load(const vkd_instance *instance, VkDevice device, struct VolkDeviceTable *out)
{
    pthread_mutex_lock(&volk_mutex);
    vkGetDeviceProcAddr = instance->vkGetDeviceProcAddr; /* what volkLoadDeviceTable asks */
    volkLoadDeviceTable(out, device);
    pthread_mutex_unlock(&volk_mutex);
}
