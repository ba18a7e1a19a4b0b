/* In libFuzzer's place: each file of the command line once, and those in its folders. */
#define _GNU_SOURCE /* nftw */
#include "plan.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_BYTES = 1 << 18 };
static size_t ran;

/* In memory of exactly its size, so that a sanitizer sees what reads behind it. */
static int run_file(const char *name, const struct stat *info, int type, struct FTW *walk)
{
    (void)walk;
    if (type != FTW_F || info->st_size > MOST_BYTES)
        return 0;
    FILE *file = fopen(name, "rb");
    size_t size = (size_t)info->st_size;
    uint8_t *data = malloc(size ? size : 1);
    bool failed = !file || !data || fread(data, 1, size, file) != size;
    if (failed)
        perror(name);
    else
        LLVMFuzzerTestOneInput(data, size);
    ran += !failed;
    free(data);
    if (file)
        fclose(file);
    return failed;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (nftw(argv[i], run_file, 8, FTW_PHYS))
            return EXIT_FAILURE;
    printf("%zu files\n", ran);
    return ran ? EXIT_SUCCESS : EXIT_FAILURE;
}
