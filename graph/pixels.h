/* Images that come as bytes: an operator in front of the model's own that makes floats of them, and
 * its fusion with the quantize that reads those. */
#ifndef VKD_GRAPH_PIXELS_H
#define VKD_GRAPH_PIXELS_H

#include "graph/rewriter.h"

/* Makes inputs bytes (vkd_options.pixels, as the caller has them). */
VKD_MUST_USE vkd_status vkd_pixels_add(vkd_net *net, const vkd_pixels *pixels, size_t count);

/* quantize(pixels(x)) -> pixels(x), of int8. */
VKD_MUST_USE vkd_status vkd_pixels_quantize(vkd_rewriter *r, size_t index);

#endif
