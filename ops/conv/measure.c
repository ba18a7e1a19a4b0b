#include "ops/conv/measure.h"
#include "ops/conv/trial.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------- order */

static size_t winner_of(const vkd_selection_info *selection)
{
    size_t i = 0;
    while (strcmp(selection->candidates[i].variant, selection->winner))
        i++;
    return i;
}

static vkd_status make_wish(vkd_arena *arena, const vkd_selection_info *selection,
                            const conv2d *conv, conv2d_wish *out)
{
    char key[CONV2D_KEY];
    size_t count = selection->candidate_count, winner = winner_of(selection), unused;
    vkd_conv2d_key_format(conv, key);
    *out = (conv2d_wish){.key = vkd_arena_printf(arena, "%s", key),
                         .conv = conv,
                         .count = count,
                         .candidates = vkd_arena_alloc(arena, count, sizeof *out->candidates),
                         .family = vkd_conv2d_table(&conv->problem, &unused)[winner].family,
                         .us = selection->candidates[winner].cost_us};
    if (!out->key || !out->candidates)
        return vkd_fail_memory(arena->context, "what to measure");
    memcpy(out->candidates, selection->candidates, count * sizeof *out->candidates);
    return VKD_OK;
}

static int by_key(const void *a, const void *b)
{
    const conv2d_wish *left = a, *right = b;
    return strcmp(left->key, right->key);
}

static int by_family(const void *a, const void *b)
{
    const conv2d_wish *left = a, *right = b;
    return strcmp(left->family, right->family);
}

/* The more time the earlier. */
static int by_time(const void *a, const void *b)
{
    const conv2d_wish *left = a, *right = b;
    if (left->family_us != right->family_us)
        return left->family_us > right->family_us ? -1 : 1;
    if (by_family(a, b))
        return by_family(a, b);
    return left->us != right->us ? left->us > right->us ? -1 : 1 : by_key(a, b);
}

/* One for each problem, with the time of all. */
static size_t unite(conv2d_wish *wishes, size_t count)
{
    size_t kept = 0;
    qsort(wishes, count, sizeof *wishes, by_key);
    for (size_t i = 0; i < count; i++)
        if (kept && !by_key(&wishes[kept - 1], &wishes[i]))
            wishes[kept - 1].us += wishes[i].us;
        else
            wishes[kept++] = wishes[i];
    return kept;
}

static void add_up_families(conv2d_wish *wishes, size_t count)
{
    qsort(wishes, count, sizeof *wishes, by_family);
    for (size_t first = 0, end; first < count; first = end) {
        double us = 0;
        for (end = first; end < count && !by_family(&wishes[first], &wishes[end]); end++)
            us += wishes[end].us;
        for (size_t i = first; i < end; i++)
            wishes[i].family_us = us;
    }
}

vkd_status vkd_conv2d_wishes(vkd_arena *arena, const vkd_lowered *lowered, conv2d_wish **out,
                             size_t *out_count)
{
    size_t count = lowered->selection_count;
    conv2d_wish *wishes = vkd_arena_alloc(arena, count ? count : 1, sizeof *wishes);
    if (!wishes)
        return vkd_fail_memory(arena->context, "what to measure");
    for (size_t i = 0; i < count; i++)
        VKD_TRY(make_wish(arena, &lowered->selections[i], lowered->convs[i], &wishes[i]));
    count = unite(wishes, count);
    add_up_families(wishes, count);
    qsort(wishes, count, sizeof *wishes, by_time);
    *out = wishes;
    *out_count = count;
    return VKD_OK;
}

/* ------------------------------------------------------------------------------------ measuring */

static vkd_status measure_one(vkd_context *context, vkd_tuner *tuner, const vkd_caps *caps,
                              conv2d_wish *wish, bool *out_known)
{
    conv2d_trying trying;
    size_t unused;
    const conv2d_variant *variants = vkd_conv2d_table(&wish->conv->problem, &unused);
    const vkd_trial trial = vkd_conv2d_trying_begin(&trying, context, wish->conv, caps, variants);
    vkd_status status =
        vkd_tuner_measure(tuner, wish->key, wish->candidates, wish->count, &trial, out_known);
    vkd_conv2d_trying_end(&trying);
    return status;
}

vkd_status vkd_conv2d_measure(vkd_context *context, vkd_tuner *tuner, const vkd_caps *caps,
                              conv2d_wish *wishes, size_t count)
{
    double all_us = 0, left_us = 0;
    size_t left = 0, first = 0;
    for (size_t i = 0; i < count; i++) {
        bool known;
        VKD_TRY(measure_one(context, tuner, caps, &wishes[i], &known));
        all_us += wishes[i].us;
        if (known)
            continue;
        first = left ? first : i;
        left++;
        left_us += wishes[i].us;
    }
    if (left)
        vkd_log(context, VKD_LOG_INFO,
                "the time for measuring is used up: %zu of %zu shapes, %.0f %% of the estimated "
                "time, have not been measured, "
                "'%s' to begin with; the next start goes on",
                left, count, 100 * left_us / all_us, wishes[first].key);
    return VKD_OK;
}
