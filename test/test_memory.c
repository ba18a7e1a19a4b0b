/* Memory of others as arguments of executions: pages of the process, file descriptors; what is
 * refused, and failures in between. */
#include "backend/delegate.h"
#include "runtime/vulkan.h"
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 4096, SECOND = 2048 };
_Static_assert(sizeof(float) * SMALL_X <= SECOND && sizeof(float) * SMALL_Y <= SECOND,
               "two tensors fit a page");

typedef struct fixture {
    watch watch;
    small_model model;
    vkd_engine *engine;
    vkd_delegate *delegate;
    vkd_options options;
} fixture;

static void begin(fixture *f, uint32_t in_flight)
{
    gpu_needed();
    small_begin(&f->model, false, NULL);
    f->options = watch_begin(&f->watch);
    if (vkd_engine_create(&f->options, &f->engine) != VKD_OK)
        fail_msg("%s", f->watch.error);
    f->options.engine = f->engine;
    f->options.in_flight = in_flight;
    if (small_init(&f->model, &f->options, &f->delegate) != VKD_OK)
        fail_msg("%s", f->watch.error);
}

static void end(fixture *f)
{
    vkd_destroy(f->delegate);
    vkd_engine_destroy(f->engine);
    small_end(&f->model);
    watch_end(&f->watch);
}

/* Null where the device does not import the kind, which is said. */
static vkd_memory *import(fixture *f, const vkd_external_memory *external)
{
    vkd_memory *memory;
    vkd_status status = vkd_memory_import(f->engine, external, &memory);
    if (status == VKD_UNSUPPORTED)
        print_message("not tested: %s\n", external->error);
    else if (status != VKD_OK)
        fail_msg("%s: %s", vkd_status_name(status), external->error);
    return memory;
}

static unsigned char *new_pages(size_t count)
{
    void *pages = NULL;
    assert_int_equal(posix_memalign(&pages, PAGE, count * PAGE), 0);
    memset(pages, 0xee, count * PAGE);
    return pages;
}

static vkd_memory *import_pages(fixture *f, unsigned char *pages, size_t count)
{
    char error[512] = "";
    return import(f, &(vkd_external_memory){.size = sizeof(vkd_external_memory),
                                            .kind = VKD_EXTERNAL_HOST,
                                            .pointer = pages,
                                            .bytes = count * PAGE,
                                            .error = error,
                                            .error_size = sizeof error});
}

static void place(small_args *a, vkd_memory *x, uint64_t x_offset, vkd_memory *y, uint64_t y_offset)
{
    small_args_set(a, NULL, NULL);
    a->args[0].memory = x;
    a->args[0].offset = x_offset;
    a->args[1].memory = y;
    a->args[1].offset = y_offset;
}

static void execute(fixture *f, small_args *a)
{
    if (vkd_execute(f->delegate, a->args, 2) != VKD_OK)
        fail_msg("%s", vkd_last_error(f->delegate));
    assert_int_equal(a->args[1].rank, 4);
    assert_int_equal(a->args[1].dims[1], SMALL_OUT);
}

/* --------------------------------------------------------------------------------------- in use */

static void pages_of_the_process(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 1);
    unsigned char *pages = new_pages(1);
    vkd_memory *memory = import_pages(&f, pages, 1);
    if (memory) {
        small_args a = {0};
        memcpy(pages, f.model.x, sizeof f.model.x);
        place(&a, memory, 0, memory, SECOND);
        for (int i = 0; i < 3; i++) {
            memset(pages + SECOND, 0xee, SECOND);
            execute(&f, &a);
            assert_memory_equal(pages + SECOND, f.model.y, sizeof f.model.y);
        }
        /* The input is read where it is, at the time of the execution. */
        memset(pages, 0, sizeof f.model.x);
        execute(&f, &a);
        assert_memory_not_equal(pages + SECOND, f.model.y, sizeof f.model.y);
        small_check(&f.model, f.delegate); /* and the host's own again */
        memcpy(pages, f.model.x, sizeof f.model.x);
        execute(&f, &a);
        assert_memory_equal(pages + SECOND, f.model.y, sizeof f.model.y);
        vkd_memory_release(memory);
        small_check(&f.model, f.delegate);
    }
    end(&f);
    free(pages);
}

