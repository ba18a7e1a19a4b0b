#include "runner/sample.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------ ids */

run_exit run_tokens_parse(const char *what, const char *text, int64_t **out, size_t *out_count)
{
    static const char between[] = ", \t\r\n";
    size_t count = 0;
    int64_t *ids = malloc((strlen(text) / 2 + 1) * sizeof *ids); /* a digit and a blank each */
    if (!ids)
        return run_fail_memory();
    for (const char *at = text + strspn(text, between); *at; at += strspn(at, between)) {
        char *end;
        errno = 0;
        ids[count] = strtoll(at, &end, 10);
        if (end == at || errno || ids[count] < 0 || ids[count] > INT32_MAX ||
            (*end && !strchr(between, *end))) {
            free(ids);
            return run_fail(RUN_USAGE, "%s: '%.*s' is no token id, a whole number from 0 on", what,
                            (int)strcspn(at, between), at);
        }
        count++;
        at = end;
    }
    *out = ids;
    *out_count = count;
    return RUN_OK;
}

/* -------------------------------------------------------------------------------------- drawing */

static size_t largest(const double *logits, const size_t *places, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        best = logits[places[i]] > logits[places[best]] ? i : best;
    return places[best];
}

/* Lets the place at `at` sink in a heap in which no logit is larger than those below it. */
static void sink(const double *logits, size_t *heap, size_t count, size_t at)
{
    for (size_t next; (next = 2 * at + 1) < count; at = next) {
        next += next + 1 < count && logits[heap[next + 1]] < logits[heap[next]];
        if (logits[heap[at]] <= logits[heap[next]])
            return;
        size_t place = heap[at];
        heap[at] = heap[next];
        heap[next] = place;
    }
}

/* Moves the places of the `top` largest logits to the front: a heap of so many takes in whatever is
 * larger than its smallest. */
static void select_top(const double *logits, size_t *places, size_t count, size_t top)
{
    for (size_t i = top / 2; i-- > 0;)
        sink(logits, places, top, i);
    for (size_t i = top; i < count; i++)
        if (logits[places[i]] > logits[places[0]]) {
            places[0] = places[i];
            sink(logits, places, top, 0);
        }
}

/* SplitMix64; 0 to below 1. */
static double draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static double weight(const run_sampler *sampler, double logit, double most)
{
    return logit == most ? 1 : exp((logit - most) / sampler->temperature);
}

size_t run_sample(run_sampler *sampler, const double *logits, size_t count, size_t *places)
{
    size_t numbers = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(logits[i]) && logits[i] > -INFINITY)
            places[numbers++] = i;
    if (!numbers)
        return count;
    const size_t best = largest(logits, places, numbers);
    if (!(sampler->temperature > 0))
        return best;
    if (sampler->top && sampler->top < numbers) {
        select_top(logits, places, numbers, sampler->top);
        numbers = sampler->top;
    }
    double sum = 0;
    for (size_t i = 0; i < numbers; i++)
        sum += weight(sampler, logits[places[i]], logits[best]);
    double left = draw(&sampler->state) * sum;
    for (size_t i = 0; i < numbers; i++) {
        left -= weight(sampler, logits[places[i]], logits[best]);
        if (left < 0)
            return places[i];
    }
    return best; /* where rounding has left nothing */
}
