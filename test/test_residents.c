/* Constants on a device when bringing them there fails: nobody finds one that was never packed. Two
 * objects share a table; while one brings its constants, each call into the driver and each
 * allocation of host memory fails in turn. Skips without a device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <vulkan/vulkan_core.h>

#include "exec/residents.h"
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/skip.h"

/* The second one is large enough for memory of its own. */
enum { CONSTANTS = 2, SMALL = 1024, LARGE = 512 * 1024 };

typedef struct copy_source {
    vkd_content content;
} copy_source;

static void pack_copy(const void *source, void *out, size_t size)
{
    memcpy(out, ((const copy_source *)source)->content.data, size);
}

/* Constants that there never were before, so that memory cannot have them by chance. */
typedef struct net {
    unsigned char bytes[CONSTANTS][LARGE];
    copy_source sources[CONSTANTS];
    vkd_tensor tensors[CONSTANTS];
    vkd_graph graph;
} net;

static void net_make(net *n)
{
    static const size_t sizes[CONSTANTS] = {SMALL, LARGE};
    for (size_t i = 0; i < CONSTANTS; i++) {
        for (size_t at = 0; at < sizes[i]; at++)
            n->bytes[i][at] = (unsigned char)gpu_random();
        n->sources[i] = (copy_source){{n->bytes[i], sizes[i]}};
        n->tensors[i] = (vkd_tensor){.place = VKD_PLACE_CONSTANT,
                                     .bytes = sizes[i],
                                     .storage = (vkd_tensor_id)i,
                                     .pack = pack_copy,
                                     .source = &n->sources[i],
                                     .source_size = sizeof n->sources[i],
                                     .contents = 1};
    }
    n->graph = (vkd_graph){.tensors = n->tensors, .tensor_count = CONSTANTS};
}

static void expect_bytes(gpu *g, const net *n, const vkd_slice slices[CONSTANTS])
{
    static unsigned char back[LARGE];
    for (size_t i = 0; i < CONSTANTS; i++) {
        const uint64_t size = n->tensors[i].bytes;
        assert_int_equal(slices[i].size, size);
        assert_int_equal(vkd_buffer_read(g->device, slices[i].buffer, slices[i].offset, size, back),
                         VKD_OK);
        assert_memory_equal(back, n->bytes[i], size);
    }
}

/* While `first` cannot have the constants, `second` brings them; then `first` has them too. False
 * where the device is lost, as after a wait that fails. */
static bool place_again(gpu *g, const net *n, vkd_residents *first, vkd_residents *second)
{
    vkd_slice of_first[CONSTANTS], of_second[CONSTANTS];
    const vkd_status status = vkd_residents_place(second, &n->graph, of_second);
    if (status == VKD_DEVICE_LOST)
        return false;
    assert_int_equal(status, VKD_OK);
    expect_bytes(g, n, of_second);
    assert_int_equal(vkd_residents_place(first, &n->graph, of_first), VKD_OK);
    expect_bytes(g, n, of_first);
    for (size_t i = 0; i < CONSTANTS; i++)
        assert_ptr_equal(of_first[i].buffer, of_second[i].buffer);
    return true;
}

/* What fails: the call or the allocation of this number from now on. */
typedef struct fault {
    void (*arm)(gpu *g, int number);
    bool (*disarm)(gpu *g);
} fault;

static void arm_driver(gpu *g, int number)
{
    (void)g;
    faulty_driver_arm(NULL, number, VK_ERROR_OUT_OF_DEVICE_MEMORY);
}

static bool disarm_driver(gpu *g)
{
    (void)g;
    return faulty_driver_disarm() != NULL;
}

static void arm_memory(gpu *g, int number)
{
    g->failed = false;
    g->failing_allocation = g->total_allocations + number + 1;
}

static bool disarm_memory(gpu *g)
{
    g->failing_allocation = 0;
    return g->failed;
}

/* A round on a device of its own. Returns whether something has failed; counts recoveries. */
static bool fail_once(gpu *g, const fault *f, int number, int *recovered)
{
    static net n;
    vkd_constants *constants;
    vkd_residents *first, *second;
    vkd_slice slices[CONSTANTS];
    net_make(&n);
    gpu_init(g);
    assert_int_equal(gpu_open(g), VKD_OK);
    assert_int_equal(vkd_constants_create(&g->context, true, &constants), VKD_OK);
    assert_int_equal(vkd_residents_create(g->device, constants, &first), VKD_OK);
    assert_int_equal(vkd_residents_create(g->device, constants, &second), VKD_OK);
    f->arm(g, number);
    const vkd_status status = vkd_residents_place(first, &n.graph, slices);
    const bool failed = f->disarm(g);
    assert_true(failed || status == VKD_OK); /* memory of another type may serve as well */
    *recovered += place_again(g, &n, first, second);
    vkd_residents_destroy(first);
    vkd_residents_destroy(second);
    vkd_constants_destroy(constants);
    gpu_close(g);
    return failed;
}

static void fail_each(const fault *f)
{
    static gpu g;
    int failures = 0, recovered = 0;
    while (fail_once(&g, f, failures, &recovered))
        failures++;
    print_message("%d failed in turn, %d times all was well afterwards\n", failures, recovered);
    assert_true(failures > 3 && recovered > 3);
}

static void nobody_finds_what_was_not_packed(void **state)
{
    static const fault driver = {arm_driver, disarm_driver}, memory = {arm_memory, disarm_memory};
    (void)state;
    gpu_needed();
    fail_each(&driver);
    fail_each(&memory);
}

static void pack_backwards(const void *source, void *out, size_t size)
{
    const unsigned char *bytes = ((const copy_source *)source)->content.data;
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)out)[i] = bytes[size - 1 - i];
}

/* What packs the bytes, how many, and from how many is part of what a constant is. */
static void a_digest_is_of_all(void **state)
{
    (void)state;
    static net n;
    vkd_context context;
    vkd_constants *constants;
    vkd_context_init(&context, &(vkd_options){0});
    assert_int_equal(vkd_constants_create(&context, false, &constants), VKD_OK);
    net_make(&n);
    const vkd_digest first = vkd_constants_digest(constants, &n.tensors[0]);
    for (int what = 0; what < 4; what++) {
        vkd_tensor other = n.tensors[0];
        copy_source source = n.sources[0];
        other.source = &source;
        if (what == 1)
            other.pack = pack_backwards;
        if (what == 2)
            other.bytes += 16;
        if (what == 3)
            source.content.size--;
        const vkd_digest digest = vkd_constants_digest(constants, &other);
        assert_int_equal(memcmp(&digest, &first, sizeof digest) != 0, what > 0);
    }
    vkd_constants_destroy(constants);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_digest_is_of_all),
        cmocka_unit_test(nobody_finds_what_was_not_packed),
    };
    faulty_driver_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
