#include "ops/conv/squeeze.h"

/* On a large GPU one workgroup is all that works: as many as there are. */
static uint32_t width_of(const vkd_caps *caps, uint32_t between)
{
    enum { VALUE_BYTES = 16 };
    uint32_t width = caps->type == VKD_TYPE_DISCRETE ? 1024 : 256;
    while (width > caps->max_workgroup_invocations || width > caps->max_workgroup_size[0] ||
           (width > 256 && (width + between) * VALUE_BYTES > caps->shared_memory))
        width /= 2;
    return width;
}

/* Invocations for four channels of the first: as many as there are for each. */
static uint32_t lanes_of(uint32_t width, uint32_t steps, uint32_t between)
{
    enum { MOST = 128 };
    uint32_t lanes = 1;
    while (lanes < MOST && lanes < steps && 2 * lanes * between <= width)
        lanes *= 2;
    return lanes;
}

static uint64_t loops_of(uint32_t width, uint32_t lanes, uint32_t steps, uint32_t between)
{
    enum { LEVELS = 7 }; /* of the sums of all lanes */
    const uint64_t share = vkd_loop(vkd_divide_up(steps, lanes), 0) + vkd_loop(LEVELS, 0);
    return vkd_loop(vkd_divide_up(between, width / lanes), share) + vkd_loop(between, 0);
}

conv_squeeze vkd_conv_squeeze(const vkd_caps *caps, uint32_t steps, uint32_t between,
                              uint32_t result)
{
    const uint32_t width = width_of(caps, between), lanes = lanes_of(width, steps, between);
    return (conv_squeeze){.width = width,
                          .lanes = lanes,
                          .slices = (uint32_t)vkd_divide_up(result, width),
                          .loops = loops_of(width, lanes, steps, between)};
}
