/* The Vulkan layer at work: devices, buffers, uploads, pipelines and their cache. Skips without a
 * device. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/vulkan.h"
#include "support/gpu.h"

enum { WORDS = 1000 };

/* -------------------------------------------------------------------------------------- devices */

static void caps_are_plausible(void **state)
{
    gpu *g = gpu_get(state);
    const vkd_caps *caps = vkd_device_caps(g->device);
    print_message("device: %s\n", caps->name);
    assert_ptr_equal(vkd_device_context(g->device), &g->context);
    assert_true(caps->name[0] && caps->api_version >= VK_API_VERSION_1_1);
    assert_true(caps->subgroup_size >= 1 && caps->subgroup_size <= 128);
    assert_true(caps->max_workgroup_invocations >= 128 && caps->max_workgroup_size[0] >= 128);
    for (int i = 0; i < 3; i++)
        assert_true(caps->max_workgroup_count[i] >= 65535);
    assert_true(caps->shared_memory >= 16384 && caps->max_push_constants >= 128 &&
                caps->max_storage_buffers >= 4);
    assert_true(caps->max_storage_range >= 1 << 27 && caps->max_allocation >= 1 << 30);
    assert_true(caps->storage_alignment >= 1 && caps->storage_alignment <= 256);
    assert_true(!caps->timestamp_bits || (caps->timestamp_ns > 0 && caps->timestamp_bits >= 36));
    assert_int_equal(caps->dot, vkd_caps_best_dot(caps));
    gpu_close(g);
}

static void list_and_open_agree(void **state)
{
    gpu *g = gpu_get(state);
    uint32_t count, again;
    vkd_device_info *infos = NULL, none;
    assert_int_equal(vkd_device_list(&g->context, NULL, 0, &count), VKD_OK);
    assert_true(count >= 1);
    infos = calloc(count, sizeof *infos);
    assert_int_equal(vkd_device_list(&g->context, infos, count, &again), VKD_OK);
    assert_int_equal(count, again);
    gpu_close(g);
    for (uint32_t i = 0; i < count; i++) {
        char index[16];
        snprintf(index, sizeof index, "%u", i);
        g->options.device = index;
        assert_int_equal(gpu_open(g), VKD_OK);
        vkd_caps_info(vkd_device_caps(g->device), &none);
        assert_string_equal(none.name, infos[i].name);
        assert_int_equal(none.int8_dot, infos[i].int8_dot);
        gpu_close(g);
    }
    free(infos);
}

static void requests_for_devices(void **state)
{
    gpu *g = gpu_get(state);
    char name[256];
    snprintf(name, sizeof name, "%s", vkd_device_caps(g->device)->name);
    gpu_close(g);
    g->options.device = "no such device";
    assert_int_equal(gpu_open(g), VKD_NO_DEVICE);
    assert_non_null(strstr(g->context.error, name)); /* the message says what there is */
    gpu_close(g);
    const char *old = getenv("VKD_DEVICE");
    char *saved = old ? strdup(old) : NULL;
    setenv("VKD_DEVICE", "no such device", 1);
    g->options.device = NULL;
    assert_int_equal(gpu_open(g), VKD_NO_DEVICE);
    gpu_close(g);
    g->options.device = name; /* goes before the environment */
    assert_int_equal(gpu_open(g), VKD_OK);
    gpu_close(g);
    saved ? setenv("VKD_DEVICE", saved, 1) : unsetenv("VKD_DEVICE");
    free(saved);
}

static void forced_dot_flavours(void **state)
{
    gpu *g = gpu_get(state);
    bool supported = vkd_device_caps(g->device)->dot_supported;
    gpu_close(g);
    for (int dot = VKD_DOT_NONE; dot <= VKD_DOT_MIXED + 1; dot++) {
        g->options.int8_dot = (vkd_int8_dot)dot;
        vkd_status expected = dot > VKD_DOT_MIXED                ? VKD_INVALID_ARGUMENT
                              : dot == VKD_DOT_NONE || supported ? VKD_OK
                                                                 : VKD_UNSUPPORTED;
        assert_int_equal(gpu_open(g), expected);
        if (expected == VKD_OK)
            assert_int_equal(vkd_device_caps(g->device)->dot, dot);
        gpu_close(g);
    }
}

