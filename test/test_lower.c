/* Lowering hand-made models with a fabricated device: which nodes and tensors come out, and what is refused. Needs no device.
 */
#include "graph/plan.h"
#include "ops/gemm.h"
#include "ops/linear.h"
#include "ops/lower.h"
#include "support/fake_caps.h"
#include "support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint32_t image[] = {1, 8, 5, 5};
static const uint32_t pooled[] = {1, 8, 1, 1};

typedef struct fixture {
    hand_model m;
    vkd_context context;
    vkd_caps caps;
    vkd_arena arena;
    vkd_graph graph;
    vkd_lowered lowered;
} fixture;

static void keep_quiet(void *user, vkd_log_level level, const char *message) { (void)user, (void)level, (void)message; }

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    vkd_context_init(&f->context, &(vkd_options){.log = keep_quiet});
    vkd_arena_init(&f->arena, &f->context);
    vkd_graph_init(&f->graph, &f->arena);
    f->caps = fake_caps(FAKE_H100);
    f->caps.dot = VKD_DOT_NONE;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    vkd_arena_release(&f->arena);
    assert_int_equal(f->context.host_bytes, 0);
    free(f);
    return 0;
}

static vkd_status lower(fixture *f)
{
    return vkd_lower_model(&f->context, hand_finish(&f->m), &f->caps, NULL, NULL, &f->graph, &f->lowered);
}

static void assert_fails(fixture *f, vkd_status expected, const char *part)
{
    assert_int_equal(lower(f), expected);
    if (!strstr(f->context.error, part))
        fail_msg("'%s' does not say '%s'", f->context.error, part);
}

static const vkd_node *node(const fixture *f, size_t index)
{
    assert_true(index < f->graph.node_count);
    return &f->graph.nodes[index];
}

static void quantize(hand_model *m, uint32_t x, uint32_t y)
{
    HAND_OP(m, "quantized_decomposed.quantize_per_tensor.default", x, hand_double(m, 0.5), hand_int(m, 3), hand_int(m, -128),
            hand_int(m, 127), hand_null(m), y);
}

static void dequantize(hand_model *m, uint32_t x, uint32_t y)
{
    HAND_OP(m, "quantized_decomposed.dequantize_per_tensor.default", x, hand_double(m, 0.5), hand_int(m, 3), hand_int(m, -128),
            hand_int(m, 127), hand_null(m), hand_null(m), y);
}

static void clone(hand_model *m, uint32_t x, uint32_t y) { HAND_OP(m, "aten.clone.default", x, hand_null(m), y); }

static void add(hand_model *m, uint32_t a, uint32_t b, uint32_t y)
{
    uint32_t scale = hand_double(m, 0.5), zero = hand_int(m, 0);
    HAND_OP(m, "et_vk.q8ta_add.default", a, b, scale, zero, scale, zero, scale, zero, hand_int(m, 1), y);
}

static void max_pool(hand_model *m, uint32_t x, uint32_t y)
{
    uint32_t two = hand_pair(m, 2, 2), one = hand_pair(m, 1, 1), zero = hand_pair(m, 0, 0);
    HAND_OP(m, "aten.max_pool2d_with_indices.default", x, two, two, zero, one, hand_bool(m, false), y);
}

/* --------------------------------------------------------------------------------------------- nodes and tensors */

static void quantises_between_boundary_and_inside(void **state)
{
    fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, image), q = hand_tensor(&f->m, VKD_DTYPE_INT8, 4, image);
    uint32_t y = hand_output(&f->m, VKD_DTYPE_FLOAT32, 4, image);
    quantize(&f->m, x, q);
    dequantize(&f->m, q, y);
    assert_int_equal(lower(f), VKD_OK);
    assert_int_equal(f->graph.node_count, 2);
    assert_int_equal(node(f, 0)->shader, VKD_SHADER_QUANTIZE);
    assert_int_equal(node(f, 1)->shader, VKD_SHADER_DEQUANTIZE);
    assert_string_equal(node(f, 1)->op, "quantized_decomposed.dequantize_per_tensor.default");
    assert_int_equal(node(f, 1)->op_id, 1);
    assert_string_equal(node(f, 0)->shape, "1x8x5x5 -> 1x8x5x5");
    const vkd_tensor *tensors = f->graph.tensors;
    assert_int_equal(tensors[f->lowered.tensors[x]].place, VKD_PLACE_INPUT);
    assert_int_equal(tensors[f->lowered.tensors[x]].layout, VKD_PLAIN);
    assert_int_equal(tensors[f->lowered.tensors[q]].place, VKD_PLACE_SCRATCH);
    assert_int_equal(tensors[f->lowered.tensors[q]].layout, VKD_4C);
    assert_int_equal(tensors[f->lowered.tensors[y]].place, VKD_PLACE_OUTPUT);
    assert_int_equal(f->graph.inputs[0], f->lowered.tensors[x]);
    assert_int_equal(f->graph.outputs[0], f->lowered.tensors[y]);
    assert_int_equal(node(f, 0)->bindings[0].tensor, f->lowered.tensors[x]);
    assert_false(node(f, 0)->bindings[0].write);
    assert_true(node(f, 0)->bindings[1].write);
    assert_int_equal(node(f, 0)->specs[0], 64);
    assert_int_equal(node(f, 0)->groups[0], 1); /* 50 words */
}

