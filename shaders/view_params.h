/* How a kernel visits the elements of its result in the order of their memory, and where those of
 * its operands are. dims: of what is visited, innermost last, in memory order (4C: n, h, w, c with
 * c padded); `inner` is the innermost one without padding. An operand's element is at offset + sum
 * of coordinate * stride, in slots; the arithmetic wraps, so that strides may be negative. The
 * number of dims is a specialisation constant. Unused dims are in front and 1. */
#ifndef VKD_SHADERS_VIEW_PARAMS_H
#define VKD_SHADERS_VIEW_PARAMS_H

#include "types.h"

#define VKD_VIEW_DIMS 8

/* How a group of the result finds its operand's elements. */
#define VKD_READ_SAME 0u  /* the group of the same number */
#define VKD_READ_ONE 1u   /* one element for all */
#define VKD_READ_GROUP 2u /* a group, by the walk */
#define VKD_READ_EACH 3u  /* four elements, each by the walk */

#endif
