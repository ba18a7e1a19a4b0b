/* What the table test is made of, for the parts of its implementation: table_draw.c has what cases
 * draw, table_arrive.c how inputs reach an operator, table.c runs, table_odd.c spoils an argument.
 */
#ifndef VKD_TEST_SUPPORT_TABLE_PARTS_H
#define VKD_TEST_SUPPORT_TABLE_PARTS_H

#include "ops/lower.h"
#include "table.h"

void *table_zeros(size_t count, size_t size); /* one at least; ends the process without memory */
void table_add_argument(table *t, uint32_t value);

/* Draws how an input arrives, and adds what makes it arrive so; or as rows or a constant. */
void table_arrive(table *t, table_tensor *x);
void table_arrive_whole(table *t, table_tensor *x, bool constant);
extern const vkd_op_table table_arrange_ops; /* the operators for that */

/* A case with its arguments, to be released. */
table *table_draw(vkd_random *random, const table_case *row);
void table_release(table *t);
void table_add_operators(table *t);
vkd_status table_lower(vkd_context *context, const vkd_caps *caps, const table *t,
                       const vkd_model *model, vkd_graph *graph, table_outcome *out);
/* All of a draw, for a message. */
void table_describe(const table *t, char *out, size_t size);

#endif
