/* vkd-run as a program: exit codes, messages, files and reports. Most of it runs with test/fake_plugin.c and needs no device;
 * the last tests use the real library. */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <stb_image_write.h>

#include "backend/vkdelegate.h"
#include "support/skip.h"

enum { MAX_ARGUMENTS = 24, MAX_TEXT = 1 << 16 };

typedef struct fixture {
    char folder[64];
    char out[MAX_TEXT], err[MAX_TEXT]; /* of the last run */
} fixture;

static char *in_folder(const fixture *f, const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", f->folder, name);
    return path;
}

static size_t read_file(const char *path, void *data, size_t capacity)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(data, 1, capacity, file);
    fclose(file);
    return size;
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void redirect(const char *path, int to)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || dup2(fd, to) < 0)
        _exit(126);
}

/* Runs vkd-run with the arguments in `line`, split at blanks, in the fixture's folder. Returns the exit code; out and err are
 * filled. stdout_path null: captured. */
static int run_to(fixture *f, const char *stdout_path, const char *library, const char *line)
{
    char copy[1024], *arguments[MAX_ARGUMENTS + 1] = {VKD_RUN}, out[128], err[128];
    int count = 1, status;
    assert_true(strlen(line) < sizeof copy);
    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word && count < MAX_ARGUMENTS; word = strtok(NULL, " "))
        arguments[count++] = word;
    in_folder(f, "stdout.txt", out);
    in_folder(f, "stderr.txt", err);
    write_file(out, "", 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        redirect(stdout_path ? stdout_path : out, 1);
        redirect(err, 2);
        if (library)
            setenv("VKD_LIBRARY", library, 1);
        else
            unsetenv("VKD_LIBRARY");
        if (chdir(f->folder))
            _exit(126);
        execv(VKD_RUN, arguments);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    f->out[read_file(out, f->out, MAX_TEXT - 1)] = 0;
    f->err[read_file(err, f->err, MAX_TEXT - 1)] = 0;
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int run(fixture *f, const char *line) { return run_to(f, NULL, VKD_FAKE_PLUGIN, line); }

static void expect_code(fixture *f, const char *line, int code, const char *message)
{
    int got = run(f, line);
    if (got != code || !strstr(f->err, message))
        fail_msg("vkd-run %s: exit code %d, expected %d with '%s'; stderr: %s", line, got, code, message, f->err);
    if (code && strncmp(f->err, "vkd-run: ", 9))
        fail_msg("vkd-run %s: the message has no prefix: %s", line, f->err);
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    strcpy(f->folder, "/tmp/vkd-runner-XXXXXX");
    *state = f;
    return mkdtemp(f->folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    int result = system(command);
    free(f);
    return result;
}

static void exit_codes(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *line;
        int code;
        const char *message;
    } rows[] = {
        {"", 1, "which model"},
        {"x.pte --bogus", 1, "--bogus"},
        {"x.pte --bench", 1, "missing argument"},
        {"x.pte --bench -3", 1, "--bench"},
        {"x.pte --bench many", 1, "many"},
        {"x.pte --throughput", 1, "missing argument"},
        {"x.pte --throughput -3", 1, "--throughput"},
        {"x.pte --throughput 5 --in-flight 0", 1, "--in-flight: must be 1 to 64"},
        {"x.pte --throughput 5 --in-flight 65", 1, "--in-flight: must be 1 to 64"},
        {"x.pte --throughput 5 --in-flight -1", 1, "--in-flight"},
        {"x.pte --throughput 5 --in-flight some", 1, "some"},
        {"execute-5.pte --throughput 2", 5, "fake failure of a submission"},
        {"torn.pte --throughput 20", 7, "output 0 of an execution among 8 in flight differs from that of one by itself"},
        {"torn.pte --throughput 20 --in-flight 1", 0, ""},
        {"x.pte --mean 1,2", 1, "--mean"},
        {"x.pte --std 0", 1, "--std"},
        {"x.pte --std nan", 1, "--std"},
        {"x.pte --int8-dot fast", 1, "--int8-dot: 'fast' is none of auto,none,signed,mixed"},
        {"x.pte --int8-dot signe", 1, "none of"},
        {"x.pte --select best", 1, "--select: 'best' is none of auto,measure"},
        {"x.pte --select measure --measure-ms -1", 1, "--measure-ms"},
        {"x.pte --input a --input b", 1, "--input is given 2 times"},
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
        {"x.pte --labels none.txt --input a", 6, "none.txt"},
        {"x.pte --library /nowhere/lib.so", 6, "/nowhere/lib.so"},
        {"message.pte --bench 1", 0, "fake validation message"},
        {"message.pte --bench 1 --validate", 7, "validation: "},
        {"--list-devices", 0, ""},
        {"x.pte", 0, ""},
        {"x.pte --device a --device b --mean 1 --mean 2", 0, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_code(f, rows[i].line, rows[i].code, rows[i].message);
}

static void a_library_of_another_abi_is_refused(void **state)
{
    fixture *f = *state;
    assert_int_equal(run_to(f, NULL, VKD_FAKE_PLUGIN_ABI, "x.pte"), 6);
    assert_non_null(strstr(f->err, "plug-in ABI 99"));
    assert_int_equal(run_to(f, NULL, VKD_FAKE_PLUGIN_SIZE, "x.pte"), 6);
    assert_non_null(strstr(f->err, "older than this vkd-run"));
    assert_int_equal(run_to(f, NULL, "libm.so.6", "x.pte"), 6);
    assert_non_null(strstr(f->err, "is no vkdelegate library"));
}

static void the_library_option_wins_over_the_environment(void **state)
{
    fixture *f = *state;
    assert_int_equal(run_to(f, NULL, "/nowhere/lib.so", "--list-devices --library " VKD_FAKE_PLUGIN), 0);
    assert_non_null(strstr(f->out, "Fake device"));
}

static void help_explains(void **state)
{
    fixture *f = *state;
    static const char *const parts[] = {"Usage: vkd-run", "--input",   "--bench",    "--throughput",
                                        "--in-flight",    "--profile", "Exit codes", "Examples"};
    assert_int_equal(run(f, "--help"), 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        assert_non_null(strstr(f->out, parts[i]));
    assert_int_equal(run(f, "--version"), 0);
    assert_non_null(strstr(f->out, "libvkdelegate 1.2.3"));
}

static void raw_tensors_go_in_and_out(void **state)
{
    fixture *f = *state;
    const float logits[4] = {1, 4, -2, 0};
    const int8_t bytes[5] = {-128, 127, 0, 1, -1};
    float floats[2] = {0.5f, -3}, got[4];
    int8_t got_bytes[8];
    char path[128];
    write_file(in_folder(f, "a.f32", path), logits, sizeof logits);
    expect_code(f, "x.pte --input a.f32 --output out.f32", 0, "");
    assert_int_equal(read_file(in_folder(f, "out.f32", path), got, sizeof got), sizeof got);
    assert_memory_equal(got, logits, sizeof logits);
    assert_non_null(strstr(f->out, "min -2, max 4, mean 0.75"));

    write_file(in_folder(f, "a.i8", path), bytes, sizeof bytes);
    write_file(in_folder(f, "b.f32", path), floats, sizeof floats);
    expect_code(f, "two.pte --input a.i8 --input b.f32 --output out.f32", 0, "");
    assert_int_equal(read_file(in_folder(f, "out.0.f32", path), got_bytes, sizeof got_bytes), sizeof bytes);
    assert_memory_equal(got_bytes, bytes, sizeof bytes);
    assert_int_equal(read_file(in_folder(f, "out.1.f32", path), got, sizeof got), sizeof floats);
    assert_memory_equal(got, floats, sizeof floats);
    expect_code(f, "two.pte --input b.f32 --input a.i8", 1, "b.f32: has 8 bytes, but input 0 is i8 5 and needs exactly 5");
    expect_code(f, "x.pte --input b.f32", 1, "needs exactly 16");
}

static void a_failed_write_leaves_the_old_file(void **state)
{
    fixture *f = *state;
    const float logits[4] = {1, 4, -2, 0};
    char path[128], old[8];
    struct stat status;
    write_file(in_folder(f, "a.f32", path), logits, sizeof logits);
    expect_code(f, "x.pte --input a.f32 --output /dev/full", 6, "/dev/full");
    assert_int_equal(stat("/dev/full", &status), 0);
    assert_true(S_ISCHR(status.st_mode));
    expect_code(f, "x.pte --input a.f32 --output none/out.f32", 6, "none/out.f32");

    write_file(in_folder(f, "out.f32", path), "old", 3);
    assert_int_equal(chmod(path, 0640), 0);
    expect_code(f, "execute-5.pte --input a.f32 --output out.f32", 5, "");
    assert_int_equal(read_file(path, old, sizeof old), 3);
    expect_code(f, "x.pte --input a.f32 --output out.f32", 0, "");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 16);
    assert_int_equal(status.st_mode & 0777, 0640);
}

static void a_full_disk_on_stdout_is_an_error(void **state)
{
    fixture *f = *state;
    assert_int_equal(run_to(f, "/dev/full", VKD_FAKE_PLUGIN, "x.pte"), 6);
    assert_int_equal(run_to(f, "/dev/full", VKD_FAKE_PLUGIN, "x.pte --json"), 6);
    assert_int_equal(run_to(f, "/dev/full", VKD_FAKE_PLUGIN, "--help"), 6);
}

/* The formula of PyTorch's interpolate(mode="bilinear", align_corners=False), in double. */
static double bilinear(const uint8_t *pixels, int width, int height, int channels, int channel, int y, int x, int to_height,
                       int to_width)
{
    double at_y = fmax((y + 0.5) * height / to_height - 0.5, 0), at_x = fmax((x + 0.5) * width / to_width - 0.5, 0);
    int y0 = (int)at_y, x0 = (int)at_x;
    int y1 = y0 + 1 < height ? y0 + 1 : y0, x1 = x0 + 1 < width ? x0 + 1 : x0;
    double v = at_y - y0, u = at_x - x0;
#define PIXEL(row, column) pixels[((row)*width + (column)) * channels + channel]
    return (1 - v) * ((1 - u) * PIXEL(y0, x0) + u * PIXEL(y0, x1)) + v * ((1 - u) * PIXEL(y1, x0) + u * PIXEL(y1, x1));
#undef PIXEL
}

static void check_image(fixture *f, int width, int height, int channels)
{
    static const double mean[3] = {0.1, 0.2, 0.3}, std[3] = {0.5, 0.25, 2};
    uint8_t pixels[40 * 40 * 4];
    float got[3 * 4 * 6];
    char path[128];
    for (int i = 0; i < width * height * channels; i++)
        pixels[i] = (uint8_t)(rand() & 255);
    assert_true(stbi_write_png(in_folder(f, "image.png", path), width, height, channels, pixels, width * channels));
    expect_code(f, "image.pte image.png --mean 0.1,0.2,0.3 --std 0.5,0.25,2 --output out.f32", 0, "");
    assert_int_equal(read_file(in_folder(f, "out.f32", path), got, sizeof got), sizeof got);
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < 24; i++) {
            int channel = channels <= 2 ? 0 : c;
            double value = bilinear(pixels, width, height, channels, channel, i / 6, i % 6, 4, 6);
            double expected = (value / 255 - mean[c]) / std[c];
            if (fabs((double)got[c * 24 + i] - expected) > 1e-5)
                fail_msg("%dx%dx%d, channel %d, element %d: %g, expected %g", width, height, channels, c, i,
                         (double)got[c * 24 + i], expected);
        }
    }
}

static void images_are_resized_as_pytorch_does(void **state)
{
    fixture *f = *state;
    static const int sizes[][2] = {{6, 4}, {1, 1}, {3, 2}, {13, 17}, {40, 40}, {1, 7}};
    const char *text = getenv("VKD_TEST_SEED");
    unsigned seed = text ? (unsigned)strtoul(text, NULL, 0) : 20240611u;
    print_message("seed %u\n", seed);
    srand(seed);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int channels = 1; channels <= 4; channels++)
            check_image(f, sizes[i][0], sizes[i][1], channels);
}

