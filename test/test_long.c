/* Long texts and large vocabularies: attention over many keys, of many queries, in memory that does
 * not grow with their product; tables and layers as wide as a vocabulary; what a device cannot
 * bind. Results are held against plain C in a sample. Skips without a device what needs one. */
#include "support/blob_builder.h"
#include "support/fake_caps.h"
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/lowering.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static float *draw(vkd_random *random, size_t count)
{
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)random_range(random, -1000, 1000) * 1e-3f;
    return values;
}

/* ------------------------------------------------------------------------------------ attention */

typedef struct attention {
    bool by_position; /* custom_sdpa over a cache, causal; else et_vk.sdpa over all keys */
    uint32_t heads, group, queries, keys, width, start;
    float *q, *k, *v, *y;
} attention;

/* Where the row of an item of a head begins. */
static size_t row_at(const attention *a, uint32_t heads, uint32_t items, uint32_t h, uint32_t i)
{
    return (a->by_position ? (size_t)i * heads + h : (size_t)h * items + i) * a->width;
}

static void expect_row(const attention *a, uint32_t h, uint32_t s, double *y)
{
    const uint32_t heads = a->heads / a->group, seen = a->by_position ? a->start + s + 1 : a->keys;
    const float *q = a->q + row_at(a, a->heads, a->queries, h, s);
    double *weights = malloc(seen * sizeof *weights), sum = 0;
    assert_non_null(weights);
    for (uint32_t l = 0; l < seen; l++) {
        const float *k = a->k + row_at(a, heads, a->keys, h / a->group, l);
        double score = 0;
        for (uint32_t d = 0; d < a->width; d++)
            score += (double)q[d] * (double)k[d];
        sum += weights[l] = exp(score / sqrt(a->width));
    }
    memset(y, 0, a->width * sizeof *y);
    for (uint32_t l = 0; l < seen; l++)
        for (uint32_t d = 0; d < a->width; d++)
            y[d] += weights[l] / sum * (double)a->v[row_at(a, heads, a->keys, h / a->group, l) + d];
    free(weights);
}

static void check_rows(const attention *a, vkd_random *random)
{
    double expected[256];
    for (int i = 0; i < 40; i++) {
        uint32_t h = (uint32_t)random_range(random, 0, (int32_t)a->heads - 1),
                 s = (uint32_t)random_range(random, 0, (int32_t)a->queries - 1);
        const float *got = a->y + row_at(a, a->heads, a->queries, h, s);
        expect_row(a, h, s, expected);
        for (uint32_t d = 0; d < a->width; d++)
            if (!(fabs((double)got[d] - expected[d]) <= 2e-5))
                fail_msg("head %u, query %u, element %u: %g, expected %g", h, s, d, (double)got[d],
                         expected[d]);
    }
}

static void *build_attention(const attention *a, size_t *out_size)
{
    vkd_blob_builder *b = blob_new();
    const uint32_t kv = a->heads / a->group;
    const uint32_t q_dims[] = {1, a->by_position ? a->queries : a->heads,
                               a->by_position ? a->heads : a->queries, a->width},
                   k_dims[] = {1, a->by_position ? a->keys : kv, a->by_position ? kv : a->keys,
                               a->width};
    uint32_t q = blob_tensor(b, VKD_DTYPE_FLOAT32, 4, q_dims, NULL),
             k = blob_tensor(b, VKD_DTYPE_FLOAT32, 4, k_dims, NULL),
             v = blob_tensor(b, VKD_DTYPE_FLOAT32, 4, k_dims, NULL),
             y = blob_tensor(b, VKD_DTYPE_FLOAT32, 4, q_dims, NULL), null = blob_null(b);
    if (a->by_position)
        blob_op(b, "llama.custom_sdpa.default", 0,
                (uint32_t[]){q, k, v, blob_int(b, a->start), null, blob_double(b, 0),
                             blob_bool(b, true), null, y},
                9);
    else
        blob_op(b, "et_vk.sdpa.default", 0, (uint32_t[]){q, k, v, null, null, y}, 6);
    blob_io(b, (uint32_t[]){q, k, v}, 3, &y, 1);
    return blob_finish(b, out_size);
}

