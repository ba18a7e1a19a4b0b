#include "runner/generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runner/tensor.h"

typedef struct text {
    const run_generator *generator;
    int64_t *tokens; /* the prompt, and what came since */
    size_t count;
    size_t done; /* tokens that the model has been given */
    double *logits, *times;
    size_t *places;
    size_t vocabulary;
} text;

/* --------------------------------------------------------------------------------------- checks */

static run_exit info_of(const run_session *session, size_t index, bool output, vkd_tensor_info *out)
{
    const vkd_backend_table *backend = session->backend;
    return run_exit_of(output ? backend->method_output_info(session->method, index, out)
                              : backend->method_input_info(session->method, index, out));
}

static bool is_wide_int(vkd_dtype dtype)
{
    return dtype == VKD_DTYPE_INT32 || dtype == VKD_DTYPE_INT64;
}

/* Besides those that outputs give anew there are the tokens alone, or the position too. */
static bool has_position(const run_session *session)
{
    return session->input_count == session->output_count + 1;
}

/* Whether the model forgets: it has to be given all tokens again. */
static bool forgets(const run_session *session)
{
    return session->input_count == 1 && !session->backend->state_count(session->delegate);
}

static run_exit check_inputs(const run_session *session)
{
    vkd_tensor_info info;
    if (!session->output_count ||
        (session->input_count != session->output_count && !has_position(session)))
        return run_fail(RUN_USAGE,
                        "--generate: the method has %zu inputs and %zu outputs, it needs tokens, a "
                        "position or none, and one input for each output but the first",
                        session->input_count, session->output_count);
    for (size_t i = 0; i < 1u + has_position(session); i++) {
        run_exit result = info_of(session, i, false, &info);
        if (result)
            return result;
        if (!is_wide_int(info.dtype) || (i == 0 && !info.rank))
            return run_fail(RUN_USAGE, "--generate: input %zu must be %s, of int64 or int32", i,
                            i ? "a position" : "a row of tokens");
    }
    return RUN_OK;
}

/* Where the prompt has a method of its own what that knows must come out of it. */
static run_exit check_hand_over(const run_generator *g)
{
    const run_session *from = g->prefill, *to = g->session;
    if (from == to)
        return RUN_OK;
    if (from->backend->state_count(from->delegate))
        return run_fail(RUN_USAGE,
                        "--prefill: that method has a state of its own, which the other does not "
                        "see: use the other for the prompt too");
    if (from->output_count != to->output_count || to->input_count == 1)
        return run_fail(RUN_USAGE, "--prefill: what that method gives is not what the other takes");
    return RUN_OK;
}

static run_exit check_tokens(const text *t)
{
    for (size_t i = 0; i < t->count; i++)
        if ((uint64_t)t->tokens[i] >= t->vocabulary)
            return run_fail(RUN_USAGE, "--prompt: token %lld, the model has 0 to %zu",
                            (long long)t->tokens[i], t->vocabulary - 1);
    return RUN_OK;
}

/* -------------------------------------------------------------------------------------- running */

/* Ints `first`, `first` + 1 ..., or those of a list, as an input. */
static run_exit set_ints(run_session *session, size_t index, vkd_tensor_info *info, int64_t first,
                         const int64_t *list)
{
    const size_t width = session->backend->dtype_size(info->dtype);
    run_exit result = run_tensor_resize(info, info->rank, info->dims, width);
    char *data = result ? NULL : malloc(info->size + 1);
    if (!data)
        return result ? result : run_fail_memory();
    for (size_t i = 0; i < info->size / width; i++) {
        int64_t wide = list ? list[i] : first + (int64_t)i;
        int32_t narrow = (int32_t)wide;
        memcpy(data + i * width, width == sizeof wide ? (void *)&wide : (void *)&narrow, width);
    }
    run_session_set_input(session, index, info, data);
    return RUN_OK;
}

/* The next tokens, `count` of them, and where they are. */
static run_exit set_tokens(const text *t, run_session *session, vkd_tensor_info *info, size_t count)
{
    vkd_tensor_info position;
    info->dims[info->rank - 1] = (int64_t)count;
    run_exit result = set_ints(session, 0, info, 0, t->tokens + t->done);
    if (result || !has_position(session))
        return result;
    result = info_of(session, 1, false, &position);
    if (!result && position.rank && position.dims[position.rank - 1] > 1)
        position.dims[position.rank - 1] = (int64_t)count;
    return result ? result : set_ints(session, 1, &position, (int64_t)t->done, NULL);
}

/* Input `index`, which output `output` gives anew, of the execution before; null: there was none,
 * it is zeros. */
static run_exit carry(run_session *to, size_t index, const run_session *from, size_t output)
{
    vkd_tensor_info info;
    run_exit result = info_of(to, index, false, &info);
    const vkd_tensor_arg *arg = from ? &from->args[from->input_count + output] : NULL;
    if (!result && arg) {
        info.dtype = arg->dtype;
        result =
            run_tensor_resize(&info, arg->rank, arg->dims, to->backend->dtype_size(arg->dtype));
    }
    if (result)
        return result;
    void *data = calloc(info.size + 1, 1);
    if (!data)
        return run_fail_memory();
    if (arg)
        memcpy(data, arg->output, info.size);
    run_session_set_input(to, index, &info, data);
    return RUN_OK;
}

