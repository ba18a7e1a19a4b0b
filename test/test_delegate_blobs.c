/* Blobs through the public interface: broken operators, odd tensors, named data that does not fit,
 * and what is said of them. */
#include "support/blob_builder.h"
#include "support/call.h"
#include "support/small_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------------------------------- broken blobs */

static void assert_refused(const void *blob, size_t size, vkd_status expected,
                           vkd_status or_expected, const char *says)
{
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_delegate *delegate = (vkd_delegate *)&w;
    vkd_status status = vkd_init(blob, size, NULL, 0, NULL, &options, &delegate);
    if ((status != expected && status != or_expected) || !strstr(w.error, says))
        fail_msg("%s, \"%s\": expected %s, \"%s\"", vkd_status_name(status), w.error,
                 vkd_status_name(expected), says);
    assert_null(delegate);
    assert_int_equal(w.counts[VKD_LOG_ERROR], 1);
    watch_end(&w);
}

static void broken_operators(void **state)
{
    static const struct {
        small_flaw flaw;
        vkd_status status;
        const char *says;
    } cases[] = {
        {{.conv_name = "et_vk.q9ta_conv2d.default"},
         VKD_UNSUPPORTED,
         "'et_vk.q9ta_conv2d.default'"},
        {{.conv_name = ""}, VKD_INVALID_MODEL, "no name"},
        {{.conv_name = "vkd.q8_conv2d"}, VKD_INVALID_MODEL, "op 1 (vkd.q8_conv2d)"},
        {{.missing_argument = true}, VKD_INVALID_MODEL, "15 arguments"},
        {{.extra_argument = true}, VKD_INVALID_MODEL, "17 arguments"},
        {{.string_for_scale = true}, VKD_INVALID_MODEL, "input_scale"},
        {{.float_weights = true}, VKD_INVALID_MODEL, "weight"},
        {{.variable_weight = true}, VKD_INVALID_MODEL, "weight"},
        {{.weight_rows = SMALL_OUT - 1}, VKD_INVALID_MODEL, "1x6x5x7, expected 1x5x5x7"},
        {{.weight_row = SMALL_ROW - 1}, VKD_INVALID_MODEL, "weight"},
        {{.sums = SMALL_OUT - 1}, VKD_INVALID_MODEL, "weight_sums"},
        {{.scales = SMALL_OUT - 1}, VKD_INVALID_MODEL, "weight_scales"},
        {{.bias = 1}, VKD_INVALID_MODEL, "bias"},
        {{.out_channels = SMALL_OUT + 1}, VKD_INVALID_MODEL, "q8ta_conv2d_pw"},
        {{.kernel = 3}, VKD_INVALID_MODEL, "q8ta_conv2d_pw"},
        {{.kernel = -1}, VKD_INVALID_MODEL, "(kernel_size) has -1"},
        {{.kernel = INT64_MAX}, VKD_INVALID_MODEL, "kernel"},
        {{.stride = -1}, VKD_INVALID_MODEL, "(stride) has -1"},
        {{.stride = INT32_MAX}, VKD_INVALID_MODEL, "stride"},
        {{.padding = -1}, VKD_INVALID_MODEL, "(padding) has -1"},
        {{.padding = INT32_MAX}, VKD_INVALID_MODEL, "padding"},
        {{.groups = 2}, VKD_INVALID_MODEL, "(groups) is 2"},
        {{.groups = -1}, VKD_INVALID_MODEL, "(groups) is -1"},
        {{.activation = "gelu"}, VKD_UNSUPPORTED, "gelu"},
        {{.scale = -1}, VKD_INVALID_MODEL, "scale"},
        {{.scale = NAN}, VKD_INVALID_MODEL, "scale"},
        {{.scale = 1e300}, VKD_INVALID_MODEL, "scale"},
        {{.zero = 1000}, VKD_INVALID_MODEL, "zero"},
        {{.last_scale = NAN}, VKD_INVALID_MODEL, "weight_scales) is nan at index 5"},
        {{.last_scale = INFINITY}, VKD_INVALID_MODEL, "weight_scales) is inf at index 5"},
        {{.last_bias = NAN}, VKD_INVALID_MODEL, "bias) is nan at index 5"},
        {{.last_bias = -INFINITY}, VKD_INVALID_MODEL, "bias) is -inf at index 5"},
        {{.unproduced_output = true}, VKD_INVALID_MODEL, "value"},
    };
    (void)state;
    gpu_needed();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        small_model m;
        small_begin(&m, false, &cases[i].flaw);
        assert_refused(m.blob, m.size, cases[i].status, cases[i].status, cases[i].says);
        small_end(&m);
    }
}

