/* The conv node factory: what a convolution is, which variants can run it, and which one is chosen.
 * The choice is a pure function of the problem and the device's caps over a table of variants, so
 * it is tested without a device. */
#ifndef VKD_OPS_CONV_CONV_H
#define VKD_OPS_CONV_CONV_H

#include "ops/epilogue.h"
#include "ops/gemm/gemm.h"
#include "ops/requantize.h"
#include "runtime/base/element.h"

/* The shape of a convolution; all dims at least 1, consistent with each other. */
typedef struct conv2d_problem {
    uint32_t n, in_c, in_h, in_w, out_c, out_h, out_w;
    uint32_t kernel[2], stride[2], padding[2], dilation[2]; /* h, w */
    uint32_t groups;
    /* of the operands: INT8; FLOAT32 or FLOAT16, which are multiplied and added in 32 bits */
    vkd_dtype dtype;
    /* floats: 1 if an input pixel is spread over a window of the output, else 0 */
    uint32_t transposed;
    /* linear layers of floats whose weights are integers of so many bits, 0 for others: the k that
     * share a scale, what becomes of x, VKD_QLINEAR_*, and LOW_BIT_NORM and LOW_BIT_GATE, which a
     * kernel may compute with it */
    uint32_t low_bits, low_group, low_mode, low_more;
} conv2d_problem;
enum { LOW_BIT_NORM = 1, LOW_BIT_GATE = 2 };

/* What a convolution of floats works on, besides x and y. */
typedef struct conv2d_real {
    /* a constant in PyTorch's order: [out_c][ic_group][taps], transposed [in_c][oc_group][taps]; or
     * null, */
    vkd_content weights;
    /* floats, which the weights of each output channel are multiplied by while they are packed; or
     * null */
    vkd_content factors;
    vkd_tensor_id computed; /* and the same in ROWS, made by other operators */
    vkd_tensor_id bias;     /* [out_c], ROWS; VKD_NO_TENSOR without */
    float low, high;        /* of the clamp behind */
    vkd_epilogue epilogue;  /* and what is behind that; its residual is 4C, as y */
    /* x is normalised first, by its root mean square over channels and a weight [in_c], ROWS: for
     * vkd_conv2d_float_norms, without a bias, whose binding the weight has */
    bool has_norm;
    vkd_content other; /* with the same variant: weights of a second product of x, which is the
                        * residual then; null: none */
    vkd_tensor_id norm;
    float norm_eps;
} conv2d_real;

typedef struct conv2d_low conv2d_low; /* ops/gemm/low_bit.h */

/* A convolution to emit: the shape and what it works on. */
typedef struct conv2d {
    const vkd_call *call; /* of which it is, in what vkd_lowered says */
    conv2d_problem problem;
    vkd_tensor_id x, y;     /* 4C */
    conv2d_problem largest; /* in a net whose shapes can change, of the largest: kernels and their
                             * workgroups are chosen for it, and sizes are pushed, so that other
                             * shapes need no other pipelines. Zeros: they cannot */
    const conv2d_low *low;  /* of integer weights with scales; x and y are VKD_ROWS then */
    conv2d_real real;       /* of floats. Of int8, all that follows: */
    vkd_weights weights;    /* of out_c channels, k = (ky * kernel_w + kx) * ic_group + ic */
    vkd_tensor_id channels; /* requantize blocks of the output channels */
    vkd_tensor_id residual; /* int8, 4C, as y; VKD_NO_TENSOR without a fused addition */
    bool table;             /* it is the bytes that become of the result's instead */
    requantize_params requantize;
    int32_t x_zero;
} conv2d;

/* What kernels are chosen for. */
static inline const conv2d_problem *conv2d_choice(const conv2d *conv)
{
    return conv->largest.n ? &conv->largest : &conv->problem;
}

/* A way to run convolutions: a family of kernels, and one tile of the GEMM where the family has
 * several. */
typedef struct conv2d_variant {
    const char *name;      /* "im2col 4x4": unique */
    const char *family;    /* "im2col" */
    const gemm_tile *tile; /* null for families without */
    /* Null if it can run the problem on the device, else why not. */
    const char *(*refuses)(const conv2d_problem *problem, const vkd_caps *caps,
                           const gemm_tile *tile);
    /* Estimated microseconds; only asked when it does not refuse. */
    double (*cost)(const conv2d_problem *problem, const vkd_caps *caps, const gemm_tile *tile);
    /* Adds the dispatches to the graph. */
    vkd_status (*emit)(vkd_lowering *lowering, const conv2d *conv, const gemm_tile *tile);
} conv2d_variant;

/* All variants for int8, for floats, and for low_bits; the first of each supports everything but
 * what is too long for a device's loops. */
extern const conv2d_variant vkd_conv2d_variants[], vkd_conv2d_float_variants[],
    vkd_conv2d_low_variants[];
extern const size_t vkd_conv2d_variant_count, vkd_conv2d_float_variant_count,
    vkd_conv2d_low_variant_count;

/* The one at a place among those of all tables; null behind the last. */
const conv2d_variant *vkd_conv2d_variant_at(size_t index);

/* The table of a problem. */
const conv2d_variant *vkd_conv2d_table(const conv2d_problem *problem, size_t *out_count);

/* Whether a variant is meant by `name`: its own, its family's or its tile's. */
bool vkd_conv2d_is_named(const conv2d_variant *variant, const char *name);

