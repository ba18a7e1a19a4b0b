/* Recorded dispatches: order, barriers, time stamps, and what is refused. Skips without a device.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "runtime/vulkan.h"
#include "support/gpu.h"

enum { PARTS = 6, PART = 256 * 4 };

/* Random dispatches y = 3 x + k between the parts of one buffer, against the same steps on the
 * host. */
static void chains_with_shared_memory(void **state)
{
    gpu *g = gpu_get(state);
    vkd_pipeline pipeline;
    assert_int_equal(vkd_pipeline_get(g->device, &gpu_scale, &pipeline), VKD_OK);
    for (int round = 0; round < 8; round++) {
        uint32_t words[PARTS][PART / 4], back[PARTS][PART / 4];
        for (int i = 0; i < PARTS * PART / 4; i++)
            words[i / (PART / 4)][i % (PART / 4)] = gpu_random();
        vkd_buffer buffer = gpu_buffer(g, words, sizeof words);
        vkd_commands *commands;
        assert_int_equal(vkd_commands_begin(g->device, 30, 60, 1, round & 1, &commands), VKD_OK);
        for (uint32_t d = 0; d < 30; d++) {
            uint32_t from = gpu_random() % PARTS,
                     to = (from + 1 + gpu_random() % (PARTS - 1)) % PARTS;
            const uint32_t push[] = {PART / 4, d};
            const vkd_slice slices[] = {{&buffer, from * PART, PART, false},
                                        {&buffer, to * PART, PART, true}};
            assert_int_equal(vkd_commands_dispatch(commands, &pipeline, slices, 2, push,
                                                   sizeof push, (uint32_t[]){PART / 256, 1, 1}),
                             VKD_OK);
            for (int i = 0; i < PART / 4; i++)
                words[to][i] = words[from][i] * 3 + d;
        }
        assert_int_equal(vkd_commands_end(commands), VKD_OK);
        assert_int_equal(vkd_commands_run(commands), VKD_OK);
        assert_int_equal(vkd_buffer_read(g->device, &buffer, 0, sizeof back, back), VKD_OK);
        assert_memory_equal(words, back, sizeof back);
        vkd_commands_destroy(commands);
        vkd_buffer_destroy(g->device, &buffer);
    }
    gpu_close(g);
}

static void barriers_only_where_needed(void **state)
{
    gpu *g = gpu_get(state);
    /* from, to and whether that needs a barrier after the steps before */
    static const struct {
        int from, to;
        bool barrier;
    } steps[] = {{0, 1, false},
                 {0, 2, false},
                 {1, 3, true},
                 {2, 4, false},
                 {4, 0, true},
                 {5, 3, false},
                 {5, 0, true /* written twice */},
                 {3, 5, true /* written after reading */},
                 {1, 2, false}};
    enum { STEPS = sizeof steps / sizeof steps[0] };
    vkd_pipeline pipeline;
    vkd_buffer buffer;
    assert_int_equal(vkd_pipeline_get(g->device, &gpu_scale, &pipeline), VKD_OK);
    assert_int_equal(
        vkd_buffer_create(g->device, VKD_MEMORY_DEVICE, PARTS * PART, "parts", &buffer), VKD_OK);
    for (int stamps = 0; stamps < 2; stamps++) {
        vkd_commands *commands;
        uint32_t expected = 0;
        assert_int_equal(vkd_commands_begin(g->device, STEPS, 2 * STEPS, 1, stamps, &commands),
                         VKD_OK);
        for (int i = 0; i < STEPS; i++) {
            const uint32_t push[] = {PART / 4, 0}, groups[] = {PART / 256, 1, 1};
            const vkd_slice slices[] = {{&buffer, (uint64_t)steps[i].from * PART, PART, false},
                                        {&buffer, (uint64_t)steps[i].to * PART, PART, true}};
            assert_int_equal(
                vkd_commands_dispatch(commands, &pipeline, slices, 2, push, sizeof push, groups),
                VKD_OK);
            expected += steps[i].barrier;
            assert_int_equal(vkd_commands_barrier_count(commands), expected);
        }
        assert_int_equal(vkd_commands_end(commands), VKD_OK);
        assert_int_equal(vkd_commands_run(commands), VKD_OK);
        vkd_commands_destroy(commands);
    }
    vkd_buffer_destroy(g->device, &buffer);
    gpu_close(g);
}

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Two independent dispatches of the spinning kernel, which could overlap; the second does ten times
 * the work of the first. */
