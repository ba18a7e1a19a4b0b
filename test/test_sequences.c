/* Nets that know of the executions before: long sequences, many shapes, two at a time, positions
 * that there are not. Small decoders under models/llama, through the public interface. Skips
 * without a device. */
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VOCABULARY = 128, CONTEXT = 32, STATES = 4, STATE_BYTES = 1 << 14 };

/* -------------------------------------------------------------------------------------- fixture */

typedef struct net {
    watch watch;
    vkd_program *program;
    vkd_method *method;
} net;

static void open_net(net *n, const char *name, vkd_engine *engine)
{
    char path[512];
    vkd_options options = watch_begin(&n->watch);
    options.engine = engine;
    snprintf(path, sizeof path, "%s/llama/%s/model.pte", VKD_MODELS, name);
    if (vkd_program_open(path, &options, &n->program) != VKD_OK ||
        vkd_method_load(n->program, NULL, &options, &n->method) != VKD_OK)
        fail_msg("%s: %s", name, n->watch.error);
}

static void close_net(net *n)
{
    vkd_method_unload(n->method);
    vkd_program_close(n->program);
    watch_end(&n->watch);
}

static vkd_delegate *delegate_of(const net *n) { return vkd_method_delegate(n->method); }

static vkd_status try_tokens(const net *n, const int64_t *tokens, int64_t count, int64_t position,
                             float logits[VOCABULARY])
{
    vkd_tensor_arg args[] = {
        {sizeof *args, VKD_DTYPE_INT64, 2, {1, count}, .input = tokens, .capacity = 8 * CONTEXT},
        {sizeof *args, VKD_DTYPE_INT64, 1, {1}, .input = &position, .capacity = sizeof position},
        {sizeof *args, VKD_DTYPE_FLOAT32, .output = logits,
         .capacity = VOCABULARY * sizeof *logits},
    };
    return vkd_method_execute(n->method, args, 3);
}

static void run_tokens(const net *n, const int64_t *tokens, int64_t count, int64_t position,
                       float logits[VOCABULARY])
{
    if (try_tokens(n, tokens, count, position, logits) != VKD_OK)
        fail_msg("%lld tokens at %lld: %s", (long long)count, (long long)position,
                 vkd_method_error(n->method));
}

static void assert_same_logits(const float *got, const float *expected, const char *what, int step)
{
    if (memcmp(got, expected, VOCABULARY * sizeof *got))
        fail_msg("%s, step %d: other bits", what, step);
}

/* Pages of memory that the process has. */
static long resident_pages(void)
{
    long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &total, &resident), 2);
    fclose(file);
    return resident;
}

/* What a method holds, and the process with it. */
typedef struct holdings {
    int64_t allocations;
    vkd_memory_info memory;
    long pages;
} holdings;

static holdings held(const net *n)
{
    holdings now = {.allocations = n->watch.memory.live, .pages = resident_pages()};
    vkd_describe_memory(delegate_of(n), &now.memory);
    return now;
}

/* AddressSanitizer keeps what was freed, and the validation layer its notes. */
static long most_mib(void)
{
#ifdef __SANITIZE_ADDRESS__
    return LONG_MAX;
#else
    return getenv("VKD_TEST_VALIDATE") || getenv("VK_INSTANCE_LAYERS") ? 100 : 32;
#endif
}

static void assert_flat(const net *n, const holdings *before)
{
    const holdings now = held(n);
    const long mib = (now.pages - before->pages) * sysconf(_SC_PAGESIZE) >> 20;
    print_message("%ld MiB more\n", mib);
    assert_int_equal(now.allocations, before->allocations);
    assert_int_equal(now.memory.constants, before->memory.constants);
    assert_int_equal(now.memory.scratch, before->memory.scratch);
    assert_int_equal(now.memory.io, before->memory.io);
    assert_int_equal(now.memory.host, before->memory.host);
    assert_true(mib < most_mib());
}

/* ---------------------------------------------------------------------------------- many tokens */

