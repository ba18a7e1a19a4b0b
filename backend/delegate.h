/* The delegate object, shared by the files of backend/. */
#ifndef VKD_BACKEND_DELEGATE_H
#define VKD_BACKEND_DELEGATE_H

#include "backend/convert.h"
#include "backend/engine.h"
#include "backend/plans.h"
#include "ops/conv/known.h"

/* Where a result goes. */
typedef struct vkd_destination {
    vkd_tensor_arg *arg; /* the caller's, to which the dims are written */
    vkd_dtype dtype;
    void *data;
    bool in_place; /* memory of others, where it is already */
} vkd_destination;

/* Where an argument lies in memory of others; null: it does not. */
typedef struct vkd_foreign {
    const vkd_memory *memory;
    uint64_t offset, bytes;
} vkd_foreign;

/* An execution that vkd_submit has started, in the slot of the same number of its plan's executor.
 */
typedef struct vkd_flight {
    uint64_t ticket; /* 0: none */
    uint64_t used;   /* the last one */
    vkd_plan *plan;
    vkd_destination *outputs; /* net.output_count */
} vkd_flight;

typedef struct vkd_failure {
    uint64_t ticket;
    vkd_status status;
} vkd_failure;

/* Bytes that a caller's named data has given and that are not released yet. */
typedef struct vkd_held {
    struct vkd_held *next;
    const char *key;
    const void *data;
    size_t size;
} vkd_held;

struct vkd_delegate {
    vkd_context context;
    vkd_arena arena; /* model, net and everything they point to */
    vkd_model model;
    vkd_net net;
    vkd_device *device;
    vkd_commons commons;
    vkd_residents *residents;
    vkd_planner planner;
    vkd_known known;                    /* since the first plan, where there may be others */
    vkd_plan *plans[VKD_MAX_PLANS + 1]; /* a new one, until the oldest has gone */
    size_t plan_count, max_plans;       /* vkd_options.max_plans */
    vkd_plan *plan;                     /* of the last execution, or the first one */
    bool is_dynamic;                    /* executions may have other dims than the file */
    /* Of an execution to come: */
    vkd_model_value *values;
    vkd_input *inputs;             /* net.input_count */
    vkd_destination *destinations; /* net.output_count */
    vkd_foreign *foreign;          /* of the inputs, then of the outputs */
    size_t state_count;
    uint32_t *states; /* their values */
    vkd_named_data named_data;
    vkd_held *held;
    vkd_device_info device_info;
    uint64_t host_peak; /* of init */
    bool keeps_intermediates;
    /* vkd_tensor_info.dim_order of the inputs, then of the outputs */
    uint8_t (*orders)[VKD_MAX_RANK];

    vkd_flight *flights;
    uint32_t flight_count; /* vkd_options.in_flight */
    uint64_t last_ticket;
    vkd_failure failures[VKD_MAX_IN_FLIGHT]; /* the last ones: failure i at i modulo their number */
    uint64_t failure_count;
};

/* What compile specs ask for. */
typedef struct vkd_wishes {
    bool warm_up; /* an execution after init */
    bool dynamic; /* shapes can change */
} vkd_wishes;

/* Where a delegate's model comes from. */
typedef struct vkd_source {
    /* Reads it into the delegate's arena, and adds to the wishes. named_data: what `data` is
     * behind, with a memory of what it gave; null where that is. */
    vkd_status (*read)(const void *user, const vkd_named_data *named_data, vkd_arena *arena,
                       vkd_model *out, vkd_wishes *wishes);
    const void *user;
    const vkd_named_data *named_data;
} vkd_source;
/* vkd_init, from any source. options may be null. */
VKD_MUST_USE vkd_status vkd_delegate_create(const vkd_source *source, const vkd_options *options,
                                            vkd_delegate **out);
/* Checks compile specs and adds what they ask for. */
VKD_MUST_USE vkd_status vkd_read_specs(vkd_context *context, const vkd_compile_spec *specs,
                                       size_t count, vkd_wishes *wishes);

/* Declares how the caller's tensors lie in memory, the inputs', then the outputs'; row-major is
 * what vkd_init leaves. */
void vkd_delegate_set_order(vkd_delegate *delegate, size_t argument,
                            const uint8_t order[VKD_MAX_RANK]);

/* Once the graph has its residents. */
VKD_MUST_USE vkd_status vkd_delegate_find_states(vkd_delegate *delegate);

/* What a model says of a tensor, in row-major order. */
void vkd_tensor_info_of(const vkd_model_tensor *tensor, vkd_tensor_info *out);

/* Waits for whatever is in flight and brings its results to their memory. */
VKD_MUST_USE vkd_status vkd_delegate_complete_all(vkd_delegate *delegate);

#endif
