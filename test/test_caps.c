/* Decisions over plain data: int8 flavours, which device, which memory. No driver is needed. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/adapter.h"

static void best_dot(void **state)
{
    static const struct {
        bool supported, is_signed, mixed;
        vkd_int8_dot best;
    } rows[] = {
        {false, false, false, VKD_DOT_NONE}, {false, true, true, VKD_DOT_NONE},
        {true, false, false, VKD_DOT_NONE},  {true, true, false, VKD_DOT_SIGNED},
        {true, false, true, VKD_DOT_MIXED},  {true, true, true, VKD_DOT_SIGNED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vkd_caps caps = {.dot_supported = rows[i].supported,
                         .dot_signed_accelerated = rows[i].is_signed,
                         .dot_mixed_accelerated = rows[i].mixed};
        assert_int_equal(vkd_caps_best_dot(&caps), rows[i].best);
    }
}

static void info_copies_caps(void **state)
{
    (void)state;
    vkd_caps caps = {.name = "Some GPU",
                     .type = VKD_TYPE_INTEGRATED,
                     .vendor_id = 1,
                     .device_id = 2,
                     .driver_version = 3,
                     .api_version = 4,
                     .dot = VKD_DOT_MIXED};
    vkd_device_info info;
    vkd_caps_info(&caps, &info);
    assert_string_equal(info.name, "Some GPU");
    assert_string_equal(info.type, "integrated");
    assert_int_equal(info.vendor_id, 1);
    assert_int_equal(info.device_id, 2);
    assert_int_equal(info.driver_version, 3);
    assert_int_equal(info.api_version, 4);
    assert_int_equal(info.int8_dot, VKD_DOT_MIXED);
    assert_string_equal(vkd_device_type_name((vkd_device_type)77), "other");
}

static void device_choice(void **state)
{
    static const vkd_adapter adapters[] = {
        {.caps = {.name = "llvmpipe (LLVM 15)", .type = VKD_TYPE_CPU}},
        {.caps = {.name = "Some Card 7900", .type = VKD_TYPE_OTHER}},
        {.caps = {.name = "Mali-G610", .type = VKD_TYPE_INTEGRATED}},
        {.caps = {.name = "NVIDIA H100", .type = VKD_TYPE_DISCRETE}},
        {.caps = {.name = "NVIDIA H100", .type = VKD_TYPE_DISCRETE}},
        {.caps = {.name = "Venus", .type = VKD_TYPE_VIRTUAL}},
    };
    static const struct {
        const char *request;
        uint32_t count, choice;
    } rows[] = {
        {NULL, 6, 3},
        {"", 6, 3},
        {"0", 6, 0},
        {"4", 6, 4},
        {"6", 6, UINT32_MAX},
        {"99999999999999999999999", 6, UINT32_MAX},
        {"4294967296", 6, UINT32_MAX},
        {"LLVMPIPE", 6, 0},
        {"h100", 6, 3},
        {"mali", 6, 2},
        {"7900x", 6, UINT32_MAX},
        {"d 7900", 6, 1},
        {"0x", 6, UINT32_MAX},
        {NULL, 3, 2},
        {NULL, 2, 0},
        {NULL, 0, UINT32_MAX},
        {"0", 0, UINT32_MAX},
        {"e", 6, 5 /* in llvmpipe, Some and Venus */},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(vkd_adapter_choose(adapters, rows[i].count, rows[i].request),
                         rows[i].choice);
}

/* A desktop GPU with a small window of host-visible device memory, and two odd types that must
 * never be used. */
static const VkPhysicalDeviceMemoryProperties desktop = {
    .memoryTypeCount = 6,
    .memoryTypes = {{VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT, 0},
                    {VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0},
                    {VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT, 1},
                    {VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |
                         VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
                     1},
                    {VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                         VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                     2},
                    {VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |
                         VK_MEMORY_PROPERTY_HOST_CACHED_BIT |
                         VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD,
                     1}},
    .memoryHeapCount = 3,
    .memoryHeaps = {{1000, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT},
                    {2000, 0},
                    {100, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}},
};

/* A phone: everything is one memory, cached memory is not coherent. */
static const VkPhysicalDeviceMemoryProperties phone = {
    .memoryTypeCount = 2,
    .memoryTypes = {{VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                         VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                     0},
                    {VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                         VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
                     0}},
    .memoryHeapCount = 1,
    .memoryHeaps = {{1000, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}},
};

