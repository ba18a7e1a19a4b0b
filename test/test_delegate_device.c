/* Which device a delegate runs on, how many share one, and working on a device of the caller's. */
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/model_io.h"
#include "support/small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

/* --------------------------------------------------------------------------------------- choice */

static vkd_status init_on(const char *device, const char **out_name, char *error, size_t error_size)
{
    static vkd_device_info info;
    small_model m;
    watch w;
    vkd_delegate *delegate;
    vkd_options options = watch_begin(&w);
    options.device = device;
    small_begin(&m, false, NULL);
    vkd_status status = small_init(&m, &options, &delegate);
    if (status == VKD_OK) {
        small_check(&m, delegate);
        info = *vkd_delegate_device(delegate);
    }
    *out_name = info.name;
    snprintf(error, error_size, "%s", w.error);
    vkd_destroy(delegate);
    small_end(&m);
    watch_end(&w);
    return status;
}

static void devices_by_number_and_name(void **state)
{
    (void)state;
    gpu_needed();
    enum { CAPACITY = 16 };
    vkd_device_info devices[CAPACITY];
    const char *name;
    char number[16], error[512];
    uint32_t count, only;
    assert_int_equal(vkd_list_devices(NULL, devices, CAPACITY, &count), VKD_OK);
    assert_true(count >= 1 && vkd_is_available());
    assert_int_equal(vkd_list_devices(NULL, devices, 0, &only), VKD_OK);
    assert_int_equal(only, count);
    for (uint32_t i = 0; i < count && i < CAPACITY; i++) {
        snprintf(number, sizeof number, "%u", i);
        assert_int_equal(init_on(number, &name, error, sizeof error), VKD_OK);
        assert_string_equal(name, devices[i].name);
    }
    assert_int_equal(init_on(devices[0].name, &name, error, sizeof error), VKD_OK);
    snprintf(number, sizeof number, "%u", count);
    assert_int_equal(init_on(number, &name, error, sizeof error), VKD_NO_DEVICE);
    assert_int_equal(init_on("no such device", &name, error, sizeof error), VKD_NO_DEVICE);
    assert_non_null(strstr(error, "no such device"));
    assert_non_null(strstr(error, devices[0].name)); /* what there is */
}

static void odd_options(void **state)
{
    (void)state;
    gpu_needed();
    small_model m;
    watch w;
    vkd_delegate *delegate;
    vkd_options options = watch_begin(&w);
    small_begin(&m, false, NULL);
    options.int8_dot = (vkd_int8_dot)7;
    assert_int_equal(small_init(&m, &options, &delegate), VKD_INVALID_ARGUMENT);
    options.int8_dot = VKD_DOT_AUTO;
    options.variant = "no such variant";
    assert_int_equal(small_init(&m, &options, &delegate), VKD_INVALID_ARGUMENT);
    assert_non_null(strstr(w.error, "no such variant"));
    assert_non_null(strstr(w.error, "families general, ")); /* what there is */
    assert_non_null(strstr(w.error, "tiles 4x4"));
    options.variant = "im2col";
    assert_int_equal(small_init(&m, &options, &delegate), VKD_OK);
    small_check(&m, delegate);
    vkd_destroy(delegate);
    watch_end(&w);
    small_end(&m);
}

/* ---------------------------------------------------------------------------- several at a time */

static void many_at_a_time(void **state)
{
    enum { COUNT = 6 };
    (void)state;
    gpu_needed();
    small_model m;
    watch *watches = calloc(COUNT, sizeof *watches);
    vkd_delegate *delegates[COUNT];
    assert_non_null(watches);
    small_begin(&m, false, NULL);
    for (int i = 0; i < COUNT; i++) {
        vkd_options options = watch_begin(&watches[i]);
        assert_int_equal(small_init(&m, &options, &delegates[i]), VKD_OK);
    }
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < COUNT; i++)
            small_check(&m, delegates[i]);
    for (int i = 0; i < COUNT; i += 2)
        vkd_destroy(delegates[i]);
    for (int i = 1; i < COUNT; i += 2) {
        small_check(&m, delegates[i]);
        vkd_destroy(delegates[i]);
    }
    for (int i = 0; i < COUNT; i++)
        watch_end(&watches[i]);
    free(watches);
    small_end(&m);
}

/* What one thread does over and over; no assertion of cmocka may fail outside the main thread. */
typedef struct worker {
    pthread_t thread;
    small_model model;
    watch watch;
    vkd_options options;
    const char *fault;
} worker;

