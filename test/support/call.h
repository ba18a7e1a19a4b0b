/* Arguments of executions. */
#ifndef VKD_TEST_SUPPORT_CALL_H
#define VKD_TEST_SUPPORT_CALL_H

#include "include/vkdelegate.h"

/* One of rank and dims, with as many bytes as it needs at `input` or `output`. */
vkd_tensor_arg call_arg(vkd_dtype dtype, uint32_t rank, const int64_t *dims, const void *input,
                        void *output);
/* The same for what a method or a delegate tells of an input or an output. */
vkd_tensor_arg call_input(const vkd_tensor_info *info, const void *data);
vkd_tensor_arg call_output(const vkd_tensor_info *info, void *data);

/* Executes a method with one input of the declared shape and one output. */
VKD_MUST_USE vkd_status call_method(vkd_method *method, const void *input, void *output);

#endif
