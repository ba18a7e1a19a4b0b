/* The functions of shaders/math*.glsl on the host. */
#ifndef VKD_TEST_SUPPORT_SHADER_MATH_H
#define VKD_TEST_SUPPORT_SHADER_MATH_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shader_function {
    const char *name;
    float (*compute)(float x);
} shader_function;
typedef struct shader_function2 {
    const char *name;
    float (*compute)(float a, float b);
} shader_function2;

extern const shader_function shader_functions[];
extern const size_t shader_function_count;
extern const shader_function2 shader_functions2[];
extern const size_t shader_function2_count;

#ifdef __cplusplus
}
#endif
#endif
