/* How a workgroup computes two layers of one pixel, one behind the other: shaders/excite.comp,
 * excite_float.comp. Channels come in fours. */
#ifndef VKD_OPS_CONV_SQUEEZE_H
#define VKD_OPS_CONV_SQUEEZE_H

#include "ops/lower.h"

typedef struct conv_squeeze {
    uint32_t width;  /* invocations */
    uint32_t lanes;  /* of them, for four channels of the first layer */
    uint32_t slices; /* workgroups for a pixel of the result */
    uint64_t loops;  /* of an invocation */
} conv_squeeze;

conv_squeeze vkd_conv_squeeze(const vkd_caps *caps, uint32_t steps, uint32_t between,
                              uint32_t result);

#endif
