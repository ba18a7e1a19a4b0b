/* Drivers that leave unwritten what they should write, or claim more than there is: the library
 * works, or says why it does not.
 */
#include "runtime/adapter.h"
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Loads and runs the small model on an odd driver. */
static vkd_status run_small(const char *function, faulty_oddity oddity, const char *cache)
{
    small_model m;
    watch w;
    vkd_delegate *delegate;
    vkd_options options = watch_begin(&w);
    options.validate = false;
    options.no_cache = !cache;
    options.cache_dir = cache;
    small_begin(&m, false, NULL);
    faulty_driver_be_odd(function, oddity);
    vkd_status status = small_init(&m, &options, &delegate);
    if (status == VKD_OK)
        small_check(&m, delegate);
    else if (!*w.error)
        fail_msg("%s: %s without a message", function, vkd_status_name(status));
    vkd_destroy(delegate);
    if (w.counts[VKD_LOG_ERROR] != (status != VKD_OK))
        fail_msg("%s: %u errors in the log", function, w.counts[VKD_LOG_ERROR]);
    if (function && !faulty_driver_odd_calls())
        fail_msg("%s was never called", function);
    faulty_driver_be_odd(NULL, FAULTY_NO_ODDITY);
    small_end(&m);
    watch_end(&w);
    return status;
}

static void odd_lists(void **state)
{
    (void)state;
    gpu_needed();
    static const char *const functions[] = {
        "vkEnumerateInstanceExtensionProperties", "vkEnumerateDeviceExtensionProperties",
        "vkEnumeratePhysicalDevices", "vkGetPhysicalDeviceQueueFamilyProperties"};
    for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
        const bool vital = f >= 2; /* without one there is no device */
        assert_int_equal(run_small(functions[f], FAULTY_LIST_LONG, NULL), VKD_OK);
        assert_int_equal(run_small(functions[f], FAULTY_LIST_REPEATED, NULL), VKD_OK);
        assert_int_equal(run_small(functions[f], FAULTY_LIST_UNWRITTEN, NULL),
                         vital ? VKD_NO_DEVICE : VKD_OK);
        vkd_status status = run_small(functions[f], FAULTY_LIST_SHORT, NULL);
        assert_true(status == VKD_OK || (vital && status == VKD_NO_DEVICE));
    }
}

/* A family is there only if the driver counts it. */
static void uncounted_families(void **state)
{
    gpu *g = gpu_get(state);
    const vkd_instance *instance = &g->device->instance;
    VkPhysicalDevice devices[16];
    uint32_t count = 16, families = 0;
    assert_true(instance->vkEnumeratePhysicalDevices(instance->handle, &count, devices) >=
                    VK_SUCCESS &&
                count);
    instance->vkGetPhysicalDeviceQueueFamilyProperties(devices[0], &families, NULL);
    faulty_driver_be_odd("vkGetPhysicalDeviceQueueFamilyProperties", FAULTY_LIST_REPEATED);
    vkd_adapter adapter;
    bool fits;
    assert_int_equal(vkd_adapter_query(instance, devices[0], VKD_ANY_FAMILY, &adapter, &fits),
                     VKD_OK);
    assert_true(fits && adapter.queue_family < families);
    assert_int_equal(vkd_adapter_query(instance, devices[0], families, &adapter, &fits), VKD_OK);
    assert_false(fits);
    faulty_driver_be_odd(NULL, FAULTY_NO_ODDITY);
    gpu_close(g);
}

/* Unwritten limits are the least that Vulkan promises. */
static void unwritten_limits(void **state)
{
    gpu *g = gpu_get(state);
    const vkd_instance *instance = &g->device->instance;
    VkPhysicalDevice devices[16];
    uint32_t count = 16;
    assert_true(instance->vkEnumeratePhysicalDevices(instance->handle, &count, devices) >=
                    VK_SUCCESS &&
                count);
    faulty_driver_be_odd("vkGetPhysicalDeviceProperties", FAULTY_NO_LIMITS);
    vkd_adapter adapter;
    bool fits;
    assert_int_equal(vkd_adapter_query(instance, devices[0], VKD_ANY_FAMILY, &adapter, &fits),
                     VKD_OK);
    const vkd_caps *caps = &adapter.caps;
    assert_true(fits && caps->max_workgroup_invocations == 128 &&
                caps->max_workgroup_size[2] == 64 && caps->max_workgroup_count[0] == 65535 &&
                caps->shared_memory == 16384 && caps->max_push_constants == 128 &&
                caps->max_storage_range == 1u << 27 && caps->storage_alignment == 256 &&
                caps->max_storage_buffers == 4);
    gpu_close(g);
    /* Some kernels have 5 storage buffers, so that this may be refused; that is said, and nothing
     * is divided by zero. */
    vkd_status status = run_small("vkGetPhysicalDeviceProperties", FAULTY_NO_LIMITS, NULL);
    assert_true(status == VKD_OK || status == VKD_UNSUPPORTED);
}

