/* The Vulkan layer when things go wrong: no library, no driver, no memory, failing calls, a device
 * that does not answer. Every failure is a status and a message, nothing leaks, validation stays
 * silent, and a new device works afterwards. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/vulkan.h"
#include "support/gpu.h"
#include "support/skip.h"

enum { WORDS = 256 };

/* Everything that the layer does, in short. Releases what it made, whatever happens. */
static vkd_status exercise(vkd_device *device)
{
    static const uint32_t push[] = {WORDS, 7}, groups[] = {WORDS / 64, 1, 1};
    vkd_buffer x = {0}, y = {0};
    vkd_uploader *uploader = NULL;
    vkd_commands *commands = NULL;
    vkd_pipeline pipeline;
    void *memory;
    uint32_t back[WORDS];
    const vkd_slice slices[] = {{&x, 0, sizeof back, false}, {&y, 0, sizeof back, true}};
    vkd_status status = vkd_buffer_create(device, VKD_MEMORY_DEVICE, sizeof back, "x", &x);
    if (status == VKD_OK)
        status = vkd_buffer_create(device, VKD_MEMORY_READBACK, sizeof back, "y", &y);
    if (status == VKD_OK)
        status = vkd_uploader_begin(device, sizeof back, sizeof back, &uploader);
    if (status == VKD_OK)
        status = vkd_uploader_reserve(uploader, &x, 0, sizeof back, &memory);
    if (status == VKD_OK)
        memset(memory, 0, sizeof back);
    vkd_status uploaded = vkd_uploader_finish(uploader);
    if (status == VKD_OK)
        status = uploaded;
    if (status == VKD_OK)
        status = vkd_pipeline_get(device, &gpu_scale, &pipeline);
    if (status == VKD_OK)
        status = vkd_commands_begin(device, 1, 2, 1, true, &commands);
    if (status == VKD_OK)
        status = vkd_commands_dispatch(commands, &pipeline, slices, 2, push, sizeof push, groups);
    if (status == VKD_OK)
        status = vkd_commands_end(commands);
    if (status == VKD_OK)
        status = vkd_commands_run(commands);
    if (status == VKD_OK)
        status = vkd_buffer_invalidate(device, &y);
    if (status == VKD_OK)
        status = vkd_buffer_read(device, &y, 0, sizeof back, back);
    vkd_commands_destroy(commands);
    vkd_buffer_destroy(device, &x);
    vkd_buffer_destroy(device, &y);
    return status == VKD_OK && back[0] != 7 ? VKD_DEVICE_ERROR : status;
}

static void opens_and_works(gpu *g)
{
    gpu_init(g);
    assert_int_equal(gpu_open(g), VKD_OK);
    assert_int_equal(exercise(g->device), VKD_OK);
    gpu_close(g);
}

/* -------------------------------------------------------------- no library, no driver, no layer */

static bool hide_libraries;

/* Takes the place of the C library's. */
void *dlopen(const char *name, int flags)
{
    if (hide_libraries)
        return NULL;
    void *(*real)(const char *, int) = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
    return real(name, flags);
}

/* In a child process, because a library once opened stays. Returns whether opening a device and
 * listing them fail like this. */
static bool child_fails(vkd_status expected, const char *message, void (*prepare)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        static gpu g;
        static vkd_device_info info;
        uint32_t count = 1;
        gpu_init(&g);
        vkd_context_init(&g.context, &g.options);
        prepare();
        bool good = vkd_device_open(&g.context, &g.options, &g.device) == expected && !g.device &&
                    strstr(g.context.error, message) && g.log_counts[VKD_LOG_ERROR] == 1;
        /* no layer is needed for a list */
        vkd_status listed = vkd_device_list(&g.context, &info, 1, &count);
        good = good && (expected == VKD_NOT_FOUND || (listed == expected && count == 0));
        _exit(good && g.live_allocations == 0 ? 0 : 1);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    return WIFEXITED(result) && WEXITSTATUS(result) == 0;
}

static void hide(void) { hide_libraries = true; }

