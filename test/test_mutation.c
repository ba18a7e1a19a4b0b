/* The readers over damaged copies of the sample models: random mutations, truncation, and
 * allocations that fail. Meant for a build with sanitizers, but any build checks that the status is
 * one of those that a damaged file may give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "schema/inline.h"
#include "schema/named.h"
#include "support/flat.h"
#include "support/pte_builder.h"
#include "support/random.h"
#include "support/reading.h"

enum { MAX_SAMPLES = 64, MUTATIONS = 20000, LARGE = 64 * 1024 };
enum { BUILT = 8 }; /* how often the built method is among them */

typedef struct sample {
    char folder[64];
    uint8_t *bytes;
    size_t size;
    size_t blob_at, blob_size; /* the first delegate's blob in bytes */
} sample;

static struct {
    size_t count;
    sample items[MAX_SAMPLES];
} samples; /* filled by the group's setup: all but the large ones */

/* Takes over the bytes. */
static void add_sample(const char *name, uint8_t *bytes, size_t size)
{
    assert_true(samples.count < MAX_SAMPLES);
    sample *s = &samples.items[samples.count];
    snprintf(s->folder, sizeof s->folder, "%s", name);
    s->bytes = bytes;
    s->size = size;
    if (s->size >= LARGE) {
        free(s->bytes);
        return;
    }
    reading r;
    reading_begin(&r, NULL);
    assert_int_equal(vkd_container_read(s->bytes, s->size, &r.arena, &r.container), VKD_OK);
    vkd_bytes blob = r.container.methods[0].delegates[0].blob;
    s->blob_at = (size_t)((const uint8_t *)blob.data - s->bytes);
    s->blob_size = blob.size;
    reading_end(&r);
    samples.count++;
}

static void load_sample(const char *folder, void *user)
{
    (void)user;
    size_t size;
    uint8_t *bytes = reading_sample_file(folder, "model.pte", &size);
    add_sample(folder, bytes, size);
}

/* A method with every kind of value and step, which the models do not have. */
static uint8_t *build_method(size_t *out_size)
{
    static const vkd_tensor_info matrix = {VKD_DTYPE_FLOAT32, 2, {2, 3}, 0},
                                 wide = {VKD_DTYPE_INT64, 2, {2, 3}, 0};
    static const int64_t data[6] = {1, 2, 3, 4, 5, 6};
    vkd_blob_builder *blob = blob_new();
    const uint32_t dims[] = {2, 3};
    uint32_t in = blob_tensor(blob, VKD_DTYPE_FLOAT16, 2, dims, NULL), sym = blob_symint(blob, 0),
             out = blob_tensor(blob, VKD_DTYPE_FLOAT16, 2, dims, NULL);
    blob_op(blob, "a", 0, (const uint32_t[]){in, blob_value_list(blob, &in, 1), sym, out}, 4);
    blob_io(blob, &in, 1, (const uint32_t[]){out, sym}, 2);
    size_t blob_size;
    void *bytes = blob_finish(blob, &blob_size);
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &matrix), y = pte_tensor(b, &matrix), z = pte_tensor(b, &matrix),
             constant = pte_constant(b, &wide, data), state = pte_tensor(b, &matrix);
    pte_initial(b, data, 24);
    uint32_t n = pte_int(b, 3), length = pte_int(b, 0),
             ints = pte_int_list(b, (const uint32_t[]){n, length}, 2), null = pte_null(b),
             view = pte_tensor(b, &matrix);
    pte_place(b, x);
    uint32_t tensors = pte_tensor_list(b, (const uint32_t[]){x, constant}, 2),
             optional = pte_optional_list(b, (const int32_t[]){-1, (int32_t)x}, 2),
             both = pte_tensor_list(b, (const uint32_t[]){y, z}, 2);
    const uint32_t args[] = {tensors,
                             optional,
                             ints,
                             pte_double(b, 1),
                             pte_bool(b, true),
                             pte_string(b, "s"),
                             null,
                             view,
                             state,
                             y,
                             z,
                             both};
    for (uint32_t i = 0; i < 2; i++) {
        pte_delegate(b, "VulkanBackend", bytes, blob_size);
        pte_call(b, i, (const uint32_t[]){x, i ? z : y, length}, 3);
    }
    pte_kernel(b, "aten::k.two", args, sizeof args / sizeof *args);
    pte_kernel(b, "aten::copy_", (const uint32_t[]){state, y, null, state}, 4);
    pte_move(b, y, x);
    pte_free(b, y);
    pte_io(b, &x, 1, (const uint32_t[]){x, z, length}, 3);
    free(bytes);
    return pte_finish(b, out_size);
}

