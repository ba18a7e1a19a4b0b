/* Devices that nobody has to own. */
#ifndef VKD_TEST_FAKE_CAPS_H
#define VKD_TEST_FAKE_CAPS_H

#include "runtime/base/caps.h"

typedef enum fake_device {
    FAKE_LLVMPIPE,
    FAKE_H100,        /* without matrix units, as GPUs of other vendors are to us */
    FAKE_H100_MATRIX, /* with them */
    FAKE_ADRENO_750,  /* signed and mixed dot */
    FAKE_ADRENO_640,  /* mixed dot only */
    FAKE_MALI_G610,
    FAKE_MINIMAL, /* Vulkan 1.1's required limits and no more */
    FAKE_COUNT
} fake_device;

vkd_caps fake_caps(fake_device device);

#endif