/* A clone of x, as a blob from malloc. */
static void *clone_blob(vkd_dtype dtype, uint32_t rank, const uint32_t *dims, size_t *out_size)
{
    vkd_blob_builder *b = blob_new();
    uint32_t x = blob_constant_tensor(b, dtype, rank, dims, -1),
             y = blob_constant_tensor(b, dtype, rank, dims, -1);
    blob_op(b, "aten.clone.default", 0, (const uint32_t[]){x, blob_null(b), y}, 3);
    blob_io(b, &x, 1, &y, 1);
    return blob_finish(b, out_size);
}

/* From none to eight dims, and without elements. */
static void every_rank_runs(void **state)
{
    static const struct {
        uint32_t rank, dims[8];
    } cases[] = {{0, {0}},    {5, {1, 2, 3, 4, 5}}, {8, {2, 1, 3, 1, 2, 1, 5, 2}},
                 {2, {4, 0}}, {4, {0, 3, 5, 5}},    {1, {0}}};
    (void)state;
    gpu_needed();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float x[120], y[120];
        int64_t dims[8];
        size_t blob_size, count = 1;
        for (uint32_t d = 0; d < cases[i].rank; d++)
            count *= (size_t)(dims[d] = cases[i].dims[d]);
        for (size_t k = 0; k < count; k++)
            x[k] = (float)k + 0.5f, y[k] = 0;
        void *blob = clone_blob(VKD_DTYPE_FLOAT32, cases[i].rank, cases[i].dims, &blob_size);
        watch w;
        vkd_options options = watch_begin(&w);
        vkd_delegate *delegate;
        if (vkd_init(blob, blob_size, NULL, 0, NULL, &options, &delegate) != VKD_OK)
            fail_msg("%s", w.error);
        vkd_tensor_arg args[] = {call_arg(VKD_DTYPE_FLOAT32, cases[i].rank, dims, x, NULL),
                                 call_arg(VKD_DTYPE_FLOAT32, cases[i].rank, dims, NULL, y)};
        if (vkd_execute(delegate, args, 2) != VKD_OK)
            fail_msg("%s", vkd_last_error(delegate));
        assert_memory_equal(x, y, count * sizeof *x);
        vkd_destroy(delegate);
        watch_end(&w);
        free(blob);
    }
}

static void odd_tensors(void **state)
{
    static const struct {
        vkd_dtype dtype;
        uint32_t rank, dims[9];
        vkd_status status, or_status;
        const char *says;
    } cases[] = {
        {VKD_DTYPE_INT64, 2, {2, 3}, VKD_UNSUPPORTED, VKD_UNSUPPORTED, "i64"},
        {VKD_DTYPE_FLOAT32,
         9,
         {1, 1, 1, 1, 1, 1, 1, 1, 1},
         VKD_UNSUPPORTED,
         VKD_UNSUPPORTED,
         "rank"},
        {VKD_DTYPE_FLOAT32,
         4,
         {65536, 65536, 65536, 65536},
         VKD_INVALID_MODEL,
         VKD_INVALID_MODEL,
         "overflows"},
        {VKD_DTYPE_INT8, 1, {UINT32_MAX}, VKD_INVALID_MODEL, VKD_INVALID_MODEL, "overflows"},
        {VKD_DTYPE_FLOAT32,
         2,
         {46340, 46340},
         VKD_OUT_OF_MEMORY,
         VKD_UNSUPPORTED,
         "bytes"}, /* 8 GiB: valid, but no device
                      binds them */
        {(vkd_dtype)100, 1, {1}, VKD_INVALID_MODEL, VKD_INVALID_MODEL, "datatype"},
    };
    (void)state;
    gpu_needed();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t size;
        void *blob = clone_blob(cases[i].dtype, cases[i].rank, cases[i].dims, &size);
        assert_refused(blob, size, cases[i].status, cases[i].or_status, cases[i].says);
        free(blob);
    }
}

