/* Lowering hand-made models with a fabricated device: which nodes and tensors come out. Needs no
 * device. */
#include "graph/plan.h"
#include "shaders/q8_mean_params.h"
#include "shaders/requantize_params.h"
#include "support/lowering.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---------------------------------------------------------------------------- nodes and tensors */

static void quantises_between_boundary_and_inside(void **state)
{
    lowering_fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image),
             q = hand_tensor(&f->m, VKD_DTYPE_INT8, 4, lowering_image);
    uint32_t y = hand_output(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image);
    lowering_quantize(&f->m, x, q);
    lowering_dequantize(&f->m, q, y);
    assert_int_equal(lowering_run(f), VKD_OK);
    assert_int_equal(f->graph.node_count, 2);
    assert_int_equal(lowering_node(f, 0)->shader, VKD_SHADER_QUANTIZE);
    assert_int_equal(lowering_node(f, 1)->shader, VKD_SHADER_DEQUANTIZE);
    assert_string_equal(lowering_node(f, 1)->op,
                        "quantized_decomposed.dequantize_per_tensor.default");
    assert_int_equal(lowering_node(f, 1)->op_id, 1);
    assert_string_equal(lowering_node(f, 0)->shape, "1x8x5x5 -> 1x8x5x5");
    const vkd_tensor *tensors = f->graph.tensors;
    assert_int_equal(tensors[f->lowered.tensors[x]].place, VKD_PLACE_INPUT);
    assert_int_equal(tensors[f->lowered.tensors[x]].layout, VKD_ROWS);
    assert_int_equal(tensors[f->lowered.tensors[q]].place, VKD_PLACE_SCRATCH);
    assert_int_equal(tensors[f->lowered.tensors[q]].layout, VKD_4C);
    assert_int_equal(tensors[f->lowered.tensors[y]].place, VKD_PLACE_OUTPUT);
    assert_int_equal(f->graph.inputs[0], f->lowered.tensors[x]);
    assert_int_equal(f->graph.outputs[0], f->lowered.tensors[y]);
    assert_int_equal(lowering_node(f, 0)->bindings[0].tensor, f->lowered.tensors[x]);
    assert_false(lowering_node(f, 0)->bindings[0].write);
    assert_true(lowering_node(f, 0)->bindings[1].write);
    assert_int_equal(lowering_node(f, 0)->specs[0], 64);
    assert_int_equal(lowering_node(f, 0)->groups[0], 1); /* 50 words */
}

static void copies_an_input_that_is_an_output(void **state)
{
    lowering_fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image);
    hand_mark_output(&f->m, x);
    hand_mark_output(&f->m, x);
    assert_int_equal(lowering_run(f), VKD_OK);
    assert_int_equal(f->graph.node_count, 2);
    assert_int_equal(f->graph.output_count, 2);
    assert_int_not_equal(f->graph.outputs[0], f->graph.outputs[1]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lowering_node(f, i)->shader, VKD_SHADER_COPY);
        assert_int_equal(f->graph.tensors[f->graph.outputs[i]].place, VKD_PLACE_OUTPUT);
        assert_int_equal(lowering_node(f, i)->bindings[1].tensor, f->graph.outputs[i]);
    }
}

static void copies_a_constant_that_is_an_output(void **state)
{
    lowering_fixture *f = *state;
    static const float values[200];
    uint32_t x = hand_constant(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image, values);
    hand_mark_output(&f->m, x);
    assert_int_equal(lowering_run(f), VKD_OK);
    assert_int_equal(f->graph.node_count, 1);
    assert_int_equal(f->graph.tensors[lowering_node(f, 0)->bindings[0].tensor].place,
                     VKD_PLACE_CONSTANT);
}

