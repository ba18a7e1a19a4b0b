/* docs/operators.md is what the rows and their cases say, and every name that the Vulkan
 * partitioner may leave in a file has a row or a reason. VKD_UPDATE_DOCS=1 writes the file. Needs
 * no device. */
#include "table_families.h"
#include "ops/lower.h"
#include "graph/decode.h"
#include "support/fake_caps.h"
#include "support/lowering.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* clang-format off: names, one a line */
static const char *const registered[] = {
    "getitem",
    "sym_size.int",
    "add",
    "sub",
    "floordiv",
    "mul",
    "lt",
    "gt",
    "ge",
    "le",
    "eq",
    "aten._assert_scalar.default",
    "aten.sym_constrain_range_for_size.default",
    "aten.copy.default",
    "aten.abs.default",
    "aten.cos.default",
    "aten.exp.default",
    "aten.gelu.default",
    "aten.hardshrink.default",
    "aten.hardswish.default",
    "aten.hardtanh.default",
    "aten.neg.default",
    "aten.relu.default",
    "aten.sigmoid.default",
    "aten.sin.default",
    "aten.sqrt.default",
    "aten.rsqrt.default",
    "aten.tanh.default",
    "aten.round.default",
    "aten.leaky_relu.default",
    "aten.log10.default",
    "aten.clamp.default",
    "aten.add.Tensor",
    "aten.sub.Tensor",
    "aten.minimum.default",
    "aten.mul.Tensor",
    "aten.div.Tensor",
    "aten.div.Tensor_mode",
    "aten.pow.Tensor_Tensor",
    "aten.eq.Tensor",
    "aten.lt.Tensor",
    "aten.le.Tensor",
    "aten.gt.Tensor",
    "aten.ge.Tensor",
    "aten.bitwise_and.Tensor",
    "aten.bitwise_or.Tensor",
    "aten.bitwise_not.default",
    "aten.logical_and.default",
    "aten.logical_or.default",
    "aten.pow.Tensor_Scalar",
    "aten.eq.Scalar",
    "aten._to_copy.default",
    "aten._log_softmax.default",
    "aten._softmax.default",
    "aten.bmm.default",
    "aten.mm.default",
    "aten.addmm.default",
    "aten.linear.default",
    "aten._weight_int8pack_mm.default",
    "et_vk.linear_qcs4w.default",
    "et_vk.linear_q8ta_q8csw.default",
    "et_vk.linear_q4gsw.default",
    "et_vk.linear_q4gsw_backward.default",
    "et_vk.linear_dq8ca_q4gsw.default",
    "quantized_decomposed.quantize_per_channel.default",
    "quantized_decomposed.quantize_per_token.default",
    "quantized_decomposed.dequantize_per_channel.default",
    "quantized_decomposed.dequantize_per_token.default",
    "torchao.quantize_affine.default",
    "torchao.dequantize_affine.default",
    "quantized_decomposed.quantize_per_tensor.default",
    "quantized_decomposed.quantize_per_tensor.tensor",
    "quantized_decomposed.dequantize_per_tensor.default",
    "quantized_decomposed.dequantize_per_tensor.tensor",
    "quantized_decomposed.choose_qparams.tensor",
    "quantized_decomposed.choose_qparams_per_token_asymmetric.default",
    "torchao.choose_qparams_affine.default",
    "et_vk.q8ta_add.default",
    "et_vk.q8ta_relu.default",
    "et_vk.q8ta_pixel_shuffle.default",
    "aten.mean.dim",
    "aten.sum.dim_IntList",
    "aten.amax.default",
    "aten.amin.default",
    "aten.argmax.default",
    "aten.argmin.default",
    "aten.avg_pool2d.default",
    "aten.max_pool2d.default",
    "aten.max_pool2d_with_indices.default",
    "aten.convolution.default",
    "et_vk.conv_with_clamp.default",
    "et_vk.q8ta_conv2d_pw.default",
    "et_vk.q8ta_conv2d.default",
    "et_vk.q8ta_conv2d_dw.default",
    "et_vk.q8ta_conv2d_transposed.default",
    "et_vk.q8ta_linear.default",
    "et_vk.q8ta_linear_gemv.default",
    "sdpa_with_kv_cache.default",
    "update_cache.default",
    "llama.custom_sdpa.default",
    "et_vk.sdpa.default",
    "et_vk.apply_rotary_emb.default",
    "et_vk.apply_rotary_emb_hf.default",
    "et_vk.apply_rotary_emb_interleaved.default",
    "aten.permute.default",
    "aten.permute_copy.default",
    "aten.view_copy.default",
    "dim_order_ops._to_dim_order_copy.default",
    "aten.squeeze_copy.dims",
    "aten.unsqueeze_copy.default",
    "aten.clone.default",
    "dim_order_ops._clone_dim_order.default",
    "aten.alias_copy.default",
    "aten.unfold_copy.default",
    "aten.gather.default",
    "aten.expand_copy.default",
    "aten.cat.default",
    "aten.select_copy.int",
    "aten.slice_copy.Tensor",
    "aten.split_with_sizes_copy.default",
    "aten.t_copy.default",
    "aten.flip.default",
    "aten.index_select.default",
    "aten.where.self",
    "aten.index.Tensor",
    "aten.arange.start_step",
    "aten.constant_pad_nd.default",
    "aten.full.default",
    "aten.full_like.default",
    "aten.ones.default",
    "aten.ones_like.default",
    "aten.zeros.default",
    "aten.zeros_like.default",
    "aten.scalar_tensor.default",
    "aten.upsample_nearest2d.vec",
    "aten.upsample_bilinear2d.vec",
    "aten.pixel_shuffle.default",
    "et_vk.grid_priors.default",
    "aten.grid_sampler_2d.default",
    "aten.repeat.default",
    "aten.embedding.default",
    "quantized_decomposed.embedding_4bit.dtype",
    "et_vk.embedding_q4gsw.default",
    "aten._native_batch_norm_legit_no_training.default",
    "aten.native_group_norm.default",
    "aten.native_layer_norm.default",
    "et_vk.rms_norm.default",
    "et_vk.fused_ce.default",
    "aten.ne.Scalar",
    "aten.lt.Scalar",
    "aten.le.Scalar",
    "aten.ge.Scalar",
    "aten.gt.Scalar",
    "aten.logical_not.default",
    "et_vk.adamw_step.default",
    "et_vk.linear_dW.default",
    "et_vk.q4gsw_requant.default",
};
/* Without a namespace, from older exporters, or made behind the partitioner. */
static const char *const others[] = {
    "conv_with_clamp.default",
    "et_vk.q4gsw_linear.default",
    "et_vk.linear_q8csw.default",
    "et_vk.conv2d_q8csw.default",
    "aten.select.int",
    "aten.slice.Tensor",
    "aten.permute.default",
    "aten.relu6.default",
    "aten.hardsigmoid.default",
    "aten.tan.default",
    "aten.var.dim",
    "aten.repeat_interleave.self_int",
    "et_vk.conv1d_pw.default",
    "et_vk.conv1d_dw.default",
    "et_vk.conv2d_gemm.default",
    "etvk.choose_qparams_per_row.default",
    "et_vk.prepack.default",
    "et_vk.select_as_symint.default",
    "adamw_step.default",
    "sdpa_with_kv_cache.default",
    "update_cache.default",
};
/* clang-format on */
enum {
    REGISTERED = sizeof registered / sizeof *registered,
    OTHERS = sizeof others / sizeof *others
};