/* A model whose input has its channels last gets the same numbers in that order. */
static void images_in_another_order(void **state)
{
    fixture *f = *state;
    uint8_t pixels[4 * 6 * 3];
    float planes[72], last[72];
    char path[128];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(rand() & 255);
    assert_true(stbi_write_png(in_folder(f, "image.png", path), 6, 4, 3, pixels, 18));
    expect_code(f, "image.pte image.png --output out.f32", 0, "");
    assert_int_equal(read_file(in_folder(f, "out.f32", path), planes, sizeof planes), sizeof planes);
    expect_code(f, "last.pte image.png --output out.f32", 0, "");
    assert_int_equal(read_file(in_folder(f, "out.f32", path), last, sizeof last), sizeof last);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 24; i++)
            assert_true(last[i * 3 + c] == planes[c * 24 + i]);
    expect_code(f, "last.pte --input out.f32 --output out.f32", 0, "");
    write_file(in_folder(f, "short.f32", path), last, 4);
    expect_code(f, "last.pte --input short.f32", 1, "f32 1x3x4x6 in the order 0,2,3,1");
}

static void gray_and_broken_images(void **state)
{
    fixture *f = *state;
    const uint8_t colour[3] = {200, 100, 50};
    uint8_t file[256];
    float got[72];
    char path[128];
    assert_true(stbi_write_png(in_folder(f, "colour.png", path), 1, 1, 3, colour, 3));
    expect_code(f, "image.pte colour.png --gray --mean 0 --std 1 --output out.f32", 0, "");
    read_file(in_folder(f, "out.f32", path), got, sizeof got);
    assert_true(got[0] == got[24] && got[0] == got[48]);
    assert_true(got[0] * 255 > 110 && got[0] * 255 < 130); /* about 0.30 r + 0.59 g + 0.11 b = 124 */
    expect_code(f, "gray.pte colour.png --mean 0 --std 1 --output out.f32", 0, "");
    assert_true(read_file(in_folder(f, "out.f32", path), got, sizeof got) == 96);

    size_t size = read_file(in_folder(f, "colour.png", path), file, sizeof file);
    write_file(in_folder(f, "cut.png", path), file, size / 2);
    expect_code(f, "image.pte cut.png", 6, "cut.png: not an image");
    write_file(in_folder(f, "text.png", path), "no image", 8);
    expect_code(f, "image.pte text.png", 6, "text.png: not an image");
}

