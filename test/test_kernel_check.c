/* The self-check of kernels: their code in plain C, what counts as the same, drivers that compute
 * something else, and what is remembered. The first tests need no device. */
#include "exec/kernel_check.h"
#include "runtime/base/spirv.h"
#include "support/blob_builder.h"
#include "support/call.h"
#include "support/faulty.h"
#include "support/gpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------------------------- plain C alone */

static const uint32_t one_by_one[VKD_MAX_SPECS] = {1, 1, 1};

static vkd_status decode(vkd_context *context, vkd_shader shader, size_t flavour)
{
    const vkd_spirv *code = vkd_shaders[shader].flavours[flavour];
    vkd_arena arena;
    vkd_module *module;
    vkd_arena_init(&arena, context);
    uint32_t *words = vkd_arena_alloc(&arena, vkd_spirv_room(code), sizeof *words);
    assert_non_null(words);
    const size_t count = vkd_spirv_unpack(code, words);
    vkd_status status = vkd_module_decode(&arena, words, count, one_by_one, 3, &module);
    vkd_arena_release(&arena);
    return status;
}

static void silent(void *user, vkd_log_level level, const char *message)
{
    (void)user;
    (void)level;
    (void)message;
}

/* Kernels that are not interpreted: they are variants of convolutions, which have an oracle of
 * their own (ops/conv/check.c), and so have int8 linear layers (ops/gemm/gemm_oracle.c) and
 * attention on matrix units (ops/attention_oracle.c), and pairs of convolutions
 * (ops/conv/pair_oracle.c). */
static void all_kernels_are_interpreted(void **state)
{
    (void)state;
    static const char *const others[] = {
        "attention_coop",       "conv_dw_lanes_*", "conv_float_coop_*", "conv_float_lanes_*",
        "conv_float_row_lanes", "conv_pair",       "gemm_coop_*",       "gemm_lanes_*"};
    vkd_context context = {.log = silent};
    vkd_options options;
    assert_int_equal(vkd_options_read(&options, NULL, &context), VKD_OK);
    context.log = silent;
    for (int s = 0; s < VKD_SHADER_COUNT; s++) {
        bool is_other = !vkd_shaders[s].flavours[0]; /* left out */
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            is_other |= !fnmatch(others[i], vkd_shaders[s].name, 0);
        for (size_t f = 0; f < 3 && vkd_shaders[s].flavours[0]; f++) {
            vkd_status status = decode(&context, (vkd_shader)s, f);
            if (status != (is_other ? VKD_UNSUPPORTED : VKD_OK))
                fail_msg("%s: %s %s", vkd_shaders[s].name, vkd_status_name(status), context.error);
        }
    }
}

/* A verdict is of a kernel with its constants, and of one workgroup or several along an axis; what
 * is pushed changes nothing that was compiled. */
static void what_a_verdict_is_of(void **state)
{
    (void)state;
    const vkd_node node = {.shader = VKD_SHADER_BINARY,
                           .spec_count = 5,
                           .specs = {64, 1, 1, 7, 8},
                           .push_size = 8,
                           .groups = {1, 1, 1}};
    const uint64_t key = vkd_kernel_key(&node);
    for (uint32_t i = 0; i < node.spec_count; i++) {
        vkd_node other = node;
        other.specs[i]++;
        assert_true(vkd_kernel_key(&other) != key);
    }
    for (int axis = 0; axis < 3; axis++) {
        vkd_node two = node, many = node;
        two.groups[axis] = 2;
        many.groups[axis] = 200;
        assert_true(vkd_kernel_key(&two) != key);
        assert_true(vkd_kernel_key(&two) == vkd_kernel_key(&many));
    }
    vkd_node other = node;
    other.shader = VKD_SHADER_BINARY_MATH;
    assert_true(vkd_kernel_key(&other) != key);
    other = node;
    other.push[0] = 1;
    assert_true(vkd_kernel_key(&other) == key);
}

