/* The families of the table test: table.h. */
#ifndef VKD_TEST_TABLE_FAMILIES_H
#define VKD_TEST_TABLE_FAMILIES_H

#include "table.h"

extern const table_family table_cast, table_symbols, table_conv;

/* One a line, so that merges are easy. */
#define TABLE_FAMILIES &table_cast, &table_symbols, &table_conv

#endif