/* ---------------------------------------------------------------------------------------- names */

static const char *any_arity(const char *name)
{
    const vkd_op *row = vkd_op_find(&vkd_ops, name, SIZE_MAX);
    return row ? row->name : NULL;
}

static void check_names(const char *const *names, size_t count, size_t *rows, size_t *reasons)
{
    for (size_t i = 0; i < count; i++) {
        const char *reason = vkd_op_refused(&vkd_ops, names[i]);
        if (!any_arity(names[i]) && !reason)
            fail_msg("%s has neither a row nor a reason", names[i]);
        *rows += any_arity(names[i]) != NULL;
        *reasons += reason != NULL;
    }
}

static void every_name_has_a_row_or_a_reason(void **state)
{
    size_t rows = 0, reasons = 0, more = 0;
    (void)state;
    check_names(registered, REGISTERED, &rows, &reasons);
    print_message("%zu of %d registered names have rows, %zu a reason\n", rows, REGISTERED,
                  reasons);
    assert_true(rows >= 151);
    check_names(others, OTHERS, &more, &reasons);
    assert_int_equal(rows + more + reasons, REGISTERED + OTHERS);
}

static void refused_names_have_no_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < vkd_ops.refusal_count; i++)
        assert_null(any_arity(vkd_ops.refusals[i].name));
}

