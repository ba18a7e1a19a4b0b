/* Calls that only say where whole rows come from, one behind the other: slices, places by a
 * constant index, turned dims, concatenations of what was one tensor. Each is a table of rows, and
 * so are all of them together: one copy. Windows of images that are turned are made like that. */
#include "graph/rows.h"
#include "runtime/base/element.h"

#include <string.h>

/* Rows are counted on the host, each step again; of a net all together. */
enum { MAX_ROWS = 1 << 16, MAX_COUNTED = 1 << 24, MAX_STEPS = 16, MAX_PARTS = 16 };

/* From a value back to where its rows come from. A row is `width` elements of the last dim. */
typedef struct tracing {
    vkd_rewriter *r;
    uint32_t width;
    uint32_t *places; /* of each coordinate of a dim, one dim behind the other: MAX_ROWS + ranks */
    uint32_t x;       /* what is reached */
    uint32_t *rows;   /* of it, by row of the value */
    size_t count, before;
    size_t copies, gathers, turns, views; /* calls on the way, of which kind */
    uint32_t passed[MAX_PARTS * MAX_STEPS];
    size_t passed_count;
} tracing;

static const vkd_model_tensor *tensor(const tracing *t, uint32_t id)
{
    return vkd_rw_tensor(t->r, id);
}

static uint32_t last_of(const vkd_model_tensor *t) { return t->rank ? t->dims[t->rank - 1] : 0; }

/* ------------------------------------------------------------------------------------ one call */

/* How many rows there are; 0 where elements are none, or too many. */
static size_t count_rows(const vkd_model_tensor *t, uint32_t width)
{
    const uint64_t count = vkd_dims_count(t->rank, t->dims);
    return last_of(t) % width == 0 && count / width <= MAX_ROWS ? (size_t)(count / width) : 0;
}

/* The rows between one and the next along a dim. */
static uint32_t stride_of(const vkd_model_tensor *t, uint32_t dim, uint32_t width)
{
    uint64_t stride = 1;
    for (uint32_t d = dim + 1; d < t->rank; d++)
        stride *= d + 1 == t->rank ? t->dims[d] / width : t->dims[d];
    return (uint32_t)stride;
}

static bool find_dim(int32_t dim, uint32_t rank, uint32_t *out)
{
    *out = (uint32_t)(dim < 0 ? dim + (int32_t)rank : dim);
    return *out < rank && *out + 1 < rank; /* not within rows */
}

/* A slice by numbers: where it begins, and how far it steps. */
static bool find_slice(const slice_args *args, uint32_t size, uint32_t count, int64_t *start,
                       int64_t *step)
{
    const vkd_sym *from = &args->start;
    if (from->value != VKD_NO_VALUE || args->step.value != VKD_NO_VALUE)
        return false;
    *start = from->number == VKD_SYM_NULL ? 0 : from->number;
    *start = *start < 0 ? *start + size : *start;
    *start = *start < 0 ? 0 : *start > size ? size : *start;
    *step = args->step.number;
    return *step > 0 && *step <= INT32_MAX && *start + (count - 1) * *step < size;
}

static bool find_index(const tracing *t, const gather_args *args, uint32_t count,
                       const vkd_model_tensor **out)
{
    *out = tensor(t, args->index);
    return (*out)->data && !(*out)->state && (*out)->dtype == VKD_DTYPE_INT32 &&
           (*out)->rank == 1 && (*out)->dims[0] == count;
}

static uint32_t index_at(const vkd_model_tensor *index, uint32_t i, uint32_t size)
{
    const double at = vkd_element_get(VKD_DTYPE_INT32, index->data, i),
                 place = at < 0 ? at + size : at;
    return place < 0 ? 0 : place >= size ? size - 1 : (uint32_t)place;
}

/* Along one dim of a slice or by an index; the others are as they were. */
static bool place_along(const tracing *t, const vkd_call *call, uint32_t dim,
                        const vkd_model_tensor *x, const vkd_model_tensor *y, uint32_t *places)
{
    const slice_args *slice = vkd_rw_args(call, VKD_OP_SLICE);
    const uint32_t stride = stride_of(x, dim, t->width);
    const vkd_model_tensor *index = NULL;
    int64_t start = 0, step = 0;
    if (slice ? !find_slice(slice, x->dims[dim], y->dims[dim], &start, &step)
              : !find_index(t, call->args, y->dims[dim], &index))
        return false;
    for (uint32_t i = 0; i < y->dims[dim]; i++)
        places[i] =
            stride * (slice ? (uint32_t)(start + i * step) : index_at(index, i, x->dims[dim]));
    return true;
}