static void *work(void *user)
{
    worker *w = user;
    for (int i = 0; i < 4 && !w->fault; i++) {
        vkd_delegate *delegate;
        float y[SMALL_Y];
        if (small_init(&w->model, &w->options, &delegate) != VKD_OK)
            w->fault = w->watch.error;
        for (int run = 0; run < 10 && !w->fault; run++)
            if (small_execute(&w->model, delegate, y) != VKD_OK || memcmp(y, w->model.y, sizeof y))
                w->fault = "a wrong result";
        vkd_destroy(delegate);
    }
    return NULL;
}

static void run_workers(worker *workers, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (int i = 0; i < count; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    for (int i = 0; i < count; i++) {
        if (workers[i].fault)
            fail_msg("thread %d: %s", i, workers[i].fault);
        watch_end(&workers[i].watch);
        small_end(&workers[i].model);
    }
}

enum { WORKERS = 2 };

static worker *new_workers(void)
{
    worker *workers = calloc(WORKERS, sizeof *workers);
    assert_non_null(workers);
    for (int i = 0; i < WORKERS; i++) {
        small_begin(&workers[i].model, i % 2, NULL);
        workers[i].options = watch_begin(&workers[i].watch);
    }
    return workers;
}

static void two_threads(void **state)
{
    (void)state;
    gpu_needed();
    worker *workers = new_workers();
    run_workers(workers, WORKERS);
    free(workers);
}

/* Both threads read and replace the same cache file. */
static void two_threads_with_one_cache(void **state)
{
    (void)state;
    gpu_needed();
    char *directory = new_directory();
    worker *workers = new_workers();
    for (int i = 0; i < WORKERS; i++) {
        workers[i].options.no_cache = false;
        workers[i].options.cache_dir = directory;
    }
    run_workers(workers, WORKERS);
    free(workers);
    free(only_file(directory)); /* one file, no temporary one */
    remove_tree(directory);
    free(directory);
}

/* -------------------------------------------------------------------------- the caller's device */

#define FUNCTIONS(X)                                                                               \
    X(vkGetInstanceProcAddr)                                                                       \
    X(vkCreateInstance)                                                                            \
    X(vkDestroyInstance)                                                                           \
    X(vkEnumeratePhysicalDevices)                                                                  \
    X(vkGetPhysicalDeviceProperties)                                                               \
    X(vkGetPhysicalDeviceFeatures2)                                                                \
    X(vkGetPhysicalDeviceQueueFamilyProperties)                                                    \
    X(vkCreateDevice)                                                                              \
    X(vkDestroyDevice)                                                                             \
    X(vkGetDeviceQueue)                                                                            \
    X(vkDeviceWaitIdle)                                                                            \
    X(vkCreateFence)                                                                               \
    X(vkDestroyFence)                                                                              \
    X(vkWaitForFences)                                                                             \
    X(vkCreateCommandPool)                                                                         \
    X(vkDestroyCommandPool)                                                                        \
    X(vkAllocateCommandBuffers)                                                                    \
    X(vkBeginCommandBuffer)                                                                        \
    X(vkEndCommandBuffer)                                                                          \
    X(vkQueueSubmit)

/* An application with a Vulkan device of its own. */
typedef struct application {
#define MEMBER(name) PFN_##name name;
    FUNCTIONS(MEMBER)
#undef MEMBER
    vkd_vulkan vulkan;
    PFN_vkDestroyDebugUtilsMessengerEXT destroy_messenger;
    VkDebugUtilsMessengerEXT messenger;
    uint32_t messages; /* of the validation layer, where VKD_TEST_VALIDATE=1 */
    VkCommandPool pool;
    VkCommandBuffer commands;
    pthread_mutex_t mutex;
    int locked, uses;
} application;

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data,
                                                 void *user)
{
    (void)severity, (void)types;
    ((application *)user)->messages++;
    print_error("%s\n", data->pMessage);
    return VK_FALSE;
}

static void open_instance(application *a)
{
    void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
#define LOAD(name) assert_non_null(a->name = (PFN_##name)dlsym(library, #name));
    FUNCTIONS(LOAD)
#undef LOAD
    const char *wanted = getenv("VKD_TEST_VALIDATE");
    const bool validate = wanted && !strcmp(wanted, "1");
    const char *layer = "VK_LAYER_KHRONOS_validation",
               *extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    const VkDebugUtilsMessengerCreateInfoEXT messenger = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                           VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = a,
    };
    const VkApplicationInfo application_info = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                                .apiVersion = VK_API_VERSION_1_3};
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application_info,
        .enabledLayerCount = validate,
        .ppEnabledLayerNames = &layer,
        .enabledExtensionCount = validate,
        .ppEnabledExtensionNames = &extension,
    };
    assert_int_equal(a->vkCreateInstance(&info, NULL, &a->vulkan.instance), VK_SUCCESS);
    if (!validate)
        return;
    PFN_vkCreateDebugUtilsMessengerEXT create =
        (PFN_vkCreateDebugUtilsMessengerEXT)a->vkGetInstanceProcAddr(
            a->vulkan.instance, "vkCreateDebugUtilsMessengerEXT");
    a->destroy_messenger = (PFN_vkDestroyDebugUtilsMessengerEXT)a->vkGetInstanceProcAddr(
        a->vulkan.instance, "vkDestroyDebugUtilsMessengerEXT");
    assert_int_equal(create(a->vulkan.instance, &messenger, NULL, &a->messenger), VK_SUCCESS);
}

