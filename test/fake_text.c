/* A plug-in for the tests of vkd-run --generate that needs no device: language models of 8 tokens
 * whose next token is the sum of all so far, and of the last one again, modulo 8. The name of the
 * "model" says what it is like:
 *   carry.pte  tokens i64 1xS, S up to 4, a position i64 1 and a memory f32 2, which comes out
 * again behind the logits f32 1x8; the methods "forward" and "prefill" state.pte  tokens i32 S, S
 * up to 3, logits f32 8; the memory is a state; both methods each.pte   like carry.pte, with
 * positions i64 4, one of each token whole.pte  tokens i64 1xS, S up to 6, logits f32 1xSx8: there
 * is no memory nan.pte    like whole.pte, and no logit is a number odd.pte    like whole.pte, with
 * three inputs float.pte  like whole.pte, with a float for tokens Each execution prints its method,
 * the tokens and their position to stderr. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/vkdelegate.h"

enum { TOKENS = 8, INPUTS = 3, OUTPUTS = 2 };

typedef struct fake_model {
    const char *name;
    size_t inputs, outputs, states;
    vkd_tensor_info input[INPUTS], output[OUTPUTS];
} fake_model;

#define INFO(dtype, rank, size, ...)                                                               \
    {                                                                                              \
        VKD_DTYPE_##dtype, rank, {__VA_ARGS__}, size, { 0, 1, 2 }                                  \
    }
#define WHOLE(name, inputs, dtype)                                                                 \
    {                                                                                              \
        name, inputs, 1, 0,                                                                        \
            {INFO(dtype, 2, 48, 1, 6), INFO(INT64, 1, 8, 1), INFO(INT64, 1, 8, 1)},                \
            {INFO(FLOAT32, 3, 192, 1, 6, TOKENS)},                                                 \
    }
static const fake_model models[] = {
    {"carry.pte",
     3,
     2,
     0,
     {INFO(INT64, 2, 32, 1, 4), INFO(INT64, 1, 8, 1), INFO(FLOAT32, 1, 8, 2)},
     {INFO(FLOAT32, 2, 32, 1, TOKENS), INFO(FLOAT32, 1, 8, 2)}},
    {"each.pte",
     3,
     2,
     0,
     {INFO(INT64, 2, 32, 1, 4), INFO(INT64, 1, 32, 4), INFO(FLOAT32, 1, 8, 2)},
     {INFO(FLOAT32, 2, 32, 1, TOKENS), INFO(FLOAT32, 1, 8, 2)}},
    {"state.pte", 1, 1, 1, {INFO(INT32, 1, 12, 3)}, {INFO(FLOAT32, 1, 32, TOKENS)}},
    WHOLE("whole.pte", 1, INT64),
    WHOLE("nan.pte", 1, INT64),
    WHOLE("odd.pte", 3, INT64),
    WHOLE("float.pte", 1, FLOAT64),
};

struct vkd_program {
    const fake_model *model;
};

struct vkd_method {
    const fake_model *model;
    char name[16];
    float memory[2]; /* the sum of the tokens, and how many there were */
};

static const vkd_device_info device = {.name = "Fake device", .type = "other"};

static const char *dtype_name(vkd_dtype dtype) { return dtype == VKD_DTYPE_FLOAT32 ? "f32" : "?"; }
static size_t dtype_size(vkd_dtype dtype)
{
    return dtype == VKD_DTYPE_FLOAT32 || dtype == VKD_DTYPE_INT32 ? 4 : 8;
}
static const vkd_device_info *delegate_device(const vkd_delegate *delegate)
{
    (void)delegate;
    return &device;
}

static vkd_status program_open(const char *path, const vkd_options *options, vkd_program **out)
{
    (void)options;
    *out = NULL;
    for (size_t i = 0; i < sizeof models / sizeof *models && !*out; i++)
        if (!strcmp(path, models[i].name) && (*out = malloc(sizeof **out)))
            (*out)->model = &models[i];
    return *out ? VKD_OK : VKD_IO_ERROR;
}
static void program_close(vkd_program *program) { free(program); }

