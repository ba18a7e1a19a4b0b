/* What lowering refuses of hand-made models, in which words, and what it does where memory is
 * short. Needs no device. */
#include "support/lowering.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A convolution with a residual of these dims. */
static void add_with_residual(hand_model *m, const char *op, uint32_t rank, const uint32_t *dims)
{
    static const int8_t weights[16];
    static const int32_t sums[4];
    static const float scales[4] = {1, 1, 1, 1};
    static const uint32_t image_dims[] = {1, 4, 5, 5}, four = 4, weight_dims[] = {1, 1, 4},
                          conv_dims[] = {4, 4};
    const bool depthwise = !strcmp(op, "vkd.q8_conv2d_dw");
    uint32_t x = hand_input(m, VKD_DTYPE_INT8, 4, image_dims),
             y = hand_output(m, VKD_DTYPE_INT8, 4, image_dims),
             residual = hand_input(m, VKD_DTYPE_INT8, rank, dims), scale = hand_double(m, 0.5),
             zero = hand_int(m, 3), ones = hand_pair(m, 1, 1),
             weight = hand_constant(m, VKD_DTYPE_INT8, depthwise ? 3 : 2,
                                    depthwise ? weight_dims : conv_dims, weights);
    const uint32_t args[] = {x,
                             scale,
                             zero,
                             weight,
                             hand_constant(m, VKD_DTYPE_INT32, 1, &four, sums),
                             hand_constant(m, VKD_DTYPE_FLOAT32, 1, &four, scales),
                             scale,
                             zero,
                             hand_null(m),
                             ones,
                             ones,
                             hand_pair(m, 0, 0),
                             ones,
                             hand_int(m, depthwise ? 4 : 1),
                             hand_string(m, "none"),
                             hand_int(m, -128),
                             hand_int(m, 127),
                             residual,
                             scale,
                             zero,
                             scale,
                             zero,
                             y};
    hand_op(m, op, sizeof args / sizeof *args, args);
}

/* A residual is read at the places of the result: one of another shape would be read beyond its
 * end. */
static void residual_of_another_shape(void **state)
{
    static const struct {
        const char *op;
        uint32_t rank, dims[4];
        vkd_status status;
    } cases[] = {
        {"vkd.q8_conv2d", 4, {1, 4, 5, 5}, VKD_OK},
        {"vkd.q8_conv2d", 4, {1, 4, 5, 4}, VKD_INVALID_MODEL},
        {"vkd.q8_conv2d", 4, {1, 4, 4, 5}, VKD_INVALID_MODEL},
        {"vkd.q8_conv2d", 4, {1, 3, 5, 5}, VKD_INVALID_MODEL},
        {"vkd.q8_conv2d", 4, {2, 4, 5, 5}, VKD_INVALID_MODEL},
        {"vkd.q8_conv2d", 3, {4, 5, 5}, VKD_INVALID_MODEL},
        {"vkd.q8_conv2d_dw", 4, {1, 4, 5, 5}, VKD_OK},
        {"vkd.q8_conv2d_dw", 4, {1, 4, 1, 1}, VKD_INVALID_MODEL},
    };
    lowering_fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(&f->m, 0, sizeof f->m);
        vkd_graph_init(&f->graph, &f->arena);
        add_with_residual(&f->m, cases[i].op, cases[i].rank, cases[i].dims);
        vkd_status status = lowering_run(f);
        if (status != cases[i].status ||
            (status != VKD_OK && !strstr(f->context.error, "has another shape than the result")))
            fail_msg("case %zu: %s, \"%s\"", i, vkd_status_name(status), f->context.error);
    }
}

/* ------------------------------------------------------------------------------------- refusals */

static void names_all_unsupported_operators(void **state)
{
    lowering_fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image),
             y = hand_output(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image);
    HAND_OP(&f->m, "aten.cumsum.default", x, y);
    lowering_fails(f, VKD_UNSUPPORTED, "operator 'aten.cumsum.default' (node 0) is not supported");
    HAND_OP(&f->m, "aten.cumsum.default", x, y);
    HAND_OP(&f->m, "aten.sort.default", x, y);
    lowering_fails(
        f, VKD_UNSUPPORTED,
        "operators 'aten.cumsum.default' (node 0), 'aten.sort.default' (node 2) are not supported");
}

