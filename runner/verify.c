#include "runner/verify.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/file.h"
#include "runner/tensor.h"

typedef struct verifier {
    run_session *session;
    const run_report_form *form;
    run_report *report;
    bool several; /* programs */
    size_t programs, right;
    run_exit first; /* that was not right */
} verifier;

/* -------------------------------------------------------------------------------------- tensors */

/* Files are row-major, whatever the order of the program. */
static run_exit set_input(verifier *v, const run_meta *meta, size_t index,
                          const run_meta_tensor *tensor)
{
    const vkd_backend_table *backend = v->session->backend;
    char name[32], *path = run_meta_path(meta->folder, tensor->file);
    vkd_tensor_info info;
    void *data;
    run_exit result =
        path ? run_exit_of(backend->method_input_info(v->session->method, index, &info))
             : run_fail_memory();
    if (!result) {
        info.dtype = run_tensor_dtype(tensor->file, info.dtype);
        result =
            run_tensor_resize(&info, tensor->rank, tensor->dims, backend->dtype_size(info.dtype));
    }
    snprintf(name, sizeof name, "input %zu", index);
    if (!result)
        result = run_tensor_read(path, &info, name, backend->dtype_name(info.dtype), &data);
    if (!result) {
        run_session_set_input(v->session, index, &info, data);
        result = run_tensor_arrange(&info, backend->dtype_size(info.dtype), data, false);
    }
    free(path);
    return result;
}

static run_exit write_output(verifier *v, const run_meta *meta, const char *name, const void *data,
                             size_t size)
{
    const char *target = v->session->options->output;
    char *folder = v->several ? run_meta_path(target, meta->name) : NULL;
    char *path = run_meta_path(folder ? folder : target, name);
    run_exit result = RUN_OK;
    const char *missing = mkdir(target, 0777) && errno != EEXIST             ? target
                          : folder && mkdir(folder, 0777) && errno != EEXIST ? folder
                                                                             : NULL;
    if (!path || (v->several && !folder))
        result = run_fail_memory();
    else if (missing)
        result = run_fail(RUN_IO, "%s: %s", missing, strerror(errno));
    else
        result = run_tensor_write(path, data, size);
    free(folder);
    free(path);
    return result;
}

/* The dims must be those that are expected, then the elements are compared. */
static run_exit compare(verifier *v, const run_meta *meta, const run_meta_tensor *tensor,
                        const vkd_tensor_info *info, const void *data, run_check *check)
{
    const size_t element = v->session->backend->dtype_size(info->dtype);
    vkd_tensor_info wanted = *info;
    void *expected = NULL;
    char *path = run_meta_path(meta->folder, tensor->file);
    run_exit result =
        path ? run_tensor_resize(&wanted, tensor->rank, tensor->dims, element) : run_fail_memory();
    if (!result && (info->rank != tensor->rank ||
                    memcmp(info->dims, tensor->dims, tensor->rank * sizeof *info->dims)))
        check->other_dims = true;
    else if (!result)
        result = run_tensor_read(path, &wanted, "the expected output",
                                 v->session->backend->dtype_name(info->dtype), &expected);
    if (!result && !check->other_dims)
        result = run_compare(info->dtype, data, expected, info->size / element, &meta->tolerance,
                             &check->difference);
    check->is_right = !result && !check->other_dims && check->difference.is_right;
    free(expected);
    free(path);
    return result;
}

static run_exit check_output(verifier *v, const run_meta *meta, size_t step, size_t index)
{
    const run_meta_tensor *tensor = &meta->outputs[step * meta->output_count + index];
    const char *type = strrchr(tensor->file, '.');
    char name[64];
    vkd_tensor_info info;
    void *data;
    run_exit result = run_session_output(v->session, index, &info, &data);
    if (!result)
        result = run_tensor_arrange(&info, v->session->backend->dtype_size(info.dtype), data, true);
    if (result)
        return result;
    if (meta->step_count > 1)
        snprintf(name, sizeof name, "output%zu.s%zu%s", index, step, type ? type : "");
    else
        snprintf(name, sizeof name, "output%zu%s", index, type ? type : "");
    if (v->session->options->output)
        result = write_output(v, meta, name, data, info.size);
    if (result || (meta->is_malformed && step))
        return result;
    run_check check = {.program = meta->name,
                       .output = index,
                       .step = step,
                       .steps = meta->step_count,
                       .info = info};
    result = compare(v, meta, tensor, &info, data, &check);
    if (result)
        return result;
    v->form->check(v->report, &check);
    return check.is_right ? RUN_OK
                          : run_fail(RUN_FAILED, "%s: output %zu is wrong", meta->folder, index);
}

