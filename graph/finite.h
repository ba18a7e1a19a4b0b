/* Constants that must be finite: scales and biases of what is computed in int8, where a NaN would
 * become some number or other. */
#ifndef VKD_GRAPH_FINITE_H
#define VKD_GRAPH_FINITE_H

#include "graph/net.h"

/* Looks at every float that a call takes as VKD_PARAM_FINITE, once, however many calls share it.
 * VKD_INVALID_MODEL names operator, node, argument and element. */
VKD_MUST_USE vkd_status vkd_net_check_finite(const vkd_net *net);

#endif