static void refuses_values_out_of_order(void **state)
{
    lowering_fixture *f = *state;
    uint32_t x = hand_tensor(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image),
             y = hand_output(&f->m, VKD_DTYPE_INT8, 4, lowering_image);
    lowering_quantize(&f->m, x, y);
    lowering_fails(f, VKD_INVALID_MODEL, "is read before an operator has produced it");
}

static void refuses_an_output_nobody_produces(void **state)
{
    lowering_fixture *f = *state;
    hand_output(&f->m, VKD_DTYPE_INT8, 4, lowering_image);
    lowering_fails(f, VKD_INVALID_MODEL, "vkd.output");
}

static void refuses_to_write_inputs(void **state)
{
    lowering_fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image);
    lowering_clone(&f->m, x, x);
    lowering_fails(f, VKD_INVALID_MODEL, "a graph input");
}

static void refuses_odd_inputs(void **state)
{
    lowering_fixture *f = *state;
    f->m.inputs[f->m.model.input_count++] = hand_int(&f->m, 3);
    lowering_fails(f, VKD_UNSUPPORTED, "input 0 (value 0) is not a tensor");
    memset(&f->m, 0, sizeof f->m);
    hand_input(&f->m, VKD_DTYPE_INT64, 4, lowering_image);
    lowering_fails(f, VKD_UNSUPPORTED, "input 0 (value 0) has dtype");
    memset(&f->m, 0, sizeof f->m);
    hand_input(&f->m, VKD_DTYPE_FLOAT32, 2, (uint32_t[]){65536, 32768});
    lowering_fails(f, VKD_UNSUPPORTED, "elements");
    memset(&f->m, 0, sizeof f->m);
    f->m.inputs[f->m.model.input_count++] = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image);
    lowering_fails(f, VKD_INVALID_MODEL, "an earlier input");
}

static void refuses_wrong_dtypes(void **state)
{
    lowering_fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_INT8, 4, lowering_image),
             y = hand_output(&f->m, VKD_DTYPE_INT8, 4, lowering_image);
    lowering_quantize(&f->m, x, y);
    lowering_fails(f, VKD_UNSUPPORTED, "expected f32 or f16");
    f->m.model.op_count = 0;
    uint32_t z = hand_tensor(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image);
    lowering_clone(&f->m, x, z);
    lowering_fails(f, VKD_UNSUPPORTED, "has dtype");
}

/* Types that no kernel has are no fault of a file. */
static void other_dtypes_are_unsupported(void **state)
{
    static const vkd_dtype dtypes[] = {VKD_DTYPE_UINT8, VKD_DTYPE_INT32, VKD_DTYPE_BOOL};
    lowering_fixture *f = *state;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        /* only a bool is no integer that may be quantised */
        for (int which = dtypes[i] == VKD_DTYPE_BOOL ? 0 : 2; which < 4; which++) {
            memset(&f->m, 0, sizeof f->m);
            vkd_graph_init(&f->graph, &f->arena);
            uint32_t x = hand_input(&f->m, dtypes[i], 4, lowering_image),
                     y = hand_output(&f->m, dtypes[i], 4, lowering_image);
            uint32_t real = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image);
            switch (which) {
            case 0:
                lowering_quantize(&f->m, real, y);
                break;
            case 1:
                lowering_dequantize(&f->m, x,
                                    hand_output(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image));
                break;
            case 2:
                lowering_add(&f->m, x, x, y);
                break;
            default:
                lowering_clone(&f->m, real, y);
            }
            vkd_status status = lowering_run(f);
            if (status != VKD_UNSUPPORTED)
                fail_msg("%s, case %d: status %d: %s", vkd_dtype_name(dtypes[i]), which, status,
                         f->context.error);
        }
    }
}