/* Runs y = 3 x + offset and checks it. */
static void run_scale(gpu *g)
{
    uint32_t x[WORDS], y[WORDS];
    for (int i = 0; i < WORDS; i++)
        x[i] = gpu_random();
    vkd_buffer in = gpu_buffer(g, x, sizeof x), out;
    vkd_pipeline pipeline;
    vkd_commands *commands;
    const uint32_t push[] = {WORDS, 5};
    assert_int_equal(vkd_buffer_create(g->device, VKD_MEMORY_READBACK, sizeof y, "y", &out),
                     VKD_OK);
    assert_int_equal(vkd_pipeline_get(g->device, &gpu_scale, &pipeline), VKD_OK);
    assert_int_equal(vkd_commands_begin(g->device, 1, 2, 1, false, &commands), VKD_OK);
    const vkd_slice slices[] = {{&in, 0, sizeof x, false}, {&out, 0, sizeof y, true}};
    assert_int_equal(vkd_commands_dispatch(commands, &pipeline, slices, 2, push, sizeof push,
                                           (uint32_t[]){16, 1, 1}),
                     VKD_OK);
    assert_int_equal(vkd_commands_end(commands), VKD_OK);
    for (int run = 0; run < 3; run++) {
        memset(out.mapped, 0, sizeof y);
        assert_int_equal(vkd_commands_run(commands), VKD_OK);
        assert_int_equal(vkd_buffer_invalidate(g->device, &out), VKD_OK);
        memcpy(y, out.mapped, sizeof y);
        for (int i = 0; i < WORDS; i++)
            assert_int_equal(y[i], x[i] * 3 + 5);
    }
    vkd_commands_destroy(commands);
    vkd_buffer_destroy(g->device, &in);
    vkd_buffer_destroy(g->device, &out);
}

typedef struct lock_counts {
    int locked, uses;
} lock_counts;

static void lock(void *user)
{
    lock_counts *counts = user;
    counts->locked++;
    counts->uses++;
}

static void unlock(void *user) { ((lock_counts *)user)->locked--; }

static void borrowed_device(void **state)
{
    gpu *g = gpu_get(state), *owner = g;
    gpu *guest = malloc(sizeof *guest);
    gpu_init(guest);
    VkPhysicalDevice physical[16];
    uint32_t count = 16;
    vkd_device *device = owner->device;
    assert_true(device->instance.vkEnumeratePhysicalDevices(device->instance.handle, &count,
                                                            physical) >= 0);
    VkPhysicalDevice same = VK_NULL_HANDLE;
    for (uint32_t i = 0; i < count; i++) {
        VkPhysicalDeviceProperties properties;
        device->instance.vkGetPhysicalDeviceProperties(physical[i], &properties);
        if (!same && strcmp(properties.deviceName, device->caps.name) == 0)
            same = physical[i];
    }
    lock_counts counts = {0};
    vkd_vulkan vulkan = {
        .size = sizeof(vkd_vulkan),
        .instance = device->instance.handle,
        .physical_device = same,
        .device = device->handle,
        .queue = device->queues[0],
        .queue_family = device->queue_family,
        .lock = lock,
        .unlock = unlock,
        .user = &counts,
    };
    guest->options.vulkan = &vulkan;
    assert_int_equal(gpu_open(guest), VKD_OK);
    assert_string_equal(vkd_device_caps(guest->device)->name, device->caps.name);
    assert_false(vkd_device_caps(guest->device)->dot_supported); /* it was not said to be enabled */
    run_scale(guest);
    assert_int_equal(counts.locked, 0);
    assert_int_equal(counts.uses, 1 + 3); /* upload, runs */
    gpu_close(guest);
    vulkan.integer_dot_product = device->caps.dot_supported;
    assert_int_equal(gpu_open(guest), VKD_OK);
    assert_int_equal(vkd_device_caps(guest->device)->dot_supported, device->caps.dot_supported);
    gpu_close(guest);
    const vkd_vulkan good = vulkan;
    for (int fault = 0; fault < 4; fault++) {
        vulkan = good;
        if (fault == 0)
            vulkan.queue_family = 31;
        else if (fault == 1)
            vulkan.device = NULL;
        else if (fault == 2)
            vulkan.unlock = NULL;
        else
            vulkan.instance = NULL;
        assert_int_equal(gpu_open(guest), VKD_INVALID_ARGUMENT);
        gpu_close(guest);
    }
    free(guest);
    run_scale(owner); /* its device was left alive */
    gpu_close(owner);
}

