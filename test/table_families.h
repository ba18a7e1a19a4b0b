/* The families of the table test: table.h. */
#ifndef VKD_TEST_TABLE_FAMILIES_H
#define VKD_TEST_TABLE_FAMILIES_H

#include "table.h"

extern const table_family table_cast, table_symbols;
extern const table_family table_unary, table_clamp;
extern const table_family table_binary, table_compare;
extern const table_family table_where, table_creation, table_conv;
extern const table_family table_gathers, table_move, table_pad, table_view, table_cat, table_put;
extern const table_family table_reduction, table_norm, table_matmul;
extern const table_family table_pool, table_resample, table_training, table_quantized_linear;
extern const table_family table_sort, table_attention, table_affine, table_q8;

/* clang-format off: a few a line, so that merges are easy */
#define TABLE_FAMILIES                                                                             \
    &table_cast, &table_symbols, &table_unary, &table_clamp, &table_binary, &table_compare,        \
        &table_where, &table_creation, &table_conv, &table_gathers, &table_move, &table_pad,       \
        &table_view, &table_cat, &table_put, &table_reduction, &table_norm, &table_matmul,         \
        &table_pool, &table_resample, &table_training, &table_quantized_linear, &table_attention,  \
        &table_affine, &table_q8, &table_sort
/* clang-format on */

#endif
