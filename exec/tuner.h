/* Choosing among graphs that compute the same by trying them on the device. What comes out is kept
 * in the tuning file, so that a later process need not try again. Of the device only this is seen
 * by the operators. */
#ifndef VKD_EXEC_TUNER_H
#define VKD_EXEC_TUNER_H

#include "graph/graph.h"
#include "runtime/base/caps.h"

struct vkd_device;
typedef struct vkd_tuner vkd_tuner;

/* What is known of the kernels, for any number of tuners of one device in any threads. */
typedef struct vkd_facts vkd_facts;

/* By the options' cache_dir and no_cache. code: a checksum of what chooses among the kernels; the
 * kernels themselves are added to it. The context is the facts' own, or that of the one object
 * whose tuners use them. */
VKD_MUST_USE vkd_status vkd_facts_create(vkd_context *context, const vkd_options *options,
                                         uint64_t code, vkd_facts **out);
void vkd_facts_destroy(vkd_facts *facts); /* after its tuners; accepts null */

/* By the options' select, measure_budget_ms and no_self_check. The device and the facts must
 * outlive the tuner. */
VKD_MUST_USE vkd_status vkd_tuner_create(struct vkd_device *device, vkd_facts *facts,
                                         const vkd_options *options, vkd_tuner **out);
void vkd_tuner_destroy(vkd_tuner *tuner); /* writes the tuning file; accepts null */

/* How a candidate is tried. */
typedef struct vkd_trial {
    /* Lowers a candidate into a graph that has been initialised: no inputs, no outputs, operands in
     * constants; *out: its result. The graph lives until the call is over. */
    vkd_status (*lower)(void *user, size_t candidate, vkd_graph *graph, vkd_tensor_id *out);
    /* Fills in the operands, which may be expensive: called, after some graph has been lowered,
     * before one runs. */
    void (*fill)(void *user);
    /* Whether the bytes of the result are right. */
    bool (*check)(void *user, const void *result);
    void *user;
} vkd_trial;

/* Which candidates are worth a measurement, by their estimates, the best first: an estimate may err
 * by a factor, and so some are tried whatever it says. Returns how many. */
enum { VKD_TUNER_TRIES = 10 };
size_t vkd_tuner_line_up(const vkd_candidate_info *candidates, size_t count,
                         size_t order[VKD_TUNER_TRIES]);

/* Fills in measured_us of the eligible candidates as far as the tuning file knows it. problem: one
 * line that says everything that matters for the time. */
void vkd_tuner_recall(const vkd_tuner *tuner, const char *problem, vkd_candidate_info *candidates,
                      size_t count);

/* The same, and measures what is not known if the options ask for it: times those candidates whose
 * estimates are not hopeless, of which the slower ones are dropped early. All measuring of a tuner
 * together stays within the budget. Getting ready for it, which is mostly compiling, is counted
 * apart and may take a few times as long. Where time ends between candidates the others are left to
 * a later call or process. A candidate that cannot run on the device just gets no time. *out_known:
 * there is nothing left to measure. */
VKD_MUST_USE vkd_status vkd_tuner_measure(vkd_tuner *tuner, const char *problem,
                                          vkd_candidate_info *candidates, size_t count,
                                          const vkd_trial *trial, bool *out_known);

/* The same without a budget and whatever the options ask for: a few candidates whose times tell
 * about the device. */
VKD_MUST_USE vkd_status vkd_tuner_probe(vkd_tuner *tuner, const char *problem,
                                        vkd_candidate_info *candidates, size_t count,
                                        const vkd_trial *trial);

/* Whether a candidate's kernels, with all their constants and in as many workgroups, compute what
 * they should on this device: from the tuning file, or by running them once. Wrong ones are a
 * warning in the log. True where the options say no_self_check, and for a candidate that cannot be
 * tried. */
VKD_MUST_USE vkd_status vkd_tuner_check(vkd_tuner *tuner, const char *variant, size_t candidate,
                                        const vkd_trial *trial, bool *out);

#endif
