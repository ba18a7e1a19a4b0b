#include "support/canary.h"
#include "exec/executor.h"
#include "exec/interpreter.h"
#include "graph/net.h"
#include "graph/plan.h"
#include "ops/lower.h"

#include <string.h>

enum { ZONE = CANARY_ZONE, CANARY = 0xa5 };

/* --------------------------------------------------------------------------------- on a device */

typedef struct guard {
    vkd_graph *graph;
    vkd_lowering lowering;
    const canary_io *io;
    size_t zone_count;
    vkd_tensor_id *zones, *guarded; /* zones[i] lies before guarded[i] */
} guard;

static void pack_pattern(const void *source, void *dst, size_t size)
{
    (void)source;
    memset(dst, CANARY, size);
}

static void pack_input(const void *source, void *dst, size_t size)
{
    const vkd_content *content = source;
    memcpy(dst, content->data, content->size);
    memset((char *)dst + content->size, CANARY, size - content->size);
}

/* A tensor of so many bytes. */
static vkd_status add_bytes(guard *g, vkd_place place, uint64_t bytes, vkd_tensor_id *out)
{
    const uint32_t count = (uint32_t)bytes;
    return vkd_graph_add_tensor(g->graph, place, VKD_DTYPE_UINT8, VKD_ROWS, 1, &count, out);
}

/* A constant of so many bytes goes into a tensor before anything else runs. */
static vkd_status fill(guard *g, vkd_tensor_id tensor, const vkd_tensor *constant)
{
    vkd_tensor_id from, to;
    VKD_TRY(add_bytes(g, VKD_PLACE_CONSTANT, g->graph->tensors[tensor].bytes, &from));
    VKD_TRY(add_bytes(g, VKD_PLACE_SCRATCH, g->graph->tensors[tensor].bytes, &to));
    vkd_tensor *made = &g->graph->tensors[from];
    made->pack = constant->pack;
    made->source = constant->source;
    made->source_size = constant->source_size;
    made->contents = constant->contents;
    g->graph->tensors[to].storage = tensor;
    return vkd_op_copy(&g->lowering, from, to);
}

static vkd_status add_zone(guard *g)
{
    vkd_tensor_id *zone = &g->zones[g->zone_count++];
    const vkd_tensor pattern = {.pack = pack_pattern};
    VKD_TRY(add_bytes(g, VKD_PLACE_SCRATCH, ZONE, zone));
    return fill(g, *zone, &pattern);
}

static size_t size_of(const vkd_tensor *tensor)
{
    return (size_t)vkd_dims_count(tensor->rank, tensor->dims) * vkd_dtype_size(tensor->dtype);
}

static vkd_status fill_input(guard *g, size_t input)
{
    const vkd_tensor_id id = g->graph->inputs[input];
    vkd_content *content = vkd_arena_alloc(g->graph->arena, 1, sizeof *content);
    if (!content)
        return vkd_fail_memory(g->graph->arena->context, "an input");
    *content = (vkd_content){g->io->inputs[input], size_of(&g->graph->tensors[id])};
    const vkd_tensor made = {
        .pack = pack_input, .source = content, .source_size = sizeof *content, .contents = 1};
    return fill(g, id, &made);
}

/* What a node binds becomes scratch, with what it holds at first copied there. */
static vkd_status guard_tensor(guard *g, vkd_tensor_id id)
{
    const vkd_tensor tensor = g->graph->tensors[id];
    g->graph->tensors[id].place = VKD_PLACE_SCRATCH;
    if (tensor.storage != id)
        return VKD_OK;
    g->guarded[g->zone_count - 1] = id;
    VKD_TRY(add_zone(g));
    for (size_t i = 0; tensor.place == VKD_PLACE_INPUT && i < g->graph->input_count; i++)
        if (g->graph->inputs[i] == id)
            VKD_TRY(fill_input(g, i));
    return tensor.place == VKD_PLACE_CONSTANT || tensor.place == VKD_PLACE_STATE
               ? fill(g, id, &tensor)
               : VKD_OK;
}

/* The copies come first. */
static vkd_status rotate(vkd_graph *graph, size_t count)
{
    const size_t added = graph->node_count - count;
    vkd_node *old = vkd_arena_alloc(graph->arena, count, sizeof *old);
    if (count && !old)
        return vkd_fail_memory(graph->arena->context, "nodes");
    memcpy(old, graph->nodes, count * sizeof *old);
    memmove(graph->nodes, graph->nodes + count, added * sizeof *old);
    memcpy(graph->nodes + added, old, count * sizeof *old);
    return VKD_OK;
}

