/* Reports as one JSON object. */
#include "runner/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runner/file.h"
#include "runner/utf8.h"

/* A part that does not fit into memory makes the whole report fail at its end: half an object would
 * be read as a whole one. */
static cJSON *root_of(run_report *report)
{
    if (!report->root)
        report->root = cJSON_CreateObject();
    report->failed |= !report->root;
    return report->root;
}

static void number(run_report *report, cJSON *object, const char *name, double value)
{
    report->failed |= !cJSON_AddNumberToObject(object, name, value); /* NAN becomes null */
}

static void text(run_report *report, cJSON *object, const char *name, const char *value)
{
    char *valid = run_utf8(value ? value : "");
    report->failed |= !valid || !cJSON_AddStringToObject(object, name, valid);
    free(valid);
}

static void flag(run_report *report, cJSON *object, const char *name, bool value)
{
    report->failed |= !cJSON_AddBoolToObject(object, name, value);
}

static cJSON *array(run_report *report, cJSON *object, const char *name)
{
    cJSON *result = cJSON_AddArrayToObject(object, name);
    report->failed |= !result;
    return result;
}

static cJSON *element(run_report *report, cJSON *list)
{
    cJSON *result = cJSON_CreateObject();
    if (!result || !cJSON_AddItemToArray(list, result)) {
        cJSON_Delete(result);
        report->failed = true;
        return NULL;
    }
    return result;
}

static void add_version(run_report *report, const char *runner, const char *library)
{
    text(report, root_of(report), "vkd-run", runner);
    number(report, root_of(report), "plugin_abi", VKD_BACKEND_ABI);
    if (library)
        text(report, root_of(report), "libvkdelegate", library);
}

static void add_devices(run_report *report, const vkd_device_info *devices, size_t count)
{
    cJSON *list = array(report, root_of(report), "devices");
    for (size_t i = 0; i < count; i++) {
        cJSON *device = element(report, list);
        char version[64];
        uint32_t api = devices[i].api_version;
        snprintf(version, sizeof version, "%u.%u.%u", api >> 22 & 127, api >> 12 & 1023,
                 api & 4095);
        number(report, device, "index", (double)i);
        text(report, device, "name", devices[i].name);
        text(report, device, "type", devices[i].type);
        text(report, device, "vulkan", version);
        number(report, device, "vendor_id", devices[i].vendor_id);
        number(report, device, "device_id", devices[i].device_id);
        number(report, device, "driver_version", devices[i].driver_version);
        text(report, device, "int8_dot", run_dot_name(devices[i].int8_dot));
    }
}

static void append(run_report *report, cJSON *list, double value)
{
    cJSON *item = cJSON_CreateNumber(value);
    if (!item || !cJSON_AddItemToArray(list, item)) {
        cJSON_Delete(item);
        report->failed = true;
    }
}

static void add_dims(run_report *report, cJSON *object, const vkd_tensor_info *info)
{
    cJSON *dims = array(report, object, "dims"), *order = array(report, object, "dim_order");
    for (uint32_t i = 0; i < info->rank; i++) {
        append(report, dims, (double)info->dims[i]);
        append(report, order, info->dim_order[i]);
    }
}

static void add_tensor(run_report *report, const run_session *session, cJSON *list,
                       const vkd_tensor_info *info)
{
    cJSON *object = element(report, list);
    text(report, object, "dtype", session->backend->dtype_name(info->dtype));
    add_dims(report, object, info);
    number(report, object, "bytes", (double)info->size);
}

static void add_model(run_report *report, const run_session *session, bool describe)
{
    (void)describe;
    const vkd_backend_table *backend = session->backend;
    vkd_tensor_info info;
    cJSON *root = root_of(report);
    text(report, root, "model", session->options->model);
    text(report, root, "device", backend->delegate_device(session->delegate)->name);
    number(report, root, "init_ms", session->init_ms);
    cJSON *inputs = array(report, root, "inputs");
    for (size_t i = 0; i < backend->method_input_count(session->method); i++)
        if (backend->method_input_info(session->method, i, &info) == VKD_OK)
            add_tensor(report, session, inputs, &info);
    cJSON *outputs = array(report, root, "outputs");
    for (size_t i = 0; i < backend->method_output_count(session->method); i++)
        if (backend->method_output_info(session->method, i, &info) == VKD_OK)
            add_tensor(report, session, outputs, &info);
}

static cJSON *add_result(run_report *report)
{
    cJSON *root = root_of(report);
    cJSON *results = cJSON_GetObjectItemCaseSensitive(root, "results");
    return element(report, results ? results : array(report, root, "results"));
}