/* A driver that claims more types than there can be, in a heap that cannot be. */
static const VkPhysicalDeviceMemoryProperties broken = {
    .memoryTypeCount = 1000000,
    .memoryTypes = {{VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, VK_MAX_MEMORY_HEAPS},
                    {VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 1000000}},
};

static void memory_choice(void **state)
{
    static const struct {
        const VkPhysicalDeviceMemoryProperties *memory;
        vkd_memory_kind kind;
        uint32_t type_bits;
        uint64_t size;
        uint32_t count, types[6];
    } rows[] = {
        {&desktop, VKD_MEMORY_DEVICE, 0xff, 10, 4, {1, 4, 2, 3}},
        {&broken, VKD_MEMORY_DEVICE, UINT32_MAX, 10, 0, {0}},
        {&desktop, VKD_MEMORY_DEVICE, 0xff, 1500, 2, {2, 3}}, /* larger than the device's heaps */
        {&desktop, VKD_MEMORY_DEVICE, 0xff, 2001, 0, {0}},
        {&desktop, VKD_MEMORY_UPLOAD, 0xff, 10, 3, {4, 2, 3}},
        {&desktop, VKD_MEMORY_UPLOAD, 0xff, 101, 2, {2, 3}}, /* larger than the window */
        {&desktop, VKD_MEMORY_UPLOAD, 0x0a, 10, 1, {3}},
        {&desktop, VKD_MEMORY_STAGING, 0xff, 10, 3, {3, 2, 4}},
        {&desktop, VKD_MEMORY_READBACK, 0xff, 10, 3, {3, 2, 4}},
        {&phone, VKD_MEMORY_DEVICE, 3, 10, 2, {0, 1}},
        {&phone, VKD_MEMORY_UPLOAD, 3, 10, 1, {0}},
        {&phone, VKD_MEMORY_STAGING, 3, 10, 1, {0}},
        {&phone, VKD_MEMORY_READBACK, 3, 10, 2, {1, 0}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t types[VK_MAX_MEMORY_TYPES];
        uint32_t count = vkd_memory_candidates(rows[i].memory, rows[i].kind, rows[i].type_bits,
                                               rows[i].size, types);
        assert_int_equal(count, rows[i].count);
        assert_memory_equal(types, rows[i].types, count * sizeof types[0]);
    }
}

/* ------------------------------------------------------------------------------- queue families */

static void queue_families(void **state)
{
    (void)state;
    enum {
        G = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT,
        C = VK_QUEUE_COMPUTE_BIT,
        T = VK_QUEUE_TRANSFER_BIT
    };
    static const struct {
        VkQueueFamilyProperties families[4];
        uint32_t count, wanted, expected;
    } rows[] = {
        {{{G, 16}, {T, 2}, {C, 8}}, 3, VKD_ANY_FAMILY, 0},
        {{{G, 16}, {T, 2}, {C, 8}}, 3, VKD_COMPUTE_FAMILY, 2},
        {{{C, 8}, {G, 1}}, 2, VKD_ANY_FAMILY, 1},
        {{{G, 4}, {C, 1}}, 2, VKD_COMPUTE_FAMILY, 0}, /* a single queue is no gain */
        {{{C, 1}}, 1, VKD_COMPUTE_FAMILY, 0},
        {{{C, 1}}, 1, VKD_ANY_FAMILY, 0},
        {{{G, 1}}, 1, VKD_COMPUTE_FAMILY, 0},
        {{{T, 2}, {C, 2}, {C, 8}}, 3, VKD_ANY_FAMILY, 1},
        {{{T, 2}, {VK_QUEUE_GRAPHICS_BIT, 1}}, 2, VKD_ANY_FAMILY, VKD_ANY_FAMILY},
        {{{T, 2}}, 1, VKD_COMPUTE_FAMILY, VKD_ANY_FAMILY},
        {{{G, 16}, {T, 2}, {C, 8}}, 3, 2, 2}, /* a borrowed device's */
        {{{G, 16}, {T, 2}, {C, 8}}, 3, 1, VKD_ANY_FAMILY},
        {{{G, 16}, {T, 2}, {C, 8}}, 3, 3, VKD_ANY_FAMILY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t family = vkd_family_choose(rows[i].families, rows[i].count, rows[i].wanted);
        if (family != rows[i].expected)
            fail_msg("row %zu: family %u, expected %u", i, family, rows[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_families),   cmocka_unit_test(best_dot),
        cmocka_unit_test(info_copies_caps), cmocka_unit_test(device_choice),
        cmocka_unit_test(memory_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