/* ------------------------------------------------------------------------------------- programs */

static run_exit execute(verifier *v, const run_meta *meta, size_t step)
{
    double ms;
    run_exit result = RUN_OK, wrong = RUN_OK;
    for (size_t i = 0; i < meta->input_count && !result; i++)
        result = set_input(v, meta, i, &meta->inputs[step * meta->input_count + i]);
    for (size_t i = 0; i < meta->output_count && !result; i++) {
        const run_meta_tensor *tensor = &meta->outputs[step * meta->output_count + i];
        result = run_session_want(v->session, i, tensor->file);
    }
    if (!result)
        result = run_session_execute(v->session, &ms);
    for (size_t i = 0; i < meta->output_count && !result; i++) {
        run_exit checked = check_output(v, meta, step, i);
        result = checked == RUN_FAILED ? RUN_OK : checked;
        wrong = wrong ? wrong : checked;
    }
    return result ? result : wrong;
}

/* The model with what lies beside it. */
static run_exit load_files(verifier *v, const run_meta *meta, char **files, size_t count)
{
    const cJSON *file;
    size_t i = 0;
    cJSON_ArrayForEach(file, meta->data_files) files[i++] =
        run_meta_path(meta->folder, file->string);
    files[count] = run_meta_path(meta->folder, "model.pte");
    for (i = 0; i <= count; i++)
        if (!files[i])
            return run_fail_memory();
    return run_session_load(v->session, files[count], v->session->options->method, files, count);
}

static run_exit load(verifier *v, const run_meta *meta)
{
    const run_session *session = v->session;
    const size_t count =
        cJSON_IsObject(meta->data_files) ? (size_t)cJSON_GetArraySize(meta->data_files) : 0;
    char **files = calloc(count + 1, sizeof *files);
    run_exit result = files ? load_files(v, meta, files, count) : run_fail_memory();
    for (size_t i = 0; files && i <= count; i++)
        free(files[i]);
    free(files);
    if (!result &&
        (session->input_count != meta->input_count || session->output_count != meta->output_count))
        result =
            run_fail(RUN_FAILED, "%s: the method has %zu inputs and %zu outputs, not %zu and %zu",
                     meta->folder, session->input_count, session->output_count, meta->input_count,
                     meta->output_count);
    return result;
}

static run_exit run_program(verifier *v, const run_meta *meta)
{
    run_exit result = load(v, meta), wrong = RUN_OK;
    if (meta->is_malformed && (result == RUN_UNSUPPORTED || result == RUN_BAD_MODEL)) {
        v->form->refused(v->report, meta->name, run_last_error(), true);
        return RUN_OK;
    }
    for (size_t step = 0; step < meta->step_count && !result; step++) {
        run_exit executed = execute(v, meta, step);
        result = executed == RUN_FAILED ? RUN_OK : executed;
        wrong = wrong ? wrong : executed;
    }
    if (result)
        v->form->refused(v->report, meta->name, run_last_error(), false);
    return result ? result : wrong;
}

static void verify_folder(verifier *v, const char *folder)
{
    run_meta meta;
    run_exit result = run_meta_read(folder, &meta);
    if (result)
        v->form->refused(v->report, folder, run_last_error(), false);
    else
        result = run_program(v, &meta);
    run_session_unload(v->session);
    run_meta_release(&meta);
    v->programs++;
    v->right += !result;
    v->first = v->first ? v->first : result;
}

/* -------------------------------------------------------------------------------------- folders */

static bool has_meta(const char *folder)
{
    char *path = run_meta_path(folder, "meta.json");
    bool there = path && !access(path, F_OK);
    free(path);
    return there;
}

/* In the order of their names. */
static void verify_folders_in(verifier *v, const char *parent)
{
    struct dirent **entries;
    int count = scandir(parent, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char *folder = run_meta_path(parent, entries[i]->d_name);
        if (folder && *entries[i]->d_name != '.' && has_meta(folder))
            verify_folder(v, folder);
        free(folder);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

run_exit run_verify(run_session *session, const run_report_form *form, run_report *report)
{
    const run_options *options = session->options;
    verifier v = {
        .session = session, .form = form, .report = report, .several = options->folder_count > 1};
    for (size_t i = 0; i < options->folder_count; i++)
        v.several |= !has_meta(options->folders[i]);
    for (size_t i = 0; i < options->folder_count; i++) {
        size_t before = v.programs;
        if (!has_meta(options->folders[i]))
            verify_folders_in(&v, options->folders[i]);
        if (v.programs == before) /* says what is missing */
            verify_folder(&v, options->folders[i]);
    }
    form->verified(report, v.right, v.programs);
    return v.first;
}