static void labels_and_top(void **state)
{
    fixture *f = *state;
    const float logits[4] = {1, 4, -2, 0};
    char path[128];
    write_file(in_folder(f, "a.f32", path), logits, sizeof logits);
    write_file(in_folder(f, "labels.txt", path), "one\r\ntwo words\nthree\nfour\n\n", 28);
    expect_code(f, "x.pte --input a.f32 --labels labels.txt --top 1", 0, "");
    /* softmax: 1 / (1 + e^-3 + e^-6 + e^-4) = 0.9341 */
    assert_non_null(strstr(f->out, "two words"));
    assert_non_null(strstr(f->out, "93.41 %"));
    assert_null(strstr(f->out, "three"));
    expect_code(f, "x.pte --input a.f32 --top 9", 0, "");
    assert_non_null(strstr(f->out, "class 2"));
    write_file(in_folder(f, "labels.txt", path), "one\ntwo\n", 8);
    expect_code(f, "x.pte --input a.f32 --labels labels.txt", 1, "there are 2 labels, but the model has 4 classes");
}

static cJSON *json_of(fixture *f, const char *line)
{
    expect_code(f, line, 0, "");
    cJSON *root = cJSON_ParseWithOpts(f->out, NULL, true);
    if (!root)
        fail_msg("vkd-run %s: stdout is no JSON: %s", line, f->out);
    return root;
}

