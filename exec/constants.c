#include "exec/constants.h"
#include "runtime/base/math.h"

#include <pthread.h>
#include <string.h>

/* A buffer on the device, for as long as one of its constants is used. */
typedef struct block {
    vkd_buffer buffer;
    size_t used; /* constants in it */
} block;

struct vkd_constant {
    vkd_digest digest;
    vkd_constant *next; /* in its bucket */
    vkd_constant_use *uses;
    block *block; /* null until it is placed */
    uint64_t offset, size;
};

struct vkd_constant_use {
    vkd_constant *constant;
    vkd_constant_use **user;               /* the list that it is in */
    vkd_constant_use *next, *next_of_user; /* of the constant; in that list */
};

struct vkd_constants {
    vkd_context *context;
    bool separate;
    vkd_digest_key key;
    pthread_mutex_t mutex;
    vkd_constant **buckets;
    size_t bucket_count, count;
};

/* ----------------------------------------------------------------------------------------- life */

vkd_status vkd_constants_create(vkd_context *context, bool separate, vkd_constants **out)
{
    enum { BUCKETS = 64 };
    vkd_constants *constants = vkd_alloc(context, 1, sizeof *constants);
    vkd_constant **buckets = vkd_alloc(context, BUCKETS, sizeof *buckets);
    *out = NULL;
    if (!constants || !buckets || pthread_mutex_init(&constants->mutex, NULL) != 0) {
        vkd_free(context, buckets);
        vkd_free(context, constants);
        return vkd_fail_memory(context, "the table of constants");
    }
    constants->context = context;
    constants->separate = separate;
    constants->buckets = buckets;
    constants->bucket_count = BUCKETS;
    vkd_digest_key_make(&constants->key);
    *out = constants;
    return VKD_OK;
}

static void free_constant(vkd_constants *constants, vkd_constant *c)
{
    if (c->block && !--c->block->used)
        vkd_free(constants->context, c->block);
    vkd_free(constants->context, c);
}

/* In a process that was forked uses are still there. */
void vkd_constants_destroy(vkd_constants *constants)
{
    if (!constants)
        return;
    vkd_context *context = constants->context;
    for (size_t i = 0; i < constants->bucket_count; i++)
        for (vkd_constant *c = constants->buckets[i], *next; c; c = next) {
            next = c->next;
            for (vkd_constant_use *use = c->uses, *after; use; use = after) {
                after = use->next;
                vkd_free(context, use);
            }
            free_constant(constants, c);
        }
    pthread_mutex_destroy(&constants->mutex);
    vkd_free(context, constants->buckets);
    vkd_free(context, constants);
}

void vkd_constants_lock(vkd_constants *constants) { pthread_mutex_lock(&constants->mutex); }

void vkd_constants_unlock(vkd_constants *constants) { pthread_mutex_unlock(&constants->mutex); }

/* --------------------------------------------------------------------------------------- lookup */

/* All but the pointers of the struct that it is packed from, and what is behind those. A key that a
 * file gives to its bytes is no more than the file's word. */
vkd_digest vkd_constants_digest(const vkd_constants *constants, const vkd_tensor *tensor)
{
    const vkd_content *contents = tensor->source;
    const size_t pointers = tensor->contents * sizeof *contents;
    vkd_digest digest = {{0}};
    vkd_digest_add(&digest, &constants->key, &tensor->pack, sizeof tensor->pack);
    vkd_digest_add(&digest, &constants->key, &tensor->bytes, sizeof tensor->bytes);
    vkd_digest_add(&digest, &constants->key, (const char *)tensor->source + pointers,
                   tensor->source_size - pointers);
    for (size_t i = 0; i < tensor->contents; i++) {
        const bool is_there = contents[i].data;
        vkd_digest_add(&digest, &constants->key, &is_there, sizeof is_there);
        vkd_digest_add(&digest, &constants->key, contents[i].data, contents[i].size);
    }
    return digest;
}

static vkd_constant **bucket_of(const vkd_constants *constants, const vkd_digest *digest)
{
    return &constants->buckets[digest->words[0] % constants->bucket_count];
}

static vkd_constant *find(const vkd_constants *constants, const vkd_digest *digest)
{
    vkd_constant *c = *bucket_of(constants, digest);
    while (c && memcmp(&c->digest, digest, sizeof *digest))
        c = c->next;
    return c;
}

static void enter(vkd_constants *constants, vkd_constant *c)
{
    vkd_constant **bucket = bucket_of(constants, &c->digest);
    c->next = *bucket;
    *bucket = c;
}

static void leave(vkd_constants *constants, const vkd_constant *c)
{
    vkd_constant **at = bucket_of(constants, &c->digest);
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
}

