#include "runtime/base/tuning_file.h"
#include "runtime/base/cache_file.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The payload is text. Its first line repeats what the file is about; then there is a line for each
 * fact: subject TAB variant TAB number */
enum { MAX_FACTS = 4096, MAX_TEXT = 256, FORMAT_VERSION = 1 };

typedef struct fact {
    uint64_t key; /* of both texts */
    const char *subject, *variant;
    uint64_t value;
} fact;

struct vkd_tuning_file {
    vkd_arena *arena;
    vkd_caps caps;
    const char *title;            /* the first line */
    const char *directory, *path; /* null: nothing is kept */
    fact *facts;
    size_t count, capacity;
    bool grown; /* there is something that the file has not */
};

/* ---------------------------------------------------------------------------------------- facts */

static uint64_t key_of(const char *subject, const char *variant)
{
    return vkd_checksum(subject, strlen(subject) + 1) * 31 + vkd_checksum(variant, strlen(variant));
}

static fact *find(const vkd_tuning_file *file, uint64_t key, const char *subject,
                  const char *variant)
{
    for (size_t i = file->count; i-- > 0;) /* the newest first */
        if (file->facts[i].key == key && !strcmp(file->facts[i].subject, subject) &&
            !strcmp(file->facts[i].variant, variant))
            return &file->facts[i];
    return NULL;
}

bool vkd_tuning_file_find(const vkd_tuning_file *file, const char *subject, const char *variant,
                          uint64_t *out)
{
    const fact *known = find(file, key_of(subject, variant), subject, variant);
    if (known)
        *out = known->value;
    return known;
}

static vkd_status add(vkd_tuning_file *file, const char *subject, const char *variant,
                      uint64_t value)
{
    fact *grown =
        vkd_arena_grow(file->arena, file->facts, file->count, &file->capacity, sizeof *grown);
    const char *subject_copy = vkd_arena_printf(file->arena, "%s", subject);
    const char *variant_copy = vkd_arena_printf(file->arena, "%s", variant);
    if (!grown || !subject_copy || !variant_copy)
        return vkd_fail_memory(file->arena->context, "tuning facts");
    file->facts = grown;
    grown[file->count++] = (fact){key_of(subject, variant), subject_copy, variant_copy, value};
    return VKD_OK;
}

static bool is_storable(const char *text)
{
    return *text && strlen(text) < MAX_TEXT && !strpbrk(text, "\t\r\n");
}

vkd_status vkd_tuning_file_set(vkd_tuning_file *file, const char *subject, const char *variant,
                               uint64_t value)
{
    if (!is_storable(subject) || !is_storable(variant))
        return vkd_fail(file->arena->context, VKD_INVALID_ARGUMENT,
                        "'%s', '%s' cannot be in a tuning file", subject, variant);
    fact *known = find(file, key_of(subject, variant), subject, variant);
    file->grown = true;
    if (!known)
        return add(file, subject, variant, value);
    known->value = value;
    return VKD_OK;
}

/* -------------------------------------------------------------------------------------- reading */

/* Adds the fact of a line, unless it is none or is known already. */
static vkd_status read_line(vkd_tuning_file *file, char *line)
{
    char *variant = strchr(line, '\t'), *number = variant ? strchr(variant + 1, '\t') : NULL, *end;
    if (!number || !isdigit((unsigned char)number[1]))
        return VKD_OK;
    *variant++ = 0;
    *number++ = 0;
    uint64_t known, value = strtoull(number, &end, 10);
    if (*end || !is_storable(line) || !is_storable(variant) ||
        vkd_tuning_file_find(file, line, variant, &known))
        return VKD_OK;
    return add(file, line, variant, value);
}

static vkd_status read_text(vkd_tuning_file *file, char *text)
{
    char *rest = NULL, *line = strtok_r(text, "\n", &rest);
    if (!line || strcmp(line, file->title)) {
        vkd_log(file->arena->context, VKD_LOG_INFO,
                "tuning file %s is ignored: it is of another device or version", file->path);
        return VKD_OK;
    }
    for (int count = 0; count < MAX_FACTS && (line = strtok_r(NULL, "\n", &rest)); count++)
        VKD_TRY(read_line(file, line));
    return VKD_OK;
}

