/* Element types as kernels know them: the values of vkd_dtype. */
#ifndef VKD_SHADERS_ELEMENT_PARAMS_H
#define VKD_SHADERS_ELEMENT_PARAMS_H

#define VKD_ELEMENT_BOOL 0u
#define VKD_ELEMENT_U8 1u
#define VKD_ELEMENT_I8 2u
#define VKD_ELEMENT_I32 3u
#define VKD_ELEMENT_F16 4u
#define VKD_ELEMENT_F32 5u

#endif