/* The first device with a queue family for compute. */
static void choose_device(application *a)
{
    VkPhysicalDevice devices[16];
    uint32_t count = 16;
    assert_true(a->vkEnumeratePhysicalDevices(a->vulkan.instance, &count, devices) >= 0);
    for (uint32_t i = 0; i < count; i++) {
        VkQueueFamilyProperties families[32];
        uint32_t family_count = 32;
        a->vkGetPhysicalDeviceQueueFamilyProperties(devices[i], &family_count, families);
        for (uint32_t f = 0; f < family_count; f++)
            if (families[f].queueFlags & VK_QUEUE_COMPUTE_BIT) {
                a->vulkan.physical_device = devices[i];
                a->vulkan.queue_family = f;
                return;
            }
    }
    fail_msg("no device with compute");
}

/* How far a caller goes in enabling the integer dot product: not at all, or where the device has it
 * in Vulkan 1.3. */
static void open_device(application *a, bool dot)
{
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceShaderIntegerDotProductFeatures features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES};
    VkPhysicalDeviceFeatures2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                     .pNext = &features};
    a->vkGetPhysicalDeviceProperties(a->vulkan.physical_device, &properties);
    if (dot && properties.apiVersion >= VK_API_VERSION_1_3)
        a->vkGetPhysicalDeviceFeatures2(a->vulkan.physical_device, &all);
    a->vulkan.integer_dot_product = features.shaderIntegerDotProduct;
    const float priority = 0.5f;
    const VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                           .queueFamilyIndex = a->vulkan.queue_family,
                                           .queueCount = 1,
                                           .pQueuePriorities = &priority};
    const VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                     .pNext = a->vulkan.integer_dot_product ? &features : NULL,
                                     .queueCreateInfoCount = 1,
                                     .pQueueCreateInfos = &queue};
    assert_int_equal(a->vkCreateDevice(a->vulkan.physical_device, &info, NULL, &a->vulkan.device),
                     VK_SUCCESS);
    a->vkGetDeviceQueue(a->vulkan.device, a->vulkan.queue_family, 0, &a->vulkan.queue);
}

static void lock(void *user)
{
    application *a = user;
    pthread_mutex_lock(&a->mutex);
    a->locked++;
    a->uses++;
}

static void unlock(void *user)
{
    application *a = user;
    a->locked--;
    pthread_mutex_unlock(&a->mutex);
}

static void open_application(application *a, bool dot)
{
    *a = (application){.mutex = PTHREAD_MUTEX_INITIALIZER};
    open_instance(a);
    choose_device(a);
    open_device(a, dot);
    a->vulkan.size = sizeof a->vulkan;
    a->vulkan.lock = lock;
    a->vulkan.unlock = unlock;
    a->vulkan.user = a;
    const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                          .queueFamilyIndex = a->vulkan.queue_family};
    assert_int_equal(a->vkCreateCommandPool(a->vulkan.device, &pool, NULL, &a->pool), VK_SUCCESS);
    const VkCommandBufferAllocateInfo buffer = {.sType =
                                                    VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                                .commandPool = a->pool,
                                                .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                                .commandBufferCount = 1};
    assert_int_equal(a->vkAllocateCommandBuffers(a->vulkan.device, &buffer, &a->commands),
                     VK_SUCCESS);
}

/* The application's own objects still do their work. */
static void use_application(application *a)
{
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    const VkSubmitInfo submit = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                 .commandBufferCount = 1,
                                 .pCommandBuffers = &a->commands};
    VkFence fence;
    assert_int_equal(a->vkCreateFence(a->vulkan.device, &info, NULL, &fence), VK_SUCCESS);
    assert_int_equal(a->vkBeginCommandBuffer(a->commands, &begin), VK_SUCCESS);
    assert_int_equal(a->vkEndCommandBuffer(a->commands), VK_SUCCESS);
    assert_int_equal(a->vkQueueSubmit(a->vulkan.queue, 1, &submit, fence), VK_SUCCESS);
    assert_int_equal(
        a->vkWaitForFences(a->vulkan.device, 1, &fence, VK_TRUE, UINT64_C(10000000000)),
        VK_SUCCESS);
    a->vkDestroyFence(a->vulkan.device, fence, NULL);
}

