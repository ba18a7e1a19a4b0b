#include "exec/kernel_check.h"
#include "exec/executor.h"
#include "exec/measure.h"
#include "graph/plan.h"
#include "runtime/base/cache_file.h"
#include "runtime/base/element.h"
#include "runtime/base/spirv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* One check: the node alone in a graph, its operands on the host, and there again as they should be
 * afterwards. */
typedef struct check {
    vkd_context *context;
    vkd_arena arena;
    const vkd_graph *graph;
    vkd_node node;                    /* shrunk where it has an oracle */
    uint64_t bytes[VKD_MAX_BINDINGS]; /* by binding: what it needs of it */
    vkd_graph alone;
    uint32_t operand_count;
    vkd_tensor_id storages[VKD_MAX_BINDINGS]; /* in graph: what is bound, each once */
    vkd_content made[VKD_MAX_BINDINGS];       /* by operand: the bytes that the device gets */
    vkd_words words[VKD_MAX_BINDINGS];        /* by operand: changed by what is interpreted */
    vkd_interpretation in;
} check;

uint64_t vkd_kernel_key(const vkd_node *node)
{
    uint64_t key = node->shader;
    key = key * 31 + vkd_checksum(node->specs, node->spec_count * sizeof *node->specs);
    for (int axis = 0; axis < 3; axis++)
        key = key * 31 + (node->groups[axis] > 1);
    return key;
}

uint64_t vkd_kernel_bytes(const vkd_graph *graph, const vkd_node *node)
{
    uint64_t bytes = 0;
    for (uint32_t b = 0; b < node->binding_count; b++)
        bytes += graph->tensors[node->bindings[b].tensor].bytes;
    return bytes;
}

/* ------------------------------------------------------------------------------------- operands */