/* Adds the facts of the file on the disk that are not known yet. */
static vkd_status read_file(vkd_tuning_file *file)
{
    vkd_context *context = file->arena->context;
    size_t size = 0;
    void *payload =
        file->path ? vkd_cache_file_read(context, file->path, &file->caps, &size) : NULL;
    if (!payload)
        return VKD_OK;
    char *text = vkd_alloc(context, size + 1, 1);
    if (text)
        memcpy(text, payload, size);
    vkd_free(context, payload);
    vkd_status status = text ? read_text(file, text) : vkd_fail_memory(context, "the tuning file");
    vkd_free(context, text);
    return status;
}

static vkd_status choose_path(vkd_tuning_file *file, uint64_t code, const vkd_options *options)
{
    char directory[PATH_MAX];
    const vkd_caps *caps = &file->caps;
    file->title =
        vkd_arena_printf(file->arena, "vkdelegate tuning %d %016llx %s %s", FORMAT_VERSION,
                         (unsigned long long)code, vkd_int8_dot_name(caps->dot), caps->name);
    if (!file->title)
        return vkd_fail_memory(file->arena->context, "the tuning file's title");
    if (!vkd_cache_directory(options, directory, sizeof directory))
        return VKD_OK;
    /* Everything that tells two devices, drivers or libraries apart is in the name, so that none of
     * them overwrites another's file. */
    uint64_t id = vkd_checksum(file->title, strlen(file->title)) ^
                  vkd_checksum(caps->pipeline_cache_uuid, sizeof caps->pipeline_cache_uuid);
    file->directory = vkd_arena_printf(file->arena, "%s", directory);
    file->path = vkd_arena_printf(file->arena, "%s/tuning-%08x-%08x-%08x-%016llx.bin", directory,
                                  caps->vendor_id, caps->device_id, caps->driver_version,
                                  (unsigned long long)id);
    return file->directory && file->path
               ? VKD_OK
               : vkd_fail_memory(file->arena->context, "the tuning file's path");
}

vkd_status vkd_tuning_file_open(vkd_arena *arena, const vkd_caps *caps, uint64_t code,
                                const vkd_options *options, vkd_tuning_file **out)
{
    *out = vkd_arena_alloc(arena, 1, sizeof **out);
    if (!*out)
        return vkd_fail_memory(arena->context, "the tuning file");
    **out = (vkd_tuning_file){.arena = arena, .caps = *caps};
    VKD_TRY(choose_path(*out, code, options));
    return read_file(*out);
}

/* -------------------------------------------------------------------------------------- writing */

/* The bytes of a line at most, with the number. */
static size_t line_room(const fact *f) { return strlen(f->subject) + strlen(f->variant) + 40; }

/* The payload for vkd_free, null without memory. Older facts come first. */
static char *write_text(const vkd_tuning_file *file, size_t *out_size)
{
    size_t first = file->count > MAX_FACTS ? file->count - MAX_FACTS : 0,
           room = strlen(file->title) + 2, used;
    for (size_t i = first; i < file->count; i++)
        room += line_room(&file->facts[i]);
    char *text = vkd_alloc(file->arena->context, room, 1);
    if (!text)
        return NULL;
    used = (size_t)snprintf(text, room, "%s\n", file->title);
    for (size_t i = first; i < file->count; i++)
        used += (size_t)snprintf(text + used, room - used, "%s\t%s\t%llu\n", file->facts[i].subject,
                                 file->facts[i].variant, (unsigned long long)file->facts[i].value);
    *out_size = used;
    return text;
}

/* Takes over what another process has written since the file was read, as older facts than our own.
 */
static vkd_status merge(vkd_tuning_file *file)
{
    size_t ours = file->count;
    fact *merged;
    VKD_TRY(read_file(file));
    size_t theirs = file->count - ours;
    if (!theirs)
        return VKD_OK;
    merged = vkd_arena_alloc(file->arena, file->capacity, sizeof *merged);
    if (!merged)
        return vkd_fail_memory(file->arena->context, "tuning facts");
    memcpy(merged, file->facts + ours, theirs * sizeof *merged);
    memcpy(merged + theirs, file->facts, ours * sizeof *merged);
    file->facts = merged;
    return VKD_OK;
}

void vkd_tuning_file_save(vkd_tuning_file *file)
{
    vkd_context *context = file->arena->context;
    size_t size;
    if (!file->path || !file->grown || merge(file) != VKD_OK)
        return;
    char *text = write_text(file, &size);
    if (!text)
        vkd_log(context, VKD_LOG_WARNING, "tuning file %s could not be written: out of host memory",
                file->path);
    else if (vkd_cache_file_write(context, file->directory, file->path, &file->caps, text, size))
        file->grown = false;
    vkd_free(context, text);
}