static void copies_an_input_that_is_an_output(void **state)
{
    fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, image);
    hand_mark_output(&f->m, x);
    hand_mark_output(&f->m, x);
    assert_int_equal(lower(f), VKD_OK);
    assert_int_equal(f->graph.node_count, 2);
    assert_int_equal(f->graph.output_count, 2);
    assert_int_not_equal(f->graph.outputs[0], f->graph.outputs[1]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(node(f, i)->shader, VKD_SHADER_COPY);
        assert_int_equal(f->graph.tensors[f->graph.outputs[i]].place, VKD_PLACE_OUTPUT);
        assert_int_equal(node(f, i)->bindings[1].tensor, f->graph.outputs[i]);
    }
}

static void copies_a_constant_that_is_an_output(void **state)
{
    fixture *f = *state;
    static const float values[200];
    uint32_t x = hand_constant(&f->m, VKD_DTYPE_FLOAT32, 4, image, values);
    hand_mark_output(&f->m, x);
    assert_int_equal(lower(f), VKD_OK);
    assert_int_equal(f->graph.node_count, 1);
    assert_int_equal(f->graph.tensors[node(f, 0)->bindings[0].tensor].place, VKD_PLACE_CONSTANT);
}

static void lists_an_output_twice(void **state)
{
    fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, image), y = hand_output(&f->m, VKD_DTYPE_INT8, 4, image);
    hand_mark_output(&f->m, y);
    quantize(&f->m, x, y);
    assert_int_equal(lower(f), VKD_OK);
    assert_int_equal(f->graph.node_count, 2);
    assert_int_equal(f->graph.outputs[0], f->lowered.tensors[y]);
    assert_int_equal(node(f, 1)->bindings[0].tensor, f->graph.outputs[0]);
    assert_int_equal(node(f, 1)->bindings[1].tensor, f->graph.outputs[1]);
}

static void converts_an_input_once_for_all_readers(void **state)
{
    fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_INT8, 4, image), y = hand_tensor(&f->m, VKD_DTYPE_INT8, 4, image);
    uint32_t z = hand_output(&f->m, VKD_DTYPE_INT8, 4, image);
    add(&f->m, x, x, y);
    add(&f->m, x, y, z);
    assert_int_equal(lower(f), VKD_OK);
    assert_int_equal(f->graph.node_count, 4);
    assert_int_equal(node(f, 0)->shader, VKD_SHADER_COPY);
    assert_int_equal(node(f, 1)->shader, VKD_SHADER_Q8TA_ADD);
    assert_int_equal(node(f, 2)->shader, VKD_SHADER_Q8TA_ADD);
    assert_int_equal(node(f, 3)->shader, VKD_SHADER_COPY);
    assert_int_equal(node(f, 1)->groups[0], 1); /* 200 bytes, 16 an invocation */
}

