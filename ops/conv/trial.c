#include "ops/conv/trial.h"

#include <math.h>
#include <string.h>

/* Names of the values that hold a trial's channel parameters. */
enum { SUMS, SCALES, BIAS };

/* splitmix64: eight bytes for each step of the state, so that any place can be reached at once. */
static uint64_t random_bits(uint64_t state)
{
    uint64_t z = (state + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

float vkd_conv2d_trial_number(uint32_t stream, uint64_t at)
{
    return (float)((int32_t)(random_bits(((uint64_t)stream << 40) + at) >> 53) - 1024) / 1024.0f;
}

/* From 0 to 1. */
static float random_unit(uint64_t stream, uint32_t at)
{
    return (float)(random_bits((stream << 40) + at) >> 40) / 16777216.0f;
}

/* ------------------------------------------------------------------------------------- operands */

/* Of the bits below the sign three of four are set: all values occur, and the mean is not 0, so
 * that what is left out of a sum shows in one direction. */
static uint64_t activation_bits(uint64_t state)
{
    const uint64_t below_sign = UINT64_C(0x7f7f7f7f7f7f7f7f);
    return random_bits(state) | (random_bits(state ^ UINT64_C(1) << 63) & below_sign);
}
static const float activation_mean = 31.25f, activation_deviation = 71.6f;

typedef uint64_t (*bits_fn)(uint64_t state);

static void make_bytes(bits_fn bits_at, uint64_t stream, size_t first, size_t count, int8_t *out)
{
    for (size_t at = first, end = first + count; at < end;) {
        uint64_t bits = bits_at((stream << 40) + at / 8);
        size_t skipped = at % 8, size = 8 - skipped < end - at ? 8 - skipped : end - at;
        if (size == 8)
            memcpy(out, &bits, 8); /* an instruction, where a size that is not known is a call */
        else
            memcpy(out, (const unsigned char *)&bits + skipped, size);
        out += size;
        at += size;
    }
}

void vkd_conv2d_trial_bytes(uint32_t which, size_t first, size_t count, int8_t *out)
{
    make_bytes(activation_bits, which, first, count, out);
}

static void pack_input(const void *source, void *dst, size_t size)
{
    (void)source;
    vkd_conv2d_trial_bytes(0, 0, size, dst);
}

static void pack_residual(const void *source, void *dst, size_t size)
{
    (void)source;
    vkd_conv2d_trial_bytes(1, 0, size, dst);
}

enum { WEIGHT_STREAM = 2, SCALE_STREAM, BIAS_STREAM };

/* Rows whose padding is zero, as in files. */
static void fill_weights(const conv2d_problem *problem, int8_t *weights)
{
    size_t k = (size_t)conv2d_k(problem), row = conv2d_weight_row(problem);
    make_bytes(random_bits, WEIGHT_STREAM, 0, problem->out_c * row, weights);
    for (uint32_t oc = 0; oc < problem->out_c; oc++)
        memset(weights + oc * row + k, 0, row - k);
}

/* The sum of a channel's weights, and of their squares. */
static int32_t sum_of(const conv2d_trial *trial, uint32_t channel, float *squares)
{
    const size_t taps = conv2d_taps(&trial->problem), ic_group = conv2d_ic_group(&trial->problem);
    int32_t sum = 0;
    *squares = 0;
    for (size_t tap = 0; tap < taps; tap++) {
        const int8_t *weight = vkd_weights_at(&trial->weights, channel, tap * ic_group);
        for (size_t i = 0; i < ic_group; i++) {
            sum += weight[i];
            *squares += (float)(weight[i] * weight[i]);
        }
    }
    return sum;
}

static vkd_model_value channel_values(vkd_dtype dtype, uint32_t count, const void *data)
{
    return (vkd_model_value){.kind = VKD_VALUE_TENSOR,
                             .tensor = {.dtype = dtype,
                                        .staging_dtype = dtype,
                                        .rank = 1,
                                        .dims = {count},
                                        .size = count * 4u,
                                        .data = data}};
}

/* What share of a window is inside the image: over all its positions, the mean and the variance. */
typedef struct coverage {
    float mean, variance;
} coverage;

static coverage coverage_of(const conv2d_problem *p)
{
    const uint32_t in[2] = {p->in_h, p->in_w}, out[2] = {p->out_h, p->out_w};
    double mean = 1, square = 1;
    for (int axis = 0; axis < 2; axis++) {
        double shares = 0, squares = 0;
        int64_t step = p->dilation[axis], count = p->kernel[axis];
        for (uint32_t i = 0; i < out[axis]; i++) {
            int64_t start = (int64_t)i * p->stride[axis] - p->padding[axis],
                    room = in[axis] - start;
            int64_t first = start < 0 ? (-start + step - 1) / step : 0,
                    end = room > 0 ? (room + step - 1) / step : 0;
            end = end < count ? end : count;
            double share = end > first ? (double)(end - first) / (double)count : 0;
            shares += share;
            squares += share * share;
        }
        mean *= shares / out[axis];
        square *= squares / out[axis];
    }
    return (coverage){(float)mean, (float)(square - mean * mean)};
}

/* Scale and bias of a channel: whatever its weights, results spread over the range, and few
 * saturate, which would hide what is wrong with a sum. */
static void fill_channel(conv2d_trial *trial, uint32_t oc, const coverage *inside)
{
    const float spread = 40; /* the deviation of a result */
    const requantize_args *r = &trial->requantize;
    float squares;
    int32_t sum = sum_of(trial, oc, &squares);
    float whole = (activation_mean - (float)r->x_zero) * (float)sum;
    float variance = activation_deviation * activation_deviation * squares * inside->mean +
                     whole * whole * inside->variance;
    float deviation = variance > 1 ? sqrtf(variance) : 1;
    /* of one of the sum */
    float real = spread * r->y_scale / deviation * (0.75f + 0.5f * random_unit(SCALE_STREAM, oc));
    trial->sums[oc] = sum;
    trial->scales[oc] = real / r->x_scale;
    trial->bias[oc] =
        (random_unit(BIAS_STREAM, oc) - 0.5f) * spread * r->y_scale - whole * inside->mean * real;
}

void vkd_conv2d_trial_fill(conv2d_trial *trial)
{
    const conv2d_problem *problem = &trial->problem;
    if (problem->low_bits)
        return;
    if (conv2d_is_float(problem)) {
        vkd_conv2d_float_trial_fill(trial);
        return;
    }
    const coverage inside = coverage_of(problem);
    if (trial->made_weights)
        fill_weights(problem, trial->made_weights);
    for (uint32_t oc = 0; oc < problem->out_c; oc++)
        fill_channel(trial, oc, &inside);
}

vkd_status vkd_conv2d_trial_make(vkd_arena *arena, const conv2d *conv, conv2d_trial *out)
{
    const conv2d_problem *problem = &conv->problem;
    if (problem->low_bits) {
        *out = (conv2d_trial){.problem = *problem, .low = *conv->low};
        return VKD_OK;
    }
    if (conv2d_is_float(problem))
        return vkd_conv2d_float_trial_make(arena, conv, out);
    size_t row = conv2d_weight_row(problem);
    int32_t *sums = vkd_arena_alloc(arena, problem->out_c, sizeof *sums);
    float *scales = vkd_arena_alloc(arena, problem->out_c, sizeof *scales);
    float *bias = vkd_arena_alloc(arena, problem->out_c, sizeof *bias);
    int8_t *made_weights =
        conv->weights.content.data ? NULL : vkd_arena_alloc(arena, problem->out_c, row);
    if (!sums || !scales || !bias || (!conv->weights.content.data && !made_weights))
        return vkd_fail_memory(arena->context, "a convolution to try");
    *out = (conv2d_trial){
        .problem = *problem,
        .residual = conv->residual != VKD_NO_TENSOR,
        .resizes = conv->largest.n > 0,
        .weights = made_weights
                       ? (vkd_weights){{made_weights, problem->out_c * row}, (uint32_t)row, 1}
                       : conv->weights,
        .made_weights = made_weights,
        .sums = sums,
        .scales = scales,
        .bias = bias,
        .requantize = {.weight_sums = SUMS,
                       .weight_scales = SCALES,
                       .bias = BIAS,
                       .x_scale = 0.02f,
                       .x_zero = conv->x_zero,
                       .y_zero = -5,
                       .y_scale = 0.05f,
                       .activation = "none"},
    };
    out->values[SUMS] = channel_values(VKD_DTYPE_INT32, problem->out_c, sums);
    out->values[SCALES] = channel_values(VKD_DTYPE_FLOAT32, problem->out_c, scales);
    out->values[BIAS] = channel_values(VKD_DTYPE_FLOAT32, problem->out_c, bias);
    return VKD_OK;
}

/* ------------------------------------------------------------------------------------- lowering */

static vkd_status add_activation(vkd_graph *graph, const uint32_t dims[4], vkd_pack_fn pack,
                                 vkd_tensor_id *out)
{
    VKD_TRY(vkd_graph_add_tensor(graph, pack ? VKD_PLACE_CONSTANT : VKD_PLACE_SCRATCH,
                                 VKD_DTYPE_INT8, VKD_4C, 4, dims, out));
    graph->tensors[*out].pack = pack;
    return VKD_OK;
}

/* Adds what a fused addition needs, with scales at which both terms count. */
static vkd_status add_residual(vkd_graph *graph, const uint32_t dims[4],
                               const requantize_args *args, conv2d *conv)
{
    conv->requantize.q_scale = args->y_scale;
    conv->requantize.r_scale = args->y_scale * 0.75f;
    conv->requantize.r_zero = 7;
    conv->requantize.sum_inv_scale = 1.0f / (args->y_scale * 1.5f);
    conv->requantize.sum_zero = -11;
    return add_activation(graph, dims, pack_residual, &conv->residual);
}

static vkd_status add_operands(conv2d_trial *trial, vkd_lowering *lowering, conv2d *out)
{
    const conv2d_problem *p = &trial->problem;
    const uint32_t x_dims[] = {p->n, p->in_c, p->in_h, p->in_w},
                   y_dims[] = {p->n, p->out_c, p->out_h, p->out_w};
    *out = (conv2d){.problem = *p,
                    .weights = trial->weights,
                    .x_zero = trial->requantize.x_zero,
                    .residual = VKD_NO_TENSOR};
    if (trial->resizes)
        out->largest = *p;
    VKD_TRY(add_activation(lowering->graph, x_dims, pack_input, &out->x));
    VKD_TRY(add_activation(lowering->graph, y_dims, NULL, &out->y));
    VKD_TRY(
        vkd_requantize(lowering, &trial->requantize, p->out_c, &out->channels, &out->requantize));
    if (trial->residual)
        VKD_TRY(add_residual(lowering->graph, y_dims, &trial->requantize, out));
    trial->params = out->requantize;
    return VKD_OK;
}

vkd_status vkd_conv2d_trial_lower(conv2d_trial *trial, const vkd_caps *caps,
                                  const conv2d_variant *variant, vkd_graph *graph,
                                  vkd_tensor_id *out_y)
{
    static const vkd_call call = {.name = "vkd.trial"};
    vkd_selection_info selection = {.op = call.name, .winner = variant->name, .problem = ""};
    conv2d conv;
    const conv2d *convs[] = {&conv};
    vkd_lowering lowering = {.context = graph->arena->context,
                             .graph = graph,
                             .values = trial->values,
                             .caps = caps,
                             .call = &call,
                             .selections = &selection,
                             .convs = convs,
                             .selection_count = 1};
    VKD_TRY(trial->problem.low_bits ? vkd_low_bit_trial_operands(trial, graph, &conv)
            : conv2d_is_float(&trial->problem)
                ? vkd_conv2d_float_trial_operands(trial, graph, &conv)
                : add_operands(trial, &lowering, &conv));
    *out_y = conv.y;
    return trial->problem.low_bits ? vkd_low_bit_trial_emit(&lowering, variant, &conv)
           : conv2d_is_float(&trial->problem)
               ? vkd_conv2d_float_trial_emit(&lowering, variant, &conv)
               : variant->emit(&lowering, &conv, variant->tile);
}

/* --------------------------------------------------------------------------------------- trying */

static vkd_status try_lower(void *user, size_t candidate, vkd_graph *graph, vkd_tensor_id *out)
{
    conv2d_trying *t = user;
    if (!t->made)
        VKD_TRY(vkd_conv2d_trial_make(&t->arena, t->conv, &t->trial));
    t->made = true;
    return vkd_conv2d_trial_lower(&t->trial, t->caps, &t->variants[candidate], graph, out);
}

static void try_fill(void *user)
{
    conv2d_trying *t = user;
    if (!t->filled)
        vkd_conv2d_trial_fill(&t->trial);
    t->filled = true;
}

static bool try_check(void *user, const void *result)
{
    const conv2d_trying *t = user;
    return vkd_conv2d_trial_check(&t->trial, result);
}

vkd_trial vkd_conv2d_trying_begin(conv2d_trying *trying, vkd_context *context, const conv2d *conv,
                                  const vkd_caps *caps, const conv2d_variant *variants)
{
    *trying = (conv2d_trying){.conv = conv, .caps = caps, .variants = variants};
    vkd_arena_init(&trying->arena, context);
    return (vkd_trial){.lower = try_lower, .fill = try_fill, .check = try_check, .user = trying};
}

void vkd_conv2d_trying_end(conv2d_trying *trying) { vkd_arena_release(&trying->arena); }
