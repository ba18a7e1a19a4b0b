/* Finds and changes fields in the bytes of a flatbuffer by their vtable offsets, as the format's
 * documentation numbers them (4, 6, 8,
 * ...): independent of the schemas and of generated code, so that a test of the readers rests on
 * other ground than the readers. Positions count from `bytes`; nothing is checked. */
#ifndef VKD_TEST_SUPPORT_FLAT_H
#define VKD_TEST_SUPPORT_FLAT_H

#include <stddef.h>
#include <stdint.h>

uint64_t flat_get(const uint8_t *bytes, size_t at, unsigned size); /* a little-endian integer */
void flat_set(uint8_t *bytes, size_t at, uint64_t value, unsigned size);

/* What the 32-bit offset at `at` refers to: the root table (at: where the flatbuffer begins), a
 * vector, a table, a string. */
size_t flat_follow(const uint8_t *bytes, size_t at);
/* Where a table's field lies; 0 if the table has it not. */
size_t flat_field(const uint8_t *bytes, size_t table, unsigned vtable_offset);
/* flat_follow of a field that is there. */
size_t flat_child(const uint8_t *bytes, size_t table, unsigned vtable_offset);
/* The table that an element of a vector of tables is. */
size_t flat_item(const uint8_t *bytes, size_t vector, size_t index);
/* Where an element of a vector of scalars lies. */
size_t flat_element(size_t vector, size_t index, unsigned size);

/* A whole file from malloc, with a zero behind it; null (and a message on stderr) when it cannot be
 * read. */
uint8_t *flat_read_file(const char *path, size_t *out_size);

#endif
