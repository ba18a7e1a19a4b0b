/* ResNets of any input size and batch: a batch gives what its images give alone, every size runs,
 * and shapes that cannot be are refused. */
#include "support/call.h"
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/resnet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* Every kind of layer, few channels. */
static const resnet_shape small = {
    .size = 64, .batch = 1, .width = 8, .blocks = {1, 2, 1, 1}, .classes = 50, .seed = 7};

/* -------------------------------------------------------------------------------------- running */

typedef struct loaded {
    watch watch;
    resnet_shape shape;
    resnet net;
    vkd_program *program;
    vkd_method *method;
} loaded;

/* variant: forced, or null. */
static void load(const resnet_shape *shape, const char *variant, loaded *out)
{
    *out = (loaded){.shape = *shape};
    vkd_options options = watch_begin(&out->watch);
    options.variant = variant;
    if (!resnet_build(shape, &out->net))
        fail_msg("%s", out->net.error);
    if (vkd_program_open_bytes(out->net.file, out->net.file_size, &options, &out->program) !=
            VKD_OK ||
        vkd_method_load(out->program, NULL, &options, &out->method) != VKD_OK)
        fail_msg("size %d, batch %d: %s", shape->size, shape->batch, out->watch.error);
}

static void unload(loaded *l)
{
    vkd_method_unload(l->method);
    vkd_program_close(l->program);
    resnet_release(&l->net);
    watch_end(&l->watch);
}

/* The output of a batch that starts with image `first`; free it. */
static float *execute(loaded *l, int first)
{
    const resnet_shape *shape = &l->shape;
    const size_t image = RESNET_COLOURS * (size_t)shape->size * (size_t)shape->size,
                 count = image * (size_t)shape->batch;
    float *images = malloc(count * sizeof *images);
    assert_non_null(images);
    for (int i = 0; i < shape->batch; i++)
        resnet_image(shape, first + i, images + (size_t)i * image);
    float *output = malloc(sizeof *output * (size_t)shape->batch * (size_t)shape->classes);
    assert_non_null(output);
    if (call_method(l->method, images, output) != VKD_OK)
        fail_msg("size %d, batch %d: %s", shape->size, shape->batch, vkd_method_error(l->method));
    free(images);
    return output;
}

static void assert_same(const resnet_shape *shape, const float *got, const float *expected,
                        size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(&got[i], &expected[i], sizeof *got))
            fail_msg("size %d, batch %d, %s: element %zu is %.9g, expected %.9g", shape->size,
                     shape->batch, what, i, (double)got[i], (double)expected[i]);
}

/* Neither constant nor at the ends of its range, and the two images differ in most places: whatever
 * goes wrong inside shows. */
static void assert_lively(const float *a, const float *b, int classes)
{
    float low = a[0], high = a[0];
    int ends = 0, different = 0;
    for (int i = 0; i < classes; i++) {
        low = a[i] < low ? a[i] : low;
        high = a[i] > high ? a[i] : high;
        different += memcmp(&a[i], &b[i], sizeof *a) != 0;
    }
    for (int i = 0; i < classes; i++)
        ends += memcmp(&a[i], &low, sizeof low) == 0 || memcmp(&a[i], &high, sizeof high) == 0;
    if (different < classes * 3 / 4 || ends > classes / 4)
        fail_msg("%d of %d outputs differ between two images, %d are at the ends", different,
                 classes, ends);
}

/* ---------------------------------------------------------------------------------------- tests */

static void assert_batch(resnet_shape shape)
{
    const size_t classes = (size_t)shape.classes;
    loaded batch, one;
    load(&shape, NULL, &batch);
    shape.batch = 1;
    load(&shape, NULL, &one);
    float *together = execute(&batch, 0);
    for (int i = 0; i < batch.shape.batch; i++) {
        float *alone = execute(&one, i);
        assert_same(&batch.shape, together + (size_t)i * classes, alone, classes,
                    "an image alone is different");
        free(alone);
    }
    assert_lively(together, together + classes, shape.classes);
    free(together);
    unload(&batch), unload(&one);
}