static void refuses_wrong_output_dims(void **state)
{
    lowering_fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image),
             y = hand_output(&f->m, VKD_DTYPE_INT8, 4, lowering_pooled);
    lowering_quantize(&f->m, x, y);
    lowering_fails(f, VKD_INVALID_MODEL, "is 1x8x1x1, expected 1x8x5x5");
    f->m.model.op_count = 0;
    /* of a 2x2 pooling, 2x2 is right */
    uint32_t z = hand_tensor(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image);
    lowering_max_pool(&f->m, x, z);
    lowering_fails(f, VKD_INVALID_MODEL, "expected 1x8x2x2");
    f->m.model.op_count = 0;
    HAND_OP(&f->m, "aten.view_copy.default", x, hand_pair(&f->m, 8, 25), z);
    lowering_fails(f, VKD_INVALID_MODEL, "expected 8x25");
    f->m.model.op_count = 0;
    uint32_t v = hand_tensor(&f->m, VKD_DTYPE_FLOAT32, 2, (uint32_t[]){8, 24});
    HAND_OP(&f->m, "aten.view_copy.default", x, hand_pair(&f->m, 8, -1), v);
    lowering_fails(f, VKD_INVALID_MODEL, "is 8x24, expected 8x25");
    f->m.model.op_count = 0;
    HAND_OP(&f->m, "aten.view_copy.default", x, hand_pair(&f->m, 8, 24), v);
    lowering_fails(f, VKD_INVALID_MODEL, "makes 192 elements, expected 200");
}

static void refuses_quantisation_of_other_ranges(void **state)
{
    lowering_fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image),
             y = hand_output(&f->m, VKD_DTYPE_INT8, 4, lowering_image);
    HAND_OP(&f->m, "quantized_decomposed.quantize_per_tensor.default", x, hand_double(&f->m, 0.5),
            hand_int(&f->m, 3), hand_int(&f->m, 0), hand_int(&f->m, 255), hand_null(&f->m), y);
    lowering_fails(f, VKD_INVALID_MODEL, "(quant_min) and quant_max are 0 and 255");
    static const double scales[] = {0.0, -1.0, 1e300, 0.0 / 0.0};
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        f->m.model.op_count = 0;
        HAND_OP(&f->m, "quantized_decomposed.quantize_per_tensor.default", x,
                hand_double(&f->m, scales[i]), hand_int(&f->m, 3), hand_int(&f->m, -128),
                hand_int(&f->m, 127), hand_null(&f->m), y);
        lowering_fails(f, VKD_INVALID_MODEL, "scale");
    }
}

static void refuses_odd_pool_windows(void **state)
{
    static const int64_t windows[][4] = {/* kernel, stride, padding, dilation */
                                         {0, 1, 0, 1},
                                         {2, -1, 0, 1},
                                         {2, 1, -1, 1},
                                         {2, 1, 0, 0}};
    static const char *const says[] = {"(kernel_size) has 0, expected 1",
                                       "(stride) has -1, expected",
                                       "(padding) has -1, expected 0 to", "(dilation) has 0"};
    lowering_fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image),
             y = hand_output(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image);
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        uint32_t args[4];
        for (int k = 0; k < 4; k++)
            args[k] = hand_pair(&f->m, windows[i][k], windows[i][k]);
        f->m.model.op_count = 0;
        HAND_OP(&f->m, "aten.max_pool2d.default", x, args[0], args[1], args[2], args[3],
                hand_bool(&f->m, false), y);
        lowering_fails(f, VKD_INVALID_MODEL, says[i]);
    }
    f->m.model.op_count = 0;
    uint32_t one = hand_pair(&f->m, 1, 1), huge = hand_pair(&f->m, INT32_MAX, INT32_MAX);
    HAND_OP(&f->m, "aten.max_pool2d.default", x, one, one, huge, one, hand_bool(&f->m, false), y);
    lowering_fails(f, VKD_UNSUPPORTED, "(padding) has 2147483647 for 5 pixels");
}

static void refuses_odd_mean_dims(void **state)
{
    lowering_fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image),
             y = hand_output(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_pooled);
    HAND_OP(&f->m, "aten.mean.dim", x, hand_pair(&f->m, 2, 4), hand_bool(&f->m, true),
            hand_null(&f->m), y);
    lowering_fails(f, VKD_INVALID_MODEL, "(dim) is 4, expected -4 to 3");
    f->m.model.op_count = 0;
    HAND_OP(&f->m, "aten.mean.dim", x, hand_pair(&f->m, 2, -2), hand_bool(&f->m, true),
            hand_null(&f->m), y);
    lowering_fails(f, VKD_INVALID_MODEL, "(dim) names dim 2 twice");
    f->m.model.op_count = 0;
    HAND_OP(&f->m, "aten.mean.dim", x, hand_pair(&f->m, 2, 3), hand_bool(&f->m, false),
            hand_null(&f->m), y);
    lowering_fails(f, VKD_INVALID_MODEL, "expected 1x8");
}

