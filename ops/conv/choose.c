/* The choice among a table's variants: pure functions of problem, caps and measured times. */
#include "ops/conv/conv.h"

#include <string.h>

bool vkd_conv2d_is_named(const conv2d_variant *variant, const char *name)
{
    return !strcmp(variant->name, name) || !strcmp(variant->family, name) ||
           (variant->tile && !strcmp(variant->tile->name, name));
}

void vkd_conv2d_consider(const conv2d_variant *variants, size_t count,
                         const conv2d_problem *problem, const vkd_caps *caps,
                         vkd_candidate_info *candidates)
{
    for (size_t i = 0; i < count; i++) {
        const conv2d_variant *variant = &variants[i];
        const char *refusal = variant->refuses(problem, caps, variant->tile);
        candidates[i] = (vkd_candidate_info){
            .variant = variant->name,
            .eligible = !refusal,
            .cost_us = refusal ? 0 : variant->cost(problem, caps, variant->tile),
            .reason = refusal ? refusal : "cost model",
        };
    }
}

/* The eligible candidate with the lowest estimate among those called `name` (null: all); `count` if
 * there is none. */
static size_t cheapest(const conv2d_variant *variants, size_t count,
                       const vkd_candidate_info *candidates, const char *name)
{
    size_t best = count;
    for (size_t i = 0; i < count; i++)
        if (candidates[i].eligible && (!name || vkd_conv2d_is_named(&variants[i], name)) &&
            (best == count || candidates[i].cost_us < candidates[best].cost_us))
            best = i;
    return best;
}

/* The eligible candidate with the lowest measured time; `count` if none was measured. */
static size_t fastest(size_t count, const vkd_candidate_info *candidates)
{
    size_t best = count;
    for (size_t i = 0; i < count; i++)
        if (candidates[i].eligible && candidates[i].measured_us > 0 &&
            (best == count || candidates[i].measured_us < candidates[best].measured_us))
            best = i;
    return best;
}

size_t vkd_conv2d_choose(const conv2d_variant *variants, size_t count,
                         const vkd_candidate_info *candidates, const char *forced,
                         const char **reason)
{
    size_t winner = forced ? cheapest(variants, count, candidates, forced) : count;
    *reason = "forced by an option";
    if (winner < count)
        return winner;
    winner = fastest(count, candidates);
    *reason = "lowest measured time";
    if (winner < count)
        return winner;
    *reason = "lowest estimated cost";
    return cheapest(variants, count, candidates, NULL);
}
