#include "runtime/base/arena.h"
#include "runtime/base/math.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK_SIZE = 32 * 1024 };

struct vkd_arena_block {
    vkd_arena_block *older;
    size_t used, size;
    alignas(max_align_t) unsigned char bytes[];
};

void vkd_arena_init(vkd_arena *arena, vkd_context *context)
{
    *arena = (vkd_arena){.context = context};
}

void vkd_arena_release(vkd_arena *arena)
{
    while (arena->blocks) {
        vkd_arena_block *block = arena->blocks;
        arena->blocks = block->older;
        vkd_free(arena->context, block);
    }
}

void *vkd_arena_alloc(vkd_arena *arena, size_t count, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size && count > (SIZE_MAX - BLOCK_SIZE) / size)
        return NULL;
    size_t bytes = vkd_align_up(count * size, align);
    vkd_arena_block *block = arena->blocks;
    if (!block || block->size - block->used < bytes) {
        size_t room = bytes > BLOCK_SIZE ? bytes : BLOCK_SIZE;
        block = vkd_alloc(arena->context, 1, sizeof *block + room);
        if (!block)
            return NULL;
        block->size = room;
        block->older = arena->blocks;
        arena->blocks = block;
    }
    void *memory = block->bytes + block->used; /* vkd_alloc zeroed it */
    block->used += bytes;
    return memory;
}

char *vkd_arena_printf(vkd_arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : vkd_arena_alloc(arena, (size_t)length + 1, 1);
    if (!text)
        return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

void *vkd_arena_grow(vkd_arena *arena, void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    size_t larger = *capacity ? 2 * *capacity : 16;
    void *moved = vkd_arena_alloc(arena, larger, size);
    if (!moved)
        return NULL;
    if (count)
        memcpy(moved, array, count * size);
    *capacity = larger;
    return moved;
}