static void views_scratch_without_a_copy(void **state)
{
    fixture *f = *state;
    const uint32_t flat[] = {1, 8}, row[] = {8};
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, pooled), q = hand_tensor(&f->m, VKD_DTYPE_INT8, 4, pooled);
    uint32_t a = hand_tensor(&f->m, VKD_DTYPE_INT8, 2, flat), b = hand_tensor(&f->m, VKD_DTYPE_INT8, 1, row);
    uint32_t c = hand_tensor(&f->m, VKD_DTYPE_INT8, 2, flat), y = hand_output(&f->m, VKD_DTYPE_FLOAT32, 2, flat);
    quantize(&f->m, x, q);
    HAND_OP(&f->m, "aten.squeeze_copy.dims", q, hand_pair(&f->m, -1, 2), a);
    HAND_OP(&f->m, "aten.squeeze_copy.dim", a, hand_int(&f->m, 0), b);
    HAND_OP(&f->m, "aten.unsqueeze_copy.default", b, hand_int(&f->m, -2), c);
    dequantize(&f->m, c, y);
    assert_int_equal(lower(f), VKD_OK);
    assert_int_equal(f->graph.node_count, 2);
    assert_int_equal(f->graph.tensors[f->lowered.tensors[c]].storage, f->lowered.tensors[q]);
    assert_int_equal(vkd_plan(&f->graph, 16, true), VKD_OK);
    assert_int_equal(f->graph.scratch_bytes, 16);
}

static void copies_where_a_view_moves_bytes(void **state)
{
    fixture *f = *state;
    const uint32_t turned[] = {1, 25, 8, 1};
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, image), q = hand_tensor(&f->m, VKD_DTYPE_INT8, 4, image);
    uint32_t v = hand_tensor(&f->m, VKD_DTYPE_INT8, 4, turned), y = hand_output(&f->m, VKD_DTYPE_FLOAT32, 4, turned);
    quantize(&f->m, x, q);
    HAND_OP(&f->m, "aten.view_copy.default", q, hand_ints(&f->m, 4, (int64_t[]){1, -1, 8, 1}), v);
    dequantize(&f->m, v, y);
    assert_int_equal(lower(f), VKD_OK);
    assert_int_equal(f->graph.node_count, 3);
    assert_int_equal(node(f, 1)->shader, VKD_SHADER_COPY);
    assert_int_equal(node(f, 1)->specs[3], 1); /* byte elements */
}

static void folds_workgroups_into_y(void **state)
{
    fixture *f = *state;
    const uint32_t large[] = {1, 16, 100, 100};
    f->caps.max_workgroup_count[0] = 100;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, large), y = hand_output(&f->m, VKD_DTYPE_INT8, 4, large);
    quantize(&f->m, x, y);
    assert_int_equal(lower(f), VKD_OK);
    const uint32_t *groups = node(f, 0)->groups; /* 40000 words in 625 workgroups */
    assert_int_equal(groups[1], 7);
    assert_int_equal(groups[0], 90);
    assert_int_equal(groups[2], 1);
    f->caps.max_workgroup_invocations = 16;
    vkd_node small = *node(f, 0);
    vkd_node_linear(&small, &f->caps, 17);
    assert_int_equal(small.specs[0], 16);
    assert_int_equal(small.groups[0], 2);
    assert_int_equal(small.groups[1], 1);
}

static void q8_mean_shares_pixels_on_gpus_only(void **state)
{
    fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_INT8, 4, image), y = hand_output(&f->m, VKD_DTYPE_INT8, 4, pooled);
    uint32_t scale = hand_double(&f->m, 0.5), zero = hand_int(&f->m, 0);
    uint32_t unbounded = hand_null(&f->m);
    HAND_OP(&f->m, "vkd.q8_mean", x, scale, zero, unbounded, unbounded, scale, zero, y);
    assert_int_equal(lower(f), VKD_OK);
    assert_int_equal(node(f, 1)->shader, VKD_SHADER_Q8_MEAN);
    assert_int_equal(node(f, 1)->specs[1], 8);
    vkd_graph_init(&f->graph, &f->arena);
    f->caps.type = VKD_TYPE_CPU;
    assert_int_equal(lower(f), VKD_OK);
    assert_int_equal(node(f, 1)->specs[1], 1);
}

/* --------------------------------------------------------------------------------------------------- linear layers */

static const int8_t linear_zeros[1 << 20];

typedef struct linear_case {
    uint32_t m, n, k;
    bool real; /* "vkd.q8_linear" */
    double real_scale;
} linear_case;

