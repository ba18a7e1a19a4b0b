/* What a test of the runtime needs around a device: an allocator that can fail, a log that can be
 * searched, shaders, scratch directories. */
#ifndef VKD_TEST_SUPPORT_GPU_H
#define VKD_TEST_SUPPORT_GPU_H

#include "runtime/commands.h"
#include "runtime/transfer.h"

typedef struct gpu {
    vkd_context context;
    vkd_allocator allocator;
    /* change it before gpu_open; starts with no_cache and this struct's log and allocator */
    vkd_options options;
    vkd_device *device;
    int64_t live_allocations, total_allocations;
    int64_t failing_allocation; /* counted from 1; 0: none */
    bool failed;                /* it has failed */
    uint32_t log_counts[4];     /* messages by level */
    size_t log_length;
    char log[1 << 16]; /* all messages, one a line */
} gpu;

/* Whether there is a Vulkan driver with a device at all. Asked once. */
bool gpu_present(void);
/* test_skip() where there is none. */
void gpu_needed(void);

void gpu_init(gpu *g);
/* Opens with validation where its layer is installed, and says so once where it is not. */
vkd_status gpu_open(gpu *g);
/* Closes, and checks that validation was silent, that no host memory is left and that every
 * allocation was released. */
void gpu_close(gpu *g);

/* cmocka fixtures of one test: the state is a gpu that is not open yet. */
int gpu_setup(void **state);
int gpu_teardown(void **state);
/* The state's gpu, opened; skips the test, and says so, when there is no device. */
gpu *gpu_get(void **state);

/* test/shaders/scale.comp: bindings x, y; push count, offset; specs size, factor */
extern const vkd_pipeline_desc gpu_scale;
extern const vkd_pipeline_desc gpu_spin; /* test/shaders/spin.comp: binding y; push rounds */

/* A device buffer with these contents. Fails the test when that does not work. */
vkd_buffer gpu_buffer(gpu *g, const void *data, uint64_t size);

/* xorshift; the seed is VKD_TEST_SEED or the time, and printed at the first use. */
uint32_t gpu_random(void);

char *join_path(const char *directory, const char *name); /* for free() */
/* A new empty directory under $TMPDIR or /tmp, for free(); remove_tree deletes it with all that is
 * in it. */
char *new_directory(void);
void remove_tree(const char *path);
/* The only file in a directory: its path for free(), null if there is none. Fails the test if there
 * are several. */
char *only_file(const char *directory);

#endif
