/* make-resnet: writes a ResNet50 of any input size and batch with random weights, and an input for
 * it. */
#include <popt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "runner/tensor.h"
#include "support/resnet.h"

typedef struct make_options {
    resnet_shape shape;
    long long seed;
    const char *output; /* the context's */
    char *input;
    poptContext context;
} make_options;

/* What vkd-run's code for files says goes out under this program's name. */
run_exit run_fail(run_exit code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("make-resnet: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return code;
}

run_exit run_fail_memory(void) { return run_fail(RUN_FAILED, "out of memory"); }

static run_exit write_input(const make_options *options)
{
    const resnet_shape *shape = &options->shape;
    const size_t image = RESNET_COLOURS * (size_t)shape->size * (size_t)shape->size,
                 batch = (size_t)shape->batch;
    float *images = calloc(batch, image * sizeof *images);
    if (!images)
        return run_fail_memory();
    for (size_t i = 0; i < batch; i++)
        resnet_image(shape, (int)i, images + i * image);
    run_exit result = run_tensor_write(options->input, images, batch * image * sizeof *images);
    free(images);
    return result;
}

static run_exit run(const make_options *options)
{
    const resnet_shape *shape = &options->shape;
    resnet net;
    if (!resnet_build(shape, &net))
        return run_fail(RUN_USAGE, "%s", net.error);
    run_exit result = run_tensor_write(options->output, net.file, net.file_size);
    if (!result && options->input)
        result = write_input(options);
    if (!result)
        printf("%s: ResNet50, size %d, batch %d, seed %llu: %.6f GMAC\n", options->output,
               shape->size, shape->batch, (unsigned long long)shape->seed, 1e-9 * (double)net.macs);
    resnet_release(&net);
    return result;
}

static run_exit parse(int argc, const char **argv, make_options *out)
{
    const struct poptOption table[] = {
        {"size", 's', POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &out->shape.size, 0,
         "width and height of the images", "PIXELS"},
        {"batch", 'b', POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &out->shape.batch, 0,
         "images in one input", "N"},
        {"seed", 0, POPT_ARG_LONGLONG | POPT_ARGFLAG_SHOW_DEFAULT, &out->seed, 0,
         "of the weights and the input", "SEED"},
        {"input", 'i', POPT_ARG_STRING, &out->input, 0, "write an input of fitting size too",
         "FILE.f32"},
        POPT_AUTOHELP POPT_TABLEEND,
    };
    out->context = poptGetContext("make-resnet", argc, argv, table, 0);
    if (!out->context)
        return run_fail_memory();
    poptSetOtherOptionHelp(out->context, "[OPTION...] OUTPUT.pte");
    int code = poptGetNextOpt(out->context);
    if (code < -1)
        return run_fail(RUN_USAGE, "%s: %s", poptBadOption(out->context, POPT_BADOPTION_NOALIAS),
                        poptStrerror(code));
    out->output = poptGetArg(out->context);
    if (!out->output || poptPeekArg(out->context))
        return run_fail(RUN_USAGE, "one output file is needed, see make-resnet --help");
    out->shape.seed = (uint64_t)out->seed;
    return RUN_OK;
}

int main(int argc, const char **argv)
{
    make_options options = {.shape = resnet50, .seed = (long long)resnet50.seed};
    run_exit result = parse(argc, argv, &options);
    if (!result)
        result = run(&options);
    free(options.input);
    poptFreeContext(options.context);
    return result;
}
