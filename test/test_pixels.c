/* Images as bytes (vkd_options.pixels): results are those of floats that the caller makes of them,
 * bit for bit, at no dispatch more where the model quantises them; what is no such image is refused
 * with a reason. */
#include "backend/delegate.h"
#include "nets/nets.h"
#include "runtime/base/element.h"
#include "support/blob_builder.h"
#include "support/call.h"
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* Of ImageNet, a fourth that is odd. */
static const vkd_pixels imagenet = {.size = sizeof imagenet,
                                    .mean = {0.485, 0.456, 0.406, -3.5},
                                    .std = {0.229, 0.224, 0.225, -0.01}};

/* --------------------------------------------------------------------------------------- images */

typedef struct image {
    uint32_t n, c, h, w;
} image;

static size_t size_of(const image *d) { return (size_t)d->n * d->c * d->h * d->w; }

/* All 256 bytes, where there are so many, then random ones. N, C, H, W. */
static unsigned char *make_bytes(vkd_random *random, const image *d)
{
    unsigned char *bytes = malloc(size_of(d));
    assert_non_null(bytes);
    for (size_t i = 0; i < size_of(d); i++)
        bytes[i] = (unsigned char)(i < 256 * d->c ? i / d->c : random_bits(random));
    return bytes;
}

static unsigned char *channels_last(const image *d, const unsigned char *bytes)
{
    unsigned char *last = malloc(size_of(d));
    assert_non_null(last);
    for (size_t i = 0; i < size_of(d); i++) {
        const size_t plane = (size_t)d->h * d->w, pixel = i % plane, c = i / plane % d->c,
                     n = i / plane / d->c;
        last[(n * plane + pixel) * d->c + c] = bytes[i];
    }
    return last;
}

/* As the header says that the device does it. */
static void *make_floats(const image *d, const unsigned char *bytes, vkd_dtype dtype)
{
    void *floats = malloc(size_of(d) * vkd_dtype_size(dtype));
    assert_non_null(floats);
    for (size_t i = 0; i < size_of(d); i++) {
        const size_t c = i / ((size_t)d->h * d->w) % d->c;
        const double real = (bytes[i] / 255.0 - imagenet.mean[c]) / imagenet.std[c];
        vkd_element_set(dtype, floats, i, (double)(float)real);
    }
    return floats;
}

/* --------------------------------------------------------------------------------------- models */

/* An image of this type through a ReLU; or quantised, through one of int8, and back. */
static void *make_blob(const image *d, vkd_dtype dtype, bool quantises, size_t *out_size)
{
    const uint32_t dims[] = {d->n, d->c, d->h, d->w};
    vkd_blob_builder *b = blob_new();
    const uint32_t x = blob_tensor(b, dtype, 4, dims, NULL),
                   y = blob_tensor(b, dtype, 4, dims, NULL);
    uint32_t node = 0;
    if (quantises) {
        const uint32_t q = blob_tensor(b, VKD_DTYPE_INT8, 4, dims, NULL),
                       scale = blob_double(b, 0.0207), zero = blob_int(b, -14),
                       low = blob_int(b, -128), high = blob_int(b, 127), null = blob_null(b);
        blob_op(b, "quantized_decomposed.quantize_per_tensor.default", node++,
                (const uint32_t[]){x, scale, zero, low, high, null, q}, 7);
        blob_op(b, "quantized_decomposed.dequantize_per_tensor.default", node++,
                (const uint32_t[]){q, scale, zero, low, high, null, null, y}, 8);
    } else {
        blob_op(b, "aten.neg.default", node++, (const uint32_t[]){x, y}, 2);
    }
    blob_io(b, &x, 1, &y, 1);
    return blob_finish(b, out_size);
}

typedef struct model {
    const void *blob; /* or a file */
    size_t size;
    bool is_file;
} model;

typedef struct outcome {
    void *bytes; /* of the output */
    size_t size, dispatches;
} outcome;

static void call(vkd_delegate *delegate, const void *input, outcome *out)
{
    vkd_tensor_info info;
    vkd_tensor_arg args[2];
    assert_int_equal(vkd_input_info(delegate, 0, &info), VKD_OK);
    args[0] = call_input(&info, input);
    assert_int_equal(vkd_output_info(delegate, 0, &info), VKD_OK);
    out->size = info.size;
    out->bytes = calloc(1, info.size);
    assert_non_null(out->bytes);
    args[1] = call_output(&info, out->bytes);
    if (vkd_execute(delegate, args, 2) != VKD_OK)
        fail_msg("%s", vkd_last_error(delegate));
    out->dispatches = vkd_node_count(delegate);
}

