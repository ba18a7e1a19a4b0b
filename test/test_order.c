/* Inputs and outputs whose bytes are not row-major: a program's dim_order, honoured wherever
 * tensors come and go. Skips without a device. */
#include "support/blob_builder.h"
#include "support/call.h"
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { DEVICE_RANK = 4, ROUNDS = 40, LARGEST = 200 };

/* A method that passes its input on, with the order and the element types of either side. */
typedef struct passer {
    watch watch;
    void *file;
    vkd_program *program;
    vkd_method *method;
    vkd_tensor_info x, y;
} passer;

static void open_passer(passer *p)
{
    uint32_t dims[DEVICE_RANK];
    vkd_blob_builder *b = blob_new();
    for (uint32_t i = 0; i < p->x.rank; i++)
        dims[i] = (uint32_t)p->x.dims[i];
    uint32_t x = blob_constant_tensor(b, VKD_DTYPE_FLOAT32, p->x.rank, dims, -1);
    uint32_t y = blob_constant_tensor(b, VKD_DTYPE_FLOAT32, p->x.rank, dims, -1);
    blob_op(b, "aten.clone.default", 0, (const uint32_t[]){x, blob_null(b), y}, 3);
    blob_io(b, &x, 1, &y, 1);
    size_t blob_size, size;
    void *blob = blob_finish(b, &blob_size);
    const blob_pte pte = {.blob = blob,
                          .blob_size = blob_size,
                          .inputs = &p->x,
                          .input_count = 1,
                          .outputs = &p->y,
                          .output_count = 1};
    vkd_options options = watch_begin(&p->watch);
    options.validate = false;
    p->file = blob_wrap_pte(&pte, &size);
    free(blob);
    assert_int_equal(vkd_program_open_bytes(p->file, size, &options, &p->program), VKD_OK);
    if (vkd_method_load(p->program, NULL, &options, &p->method) != VKD_OK)
        fail_msg("%s", p->watch.error);
    /* size, and the order as it is told */
    assert_int_equal(vkd_method_input_info(p->method, 0, &p->x), VKD_OK);
    assert_int_equal(vkd_method_output_info(p->method, 0, &p->y), VKD_OK);
}

static void close_passer(passer *p)
{
    vkd_method_unload(p->method);
    vkd_program_close(p->program);
    free(p->file);
    watch_end(&p->watch);
}

static size_t element_count(const vkd_tensor_info *info)
{
    return info->size / vkd_dtype_size(info->dtype);
}

/* Which element lies at place k, by its number in row-major order: digits of k in the order of the
 * bytes. */
static size_t element_at(const vkd_tensor_info *info, size_t k)
{
    size_t index[VKD_MAX_RANK] = {0}, element = 0;
    for (uint32_t i = info->rank; i-- > 0; k /= (size_t)info->dims[info->dim_order[i]])
        index[info->dim_order[i]] = k % (size_t)info->dims[info->dim_order[i]];
    for (uint32_t i = 0; i < info->rank; i++)
        element = element * (size_t)info->dims[i] + index[i];
    return element;
}

/* Elements' values are their numbers, which every element type has up to 2048. */
static void *make_input(const vkd_tensor_info *info)
{
    void *data = malloc(info->size);
    assert_non_null(data);
    for (size_t k = 0; k < element_count(info); k++) {
        const double value = (double)(element_at(info, k) % 2048);
        if (info->dtype == VKD_DTYPE_FLOAT64)
            ((double *)data)[k] = value;
        else
            ((float *)data)[k] = (float)value;
    }
    return data;
}

static void check_output(const vkd_tensor_info *info, const void *data, const char *what)
{
    for (size_t k = 0; k < element_count(info); k++) {
        const double got = info->dtype == VKD_DTYPE_FLOAT64 ? ((const double *)data)[k]
                                                            : (double)((const float *)data)[k];
        if (got != (double)(element_at(info, k) % 2048))
            fail_msg("%s: place %zu of order %d,%d,%d,%d has element %g, expected %zu", what, k,
                     info->dim_order[0], info->dim_order[1], info->dim_order[2], info->dim_order[3],
                     got, element_at(info, k) % 2048);
    }
}

