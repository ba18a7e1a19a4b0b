/* The table that runners load at run time (vkd_backend), called as a stranger may: all bytes are a
 * program, or a delegate's blob, and the last ones say what is called with it, in what order, with
 * what arguments. Objects and memory are what a caller must give; all else may be odd. */
#include "include/vkdelegate.h"
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CALLS = 64, MOST_ARGS = 40, MOST_GROUPS = 64, MOST_BYTES = 1 << 20 };

static const vkd_backend_table *const backend = &vkd_backend;

typedef struct session {
    const uint8_t *data, *script; /* script: the next byte of it */
    size_t size;
    vkd_engine *engine;
    vkd_program *program;
    vkd_method *method;
    vkd_delegate *delegate; /* the method's, or one of its own */
    vkd_memory *imported;
    void *pages;
    uint64_t ticket;
    bool is_small, is_lost;
    size_t block_count; /* memory of arguments, which a submit uses until it is complete */
    void *blocks[MOST_CALLS * (MOST_ARGS + 1)];
} session;

static uint32_t next(session *s) { return s->script < s->data + s->size ? *s->script++ : 0; }

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    abort();
}

/* A status is one that the header has, and a failure says why, if it is not that there is no such
 * thing. */
static bool check(session *s, vkd_status status, const char *error)
{
    if ((unsigned)status > VKD_DEVICE_ERROR || !*backend->status_name(status))
        fail("no such status");
    if (status != VKD_OK && status != VKD_NOT_FOUND && (!error || !*error))
        fail("a failure without a message");
    s->is_lost |= status == VKD_DEVICE_LOST;
    return status == VKD_OK;
}

/* Of executions; what is asked of a method's delegate fails there. */
static const char *error_of(const session *s)
{
    return s->method ? backend->method_error(s->method) : backend->last_error(s->delegate);
}

static void *block(session *s, size_t size)
{
    void *memory = calloc(1, size ? size : 1);
    if (!memory || s->block_count == sizeof s->blocks / sizeof *s->blocks)
        fail("no memory");
    return s->blocks[s->block_count++] = memory;
}

/* --------------------------------------------------------------------------------- opening */

/* With zeros behind it, for a size beyond. */
typedef struct long_options {
    vkd_options options;
    char behind[64], error[256];
} long_options;

static void draw_options(session *s, long_options *out)
{
    static const char *const variants[] = {NULL, NULL, NULL, "im2col", "", "none such"};
    *out = (long_options){.options = {.size = sizeof(vkd_options),
                                      .log = fuzz_be_quiet,
                                      .error = out->error,
                                      .error_size = sizeof out->error,
                                      .no_cache = true,
                                      .engine = s->engine}};
    const uint32_t bits = next(s);
    out->options.keep_intermediates = bits & 1;
    out->options.profile = bits & 2;
    out->options.no_rewrites = bits & 4;
    out->options.memory_on_demand = bits & 8;
    out->options.max_submit_ms = bits >> 4 & 1;
    if (bits & 32) {
        out->options.in_flight = next(s);
        out->options.max_plans = next(s);
        out->options.variant = variants[next(s) % (sizeof variants / sizeof *variants)];
        out->options.self_check = (vkd_self_check)(next(s) % 4);
        out->options.skip_rewrites = next(s) << 4;
    }
    if (bits & 64)
        out->options.size += next(s) % 128 - 64;
}

/* Only what is soon done is executed. */
static bool is_small(const session *s)
{
    vkd_memory_info memory;
    uint64_t groups = 0;
    backend->memory(s->delegate, &memory);
    for (size_t i = 0; i < backend->node_count(s->delegate); i++) {
        vkd_node_info node;
        if (backend->node(s->delegate, i, &node) != VKD_OK)
            fail("a node that is not there");
        groups += (uint64_t)node.groups[0] * node.groups[1] * node.groups[2];
    }
    return groups <= MOST_GROUPS && memory.constants + memory.scratch + memory.io <= MOST_BYTES;
}

static void close_all(session *s)
{
    if (s->method)
        backend->method_unload(s->method);
    else
        backend->destroy(s->delegate);
    backend->program_close(s->program);
    s->method = NULL;
    s->delegate = NULL;
    s->program = NULL;
    s->ticket = 0;
}

static void open_blob(session *s)
{
    long_options o;
    close_all(s);
    draw_options(s, &o);
    const uint32_t number = next(s);
    const vkd_compile_spec spec = {sizeof spec, "require_dynamic_shapes", &number, number % 3};
    const vkd_status status =
        backend->init(s->data, s->size, &spec, number & 8 ? 1 : 0, NULL, &o.options, &s->delegate);
    const bool knows = o.options.size == sizeof o.options; /* where its message goes */
    if (check(s, status, knows ? o.error : "?") != (s->delegate != NULL))
        fail("a delegate and a failure, or neither");
    s->is_small = s->delegate && is_small(s);
}