static uint32_t random_word(uint64_t at)
{
    uint64_t z = (at + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(z >> 32);
}

/* From 1/16 to 8, each power of two as often; three of four are positive, so that what is missing
 * in a sum shows. */
static float random_float(uint32_t bits)
{
    float value = ldexpf(1 + (float)(bits >> 16) / 65536, (int)(bits % 7) - 4);
    return bits >> 14 & 3 ? value : -value;
}

/* Ints may be places of something, which some kernels take from others on trust: each is one of the
 * smallest operand's. Symbols, which the host has checked in an execution, are 0: a position in a
 * cache, say. */
static uint32_t most_places(const vkd_graph *graph, const vkd_node *node)
{
    uint64_t most = 1000;
    for (uint32_t b = 0; b < node->binding_count; b++) {
        const vkd_tensor *tensor = &graph->tensors[node->bindings[b].tensor];
        uint64_t count = 1;
        for (uint32_t dim = 0; dim < tensor->rank; dim++)
            count *= tensor->dims[dim];
        most = count > 1 && count < most ? count : most;
    }
    return (uint32_t)most;
}

static void make_element(vkd_dtype dtype, uint32_t bits, uint32_t places, void *data, size_t i)
{
    switch (dtype) {
    case VKD_DTYPE_FLOAT16:
    case VKD_DTYPE_FLOAT32:
        vkd_element_set(dtype, data, i, (double)random_float(bits));
        break;
    case VKD_DTYPE_INT32:
        ((int32_t *)data)[i] = (int32_t)(bits % places);
        break;
    case VKD_DTYPE_BOOL:
        ((uint8_t *)data)[i] = bits & 1;
        break;
    default:
        ((uint8_t *)data)[i] = (uint8_t)bits;
        break;
    }
}

/* What the file says where it says something, as scales and steps of chains have to fit together;
 * else, and where another size is needed, numbers that exercise the range. */
static void make_operand(const vkd_tensor *tensor, uint64_t stream, uint32_t places, void *bytes,
                         size_t size)
{
    if (tensor->pack && size == tensor->bytes) {
        tensor->pack(tensor->source, bytes, size);
        return;
    }
    for (size_t i = 0; i < size / vkd_dtype_size(tensor->dtype); i++)
        make_element(tensor->dtype, random_word((stream << 40) + i), places, bytes, i);
}

static void pack_made(const void *source, void *dst, size_t size)
{
    memcpy(dst, ((const vkd_content *)source)->data, size);
}

static uint32_t operand_of(const check *c, vkd_tensor_id storage)
{
    uint32_t o = 0;
    while (o < c->operand_count && c->storages[o] != storage)
        o++;
    return o;
}

/* Of a tensor's memory as much as any binding needs. */
static uint64_t bytes_of(const check *c, vkd_tensor_id storage)
{
    uint64_t bytes = 0;
    for (uint32_t b = 0; b < c->node.binding_count; b++)
        if (c->graph->tensors[c->node.bindings[b].tensor].storage == storage && c->bytes[b] > bytes)
            bytes = c->bytes[b];
    return bytes;
}

/* An operand is a state of the little graph: it has contents before, and may be written. */
static vkd_status add_operand(check *c, vkd_tensor_id storage)
{
    const vkd_tensor *tensor = &c->graph->tensors[storage];
    const uint32_t o = c->operand_count++;
    const size_t size = (size_t)bytes_of(c, storage);
    void *bytes = vkd_arena_alloc(&c->arena, 1, size);
    vkd_words *words = &c->words[o];
    words->count = size / 4;
    words->at = vkd_arena_alloc(&c->arena, words->count, 4);
    words->written = vkd_arena_alloc(&c->arena, words->count, 4);
    if (!bytes || !words->at || !words->written)
        return vkd_fail_memory(c->context, "a kernel to check");
    make_operand(tensor, o, storage == c->graph->symbols ? 1 : most_places(c->graph, &c->node),
                 bytes, size);
    memcpy(words->at, bytes, words->count * 4);
    c->storages[o] = storage;
    c->made[o] = (vkd_content){bytes, size};
    vkd_tensor_id added;
    VKD_TRY(vkd_graph_add_buffer(&c->alone, size, pack_made, &c->made[o], &added));
    c->alone.tensors[added].place = VKD_PLACE_STATE;
    c->alone.tensors[added].state = o + 1;
    c->alone.tensors[added].source_size = sizeof c->made[o];
    c->alone.tensors[added].contents = 1;
    return VKD_OK;
}

static vkd_status add_node(check *c)
{
    vkd_node node = c->node;
    for (uint32_t b = 0; b < node.binding_count; b++) {
        const vkd_tensor_id storage = c->graph->tensors[node.bindings[b].tensor].storage;
        if (operand_of(c, storage) == c->operand_count)
            VKD_TRY(add_operand(c, storage));
        node.bindings[b].tensor = operand_of(c, storage);
        c->in.bindings[b] = c->words[node.bindings[b].tensor];
    }
    return vkd_graph_add_node(&c->alone, &node);
}

/* ------------------------------------------------------------------------------------- expected */

/* The first workgroup, the last, and others between them, while there are steps. */
static vkd_status interpret(check *c, vkd_outcome *out)
{
    enum { GROUPS = 8 };
    const uint32_t *groups = c->node.groups;
    const uint64_t all = (uint64_t)groups[0] * groups[1] * groups[2],
                   count = all < GROUPS ? all : GROUPS;
    vkd_arena arena;
    memcpy(c->in.groups, groups, sizeof c->in.groups);
    memcpy(c->in.push, c->node.push, c->node.push_size);
    for (uint64_t k = 0; k < count; k++) {
        const uint64_t at = k == 0 ? 0 : k == 1 ? all - 1 : k * all / count;
        const uint32_t group[] = {(uint32_t)(at % groups[0]),
                                  (uint32_t)(at / groups[0] % groups[1]),
                                  (uint32_t)(at / groups[0] / groups[1])};
        const uint64_t before = c->in.steps;
        vkd_arena_init(&arena, c->context);
        vkd_status status = vkd_interpret(&c->in, &arena, group, out);
        vkd_arena_release(&arena);
        if (status != VKD_OK || *out != VKD_OUTCOME_DONE)
            return status;
        if (c->in.steps < before - c->in.steps) /* not enough for another */
            return VKD_OK;
    }
    return VKD_OK;
}

static vkd_status decode(check *c, const vkd_device *device, vkd_module **out)
{
    const vkd_spirv *code =
        vkd_shaders[c->node.shader].flavours[vkd_device_caps(device)->dot - VKD_DOT_NONE];
    uint32_t *words = vkd_arena_alloc(&c->arena, vkd_spirv_room(code), sizeof *words);
    if (!words)
        return vkd_fail_memory(c->context, "a kernel to check");
    const size_t count = vkd_spirv_unpack(code, words);
    return vkd_module_decode(&c->arena, words, count, c->node.specs, c->node.spec_count, out);
}

/* ---------------------------------------------------------------------------------- comparison */

typedef struct comparison {
    vkd_dtype dtype;
    bool rounds;
    double scale; /* of the expected floats */
    uint64_t count, off;
} comparison;

/* Whether it is right; `off` counts where a rounding of an integer may have fallen the other way.
 */
static bool same_element(comparison *c, const void *expected, const void *got, size_t i)
{
    const double want = vkd_element_get(c->dtype, expected, i),
                 have = vkd_element_get(c->dtype, got, i);
    c->count++;
    if (want == have || (isnan(want) && isnan(have)))
        return true;
    if (!c->rounds)
        return false;
    if (c->dtype == VKD_DTYPE_FLOAT16 || c->dtype == VKD_DTYPE_FLOAT32) {
        const double most = c->dtype == VKD_DTYPE_FLOAT16 ? 65504 : 3.4e38;
        if (isinf(want) || isinf(have))
            return fabs(want) > most * 0.99 && fabs(have) > most * 0.99 && want * have > 0;
        return fabs(want - have) <= 2e-3 * (fabs(want) + c->scale);
    }
    c->off++;
    return fabs(want - have) <= 1;
}

/* The typical magnitude of what was computed. */
static double scale_of(vkd_dtype dtype, const vkd_words *expected)
{
    double sum = 0;
    size_t count = 0, per_word = 4 / vkd_dtype_size(dtype);
    for (size_t w = 0; w < expected->count; w++)
        for (size_t k = 0; expected->written[w] && k < per_word; k++) {
            const double value = vkd_element_get(dtype, expected->at, w * per_word + k);
            if (isfinite(value)) {
                sum += fabs(value);
                count++;
            }
        }
    return count ? sum / (double)count : 0;
}

/* Where floats were rounded a comparison of them may fall the other way, after which anything
 * follows: that is rare. What a driver gets wrong is wrong for many. */
bool vkd_kernel_same(vkd_dtype dtype, bool rounds, const vkd_words *expected, const uint32_t *got,
                     char *difference, size_t size)
{
    enum { SELDOM = 8, RARE = 128 };
    const size_t element = vkd_dtype_size(dtype), per_word = 4 / element;
    const bool is_float = dtype == VKD_DTYPE_FLOAT16 || dtype == VKD_DTYPE_FLOAT32;
    comparison c = {dtype, rounds, rounds && is_float ? scale_of(dtype, expected) : 0, 0, 0};
    uint64_t far = 0;
    for (size_t w = 0; w < expected->count; w++)
        for (size_t k = 0; expected->written[w] && k < per_word; k++) {
            const size_t i = w * per_word + k;
            if (!((unsigned char *)&expected->written[w])[k * element] ||
                same_element(&c, expected->at, got, i) || far++)
                continue;
            snprintf(difference, size, "%.9g instead of %.9g at %s %zu",
                     vkd_element_get(dtype, got, i), vkd_element_get(dtype, expected->at, i),
                     vkd_dtype_name(dtype), i);
        }
    if (far > (rounds && is_float ? c.count / RARE : 0))
        return false;
    if (c.off > c.count / SELDOM)
        snprintf(difference, size, "%llu of %llu results are off by one", (unsigned long long)c.off,
                 (unsigned long long)c.count);
    return c.off <= c.count / SELDOM;
}

/* Also what was not computed, but stored by the device where nothing should be, is no difference:
 * other workgroups write there. */
static vkd_status compare(check *c, vkd_executor *executor, vkd_kernel_check *out)
{
    for (uint32_t b = 0; b < c->node.binding_count && out->verdict == VKD_VERDICT_RIGHT; b++) {
        const vkd_tensor_id o = c->alone.nodes[0].bindings[b].tensor;
        uint32_t *got = vkd_arena_alloc(&c->arena, c->words[o].count, sizeof *got);
        if (!c->node.bindings[b].write)
            continue;
        if (!got)
            return vkd_fail_memory(c->context, "a kernel to check");
        VKD_TRY(vkd_executor_read(executor, o, got));
        if (!vkd_kernel_same(c->graph->tensors[c->node.bindings[b].tensor].dtype, c->in.rounds,
                             &c->words[o], got, out->difference, sizeof out->difference))
            out->verdict = VKD_VERDICT_WRONG;
    }
    return VKD_OK;
}

static vkd_status run_and_compare(check *c, vkd_device *device, vkd_kernel_check *out)
{
    vkd_executor *executor;
    double start = vkd_now_us();
    VKD_TRY(vkd_plan_memory(&c->alone, vkd_device_caps(device)->storage_alignment, true));
    VKD_TRY(vkd_executor_create(device, &c->alone, NULL, false, 1, &executor));
    vkd_status status = vkd_executor_run(executor);
    out->run_us = vkd_now_us() - start;
    if (status == VKD_OK)
        status = compare(c, executor, out);
    vkd_executor_destroy(executor);
    return status;
}

/* What is expected, by the kernel's code or by its oracle: RIGHT where that is known. */
static vkd_status expect(check *c, const vkd_device *device, vkd_verdict *out)
{
    vkd_module *module;
    vkd_outcome outcome = VKD_OUTCOME_DONE;
    if (c->node.oracle) {
        VKD_TRY(add_node(c));
        c->node.oracle->store(&c->node, c->in.bindings);
        c->in.rounds = true;
        *out = VKD_VERDICT_RIGHT;
        return VKD_OK;
    }
    vkd_status status = decode(c, device, &module);
    *out = VKD_VERDICT_NONE;
    if (status == VKD_UNSUPPORTED)
        return VKD_OK;
    VKD_TRY(status);
    c->in.module = module;
    VKD_TRY(add_node(c));
    VKD_TRY(interpret(c, &outcome));
    *out = outcome == VKD_OUTCOME_DONE   ? VKD_VERDICT_RIGHT
           : outcome == VKD_OUTCOME_LONG ? VKD_VERDICT_LONG
                                         : VKD_VERDICT_NONE;
    return VKD_OK;
}

static vkd_status run(check *c, vkd_device *device, vkd_kernel_check *out)
{
    VKD_TRY(expect(c, device, &out->verdict));
    return out->verdict == VKD_VERDICT_RIGHT ? run_and_compare(c, device, out) : VKD_OK;
}

/* What is bound, each once: a word to fill takes as long as a step. */
static uint64_t words_to_fill(const check *c)
{
    uint64_t bytes = 0;
    for (uint32_t b = 0; b < c->node.binding_count; b++)
        bytes += bytes_of(c, c->graph->tensors[c->node.bindings[b].tensor].storage);
    return bytes / 4;
}

vkd_status vkd_kernel_check_run(vkd_device *device, const vkd_graph *graph, const vkd_node *node,
                                uint64_t steps, vkd_kernel_check *out)
{
    check c = {.context = vkd_device_context(device), .graph = graph, .node = *node};
    *out = (vkd_kernel_check){.verdict = VKD_VERDICT_LONG};
    for (uint32_t b = 0; b < node->binding_count; b++)
        c.bytes[b] = graph->tensors[graph->tensors[node->bindings[b].tensor].storage].bytes;
    if (node->oracle)
        node->oracle->shrink(&c.node, c.bytes);
    if (words_to_fill(&c) > steps)
        return VKD_OK;
    vkd_arena_init(&c.arena, c.context);
    vkd_graph_init(&c.alone, &c.arena);
    c.in.steps = steps;
    vkd_status status = run(&c, device, out);
    vkd_arena_release(&c.arena);
    return status;
}
