/* The rewrite rule for constants: see rewrite.h. */
#ifndef VKD_GRAPH_FOLD_H
#define VKD_GRAPH_FOLD_H

#include "graph/rewriter.h"

VKD_MUST_USE vkd_status vkd_fold_constants(vkd_rewriter *r);

#endif