static void lists_an_output_twice(void **state)
{
    lowering_fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image),
             y = hand_output(&f->m, VKD_DTYPE_INT8, 4, lowering_image);
    hand_mark_output(&f->m, y);
    lowering_quantize(&f->m, x, y);
    assert_int_equal(lowering_run(f), VKD_OK);
    assert_int_equal(f->graph.node_count, 2);
    assert_int_equal(f->graph.outputs[0], f->lowered.tensors[y]);
    assert_int_equal(lowering_node(f, 1)->bindings[0].tensor, f->graph.outputs[0]);
    assert_int_equal(lowering_node(f, 1)->bindings[1].tensor, f->graph.outputs[1]);
}

static void converts_an_input_once_for_all_readers(void **state)
{
    lowering_fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_INT8, 4, lowering_image),
             y = hand_tensor(&f->m, VKD_DTYPE_INT8, 4, lowering_image);
    uint32_t z = hand_output(&f->m, VKD_DTYPE_INT8, 4, lowering_image);
    lowering_add(&f->m, x, x, y);
    lowering_add(&f->m, x, y, z);
    assert_int_equal(lowering_run(f), VKD_OK);
    assert_int_equal(f->graph.node_count, 4);
    assert_int_equal(lowering_node(f, 0)->shader, VKD_SHADER_COPY);
    assert_int_equal(lowering_node(f, 1)->shader, VKD_SHADER_Q8TA_ADD);
    assert_int_equal(lowering_node(f, 2)->shader, VKD_SHADER_Q8TA_ADD);
    assert_int_equal(lowering_node(f, 3)->shader, VKD_SHADER_COPY);
    assert_int_equal(lowering_node(f, 1)->groups[0], 1); /* 200 bytes, 16 an invocation */
}

static void views_scratch_without_a_copy(void **state)
{
    lowering_fixture *f = *state;
    const uint32_t flat[] = {1, 8}, row[] = {8};
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_pooled),
             q = hand_tensor(&f->m, VKD_DTYPE_INT8, 4, lowering_pooled);
    uint32_t a = hand_tensor(&f->m, VKD_DTYPE_INT8, 2, flat),
             b = hand_tensor(&f->m, VKD_DTYPE_INT8, 1, row);
    uint32_t c = hand_tensor(&f->m, VKD_DTYPE_INT8, 2, flat),
             y = hand_output(&f->m, VKD_DTYPE_FLOAT32, 2, flat);
    lowering_quantize(&f->m, x, q);
    HAND_OP(&f->m, "aten.squeeze_copy.dims", q, hand_pair(&f->m, -1, 2), a);
    HAND_OP(&f->m, "aten.squeeze_copy.dim", a, hand_int(&f->m, 0), b);
    HAND_OP(&f->m, "aten.unsqueeze_copy.default", b, hand_int(&f->m, -2), c);
    lowering_dequantize(&f->m, c, y);
    assert_int_equal(lowering_run(f), VKD_OK);
    assert_int_equal(f->graph.node_count, 2);
    assert_int_equal(f->graph.tensors[f->lowered.tensors[c]].storage, f->lowered.tensors[q]);
    assert_int_equal(vkd_plan_memory(&f->graph, 16, true), VKD_OK);
    assert_int_equal(f->graph.scratch_bytes, 16);
}

static void copies_where_a_view_moves_bytes(void **state)
{
    lowering_fixture *f = *state;
    const uint32_t turned[] = {1, 25, 8, 1};
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image),
             q = hand_tensor(&f->m, VKD_DTYPE_INT8, 4, lowering_image);
    uint32_t v = hand_tensor(&f->m, VKD_DTYPE_INT8, 4, turned),
             y = hand_output(&f->m, VKD_DTYPE_FLOAT32, 4, turned);
    lowering_quantize(&f->m, x, q);
    HAND_OP(&f->m, "aten.view_copy.default", q, hand_ints(&f->m, 4, (int64_t[]){1, -1, 8, 1}), v);
    lowering_dequantize(&f->m, v, y);
    assert_int_equal(lowering_run(f), VKD_OK);
    assert_int_equal(f->graph.node_count, 3);
    assert_int_equal(lowering_node(f, 1)->shader, VKD_SHADER_COPY);
    assert_int_equal(lowering_node(f, 1)->specs[3], 1); /* byte elements */
}

