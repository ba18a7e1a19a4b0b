#include "graph/plan.h"
#include "runtime/base/math.h"

#include <stdlib.h>
#include <string.h>

static bool is_root(const vkd_graph *graph, size_t tensor)
{
    return graph->tensors[tensor].storage == tensor;
}

static bool is_used(const vkd_tensor *tensor) { return tensor->first_node != UINT32_MAX; }

static vkd_tensor_id root_of(const vkd_graph *graph, const vkd_binding *binding)
{
    return graph->tensors[binding->tensor].storage;
}

/* Whether a recorder has a barrier before a node, wherever the tensors lie: it reads what was
 * written since the last one, or writes what was touched. */
static bool begins_level(const vkd_graph *graph, const vkd_node *node, const uint32_t *written,
                         uint32_t level)
{
    for (uint32_t b = 0; b < node->binding_count; b++) {
        const vkd_tensor_id root = root_of(graph, &node->bindings[b]);
        const vkd_tensor *tensor = &graph->tensors[root];
        if (node->bindings[b].write ? is_used(tensor) && tensor->last_level == level
                                    : written[root] == level)
            return true;
    }
    return false;
}

static void touch(vkd_tensor *tensor, uint32_t node, uint32_t level)
{
    if (!is_used(tensor)) {
        tensor->first_node = node;
        tensor->first_level = level;
    }
    tensor->last_node = node;
    tensor->last_level = level;
}

static vkd_status find_lifetimes(vkd_graph *graph)
{
    uint32_t *written = vkd_arena_alloc(graph->arena, graph->tensor_count, sizeof *written);
    if (!written)
        return vkd_fail_memory(graph->arena->context, "the memory plan");
    for (size_t i = 0; i < graph->tensor_count; i++) {
        vkd_tensor *tensor = &graph->tensors[i];
        tensor->first_node = written[i] = UINT32_MAX;
        tensor->last_node = tensor->first_level = tensor->last_level = 0;
    }
    uint32_t level = 0;
    for (uint32_t n = 0; n < graph->node_count; n++) {
        const vkd_node *node = &graph->nodes[n];
        level += begins_level(graph, node, written, level);
        for (uint32_t b = 0; b < node->binding_count; b++) {
            const vkd_tensor_id root = root_of(graph, &node->bindings[b]);
            touch(&graph->tensors[root], n, level);
            if (node->bindings[b].write)
                written[root] = level;
        }
    }
    return VKD_OK;
}

/* Two large ones may take turns within a level: memory is worth more than a barrier there. */
static bool live_together(const vkd_tensor *a, const vkd_tensor *b)
{
    enum { LARGE = 4 << 20 };
    if (a->bytes >= LARGE && b->bytes >= LARGE)
        return a->first_node <= b->last_node && b->first_node <= a->last_node;
    return a->first_level <= b->last_level && b->first_level <= a->last_level;
}

static int larger_first(const void *a, const void *b)
{
    const vkd_tensor *x = *(vkd_tensor *const *)a, *y = *(vkd_tensor *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x < y ? -1 : x > y; /* a total order: the plan is the same on every machine */
}

/* The lowest offset at which `tensor` overlaps none of the placed tensors that live when it does.
 * `placed` is sorted by offset.
 */
static uint64_t lowest_gap(const vkd_tensor *tensor, vkd_tensor *const *placed, size_t count,
                           uint64_t alignment)
{
    uint64_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        if (!live_together(tensor, placed[i]))
            continue;
        if (placed[i]->offset >= offset + tensor->bytes)
            break;
        uint64_t end = vkd_align_up(placed[i]->offset + placed[i]->bytes, alignment);
        if (end > offset)
            offset = end;
    }
    return offset;
}

/* Of more tensors than these, the smaller ones take slots: a search for gaps takes time with the
 * square of their number. */
enum { SEARCHED = 4096 };

/* Tensors in slots whose sizes are powers of two: a slot that is free again serves the next tensor
 * of its size. Lists of tensors, by their place in `order`. */
typedef struct slots {
    uint32_t *starts, *ends; /* by level: which begin to live there, or live last */
    uint32_t *next_start, *next_end, *next_vacant;
    uint32_t vacant[64]; /* by size */
} slots;
#define NONE UINT32_MAX

static uint32_t size_class(uint64_t bytes)
{
    uint32_t size = 0;
    while (UINT64_C(1) << size < bytes)
        size++;
    return size;
}

static void push(uint32_t *head, uint32_t *next, uint32_t i)
{
    next[i] = *head;
    *head = i;
}

