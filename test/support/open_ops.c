#include "support/open_ops.h"
#include "graph/decode.h"
#include "ops/conv/args.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_TABLES = 128, MAX_ROWS = 32 };

static const vkd_param fused_conv[] = {
    VKD_CONV_PARAMS,
    VKD_INTS(conv_args, dilation, 2),
    VKD_INT(conv_args, groups),
    VKD_STRING(conv_args, requantize.activation),
    VKD_INT(conv_args, fused.low),
    VKD_INT(conv_args, fused.high),
    VKD_OPTIONAL_TENSOR(conv_args, fused.residual),
    VKD_FLOAT(conv_args, fused.r_scale),
    VKD_INT(conv_args, fused.r_zero),
    VKD_FLOAT(conv_args, fused.sum_scale),
    VKD_INT(conv_args, fused.sum_zero),
    VKD_OUTPUT(conv_args, y),
    VKD_PARAMS_END,
};

static const vkd_param fused_linear[] = {
    VKD_TENSOR(linear_args, x),
    VKD_FLOAT(linear_args, requantize.x_scale),
    VKD_INT(linear_args, requantize.x_zero),
    VKD_CONSTANT(linear_args, weight),
    VKD_CONSTANT(linear_args, requantize.weight_sums),
    VKD_FINITE(linear_args, requantize.weight_scales),
    VKD_FLOAT(linear_args, requantize.y_scale),
    VKD_INT(linear_args, requantize.y_zero),
    VKD_OPTIONAL_FINITE(linear_args, requantize.bias),
    VKD_STRING(linear_args, requantize.activation),
    VKD_FLOAT(linear_args, real_scale),
    VKD_INT(linear_args, real_zero),
    VKD_OUTPUT(linear_args, y),
    VKD_PARAMS_END,
};
static const linear_args real = {.real = true};

static const struct {
    const char *name, *of;
    const vkd_param *params;
    const void *defaults; /* null: of the row */
} fused[] = {
    {"vkd.q8_conv2d", "et_vk.q8ta_conv2d.default", fused_conv, NULL},
    {"vkd.q8_conv2d_dw", "et_vk.q8ta_conv2d_dw.default", fused_conv, NULL},
    {"vkd.q8_linear", "et_vk.q8ta_linear.default", fused_linear, &real},
};
enum { FUSED = sizeof fused / sizeof *fused };

/* The row with something fused into it. */
static vkd_op fused_row(size_t index)
{
    /* of whatever arity */
    vkd_op row = *vkd_op_find(&vkd_ops, fused[index].of, vkd_params_count(fused[index].params));
    row.name = fused[index].name;
    row.params = fused[index].params;
    row.defaults = fused[index].defaults ? fused[index].defaults : row.defaults;
    return row;
}

static size_t open_rows(vkd_op *rows)
{
    size_t count = 0;
    for (size_t t = 0; t < vkd_ops.count; t++)
        for (size_t i = 0; i < vkd_ops.tables[t]->count; i++)
            if (vkd_ops.tables[t]->rows[i].internal && count < MAX_ROWS - FUSED) {
                rows[count] = vkd_ops.tables[t]->rows[i];
                rows[count++].internal = false;
            }
    for (size_t i = 0; i < FUSED; i++)
        rows[count++] = fused_row(i);
    return count;
}

const vkd_op_tables *open_ops(void)
{
    static vkd_op rows[MAX_ROWS];
    static vkd_op_table opened;
    static const vkd_op_table *tables[MAX_TABLES];
    static vkd_op_tables all;
    if (all.count)
        return &all;
    if (vkd_ops.count >= MAX_TABLES) {
        fprintf(stderr, "more operator families than MAX_TABLES\n");
        abort();
    }
    opened = (vkd_op_table){rows, open_rows(rows)};
    for (size_t t = 0; t < vkd_ops.count; t++)
        tables[t] = vkd_ops.tables[t];
    tables[vkd_ops.count] = &opened;
    all = (vkd_op_tables){tables, vkd_ops.count + 1};
    return &all;
}
