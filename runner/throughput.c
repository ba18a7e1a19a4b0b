#include "runner/throughput.h"

#include <stdlib.h>
#include <string.h>

/* What one request needs. */
typedef struct request {
    uint64_t ticket;
    vkd_tensor_arg *args; /* the inputs, which all share, then the outputs */
} request;

/* As many requests as can be in flight, and one more: an execution by itself, whose results are the reference. */
typedef struct pipeline {
    run_session *session;
    size_t input_count, arg_count;
    vkd_tensor_info *infos; /* of the arguments */
    size_t depth;
    request *requests; /* depth, then the reference */
} pipeline;

/* ----------------------------------------------------------------------------------------------------------- memory */

static void release(pipeline *p)
{
    for (size_t i = 0; p->requests && i <= p->depth; i++) {
        for (size_t k = p->input_count; p->requests[i].args && k < p->arg_count; k++)
            free(p->requests[i].args[k].data);
        free(p->requests[i].args);
    }
    free(p->requests);
    free(p->infos);
}

static run_exit describe(pipeline *p)
{
    const vkd_backend_table *backend = p->session->backend;
    for (size_t k = 0; k < p->arg_count; k++) {
        bool is_input = k < p->input_count;
        vkd_status status = is_input ? backend->method_input_info(p->session->method, k, &p->infos[k])
                                     : backend->method_output_info(p->session->method, k - p->input_count, &p->infos[k]);
        if (status != VKD_OK)
            return run_exit_of(status);
    }
    return RUN_OK;
}

static run_exit make_request(pipeline *p, request *out)
{
    out->args = calloc(p->arg_count + 1, sizeof *out->args);
    if (!out->args)
        return run_fail_memory();
    for (size_t k = 0; k < p->arg_count; k++) {
        const vkd_tensor_info *info = &p->infos[k];
        void *data = k < p->input_count ? p->session->inputs[k].data : calloc(info->size + 1, 1);
        if (!data)
            return run_fail_memory();
        out->args[k] = (vkd_tensor_arg){info->dtype, info->rank, info->dims, data, info->size};
    }
    return RUN_OK;
}

static run_exit prepare(pipeline *p, run_session *session)
{
    const vkd_backend_table *backend = session->backend;
    *p = (pipeline){
        .session = session,
        .input_count = session->input_count,
        .arg_count = session->input_count + backend->method_output_count(session->method),
        .depth = (size_t)session->options->in_flight,
    };
    p->infos = calloc(p->arg_count + 1, sizeof *p->infos);
    p->requests = calloc(p->depth + 1, sizeof *p->requests);
    run_exit result = p->infos && p->requests ? describe(p) : run_fail_memory();
    for (size_t i = 0; i <= p->depth && !result; i++)
        result = make_request(p, &p->requests[i]);
    return result;
}

/* ---------------------------------------------------------------------------------------------------------- running */

/* `count` executions; request i takes the memory of the one so many before it, once that is complete. */
static run_exit run_pipeline(pipeline *p, size_t count, double *out_ms)
{
    const vkd_backend_table *backend = p->session->backend;
    vkd_delegate *delegate = p->session->delegate;
    vkd_status status = VKD_OK;
    double start = run_now_ms();
    for (size_t i = 0; i < count + p->depth && status == VKD_OK; i++) {
        request *r = &p->requests[i % p->depth];
        if (i >= p->depth && i - p->depth < count)
            status = backend->wait(delegate, r->ticket);
        if (i < count && status == VKD_OK)
            status = backend->submit(delegate, r->args, p->arg_count, &r->ticket);
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
            memset(p->requests[i].args[k].data, 0, p->infos[k].size);
}

/* The last `count` requests against the reference. */
static run_exit compare(pipeline *p, size_t count)
{
    const request *reference = &p->requests[p->depth];
    run_exit result = run_exit_of(p->session->backend->execute(p->session->delegate, reference->args, p->arg_count));
    for (size_t i = 0; i < count && i < p->depth && !result; i++)
        for (size_t k = p->input_count; k < p->arg_count && !result; k++)
            if (memcmp(p->requests[i].args[k].data, reference->args[k].data, p->infos[k].size))
                result =
                    run_fail(RUN_FAILED, "output %zu of an execution among %zu in flight differs from that of one by itself",
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
            .batch = p.input_count && p.infos[0].rank ? (size_t)p.infos[0].dims[0] : 1,
            .per_second = (double)executions / ms * 1e3,
        };
    release(&p);
    return result;
}
