/* The vocabulary of the *_params.h headers, which both GLSL and C include: 32-bit scalars only, so
 * that the layouts agree. */
#ifndef VKD_SHADERS_TYPES_H
#define VKD_SHADERS_TYPES_H

#ifdef VULKAN /* glslc defines it */
#define u32 uint
#define i32 int
#define f32 float
#define VKD_PARAMS_STRUCT(name) struct name
#else
#include <stdint.h>
typedef uint32_t u32;
typedef int32_t i32;
typedef float f32;
#define VKD_PARAMS_STRUCT(name)                                                                    \
    typedef struct name name;                                                                      \
    struct name
#endif

#endif