static double json_number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!cJSON_IsNumber(item))
        fail_msg("no number '%s'", name);
    return item->valuedouble;
}

static void bench_statistics(void **state)
{
    /* The fake GPU takes as many milliseconds as it has run, the warm-up included. */
    cJSON *root = json_of(*state, "x.pte --bench 10 --json");
    double warmup = json_number(root, "warmup_runs");
    assert_true(warmup >= 3);
    assert_true(fabs(json_number(root, "gpu_min_ms") - (warmup + 1)) < 1e-9);
    assert_true(fabs(json_number(root, "gpu_median_ms") - (warmup + 5.5)) < 1e-9);
    assert_true(fabs(json_number(root, "gpu_p90_ms") - (warmup + 9)) < 1e-9);
    assert_true(json_number(root, "init_ms") >= 0);
    assert_true(json_number(root, "min_ms") <= json_number(root, "median_ms"));
    assert_true(json_number(root, "median_ms") <= json_number(root, "p90_ms"));
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(root, "device")->valuestring, "Fake device");
    cJSON_Delete(root);
}

static void throughput_of_requests(void **state)
{
    fixture *f = *state;
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
        cJSON *root = json_of(f, rows[i].line);
        const cJSON *throughput = cJSON_GetObjectItemCaseSensitive(root, "throughput");
        double per_second = json_number(throughput, "per_second");
        assert_true(json_number(throughput, "executions") == rows[i].executions && per_second > 0);
        assert_true(json_number(throughput, "in_flight") == rows[i].in_flight);
        assert_true(fabs(json_number(throughput, "images_per_second") / per_second - rows[i].batch) < 1e-9);
        cJSON_Delete(root);
    }
    expect_code(f, "x.pte --throughput 5", 0, "");
    assert_non_null(strstr(f->out, "5 executions, 8 in flight: "));
    assert_null(strstr(f->out, "images"));
    expect_code(f, "batch.pte --throughput 5", 0, "");
    assert_non_null(strstr(f->out, "images a second"));
}

