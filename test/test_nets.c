/* The nets that make-net writes: they are those of the papers, by their multiply-adds, every
 * operator of theirs is right, every kernel gives what the reference kernels do, and a batch gives
 * what its images give alone. */
#include "backend/delegate.h"
#include "nets/nets.h"
#include "runtime/base/element.h"
#include "support/call.h"
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/layers.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------- files */

/* As torchvision's documentation has them, in millions; DeepLabV3's there are with a second head of
 * 16. */
static void sizes_are_those_of_the_papers(void **state)
{
    static const struct {
        const char *name;
        double millions;
        int size;
    } rows[] = {{"resnet50", 4089},
                {"regnet_x_400mf", 414},
                {"mobilenet_v2", 301},
                {"mobilenet_v3_small", 57},
                {"mobilenet_v3_large", 217},
                {"efficientnet_b0", 386},
                {"densenet121", 2834},
                {"shufflenet_v2_x0_5", 40},
                {"squeezenet1_1", 349},
                {"deeplabv3", 10452 - 16, 520},
                {"convnext_tiny", 4456},
                {"vit_b16", 17564},
                {"swin_t", 4491}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const net_shape shape = {
            .name = rows[i].name, .dtype = VKD_DTYPE_FLOAT16, .size = rows[i].size, .seed = 1};
        net_file net;
        assert_true(net_build(&shape, &net));
        if (!(fabs(1e-6 * (double)net.macs - rows[i].millions) < 1))
            fail_msg("%s: %llu multiply-adds", rows[i].name, (unsigned long long)net.macs);
        net_release(&net);
    }
}

/* The same numbers in int8, and 25.5 million weights. */
static void int8_is_as_large(void **state)
{
    (void)state;
    const net_shape shape = {.name = "resnet50", .dtype = VKD_DTYPE_INT8, .seed = 1};
    net_file net;
    assert_true(net_build(&shape, &net));
    assert_int_equal(net.macs, 4089184256);
    assert_in_range(net.file_size, 25500000, 26500000);
    net_release(&net);
}

static void seeds(void **state)
{
    (void)state;
    const net_shape one = {.name = "resnet50", .dtype = VKD_DTYPE_INT8, .narrow = 8, .seed = 7};
    net_shape other = one;
    net_file a, b, c;
    other.seed++;
    assert_true(net_build(&one, &a) && net_build(&one, &b) && net_build(&other, &c));
    assert_true(a.file_size == b.file_size && !memcmp(a.file, b.file, a.file_size));
    assert_true(a.file_size != c.file_size || memcmp(a.file, c.file, a.file_size));
    net_release(&a), net_release(&b), net_release(&c);
}