static void what_is_the_same(void **state)
{
    (void)state;
    enum { N = 128 };
    float want[N], got[N];
    uint32_t written[N], bits[N];
    char text[96];
    const vkd_words words = {bits, written, N};
    memset(written, 255, sizeof written);
    for (int i = 0; i < N; i++)
        want[i] = got[i] = 1 + (float)i / 8;
    memcpy(bits, want, sizeof bits);
    uint32_t have[N];
#define SAME(type, rounds)                                                                         \
    (memcpy(have, got, sizeof have), vkd_kernel_same(type, rounds, &words, have, text, sizeof text))
    assert_true(SAME(VKD_DTYPE_FLOAT32, false));
    got[63] *= 1.0001f;
    assert_true(SAME(VKD_DTYPE_FLOAT32, true));
    assert_false(SAME(VKD_DTYPE_FLOAT32, false)); /* nothing was rounded */
    got[63] *= 1.03f;
    assert_true(SAME(VKD_DTYPE_FLOAT32, true)); /* one of 128: a comparison fell the other way */
    assert_false(SAME(VKD_DTYPE_FLOAT32, false));
    got[64] *= 1.03f;
    assert_false(SAME(VKD_DTYPE_FLOAT32, true));
    assert_non_null(strstr(text, "at f32 63"));
    written[63] = 0; /* not interpreted: nothing is known */
    written[64] = 0;
    assert_true(SAME(VKD_DTYPE_FLOAT32, true));
    got[5] = NAN;
    assert_false(SAME(VKD_DTYPE_FLOAT32, true)); /* one of 126 */
#undef SAME
    int8_t bytes[4 * N];
    memset(bits, 0, sizeof bits);
    memset(bytes, 0, sizeof bytes);
    memset(written, 255, sizeof written);
    for (int off = 0; off <= 4 * N; off++) { /* a rounding of an eighth of them may differ */
        memcpy(have, bytes, sizeof have);
        assert_int_equal(vkd_kernel_same(VKD_DTYPE_INT8, true, &words, have, text, sizeof text),
                         off <= 4 * N / 8);
        assert_int_equal(vkd_kernel_same(VKD_DTYPE_INT8, false, &words, have, text, sizeof text),
                         !off);
        if (off < 4 * N)
            bytes[off] = off % 2 ? 1 : -1;
    }
    memset(have, 0, sizeof have);
    have[7] = 0x200; /* two steps off, of one byte */
    assert_false(vkd_kernel_same(VKD_DTYPE_INT8, true, &words, have, text, sizeof text));
    written[7] = 0xff; /* another byte of the word was written */
    assert_true(vkd_kernel_same(VKD_DTYPE_INT8, true, &words, have, text, sizeof text));
}

/* --------------------------------------------------------------------------------------- models */

enum { M = 12, K = 20 };

typedef enum family {
    ADD,
    SOFTMAX,
    NORM,
    PRODUCT,
    MEAN,
    SUM,
    GELU,
    CHAIN,
    PERMUTE,
    FAMILIES
} family;

/* Where the fault is seen, on devices that take this kernel, and what has another one for the same.
 */
static const struct {
    const char *kernel;
    faulty_oddity oddity;
    bool has_another;
} families[FAMILIES] = {
    [ADD] = {"binary", FAULTY_SUMS},
    [SOFTMAX] = {"norm", FAULTY_SUMS, true},
    [NORM] = {"norm", FAULTY_SUMS, true},
    [PRODUCT] = {"matmul", FAULTY_SUMS, true},
    [MEAN] = {"mean", FAULTY_SUMS}, /* of CPUs */
    [SUM] = {"reduce", FAULTY_SUMS},
    [GELU] = {"unary_exp", FAULTY_SUMS},
    [CHAIN] = {"chain_short", FAULTY_SUMS, true},
    [PERMUTE] = {"move", FAULTY_PRODUCTS},
};

