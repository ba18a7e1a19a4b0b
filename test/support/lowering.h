/* A cmocka fixture that lowers hand-made models for a fabricated device; needs no device. */
#ifndef VKD_TEST_SUPPORT_LOWERING_H
#define VKD_TEST_SUPPORT_LOWERING_H

#include "ops/lower.h"
#include "support/harness.h"

/* Binds a model, shapes it with its own dims and lowers it, without rewrites: into a graph that
 * vkd_graph_init has prepared, whose arena takes everything. The operators of support/open_ops.h.
 * variant may be null. */
VKD_MUST_USE vkd_status lowering_of_model(vkd_context *context, const vkd_model *model,
                                          const vkd_caps *caps, const char *variant,
                                          vkd_graph *graph, vkd_lowered *out);
/* The same for a net that is bound. */
VKD_MUST_USE vkd_status lowering_of_net(vkd_context *context, const vkd_net *net,
                                        const vkd_caps *caps, const char *variant, vkd_graph *graph,
                                        vkd_lowered *out);

typedef struct lowering_fixture {
    hand_model m;
    vkd_context context;
    /* of an H100 without int8 dot products and matrix units; change them before lowering */
    vkd_caps caps;
    vkd_arena arena;
    vkd_graph graph;
    vkd_lowered lowered;
} lowering_fixture;

int lowering_setup(void **state);
int lowering_teardown(void **state); /* fails if host memory is left */

#define LOWERING_TEST(name) cmocka_unit_test_setup_teardown(name, lowering_setup, lowering_teardown)

/* a vkd_log_fn: failures are wanted */
void lowering_keep_quiet(void *user, vkd_log_level level, const char *message);

vkd_status lowering_run(lowering_fixture *f);
/* Fails the test unless lowering ends with this status and a message that contains `part`. */
void lowering_fails(lowering_fixture *f, vkd_status expected, const char *part);
const vkd_node *lowering_node(const lowering_fixture *f, size_t index);

/* Of images, and of such behind a mean over all pixels. */
extern const uint32_t lowering_image[4], lowering_pooled[4];

/* Operators from x to y whose numbers matter to no one. */
void lowering_quantize(hand_model *m, uint32_t x, uint32_t y);
void lowering_dequantize(hand_model *m, uint32_t x, uint32_t y);
void lowering_clone(hand_model *m, uint32_t x, uint32_t y);
void lowering_add(hand_model *m, uint32_t a, uint32_t b, uint32_t y);
void lowering_max_pool(hand_model *m, uint32_t x, uint32_t y);

#endif