static void folds_workgroups_into_y(void **state)
{
    lowering_fixture *f = *state;
    const uint32_t large[] = {1, 16, 100, 100};
    f->caps.max_workgroup_count[0] = 100;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, large),
             y = hand_output(&f->m, VKD_DTYPE_INT8, 4, large);
    lowering_quantize(&f->m, x, y);
    assert_int_equal(lowering_run(f), VKD_OK);
    const uint32_t *groups = lowering_node(f, 0)->groups; /* 40000 words in 625 workgroups */
    assert_int_equal(groups[1], 7);
    assert_int_equal(groups[0], 90);
    assert_int_equal(groups[2], 1);
    f->caps.max_workgroup_invocations = 16;
    vkd_node small = *lowering_node(f, 0);
    vkd_node_linear(&small, &f->caps, 17);
    assert_int_equal(small.specs[0], 16);
    assert_int_equal(small.groups[0], 2);
    assert_int_equal(small.groups[1], 1);
}

static void q8_mean_shares_pixels_on_gpus_only(void **state)
{
    lowering_fixture *f = *state;
    uint32_t x = hand_input(&f->m, VKD_DTYPE_INT8, 4, lowering_image),
             y = hand_output(&f->m, VKD_DTYPE_INT8, 4, lowering_pooled);
    uint32_t scale = hand_double(&f->m, 0.5), zero = hand_int(&f->m, 0);
    uint32_t unbounded = hand_null(&f->m);
    HAND_OP(&f->m, "vkd.q8_mean", x, scale, zero, unbounded, unbounded, scale, zero, y);
    assert_int_equal(lowering_run(f), VKD_OK);
    assert_int_equal(lowering_node(f, 1)->shader, VKD_SHADER_Q8_MEAN);
    assert_int_equal(lowering_node(f, 1)->specs[1], 16); /* of 25 pixels */
    vkd_graph_init(&f->graph, &f->arena);
    f->caps.type = VKD_TYPE_CPU;
    assert_int_equal(lowering_run(f), VKD_OK);
    assert_int_equal(lowering_node(f, 1)->specs[1], 1);
}

/* GLSL leaves undefined what a clamp does whose lower bound is above the upper one. A file can name
 * the operator itself. */
static void fused_clamps_have_bounds_in_order(void **state)
{
    static const struct {
        const char *activation;
        int64_t low, high;
        float expected_low, expected_high;
    } cases[] = {
        {"none", -128, 127, -128, 127}, {"relu", -128, 127, 3, 127},      {"relu", -128, 20, 3, 20},
        {"relu", 10, 20, 10, 20},       {"relu", -100, -50, -50, -50},    {"none", 60, 40, 40, 40},
        {"none", 300, 400, 127, 127},   {"none", -400, -300, -128, -128},
    };
    static const int8_t weights[16];
    static const int32_t sums[4];
    static const float scales[4] = {1, 1, 1, 1};
    lowering_fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(&f->m, 0, sizeof f->m);
        vkd_graph_init(&f->graph, &f->arena);
        hand_model *m = &f->m;
        const uint32_t dims[] = {1, 4, 5, 5}, four = 4;
        uint32_t x = hand_input(m, VKD_DTYPE_INT8, 4, dims),
                 y = hand_output(m, VKD_DTYPE_INT8, 4, dims);
        uint32_t scale = hand_double(m, 0.5), zero = hand_int(m, 3), ones = hand_pair(m, 1, 1),
                 none = hand_null(m);
        HAND_OP(m, "vkd.q8_conv2d", x, scale, zero,
                hand_constant(m, VKD_DTYPE_INT8, 2, (uint32_t[]){4, 4}, weights),
                hand_constant(m, VKD_DTYPE_INT32, 1, &four, sums),
                hand_constant(m, VKD_DTYPE_FLOAT32, 1, &four, scales), scale, zero, none, ones,
                ones, hand_pair(m, 0, 0), ones, hand_int(m, 1), hand_string(m, cases[i].activation),
                hand_int(m, cases[i].low), hand_int(m, cases[i].high), none, zero, zero, zero, zero,
                y);
        assert_int_equal(lowering_run(f), VKD_OK);
        const vkd_node *conv = lowering_node(f, 1);
        requantize_params params;
        memcpy(&params, conv->push + conv->push_size - sizeof params, sizeof params);
        assert_true(params.low == cases[i].expected_low && params.high == cases[i].expected_high);
    }
}

