/* The reader of .ptd files. */
#include "plan.h"
#include "schema/named.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_plan p;
    vkd_data_file file;
    uint64_t sum = 0;
    fuzz_plan_begin(&p);
    if (vkd_data_file_read(data, size, &p.arena, &file) == VKD_OK)
        for (size_t i = 0; i < file.named_count; i++) /* all of it can be read */
            for (size_t k = 0; k < file.named[i].data.size; k++)
                sum += ((const uint8_t *)file.named[i].data.data)[k];
    fuzz_plan_end(&p);
    return (int)(sum >> 63) * 0;
}
