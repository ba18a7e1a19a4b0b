/* vkd-run --verify, several executions and the types of files, on programs whose results the test
 * makes up: right and wrong ones. The plug-in that gives its inputs back needs no device. */
#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "support/programs.h"
#include "support/runner.h"
#include "support/skip.h"

/* A folder with a program of one f32 input 1x4, which comes out as it is. */
static void write_program(const runner *r, const char *name, const char *model, const char *meta,
                          const float *expected)
{
    static const float x[4] = {1, -2, 3, 4};
    char folder[64], path[128], file[128];
    snprintf(folder, sizeof folder, "%s", name);
    mkdir(runner_path(r, folder, path), 0777);
    snprintf(file, sizeof file, "%s/meta.json", name);
    program_write(runner_path(r, file, path), meta, strlen(meta));
    snprintf(file, sizeof file, "%s/model.pte", name);
    program_write(runner_path(r, file, path), model, strlen(model));
    for (int step = 0; step < 2; step++) {
        snprintf(file, sizeof file, "%s/input0.s%d.f32", name, step);
        program_write(runner_path(r, file, path), x, sizeof x);
        snprintf(file, sizeof file, "%s/expected.s%d.f32", name, step);
        program_write(runner_path(r, file, path), expected, sizeof x);
    }
}

#define FILES(name, key)                                                                           \
    "[{\"dtype\": \"float32\", \"steps\": [{\"" key "\": \"" name                                  \
    ".s0.f32\", \"shape\": [1, 4]}, {\"" key "\": \"" name ".s1.f32\", \"shape\": [1, 4]}]}]"
#define META(tolerance)                                                                            \
    "{\"name\": \"net\", \"mode\": \"f\", \"steps\": 2, \"tolerance\": \"" tolerance               \
    "\", \"inputs\": " FILES("input0", "file") ", \"outputs\": " FILES("expected", "eager") "}"

static void results(void **state)
{
    runner *r = *state;
    static const struct {
        const char *meta;
        float expected[4];
        int code;
        const char *says;
    } rows[] = {
        {META("float32: relative L2 at most 1e-5"),
         {1, -2, 3, 4},
         0,
         "relative at most 1e-05): right"},
        {META("float32: relative L2 at most 1e-5"), {1, -2, 3, 4.00001f}, 0, "right"},
        {META("float32: relative L2 at most 1e-5"), {1, -2, 3, 4.001f}, 7, "wrong"},
        {META("exact (float16: none here)"), {1, -2, 3, 4.0000005f}, 7, "wrong"},
        {META("relative L2 at most 0.5 per step, same argmax expected"),
         {1, -2, 4, 3.9f},
         7,
         "wrong"},
        {META("int8: within 1 step of the output's scale (small nets)"),
         {1, -3, 3, 5},
         0,
         "largest at most"},
        {META("int8: within 1 step of the output's scale (small nets)"), {1, -5, 3, 5}, 7, "wrong"},
        {"{\"steps\": 1}", {0}, 1, "there are no inputs"},
        {"[", {0}, 1, "no JSON object"},
        {"{\"steps\": 0.5, \"inputs\": [], \"outputs\": []}", {0}, 1, "\"steps\" is no number"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_program(r, "net", "", rows[i].meta, rows[i].expected);
        int code = runner_run(r, &(runner_how){0}, "--verify net");
        if (code != rows[i].code ||
            (!strstr(r->out, rows[i].says) && !strstr(r->err, rows[i].says)))
            fail_msg("row %zu: exit code %d, expected %d with '%s'\n%s%s", i, code, rows[i].code,
                     rows[i].says, r->out, r->err);
    }
}

static void written_outputs(void **state)
{
    runner *r = *state;
    static const float expected[4] = {1, -2, 3, 4};
    float got[5];
    char path[128];
    write_program(r, "net", "", META("float32: relative L2 at most 1e-5"), expected);
    runner_expect(r, "--verify net --output results", 0, "");
    for (int step = 0; step < 2; step++) {
        char file[64];
        snprintf(file, sizeof file, "results/output0.s%d.f32", step);
        assert_int_equal(runner_read(runner_path(r, file, path), got, sizeof got), sizeof expected);
        assert_memory_equal(got, expected, sizeof expected);
    }
    cJSON *root = runner_json(r, "--verify net --json", 0);
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "verify");
    assert_int_equal(cJSON_GetArraySize(list), 2);
    assert_true(
        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(list, 1), "right")));
    assert_true(runner_number(root, "programs_right") == 1);
    cJSON_Delete(root);
    runner_expect(r, "--verify net --output net/model.pte", 6, "net/model.pte");
}

/* A folder of folders; one program that is wrong does not stop the others. */
static void several(void **state)
{
    runner *r = *state;
    static const float right[4] = {1, -2, 3, 4}, wrong[4] = {1, -2, 3, 5};
    char path[128];
    mkdir(runner_path(r, "all", path), 0777);
    write_program(r, "all/a", "", META("float32: relative L2 at most 1e-5"), wrong);
    write_program(r, "all/b", "", META("float32: relative L2 at most 1e-5"), right);
    assert_int_equal(runner_run(r, &(runner_how){0}, "--verify all net"), 7);
    assert_non_null(strstr(r->out, "2 of 3 programs are right"));
}

static void several_executions(void **state)
{
    runner *r = *state;
    static const float x[2][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}};
    float got[5];
    char path[128];
    program_write(runner_path(r, "a.f32", path), x[0], sizeof x[0]);
    program_write(runner_path(r, "b.f32", path), x[1], sizeof x[1]);
    runner_expect(r, "x.pte --input a.f32 --input b.f32 --shape 1x4 --output out.f32", 0, "");
    for (int step = 0; step < 2; step++) {
        char file[64];
        snprintf(file, sizeof file, "out.s%d.f32", step);
        assert_int_equal(runner_read(runner_path(r, file, path), got, sizeof got), sizeof x[0]);
        assert_memory_equal(got, x[step], sizeof x[0]);
    }
    runner_expect(r, "x.pte --input a.f32 --shape 1x3", 1, "needs exactly 12");
}

/* The nets under models/ that come with the results of several executions: language models and
 * state in both forms, fixed shapes and dynamic ones. */
static void nets_with_state(void **state)
{
    runner *r = *state;
    const runner_how real = {.library = ""};
    int code =
        runner_run(r, &real, "--verify " VKD_MODELS "/llama " VKD_MODELS "/state --no-cache");
    if (code == 4)
        test_skip("there is no Vulkan device");
    if (code || !strstr(r->out, "10 of 10 programs are right"))
        fail_msg("exit code %d: %s%s", code, r->out, r->err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results),         cmocka_unit_test(written_outputs),
        cmocka_unit_test(several),         cmocka_unit_test(several_executions),
        cmocka_unit_test(nets_with_state),
    };
    return cmocka_run_group_tests(tests, runner_setup, runner_teardown);
}
