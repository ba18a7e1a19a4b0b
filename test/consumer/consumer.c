/* A program that uses an installed library: check_install.cmake builds it. */
#include <stdio.h>
#include <vkdelegate.h>

int main(void)
{
    char error[256] = "";
    vkd_options options = {.size = sizeof options, .error = error, .error_size = sizeof error};
    vkd_program *program = NULL;
    vkd_status status = vkd_program_open("no such file.pte", &options, &program);
    vkd_program_close(program);
    printf("version %u, %s: %s\n", (unsigned)vkd_version(), vkd_status_name(status), error);
    return status == VKD_IO_ERROR && error[0] ? 0 : 1;
}
