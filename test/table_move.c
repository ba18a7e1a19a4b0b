/* Cases of ops/move.c: elements change their places alone. */
#include "table_families.h"

#include <string.h>

/* What element `at` of y is: of x, with the drawn numbers of the operator. */
typedef void mover(const void *numbers, const uint32_t *at, uint32_t *from);

static void expect_moved(table_tensor *y, const table_tensor *x, mover *move, const void *numbers)
{
    for (size_t i = 0; i < y->count; i++) {
        uint32_t at[VKD_MAX_RANK] = {0}, from[VKD_MAX_RANK];
        table_places(&y->shape, i, at);
        memcpy(from, at, sizeof from);
        move(numbers, at, from);
        y->values[i] = x->values[table_place(&x->shape, from)];
    }
}

/* --------------------------------------------------------------- permutations, mirrors, repeats */

typedef struct ordering {
    uint32_t rank, order[VKD_MAX_RANK];
} ordering;

static void permuted(const void *numbers, const uint32_t *at, uint32_t *from)
{
    const ordering *o = numbers;
    for (uint32_t d = 0; d < o->rank; d++)
        from[o->order[d]] = at[d];
}

static void expect_permuted(table *t, const table_tensor *x, const ordering *o)
{
    vkd_shape shape = x->shape;
    for (uint32_t d = 0; d < o->rank; d++)
        shape.dims[d] = x->shape.dims[o->order[d]];
    expect_moved(table_output(t, x->dtype, shape), x, permuted, o);
}

static void draw_permute(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, 0, 8));
    ordering o = {.rank = x->shape.rank};
    int64_t dims[VKD_MAX_RANK];
    table_order(t, o.rank, o.order);
    for (uint32_t d = 0; d < o.rank; d++)
        dims[d] = table_from_an_end(t, o.order[d], o.rank);
    table_ints(t, o.rank, dims);
    expect_permuted(t, x, &o);
}

static void draw_swap(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, 0, 8));
    ordering o = {.rank = x->shape.rank};
    for (uint32_t d = 0; d < o.rank; d++)
        o.order[d] = d;
    uint32_t a = table_dim(t, o.rank), b = table_dim(t, o.rank);
    o.order[a] = b;
    o.order[b] = a;
    expect_permuted(t, x, &o);
}

static void draw_transpose(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, 0, 2));
    const ordering o = {x->shape.rank, {x->shape.rank - 1, 0}};
    expect_permuted(t, x, &o);
}

typedef struct mirror {
    vkd_shape shape;
    bool listed[VKD_MAX_RANK];
} mirror;

static void mirrored(const void *numbers, const uint32_t *at, uint32_t *from)
{
    const mirror *m = numbers;
    for (uint32_t d = 0; d < m->shape.rank; d++)
        from[d] = m->listed[d] ? m->shape.dims[d] - 1 - at[d] : at[d];
}

static void draw_flip(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, 0, 8));
    mirror m = {.shape = x->shape};
    table_listed(t, x->shape.rank, m.listed);
    expect_moved(table_output(t, x->dtype, x->shape), x, mirrored, &m);
}

static void draw_expand(table *t)
{
    vkd_shape full = table_shape(t, 0, 8);
    table_tensor *x = table_any(t, TABLE_ALL, table_narrowed(t, full));
    int64_t sizes[VKD_MAX_RANK];
    for (uint32_t d = 0; d < full.rank; d++) {
        uint32_t missing = full.rank - x->shape.rank;
        bool keeps = d >= missing && x->shape.dims[d - missing] == full.dims[d];
        sizes[d] = keeps && table_chance(t, 3) ? -1 : (int64_t)full.dims[d];
    }
    table_sizes(t, full.rank, sizes);
    table_bool(t, false); /* implicit */
    table_tensor *y = table_output(t, x->dtype, full);
    for (size_t i = 0; i < y->count; i++)
        y->values[i] = x->values[table_broadcast_index(&x->shape, &full, i)];
}

/* ---------------------------------------------------------------------------------------- parts */

typedef struct part {
    uint32_t dim, start, step;
} part;

