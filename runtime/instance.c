/* Vulkan instances, of which one is kept for the next, and their validation messages. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/vulkan.h"

static const char validation_layer[] = "VK_LAYER_KHRONOS_validation";

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data,
                                                 void *user)
{
    (void)severity;
    (void)types;
    vkd_instance *instance = user;
    instance->validation_messages++;
    char line[2048]; /* the layers' messages are longer than what vkd_log takes */
    snprintf(line, sizeof line, "Vulkan validation: %s", data->pMessage);
    for (char *c = line; *c; c++)
        if (*c == '\n')
            *c = ' ';
    instance->context->log(instance->context->log_user, VKD_LOG_ERROR, line);
    return VK_FALSE;
}

static VkResult list_layers(const void *of, uint32_t *count, void *out)
{
    const vkd_library *library = of;
    return library->vkEnumerateInstanceLayerProperties(count, out);
}

typedef struct extensions_of {
    const vkd_library *library;
    const char *layer;
} extensions_of;

static VkResult list_extensions(const void *of, uint32_t *count, void *out)
{
    const extensions_of *asked = of;
    return asked->library->vkEnumerateInstanceExtensionProperties(asked->layer, count, out);
}

static vkd_status find_layer(vkd_context *context, const vkd_library *library, const char *name,
                             bool *out)
{
    void *list;
    uint32_t count;
    *out = false;
    VKD_TRY(vkd_enumerate(context, list_layers, library, sizeof(VkLayerProperties),
                          "vkEnumerateInstanceLayerProperties", &list, &count));
    const VkLayerProperties *layers = list;
    for (uint32_t i = 0; i < count && !*out; i++)
        *out = strncmp(layers[i].layerName, name, sizeof layers[i].layerName) == 0;
    vkd_free(context, list);
    return VKD_OK;
}

/* layer null: extensions of the loader and the drivers. */
static vkd_status find_extension(vkd_context *context, const vkd_library *library,
                                 const char *layer, const char *name, bool *out)
{
    const extensions_of asked = {library, layer};
    void *list;
    uint32_t count;
    *out = false;
    VKD_TRY(vkd_enumerate(context, list_extensions, &asked, sizeof(VkExtensionProperties),
                          "vkEnumerateInstanceExtensionProperties", &list, &count));
    const VkExtensionProperties *extensions = list;
    for (uint32_t i = 0; i < count && !*out; i++)
        *out = strncmp(extensions[i].extensionName, name, sizeof extensions[i].extensionName) == 0;
    vkd_free(context, list);
    return VKD_OK;
}

static vkd_status check_validation(vkd_context *context, const vkd_library *library)
{
    static const char *const needed[] = {VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME,
                                         VK_EXT_DEBUG_UTILS_EXTENSION_NAME};
    bool found;
    VKD_TRY(find_layer(context, library, validation_layer, &found));
    if (!found)
        return vkd_fail(context, VKD_NOT_FOUND,
                        "validation was asked for, but the layer %s is not installed",
                        validation_layer);
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        VKD_TRY(find_extension(context, library, validation_layer, needed[i], &found));
        if (!found)
            return vkd_fail(context, VKD_NOT_FOUND,
                            "validation was asked for, but the layer %s lacks %s", validation_layer,
                            needed[i]);
    }
    return VKD_OK;
}

static const VkValidationFeatureEnableEXT validation_features[] = {
    VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT};
static const VkValidationFeaturesEXT validation = {
    .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
    .enabledValidationFeatureCount = 1,
    .pEnabledValidationFeatures = validation_features,
};

static VkDebugUtilsMessengerCreateInfoEXT messenger_of(vkd_instance *instance)
{
    return (VkDebugUtilsMessengerCreateInfoEXT){
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                           VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT |
                       VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = instance,
    };
}

static vkd_status create_messenger(vkd_instance *instance)
{
    const VkDebugUtilsMessengerCreateInfoEXT info = messenger_of(instance);
    VkResult result = instance->vkCreateDebugUtilsMessengerEXT
                          ? instance->vkCreateDebugUtilsMessengerEXT(instance->handle, &info, NULL,
                                                                     &instance->messenger)
                          : VK_ERROR_EXTENSION_NOT_PRESENT;
    return vkd_vk_status(instance->context, result, "vkCreateDebugUtilsMessengerEXT");
}