static void add_failure(run_report *report, const char *file, const char *reason)
{
    cJSON *result = add_result(report);
    text(report, result, "file", file);
    text(report, result, "error", reason);
}

static void add_classes(run_report *report, const char *file, int aligned, const run_class *classes,
                        size_t count, double ms)
{
    (void)aligned;
    cJSON *result = add_result(report);
    if (file)
        text(report, result, "file", file);
    number(report, result, "ms", ms);
    cJSON *top = array(report, result, "top");
    for (size_t i = 0; i < count; i++) {
        cJSON *class = element(report, top);
        number(report, class, "class", (double)classes[i].index);
        if (classes[i].label)
            text(report, class, "label", classes[i].label);
        number(report, class, "value", classes[i].value);
        number(report, class, "probability", classes[i].probability);
    }
}

/* Joins the tensor's description that add_model made; of several executions each has entries of its
 * own. */
static void add_output(run_report *report, const run_output *output)
{
    cJSON *root = root_of(report), *outputs = cJSON_GetObjectItemCaseSensitive(root, "outputs");
    cJSON *object = cJSON_GetArrayItem(outputs, (int)output->index);
    if (output->steps > 1) {
        cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "executions");
        object = element(report, list ? list : array(report, root, "executions"));
        number(report, object, "execution", (double)output->step);
        number(report, object, "output", (double)output->index);
        add_dims(report, object, &output->info);
    }
    number(report, object, "min", output->min);
    number(report, object, "max", output->max);
    number(report, object, "mean", output->mean);
    if (output->file)
        text(report, object, "file", output->file);
}

static void add_token(run_report *report, int64_t token)
{
    cJSON *root = root_of(report), *tokens = cJSON_GetObjectItemCaseSensitive(root, "tokens");
    append(report, tokens ? tokens : array(report, root, "tokens"), (double)token);
}

static void add_generated(run_report *report, const run_generation *g)
{
    cJSON *object = cJSON_AddObjectToObject(root_of(report), "generate");
    const double further = g->count ? (double)(g->count - 1) : 0;
    number(report, object, "prompt_tokens", (double)g->prompt);
    number(report, object, "prompt_ms", g->prompt_ms);
    number(report, object, "prompt_per_second", (double)g->prompt / g->prompt_ms * 1e3);
    number(report, object, "tokens", (double)g->count);
    number(report, object, "per_second", further > 0 ? further / g->tokens_ms * 1e3 : NAN);
    number(report, object, "median_ms", g->token.median);
    number(report, object, "p90_ms", g->token.p90);
    flag(report, object, "stopped", g->stopped);
}

static void add_bench(run_report *report, const run_bench *bench)
{
    cJSON *root = root_of(report);
    number(report, root, "runs", (double)bench->runs);
    number(report, root, "warmup_runs", (double)bench->warmup);
    number(report, root, "median_ms", bench->wall.median);
    number(report, root, "p90_ms", bench->wall.p90);
    number(report, root, "min_ms", bench->wall.min);
    number(report, root, "gpu_median_ms", bench->gpu.median);
    number(report, root, "gpu_p90_ms", bench->gpu.p90);
    number(report, root, "gpu_min_ms", bench->gpu.min);
    number(report, root, "submissions", (double)bench->submissions);
}

static void add_throughput(run_report *report, const run_throughput *throughput)
{
    cJSON *object = cJSON_AddObjectToObject(root_of(report), "throughput");
    number(report, object, "executions", (double)throughput->executions);
    number(report, object, "in_flight", (double)throughput->in_flight);
    number(report, object, "per_second", throughput->per_second);
    number(report, object, "images_per_second", throughput->per_second * (double)throughput->batch);
}

static void add_loads(run_report *report, const run_times *times, size_t count)
{
    cJSON *object = cJSON_AddObjectToObject(root_of(report), "loads");
    number(report, object, "count", (double)count);
    number(report, object, "load_median_ms", times->median);
    number(report, object, "load_min_ms", times->min);
}

static void add_profile(run_report *report, const run_profile *profile)
{
    cJSON *root = root_of(report);
    cJSON *nodes = array(report, root, "profile");
    for (size_t i = 0; i < profile->count; i++) {
        const vkd_node_info *info = &profile->rows[i].node;
        cJSON *node = element(report, nodes);
        number(report, node, "op_id", info->op_id);
        text(report, node, "op", info->op);
        text(report, node, "shape", info->shape);
        text(report, node, "kernel", info->kernel);
        text(report, node, "variant", info->variant);
        text(report, node, "self_check", profile->rows[i].check);
        number(report, node, "macs", (double)info->macs);
        number(report, node, "gpu_us", profile->rows[i].us);
        number(report, node, "gops", run_gops(info->macs, profile->rows[i].us));
        number(report, node, "share",
               profile->nodes_us > 0 ? profile->rows[i].us / profile->nodes_us : 0);
    }
    number(report, root, "profile_runs", (double)profile->runs);
    number(report, root, "profile_nodes_us", profile->nodes_us);
    number(report, root, "profile_total_us", profile->total_us);
}

