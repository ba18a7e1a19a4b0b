/* Nothing reaches upward: the folders' directions (DESIGN.md), read off the sources' #include lines
 * and off the symbols that their objects define and use. */
#include <dirent.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Leaves, allowed everywhere in the library. */
#define LEAVES "include/vkdelegate.h", "runtime/base/*"
#define INTERFACE                                                                                  \
    "runtime/device.h", "runtime/buffer.h", "runtime/transfer.h", "runtime/pipeline.h",            \
        "runtime/commands.h", "runtime/import.h"
#define SHADERS "shaders/shaders.h", "shaders/*_params.h"

/* The first row whose pattern fits a file decides what that file may include, and the objects of
 * which sources it may use. */
static const struct {
    const char *file;
    const char *allowed[16];
} rules[] = {
    {"include/*", {NULL}},
    {"backend/*",
     {"backend/*", "ops/*", "exec/*", "graph/*", "schema/*", INTERFACE, LEAVES, SHADERS}},
    {"ops/*", {"ops/*", "exec/tuner.h", "graph/*", "schema/model.h", LEAVES, SHADERS}},
    {"exec/*", {"exec/*", "graph/*", INTERFACE, LEAVES, SHADERS}},
    {"graph/*", {"graph/*", "schema/model.h", LEAVES, SHADERS}},
    {"schema/*", {"schema/*", LEAVES}},
    {"runtime/base/*", {LEAVES}},
    {"runtime/*", {"runtime/*", LEAVES, "shaders/families.h"}},
    {"shaders/*", {"shaders/*"}},
    {"runner/*", {"runner/*", "include/vkdelegate.h"}},
};

static const char *const folders[] = {
    "include", "backend", "ops",          "ops/conv", "ops/gemm", "exec",
    "graph",   "schema",  "runtime/base", "runtime",  "shaders",  "runner",
};

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
static bool included_name(const char *line, char name[256])
{
    return sscanf(line, " # include \"%255[^\"]\"", name) == 1;
}

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

/* -------------------------------------------------------------------------------------- symbols */

/* A global symbol of an object: what nm tells, with its source as the rules name it
 * ("ops/conv/args.h": the header's name). */
typedef struct symbol {
    char name[128], file[128];
    bool defined;
} symbol;

static symbol symbols[16384];

/* The header that declares what an object defines: its source's path within the project, ending in
 * .h. */
static bool header_of(const char *object, char out[128])
{
    const char *source = strstr(object, "vkd_objects.dir/");
    if (!source)
        return false;
    source += strlen("vkd_objects.dir/");
    source += strncmp(source, "./", 2) ? 0 : 2;
    source += strncmp(source, "generated/", 10) ? 0 : 10;
    const char *end = strstr(source, ".c");
    return end && snprintf(out, 128, "%.*s.h", (int)(end - source), source) < 128;
}

static size_t read_symbols(void)
{
    char line[4096], type;
    symbol s = {.defined = false};
    size_t count = 0;
    bool ours = false;
    FILE *stream = popen(VKD_NM " -P -g $(cat " VKD_OBJECT_LIST ")", "r");
    assert_non_null(stream);
    while (fgets(line, sizeof line, stream)) {
        char *end = strstr(line, ":\n");
        if (end) { /* an object's name before its symbols */
            *end = '\0';
            ours = header_of(line, s.file);
        } else if (ours && sscanf(line, "%127s %c", s.name, &type) == 2 &&
                   !strncmp(s.name, "vkd_", 4)) {
            assert_true(count < sizeof symbols / sizeof *symbols);
            s.defined = type != 'U';
            symbols[count++] = s;
        }
    }
    assert_int_equal(pclose(stream), 0);
    return count;
}

/* By name, definitions first. */
static int compare_symbols(const void *a, const void *b)
{
    const symbol *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : y->defined - x->defined;
}

static void symbols_point_down(void **state)
{
    (void)state;
    size_t count = read_symbols(), uses = 0;
    int wrong = 0;
    qsort(symbols, count, sizeof *symbols, compare_symbols);
    const symbol *definition = NULL;
    for (size_t i = 0; i < count; i++) {
        if (symbols[i].defined)
            definition = &symbols[i];
        else if (definition && !strcmp(definition->name, symbols[i].name)) {
            uses++;
            if (strcmp(definition->file, symbols[i].file) &&
                !allowed(symbols[i].file, definition->file)) {
                print_error("%s uses %s of %s\n", symbols[i].file, symbols[i].name,
                            definition->file);
                wrong++;
            }
        }
    }
    assert_int_equal(wrong, 0);
    assert_true(uses > 500); /* the objects were really read */
}

static void the_rules_themselves(void **state)
{
    (void)state;
    char name[256], file[128];
    assert_true(header_of("x/vkd_objects.dir/ops/conv/args.c.o", file));
    assert_string_equal(file, "ops/conv/args.h");
    assert_true(header_of("vkd_objects.dir/schema/model.cpp.o", file));
    assert_string_equal(file, "schema/model.h");
    assert_true(header_of("vkd_objects.dir/./generated/shaders/shaders.c.o", file));
    assert_string_equal(file, "shaders/shaders.h");
    assert_false(header_of("main.c.o", file));
    assert_true(included_name("#include \"ops/lower.h\"\n", name));
    assert_string_equal(name, "ops/lower.h");
    assert_false(included_name("#include <dlfcn.h>\n", name));
    assert_true(allowed("ops/conv/conv.c", "graph/graph.h"));
    assert_true(allowed("ops/conv/conv.c", "shaders/conv_params.h"));
    assert_true(allowed("runtime/device.c", "include/vkdelegate.h"));
    assert_true(allowed("exec/executor.c", "runtime/device.h"));
    assert_false(allowed("graph/plan.c", "runtime/device.h"));
    assert_false(allowed("graph/graph.c", "ops/lower.h"));
    assert_false(allowed("ops/conv/conv.c", "runtime/device.h"));
    assert_false(allowed("ops/conv/conv.c", "schema/container.h"));
    assert_false(allowed("runtime/device.c", "graph/graph.h"));
    assert_false(allowed("runner/main.c", "runtime/base/context.h"));
    assert_true(is_ours("runtime/device.h"));
    assert_false(is_ours("flatbuffers/flatbuffers.h"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rules_themselves),
        cmocka_unit_test(includes_point_down),
        cmocka_unit_test(symbols_point_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