/* ------------------------------------------------------------------------------------- document */

enum { ROWS = 1024, DRAWS = 800, SIZE = 1 << 20 };
static const table_family *const families[] = {TABLE_FAMILIES};

static void merge(table_seen *all, size_t *count, const table_seen *seen)
{
    size_t at = 0;
    while (at < *count && all[at].row != seen->row)
        at++;
    if (at == *count) {
        assert_true(*count < ROWS);
        all[(*count)++] = *seen;
        return;
    }
    all[at].types |= seen->types;
    all[at].layouts |= seen->layouts;
    all[at].least_rank =
        seen->least_rank < all[at].least_rank ? seen->least_rank : all[at].least_rank;
    all[at].most_rank = seen->most_rank > all[at].most_rank ? seen->most_rank : all[at].most_rank;
    for (size_t i = 0; i < VKD_SHADER_COUNT; i++)
        all[at].kernels[i] |= seen->kernels[i];
}

/* Draws from the same seeds each time, for a CPU device and a GPU; so many that what they show is
 * all there is, as compilers differ in the order of what a case draws. */
static size_t observe(table_seen *all)
{
    static const fake_device devices[] = {FAKE_LLVMPIPE, FAKE_H100};
    vkd_context context;
    size_t count = 0;
    vkd_context_init(&context, &(vkd_options){.log = lowering_keep_quiet});
    for (size_t d = 0; d < 2; d++)
        for (size_t f = 0; f < sizeof families / sizeof *families; f++)
            for (size_t i = 0; i < families[f]->count; i++) {
                const vkd_caps caps = fake_caps(devices[d]);
                vkd_random random = {.state = 12345 + 977 * i};
                for (int n = 0; n < DRAWS; n++) {
                    table_seen seen;
                    if (table_observe(&context, &caps, &random, &families[f]->cases[i], &seen))
                        fail_msg("%s: %s", families[f]->cases[i].name, context.error);
                    merge(all, &count, &seen);
                }
            }
    return count;
}

typedef struct text {
    size_t length;
    char *bytes;
} text;

static void say(text *out, const char *format, ...) VKD_PRINTF(2, 3);
static void say(text *out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    out->length +=
        (size_t)vsnprintf(out->bytes + out->length, SIZE - out->length, format, arguments);
    va_end(arguments);
    assert_true(out->length < SIZE);
}

static bool is_optional(vkd_param_kind kind)
{
    return kind == VKD_PARAM_OPTIONAL_TENSOR || kind == VKD_PARAM_OPTIONAL_CONSTANT ||
           kind == VKD_PARAM_OPTIONAL_FLOAT || kind == VKD_PARAM_OPTIONAL_INT ||
           kind == VKD_PARAM_OPTIONAL_STRING || kind == VKD_PARAM_OPTIONAL_NUMBER ||
           kind == VKD_PARAM_OPTIONAL_SYM;
}

static void say_arguments(text *out, const vkd_param *params)
{
    for (size_t i = 0; i < vkd_params_count(params); i++) {
        const char *dot = strrchr(params[i].name, '.'), *name = dot ? dot + 1 : params[i].name;
        const bool ignored = params[i].kind == VKD_PARAM_IGNORED;
        say(out, "%s%s%s%s%s", i ? ", " : "", ignored ? "(" : "", name,
            is_optional(params[i].kind) ? "?" : "", ignored ? ")" : "");
    }
}

static void say_types(text *out, uint32_t types)
{
    const char *comma = "";
    for (uint32_t dtype = 0; dtype < VKD_DTYPE_COUNT; dtype++)
        if (types >> dtype & 1) {
            say(out, "%s%s", comma, vkd_dtype_name((vkd_dtype)dtype));
            comma = ", ";
        }
}

/* Copies that bring operands into one piece say little of an operator that has a kernel. */
static bool is_move(size_t shader)
{
    return !strcmp(vkd_shaders[shader].name, "move") || !strcmp(vkd_shaders[shader].name, "copy");
}

