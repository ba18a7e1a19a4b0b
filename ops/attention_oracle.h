/* What attention_coop.comp stores, in plain C: matrix units are not interpreted. */
#ifndef VKD_OPS_ATTENTION_ORACLE_H
#define VKD_OPS_ATTENTION_ORACLE_H

#include "graph/graph.h"

extern const vkd_oracle vkd_attention_oracle;

#endif