static void refusals(void **state)
{
    enum { BIG = 2147483647 };
    static const struct {
        net_shape shape;
        const char *reason;
    } cases[] = {
        {{.name = "resnet51", .dtype = VKD_DTYPE_FLOAT16}, "no net of this name"},
        {{.name = "resnet50", .dtype = VKD_DTYPE_INT32}, "f32, f16 or i8, not of i32"},
        {{.name = "swin_t", .dtype = VKD_DTYPE_INT8}, "f32 or f16, not of i8"},
        {{.name = "densenet121", .dtype = VKD_DTYPE_FLOAT16, .size = 31}, "size must be 32 to"},
        {{.name = "resnet50", .dtype = VKD_DTYPE_INT8, .size = -5}, "size must be 1 to"},
        {{.name = "resnet50", .dtype = VKD_DTYPE_INT8, .size = 20000}, "size must be 1 to"},
        {{.name = "resnet50", .dtype = VKD_DTYPE_INT8, .size = BIG, .batch = BIG}, "size must be"},
        {{.name = "resnet50", .dtype = VKD_DTYPE_INT8, .batch = -1}, "batch must be 1 to"},
        {{.name = "resnet50", .dtype = VKD_DTYPE_INT8, .batch = 100000}, "batch must be 1 to"},
        {{.name = "resnet50", .dtype = VKD_DTYPE_INT8, .size = 16384}, "2^31"},
        {{.name = "resnet50", .dtype = VKD_DTYPE_INT8, .batch = 4096}, "2^31"},
        {{.name = "resnet50", .dtype = VKD_DTYPE_INT8, .narrow = 65}, "divisor of channels"},
        {{.name = "decoder", .dtype = VKD_DTYPE_FLOAT16, .tokens = 513}, "number of tokens"},
        {{.name = "decoder", .dtype = VKD_DTYPE_FLOAT16, .layers = 101}, "number of layers"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        net_file net;
        if (net_build(&cases[i].shape, &net) || !strstr(net.error, cases[i].reason))
            fail_msg("case %zu: \"%s\", expected \"%s\"", i, net.error, cases[i].reason);
        assert_null(net.file);
    }
}

/* ------------------------------------------------------------------------------------ execution */

typedef struct loaded {
    watch watch;
    net_shape shape;
    net_file net;
    vkd_program *program;
    vkd_method *method;
} loaded;

/* options: what differs from watch_begin's. */
static void load(const net_shape *shape, const vkd_options *differs, loaded *out)
{
    *out = (loaded){.shape = *shape};
    vkd_options options = watch_begin(&out->watch);
    options.variant = differs->variant;
    options.no_rewrites = differs->no_rewrites;
    options.keep_intermediates = differs->keep_intermediates;
    if (!net_build(shape, &out->net))
        fail_msg("%s: %s", shape->name, out->net.error);
    out->shape.size = out->net.size, out->shape.batch = out->net.batch;
    if (vkd_program_open_bytes(out->net.file, out->net.file_size, &options, &out->program) !=
            VKD_OK ||
        vkd_method_load(out->program, NULL, &options, &out->method) != VKD_OK)
        fail_msg("%s, size %d, batch %d: %s", shape->name, shape->size, shape->batch,
                 out->watch.error);
}

static void unload(loaded *l)
{
    vkd_method_unload(l->method);
    vkd_program_close(l->program);
    net_release(&l->net);
    watch_end(&l->watch);
}

static size_t count_of(const vkd_tensor_info *info)
{
    size_t count = 1;
    for (uint32_t d = 0; d < info->rank; d++)
        count *= (size_t)info->dims[d];
    return count;
}

/* Images from number `first` on, numbers around 0, or the first place. */
static void *make_input(const loaded *l, const vkd_tensor_info *info, int first)
{
    const size_t count = count_of(info), element = vkd_dtype_size(info->dtype);
    void *data = calloc(count, element);
    float *numbers = calloc(count, sizeof *numbers);
    assert_true(data && numbers);
    vkd_random random = {.state = 7};
    if (l->shape.size) {
        const size_t image = count / (size_t)l->shape.batch;
        for (int i = 0; i < l->shape.batch; i++)
            net_image(&l->shape, first + i, numbers + (size_t)i * image);
    } else if (info->dtype != VKD_DTYPE_INT32) {
        random_floats(&random, -1.7f, 1.7f, numbers, count);
    }
    for (size_t i = 0; i < count; i++)
        vkd_element_set(info->dtype, data, i, (double)numbers[i]);
    free(numbers);
    return data;
}

/* Executes once, with images from number `first` on; the outputs, for free(). */
static double *execute(loaded *l, int first, size_t *out_count)
{
    vkd_tensor_info info;
    vkd_tensor_arg args[3];
    void *inputs[2] = {NULL};
    size_t count = 0;
    for (; count < 2 && vkd_method_input_info(l->method, count, &info) == VKD_OK; count++)
        args[count] = call_input(&info, inputs[count] = make_input(l, &info, first));
    assert_int_equal(vkd_method_output_info(l->method, 0, &info), VKD_OK);
    const size_t outputs = count_of(&info);
    void *data = calloc(outputs, vkd_dtype_size(info.dtype));
    double *result = calloc(outputs, sizeof *result);
    assert_true(data && result);
    args[count] = call_output(&info, data);
    if (vkd_method_execute(l->method, args, count + 1) != VKD_OK)
        fail_msg("%s: %s", l->shape.name, vkd_method_error(l->method));
    for (size_t i = 0; i < outputs; i++)
        result[i] = vkd_element_get(info.dtype, data, i);
    free(data), free(inputs[0]), free(inputs[1]);
    *out_count = outputs;
    return result;
}

static double *run(const net_shape *shape, const vkd_options *options, size_t *out_count)
{
    loaded l;
    load(shape, options, &l);
    double *result = execute(&l, 0, out_count);
    unload(&l);
    return result;
}

/* ------------------------------------------------------------------------------- small versions */

/* One of each net, in the type that its row of the benchmark has, and a few more. Channels that
 * are, and that are no, multiples of 4. */
static const net_shape small[] = {
    {.name = "resnet50", .dtype = VKD_DTYPE_INT8, .size = 40, .narrow = 8, .layers = 2},
    {.name = "regnet_x_400mf", .dtype = VKD_DTYPE_INT8, .size = 64, .narrow = 4, .layers = 2},
    {.name = "mobilenet_v2", .dtype = VKD_DTYPE_INT8, .size = 64, .narrow = 4, .layers = 2},
    {.name = "mobilenet_v3_small", .dtype = VKD_DTYPE_INT8, .size = 64, .narrow = 2},
    {.name = "mobilenet_v3_large", .dtype = VKD_DTYPE_INT8, .size = 64, .narrow = 5, .layers = 2},
    {.name = "efficientnet_b0", .dtype = VKD_DTYPE_INT8, .size = 64, .narrow = 4, .layers = 2},
    {.name = "densenet121", .dtype = VKD_DTYPE_INT8, .size = 64, .narrow = 4, .layers = 3},
    {.name = "shufflenet_v2_x0_5", .dtype = VKD_DTYPE_INT8, .size = 64, .narrow = 2, .layers = 2},
    {.name = "squeezenet1_1", .dtype = VKD_DTYPE_INT8, .size = 64, .narrow = 4},
    {.name = "deeplabv3", .dtype = VKD_DTYPE_INT8, .size = 64, .narrow = 8, .layers = 2},
    {.name = "resnet50", .dtype = VKD_DTYPE_FLOAT16, .size = 32},
    {.name = "mobilenet_v2", .dtype = VKD_DTYPE_FLOAT32, .size = 64},
    {.name = "mobilenet_v3_small", .dtype = VKD_DTYPE_FLOAT16, .size = 64},
    {.name = "efficientnet_b0", .dtype = VKD_DTYPE_FLOAT32, .size = 32},
    {.name = "deeplabv3", .dtype = VKD_DTYPE_FLOAT16, .size = 64, .narrow = 8, .layers = 2},
    {.name = "deeplabv3", .dtype = VKD_DTYPE_FLOAT32, .size = 50, .narrow = 8, .layers = 1},
    {.name = "densenet121", .dtype = VKD_DTYPE_FLOAT32, .size = 64, .narrow = 4, .layers = 2},
    {.name = "convnext_tiny", .dtype = VKD_DTYPE_FLOAT16, .size = 64, .narrow = 4, .layers = 2},
    {.name = "convnext_tiny", .dtype = VKD_DTYPE_FLOAT32, .size = 64, .narrow = 8, .layers = 1},
    {.name = "vit_b16", .dtype = VKD_DTYPE_FLOAT16, .size = 64, .narrow = 4, .layers = 2},
    /* windows that are shifted, padded, and alone */
    {.name = "swin_t", .dtype = VKD_DTYPE_FLOAT16, .size = 112, .narrow = 4, .layers = 2},
    {.name = "swin_t", .dtype = VKD_DTYPE_FLOAT32, .size = 76, .narrow = 4, .layers = 2},
    {.name = "decoder", .dtype = VKD_DTYPE_FLOAT16, .layers = 1, .words = 100},
    {.name = "decoder",
     .dtype = VKD_DTYPE_FLOAT16,
     .nibbles = true,
     .tokens = 3,
     .layers = 1,
     .words = 100},
};
enum { SMALL = sizeof small / sizeof *small };

static net_shape small_net(size_t i)
{
    net_shape shape = small[i];
    shape.seed = i + 1;
    return shape;
}

static const char *type_of(const net_shape *shape)
{
    return shape->nibbles ? "4w" : vkd_dtype_name(shape->dtype);
}

/* Of each verdict. */
static void check_layers(loaded *l, size_t counts[])
{
    vkd_delegate *delegate = vkd_method_delegate(l->method);
    layers checked;
    layers_begin(&checked, delegate, &delegate->model);
    for (size_t i = 0; i < delegate->model.op_count; i++) {
        const vkd_model_op *op = &delegate->model.ops[i];
        const layer_result result = layers_check(&checked, op);
        counts[result.verdict]++;
        if (result.verdict == LAYER_WRONG || result.verdict == LAYER_LOST)
            fail_msg("%s %s: operator %zu, %s: %zu of %zu elements differ, by %.3g at most",
                     type_of(&l->shape), l->shape.name, i, op->name, result.difference.differing,
                     result.difference.count, result.difference.largest);
    }
    layers_end(&checked);
}

/* Each computes of what it was given what the reference does. */
static void operators_are_right(void **state)
{
    (void)state;
    gpu_needed();
    for (size_t i = 0; i < SMALL; i++) {
        const net_shape shape = small_net(i);
        size_t count, counts[LAYER_LOST + 1] = {0};
        loaded l;
        load(&shape, &(vkd_options){.no_rewrites = true, .keep_intermediates = true}, &l);
        free(execute(&l, 0, &count));
        check_layers(&l, counts);
        print_message("%s %s: %zu operators right, %zu views, %zu without a reference\n",
                      type_of(&shape), shape.name, counts[LAYER_RIGHT], counts[LAYER_MOVED],
                      counts[LAYER_UNKNOWN]);
        assert_true(counts[LAYER_RIGHT] > 5);
        unload(&l);
    }
}

/* -------------------------------------------------------------------------------------- kernels */

/* Relative, of sums that are rounded in another order; int8 may take another step where a mean
 * does, and goes on from there. */
static double tolerance(const net_shape *shape)
{
    return shape->dtype == VKD_DTYPE_INT8 ? 0.1 : shape->dtype == VKD_DTYPE_FLOAT16 ? 3e-2 : 1e-4;
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
    print_message("%s %s: %zu outputs of size %.3g, relative difference %.2g\n", type_of(shape),
                  shape->name, count, sqrt(size / (double)count), relative);
    /* a NaN is in no range */
    assert_true(sqrt(size / (double)count) > 1e-3 && relative < tolerance(shape));
}

/* What is chosen, with everything fused, against the variants that run everything. */
static void kernels_agree(void **state)
{
    gpu_needed();
    (void)state;
    for (size_t i = 0; i < SMALL; i++) {
        const net_shape shape = small_net(i);
        size_t count;
        double *expected =
                   run(&shape, &(vkd_options){.variant = "general", .no_rewrites = true}, &count),
               *got = run(&shape, &(vkd_options){0}, &count);
        assert_close(&shape, got, expected, count);
        free(expected), free(got);
    }
}

/* -------------------------------------------------------------------------------------- batches */

static void assert_same(const net_shape *shape, const double *got, const double *expected,
                        size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(&got[i], &expected[i], sizeof *got))
            fail_msg("%s, size %d, batch %d, %s: element %zu is %.9g, expected %.9g", shape->name,
                     shape->size, shape->batch, what, i, got[i], expected[i]);
}

