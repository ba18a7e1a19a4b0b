/* eval-fashion: accuracy of a model trained on Fashion-MNIST, on the public header alone. It reads
 * the test images of Debian's package dataset-fashion-mnist and compares the labels with the data
 * set's and, with --logits, with those of a reference. */
#include <errno.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "vkdelegate.h"

enum { SIDE = 28, PIXELS = SIDE * SIDE, CLASSES = 10, IMAGES = 10000 };
/* exit code without a device or a data set, by which the test suite knows that it must skip this */
enum { CANNOT_RUN = 4 };

typedef struct eval_options {
    char *model, *data, *logits, *device;
    int start, count;
    double min_top1, min_agreement; /* percent; negative: not asked for */
} eval_options;

typedef struct test_set {
    uint8_t *pixels; /* count images */
    uint8_t *labels;
    float *logits;  /* null without --logits */
    bool is_absent; /* a file of the data set is not there */
} test_set;

typedef struct eval_score {
    int right, agreeing;
    double seconds;
} eval_score;

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "eval-fashion: %s: %s\n", what, why);
    return 1;
}

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static uint32_t big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Reads items start .. start+count of a gzipped IDX file of bytes: a magic number whose last byte
 * is the rank, the dimensions as big-endian 32-bit numbers, the bytes. */
static uint8_t *read_idx(const char *name, uint32_t rank, size_t item_size,
                         const eval_options *options, bool *out_absent)
{
    char path[4096];
    uint8_t header[16];
    unsigned header_size = 4 + 4 * rank, size = (unsigned)((size_t)options->count * item_size);
    snprintf(path, sizeof path, "%s/%s", options->data, name);
    gzFile file = gzopen(path, "rb");
    *out_absent = !file && errno == ENOENT;
    uint8_t *bytes = malloc(size);
    if (!file || !bytes) {
        fail(path,
             file ? "out of memory" : "cannot be read (Debian package dataset-fashion-mnist)");
    } else if (gzread(file, header, header_size) != (int)header_size ||
               big_endian(header) != (0x800 | rank) || big_endian(header + 4) != IMAGES) {
        fail(path, "not the IDX file that is expected");
    } else if (gzseek(file, (z_off_t)(header_size + (size_t)options->start * item_size), SEEK_SET) <
                   0 ||
               gzread(file, bytes, size) != (int)size) {
        fail(path, "too short");
    } else {
        gzclose(file);
        return bytes;
    }
    if (file)
        gzclose(file);
    free(bytes);
    return NULL;
}

static float *read_logits(const eval_options *options)
{
    size_t count = (size_t)options->count * CLASSES;
    float *logits = malloc(count * sizeof *logits);
    FILE *file = fopen(options->logits, "rb");
    bool good = file && logits &&
                !fseek(file, (long)options->start * CLASSES * (long)sizeof *logits, SEEK_SET) &&
                fread(logits, sizeof *logits, count, file) == count;
    if (file)
        fclose(file);
    if (good)
        return logits;
    fail(options->logits, "cannot be read, or holds too few logits");
    free(logits);
    return NULL;
}

static int read_data(const eval_options *options, test_set *out)
{
    out->pixels = read_idx("t10k-images-idx3-ubyte.gz", 3, PIXELS, options, &out->is_absent);
    out->labels =
        out->pixels ? read_idx("t10k-labels-idx1-ubyte.gz", 1, 1, options, &out->is_absent) : NULL;
    if (out->labels && options->logits)
        out->logits = read_logits(options);
    return out->labels && (!options->logits || out->logits) ? 0 : out->is_absent ? CANNOT_RUN : 1;
}

/* Where output coordinate i of `to` lies between two of SIDE: bilinear, half-pixel centres. */
static int sample(int i, int to, float *out_weight)
{
    float at = ((float)i + 0.5f) * SIDE / (float)to - 0.5f;
    int low = at < 0 ? 0 : (int)at;
    low = low > SIDE - 2 ? SIDE - 2 : low;
    *out_weight = at < 0 ? 0 : at > SIDE - 1 ? 1 : at - (float)low;
    return low;
}