static void linear(hand_model *m, const linear_case *c)
{
    uint32_t padded = (c->n + 3) / 4 * 4, scale = hand_double(m, 0.5), zero = hand_int(m, 0);
    uint32_t x = hand_input(m, VKD_DTYPE_INT8, 2, (uint32_t[]){c->m, c->k});
    uint32_t weight = hand_constant(m, VKD_DTYPE_INT8, 2, (uint32_t[]){c->n, (c->k + 3) / 4 * 4}, linear_zeros);
    uint32_t sums = hand_constant(m, VKD_DTYPE_INT32, 1, &padded, linear_zeros);
    uint32_t scales = hand_constant(m, VKD_DTYPE_FLOAT32, 1, &padded, linear_zeros);
    uint32_t bias = hand_null(m), activation = hand_string(m, "none");
    uint32_t y = hand_output(m, c->real ? VKD_DTYPE_FLOAT32 : VKD_DTYPE_INT8, 2, (uint32_t[]){c->m, c->n});
    if (c->real)
        HAND_OP(m, "vkd.q8_linear", x, scale, zero, weight, sums, scales, scale, zero, bias, activation,
                hand_double(m, c->real_scale), zero, y);
    else
        HAND_OP(m, "et_vk.q8ta_linear.default", x, scale, zero, weight, sums, scales, scale, zero, bias, activation, y);
}

static void lower_linear(fixture *f, const linear_case *c)
{
    memset(&f->m, 0, sizeof f->m);
    vkd_graph_init(&f->graph, &f->arena);
    linear(&f->m, c);
    assert_int_equal(lower(f), VKD_OK);
    assert_int_equal(node(f, 0)->shader, VKD_SHADER_COPY); /* of the input */
}

static void linear_layers_of_few_rows_have_a_kernel(void **state)
{
    static const struct {
        linear_case c;
        vkd_shader shader;
    } cases[] = {
        {{1, 10, 1280, false, 0}, VKD_SHADER_LINEAR},
        {{1, 10, 1281, false, 0}, VKD_SHADER_LINEAR}, /* a single row ends in padding */
        {{1, 1000, 512, true, 0.5}, VKD_SHADER_LINEAR},
        {{4, 1000, 512, false, 0}, VKD_SHADER_LINEAR},
        {{4, 10, 1284, true, 0.5}, VKD_SHADER_LINEAR_WORDS},
    };
    fixture *f = *state;
    f->caps = fake_caps(FAKE_H100_MATRIX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lower_linear(f, &cases[i].c);
        assert_int_equal(node(f, 1)->shader, cases[i].shader);
        assert_int_equal(node(f, 1)->specs[3], cases[i].c.real);
        assert_int_equal(f->graph.node_count, cases[i].c.real ? 2 : 3); /* floats go straight to the output */
        assert_int_equal(f->graph.tensors[f->graph.outputs[0]].place, VKD_PLACE_OUTPUT);
    }
}

static void linear_layers_of_many_rows_are_products(void **state)
{
    fixture *f = *state;
    f->caps = fake_caps(FAKE_H100_MATRIX);
    for (int real = 0; real < 2; real++) {
        lower_linear(f, &(linear_case){512, 1000, 512, real, 0.5});
        assert_int_equal(node(f, 1)->shader, VKD_SHADER_GEMM_COOP_32X64);
        assert_int_equal(f->graph.node_count, 3);
        assert_int_equal(node(f, 2)->shader, real ? VKD_SHADER_DEQUANTIZE : VKD_SHADER_COPY);
        assert_int_equal(node(f, 2)->bindings[1].tensor, f->graph.outputs[0]);
    }
}

/* More tiles than a dispatch may have workgroups along y are folded into z. */
static void rows_beyond_the_workgroups(void **state)
{
    fixture *f = *state;
    f->caps = fake_caps(FAKE_H100_MATRIX);
    f->caps.max_workgroup_count[1] = f->caps.max_workgroup_count[2] = 65535;
    for (int matrix = 0; matrix < 2; matrix++) {
        const uint32_t rows = 5000000;
        f->caps.matrix_int8 = matrix;
        lower_linear(f, &(linear_case){rows, 16, 16, false, 0});
        const vkd_node *gemm = node(f, 1);
        const gemm_tile *tile = vkd_gemm_tiles;
        while (tile->shader != gemm->shader)
            tile++;
        uint64_t tiles = (uint64_t)gemm->groups[1] * gemm->groups[2] * gemm->specs[1] * tile->m;
        assert_true(gemm->groups[1] <= 65535 && gemm->groups[2] > 1);
        assert_int_equal(gemm->specs[4], gemm->groups[2]);
        assert_true(tiles >= rows && tiles < rows + 2 * gemm->groups[2] * gemm->specs[1] * tile->m);
    }
    f->caps.max_workgroup_count[2] = 1;
    gemm_problem problem = vkd_gemm_matrix(5000000, 16, 16, 1, 16);
    assert_null(vkd_gemm_best(&problem, &f->caps));
}

