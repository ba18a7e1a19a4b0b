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
    uint64_t size;
    vkd_slice slice;
    bool packs; /* here, not by another object that has it too */
    /* of a shared constant, until it is placed */
    const vkd_tensor *tensor;
    vkd_digest digest;
    vkd_constant *constant;
} resident;

typedef struct block {
    vkd_buffer buffer;
    struct block *next;
} block;

struct vkd_residents {
    vkd_device *device;
    vkd_constants *constants; /* null: nothing is shared */
    vkd_constant_use *uses;
    vkd_arena arena;
    resident **buckets;
    size_t bucket_count, count;
    resident *states;
    block *blocks;             /* of what is not shared: a buffer for each upload */
    uint64_t bytes, staging;   /* bytes: of those */
    vkd_constant_bytes source; /* hold null: they are there */
    bool shares_scratch;
    vkd_buffer scratch[VKD_MAX_IN_FLIGHT]; /* by slot */
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
           (!r->source_size || !memcmp(r->source, tensor->source, r->source_size));
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
                    .size = tensor->bytes,
                    .tensor = tensor};
    *out = r;
    return VKD_OK;
}

/* What a graph needs and is not here yet, linked by next_state. */
typedef struct missing {
    resident *first, **end;
} missing;

static vkd_status look_up(vkd_residents *residents, const vkd_graph *graph, resident **by_tensor,
                          missing *m)
{
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
        enter(residents, r); /* a second tensor of the same bytes finds it */
        residents->count++;
        *m->end = r;
        m->end = &r->next_state;
        by_tensor[i] = r;
        VKD_TRY(grow(residents));
    }
    return VKD_OK;
}

static vkd_status pack(vkd_uploader *uploader, const resident *first)
{
    for (const resident *r = first; r; r = r->next_state) {
        void *mapped;
        if (!r->packs)
            continue;
        VKD_TRY(vkd_uploader_reserve(uploader, r->slice.buffer, r->slice.offset, r->size, &mapped));
        r->pack(r->source, mapped, r->size);
    }
    return VKD_OK;
}

static vkd_status upload(vkd_residents *residents, const resident *first)
{
    uint64_t largest = 0, total = 0;
    vkd_uploader *uploader;
    for (const resident *r = first; r; r = r->next_state)
        if (r->packs) {
            largest = r->size > largest ? r->size : largest;
            total += vkd_align_up(r->size, VKD_UPLOAD_ALIGNMENT);
        }
    if (!total)
        return VKD_OK;
    VKD_TRY(vkd_uploader_begin(residents->device, largest, total, &uploader));
    uint64_t staging = vkd_uploader_bytes(uploader);
    residents->staging = staging > residents->staging ? staging : residents->staging;
    vkd_status status = pack(uploader, first), finished = vkd_uploader_finish(uploader);
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

static bool is_shared(const vkd_residents *residents, const resident *r)
{
    return residents->constants && !r->state;
}

/* Gives a place to what is this object's alone. */
static vkd_status place_own(vkd_residents *residents, resident *first)
{
    const uint64_t alignment = vkd_device_caps(residents->device)->storage_alignment;
    uint64_t bytes = 0;
    for (resident *r = first; r; r = r->next_state)
        if (!is_shared(residents, r)) {
            r->slice = (vkd_slice){.offset = bytes, .size = r->size};
            r->packs = true;
            bytes += vkd_align_up(r->size, alignment < 16 ? 16 : alignment);
        }
    if (!bytes)
        return VKD_OK;
    block *b = vkd_arena_alloc(&residents->arena, 1, sizeof *b);
    if (!b)
        return vkd_fail_memory(residents->arena.context, "constants");
    VKD_TRY(
        vkd_buffer_create(residents->device, VKD_MEMORY_DEVICE, bytes, "constants", &b->buffer));
    b->next = residents->blocks;
    residents->blocks = b;
    residents->bytes += bytes;
    for (resident *r = first; r; r = r->next_state)
        if (!is_shared(residents, r))
            r->slice.buffer = &b->buffer;
    return VKD_OK;
}

/* Finds the others, or gives them a place where all objects find them. */
static vkd_status take_shared(vkd_residents *residents, resident *first)
{
    vkd_constants *constants = residents->constants;
    for (resident *r = first; r; r = r->next_state)
        if (is_shared(residents, r))
            VKD_TRY(vkd_constants_take(constants, residents->arena.context, &r->digest, r->size,
                                       &residents->uses, &r->constant, &r->packs));
    VKD_TRY(vkd_constants_place(constants, residents->device, residents->uses));
    for (resident *r = first; r; r = r->next_state)
        if (is_shared(residents, r))
            r->slice = vkd_constant_slice(r->constant);
    return VKD_OK;
}

static vkd_status bring_shared(vkd_residents *residents, resident *first)
{
    vkd_constants *constants = residents->constants;
    const vkd_constant_use *before = residents->uses;
    for (resident *r = first; r; r = r->next_state)
        if (is_shared(residents, r))
            r->digest = vkd_constants_digest(constants, r->tensor);
    vkd_constants_lock(constants);
    vkd_status status = take_shared(residents, first);
    if (status == VKD_OK)
        status = upload(residents, first);
    if (status != VKD_OK)
        vkd_constants_give_back(constants, residents->device, &residents->uses, before);
    vkd_constants_unlock(constants);
    return status;
}

/* While the bytes are there that constants are packed from. */
static vkd_status with_bytes(vkd_residents *residents, resident *first,
                             vkd_status (*work)(vkd_residents *, resident *))
{
    const vkd_constant_bytes *source = &residents->source;
    if (source->hold)
        VKD_TRY(source->hold(source->user));
    vkd_status status = work(residents, first);
    if (source->release)
        source->release(source->user);
    return status;
}

static void drop_newest_block(vkd_residents *residents)
{
    residents->bytes -= residents->blocks->buffer.size;
    vkd_buffer_destroy(residents->device, &residents->blocks->buffer);
    residents->blocks = residents->blocks->next;
}

static vkd_status bring(vkd_residents *residents, resident *first)
{
    block *before = residents->blocks;
    VKD_TRY(place_own(residents, first));
    vkd_status status =
        residents->constants ? bring_shared(residents, first) : upload(residents, first);
    if (status != VKD_OK && residents->blocks != before)
        drop_newest_block(residents);
    return status;
}

static vkd_status pack_again(vkd_residents *residents, resident *first)
{
    return upload(residents, first);
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
        status = with_bytes(residents, m.first, bring);
    if (status != VKD_OK)
        forget(residents, m.first);
    else
        keep_states(residents, m.first);
    for (size_t i = 0; status == VKD_OK && i < graph->tensor_count; i++)
        if (by_tensor[i])
            slices[i] = by_tensor[i]->slice;
    vkd_free(context, by_tensor);
    return status;
}

bool vkd_residents_state(const vkd_residents *residents, uint32_t key, vkd_slice *out)
{
    const resident *r = residents->states;
    while (r && r->state != key)
        r = r->next_state;
    if (r)
        *out = r->slice;
    return r != NULL;
}

vkd_status vkd_residents_reset(vkd_residents *residents)
{
    return residents->states ? with_bytes(residents, residents->states, pack_again) : VKD_OK;
}

/* -------------------------------------------------------------------------------------- scratch */

void vkd_residents_share_scratch(vkd_residents *residents) { residents->shares_scratch = true; }

vkd_status vkd_residents_scratch(vkd_residents *residents, uint32_t slot, uint64_t bytes,
                                 const vkd_buffer **out)
{
    *out = NULL;
    if (!residents->shares_scratch || slot >= VKD_MAX_IN_FLIGHT)
        return VKD_OK;
    vkd_buffer *scratch = &residents->scratch[slot];
    if (!scratch->handle)
        VKD_TRY(vkd_buffer_create(residents->device, VKD_MEMORY_DEVICE, bytes, "scratch tensors",
                                  scratch));
    if (scratch->size >= bytes)
        *out = scratch;
    return VKD_OK;
}

uint64_t vkd_residents_scratch_bytes(const vkd_residents *residents)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < VKD_MAX_IN_FLIGHT; i++)
        bytes += residents->scratch[i].size;
    return bytes;
}