/* Neither constant nor at the ends of its range, and the two images differ in most places: whatever
 * goes wrong inside shows. */
static void assert_lively(const double *a, const double *b, size_t classes)
{
    double low = a[0], high = a[0];
    size_t ends = 0, different = 0;
    for (size_t i = 0; i < classes; i++) {
        low = fmin(low, a[i]);
        high = fmax(high, a[i]);
        different += memcmp(&a[i], &b[i], sizeof *a) != 0;
    }
    for (size_t i = 0; i < classes; i++)
        ends += memcmp(&a[i], &low, sizeof low) == 0 || memcmp(&a[i], &high, sizeof high) == 0;
    if (different < classes * 3 / 4 || ends > classes / 4)
        fail_msg("%zu of %zu outputs differ between two images, %zu are at the ends", different,
                 classes, ends);
}

/* Whole nets, and narrow ones whose channel counts are no multiples of 4 in the first stages, with
 * odd numbers of pixels. */
static void batches(void **state)
{
    static const net_shape shapes[] = {
        {.name = "resnet50", .size = 64, .batch = 2},
        {.name = "resnet50", .size = 75, .batch = 3, .narrow = 8, .layers = 2},
        {.name = "resnet50", .size = 33, .batch = 5, .narrow = 13, .layers = 1},
        {.name = "resnet50", .size = 32, .batch = 8, .narrow = 4, .layers = 2},
        {.name = "mobilenet_v2", .size = 64, .batch = 2},
        {.name = "squeezenet1_1", .size = 64, .batch = 2, .narrow = 3},
    };
    (void)state;
    gpu_needed();
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        net_shape shape = shapes[s];
        size_t all, classes;
        loaded batch, one;
        shape.dtype = VKD_DTYPE_INT8, shape.seed = 7;
        load(&shape, &(vkd_options){0}, &batch);
        shape.batch = 1;
        load(&shape, &(vkd_options){0}, &one);
        double *together = execute(&batch, 0, &all);
        for (int i = 0; i < batch.shape.batch; i++) {
            double *alone = execute(&one, i, &classes);
            assert_same(&batch.shape, together + (size_t)i * classes, alone, classes,
                        "an image alone is different");
            free(alone);
        }
        assert_int_equal(all, classes * (size_t)batch.shape.batch);
        assert_lively(together, together + classes, classes);
        free(together);
        unload(&batch), unload(&one);
    }
}

/* Bit for bit, whatever is chosen. */
static void sizes(void **state)
{
    static const int tried[] = {1, 64, 75, 96};
    (void)state;
    gpu_needed();
    for (size_t i = 0; i < sizeof tried / sizeof *tried; i++) {
        const net_shape shape = {.name = "resnet50",
                                 .dtype = VKD_DTYPE_INT8,
                                 .size = tried[i],
                                 .batch = 2,
                                 .narrow = 8,
                                 .layers = 2,
                                 .seed = 7};
        size_t count;
        double *by_choice = run(&shape, &(vkd_options){0}, &count),
               *by_general = run(&shape, &(vkd_options){.variant = "general"}, &count);
        assert_same(&shape, by_choice, by_general, count, "variant 'general' is different");
        free(by_choice), free(by_general);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_those_of_the_papers),
        cmocka_unit_test(int8_is_as_large),
        cmocka_unit_test(seeds),
        cmocka_unit_test(refusals),
        cmocka_unit_test(operators_are_right),
        cmocka_unit_test(kernels_agree),
        cmocka_unit_test(batches),
        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
