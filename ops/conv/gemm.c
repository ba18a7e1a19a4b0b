/* The variants that are a GEMM: pointwise and implicit straight on the activation, im2col on a
 * scratch matrix. */
#include "ops/conv/gemm.h"

#include <string.h>

static gemm_operands operands_of(const conv2d *conv, vkd_tensor_id a, uint32_t tap_k)
{
    return (gemm_operands){
        .a = a,
        .y = conv->y,
        .channels = conv->channels,
        .residual = conv->residual,
        .table = conv->table,
        .weights = conv->weights,
        .tap_k = tap_k,
        .requantize = conv->requantize,
    };
}

/* Of the largest shape, where it can change. */
static uint32_t most_pixels(const conv2d *conv) { return (uint32_t)conv2d_pixels(&conv->largest); }

gemm_problem vkd_conv2d_direct_gemm(const conv2d_problem *p)
{
    gemm_problem gemm = {
        .m = (uint32_t)conv2d_pixels(p),
        .n = conv2d_oc_group(p),
        .tap_k = conv2d_ic_group(p),
        .groups = p->groups,
        .a_bytes = (uint32_t)vkd_align_up(p->in_c, 4),
        .out_w = p->out_w,
        .out_h = p->out_h,
        .in_w = p->in_w,
        .in_h = p->in_h,
    };
    memcpy(gemm.kernel, p->kernel, sizeof gemm.kernel);
    memcpy(gemm.stride, p->stride, sizeof gemm.stride);
    memcpy(gemm.padding, p->padding, sizeof gemm.padding);
    memcpy(gemm.dilation, p->dilation, sizeof gemm.dilation);
    return gemm;
}

uint64_t vkd_conv2d_im2col_row(const conv2d_problem *p) { return vkd_align_up(conv2d_k(p), 16); }

gemm_problem vkd_conv2d_im2col_gemm(const conv2d_problem *p)
{
    uint32_t row = (uint32_t)vkd_conv2d_im2col_row(p),
             k = p->groups > 1 ? row : (uint32_t)conv2d_k(p);
    return vkd_gemm_matrix((uint32_t)conv2d_pixels(p), conv2d_oc_group(p), k, p->groups,
                           row * p->groups);
}

vkd_status vkd_conv2d_emit_direct(vkd_lowering *lowering, const conv2d *conv, const gemm_tile *tile)
{
    gemm_problem problem = vkd_conv2d_direct_gemm(&conv->problem);
    problem.x_zero = conv->x_zero;
    problem.most_m = most_pixels(conv);
    gemm_operands operands = operands_of(conv, conv->x, problem.tap_k);
    return vkd_gemm_emit(lowering, tile, &problem, &operands,
                         vkd_conv2d_node(lowering, conv, VKD_SHADER_COUNT, VKD_NO_LOOPS, NULL, 0));
}

vkd_status vkd_conv2d_emit_im2col(vkd_lowering *lowering, const conv2d *conv, const gemm_tile *tile)
{
    const conv2d_problem *p = &conv->problem;
    uint64_t pixels = conv2d_pixels(p), row = vkd_conv2d_im2col_row(p);
    vkd_tensor_id matrix;
    VKD_TRY(vkd_graph_add_buffer(lowering->graph, pixels * row * p->groups, NULL, NULL, &matrix));

    conv_params push = vkd_conv2d_window_params(conv);
    push.k_row = (uint32_t)row;
    vkd_node node =
        vkd_conv2d_node(lowering, conv, VKD_SHADER_IM2COL, 4 * vkd_loop(4, 0), &push, sizeof push);
    node.macs = 0;
    node.cost_us = 0;
    vkd_node_linear(&node, lowering->caps, pixels * p->groups * (row / 16));
    node.specs[node.spec_count++] = push.ic_group % 16 == 0 ? 16 : push.ic_group % 4 == 0 ? 4 : 1;
    vkd_node_read(&node, conv->x);
    vkd_node_read(&node, conv->x); /* a second view of it, in units of 16 bytes */
    vkd_node_write(&node, matrix);
    VKD_TRY(vkd_op_add_node(lowering, &node, conv->x, matrix));

    gemm_problem problem = vkd_conv2d_im2col_gemm(p);
    problem.most_m = most_pixels(conv);
    gemm_operands operands = operands_of(conv, matrix, (uint32_t)conv2d_k(p));
    return vkd_gemm_emit(lowering, tile, &problem, &operands,
                         vkd_conv2d_node(lowering, conv, VKD_SHADER_COUNT, VKD_NO_LOOPS, NULL, 0));
}