/* As measured on llvmpipe. */
static void linear_layers_on_a_cpu(void **state)
{
    static const struct {
        uint32_t m;
        vkd_shader shader;
    } cases[] = {{1, VKD_SHADER_LINEAR}, {2, VKD_SHADER_LINEAR}, {4, VKD_SHADER_GEMM_LANES_2X32}};
    fixture *f = *state;
    f->caps = fake_caps(FAKE_LLVMPIPE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lower_linear(f, &(linear_case){cases[i].m, 1000, 512, false, 0});
        assert_int_equal(node(f, 1)->shader, cases[i].shader);
        assert_int_equal(node(f, 1)->specs[0], 8); /* a SIMD register */
    }
}

static void linear_workgroups_respect_limits(void **state)
{
    (void)state;
    vkd_random random = random_begin("linear workgroups");
    for (int i = 0; i < 2000; i++) {
        vkd_caps caps = fake_caps((fake_device)random_range(&random, 0, FAKE_COUNT - 1));
        if (i % 3 == 0)
            caps.max_workgroup_size[0] = (uint32_t)random_range(&random, 1, 300);
        linear_problem problem = {(uint32_t)random_range(&random, 1, 2000), (uint32_t)random_range(&random, 1, 2000),
                                  (uint32_t)random_range(&random, 1, 65793)};
        uint32_t width = vkd_linear_width(&problem, &caps);
        assert_true(width >= 1 && width <= 256 && (width & (width - 1)) == 0);
        assert_true(width <= caps.max_workgroup_invocations && width <= caps.max_workgroup_size[0]);
        assert_true(vkd_linear_cost(&problem, &caps) > 0);
    }
}

/* -------------------------------------------------------------------------------------------------------- refusals */

static void names_all_unsupported_operators(void **state)
{
    fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, image), y = hand_output(&f->m, VKD_DTYPE_FLOAT32, 4, image);
    HAND_OP(&f->m, "aten.cumsum.default", x, y);
    assert_fails(f, VKD_UNSUPPORTED, "operator 'aten.cumsum.default' (node 0) is not supported");
    HAND_OP(&f->m, "aten.cumsum.default", x, y);
    HAND_OP(&f->m, "aten.sort.default", x, y);
    assert_fails(f, VKD_UNSUPPORTED,
                 "operators 'aten.cumsum.default' (node 0), 'aten.sort.default' (node 2) are not supported");
}

static void refuses_values_out_of_order(void **state)
{
    fixture *f = *state;
    uint32_t x = hand_tensor(&f->m, VKD_DTYPE_FLOAT32, 4, image), y = hand_output(&f->m, VKD_DTYPE_INT8, 4, image);
    quantize(&f->m, x, y);
    assert_fails(f, VKD_INVALID_MODEL, "is read before an operator has produced it");
}

static void refuses_an_output_nobody_produces(void **state)
{
    fixture *f = *state;
    hand_output(&f->m, VKD_DTYPE_INT8, 4, image);
    assert_fails(f, VKD_INVALID_MODEL, "vkd.output");
}

static void refuses_a_value_produced_twice(void **state)
{
    fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, image), y = hand_output(&f->m, VKD_DTYPE_INT8, 4, image);
    quantize(&f->m, x, y);
    quantize(&f->m, x, y);
    assert_fails(f, VKD_INVALID_MODEL, "another operator's output");
}

static void refuses_to_write_inputs_and_constants(void **state)
{
    fixture *f = *state;
    static const float values[200];
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, image);
    uint32_t constant = hand_constant(&f->m, VKD_DTYPE_FLOAT32, 4, image, values);
    clone(&f->m, x, x);
    assert_fails(f, VKD_INVALID_MODEL, "a graph input");
    f->m.model.op_count = 0;
    clone(&f->m, x, constant);
    assert_fails(f, VKD_INVALID_MODEL, "is a constant");
}

