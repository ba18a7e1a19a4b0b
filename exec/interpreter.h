/* Kernels in plain C: a workgroup of a SPIR-V module, instruction by instruction. What a driver's
 * compiler makes of a kernel is held against this. Of SPIR-V there is what kernels for every device
 * have: numbers of 32 bits, storage buffers, shared memory, barriers, dot products of bytes; no
 * subgroups, no texel buffers, no cooperative matrices. Nothing here touches a device. */
#ifndef VKD_EXEC_INTERPRETER_H
#define VKD_EXEC_INTERPRETER_H

#include "graph/graph.h"

typedef struct vkd_module vkd_module;

/* specs: by constant_id, the first three the size of a workgroup. VKD_UNSUPPORTED, with the opcode,
 * for what is missing here. Everything lies in the arena; code is not needed any more. */
VKD_MUST_USE vkd_status vkd_module_decode(vkd_arena *arena, const uint32_t *code, size_t count,
                                          const uint32_t *specs, uint32_t spec_count,
                                          vkd_module **out);

typedef enum vkd_outcome {
    VKD_OUTCOME_DONE,
    VKD_OUTCOME_LONG,    /* the steps were used up */
    VKD_OUTCOME_OUTSIDE, /* an access outside of what is bound */
} vkd_outcome;

typedef struct vkd_interpretation {
    const vkd_module *module;
    vkd_words bindings[VKD_MAX_BINDINGS];
    uint32_t push[VKD_MAX_PUSH / 4];
    uint32_t groups[3];
    uint64_t steps; /* instructions that may follow */
    /* whether floats were computed with, so that other roundings are as right */
    bool rounds;
} vkd_interpretation;

/* Runs one workgroup. The arena is for its memory. */
VKD_MUST_USE vkd_status vkd_interpret(vkd_interpretation *in, vkd_arena *arena,
                                      const uint32_t group[3], vkd_outcome *out);

#endif
