#include "exec/residents.h"
#include "runtime/base/math.h"
#include "runtime/transfer.h"

#include <string.h>

typedef struct resident {
    uint64_t hash;
    struct resident *next; /* in its bucket */
    struct resident *next_state;
    vkd_pack_fn pack;
    void *source; /* a copy of the packing's own struct */
    size_t source_size;
    uint32_t state; /* of a state: its key in the net; 0 for constants */
    vkd_buffer *buffer;
    uint64_t offset, size;
} resident;

typedef struct block {
    vkd_buffer buffer;
    struct block *next;
} block;

struct vkd_residents {
    vkd_device *device;
    vkd_arena arena;
    resident **buckets;
    size_t bucket_count, count;
    resident *states;
    block *blocks; /* a buffer for each upload */
    uint64_t bytes, staging;
    vkd_constant_bytes source; /* hold null: they are there */
};

/* --------------------------------------------------------------------------------------- lookup */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * UINT64_C(1099511628211);
    return hash;
}

static uint64_t hash_of(const vkd_tensor *tensor)
{
    uint64_t hash = hash_bytes(UINT64_C(14695981039346656037), &tensor->pack, sizeof tensor->pack);
    hash = hash_bytes(hash, &tensor->bytes, sizeof tensor->bytes);
    return hash_bytes(hash, tensor->source, tensor->source_size) + tensor->state;
}

static bool is_same(const resident *r, const vkd_tensor *tensor)
{
    return r->pack == tensor->pack && r->size == tensor->bytes && r->state == tensor->state &&
           r->source_size == tensor->source_size &&
           !memcmp(r->source, tensor->source, r->source_size);
}

static resident *find(const vkd_residents *residents, uint64_t hash, const vkd_tensor *tensor)
{
    resident *r = residents->buckets[hash % residents->bucket_count];
    while (r && (r->hash != hash || !is_same(r, tensor)))
        r = r->next;
    return r;
}

static void enter(vkd_residents *residents, resident *r)
{
    resident **bucket = &residents->buckets[r->hash % residents->bucket_count];
    r->next = *bucket;
    *bucket = r;
}

static vkd_status grow(vkd_residents *residents)
{
    if (residents->count < 2 * residents->bucket_count)
        return VKD_OK;
    size_t old_count = residents->bucket_count;
    resident **old = residents->buckets,
             **grown = vkd_arena_alloc(&residents->arena, 4 * old_count, sizeof *grown);
    if (!grown)
        return vkd_fail_memory(residents->arena.context, "the table of constants");
    residents->buckets = grown;
    residents->bucket_count = 4 * old_count;
    for (size_t i = 0; i < old_count; i++)
        for (resident *r = old[i], *next; r; r = next) {
            next = r->next;
            enter(residents, r);
        }
    return VKD_OK;
}

/* --------------------------------------------------------------------------------------- upload */

static bool is_resident(const vkd_graph *graph, size_t i)
{
    const vkd_tensor *tensor = &graph->tensors[i];
    return (tensor->place == VKD_PLACE_CONSTANT || tensor->place == VKD_PLACE_STATE) &&
           tensor->storage == i && tensor->first_node != UINT32_MAX;
}

/* A resident without a place yet. */
static vkd_status make(vkd_residents *residents, uint64_t hash, const vkd_tensor *tensor,
                       resident **out)
{
    resident *r = vkd_arena_alloc(&residents->arena, 1, sizeof *r);
    void *source = vkd_arena_alloc(&residents->arena, 1, tensor->source_size);
    if (!r || !source)
        return vkd_fail_memory(residents->arena.context, "a constant");
    if (tensor->source_size)
        memcpy(source, tensor->source, tensor->source_size);
    *r = (resident){.hash = hash,
                    .pack = tensor->pack,
                    .source = source,
                    .source_size = tensor->source_size,
                    .state = tensor->state,
                    .size = tensor->bytes};
    *out = r;
    return VKD_OK;
}

/* What a graph needs that is not there: a list, linked by next, with offsets in a buffer to come.
 */
typedef struct missing {
    resident *first, **end;
    uint64_t bytes, largest, total;
} missing;

static vkd_status look_up(vkd_residents *residents, const vkd_graph *graph, resident **by_tensor,
                          missing *m)
{
    const uint64_t alignment = vkd_device_caps(residents->device)->storage_alignment;
    for (size_t i = 0; i < graph->tensor_count; i++) {
        const vkd_tensor *tensor = &graph->tensors[i];
        if (!is_resident(graph, i))
            continue;
        uint64_t hash = hash_of(tensor);
        by_tensor[i] = find(residents, hash, tensor);
        if (by_tensor[i])
            continue;
        resident *r;
        VKD_TRY(make(residents, hash, tensor, &r));
        r->offset = m->bytes;
        m->bytes += vkd_align_up(r->size, alignment < 16 ? 16 : alignment);
        m->largest = r->size > m->largest ? r->size : m->largest;
        m->total += vkd_align_up(r->size, VKD_UPLOAD_ALIGNMENT);
        enter(residents, r); /* a second tensor of the same bytes finds it */
        residents->count++;
        r->next_state = NULL;
        *m->end = r;
        m->end = &r->next_state;
        by_tensor[i] = r;
        VKD_TRY(grow(residents));
    }
    return VKD_OK;
}