/* pixels: null for floats. */
static outcome run(const model *m, const vkd_pixels *pixels, uint32_t skip, const void *input)
{
    watch w;
    outcome out;
    vkd_program *program = NULL;
    vkd_method *method = NULL;
    vkd_delegate *delegate = NULL;
    vkd_options options = watch_begin(&w);
    options.pixels = pixels;
    options.pixel_count = pixels != NULL;
    options.skip_rewrites = skip;
    vkd_status status;
    if (m->is_file) {
        status = vkd_program_open_bytes(m->blob, m->size, &options, &program);
        if (status == VKD_OK)
            status = vkd_method_load(program, NULL, &options, &method);
        delegate = vkd_method_delegate(method);
    } else {
        status = vkd_init(m->blob, m->size, NULL, 0, NULL, &options, &delegate);
    }
    if (status != VKD_OK)
        fail_msg("%s", w.error);
    call(delegate, input, &out);
    if (m->is_file)
        vkd_method_unload(method);
    else
        vkd_destroy(delegate);
    vkd_program_close(program);
    watch_end(&w);
    return out;
}

static void assert_same(const outcome *got, const outcome *expected, const image *d,
                        const char *what)
{
    assert_int_equal(got->size, expected->size);
    for (size_t i = 0; i < got->size; i++)
        if (((const char *)got->bytes)[i] != ((const char *)expected->bytes)[i])
            fail_msg("%ux%ux%ux%u, %s: byte %zu of the output differs", d->n, d->c, d->h, d->w,
                     what, i);
}

/* In both orders, fused and not. dispatches: how many more there may be than for floats. */
static void check(const model *m, vkd_random *random, const image *d, vkd_dtype dtype,
                  size_t dispatches)
{
    unsigned char *bytes = make_bytes(random, d), *last = channels_last(d, bytes);
    void *floats = make_floats(d, bytes, dtype);
    for (int i = 0; i < 4; i++) {
        const bool fused = i < 2;
        const uint32_t skip = fused ? 0 : VKD_REWRITE_INT8;
        vkd_pixels pixels = imagenet;
        pixels.channels_last = i % 2;
        outcome expected = run(m, NULL, skip, floats),
                got = run(m, &pixels, skip, pixels.channels_last ? last : bytes);
        assert_same(&got, &expected, d, pixels.channels_last ? "channels last" : "channels first");
        if (fused)
            assert_in_range(got.dispatches, 1, expected.dispatches + dispatches);
        free(expected.bytes), free(got.bytes);
    }
    free(floats), free(last), free(bytes);
}

/* ---------------------------------------------------------------------------------------- tests */

static void every_byte_of_every_channel(void **state)
{
    static const image images[] = {{1, 1, 16, 16}, {2, 2, 17, 19}, {1, 3, 23, 31},
                                   {3, 3, 16, 17}, {2, 4, 20, 15}, {1, 3, 1, 1}};
    vkd_random random = random_begin("pixels");
    (void)state;
    gpu_needed();
    for (size_t i = 0; i < sizeof images / sizeof *images; i++)
        for (int kind = 0; kind < 3; kind++) {
            const vkd_dtype dtype = kind == 1 ? VKD_DTYPE_FLOAT16 : VKD_DTYPE_FLOAT32;
            model m = {.is_file = false};
            void *blob = make_blob(&images[i], dtype, kind == 2, &m.size);
            m.blob = blob;
            check(&m, &random, &images[i], dtype, kind == 2 ? 0 : 1);
            free(blob);
        }
}

/* Convolutions read what the bytes became. */
static void whole_nets(void **state)
{
    static const net_shape shapes[] = {
        {.name = "resnet50", .dtype = VKD_DTYPE_INT8, .size = 40, .batch = 2},
        {.name = "mobilenet_v3_small", .dtype = VKD_DTYPE_INT8, .size = 33, .batch = 1},
        {.name = "mobilenet_v2", .dtype = VKD_DTYPE_FLOAT32, .size = 32, .batch = 1},
        {.name = "mobilenet_v2", .dtype = VKD_DTYPE_FLOAT16, .size = 32, .batch = 3},
    };
    vkd_random random = random_begin("pixels");
    (void)state;
    gpu_needed();
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        net_shape shape = shapes[i];
        net_file net;
        shape.narrow = 4, shape.layers = 1, shape.seed = 5;
        assert_true(net_build(&shape, &net));
        const image d = {(uint32_t)shape.batch, NET_COLOURS, (uint32_t)shape.size,
                         (uint32_t)shape.size};
        const vkd_dtype dtype = shape.dtype == VKD_DTYPE_FLOAT16 ? shape.dtype : VKD_DTYPE_FLOAT32;
        check(&(model){net.file, net.file_size, true}, &random, &d, dtype, 0);
        net_release(&net);
    }
}

