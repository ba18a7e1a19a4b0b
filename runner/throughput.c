#include "runner/throughput.h"

#include <stdlib.h>
#include <string.h>

/* What one request needs. */
typedef struct request {
    uint64_t ticket;
    vkd_tensor_arg *args; /* the inputs, which all share, then the outputs */
} request;

/* As many requests as can be in flight, and one more: an execution by itself, whose results are the
 * reference. */
typedef struct pipeline {
    run_session *session;
    size_t input_count, arg_count;
    size_t depth;
    request *requests; /* depth, then the reference */
} pipeline;

/* --------------------------------------------------------------------------------------- memory */

static void release(pipeline *p)
{
    for (size_t i = 0; p->requests && i <= p->depth; i++) {
        for (size_t k = p->input_count; p->requests[i].args && k < p->arg_count; k++)
            free(p->requests[i].args[k].output);
        free(p->requests[i].args);
    }
    free(p->requests);
}

static run_exit make_request(pipeline *p, request *out)
{
    out->args = calloc(p->arg_count + 1, sizeof *out->args);
    if (!out->args)
        return run_fail_memory();
    memcpy(out->args, p->session->args, p->input_count * sizeof *out->args);
    for (size_t k = p->input_count; k < p->arg_count; k++) {
        out->args[k] = p->session->args[k];
        out->args[k].output = calloc(out->args[k].capacity + 1, 1);
        if (!out->args[k].output)
            return run_fail_memory();
    }
    return RUN_OK;
}

static run_exit prepare(pipeline *p, run_session *session)
{
    *p = (pipeline){
        .session = session,
        .input_count = session->input_count,
        .arg_count = session->input_count + session->output_count,
        .depth = (size_t)session->options->in_flight,
    };
    p->requests = calloc(p->depth + 1, sizeof *p->requests);
    run_exit result = p->requests ? RUN_OK : run_fail_memory();
    for (size_t i = 0; i <= p->depth && !result; i++)
        result = make_request(p, &p->requests[i]);
    return result;
}

/* -------------------------------------------------------------------------------------- running */

/* `count` executions; request i takes the memory of the one so many before it, once that is
 * complete. */
static run_exit run_pipeline(pipeline *p, size_t count, double *out_ms)
{
    const vkd_backend_table *backend = p->session->backend;
    vkd_method *method = p->session->method;
    vkd_status status = VKD_OK;
    double start = run_now_ms();
    for (size_t i = 0; i < count + p->depth && status == VKD_OK; i++) {
        request *r = &p->requests[i % p->depth];
        if (i >= p->depth && i - p->depth < count)
            status = backend->method_wait(method, r->ticket);
        if (i < count && status == VKD_OK)
            status = backend->method_submit(method, r->args, p->arg_count, &r->ticket);
    }
    *out_ms = run_now_ms() - start;
    return run_exit_of(status);
}

/* Every slot of the library runs at least once, and clocks settle. */
static run_exit warm_up(pipeline *p)
{
    const double enough_ms = 300;
    double spent = 0, ms;
    while (spent < enough_ms) {
        run_progress("warming up ...");
        run_exit result = run_pipeline(p, p->depth, &ms);
        if (result)
            return result;
        spent += ms;
    }
    return RUN_OK;
}

/* So that the results of the warm-up are not taken for later ones. */
static void clear_outputs(pipeline *p)
{
    for (size_t i = 0; i < p->depth; i++)
        for (size_t k = p->input_count; k < p->arg_count; k++)
            memset(p->requests[i].args[k].output, 0, p->requests[i].args[k].capacity);
}

/* The last `count` requests against the reference. */
static run_exit compare(pipeline *p, size_t count)
{
    const request *reference = &p->requests[p->depth];
    run_exit result = run_exit_of(
        p->session->backend->method_execute(p->session->method, reference->args, p->arg_count));
    for (size_t i = 0; i < count && i < p->depth && !result; i++)
        for (size_t k = p->input_count; k < p->arg_count && !result; k++)
            if (memcmp(p->requests[i].args[k].output, reference->args[k].output,
                       reference->args[k].capacity))
                result = run_fail(RUN_FAILED,
                                  "output %zu of an execution among %zu in flight differs from "
                                  "that of one by itself",
                                  k - p->input_count, p->depth);
    return result;
}

run_exit run_throughput_measure(run_session *session, size_t executions, run_throughput *out)
{
    pipeline p;
    double ms = 0;
    run_exit result = prepare(&p, session);
    if (!result)
        result = warm_up(&p);
    if (!result) {
        clear_outputs(&p);
        run_progress("%zu executions, %zu in flight ...", executions, p.depth);
        result = run_pipeline(&p, executions, &ms);
    }
    run_progress_end();
    if (!result)
        result = compare(&p, executions);
    if (!result)
        *out = (run_throughput){
            .executions = executions,
            .in_flight = p.depth,
            .batch = p.input_count && session->args[0].rank ? (size_t)session->args[0].dims[0] : 1,
            .per_second = (double)executions / ms * 1e3,
        };
    release(&p);
    return result;
}