static vkd_status method_load(vkd_program *program, const char *name, const vkd_options *options,
                              vkd_method **out)
{
    (void)options;
    *out = calloc(1, sizeof **out);
    (*out)->model = program->model;
    snprintf((*out)->name, sizeof(*out)->name, "%s", name ? name : "forward");
    return VKD_OK;
}
static void method_unload(vkd_method *method) { free(method); }
static vkd_delegate *method_delegate(vkd_method *method) { return (vkd_delegate *)(void *)method; }
static size_t input_count(const vkd_method *method) { return method->model->inputs; }
static size_t output_count(const vkd_method *method) { return method->model->outputs; }
static size_t state_count(const vkd_delegate *delegate)
{
    return ((const vkd_method *)(const void *)delegate)->model->states;
}
static vkd_status input_info(const vkd_method *method, size_t index, vkd_tensor_info *out)
{
    *out = method->model->input[index];
    return VKD_OK;
}
static vkd_status output_info(const vkd_method *method, size_t index, vkd_tensor_info *out)
{
    *out = method->model->output[index];
    return VKD_OK;
}

static int64_t int_at(const vkd_tensor_arg *arg, size_t index)
{
    return arg->dtype == VKD_DTYPE_INT32 ? ((const int32_t *)arg->input)[index]
                                         : ((const int64_t *)arg->input)[index];
}

static vkd_status fail(const char *what)
{
    fprintf(stderr, "fake: %s\n", what);
    return VKD_INVALID_ARGUMENT;
}

/* Adds the tokens to what the memory has; false where their positions are not those behind. */
static bool remember(vkd_method *method, const vkd_tensor_arg *args, size_t count)
{
    const fake_model *model = method->model;
    if (model->inputs == 3)
        memcpy(method->memory, args[2].input, sizeof method->memory);
    else if (!model->states)
        memset(method->memory, 0, sizeof method->memory);
    fprintf(stderr, "%s: %zu at %g\n", method->name, count, (double)method->memory[1]);
    for (size_t i = 0; i < count; i++) {
        if (model->inputs == 3 && i < (size_t)args[1].dims[0] &&
            int_at(&args[1], i) != (int64_t)method->memory[1])
            return false;
        method->memory[0] += (float)int_at(&args[0], i);
        method->memory[1] += 1;
    }
    return true;
}

static void give(vkd_tensor_arg *to, const vkd_tensor_info *info, const void *data, size_t size)
{
    to->rank = info->rank;
    memcpy(to->dims, info->dims, sizeof to->dims);
    if (info->rank == 3)
        to->dims[1] = (int64_t)(size / (TOKENS * sizeof(float)));
    memcpy(to->output, data, size);
}

static vkd_status method_execute(vkd_method *method, vkd_tensor_arg *args, size_t arg_count)
{
    const fake_model *model = method->model;
    static float logits[6][TOKENS];
    const size_t count = (size_t)args[0].dims[model->input[0].rank - 1];
    if (arg_count != model->inputs + model->outputs || !count ||
        count > (size_t)model->input[0].dims[model->input[0].rank - 1])
        return fail("arguments");
    if (!remember(method, args, count))
        return fail("another position");
    const int want = (int)(method->memory[0] + (float)int_at(&args[0], count - 1)) % TOKENS;
    const size_t rows = model->output[0].rank == 3 ? count : 1;
    for (size_t i = 0; i < rows; i++)
        for (int k = 0; k < TOKENS; k++)
            logits[i][k] = !strcmp(model->name, "nan.pte") ? NAN
                           : i + 1 == rows                 ? -(float)abs(k - want)
                                                           : (float)k;
    give(&args[model->inputs], &model->output[0], logits, rows * sizeof *logits);
    if (model->outputs == 2)
        give(&args[model->inputs + 1], &model->output[1], method->memory, sizeof method->memory);
    return VKD_OK;
}

VKD_API extern const vkd_backend_table vkd_backend;
const vkd_backend_table vkd_backend = {
    .abi_version = VKD_BACKEND_ABI,
    .table_size = sizeof(vkd_backend_table),
    .id = "VulkanBackend",
    .dtype_name = dtype_name,
    .dtype_size = dtype_size,
    .delegate_device = delegate_device,
    .state_count = state_count,
    .program_open = program_open,
    .program_close = program_close,
    .method_load = method_load,
    .method_unload = method_unload,
    .method_delegate = method_delegate,
    .method_input_count = input_count,
    .method_output_count = output_count,
    .method_input_info = input_info,
    .method_output_info = output_info,
    .method_execute = method_execute,
};