static void *open_and_close(void *user)
{
    gpu *g = user;
    for (int i = 0; i < 3; i++) {
        vkd_context_init(&g->context, &g->options);
        if (vkd_device_open(&g->context, &g->options, &g->device) != VKD_OK)
            return g;
        vkd_device_close(g->device);
    }
    return NULL;
}

static void two_threads(void **state)
{
    gpu_needed();
    (void)state;
    gpu *both = malloc(2 * sizeof *both);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        gpu_init(&both[i]);
        both[i].options.validate = false;
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, &both[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
        assert_int_equal(both[i].live_allocations, 0);
    }
    free(both);
}

/* -------------------------------------------------------------------------------------- buffers */

static void buffer_kinds(void **state)
{
    gpu *g = gpu_get(state);
    for (int kind = VKD_MEMORY_DEVICE; kind <= VKD_MEMORY_READBACK; kind++) {
        vkd_buffer buffer;
        assert_int_equal(
            vkd_buffer_create(g->device, (vkd_memory_kind)kind, 12345, "test", &buffer), VKD_OK);
        assert_int_equal(buffer.size, 12345);
        assert_int_equal(buffer.mapped == NULL, kind == VKD_MEMORY_DEVICE);
        assert_true(buffer.coherent || kind == VKD_MEMORY_DEVICE || kind == VKD_MEMORY_READBACK);
        if (buffer.mapped)
            memset(buffer.mapped, 1, 12345);
        assert_int_equal(vkd_buffer_invalidate(g->device, &buffer), VKD_OK);
        vkd_buffer_destroy(g->device, &buffer);
        vkd_buffer_destroy(g->device, &buffer); /* all zero now */
        assert_int_equal(vkd_buffer_create(g->device, (vkd_memory_kind)kind, 0, "nothing", &buffer),
                         VKD_OK);
        assert_null(buffer.handle);
        vkd_buffer_destroy(g->device, &buffer);
        assert_int_equal(
            vkd_buffer_create(g->device, (vkd_memory_kind)kind, UINT64_MAX, "weights", &buffer),
            VKD_OUT_OF_MEMORY);
        assert_null(buffer.handle);
        assert_non_null(strstr(g->context.error, "weights needs 18446744073709551615 bytes"));
    }
    gpu_close(g);
}

/* More than the ring, in pieces of any size, in any order of destinations, and back. */
static void uploads(void **state)
{
    enum { TOTAL = 20 * 1024 * 1024 + 13, CHUNK = 3 * 1024 * 1024 };
    gpu *g = gpu_get(state);
    unsigned char *bytes = malloc(TOTAL), *back = malloc(TOTAL);
    for (int i = 0; i < TOTAL; i++)
        bytes[i] = (unsigned char)gpu_random();
    vkd_buffer buffer;
    vkd_uploader *uploader;
    void *memory;
    assert_int_equal(vkd_buffer_create(g->device, VKD_MEMORY_DEVICE, TOTAL, "test", &buffer),
                     VKD_OK);
    assert_int_equal(vkd_uploader_begin(g->device, CHUNK, TOTAL, &uploader), VKD_OK);
    assert_int_equal(vkd_uploader_bytes(uploader), 8 * 1024 * 1024);
    for (uint64_t end = TOTAL; end;) { /* from the back */
        uint64_t size = gpu_random() % (gpu_random() % 4 ? 1000 : CHUNK + 1);
        if (size > end)
            size = end;
        end -= size;
        assert_int_equal(vkd_uploader_reserve(uploader, &buffer, end, size, &memory), VKD_OK);
        memcpy(memory, bytes + end, size);
    }
    assert_int_equal(vkd_uploader_finish(uploader), VKD_OK);
    assert_int_equal(vkd_buffer_read(g->device, &buffer, 0, TOTAL, back), VKD_OK);
    assert_memory_equal(bytes, back, TOTAL);
    assert_int_equal(vkd_buffer_read(g->device, &buffer, 12345, 678, back), VKD_OK);
    assert_memory_equal(bytes + 12345, back, 678);
    assert_int_equal(vkd_buffer_read(g->device, &buffer, TOTAL, 0, back), VKD_OK);
    assert_int_equal(vkd_buffer_read(g->device, &buffer, 1, TOTAL, back), VKD_INVALID_ARGUMENT);
    free(bytes);
    free(back);
    /* An uploader larger than the usual ring, unused; and wrong requests, after which finish still
     * frees. */
    assert_int_equal(vkd_uploader_begin(g->device, 9 * 1024 * 1024, 9 * 1024 * 1024, &uploader),
                     VKD_OK);
    assert_int_equal(vkd_uploader_bytes(uploader), 9 * 1024 * 1024);
    assert_int_equal(vkd_uploader_finish(uploader), VKD_OK);
    assert_int_equal(vkd_uploader_begin(g->device, 1, 1000, &uploader), VKD_OK);
    assert_int_equal(vkd_uploader_bytes(uploader), 1000); /* no more than is needed */
    assert_int_equal(vkd_uploader_reserve(uploader, &buffer, TOTAL - 1, 2, &memory),
                     VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_uploader_reserve(uploader, &buffer, 0, 1, &memory), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_uploader_finish(uploader), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_uploader_begin(g->device, 1, 1, &uploader), VKD_OK);
    assert_int_equal(vkd_uploader_reserve(uploader, &buffer, 0, 9 * 1024 * 1024, &memory),
                     VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_uploader_finish(uploader), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_uploader_finish(NULL), VKD_OK);
    vkd_buffer_destroy(g->device, &buffer);
    gpu_close(g);
}

