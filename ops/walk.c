#include "ops/walk.h"
#include "runtime/base/math.h"

#include <string.h>

/* Strides of a tensor's dims in its memory; 4C: n, h, w, c. */
static void strides_of(const vkd_tensor *t, int32_t strides[VKD_MAX_RANK])
{
    int32_t step = 1;
    for (uint32_t d = t->rank; d-- > 0; step *= (int32_t)t->dims[d])
        strides[d] = step;
    if (t->layout == VKD_ROWS || !t->rank)
        return;
    const int32_t c4 = (int32_t)vkd_align_up(t->c, 4), w = c4, h = w * (int32_t)t->w,
                  n = h * (int32_t)t->h;
    const int32_t by_rank[5][4] = {{0}, {1}, {n, 1}, {1, h, w}, {n, 1, h, w}};
    memcpy(strides, by_rank[t->rank], t->rank * sizeof *strides);
}

vkd_view vkd_view_of(const vkd_graph *graph, vkd_tensor_id tensor)
{
    const vkd_tensor *t = &graph->tensors[tensor];
    vkd_view view = {.tensor = tensor, .rank = t->rank};
    memcpy(view.dims, t->dims, sizeof view.dims);
    strides_of(t, view.strides);
    return view;
}

void vkd_view_broadcast(vkd_view *view, uint32_t rank, const uint32_t *dims)
{
    vkd_view wide = {.tensor = view->tensor, .rank = rank, .offset = view->offset};
    for (uint32_t d = 0; d < rank; d++) {
        wide.dims[d] = dims[d];
        if (d + view->rank >= rank) {
            uint32_t own = d + view->rank - rank;
            wide.strides[d] = view->dims[own] == 1 ? 0 : view->strides[own];
        }
    }
    *view = wide;
}

/* From the innermost on, pieces of dims that go on evenly: each has to be some of the new dims. */
bool vkd_view_reshape(const vkd_view *view, uint32_t rank, const uint32_t *dims, vkd_view *out)
{
    uint32_t left = rank;
    uint64_t piece = 1, covered = 1;
    *out = (vkd_view){.tensor = view->tensor, .rank = rank, .offset = view->offset};
    memcpy(out->dims, dims, rank * sizeof *dims);
    int32_t stride = view->rank ? view->strides[view->rank - 1] : 0;
    for (uint32_t d = view->rank; d-- > 0;) {
        piece *= view->dims[d];
        if (d && (view->dims[d - 1] == 1 || view->strides[d - 1] == (int32_t)piece * stride))
            continue;
        for (; left && (covered < piece || dims[left - 1] == 1); covered *= dims[--left])
            out->strides[left - 1] = (int32_t)covered * stride;
        if (covered != piece || !piece)
            return false;
        piece = covered = 1;
        stride = d ? view->strides[d - 1] : 0;
    }
    while (left && dims[left - 1] == 1)
        left--;
    return !left;
}

vkd_view vkd_view_without(const vkd_view *view, uint32_t dim)
{
    vkd_view lines = {.tensor = view->tensor, .offset = view->offset};
    for (uint32_t d = 0; d < view->rank; d++)
        if (d != dim) {
            lines.dims[lines.rank] = view->dims[d];
            lines.strides[lines.rank++] = view->strides[d];
        }
    return lines;
}

/* Whether a view is all of its tensor, which lies in memory as y does. */
static bool lies_as(const vkd_graph *graph, const vkd_view *view, const vkd_tensor *y)
{
    const vkd_tensor *t = &graph->tensors[view->tensor];
    const vkd_view all = vkd_view_of(graph, view->tensor);
    /* What is visited once needs no stride. */
    for (uint32_t d = 0; d < view->rank; d++)
        if (view->dims[d] != 1 && (d >= all.rank || view->strides[d] != all.strides[d]))
            return false;
    return view->offset == 0 && t->layout == y->layout && t->rank == y->rank &&
           !memcmp(t->dims, y->dims, t->rank * sizeof *t->dims);
}

