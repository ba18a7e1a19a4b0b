/* The reader of programs: every method, and the bytes as a delegate's blob. */
#include "plan.h"
#include "schema/inline.h"

static vkd_status read_program(const uint8_t *data, size_t size, vkd_arena *arena)
{
    vkd_container container;
    vkd_model model;
    VKD_TRY(vkd_container_read(data, size, arena, &container));
    for (size_t i = 0; i < container.method_count; i++)
        VKD_TRY(
            vkd_inline_method(&container, &container.methods[i], "VulkanBackend", arena, &model));
    return VKD_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_plan p;
    vkd_model model;
    fuzz_plan_begin(&p);
    if (read_program(data, size, &p.arena) != VKD_OK)
        (void)!vkd_model_read(data, size, NULL, &p.arena, &model);
    fuzz_plan_end(&p);
    return 0;
}
