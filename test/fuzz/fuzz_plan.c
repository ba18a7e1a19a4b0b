/* From a file to a plan, for a device with few limits and one with many. */
#include "plan.h"
#include "support/fake_caps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const fake_device devices[] = {FAKE_LLVMPIPE, FAKE_ADRENO_640};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        const vkd_caps caps = fake_caps(devices[i]);
        fuzz_plan p;
        fuzz_plan_begin(&p);
        (void)!fuzz_plan_make(&p, data, size, &caps);
        fuzz_plan_end(&p);
    }
    return 0;
}