static vkd_tensor_arg arg(uint32_t rank, const int64_t *dims, const float *input, float *output,
                          size_t count)
{
    vkd_tensor_arg a = {sizeof a,       VKD_DTYPE_FLOAT32, rank,
                        .input = input, .output = output,  .capacity = count * sizeof(float)};
    memcpy(a.dims, dims, rank * sizeof *dims);
    return a;
}

static void run_attention(const attention *a, uint64_t most_scratch)
{
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_delegate *delegate;
    vkd_memory_info memory;
    size_t size;
    void *blob = build_attention(a, &size);
    const int64_t kv = a->heads / a->group;
    const int64_t q_dims[] = {1, a->by_position ? a->queries : a->heads,
                              a->by_position ? a->heads : a->queries, a->width},
                  k_dims[] = {1, a->by_position ? a->keys : kv, a->by_position ? kv : a->keys,
                              a->width};
    const size_t q_count = (size_t)a->heads * a->queries * a->width,
                 k_count = (size_t)kv * a->keys * a->width;
    vkd_tensor_arg args[] = {
        arg(4, q_dims, a->q, NULL, q_count), arg(4, k_dims, a->k, NULL, k_count),
        arg(4, k_dims, a->v, NULL, k_count), arg(4, q_dims, NULL, a->y, q_count)};
    if (vkd_init(blob, size, NULL, 0, NULL, &options, &delegate) != VKD_OK ||
        vkd_execute(delegate, args, 4) != VKD_OK)
        fail_msg("%s", w.text);
    vkd_describe_memory(delegate, &memory);
    if (memory.scratch > most_scratch)
        fail_msg("%llu bytes of scratch", (unsigned long long)memory.scratch);
    vkd_destroy(delegate);
    free(blob);
    watch_end(&w);
}

/* Queries in several parts, in both layouts and with the last part shorter; a context beyond what
 * few invocations can go through. */
