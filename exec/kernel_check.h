/* Whether a device computes what a kernel says: one dispatch of a graph on made-up operands, of
 * which some workgroups are run in plain C as well (exec/interpreter.h), or which has an oracle
 * (vkd_node.oracle). */
#ifndef VKD_EXEC_KERNEL_CHECK_H
#define VKD_EXEC_KERNEL_CHECK_H

#include "exec/interpreter.h"

struct vkd_device;

typedef enum vkd_verdict {
    VKD_VERDICT_WRONG, /* numbers as in tuning files */
    VKD_VERDICT_RIGHT,
    VKD_VERDICT_LONG, /* a workgroup, or filling the operands, takes more steps than were given */
    VKD_VERDICT_NONE, /* it is not interpreted, and has no oracle: subgroups, texel buffers, matrix
                       * units */
} vkd_verdict;

typedef struct vkd_kernel_check {
    vkd_verdict verdict;
    char difference[96]; /* for people: where WRONG, what was found instead of what */
    double run_us;       /* of all time, what the device had, which may compile the kernel */
} vkd_kernel_check;

/* What tells a kernel with its specialisation constants from others, and dispatches of one
 * workgroup from those of several along an axis. Sizes are pushed, and change nothing that was
 * compiled. */
uint64_t vkd_kernel_key(const vkd_node *node);

/* Bytes that a node reads and writes: what a check has to fill. */
uint64_t vkd_kernel_bytes(const vkd_graph *graph, const vkd_node *node);

/* steps: instructions that may be interpreted; operands of more words are not made. */
VKD_MUST_USE vkd_status vkd_kernel_check_run(struct vkd_device *device, const vkd_graph *graph,
                                             const vkd_node *node, uint64_t steps,
                                             vkd_kernel_check *out);

/* ---------------------------------------------------------- for the parts of its implementation */

/* Whether so many words of a result are those expected, where `written` has bits; dtype: of its
 * elements. rounds: they were computed with floats, so that roundings may differ. */
bool vkd_kernel_same(vkd_dtype dtype, bool rounds, const vkd_words *expected, const uint32_t *got,
                     char *difference, size_t size);

#endif
