#include "support/reading.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "schema/inline.h"
#include "schema/named.h"
#include "support/flat.h"

static void count_message(void *user, vkd_log_level level, const char *message)
{
    (void)message;
    if (level == VKD_LOG_ERROR)
        ++*(size_t *)user;
}

void reading_begin(reading *r, const vkd_allocator *allocator)
{
    *r = (reading){0};
    vkd_options options = {.log = count_message, .log_user = &r->messages};
    if (allocator)
        options.allocator = allocator;
    vkd_context_init(&r->context, &options);
    vkd_arena_init(&r->arena, &r->context);
}

void reading_end(reading *r) { vkd_arena_release(&r->arena); }

vkd_status reading_all(reading *r, const void *file, size_t size)
{
    VKD_TRY(vkd_container_read(file, size, &r->arena, &r->container));
    for (size_t i = 0; i < r->container.method_count; i++) {
        const vkd_container_method *method = &r->container.methods[i];
        for (size_t k = 0; k < method->delegate_count; k++) {
            vkd_bytes blob = method->delegates[k].blob;
            vkd_model model;
            VKD_TRY(
                vkd_model_read(blob.data, blob.size, &r->container.named_data, &r->arena, &model));
            r->model_count++;
        }
        vkd_model whole;
        VKD_TRY(vkd_inline_method(&r->container, method, vkd_backend.id, &r->arena, &whole));
    }
    return VKD_OK;
}

/* parent: "" or "tiny/", under VKD_MODELS. */
static size_t each_folder(const char *parent, void (*visit)(const char *folder, void *user),
                          void *user)
{
    char path[1024];
    struct dirent **entries;
    size_t found = 0;
    snprintf(path, sizeof path, "%s/%s", VKD_MODELS, parent);
    int count = scandir(path, &entries, NULL, alphasort);
    assert_true(count >= 0);
    for (int i = 0; i < count; i++) {
        char folder[512];
        snprintf(folder, sizeof folder, "%s%.255s", parent, entries[i]->d_name);
        snprintf(path, sizeof path, "%s/%s/model.pte", VKD_MODELS, folder);
        if (entries[i]->d_name[0] != '.' && access(path, R_OK) == 0) {
            visit(folder, user);
            found++;
        }
        free(entries[i]);
    }
    free(entries);
    return found;
}

size_t reading_each_sample(void (*visit)(const char *folder, void *user), void *user)
{
    return each_folder("", visit, user) + each_folder("tiny/", visit, user);
}

uint8_t *reading_sample_file(const char *folder, const char *name, size_t *out_size)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s/%s", VKD_MODELS, folder, name);
    uint8_t *bytes = flat_read_file(path, out_size);
    assert_non_null(bytes);
    return bytes;
}