static void open_program(session *s)
{
    long_options o;
    vkd_program *program;
    close_all(s);
    draw_options(s, &o);
    o.options.size = sizeof(vkd_options);
    if (!check(s, backend->program_open_bytes(s->data, s->size, &o.options, &program), o.error)) {
        if (program)
            fail("a program and a failure");
        return;
    }
    s->program = program;
    const uint32_t which = next(s);
    const char *name = which & 1 ? NULL : backend->program_method_name(program, which >> 1);
    if (which & 128) /* which is no .ptd file */
        check(s, backend->program_add_data_bytes(program, s->data, next(s)),
              backend->program_error(program));
    if (!check(s, backend->method_load(program, name, &o.options, &s->method),
               backend->program_error(program)))
        return;
    s->delegate = backend->method_delegate(s->method);
    s->is_small = is_small(s);
}

/* ------------------------------------------------------------------------------ executions */

static size_t count_of(const session *s, bool outputs)
{
    return s->method
               ? (outputs ? backend->method_output_count : backend->method_input_count)(s->method)
               : (outputs ? backend->output_count : backend->input_count)(s->delegate);
}

static vkd_status info_of(const session *s, bool outputs, size_t i, vkd_tensor_info *out)
{
    return s->method ? (outputs ? backend->method_output_info
                                : backend->method_input_info)(s->method, i, out)
                     : (outputs ? backend->output_info : backend->input_info)(s->delegate, i, out);
}

static void spoil(session *s, vkd_tensor_arg *arg)
{
    const uint32_t value = next(s);
    switch (next(s) % 8) {
    case 0:
        arg->dtype = (vkd_dtype)(value % 12);
        break;
    case 1:
        arg->rank = value % 12;
        break;
    case 2:
        arg->dims[value % VKD_MAX_RANK] = (int8_t)next(s);
        break;
    case 3:
        arg->dims[value % VKD_MAX_RANK] = INT64_MAX - next(s);
        break;
    case 4:
        arg->capacity = arg->capacity > value ? value : 0;
        break;
    case 5:
        arg->input = arg->output = NULL;
        break;
    case 6:
        arg->size = value;
        break;
    default:
        arg->memory = s->imported;
        arg->offset = value * 256;
    }
}

/* Inputs and outputs as they should be, but for what the script spoils. */
static vkd_tensor_arg *draw_args(session *s, size_t *count)
{
    vkd_tensor_arg *args = block(s, (MOST_ARGS + 2) * sizeof *args);
    const size_t inputs = count_of(s, false), outputs = count_of(s, true);
    *count = inputs + outputs;
    for (size_t i = 0; i < *count && i < MOST_ARGS; i++) {
        vkd_tensor_info info;
        if (info_of(s, i >= inputs, i < inputs ? i : i - inputs, &info) != VKD_OK)
            fail("a tensor that is not there");
        args[i] = (vkd_tensor_arg){sizeof *args, info.dtype, info.rank, .capacity = info.size};
        memcpy(args[i].dims, info.dims, sizeof info.dims);
        args[i].output = block(s, info.size);
        args[i].input = args[i].output;
        for (size_t b = 0; i < inputs && b < info.size; b++)
            ((uint8_t *)args[i].output)[b] = s->data[b % s->size];
    }
    const uint32_t bits = next(s);
    if (bits & 1 && *count && *count <= MOST_ARGS)
        spoil(s, &args[next(s) % *count]);
    if (bits & 2)
        *count += bits >> 2 & 1 ? 1 : (size_t)-1;
    return args;
}

static vkd_status start_method(session *s, vkd_tensor_arg *args, size_t count, bool waits)
{
    return waits ? backend->method_execute(s->method, args, count)
                 : backend->method_submit(s->method, args, count, &s->ticket);
}

static vkd_status start_delegate(session *s, vkd_tensor_arg *args, size_t count, bool waits)
{
    return waits ? backend->execute(s->delegate, args, count)
                 : backend->submit(s->delegate, args, count, &s->ticket);
}

static void start(session *s, bool waits)
{
    size_t count;
    if (!s->delegate || !s->is_small)
        return;
    vkd_tensor_arg *args = draw_args(s, &count);
    if (count > MOST_ARGS)
        return;
    check(s, (s->method ? start_method : start_delegate)(s, args, count, waits), error_of(s));
}

static void execute(session *s) { start(s, true); }
static void submit(session *s) { start(s, false); }

static void wait(session *s)
{
    if (!s->delegate)
        return;
    const uint64_t ticket = s->ticket + 1 - next(s) % 4;
    check(s,
          s->method ? backend->method_wait(s->method, ticket) : backend->wait(s->delegate, ticket),
          error_of(s));
}

/* ---------------------------------------------------------------------------- all that asks */

static void ask_tensors(session *s)
{
    if (!s->delegate)
        return;
    for (int outputs = 0; outputs < 2; outputs++)
        for (size_t i = 0; i <= count_of(s, outputs) && i < MOST_ARGS; i++) {
            vkd_tensor_info info;
            if (info_of(s, outputs, i, &info) == VKD_OK && info.rank > VKD_MAX_RANK)
                fail("a rank beyond all");
        }
}