static void whole_resnet50(void **state)
{
    (void)state;
    gpu_needed();
    resnet_shape shape = resnet50;
    shape.size = 64, shape.batch = 2;
    assert_batch(shape);
}

/* Channel counts that are no multiples of 4 in the first stages, and batches with odd numbers of
 * pixels. */
static void batches(void **state)
{
    (void)state;
    gpu_needed();
    static const int tried[][3] = {{75, 3, 8}, {33, 5, 5}, {32, 8, 16}}; /* size, batch, width */
    for (size_t i = 0; i < sizeof tried / sizeof *tried; i++) {
        resnet_shape shape = small;
        shape.size = tried[i][0], shape.batch = tried[i][1], shape.width = tried[i][2];
        assert_batch(shape);
    }
}

static void sizes(void **state)
{
    (void)state;
    gpu_needed();
    static const int tried[] = {1, 64, 75, 96};
    for (size_t i = 0; i < sizeof tried / sizeof *tried; i++) {
        resnet_shape shape = small;
        shape.size = tried[i], shape.batch = 2;
        loaded chosen, general;
        load(&shape, NULL, &chosen), load(&shape, "general", &general);
        float *by_choice = execute(&chosen, 0), *by_general = execute(&general, 0);
        assert_same(&shape, by_choice, by_general, (size_t)(shape.classes * shape.batch),
                    "variant 'general' is different");
        free(by_choice);
        free(by_general);
        unload(&chosen), unload(&general);
    }
}

static void seeds(void **state)
{
    (void)state;
    resnet_shape other = small;
    resnet a, b, c;
    other.seed++;
    assert_true(resnet_build(&small, &a) && resnet_build(&small, &b) && resnet_build(&other, &c));
    assert_true(a.file_size == b.file_size && !memcmp(a.file, b.file, a.file_size));
    assert_true(a.file_size != c.file_size || memcmp(a.file, c.file, a.file_size));
    resnet_release(&a), resnet_release(&b), resnet_release(&c);
}

/* torchvision's: 4.09 billion multiply-adds at 224 pixels, 25.5 million weights. */
static void is_resnet50(void **state)
{
    (void)state;
    resnet net;
    assert_true(resnet_build(&resnet50, &net));
    assert_int_equal(net.macs, 4089184256);
    assert_in_range(net.file_size, 25500000, 26500000);
    resnet_release(&net);
}

static void refusals(void **state)
{
    (void)state;
    const struct {
        int size, batch, width, classes, blocks;
        const char *reason;
    } cases[] = {{0, 1, 8, 10, 1, "size"},       {-5, 1, 8, 10, 1, "size"},
                 {20000, 1, 8, 10, 1, "size"},   {64, 0, 8, 10, 1, "batch"},
                 {64, -1, 8, 10, 1, "batch"},    {64, 100000, 8, 10, 1, "batch"},
                 {64, 1, 0, 10, 1, "width"},     {64, 1, 8, 0, 1, "classes"},
                 {64, 1, 8, 10, 0, "stage 4"},   {16384, 1, 64, 10, 1, "2^31"},
                 {224, 4096, 64, 10, 1, "2^31"}, {2147483647, 2147483647, 64, 10, 1, "size"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        resnet_shape shape = small;
        resnet net;
        shape.size = cases[i].size, shape.batch = cases[i].batch, shape.width = cases[i].width;
        shape.classes = cases[i].classes, shape.blocks[RESNET_STAGES - 1] = cases[i].blocks;
        if (resnet_build(&shape, &net) || !strstr(net.error, cases[i].reason))
            fail_msg("case %zu: \"%s\", expected one about the %s", i, net.error, cases[i].reason);
        assert_null(net.file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_resnet50), cmocka_unit_test(batches),     cmocka_unit_test(sizes),
        cmocka_unit_test(seeds),          cmocka_unit_test(is_resnet50), cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