static void named_data_that_does_not_fit(void **state)
{
    static const char *const keys[] = {"weight", "sums", "scales", "bias"};
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        small_fixture f;
        small_fixture_begin(&f, true);
        *(i % 2 ? &f.model.missing_key : &f.model.short_key) = keys[i / 2];
        f.model.missing_status = VKD_NOT_FOUND;
        assert_int_equal(small_init(&f.model, &f.options, &f.delegate), VKD_INVALID_MODEL);
        assert_non_null(strstr(f.watch.error, keys[i / 2]));
        assert_int_equal(f.watch.counts[VKD_LOG_ERROR], 1);
        small_fixture_end(&f);
    }
}

static void named_data_that_is_not_finite(void **state)
{
    static const small_flaw flaws[] = {{.last_scale = NAN}, {.last_bias = INFINITY}};
    static const char *const says[] = {"weight_scales) is nan at index 5",
                                       "bias) is inf at index 5"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        small_fixture f;
        small_fixture_begin(&f, true);
        small_end(&f.model);
        small_begin(&f.model, true, &flaws[i]);
        assert_int_equal(small_init(&f.model, &f.options, &f.delegate), VKD_INVALID_MODEL);
        assert_non_null(strstr(f.watch.error, says[i]));
        assert_int_equal(f.model.held, 0);
        small_fixture_end(&f);
    }
}

/* ------------------------------------------------------------------------------------- messages */

/* A normalisation whose statistics are empty outputs, and an operator with a tensor of rank 9: what
 * the user must learn is which operators are not there, all of them. Needs no device. */
static void operators_are_named_before_values(void **state)
{
    (void)state;
    static const uint32_t image[4] = {1, 2, 3, 4}, nothing[1] = {0},
                          nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const char *const rows[][3] = {
        {"my.norm.default", "my.permute.default",
         "operators 'my.norm.default' (node 3), 'my.permute.default' (node 4) are not supported"},
        {"my.norm.default", "aten.relu.default",
         "operator 'my.norm.default' (node 3) is not supported"},
        {"aten.relu.default", "aten.relu.default",
         "values[3]: a tensor of rank above 8 is not supported"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        vkd_blob_builder *b = blob_new();
        uint32_t x = blob_tensor(b, VKD_DTYPE_FLOAT32, 4, image, NULL),
                 mean = blob_tensor(b, VKD_DTYPE_FLOAT32, 1, nothing, NULL);
        uint32_t y = blob_tensor(b, VKD_DTYPE_FLOAT32, 4, image, NULL),
                 z = blob_tensor(b, VKD_DTYPE_FLOAT32, 9, nine, NULL);
        uint32_t results = blob_value_list(b, (const uint32_t[]){y, mean, mean}, 3);
        blob_op(b, rows[i][0], 3, (const uint32_t[]){x, results}, 2);
        blob_op(b, rows[i][1], 4, (const uint32_t[]){y, z}, 2);
        blob_io(b, &x, 1, &z, 1);
        size_t size;
        void *blob = blob_finish(b, &size);
        watch w;
        vkd_options options = watch_begin(&w);
        vkd_delegate *delegate;
        assert_int_equal(vkd_init(blob, size, NULL, 0, NULL, &options, &delegate), VKD_UNSUPPORTED);
        assert_string_equal(w.error, rows[i][2]);
        assert_int_equal(w.counts[VKD_LOG_ERROR], 1);
        watch_end(&w);
        free(blob);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_operators),
        cmocka_unit_test(every_rank_runs),
        cmocka_unit_test(odd_tensors),
        cmocka_unit_test(named_data_that_does_not_fit),
        cmocka_unit_test(named_data_that_is_not_finite),
        cmocka_unit_test(operators_are_named_before_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