static void *make_model(family which, size_t *size)
{
    vkd_blob_builder *b = blob_new();
    const uint32_t rows[] = {M, K}, turned[] = {K, M}, square[] = {M, M}, one[] = {M, 1};
    const bool by_rows = which == PRODUCT || which == PERMUTE;
    uint32_t x = blob_tensor(b, VKD_DTYPE_FLOAT32, 2, rows, NULL),
             y = blob_tensor(b, VKD_DTYPE_FLOAT32, 2,
                             which == PRODUCT                ? square
                             : which == PERMUTE              ? turned
                             : which == MEAN || which == SUM ? one
                                                             : rows,
                             NULL);
    uint32_t inputs[2] = {x, by_rows ? blob_tensor(b, VKD_DTYPE_FLOAT32, 2, turned, NULL) : x};
    uint32_t dims = blob_int_list(b, (const int64_t[]){1}, 1), null = blob_null(b),
             yes = blob_bool(b, true), no = blob_bool(b, false), last = blob_int(b, 1);
    switch (which) {
    case ADD:
        blob_op(b, "aten.add.Tensor", 0, (const uint32_t[]){x, x, last, y}, 4);
        break;
    case SOFTMAX:
        blob_op(b, "aten._softmax.default", 0, (const uint32_t[]){x, last, no, y}, 4);
        break;
    case NORM: {
        uint32_t sizes = blob_int_list(b, (const int64_t[]){K}, 1), epsilon = blob_double(b, 1e-5);
        const uint32_t all[] = {y, blob_tensor(b, VKD_DTYPE_FLOAT32, 2, one, NULL),
                                blob_tensor(b, VKD_DTYPE_FLOAT32, 2, one, NULL)};
        blob_op(b, "aten.native_layer_norm.default", 0,
                (const uint32_t[]){x, sizes, null, null, epsilon, blob_value_list(b, all, 3)}, 6);
        break;
    }
    case PRODUCT:
        blob_op(b, "aten.mm.default", 0, (const uint32_t[]){x, inputs[1], y}, 3);
        break;
    case MEAN:
        blob_op(b, "aten.mean.dim", 0, (const uint32_t[]){x, dims, yes, null, y}, 5);
        break;
    case SUM:
        blob_op(b, "aten.sum.dim_IntList", 0, (const uint32_t[]){x, dims, yes, null, y}, 5);
        break;
    case GELU:
        blob_op(b, "aten.gelu.default", 0, (const uint32_t[]){x, blob_string(b, "none"), y}, 3);
        break;
    case CHAIN: {
        uint32_t middle = blob_tensor(b, VKD_DTYPE_FLOAT32, 2, rows, NULL);
        blob_op(b, "aten.add.Tensor", 0, (const uint32_t[]){x, x, last, middle}, 4);
        blob_op(b, "aten.mul.Tensor", 1, (const uint32_t[]){middle, x, y}, 3);
        break;
    }
    default: {
        uint32_t order = blob_int_list(b, (const int64_t[]){1, 0}, 2),
                 middle = blob_tensor(b, VKD_DTYPE_FLOAT32, 2, turned, NULL);
        blob_op(b, "aten.permute_copy.default", 0, (const uint32_t[]){x, order, middle}, 3);
        blob_op(b, "aten.clone.default", 1, (const uint32_t[]){middle, null, y}, 3);
        break;
    }
    }
    blob_io(b, inputs, which == PRODUCT ? 2 : 1, &y, 1);
    return blob_finish(b, size);
}

typedef struct start {
    vkd_status status;
    bool takes; /* the family's kernel */
    float y[K * K];
    char error[512], log[1 << 14];
} start;

static bool takes(const vkd_delegate *delegate, const char *kernel)
{
    vkd_node_info info;
    bool found = false;
    for (size_t i = 0; i < vkd_node_count(delegate); i++) {
        assert_int_equal(vkd_describe_node(delegate, i, &info), VKD_OK);
        found = found || !strcmp(info.kernel, kernel);
    }
    return found;
}

/* Loads and runs a model on a driver with an oddity in modules of so many words; all: every kernel
 * is to be checked, else none. */
