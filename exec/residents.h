/* What stays on the device between executions, shared by all graphs that one net is lowered to:
 * packed constants, which other nets may have too, and state. */
#ifndef VKD_EXEC_RESIDENTS_H
#define VKD_EXEC_RESIDENTS_H

#include "exec/constants.h"

typedef struct vkd_residents vkd_residents;

/* Where the bytes that sources point to are not always there: hold brings them back, release lets
 * them go again. */
typedef struct vkd_constant_bytes {
    vkd_status (*hold)(void *user);
    void (*release)(void *user);
    void *user;
} vkd_constant_bytes;

/* constants: those on the device, for all objects that work on it; they outlive the residents. Null
 * for graphs that are only tried, whose constants are nobody else's. */
VKD_MUST_USE vkd_status vkd_residents_create(vkd_device *device, vkd_constants *constants,
                                             vkd_residents **out);
/* accepts null; after the executors that use them */
void vkd_residents_destroy(vkd_residents *residents);

/* From now on constants are packed between hold and release. */
void vkd_residents_bytes_come_from(vkd_residents *residents, const vkd_constant_bytes *bytes);

/* Brings to the device what a planned graph needs and is not there yet, and fills in the slices of
 * its constants and states, by tensor. A failure leaves what was there. Sources of constants are
 * not read after this returns; but their bytes stay the key, so that what they point to must not
 * change while the residents live. */
VKD_MUST_USE vkd_status vkd_residents_place(vkd_residents *residents, const vkd_graph *graph,
                                            vkd_slice *slices);

/* Where the state with such a key is (vkd_tensor.state); false if no graph has it. */
bool vkd_residents_state(const vkd_residents *residents, uint32_t key, vkd_slice *out);

/* Packs every state anew: what it was before the first execution. Its sources are read again.
 * Nothing may be in flight. */
VKD_MUST_USE vkd_status vkd_residents_reset(vkd_residents *residents);

/* From now on a slot's scratch is the same memory for all graphs, as much as the first of them
 * needs: that with the largest shapes. Executions of different graphs in one slot follow each
 * other. */
void vkd_residents_share_scratch(vkd_residents *residents);
/* The scratch of a slot; *out null where nothing is shared, or not as much. */
VKD_MUST_USE vkd_status vkd_residents_scratch(vkd_residents *residents, uint32_t slot,
                                              uint64_t bytes, const vkd_buffer **out);
uint64_t vkd_residents_scratch_bytes(const vkd_residents *residents);

/* Bytes of the device, and how many of them are of constants that other objects use too. */
void vkd_residents_count(const vkd_residents *residents, uint64_t *out_bytes, uint64_t *out_shared);
/* host-visible memory that the largest upload held */
uint64_t vkd_residents_staging_bytes(const vkd_residents *residents);

#endif
