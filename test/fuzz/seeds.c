/* Writes seeds that are no sample models to folders: FOLDER/data_file, FOLDER/cache, a small blob
 * that is right and some with a flaw to FOLDER/container, and the right one with calls behind it to
 * FOLDER/plugin. */
#include "support/pte_builder.h"
#include "support/small_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void put(const char *folder, const char *kind, const char *name, const void *data,
                size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, kind);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s", folder, kind, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file)) {
        perror(path);
        exit(EXIT_FAILURE);
    }
}

static void put_data_file(const char *folder)
{
    static const float floats[6] = {1, 2, 3, 4, 5, 6};
    static const vkd_tensor_info matrix = {VKD_DTYPE_FLOAT32, 2, {2, 3}, 0},
                                 turned = {VKD_DTYPE_INT64, 3, {1, 3, 1}, 0, {2, 0, 1}};
    const ptd_entry entries[] = {{{"pear", floats, 24}, &matrix},
                                 {{"apple", "five", 5}, NULL},
                                 {{"fig", floats, 24}, &turned}};
    size_t size;
    void *file = ptd_build(entries, 3, &size);
    put(folder, "data_file", "three", file, size);
    free(file);
}

static void put_blobs(const char *folder)
{
    static const small_flaw flaws[] = {
        {0}, {.stride = 1000}, {.missing_argument = true}, {.unproduced_output = true}};
    for (size_t i = 0; i < sizeof flaws / sizeof *flaws; i++) {
        small_model m;
        char name[32];
        snprintf(name, sizeof name, "small%zu", i);
        small_begin(&m, false, &flaws[i]);
        put(folder, "container", name, m.blob, m.size);
        small_end(&m);
    }
}

/* fuzz_plugin.c: open_blob with no option set and no spec, two executions, a submit that is waited
 * for, all questions, an import; the same with a spoilt argument. */
static void put_calls(const char *folder)
{
    static const uint8_t scripts[][64] = {
        {0, 0, 0, 2, 0, 4, 0, 5, 1, 6, 7, 8, 9, 0, 0, 10, 1, 255, 11, 1, 0, 1, 0, 12},
        {0, 1, 0, 2, 1, 1, 2, 4, 3, 1, 0, 9, 2, 0, 2, 2, 5, 0, 10, 2, 64, 3, 0},
    };
    small_model m;
    small_begin(&m, false, NULL);
    uint8_t *bytes = malloc(m.size + sizeof scripts[0]);
    for (size_t i = 0; bytes && i < sizeof scripts / sizeof *scripts; i++) {
        char name[32];
        snprintf(name, sizeof name, "calls%zu", i);
        memcpy(bytes, m.blob, m.size);
        memcpy(bytes + m.size, scripts[i], sizeof scripts[i]);
        put(folder, "plugin", name, bytes, m.size + sizeof scripts[i]);
    }
    free(bytes);
    small_end(&m);
}

static void put_facts(const char *folder)
{
    static const char facts[] = "\0subject\tvariant\t17\n1x8x5x5 -> 1x8x5x5\tim2col 4x4\t0\n",
                      raw[] = "\1VKDC";
    put(folder, "cache", "facts", facts, sizeof facts - 1);
    put(folder, "cache", "raw", raw, sizeof raw - 1);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return EXIT_FAILURE;
    put_data_file(argv[1]);
    put_blobs(argv[1]);
    put_facts(argv[1]);
    put_calls(argv[1]);
    return EXIT_SUCCESS;
}