/* What a method tells of such an input. */
static void inputs_are_bytes(void **state)
{
    const net_shape shape = {
        .name = "mobilenet_v2", .dtype = VKD_DTYPE_INT8, .size = 48, .narrow = 8, .layers = 1};
    const int64_t orders[2][4] = {{1, 3, 48, 48}, {1, 48, 48, 3}};
    net_file net;
    (void)state;
    gpu_needed();
    assert_true(net_build(&shape, &net));
    for (int last = 0; last < 2; last++) {
        watch w;
        vkd_program *program;
        vkd_method *method;
        vkd_tensor_info info;
        vkd_pixels pixels = imagenet;
        vkd_options options = watch_begin(&w);
        pixels.channels_last = last;
        options.pixels = &pixels;
        options.pixel_count = 1;
        assert_int_equal(vkd_program_open_bytes(net.file, net.file_size, &options, &program), 0);
        assert_int_equal(vkd_method_load(program, NULL, &options, &method), VKD_OK);
        assert_int_equal(vkd_method_input_info(method, 0, &info), VKD_OK);
        assert_true(info.dtype == VKD_DTYPE_UINT8 && info.size == 3 * 48 * 48);
        assert_memory_equal(info.dims, orders[last], sizeof orders[last]);
        vkd_method_unload(method);
        vkd_program_close(program);
        watch_end(&w);
    }
    net_release(&net);
}

static void refuse(const model *m, const vkd_pixels *pixels, size_t count, const char *reason)
{
    watch w;
    vkd_delegate *delegate;
    vkd_options options = watch_begin(&w);
    options.pixels = pixels;
    options.pixel_count = count;
    assert_int_equal(vkd_init(m->blob, m->size, NULL, 0, NULL, &options, &delegate),
                     VKD_INVALID_ARGUMENT);
    if (!strstr(w.error, reason) || !strstr(w.error, "vkd_options.pixels["))
        fail_msg("\"%s\", expected \"%s\"", w.error, reason);
    watch_end(&w);
}

static void refusals(void **state)
{
    const image three = {1, 3, 5, 7}, five = {1, 5, 5, 7};
    model m = {.is_file = false};
    (void)state;
    void *blob = make_blob(&three, VKD_DTYPE_FLOAT32, true, &m.size);
    m.blob = blob;
    vkd_pixels wrong = imagenet;
    wrong.input = 1;
    refuse(&m, &wrong, 1, "pixels[0]: the model has no such input");
    refuse(&m, NULL, 1, "size must be sizeof(vkd_pixels)");
    wrong = imagenet, wrong.size = 3;
    refuse(&m, &wrong, 1, "size must be sizeof(vkd_pixels)");
    wrong = imagenet, wrong.std[2] = 0;
    refuse(&m, &wrong, 1, "a std is not finite or 0");
    wrong = imagenet, wrong.mean[0] = (double)NAN;
    refuse(&m, &wrong, 1, "a mean is not finite");
    refuse(&m, (const vkd_pixels[]){imagenet, imagenet}, 2,
           "pixels[1]: its input is no f32 or f16");
    free(blob);
    blob = make_blob(&five, VKD_DTYPE_FLOAT32, true, &m.size);
    m.blob = blob;
    refuse(&m, &imagenet, 1, "other than 1 to 4 channels");
    free(blob);
    blob = make_blob(&three, VKD_DTYPE_INT32, false, &m.size);
    m.blob = blob;
    refuse(&m, &imagenet, 1, "no f32 or f16 tensor");
    free(blob);
}

/* Whichever allocation fails: a status, and nothing is left. */
static void memory_runs_out(void **state)
{
    const image three = {1, 3, 5, 7};
    model m = {.is_file = false};
    watch around;
    vkd_engine *engine;
    (void)state;
    gpu_needed();
    void *blob = make_blob(&three, VKD_DTYPE_FLOAT32, true, &m.size);
    const vkd_options options = watch_begin(&around);
    assert_int_equal(vkd_engine_create(&options, &engine), VKD_OK);
    int64_t at = 0;
    for (bool failed = true; failed; at++) {
        watch w;
        vkd_delegate *delegate;
        vkd_options own = watch_begin(&w);
        w.memory.fail_at = at;
        own.engine = engine;
        own.pixels = &imagenet;
        own.pixel_count = 1;
        const vkd_status status = vkd_init(blob, m.size, NULL, 0, NULL, &own, &delegate);
        failed = w.memory.failed;
        assert_int_equal(status, failed ? VKD_OUT_OF_MEMORY : VKD_OK);
        vkd_destroy(delegate);
        watch_end(&w);
    }
    print_message("%lld allocations\n", (long long)at);
    assert_in_range(at, 20, 10000);
    vkd_engine_destroy(engine);
    watch_end(&around);
    free(blob);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_of_every_channel),
        cmocka_unit_test(whole_nets),
        cmocka_unit_test(inputs_are_bytes),
        cmocka_unit_test(refusals),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
