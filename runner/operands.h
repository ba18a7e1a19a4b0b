/* The memories that a graph's nodes read and write, and which nodes those are. */
#ifndef VKD_RUNNER_OPERANDS_H
#define VKD_RUNNER_OPERANDS_H

#include "runner/session.h"

typedef struct run_memory {
    const char *place; /* null: there is no such memory */
    vkd_operand_info info;
    size_t first, last; /* nodes between which it holds something; inputs: from 0, outputs: to the
                           end */
    /* Memories with edges in a drawing have a lane each while they hold something; -1: none, as
     * constants and states are not drawn. */
    int lane;
} run_memory;

typedef struct run_operand {
    size_t memory;
    bool reads, writes;
} run_operand;

typedef struct run_operands {
    size_t node_count, memory_count, operand_count;
    size_t *firsts; /* by node: its first operand; one more at the end */
    run_operand *operands;
    run_memory *memories;
    int lane_count;
} run_operands;

/* Release them in any case. */
run_exit run_operands_read(const run_session *session, run_operands *out);
void run_operands_release(run_operands *operands);

/* What all dispatches of an execution read and write, each with the whole of every memory that it
 * has to do with. */
typedef struct run_traffic {
    size_t dispatches;
    uint64_t read, written; /* bytes */
} run_traffic;
run_exit run_traffic_count(const run_session *session, run_traffic *out);

/* What a node reads and writes, in bytes. */
uint64_t run_operands_bytes(const run_operands *operands, size_t node);
bool run_memory_is_scratch(const run_memory *memory);
/* Scratch bytes that hold something while a node runs. */
uint64_t run_operands_alive(const run_operands *operands, size_t node);

#endif