/* Only one of the arguments. */
static void one_in_place(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 1);
    unsigned char *pages = new_pages(1);
    vkd_memory *memory = import_pages(&f, pages, 1);
    if (memory) {
        small_args a;
        float y[SMALL_Y];
        memcpy(pages, f.model.x, sizeof f.model.x);
        small_args_set(&a, NULL, y);
        a.args[0].memory = memory;
        execute(&f, &a);
        assert_memory_equal(y, f.model.y, sizeof y);
        small_args_set(&a, f.model.x, NULL);
        a.args[1].memory = memory;
        a.args[1].offset = SECOND;
        execute(&f, &a);
        assert_memory_equal(pages + SECOND, f.model.y, sizeof y);
        assert_memory_equal(pages, f.model.x, sizeof f.model.x);
        vkd_memory_release(memory);
    }
    end(&f);
    free(pages);
}

/* As many slots as there are buffers: each is recorded once. */
static void buffers_in_turns(void **state)
{
    (void)state;
    enum { BUFFERS = 3 };
    fixture f;
    begin(&f, BUFFERS);
    unsigned char *pages = new_pages(BUFFERS);
    vkd_memory *memories[BUFFERS];
    bool all = true;
    for (int i = 0; i < BUFFERS; i++) {
        memories[i] = import_pages(&f, pages + i * PAGE, 1);
        all = all && memories[i];
    }
    for (int i = 0; all && i < 4 * BUFFERS; i++) {
        unsigned char *page = pages + i % BUFFERS * PAGE;
        small_args a = {0};
        memcpy(page, f.model.x, sizeof f.model.x);
        memset(page + SECOND, 0xee, SECOND);
        place(&a, memories[i % BUFFERS], 0, memories[i % BUFFERS], SECOND);
        faulty_driver_count("vkBeginCommandBuffer");
        execute(&f, &a);
        assert_int_equal(faulty_driver_counted(), i < BUFFERS);
        assert_memory_equal(page + SECOND, f.model.y, sizeof f.model.y);
    }
    for (int i = 0; i < BUFFERS; i++)
        vkd_memory_release(memories[i]);
    end(&f);
    free(pages);
}

/* ---------------------------------------------------------------------------- file descriptors */

static int open_files(void)
{
    int count = 0;
    DIR *files = opendir("/proc/self/fd");
    assert_non_null(files);
    while (readdir(files))
        count++;
    closedir(files);
    return count;
}

/* Memory that the device exports, mapped. */
typedef struct exported {
    VkDeviceMemory memory;
    uint32_t type;
    unsigned char *mapped;
    int fd;
} exported;

static bool export(vkd_device *device, exported *e)
{
    const VkExportMemoryAllocateInfo exporting = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
        .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT,
    };
    PFN_vkGetMemoryFdKHR get = (PFN_vkGetMemoryFdKHR)device->owner->instance.vkGetDeviceProcAddr(
        device->handle, "vkGetMemoryFdKHR");
    if (!get) {
        print_message("not tested: the device has no VK_KHR_external_memory_fd\n");
        return false;
    }
    while (
        !(device->memory.memoryTypes[e->type].propertyFlags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT))
        e->type++;
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = &exporting,
        .allocationSize = PAGE,
        .memoryTypeIndex = e->type,
    };
    void *mapped;
    assert_int_equal(device->vk.vkAllocateMemory(device->handle, &info, NULL, &e->memory), 0);
    assert_int_equal(
        device->vk.vkMapMemory(device->handle, e->memory, 0, VK_WHOLE_SIZE, 0, &mapped), 0);
    e->mapped = mapped;
    const VkMemoryGetFdInfoKHR wanted = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
        .memory = e->memory,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT,
    };
    assert_int_equal(get(device->handle, &wanted, &e->fd), 0);
    return true;
}

static void file_descriptors(void **state)
{
    (void)state;
    fixture f;
    exported e = {.fd = -1};
    char error[512] = "";
    begin(&f, 1);
    vkd_device *device = f.delegate->device;
    if (export(device, &e)) {
        const vkd_external_memory external = {.size = sizeof external,
                                              .kind = VKD_EXTERNAL_FD,
                                              .fd = e.fd,
                                              .bytes = PAGE,
                                              .memory_type = e.type,
                                              .error = error,
                                              .error_size = sizeof error};
        const int before = open_files();
        vkd_memory *memory = import(&f, &external);
        assert_true(fcntl(e.fd, F_GETFD) >= 0); /* it is still ours */
        if (memory) {
            small_args a = {0};
            memcpy(e.mapped, f.model.x, sizeof f.model.x);
            place(&a, memory, 0, memory, SECOND);
            for (int i = 0; i < 3; i++) {
                memset(e.mapped + SECOND, 0xee, SECOND);
                execute(&f, &a);
                assert_memory_equal(e.mapped + SECOND, f.model.y, sizeof f.model.y);
            }
        }
        vkd_memory_release(memory);
        assert_int_equal(open_files(), before);
        close(e.fd);
        device->vk.vkFreeMemory(device->handle, e.memory, NULL);
    }
    end(&f);
}

