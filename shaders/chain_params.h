/* shaders/chain.comp: steps one after the other on up to three operands. */
#ifndef VKD_SHADERS_CHAIN_PARAMS_H
#define VKD_SHADERS_CHAIN_PARAMS_H

#include "binary_params.h"
#include "triple_params.h"
#include "unary_params.h"

/* Functions: those of one operand are UNARY_*, below UNARY_BY_LOG, and CHAIN_HALF; of two
 * CHAIN_BINARY + BINARY_*, up to BINARY_MAX. */
#define CHAIN_HALF 63 /* rounded to half precision */
#define CHAIN_BINARY 64

/* Slots: the inputs, the steps' results, the number that a step has in place of an operand. */
#define CHAIN_INPUTS 3
#define CHAIN_STEPS 8
#define CHAIN_SHORT 3 /* as many steps have modules of their own */
#define CHAIN_NUMBER (CHAIN_INPUTS + CHAIN_STEPS)
#define CHAIN_SLOTS (CHAIN_NUMBER + 1)

/* numbers: of a unary function low, high and third of unary_params; of a binary one a number in
 * place of an operand, and alpha. */
VKD_PARAMS_STRUCT(chain_numbers)
{
    f32 x_scales[4], x_zeros[4]; /* of int8 operands; the last of chain_grows' part */
    f32 y_inverse_scale;         /* of an int8 result */
    i32 y_zero;
    u32 first, groups; /* of four channels: where that part begins, and of a pixel with it */
    f32 numbers[4 * CHAIN_STEPS];
};

#endif