static void sliced(const void *numbers, const uint32_t *at, uint32_t *from)
{
    const part *p = numbers;
    from[p->dim] = p->start + at[p->dim] * p->step;
}

/* A bound of a slice, also beyond both ends; what it comes to. */
static uint32_t draw_bound(table *t, uint32_t size, uint32_t otherwise)
{
    int64_t bound = random_range(t->random, -(int32_t)size - 2, (int32_t)size + 2);
    if (table_chance(t, 5)) {
        table_null(t);
        return otherwise;
    }
    if (otherwise && table_chance(t, 5))
        table_int(t, bound = INT64_MAX);
    else
        table_size(t, bound);
    bound += bound < 0 ? size : 0;
    return (uint32_t)(bound < 0 ? 0 : bound > size ? size : bound);
}

static void draw_slice(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, 1, 8));
    part p = {.dim = table_dim(t, x->shape.rank)};
    uint32_t size = x->shape.dims[p.dim];
    p.start = draw_bound(t, size, 0);
    uint32_t end = draw_bound(t, size, size);
    p.step = table_chance(t, 8) ? INT32_MAX : 1 + (table_chance(t, 2) ? table_below(t, 4) : 0);
    table_size(t, p.step);
    vkd_shape shape = x->shape;
    shape.dims[p.dim] = end > p.start ? (end - p.start - 1) / p.step + 1 : 0;
    expect_moved(table_output(t, x->dtype, shape), x, sliced, &p);
}

static void draw_narrow(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, 1, 8));
    part p = {.dim = table_dim(t, x->shape.rank), .step = 1};
    const uint32_t size = x->shape.dims[p.dim];
    p.start = table_below(t, size + 1);
    table_size(t, p.start < size ? table_from_an_end(t, p.start, size) : p.start);
    vkd_shape shape = x->shape;
    shape.dims[p.dim] = table_below(t, size - p.start + 1);
    table_size(t, shape.dims[p.dim]);
    expect_moved(table_output(t, x->dtype, shape), x, sliced, &p);
}

static void selected(const void *numbers, const uint32_t *at, uint32_t *from)
{
    const part *p = numbers;
    for (uint32_t d = p->dim + 1; d < VKD_MAX_RANK; d++)
        from[d] = at[d - 1];
    from[p->dim] = p->start;
}

static void draw_select(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape_filled(t, 1, 8));
    part p = {.dim = table_dim(t, x->shape.rank)};
    p.start = table_below(t, x->shape.dims[p.dim]);
    table_size(t, table_from_an_end(t, p.start, x->shape.dims[p.dim]));
    vkd_shape shape = {.rank = x->shape.rank - 1};
    for (uint32_t d = 0; d < shape.rank; d++)
        shape.dims[d] = x->shape.dims[d + (d >= p.dim)];
    expect_moved(table_output(t, x->dtype, shape), x, selected, &p);
}

static void draw_split(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, 1, 8));
    uint32_t count = 1 + table_below(t, 4), dim = table_below(t, x->shape.rank),
             left = x->shape.dims[dim];
    int64_t sizes[4];
    for (uint32_t i = 0; i < count; i++) {
        sizes[i] = i + 1 < count ? table_below(t, left + 1) : left;
        left -= (uint32_t)sizes[i];
    }
    table_sizes(t, count, sizes);
    table_int(t, table_from_an_end(t, dim, x->shape.rank));
    part p = {.dim = dim, .step = 1};
    for (uint32_t i = 0; i < count; i++) {
        vkd_shape shape = x->shape;
        shape.dims[dim] = (uint32_t)sizes[i];
        expect_moved(table_output(t, x->dtype, shape), x, sliced, &p);
        p.start += shape.dims[dim];
    }
    table_gather(t, count);
}

/* So many parts of one size along a dim, the last of which is what is left. */
static void draw_chunks(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape_filled(t, 1, 8));
    uint32_t dim = table_below(t, x->shape.rank), all = x->shape.dims[dim], least = (all + 7) / 8,
             size = least + table_below(t, all - least + 2);
    table_size(t, size);
    table_int(t, table_from_an_end(t, dim, x->shape.rank));
    part p = {.dim = dim, .step = 1};
    uint32_t count = 0;
    for (; p.start < all; p.start += size, count++) {
        vkd_shape shape = x->shape;
        shape.dims[dim] = all - p.start < size ? all - p.start : size;
        expect_moved(table_output(t, x->dtype, shape), x, sliced, &p);
    }
    table_gather(t, count);
}

