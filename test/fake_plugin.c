/* A plug-in for the tests of vkd-run that needs no device. The name of the "model" says what it
 * does: image.pte        one input and one output f32 1x3x4x6, equal gray.pte         the same with
 * one channel classes.pte      f32 1x4, equal batch.pte        f32 3x4, equal two.pte          two
 * inputs and two outputs, i8 5 and f32 2, equal open-N.pte       opening it fails with status N
 *   load-N.pte       loading its method fails with status N
 *   execute-N.pte    like classes.pte, and executing it fails with status N
 *   torn.pte         like classes.pte, and what is submitted while something is in flight comes out
 * wrong noise.pte        like classes.pte, and loading it prints to standard output, as drivers do
 *   data.pte         like classes.pte, and loading its method fails without two data files
 *   message.pte      like classes.pte, and executing it logs an error, as the validation layer does
 * VKD_FAKE_ABI and VKD_FAKE_SIZE in the build give tables of another ABI or size. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/vkdelegate.h"

#ifndef VKD_FAKE_ABI
#define VKD_FAKE_ABI VKD_BACKEND_ABI
#endif
#ifndef VKD_FAKE_SIZE
#define VKD_FAKE_SIZE sizeof(vkd_backend_table)
#endif

enum { MAX_TENSORS = 2, MAX_BYTES = 1024 };

/* Something in flight: what comes out, and where that goes. */
typedef struct flight {
    uint64_t ticket; /* 0: nothing */
    unsigned char out[MAX_TENSORS][MAX_BYTES];
    vkd_tensor_arg *to;
} flight;

struct vkd_method {
    vkd_log_fn log;
    void *log_user;
    size_t count;
    vkd_tensor_info info[MAX_TENSORS];
    vkd_status execute_status;
    bool message, torn;
    uint64_t runs;
    uint32_t in_flight;
    uint64_t last_ticket;
    flight flights[VKD_MAX_IN_FLIGHT];
};

struct vkd_program {
    char name[64];
    const vkd_options *options;
    int data_files;
};

typedef struct shape {
    const char *name;
    size_t count;
    vkd_tensor_info info[MAX_TENSORS];
} shape;

static const shape shapes[] = {
    {"image.pte", 1, {{VKD_DTYPE_FLOAT32, 4, {1, 3, 4, 6}, 288}}},
    {"last.pte", 1, {{VKD_DTYPE_FLOAT32, 4, {1, 3, 4, 6}, 288, {0, 2, 3, 1}}}},
    {"gray.pte", 1, {{VKD_DTYPE_FLOAT32, 4, {1, 1, 4, 6}, 96}}},
    {"batch.pte", 1, {{VKD_DTYPE_FLOAT32, 2, {3, 4}, 48}}},
    {"two.pte", 2, {{VKD_DTYPE_INT8, 1, {5}, 5}, {VKD_DTYPE_FLOAT32, 1, {2}, 8}}},
    {"", 1, {{VKD_DTYPE_FLOAT32, 2, {1, 4}, 16}}}, /* any other name */
};

static const vkd_device_info device = {
    .name = "Fake device", .type = "other", .api_version = 1u << 22 | 2u << 12 | 3};

static vkd_status fail(const vkd_options *options, int status)
{
    char text[64];
    snprintf(text, sizeof text, "fake failure %d", status);
    options->log(options->log_user, VKD_LOG_ERROR, text);
    return (vkd_status)status;
}

static uint32_t version(void) { return 1u << 22 | 2u << 12 | 3; }
static const char *dtype_name(vkd_dtype dtype) { return dtype == VKD_DTYPE_INT8 ? "i8" : "f32"; }
static size_t dtype_size(vkd_dtype dtype)
{
    return dtype == VKD_DTYPE_INT8 || dtype == VKD_DTYPE_UINT8 ? 1 : 4;
}