/* ----------------------------------------------------------------------------- pipelines, cache */

static void pipelines_are_shared(void **state)
{
    gpu *g = gpu_get(state);
    vkd_pipeline first, second;
    assert_int_equal(vkd_pipeline_get(g->device, &gpu_scale, &first), VKD_OK);
    const uint32_t equal[] = {64, 3}, other[] = {64, 4};
    vkd_pipeline_desc desc = gpu_scale;
    desc.specs = equal;
    assert_int_equal(vkd_pipeline_get(g->device, &desc, &second), VKD_OK);
    assert_ptr_equal(first.handle, second.handle);
    assert_ptr_equal(first.layout, second.layout);
    desc.specs = other;
    assert_int_equal(vkd_pipeline_get(g->device, &desc, &second), VKD_OK);
    assert_ptr_not_equal(first.handle, second.handle);
    assert_ptr_equal(first.layout, second.layout);
    assert_int_equal(vkd_pipeline_get(g->device, &gpu_spin, &second), VKD_OK);
    assert_ptr_not_equal(first.layout, second.layout);
    desc = gpu_scale;
    desc.code = NULL;
    assert_int_equal(vkd_pipeline_get(g->device, &desc, &second), VKD_INVALID_ARGUMENT);
    desc = gpu_scale;
    desc.binding_count = VKD_PIPELINE_MAX_BINDINGS + 1;
    assert_int_equal(vkd_pipeline_get(g->device, &desc, &second), VKD_INVALID_ARGUMENT);
    desc = gpu_scale;
    desc.push_size = 1 << 20;
    assert_int_equal(vkd_pipeline_get(g->device, &desc, &second), VKD_UNSUPPORTED);
    gpu_close(g);
}

/* Opens with the cache in this directory, makes a pipeline, and closes. */
static void use_cache(gpu *g, const char *directory, uint32_t factor)
{
    g->options.no_cache = false;
    g->options.cache_dir = directory;
    g->log[g->log_length = 0] = 0;
    assert_int_equal(gpu_open(g), VKD_OK);
    const uint32_t specs[] = {64, factor};
    vkd_pipeline_desc desc = gpu_scale;
    desc.specs = specs;
    vkd_pipeline pipeline;
    assert_int_equal(vkd_pipeline_get(g->device, &desc, &pipeline), VKD_OK);
    gpu_close(g);
}

