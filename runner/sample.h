/* The next token of a text: token ids as text, and drawing one by its logits. */
#ifndef VKD_RUNNER_SAMPLE_H
#define VKD_RUNNER_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "runner/message.h"

/* Whole numbers from 0 on with blanks or commas between them. Allocates *out; free it. RUN_USAGE
 * where something else is in the text; what: for the message. */
run_exit run_tokens_parse(const char *what, const char *text, int64_t **out, size_t *out_count);

typedef struct run_sampler {
    double temperature; /* 0: the token with the largest logit, the first of equal ones */
    size_t top;         /* draw from so many of the likeliest; 0: from all */
    uint64_t state;     /* of the random numbers; at first the seed */
} run_sampler;

/* Draws a token from softmax(logits / temperature). What is no number is never drawn. Returns
 * `count` where no logit is a number. places: room for `count`. */
size_t run_sample(run_sampler *sampler, const double *logits, size_t count, size_t *places);

#endif
