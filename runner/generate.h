/* A text, token by token: vkd-run --generate.
 *
 * A program for that takes token ids, 1xS or S, then, where it has that input, the position of the
 * first of them (or of each), then any number of tensors that its outputs but the first give anew,
 * a cache for instance. Its first output has the logits of the last token, or of all. What it knows
 * of the tokens before is in these tensors or in its state; one that has neither, and no position,
 * is given all tokens each time. */
#ifndef VKD_RUNNER_GENERATE_H
#define VKD_RUNNER_GENERATE_H

#include "runner/bench.h"
#include "runner/sample.h"

typedef struct run_generation {
    size_t prompt, count; /* tokens that were given, and that came of them */
    double prompt_ms;     /* until the first came */
    run_times token;      /* of each further one; NAN where there is none */
    double tokens_ms;     /* of all further ones together */
    bool stopped;         /* by a token of --stop */
} run_generation;

typedef struct run_generator {
    run_session *session;
    run_session *prefill; /* what runs the prompt: another method, or `session` again */
    run_sampler sampler;
    size_t most; /* tokens */
    const int64_t *prompt, *stops;
    size_t prompt_count, stop_count;
    void (*each)(void *user, int64_t token); /* called as they come */
    void *user;
} run_generator;

/* The sessions must have been loaded. What came before a failure was told by `each`. */
run_exit run_generate(const run_generator *generator, run_generation *out);

#endif
