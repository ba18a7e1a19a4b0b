/* vkd-run as a program: exit codes, messages, files and reports. Most of it runs with
 * test/fake_plugin.c and needs no device; the last tests use the real library. */
#include <cjson/cJSON.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "include/vkdelegate.h"
#include "support/blob_builder.h"
#include "support/programs.h"
#include "support/runner.h"
#include "support/skip.h"

/* What a line of arguments ends with: its exit code, and what is said. */
static const struct {
    const char *line;
    int code;
    const char *message;
} endings[] = {
    {"", 1, "which model"},
    {"x.pte --bogus", 1, "--bogus"},
    {"x.pte --bench", 1, "missing argument"},
    {"x.pte --bench -3", 1, "--bench"},
    {"x.pte --bench many", 1, "--bench: 'many' is not a whole number"},
    {"x.pte --bench 0", 1, "--bench: '0' is not a whole number"},
    {"x.pte --bench 9999999999", 1, "--bench: '9999999999' is not a whole number"},
    {"x.pte --bench 5x", 1, "--bench: '5x' is not a whole number"},
    {"x.pte --bench=", 1, "--bench: '' is not a whole number"},
    {"x.pte --throughput 0", 1, "--throughput"},
    {"x.pte --input a --top 0", 1, "--top"},
    {"x.pte --timeout 0", 1, "--timeout"},
    {"x.pte --select measure --measure-ms 0", 1, "--measure-ms"},
    {"x.pte --throughput", 1, "missing argument"},
    {"x.pte --throughput -3", 1, "--throughput"},
    {"x.pte --throughput 5 --in-flight 0", 1,
     "--in-flight: '0' is not a whole number from 1 to 64"},
    {"x.pte --throughput 5 --in-flight 65", 1,
     "--in-flight: '65' is not a whole number from 1 to 64"},
    {"x.pte --throughput 5 --in-flight -1", 1, "--in-flight"},
    {"x.pte --throughput 5 --in-flight some", 1, "some"},
    {"x.pte --max-plans 0", 1, "--max-plans: '0' is not a whole number from 1 to "},
    {"x.pte --max-plans 9999", 1, "--max-plans: '9999' is not a whole number from 1 to "},
    {"plans.pte --max-plans 2 --bench 1", 1, "fake failure"},
    {"plans.pte --memory-on-demand --bench 1", 1, "fake failure"},
    {"plans.pte --max-plans 2 --memory-on-demand --bench 1", 0, ""},
    {"execute-5.pte --throughput 2", 5, "fake failure of a submission"},
    {"torn.pte --throughput 20", 7,
     "output 0 of an execution among 8 in flight differs from that of one by itself"},
    {"torn.pte --throughput 20 --in-flight 1", 0, ""},
    {"x.pte --mean 1,2", 1, "--mean"},
    {"x.pte --std 0", 1, "--std: must be more than 0"},
    {"image.pte --std 0.2,-0.2,0.2 a.png", 1, "--std: must be more than 0"},
    {"x.pte --std nan", 1, "--std"},
    {"x.pte --int8-dot fast", 1, "--int8-dot: 'fast' is none of auto,none,signed,mixed"},
    {"x.pte --int8-dot signe", 1, "none of"},
    {"x.pte --select best", 1, "--select: 'best' is none of auto,measure"},
    {"x.pte --select measure --measure-ms -1", 1, "--measure-ms"},
    {"two.pte --input a --input b --input c", 1, "--input is given 3 times"},
    {"x.pte --input a --shape 1x", 1, "--shape: '1x' is not up to 8 sizes"},
    {"x.pte --shape 4", 1, "--shape needs --input"},
    {"--verify", 1, "which folders?"},
    {"--verify none", 6, "none/meta.json"},
    {"x.pte a.png --input b", 1, "cannot be used together"},
    {"image.pte a.png b.png --output c", 1, "--output takes the result of one image"},
    {"x.pte a.png", 1, "an image needs f32"},
    {"two.pte a.png", 1, "2 inputs"},
    {"x.pte --method other", 1, "fake failure 8"},
    {"open-2.pte", 2, "fake failure 2"},
    {"load-3.pte", 3, "fake failure 3"},
    {"load-4.pte", 4, "fake failure 4"},
    {"execute-5.pte --bench 2", 5, "fake failure of an execution"},
    {"open-7.pte", 6, "fake failure 7"},
    {"load-6.pte", 7, "fake failure 6"},
    {"load-9.pte", 7, "fake failure 9"},
    {"image.pte none.png", 6, "none.png"},
    {"x.pte --input none.f32", 6, "none.f32"},
    {"image.pte /dev/zero", 6, "/dev/zero: a device, not a file"},
    {"x.pte --labels /dev/zero --input a", 6, "/dev/zero: a device, not a file"},
    {"x.pte --labels none.txt --input a", 6, "none.txt"},
    {"x.pte --library /nowhere/lib.so", 6, "/nowhere/lib.so"},
    {"message.pte --bench 1", 0, "fake validation message"},
    {"message.pte --bench 1 --validate", 7, "validation: "},
    {"--list-devices", 0, ""},
    {"x.pte", 0, ""},
    {"x.pte --device a --device b --bench 1 --bench 2", 0, ""},
};

