#include "support/runner.h"
#include "support/programs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int runner_setup(void **state)
{
    runner *r = calloc(1, sizeof *r);
    if (!r)
        return -1;
    strcpy(r->folder, "/tmp/vkd-runner-XXXXXX");
    *state = r;
    return mkdtemp(r->folder) ? 0 : -1;
}

int runner_teardown(void **state)
{
    runner *r = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", r->folder);
    int result = system(command);
    free(r);
    return result;
}

char *runner_path(const runner *r, const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", r->folder, name);
    return path;
}

size_t runner_read(const char *path, void *data, size_t capacity)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(data, 1, capacity, file);
    fclose(file);
    return size;
}

static void redirect(const char *path, int flags, int to)
{
    int fd = open(path, flags, 0600);
    if (fd < 0 || dup2(fd, to) < 0)
        _exit(126);
}

int runner_run(runner *r, const runner_how *how, const char *line)
{
    enum { MAX_ARGUMENTS = 24 };
    char copy[1024], *arguments[MAX_ARGUMENTS + 1] = {VKD_RUN}, out[128], err[128];
    const char *library = how->library ? how->library : VKD_FAKE_PLUGIN;
    int count = 1, status;
    assert_true(strlen(line) < sizeof copy);
    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word && count < MAX_ARGUMENTS; word = strtok(NULL, " "))
        arguments[count++] = word;
    runner_path(r, "stdout.txt", out);
    runner_path(r, "stderr.txt", err);
    program_write(out, "", 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        redirect(how->from ? how->from : "/dev/null", O_RDONLY, 0);
        redirect(how->to ? how->to : out, O_WRONLY | O_CREAT | O_TRUNC, 1);
        redirect(err, O_WRONLY | O_CREAT | O_TRUNC, 2);
        if (*library ? setenv("VKD_LIBRARY", library, 1) : unsetenv("VKD_LIBRARY"))
            _exit(126);
        if (chdir(r->folder))
            _exit(126);
        execv(VKD_RUN, arguments);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    r->out_size = runner_read(out, r->out, RUNNER_TEXT - 1);
    r->out[r->out_size] = 0;
    r->err[runner_read(err, r->err, RUNNER_TEXT - 1)] = 0;
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

void runner_expect(runner *r, const char *line, int code, const char *message)
{
    int got = runner_run(r, &(runner_how){0}, line);
    if (got != code || !strstr(r->err, message))
        fail_msg("vkd-run %s: exit code %d, expected %d with '%s'; stderr: %s", line, got, code,
                 message, r->err);
    if (code && strncmp(r->err, "vkd-run: ", 9))
        fail_msg("vkd-run %s: the message has no prefix: %s", line, r->err);
}

static void assert_utf8(const char *text, size_t size)
{
    static char wide[4 * RUNNER_TEXT];
    char *from = (char *)(uintptr_t)text, *to = wide;
    size_t room = sizeof wide;
    iconv_t converter = iconv_open("UTF-32", "UTF-8");
    assert_true(converter != (iconv_t)-1);
    size_t result = iconv(converter, &from, &size, &to, &room);
    iconv_close(converter);
    if (result)
        fail_msg("no UTF-8: %s", text);
}

cJSON *runner_json(runner *r, const char *line, int code)
{
    runner_expect(r, line, code, "");
    assert_utf8(r->out, r->out_size);
    cJSON *root = cJSON_ParseWithOpts(r->out, NULL, true);
    if (!cJSON_IsObject(root))
        fail_msg("vkd-run %s: stdout is no JSON object: %s", line, r->out);
    return root;
}

double runner_number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!cJSON_IsNumber(item))
        fail_msg("no number '%s'", name);
    return item->valuedouble;
}

const char *runner_string(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!cJSON_IsString(item))
        fail_msg("no text '%s'", name);
    return item->valuestring;
}