/* However many parts there are, of whatever size and wherever they go: one pipeline. A CPU device
 * copies each alone; elsewhere pairs have another one. */
static void parts_share_a_pipeline(void **state)
{
    enum { PARTS = 4 };
    lowering_fixture *f = *state;
    f->caps.type = VKD_TYPE_CPU;
    uint32_t ids[PARTS], channels = 0;
    for (uint32_t i = 0; i < PARTS; i++) {
        ids[i] = hand_input(&f->m, VKD_DTYPE_INT8, 4, (uint32_t[]){1, i + 1, 5, 5});
        channels += i + 1;
    }
    for (int axis = 0; axis < 2; axis++) {
        uint32_t dims[] = {1, axis ? 6 : channels, axis ? 5 * PARTS : 5, 5};
        for (uint32_t i = 0; axis && i < PARTS; i++)
            ids[i] = hand_input(&f->m, VKD_DTYPE_INT8, 4, (uint32_t[]){1, 6, 5, 5});
        HAND_OP(&f->m, "aten.cat.default", hand_list(&f->m, PARTS, ids), hand_int(&f->m, axis + 1),
                hand_output(&f->m, VKD_DTYPE_INT8, 4, dims));
    }
    assert_int_equal(lowering_run(f), VKD_OK);
    const vkd_node *first = NULL;
    size_t count = 0;
    for (size_t i = 0; i < f->graph.node_count; i++) {
        const vkd_node *node = lowering_node(f, i);
        if (node->shader != VKD_SHADER_CAT)
            continue;
        first = first ? first : node;
        count++;
        assert_int_equal(node->spec_count, first->spec_count);
        assert_memory_equal(node->specs, first->specs, node->spec_count * sizeof *node->specs);
    }
    assert_int_equal(count, 2 * PARTS);
}

/* So many depthwise convolutions of the same weights, one behind the other. */
static size_t memory_of_convolutions(lowering_fixture *f, int count)
{
    enum { CHANNELS = 8192, TAPS = 9 };
    static const int8_t weights[TAPS * CHANNELS];
    static const int32_t sums[CHANNELS];
    static const float scales[CHANNELS];
    hand_model *m = &f->m;
    const uint32_t dims[] = {1, CHANNELS, 5, 5}, channels = CHANNELS;
    memset(m, 0, sizeof *m);
    vkd_graph_init(&f->graph, &f->arena);
    uint32_t x = hand_input(m, VKD_DTYPE_INT8, 4, dims), one = hand_double(m, 1),
             zero = hand_int(m, 0), ones = hand_pair(m, 1, 1), none = hand_null(m),
             groups = hand_int(m, CHANNELS), window = hand_pair(m, 3, 3),
             activation = hand_string(m, "none"),
             w = hand_constant(m, VKD_DTYPE_INT8, 3, (uint32_t[]){3, 3, CHANNELS}, weights),
             s = hand_constant(m, VKD_DTYPE_INT32, 1, &channels, sums),
             scale = hand_constant(m, VKD_DTYPE_FLOAT32, 1, &channels, scales);
    for (int i = 0; i < count; i++) {
        uint32_t y = i == count - 1 ? hand_output(m, VKD_DTYPE_INT8, 4, dims)
                                    : hand_tensor(m, VKD_DTYPE_INT8, 4, dims);
        HAND_OP(m, "et_vk.q8ta_conv2d_dw.default", x, one, zero, w, s, scale, one, zero, none,
                window, ones, ones, ones, groups, activation, y);
        x = y;
    }
    const size_t before = f->context.host_bytes;
    assert_int_equal(lowering_run(f), VKD_OK);
    return f->context.host_bytes - before;
}

