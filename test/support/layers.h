/* A model's operators one by one, after an execution: what each computed of what it was given,
 * against the reference. */
#ifndef VKD_TEST_SUPPORT_LAYERS_H
#define VKD_TEST_SUPPORT_LAYERS_H

#include "support/reference.h"

/* The delegate was loaded with keep_intermediates and no_rewrites, and has been executed. */
typedef struct layers {
    vkd_delegate *delegate;
    const vkd_model *model;
    double **moved; /* by value: what has no memory of its own, as it is a view of another */
    bool *changes;  /* by value: it is a state, or a view of one */
} layers;

typedef enum layer_verdict {
    LAYER_RIGHT,
    LAYER_WRONG,
    LAYER_MOVED,   /* elements that stay where they are: what follows reads them */
    LAYER_UNKNOWN, /* there is no reference, or what it was given is not there any more */
    LAYER_LOST,    /* its result is nowhere */
} layer_verdict;

typedef struct layer_result {
    layer_verdict verdict;
    vkd_dtype dtype;
    reference_difference difference; /* RIGHT and WRONG */
} layer_result;

/* Running out of memory ends the process, as in the reference. */
void layers_begin(layers *l, vkd_delegate *delegate, const vkd_model *model);
void layers_end(layers *l);
/* In the order of the model. */
layer_result layers_check(layers *l, const vkd_model_op *op);

/* A value after the execution, in its dtype, for free(); null where it has no memory of its own. */
void *layers_read(const layers *l, uint32_t value);

#endif
