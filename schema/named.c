#include "schema/named.h"

#include <stdlib.h>
#include <string.h>

static int compare_keys(const void *left, const void *right)
{
    return strcmp(((const vkd_container_named *)left)->key,
                  ((const vkd_container_named *)right)->key);
}

vkd_status vkd_named_sort(vkd_context *context, const char *name, vkd_container_named *named,
                          size_t count)
{
    if (count)
        qsort(named, count, sizeof *named, compare_keys);
    for (size_t i = 1; i < count; i++)
        if (!compare_keys(&named[i - 1], &named[i]))
            return vkd_fail(context, VKD_INVALID_MODEL,
                            "%s: named_data has the key \"%.100s\" twice", name, named[i].key);
    return VKD_OK;
}

static const vkd_container_named *find(const vkd_container_named *named, size_t count,
                                       const char *key)
{
    const vkd_container_named wanted = {.key = key};
    return count ? bsearch(&wanted, named, count, sizeof wanted, compare_keys) : NULL;
}

const vkd_container_named *vkd_container_entry(const vkd_container *container, const char *key)
{
    const vkd_container_named *found = NULL;
    for (const vkd_data_file *file = container->data_files; file && !found; file = file->next)
        found = find(file->named, file->named_count, key);
    return found ? found : find(container->named, container->named_count, key);
}

vkd_status vkd_container_find(void *container, const char *key, const void **out_data,
                              size_t *out_size)
{
    const vkd_container_named *found = vkd_container_entry(container, key);
    if (!found)
        return VKD_NOT_FOUND;
    *out_data = found->data.data;
    *out_size = found->data.size;
    return VKD_OK;
}

vkd_status vkd_container_add(vkd_container *container, vkd_context *context, vkd_data_file *file)
{
    for (size_t i = 0; i < file->named_count; i++) {
        const vkd_container_named *other = vkd_container_entry(container, file->named[i].key);
        if (other && (other->layout || file->named[i].layout))
            return vkd_fail(
                context, VKD_INVALID_MODEL,
                "data file: the tensor \"%.100s\" is in the program, or in a data file before, too",
                file->named[i].key);
    }
    const vkd_data_file **last = &container->data_files;
    while (*last)
        last = (const vkd_data_file **)&(*last)->next;
    *last = file;
    container->size += file->size;
    return VKD_OK;
}
