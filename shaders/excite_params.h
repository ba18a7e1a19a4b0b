/* Two int8 convolutions of one pixel, one behind the other: what squeezes and excites. A workgroup
 * computes all channels between them, and a word (four channels) of the result for each of its
 * invocations.
 *
 * The constants, in units of 16 bytes: the first weight as [word of channels][word of k], the second
 * as [word of k][word of channels], each of those 4 channels of 4 values of k, zero where there is
 * nothing; the channels' blocks of both (requantize.glsl); a table of 256 bytes for what is between
 * them, one of 256 bytes or floats for the result. */
#ifndef VKD_SHADERS_EXCITE_PARAMS_H
#define VKD_SHADERS_EXCITE_PARAMS_H

#include "requantize_params.h"

VKD_PARAMS_STRUCT(excite_params)
{
    u32 groups; /* workgroups: images * slices */
    u32 slices; /* of the words of a pixel of the result */
    u32 words;
    requantize_params first, second;
};

#endif