static bool fill_places(const tracing *t, const vkd_call *call, const vkd_model_tensor *x,
                        const vkd_model_tensor *y)
{
    const permute_args *turn = vkd_rw_args(call, VKD_OP_PERMUTE);
    const slice_args *slice = vkd_rw_args(call, VKD_OP_SLICE);
    const gather_args *gather = vkd_rw_args(call, VKD_OP_INDEX_SELECT);
    uint32_t *places = t->places, chosen = VKD_NO_VALUE, rows = last_of(y) / t->width, seen = 0;
    if (x->rank != y->rank || (turn && turn->dims.count != y->rank) ||
        (!turn && !find_dim(slice ? slice->dim : gather->dim, y->rank, &chosen)))
        return false;
    for (uint32_t d = 0; d < y->rank; d++) {
        const uint32_t size = d + 1 == y->rank ? rows : y->dims[d];
        uint32_t from = d;
        if (turn) {
            from = (uint32_t)turn->dims.items[d] + (turn->dims.items[d] < 0 ? y->rank : 0);
            if ((d + 1 == y->rank) != (from + 1 == y->rank) || from >= y->rank || seen >> from & 1)
                return false;
            seen |= 1u << from;
        }
        if (d != chosen && y->dims[d] != x->dims[from])
            return false;
        if (d == chosen && !place_along(t, call, d, x, y, places))
            return false;
        for (uint32_t i = 0; d != chosen && i < size; i++)
            places[i] = i * stride_of(x, from, t->width);
        places += size;
    }
    return true;
}

/* y's rows become those of x. */
static void apply_places(const tracing *t, const vkd_model_tensor *y)
{
    for (size_t i = 0; i < t->count; i++) {
        uint32_t rest = t->rows[i], place = 0, *places = t->places;
        for (uint32_t d = 0; d < y->rank; d++) {
            const uint32_t stride = stride_of(y, d, t->width),
                           size = d + 1 == y->rank ? last_of(y) / t->width : y->dims[d];
            place += places[rest / stride];
            rest %= stride;
            places += size;
        }
        t->rows[i] = place;
    }
}

/* What a call copies whose result has its rows as they are; VKD_NO_VALUE for others. */
static uint32_t plain_source(const tracing *t, const vkd_call *call)
{
    const view_args *view = vkd_rw_args(call, VKD_OP_VIEW);
    const pad_args *pad = vkd_rw_args(call, VKD_OP_PAD);
    if (view)
        return view->x;
    if (!pad || !vkd_rw_alike(t->r, pad->x, pad->y))
        return VKD_NO_VALUE;
    for (size_t i = 0; i < pad->pads.count; i++)
        if (pad->pads.items[i].value != VKD_NO_VALUE || pad->pads.items[i].number)
            return VKD_NO_VALUE;
    return pad->x;
}

static uint32_t moved_source(const vkd_call *call)
{
    const permute_args *turn = vkd_rw_args(call, VKD_OP_PERMUTE);
    const slice_args *slice = vkd_rw_args(call, VKD_OP_SLICE);
    const gather_args *gather = vkd_rw_args(call, VKD_OP_INDEX_SELECT);
    return turn ? turn->x : slice ? slice->x : gather ? gather->x : VKD_NO_VALUE;
}

static bool step_rows(tracing *t, const rows_args *rows)
{
    const vkd_model_tensor *table = tensor(t, rows->index);
    if (rows->width != (int32_t)t->width)
        return false;
    for (size_t i = 0; i < t->count; i++)
        t->rows[i] = ((const uint32_t *)table->data)[t->rows[i]];
    return true;
}