static void unwritten_structs(void **state)
{
    (void)state;
    gpu_needed();
    static const struct {
        const char *function;
        vkd_status status;
    } cases[] = {
        {"vkGetPhysicalDeviceProperties", VKD_NO_DEVICE}, /* no version is below 1.1 */
        {"vkGetPhysicalDeviceProperties2", VKD_OK},
        {"vkGetPhysicalDeviceFeatures2", VKD_OK},
        {"vkGetPhysicalDeviceMemoryProperties", VKD_OUT_OF_MEMORY},
        {"vkGetBufferMemoryRequirements", VKD_OUT_OF_MEMORY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vkd_status status = run_small(cases[i].function, FAULTY_UNWRITTEN, NULL);
        if (status != cases[i].status)
            fail_msg("%s: %s, expected %s", cases[i].function, vkd_status_name(status),
                     vkd_status_name(cases[i].status));
    }
}

/* ------------------------------------------------------------------------------- pipeline cache */

/* The size of the only file in a directory; 0 if there is none. */
static long file_size(const char *directory)
{
    struct stat info = {0};
    char *path = only_file(directory);
    if (path)
        assert_int_equal(stat(path, &info), 0);
    free(path);
    return (long)info.st_size;
}

static void cache_that_gets_a_header(void **state)
{
    (void)state;
    gpu_needed();
    char *directory = new_directory();
    assert_int_equal(run_small("vkGetPipelineCacheData", FAULTY_CACHE_HEADER, directory), VKD_OK);
    const long size = file_size(directory);
    assert_true(size > 0);
    for (int start = 0; start < 3; start++) {
        assert_int_equal(run_small("vkGetPipelineCacheData", FAULTY_CACHE_HEADER, directory),
                         VKD_OK);
        assert_int_equal(file_size(directory), size);
    }
    remove_tree(directory);
    free(directory);
}

static void odd_caches(void **state)
{
    (void)state;
    gpu_needed();
    static const faulty_oddity oddities[] = {FAULTY_CACHE_LONG, FAULTY_CACHE_SHORT,
                                             FAULTY_CACHE_UNWRITTEN};
    char *usual = new_directory();
    assert_int_equal(run_small(NULL, FAULTY_NO_ODDITY, usual), VKD_OK);
    for (size_t i = 0; i < sizeof oddities / sizeof *oddities; i++) {
        char *directory = new_directory();
        for (int start = 0; start < 2; start++)
            assert_int_equal(run_small("vkGetPipelineCacheData", oddities[i], directory), VKD_OK);
        const long left = file_size(directory);
        /* zeros are no cache */
        assert_true(left == 0 || oddities[i] != FAULTY_CACHE_UNWRITTEN);
        /* with what is left of it */
        assert_int_equal(run_small(NULL, FAULTY_NO_ODDITY, directory), VKD_OK);
        const long size = file_size(directory);
        assert_true(size > 0);
        assert_true(left <= 2 * file_size(usual)); /* not what a driver claims */
        assert_int_equal(run_small(NULL, FAULTY_NO_ODDITY, directory), VKD_OK);
        assert_int_equal(file_size(directory), size);
        remove_tree(directory);
        free(directory);
    }
    remove_tree(usual);
    free(usual);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_lists),
        cmocka_unit_test_setup_teardown(uncounted_families, gpu_setup, gpu_teardown),
        cmocka_unit_test_setup_teardown(unwritten_limits, gpu_setup, gpu_teardown),
        cmocka_unit_test(unwritten_structs),
        cmocka_unit_test(cache_that_gets_a_header),
        cmocka_unit_test(odd_caches),
    };
    faulty_driver_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
