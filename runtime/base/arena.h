/* An arena: many allocations that are released together. Everything that belongs to one model or
 * one graph lives in one. */
#ifndef VKD_RUNTIME_BASE_ARENA_H
#define VKD_RUNTIME_BASE_ARENA_H

#include "runtime/base/context.h"

typedef struct vkd_arena_block vkd_arena_block;

typedef struct vkd_arena {
    vkd_context *context;
    vkd_arena_block *blocks; /* newest first */
} vkd_arena;

void vkd_arena_init(vkd_arena *arena, vkd_context *context);
void vkd_arena_release(vkd_arena *arena); /* frees everything; the arena can be used again */

/* Zeroed, aligned for any type, valid until the release. Null when there is no memory or the
 * product overflows. */
void *vkd_arena_alloc(vkd_arena *arena, size_t count, size_t size);

/* A formatted string in the arena; null when there is no memory. */
char *vkd_arena_printf(vkd_arena *arena, const char *format, ...) VKD_PRINTF(2, 3);

/* Makes room for one more element in a growing array: returns the array, moved and doubled if it
 * was full, or null when there is no memory (the old array stays valid). The outgrown copies stay
 * in the arena. */
void *vkd_arena_grow(vkd_arena *arena, void *array, size_t count, size_t *capacity, size_t size);

#endif