/* Through the call that makes the value that is reached; false where it does more than move. */
static bool step(tracing *t, const vkd_call *call)
{
    const rows_args *rows = vkd_rw_args(call, VKD_OP_ROWS);
    const uint32_t plain = plain_source(t, call), moved = moved_source(call),
                   source = rows                    ? rows->x
                            : plain != VKD_NO_VALUE ? plain
                                                    : moved;
    if (source == VKD_NO_VALUE)
        return false;
    const vkd_model_tensor *x = tensor(t, source), *y = tensor(t, t->x);
    const size_t x_rows = count_rows(x, t->width), y_rows = count_rows(y, t->width);
    t->r->row_count += t->count;
    if (x->dtype != y->dtype || x->state || x->data || !x_rows || !y_rows ||
        (plain != VKD_NO_VALUE && x_rows != y_rows) || (rows && !step_rows(t, rows)) ||
        (moved != VKD_NO_VALUE && !fill_places(t, call, x, y)))
        return false;
    if (moved != VKD_NO_VALUE)
        apply_places(t, y);
    t->copies += rows != NULL;
    t->gathers += vkd_rw_args(call, VKD_OP_INDEX_SELECT) != NULL;
    t->turns += vkd_rw_args(call, VKD_OP_PERMUTE) != NULL;
    t->views += vkd_rw_args(call, VKD_OP_VIEW) != NULL;
    t->before = vkd_rw_index(t->r, call);
    t->x = source;
    return true;
}

/* ------------------------------------------------------------------------------------- together */

/* Back from a value whose rows are t->rows, as far as nobody else reads what is between. */
static size_t trace(tracing *t, uint32_t value)
{
    size_t steps = 0;
    for (t->x = value; steps < MAX_STEPS; steps++) {
        const uint32_t id = t->x;
        const vkd_call *call = vkd_rw_only_producer(t->r, id, t->before);
        if (!call || !step(t, call))
            break;
        t->passed[t->passed_count++] = id;
    }
    return steps;
}

/* Where a part's rows are among those of what it is a part of. */
static size_t place_in(const vkd_model_tensor *part, const vkd_model_tensor *y, uint32_t dim,
                       uint32_t width, size_t at, size_t row)
{
    const size_t inside = dim + 1 == y->rank ? 1 : stride_of(part, dim, width),
                 own = dim + 1 == y->rank ? last_of(part) / width : part->dims[dim],
                 all = dim + 1 == y->rank ? last_of(y) / width : y->dims[dim];
    return row / (own * inside) * all * inside + at * inside + row % (own * inside);
}

/* The parts of a concatenation, all of them rows of one value: true, and y's rows. */
static bool trace_parts(tracing *t, const cat_args *cat, uint32_t *rows)
{
    const vkd_model_tensor *y = tensor(t, cat->y);
    const uint32_t dim = (uint32_t)(cat->dim < 0 ? cat->dim + (int32_t)y->rank : cat->dim);
    const size_t before = t->before, all = count_rows(y, t->width);
    uint32_t source = VKD_NO_VALUE;
    size_t at = 0, covered = 0;
    if (dim >= y->rank || cat->parts.count > MAX_PARTS || !all)
        return false;
    for (size_t p = 0; p < cat->parts.count; p++) {
        const uint32_t id = cat->parts.values[p];
        const vkd_model_tensor *part = tensor(t, id);
        t->count = count_rows(part, t->width);
        if (!t->count || part->rank != y->rank || part->dtype != y->dtype)
            return false;
        for (uint32_t d = 0; d < y->rank; d++)
            if (d != dim && part->dims[d] != y->dims[d])
                return false;
        for (size_t i = 0; i < t->count; i++)
            t->rows[i] = (uint32_t)i;
        t->before = before;
        if (!trace(t, id) || (p && t->x != source) || covered + t->count > all)
            return false;
        source = t->x;
        covered += t->count;
        for (size_t i = 0; i < t->count; i++)
            rows[place_in(part, y, dim, t->width, at, i)] = t->rows[i];
        at += dim + 1 == y->rank ? last_of(part) / t->width : part->dims[dim];
    }
    memcpy(t->rows, rows, all * sizeof *rows);
    t->count = all;
    return cat->parts.count > 1 && covered == all;
}

/* Whether a copy of rows is less work than what is there. */
static bool is_less(const tracing *t, const vkd_call *call)
{
    if (vkd_rw_args(call, VKD_OP_INDEX_SELECT))
        return t->copies + t->gathers > 1 || (t->turns && t->views);
    return t->copies || (t->gathers && t->turns && vkd_rw_args(call, VKD_OP_VIEW));
}