/* Weights are packed from the file, not copied for each operator that has them. */
static void shared_weights_are_not_copied(void **state)
{
    lowering_fixture *f = *state;
    const size_t few = memory_of_convolutions(f, 4), many = memory_of_convolutions(f, 24);
    print_message("4 convolutions: %zu bytes of host memory, 24: %zu\n", few, many);
    assert_true(many - few < 20 * 16384);
}

/* ----------------------------------------------------------------------------- what is allowed */

/* What is written twice, or has a beginning in the file, is kept from one execution to the next. */
static void what_is_written_again_is_a_state(void **state)
{
    lowering_fixture *f = *state;
    static const float values[200];
    for (int constant = 0; constant < 2; constant++) {
        memset(&f->m, 0, sizeof f->m);
        vkd_graph_init(&f->graph, &f->arena);
        uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image);
        uint32_t kept = constant
                            ? hand_constant(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image, values)
                            : hand_tensor(&f->m, VKD_DTYPE_FLOAT32, 4, lowering_image);
        lowering_clone(&f->m, x, kept);
        if (!constant)
            lowering_clone(&f->m, x, kept);
        assert_int_equal(lowering_run(f), VKD_OK);
        assert_int_equal(f->graph.tensors[f->lowered.tensors[kept]].place, VKD_PLACE_STATE);
        const vkd_node *last = lowering_node(f, f->graph.node_count - 1);
        const vkd_binding *written = &last->bindings[last->binding_count - 1];
        assert_true(written->write &&
                    f->graph.tensors[written->tensor].storage == f->lowered.tensors[kept]);
    }
}

/* Inputs and outputs of any rank, without elements too. */
static void any_rank_and_no_elements(void **state)
{
    static const struct {
        uint32_t rank, dims[VKD_MAX_RANK];
        uint64_t bytes;
    } cases[] = {{0, {0}, 16},
                 {5, {1, 2, 3, 4, 5}, 480},
                 {8, {1, 1, 2, 1, 1, 3, 1, 1}, 32},
                 {2, {1, 0}, 16},
                 {4, {0, 8, 5, 5}, 16}};
    lowering_fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(&f->m, 0, sizeof f->m);
        vkd_graph_init(&f->graph, &f->arena);
        lowering_clone(&f->m, hand_input(&f->m, VKD_DTYPE_FLOAT32, cases[i].rank, cases[i].dims),
                       hand_output(&f->m, VKD_DTYPE_FLOAT32, cases[i].rank, cases[i].dims));
        assert_int_equal(lowering_run(f), VKD_OK);
        const vkd_tensor *output = &f->graph.tensors[f->graph.outputs[0]];
        assert_int_equal(output->layout, VKD_ROWS);
        assert_int_equal(output->rank, cases[i].rank);
        assert_int_equal(output->bytes, cases[i].bytes);
    }
}

/* Whoever reads the places of the maxima gets them; of int8 nobody does. */
static void pool_indices_are_made_where_they_are_read(void **state)
{
    lowering_fixture *f = *state;
    const uint32_t half[] = {1, 8, 2, 2};
    for (int is_int8 = 0; is_int8 < 2; is_int8++)
        for (int used = 0; used < 3; used++) {
            const vkd_dtype dtype = is_int8 ? VKD_DTYPE_INT8 : VKD_DTYPE_FLOAT32;
            memset(&f->m, 0, sizeof f->m);
            vkd_graph_init(&f->graph, &f->arena);
            uint32_t x = hand_input(&f->m, dtype, 4, lowering_image),
                     y = hand_output(&f->m, dtype, 4, half);
            uint32_t indices = hand_tensor(&f->m, VKD_DTYPE_INT32, 4, half);
            lowering_max_pool(&f->m, x, hand_list(&f->m, 2, (uint32_t[]){y, indices}));
            if (used == 1)
                lowering_clone(&f->m, indices, hand_tensor(&f->m, VKD_DTYPE_INT32, 4, half));
            if (used == 2)
                hand_mark_output(&f->m, indices);
            if (used && is_int8)
                lowering_fails(f, VKD_UNSUPPORTED, "no indices of int8 maxima");
            else
                assert_int_equal(lowering_run(f), VKD_OK);
            if (!is_int8)
                assert_int_equal(f->lowered.tensors[indices] != VKD_NO_TENSOR, used > 0);
        }
}

