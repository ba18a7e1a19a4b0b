/* All operators: every family's table. */
#include "ops/tables.h"

static const vkd_op_table *const tables[] = {
    &vkd_unary_ops,
    &vkd_binary_ops,
    &vkd_compare_ops,
    &vkd_where_ops,
    &vkd_creation_ops,
    &vkd_q8_conv_ops,
    &vkd_q8_conv_transposed_ops,
    &vkd_q8_linear_ops,
    &vkd_q8_add_ops,
    &vkd_q8_relu_ops,
    &vkd_q8_pixel_shuffle_ops,
    &vkd_quantize_ops,
    &vkd_pixels_ops,
    &vkd_pool_ops,
    &vkd_reduce_ops,
    &vkd_view_ops,
    &vkd_clamp_ops,
    &vkd_cat_ops,
    &vkd_resample_ops,
    &vkd_cast_ops,
    &vkd_symbol_ops,
    &vkd_move_ops,
    &vkd_gather_ops,
    &vkd_pad_ops,
    &vkd_matmul_ops,
    &vkd_reduction_ops,
    &vkd_norm_ops,
    &vkd_attention_ops,
    &vkd_rotary_ops,
    &vkd_quantized_linear_ops,
    &vkd_affine_ops,
    &vkd_training_ops,
    &vkd_put_ops,
    &vkd_scan_ops,
    &vkd_conv_float_ops,
    &vkd_split_ops,
    &vkd_chain_ops,
    &vkd_sort_ops,
    &vkd_excite_ops,
    &vkd_excite_float_ops,
};

#define VALUES "its result's shape depends on values, which the device alone knows"
#define RANDOM "random numbers would differ from those of the eager operator"
#define MIXED "products of floats and int8 between delegates are not written: delegates have them"
#define REMOVED "the exporter removes it before it writes a file"

static const vkd_op_refusal refusals[] = {
    {"aten::nonzero.out", VALUES},
    {"aten::masked_select.out", VALUES},
    {"aten::masked_scatter.out", "which elements are taken depends on all values before them"},
    {"aten::_unique2.out", VALUES},
    {"aten::repeat_interleave.Tensor_out", VALUES},
    {"aten::rand.out", RANDOM},
    {"aten::randn.out", RANDOM},
    {"aten::native_dropout.out", RANDOM},
    {"aten::_cdist_forward.out", "distances of all pairs are not written"},
    {"aten::_pdist_forward.out", "distances of all pairs are not written"},
    {"aten::convolution_backward.out", "training of convolutions is not written"},
    {"aten::max_pool2d_with_indices_backward.grad_input", "training of poolings is not written"},
    {"aten::view_as_real_copy.out", "there are no complex numbers"},
    {"aten::_fft_r2c.out", "there are no complex numbers"},
    {"aten::_fft_c2r.out", "there are no complex numbers"},
    {"quantized_decomposed::mixed_mm.out", MIXED},
    {"quantized_decomposed::mixed_linear.out", MIXED},
    {"getitem", REMOVED},
    {"aten._assert_scalar.default", REMOVED},
    {"aten.sym_constrain_range_for_size.default", REMOVED},
    {"et_vk.conv2d_q8csw.default", "a name of old exporters, whose arguments are not known"},
    {"etvk.choose_qparams_per_row.default", "a test's name, in no exporter's files"},
};

const vkd_op_tables vkd_ops = {tables, sizeof tables / sizeof *tables, refusals,
                               sizeof refusals / sizeof *refusals};
