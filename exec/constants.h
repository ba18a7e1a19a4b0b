/* Packed constants on a device, each there once, by the bytes that it is packed from and how it is
 * packed, whichever of the objects that work on the device has them. */
#ifndef VKD_EXEC_CONSTANTS_H
#define VKD_EXEC_CONSTANTS_H

#include "graph/graph.h"
#include "runtime/base/digest.h"
#include "runtime/buffer.h"

typedef struct vkd_constants vkd_constants;
typedef struct vkd_constant vkd_constant;
/* The constants that one object uses: a list, null at first, which stays at its address. */
typedef struct vkd_constant_use vkd_constant_use;

/* context: for host memory alone; while the mutex is held, as only one thread at a time may use it.
 * separate: large constants get memory of their own, so that it can be given back while others
 * stay; else those that come together lie in one buffer. */
VKD_MUST_USE vkd_status vkd_constants_create(vkd_context *context, bool separate,
                                             vkd_constants **out);
/* After all users; accepts null. */
void vkd_constants_destroy(vkd_constants *constants);

/* What a constant is known by. Its bytes are read. */
vkd_digest vkd_constants_digest(const vkd_constants *constants, const vkd_tensor *tensor);

/* A mutex, around what follows and until what was taken is packed: the one who takes a constant
 * first brings it to the device, others wait for that. */
void vkd_constants_lock(vkd_constants *constants);
void vkd_constants_unlock(vkd_constants *constants);

/* The constant with this digest, which the uses have from now on. *out_new: it is to be placed and
 * packed. */
VKD_MUST_USE vkd_status vkd_constants_take(vkd_constants *constants, vkd_context *context,
                                           const vkd_digest *digest, uint64_t size,
                                           vkd_constant_use **uses, vkd_constant **out,
                                           bool *out_new);
/* Makes room on the device for the new ones among the uses. */
VKD_MUST_USE vkd_status vkd_constants_place(vkd_constants *constants, vkd_device *device,
                                            const vkd_constant_use *uses);
vkd_slice vkd_constant_slice(const vkd_constant *constant);

/* Gives back uses up to `end`, the later ones of a list first; null: all. What nobody uses any more
 * leaves the device. */
void vkd_constants_give_back(vkd_constants *constants, vkd_device *device, vkd_constant_use **uses,
                             const vkd_constant_use *end);

/* Device bytes of constants, and of those that other objects use too. */
void vkd_constants_count(const vkd_constant_use *uses, uint64_t *out_bytes, uint64_t *out_shared);

#endif
