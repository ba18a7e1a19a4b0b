#include "support/programs.h"
#include "support/gpu.h"
#include "support/model_io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

char *program_path(const char *folder)
{
    char *path = join_path(VKD_MODELS, folder), *file = join_path(path, "model.pte");
    free(path);
    return file;
}

void program_write(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

vkd_status program_load(const blob_pte *pte, const char *name, watch *w, vkd_program **out_program,
                        vkd_method **out)
{
    vkd_options options = watch_begin(w);
    size_t size;
    *out = NULL;
    *out_program = NULL;
    void *bytes = blob_wrap_pte(pte, &size);
    char *directory = new_directory(), *path = join_path(directory, "model.pte");
    program_write(path, bytes, size);
    free(bytes);
    vkd_status status = vkd_program_open(path, &options, out_program);
    if (status == VKD_OK)
        status = vkd_method_load(*out_program, name, &options, out);
    remove_tree(directory); /* a file that is open may be removed */
    free(directory), free(path);
    return status;
}
