/* Lowering linear layers with fabricated devices: which kernel takes them, and what is refused.
 * Needs no device. */
#include "ops/gemm/gemm.h"
#include "ops/gemm/linear.h"
#include "support/fake_caps.h"
#include "support/lowering.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

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
    uint32_t weight =
        hand_constant(m, VKD_DTYPE_INT8, 2, (uint32_t[]){c->n, (c->k + 3) / 4 * 4}, linear_zeros);
    uint32_t sums = hand_constant(m, VKD_DTYPE_INT32, 1, &padded, linear_zeros);
    uint32_t scales = hand_constant(m, VKD_DTYPE_FLOAT32, 1, &padded, linear_zeros);
    uint32_t bias = hand_null(m), activation = hand_string(m, "none");
    uint32_t y =
        hand_output(m, c->real ? VKD_DTYPE_FLOAT32 : VKD_DTYPE_INT8, 2, (uint32_t[]){c->m, c->n});
    if (c->real)
        HAND_OP(m, "vkd.q8_linear", x, scale, zero, weight, sums, scales, scale, zero, bias,
                activation, hand_double(m, c->real_scale), zero, y);
    else
        HAND_OP(m, "et_vk.q8ta_linear.default", x, scale, zero, weight, sums, scales, scale, zero,
                bias, activation, y);
}

static void lower_linear(lowering_fixture *f, const linear_case *c)
{
    memset(&f->m, 0, sizeof f->m);
    vkd_graph_init(&f->graph, &f->arena);
    linear(&f->m, c);
    assert_int_equal(lowering_run(f), VKD_OK);
    assert_int_equal(lowering_node(f, 0)->shader, VKD_SHADER_COPY); /* of the input */
}

static void few_rows_have_a_kernel(void **state)
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
    lowering_fixture *f = *state;
    f->caps = fake_caps(FAKE_H100_MATRIX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lower_linear(f, &cases[i].c);
        assert_int_equal(lowering_node(f, 1)->shader, cases[i].shader);
        assert_int_equal(lowering_node(f, 1)->specs[3], cases[i].c.real);
        /* floats go straight to the output */
        assert_int_equal(f->graph.node_count, cases[i].c.real ? 2 : 3);
        assert_int_equal(f->graph.tensors[f->graph.outputs[0]].place, VKD_PLACE_OUTPUT);
    }
}

static void many_rows_are_products(void **state)
{
    lowering_fixture *f = *state;
    f->caps = fake_caps(FAKE_H100_MATRIX);
    for (int real = 0; real < 2; real++) {
        lower_linear(f, &(linear_case){512, 1000, 512, real, 0.5});
        assert_int_equal(lowering_node(f, 1)->shader, VKD_SHADER_GEMM_COOP_64X64);
        assert_int_equal(f->graph.node_count, 3);
        assert_int_equal(lowering_node(f, 2)->shader,
                         real ? VKD_SHADER_DEQUANTIZE : VKD_SHADER_COPY);
        assert_int_equal(lowering_node(f, 2)->bindings[1].tensor, f->graph.outputs[0]);
    }
}

/* More tiles than a dispatch may have workgroups along y are folded into z. */
static void rows_beyond_the_workgroups(void **state)
{
    lowering_fixture *f = *state;
    f->caps = fake_caps(FAKE_H100_MATRIX);
    f->caps.max_workgroup_count[1] = f->caps.max_workgroup_count[2] = 65535;
    f->caps.max_storage_range = UINT32_MAX; /* its tensors are larger than most devices bind */
    for (int matrix = 0; matrix < 2; matrix++) {
        const uint32_t rows = 5000000;
        f->caps.matrix_int8 = matrix;
        lower_linear(f, &(linear_case){rows, 16, 64, false, 0});
        const vkd_node *gemm = lowering_node(f, 1);
        const gemm_tile *tile = vkd_gemm_tiles;
        while (tile->shader != gemm->shader)
            tile++;
        assert_int_equal(tile->kind, matrix ? GEMM_MATRIX : GEMM_INVOCATIONS);
        uint32_t group_rows = tile->m * (matrix ? 1 : gemm->specs[1]);
        uint64_t covered = (uint64_t)gemm->groups[1] * gemm->groups[2] * group_rows;
        assert_true(gemm->groups[1] <= 65535 && gemm->groups[2] > 1);
        assert_int_equal(gemm->specs[4], gemm->groups[2]);
        assert_true(covered >= rows && covered < rows + 2 * gemm->groups[2] * group_rows);
        /* Specialisation constants are the workgroup, two switches, the residual, and gemm_params
         * without requantize. */
        assert_int_equal(gemm->spec_count,
                         3 + 2 + 1 + (sizeof(gemm_params) - sizeof(requantize_params)) / 4);
        assert_int_equal(gemm->specs[6], rows);
        assert_int_equal(gemm->push_size, sizeof(gemm_shape) + sizeof(requantize_params));
    }
    f->caps.max_workgroup_count[2] = 1;
    gemm_problem problem = vkd_gemm_matrix(5000000, 16, 16, 1, 16);
    assert_null(vkd_gemm_best(&problem, &f->caps));
}