static void exit_codes(void **state)
{
    runner *f = *state;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        runner_expect(f, endings[i].line, endings[i].code, endings[i].message);
}

/* Each is right in another place. */
static void options_without_effect_are_refused(void **state)
{
    runner *f = *state;
    static const struct {
        const char *line, *message;
    } rows[] = {
        {"x.pte --input a --mean 1", "--mean needs an image"},
        {"x.pte --bench 1 --std 1", "--std needs an image"},
        {"x.pte --input a --gray", "--gray needs an image"},
        {"x.pte --bench 1 --top 3", "--top needs an image or --input"},
        {"x.pte --labels l.txt", "--labels needs an image or --input"},
        {"x.pte --explain --output o", "--output needs an image, --input, --generate or --verify"},
        {"x.pte --bench 1 --in-flight 4", "--in-flight needs --throughput"},
        {"x.pte --measure-ms 100", "--measure-ms needs --select measure"},
        {"x.pte --select auto --measure-ms 100", "--measure-ms needs --select measure"},
        {"x.pte --select measure --variant general", "--select measure needs a choice"},
        {"x.pte --no-cache --cache-dir .", "--cache-dir needs the cache"},
        {"x.pte --list-devices", "MODEL needs to be without --list-devices"},
        {"--list-devices --bench 3", "--bench needs a model"},
        {"--list-devices --device 0", "--device needs a model"},
        {"--list-devices --timeout 5", "--timeout needs a model"},
        {"--list-devices --select auto", "--select needs a model"},
        {"--list-devices --no-cache", "--no-cache needs a model"},
        {"--list-devices --max-plans 2", "--max-plans needs a model"},
        {"--list-devices --memory-on-demand", "--memory-on-demand needs a model"},
        {"--list-devices --memory", "--memory needs a model"},
        {"- --loads 3", "--loads needs a model in a file"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        runner_expect(f, rows[i].line, 1, rows[i].message);
}

static void a_library_of_another_abi_is_refused(void **state)
{
    runner *f = *state;
    assert_int_equal(runner_run(f, &(runner_how){.library = VKD_FAKE_PLUGIN_ABI}, "x.pte"), 6);
    assert_non_null(strstr(f->err, "plug-in ABI 99"));
    assert_int_equal(runner_run(f, &(runner_how){.library = VKD_FAKE_PLUGIN_SIZE}, "x.pte"), 6);
    assert_non_null(strstr(f->err, "older than this vkd-run"));
    assert_int_equal(runner_run(f, &(runner_how){.library = "libm.so.6"}, "x.pte"), 6);
    assert_non_null(strstr(f->err, "is no vkdelegate library"));
}

static void the_library_option_wins_over_the_environment(void **state)
{
    runner *f = *state;
    assert_int_equal(runner_run(f, &(runner_how){.library = "/nowhere/lib.so"},
                                "--list-devices --library " VKD_FAKE_PLUGIN),
                     0);
    assert_non_null(strstr(f->out, "Fake device"));
}

static void help_explains(void **state)
{
    runner *f = *state;
    static const char *const parts[] = {"Usage: vkd-run", "--input",   "--bench",    "--throughput",
                                        "--in-flight",    "--profile", "Exit codes", "Examples"};
    assert_int_equal(runner_run(f, &(runner_how){0}, "--help"), 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        assert_non_null(strstr(f->out, parts[i]));
    assert_int_equal(runner_run(f, &(runner_how){0}, "--version"), 0);
    assert_non_null(strstr(f->out, "libvkdelegate 1.2.3"));
}

static void raw_tensors_go_in_and_out(void **state)
{
    runner *f = *state;
    const float logits[4] = {1, 4, -2, 0};
    const int8_t bytes[5] = {-128, 127, 0, 1, -1};
    float floats[2] = {0.5f, -3}, got[4];
    int8_t got_bytes[8];
    char path[128];
    program_write(runner_path(f, "a.f32", path), logits, sizeof logits);
    runner_expect(f, "x.pte --input a.f32 --output out.f32", 0, "");
    assert_int_equal(runner_read(runner_path(f, "out.f32", path), got, sizeof got), sizeof got);
    assert_memory_equal(got, logits, sizeof logits);
    assert_non_null(strstr(f->out, "min -2, max 4, mean 0.75"));

    program_write(runner_path(f, "a.i8", path), bytes, sizeof bytes);
    program_write(runner_path(f, "b.f32", path), floats, sizeof floats);
    runner_expect(f, "two.pte --input a.i8 --input b.f32 --output out.f32", 0, "");
    assert_int_equal(runner_read(runner_path(f, "out.0.f32", path), got_bytes, sizeof got_bytes),
                     sizeof bytes);
    assert_memory_equal(got_bytes, bytes, sizeof bytes);
    assert_int_equal(runner_read(runner_path(f, "out.1.f32", path), got, sizeof got),
                     sizeof floats);
    assert_memory_equal(got, floats, sizeof floats);
    runner_expect(f, "two.pte --input b.f32 --input a.i8", 1,
                  "b.f32: has 8 bytes, but input 0 is i8 5 and needs exactly 5");
    runner_expect(f, "x.pte --input b.f32", 1, "needs exactly 16");
}

static void data_files_are_given_to_the_program(void **state)
{
    runner *f = *state;
    runner_expect(f, "data.pte --ptd a.ptd --ptd b.ptd", 0, "");
    runner_expect(f, "data.pte --ptd a.ptd", 2, "");
    runner_expect(f, "data.pte --ptd a.ptd --ptd bad.ptd", 2, "");
    runner_expect(f, "data.pte --ptd -", 1, "--ptd cannot be '-'");
    runner_expect(f, "--list-devices --ptd a.ptd", 1, "--ptd needs a model");
}

static void a_failed_write_leaves_the_old_file(void **state)
{
    runner *f = *state;
    const float logits[4] = {1, 4, -2, 0};
    char path[128], old[8];
    struct stat status;
    program_write(runner_path(f, "a.f32", path), logits, sizeof logits);
    runner_expect(f, "x.pte --input a.f32 --output /dev/full", 6, "/dev/full");
    assert_int_equal(stat("/dev/full", &status), 0);
    assert_true(S_ISCHR(status.st_mode));
    runner_expect(f, "x.pte --input a.f32 --output none/out.f32", 6, "none/out.f32");

    program_write(runner_path(f, "out.f32", path), "old", 3);
    assert_int_equal(chmod(path, 0640), 0);
    runner_expect(f, "execute-5.pte --input a.f32 --output out.f32", 5, "");
    assert_int_equal(runner_read(path, old, sizeof old), 3);
    runner_expect(f, "x.pte --input a.f32 --output out.f32", 0, "");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 16);
    assert_int_equal(status.st_mode & 0777, 0640);
}

static void a_full_disk_on_stdout_is_an_error(void **state)
{
    runner *f = *state;
    assert_int_equal(runner_run(f, &(runner_how){.to = "/dev/full"}, "x.pte"), 6);
    assert_int_equal(runner_run(f, &(runner_how){.to = "/dev/full"}, "x.pte --json"), 6);
    assert_int_equal(runner_run(f, &(runner_how){.to = "/dev/full"}, "--help"), 6);
}

static void labels_and_top(void **state)
{
    runner *f = *state;
    const float logits[4] = {1, 4, -2, 0};
    char path[128];
    program_write(runner_path(f, "a.f32", path), logits, sizeof logits);
    program_write(runner_path(f, "labels.txt", path), "one\r\ntwo words\nthree\nfour\n\n", 28);
    runner_expect(f, "x.pte --input a.f32 --labels labels.txt --top 1", 0, "");
    /* softmax: 1 / (1 + e^-3 + e^-6 + e^-4) = 0.9341 */
    assert_non_null(strstr(f->out, "two words"));
    assert_non_null(strstr(f->out, "93.41 %"));
    assert_null(strstr(f->out, "three"));
    runner_expect(f, "x.pte --input a.f32 --top 9", 0, "");
    assert_non_null(strstr(f->out, "class 2"));
    program_write(runner_path(f, "labels.txt", path), "one\ntwo\n", 8);
    runner_expect(f, "x.pte --input a.f32 --labels labels.txt", 1,
                  "there are 2 labels, but the model has 4 classes");
}

static void bench_statistics(void **state)
{
    /* The fake GPU takes as many milliseconds as it has run, the warm-up included. */
    cJSON *root = runner_json(*state, "x.pte --bench 10 --json", 0);
    double warmup = runner_number(root, "warmup_runs");
    assert_true(warmup >= 3);
    assert_true(fabs(runner_number(root, "gpu_min_ms") - (warmup + 1)) < 1e-9);
    assert_true(fabs(runner_number(root, "gpu_median_ms") - (warmup + 5.5)) < 1e-9);
    assert_true(fabs(runner_number(root, "gpu_p90_ms") - (warmup + 9)) < 1e-9);
    assert_true(runner_number(root, "submissions") == 2);
    assert_true(runner_number(root, "init_ms") >= 0);
    assert_true(runner_number(root, "min_ms") <= runner_number(root, "median_ms"));
    assert_true(runner_number(root, "median_ms") <= runner_number(root, "p90_ms"));
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(root, "device")->valuestring,
                        "Fake device");
    cJSON_Delete(root);
}

static void throughput_of_requests(void **state)
{
    runner *f = *state;
    static const struct {
        const char *line;
        double executions, in_flight, batch;
    } rows[] = {
        {"x.pte --throughput 100 --json", 100, 8, 1},
        {"batch.pte --throughput 10 --in-flight 3 --json", 10, 3, 3},
        {"two.pte --throughput 1 --in-flight 64 --json", 1, 64, 5},
        {"x.pte --throughput 7 --in-flight 1 --bench 2 --json", 7, 1, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cJSON *root = runner_json(f, rows[i].line, 0);
        const cJSON *throughput = cJSON_GetObjectItemCaseSensitive(root, "throughput");
        double per_second = runner_number(throughput, "per_second");
        assert_true(runner_number(throughput, "executions") == rows[i].executions &&
                    per_second > 0);
        assert_true(runner_number(throughput, "in_flight") == rows[i].in_flight);
        assert_true(fabs(runner_number(throughput, "images_per_second") / per_second -
                         rows[i].batch) < 1e-9);
        cJSON_Delete(root);
    }
    runner_expect(f, "x.pte --throughput 5", 0, "");
    assert_non_null(strstr(f->out, "5 executions, 8 in flight: "));
    assert_null(strstr(f->out, "images"));
    runner_expect(f, "batch.pte --throughput 5", 0, "");
    assert_non_null(strstr(f->out, "images a second"));
}

static void reports_as_json(void **state)
{
    cJSON *root = runner_json(*state, "x.pte --profile --explain --memory --json", 0);
    const cJSON *nodes = cJSON_GetObjectItemCaseSensitive(root, "profile");
    assert_int_equal(cJSON_GetArraySize(nodes), 2);
    const cJSON *node = cJSON_GetArrayItem(nodes, 1);
    assert_true(runner_number(node, "op_id") == 8 && runner_number(node, "gpu_us") == 250 &&
                runner_number(node, "gops") == 4);
    assert_true(runner_number(node, "share") == 0.5);
    const cJSON *convolutions = cJSON_GetObjectItemCaseSensitive(root, "convolutions");
    assert_int_equal(cJSON_GetArraySize(convolutions), 2);
    const cJSON *candidates =
        cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(convolutions, 0), "candidates");
    assert_true(runner_number(cJSON_GetArrayItem(candidates, 0), "measured_us") == 11.25);
    const cJSON *memory = cJSON_GetObjectItemCaseSensitive(root, "memory");
    assert_true(runner_number(memory, "host_peak") == 6);
    assert_true(runner_number(memory, "dispatches") == 2);
    assert_true(runner_number(memory, "read") == 1024 + 2048 + 16);
    assert_true(runner_number(memory, "written") == 2048 + 16);
    cJSON_Delete(root);
    root = runner_json(*state, "x.pte --loads 3 --json", 0);
    const cJSON *loads = cJSON_GetObjectItemCaseSensitive(root, "loads");
    assert_true(runner_number(loads, "count") == 3 && runner_number(loads, "load_min_ms") >= 0);
    cJSON_Delete(root);
    root = runner_json(*state, "--list-devices --json", 0);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, "devices")), 1);
    cJSON_Delete(root);
}

