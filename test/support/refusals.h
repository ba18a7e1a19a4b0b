/* Table tests of what variants of convolutions refuse: {variant, problem, device with changes,
 * reason}, and whether every reason in the sources has a row. */
#ifndef VKD_TEST_SUPPORT_REFUSALS_H
#define VKD_TEST_SUPPORT_REFUSALS_H

#include "ops/conv/conv.h"
#include "support/fake_caps.h"

/* What a row changes of its device; 0: nothing. */
typedef struct refusal_changes {
    uint64_t storage_range;
    uint32_t texels, groups_x, groups_y, groups_z, subgroup, size_x, buffers, loops;
    bool no_shuffle;
    uint32_t left_out;
    bool wrong;  /* the self-check has something against all kernels */
    bool halves; /* of the problem: its operands */
} refusal_changes;

typedef struct refusal {
    const char *variant;
    conv2d_problem problem;
    fake_device device;
    refusal_changes changed;
    const char *reason; /* null: it is just within */
} refusal;

typedef struct refusals {
    const conv2d_variant *variants;
    size_t variant_count, count;
    const char *sources;   /* files of ops/conv and ops/gemm whose reasons are these: a pattern */
    const char *others[3]; /* and those that are not among them: patterns, or null */
    refusal (*row)(size_t index);
} refusals;

vkd_caps refusal_caps(fake_device device, const refusal_changes *changed);

/* Fails the test unless each row is refused for its reason. */
void refusals_check(const refusals *r);
/* Whether a row expects this. */
bool refusals_expect(const refusals *r, const char *reason);
/* Fails the test unless every string in a function called ..._refuse(s) of the sources, and of
 * ops/lower.h, is the reason of a row. */
void refusals_check_sources(const refusals *r);

#endif