static void long_attention(void **state)
{
    (void)state;
    gpu_needed();
    vkd_random random = random_begin("attention");
    const attention cases[] = {
        {true, 4, 2, 603, 4101, 16, 3400},
        {false, 6, 3, 411, 4098, 12, 0},
        {true, 2, 1, 1, 40000, 128, 39999},
        {true, 3, 1, 5, 17001, 33, 16000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        attention a = cases[i];
        const size_t q_count = (size_t)a.heads * a.queries * a.width,
                     k_count = (size_t)a.heads / a.group * a.keys * a.width;
        a.q = draw(&random, q_count), a.k = draw(&random, k_count), a.v = draw(&random, k_count);
        a.y = calloc(q_count, sizeof *a.y);
        run_attention(&a, (32 << 20) + 4 * (q_count + 2 * k_count));
        check_rows(&a, &random);
        free(a.q), free(a.k), free(a.v), free(a.y);
    }
}

/* ----------------------------------------------------------------------------------- vocabulary */

enum { VOCABULARY = 151936, WIDTH = 36, TOKENS = 7 };

static double product(const float *a, const float *b)
{
    double sum = 0;
    for (size_t d = 0; d < WIDTH; d++)
        sum += (double)a[d] * (double)b[d];
    return sum;
}

/* Ids to rows of a table, and these to logits by the same table. */
static void large_vocabulary(void **state)
{
    (void)state;
    gpu_needed();
    vkd_random random = random_begin("vocabulary");
    float *table = draw(&random, (size_t)VOCABULARY * WIDTH),
          *logits = calloc((size_t)TOKENS * VOCABULARY, sizeof *logits);
    const int32_t ids[TOKENS] = {0, VOCABULARY - 1, 65535, 65536, 131071, 150000, 7};
    vkd_blob_builder *b = blob_new();
    uint32_t t = blob_tensor(b, VKD_DTYPE_FLOAT32, 2, (uint32_t[]){VOCABULARY, WIDTH}, table),
             x = blob_tensor(b, VKD_DTYPE_INT32, 1, (uint32_t[]){TOKENS}, NULL),
             rows = blob_tensor(b, VKD_DTYPE_FLOAT32, 2, (uint32_t[]){TOKENS, WIDTH}, NULL),
             y = blob_tensor(b, VKD_DTYPE_FLOAT32, 2, (uint32_t[]){TOKENS, VOCABULARY}, NULL);
    uint32_t no = blob_bool(b, false);
    blob_op(b, "aten.embedding.default", 0, (uint32_t[]){t, x, blob_int(b, -1), no, no, rows}, 6);
    blob_op(b, "aten.linear.default", 1, (uint32_t[]){rows, t, blob_null(b), y}, 4);
    blob_io(b, &x, 1, &y, 1);
    size_t size;
    void *blob = blob_finish(b, &size);
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_delegate *delegate;
    vkd_tensor_arg args[] = {
        {sizeof *args, VKD_DTYPE_INT32, 1, {TOKENS}, .input = ids, .capacity = sizeof ids},
        {sizeof *args, VKD_DTYPE_FLOAT32, .output = logits,
         .capacity = (size_t)TOKENS * VOCABULARY * sizeof *logits}};
    if (vkd_init(blob, size, NULL, 0, NULL, &options, &delegate) != VKD_OK ||
        vkd_execute(delegate, args, 2) != VKD_OK)
        fail_msg("%s", w.text);
    for (int i = 0; i < 4000; i++) {
        int token = i % TOKENS, word = i < 100   ? VOCABULARY - 1 - i
                                       : i < 200 ? i - 100
                                                 : random_range(&random, 0, VOCABULARY - 1);
        double expected = product(table + (size_t)ids[token] * WIDTH, table + (size_t)word * WIDTH),
               got = (double)logits[(size_t)token * VOCABULARY + (size_t)word];
        if (!(fabs(got - expected) <= 1e-5))
            fail_msg("token %d, word %d: %g, expected %g", token, word, got, expected);
    }
    vkd_destroy(delegate);
    watch_end(&w);
    free(blob), free(table), free(logits);
}

/* ------------------------------------------------------------------------- what cannot be bound */

/* Weights of 311 MB on a device that binds 128 MiB: refused while nothing has been packed. */
static void weights_beyond_a_binding(void **state)
{
    lowering_fixture *f = *state;
    static const uint32_t one = 0;
    static const struct {
        vkd_dtype dtype;
        uint32_t width;
        vkd_status status;
    } cases[] = {{VKD_DTYPE_FLOAT16, 1024, VKD_UNSUPPORTED},
                 {VKD_DTYPE_FLOAT32, 224, VKD_UNSUPPORTED},
                 {VKD_DTYPE_FLOAT16, 440, VKD_OK}};
    f->caps = fake_caps(FAKE_ADRENO_750);
    f->caps.max_storage_range = 1 << 27;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(&f->m, 0, sizeof f->m);
        vkd_graph_init(&f->graph, &f->arena);
        const uint32_t dims[] = {VOCABULARY, cases[i].width}, x_dims[] = {1, cases[i].width},
                       y_dims[] = {1, VOCABULARY};
        uint32_t x = hand_input(&f->m, cases[i].dtype, 2, x_dims),
                 t = hand_constant(&f->m, cases[i].dtype, 2, dims, &one); /* not read */
        HAND_OP(&f->m, "aten.linear.default", x, t, hand_null(&f->m),
                hand_output(&f->m, cases[i].dtype, 2, y_dims));
        vkd_status status = lowering_run(f);
        if (status != cases[i].status)
            fail_msg("case %zu: status %d, %s", i, status, f->context.error);
        if (status != VKD_OK)
            assert_non_null(strstr(f->context.error, "Adreno (TM) 750 binds at most 134217728"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(weights_beyond_a_binding, lowering_setup,
                                        lowering_teardown),
        cmocka_unit_test(long_attention),
        cmocka_unit_test(large_vocabulary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
