/* The rewrite rule that lets a convolution or a matrix product of floats do what works element by
 * element on its result, with one more tensor of the same dims and dtype: up to EPILOGUE_STEPS
 * steps become its epilogue. The same to the bit, but that halves are rounded once, at the end. */
#ifndef VKD_GRAPH_EPILOGUE_H
#define VKD_GRAPH_EPILOGUE_H

#include "graph/rewriter.h"

VKD_MUST_USE vkd_status vkd_fuse_epilogue(vkd_rewriter *r, size_t index);

#endif
