/* The self-check of the kernels of a graph: each is checked once for a device, a driver and a
 * version of the kernels, and what came out is remembered with what the tuner knows. */
#ifndef VKD_EXEC_SELF_CHECK_H
#define VKD_EXEC_SELF_CHECK_H

#include "exec/tuner.h"

/* Checks the kernels of a lowered graph that are not among variants, which vkd_tuner_check is for:
 * each with its specialisation constants once (exec/kernel_check.h), by the tuning file or by
 * running the smallest of its nodes, the most frequent first; as the options' self_check says, all
 * or so many that it takes less than a tenth of the time that the tuner has been there, and one at
 * least. Wrong ones are a warning in the log and marked in caps->wrong; *out_found: whether there
 * is one that was not yet. */
VKD_MUST_USE vkd_status vkd_self_check_graph(vkd_tuner *tuner, const vkd_graph *graph,
                                             vkd_caps *caps, bool *out_found);

/* What is known of a node's kernel: "right", "wrong", ..., for people. */
const char *vkd_self_check_says(vkd_facts *facts, const vkd_caps *caps, const vkd_node *node);

#endif