static bool trace_call(tracing *t, const vkd_call *call, uint32_t *spare)
{
    const cat_args *cat = vkd_rw_args(call, VKD_OP_CAT);
    const uint32_t y = vkd_call_result(call);
    if (cat)
        return trace_parts(t, cat, spare);
    t->count = count_rows(tensor(t, y), t->width);
    for (size_t i = 0; i < t->count; i++)
        t->rows[i] = (uint32_t)i;
    t->x = y;
    return t->count && step(t, call) && (trace(t, t->x), is_less(t, call));
}

static vkd_status become_rows(tracing *t, vkd_call *call)
{
    rows_args args = {.x = t->x, .width = (int32_t)t->width, .y = vkd_call_result(call)};
    uint32_t *table = vkd_arena_alloc(t->r->net->arena, t->count, sizeof *table);
    vkd_model_value index = {.kind = VKD_VALUE_TENSOR,
                             .tensor = {.dtype = VKD_DTYPE_INT32,
                                        .staging_dtype = VKD_DTYPE_INT32,
                                        .rank = 1,
                                        .dims = {(uint32_t)t->count},
                                        .data = table,
                                        .size = t->count * sizeof *table}};
    if (!table)
        return vkd_fail_memory(t->r->net->arena->context, "the rewriter");
    memcpy(table, t->rows, t->count * sizeof *table);
    VKD_TRY(vkd_rw_add_value(t->r, &index, &args.index));
    VKD_TRY(vkd_rw_become(t->r, call, VKD_OP_ROWS, &args));
    for (size_t i = 0; i < t->passed_count; i++)
        vkd_rw_drop_unread(t->r, t->passed[i]);
    return VKD_OK;
}

/* The width of rows that a call moves; 0: it does not. */
static uint32_t width_of(const tracing *t, const vkd_call *call)
{
    static const vkd_op_kind kinds[] = {VKD_OP_VIEW,         VKD_OP_PERMUTE, VKD_OP_SLICE,
                                        VKD_OP_INDEX_SELECT, VKD_OP_PAD,     VKD_OP_CAT};
    const cat_args *cat = vkd_rw_args(call, VKD_OP_CAT);
    bool moves = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        moves |= call->row->kind == kinds[i];
    if (!moves)
        return 0;
    const uint32_t plain = plain_source(t, call);
    const vkd_call *made = vkd_rw_only_producer(
        t->r, plain != VKD_NO_VALUE ? plain : moved_source(call), vkd_rw_index(t->r, call));
    const rows_args *rows = vkd_rw_args(made, VKD_OP_ROWS);
    if (!cat && !vkd_rw_args(call, VKD_OP_INDEX_SELECT) && !rows &&
        !vkd_rw_args(made, VKD_OP_PERMUTE))
        return 0; /* is_less would say so */
    const vkd_model_tensor *y = tensor(t, vkd_call_result(call));
    const uint32_t width =
        rows ? (uint32_t)rows->width : last_of(cat ? tensor(t, cat->parts.values[0]) : y);
    return y->dtype == VKD_DTYPE_INT8 || y->state || width % 4 ? 0 : width;
}

vkd_status vkd_join_moves(vkd_rewriter *r, size_t index)
{
    vkd_call *call = &r->net->calls[index];
    vkd_context *context = r->net->arena->context;
    tracing t = {.r = r, .before = index};
    const bool fixed = !r->net->resizes && !r->net->has_symbols && r->row_count <= MAX_COUNTED;
    t.width = fixed ? width_of(&t, call) : 0;
    if (!t.width)
        return VKD_OK;
    uint32_t *memory = vkd_alloc(context, 3 * (size_t)MAX_ROWS + VKD_MAX_RANK, sizeof *memory);
    if (!memory)
        return vkd_fail_memory(context, "the rewriter");
    t.rows = memory;
    t.places = memory + 2 * MAX_ROWS;
    const vkd_status status =
        trace_call(&t, call, memory + MAX_ROWS) ? become_rows(&t, call) : VKD_OK;
    vkd_free(context, memory);
    return status;
}
