/* Opens libvulkan and looks functions up. */
#define _GNU_SOURCE /* dladdr */
#include "runtime/vulkan.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

/* One mutex for the process. The Vulkan library keeps a list of all instances and devices, which
 * versions in use (1.3.239) walk without a lock in vkGetDeviceProcAddr, while another thread may be
 * creating or destroying one. With the mutex two threads can open and close devices at the same
 * time. The library itself stays open until the process ends, as the drivers' own threads and exit
 * handlers expect. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static vkd_library opened_library; /* written once, under the mutex */

void vkd_library_lock(void) { pthread_mutex_lock(&mutex); }
bool vkd_library_try_lock(void) { return pthread_mutex_trylock(&mutex) == 0; }
void vkd_library_unlock(void) { pthread_mutex_unlock(&mutex); }

/* 1.0 has no vkEnumerateInstanceVersion. */
static uint32_t version_of(PFN_vkGetInstanceProcAddr entry)
{
    PFN_vkEnumerateInstanceVersion ask =
        (PFN_vkEnumerateInstanceVersion)entry(NULL, "vkEnumerateInstanceVersion");
    uint32_t version = VK_API_VERSION_1_0;
    return ask && ask(&version) != VK_SUCCESS ? VK_API_VERSION_1_0 : version;
}

bool vkd_library_use(PFN_vkGetInstanceProcAddr entry)
{
    vkd_library found = {.version = version_of(entry), .vkGetInstanceProcAddr = entry};
    bool complete = true;
#define LOAD(name)                                                                                 \
    found.name = (PFN_##name)entry(NULL, #name);                                                   \
    complete = complete && found.name;
    VKD_LIBRARY_FUNCTIONS(LOAD)
#undef LOAD
    if (complete)
        opened_library = found;
    return complete;
}

static bool open_library(void)
{
    static const char *const names[] = {"libvulkan.so.1", "libvulkan.so"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        void *file = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        void *entry = file ? dlsym(file, "vkGetInstanceProcAddr") : NULL;
        if (entry && vkd_library_use((PFN_vkGetInstanceProcAddr)entry))
            return true;
        if (file)
            dlclose(file);
    }
    return false;
}

vkd_status vkd_library_open(vkd_context *context, const vkd_library **out)
{
    vkd_library_lock();
    bool opened = opened_library.version || open_library();
    uint32_t version = opened_library.version;
    vkd_library_unlock();
    *out = &opened_library;
    if (!opened)
        return vkd_fail(context, VKD_NO_DEVICE,
                        "no Vulkan library (libvulkan.so.1) was found: install the Vulkan loader");
    if (version < VK_API_VERSION_1_1)
        return vkd_fail(context, VKD_NO_DEVICE,
                        "the Vulkan library offers version %u.%u, 1.1 is needed",
                        VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version));
    return VKD_OK;
}

vkd_status vkd_instance_load(const vkd_library *library, vkd_instance *instance)
{
    vkd_library_lock();
#define LOAD(name)                                                                                 \
    instance->name = (PFN_##name)library->vkGetInstanceProcAddr(instance->handle, #name);
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

vkd_status vkd_device_load(const vkd_instance *instance, VkDevice device, vkd_device_functions *out)
{
    bool complete = true;
    vkd_library_lock();
#define LOAD(name)                                                                                 \
    out->name = (PFN_##name)instance->vkGetDeviceProcAddr(device, #name);                          \
    complete = complete && out->name;
    VKD_DEVICE_FUNCTIONS(LOAD)
#undef LOAD
#define LOAD(name) out->name = (PFN_##name)instance->vkGetDeviceProcAddr(device, #name);
    VKD_OPTIONAL_DEVICE_FUNCTIONS(LOAD)
#undef LOAD
    vkd_library_unlock();
    if (!complete)
        return vkd_fail(instance->context, VKD_NO_DEVICE,
                        "the Vulkan device lacks functions of Vulkan 1.0");
    return VKD_OK;
}

void vkd_library_pin(PFN_vkVoidFunction function)
{
    Dl_info info;
    void *address;
    memcpy(&address, &function, sizeof address);
    if (!function || !dladdr(address, &info) || !info.dli_fname)
        return;
    void *file = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
    if (file)
        dlclose(file);
}