static void draw_unbind(table *t)
{
    vkd_shape whole = table_shape_filled(t, 1, 8);
    uint32_t dim = table_below(t, whole.rank);
    whole.dims[dim] = 1 + table_below(t, 6);
    table_tensor *x = table_any(t, TABLE_ALL, whole);
    table_int(t, table_from_an_end(t, dim, whole.rank));
    part p = {.dim = dim};
    vkd_shape shape = {.rank = whole.rank - 1};
    for (uint32_t d = 0; d < shape.rank; d++)
        shape.dims[d] = whole.dims[d + (d >= dim)];
    for (; p.start < whole.dims[dim]; p.start++)
        expect_moved(table_output(t, x->dtype, shape), x, selected, &p);
    table_gather(t, whole.dims[dim]);
}

/* Dim `start` of y counts within windows along p->dim. */
static void unfolded(const void *numbers, const uint32_t *at, uint32_t *from)
{
    const part *p = numbers;
    from[p->dim] = at[p->dim] * p->step + at[p->start];
}

static void draw_unfold(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape_filled(t, 0, 7));
    part p = {.dim = table_dim(t, x->shape.rank),
              .start = x->shape.rank,
              .step = table_chance(t, 8) ? INT32_MAX : 1 + table_below(t, 4)};
    const uint32_t most = x->shape.rank ? x->shape.dims[p.dim] : 1, size = 1 + table_below(t, most);
    table_int(t, size);
    table_int(t, p.step);
    vkd_shape shape = x->shape;
    shape.dims[p.dim] = (most - size) / p.step + 1;
    shape.dims[shape.rank++] = size;
    expect_moved(table_output(t, x->dtype, shape), x, unfolded, &p);
}

static void draw_diagonal(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape_filled(t, 2, 8));
    uint32_t order[VKD_MAX_RANK], rank = x->shape.rank;
    table_order(t, rank, order);
    int32_t rows = (int32_t)x->shape.dims[order[0]], columns = (int32_t)x->shape.dims[order[1]],
            offset = random_range(t->random, -rows - 1, columns + 1), length = 0;
    table_int(t, offset);
    table_int(t, table_from_an_end(t, order[0], rank));
    table_int(t, table_from_an_end(t, order[1], rank));
    vkd_shape shape = {0};
    for (uint32_t d = 0; d < rank; d++)
        if (d != order[0] && d != order[1])
            shape.dims[shape.rank++] = x->shape.dims[d];
    for (int32_t i = 0; i < rows; i++)
        length += i + offset >= 0 && i + offset < columns;
    shape.dims[shape.rank++] = (uint32_t)length;
    table_tensor *y = table_output(t, x->dtype, shape);
    for (size_t i = 0; i < y->count; i++) {
        uint32_t at[VKD_MAX_RANK], from[VKD_MAX_RANK], next = 0;
        table_places(&shape, i, at);
        for (uint32_t d = 0; d < rank; d++)
            if (d != order[0] && d != order[1])
                from[d] = at[next++];
        from[order[0]] = at[next] + (offset < 0 ? (uint32_t)-offset : 0);
        from[order[1]] = at[next] + (offset > 0 ? (uint32_t)offset : 0);
        y->values[i] = x->values[table_place(&x->shape, from)];
    }
}

/* ---------------------------------------------------------------------- pixels, strides by hand */

typedef struct shuffle {
    uint32_t factor, c; /* c: the dim of channels */
} shuffle;

static void shuffled(const void *numbers, const uint32_t *at, uint32_t *from)
{
    const uint32_t f = ((const shuffle *)numbers)->factor, c = ((const shuffle *)numbers)->c;
    from[c] = (at[c] * f + at[c + 1] % f) * f + at[c + 2] % f;
    from[c + 1] = at[c + 1] / f;
    from[c + 2] = at[c + 2] / f;
}