static void load_and_run(family which, faulty_oddity oddity, size_t words, vkd_self_check checks,
                         const char *cache, start *out)
{
    static const vkd_tensor_info infos[2] = {{VKD_DTYPE_FLOAT32, 2, {M, K}, 0},
                                             {VKD_DTYPE_FLOAT32, 2, {K, M}, 0}};
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_delegate *delegate;
    size_t size, count = which == PRODUCT ? 2 : 1;
    void *blob = make_model(which, &size);
    float x[M * K];
    for (int i = 0; i < M * K; i++)
        x[i] = (float)(i * 37 % 101 - 50) / 16;
    options.validate = false;
    options.no_self_check = false;
    options.self_check = checks;
    options.no_cache = !cache;
    options.cache_dir = cache;
    options.log_level = VKD_LOG_DEBUG;
    *out = (start){0};
    faulty_driver_be_odd("vkCreateShaderModule", oddity);
    faulty_driver_odd_words(words);
    out->status = vkd_init(blob, size, NULL, 0, NULL, &options, &delegate);
    if (out->status == VKD_OK) {
        vkd_tensor_info info;
        out->takes = takes(delegate, families[which].kernel);
        assert_int_equal(vkd_output_info(delegate, 0, &info), VKD_OK);
        vkd_tensor_arg args[3] = {call_input(&infos[0], x), call_input(&infos[1], x)};
        args[count] = call_output(&info, out->y);
        assert_int_equal(vkd_execute(delegate, args, count + 1), VKD_OK);
    }
    faulty_driver_be_odd(NULL, FAULTY_NO_ODDITY);
    faulty_driver_odd_words(0);
    vkd_destroy(delegate);
    memcpy(out->error, w.error, sizeof w.error);
    memcpy(out->log, w.text, sizeof w.text);
    watch_end(&w);
    free(blob);
}

static size_t words_of(const char *kernel)
{
    for (int s = 0; s < VKD_SHADER_COUNT; s++)
        if (!strcmp(vkd_shaders[s].name, kernel)) {
            const vkd_spirv *code = vkd_shaders[s].flavours[0];
            uint32_t *words = calloc(vkd_spirv_room(code), sizeof *words);
            size_t count = vkd_spirv_unpack(code, words);
            free(words);
            return count;
        }
    fail_msg("there is no kernel %s", kernel);
    return 0;
}

/* A kernel that the driver compiles wrongly is found, and replaced or, of all, refused by name. */
static void wrong_kernels_are_found(void **state)
{
    (void)state;
    gpu_needed();
    static start right, wrong, checked;
    for (family f = 0; f < FAMILIES; f++) {
        const faulty_oddity oddity = families[f].oddity;
        const size_t words = words_of(families[f].kernel);
        load_and_run(f, FAULTY_NO_ODDITY, 0, VKD_SELF_CHECK_ALL, NULL, &right);
        if (right.status != VKD_OK || strstr(right.log, "wrong"))
            fail_msg("%s: %s\n%s", families[f].kernel, right.error, right.log);
        if (!right.takes) {
            assert_int_equal(f, MEAN);
            print_message("%s: another kernel makes it here\n", families[f].kernel);
            continue;
        }
        load_and_run(f, oddity, words, VKD_SELF_CHECK_NONE, NULL, &wrong);
        assert_int_equal(wrong.status, VKD_OK);
        if (!memcmp(right.y, wrong.y, sizeof right.y)) /* or the fault is none */
            fail_msg("%s: the fault does nothing", families[f].kernel);
        for (int all = 0; all < 2; all++) { /* the first kernel is checked in any case */
            load_and_run(f, oddity, words, all ? VKD_SELF_CHECK_ALL : VKD_SELF_CHECK_AUTO, NULL,
                         &checked);
            if (!all && f != ADD)
                continue;
            if (!strstr(checked.log, families[f].kernel) || !strstr(checked.log, "wrong results"))
                fail_msg("%s: not found\n%s", families[f].kernel, checked.log);
            const bool another = families[f].has_another;
            if (checked.status != (another || !all ? VKD_OK : VKD_UNSUPPORTED))
                fail_msg("%s: %s", families[f].kernel, vkd_status_name(checked.status));
            if (checked.status == VKD_OK) {
                for (int i = 0; another && i < K * K; i++)
                    assert_true(fabsf(checked.y[i] - right.y[i]) <= 1e-4f * fabsf(right.y[i]));
            } else {
                assert_non_null(strstr(checked.error, families[f].kernel));
                assert_non_null(strstr(checked.error, "driver 0x"));
                assert_non_null(strstr(checked.error, "self_check"));
            }
        }
    }
}

