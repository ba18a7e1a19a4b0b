#include "runner/meta.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/file.h"

char *run_meta_path(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s/%s", folder, name);
    return path;
}

static run_exit fail_meta(const run_meta *meta, const char *what)
{
    return run_fail(RUN_USAGE, "%s/meta.json: %s", meta->folder, what);
}

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text ? text : "";
}

/* ------------------------------------------------------------------------------------ tolerance */

/* What decides which of a text's numbers holds. */
typedef struct net_kind {
    bool deep, half, dynamic;
} net_kind;

static size_t count_operators(const cJSON *root)
{
    const cJSON *delegates = cJSON_GetObjectItemCaseSensitive(root, "delegate_ops"), *delegate,
                *operator;
    double count = 0;
    cJSON_ArrayForEach(delegate, delegates) cJSON_ArrayForEach(operator, delegate) count +=
        cJSON_IsNumber(operator) ? operator->valuedouble : 0;
    const cJSON *portable = cJSON_GetObjectItemCaseSensitive(root, "portable_ops");
    cJSON_ArrayForEach(operator, portable) count +=
        cJSON_IsNumber(operator) ? operator->valuedouble : 0;
    return count > 0 && count < 1e9 ? (size_t)count : 0;
}

static net_kind kind_of(const cJSON *root)
{
    enum { MANY_LAYERS = 10 };
    const char *mode = text_of(root, "mode");
    const cJSON *options = cJSON_GetObjectItemCaseSensitive(root, "compile_options");
    return (net_kind){
        .deep = count_operators(root) >= MANY_LAYERS,
        .half = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(options, "force_fp16")),
        /* activations are quantised when the net runs */
        .dynamic = !strncmp(mode, "vkq", 3) && strchr(mode, 'd'),
    };
}

/* The text is for people: the number behind the last of these phrases that it has, and that
 * concerns the net. */
static run_tolerance tolerance_of(const cJSON *root)
{
    const char *text = text_of(root, "tolerance"), *found;
    const net_kind kind = kind_of(root);
    const struct {
        const char *phrase;
        bool holds;
        double otherwise; /* where no number follows */
    } phrases[] = {
        {"at most ", true, 0},
        {"scales ", true, 0},
        {"nets of many layers ", kind.deep, 0},
        {"force_fp16: ", kind.half, 0},
        {"dynamic activations: at most ", kind.dynamic, 0},
        {"float16 (force_fp16), ", kind.deep, 2e-2}, /* as the README of the nets says */
    };
    run_tolerance result = {
        .one_step = strstr(text, "within 1 step of the output") && !kind.deep,
        .off_by_one = strstr(text, "int8 within 1 step") != NULL,
        .same_largest = strstr(text, "same argmax") != NULL,
    };
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (phrases[i].holds && (found = strstr(text, phrases[i].phrase)) != NULL) {
            const char *number = found + strlen(phrases[i].phrase);
            char *end;
            double value = strtod(number, &end);
            result.relative = end != number && value > 0 ? value : phrases[i].otherwise;
        }
    found = strstr(text, "cosine at least ");
    if (found && kind.deep)
        result.cosine = strtod(found + strlen("cosine at least "), NULL);
    return result;
}

/* -------------------------------------------------------------------------------------- tensors */

static run_exit read_dims(const run_meta *meta, const cJSON *shape, run_meta_tensor *out)
{
    const cJSON *dim;
    if (!cJSON_IsArray(shape) || cJSON_GetArraySize(shape) > VKD_MAX_RANK)
        return fail_meta(meta, "a file has no shape of at most 8 dims");
    cJSON_ArrayForEach(dim, shape)
    {
        if (!cJSON_IsNumber(dim) || dim->valuedouble < 0 || dim->valuedouble > 1e12 ||
            dim->valuedouble != floor(dim->valuedouble))
            return fail_meta(meta, "a shape has a dim that is no whole number");
        out->dims[out->rank++] = (int64_t)dim->valuedouble;
    }
    return RUN_OK;
}

/* What an exact interpretation of the delegates gave is what they must give; else what the model
 * gave before it was exported. */
static const char *file_of(const cJSON *step)
{
    static const char *const names[] = {"file", "delegate", "eager"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (*text_of(step, names[i]))
            return text_of(step, names[i]);
    return NULL;
}

/* The files of `name`, an array of {"steps": [...]}, as tensors of one execution after the other.
 */
static run_exit read_tensors(const run_meta *meta, const char *name, size_t *out_count,
                             run_meta_tensor **out)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(meta->root, name), *item, *step;
    size_t index = 0;
    if (!cJSON_IsArray(list))
        return fail_meta(meta, "there are no inputs, or no outputs");
    *out_count = (size_t)cJSON_GetArraySize(list);
    *out = calloc(*out_count * meta->step_count + 1, sizeof **out);
    if (!*out)
        return run_fail_memory();
    cJSON_ArrayForEach(item, list)
    {
        const cJSON *steps = cJSON_GetObjectItemCaseSensitive(item, "steps");
        size_t k = 0;
        if ((size_t)cJSON_GetArraySize(steps) != meta->step_count)
            return fail_meta(meta, "an input or output has not as many steps as there are");
        cJSON_ArrayForEach(step, steps)
        {
            run_meta_tensor *tensor = &(*out)[k++ * *out_count + index];
            tensor->file = file_of(step);
            if (!tensor->file || strchr(tensor->file, '/'))
                return fail_meta(meta, "a step has no file in the folder");
            run_exit result =
                read_dims(meta, cJSON_GetObjectItemCaseSensitive(step, "shape"), tensor);
            if (result)
                return result;
        }
        index++;
    }
    return RUN_OK;
}

static run_exit read_root(run_meta *meta)
{
    enum { MOST_STEPS = 10000 };
    const cJSON *steps = cJSON_GetObjectItemCaseSensitive(meta->root, "steps");
    if (!cJSON_IsObject(meta->root))
        return fail_meta(meta, "it is no JSON object");
    if (!cJSON_IsNumber(steps) || !(steps->valuedouble >= 1 && steps->valuedouble <= MOST_STEPS))
        return fail_meta(meta, "\"steps\" is no number of executions");
    meta->step_count = (size_t)steps->valuedouble;
    meta->name = text_of(meta->root, "name");
    meta->is_malformed = !strncmp(text_of(meta->root, "note"), "malformed", strlen("malformed"));
    meta->tolerance = tolerance_of(meta->root);
    meta->data_files = cJSON_GetObjectItemCaseSensitive(meta->root, "external_files");
    run_exit result = read_tensors(meta, "inputs", &meta->input_count, &meta->inputs);
    return result ? result : read_tensors(meta, "outputs", &meta->output_count, &meta->outputs);
}

run_exit run_meta_read(const char *folder, run_meta *out)
{
    char *text = NULL, *path = run_meta_path(folder, "meta.json");
    *out = (run_meta){.folder = folder};
    run_exit result = path ? run_file_read(path, &text, NULL) : run_fail_memory();
    if (!result) {
        out->root = cJSON_Parse(text);
        result = read_root(out);
    }
    free(text);
    free(path);
    return result;
}

void run_meta_release(run_meta *meta)
{
    free(meta->inputs);
    free(meta->outputs);
    cJSON_Delete(meta->root);
    *meta = (run_meta){0};
}
