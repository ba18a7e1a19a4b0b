/* make-net: writes a net with random weights (nets/nets.h), and images for it. */
#include <popt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nets/nets.h"
#include "runner/tensor.h"

/* What vkd-run's code for files says goes out under this program's name. */
run_exit run_fail(run_exit code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("make-net: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return code;
}

run_exit run_fail_memory(void) { return run_fail(RUN_FAILED, "out of memory"); }

static bool set_type(const char *text, net_shape *shape)
{
    static const struct {
        const char *name;
        vkd_dtype dtype;
    } types[] = {{"f16", VKD_DTYPE_FLOAT16},
                 {"f32", VKD_DTYPE_FLOAT32},
                 {"int8", VKD_DTYPE_INT8},
                 {"4w", VKD_DTYPE_FLOAT16}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(text, types[i].name)) {
            shape->dtype = types[i].dtype;
            shape->nibbles = !strcmp(text, "4w");
            return true;
        }
    return false;
}

static run_exit write_images(const net_shape *shape, const net_file *net, const char *path)
{
    if (!net->size)
        return run_fail(RUN_USAGE, "%s: --input: it has no images", shape->name);
    net_shape sized = *shape;
    sized.size = net->size;
    const size_t image = NET_COLOURS * (size_t)net->size * (size_t)net->size,
                 batch = (size_t)net->batch;
    float *images = calloc(batch, image * sizeof *images);
    if (!images)
        return run_fail_memory();
    for (size_t i = 0; i < batch; i++)
        net_image(&sized, (int)i, images + i * image);
    run_exit result = run_tensor_write(path, images, batch * image * sizeof *images);
    free(images);
    return result;
}

static run_exit make(const net_shape *shape, const char *path, const char *input)
{
    net_file net;
    if (!net_build(shape, &net))
        return run_fail(RUN_USAGE, "%s: %s", shape->name, net.error);
    run_exit result = run_tensor_write(path, net.file, net.file_size);
    if (!result && input)
        result = write_images(shape, &net, input);
    if (!result)
        printf("%s: %s, seed %llu: %.6f GMAC\n", path, shape->name, (unsigned long long)shape->seed,
               1e-9 * (double)net.macs);
    net_release(&net);
    return result;
}

int main(int argc, const char **argv)
{
    net_shape shape = {0};
    char *type = NULL, *input = NULL;
    long long seed = 1;
    const struct poptOption table[] = {
        {"type", 't', POPT_ARG_STRING, &type, 0,
         "of the numbers; 4w: f16 with 4-bit weights, of the decoder (default: f16)",
         "f32|f16|int8|4w"},
        {"size", 's', POPT_ARG_INT, &shape.size, 0,
         "width and height of the images (default: 224, or what is usual)", "PIXELS"},
        {"batch", 'b', POPT_ARG_INT, &shape.batch, 0, "images in one input (default: 1)", "N"},
        {"tokens", 0, POPT_ARG_INT, &shape.tokens, 0, "of the decoder in one input (default: 1)",
         "N"},
        {"narrow", 0, POPT_ARG_INT, &shape.narrow, 0,
         "divides the channels of nets of images (default: 1)", "N"},
        {"layers", 0, POPT_ARG_INT, &shape.layers, 0, "of each stage, at most (default: all)", "N"},
        {"words", 0, POPT_ARG_INT, &shape.words, 0, "of the decoder (default: 151936)", "N"},
        {"seed", 0, POPT_ARG_LONGLONG, &seed, 0, "of the weights and the images (default: 1)",
         "SEED"},
        {"input", 'i', POPT_ARG_STRING, &input, 0, "write images for it too", "FILE.f32"},
        POPT_AUTOHELP POPT_TABLEEND,
    };
    poptContext context = poptGetContext("make-net", argc, argv, table, 0);
    if (!context)
        return run_fail_memory();
    char usage[512] = "[OPTION...] NET OUTPUT.pte; nets:";
    for (const char *const *name = net_names; *name; name++)
        snprintf(usage + strlen(usage), sizeof usage - strlen(usage), " %s", *name);
    poptSetOtherOptionHelp(context, usage);
    int code = poptGetNextOpt(context);
    run_exit result = RUN_USAGE;
    shape.seed = (uint64_t)seed;
    shape.name = poptGetArg(context);
    const char *path = poptGetArg(context);
    if (code < -1)
        run_fail(RUN_USAGE, "%s: %s", poptBadOption(context, POPT_BADOPTION_NOALIAS),
                 poptStrerror(code));
    else if (!path || poptPeekArg(context))
        run_fail(RUN_USAGE, "a net and an output file are needed, see make-net --help");
    else if (!set_type(type ? type : "f16", &shape))
        run_fail(RUN_USAGE, "--type is '%s': f32, f16, int8 and 4w are possible", type);
    else
        result = make(&shape, path, input);
    free(type);
    free(input);
    poptFreeContext(context);
    return result;
}