static int checks_in(const char *log)
{
    int count = 0;
    for (const char *at = log; (at = strstr(at, "checked in")); at++)
        count++;
    return count;
}

/* In the tuning file, for the next start; but nobody has to believe it. */
static void verdicts_are_remembered(void **state)
{
    (void)state;
    gpu_needed();
    static start s;
    char *cache = new_directory();
    load_and_run(SOFTMAX, FAULTY_NO_ODDITY, 0, VKD_SELF_CHECK_ALL, cache, &s);
    assert_int_equal(s.status, VKD_OK);
    assert_true(checks_in(s.log) > 0);
    load_and_run(SOFTMAX, FAULTY_NO_ODDITY, 0, VKD_SELF_CHECK_ALL, cache, &s);
    assert_int_equal(checks_in(s.log), 0);
    load_and_run(ADD, FAULTY_SUMS, 0, VKD_SELF_CHECK_ALL, cache, &s);
    assert_int_equal(s.status, VKD_UNSUPPORTED);
    load_and_run(ADD, FAULTY_NO_ODDITY, 0, VKD_SELF_CHECK_ALL, cache, &s);
    assert_int_equal(checks_in(s.log), 0);
    assert_int_equal(s.status, VKD_UNSUPPORTED);
    assert_non_null(strstr(s.error, "binary"));
    load_and_run(ADD, FAULTY_NO_ODDITY, 0, VKD_SELF_CHECK_AUTO, cache, &s); /* there is no other */
    assert_int_equal(s.status, VKD_OK);
    assert_non_null(strstr(s.log, "known from an earlier start"));
    load_and_run(ADD, FAULTY_NO_ODDITY, 0, VKD_SELF_CHECK_NONE, cache, &s);
    assert_int_equal(s.status, VKD_OK);
    load_and_run(SOFTMAX, FAULTY_NO_ODDITY, 0, VKD_SELF_CHECK_AUTO, cache, &s); /* not of others */
    assert_int_equal(s.status, VKD_OK);
    remove_tree(cache);
    free(cache);
}

/* Several objects on one engine ask once, and each node says what is known. */
static void an_engine_checks_once(void **state)
{
    (void)state;
    gpu_needed();
    watch own, of;
    vkd_engine *engine;
    size_t size;
    void *blob = make_model(SOFTMAX, &size);
    vkd_options options = watch_begin(&own);
    assert_int_equal(vkd_engine_create(&options, &engine), VKD_OK);
    for (int i = 0; i < 3; i++) {
        vkd_delegate *delegate;
        vkd_options mine = watch_begin(&of);
        mine.engine = engine;
        mine.log_level = VKD_LOG_DEBUG;
        mine.no_self_check = i == 0;
        mine.self_check = VKD_SELF_CHECK_ALL;
        assert_int_equal(vkd_init(blob, size, NULL, 0, NULL, &mine, &delegate), VKD_OK);
        assert_int_equal(checks_in(of.text) > 0, i == 1);
        for (size_t n = 0; n < vkd_node_count(delegate); n++)
            assert_string_equal(vkd_node_check(delegate, n), i ? "right" : "not yet");
        assert_null(vkd_node_check(delegate, vkd_node_count(delegate)));
        vkd_destroy(delegate);
        watch_end(&of);
    }
    assert_null(vkd_node_check(NULL, 0));
    vkd_engine_destroy(engine);
    watch_end(&own);
    free(blob);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kernels_are_interpreted), cmocka_unit_test(what_is_the_same),
        cmocka_unit_test(what_a_verdict_is_of),        cmocka_unit_test(wrong_kernels_are_found),
        cmocka_unit_test(verdicts_are_remembered),     cmocka_unit_test(an_engine_checks_once),
    };
    faulty_driver_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
