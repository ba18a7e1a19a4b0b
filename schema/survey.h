/* What the steps of a method do to its values, found out before they are inlined (schema/inline.h).
 */
#ifndef VKD_SCHEMA_SURVEY_H
#define VKD_SCHEMA_SURVEY_H

#include "schema/container.h"

/* One of the method's values. */
typedef struct vkd_use {
    const void *data; /* TENSOR: what it begins with, in the file or external; else null */
    uint32_t twin;    /* of constants with the same bytes, dtype and dims the least; else itself */
    uint32_t place;   /* of tensors in one place of the method's memory the least; else itself */
    vkd_dtype wanted; /* TENSOR: the elements that its first reader takes, */
    bool is_mixed;    /* and another one does not. An output is read as the method has it */
    bool is_input;
    bool is_state;      /* it begins with data, or is read before it is written, and is written */
    bool is_read;       /* by a step, or as an output; a list of values: was looked at */
    bool is_read_first; /* before it was written */
    bool is_written;    /* by a step; a list of values: was looked at */
} vkd_use;

typedef struct vkd_survey {
    /* given */
    vkd_context *context;
    vkd_arena *arena;
    const vkd_container *container;
    const vkd_container_method *method;
    const char *delegate_id;
    /* found */
    uint64_t budget;  /* bytes that may still be taken for the method */
    vkd_model *blobs; /* by delegate: of those that are called, each once */
    vkd_use *uses;    /* by value */
} vkd_survey;

VKD_MUST_USE vkd_status vkd_survey_method(vkd_survey *s);

/* The values that a step reads, and then writes. */
typedef struct vkd_step_values {
    size_t read_count, write_count;
    /* writes of a KERNEL: what it returns, or the items of that list */
    const uint32_t *reads, *writes;
} vkd_step_values;
vkd_step_values vkd_survey_step(const vkd_survey *s, const vkd_container_step *step);

/* The message gets the method's name in front. */
VKD_MUST_USE vkd_status vkd_survey_fail(const vkd_survey *s, vkd_status status, const char *format,
                                        ...) VKD_PRINTF(3, 4);

/* Steps may refer to the same lists, and delegates to the same blob, again and again: counts bytes
 * that are made from them, and refuses a method that asks for more than its file can account for.
 */
VKD_MUST_USE vkd_status vkd_survey_charge(vkd_survey *s, uint64_t bytes);
/* Counts them and takes them from the arena. out: the address of a pointer. */
VKD_MUST_USE vkd_status vkd_survey_take(vkd_survey *s, size_t count, size_t size, void *out);

/* What the device keeps elements of the program as: those of 64 bits in 32. */
static inline vkd_dtype vkd_device_dtype(vkd_dtype dtype)
{
    return dtype == VKD_DTYPE_INT64     ? VKD_DTYPE_INT32
           : dtype == VKD_DTYPE_FLOAT64 ? VKD_DTYPE_FLOAT32
                                        : dtype;
}

#endif