static void reports_as_json(void **state)
{
    cJSON *root = json_of(*state, "x.pte --profile --explain --memory --json");
    const cJSON *nodes = cJSON_GetObjectItemCaseSensitive(root, "profile");
    assert_int_equal(cJSON_GetArraySize(nodes), 2);
    const cJSON *node = cJSON_GetArrayItem(nodes, 1);
    assert_true(json_number(node, "op_id") == 8 && json_number(node, "gpu_us") == 250 && json_number(node, "gops") == 4);
    assert_true(json_number(node, "share") == 0.5);
    const cJSON *convolutions = cJSON_GetObjectItemCaseSensitive(root, "convolutions");
    assert_int_equal(cJSON_GetArraySize(convolutions), 2);
    const cJSON *candidates = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(convolutions, 0), "candidates");
    assert_true(json_number(cJSON_GetArrayItem(candidates, 0), "measured_us") == 11.25);
    assert_true(json_number(cJSON_GetObjectItemCaseSensitive(root, "memory"), "host_peak") == 6);
    cJSON_Delete(root);
    root = json_of(*state, "--list-devices --json");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, "devices")), 1);
    cJSON_Delete(root);
}

static void reports_as_text(void **state)
{
    fixture *f = *state;
    expect_code(f, "x.pte --bench 5 --profile --explain --memory", 0, "");
    static const char *const parts[] = {"Fake device",
                                        "median",
                                        "conv",
                                        "50.0%",
                                        "all dispatches",
                                        "not eligible",
                                        "convolutions: 2, general 2",
                                        "host: peak of init",
                                        "11.2 us measured"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(f->out, parts[i]))
            fail_msg("no '%s' in: %s", parts[i], f->out);
}

/* From here on: the library that was built, found beside vkd-run. */
static bool have_device(fixture *f)
{
    int code = run_to(f, NULL, NULL, "--list-devices");
    if (code != 0 && code != 4)
        fail_msg("vkd-run --list-devices: exit code %d: %s", code, f->err);
    return code == 0;
}

static void the_real_library_is_found_and_runs(void **state)
{
    fixture *f = *state;
    char path[256];
    float got[405], expected[405];
    if (!have_device(f)) {
        test_skip("there is no Vulkan device");
    }
    int code = run_to(f, NULL, NULL,
                      VKD_MODELS "/tiny/add_only_c5_9x9/model.pte --no-cache --input " VKD_MODELS
                                 "/tiny/add_only_c5_9x9/input0.f32 --input " VKD_MODELS
                                 "/tiny/add_only_c5_9x9/input1.f32 --output out.f32");
    if (code)
        fail_msg("exit code %d: %s", code, f->err);
    snprintf(path, sizeof path, "%s/out.f32", f->folder);
    assert_int_equal(read_file(path, got, sizeof got), sizeof got);
    read_file(VKD_MODELS "/tiny/add_only_c5_9x9/expected-delegate.f32", expected, sizeof expected);
    for (int i = 0; i < 405; i++)
        if (fabsf(got[i] - expected[i]) > 0.05f) /* less than two steps of its scale */
            fail_msg("element %d: %g, expected %g", i, (double)got[i], (double)expected[i]);
}

static void the_real_library_refuses(void **state)
{
    fixture *f = *state;
    char path[128];
    write_file(in_folder(f, "text.pte", path), "this is no program at all, but it is long enough for a header of one", 68);
    assert_int_equal(run_to(f, NULL, NULL, "text.pte"), 2);
    assert_int_equal(run_to(f, NULL, NULL, "none.pte"), 6);
    assert_non_null(strstr(f->err, "none.pte"));
    assert_int_equal(run_to(f, NULL, NULL, VKD_MODELS "/tiny/mean_linear_c12o7_13x13/model.pte"), 3);
    assert_non_null(strstr(f->err, "aten::mean"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_codes),
        cmocka_unit_test(a_library_of_another_abi_is_refused),
        cmocka_unit_test(the_library_option_wins_over_the_environment),
        cmocka_unit_test(help_explains),
        cmocka_unit_test(raw_tensors_go_in_and_out),
        cmocka_unit_test(a_failed_write_leaves_the_old_file),
        cmocka_unit_test(a_full_disk_on_stdout_is_an_error),
        cmocka_unit_test(images_are_resized_as_pytorch_does),
        cmocka_unit_test(images_in_another_order),
        cmocka_unit_test(gray_and_broken_images),
        cmocka_unit_test(labels_and_top),
        cmocka_unit_test(bench_statistics),
        cmocka_unit_test(throughput_of_requests),
        cmocka_unit_test(reports_as_json),
        cmocka_unit_test(reports_as_text),
        cmocka_unit_test(the_real_library_is_found_and_runs),
        cmocka_unit_test(the_real_library_refuses),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
