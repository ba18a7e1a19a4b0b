/* The tables of all operator families; table.c lists them. */
#ifndef VKD_OPS_TABLES_H
#define VKD_OPS_TABLES_H

#include "ops/lower.h"

extern const vkd_op_table vkd_unary_ops, vkd_binary_ops, vkd_compare_ops, vkd_where_ops,
    vkd_creation_ops;
extern const vkd_op_table vkd_q8_conv_ops, vkd_q8_conv_transposed_ops, vkd_q8_linear_ops,
    vkd_q8_add_ops, vkd_q8_relu_ops, vkd_q8_pixel_shuffle_ops, vkd_quantize_ops, vkd_pixels_ops;
extern const vkd_op_table vkd_pool_ops, vkd_reduce_ops, vkd_view_ops, vkd_clamp_ops, vkd_cat_ops,
    vkd_resample_ops, vkd_cast_ops, vkd_symbol_ops, vkd_move_ops, vkd_gather_ops, vkd_pad_ops,
    vkd_matmul_ops, vkd_reduction_ops, vkd_norm_ops, vkd_attention_ops, vkd_rotary_ops,
    vkd_quantized_linear_ops, vkd_affine_ops, vkd_training_ops, vkd_put_ops, vkd_scan_ops,
    vkd_conv_float_ops, vkd_split_ops, vkd_chain_ops, vkd_sort_ops, vkd_excite_ops,
    vkd_excite_float_ops, vkd_mixed_ops, vkd_nibble_ops;

#endif