static void unshuffled(const void *numbers, const uint32_t *at, uint32_t *from)
{
    const uint32_t f = ((const shuffle *)numbers)->factor, c = ((const shuffle *)numbers)->c;
    from[c] = at[c] / (f * f);
    from[c + 1] = at[c + 1] * f + at[c] / f % f;
    from[c + 2] = at[c + 2] * f + at[c] % f;
}

enum { SHUFFLE, UNSHUFFLE };

static void draw_shuffle(table *t)
{
    vkd_shape few = table_shape(t, 3, 5), many = few;
    const shuffle s = {1 + table_below(t, 3), few.rank - 3};
    many.dims[s.c] *= s.factor * s.factor;
    few.dims[s.c + 1] *= s.factor;
    few.dims[s.c + 2] *= s.factor;
    const bool back = t->row->code == UNSHUFFLE;
    table_tensor *x = table_any(t, TABLE_ALL, back ? few : many);
    table_int(t, s.factor);
    expect_moved(table_output(t, x->dtype, back ? many : few), x, back ? unshuffled : shuffled, &s);
}

static void draw_strided(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape_filled(t, 0, 5));
    vkd_shape shape = {.rank = table_below(t, 6)};
    int64_t sizes[VKD_MAX_RANK], strides[VKD_MAX_RANK], offset = table_below(t, (uint32_t)x->count),
                                                        last = offset;
    for (uint32_t d = 0; d < shape.rank; d++) {
        sizes[d] = shape.dims[d] = 1 + table_below(t, 5);
        uint32_t room = (uint32_t)((int64_t)x->count - 1 - last), steps = shape.dims[d] - 1;
        strides[d] = table_below(t, steps ? room / steps + 1 : 9);
        last += strides[d] * steps;
    }
    table_sizes(t, shape.rank, sizes);
    table_sizes(t, shape.rank, strides);
    table_size(t, offset);
    table_tensor *y = table_output(t, x->dtype, shape);
    for (size_t i = 0; i < y->count; i++) {
        uint32_t at[VKD_MAX_RANK];
        int64_t from = offset;
        table_places(&shape, i, at);
        for (uint32_t d = 0; d < shape.rank; d++)
            from += at[d] * strides[d];
        y->values[i] = x->values[from];
    }
}

static const table_case cases[] = {
    {"aten.permute.default", draw_permute},
    {"aten.permute_copy.default", draw_permute},
    {"aten::permute_copy.out", draw_permute},
    {"aten.t_copy.default", draw_transpose},
    {"aten::t_copy.out", draw_transpose},
    {"aten::transpose_copy.int_out", draw_swap},
    {"aten::diagonal_copy.out", draw_diagonal},
    {"aten::split_copy.Tensor_out", draw_chunks},
    {"aten::unbind_copy.int_out", draw_unbind},
    {"aten.expand_copy.default", draw_expand},
    {"aten::expand_copy.out", draw_expand},
    {"aten.slice.Tensor", draw_slice},
    {"aten.slice_copy.Tensor", draw_slice},
    {"aten::slice_copy.Tensor_out", draw_slice},
    {"aten::narrow_copy.out", draw_narrow},
    {"aten.select.int", draw_select},
    {"aten.select_copy.int", draw_select},
    {"aten::select_copy.int_out", draw_select},
    {"aten.split_with_sizes_copy.default", draw_split},
    {"aten::split_with_sizes_copy.out", draw_split},
    {"aten.flip.default", draw_flip},
    {"aten::flip.out", draw_flip},
    {"aten.unfold_copy.default", draw_unfold},
    {"aten::unfold_copy.out", draw_unfold},
    {"aten.pixel_shuffle.default", draw_shuffle, SHUFFLE},
    {"aten::pixel_shuffle.out", draw_shuffle, SHUFFLE},
    {"aten::pixel_unshuffle.out", draw_shuffle, UNSHUFFLE},
    {"aten::as_strided_copy.out", draw_strided},
};
const table_family table_move = TABLE_FAMILY(cases);