static vkd_status list_devices(const vkd_options *options, vkd_device_info *entries,
                               uint32_t capacity, uint32_t *out_count)
{
    (void)options;
    *out_count = getenv("VKD_FAKE_NO_DEVICE") ? 0 : 1;
    if (capacity && *out_count)
        entries[0] = device;
    return VKD_OK;
}

static const vkd_device_info *delegate_device(const vkd_delegate *delegate)
{
    (void)delegate;
    return &device;
}
static void memory(const vkd_delegate *delegate, vkd_memory_info *out)
{
    (void)delegate;
    *out = (vkd_memory_info){1, 2, 3, 4, 5, 6};
}
static size_t two_nodes(const vkd_delegate *delegate)
{
    (void)delegate;
    return 2;
}
static vkd_status node(const vkd_delegate *delegate, size_t index, vkd_node_info *out)
{
    (void)delegate;
    *out = (vkd_node_info){"test.conv", (uint32_t)index + 7, "kernel", "general", "1x2 -> 3x4",
                           500000,      {1, 1, 1},           125000,   250000};
    return VKD_OK;
}
static uint32_t node_submission(const vkd_delegate *delegate, size_t index)
{
    (void)delegate;
    return (uint32_t)index;
}
static const char *node_check(const vkd_delegate *delegate, size_t index)
{
    (void)delegate;
    return index ? "not yet" : "right";
}
/* The first node makes of the input what the second makes, with a constant, the output of. */
static vkd_status operand(const vkd_delegate *delegate, size_t node, size_t index,
                          vkd_operand_info *out)
{
    static const vkd_operand_info operands[2][3] = {
        {{0, "input", VKD_DTYPE_FLOAT32, 1, {256}, 1024, 0, false},
         {1, "scratch", VKD_DTYPE_FLOAT32, 1, {512}, 2048, 4096, true}},
        {{1, "scratch", VKD_DTYPE_FLOAT32, 1, {512}, 2048, 4096, false},
         {3, "constant", VKD_DTYPE_FLOAT32, 1, {4}, 16, 0, false},
         {2, "output", VKD_DTYPE_FLOAT32, 1, {4}, 16, 0, true}},
    };
    (void)delegate;
    if (node > 1 || index > 2 || !operands[node][index].place)
        return VKD_NOT_FOUND;
    *out = operands[node][index];
    return VKD_OK;
}
/* 1, 2, 3 ... ms: the number of the run, so that the statistics can be checked. */
static uint64_t gpu_ns(const vkd_delegate *delegate)
{
    return ((const vkd_method *)(const void *)delegate)->runs * 1000000;
}
static vkd_status selection(const vkd_delegate *delegate, size_t index, vkd_selection_info *out)
{
    static const vkd_candidate_info candidates[] = {{"general", true, 12.5, "model", 11.25},
                                                    {"im2col", false, 0, "groups", 0}};
    (void)delegate;
    *out = (vkd_selection_info){"test.conv", (uint32_t)index, "3x3", "general", "the only one",
                                2,           candidates};
    return VKD_OK;
}

static vkd_status program_open(const char *path, const vkd_options *options, vkd_program **out)
{
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    int status = 0;
    if (sscanf(name, "open-%d", &status) == 1)
        return fail(options, status);
    *out = calloc(1, sizeof **out);
    if (!*out)
        return VKD_OUT_OF_MEMORY;
    snprintf((*out)->name, sizeof(*out)->name, "%s", name);
    (*out)->options = options;
    return VKD_OK;
}

/* "bad.ptd" is no such file. */
static vkd_status program_add_data(vkd_program *program, const char *path)
{
    program->data_files++;
    return strstr(path, "bad.ptd") ? fail(program->options, VKD_INVALID_MODEL) : VKD_OK;
}

static vkd_status program_open_bytes(const void *bytes, size_t size, const vkd_options *options,
                                     vkd_program **out)
{
    return bytes && size == 16 ? program_open("bytes.pte", options, out)
                               : fail(options, VKD_INVALID_MODEL);
}