/* Without memory for a larger table the old one does. */
static void grow(vkd_constants *constants)
{
    const size_t old_count = constants->bucket_count;
    if (constants->count < 2 * old_count)
        return;
    vkd_constant **old = constants->buckets,
                 **grown = vkd_alloc(constants->context, 4 * old_count, sizeof *grown);
    if (!grown)
        return;
    constants->buckets = grown;
    constants->bucket_count = 4 * old_count;
    for (size_t i = 0; i < old_count; i++)
        for (vkd_constant *c = old[i], *next; c; c = next) {
            next = c->next;
            enter(constants, c);
        }
    vkd_free(constants->context, old);
}

/* ------------------------------------------------------------------------------------------ use */

static bool is_used_by(const vkd_constant *c, vkd_constant_use **user)
{
    const vkd_constant_use *use = c->uses;
    while (use && use->user != user)
        use = use->next;
    return use;
}

vkd_status vkd_constants_take(vkd_constants *constants, vkd_context *context,
                              const vkd_digest *digest, uint64_t size, vkd_constant_use **uses,
                              vkd_constant **out, bool *out_new)
{
    vkd_constant *c = find(constants, digest);
    *out_new = !c;
    *out = c;
    if (c && is_used_by(c, uses))
        return VKD_OK;
    vkd_constant_use *use = vkd_alloc(constants->context, 1, sizeof *use);
    if (!c)
        c = vkd_alloc(constants->context, 1, sizeof *c);
    if (!c || !use) {
        vkd_free(constants->context, use);
        if (*out_new)
            vkd_free(constants->context, c);
        return vkd_fail_memory(context, "a constant");
    }
    if (*out_new) {
        *c = (vkd_constant){.digest = *digest, .size = size};
        enter(constants, c);
        constants->count++;
        grow(constants);
    }
    *use = (vkd_constant_use){c, uses, c->uses, *uses};
    c->uses = *uses = use;
    *out = c;
    return VKD_OK;
}

static uint64_t room_of(const vkd_device *device, const vkd_constant *c)
{
    const uint64_t alignment = vkd_device_caps(device)->storage_alignment;
    return vkd_align_up(c->size, alignment < 16 ? 16 : alignment);
}

static vkd_status create_block(vkd_constants *constants, vkd_device *device, uint64_t size,
                               block **out)
{
    vkd_context *context = vkd_device_context(device);
    block *made = vkd_alloc(constants->context, 1, sizeof *made);
    if (!made)
        return vkd_fail_memory(context, "constants");
    vkd_status status =
        vkd_buffer_create(device, VKD_MEMORY_DEVICE, size, "constants", &made->buffer);
    if (status == VKD_OK)
        *out = made;
    else
        vkd_free(constants->context, made);
    return status;
}

static bool has_own_block(const vkd_constants *constants, const vkd_constant *c)
{
    enum { LARGE = 256 * 1024 };
    return constants->separate && c->size >= LARGE;
}

vkd_status vkd_constants_place(vkd_constants *constants, vkd_device *device,
                               const vkd_constant_use *uses)
{
    block *together = NULL;
    uint64_t bytes = 0;
    for (const vkd_constant_use *use = uses; use; use = use->next_of_user)
        if (!use->constant->block && !has_own_block(constants, use->constant)) {
            use->constant->offset = bytes;
            bytes += room_of(device, use->constant);
        }
    if (bytes)
        VKD_TRY(create_block(constants, device, bytes, &together));
    for (const vkd_constant_use *use = uses; use; use = use->next_of_user)
        if (!use->constant->block && !has_own_block(constants, use->constant)) {
            use->constant->block = together;
            together->used++;
        }
    for (const vkd_constant_use *use = uses; use; use = use->next_of_user)
        if (!use->constant->block) {
            VKD_TRY(create_block(constants, device, use->constant->size, &use->constant->block));
            use->constant->block->used = 1;
        }
    return VKD_OK;
}

vkd_slice vkd_constant_slice(const vkd_constant *c)
{
    return (vkd_slice){.buffer = &c->block->buffer, .offset = c->offset, .size = c->size};
}

/* The last user of a constant has gone. */
static void drop(vkd_constants *constants, vkd_device *device, vkd_constant *c)
{
    leave(constants, c);
    constants->count--;
    if (c->block && c->block->used == 1)
        vkd_buffer_destroy(device, &c->block->buffer);
    free_constant(constants, c);
}

void vkd_constants_give_back(vkd_constants *constants, vkd_device *device, vkd_constant_use **uses,
                             const vkd_constant_use *end)
{
    for (vkd_constant_use *use = *uses; use != end; use = *uses) {
        vkd_constant_use **at = &use->constant->uses;
        while (*at != use)
            at = &(*at)->next;
        *at = use->next;
        *uses = use->next_of_user;
        if (!use->constant->uses)
            drop(constants, device, use->constant);
        vkd_free(constants->context, use);
    }
}

void vkd_constants_count(const vkd_constant_use *uses, uint64_t *out_bytes, uint64_t *out_shared)
{
    *out_bytes = *out_shared = 0;
    for (const vkd_constant_use *use = uses; use; use = use->next_of_user) {
        *out_bytes += use->constant->size;
        *out_shared += use->constant->uses->next ? use->constant->size : 0;
    }
}