/* -------------------------------------------------------------------------------------- refused */

static void expect_refused(fixture *f, vkd_external_memory external, vkd_status status,
                           const char *says)
{
    char error[512] = "";
    vkd_memory *memory = (vkd_memory *)(uintptr_t)1;
    external.error = error;
    external.error_size = sizeof error;
    vkd_status got = vkd_memory_import(f->engine, &external, &memory);
    assert_null(memory);
    if (got == VKD_UNSUPPORTED && status != VKD_UNSUPPORTED)
        print_message("not tested: %s\n", error);
    else if (got != status || !strstr(error, says))
        fail_msg("%s, \"%s\": expected %s, \"%s\"", vkd_status_name(got), error,
                 vkd_status_name(status), says);
}

static void imports_that_cannot_be(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 1);
    unsigned char *pages = new_pages(1);
    const size_t size = sizeof(vkd_external_memory);
    const vkd_external_memory host = {size, VKD_EXTERNAL_HOST, -1, pages, PAGE, 0, NULL, 0};
    vkd_external_memory wrong = host;
    const int files = open_files();
    wrong.size--;
    expect_refused(&f, wrong, VKD_INVALID_ARGUMENT, ""); /* where the text goes is not known */
    wrong = host, wrong.kind = (vkd_external_kind)4;
    expect_refused(&f, wrong, VKD_INVALID_ARGUMENT, "no such kind");
    wrong = host, wrong.pointer = NULL;
    expect_refused(&f, wrong, VKD_INVALID_ARGUMENT, "multiples of");
    wrong = host, wrong.pointer = pages + 16;
    expect_refused(&f, wrong, VKD_INVALID_ARGUMENT, "multiples of");
    wrong = host, wrong.bytes = 100;
    expect_refused(&f, wrong, VKD_INVALID_ARGUMENT, "multiples of");
    wrong = host, wrong.bytes = 0;
    expect_refused(&f, wrong, VKD_INVALID_ARGUMENT, "no bytes");
    wrong = (vkd_external_memory){size, VKD_EXTERNAL_FD, -1, NULL, PAGE, 0, NULL, 0};
    expect_refused(&f, wrong, VKD_INVALID_ARGUMENT, "not open");
    wrong.fd = 0, wrong.memory_type = 32;
    expect_refused(&f, wrong, VKD_INVALID_ARGUMENT, "memory_type");
    wrong = (vkd_external_memory){size, VKD_EXTERNAL_DMA_BUF, -1, NULL, PAGE, 0, NULL, 0};
    expect_refused(&f, wrong, VKD_INVALID_ARGUMENT, "not open");
    wrong = (vkd_external_memory){size, VKD_EXTERNAL_HARDWARE_BUFFER, -1, NULL, 0, 0, NULL, 0};
    expect_refused(&f, wrong, VKD_INVALID_ARGUMENT, "null pointer");
    vkd_memory *memory;
    assert_int_equal(vkd_memory_import(NULL, &host, &memory), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_memory_import(f.engine, NULL, &memory), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_memory_import(f.engine, &host, NULL), VKD_INVALID_ARGUMENT);
    vkd_memory_release(NULL);
    assert_int_equal(open_files(), files);
    end(&f);
    free(pages);
}

static void expect_no_use(fixture *f, small_args *a, const char *says)
{
    assert_int_equal(vkd_execute(f->delegate, a->args, 2), VKD_INVALID_ARGUMENT);
    if (!strstr(vkd_last_error(f->delegate), says))
        fail_msg("\"%s\": expected \"%s\"", vkd_last_error(f->delegate), says);
}

