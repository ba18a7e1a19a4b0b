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
