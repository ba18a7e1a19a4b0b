/* The nets that make-net writes: they are those of the papers, by their multiply-adds, they run,
 * and every kernel gives about what the reference kernels do. */
#include "runtime/base/element.h"
#include "support/call.h"
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/nets.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* As torchvision's documentation has them, in millions; a ViT's there are with its attention. */
static void sizes_are_those_of_the_papers(void **state)
{
    static const struct {
        const char *name;
        double millions;
    } rows[] = {{"resnet50", 4089},
                {"mobilenet_v2", 301},
                {"mobilenet_v3_small", 57},
                {"mobilenet_v3_large", 217},
                {"efficientnet_b0", 386}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const net_shape shape = {.name = rows[i].name, .dtype = VKD_DTYPE_FLOAT16, .seed = 1};
        net_file net;
        assert_true(net_build(&shape, &net));
        assert_true(fabs(1e-6 * (double)net.macs - rows[i].millions) < 1);
        net_release(&net);
    }
}

static void refusals(void **state)
{
    static const net_shape shapes[] = {
        {.name = "resnet51", .dtype = VKD_DTYPE_FLOAT16},
        {.name = "resnet50", .dtype = VKD_DTYPE_INT8},
        {.name = "resnet50", .dtype = VKD_DTYPE_FLOAT16, .size = 31},
        {.name = "decoder", .dtype = VKD_DTYPE_FLOAT16, .tokens = 513},
        {.name = "decoder", .dtype = VKD_DTYPE_FLOAT16, .layers = 101},
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        net_file net;
        assert_false(net_build(&shapes[i], &net));
        assert_true(net.error[0]);
    }
}

/* ------------------------------------------------------------------------------------ execution */

/* Numbers around 0, or the first place. */
static void *make_input(const vkd_tensor_info *info)
{
    vkd_random random = {.state = 7};
    size_t count = 1;
    for (uint32_t d = 0; d < info->rank; d++)
        count *= (size_t)info->dims[d];
    void *data = calloc(count, vkd_dtype_size(info->dtype));
    assert_non_null(data);
    if (info->dtype != VKD_DTYPE_INT32)
        for (size_t i = 0; i < count; i++)
            vkd_element_set(info->dtype, data, i, (double)random_float(&random, -1.7f, 1.7f));
    return data;
}

/* Executes once by a variant, or what is chosen; the outputs, for free(). */
static double *run(const net_shape *shape, const char *variant, size_t *out_count)
{
    watch w;
    vkd_options options = watch_begin(&w);
    options.variant = variant;
    net_file net;
    vkd_program *program;
    vkd_method *method;
    vkd_tensor_info info;
    vkd_tensor_arg args[3];
    void *inputs[2] = {NULL};
    size_t count = 0;
    assert_true(net_build(shape, &net));
    if (vkd_program_open_bytes(net.file, net.file_size, &options, &program) != VKD_OK ||
        vkd_method_load(program, NULL, &options, &method) != VKD_OK)
        fail_msg("%s: %s", shape->name, w.error);
    for (; count < 2 && vkd_method_input_info(method, count, &info) == VKD_OK; count++)
        args[count] = call_input(&info, inputs[count] = make_input(&info));
    assert_int_equal(vkd_method_output_info(method, 0, &info), VKD_OK);
    const size_t outputs = (size_t)info.dims[info.rank - 1];
    void *data = calloc(outputs, vkd_dtype_size(info.dtype));
    double *result = calloc(outputs, sizeof *result);
    assert_true(data && result);
    args[count] = call_output(&info, data);
    if (vkd_method_execute(method, args, count + 1) != VKD_OK)
        fail_msg("%s: %s", shape->name, vkd_method_error(method));
    for (size_t i = 0; i < outputs; i++)
        result[i] = vkd_element_get(info.dtype, data, i);
    free(data), free(inputs[0]), free(inputs[1]);
    vkd_method_unload(method);
    vkd_program_close(program);
    net_release(&net);
    watch_end(&w);
    *out_count = outputs;
    return result;
}

static void assert_close(const net_shape *shape, const double *got, const double *expected,
                         size_t count)
{
    double error = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        error += (got[i] - expected[i]) * (got[i] - expected[i]);
        size += expected[i] * expected[i];
    }
    const double relative = sqrt(error / size);
    print_message("%s: %zu outputs of size %.3g, relative difference %.2g\n", shape->name, count,
                  sqrt(size / (double)count), relative);
    /* a NaN is in no range */
    assert_true(sqrt(size / (double)count) > 1e-3 &&
                relative < (shape->dtype == VKD_DTYPE_FLOAT16 ? 3e-2 : 1e-4));
}

/* What is chosen against the variants that run everything. */
static void kernels_agree(void **state)
{
    static const net_shape shapes[] = {
        {.name = "resnet50", .dtype = VKD_DTYPE_FLOAT16, .size = 32, .seed = 1},
        {.name = "mobilenet_v2", .dtype = VKD_DTYPE_FLOAT32, .size = 64, .seed = 2},
        {.name = "mobilenet_v3_small", .dtype = VKD_DTYPE_FLOAT16, .size = 64, .seed = 3},
        {.name = "efficientnet_b0", .dtype = VKD_DTYPE_FLOAT32, .size = 32, .seed = 4},
        {.name = "decoder", .dtype = VKD_DTYPE_FLOAT16, .layers = 1, .words = 100, .seed = 5},
        {.name = "decoder",
         .dtype = VKD_DTYPE_FLOAT16,
         .nibbles = true,
         .tokens = 3,
         .layers = 1,
         .words = 100,
         .seed = 6},
    };
    gpu_needed();
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t count;
        double *expected = run(&shapes[i], "general", &count), *got = run(&shapes[i], NULL, &count);
        assert_close(&shapes[i], got, expected, count);
        free(expected), free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes_are_those_of_the_papers),
                                       cmocka_unit_test(refusals), cmocka_unit_test(kernels_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
