/* What conv_pair.comp stores, in plain C: matrix units are not interpreted. */
#ifndef VKD_OPS_CONV_PAIR_ORACLE_H
#define VKD_OPS_CONV_PAIR_ORACLE_H

#include "graph/graph.h"

enum { VKD_PAIR_MOST_CHANNELS = 2048 }; /* between the two */
extern const vkd_oracle vkd_pair_oracle;

#endif