static void add_explain(run_report *report, const run_session *session)
{
    cJSON *list = array(report, root_of(report), "convolutions");
    for (size_t i = 0; i < session->backend->selection_count(session->delegate); i++) {
        vkd_selection_info info;
        if (session->backend->selection(session->delegate, i, &info) != VKD_OK) {
            report->failed = true;
            return;
        }
        cJSON *object = element(report, list);
        number(report, object, "op_id", info.op_id);
        text(report, object, "op", info.op);
        text(report, object, "problem", info.problem);
        text(report, object, "winner", info.winner);
        text(report, object, "reason", info.reason);
        cJSON *candidates = array(report, object, "candidates");
        for (size_t j = 0; j < info.candidate_count; j++) {
            cJSON *candidate = element(report, candidates);
            text(report, candidate, "variant", info.candidates[j].variant);
            flag(report, candidate, "eligible", info.candidates[j].eligible);
            number(report, candidate, "cost_us", info.candidates[j].cost_us);
            number(report, candidate, "measured_us", info.candidates[j].measured_us);
            text(report, candidate, "reason", info.candidates[j].reason);
        }
    }
}

static void add_memory(run_report *report, const vkd_memory_info *memory,
                       const run_traffic *traffic)
{
    cJSON *object = cJSON_AddObjectToObject(root_of(report), "memory");
    number(report, object, "constants", (double)memory->constants);
    number(report, object, "scratch", (double)memory->scratch);
    number(report, object, "scratch_unaliased", (double)memory->scratch_unaliased);
    number(report, object, "io", (double)memory->io);
    number(report, object, "host", (double)memory->host);
    number(report, object, "host_peak", (double)memory->host_peak);
    number(report, object, "dispatches", (double)traffic->dispatches);
    number(report, object, "read", (double)traffic->read);
    number(report, object, "written", (double)traffic->written);
}

static cJSON *add_checked(run_report *report, const char *program)
{
    cJSON *root = root_of(report), *list = cJSON_GetObjectItemCaseSensitive(root, "verify");
    cJSON *object = element(report, list ? list : array(report, root, "verify"));
    text(report, object, "program", program);
    return object;
}

static void add_check(run_report *report, const run_check *check)
{
    cJSON *object = add_checked(report, check->program);
    number(report, object, "output", (double)check->output);
    number(report, object, "step", (double)check->step);
    add_dims(report, object, &check->info);
    flag(report, object, "right", check->is_right);
    if (check->other_dims)
        return;
    number(report, object, "largest", check->difference.largest);
    number(report, object, "relative", check->difference.relative);
    number(report, object, "cosine", check->difference.cosine);
    number(report, object, "unequal", (double)check->difference.unequal);
    text(report, object, "measure", run_measure_name(check->difference.measure));
    number(report, object, "allowed", check->difference.allowed);
}

static void add_refused(run_report *report, const char *program, const char *reason, bool allowed)
{
    cJSON *object = add_checked(report, program);
    text(report, object, "error", reason);
    flag(report, object, "right", allowed);
}

static void add_verified(run_report *report, size_t right, size_t programs)
{
    number(report, root_of(report), "programs", (double)programs);
    number(report, root_of(report), "programs_right", (double)right);
}

static void add_error(run_report *report, run_exit result)
{
    text(report, root_of(report), "error", run_last_error());
    number(report, root_of(report), "exit_code", result);
}

static run_exit finish(run_report *report, run_exit result)
{
    if (result)
        add_error(report, result);
    char *printed = report->failed ? NULL : cJSON_Print(root_of(report));
    if (!printed)
        result = run_fail_memory();
    fprintf(run_result_stream(), "%s\n",
            printed ? printed : "{\"error\": \"out of memory\", \"exit_code\": 7}");
    cJSON_free(printed);
    cJSON_Delete(report->root);
    report->root = NULL;
    return result;
}

const run_report_form run_report_json = {
    .version = add_version,
    .devices = add_devices,
    .model = add_model,
    .classes = add_classes,
    .failure = add_failure,
    .output = add_output,
    .token = add_token,
    .generated = add_generated,
    .bench = add_bench,
    .throughput = add_throughput,
    .loads = add_loads,
    .profile = add_profile,
    .explain = add_explain,
    .memory = add_memory,
    .check = add_check,
    .refused = add_refused,
    .verified = add_verified,
    .finish = finish,
};