/* Describes every variant of a table as a candidate for a problem: eligible or not, and why; its
 * estimated cost. */
void vkd_conv2d_consider(const conv2d_variant *variants, size_t count,
                         const conv2d_problem *problem, const vkd_caps *caps,
                         vkd_candidate_info *candidates);

/* The index of the candidate to use: of the eligible ones that `forced` names, if there are any,
 * the cheapest; else the fastest of those that were measured; else the cheapest. `count` if none is
 * eligible. reason: why it won. */
size_t vkd_conv2d_choose(const conv2d_variant *variants, size_t count,
                         const vkd_candidate_info *candidates, const char *forced,
                         const char **reason);

/* Chooses among a table's variants for conv->problem, with what the lowering's tuner knows or finds
 * out, and keeps the choice for vkd_describe_selection. x and y need not be there yet. */
VKD_MUST_USE vkd_status vkd_conv2d_select(vkd_lowering *lowering, const conv2d *conv,
                                          const conv2d_variant *variants, size_t count,
                                          const conv2d_variant **out);
/* Chooses and emits. */
VKD_MUST_USE vkd_status vkd_conv2d_build(vkd_lowering *lowering, const conv2d *conv,
                                         const conv2d_variant *variants, size_t count);

/* A checksum of the tables of all variants, for vkd_tuner_create. */
uint64_t vkd_conv2d_table_sum(void);

/* "1x64x56x56 -> 1x64x28x28 3x3 s2 p1 d1 g1": the whole problem; pairs that differ by axis as
 * "p1x0" (h, w). Behind it " f32" or " f16" for floats, and " t" where it is transposed. */
enum { CONV2D_TEXT = 192 };
void vkd_conv2d_problem_format(const conv2d_problem *problem, char out[CONV2D_TEXT]);
/* With what else matters for the time of a convolution: a key of the tuning file. */
enum { CONV2D_KEY = CONV2D_TEXT + 24 };
void vkd_conv2d_key_format(const conv2d *conv, char out[CONV2D_KEY]);

/* A linear layer: rows of k values become rows of n, the pixels of an image one row high. */
static inline conv2d_problem conv2d_of_rows(uint32_t rows, uint32_t k, uint32_t n, vkd_dtype dtype)
{
    return (conv2d_problem){.n = 1,
                            .in_c = k,
                            .in_h = 1,
                            .in_w = rows,
                            .out_c = n,
                            .out_h = 1,
                            .out_w = rows,
                            .kernel = {1, 1},
                            .stride = {1, 1},
                            .dilation = {1, 1},
                            .groups = 1,
                            .dtype = dtype};
}

static inline uint32_t conv2d_ic_group(const conv2d_problem *problem)
{
    return problem->in_c / problem->groups;
}
static inline uint32_t conv2d_oc_group(const conv2d_problem *problem)
{
    return problem->out_c / problem->groups;
}
static inline uint64_t conv2d_pixels(const conv2d_problem *problem)
{
    return (uint64_t)problem->n * problem->out_h * problem->out_w;
}
static inline uint32_t conv2d_taps(const conv2d_problem *problem)
{
    return problem->kernel[0] * problem->kernel[1];
}
static inline uint64_t conv2d_k(const conv2d_problem *problem) /* of one group */
{
    return (uint64_t)problem->kernel[0] * problem->kernel[1] * conv2d_ic_group(problem);
}
static inline uint32_t
conv2d_weight_row(const conv2d_problem *problem) /* bytes: k padded to whole words */
{
    return (uint32_t)vkd_align_up(conv2d_k(problem), 4);
}
static inline uint64_t conv2d_macs(const conv2d_problem *problem)
{
    uint64_t pixels = problem->transposed ? (uint64_t)problem->n * problem->in_h * problem->in_w
                                          : conv2d_pixels(problem);
    return pixels * problem->out_c * conv2d_k(problem);
}

static inline bool conv2d_is_float(const conv2d_problem *problem)
{
    return vkd_is_float(problem->dtype);
}

static inline bool conv2d_is_depthwise(const conv2d_problem *problem)
{
    return problem->groups == problem->in_c && problem->groups == problem->out_c;
}
/* Whether every group of channels starts at a word. */
static inline bool conv2d_groups_fill_words(const conv2d_problem *problem)
{
    return problem->groups == 1 ||
           (conv2d_ic_group(problem) % 4 == 0 && conv2d_oc_group(problem) % 4 == 0);
}

uint64_t vkd_conv2d_general_loops(const conv2d_problem *problem); /* vkd_node.loops */

/* Emission, by family. */
vkd_status vkd_conv2d_emit_general(vkd_lowering *lowering, const conv2d *conv,
                                   const gemm_tile *tile);
vkd_status vkd_conv2d_emit_im2col(vkd_lowering *lowering, const conv2d *conv,
                                  const gemm_tile *tile);
/* pointwise and implicit */
vkd_status vkd_conv2d_emit_direct(vkd_lowering *lowering, const conv2d *conv,
                                  const gemm_tile *tile);

/* A dispatch of `conv` with its label, shape and work filled in; the bindings are the caller's. */
vkd_node vkd_conv2d_node(const vkd_lowering *lowering, const conv2d *conv, vkd_shader shader,
                         uint64_t loops, const void *push, uint32_t push_size);

#endif
