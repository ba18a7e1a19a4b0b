#include "support/flat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t flat_get(const uint8_t *bytes, size_t at, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = size; i-- > 0;)
        value = value << 8 | bytes[at + i];
    return value;
}

void flat_set(uint8_t *bytes, size_t at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        bytes[at + i] = (uint8_t)(value >> 8 * i);
}

size_t flat_follow(const uint8_t *bytes, size_t at) { return at + flat_get(bytes, at, 4); }

size_t flat_field(const uint8_t *bytes, size_t table, unsigned vtable_offset)
{
    size_t vtable = table - (size_t)(int64_t)(int32_t)flat_get(bytes, table, 4);
    if (vtable_offset >= flat_get(bytes, vtable, 2))
        return 0;
    size_t offset = flat_get(bytes, vtable + vtable_offset, 2);
    return offset ? table + offset : 0;
}

size_t flat_child(const uint8_t *bytes, size_t table, unsigned vtable_offset)
{
    return flat_follow(bytes, flat_field(bytes, table, vtable_offset));
}

size_t flat_item(const uint8_t *bytes, size_t vector, size_t index)
{
    return flat_follow(bytes, vector + 4 + 4 * index);
}

size_t flat_element(size_t vector, size_t index, unsigned size)
{
    return vector + 4 + index * size;
}

uint8_t *flat_read_file(const char *path, size_t *out_size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long size = -1;
    if (file && fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 &&
        fseek(file, 0, SEEK_SET) == 0)
        bytes = malloc((size_t)size + 1);
    if (bytes && fread(bytes, 1, (size_t)size, file) != (size_t)size) {
        free(bytes);
        bytes = NULL;
    }
    if (!bytes)
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    else
        bytes[size] = 0;
    if (file)
        fclose(file);
    *out_size = bytes ? (size_t)size : 0;
    return bytes;
}