static void program_close(vkd_program *program) { free(program); }
static size_t program_method_count(const vkd_program *program)
{
    (void)program;
    return 1;
}
static const char *program_method_name(const vkd_program *program, size_t index)
{
    (void)program;
    return index ? NULL : "forward";
}

/* One, and whether it is there: what is loaded then has to be given it. */
static char the_engine;
static bool engine_there;
static vkd_status engine_create(const vkd_options *options, vkd_engine **out)
{
    (void)options;
    engine_there = true;
    *out = (vkd_engine *)(void *)&the_engine;
    return VKD_OK;
}
static void engine_destroy(vkd_engine *engine)
{
    engine_there = (const char *)(void *)engine != &the_engine;
}

static vkd_status method_load(vkd_program *program, const char *name, const vkd_options *options,
                              vkd_method **out)
{
    const shape *row = shapes;
    int status = 0;
    if (sscanf(program->name, "load-%d", &status) == 1)
        return fail(options, status);
    if ((name && strcmp(name, "forward")) || engine_there != (options->engine != NULL))
        return fail(options, VKD_NOT_FOUND);
    if (!strcmp(program->name, "data.pte") && program->data_files != 2)
        return fail(options, VKD_INVALID_MODEL);
    if (!strcmp(program->name, "plans.pte") &&
        (options->max_plans != 2 || !options->memory_on_demand))
        return fail(options, VKD_INVALID_ARGUMENT);
    while (*row->name && strcmp(row->name, program->name))
        row++;
    vkd_method *method = calloc(1, sizeof *method);
    if (!method)
        return VKD_OUT_OF_MEMORY;
    method->log = options->log;
    method->log_user = options->log_user;
    method->count = row->count;
    memcpy(method->info, row->info, sizeof method->info);
    if (options->pixel_count) { /* of means of 0.1, 0.2, 0.3 */
        const int64_t *dims = row->info->dims;
        if (fabs(options->pixels->mean[2] - 0.3) > 1e-6 || fabs(options->pixels->std[0] - 1) > 1e-6)
            return fail(options, VKD_INVALID_ARGUMENT);
        *method->info = (vkd_tensor_info){
            VKD_DTYPE_UINT8, 4, {dims[0], dims[2], dims[3], dims[1]}, row->info->size / 4};
    }
    if (sscanf(program->name, "execute-%d", &status) == 1)
        method->execute_status = (vkd_status)status;
    if (!strcmp(program->name, "noise.pte"))
        puts("noise of a driver");
    method->message = !strcmp(program->name, "message.pte");
    method->torn = !strcmp(program->name, "torn.pte");
    method->in_flight = options->in_flight;
    *out = method;
    return VKD_OK;
}

static void method_unload(vkd_method *method) { free(method); }
static vkd_delegate *method_delegate(vkd_method *method) { return (vkd_delegate *)(void *)method; }
static size_t tensor_count(const vkd_method *method) { return method->count; }
static vkd_status tensor_info(const vkd_method *method, size_t index, vkd_tensor_info *out)
{
    *out = method->info[index];
    bool given = false;
    for (uint32_t i = 0; i < out->rank; i++)
        given |= out->dim_order[i] != 0;
    for (uint32_t i = 0; !given && i < out->rank && i < VKD_MAX_RANK; i++)
        out->dim_order[i] = (uint8_t)i;
    return VKD_OK;
}

/* Gives an output its bytes and its dims. */
static void put(const vkd_method *method, size_t index, const void *data, vkd_tensor_arg *to)
{
    to->rank = method->info[index].rank;
    memcpy(to->dims, method->info[index].dims, sizeof to->dims);
    memcpy(to->output, data, method->info[index].size);
}