/* (value/255 - 0.2860)/0.3530, resized to height x width, the same in each channel. */
static void preprocess(const uint8_t *pixels, const vkd_tensor_info *info, float *out)
{
    int height = (int)info->dims[2], width = (int)info->dims[3];
    size_t plane = (size_t)height * (size_t)width;
    float normal[PIXELS], u, v;
    for (int i = 0; i < PIXELS; i++)
        normal[i] = ((float)pixels[i] / 255 - 0.2860f) / 0.3530f;
    for (int y = 0; y < height; y++) {
        const float *row = normal + sample(y, height, &v) * SIDE;
        for (int x = 0; x < width; x++) {
            const float *at = row + sample(x, width, &u);
            float top = (1 - u) * at[0] + u * at[1], bottom = (1 - u) * at[SIDE] + u * at[SIDE + 1];
            out[y * width + x] = (1 - v) * top + v * bottom;
        }
    }
    for (int64_t channel = 1; channel < info->dims[1]; channel++)
        memcpy(out + (size_t)channel * plane, out, plane * sizeof *out);
}

static int largest(const float *values)
{
    int best = 0;
    for (int i = 1; i < CLASSES; i++)
        if (values[i] > values[best])
            best = i;
    return best;
}

static int check_model(const vkd_method *method, vkd_tensor_info *input)
{
    vkd_tensor_info output;
    if (vkd_method_input_count(method) != 1 || vkd_method_input_info(method, 0, input) != VKD_OK ||
        input->rank != 4 || input->dtype != VKD_DTYPE_FLOAT32 || input->dims[0] != 1)
        return fail("model", "the input must be one f32 tensor 1xCxHxW");
    if (vkd_method_output_count(method) != 1 ||
        vkd_method_output_info(method, 0, &output) != VKD_OK || output.dtype != VKD_DTYPE_FLOAT32 ||
        output.size != CLASSES * sizeof(float))
        return fail("model", "the output must be one f32 tensor of 10 values");
    return 0;
}

static vkd_status execute(vkd_method *method, const vkd_tensor_info *input, const float *tensor,
                          float logits[CLASSES])
{
    vkd_tensor_arg args[2] = {
        {sizeof args[0], VKD_DTYPE_FLOAT32, input->rank, {0}, tensor, NULL, input->size},
        {sizeof args[1], VKD_DTYPE_FLOAT32, 0, {0}, NULL, logits, CLASSES * sizeof *logits},
    };
    memcpy(args[0].dims, input->dims, sizeof args[0].dims);
    return vkd_method_execute(method, args, 2);
}

static int evaluate(vkd_method *method, const eval_options *options, const test_set *set,
                    eval_score *out)
{
    vkd_tensor_info input;
    int result = check_model(method, &input);
    float *tensor = result ? NULL : malloc(input.size);
    if (!tensor)
        return result ? result : fail("input", "out of memory");
    float logits[CLASSES];
    double start = now_seconds();
    for (int i = 0; i < options->count && !result; i++) {
        preprocess(set->pixels + (size_t)i * PIXELS, &input, tensor);
        vkd_status status = execute(method, &input, tensor, logits);
        if (status != VKD_OK) {
            result = fail(vkd_status_name(status), vkd_method_error(method));
            break;
        }
        int class = largest(logits);
        out->right += class == set->labels[i];
        out->agreeing += set->logits && class == largest(set->logits + (size_t)i * CLASSES);
        if (isatty(STDERR_FILENO) && (i + 1) % 10 == 0)
            fprintf(stderr, "\r%d/%d ...\033[K", i + 1, options->count);
    }
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    out->seconds = now_seconds() - start;
    free(tensor);
    return result;
}