static void reports_as_text(void **state)
{
    runner *f = *state;
    runner_expect(f, "x.pte --bench 5 --profile --explain --memory", 0, "");
    static const char *const parts[] = {"Fake device",
                                        "median",
                                        "conv",
                                        "50.0%",
                                        "all dispatches",
                                        "not eligible",
                                        "convolutions: 2, general 2",
                                        "host: peak of init",
                                        "dispatches: bytes written",
                                        "11.2 us measured"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(f->out, parts[i]))
            fail_msg("no '%s' in: %s", parts[i], f->out);
}

/* ---------------------------------------------------------------------- errors in JSON, streams */

static void json_tells_of_every_error(void **state)
{
    runner *f = *state;
    static const struct {
        const char *line;
        int code;
        const char *error;
    } rows[] = {
        {"--json", 1, "which model"},
        {"--bogus --json x.pte", 1, "--bogus: unknown option"},
        {"x.pte --bench 0 --json", 1, "--bench: '0'"},
        {"x.pte --json --labels l.txt", 1, "--labels needs"},
        {"x.pte --json --input none.f32", 6, "none.f32"},
        {"open-2.pte --json", 2, "fake failure 2"},
        {"load-3.pte --json", 3, "fake failure 3"},
        {"load-4.pte --json", 4, "fake failure 4"},
        {"execute-5.pte --bench 1 --json", 5, "fake failure of an execution"},
        {"torn.pte --throughput 20 --json", 7, "differs from that of one by itself"},
        {"message.pte --bench 1 --validate --json", 7, "validation: "},
        {"x.pte --library /nowhere/lib.so --json", 6, "/nowhere/lib.so"},
        {"--version --library /nowhere/lib.so --json", 6, "/nowhere/lib.so"},
        {"--json \xff\xfe.pte --input \xc3\x28", 6, "\xef\xbf\xbd("},
        {"open-2.pte --variant-\xff --json", 1, "--variant-\xef\xbf\xbd: unknown option"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cJSON *root = runner_json(f, rows[i].line, rows[i].code);
        assert_true(runner_number(root, "exit_code") == rows[i].code);
        if (!strstr(runner_string(root, "error"), rows[i].error))
            fail_msg("vkd-run %s: \"%s\" does not say \"%s\"", rows[i].line,
                     runner_string(root, "error"), rows[i].error);
        cJSON_Delete(root);
    }
    cJSON *root = runner_json(f, "x.pte --json --bench 1", 0);
    assert_null(cJSON_GetObjectItemCaseSensitive(root, "error"));
    cJSON_Delete(root);
    root = runner_json(f, "--version --json", 0);
    assert_string_equal(runner_string(root, "libvkdelegate"), "1.2.3");
    cJSON_Delete(root);
}

/* Drivers and layers print to standard output as they like. */
static void nothing_else_goes_where_the_result_goes(void **state)
{
    runner *f = *state;
    const float logits[4] = {1, 4, -2, 0};
    char path[128];
    program_write(runner_path(f, "a.f32", path), logits, sizeof logits);
    cJSON_Delete(runner_json(f, "noise.pte --input a.f32 --json", 0));
    assert_non_null(strstr(f->err, "noise of a driver"));
    runner_expect(f, "noise.pte --input a.f32 --output - --top 2", 0, "noise of a driver");
    assert_int_equal(f->out_size, sizeof logits);
    assert_memory_equal(f->out, logits, sizeof logits);
    assert_non_null(strstr(f->err, "class 1")); /* the report */
    runner_expect(f, "x.pte --input a.f32 --output - --json", 1, "cannot be used together");
    /* nothing but the message */
    runner_expect(f, "two.pte --input a.i8 --input b.f32 --output -", 6, "a.i8");
    assert_int_equal(f->out_size, 0);
}

static void a_dash_is_standard_input(void **state)
{
    runner *f = *state;
    const float logits[4] = {1, 4, -2, 0};
    char path[128];
    program_write(runner_path(f, "a.f32", path), logits, sizeof logits);
    program_write(runner_path(f, "labels.txt", path), "one\ntwo words\nthree\nfour\n", 25);
    const runner_how tensor = {.from = runner_path(f, "a.f32", path)};
    assert_int_equal(runner_run(f, &tensor, "x.pte --input - --output -"), 0);
    assert_memory_equal(f->out, logits, sizeof logits);
    assert_int_equal(runner_run(f, &tensor, "two.pte --input - --input b.f32"), 1);
    assert_non_null(strstr(f->err, "standard input: has 16 bytes, but input 0 is i8 5"));
    /* a program of 16 bytes, for the fake plug-in */
    assert_int_equal(runner_run(f, &tensor, "- --bench 1"), 0);
    assert_non_null(strstr(f->out, "- on Fake device"));
    assert_int_equal(runner_run(f, &tensor, "- --input -"), 1);
    assert_non_null(strstr(f->err, "given 2 times"));
    char labels_path[128];
    const runner_how labels = {.from = runner_path(f, "labels.txt", labels_path)};
    assert_int_equal(runner_run(f, &labels, "x.pte --input a.f32 --labels - --top 1"), 0);
    assert_non_null(strstr(f->out, "two words"));
}

/* From here on: the library that was built, found beside vkd-run. */
static const runner_how real = {.library = ""};

static bool have_device(runner *f)
{
    int code = runner_run(f, &real, "--list-devices");
    if (code != 0 && code != 4)
        fail_msg("vkd-run --list-devices: exit code %d: %s", code, f->err);
    return code == 0;
}

static void the_real_library_is_found_and_runs(void **state)
{
    runner *f = *state;
    char path[256];
    float got[405], expected[405];
    if (!have_device(f))
        test_skip("there is no Vulkan device");
    int code =
        runner_run(f, &real,
                   VKD_MODELS "/tiny/add_only_c5_9x9/model.pte --no-cache --input " VKD_MODELS
                              "/tiny/add_only_c5_9x9/input0.f32 --input " VKD_MODELS
                              "/tiny/add_only_c5_9x9/input1.f32 --output out.f32");
    if (code)
        fail_msg("exit code %d: %s", code, f->err);
    snprintf(path, sizeof path, "%s/out.f32", f->folder);
    assert_int_equal(runner_read(path, got, sizeof got), sizeof got);
    runner_read(VKD_MODELS "/tiny/add_only_c5_9x9/expected-delegate.f32", expected,
                sizeof expected);
    for (int i = 0; i < 405; i++)
        if (fabsf(got[i] - expected[i]) > 0.05f) /* less than two steps of its scale */
            fail_msg("element %d: %g, expected %g", i, (double)got[i], (double)expected[i]);
}

static void the_real_library_refuses(void **state)
{
    runner *f = *state;
    char path[128];
    program_write(runner_path(f, "text.pte", path),
                  "this is no program at all, but it is long enough for a header of one", 68);
    assert_int_equal(runner_run(f, &real, "text.pte"), 2);
    assert_int_equal(runner_run(f, &real, "none.pte"), 6);
    assert_non_null(strstr(f->err, "none.pte"));
    static const char *const kernels[] = {"made::up.out"};
    size_t size, blob_size;
    void *blob = blob_finish(blob_new(), &blob_size);
    void *file = blob_wrap_pte(
        &(blob_pte){.blob = blob, .blob_size = blob_size, .kernels = kernels, .kernel_count = 1},
        &size);
    program_write(runner_path(f, "kernel.pte", path), file, size);
    free(file);
    free(blob);
    assert_int_equal(runner_run(f, &real, "kernel.pte"), 3);
    assert_non_null(strstr(f->err, "made::up.out"));
}

static void messages_name_options_and_files(void **state)
{
    runner *f = *state;
    char path[128];
    assert_int_equal(
        runner_run(f, &real, VKD_MODELS "/tiny/add_only_c5_9x9/model.pte --variant fastest"), 1);
    assert_non_null(strstr(
        f->err, "--variant is 'fastest', no such variant: there are the families general, "));
    assert_null(strstr(f->err, "vkd_options"));
    static const struct {
        const char *name, *bytes;
        size_t size;
        const char *message;
    } files[] = {
        {"pointer.pte", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", 55,
         "looks like a Git LFS pointer"},
        {"page.pte", "<!DOCTYPE html><html></html>", 28, "looks like a web page"},
        {"archive.pte", "PK\003\004aaaaaaaaaaaa", 16, "looks like a zip archive"},
        {"lite.pte", "\034\000\000\000TFL3aaaaaaaaaaaa", 20, "looks like a TensorFlow Lite model"},
        {"empty.pte", "", 0, "0 bytes"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        program_write(runner_path(f, files[i].name, path), files[i].bytes, files[i].size);
        assert_int_equal(runner_run(f, &real, files[i].name), 2);
        if (!strstr(f->err, files[i].name) || !strstr(f->err, files[i].message))
            fail_msg("'%s' does not name %s or say '%s'", f->err, files[i].name, files[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_codes),
        cmocka_unit_test(options_without_effect_are_refused),
        cmocka_unit_test(json_tells_of_every_error),
        cmocka_unit_test(nothing_else_goes_where_the_result_goes),
        cmocka_unit_test(a_dash_is_standard_input),
        cmocka_unit_test(a_library_of_another_abi_is_refused),
        cmocka_unit_test(the_library_option_wins_over_the_environment),
        cmocka_unit_test(help_explains),
        cmocka_unit_test(raw_tensors_go_in_and_out),
        cmocka_unit_test(data_files_are_given_to_the_program),
        cmocka_unit_test(a_failed_write_leaves_the_old_file),
        cmocka_unit_test(a_full_disk_on_stdout_is_an_error),
        cmocka_unit_test(labels_and_top),
        cmocka_unit_test(bench_statistics),
        cmocka_unit_test(throughput_of_requests),
        cmocka_unit_test(reports_as_json),
        cmocka_unit_test(reports_as_text),
        cmocka_unit_test(the_real_library_is_found_and_runs),
        cmocka_unit_test(the_real_library_refuses),
        cmocka_unit_test(messages_name_options_and_files),
    };
    return cmocka_run_group_tests(tests, runner_setup, runner_teardown);
}
