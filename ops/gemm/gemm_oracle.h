/* What gemm_coop and gemm_lanes store for a matrix, in plain C: matrix units, subgroups and texel
 * buffers are not interpreted. */
#ifndef VKD_OPS_GEMM_GEMM_ORACLE_H
#define VKD_OPS_GEMM_GEMM_ORACLE_H

#include "graph/graph.h"

/* For nodes of vkd_gemm_emit whose problem is a vkd_gemm_matrix, without a residual. */
extern const vkd_oracle vkd_gemm_oracle;

#endif
