/* Nothing includes upward: the folders' include directions (DESIGN.md), read off the sources' #include lines. */
#include <dirent.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Leaf headers, allowed everywhere in the library. */
#define LEAVES "backend/vkdelegate.h", "runtime/context.h", "runtime/arena.h", "runtime/caps.h", "runtime/element.h", "runtime/math.h"
#define SHADERS "shaders/shaders.h", "shaders/*_params.h"

/* The first row whose pattern fits a file decides what that file may include. */
static const struct {
    const char *file;
    const char *allowed[12];
} rules[] = {
    {"backend/vkdelegate.h", {NULL}},
    {"backend/*", {"backend/*", "ops/*", "graph/*", "schema/*", "runtime/*", SHADERS}},
    {"ops/*", {"ops/*", "graph/*", "schema/model.h", LEAVES, SHADERS}},
    {"graph/executor.*", {"graph/*", "runtime/*", "schema/model.h", LEAVES, SHADERS}},
    {"graph/residents.*", {"graph/*", "runtime/*", LEAVES}},
    {"graph/measure.*", {"graph/*", "runtime/device.h", LEAVES}},
    {"graph/tuner.*", {"graph/*", "runtime/device.h", "runtime/*_file.h", LEAVES}},
    {"graph/*", {"graph/*", "schema/model.h", LEAVES, SHADERS}},
    {"schema/*", {"schema/*", LEAVES}},
    {"runtime/*", {"runtime/*", "backend/vkdelegate.h", "shaders/families.h"}},
    {"shaders/*", {"shaders/*"}},
    {"runner/*", {"runner/*", "backend/vkdelegate.h"}},
};

static const char *const folders[] = {"backend", "ops", "graph", "schema", "runtime", "shaders", "runner"};

/* An unknown folder is a library's ("flatbuffers/flatbuffers.h"). */
static bool is_ours(const char *included)
{
    size_t length = strcspn(included, "/");
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (strlen(folders[i]) == length && !strncmp(folders[i], included, length))
            return included[length] == '/';
    return false;
}

static bool allowed(const char *file, const char *included)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (fnmatch(rules[i].file, file, 0))
            continue;
        for (const char *const *pattern = rules[i].allowed; *pattern; pattern++)
            if (!fnmatch(*pattern, included, 0))
                return true;
        return false;
    }
    return false;
}

/* The name in an #include "..." line, or false. */
static bool included_name(const char *line, char name[256]) { return sscanf(line, " # include \"%255[^\"]\"", name) == 1; }

static int check_file(const char *file, int *lines)
{
    char path[2048], line[1024], name[256];
    int wrong = 0;
    snprintf(path, sizeof path, "%s/%s", VKD_SOURCE_DIR, file);
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    while (fgets(line, sizeof line, stream)) {
        if (!included_name(line, name))
            continue;
        ++*lines;
        if (is_ours(name) && !allowed(file, name)) {
            print_error("%s includes %s\n", file, name);
            wrong++;
        }
    }
    fclose(stream);
    return wrong;
}

static int check_folder(const char *folder, int *lines)
{
    char path[1024], file[1024];
    int wrong = 0;
    snprintf(path, sizeof path, "%s/%s", VKD_SOURCE_DIR, folder);
    DIR *entries = opendir(path);
    assert_non_null(entries);
    for (struct dirent *entry; (entry = readdir(entries));) {
        snprintf(file, sizeof file, "%s/%s", folder, entry->d_name);
        if (!fnmatch("*.[ch]", file, 0) || !fnmatch("*.cpp", file, 0))
            wrong += check_file(file, lines);
    }
    closedir(entries);
    return wrong;
}

static void includes_point_down(void **state)
{
    (void)state;
    int wrong = 0, lines = 0;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        wrong += check_folder(folders[i], &lines);
    assert_int_equal(wrong, 0);
    assert_true(lines > 20); /* the sources were really read */
}

static void the_rules_themselves(void **state)
{
    (void)state;
    char name[256];
    assert_true(included_name("#include \"ops/lower.h\"\n", name));
    assert_string_equal(name, "ops/lower.h");
    assert_false(included_name("#include <volk.h>\n", name));
    assert_true(allowed("ops/conv.c", "graph/graph.h"));
    assert_true(allowed("ops/conv.c", "shaders/conv_params.h"));
    assert_true(allowed("runtime/device.c", "backend/vkdelegate.h"));
    assert_true(allowed("graph/executor.c", "runtime/device.h"));
    assert_false(allowed("graph/plan.c", "runtime/device.h"));
    assert_false(allowed("graph/graph.c", "ops/lower.h"));
    assert_false(allowed("ops/conv.c", "runtime/device.h"));
    assert_false(allowed("ops/conv.c", "schema/container.h"));
    assert_false(allowed("runtime/device.c", "graph/graph.h"));
    assert_false(allowed("runner/main.c", "runtime/context.h"));
    assert_true(is_ours("runtime/device.h"));
    assert_false(is_ours("flatbuffers/flatbuffers.h"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rules_themselves),
        cmocka_unit_test(includes_point_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
