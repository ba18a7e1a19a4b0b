/* Constants that several objects have are on the device once: between delegates, methods and
 * programs of one engine, and within one method. Skips without a device. */
#include "support/blob_builder.h"
#include "support/call.h"
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/pte_builder.h"
#include "support/skip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A layer y = x w' + c, whose weights are large beside all else that a delegate has on the device;
 * c is the same in all layers. */
enum { K = 256, N = 512, WEIGHT_BYTES = 4 * K * N, SMALL = 64 * 1024 };
static const vkd_tensor_info x_info = {VKD_DTYPE_FLOAT32, 2, {1, K}, 0},
                             y_info = {VKD_DTYPE_FLOAT32, 2, {1, N}, 0};

typedef struct layer {
    void *blob;
    size_t size;
    float weight[N][K], bias[N], x[K];
    bool is_named;
} layer;

/* Small whole numbers, so that every sum is exact. shift: makes other weights. */
static void layer_begin(layer *l, int shift, bool is_named)
{
    vkd_blob_builder *b = blob_new();
    l->is_named = is_named;
    for (int n = 0; n < N; n++)
        for (int k = 0; k < K; k++)
            l->weight[n][k] = (float)((n * 7 + k * 5 + shift) % 9 - 4);
    for (int n = 0; n < N; n++)
        l->bias[n] = (float)(n % 3);
    for (int k = 0; k < K; k++)
        l->x[k] = (float)(k % 5 - 2);
    const uint32_t x_dims[] = {1, K}, w_dims[] = {N, K}, c_dims[] = {N}, y_dims[] = {1, N};
    uint32_t x = blob_tensor(b, VKD_DTYPE_FLOAT32, 2, x_dims, NULL),
             w = is_named ? blob_named_tensor(b, VKD_DTYPE_FLOAT32, 2, w_dims, "weight")
                          : blob_tensor(b, VKD_DTYPE_FLOAT32, 2, w_dims, l->weight),
             c = blob_tensor(b, VKD_DTYPE_FLOAT32, 1, c_dims, l->bias),
             y = blob_tensor(b, VKD_DTYPE_FLOAT32, 2, y_dims, NULL);
    blob_op(b, "aten.linear.default", 0, (const uint32_t[]){x, w, c, y}, 4);
    blob_io(b, &x, 1, &y, 1);
    l->blob = blob_finish(b, &l->size);
}

static layer *layer_new(int shift, bool is_named)
{
    layer *l = calloc(1, sizeof *l);
    assert_non_null(l);
    layer_begin(l, shift, is_named);
    return l;
}

static void layer_free(layer *l)
{
    free(l->blob);
    free(l);
}

static vkd_status find_weight(void *user, const char *key, const void **out_data, size_t *out_size)
{
    const layer *l = user;
    *out_data = l->weight;
    *out_size = sizeof l->weight;
    return strcmp(key, "weight") ? VKD_NOT_FOUND : VKD_OK;
}

static vkd_status layer_init(layer *l, const vkd_options *options, vkd_delegate **out)
{
    const vkd_named_data named = {sizeof named, find_weight, NULL, l};
    return vkd_init(l->blob, l->size, NULL, 0, l->is_named ? &named : NULL, options, out);
}

static bool layer_runs(const layer *l, vkd_delegate *delegate)
{
    float y[N];
    vkd_tensor_arg args[] = {call_input(&x_info, l->x), call_output(&y_info, y)};
    if (vkd_execute(delegate, args, 2) != VKD_OK)
        return false;
    for (int n = 0; n < N; n++) {
        float sum = l->bias[n];
        for (int k = 0; k < K; k++)
            sum += l->weight[n][k] * l->x[k];
        if (y[n] != sum)
            return false;
    }
    return true;
}

/* An engine, and a delegate on it for each layer. */
enum { MOST = 4 };
typedef struct office {
    watch own, of[MOST];
    vkd_engine *engine;
    vkd_delegate *delegates[MOST];
    uint64_t empty; /* device bytes with nothing but the engine */
} office;

static void office_open(office *o)
{
    if (!faulty_driver_install())
        test_skip("there is no Vulkan loader");
    gpu_needed();
    vkd_options options = watch_begin(&o->own);
    if (vkd_engine_create(&options, &o->engine) != VKD_OK)
        fail_msg("%s", o->own.error);
    o->empty = faulty_driver_memory();
}

/* Returns by how much the device's memory has grown. */
static uint64_t office_add(office *o, int i, layer *l)
{
    const uint64_t before = faulty_driver_memory();
    vkd_options options = watch_begin(&o->of[i]);
    options.engine = o->engine;
    if (layer_init(l, &options, &o->delegates[i]) != VKD_OK)
        fail_msg("%s", o->of[i].error);
    assert_true(layer_runs(l, o->delegates[i]));
    return faulty_driver_memory() - before;
}