enum { SPIN_SHORT = 6000, SPIN_LONG = 60000 };

static vkd_commands *record_spins(gpu *g, const vkd_buffer *buffer, bool stamps)
{
    static const uint32_t rounds[] = {SPIN_SHORT, SPIN_LONG}, groups[] = {1, 1, 1};
    vkd_pipeline pipeline;
    vkd_commands *commands;
    assert_int_equal(vkd_pipeline_get(g->device, &gpu_spin, &pipeline), VKD_OK);
    assert_int_equal(vkd_commands_begin(g->device, 2, 2, 1, stamps, &commands), VKD_OK);
    for (int i = 0; i < 2; i++) {
        const vkd_slice slice = {buffer, (uint64_t)i * 512, 4, true};
        assert_int_equal(
            vkd_commands_dispatch(commands, &pipeline, &slice, 1, &rounds[i], 4, groups), VKD_OK);
    }
    assert_int_equal(vkd_commands_end(commands), VKD_OK);
    return commands;
}

/* What always holds of one run's times. Returns whether they are near what the work lets expect,
 * which a busy machine can spoil. */
static bool check_times(vkd_commands *commands, bool stamps)
{
    uint64_t start = now_ns();
    assert_int_equal(vkd_commands_run(commands), VKD_OK);
    uint64_t wall = now_ns() - start, whole = vkd_commands_gpu_ns(commands);
    uint64_t first = vkd_commands_dispatch_ns(commands, 0),
             second = vkd_commands_dispatch_ns(commands, 1);
    assert_int_equal(vkd_commands_dispatch_ns(commands, 2), 0);
    assert_true(whole > 0 && whole <= wall);
    if (!stamps) {
        assert_true(first == 0 && second == 0);
        return true;
    }
    assert_true(first > 0 && second > 0 && first + second <= whole + 2 /* rounded */);
    return second > 3 * first && first + second > whole / 2;
}

static void time_stamps(void **state)
{
    gpu *g = gpu_get(state);
    vkd_buffer buffer;
    assert_int_equal(vkd_buffer_create(g->device, VKD_MEMORY_DEVICE, 1024, "spin", &buffer),
                     VKD_OK);
    for (int stamps = 0; stamps < 2; stamps++) {
        vkd_commands *commands = record_spins(g, &buffer, stamps);
        assert_int_equal(vkd_commands_gpu_ns(commands), 0); /* has not run */
        assert_int_equal(vkd_commands_run(commands), VKD_OK);
        if (vkd_device_caps(g->device)->timestamp_bits) {
            int tries = 0;
            while (!check_times(commands, stamps) && ++tries < 50)
                ;
            assert_true(tries < 50);
        } else {
            assert_int_equal(vkd_commands_gpu_ns(commands), 0);
            assert_int_equal(vkd_commands_dispatch_ns(commands, 0), 0);
        }
        uint32_t found[129], expected = 1;
        for (uint32_t k = 0; k < 16 * SPIN_LONG; k++) {
            expected ^= expected << 13;
            expected ^= expected >> 17;
            expected ^= expected << 5;
        }
        assert_int_equal(vkd_buffer_read(g->device, &buffer, 0, sizeof found, found), VKD_OK);
        assert_int_equal(found[128], expected);
        vkd_commands_destroy(commands);
    }
    vkd_buffer_destroy(g->device, &buffer);
    gpu_close(g);
}

