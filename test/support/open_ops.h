/* The library's operators and, for models made by hand, those that only rewrite rules make: the
 * internal rows under their own names, and calls with something fused into them as "vkd.q8_conv2d",
 * "vkd.q8_conv2d_dw" and "vkd.q8_linear", with what is fused as arguments behind the others: low,
 * high, residual, its scale and zero point, the sum's; the dequantize's scale and zero point. */
#ifndef VKD_TEST_SUPPORT_OPEN_OPS_H
#define VKD_TEST_SUPPORT_OPEN_OPS_H

#include "ops/lower.h"

const vkd_op_tables *open_ops(void);

#endif