static void ask_nodes(session *s)
{
    if (!s->delegate)
        return;
    const size_t count = backend->node_count(s->delegate);
    for (size_t i = 0; i <= count; i++) {
        vkd_node_info node;
        vkd_operand_info operand;
        const vkd_status status = backend->node(s->delegate, i, &node);
        if ((status == VKD_OK) != (i < count))
            fail("nodes are not as many as there are");
        for (size_t o = 0; backend->operand(s->delegate, i, o, &operand) == VKD_OK; o++)
            if (!operand.place || operand.rank > VKD_MAX_RANK)
                fail("an operand without a place");
        (void)backend->node_submission(s->delegate, i);
        (void)backend->node_check(s->delegate, i);
    }
    (void)backend->gpu_ns(s->delegate);
}

static void ask_selections(session *s)
{
    if (!s->delegate)
        return;
    for (size_t i = 0; i <= backend->selection_count(s->delegate); i++) {
        vkd_selection_info info;
        if (backend->selection(s->delegate, i, &info) == VKD_OK && !info.winner)
            fail("a choice without a winner");
    }
    if (!backend->delegate_device(s->delegate))
        fail("a delegate without a device");
}

static void use_states(session *s)
{
    if (!s->delegate)
        return;
    for (size_t i = 0; i <= backend->state_count(s->delegate); i++) {
        vkd_tensor_info info;
        if (backend->state_info(s->delegate, i, &info) != VKD_OK)
            continue;
        if (info.size > MOST_BYTES)
            continue;
        const size_t size = next(s) & 1 ? info.size : info.size / 2;
        void *bytes = malloc(size ? size : 1);
        check(s, backend->state_read(s->delegate, i, bytes, size),
              backend->last_error(s->delegate));
        free(bytes);
    }
    if (next(s) & 1)
        check(s, backend->state_reset(s->delegate), backend->last_error(s->delegate));
}

static void read_value(session *s)
{
    vkd_tensor_info info;
    uint8_t bytes[256];
    if (s->delegate)
        check(s, backend->read_value(s->delegate, next(s), bytes, next(s), &info),
              backend->last_error(s->delegate));
}

/* Pages of the process, as many as they are or not. */
static void import(session *s)
{
    char error[256] = "";
    const vkd_external_memory external = {.size = sizeof external,
                                          .kind = (vkd_external_kind)(next(s) & 1 ? 0 : next(s)),
                                          .fd = -1,
                                          .pointer = (char *)s->pages + next(s) % 3,
                                          .bytes = (uint64_t)(next(s) % 5) << 12,
                                          .memory_type = next(s),
                                          .error = error,
                                          .error_size = sizeof error};
    if (s->imported || external.kind == VKD_EXTERNAL_HARDWARE_BUFFER)
        return;
    if (check(s, backend->memory_import(s->engine, &external, &s->imported), error) !=
        (s->imported != NULL))
        fail("memory and a failure, or neither");
}

static void ask_library(session *s)
{
    long_options o;
    vkd_device_info devices[2];
    uint32_t count;
    draw_options(s, &o);
    o.options.size = sizeof(vkd_options);
    check(s, backend->list_devices(&o.options, devices, next(s) % 3, &count), o.error);
    (void)backend->dtype_name((vkd_dtype)next(s));
    (void)backend->dtype_size((vkd_dtype)next(s));
    (void)backend->status_name((vkd_status)next(s));
}

/* ------------------------------------------------------------------------------------ target */

static void (*const calls[])(session *s) = {
    open_blob, open_program,   execute,    execute,    submit, wait,       ask_tensors,
    ask_nodes, ask_selections, use_states, read_value, import, ask_library};

/* Created once, as it takes its time, and anew after a loss. */
static vkd_engine *engine;

static void open_engine(void)
{
    char error[256] = "";
    const vkd_options options = {.size = sizeof options,
                                 .log = fuzz_be_quiet,
                                 .no_cache = true,
                                 .error = error,
                                 .error_size = sizeof error};
    if (!engine && backend->engine_create(&options, &engine) != VKD_OK) {
        fprintf(stderr, "%s\n", error);
        exit(4); /* there is no device */
    }
}

static void close_engine(void)
{
    backend->engine_destroy(engine);
    engine = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(4096) char pages[4 << 12];
    const size_t length = size < MOST_CALLS ? size : MOST_CALLS;
    if (!engine)
        atexit(close_engine);
    open_engine();
    session s = {.data = data, .size = size, .script = data + size - length, .engine = engine};
    s.pages = pages;
    while (s.script < data + size && !s.is_lost)
        calls[next(&s) % (sizeof calls / sizeof *calls)](&s);
    close_all(&s);
    backend->memory_release(s.imported);
    for (size_t i = 0; i < s.block_count; i++)
        free(s.blocks[i]);
    if (s.is_lost)
        close_engine();
    return 0;
}