static vkd_status begin_slots(vkd_graph *graph, vkd_tensor *const *order, size_t count, slots *s)
{
    uint32_t **lists[] = {&s->next_start, &s->next_end, &s->next_vacant, &s->starts, &s->ends};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        size_t length = i < 3 ? count : graph->node_count;
        *lists[i] = vkd_arena_alloc(graph->arena, length, sizeof **lists[i]);
        if (!*lists[i])
            return vkd_fail_memory(graph->arena->context, "the memory plan");
        memset(*lists[i], 0xff, length * sizeof **lists[i]); /* NONE */
    }
    memset(s->vacant, 0xff, sizeof s->vacant);
    for (uint32_t i = 0; i < count; i++) {
        push(&s->starts[order[i]->first_level], s->next_start, i);
        push(&s->ends[order[i]->last_level], s->next_end, i);
    }
    return VKD_OK;
}

static vkd_status place_in_slots(vkd_graph *graph, vkd_tensor *const *order, size_t count,
                                 uint64_t alignment)
{
    slots s;
    VKD_TRY(begin_slots(graph, order, count, &s));
    for (size_t level = 0; level < graph->node_count; level++) {
        for (uint32_t i = s.starts[level]; i != NONE; i = s.next_start[i]) {
            uint32_t size = size_class(order[i]->bytes), *vacant = &s.vacant[size];
            if (*vacant != NONE) {
                order[i]->offset = order[*vacant]->offset;
                *vacant = s.next_vacant[*vacant];
                continue;
            }
            order[i]->offset = graph->scratch_bytes;
            graph->scratch_bytes += vkd_align_up(UINT64_C(1) << size, alignment);
        }
        for (uint32_t i = s.ends[level]; i != NONE; i = s.next_end[i])
            push(&s.vacant[size_class(order[i]->bytes)], s.next_vacant, i);
    }
    return VKD_OK;
}

static vkd_status place_scratch(vkd_graph *graph, uint64_t alignment, bool share)
{
    vkd_tensor **order = vkd_arena_alloc(graph->arena, graph->tensor_count, sizeof *order);
    vkd_tensor **placed = vkd_arena_alloc(graph->arena, graph->tensor_count, sizeof *placed);
    if (!order || !placed)
        return vkd_fail_memory(graph->arena->context, "the memory plan");
    size_t count = 0;
    for (size_t i = 0; i < graph->tensor_count; i++)
        if (graph->tensors[i].place == VKD_PLACE_SCRATCH && is_root(graph, i) &&
            is_used(&graph->tensors[i]))
            order[count++] = &graph->tensors[i];
    qsort(order, count, sizeof *order, larger_first);

    const size_t searched = share && count > SEARCHED ? SEARCHED : count;
    for (size_t i = 0; i < searched; i++) {
        vkd_tensor *tensor = order[i];
        uint64_t unshared = graph->scratch_unaliased_bytes;
        tensor->offset = share ? lowest_gap(tensor, placed, i, alignment) : unshared;
        uint64_t end = vkd_align_up(tensor->offset + tensor->bytes, alignment);
        if (end > graph->scratch_bytes)
            graph->scratch_bytes = end;
        graph->scratch_unaliased_bytes = unshared + vkd_align_up(tensor->bytes, alignment);
        size_t at = i; /* insertion keeps `placed` sorted by offset */
        for (; at > 0 && placed[at - 1]->offset > tensor->offset; at--)
            placed[at] = placed[at - 1];
        placed[at] = tensor;
    }
    for (size_t i = searched; i < count; i++)
        graph->scratch_unaliased_bytes += vkd_align_up(order[i]->bytes, alignment);
    return place_in_slots(graph, order + searched, count - searched, alignment);
}

vkd_status vkd_plan_memory(vkd_graph *graph, uint64_t alignment, bool share)
{
    if (alignment < 16)
        alignment = 16;
    graph->constant_bytes = graph->state_bytes = graph->scratch_bytes =
        graph->scratch_unaliased_bytes = 0;
    VKD_TRY(find_lifetimes(graph));
    VKD_TRY(place_scratch(graph, alignment, share));
    for (size_t i = 0; i < graph->tensor_count; i++) {
        vkd_tensor *tensor = &graph->tensors[i];
        bool state = tensor->place == VKD_PLACE_STATE;
        if ((tensor->place != VKD_PLACE_CONSTANT && !state) || !is_root(graph, i) ||
            !is_used(tensor))
            continue;
        uint64_t *end = state ? &graph->state_bytes : &graph->constant_bytes;
        tensor->offset = *end;
        *end = vkd_align_up(*end + tensor->bytes, alignment);
    }
    for (size_t i = 0; i < graph->tensor_count; i++)
        if (!is_root(graph, i)) {
            const vkd_tensor *root = &graph->tensors[graph->tensors[i].storage];
            graph->tensors[i].offset = root->offset;
            graph->tensors[i].first_node = root->first_node;
            graph->tensors[i].last_node = root->last_node;
            graph->tensors[i].first_level = root->first_level;
            graph->tensors[i].last_level = root->last_level;
        }
    return VKD_OK;
}