uint32_t vkd_memory_order(const vkd_tensor *y, uint32_t order[VKD_MAX_RANK])
{
    static const uint32_t images[5][4] = {{0}, {0}, {0, 1}, {1, 2, 0}, {0, 2, 3, 1}};
    for (uint32_t d = 0; d < y->rank; d++)
        order[d] = y->layout == VKD_4C ? images[y->rank][d] : d;
    return y->rank;
}

/* Appends a dim inside of those that are there, or widens the last one where every operand goes on
 * evenly. */
static void add_dim(vkd_walk *walk, uint32_t *rank, uint32_t size, bool may_join,
                    const int32_t *strides, uint32_t count)
{
    bool joins = may_join && *rank > 0;
    for (uint32_t o = 0; o < count && joins; o++)
        joins = walk->strides[o][*rank - 1] == (uint32_t)strides[o] * size;
    uint32_t at = joins ? *rank - 1 : (*rank)++;
    walk->dims[at] = joins ? walk->dims[at] * size : size;
    for (uint32_t o = 0; o < count; o++)
        walk->strides[o][at] = (uint32_t)strides[o];
}

/* Dims are counted from the innermost, so that kernels know where that is. */
static void align_right(vkd_walk *walk, uint32_t rank, uint32_t count)
{
    uint32_t by = VKD_VIEW_DIMS - rank;
    memmove(walk->dims + by, walk->dims, rank * sizeof *walk->dims);
    for (uint32_t d = 0; d < by; d++)
        walk->dims[d] = 1;
    for (uint32_t o = 0; o < count; o++) {
        memmove(walk->strides[o] + by, walk->strides[o], rank * sizeof *walk->strides[o]);
        memset(walk->strides[o], 0, by * sizeof *walk->strides[o]);
    }
}

/* Of an operand's walk before it is aligned. */
static uint32_t read_of(const vkd_walk *walk, uint32_t rank, uint32_t operand)
{
    const uint32_t *strides = walk->strides[operand], offset = walk->offsets[operand];
    bool same = offset == 0, one = true,
         group = walk->whole && offset % 4 == 0 && strides[rank - 1] == 1;
    for (uint32_t d = rank, step = 1; d-- > 0; step *= walk->dims[d]) {
        same &= walk->dims[d] == 1 || strides[d] == step;
        one &= walk->dims[d] == 1 || strides[d] == 0;
        group &= d + 1 == rank || strides[d] % 4 == 0;
    }
    return same ? VKD_READ_SAME : one ? VKD_READ_ONE : group ? VKD_READ_GROUP : VKD_READ_EACH;
}

void vkd_walk_make(const vkd_graph *graph, vkd_tensor_id id, const vkd_view *operands,
                   uint32_t count, vkd_walk *out)
{
    const vkd_tensor *y = &graph->tensors[id];
    uint32_t order[VKD_MAX_RANK], rank = 0, dims = vkd_memory_order(y, order);
    bool flat = true;
    *out = (vkd_walk){.slots = 1, .inner = 1, .dims = {1}};
    for (uint32_t o = 0; o < count; o++) {
        out->offsets[o] = (uint32_t)operands[o].offset;
        flat &= lies_as(graph, &operands[o], y);
    }
    for (uint32_t i = 0; i < dims; i++) {
        uint32_t real = y->dims[order[i]], size = real;
        int32_t strides[VKD_WALK_OPERANDS] = {0};
        if (y->layout == VKD_4C && i + 1 == dims)
            size = (uint32_t)vkd_align_up(real, 4);
        out->slots *= size;
        if (size == 1)
            continue;
        for (uint32_t o = 0; o < count; o++)
            strides[o] = operands[o].strides[order[i]];
        add_dim(out, &rank, size, size == real, strides, count); /* padding must be met as such */
        out->inner = size == real ? out->dims[rank - 1] : real;
    }
    rank = rank ? rank : 1;
    out->groups = (uint32_t)vkd_divide_up(out->slots, 4);
    out->whole = out->dims[rank - 1] % 4 == 0;
    out->dim_count = rank;
    for (uint32_t o = 0; o < count; o++)
        out->reads[o] = read_of(out, rank, o);
    out->rank = flat ? 0 : rank;
    align_right(out, rank, count);
}