static void say_kernels(text *out, const table_seen *seen)
{
    const char *comma = "";
    for (size_t i = 0; i < VKD_SHADER_COUNT; i++)
        if (seen->kernels[i] && !is_move(i)) {
            say(out, "%s%s", comma, vkd_shaders[i].name);
            comma = ", ";
        }
    if (!*comma)
        say(out, "none: a view, or a copy of one");
}

static void say_row(text *out, const table_seen *seen)
{
    const char *const layouts[] = {"", "rows", "4C", "rows, 4C"};
    say(out, "| `%s` | ", seen->row->name);
    say_arguments(out, seen->row->params);
    say(out, " | ");
    say_types(out, seen->types);
    if (seen->types)
        say(out, " | %u to %u", seen->least_rank, seen->most_rank);
    else
        say(out, " | ");
    say(out, " | %s | ", layouts[seen->layouts & 3]);
    say_kernels(out, seen);
    say(out, " |\n");
}

static void say_all(text *out, const table_seen *all, size_t count)
{
    say(out,
        "# Operators\n\n"
        "Made by `VKD_UPDATE_DOCS=1 ./build/test-docs` from the operators' rows (`ops/`) and the "
        "cases of the table test\n(`test/table_*.c`), which compares each with an oracle; "
        "`test-docs` fails where this file is not what they say.\n\n"
        "Names with `::` are portable operators, between delegates. A name with a namespace is "
        "found without it, too. Arguments in\nparentheses are read by nobody, `?` may be null. "
        "Types and ranks are those of the first tensor that the cases have; the\nlayouts and "
        "kernels are what they were lowered to, for llvmpipe and a large GPU.\n\n"
        "| name | arguments | types | ranks | layouts | kernels |\n"
        "| --- | --- | --- | --- | --- | --- |\n");
    for (size_t t = 0; t < vkd_ops.count; t++)
        for (size_t i = 0; i < vkd_ops.tables[t]->count; i++)
            for (size_t s = 0; s < count; s++)
                if (all[s].row == &vkd_ops.tables[t]->rows[i] && !all[s].row->internal)
                    say_row(out, &all[s]);
    say(out, "\n## Not yet, and why\n\n| name | reason |\n| --- | --- |\n");
    for (size_t i = 0; i < vkd_ops.refusal_count; i++)
        say(out, "| `%s` | %s |\n", vkd_ops.refusals[i].name, vkd_ops.refusals[i].reason);
    say(out, "\nOf operators that have a row, `aten.index.Tensor` by a mask is refused: how many "
             "elements it\n"
             "chooses only the device knows, so that the dims of all that is computed of them are "
             "not known\n"
             "when the host records the graph. `aten::index_put` takes a mask, with one entry for "
             "all that it\n"
             "chooses; a `where` has the eager operator's meaning without such a dim. A real "
             "number that is\n"
             "computed for shapes may become an int; as an operand of a tensor it is refused.\n");
}

static char *read_document(const char *path)
{
    char *bytes = calloc(1, SIZE);
    FILE *file = fopen(path, "rb");
    assert_non_null(bytes);
    if (file) {
        size_t length = fread(bytes, 1, SIZE - 1, file);
        bytes[length] = 0;
        fclose(file);
    }
    return bytes;
}

static void check_same(const char *is, const char *expected)
{
    size_t at = 0, line = 1;
    while (is[at] && is[at] == expected[at])
        line += is[at++] == '\n';
    if (is[at] != expected[at])
        fail_msg("docs/operators.md is out of date at line %zu: run VKD_UPDATE_DOCS=1 test-docs",
                 line);
}

static void document_is_up_to_date(void **state)
{
    const char *path = VKD_SOURCE_DIR "/docs/operators.md";
    table_seen *all = calloc(ROWS, sizeof *all);
    text out = {.bytes = calloc(1, SIZE)};
    (void)state;
    assert_non_null(all);
    assert_non_null(out.bytes);
    say_all(&out, all, observe(all));
    if (getenv("VKD_UPDATE_DOCS")) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(out.bytes, 1, out.length, file), out.length);
        assert_int_equal(fclose(file), 0);
    }
    char *is = read_document(path);
    check_same(is, out.bytes);
    free(is);
    free(out.bytes);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_has_a_row_or_a_reason),
        cmocka_unit_test(refused_names_have_no_rows),
        cmocka_unit_test(document_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
