/* Convolution shapes as text: what people read in reports, what a benchmark's shape files contain,
 * and a key of the tuning file. */
#include "ops/conv/conv.h"

#include <stdio.h>
#include <string.h>

/* " s2", or " s2x1" where the axes differ. */
static void append_pair(char *out, size_t size, char letter, const uint32_t pair[2])
{
    size_t length = strlen(out);
    if (pair[0] == pair[1])
        snprintf(out + length, size - length, " %c%u", letter, pair[0]);
    else
        snprintf(out + length, size - length, " %c%ux%u", letter, pair[0], pair[1]);
}

void vkd_conv2d_problem_format(const conv2d_problem *p, char out[CONV2D_TEXT])
{
    static const char *const modes[] = {"", " dynamic", " static"};
    snprintf(out, CONV2D_TEXT, "%ux%ux%ux%u -> %ux%ux%ux%u %ux%u", p->n, p->in_c, p->in_h, p->in_w,
             p->n, p->out_c, p->out_h, p->out_w, p->kernel[0], p->kernel[1]);
    append_pair(out, CONV2D_TEXT, 's', p->stride);
    append_pair(out, CONV2D_TEXT, 'p', p->padding);
    append_pair(out, CONV2D_TEXT, 'd', p->dilation);
    snprintf(out + strlen(out), CONV2D_TEXT - strlen(out), " g%u%s%s%s", p->groups,
             conv2d_is_float(p) ? " " : "", conv2d_is_float(p) ? vkd_dtype_name(p->dtype) : "",
             p->transposed ? " t" : "");
    if (p->low_bits)
        snprintf(out + strlen(out), CONV2D_TEXT - strlen(out), " w%u/%u%s%s%s", p->low_bits,
                 p->low_group, modes[p->low_mode], p->low_more & LOW_BIT_NORM ? " +norm" : "",
                 p->low_more & LOW_BIT_GATE ? " +gate" : "");
}

void vkd_conv2d_key_format(const conv2d *conv, char out[CONV2D_KEY])
{
    vkd_conv2d_problem_format(&conv->problem, out);
    snprintf(out + strlen(out), CONV2D_KEY - strlen(out), "%s%s%s",
             conv->table                       ? " +table"
             : conv->residual != VKD_NO_TENSOR ? " +add"
                                               : "",
             conv->real.has_norm ? " +norm" : "", conv->real.other.data ? " +gate" : "");
}