static int load_samples(void **state)
{
    (void)state;
    reading_each_sample(load_sample, NULL);
    for (int i = 0; i < BUILT; i++) {
        size_t size;
        uint8_t *bytes = build_method(&size);
        add_sample("a method that is built", bytes, size);
    }
    return samples.count > BUILT ? 0 : -1;
}

static int free_samples(void **state)
{
    (void)state;
    while (samples.count)
        free(samples.items[--samples.count].bytes);
    return 0;
}

/* A copy in an allocation of exactly its size, so that a sanitizer sees a read beyond it. */
static uint8_t *exact_copy(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    return copy;
}

/* ------------------------------------------------------------------------------------ mutations */

static size_t draw(vkd_random *random, size_t limit) { return random_bits(random) % limit; }

/* Changes a few places of the bytes from `begin` to `end`. */
static void mutate(uint8_t *bytes, size_t begin, size_t end, vkd_random *random)
{
    static const uint32_t words[] = {0,          1,          2,          4,         7,
                                     8,          0x7f,       0xff,       0xffff,    0x10000,
                                     0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};
    for (size_t count = 1 + draw(random, 4); count > 0; count--) {
        size_t at = begin + draw(random, end - begin), word = at / 4 * 4;
        if (word + 4 > end)
            continue;
        switch (draw(random, 4)) {
        case 0:
            bytes[at] ^= (uint8_t)(1u << draw(random, 8));
            break;
        case 1:
            bytes[at] = (uint8_t)draw(random, 256);
            break;
        case 2:
            flat_set(bytes, word, words[draw(random, sizeof words / sizeof *words)], 4);
            break;
        default: /* a small step: ids, counts and offsets just beside the right one */
            flat_set(bytes, word, flat_get(bytes, word, 4) + draw(random, 17) - 8, 4);
        }
    }
}

/* A damaged copy of a sample: in the program's flatbuffer, in the delegate's blob, or anywhere, and
 * sometimes cut short. */
static uint8_t *damaged(const sample *s, vkd_random *random, size_t *out_size)
{
    uint8_t *whole = exact_copy(s->bytes, s->size);
    size_t place = draw(random, 8);
    if (place < 2)
        mutate(whole, 0, flat_get(s->bytes, 16, 8), random);
    else if (place < 7)
        mutate(whole, s->blob_at, s->blob_at + s->blob_size, random);
    else
        mutate(whole, 0, s->size, random);
    *out_size = draw(random, 16) ? s->size : draw(random, s->size);
    uint8_t *copy = exact_copy(whole, *out_size);
    free(whole);
    return copy;
}

static uint64_t sum_bytes(const void *data, size_t size)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += ((const uint8_t *)data)[i];
    return sum;
}

/* Uses everything that a model promises to be valid: a sanitizer would see what is not. */
static uint64_t touch_model(const vkd_model *model)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < model->value_count; i++) {
        const vkd_model_value *v = &model->values[i];
        if (v->kind == VKD_VALUE_TENSOR && v->tensor.data) {
            assert_int_equal(v->tensor.size, vkd_dims_count(v->tensor.rank, v->tensor.dims) *
                                                 vkd_dtype_size(v->tensor.dtype));
            sum += sum_bytes(v->tensor.data, v->tensor.size);
        } else if (v->kind == VKD_VALUE_STRING) {
            sum += strlen(v->string);
        } else if (v->kind == VKD_VALUE_VALUE_LIST) {
            for (size_t k = 0; k < v->list.count; k++)
                sum += model->values[v->list.values[k]].kind;
        }
    }
    for (size_t i = 0; i < model->op_count; i++) {
        sum += strlen(model->ops[i].name);
        for (size_t k = 0; k < model->ops[i].arg_count; k++)
            sum += model->values[model->ops[i].args[k]].kind;
    }
    for (size_t i = 0; i < model->input_count; i++)
        sum += model->values[model->inputs[i]].kind;
    for (size_t i = 0; i < model->output_count; i++)
        sum += model->values[model->outputs[i]].kind;
    return sum;
}