static void wrong_dispatches(void **state)
{
    gpu *g = gpu_get(state);
    vkd_pipeline pipeline;
    vkd_buffer buffer, empty;
    const vkd_caps *caps = vkd_device_caps(g->device);
    assert_int_equal(vkd_pipeline_get(g->device, &gpu_scale, &pipeline), VKD_OK);
    assert_int_equal(vkd_buffer_create(g->device, VKD_MEMORY_DEVICE, 1024, "test", &buffer),
                     VKD_OK);
    assert_int_equal(vkd_buffer_create(g->device, VKD_MEMORY_DEVICE, 0, "empty", &empty), VKD_OK);
    const vkd_slice good = {&buffer, 0, 512, true};
    const struct {
        vkd_slice slice;
        uint32_t slice_count, push_size, groups[3];
        vkd_status status;
        bool skip;
    } rows[] = {
        {good, 1, 8, {1, 1, 1}, VKD_INVALID_ARGUMENT, false},
        {good, 2, 4, {1, 1, 1}, VKD_INVALID_ARGUMENT, false},
        {good, 2, 8, {1, 0, 1}, VKD_INVALID_ARGUMENT, false},
        {good,
         2,
         8,
         {1, caps->max_workgroup_count[1] + 1, 1},
         VKD_UNSUPPORTED,
         caps->max_workgroup_count[1] == UINT32_MAX},
        {{&buffer, 0, 1025, true}, 2, 8, {1, 1, 1}, VKD_INVALID_ARGUMENT, false},
        {{&buffer, 512, UINT64_MAX, true}, 2, 8, {1, 1, 1}, VKD_INVALID_ARGUMENT, false},
        {{&buffer, 2048, 4, true}, 2, 8, {1, 1, 1}, VKD_INVALID_ARGUMENT, false},
        {{&buffer, 0, 0, true}, 2, 8, {1, 1, 1}, VKD_INVALID_ARGUMENT, false},
        {{&buffer, 1, 16, true},
         2,
         8,
         {1, 1, 1},
         VKD_INVALID_ARGUMENT,
         caps->storage_alignment == 1},
        {{&empty, 0, 4, true}, 2, 8, {1, 1, 1}, VKD_INVALID_ARGUMENT, false},
    };
    vkd_commands *commands;
    const uint32_t push[] = {1, 0};
    assert_int_equal(vkd_commands_begin(g->device, 2, 3, 1, false, &commands), VKD_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const vkd_slice slices[] = {{&buffer, 512, 512, false}, rows[i].slice};
        if (!rows[i].skip)
            assert_int_equal(vkd_commands_dispatch(commands, &pipeline, slices, rows[i].slice_count,
                                                   push, rows[i].push_size, rows[i].groups),
                             rows[i].status);
    }
    vkd_commands_destroy(commands);
    vkd_buffer_destroy(g->device, &empty);
    vkd_buffer_destroy(g->device, &buffer);
    gpu_close(g);
}

/* Room for one dispatch of two bindings. */
static void dispatches_without_room(void **state)
{
    gpu *g = gpu_get(state);
    vkd_pipeline pipeline;
    vkd_buffer buffer;
    vkd_commands *commands;
    const uint32_t push[] = {1, 0}, one[] = {1, 1, 1};
    assert_int_equal(vkd_pipeline_get(g->device, &gpu_scale, &pipeline), VKD_OK);
    assert_int_equal(vkd_buffer_create(g->device, VKD_MEMORY_DEVICE, 1024, "test", &buffer),
                     VKD_OK);
    const vkd_slice slices[] = {{&buffer, 512, 512, false}, {&buffer, 0, 512, true}};
    assert_int_equal(vkd_commands_begin(g->device, 2, 3, 1, false, &commands), VKD_OK);
    assert_int_equal(vkd_commands_run(commands), VKD_INVALID_ARGUMENT); /* still recording */
    assert_int_equal(vkd_commands_dispatch(commands, &pipeline, slices, 2, push, 8, one), VKD_OK);
    /* bindings */
    assert_int_equal(vkd_commands_dispatch(commands, &pipeline, slices, 2, push, 8, one),
                     VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_commands_end(commands), VKD_OK);
    /* ended */
    assert_int_equal(vkd_commands_dispatch(commands, &pipeline, slices, 2, push, 8, one),
                     VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_commands_run(commands), VKD_OK);
    vkd_commands_destroy(commands);
    vkd_buffer_destroy(g->device, &buffer);
    gpu_close(g);
}

static void an_empty_recording_runs(void **state)
{
    gpu *g = gpu_get(state);
    vkd_commands *commands;
    assert_int_equal(vkd_commands_begin(g->device, 0, 0, 1, true, &commands), VKD_OK);
    assert_int_equal(vkd_commands_end(commands), VKD_OK);
    assert_int_equal(vkd_commands_run(commands), VKD_OK);
    vkd_commands_destroy(commands);
    assert_int_equal(vkd_commands_begin(g->device, UINT32_MAX, 0, 1, true, &commands),
                     VKD_INVALID_ARGUMENT);
    vkd_commands_destroy(NULL);
    gpu_close(g);
}