/* ----------------------------------------------------------------------------------------- life */

vkd_status vkd_residents_create(vkd_device *device, vkd_constants *constants, vkd_residents **out)
{
    enum { BUCKETS = 64 };
    vkd_context *context = vkd_device_context(device);
    vkd_residents *residents = vkd_alloc(context, 1, sizeof *residents);
    *out = NULL;
    if (!residents)
        return vkd_fail_memory(context, "constants");
    residents->device = device;
    residents->constants = constants;
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

/* In a process that was forked they stay as they are, as another thread may have been at them. */
static void give_back(vkd_residents *residents)
{
    if (!residents->uses || !vkd_device_is_ours(residents->device))
        return;
    vkd_constants_lock(residents->constants);
    vkd_constants_give_back(residents->constants, residents->device, &residents->uses, NULL);
    vkd_constants_unlock(residents->constants);
}

void vkd_residents_destroy(vkd_residents *residents)
{
    if (!residents)
        return;
    vkd_context *context = residents->arena.context;
    give_back(residents);
    for (uint32_t i = 0; i < VKD_MAX_IN_FLIGHT; i++)
        vkd_buffer_destroy(residents->device, &residents->scratch[i]);
    for (block *b = residents->blocks; b; b = b->next)
        vkd_buffer_destroy(residents->device, &b->buffer);
    vkd_arena_release(&residents->arena);
    vkd_free(context, residents);
}

void vkd_residents_bytes_come_from(vkd_residents *residents, const vkd_constant_bytes *bytes)
{
    residents->source = *bytes;
}

void vkd_residents_count(const vkd_residents *residents, uint64_t *out_bytes, uint64_t *out_shared)
{
    *out_bytes = *out_shared = 0;
    if (residents->uses) {
        vkd_constants_lock(residents->constants);
        vkd_constants_count(residents->uses, out_bytes, out_shared);
        vkd_constants_unlock(residents->constants);
    }
    *out_bytes += residents->bytes;
}

uint64_t vkd_residents_staging_bytes(const vkd_residents *residents) { return residents->staging; }