static vkd_status read_and_touch(reading *r, const uint8_t *file, size_t size, size_t *inlined)
{
    uint64_t sum = 0;
    VKD_TRY(vkd_container_read(file, size, &r->arena, &r->container));
    for (size_t i = 0; i < r->container.named_count; i++)
        sum += sum_bytes(r->container.named[i].data.data, r->container.named[i].data.size);
    for (size_t i = 0; i < r->container.method_count; i++) {
        const vkd_container_method *method = &r->container.methods[i];
        for (size_t k = 0; k < method->delegate_count; k++) {
            const vkd_container_delegate *d = &method->delegates[k];
            vkd_model model;
            for (size_t j = 0; j < d->spec_count; j++)
                sum +=
                    sum_bytes(d->specs[j].value, d->specs[j].value_size) + strlen(d->specs[j].key);
            VKD_TRY(vkd_model_read(d->blob.data, d->blob.size, &r->container.named_data, &r->arena,
                                   &model));
            sum += touch_model(&model);
        }
        vkd_model whole;
        VKD_TRY(vkd_inline_method(&r->container, method, vkd_backend.id, &r->arena, &whole));
        sum += touch_model(&whole);
        (*inlined)++;
    }
    volatile uint64_t keep = sum;
    (void)keep;
    return VKD_OK;
}

static void test_mutations(void **state)
{
    (void)state;
    vkd_random random = random_begin("mutations");
    size_t accepted = 0, unsupported = 0, blobs = 0, inlined = 0;
    for (int i = 0; i < MUTATIONS; i++) {
        const sample *s = &samples.items[draw(&random, samples.count)];
        size_t size;
        uint8_t *file = damaged(s, &random, &size);
        reading r;
        reading_begin(&r, NULL);
        vkd_status status = read_and_touch(&r, file, size, &inlined);
        if (status != VKD_OK && status != VKD_INVALID_MODEL && status != VKD_UNSUPPORTED)
            fail_msg("mutation %d of %s: status %d: %s", i, s->folder, status, r.context.error);
        assert_int_equal(r.messages, status == VKD_OK ? 0 : 1);
        accepted += status == VKD_OK;
        unsupported += status == VKD_UNSUPPORTED;
        blobs += strncmp(r.context.error, "delegate blob", 13) == 0;
        reading_end(&r);
        assert_int_equal(r.context.host_bytes, 0);
        free(file);
    }
    print_message(
        "%d mutations: %zu accepted, %zu unsupported; of the others %zu refused for the blob\n",
        MUTATIONS, accepted, unsupported, blobs);
    assert_true(accepted > 0 && accepted < MUTATIONS && blobs > MUTATIONS / 10 &&
                inlined > MUTATIONS / 10);
}

/* ----------------------------------------------------------------------------------- truncation */

static void test_truncated_file(void **state)
{
    (void)state;
    const sample *s = &samples.items[0];
    for (int old_header = 0; old_header <= 1;
         old_header++) { /* without the data's size, the segments' own ranges must do */
        uint8_t *whole = exact_copy(s->bytes, s->size);
        if (old_header)
            flat_set(whole, 12, 24, 4);
        for (size_t length = 0; length < s->size; length++) {
            uint8_t *file = exact_copy(whole, length);
            reading r;
            reading_begin(&r, NULL);
            vkd_status status = reading_all(&r, file, length);
            if (status != VKD_INVALID_MODEL)
                fail_msg("%s, %zu of %zu bytes: status %d", s->folder, length, s->size, status);
            reading_end(&r);
            free(file);
        }
        free(whole);
    }
}

static void test_truncated_blobs(void **state)
{
    (void)state;
    for (size_t i = 0; i < samples.count; i += 8) {
        const sample *s = &samples.items[i];
        reading r;
        reading_begin(&r, NULL);
        assert_int_equal(vkd_container_read(s->bytes, s->size, &r.arena, &r.container), VKD_OK);
        vkd_bytes blob = r.container.methods[0].delegates[0].blob;
        size_t needed = flat_get(blob.data, 18, 4); /* where the constants would begin */
        for (size_t length = 0; length < needed; length++) {
            uint8_t *prefix = exact_copy(blob.data, length);
            reading part;
            reading_begin(&part, NULL);
            vkd_model model;
            assert_int_equal(
                vkd_model_read(prefix, length, &r.container.named_data, &part.arena, &model),
                VKD_INVALID_MODEL);
            reading_end(&part);
            free(prefix);
        }
        reading_end(&r);
    }
}

/* A 64-bit field that writers leave out where it is 0. */
static size_t field_or_zero(const uint8_t *bytes, size_t table, unsigned vtable_offset)
{
    size_t at = flat_field(bytes, table, vtable_offset);
    return at ? flat_get(bytes, at, 8) : 0;
}