/* The inputs, then the outputs. */
static vkd_status check_args(vkd_method *method, const vkd_tensor_arg *args, size_t count,
                             const char *what)
{
    char text[64];
    bool fits = count == 2 * method->count;
    for (size_t i = 0; fits && i < count; i++) {
        const vkd_tensor_info *info = &method->info[i % method->count];
        fits = args[i].size == sizeof *args && args[i].dtype == info->dtype &&
               args[i].capacity >= info->size;
        fits = fits && (i < method->count ? args[i].rank == info->rank && args[i].input
                                          : args[i].output != NULL);
    }
    if (!fits)
        return VKD_INVALID_ARGUMENT;
    snprintf(text, sizeof text, "fake failure of %s", what);
    if (method->execute_status)
        method->log(method->log_user, VKD_LOG_ERROR, text);
    return method->execute_status;
}

static vkd_status method_execute(vkd_method *method, vkd_tensor_arg *args, size_t count)
{
    vkd_status status = check_args(method, args, count, "an execution");
    if (status != VKD_OK)
        return status;
    if (method->message)
        method->log(method->log_user, VKD_LOG_ERROR, "fake validation message");
    for (size_t i = 0; i < method->count; i++)
        put(method, i, args[i].input, &args[method->count + i]);
    method->runs++;
    return VKD_OK;
}

static vkd_status method_wait(vkd_method *method, uint64_t ticket)
{
    for (uint32_t i = 0; i < method->in_flight; i++) {
        flight *f = &method->flights[i];
        if (!ticket || f->ticket != ticket)
            continue;
        f->ticket = 0;
        method->runs++;
        for (size_t k = 0; k < method->count; k++)
            put(method, k, f->out[k], &f->to[k]);
        return VKD_OK;
    }
    return VKD_INVALID_ARGUMENT; /* this one knows only what is in flight */
}

/* More than vkd_options.in_flight is a mistake here. */
static vkd_status method_submit(vkd_method *method, vkd_tensor_arg *args, size_t count,
                                uint64_t *out_ticket)
{
    flight *found = NULL;
    bool others = false;
    for (uint32_t i = 0; i < method->in_flight; i++) {
        others |= method->flights[i].ticket != 0;
        found = method->flights[i].ticket ? found : &method->flights[i];
    }
    vkd_status status =
        found ? check_args(method, args, count, "a submission") : VKD_INVALID_ARGUMENT;
    if (status != VKD_OK)
        return status;
    for (size_t k = 0; k < method->count; k++) {
        memcpy(found->out[k], args[k].input, method->info[k].size);
        found->out[k][0] ^= method->torn && others;
    }
    found->to = args + method->count;
    *out_ticket = found->ticket = ++method->last_ticket;
    return VKD_OK;
}

VKD_API extern const vkd_backend_table vkd_backend;
const vkd_backend_table vkd_backend = {
    .abi_version = VKD_FAKE_ABI,
    .table_size = VKD_FAKE_SIZE,
    .id = "VulkanBackend",
    .version = version,
    .dtype_name = dtype_name,
    .dtype_size = dtype_size,
    .list_devices = list_devices,
    .engine_create = engine_create,
    .engine_destroy = engine_destroy,
    .delegate_device = delegate_device,
    .memory = memory,
    .node_count = two_nodes,
    .node = node,
    .gpu_ns = gpu_ns,
    .selection_count = two_nodes,
    .selection = selection,
    .program_open = program_open,
    .program_open_bytes = program_open_bytes,
    .program_close = program_close,
    .program_method_count = program_method_count,
    .program_method_name = program_method_name,
    .method_load = method_load,
    .method_unload = method_unload,
    .method_delegate = method_delegate,
    .method_input_count = tensor_count,
    .method_output_count = tensor_count,
    .method_input_info = tensor_info,
    .method_output_info = tensor_info,
    .method_execute = method_execute,
    .method_submit = method_submit,
    .method_wait = method_wait,
    .program_add_data = program_add_data,
    .operand = operand,
    .node_submission = node_submission,
    .node_check = node_check,
};