static void uses_that_cannot_be(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 1);
    unsigned char *pages = new_pages(2);
    vkd_memory *memory = import_pages(&f, pages, 1);
    if (memory) {
        small_args a = {0};
        place(&a, memory, 8, memory, SECOND);
        expect_no_use(&f, &a, "no multiple of");
        place(&a, memory, 0, memory, PAGE - 256);
        expect_no_use(&f, &a, "are needed");
        place(&a, memory, UINT64_C(1) << 63, memory, SECOND);
        expect_no_use(&f, &a, "are needed");
        const uint64_t begin_within[][2] = {{0, 256}, {256, 0}, {0, 0}};
        for (int i = 0; i < 3; i++) {
            place(&a, memory, begin_within[i][0], memory, begin_within[i][1]);
            expect_no_use(&f, &a, "overlaps");
        }
        place(&a, memory, 0, memory, SECOND);
        a.args[0].dtype = VKD_DTYPE_FLOAT64;
        expect_no_use(&f, &a, "f64");
        vkd_engine *other;
        vkd_options options = f.options;
        options.engine = NULL;
        assert_int_equal(vkd_engine_create(&options, &other), VKD_OK);
        vkd_engine *own = f.engine;
        f.engine = other;
        vkd_memory *foreign = import_pages(&f, pages + PAGE, 1);
        f.engine = own;
        place(&a, foreign, 0, memory, SECOND);
        expect_no_use(&f, &a, "another engine");
        vkd_memory_release(foreign);
        vkd_engine_destroy(other);
        small_check(&f.model, f.delegate);
        vkd_memory_release(memory);
    }
    end(&f);
    free(pages);
}

/* Whatever fails while memory is imported, nothing is left. */
static void failures_of_imports(void **state)
{
    (void)state;
    static const struct {
        const char *function;
        int result;
        vkd_status status;
    } rows[] = {
        {"vkCreateBuffer", VK_ERROR_OUT_OF_HOST_MEMORY, VKD_OUT_OF_MEMORY},
        {"vkAllocateMemory", VK_ERROR_OUT_OF_DEVICE_MEMORY, VKD_OUT_OF_MEMORY},
        {"vkAllocateMemory", VK_ERROR_INVALID_EXTERNAL_HANDLE, VKD_INVALID_ARGUMENT},
        {"vkBindBufferMemory", VK_ERROR_OUT_OF_HOST_MEMORY, VKD_OUT_OF_MEMORY},
    };
    fixture f;
    begin(&f, 1);
    unsigned char *pages = new_pages(1);
    vkd_memory *memory = import_pages(&f, pages, 1);
    const uint64_t before = faulty_driver_memory();
    for (size_t i = 0; memory && i < sizeof rows / sizeof *rows; i++) {
        const vkd_external_memory external = {
            sizeof external, VKD_EXTERNAL_HOST, -1, pages, PAGE, 0, NULL, 0};
        vkd_memory *none;
        faulty_driver_arm(rows[i].function, 0, rows[i].result);
        assert_int_equal(vkd_memory_import(f.engine, &external, &none), rows[i].status);
        assert_string_equal(faulty_driver_disarm(), rows[i].function);
        assert_int_equal(faulty_driver_memory(), before);
    }
    for (int64_t at = 0; memory && at < 2; at++) {
        const vkd_external_memory external = {
            sizeof external, VKD_EXTERNAL_HOST, -1, pages, PAGE, 0, NULL, 0};
        vkd_memory *none;
        f.watch.memory.fail_at = f.watch.memory.calls + at;
        assert_int_equal(vkd_memory_import(f.engine, &external, &none), VKD_OUT_OF_MEMORY);
        f.watch.memory.fail_at = -1;
    }
    if (memory) { /* a recording that fails: the next execution makes it */
        small_args a = {0};
        memcpy(pages, f.model.x, sizeof f.model.x);
        place(&a, memory, 0, memory, SECOND);
        faulty_driver_arm("vkAllocateDescriptorSets", 0, VK_ERROR_OUT_OF_HOST_MEMORY);
        assert_int_equal(vkd_execute(f.delegate, a.args, 2), VKD_OUT_OF_MEMORY);
        assert_non_null(faulty_driver_disarm());
        execute(&f, &a);
        assert_memory_equal(pages + SECOND, f.model.y, sizeof f.model.y);
    }
    vkd_memory_release(memory);
    end(&f);
    free(pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_of_the_process),   cmocka_unit_test(one_in_place),
        cmocka_unit_test(buffers_in_turns),       cmocka_unit_test(file_descriptors),
        cmocka_unit_test(imports_that_cannot_be), cmocka_unit_test(uses_that_cannot_be),
        cmocka_unit_test(failures_of_imports),
    };
    if (!faulty_driver_install())
        puts("no Vulkan loader");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