/* The large model, cut where each of its structures begins and ends, and one byte to each side. */
static void test_truncated_large(void **state)
{
    (void)state;
    size_t size;
    uint8_t *file = reading_sample_file("resnet50-fashion", "model.pte", &size);
    flat_set(file, 12, 24, 4); /* without the data's size, the segments' own ranges must do */
    size_t base = flat_get(file, 24, 8), segments = flat_child(file, flat_follow(file, 0), 12),
           count = flat_get(file, segments, 4);
    size_t edges[1024] = {8, 12, 16, 24, 32, 40, flat_get(file, 16, 8), base}, edge_count = 8,
           last = 0;
    assert_true(count > 200 && count < 500);
    for (size_t i = 0; i < count; i++) {
        size_t segment = flat_item(file, segments, i);
        size_t begin = base + field_or_zero(file, segment, 4),
               end = begin + field_or_zero(file, segment, 6);
        edges[edge_count++] = begin;
        edges[edge_count++] = end;
        last = end > last ? end : last;
    }
    for (size_t i = 0; i < edge_count; i++) {
        for (size_t length = edges[i] - 1; length <= edges[i] + 1 && length <= size; length++) {
            reading r;
            reading_begin(&r, NULL);
            vkd_status status = vkd_container_read(file, length, &r.arena, &r.container);
            if (status != (length < last ? VKD_INVALID_MODEL : VKD_OK))
                fail_msg("%zu of %zu bytes: status %d", length, size, status);
            reading_end(&r);
        }
    }
    free(file);
}

/* --------------------------------------------------------------------------- allocation failure */

typedef struct failing_allocator {
    size_t until_failure, live;
    size_t least; /* smaller ones neither count nor fail */
} failing_allocator;

static void *allocate(void *user, size_t size)
{
    failing_allocator *f = user;
    if (size >= f->least && f->until_failure == 0)
        return NULL;
    f->until_failure -= size >= f->least;
    f->live++;
    return malloc(size);
}

static void release(void *user, void *memory)
{
    ((failing_allocator *)user)->live--;
    free(memory);
}

/* Reads with an allocator that fails after `allowed` allocations of at least so many bytes, and an
 * arena of which `used` bytes are taken. */
static vkd_status read_failing(const uint8_t *file, size_t size, size_t allowed, size_t least,
                               size_t used)
{
    failing_allocator f = {allowed, 0, least};
    vkd_allocator allocator = {sizeof allocator, allocate, release, &f};
    reading r;
    reading_begin(&r, &allocator);
    if (used)
        assert_non_null(vkd_arena_alloc(&r.arena, used, 1));
    vkd_status status = reading_all(&r, file, size);
    assert_true(status == VKD_OK || status == VKD_OUT_OF_MEMORY);
    assert_int_equal(r.messages, status == VKD_OK ? 0 : 1);
    reading_end(&r);
    assert_int_equal(f.live, 0);
    return status;
}

static void test_allocation_failure(void **state)
{
    (void)state;
    size_t size, failures = 0;
    uint8_t *file = reading_sample_file("resnet50-fashion", "model.pte", &size);
    while (read_failing(file, size, failures, 0, 0) != VKD_OK)
        failures++;
    print_message("%zu allocations failed in turn\n", failures);
    assert_true(failures > 2);
    free(file);
}

/* The arena asks for a block at a time. With one block and less and less room in it, each of the
 * readers' own allocations is the one that fails; their copies of the flatbuffers are smaller. */
static void test_arena_failure(void **state)
{
    (void)state;
    enum { BLOCK = 32 * 1024, STEP = 16 };
    /* the last is built */
    const sample *read[] = {&samples.items[0], &samples.items[samples.count - 1]};
    for (size_t i = 0; i < 2; i++) {
        size_t failures = 0;
        for (size_t used = STEP; used <= BLOCK; used += STEP)
            failures += read_failing(read[i]->bytes, read[i]->size, 1, BLOCK, used) != VKD_OK;
        print_message("%s: %zu of %d readings ran out of memory\n", read[i]->folder, failures,
                      BLOCK / STEP);
        assert_true(failures > 0 && failures < BLOCK / STEP);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutations),          cmocka_unit_test(test_truncated_file),
        cmocka_unit_test(test_truncated_blobs),    cmocka_unit_test(test_truncated_large),
        cmocka_unit_test(test_allocation_failure), cmocka_unit_test(test_arena_failure),
    };
    return cmocka_run_group_tests_name("mutation", tests, load_samples, free_samples);
}
