/* The delegate object, shared by the files of backend/. */
#ifndef VKD_BACKEND_DELEGATE_H
#define VKD_BACKEND_DELEGATE_H

#include "graph/executor.h"
#include "ops/lower.h"

struct vkd_delegate {
    vkd_context context;
    vkd_arena arena; /* model, graph and everything they point to */
    vkd_model model;
    vkd_graph graph;
    vkd_device *device;
    vkd_executor *executor;
    vkd_device_info device_info;
    vkd_lowered lowered;
    uint64_t host_peak; /* of init */
    bool keeps_intermediates;
};

/* Copies a caller's tensor of the input's shape to where the device reads it / a result to the caller's memory; the dtypes are
 * convertible (convert.h). */
void vkd_delegate_set_input(vkd_delegate *delegate, size_t index, vkd_dtype dtype, const void *data);
void vkd_delegate_get_output(vkd_delegate *delegate, size_t index, vkd_dtype dtype, void *data);

#endif
