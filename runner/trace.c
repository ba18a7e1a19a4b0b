#include "runner/trace.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "runner/tensor.h"
#include "runner/utf8.h"

/* The rows of the trace, which are "threads" in its format. */
enum { HOST = 1, SUBMISSIONS, DISPATCHES };

typedef struct tracer {
    cJSON *events;
    double origin_ms;
    bool failed; /* out of memory */
} tracer;

static cJSON *add_event(tracer *t, const char *phase, int row, const char *name)
{
    char *valid = run_utf8(name);
    cJSON *event = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(t->events, event)) {
        cJSON_Delete(event);
        event = NULL;
    }
    bool good = valid && cJSON_AddStringToObject(event, "name", valid) &&
                cJSON_AddStringToObject(event, "ph", phase) &&
                cJSON_AddNumberToObject(event, "pid", 1) &&
                cJSON_AddNumberToObject(event, "tid", row);
    free(valid);
    t->failed |= !good;
    return event;
}

static void add_text(tracer *t, cJSON *object, const char *name, const char *text)
{
    char *valid = run_utf8(text);
    t->failed |= !valid || !cJSON_AddStringToObject(object, name, valid);
    free(valid);
}

static void name_row(tracer *t, int row, const char *name)
{
    cJSON *args = cJSON_AddObjectToObject(add_event(t, "M", row, "thread_name"), "args");
    add_text(t, args, "name", name);
}

/* Something that took its time; what is to be said of it beside goes into the object returned. */
static cJSON *add_span(tracer *t, int row, const char *name, double start_us, double us)
{
    cJSON *event = add_event(t, "X", row, name);
    t->failed |= !cJSON_AddNumberToObject(event, "ts", start_us) ||
                 !cJSON_AddNumberToObject(event, "dur", us);
    return cJSON_AddObjectToObject(event, "args");
}

static void add_phase(tracer *t, const run_phase *phase)
{
    add_span(t, HOST, phase->name, (phase->start_ms - t->origin_ms) * 1e3,
             (phase->end_ms - phase->start_ms) * 1e3);
}

static run_exit add_dispatch(tracer *t, const run_session *session, size_t index, double start_us)
{
    vkd_node_info node;
    run_exit result = run_exit_of(session->backend->node(session->delegate, index, &node));
    if (result)
        return result;
    cJSON *args = add_span(t, DISPATCHES, node.op, start_us + (double)node.start_ns * 1e-3,
                           (double)node.gpu_ns * 1e-3);
    add_text(t, args, "kernel", node.kernel);
    add_text(t, args, "variant", node.variant);
    add_text(t, args, "shape", node.shape);
    t->failed |= !cJSON_AddNumberToObject(args, "node", (double)index) ||
                 !cJSON_AddNumberToObject(args, "op_id", node.op_id) ||
                 !cJSON_AddNumberToObject(args, "macs", (double)node.macs);
    return RUN_OK;
}

/* The device has a clock of its own, of which only differences mean something here: its work is
 * placed so that it ends when the host has its results. */
static run_exit add_execution(tracer *t, run_session *session, size_t index)
{
    run_phase phases[2];
    char name[64];
    run_exit result = run_session_execute_in_phases(session, phases);
    if (result)
        return result;
    add_phase(t, &phases[0]);
    add_phase(t, &phases[1]);
    double us = (double)session->backend->gpu_ns(session->delegate) * 1e-3,
           start_us = (phases[1].end_ms - t->origin_ms) * 1e3 - us;
    snprintf(name, sizeof name, "execution %zu", index);
    add_span(t, SUBMISSIONS, name, start_us, us);
    for (size_t i = 0; i < session->backend->node_count(session->delegate) && !result; i++)
        result = add_dispatch(t, session, i, start_us);
    return result;
}

static run_exit fill(tracer *t, run_session *session, size_t runs)
{
    const char *device = session->backend->delegate_device(session->delegate)->name;
    run_exit result = RUN_OK;
    name_row(t, HOST, "host");
    name_row(t, SUBMISSIONS, device);
    name_row(t, DISPATCHES, "dispatches");
    t->origin_ms = session->phases[0].start_ms;
    for (size_t i = 0; i < session->phase_count; i++)
        add_phase(t, &session->phases[i]);
    for (size_t i = 0; i < runs && !result; i++)
        result = add_execution(t, session, i);
    return result;
}

run_exit run_trace_write(run_session *session, size_t runs, const char *path)
{
    cJSON *root = cJSON_CreateObject();
    tracer t = {.events = cJSON_AddArrayToObject(root, "traceEvents")};
    t.failed = !t.events || !cJSON_AddStringToObject(root, "displayTimeUnit", "ms");
    run_exit result = t.failed ? RUN_OK : fill(&t, session, runs);
    char *text = result || t.failed ? NULL : cJSON_PrintUnformatted(root);
    if (!result)
        result = text ? run_tensor_write(path, text, strlen(text)) : run_fail_memory();
    cJSON_free(text);
    cJSON_Delete(root);
    return result;
}