static void ten_thousand_steps(void **state)
{
    enum { STEPS = 10000, SETTLED = 10 * CONTEXT };
    (void)state;
    gpu_needed();
    net n = {0}, fresh = {0};
    vkd_random random = random_begin("steps");
    int64_t tokens[CONTEXT];
    static float first[CONTEXT][VOCABULARY], last[CONTEXT][VOCABULARY];
    holdings before = {0};
    open_net(&n, "f32_dyn", NULL);
    for (int i = 0; i < CONTEXT; i++)
        tokens[i] = random_range(&random, 0, VOCABULARY - 1);
    for (int i = 0; i < STEPS; i++) {
        int at = i % CONTEXT;
        if (at == 0)
            assert_int_equal(vkd_state_reset(delegate_of(&n)), VKD_OK);
        run_tokens(&n, &tokens[at], 1, at, last[at]);
        if (i < CONTEXT)
            memcpy(first[at], last[at], sizeof first[at]);
        assert_same_logits(last[at], first[at], "of a text again", i);
        if (i == SETTLED)
            before = held(&n);
    }
    assert_flat(&n, &before);
    close_net(&n);
    open_net(&fresh, "f32_dyn", NULL);
    for (int at = 0; at < CONTEXT; at++) {
        run_tokens(&fresh, &tokens[at], 1, at, last[at]);
        assert_same_logits(last[at], first[at], "of a fresh load", at);
    }
    close_net(&fresh);
}

/* A text in pieces: where each ends, and its logits there. */
typedef struct text {
    int64_t tokens[CONTEXT];
    int count, ends[CONTEXT];
    float logits[CONTEXT][VOCABULARY];
} text;

/* most: tokens of a piece */
static void draw_text(vkd_random *random, int most, text *t)
{
    t->count = 0;
    for (int end = 0; end < CONTEXT;) {
        int left = CONTEXT - end < most ? CONTEXT - end : most;
        end += random_range(random, 1, random_range(random, 0, 1) ? left : left < 4 ? left : 4);
        t->ends[t->count++] = end;
    }
    for (int i = 0; i < CONTEXT; i++)
        t->tokens[i] = random_range(random, 0, VOCABULARY - 1);
}

static void run_text(const net *n, text *t)
{
    for (int i = 0; i < t->count; i++) {
        int start = i ? t->ends[i - 1] : 0;
        run_tokens(n, &t->tokens[start], t->ends[i] - start, start, t->logits[i]);
    }
}

static void run_fresh(const char *name, const text *expected)
{
    net n = {0};
    static text again;
    again = *expected;
    open_net(&n, name, NULL);
    run_text(&n, &again);
    for (int i = 0; i < again.count; i++)
        assert_same_logits(again.logits[i], expected->logits[i], name, i);
    close_net(&n);
}

/* After texts whose shapes were drawn: the same ones again, so that all else is what was there. */
static void run_known_shapes(const net *n)
{
    static text t = {.count = 6, .ends = {1, 3, 6, 10, 15, 21}};
    assert_int_equal(vkd_state_reset(delegate_of(n)), VKD_OK);
    run_text(n, &t);
}

/* As many pieces of random lengths, one text after the other; some again by a fresh load. */
static void thousand_shapes(void **state)
{
    enum { SHAPES = 1000, SETTLED = 250, EACH = 150 };
    (void)state;
    gpu_needed();
    static const char *const names[] = {"f32_dyn", "8da4w_dyn"};
    vkd_random random = random_begin("shapes");
    static text t;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        net n = {0};
        holdings before = {0};
        open_net(&n, names[k], NULL);
        for (int done = 0, checked = 0; done < SHAPES;) {
            draw_text(&random, CONTEXT - 1, &t);
            assert_int_equal(vkd_state_reset(delegate_of(&n)), VKD_OK);
            run_text(&n, &t);
            if (done < SETTLED && done + t.count >= SETTLED) {
                run_known_shapes(&n);
                before = held(&n);
            }
            done += t.count;
            if (done / EACH > checked) {
                run_fresh(names[k], &t);
                checked = done / EACH;
            }
        }
        run_known_shapes(&n);
        assert_flat(&n, &before);
        close_net(&n);
    }
}

/* -------------------------------------------------------------------------------- two sequences */

/* On one device, step by step in turns: each is as by itself. */
static void two_texts(void **state)
{
    (void)state;
    gpu_needed();
    static const char *const names[] = {"f32_dyn", "4w_decode", "f32_noops_decode"};
    vkd_random random = random_begin("two texts");
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        watch w;
        vkd_options options = watch_begin(&w);
        vkd_engine *engine;
        net nets[2] = {0};
        static text texts[2];
        assert_int_equal(vkd_engine_create(&options, &engine), VKD_OK);
        for (int i = 0; i < 2; i++) {
            open_net(&nets[i], names[k], engine);
            draw_text(&random, 1, &texts[i]);
        }
        for (int at = 0; at < CONTEXT; at++)
            for (int i = 0; i < 2; i++)
                run_tokens(&nets[i], &texts[i].tokens[at], 1, at, texts[i].logits[at]);
        for (int i = 0; i < 2; i++) {
            run_fresh(names[k], &texts[i]);
            close_net(&nets[i]);
        }
        vkd_engine_destroy(engine);
        watch_end(&w);
    }
}

