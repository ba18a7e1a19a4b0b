/* Two convolutions of floats of one pixel, one behind the other: what squeezes and excites. A
 * workgroup computes all channels between them, and four of the result for each of its invocations.
 *
 * The constants, of x's type, in groups of four: the first weight as [four channels][four of k][of
 * the four channels][of the four of k], the second as [four of k][four channels].., zeros where
 * there is nothing; the biases of both. */
#ifndef VKD_SHADERS_EXCITE_FLOAT_PARAMS_H
#define VKD_SHADERS_EXCITE_FLOAT_PARAMS_H

#include "float_epilogue_params.h"

VKD_PARAMS_STRUCT(excite_float_params)
{
    u32 groups;      /* workgroups: images * slices */
    u32 slices;      /* of the fours of a pixel of the result */
    u32 fours;       /* of a pixel of the result */
    u32 k, channels; /* of x, and between */
    f32 low[2], high[2];
    f32 numbers[2][2 * EPILOGUE_STEPS];
};

#endif
