/* How many dispatches nets of images take as their files say it, and after the rewrites: the latter
 * are held to bounds. Needs no device. */
#include "graph/rewrite.h"
#include "nets/nets.h"
#include "schema/inline.h"
#include "support/fake_caps.h"
#include "support/reading.h"
#include "ops/lower.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static size_t count(const net_file *file, fake_device device, uint32_t skip)
{
    const vkd_caps caps = fake_caps(device);
    reading r;
    vkd_model model;
    vkd_net net;
    vkd_graph graph;
    vkd_lowered lowered;
    reading_begin(&r, NULL);
    vkd_graph_init(&graph, &r.arena);
    if (vkd_container_read(file->file, file->file_size, &r.arena, &r.container) != VKD_OK ||
        vkd_inline_method(&r.container, &r.container.methods[0], vkd_backend.id, &r.arena,
                          &model) != VKD_OK ||
        vkd_net_bind(&net, &model, &vkd_ops, &r.arena) != VKD_OK ||
        vkd_rewrite(&net, skip) != VKD_OK)
        fail_msg("%s", r.context.error);
    vkd_model_value *values = vkd_arena_alloc(&r.arena, net.value_count, sizeof *values);
    assert_non_null(values);
    if (vkd_shape_net(&r.context, &net, NULL, values) != VKD_OK ||
        vkd_lower_net(&r.context, &net, values, &caps, NULL, &graph, &lowered) != VKD_OK)
        fail_msg("%s", r.context.error);
    const size_t dispatches = graph.node_count;
    reading_end(&r);
    return dispatches;
}

static void nets_are_fused(void **state)
{
    static const struct {
        const char *name;
        vkd_dtype dtype;
        size_t gpu, cpu; /* at most */
    } nets[] = {
        {"mobilenet_v3_small", VKD_DTYPE_INT8, 64, 66},
        {"mobilenet_v3_large", VKD_DTYPE_INT8, 70, 77},
        {"efficientnet_b0", VKD_DTYPE_INT8, 100, 100},
        {"densenet121", VKD_DTYPE_INT8, 198, 198},
        {"shufflenet_v2_x0_5", VKD_DTYPE_INT8, 89, 124},
        {"efficientnet_b0", VKD_DTYPE_FLOAT16, 110, 110},
    };
    (void)state;
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        const net_shape shape = {.name = nets[i].name, .dtype = nets[i].dtype, .seed = 1};
        net_file file;
        if (!net_build(&shape, &file))
            fail_msg("%s: %s", nets[i].name, file.error);
        const size_t apart = count(&file, FAKE_H100_MATRIX, UINT32_MAX),
                     gpu = count(&file, FAKE_H100_MATRIX, 0), cpu = count(&file, FAKE_LLVMPIPE, 0);
        print_message("%s %s: %zu dispatches as the file says, %zu on a GPU, %zu on a CPU\n",
                      nets[i].name, vkd_dtype_name(nets[i].dtype), apart, gpu, cpu);
        if (gpu > nets[i].gpu || cpu > nets[i].cpu || gpu >= apart)
            fail_msg("%s: expected %zu and %zu at most, and fewer than %zu", nets[i].name,
                     nets[i].gpu, nets[i].cpu, apart);
        net_release(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nets_are_fused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