static int run(const eval_options *options, const test_set *set, eval_score *out)
{
    /* A CPU implementation compiles its shaders in the first execution, which takes seconds, and
     * more on a busy machine. */
    vkd_options how = {.size = sizeof how, .device = options->device, .timeout_ms = 120000};
    vkd_program *program = NULL;
    vkd_method *method = NULL;
    vkd_status status = vkd_program_open(options->model, &how, &program);
    if (status == VKD_OK)
        status = vkd_method_load(program, NULL, &how, &method);
    int result = status == VKD_OK ? 0 : fail(options->model, vkd_status_name(status));
    if (status == VKD_NO_DEVICE)
        result = CANNOT_RUN;
    if (!result) {
        printf("device: %s\n", vkd_delegate_device(vkd_method_delegate(method))->name);
        result = evaluate(method, options, set, out);
    }
    vkd_method_unload(method);
    vkd_program_close(program);
    return result;
}

static int report(const eval_options *options, const eval_score *score)
{
    double top1 = 100.0 * score->right / options->count,
           agreement = 100.0 * score->agreeing / options->count;
    printf("images: %d, from number %d\n", options->count, options->start);
    printf("top-1: %.2f %% (%d)\n", top1, score->right);
    if (options->logits)
        printf("label agreement with %s: %.2f %% (%d)\n", options->logits, agreement,
               score->agreeing);
    printf("images/s: %.2f, preprocessing included\n", options->count / score->seconds);
    if (top1 < options->min_top1)
        return fail("top-1", "below --min-top1");
    if (options->logits && agreement < options->min_agreement)
        return fail("label agreement", "below --min-agreement");
    return 0;
}

static int parse(int argc, const char **argv, eval_options *out, poptContext *context)
{
    const struct poptOption table[] = {
        {"model", 'm', POPT_ARG_STRING, &out->model, 0, "the program to evaluate", "PTE"},
        {"count", 'n', POPT_ARG_INT, &out->count, 0,
         "how many test images (default: all from --start on)", "N"},
        {"start", 's', POPT_ARG_INT, &out->start, 0, "number of the first image (default: 0)", "K"},
        {"logits", 'l', POPT_ARG_STRING, &out->logits, 0,
         "reference: 10 float32 for each of the 10000 images", "FILE"},
        {"device", 'd', POPT_ARG_STRING, &out->device, 0,
         "number or part of the name of the device", "DEVICE"},
        {"data", 0, POPT_ARG_STRING, &out->data, 0,
         "folder of t10k-*.gz (default: /usr/share/datasets/fashion-mnist)", "FOLDER"},
        {"min-top1", 0, POPT_ARG_DOUBLE, &out->min_top1, 0, "fail below this accuracy", "PERCENT"},
        {"min-agreement", 0, POPT_ARG_DOUBLE, &out->min_agreement, 0,
         "fail below this label agreement", "PERCENT"},
        POPT_AUTOHELP POPT_TABLEEND,
    };
    *context = poptGetContext("eval-fashion", argc, argv, table, 0);
    int code = *context ? poptGetNextOpt(*context) : POPT_ERROR_MALLOC;
    if (code < -1)
        return fail(*context ? poptBadOption(*context, POPT_BADOPTION_NOALIAS) : "options",
                    poptStrerror(code));
    if (!out->model || poptPeekArg(*context))
        return fail("usage",
                    "eval-fashion --model PTE [--count N] [--start K] [--logits FILE] ...");
    if (out->start < 0 || out->start >= IMAGES || out->count < 0 ||
        out->count > IMAGES - out->start)
        return fail("usage", "--start and --count must lie within the 10000 test images");
    if (!out->count)
        out->count = IMAGES - out->start;
    if (!out->data)
        out->data = strdup("/usr/share/datasets/fashion-mnist");
    return out->data ? 0 : fail("options", "out of memory");
}

int main(int argc, char **argv)
{
    eval_options options = {.min_top1 = -1, .min_agreement = -1};
    test_set set = {0};
    eval_score score = {0};
    poptContext context = NULL;
    int result = parse(argc, (const char **)argv, &options, &context);
    if (!result)
        result = read_data(&options, &set);
    if (!result)
        result = run(&options, &set, &score);
    if (!result)
        result = report(&options, &score);
    free(set.pixels);
    free(set.labels);
    free(set.logits);
    free(options.model);
    free(options.data);
    free(options.logits);
    free(options.device);
    if (context)
        poptFreeContext(context);
    return result;
}