/* Here the validation layer would name every object that was left on the device. */
static void close_application(application *a)
{
    assert_int_equal(a->vkDeviceWaitIdle(a->vulkan.device), VK_SUCCESS);
    a->vkDestroyCommandPool(a->vulkan.device, a->pool, NULL);
    a->vkDestroyDevice(a->vulkan.device, NULL);
    if (a->destroy_messenger)
        a->destroy_messenger(a->vulkan.instance, a->messenger, NULL);
    a->vkDestroyInstance(a->vulkan.instance, NULL);
    assert_int_equal(a->messages, 0);
    assert_int_equal(a->locked, 0);
}

static void device_of_the_caller(void **state)
{
    (void)state;
    gpu_needed();
    for (int dot = 0; dot < 2; dot++) {
        application a;
        small_model m;
        watch w;
        vkd_delegate *delegate;
        open_application(&a, dot);
        small_begin(&m, false, NULL);
        vkd_options options = watch_begin(&w);
        options.vulkan = &a.vulkan;
        options.device = "not read";
        if (small_init(&m, &options, &delegate) != VKD_OK)
            fail_msg("%s", w.error);
        small_check(&m, delegate);
        assert_true(a.uses >= 2 && a.locked == 0); /* uploads, the run */
        assert_true(a.vulkan.integer_dot_product ||
                    vkd_delegate_device(delegate)->int8_dot == VKD_DOT_NONE);
        vkd_destroy(delegate);
        use_application(&a);
        watch_end(&w);
        small_end(&m);
        close_application(&a);
    }
}

/* Several in flight share the caller's one queue, each submission under its lock. */
static void several_in_flight_on_the_callers_device(void **state)
{
    (void)state;
    gpu_needed();
    enum { REQUESTS = 8 };
    application a;
    small_model m;
    watch w;
    vkd_delegate *delegate;
    float y[REQUESTS][SMALL_Y];
    uint64_t tickets[REQUESTS];
    small_args args[REQUESTS];
    open_application(&a, true);
    small_begin(&m, false, NULL);
    vkd_options options = watch_begin(&w);
    options.vulkan = &a.vulkan;
    options.in_flight = 3;
    if (small_init(&m, &options, &delegate) != VKD_OK)
        fail_msg("%s", w.error);
    int uses = a.uses;
    for (int i = 0; i < REQUESTS; i++) {
        small_args_set(&args[i], m.x, y[i]);
        assert_int_equal(vkd_submit(delegate, args[i].args, 2, &tickets[i]), VKD_OK);
        assert_true(a.uses == uses + i + 1 && a.locked == 0);
        use_application(&a); /* in between */
    }
    for (int i = 0; i < REQUESTS - 1; i++) {
        assert_int_equal(vkd_wait(delegate, tickets[i]), VKD_OK);
        assert_memory_equal(y[i], m.y, sizeof m.y);
    }
    assert_int_equal(a.uses, uses + REQUESTS); /* waiting takes no lock */
    vkd_destroy(delegate);
    use_application(&a);
    watch_end(&w);
    small_end(&m);
    close_application(&a);
}

/* Two delegates in two threads on one queue of the caller's, which the lock keeps apart. */
static void threads_on_the_callers_device(void **state)
{
    (void)state;
    gpu_needed();
    application a;
    open_application(&a, true);
    worker *workers = new_workers();
    for (int i = 0; i < WORKERS; i++)
        workers[i].options.vulkan = &a.vulkan;
    run_workers(workers, WORKERS);
    free(workers);
    use_application(&a);
    close_application(&a);
}

/* What init had made is gone when it fails on the caller's device. */
static void failed_init_on_the_callers_device(void **state)
{
    (void)state;
    gpu_needed();
    application a;
    small_model m;
    watch w;
    vkd_delegate *delegate;
    open_application(&a, false);
    small_begin(&m, false, &(small_flaw){.activation = "gelu"});
    vkd_options options = watch_begin(&w);
    options.vulkan = &a.vulkan;
    assert_int_equal(small_init(&m, &options, &delegate), VKD_UNSUPPORTED);
    options.int8_dot = VKD_DOT_SIGNED; /* not enabled */
    assert_int_equal(small_init(&m, &options, &delegate), VKD_UNSUPPORTED);
    use_application(&a);
    watch_end(&w);
    small_end(&m);
    close_application(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_by_number_and_name),
        cmocka_unit_test(odd_options),
        cmocka_unit_test(many_at_a_time),
        cmocka_unit_test(two_threads),
        cmocka_unit_test(two_threads_with_one_cache),
        cmocka_unit_test(device_of_the_caller),
        cmocka_unit_test(several_in_flight_on_the_callers_device),
        cmocka_unit_test(threads_on_the_callers_device),
        cmocka_unit_test(failed_init_on_the_callers_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