/* A canary, a tensor, a canary, ...; count: of the tensors that the graph had. */
static void lay_out(guard *g, size_t count, uint64_t alignment)
{
    vkd_graph *graph = g->graph;
    uint64_t at = 0;
    for (size_t i = 0; i < g->zone_count; i++) {
        graph->tensors[g->zones[i]].offset = at;
        at += ZONE;
        if (i + 1 < g->zone_count) {
            graph->tensors[g->guarded[i]].offset = at;
            at = vkd_align_up(at + graph->tensors[g->guarded[i]].bytes, alignment);
        }
    }
    graph->scratch_bytes = at;
    for (size_t i = 0; i < graph->tensor_count; i++)
        graph->tensors[i].offset = graph->tensors[graph->tensors[i].storage].offset;
    for (size_t i = 0; i < count; i++)
        if (graph->tensors[i].place == VKD_PLACE_SCRATCH)
            graph->tensors[i].bytes += ZONE;
}

static vkd_status guard_graph(guard *g, const vkd_caps *caps)
{
    const size_t nodes = g->graph->node_count, tensors = g->graph->tensor_count;
    g->zones = vkd_arena_alloc(g->graph->arena, tensors + 1, sizeof *g->zones);
    g->guarded = vkd_arena_alloc(g->graph->arena, tensors + 1, sizeof *g->guarded);
    if (!g->zones || !g->guarded)
        return vkd_fail_memory(g->graph->arena->context, "canaries");
    VKD_TRY(add_zone(g));
    for (vkd_tensor_id i = 0; i < tensors; i++)
        if (g->graph->tensors[i].place != VKD_PLACE_SYMBOLS)
            VKD_TRY(guard_tensor(g, i));
    VKD_TRY(rotate(g->graph, nodes));
    g->graph->input_count = g->graph->output_count = 0;
    VKD_TRY(vkd_plan_memory(g->graph, caps->storage_alignment, false));
    lay_out(g, tensors, caps->storage_alignment < 16 ? 16 : caps->storage_alignment);
    return VKD_OK;
}

static vkd_status look(const guard *g, vkd_executor *executor, vkd_tensor_id *touched)
{
    unsigned char bytes[ZONE];
    *touched = VKD_NO_TENSOR;
    for (size_t i = 0; i < g->zone_count && *touched == VKD_NO_TENSOR; i++) {
        VKD_TRY(vkd_executor_read(executor, g->zones[i], bytes));
        for (size_t b = 0; b < ZONE; b++)
            if (bytes[b] != CANARY)
                *touched = g->guarded[b < ZONE / 2 && i ? i - 1 : i];
    }
    return VKD_OK;
}

static vkd_status execute(const guard *g, vkd_executor *executor, const vkd_tensor_id *outputs,
                          size_t output_count, vkd_tensor_id *touched)
{
    for (uint32_t i = 0; i < g->graph->symbol_count; i++)
        vkd_executor_symbols(executor, 0)[i] = g->io->symbols[i];
    VKD_TRY(vkd_executor_run(executor));
    for (size_t i = 0; i < output_count; i++)
        VKD_TRY(vkd_executor_read(executor, outputs[i], g->io->outputs[i]));
    return look(g, executor, touched);
}

vkd_status canary_run(vkd_device *device, const vkd_caps *caps, vkd_graph *graph,
                      const canary_io *io, vkd_tensor_id *touched)
{
    static const vkd_call call = {.name = "canary"};
    static const vkd_net net = {0};
    const size_t output_count = graph->output_count;
    guard g = {.graph = graph,
               .lowering = {.context = graph->arena->context,
                            .graph = graph,
                            .net = &net,
                            .caps = caps,
                            .call = &call},
               .io = io};
    vkd_executor *executor;
    VKD_TRY(guard_graph(&g, caps));
    VKD_TRY(vkd_executor_create(device, graph, NULL, false, 1, &executor));
    const vkd_status status = execute(&g, executor, graph->outputs, output_count, touched);
    vkd_executor_destroy(executor);
    return status;
}

/* -------------------------------------------------------------------------- by the interpreter */

