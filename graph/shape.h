/* Shapes: what the dims of every tensor, and the numbers behind SymInts, are for given inputs. Each
 * row's shape function computes the dims of its outputs from its operands'; what the file says is
 * the upper bound, and in a net without SymInts it is what must come out. */
#ifndef VKD_GRAPH_SHAPE_H
#define VKD_GRAPH_SHAPE_H

#include "graph/net.h"

typedef struct vkd_shape {
    uint32_t rank, dims[VKD_MAX_RANK];
} vkd_shape;

/* An input of one execution. */
typedef struct vkd_input {
    vkd_shape shape;  /* tensors */
    int64_t number;   /* SymInts */
    vkd_dtype dtype;  /* of data */
    const void *data; /* contiguous, any alignment; null: not known, as at load */
} vkd_input;

/* The values of a net with the dims and numbers of one execution in place of the file's bounds. */
struct vkd_shaping {
    vkd_context *context;
    const vkd_net *net;
    vkd_model_value *values; /* net->value_count */
    const vkd_input *inputs; /* net->input_count, or null */
    const vkd_call *call;    /* the one being shaped */
    bool is_resized;         /* an input is smaller than the file's bound */
};

/* Shapes a whole net into `values`, which has room for net->value_count. inputs: of each of the
 * net's inputs; null for the file's bounds. VKD_INVALID_ARGUMENT for inputs beyond the file's
 * bounds or of another rank; VKD_INVALID_MODEL for an operator whose operands do not fit together
 * or whose result is not what the file says. */
VKD_MUST_USE vkd_status vkd_shape_net(vkd_context *context, const vkd_net *net,
                                      const vkd_input *inputs, vkd_model_value *values);

/* -------------------------------------------------------------------- for rows' shape functions */

/* Fails for what is wrong with the call that is being shaped. */
#define vkd_shape_fail(shaping, status, ...)                                                       \
    vkd_call_fail((shaping)->context, status, (shaping)->call, __VA_ARGS__)
#define vkd_shape_fail_at(shaping, status, field, ...)                                             \
    vkd_call_fail_at((shaping)->context, status, (shaping)->call, field, __VA_ARGS__)
#define vkd_shape_fail_value(shaping, status, value, ...)                                          \
    vkd_call_fail_value((shaping)->context, status, (shaping)->call, value, __VA_ARGS__)

static inline const vkd_model_tensor *vkd_shape_of(const vkd_shaping *shaping, uint32_t value)
{
    return &shaping->values[value].tensor;
}
/* The number behind a vkd_sym that is not null. */
static inline int64_t vkd_shape_number(const vkd_shaping *shaping, vkd_sym sym)
{
    return sym.value == VKD_NO_VALUE ? sym.number : shaping->values[sym.value].i;
}

/* Sets an output's dims; VKD_NO_VALUE is no output and passes. */
VKD_MUST_USE vkd_status vkd_shape_set(vkd_shaping *shaping, uint32_t value, uint32_t rank,
                                      const uint32_t *dims);
/* Sets the number behind an output SymInt or SymFloat. */
void vkd_shape_set_number(vkd_shaping *shaping, uint32_t value, int64_t number);
/* The data of a value that is an input of the net; null for others, and where it is not known. */
const vkd_input *vkd_shape_input(const vkd_shaping *shaping, uint32_t value);
/* An output shaped as another value. */
VKD_MUST_USE vkd_status vkd_shape_set_as(vkd_shaping *shaping, uint32_t value, uint32_t like);

/* The index of a dim, a field of the call's struct, that counts from the end when negative.
 * VKD_INVALID_MODEL if a tensor of this rank has no such dim; one of rank 0 has dims 0 and -1. */
VKD_MUST_USE vkd_status vkd_shape_dim(vkd_shaping *shaping, const int32_t *dim, uint32_t rank,
                                      uint32_t *out);

/* Which dims a list names; all of them for an empty list. VKD_INVALID_MODEL for one that is named
 * twice. */
VKD_MUST_USE vkd_status vkd_shape_listed(vkd_shaping *shaping, const vkd_int_list *list,
                                         uint32_t rank, bool out[VKD_MAX_RANK]);

/* VKD_INVALID_MODEL where one of two numbers, a field of the call's struct, is out of bounds. */
VKD_MUST_USE vkd_status vkd_shape_pair(vkd_shaping *shaping, const int32_t pair[2], int32_t least,
                                       int32_t most);

/* The common shape of operands that broadcast. VKD_INVALID_MODEL if they do not. */
VKD_MUST_USE vkd_status vkd_shape_broadcast(vkd_shaping *shaping, const uint32_t *values,
                                            size_t count, vkd_shape *out);

/* Shape functions of rows whose struct begins with {uint32_t x, y}: y is as x. */
vkd_status vkd_shape_same(vkd_shaping *shaping, const void *args);

/* "1x64x56x56" or "scalar", in out. */
enum { VKD_DIMS_TEXT = VKD_MAX_RANK * 11 + 16 };
const char *vkd_dims_format(uint32_t rank, const uint32_t *dims, char out[VKD_DIMS_TEXT]);

#endif
