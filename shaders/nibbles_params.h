/* shaders/nibbles.comp: rows of integers: 4 bits, two in a byte, minus 8; 2 bits, four in a byte,
 * minus 2; bytes */
#ifndef VKD_SHADERS_NIBBLES_PARAMS_H
#define VKD_SHADERS_NIBBLES_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(nibbles_params)
{
    u32 groups, slots;
    u32 width;                  /* elements of a row */
    u32 row_bytes;              /* of the packed rows */
    u32 rows;                   /* of the table */
    u32 group;                  /* elements of a scale */
    u32 scale_row, scale_group; /* strides of scales */
};

#endif