static uint64_t office_remove(office *o, int i)
{
    const uint64_t before = faulty_driver_memory();
    vkd_destroy(o->delegates[i]);
    watch_end(&o->of[i]);
    return before - faulty_driver_memory();
}

static void office_close(office *o)
{
    assert_int_equal(faulty_driver_memory(), o->empty);
    vkd_engine_destroy(o->engine);
    watch_end(&o->own);
}

static vkd_memory_info memory_of(const vkd_delegate *delegate)
{
    vkd_memory_info info;
    vkd_describe_memory(delegate, &info);
    return info;
}

/* The same bytes at other addresses, inline or named; they stay as long as one of them does. */
static void equal_constants_are_there_once(void **state)
{
    (void)state;
    static office o;
    office_open(&o);
    layer *first = layer_new(0, false), *second = layer_new(0, false), *named = layer_new(0, true);
    const uint64_t alone = office_add(&o, 0, first);
    assert_int_equal(memory_of(o.delegates[0]).constants_shared, 0);
    assert_true(alone >= WEIGHT_BYTES);
    const uint64_t again = office_add(&o, 1, second), by_name = office_add(&o, 2, named);
    print_message("device bytes: %llu of the first, %llu and %llu of the second and third\n",
                  (unsigned long long)alone, (unsigned long long)again,
                  (unsigned long long)by_name);
    assert_true(again < SMALL && by_name < SMALL);
    for (int i = 0; i < 3; i++) {
        const vkd_memory_info memory = memory_of(o.delegates[i]);
        assert_true(memory.constants >= WEIGHT_BYTES);
        assert_int_equal(memory.constants_shared, memory.constants);
    }
    assert_true(office_remove(&o, 0) < SMALL);
    assert_true(office_remove(&o, 2) < SMALL);
    assert_int_equal(memory_of(o.delegates[1]).constants_shared, 0);
    assert_true(layer_runs(second, o.delegates[1]));
    assert_true(office_remove(&o, 1) >= WEIGHT_BYTES);
    office_close(&o);
    layer_free(first), layer_free(second), layer_free(named);
}

/* A key is what a file says: other bytes under it are another constant. */
static void other_bytes_are_other_constants(void **state)
{
    (void)state;
    static office o;
    office_open(&o);
    layer *first = layer_new(0, true), *second = layer_new(1, true), *third = layer_new(0, true);
    third->weight[N - 1][K - 1] += 1;
    layer *const layers[] = {first, second, third};
    for (int i = 0; i < 3; i++) {
        assert_true(office_add(&o, i, layers[i]) >= WEIGHT_BYTES);
        assert_true(memory_of(o.delegates[i]).constants_shared < SMALL);
    }
    for (int i = 0; i < 3; i++)
        assert_true(layer_runs(layers[i], o.delegates[i]));
    for (int i = 0; i < 3; i++) {
        assert_true(office_remove(&o, i) >= WEIGHT_BYTES);
        layer_free(layers[i]);
    }
    office_close(&o);
}

/* What a large constant has taken goes with it, whatever small ones stay. */
static void a_small_one_keeps_no_large_one(void **state)
{
    (void)state;
    static office o;
    office_open(&o);
    layer *large = layer_new(0, false);
    layer *other = layer_new(3, false);
    office_add(&o, 0, large);
    office_add(&o, 1, other);
    assert_true(memory_of(o.delegates[1]).constants_shared >= sizeof other->bias);
    assert_true(office_remove(&o, 0) >= WEIGHT_BYTES);
    assert_true(layer_runs(other, o.delegates[1]));
    assert_true(office_remove(&o, 1) >= WEIGHT_BYTES);
    office_close(&o);
    layer_free(large), layer_free(other);
}

/* Without an engine too: a method's delegates, each with its own copy of the bytes. */
static void delegates_of_one_method(void **state)
{
    (void)state;
    gpu_needed();
    layer *l = layer_new(0, false);
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &x_info), y = pte_tensor(b, &y_info), z = pte_tensor(b, &y_info);
    pte_call(b, pte_delegate(b, "VulkanBackend", l->blob, l->size), (const uint32_t[]){x, y}, 2);
    pte_call(b, pte_delegate(b, "VulkanBackend", l->blob, l->size), (const uint32_t[]){x, z}, 2);
    pte_io(b, &x, 1, (const uint32_t[]){y, z}, 2);
    size_t size;
    void *file = pte_finish(b, &size);
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_program *program;
    vkd_method *method = NULL;
    if (vkd_program_open_bytes(file, size, &options, &program) != VKD_OK ||
        vkd_method_load(program, NULL, &options, &method) != VKD_OK)
        fail_msg("%s", w.error);
    const uint64_t constants = memory_of(vkd_method_delegate(method)).constants;
    assert_true(constants >= WEIGHT_BYTES && constants < WEIGHT_BYTES + SMALL);
    float got[2][N];
    vkd_tensor_arg args[] = {call_input(&x_info, l->x), call_output(&y_info, got[0]),
                             call_output(&y_info, got[1])};
    assert_int_equal(vkd_method_execute(method, args, 3), VKD_OK);
    assert_memory_equal(got[0], got[1], sizeof got[0]);
    vkd_method_unload(method);
    vkd_program_close(program);
    watch_end(&w);
    free(file);
    layer_free(l);
}