static void cache_on_disk(void **state)
{
    gpu *g = *state;
    gpu_needed();
    char *root = new_directory(), *directory = join_path(root, "cache/of/mine");
    use_cache(g, directory, 3);
    char *path = only_file(directory);
    assert_non_null(path);
    assert_null(strstr(g->log, path));
    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    use_cache(g, directory, 3);
    assert_non_null(strstr(g->log, path)); /* it was read */
    assert_null(strstr(g->log, "ignored"));
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino); /* nothing new: not written */
    static const char garbage[] =
        "this is no cache file, but it is long enough to have a header of fifty-six bytes";
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(garbage, 1, sizeof garbage, file), sizeof garbage);
    fclose(file);
    use_cache(g, directory, 3);
    assert_non_null(strstr(g->log, "ignored"));
    use_cache(g, directory, 3); /* it was replaced */
    assert_null(strstr(g->log, "ignored"));
    assert_int_equal(truncate(path, before.st_size - 1), 0);
    use_cache(g, directory, 3);
    assert_non_null(strstr(g->log, "ignored"));
    assert_int_equal(g->log_counts[VKD_LOG_WARNING] + g->log_counts[VKD_LOG_ERROR], 0);
    free(only_file(directory));
    free(path);
    free(directory);
    remove_tree(root);
    free(root);
}

/* Our header fits, the driver's data inside is of another device: the driver must not see it. */
static void cache_with_foreign_contents(void **state)
{
    gpu *g = *state;
    gpu_needed();
    char *directory = new_directory();
    use_cache(g, directory, 3);
    char *path = only_file(directory);
    FILE *file = fopen(path, "r+b");
    unsigned char bytes[56 + 32];
    assert_int_equal(fread(bytes, 1, sizeof bytes, file), sizeof bytes);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    size_t size = (size_t)info.st_size - 56;
    unsigned char *payload = malloc(size);
    fseek(file, 56, SEEK_SET);
    assert_int_equal(fread(payload, 1, size, file), size);
    payload[8] ^= 1; /* the vendor in VkPipelineCacheHeaderVersionOne */
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ payload[i]) * UINT64_C(0x100000001b3);
    fseek(file, 48, SEEK_SET);
    fwrite(&sum, sizeof sum, 1, file);
    fwrite(payload, 1, size, file);
    fclose(file);
    free(payload);
    use_cache(g, directory, 3);
    assert_non_null(strstr(g->log, "no pipeline cache of this device"));
    use_cache(g, directory, 3);
    assert_null(strstr(g->log, "ignored"));
    free(path);
    remove_tree(directory);
    free(directory);
}

static void cache_saved_early_or_not_at_all(void **state)
{
    gpu *g = *state;
    gpu_needed();
    char *directory = new_directory();
    g->options.cache_dir = directory;
    g->options.no_cache = false;
    assert_int_equal(gpu_open(g), VKD_OK);
    vkd_pipeline pipeline;
    vkd_device_save_cache(g->device);
    assert_null(only_file(directory)); /* there was nothing to save */
    assert_int_equal(vkd_pipeline_get(g->device, &gpu_scale, &pipeline), VKD_OK);
    vkd_device_save_cache(g->device);
    char *path = only_file(directory);
    assert_non_null(path);
    assert_int_equal(unlink(path), 0);
    free(path);
    gpu_close(g);
    assert_null(only_file(directory)); /* it was saved already */
    g->options.no_cache = true;
    assert_int_equal(gpu_open(g), VKD_OK);
    assert_int_equal(vkd_pipeline_get(g->device, &gpu_scale, &pipeline), VKD_OK);
    gpu_close(g);
    assert_null(only_file(directory));
    assert_int_equal(g->log_counts[VKD_LOG_WARNING], 0);
    use_cache(g, "/dev/null/cache", 3); /* a directory that cannot be made is a warning */
    assert_int_equal(g->log_counts[VKD_LOG_WARNING], 1);
    assert_int_equal(g->log_counts[VKD_LOG_ERROR], 0);
    remove_tree(directory);
    free(directory);
}

/* ------------------------------------------------------------------------------------- commands */

static void simple_dispatch(void **state)
{
    gpu *g = gpu_get(state);
    run_scale(g);
    gpu_close(g);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, gpu_setup, gpu_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(caps_are_plausible),
        TEST(list_and_open_agree),
        TEST(requests_for_devices),
        TEST(forced_dot_flavours),
        TEST(borrowed_device),
        TEST(two_threads),
        TEST(buffer_kinds),
        TEST(uploads),
        TEST(pipelines_are_shared),
        TEST(cache_on_disk),
        TEST(cache_with_foreign_contents),
        TEST(cache_saved_early_or_not_at_all),
        TEST(simple_dispatch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