/* An int8 sum is exact in floats up to 65793 pixels; the sums of slices are then added up by a node
 * of their own. */
static void q8_means_of_many_pixels_take_two_steps(void **state)
{
    static const struct {
        uint32_t h, w, slices;
    } sizes[] = {{65793, 1, 1},
                 {65794, 1, 512},
                 {257, 256, 1},
                 {257, 257, 512},
                 {1u << 14, 1u << 14, 1u << 14}};
    lowering_fixture *f = *state;
    f->caps.max_storage_range = UINT64_C(1) << 34;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memset(&f->m, 0, sizeof f->m);
        vkd_graph_init(&f->graph, &f->arena);
        uint32_t x =
            hand_input(&f->m, VKD_DTYPE_INT8, 4, (uint32_t[]){1, 1, sizes[i].h, sizes[i].w});
        uint32_t y = hand_output(&f->m, VKD_DTYPE_INT8, 4, (uint32_t[]){1, 1, 1, 1});
        uint32_t scale = hand_double(&f->m, 0.5), zero = hand_int(&f->m, 0),
                 low = hand_double(&f->m, -1.5);
        HAND_OP(&f->m, "vkd.q8_mean", x, scale, zero, low, hand_null(&f->m), scale, zero, y);
        assert_int_equal(lowering_run(f), VKD_OK);
        bool whole = sizes[i].slices == 1;
        const uint64_t pixels = (uint64_t)sizes[i].h * sizes[i].w;
        /* with the copies of input and output */
        assert_int_equal(f->graph.node_count, whole ? 3 : 4);
        q8_mean_params first, last;
        memcpy(&first, lowering_node(f, 1)->push, sizeof first);
        memcpy(&last, lowering_node(f, whole ? 1 : 2)->push, sizeof last);
        assert_true(first.slices <= sizes[i].slices &&
                    (first.slices - 1) * (uint64_t)first.slice < pixels);
        assert_true(first.slices * (uint64_t)first.slice >= pixels &&
                    first.slice <= Q8_MEAN_MAX_PIXELS);
        assert_int_equal(last.pixels, whole ? pixels : first.slices);
        assert_int_equal(last.slices, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOWERING_TEST(quantises_between_boundary_and_inside),
        LOWERING_TEST(copies_an_input_that_is_an_output),
        LOWERING_TEST(copies_a_constant_that_is_an_output),
        LOWERING_TEST(lists_an_output_twice),
        LOWERING_TEST(converts_an_input_once_for_all_readers),
        LOWERING_TEST(views_scratch_without_a_copy),
        LOWERING_TEST(copies_where_a_view_moves_bytes),
        LOWERING_TEST(folds_workgroups_into_y),
        LOWERING_TEST(q8_mean_shares_pixels_on_gpus_only),
        LOWERING_TEST(fused_clamps_have_bounds_in_order),
        LOWERING_TEST(parts_share_a_pipeline),
        LOWERING_TEST(shared_weights_are_not_copied),
        LOWERING_TEST(what_is_written_again_is_a_state),
        LOWERING_TEST(any_rank_and_no_elements),
        LOWERING_TEST(pool_indices_are_made_where_they_are_read),
        LOWERING_TEST(q8_means_of_many_pixels_take_two_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
