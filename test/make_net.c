/* make-net: writes a net of floats with random weights (support/nets.h). */
#include <popt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/tensor.h"
#include "support/nets.h"

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
    shape->nibbles = !strcmp(text, "4w");
    shape->dtype = !strcmp(text, "f32") ? VKD_DTYPE_FLOAT32 : VKD_DTYPE_FLOAT16;
    return shape->nibbles || !strcmp(text, "f32") || !strcmp(text, "f16");
}

static run_exit make(const net_shape *shape, const char *path)
{
    net_file net;
    if (!net_build(shape, &net))
        return run_fail(RUN_USAGE, "%s: %s", shape->name, net.error);
    run_exit result = run_tensor_write(path, net.file, net.file_size);
    if (!result)
        printf("%s: %s, seed %llu: %.6f GMAC\n", path, shape->name, (unsigned long long)shape->seed,
               1e-9 * (double)net.macs);
    net_release(&net);
    return result;
}

int main(int argc, const char **argv)
{
    net_shape shape = {.seed = 1};
    char *type = NULL;
    long long seed = 1;
    const struct poptOption table[] = {
        {"type", 't', POPT_ARG_STRING, &type, 0,
         "of the numbers; 4w: f16 with 4-bit weights (default: f16)", "f32|f16|4w"},
        {"size", 's', POPT_ARG_INT, &shape.size, 0, "width and height of the images", "PIXELS"},
        {"batch", 'b', POPT_ARG_INT, &shape.batch, 0, "images in one input", "N"},
        {"tokens", 0, POPT_ARG_INT, &shape.tokens, 0, "of the decoder in one input", "N"},
        {"seed", 0, POPT_ARG_LONGLONG, &seed, 0, "of the weights", "SEED"},
        POPT_AUTOHELP POPT_TABLEEND,
    };
    poptContext context = poptGetContext("make-net", argc, argv, table, 0);
    if (!context)
        return run_fail_memory();
    char usage[256] = "[OPTION...] NET OUTPUT.pte; nets:";
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
        run_fail(RUN_USAGE, "--type is '%s': f32, f16 and 4w are possible", type);
    else
        result = make(&shape, path);
    free(type);
    poptFreeContext(context);
    return result;
}