/* What a tensor holds before the first node. */
static void begin_words(const vkd_graph *graph, vkd_tensor_id id, const canary_io *io, uint32_t *at)
{
    const vkd_tensor *tensor = &graph->tensors[id];
    memset(at, CANARY, (size_t)tensor->bytes);
    if (tensor->pack)
        tensor->pack(tensor->source, at, (size_t)tensor->bytes);
    for (size_t i = 0; i < graph->input_count; i++)
        if (graph->inputs[i] == id)
            memcpy(at, io->inputs[i], size_of(tensor));
    if (tensor->place == VKD_PLACE_SYMBOLS)
        memcpy(at, io->symbols, graph->symbol_count * sizeof *at);
}

static vkd_status make_words(const vkd_graph *graph, const canary_io *io, vkd_words **out)
{
    vkd_words *words = vkd_arena_alloc(graph->arena, graph->tensor_count, sizeof *words);
    if (!words)
        return vkd_fail_memory(graph->arena->context, "tensors");
    for (vkd_tensor_id i = 0; i < graph->tensor_count; i++) {
        vkd_words *w = &words[i];
        if (graph->tensors[i].storage != i)
            continue;
        w->count = (size_t)graph->tensors[i].bytes / 4;
        w->at = vkd_arena_alloc(graph->arena, w->count, 4);
        w->written = vkd_arena_alloc(graph->arena, w->count, 4);
        if (!w->at || !w->written)
            return vkd_fail_memory(graph->arena->context, "a tensor");
        begin_words(graph, i, io, w->at);
    }
    *out = words;
    return VKD_OK;
}

static vkd_status decode(const vkd_caps *caps, const vkd_graph *graph, const vkd_node *node,
                         vkd_arena *arena, const vkd_module **out)
{
    const vkd_spirv *code = vkd_shaders[node->shader].flavours[caps->dot - VKD_DOT_NONE];
    uint32_t *words = vkd_arena_alloc(arena, vkd_spirv_room(code), sizeof *words);
    vkd_module *module;
    if (!words)
        return vkd_fail_memory(graph->arena->context, "a kernel");
    VKD_TRY(vkd_module_decode(arena, words, vkd_spirv_unpack(code, words), node->specs,
                              node->spec_count, &module));
    *out = module;
    return VKD_OK;
}

static vkd_status interpret_groups(vkd_interpretation *in, vkd_context *context, vkd_outcome *out)
{
    *out = VKD_OUTCOME_DONE;
    for (uint32_t i = 0; i < in->groups[0] * in->groups[1] && *out == VKD_OUTCOME_DONE; i++) {
        const uint32_t group[] = {i % in->groups[0], i / in->groups[0], 0};
        vkd_arena arena;
        vkd_arena_init(&arena, context);
        const vkd_status status = vkd_interpret(in, &arena, group, out);
        vkd_arena_release(&arena);
        VKD_TRY(status);
    }
    return VKD_OK;
}

static vkd_status interpret_node(const vkd_caps *caps, const vkd_graph *graph, const vkd_node *node,
                                 const vkd_words *words, vkd_outcome *out)
{
    vkd_context *context = graph->arena->context;
    vkd_interpretation in = {.steps = 200000000};
    vkd_arena arena;
    for (uint32_t b = 0; b < node->binding_count; b++)
        in.bindings[b] = words[graph->tensors[node->bindings[b].tensor].storage];
    memcpy(in.push, node->push, node->push_size);
    memcpy(in.groups, node->groups, sizeof in.groups);
    vkd_arena_init(&arena, context);
    vkd_status status = decode(caps, graph, node, &arena, &in.module);
    if (status == VKD_OK)
        status = interpret_groups(&in, context, out);
    vkd_arena_release(&arena);
    return status;
}

vkd_status canary_interpret(const vkd_caps *caps, const vkd_graph *graph, const canary_io *io,
                            uint32_t *outside)
{
    vkd_words *words;
    VKD_TRY(make_words(graph, io, &words));
    *outside = UINT32_MAX;
    for (uint32_t i = 0; i < graph->node_count && *outside == UINT32_MAX; i++) {
        vkd_outcome outcome;
        VKD_TRY(interpret_node(caps, graph, &graph->nodes[i], words, &outcome));
        if (outcome == VKD_OUTCOME_LONG)
            return vkd_fail(graph->arena->context, VKD_UNSUPPORTED, "kernel '%s' takes too long",
                            vkd_shaders[graph->nodes[i].shader].name);
        *outside = outcome == VKD_OUTCOME_OUTSIDE ? i : UINT32_MAX;
    }
    for (size_t i = 0; i < graph->output_count; i++) {
        const vkd_words *y = &words[graph->tensors[graph->outputs[i]].storage];
        memcpy(io->outputs[i], y->at, y->count * 4);
    }
    return VKD_OK;
}
