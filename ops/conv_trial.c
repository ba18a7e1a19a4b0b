#include "ops/conv_trial.h"

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

/* From 0 to 1. */
static float random_unit(uint64_t stream, uint32_t at) { return (float)(random_bits((stream << 40) + at) >> 40) / 16777216.0f; }

/* ----------------------------------------------------------------------------------------------------------- operands */

void conv2d_trial_bytes(uint32_t which, size_t first, size_t count, int8_t *out)
{
    for (size_t at = first, end = first + count; at < end;) {
        uint64_t bits = random_bits(((uint64_t)which << 40) + at / 8);
        size_t skipped = at % 8, size = 8 - skipped < end - at ? 8 - skipped : end - at;
        if (size == 8)
            memcpy(out, &bits, 8); /* an instruction, where a size that is not known is a call */
        else
            memcpy(out, (const unsigned char *)&bits + skipped, size);
        out += size;
        at += size;
    }
}

static void pack_input(const void *source, void *dst, size_t size)
{
    (void)source;
    conv2d_trial_bytes(0, 0, size, dst);
}

static void pack_residual(const void *source, void *dst, size_t size)
{
    (void)source;
    conv2d_trial_bytes(1, 0, size, dst);
}

enum { WEIGHT_STREAM = 2, SCALE_STREAM, BIAS_STREAM };

/* Rows whose padding is zero, as in files. */
static void fill_weights(const conv2d_problem *problem, int8_t *weights)
{
    size_t k = (size_t)conv2d_k(problem), row = conv2d_weight_row(problem);
    conv2d_trial_bytes(WEIGHT_STREAM, 0, problem->out_c * row, weights);
    for (uint32_t oc = 0; oc < problem->out_c; oc++)
        memset(weights + oc * row + k, 0, row - k);
}

/* Of a channel. */
static int32_t sum_of(const conv2d_trial *trial, uint32_t channel)
{
    const size_t taps = conv2d_taps(&trial->problem), ic_group = conv2d_ic_group(&trial->problem);
    int32_t sum = 0;
    for (size_t tap = 0; tap < taps; tap++) {
        const int8_t *weight = vkd_weights_at(&trial->weights, channel, tap * ic_group);
        for (size_t i = 0; i < ic_group; i++)
            sum += weight[i];
    }
    return sum;
}

static vkd_model_value channel_values(vkd_dtype dtype, uint32_t count, const void *data)
{
    return (vkd_model_value){
        .kind = VKD_VALUE_TENSOR,
        .tensor = {.dtype = dtype, .staging_dtype = dtype, .rank = 1, .dims = {count}, .size = count * 4u, .data = data}};
}

/* The square root, near enough. */
static float rough_root(float value)
{
    float root = 1;
    while (root * root < value)
        root *= 1.25f;
    return root;
}

void conv2d_trial_fill(conv2d_trial *trial)
{
    if (trial->made_weights)
        fill_weights(&trial->problem, trial->made_weights);
    for (uint32_t oc = 0; oc < trial->problem.out_c; oc++) {
        trial->sums[oc] = sum_of(trial, oc);
        trial->scales[oc] = 0.005f + 0.005f * random_unit(SCALE_STREAM, oc);
        trial->bias[oc] = random_unit(BIAS_STREAM, oc) - 0.5f;
    }
}

vkd_status conv2d_trial_make(vkd_arena *arena, const conv2d *conv, conv2d_trial *out)
{
    const conv2d_problem *problem = &conv->problem;
    size_t k = (size_t)conv2d_k(problem), row = conv2d_weight_row(problem);
    int32_t *sums = vkd_arena_alloc(arena, problem->out_c, sizeof *sums);
    float *scales = vkd_arena_alloc(arena, problem->out_c, sizeof *scales);
    float *bias = vkd_arena_alloc(arena, problem->out_c, sizeof *bias);
    int8_t *made_weights = conv->weights.data ? NULL : vkd_arena_alloc(arena, problem->out_c, row);
    if (!sums || !scales || !bias || (!conv->weights.data && !made_weights))
        return vkd_fail_memory(arena->context, "a convolution to try");
    float x_mean = (float)conv->x_zero; /* random bytes are 0 on average, with a deviation of 74 */
    /* The output's range is about that of the sums, so that few results saturate. */
    *out = (conv2d_trial){
        .problem = *problem,
        .residual = conv->residual != VKD_NO_TENSOR,
        .weights = made_weights ? (vkd_weights){made_weights, (uint32_t)row, 1} : conv->weights,
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
                       .y_scale =
                           0.0075f * 0.02f * 74.0f * rough_root(74.0f * 74.0f + x_mean * x_mean) * rough_root((float)k) / 40.0f,
                       .activation = "none"},
    };
    out->values[SUMS] = channel_values(VKD_DTYPE_INT32, problem->out_c, sums);
    out->values[SCALES] = channel_values(VKD_DTYPE_FLOAT32, problem->out_c, scales);
    out->values[BIAS] = channel_values(VKD_DTYPE_FLOAT32, problem->out_c, bias);
    return VKD_OK;
}

/* ---------------------------------------------------------------------------------------------------------- lowering */

static vkd_status add_activation(vkd_graph *graph, const uint32_t dims[4], vkd_pack_fn pack, vkd_tensor_id *out)
{
    VKD_TRY(vkd_graph_add_tensor(graph, pack ? VKD_PLACE_CONSTANT : VKD_PLACE_SCRATCH, VKD_DTYPE_INT8, VKD_4C, 4, dims, out));
    graph->tensors[*out].pack = pack;
    return VKD_OK;
}

/* Adds what a fused addition needs, with scales at which both terms count. */
static vkd_status add_residual(vkd_graph *graph, const uint32_t dims[4], const requantize_args *args, conv2d *conv)
{
    conv->requantize.q_scale = args->y_scale;
    conv->requantize.r_scale = args->y_scale * 0.75f;
    conv->requantize.r_zero = 7;
    conv->requantize.sum_inv_scale = 1.0f / (args->y_scale * 1.5f);
    conv->requantize.sum_zero = -11;
    return add_activation(graph, dims, pack_residual, &conv->residual);
}

vkd_status conv2d_trial_lower(conv2d_trial *trial, const vkd_caps *caps, const conv2d_variant *variant, vkd_graph *graph,
                              vkd_tensor_id *out_y)
{
    static const vkd_call call = {.name = "vkd.trial"};
    const conv2d_problem *p = &trial->problem;
    vkd_selection_info selection = {.op = call.name, .winner = variant->name, .problem = ""};
    vkd_lowering lowering = {.context = graph->arena->context,
                             .graph = graph,
                             .values = trial->values,
                             .caps = caps,
                             .call = &call,
                             .selections = &selection,
                             .selection_count = 1};
    conv2d conv = {.problem = *p, .weights = trial->weights, .x_zero = trial->requantize.x_zero, .residual = VKD_NO_TENSOR};
    const uint32_t x_dims[] = {p->n, p->in_c, p->in_h, p->in_w}, y_dims[] = {p->n, p->out_c, p->out_h, p->out_w};
    VKD_TRY(add_activation(graph, x_dims, pack_input, &conv.x));
    VKD_TRY(add_activation(graph, y_dims, NULL, &conv.y));
    VKD_TRY(vkd_requantize(&lowering, &trial->requantize, p->out_c, &conv.channels, &conv.requantize));
    if (trial->residual)
        VKD_TRY(add_residual(graph, y_dims, &trial->requantize, &conv));
    trial->params = conv.requantize;
    *out_y = conv.y;
    return variant->emit(&lowering, &conv, variant->tile);
}
