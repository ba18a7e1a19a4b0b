/* The rewrite rule for what only moves rows: see rewrite.h. */
#ifndef VKD_GRAPH_ROWS_H
#define VKD_GRAPH_ROWS_H

#include "graph/rewriter.h"

/* Joins the call with those before it. */
VKD_MUST_USE vkd_status vkd_join_moves(vkd_rewriter *r, size_t index);

#endif