static void refuses_odd_inputs(void **state)
{
    fixture *f = *state;
    f->m.inputs[f->m.model.input_count++] = hand_int(&f->m, 3);
    assert_fails(f, VKD_UNSUPPORTED, "input 0 (value 0) is not a tensor");
    memset(&f->m, 0, sizeof f->m);
    hand_input(&f->m, VKD_DTYPE_FLOAT16, 4, image);
    assert_fails(f, VKD_UNSUPPORTED, "input 0 (value 0) has dtype");
    memset(&f->m, 0, sizeof f->m);
    hand_input(&f->m, VKD_DTYPE_FLOAT32, 5, (uint32_t[]){1, 1, 1, 1, 1});
    assert_fails(f, VKD_UNSUPPORTED, "rank 5");
    memset(&f->m, 0, sizeof f->m);
    hand_input(&f->m, VKD_DTYPE_FLOAT32, 2, (uint32_t[]){1, 0});
    assert_fails(f, VKD_UNSUPPORTED, "elements");
    memset(&f->m, 0, sizeof f->m);
    f->m.inputs[f->m.model.input_count++] = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, image);
    assert_fails(f, VKD_INVALID_MODEL, "an earlier input");
}

static void refuses_wrong_dtypes(void **state)
{
    fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_INT8, 4, image), y = hand_output(&f->m, VKD_DTYPE_INT8, 4, image);
    quantize(&f->m, x, y);
    assert_fails(f, VKD_UNSUPPORTED, "expected f32");
    f->m.model.op_count = 0;
    uint32_t z = hand_tensor(&f->m, VKD_DTYPE_FLOAT32, 4, image);
    clone(&f->m, x, z);
    assert_fails(f, VKD_INVALID_MODEL, "has dtype");
}

static void refuses_wrong_output_dims(void **state)
{
    fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, image), y = hand_output(&f->m, VKD_DTYPE_INT8, 4, pooled);
    quantize(&f->m, x, y);
    assert_fails(f, VKD_INVALID_MODEL, "is 1x8x1x1, expected 1x8x5x5");
    f->m.model.op_count = 0;
    uint32_t z = hand_tensor(&f->m, VKD_DTYPE_FLOAT32, 4, image); /* of a 2x2 pooling, 2x2 is right */
    max_pool(&f->m, x, z);
    assert_fails(f, VKD_INVALID_MODEL, "expected 1x8x2x2");
    f->m.model.op_count = 0;
    HAND_OP(&f->m, "aten.view_copy.default", x, hand_pair(&f->m, 8, 25), z);
    assert_fails(f, VKD_INVALID_MODEL, "expected 8x25");
    f->m.model.op_count = 0;
    uint32_t v = hand_tensor(&f->m, VKD_DTYPE_FLOAT32, 2, (uint32_t[]){8, 24});
    HAND_OP(&f->m, "aten.view_copy.default", x, hand_pair(&f->m, 8, -1), v);
    assert_fails(f, VKD_INVALID_MODEL, "192 elements, the input 200");
}

static void refuses_quantisation_of_other_ranges(void **state)
{
    fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, image), y = hand_output(&f->m, VKD_DTYPE_INT8, 4, image);
    HAND_OP(&f->m, "quantized_decomposed.quantize_per_tensor.default", x, hand_double(&f->m, 0.5), hand_int(&f->m, 3),
            hand_int(&f->m, 0), hand_int(&f->m, 255), hand_null(&f->m), y);
    assert_fails(f, VKD_UNSUPPORTED, "0..255");
    static const double scales[] = {0.0, -1.0, 1e300, 0.0 / 0.0};
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        f->m.model.op_count = 0;
        HAND_OP(&f->m, "quantized_decomposed.quantize_per_tensor.default", x, hand_double(&f->m, scales[i]), hand_int(&f->m, 3),
                hand_int(&f->m, -128), hand_int(&f->m, 127), hand_null(&f->m), y);
        assert_fails(f, VKD_INVALID_MODEL, "scale");
    }
}

static void refuses_used_pool_indices(void **state)
{
    fixture *f = *state;
    const uint32_t half[] = {1, 8, 2, 2};
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, image), y = hand_output(&f->m, VKD_DTYPE_FLOAT32, 4, half);
    uint32_t indices = hand_tensor(&f->m, VKD_DTYPE_INT32, 4, half);
    max_pool(&f->m, x, hand_list(&f->m, 2, (uint32_t[]){y, indices}));
    assert_int_equal(lower(f), VKD_OK);
    vkd_graph_init(&f->graph, &f->arena);
    uint32_t copy = hand_tensor(&f->m, VKD_DTYPE_INT32, 4, half);
    clone(&f->m, indices, copy);
    assert_fails(f, VKD_UNSUPPORTED, "indices");
    f->m.model.op_count = 1;
    hand_mark_output(&f->m, indices);
    assert_fails(f, VKD_UNSUPPORTED, "indices");
}