/* ---------------------------------------------------------------------------------- submissions */

/* Which barriers and dispatches were recorded, in this order; of barriers those that wait for all
 * earlier work and make its writes visible to kernels. */
static struct {
    PFN_vkCmdPipelineBarrier barrier;
    PFN_vkCmdDispatch dispatch;
    char text[64];
} recorded;

static void note(char what)
{
    size_t length = strlen(recorded.text);
    assert_true(length + 1 < sizeof recorded.text);
    recorded.text[length] = what;
}

static VKAPI_ATTR void VKAPI_CALL note_barrier(VkCommandBuffer commands, VkPipelineStageFlags from,
                                               VkPipelineStageFlags to, VkDependencyFlags flags,
                                               uint32_t count, const VkMemoryBarrier *barriers,
                                               uint32_t buffers,
                                               const VkBufferMemoryBarrier *buffer, uint32_t images,
                                               const VkImageMemoryBarrier *image)
{
    const VkAccessFlags both = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT;
    bool waits = from & VK_PIPELINE_STAGE_ALL_COMMANDS_BIT &&
                 to & VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT && count == 1 &&
                 barriers->srcAccessMask & VK_ACCESS_MEMORY_WRITE_BIT &&
                 (barriers->dstAccessMask & both) == both;
    note(waits ? 'W' : 'b');
    recorded.barrier(commands, from, to, flags, count, barriers, buffers, buffer, images, image);
}

static VKAPI_ATTR void VKAPI_CALL note_dispatch(VkCommandBuffer commands, uint32_t x, uint32_t y,
                                                uint32_t z)
{
    note('d');
    recorded.dispatch(commands, x, y, z);
}

/* What is on the queue already may write what these dispatches read, and read what they write: a
 * recording begins with a wait for it. No device that we have runs two submissions of a queue at
 * once, so results would not tell. */
static void earlier_submissions_are_waited_for(void **state)
{
    gpu *g = gpu_get(state);
    vkd_pipeline pipeline;
    assert_int_equal(vkd_pipeline_get(g->device, &gpu_scale, &pipeline), VKD_OK);
    static const uint32_t words[2 * PART / 4];
    vkd_buffer buffer = gpu_buffer(g, words, sizeof words);
    for (int stamps = 0; stamps <= 1; stamps++) {
        vkd_commands *commands;
        memset(&recorded, 0, sizeof recorded);
        recorded.barrier = g->device->vk.vkCmdPipelineBarrier;
        recorded.dispatch = g->device->vk.vkCmdDispatch;
        g->device->vk.vkCmdPipelineBarrier = note_barrier;
        g->device->vk.vkCmdDispatch = note_dispatch;
        assert_int_equal(vkd_commands_begin(g->device, 1, 2, 1, stamps, &commands), VKD_OK);
        const uint32_t push[] = {PART / 4, 0};
        const vkd_slice slices[] = {{&buffer, 0, PART, false}, {&buffer, PART, PART, true}};
        assert_int_equal(vkd_commands_dispatch(commands, &pipeline, slices, 2, push, sizeof push,
                                               (uint32_t[]){PART / 256, 1, 1}),
                         VKD_OK);
        g->device->vk.vkCmdPipelineBarrier = recorded.barrier;
        g->device->vk.vkCmdDispatch = recorded.dispatch;
        assert_int_equal(strncmp(recorded.text, "W", 1), 0);
        assert_int_equal(recorded.text[strlen(recorded.text) - 1], 'd');
        assert_int_equal(vkd_commands_end(commands), VKD_OK);
        assert_int_equal(vkd_commands_run(commands), VKD_OK);
        vkd_commands_destroy(commands);
    }
    vkd_buffer_destroy(g->device, &buffer);
    gpu_close(g);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, gpu_setup, gpu_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(chains_with_shared_memory),
        TEST(barriers_only_where_needed),
        TEST(time_stamps),
        TEST(wrong_dispatches),
        TEST(dispatches_without_room),
        TEST(an_empty_recording_runs),
        TEST(earlier_submissions_are_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