static void run_passer(passer *p)
{
    void *x = make_input(&p->x), *y = malloc(p->y.size);
    assert_non_null(y);
    assert_int_equal(call_method(p->method, x, y), VKD_OK);
    check_output(&p->y, y, "vkd_method_execute");
    vkd_tensor_arg args[2] = {call_input(&p->x, x), call_output(&p->y, y)};
    memset(y, 0xff, p->y.size);
    assert_int_equal(vkd_execute(vkd_method_delegate(p->method), args, 2), VKD_OK);
    check_output(&p->y, y, "vkd_execute");
    free(x);
    free(y);
}

static void shuffle(vkd_random *random, uint32_t rank, uint8_t order[VKD_MAX_RANK])
{
    for (uint32_t i = 0; i < rank; i++) {
        const uint32_t k = (uint32_t)random_range(random, 0, (int32_t)i);
        order[i] = order[k];
        order[k] = (uint8_t)i;
    }
}

static void any_order(void **state)
{
    (void)state;
    gpu_needed();
    vkd_random random = random_begin("any_order");
    for (int round = 0; round < ROUNDS; round++) {
        passer p = {.x = {.rank = (uint32_t)random_range(&random, 1, DEVICE_RANK)}};
        for (uint32_t i = 0; i < p.x.rank; i++)
            p.x.dims[i] = random_range(&random, 1, i == p.x.rank - 1 ? LARGEST : 7);
        p.y = p.x;
        p.x.dtype = random_bits(&random) & 1 ? VKD_DTYPE_FLOAT32 : VKD_DTYPE_FLOAT64;
        p.y.dtype = random_bits(&random) & 1 ? VKD_DTYPE_FLOAT32 : VKD_DTYPE_FLOAT64;
        shuffle(&random, p.x.rank, p.x.dim_order);
        shuffle(&random, p.y.rank, p.y.dim_order);
        open_passer(&p);
        run_passer(&p);
        close_passer(&p);
    }
}

/* The mean over the height of [[1, 2], [3, 4]] with the channels last. */
static void channels_last(void **state)
{
    (void)state;
    gpu_needed();
    watch w;
    vkd_options options = watch_begin(&w);
    const uint32_t x_dims[4] = {1, 2, 2, 1}, y_dims[4] = {1, 2, 1, 1};
    const vkd_tensor_info x_info = {VKD_DTYPE_FLOAT32, 4, {1, 2, 2, 1}, 0, {0, 2, 3, 1}},
                          y_info = {VKD_DTYPE_FLOAT32, 4, {1, 2, 1, 1}};
    vkd_blob_builder *b = blob_new();
    uint32_t x = blob_constant_tensor(b, VKD_DTYPE_FLOAT32, 4, x_dims, -1);
    uint32_t y = blob_constant_tensor(b, VKD_DTYPE_FLOAT32, 4, y_dims, -1);
    uint32_t axes = blob_int_list(b, (const int64_t[]){2, 3}, 2), keep = blob_bool(b, true),
             none = blob_null(b);
    blob_op(b, "aten.mean.dim", 0, (const uint32_t[]){x, axes, keep, none, y}, 5);
    blob_io(b, &x, 1, &y, 1);
    size_t blob_size, size;
    void *blob = blob_finish(b, &blob_size);
    const blob_pte pte = {.blob = blob,
                          .blob_size = blob_size,
                          .inputs = &x_info,
                          .input_count = 1,
                          .outputs = &y_info,
                          .output_count = 1};
    void *file = blob_wrap_pte(&pte, &size);
    vkd_program *program;
    vkd_method *method;
    assert_int_equal(vkd_program_open_bytes(file, size, &options, &program), VKD_OK);
    if (vkd_method_load(program, NULL, &options, &method) != VKD_OK)
        fail_msg("%s", w.error);
    const float in[4] = {1, 2, 3, 4}, expected[2] = {2, 3};
    float got[2];
    assert_int_equal(call_method(method, in, got), VKD_OK);
    assert_memory_equal(got, expected, sizeof expected);
    vkd_method_unload(method);
    vkd_program_close(program);
    free(file);
    free(blob);
    watch_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_last),
        cmocka_unit_test(any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