/* y = x + c + d: c is the same in all, and too small for memory of its own. */
enum { TERMS = 40000 };

static void *make_terms(float d, size_t *size)
{
    static float both[2][TERMS];
    const uint32_t dims[] = {TERMS};
    vkd_blob_builder *b = blob_new();
    for (int i = 0; i < TERMS; i++) {
        both[0][i] = (float)(i % 17);
        both[1][i] = d;
    }
    uint32_t operands[5], one = blob_int(b, 1); /* x, c, d, between, y */
    for (int i = 0; i < 5; i++)
        operands[i] =
            blob_tensor(b, VKD_DTYPE_FLOAT32, 1, dims, i == 1 || i == 2 ? both[i - 1] : NULL);
    blob_op(b, "aten.add.Tensor", 0, (const uint32_t[]){operands[0], operands[1], one, operands[3]},
            4);
    blob_op(b, "aten.add.Tensor", 1, (const uint32_t[]){operands[3], operands[2], one, operands[4]},
            4);
    blob_io(b, &operands[0], 1, &operands[4], 1);
    return blob_finish(b, size);
}

/* Memory that one object has brought for two constants stays while another one uses either. */
static void what_one_has_brought_stays_for_another(void **state)
{
    static const vkd_tensor_info info = {VKD_DTYPE_FLOAT32, 1, {TERMS}, 0};
    static float x[TERMS], y[TERMS];
    (void)state;
    static office o;
    uint64_t grown[2], before = 0;
    office_open(&o);
    for (int i = 0; i < 2; i++) {
        size_t size;
        void *blob = make_terms((float)(i + 1), &size);
        vkd_options options = watch_begin(&o.of[i]);
        options.engine = o.engine;
        before = faulty_driver_memory();
        if (vkd_init(blob, size, NULL, 0, NULL, &options, &o.delegates[i]) != VKD_OK)
            fail_msg("%s", o.of[i].error);
        grown[i] = faulty_driver_memory() - before;
        free(blob);
    }
    assert_in_range(grown[0] - grown[1], sizeof x, sizeof x + 4096); /* c is there once */
    assert_true(office_remove(&o, 0) <= grown[1] - sizeof x);        /* with d, which is nobody's */
    vkd_tensor_arg args[] = {call_input(&info, x), call_output(&info, y)};
    assert_int_equal(vkd_execute(o.delegates[1], args, 2), VKD_OK);
    for (int i = 0; i < TERMS; i++)
        assert_true(y[i] == (float)(i % 17) + 2);
    office_remove(&o, 1);
    office_close(&o);
}

/* -------------------------------------------------------------------------------------- threads */

typedef struct worker {
    vkd_engine *engine;
    pthread_t thread;
    layer *layers[2];
    int rounds; /* that went well */
    watch watch;
} worker;

enum { ROUNDS = 12 };

static void *come_and_go(void *user)
{
    worker *me = user;
    for (bool good = true; good && me->rounds < ROUNDS; me->rounds += good) {
        layer *l = me->layers[me->rounds % 2];
        vkd_options options = watch_begin(&me->watch);
        vkd_delegate *delegate = NULL;
        options.engine = me->engine;
        good = layer_init(l, &options, &delegate) == VKD_OK && layer_runs(l, delegate);
        vkd_destroy(delegate);
        good = good && !me->watch.memory.live;
    }
    return NULL;
}

/* Each finds the constants whole that another has brought, or brings them. */
static void threads_share(void **state)
{
    enum { THREADS = 4 };
    (void)state;
    static office o;
    static worker workers[THREADS];
    office_open(&o);
    for (int i = 0; i < THREADS; i++) {
        workers[i].engine = o.engine;
        workers[i].layers[0] = layer_new(0, i % 2);
        workers[i].layers[1] = layer_new(1, i % 2);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, come_and_go, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < THREADS; i++) {
        if (workers[i].rounds < ROUNDS)
            fail_msg("thread %d, round %d: %s", i, workers[i].rounds, workers[i].watch.text);
        layer_free(workers[i].layers[0]), layer_free(workers[i].layers[1]);
    }
    office_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_constants_are_there_once),
        cmocka_unit_test(other_bytes_are_other_constants),
        cmocka_unit_test(a_small_one_keeps_no_large_one),
        cmocka_unit_test(delegates_of_one_method),
        cmocka_unit_test(what_one_has_brought_stays_for_another),
        cmocka_unit_test(threads_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
