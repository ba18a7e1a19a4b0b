#define _GNU_SOURCE /* nftw */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support/gpu.h"
#include "support/skip.h"

static const uint8_t scale_packed[] = {
#include "test/shaders/scale.inc"
};
static const vkd_spirv scale_code = {scale_packed, sizeof scale_packed, NULL};
static const uint8_t spin_packed[] = {
#include "test/shaders/spin.inc"
};
static const vkd_spirv spin_code = {spin_packed, sizeof spin_packed, NULL};
static const uint32_t scale_specs[] = {64, 3};

const vkd_pipeline_desc gpu_scale = {
    .name = "scale",
    .code = &scale_code,
    .binding_count = 2,
    .push_size = 8,
    .spec_count = 2,
    .specs = scale_specs,
};
const vkd_pipeline_desc gpu_spin = {
    .name = "spin",
    .code = &spin_code,
    .binding_count = 1,
    .push_size = 4,
};

static void quiet(void *user, vkd_log_level level, const char *message)
{
    (void)user;
    (void)level;
    (void)message;
}

bool gpu_present(void)
{
    static int present = -1;
    if (present < 0) {
        vkd_context context;
        vkd_context_init(&context, &(vkd_options){.log = quiet});
        uint32_t count;
        present = vkd_device_list(&context, NULL, 0, &count) == VKD_OK && count;
    }
    return present;
}

void gpu_needed(void)
{
    if (gpu_present())
        return;
    test_skip("there is no Vulkan device");
}

static void *allocate(void *user, size_t size)
{
    gpu *g = user;
    if (++g->total_allocations == g->failing_allocation) {
        g->failed = true;
        return NULL;
    }
    g->live_allocations++;
    return malloc(size);
}

static void release(void *user, void *memory)
{
    ((gpu *)user)->live_allocations--;
    free(memory);
}

static void keep(void *user, vkd_log_level level, const char *message)
{
    gpu *g = user;
    g->log_counts[level]++;
    size_t room = sizeof g->log - g->log_length;
    int length = snprintf(g->log + g->log_length, room, "%s\n", message);
    g->log_length += (size_t)length < room ? (size_t)length : room - 1;
}

void gpu_init(gpu *g)
{
    *g = (gpu){.allocator = {sizeof g->allocator, allocate, release, g}};
    g->options = (vkd_options){
        .log = keep,
        .log_user = g,
        .log_level = VKD_LOG_DEBUG,
        .size = sizeof(vkd_options),
        .allocator = &g->allocator,
        .no_cache = true,
        .validate = true,
    };
}

vkd_status gpu_open(gpu *g)
{
    static bool said;
    const gpu before = *g;
    vkd_context_init(&g->context, &g->options);
    vkd_status status = vkd_device_open(&g->context, &g->options, &g->device);
    if (status != VKD_NOT_FOUND)
        return status;
    if (!said)
        print_message("the validation layer is not installed: the tests run without it\n");
    said = true;
    *g = before; /* what was logged is no fault of what is tested */
    g->options.validate = false;
    vkd_context_init(&g->context, &g->options);
    return vkd_device_open(&g->context, &g->options, &g->device);
}

void gpu_close(gpu *g)
{
    if (g->device && vkd_device_validation_messages(g->device))
        fail_msg("validation complains:\n%s", g->log);
    vkd_device_close(g->device);
    g->device = NULL;
    if (strstr(g->log, "Vulkan validation"))
        fail_msg("validation complains at the end:\n%s", g->log);
    assert_int_equal(g->context.host_bytes, 0);
    assert_int_equal(g->live_allocations, 0);
}

int gpu_setup(void **state)
{
    gpu *g = malloc(sizeof *g);
    if (!g)
        return -1;
    gpu_init(g);
    *state = g;
    return 0;
}

int gpu_teardown(void **state)
{
    free(*state);
    return 0;
}

gpu *gpu_get(void **state)
{
    gpu_needed();
    gpu *g = *state;
    if (gpu_open(g) != VKD_OK)
        fail_msg("%s", g->context.error);
    return g;
}

vkd_buffer gpu_buffer(gpu *g, const void *data, uint64_t size)
{
    vkd_buffer buffer;
    vkd_uploader *uploader;
    void *memory;
    assert_int_equal(vkd_buffer_create(g->device, VKD_MEMORY_DEVICE, size, "test data", &buffer),
                     VKD_OK);
    assert_int_equal(vkd_uploader_begin(g->device, size, size, &uploader), VKD_OK);
    assert_int_equal(vkd_uploader_reserve(uploader, &buffer, 0, size, &memory), VKD_OK);
    memcpy(memory, data, size);
    assert_int_equal(vkd_uploader_finish(uploader), VKD_OK);
    return buffer;
}

uint32_t gpu_random(void)
{
    static uint32_t state;
    if (!state) {
        const char *text = getenv("VKD_TEST_SEED");
        state = text ? (uint32_t)strtoul(text, NULL, 0) : (uint32_t)time(NULL);
        print_message("VKD_TEST_SEED=%u\n", state);
        state |= !state; /* xorshift stays at 0 */
    }
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

char *join_path(const char *directory, const char *name)
{
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = malloc(size);
    assert_non_null(path);
    snprintf(path, size, "%s/%s", directory, name);
    return path;
}

char *new_directory(void)
{
    const char *parent = getenv("TMPDIR");
    char *path = join_path(parent && *parent ? parent : "/tmp", "vkd-test-XXXXXX");
    assert_non_null(mkdtemp(path));
    return path;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

void remove_tree(const char *path) { nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS); }

char *only_file(const char *directory)
{
    DIR *entries = opendir(directory);
    if (!entries)
        return NULL;
    char *path = NULL;
    for (struct dirent *entry = readdir(entries); entry; entry = readdir(entries)) {
        if (entry->d_name[0] == '.')
            continue;
        assert_null(path);
        path = join_path(directory, entry->d_name);
    }
    closedir(entries);
    return path;
}