vkd_status vkd_instance_create(vkd_context *context, bool validate, vkd_instance *instance)
{
    *instance = (vkd_instance){.context = context};
    const vkd_library *library;
    VKD_TRY(vkd_library_open(context, &library));
    instance->version =
        library->version < VK_API_VERSION_1_3 ? library->version : VK_API_VERSION_1_3;
    if (validate)
        VKD_TRY(check_validation(context, library));

    const char *extensions[3];
    uint32_t extension_count = 0;
    bool portability;
    VKD_TRY(find_extension(context, library, NULL, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME,
                           &portability));
    if (portability)
        extensions[extension_count++] = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
    if (validate) {
        extensions[extension_count++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
        extensions[extension_count++] = VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME;
    }
    const char *layers[] = {validation_layer};
    /* In the instance's chain it reports on the creation and destruction of the instance itself. */
    VkDebugUtilsMessengerCreateInfoEXT messenger = messenger_of(instance);
    messenger.pNext = &validation;
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pEngineName = "vkdelegate",
        .engineVersion =
            VK_MAKE_API_VERSION(0, VKD_VERSION_MAJOR, VKD_VERSION_MINOR, VKD_VERSION_PATCH),
        .apiVersion = instance->version,
    };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pNext = validate ? &messenger : NULL,
        .flags = portability ? VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR : 0,
        .pApplicationInfo = &application,
        .enabledLayerCount = validate ? 1 : 0,
        .ppEnabledLayerNames = layers,
        .enabledExtensionCount = extension_count,
        .ppEnabledExtensionNames = extensions,
    };
    vkd_library_lock();
    VkResult result = library->vkCreateInstance(&info, NULL, &instance->handle);
    vkd_library_unlock();
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
        return vkd_fail(
            context, VKD_NO_DEVICE,
            "the Vulkan library found no driver: install the GPU's, or Mesa's llvmpipe, which "
            "runs on the CPU");
    VKD_TRY(vkd_vk_status(context, result, "vkCreateInstance"));
    VKD_TRY(vkd_instance_load(library, instance));
    return validate ? create_messenger(instance) : VKD_OK;
}

vkd_status vkd_instance_borrow(vkd_context *context, VkInstance handle, vkd_instance *instance)
{
    *instance = (vkd_instance){
        .handle = handle, .borrowed = true, .context = context, .version = VK_API_VERSION_1_3};
    const vkd_library *library;
    VKD_TRY(vkd_library_open(context, &library));
    VKD_TRY(vkd_instance_load(library, instance));
    /* The loader gives out debug functions even where the caller has not enabled them. */
    instance->vkSetDebugUtilsObjectNameEXT = NULL;
    return VKD_OK;
}

/* The first instance that is not needed any more stays, so that the Vulkan library does not unload
 * the drivers: NVIDIA's uses up thread-local storage each time it is loaded, and after ten times
 * none is left in the process ("found no driver"). It goes when this library does; the driver of a
 * device then stays (vkd_library_pin). */
static struct {
    VkInstance handle;
    uint32_t version;
    PFN_vkDestroyInstance destroy;
    pid_t owner;
} kept;

/* When this library is unloaded, or at exit: there it is called before the handlers of the drivers,
 * which were loaded before it was registered. A process that was forked has none of the instance's
 * threads, and must not wait for them. */
static void give_back(void)
{
    if (kept.owner != getpid() || !vkd_library_try_lock())
        return;
    kept.destroy(kept.handle, NULL);
    kept.owner = 0;
    vkd_library_unlock();
}

/* In a process that was forked the parent's is none. */
static bool keep(const vkd_instance *instance)
{
    static bool registered;
    if (kept.handle && kept.owner == getpid())
        return false;
    if (!registered && atexit(give_back) != 0)
        return false;
    registered = true;
    kept.handle = instance->handle;
    kept.version = instance->version;
    kept.destroy = instance->vkDestroyInstance;
    kept.owner = getpid();
    return true;
}

vkd_status vkd_instance_find(vkd_context *context, vkd_instance *instance)
{
    vkd_library_lock();
    VkInstance handle = kept.owner == getpid() ? kept.handle : VK_NULL_HANDLE;
    const uint32_t version = kept.version;
    vkd_library_unlock();
    if (!handle)
        return vkd_instance_create(context, false, instance);
    vkd_status status = vkd_instance_borrow(context, handle, instance);
    instance->version = version;
    return status;
}

void vkd_instance_destroy(vkd_instance *instance)
{
    bool validates = instance->messenger;
    if (validates)
        instance->vkDestroyDebugUtilsMessengerEXT(instance->handle, instance->messenger, NULL);
    if (instance->handle && !instance->borrowed && instance->vkDestroyInstance) {
        vkd_library_lock();
        if (validates || !keep(instance))
            instance->vkDestroyInstance(instance->handle, NULL);
        vkd_library_unlock();
    }
    *instance = (vkd_instance){0};
}