static run_exit carry_all(run_session *to, const run_session *from)
{
    run_exit result = RUN_OK;
    for (size_t i = 1; i < to->output_count && !result; i++)
        result = carry(to, i + has_position(to), from, i);
    return result;
}

/* Gives the model the tokens that it does not have yet, as many at once as it takes. before: the
 * session of the last execution, or null. */
static run_exit catch_up(text *t, run_session *session, const run_session *before, double *out_ms)
{
    vkd_tensor_info info;
    double ms;
    run_exit result = info_of(session, 0, false, &info);
    t->done = forgets(session) ? 0 : t->done;
    for (*out_ms = 0; t->done < t->count && !result; before = session, *out_ms += ms) {
        const size_t most = (size_t)info.dims[info.rank - 1], left = t->count - t->done;
        const size_t count = left < most ? left : most;
        if (!count || (forgets(session) && left > most))
            return run_fail(RUN_USAGE, "the text has %zu tokens, the model takes %zu", left, most);
        vkd_tensor_info tokens = info;
        result = set_tokens(t, session, &tokens, count);
        if (!result)
            result = carry_all(session, before);
        if (!result)
            result = run_session_execute(session, &ms);
        t->done += count;
    }
    return result;
}

/* The token that follows by the first output's last row. */
static run_exit take_token(text *t, run_session *session, run_sampler *sampler)
{
    vkd_tensor_info info;
    void *data;
    run_exit result = run_session_output(session, 0, &info, &data);
    if (result)
        return result;
    const size_t count = info.size / session->backend->dtype_size(info.dtype);
    for (size_t i = 0; i < t->vocabulary && count >= t->vocabulary; i++)
        t->logits[i] = run_tensor_value(info.dtype, data, count - t->vocabulary + i);
    size_t token = count < t->vocabulary ? t->vocabulary
                                         : run_sample(sampler, t->logits, t->vocabulary, t->places);
    if (token == t->vocabulary)
        return run_fail(RUN_FAILED, "no logit after token %zu is a number", t->count);
    t->tokens[t->count++] = (int64_t)token;
    return RUN_OK;
}

/* ----------------------------------------------------------------------------------------- text */

static bool is_stop(const run_generator *g, int64_t token)
{
    for (size_t i = 0; i < g->stop_count; i++)
        if (g->stops[i] == token)
            return true;
    return false;
}

static run_exit generate(text *t, run_generation *out)
{
    const run_generator *g = t->generator;
    run_sampler sampler = g->sampler;
    run_session *session = g->prefill;
    const run_session *before = NULL;
    run_exit result = check_tokens(t);
    for (size_t i = 0; i < g->most && !result && !out->stopped; i++) {
        double *ms = i ? &t->times[i - 1] : &out->prompt_ms;
        result = catch_up(t, session, before, ms);
        if (!result)
            result = take_token(t, session, &sampler);
        if (result)
            break;
        out->count = i + 1;
        out->tokens_ms += i ? *ms : 0;
        out->stopped = is_stop(g, t->tokens[t->count - 1]);
        g->each(g->user, t->tokens[t->count - 1]);
        before = session;
        session = g->session;
    }
    if (out->count > 1)
        out->token = run_times_of(t->times, out->count - 1);
    return result;
}

static run_exit begin(text *t, const run_generator *g)
{
    vkd_tensor_info logits;
    run_exit result = info_of(g->session, 0, true, &logits);
    if (result)
        return result;
    *t = (text){.generator = g, .count = g->prompt_count};
    t->vocabulary = logits.rank ? (size_t)logits.dims[logits.rank - 1] : 1;
    t->tokens = calloc(g->prompt_count + g->most, sizeof *t->tokens);
    t->times = calloc(g->most, sizeof *t->times);
    t->logits = calloc(t->vocabulary + 1, sizeof *t->logits);
    t->places = calloc(t->vocabulary + 1, sizeof *t->places);
    if (!t->tokens || !t->times || !t->logits || !t->places)
        return run_fail_memory();
    memcpy(t->tokens, g->prompt, g->prompt_count * sizeof *t->tokens);
    return RUN_OK;
}

static void end(text *t)
{
    free(t->tokens);
    free(t->times);
    free(t->logits);
    free(t->places);
}

run_exit run_generate(const run_generator *generator, run_generation *out)
{
    text t = {0};
    *out = (run_generation){.prompt = generator->prompt_count, .token = {NAN, NAN, NAN}};
    run_exit result = check_inputs(generator->session);
    if (!result)
        result = check_inputs(generator->prefill);
    if (!result)
        result = check_hand_over(generator);
    if (!result)
        result = begin(&t, generator);
    if (!result)
        result = generate(&t, out);
    end(&t);
    return result;
}
