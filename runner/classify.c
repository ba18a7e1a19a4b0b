#include "runner/classify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runner/file.h"
#include "runner/tensor.h"

run_exit run_labels_read(const char *path, run_labels *out)
{
    size_t lines = 1;
    *out = (run_labels){0};
    run_exit result = run_file_read(path, &out->text, NULL);
    if (result)
        return result;
    for (const char *at = out->text; *at; at++)
        lines += *at == '\n';
    out->names = calloc(lines, sizeof *out->names);
    if (!out->names)
        return run_fail_memory();
    char *at = out->text;
    for (size_t i = 0; i < lines; i++) {
        char *end = at + strcspn(at, "\n");
        char *next = *end ? end + 1 : end;
        while (end > at && end[-1] == '\r')
            end--;
        *end = 0;
        out->names[i] = at;
        if (*at)
            out->count = i + 1;
        at = next;
    }
    return RUN_OK;
}

void run_labels_release(run_labels *labels)
{
    free(labels->names);
    free(labels->text);
}

static int by_value(const void *a, const void *b)
{
    const run_class *left = a, *right = b;
    if (left->value > right->value)
        return -1;
    if (left->value < right->value)
        return 1;
    if (isnan(left->value) != isnan(right->value)) /* not a number is never likely */
        return isnan(left->value) ? 1 : -1;
    return left->index < right->index ? -1 : 1;
}

run_exit run_classify(vkd_dtype dtype, const void *data, size_t count, const run_labels *labels,
                      run_class **out)
{
    double sum = 0;
    if (!count)
        return run_fail(RUN_USAGE, "the model's output is empty, there are no classes");
    if (labels->count && labels->count != count)
        return run_fail(RUN_USAGE, "there are %zu labels, but the model has %zu classes",
                        labels->count, count);
    run_class *classes = calloc(count, sizeof *classes);
    if (!classes)
        return run_fail_memory();
    for (size_t i = 0; i < count; i++)
        classes[i] = (run_class){i, labels->count ? labels->names[i] : NULL,
                                 run_tensor_value(dtype, data, i), 0};
    qsort(classes, count, sizeof *classes, by_value);
    for (size_t i = 0; i < count; i++)
        sum += classes[i].probability = exp(classes[i].value - classes[0].value);
    for (size_t i = 0; i < count; i++)
        classes[i].probability /= sum;
    *out = classes;
    return RUN_OK;
}
