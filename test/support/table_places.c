/* Places in tensors, for the oracles of operators that move elements: table.h. */
#include "table.h"

void table_places(const vkd_shape *shape, size_t index, uint32_t *places)
{
    for (uint32_t d = shape->rank; d-- > 0; index /= shape->dims[d])
        places[d] = (uint32_t)(index % shape->dims[d]);
}

size_t table_place(const vkd_shape *shape, const uint32_t *places)
{
    size_t index = 0;
    for (uint32_t d = 0; d < shape->rank; d++)
        index = index * shape->dims[d] + places[d];
    return index;
}

int64_t table_from_an_end(table *t, int64_t at, int64_t size)
{
    return table_chance(t, 2) ? at : at - size;
}

uint32_t table_dim(table *t, uint32_t rank)
{
    uint32_t count = rank ? rank : 1, dim = table_below(t, count);
    table_int(t, table_from_an_end(t, dim, count));
    return dim;
}

size_t table_listed(table *t, uint32_t rank, bool listed[VKD_MAX_RANK])
{
    uint32_t order[VKD_MAX_RANK];
    int64_t dims[VKD_MAX_RANK];
    size_t count = 0;
    table_order(t, rank, order);
    for (uint32_t i = 0; i < rank; i++) {
        listed[order[i]] = table_chance(t, 2);
        if (listed[order[i]])
            dims[count++] = table_from_an_end(t, order[i], rank);
    }
    table_ints(t, count, dims);
    return count;
}

void table_order(table *t, uint32_t count, uint32_t *order)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t other = table_below(t, i + 1);
        order[i] = order[other];
        order[other] = i;
    }
}

table_tensor *table_any(table *t, uint32_t types, vkd_shape shape)
{
    table_tensor *x = table_input(t, table_dtype(t, types), shape);
    table_uniform(t, x, -300, 300);
    table_extremes(t, x);
    return x;
}

table_tensor *table_drawn(table *t, vkd_dtype dtype, vkd_shape shape, double low, double high)
{
    table_tensor *x = table_input(t, dtype, shape);
    table_uniform(t, x, low, high);
    return x;
}

table_tensor *table_indices(table *t, vkd_shape shape, uint32_t size)
{
    table_tensor *index = table_drawn(t, VKD_DTYPE_INT32, shape, -(double)size, (double)size - 1);
    const double odd[] = {size, -(double)size - 1, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < index->count; i++)
        if (table_chance(t, 12))
            index->values[i] = odd[table_below(t, 4)];
    return index;
}

/* The dims of the result: the entries' in place of those that are indexed, or in front of all. */
static void find_result(table_indexing *out, uint32_t first, uint32_t last, uint32_t count)
{
    uint32_t d = 0, rank = 0;
    out->at = last - first + 1 == count ? first : 0;
    for (uint32_t i = 0; i <= out->x.rank; i++) {
        for (uint32_t e = 0; rank == out->at && d == 0 && e < out->entries.rank; e++)
            out->result.dims[rank + e] = out->entries.dims[e];
        if (rank == out->at && d == 0) {
            rank += out->entries.rank;
            d = 1;
        }
        if (i < out->x.rank && !out->index[i])
            out->result.dims[rank++] = out->x.dims[i];
    }
    out->result.rank = rank;
}

void table_draw_indexing(table *t, vkd_shape x, table_indexing *out)
{
    *out = (table_indexing){.x = x, .entries = table_shape(t, 0, x.rank < 6 ? 3 : 1)};
    uint32_t order[VKD_MAX_RANK], most = x.rank < 4 ? x.rank : 4, count = 1 + table_below(t, most),
                                  first = x.rank, last = 0;
    bool wanted[VKD_MAX_RANK] = {false};
    table_order(t, x.rank, order);
    for (uint32_t i = 0; i < count; i++) {
        wanted[order[i]] = true;
        first = order[i] < first ? order[i] : first;
        last = order[i] > last ? order[i] : last;
    }
    uint32_t listed = last + 1 + table_below(t, x.rank - last);
    for (uint32_t d = 0; d < listed; d++)
        if (wanted[d])
            out->index[d] = table_indices(
                t, d == first ? out->entries : table_narrowed(t, out->entries), x.dims[d]);
        else
            table_null(t);
    table_gather(t, listed);
    find_result(out, first, last, count);
}

bool table_indexed(const table_indexing *indexing, size_t i, uint32_t *place)
{
    const vkd_shape *x = &indexing->x;
    uint32_t at[VKD_MAX_RANK], next = 0;
    bool found = true;
    table_places(&indexing->result, i, at);
    size_t entry = table_place(&indexing->entries, at + indexing->at);
    for (uint32_t d = 0; d < x->rank; d++) {
        const table_tensor *index = indexing->index[d];
        if (!index) {
            next += next == indexing->at ? indexing->entries.rank : 0;
            place[d] = at[next++];
            continue;
        }
        double chosen =
            index->values[table_broadcast_index(&index->shape, &indexing->entries, entry)];
        chosen += chosen < 0 ? x->dims[d] : 0;
        found &= chosen >= 0 && chosen < x->dims[d];
        place[d] = chosen < 0 ? 0 : chosen >= x->dims[d] ? x->dims[d] - 1 : (uint32_t)chosen;
    }
    return found;
}
