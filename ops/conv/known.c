#include "ops/conv/known.h"

#include <stdlib.h>
#include <string.h>

static vkd_status know(vkd_arena *arena, const vkd_selection_info *selection, const conv2d *conv,
                       conv2d_known *out)
{
    char key[CONV2D_KEY];
    const size_t count = selection->candidate_count;
    vkd_candidate_info *candidates = vkd_arena_alloc(arena, count, sizeof *candidates);
    vkd_conv2d_key_format(conv, key);
    *out = (conv2d_known){conv->call, vkd_arena_printf(arena, "%s", key), candidates};
    if (!candidates || !out->key)
        return vkd_fail_memory(arena->context, "what is known of convolutions");
    memcpy(candidates, selection->candidates, count * sizeof *candidates);
    return VKD_OK;
}

static int compare_calls(const void *a, const void *b)
{
    const vkd_call *first = ((const conv2d_known *)a)->call,
                   *second = ((const conv2d_known *)b)->call;
    return (first > second) - (first < second);
}

vkd_status vkd_known_make(vkd_arena *arena, const vkd_lowered *lowered, vkd_known *out)
{
    const size_t count = lowered->selection_count;
    *out = (vkd_known){count, vkd_arena_alloc(arena, count ? count : 1, sizeof *out->convs)};
    if (!out->convs)
        return vkd_fail_memory(arena->context, "what is known of convolutions");
    for (size_t i = 0; i < count; i++)
        VKD_TRY(know(arena, &lowered->selections[i], lowered->convs[i], &out->convs[i]));
    /* what was put off comes behind its reader */
    qsort(out->convs, count, sizeof *out->convs, compare_calls);
    return VKD_OK;
}

/* The first convolution that a call has made, or a later one. */
static size_t first_of(const vkd_known *known, const vkd_call *call)
{
    size_t first = 0, end = known->count;
    while (first < end) {
        const size_t middle = first + (end - first) / 2;
        if (known->convs[middle].call < call)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

const vkd_candidate_info *vkd_known_find(const vkd_lowering *lowering, const conv2d *conv)
{
    const vkd_known *known = lowering->known;
    char key[CONV2D_KEY];
    if (!known)
        return NULL;
    vkd_conv2d_key_format(conv, key);
    for (size_t i = first_of(known, lowering->call);
         i < known->count && known->convs[i].call == lowering->call; i++)
        if (!strcmp(known->convs[i].key, key))
            return known->convs[i].candidates;
    return NULL;
}