static void refuses_odd_pool_windows(void **state)
{
    static const int64_t windows[][4] = {
        {0, 1, 0, 1}, {2, -1, 0, 1}, {2, 1, -1, 1}, {2, 1, 0, 0}}; /* kernel, stride, padding, dilation */
    fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, image), y = hand_output(&f->m, VKD_DTYPE_FLOAT32, 4, image);
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        uint32_t args[4];
        for (int k = 0; k < 4; k++)
            args[k] = hand_pair(&f->m, windows[i][k], windows[i][k]);
        f->m.model.op_count = 0;
        HAND_OP(&f->m, "aten.max_pool2d.default", x, args[0], args[1], args[2], args[3], hand_bool(&f->m, false), y);
        assert_fails(f, VKD_INVALID_MODEL, "kernel");
    }
    f->m.model.op_count = 0;
    uint32_t one = hand_pair(&f->m, 1, 1), huge = hand_pair(&f->m, INT32_MAX, INT32_MAX);
    HAND_OP(&f->m, "aten.max_pool2d.default", x, one, one, huge, one, hand_bool(&f->m, false), y);
    assert_fails(f, VKD_UNSUPPORTED, "padded");
}

static void refuses_odd_mean_dims(void **state)
{
    fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, image), y = hand_output(&f->m, VKD_DTYPE_FLOAT32, 4, pooled);
    HAND_OP(&f->m, "aten.mean.dim", x, hand_pair(&f->m, 2, 4), hand_bool(&f->m, true), hand_null(&f->m), y);
    assert_fails(f, VKD_INVALID_MODEL, "dim 4");
    f->m.model.op_count = 0;
    HAND_OP(&f->m, "aten.mean.dim", x, hand_pair(&f->m, 2, -2), hand_bool(&f->m, true), hand_null(&f->m), y);
    assert_fails(f, VKD_INVALID_MODEL, "listed twice");
    f->m.model.op_count = 0;
    HAND_OP(&f->m, "aten.mean.dim", x, hand_pair(&f->m, 2, 3), hand_bool(&f->m, false), hand_null(&f->m), y);
    assert_fails(f, VKD_INVALID_MODEL, "expected 1x8");
}

static void refuses_means_of_too_many_pixels(void **state)
{
    static const struct {
        uint32_t h, w;
        bool fits;
    } sizes[] = {{65793, 1, true}, {65794, 1, false}, {257, 256, true}, {257, 257, false}, {1u << 14, 1u << 14, false}};
    fixture *f = *state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memset(&f->m, 0, sizeof f->m);
        vkd_graph_init(&f->graph, &f->arena);
        uint32_t x = hand_input(&f->m, VKD_DTYPE_INT8, 4, (uint32_t[]){1, 1, sizes[i].h, sizes[i].w});
        uint32_t y = hand_output(&f->m, VKD_DTYPE_INT8, 4, (uint32_t[]){1, 1, 1, 1});
        uint32_t scale = hand_double(&f->m, 0.5), zero = hand_int(&f->m, 0), low = hand_double(&f->m, -1.5);
        HAND_OP(&f->m, "vkd.q8_mean", x, scale, zero, low, hand_null(&f->m), scale, zero, y);
        if (sizes[i].fits)
            assert_int_equal(lower(f), VKD_OK);
        else
            assert_fails(f, VKD_UNSUPPORTED, "at most 65793");
    }
}

