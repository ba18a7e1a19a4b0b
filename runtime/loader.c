/* The one file in which volk's functions and globals come to life. */
#define _GNU_SOURCE /* dladdr */
#define VOLK_IMPLEMENTATION
#include "runtime/vulkan.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

/* One mutex for the process, because two things exist once in it. volk keeps what it loads in
 * process-wide variables: they are written only in this file, and everything that belongs to an
 * instance or a device is looked up into our own structs, so that no device depends on which
 * instance was created last. And the Vulkan library keeps a list of all instances and devices,
 * which versions in use (1.3.239) walk without a lock in vkGetDeviceProcAddr, while another thread
 * may be creating or destroying one. With the mutex two threads can open and close devices at the
 * same time. The library itself stays open until the process ends, as the drivers' own threads and
 * exit handlers expect. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

void vkd_library_lock(void) { pthread_mutex_lock(&mutex); }
bool vkd_library_try_lock(void) { return pthread_mutex_trylock(&mutex) == 0; }
void vkd_library_unlock(void) { pthread_mutex_unlock(&mutex); }

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
    vkd_library_lock();
    bool opened = vkCreateInstance || open_library();
    uint32_t version = opened ? volkGetInstanceVersion() : 0;
    vkd_library_unlock();
    if (!opened)
        return vkd_fail(context, VKD_NO_DEVICE, "no Vulkan library (libvulkan.so.1) was found");
    if (version < VK_API_VERSION_1_1)
        return vkd_fail(context, VKD_NO_DEVICE,
                        "the Vulkan library offers version %u.%u, 1.1 is needed",
                        VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version));
    return VKD_OK;
}

vkd_status vkd_instance_load(vkd_instance *instance)
{
    vkd_library_lock();
#define LOAD(name) instance->name = (PFN_##name)vkGetInstanceProcAddr(instance->handle, #name);
    VKD_INSTANCE_FUNCTIONS(LOAD)
    VKD_OPTIONAL_FUNCTIONS(LOAD)
#undef LOAD
    vkd_library_unlock();
    bool complete = true;
#define CHECK(name) complete = complete && instance->name;
    VKD_INSTANCE_FUNCTIONS(CHECK)
#undef CHECK
    if (!complete)
        return vkd_fail(instance->context, VKD_NO_DEVICE,
                        "the Vulkan instance lacks functions of Vulkan 1.1");
    return VKD_OK;
}

void vkd_device_load(const vkd_instance *instance, VkDevice device, struct VolkDeviceTable *out)
{
    vkd_library_lock();
    vkGetDeviceProcAddr = instance->vkGetDeviceProcAddr; /* what volkLoadDeviceTable asks */
    volkLoadDeviceTable(out, device);
    vkd_library_unlock();
}

void vkd_library_pin(PFN_vkVoidFunction function)
{
    Dl_info info;
    void *address;
    memcpy(&address, &function, sizeof address);
    if (!function || !dladdr(address, &info) || !info.dli_fname)
        return;
    void *library = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
    if (library)
        dlclose(library);
}
