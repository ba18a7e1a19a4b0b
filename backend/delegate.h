/* The delegate object, shared by the files of backend/. */
#ifndef VKD_BACKEND_DELEGATE_H
#define VKD_BACKEND_DELEGATE_H

#include "backend/convert.h"
#include "backend/plans.h"

/* Where a result goes. */
typedef struct vkd_destination {
    vkd_dtype dtype;
    void *data;
} vkd_destination;

/* An execution that vkd_submit has started, in the slot of the same number of its plan's executor. */
typedef struct vkd_flight {
    uint64_t ticket;          /* 0: none */
    vkd_plan *plan;
    vkd_destination *outputs; /* net.output_count */
} vkd_flight;

/* Shapes that are remembered, those of the last execution first. */
enum { VKD_MAX_PLANS = 4 };

typedef struct vkd_failure {
    uint64_t ticket;
    vkd_status status;
} vkd_failure;

struct vkd_delegate {
    vkd_context context;
    vkd_arena arena; /* model, net and everything they point to */
    vkd_model model;
    vkd_net net;
    vkd_device *device;
    vkd_residents *residents;
    vkd_planner planner;
    vkd_plan *plans[VKD_MAX_PLANS];
    size_t plan_count;
    vkd_plan *plan; /* of the last execution, or the first one */
    vkd_model_value *values; /* of an execution to come; null for a net whose shapes cannot change */
    vkd_input *inputs;       /* net.input_count: of an execution to come */
    vkd_device_info device_info;
    uint64_t host_peak; /* of init */
    bool keeps_intermediates;
    uint8_t (*orders)[VKD_MAX_RANK]; /* vkd_tensor_info.dim_order of the inputs, then of the outputs */

    vkd_flight *flights;
    uint32_t flight_count; /* vkd_options.in_flight */
    uint64_t last_ticket;
    vkd_failure failures[VKD_MAX_IN_FLIGHT]; /* the last ones: failure i at i modulo their number */
    uint64_t failure_count;
    uint32_t method_slot; /* where the inputs of vkd_method_set_input are */
    bool inputs_replaced; /* there, by a submit */
};

/* Where a delegate's model comes from: reads it into the delegate's arena, and checks the compile specs. *out_warm_up begins as
 * false. */
typedef struct vkd_source {
    vkd_status (*read)(const void *user, vkd_arena *arena, vkd_model *out, bool *out_warm_up);
    const void *user;
} vkd_source;
/* vkd_init, from any source. options may be null. */
VKD_MUST_USE vkd_status vkd_delegate_create(const vkd_source *source, const vkd_options *options, vkd_delegate **out);
/* Whether they ask for an execution after init. */
VKD_MUST_USE vkd_status vkd_read_specs(vkd_context *context, const vkd_compile_spec *specs, size_t count, bool *out_warm_up);

/* Declares how the caller's tensors lie in memory, the inputs', then the outputs'; null: row-major, as vkd_init leaves it. */
void vkd_delegate_set_order(vkd_delegate *delegate, size_t argument, const uint8_t order[VKD_MAX_RANK]);

/* Copies a caller's tensor of the input's shape to where the device reads it / a result to the caller's memory; the dtypes are
 * convertible (convert.h). The slot is not in flight. */
void vkd_delegate_set_input(vkd_delegate *delegate, uint32_t slot, size_t index, vkd_dtype dtype, const void *data);
void vkd_delegate_get_output(vkd_delegate *delegate, vkd_plan *plan, uint32_t slot, size_t index, vkd_dtype dtype, void *data);

/* As many slots as executions may be in flight. */
VKD_MUST_USE vkd_status vkd_delegate_fill_slots(vkd_delegate *delegate, vkd_plan *plan);

/* For vkd_method, whose inputs stay on the device between executions: gives it a slot that no submit uses, but lets it share
 * the only one where several executions are not wanted. */
VKD_MUST_USE vkd_status vkd_delegate_add_method_slot(vkd_delegate *delegate);
/* Before delegate->method_slot is used: completes what is in flight there. Whether its inputs were replaced since the last call
 * is told in any case. */
VKD_MUST_USE vkd_status vkd_delegate_take_method_slot(vkd_delegate *delegate, bool *out_replaced);

#endif