static void no_library(void **state)
{
    (void)state;
    assert_true(child_fails(VKD_NO_DEVICE, "no Vulkan library", hide));
}

static bool library_present(void)
{
    void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library)
        dlclose(library);
    return library;
}

static void no_drivers(void)
{
    setenv("VK_DRIVER_FILES", "/nonexistent.json", 1);
    setenv("VK_ICD_FILENAMES", "/nonexistent.json", 1);
    setenv("VK_LOADER_LAYERS_DISABLE", "~implicit~", 1);
}

static void no_driver(void **state)
{
    (void)state;
    if (!library_present()) {
        test_skip("there is no Vulkan library");
    }
    pid_t child = fork(); /* the layer is not what this is about: open without validation */
    assert_true(child >= 0);
    if (child == 0) {
        no_drivers();
        static gpu g;
        gpu_init(&g);
        g.options.validate = false;
        vkd_context_init(&g.context, &g.options);
        bool good =
            vkd_device_open(&g.context, &g.options, &g.device) == VKD_NO_DEVICE && !g.device;
        _exit(good && strstr(g.context.error, "driver") && g.live_allocations == 0 ? 0 : 1);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
}

static void no_layers(void) { setenv("VK_LAYER_PATH", "/nonexistent", 1); }

static void no_validation_layer(void **state)
{
    (void)state;
    gpu_needed();
    assert_true(
        child_fails(VKD_NOT_FOUND, "VK_LAYER_KHRONOS_validation is not installed", no_layers));
}

/* ---------------------------------------------------------------------------------- host memory */

/* The n-th allocation fails, for every n: opening a device and working with it fail cleanly or do
 * without. */
static void each_allocation_fails(void **state)
{
    gpu_needed();
    gpu *g = *state;
    char *directory = new_directory();
    gpu_init(g);
    g->options.no_cache = false;
    g->options.cache_dir = directory;
    /* leaves a cache file, so that reading it is tried too */
    assert_int_equal(gpu_open(g), VKD_OK);
    assert_int_equal(exercise(g->device), VKD_OK);
    gpu_close(g);
    int64_t n = 0, failures = 0;
    for (bool reached = true; reached; failures += reached) {
        gpu_init(g);
        g->options.validate = false; /* opening is much faster so */
        g->options.no_cache = false;
        g->options.cache_dir = directory;
        g->failing_allocation = ++n;
        vkd_status status = gpu_open(g);
        assert_true(status == VKD_OK ? g->device != NULL
                                     : status == VKD_OUT_OF_MEMORY && !g->device);
        if (status == VKD_OK) {
            status = exercise(g->device);
            assert_true(status == VKD_OK || status == VKD_OUT_OF_MEMORY);
            if (g->failed)
                assert_int_equal(exercise(g->device), VKD_OK); /* that one failure was survived */
        }
        gpu_close(g);
        reached = g->failed;
        assert_true(status == VKD_OUT_OF_MEMORY || !reached ||
                    g->log_counts[VKD_LOG_INFO] + g->log_counts[VKD_LOG_WARNING]);
    }
    print_message("%d allocations failed in turn\n", (int)failures);
    assert_true(failures > 10);
    remove_tree(directory);
    free(directory);
}

/* ------------------------------------------------------------------------------ Vulkan failures */

static struct {
    PFN_vkAllocateMemory real_allocate;
    PFN_vkWaitForFences real_wait;
    int calls, failing_call, type_calls[VK_MAX_MEMORY_TYPES];
    uint32_t full_type;
    VkResult result;
} fake;

static VKAPI_ATTR VkResult VKAPI_CALL fail_always(void) { return fake.result; }

/* Every function of the device that can fail and that we call after opening. */
#define FUNCTION(name)                                                                             \
    {                                                                                              \
#name, offsetof(vkd_device_functions, name)                                                \
    }
static const struct {
    const char *name;
    size_t offset;
} functions[] = {
    FUNCTION(vkCreateBuffer),
    FUNCTION(vkAllocateMemory),
    FUNCTION(vkBindBufferMemory),
    FUNCTION(vkMapMemory),
    FUNCTION(vkCreateCommandPool),
    FUNCTION(vkAllocateCommandBuffers),
    FUNCTION(vkCreateFence),
    FUNCTION(vkBeginCommandBuffer),
    FUNCTION(vkEndCommandBuffer),
    FUNCTION(vkResetFences),
    FUNCTION(vkQueueSubmit),
    FUNCTION(vkCreateDescriptorSetLayout),
    FUNCTION(vkCreatePipelineLayout),
    FUNCTION(vkCreateShaderModule),
    FUNCTION(vkCreateComputePipelines),
    FUNCTION(vkCreateDescriptorPool),
    FUNCTION(vkAllocateDescriptorSets),
    FUNCTION(vkCreateQueryPool),
    FUNCTION(vkGetQueryPoolResults),
};
enum { FUNCTION_COUNT = sizeof functions / sizeof functions[0] };

static void each_function_fails(void **state)
{
    gpu *g = gpu_get(state);
    vkd_device_functions real = g->device->vk;
    static const struct {
        VkResult result;
        vkd_status status;
    } results[] = {{VK_ERROR_OUT_OF_HOST_MEMORY, VKD_OUT_OF_MEMORY},
                   {VK_ERROR_OUT_OF_DEVICE_MEMORY, VKD_OUT_OF_MEMORY},
                   {VK_ERROR_UNKNOWN, VKD_DEVICE_ERROR}};
    for (size_t r = 0; r < sizeof results / sizeof results[0]; r++) {
        fake.result = results[r].result;
        for (size_t f = 0; f < FUNCTION_COUNT; f++) {
            bool stamps = strstr(functions[f].name, "Query");
            if (stamps && !g->device->caps.timestamp_bits)
                continue;
            PFN_vkVoidFunction failing = (PFN_vkVoidFunction)fail_always;
            memcpy((char *)&g->device->vk + functions[f].offset, &failing, sizeof failing);
            vkd_status status = exercise(g->device);
            g->device->vk = real;
            if (status != results[r].status ||
                !strstr(g->context.error, vkd_vk_result_name(fake.result)))
                fail_msg("%s with %s: %d, %s", functions[f].name, vkd_vk_result_name(fake.result),
                         status, g->context.error);
            if (f < 10) /* pipelines and layouts are kept: make the device new so that they are
                           created again */
                continue;
            gpu_close(g);
            gpu_init(g);
            assert_int_equal(gpu_open(g), VKD_OK);
            real = g->device->vk;
        }
    }
    assert_int_equal(exercise(g->device), VKD_OK);
    gpu_close(g);
}

static VKAPI_ATTR VkResult VKAPI_CALL allocate_or_not(VkDevice device,
                                                      const VkMemoryAllocateInfo *info,
                                                      const VkAllocationCallbacks *callbacks,
                                                      VkDeviceMemory *out)
{
    fake.calls++;
    fake.type_calls[info->memoryTypeIndex]++;
    if (fake.calls == fake.failing_call || info->memoryTypeIndex == fake.full_type)
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    return fake.real_allocate(device, info, callbacks, out);
}

static void each_device_allocation_fails(void **state)
{
    gpu *g = gpu_get(state);
    memset(&fake, 0, sizeof fake);
    fake.real_allocate = g->device->vk.vkAllocateMemory;
    fake.full_type = UINT32_MAX;
    g->device->vk.vkAllocateMemory = allocate_or_not;
    assert_int_equal(exercise(g->device), VKD_OK);
    int calls = fake.calls;
    assert_true(calls >= 4); /* x, y, the ring, read-back */
    for (fake.failing_call = 1; fake.failing_call <= calls; fake.failing_call++) {
        fake.calls = 0;
        vkd_status status = exercise(g->device);
        /* another type of memory may have helped */
        assert_true(status == VKD_OUT_OF_MEMORY || (status == VKD_OK && fake.calls == calls + 1));
    }
    fake.failing_call = 0;
    assert_int_equal(exercise(g->device), VKD_OK);
    gpu_close(g);
}

/* Two types of the same memory, the preferred one full: what a small window of device memory looks
 * like. */
static void full_memory_type(void **state)
{
    gpu *g = gpu_get(state);
    memset(&fake, 0, sizeof fake);
    fake.real_allocate = g->device->vk.vkAllocateMemory;
    uint32_t types[VK_MAX_MEMORY_TYPES];
    uint32_t count =
        vkd_memory_candidates(&g->device->memory, VKD_MEMORY_UPLOAD, UINT32_MAX, 1024, types);
    assert_true(count >= 1);
    fake.full_type = types[0];
    g->device->vk.vkAllocateMemory = allocate_or_not;
    vkd_buffer buffer;
    vkd_status status = vkd_buffer_create(g->device, VKD_MEMORY_UPLOAD, 1024, "inputs", &buffer);
    assert_int_equal(fake.type_calls[types[0]], 1);
    if (count == 1) {
        assert_int_equal(status, VKD_OUT_OF_MEMORY);
        assert_non_null(
            strstr(g->context.error, "1024 bytes for inputs: VK_ERROR_OUT_OF_DEVICE_MEMORY"));
    } else {
        assert_int_equal(status, VKD_OK);
        assert_int_equal(fake.type_calls[types[1]], 1);
        assert_int_equal(g->log_counts[VKD_LOG_ERROR], 0); /* a detour is no error */
    }
    vkd_buffer_destroy(g->device, &buffer);
    gpu_close(g);
}

/* ------------------------------------------------------------------- devices that do not answer */

static void device_lost(void **state)
{
    gpu *g = gpu_get(state);
    PFN_vkQueueSubmit real = g->device->vk.vkQueueSubmit;
    fake.result = VK_ERROR_DEVICE_LOST;
    g->device->vk.vkQueueSubmit = (PFN_vkQueueSubmit)(PFN_vkVoidFunction)fail_always;
    assert_int_equal(exercise(g->device), VKD_DEVICE_LOST);
    g->device->vk.vkQueueSubmit = real;
    assert_int_equal(exercise(g->device), VKD_DEVICE_LOST); /* for good */
    assert_non_null(strstr(g->context.error, "lost earlier"));
    gpu_close(g);
    opens_and_works(g);
}

/* Dispatches that take long. */
static vkd_commands *record_spin(gpu *g, const vkd_buffer *buffer, int dispatches)
{
    const uint32_t rounds = 60000;
    vkd_pipeline pipeline;
    vkd_commands *commands;
    const vkd_slice slice = {buffer, 0, buffer->size, true};
    assert_int_equal(vkd_pipeline_get(g->device, &gpu_spin, &pipeline), VKD_OK);
    assert_int_equal(vkd_commands_begin(g->device, (uint32_t)dispatches, (uint32_t)dispatches, 1,
                                        true, &commands),
                     VKD_OK);
    for (int i = 0; i < dispatches; i++)
        assert_int_equal(vkd_commands_dispatch(commands, &pipeline, &slice, 1, &rounds, 4,
                                               (uint32_t[]){(uint32_t)(buffer->size / 4), 1, 1}),
                         VKD_OK);
    assert_int_equal(vkd_commands_end(commands), VKD_OK);
    return commands;
}

/* Work that really takes longer than allowed. What ends before the device is closed leaks nothing.
 */
static void time_out(void **state)
{
    gpu_needed();
    gpu *g = *state;
    enum { GROUPS = 32, RECORDINGS = 3 };
    for (int waited = 0; waited < RECORDINGS; waited++) {
        gpu_init(g);
        g->options.timeout_ms = 1;
        assert_int_equal(gpu_open(g), VKD_OK);
        vkd_buffer buffers[RECORDINGS];
        vkd_commands *commands[RECORDINGS];
        for (int i = 0; i < RECORDINGS; i++) {
            assert_int_equal(
                vkd_buffer_create(g->device, VKD_MEMORY_DEVICE, 4 * GROUPS, "spin", &buffers[i]),
                VKD_OK);
            commands[i] = record_spin(g, &buffers[i], 8);
        }
        for (int i = 0; i < RECORDINGS; i++)
            assert_int_equal(vkd_commands_submit(commands[i], (uint32_t)i), VKD_OK);
        assert_int_equal(vkd_commands_wait(commands[waited]), VKD_DEVICE_LOST);
        assert_non_null(strstr(g->context.error, "did not finish within 1 ms"));
        assert_int_equal(vkd_commands_gpu_ns(commands[waited]), 0);
        assert_int_equal(vkd_commands_wait(commands[0]), VKD_DEVICE_LOST);
        assert_non_null(strstr(g->context.error, "lost earlier"));
        assert_int_equal(vkd_commands_run(commands[waited]), VKD_DEVICE_LOST);
        /* closing would not wait so long */
        assert_int_equal(g->device->vk.vkDeviceWaitIdle(g->device->handle), VK_SUCCESS);
        for (int i = 0; i < RECORDINGS; i++) {
            vkd_commands_destroy(commands[i]);
            vkd_buffer_destroy(g->device, &buffers[i]);
        }
        assert_false(g->device->stuck);
        gpu_close(g);
    }
    opens_and_works(g);
}

/* --------------------------------------------------------------------------- who waits how long */

enum { WAITS = 8 };

/* Submissions and waits as the driver sees them. */
static struct {
    PFN_vkWaitForFences real_wait;
    PFN_vkQueueSubmit real_submit;
    VkFence submitted[WAITS], waited[WAITS];
    uint64_t timeouts[WAITS];
    int submits, waits, refusals; /* refusals: waits that time out at once */
    uint64_t sleep_ns;            /* how long each wait seems to take */
} seen;

static VKAPI_ATTR VkResult VKAPI_CALL see_submit(VkQueue queue, uint32_t count,
                                                 const VkSubmitInfo *infos, VkFence fence)
{
    if (seen.submits < WAITS)
        seen.submitted[seen.submits++] = fence;
    return seen.real_submit(queue, count, infos, fence);
}

static VKAPI_ATTR VkResult VKAPI_CALL see_wait(VkDevice device, uint32_t count,
                                               const VkFence *fences, VkBool32 all,
                                               uint64_t timeout)
{
    const struct timespec pause = {.tv_nsec = (long)seen.sleep_ns};
    if (seen.waits < WAITS) {
        seen.waited[seen.waits] = fences[0];
        seen.timeouts[seen.waits++] = timeout;
    }
    if (seen.refusals && seen.refusals--)
        return VK_TIMEOUT;
    nanosleep(&pause, NULL);
    return seen.real_wait(device, count, fences, all, UINT64_MAX);
}

static VKAPI_ATTR VkResult VKAPI_CALL never_ready(VkDevice device, VkFence fence)
{
    (void)device, (void)fence;
    return VK_NOT_READY;
}

/* A device with two queues, or one that stands for both, and so many recordings in flight. */
static gpu *watch_waits(void **state, uint32_t timeout_ms, int recordings, vkd_buffer *buffer,
                        vkd_commands **commands)
{
    gpu_needed();
    gpu *g = *state;
    gpu_init(g);
    g->options.timeout_ms = timeout_ms;
    assert_int_equal(gpu_open(g), VKD_OK);
    memset(&seen, 0, sizeof seen);
    if (g->device->queue_count == 1)
        g->device->queues[g->device->queue_count++] = g->device->queues[0];
    assert_int_equal(vkd_buffer_create(g->device, VKD_MEMORY_DEVICE, 128, "spin", buffer), VKD_OK);
    for (int i = 0; i < recordings; i++)
        commands[i] = record_spin(g, buffer, 1);
    seen.real_wait = g->device->vk.vkWaitForFences;
    seen.real_submit = g->device->vk.vkQueueSubmit;
    g->device->vk.vkWaitForFences = see_wait;
    g->device->vk.vkQueueSubmit = see_submit;
    g->device->vk.vkGetFenceStatus = never_ready; /* what is asked for before a wait */
    return g;
}

/* An execution's own time begins when those before it on its queue have ended: each of them is
 * waited for, with the whole time.
 */
static void earlier_work_is_waited_for(void **state)
{
    enum { RECORDINGS = 5 };
    static const uint32_t queues[RECORDINGS] = {0, 1, 0, 1, 0};
    vkd_buffer buffer;
    vkd_commands *commands[RECORDINGS];
    gpu *g = watch_waits(state, 5000, RECORDINGS, &buffer, commands);
    for (int i = 0; i < RECORDINGS; i++)
        assert_int_equal(vkd_commands_submit(commands[i], queues[i]), VKD_OK);
    assert_int_equal(vkd_commands_wait(commands[2]), VKD_OK);
    assert_int_equal(seen.waits, 2);
    assert_true(seen.waited[0] == seen.submitted[0] && seen.waited[1] == seen.submitted[2]);
    assert_int_equal(vkd_commands_wait(commands[3]), VKD_OK);
    assert_int_equal(seen.waits, 4);
    assert_true(seen.waited[2] == seen.submitted[1] && seen.waited[3] == seen.submitted[3]);
    for (int i = 0; i < seen.waits; i++)
        assert_true(seen.timeouts[i] > UINT64_C(4900000000) &&
                    seen.timeouts[i] <= UINT64_C(5000000000));
    for (int i = 0; i < RECORDINGS; i++)
        vkd_commands_destroy(commands[i]);
    vkd_buffer_destroy(g->device, &buffer);
    gpu_close(g);
}

/* After a time-out, destroying waits as long again for everything, and no longer. */
static void last_chance_is_bounded(void **state)
{
    enum { RECORDINGS = 4, TIMEOUT_MS = 400 };
    vkd_buffer buffer;
    vkd_commands *commands[RECORDINGS];
    gpu *g = watch_waits(state, TIMEOUT_MS, RECORDINGS, &buffer, commands);
    for (int i = 0; i < RECORDINGS; i++)
        assert_int_equal(vkd_commands_submit(commands[i], 0), VKD_OK);
    seen.refusals = 1;
    assert_int_equal(vkd_commands_wait(commands[0]), VKD_DEVICE_LOST);
    assert_int_equal(seen.waits, 1);
    seen.sleep_ns = UINT64_C(50000000);
    for (int i = 0; i < RECORDINGS; i++)
        vkd_commands_destroy(commands[i]);
    assert_false(g->device->stuck);
    assert_int_equal(seen.waits, 1 + RECORDINGS);
    assert_true(seen.timeouts[1] <= TIMEOUT_MS * UINT64_C(1000000));
    for (int i = 2; i <= RECORDINGS; i++)
        assert_true(seen.timeouts[i] <= seen.timeouts[i - 1] - seen.sleep_ns);
    vkd_buffer_destroy(g->device, &buffer);
    gpu_close(g);
}

/* What is in flight, and has not failed, has the whole time each when it is destroyed. */
static void destroying_waits_for_each(void **state)
{
    enum { RECORDINGS = 3, TIMEOUT_MS = 400 };
    vkd_buffer buffer;
    vkd_commands *commands[RECORDINGS];
    gpu *g = watch_waits(state, TIMEOUT_MS, RECORDINGS, &buffer, commands);
    for (int i = 0; i < RECORDINGS; i++)
        assert_int_equal(vkd_commands_submit(commands[i], 0), VKD_OK);
    seen.sleep_ns = UINT64_C(10000000);
    for (int i = 0; i < RECORDINGS; i++)
        vkd_commands_destroy(commands[i]);
    assert_int_equal(seen.waits, RECORDINGS);
    for (int i = 0; i < RECORDINGS; i++)
        assert_int_equal(seen.timeouts[i], TIMEOUT_MS * UINT64_C(1000000));
    assert_false(g->device->stuck || g->device->lost);
    vkd_buffer_destroy(g->device, &buffer);
    gpu_close(g);
}

/* Nothing has failed, so what is destroyed in flight may take its time. */
static void destroyed_in_flight(void **state)
{
    gpu *g = gpu_get(state);
    vkd_buffer buffer;
    assert_int_equal(vkd_buffer_create(g->device, VKD_MEMORY_DEVICE, 128, "spin", &buffer), VKD_OK);
    vkd_commands *first = record_spin(g, &buffer, 8), *second = record_spin(g, &buffer, 1);
    assert_int_equal(vkd_commands_submit(first, 0), VKD_OK);
    assert_int_equal(vkd_commands_submit(second, 1), VKD_OK);
    vkd_commands_destroy(second);
    assert_int_equal(vkd_commands_wait(first), VKD_OK);
    assert_int_equal(vkd_commands_submit(first, 2), VKD_OK);
    vkd_commands_destroy(first);
    vkd_buffer_destroy(g->device, &buffer);
    assert_false(g->device->stuck || g->device->lost);
    assert_int_equal(exercise(g->device), VKD_OK);
    gpu_close(g);
}

static VKAPI_ATTR VkResult VKAPI_CALL wait_in_vain(VkDevice device, uint32_t count,
                                                   const VkFence *fences, VkBool32 all,
                                                   uint64_t timeout)
{
    (void)timeout;
    fake.calls++;
    /* The work does end, so that the process can: only we are not told. */
    return fake.real_wait(device, count, fences, all, UINT64_MAX) == VK_SUCCESS
               ? VK_TIMEOUT
               : VK_ERROR_DEVICE_LOST;
}

/* A device that never answers again: its objects are leaked and the log says so; host memory is
 * released all the same. */
static void stuck_device(void **state)
{
    gpu *g = gpu_get(state);
    memset(&fake, 0, sizeof fake);
    fake.real_wait = g->device->vk.vkWaitForFences;
    g->device->vk.vkWaitForFences = wait_in_vain;
    assert_int_equal(exercise(g->device), VKD_DEVICE_LOST);
    assert_int_equal(fake.calls, 2); /* the time-out, and one last chance */
    assert_true(g->device->stuck);
    assert_non_null(strstr(g->log, "leaked"));
    assert_int_equal(exercise(g->device), VKD_DEVICE_LOST);
    gpu_close(g);
    assert_int_equal(fake.calls, 2);
    opens_and_works(g);
}

/* The same with work in flight that nobody has waited for. */
static void stuck_in_flight(void **state)
{
    gpu *g = gpu_get(state);
    vkd_buffer buffer;
    assert_int_equal(vkd_buffer_create(g->device, VKD_MEMORY_DEVICE, 128, "spin", &buffer), VKD_OK);
    vkd_commands *commands[] = {record_spin(g, &buffer, 1), record_spin(g, &buffer, 1),
                                record_spin(g, &buffer, 1)};
    for (int i = 0; i < 3; i++)
        assert_int_equal(vkd_commands_submit(commands[i], 0), VKD_OK);
    memset(&fake, 0, sizeof fake);
    fake.real_wait = g->device->vk.vkWaitForFences;
    g->device->vk.vkWaitForFences = wait_in_vain;
    vkd_commands_destroy(commands[1]);
    assert_int_equal(fake.calls, 1);
    assert_true(g->device->stuck);
    assert_int_equal(vkd_commands_wait(commands[0]), VKD_DEVICE_LOST);
    vkd_commands_destroy(commands[2]);
    vkd_commands_destroy(commands[0]);
    vkd_buffer_destroy(g->device, &buffer);
    assert_int_equal(fake.calls, 1);
    assert_int_equal(g->log_counts[VKD_LOG_WARNING], 1);
    gpu_close(g);
    opens_and_works(g);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, gpu_setup, gpu_teardown)

int main(void)
{
    /* The first three need a process that has not opened the library yet. */
    const struct CMUnitTest tests[] = {
        TEST(no_library),
        TEST(no_driver),
        TEST(no_validation_layer),
        TEST(each_allocation_fails),
        TEST(each_function_fails),
        TEST(each_device_allocation_fails),
        TEST(full_memory_type),
        TEST(device_lost),
        TEST(time_out),
        TEST(earlier_work_is_waited_for),
        TEST(last_chance_is_bounded),
        TEST(destroying_waits_for_each),
        TEST(destroyed_in_flight),
        TEST(stuck_device),
        TEST(stuck_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