static vkd_status pack(vkd_uploader *uploader, resident *first)
{
    for (resident *r = first; r; r = r->next_state) {
        void *mapped;
        VKD_TRY(vkd_uploader_reserve(uploader, r->buffer, r->offset, r->size, &mapped));
        r->pack(r->source, mapped, r->size);
    }
    return VKD_OK;
}

static vkd_status upload(vkd_residents *residents, resident *first, uint64_t largest,
                         uint64_t total)
{
    const vkd_constant_bytes *source = &residents->source;
    vkd_uploader *uploader;
    VKD_TRY(vkd_uploader_begin(residents->device, largest, total, &uploader));
    uint64_t staging = vkd_uploader_bytes(uploader);
    residents->staging = staging > residents->staging ? staging : residents->staging;
    vkd_status status = source->hold ? source->hold(source->user) : VKD_OK;
    if (status == VKD_OK) {
        status = pack(uploader, first);
        if (source->release)
            source->release(source->user);
    }
    vkd_status finished = vkd_uploader_finish(uploader);
    return status != VKD_OK ? status : finished;
}

/* Takes them out again: they never came to the device. */
static void forget(vkd_residents *residents, resident *first)
{
    for (resident *r = first; r; r = r->next_state) {
        resident **at = &residents->buckets[r->hash % residents->bucket_count];
        while (*at != r)
            at = &(*at)->next;
        *at = r->next;
        residents->count--;
    }
}

static vkd_status bring(vkd_residents *residents, missing *m)
{
    block *b = vkd_arena_alloc(&residents->arena, 1, sizeof *b);
    if (!b)
        return vkd_fail_memory(residents->arena.context, "constants");
    VKD_TRY(
        vkd_buffer_create(residents->device, VKD_MEMORY_DEVICE, m->bytes, "constants", &b->buffer));
    b->next = residents->blocks;
    residents->blocks = b;
    residents->bytes += m->bytes;
    for (resident *r = m->first; r; r = r->next_state)
        r->buffer = &b->buffer;
    return upload(residents, m->first, m->largest, m->total);
}

/* Constants leave the list that brought them; states stay in one. */
static void keep_states(vkd_residents *residents, resident *first)
{
    for (resident *r = first, *next; r; r = next) {
        next = r->next_state;
        r->next_state = r->state ? residents->states : NULL;
        residents->states = r->state ? r : residents->states;
    }
}

vkd_status vkd_residents_place(vkd_residents *residents, const vkd_graph *graph, vkd_slice *slices)
{
    vkd_context *context = residents->arena.context;
    resident **by_tensor = vkd_alloc(context, graph->tensor_count, sizeof *by_tensor);
    if (!by_tensor)
        return vkd_fail_memory(context, "constants");
    missing m = {0};
    m.end = &m.first;
    vkd_status status = look_up(residents, graph, by_tensor, &m);
    if (status == VKD_OK && m.first)
        status = bring(residents, &m);
    if (status != VKD_OK)
        forget(residents, m.first);
    else
        keep_states(residents, m.first);
    for (size_t i = 0; status == VKD_OK && i < graph->tensor_count; i++)
        if (by_tensor[i])
            slices[i] = (vkd_slice){.buffer = by_tensor[i]->buffer,
                                    .offset = by_tensor[i]->offset,
                                    .size = by_tensor[i]->size};
    vkd_free(context, by_tensor);
    return status;
}

bool vkd_residents_state(const vkd_residents *residents, uint32_t key, vkd_slice *out)
{
    const resident *r = residents->states;
    while (r && r->state != key)
        r = r->next_state;
    if (r)
        *out = (vkd_slice){.buffer = r->buffer, .offset = r->offset, .size = r->size};
    return r != NULL;
}

vkd_status vkd_residents_reset(vkd_residents *residents)
{
    uint64_t largest = 0, total = 0;
    for (const resident *r = residents->states; r; r = r->next_state) {
        largest = r->size > largest ? r->size : largest;
        total += vkd_align_up(r->size, VKD_UPLOAD_ALIGNMENT);
    }
    return largest ? upload(residents, residents->states, largest, total) : VKD_OK;
}

/* ----------------------------------------------------------------------------------------- life */

vkd_status vkd_residents_create(vkd_device *device, vkd_residents **out)
{
    enum { BUCKETS = 64 };
    vkd_context *context = vkd_device_context(device);
    vkd_residents *residents = vkd_alloc(context, 1, sizeof *residents);
    *out = NULL;
    if (!residents)
        return vkd_fail_memory(context, "constants");
    residents->device = device;
    vkd_arena_init(&residents->arena, context);
    residents->bucket_count = BUCKETS;
    residents->buckets = vkd_arena_alloc(&residents->arena, BUCKETS, sizeof *residents->buckets);
    if (!residents->buckets) {
        vkd_residents_destroy(residents);
        return vkd_fail_memory(context, "constants");
    }
    *out = residents;
    return VKD_OK;
}

void vkd_residents_destroy(vkd_residents *residents)
{
    if (!residents)
        return;
    vkd_context *context = residents->arena.context;
    for (block *b = residents->blocks; b; b = b->next)
        vkd_buffer_destroy(residents->device, &b->buffer);
    vkd_arena_release(&residents->arena);
    vkd_free(context, residents);
}

void vkd_residents_bytes_come_from(vkd_residents *residents, const vkd_constant_bytes *bytes)
{
    residents->source = *bytes;
}

uint64_t vkd_residents_bytes(const vkd_residents *residents) { return residents->bytes; }

uint64_t vkd_residents_staging_bytes(const vkd_residents *residents) { return residents->staging; }