/* As measured on llvmpipe. */
static void choice_on_a_cpu(void **state)
{
    static const struct {
        uint32_t m;
        vkd_shader shader;
    } cases[] = {{1, VKD_SHADER_LINEAR}, {2, VKD_SHADER_LINEAR}, {4, VKD_SHADER_GEMM_LANES_2X32}};
    lowering_fixture *f = *state;
    f->caps = fake_caps(FAKE_LLVMPIPE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lower_linear(f, &(linear_case){cases[i].m, 1000, 512, false, 0});
        assert_int_equal(lowering_node(f, 1)->shader, cases[i].shader);
        assert_int_equal(lowering_node(f, 1)->specs[0], 8); /* a SIMD register */
    }
}

static void workgroups_respect_limits(void **state)
{
    (void)state;
    vkd_random random = random_begin("linear workgroups");
    for (int i = 0; i < 2000; i++) {
        vkd_caps caps = fake_caps((fake_device)random_range(&random, 0, FAKE_COUNT - 1));
        if (i % 3 == 0)
            caps.max_workgroup_size[0] = (uint32_t)random_range(&random, 1, 300);
        linear_problem problem = {(uint32_t)random_range(&random, 1, 2000),
                                  (uint32_t)random_range(&random, 1, 2000),
                                  (uint32_t)random_range(&random, 1, 65793)};
        uint32_t width = vkd_linear_width(&problem, &caps);
        assert_true(width >= 1 && width <= 256 && (width & (width - 1)) == 0);
        assert_true(width <= caps.max_workgroup_invocations && width <= caps.max_workgroup_size[0]);
        assert_true(vkd_linear_cost(&problem, &caps) > 0);
    }
}

static void refuses_odd_layers(void **state)
{
    lowering_fixture *f = *state;
    static const double scales[] = {0.0, -1.0, 1e300, 0.0 / 0.0};
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
        memset(&f->m, 0, sizeof f->m);
        linear(&f->m, &(linear_case){1, 10, 20, true, scales[i]});
        lowering_fails(f, VKD_INVALID_MODEL, "expected a positive and finite scale");
    }
    for (int real = 0; real < 2; real++) {
        const linear_case good = {2, 10, 20, real, 0.5}, deep = {1, 1, 65794, real, 0.5};
        memset(&f->m, 0, sizeof f->m);
        linear(&f->m, &deep);
        lowering_fails(f, VKD_UNSUPPORTED, "makes sums of 65794 products");

        memset(&f->m, 0, sizeof f->m);
        linear(&f->m, &good);
        f->m.values[f->m.outputs[0]].tensor.dims[0] = 3;
        lowering_fails(f, VKD_INVALID_MODEL, "is 3x10, expected 2x10");

        memset(&f->m, 0, sizeof f->m);
        linear(&f->m, &good);
        f->m.values[f->m.inputs[0]].tensor.dims[1] = 21;
        lowering_fails(f, VKD_INVALID_MODEL,
                       "is i8 10x20, expected i8 with rows as long as those of 2x21");

        memset(&f->m, 0, sizeof f->m);
        linear(&f->m, &good);
        f->m.values[f->m.outputs[0]].tensor.rank = 1;
        lowering_fails(f, VKD_INVALID_MODEL, "is 2, expected 2x10");

        memset(&f->m, 0, sizeof f->m);
        linear(&f->m, &good);
        f->m.values[f->m.outputs[0]].tensor.dtype = real ? VKD_DTYPE_INT8 : VKD_DTYPE_FLOAT32;
        lowering_fails(f, VKD_UNSUPPORTED, "has dtype");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOWERING_TEST(few_rows_have_a_kernel),     LOWERING_TEST(many_rows_are_products),
        LOWERING_TEST(rows_beyond_the_workgroups), LOWERING_TEST(choice_on_a_cpu),
        LOWERING_TEST(workgroups_respect_limits),  LOWERING_TEST(refuses_odd_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
