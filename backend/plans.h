/* Plans: the graphs that one net has been lowered to, by the shapes that it is executed with. */
#ifndef VKD_BACKEND_PLANS_H
#define VKD_BACKEND_PLANS_H

#include "exec/executor.h"
#include "ops/lower.h"

/* One set of shapes, ready to run. */
typedef struct vkd_plan {
    vkd_context *context;
    vkd_arena arena;         /* values, graph and everything they point to */
    vkd_model_value *values; /* of the net, with the dims that the graph is for */
    vkd_graph graph;
    vkd_lowered lowered;
    vkd_executor *executor;
    uint64_t used; /* the ticket of the last execution */
} vkd_plan;

/* What plans are made with. */
typedef struct vkd_planner {
    vkd_device *device;
    vkd_caps caps; /* the device's, with what was found out about it */
    const vkd_net *net;
    vkd_residents *residents;
    vkd_advice advice;
    bool keep_intermediates, profile;
    uint32_t slots;         /* vkd_options.in_flight */
    uint32_t max_submit_ms; /* 0: an execution is one submission */
} vkd_planner;

/* Lowers and plans without touching the device. inputs: null for the file's bounds. */
VKD_MUST_USE vkd_status vkd_plan_lower(const vkd_planner *planner, vkd_context *context,
                                       const vkd_input *inputs, vkd_plan **out);
/* Makes it ready to run but for its slots. */
VKD_MUST_USE vkd_status vkd_plan_prepare(const vkd_planner *planner, vkd_plan *plan);
/* As many slots as executions may be in flight, if it has less. */
VKD_MUST_USE vkd_status vkd_plan_fill_slots(const vkd_planner *planner, vkd_plan *plan);
void vkd_plan_destroy(vkd_plan *plan); /* accepts null */

/* Whether a plan is for these values, which vkd_shape_net has made for an execution. */
bool vkd_plan_fits(const vkd_plan *plan, const vkd_net *net, const vkd_model_value *values);

#endif
