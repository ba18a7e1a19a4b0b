/* From a convolution to dispatches: chooses a variant, with the device's help where there is a
 * tuner, and emits it. */
#include "ops/conv/known.h"
#include "ops/conv/trial.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------- choosing */

/* The choice among candidates that vkd_conv2d_consider has filled in; those that fail their check
 * drop out until one passes. */
static vkd_status choose_tried(vkd_lowering *lowering, const conv2d_trying *t,
                               const vkd_trial *trial, const char *problem,
                               vkd_candidate_info *candidates, size_t count, size_t *out_winner,
                               const char **out_reason)
{
    char key[CONV2D_KEY];
    vkd_conv2d_key_format(t->conv, key);
    if (!lowering->variant)
        vkd_tuner_recall(lowering->tuner, key, candidates, count);
    for (;;) {
        size_t winner = *out_winner =
            vkd_conv2d_choose(t->variants, count, candidates, lowering->variant, out_reason);
        bool right;
        if (winner == count)
            return vkd_op_fail(lowering, VKD_DEVICE_ERROR,
                               "no kernel for %s passes its self-check on this driver", problem);
        VKD_TRY(
            vkd_tuner_check(lowering->tuner, candidates[winner].variant, winner, trial, &right));
        if (right)
            return VKD_OK;
        candidates[winner].eligible = false;
        candidates[winner].reason = "failed its self-check on this driver";
    }
}

static vkd_status choose(vkd_lowering *lowering, const conv2d *conv, const conv2d_variant *variants,
                         size_t count, const char *problem, vkd_candidate_info *candidates,
                         size_t *out_winner, const char **out_reason)
{
    const vkd_candidate_info *known = vkd_known_find(lowering, conv);
    if (known)
        memcpy(candidates, known, count * sizeof *candidates);
    else
        vkd_conv2d_consider(variants, count, &conv->problem, lowering->caps, candidates);
    *out_winner = vkd_conv2d_choose(variants, count, candidates, lowering->variant, out_reason);
    if (*out_winner == count)
        return vkd_op_fail(lowering, VKD_UNSUPPORTED,
                           "no kernel can run %s on this device ('%s': %s)", problem,
                           candidates[0].variant, candidates[0].reason);
    if (!lowering->tuner)
        return VKD_OK;
    conv2d_trying t;
    const vkd_trial trial =
        vkd_conv2d_trying_begin(&t, lowering->context, conv, lowering->caps, variants);
    vkd_status status =
        choose_tried(lowering, &t, &trial, problem, candidates, count, out_winner, out_reason);
    vkd_conv2d_trying_end(&t);
    return status;
}

/* ------------------------------------------------------------------------------------- building */

/* Of the variant that was chosen. */
static double cost_of(const vkd_selection_info *selection)
{
    for (size_t i = 0; i < selection->candidate_count; i++) {
        const vkd_candidate_info *candidate = &selection->candidates[i];
        if (!strcmp(candidate->variant, selection->winner))
            return candidate->measured_us > 0 ? candidate->measured_us : candidate->cost_us;
    }
    return 0;
}

vkd_node vkd_conv2d_node(const vkd_lowering *lowering, const conv2d *conv, vkd_shader shader,
                         uint64_t loops, const void *push, uint32_t push_size)
{
    vkd_node node = vkd_op_node(lowering, shader, loops, push, push_size);
    const vkd_selection_info *selection = &lowering->selections[lowering->selection_count - 1];
    node.variant = selection->winner;
    node.shape = selection->problem;
    node.macs = conv2d_macs(&conv->problem);
    node.cost_us = cost_of(selection);
    return node;
}

vkd_status vkd_conv2d_select(vkd_lowering *lowering, const conv2d *conv,
                             const conv2d_variant *variants, size_t count,
                             const conv2d_variant **out)
{
    vkd_arena *arena = lowering->graph->arena;
    char text[CONV2D_TEXT];
    vkd_conv2d_problem_format(&conv->problem, text);
    const char *problem = vkd_arena_printf(arena, "%s", text), *reason;
    vkd_candidate_info *candidates = vkd_arena_alloc(arena, count, sizeof *candidates);
    vkd_selection_info *grown =
        vkd_arena_grow(arena, lowering->selections, lowering->selection_count,
                       &lowering->selection_capacity, sizeof *grown);
    const conv2d **convs = vkd_arena_grow(arena, lowering->convs, lowering->selection_count,
                                          &lowering->conv_capacity, sizeof *convs);
    conv2d *copy = vkd_arena_alloc(arena, 1, sizeof *copy);
    if (!candidates || !grown || !problem || !convs || !copy)
        return vkd_fail_memory(lowering->context, "a selection");
    *copy = *conv;
    copy->call = lowering->call;
    copy->problem = *conv2d_choice(conv);
    lowering->convs = convs;
    convs[lowering->selection_count] = copy;
    lowering->selections = grown;
    size_t winner;
    VKD_TRY(choose(lowering, copy, variants, count, problem, candidates, &winner, &reason));
    grown[lowering->selection_count++] = (vkd_selection_info){
        .op = lowering->call->name,
        .op_id = lowering->call->node_id,
        .problem = problem,
        .winner = variants[winner].name,
        .reason = reason,
        .candidate_count = count,
        .candidates = candidates,
    };
    *out = &variants[winner];
    return VKD_OK;
}

vkd_status vkd_conv2d_build(vkd_lowering *lowering, const conv2d *conv,
                            const conv2d_variant *variants, size_t count)
{
    const conv2d_variant *variant;
    VKD_TRY(vkd_conv2d_select(lowering, conv, variants, count, &variant));
    return variant->emit(lowering, conv, variant->tile);
}

typedef struct variant_table {
    const conv2d_variant *variants;
    const size_t *count;
} variant_table;
static const variant_table tables[] = {
    {vkd_conv2d_variants, &vkd_conv2d_variant_count},
    {vkd_conv2d_float_variants, &vkd_conv2d_float_variant_count},
    {vkd_conv2d_low_variants, &vkd_conv2d_low_variant_count},
};
enum { INT8, FLOATS, LOW_BITS, TABLES };

const conv2d_variant *vkd_conv2d_table(const conv2d_problem *problem, size_t *out_count)
{
    const variant_table *table = &tables[problem->low_bits          ? LOW_BITS
                                         : conv2d_is_float(problem) ? FLOATS
                                                                    : INT8];
    *out_count = *table->count;
    return table->variants;
}

const conv2d_variant *vkd_conv2d_variant_at(size_t index)
{
    for (size_t i = 0; i < TABLES; index -= *tables[i++].count)
        if (index < *tables[i].count)
            return &tables[i].variants[index];
    return NULL;
}

uint64_t vkd_conv2d_table_sum(void)
{
    uint64_t sum = vkd_version();
    const conv2d_variant *variant;
    for (size_t i = 0; (variant = vkd_conv2d_variant_at(i)); i++)
        for (const char *letter = variant->name; *letter; letter++)
            sum = sum * 31 + (unsigned char)*letter;
    return sum;
}
