/* Fuzz target over the readers: a .pte file with its methods, the same bytes as a .ptd file and as
 * a delegate blob. clang -fsanitize=fuzzer,address,undefined     libFuzzer drives it
 *     -DVKD_FUZZ_MAIN                               a main that reads the files named on the
 * command line once each */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "schema/inline.h"
#include "schema/named.h"

static void be_quiet(void *user, vkd_log_level level, const char *message)
{
    (void)user, (void)level, (void)message;
}

static void read_program(const uint8_t *data, size_t size, vkd_arena *arena)
{
    vkd_container container;
    vkd_model model;
    if (vkd_container_read(data, size, arena, &container) != VKD_OK)
        return;
    for (size_t i = 0; i < container.method_count; i++)
        if (vkd_inline_method(&container, &container.methods[i], "VulkanBackend", arena, &model) !=
            VKD_OK)
            return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vkd_options options = {.log = be_quiet};
    vkd_context context;
    vkd_arena arena;
    vkd_model model;
    vkd_context_init(&context, &options);
    vkd_arena_init(&arena, &context);
    read_program(data, size, &arena);
    vkd_data_file file;
    if (vkd_data_file_read(data, size, &arena, &file) != VKD_OK ||
        vkd_model_read(data, size, NULL, &arena, &model) != VKD_OK)
        context.error[0] = 0; /* any answer will do */
    vkd_arena_release(&arena);
    return 0;
}

#ifdef VKD_FUZZ_MAIN
static int run_file(const char *path)
{
    enum { LIMIT = 256 << 20 };
    FILE *file = fopen(path, "rb");
    uint8_t *data = file ? malloc(LIMIT) : NULL;
    size_t size = data ? fread(data, 1, LIMIT, file) : 0;
    bool failed = !data || ferror(file);
    if (failed)
        perror(path);
    else
        LLVMFuzzerTestOneInput(data, size);
    free(data);
    if (file)
        fclose(file);
    return failed;
}

int main(int argc, char **argv)
{
    int failures = 0;
    for (int i = 1; i < argc; i++)
        failures += run_file(argv[i]);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
#endif