static void refuses_sums_that_do_not_broadcast(void **state)
{
    lowering_fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_INT8, 4, lowering_image),
             b = hand_input(&f->m, VKD_DTYPE_INT8, 4, (uint32_t[]){1, 8, 4, 5});
    uint32_t y = hand_output(&f->m, VKD_DTYPE_INT8, 4, lowering_image);
    lowering_add(&f->m, x, b, y);
    lowering_fails(f, VKD_INVALID_MODEL,
                   "(input_b) is 1x8x4x5, expected what broadcasts to 1x8x5x5");
}

/* -------------------------------------------------------------------------------- out of memory */

typedef struct limited {
    size_t left;
} limited;

static void *allocate_some(void *user, size_t size)
{
    limited *memory = user;
    return memory->left-- ? malloc(size) : NULL;
}

static void release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

/* Every node is asked for, whether or not its operator has a choice of kernels. */
static void refuses_kernels_left_out(void **state)
{
    lowering_fixture *f = *state;
    const vkd_call call = {.name = "aten.some.default", .node_id = 7};
    vkd_lowering lowering = {
        .context = &f->context, .graph = &f->graph, .caps = &f->caps, .call = &call};
    vkd_tensor_id x;
    assert_int_equal(vkd_graph_add_tensor(&f->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_INT8, VKD_4C, 4,
                                          lowering_image, &x),
                     VKD_OK);
    for (int left_out = 0; left_out < 2; left_out++) {
        f->caps.left_out = left_out ? VKD_FAMILY_MATRIX : VKD_FAMILY_LANES;
        vkd_node node = vkd_op_node(&lowering, VKD_SHADER_GEMM_COOP_16X16, VKD_NO_LOOPS, NULL, 0);
        assert_int_equal(vkd_op_add_node(&lowering, &node, x, x),
                         left_out ? VKD_UNSUPPORTED : VKD_OK);
        assert_int_equal(f->graph.node_count, 1);
    }
    assert_non_null(strstr(f->context.error, "aten.some.default"));
    assert_non_null(strstr(f->context.error, "'gemm_coop_16x16' is left out of this build"));
}

static void survives_running_out_of_memory(void **state)
{
    lowering_fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image), y = x;
    for (int i = 0; i < 20; i++) { /* more than one block of the arena */
        y = hand_tensor(&f->m, i % 2 ? VKD_DTYPE_FLOAT32 : VKD_DTYPE_INT8, 4, lowering_image);
        (i % 2 ? lowering_dequantize : lowering_quantize)(&f->m, x, y);
        x = y;
    }
    hand_mark_output(&f->m, y);
    size_t failures = 0;
    for (limited memory = {0};; failures++) {
        limited now = memory;
        const vkd_allocator allocator = {sizeof allocator, allocate_some, release, &now};
        vkd_context_init(&f->context,
                         &(vkd_options){.log = lowering_keep_quiet, .allocator = &allocator});
        vkd_graph_init(&f->graph, &f->arena);
        vkd_status status = lowering_run(f);
        vkd_arena_release(&f->arena);
        assert_int_equal(f->context.host_bytes, 0);
        if (status == VKD_OK)
            break;
        assert_int_equal(status, VKD_OUT_OF_MEMORY);
        memory.left++;
    }
    assert_true(failures > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOWERING_TEST(residual_of_another_shape),
        LOWERING_TEST(names_all_unsupported_operators),
        LOWERING_TEST(refuses_values_out_of_order),
        LOWERING_TEST(refuses_an_output_nobody_produces),
        LOWERING_TEST(refuses_to_write_inputs),
        LOWERING_TEST(refuses_odd_inputs),
        LOWERING_TEST(refuses_wrong_dtypes),
        LOWERING_TEST(other_dtypes_are_unsupported),
        LOWERING_TEST(refuses_wrong_output_dims),
        LOWERING_TEST(refuses_quantisation_of_other_ranges),
        LOWERING_TEST(refuses_odd_pool_windows),
        LOWERING_TEST(refuses_odd_mean_dims),
        LOWERING_TEST(refuses_sums_that_do_not_broadcast),
        LOWERING_TEST(refuses_kernels_left_out),
        LOWERING_TEST(survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