static void refuses_odd_linear_layers(void **state)
{
    fixture *f = *state;
    static const double scales[] = {0.0, -1.0, 1e300, 0.0 / 0.0};
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
        memset(&f->m, 0, sizeof f->m);
        linear(&f->m, &(linear_case){1, 10, 20, true, scales[i]});
        assert_fails(f, VKD_INVALID_MODEL, "the dequantize scale");
    }
    for (int real = 0; real < 2; real++) {
        const linear_case good = {2, 10, 20, real, 0.5}, deep = {1, 1, 65794, real, 0.5};
        memset(&f->m, 0, sizeof f->m);
        linear(&f->m, &deep);
        assert_fails(f, VKD_UNSUPPORTED, "65794 products a sum");

        memset(&f->m, 0, sizeof f->m);
        linear(&f->m, &good);
        f->m.values[f->m.outputs[0]].tensor.dims[0] = 3;
        assert_fails(f, VKD_INVALID_MODEL, "do not fit together");

        memset(&f->m, 0, sizeof f->m);
        linear(&f->m, &good);
        f->m.values[f->m.outputs[0]].tensor.rank = 1;
        assert_fails(f, VKD_UNSUPPORTED, "ranks 2 and 1");

        memset(&f->m, 0, sizeof f->m);
        linear(&f->m, &good);
        f->m.values[f->m.outputs[0]].tensor.dtype = real ? VKD_DTYPE_INT8 : VKD_DTYPE_FLOAT32;
        assert_fails(f, VKD_INVALID_MODEL, "has dtype");
    }
}

static void refuses_sums_of_other_shapes(void **state)
{
    fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_INT8, 4, image), b = hand_input(&f->m, VKD_DTYPE_INT8, 4, pooled);
    uint32_t y = hand_output(&f->m, VKD_DTYPE_INT8, 4, image);
    add(&f->m, x, b, y);
    assert_fails(f, VKD_UNSUPPORTED, "1x8x5x5 and 1x8x1x1");
}

/* --------------------------------------------------------------------------------------------------- out of memory */

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

static void survives_running_out_of_memory(void **state)
{
    fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, image), y = x;
    for (int i = 0; i < 20; i++) { /* more than one block of the arena */
        y = hand_tensor(&f->m, i % 2 ? VKD_DTYPE_FLOAT32 : VKD_DTYPE_INT8, 4, image);
        (i % 2 ? dequantize : quantize)(&f->m, x, y);
        x = y;
    }
    hand_mark_output(&f->m, y);
    size_t failures = 0;
    for (limited memory = {0};; failures++) {
        limited now = memory;
        vkd_context_init(&f->context, &(vkd_options){.log = keep_quiet, .allocator = {allocate_some, release, &now}});
        vkd_graph_init(&f->graph, &f->arena);
        vkd_status status = lower(f);
        vkd_arena_release(&f->arena);
        assert_int_equal(f->context.host_bytes, 0);
        if (status == VKD_OK)
            break;
        assert_int_equal(status, VKD_OUT_OF_MEMORY);
        memory.left++;
    }
    assert_true(failures > 0);
}

#define LOWER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOWER_TEST(quantises_between_boundary_and_inside),
        LOWER_TEST(copies_an_input_that_is_an_output),
        LOWER_TEST(copies_a_constant_that_is_an_output),
        LOWER_TEST(lists_an_output_twice),
        LOWER_TEST(converts_an_input_once_for_all_readers),
        LOWER_TEST(views_scratch_without_a_copy),
        LOWER_TEST(copies_where_a_view_moves_bytes),
        LOWER_TEST(folds_workgroups_into_y),
        LOWER_TEST(q8_mean_shares_pixels_on_gpus_only),
        LOWER_TEST(linear_layers_of_few_rows_have_a_kernel),
        LOWER_TEST(linear_layers_of_many_rows_are_products),
        LOWER_TEST(rows_beyond_the_workgroups),
        LOWER_TEST(linear_layers_on_a_cpu),
        LOWER_TEST(linear_workgroups_respect_limits),
        LOWER_TEST(names_all_unsupported_operators),
        LOWER_TEST(refuses_values_out_of_order),
        LOWER_TEST(refuses_an_output_nobody_produces),
        LOWER_TEST(refuses_a_value_produced_twice),
        LOWER_TEST(refuses_to_write_inputs_and_constants),
        LOWER_TEST(refuses_odd_inputs),
        LOWER_TEST(refuses_wrong_dtypes),
        LOWER_TEST(refuses_wrong_output_dims),
        LOWER_TEST(refuses_quantisation_of_other_ranges),
        LOWER_TEST(refuses_used_pool_indices),
        LOWER_TEST(refuses_odd_pool_windows),
        LOWER_TEST(refuses_odd_mean_dims),
        LOWER_TEST(refuses_means_of_too_many_pixels),
        LOWER_TEST(refuses_odd_linear_layers),
        LOWER_TEST(refuses_sums_of_other_shapes),
        LOWER_TEST(survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
