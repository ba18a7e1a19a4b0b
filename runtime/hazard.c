#include "runtime/hazard.h"

#include <string.h>

static bool overlap(const vkd_range *a, const vkd_range *b)
{
    /* Subtractions instead of ends: an end may not fit in 64 bits. */
    if (a->memory != b->memory || !a->size || !b->size)
        return false;
    return a->offset < b->offset ? b->offset - a->offset < a->size
                                 : a->offset - b->offset < b->size;
}

bool vkd_hazards_found(const vkd_hazards *hazards, const vkd_range *uses, uint32_t use_count)
{
    if (hazards->count > VKD_HAZARDS_WATCHED)
        return true;
    for (uint32_t i = 0; i < hazards->count; i++)
        for (uint32_t k = 0; k < use_count; k++)
            if ((hazards->ranges[i].write || uses[k].write) &&
                overlap(&hazards->ranges[i], &uses[k]))
                return true;
    return false;
}

bool vkd_hazards_add(vkd_hazards *hazards, const vkd_range *uses, uint32_t use_count)
{
    if (use_count > hazards->capacity - hazards->count)
        return false;
    if (use_count)
        memcpy(hazards->ranges + hazards->count, uses, use_count * sizeof *uses);
    hazards->count += use_count;
    return true;
}

void vkd_hazards_clear(vkd_hazards *hazards) { hazards->count = 0; }
