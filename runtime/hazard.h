/* When a dispatch has to wait for earlier ones: a tracker of the memory used since the last
 * barrier. No Vulkan in it. */
#ifndef VKD_RUNTIME_HAZARD_H
#define VKD_RUNTIME_HAZARD_H

#include <stdbool.h>
#include <stdint.h>

typedef struct vkd_range {
    const void *memory; /* only compared; ranges of different memory never overlap */
    uint64_t offset, size;
    bool write;
} vkd_range;

typedef struct vkd_hazards {
    vkd_range *ranges; /* used since the last barrier */
    uint32_t count, capacity;
} vkd_hazards;

/* More ranges than these cost more to look through than a barrier does. */
enum { VKD_HAZARDS_WATCHED = 2048 };

/* Whether a dispatch that uses these ranges must wait: one of them overlaps a range used since the
 * last barrier, and at least one of the two is written (read after write, write after read, write
 * after write). Or whether there are too many of those ranges to tell. */
bool vkd_hazards_found(const vkd_hazards *hazards, const vkd_range *uses, uint32_t use_count);

/* Notes a dispatch's ranges. They are no hazard to each other. False when there is no room. */
bool vkd_hazards_add(vkd_hazards *hazards, const vkd_range *uses, uint32_t use_count);

/* A barrier was recorded. */
void vkd_hazards_clear(vkd_hazards *hazards);

#endif