/* ------------------------------------------------------------------------------------- overflow */

static size_t read_states(const net *n, uint8_t states[STATES][STATE_BYTES])
{
    size_t count = vkd_state_count(delegate_of(n));
    assert_in_range(count, 1, STATES);
    for (size_t i = 0; i < count; i++) {
        vkd_tensor_info info;
        assert_int_equal(vkd_state_info(delegate_of(n), i, &info), VKD_OK);
        assert_in_range(info.size, 1, STATE_BYTES);
        assert_int_equal(vkd_state_read(delegate_of(n), i, states[i], info.size), VKD_OK);
    }
    return count;
}

static void assert_states(const net *n, uint8_t expected[STATES][STATE_BYTES], const char *name,
                          int64_t position)
{
    static uint8_t now[STATES][STATE_BYTES];
    size_t count = read_states(n, now);
    for (size_t i = 0; i < count; i++)
        if (memcmp(now[i], expected[i], STATE_BYTES))
            fail_msg("%s: position %lld changed state %zu", name, (long long)position, i);
}

/* A cache holds what it held when a token is at no position of it: where the host sees the position
 * that is an error, else the write is dropped. The text goes on behind it as if nothing had been.
 */
static void positions_beyond_the_cache(void **state)
{
    (void)state;
    gpu_needed();
    static const struct {
        const char *name;
        const char *says; /* null: dropped */
        int64_t negative; /* one that is no position */
    } rows[] = {
        {"f32_dyn", "longer than the model's context", -1},
        {"4w_decode", "expected what fits a cache of 32", -1},
        {"f32_noops_decode", NULL, -33}, /* those before count from the end */
    };
    static uint8_t before[STATES][STATE_BYTES];
    float logits[VOCABULARY], expected[VOCABULARY];
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        const int64_t positions[] = {CONTEXT,   CONTEXT + 7,      1000000,
                                     INT32_MAX, rows[k].negative, INT32_MIN};
        const int64_t tokens[] = {5, 99, 17};
        net n = {0}, fresh = {0};
        open_net(&n, rows[k].name, NULL);
        open_net(&fresh, rows[k].name, NULL);
        for (int64_t at = 0; at < CONTEXT - 1; at++) {
            run_tokens(&n, &tokens[at % 3], 1, at, logits);
            run_tokens(&fresh, &tokens[at % 3], 1, at, expected);
        }
        read_states(&n, before);
        for (size_t i = 0; i < sizeof positions / sizeof *positions; i++) {
            vkd_status status = try_tokens(&n, tokens, 1, positions[i], logits);
            assert_int_equal(status, rows[k].says ? VKD_INVALID_ARGUMENT : VKD_OK);
            const char *said = vkd_method_error(n.method);
            if (rows[k].says && positions[i] == CONTEXT && !strstr(said, rows[k].says))
                fail_msg("%s: %s", rows[k].name, said);
            assert_states(&n, before, rows[k].name, positions[i]);
        }
        run_tokens(&n, tokens, 1, CONTEXT - 1, logits);
        run_tokens(&fresh, tokens, 1, CONTEXT - 1, expected);
        assert_same_logits(logits, expected, rows[k].name, CONTEXT - 1);
        close_net(&n);
        close_net(&fresh);
    }
}

/* The last piece reaches over the end. */
static void pieces_beyond_the_cache(void **state)
{
    (void)state;
    gpu_needed();
    static uint8_t before[STATES][STATE_BYTES];
    static const int64_t tokens[CONTEXT] = {1, 2, 3};
    float logits[VOCABULARY];
    net n = {0};
    open_net(&n, "8da4w_dyn", NULL);
    run_tokens(&n, tokens, CONTEXT - 2, 0, logits);
    read_states(&n, before);
    assert_int_equal(try_tokens(&n, tokens, 3, CONTEXT - 2, logits), VKD_INVALID_ARGUMENT);
    assert_states(&n, before, "8da4w_dyn", CONTEXT - 2);
    run_tokens(&n, tokens, 2, CONTEXT - 2, logits);
    close_net(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_beyond_the_cache),
        cmocka_unit_test(pieces_beyond_the_cache),
        cmocka_unit_test(two_texts),
        cmocka_unit_test(thousand_shapes),
        cmocka_unit_test(ten_thousand_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
