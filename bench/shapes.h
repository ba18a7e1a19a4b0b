/* The convolutions to time: built-in lists, text files, and those of a model. */
#ifndef VKD_BENCH_SHAPES_H
#define VKD_BENCH_SHAPES_H

#include "ops/conv/conv.h"

typedef struct bench_shape {
    const char *set; /* "resnet50", or the file's name */
    conv2d_problem problem;
} bench_shape;

typedef struct bench_shapes {
    size_t count, capacity;
    bench_shape *items; /* no shape twice in a set; in the arena */
} bench_shapes;

/* Adds what `source` names: a built-in list, a model (*.pte), or a text file with a shape a line as
 * vkd_conv2d_problem_format writes them, in which "s1", "p0", "d1", "g1" and the output's n, h, w
 * may be left out ("1x64x56x56 -> 64 3x3 p1"); # begins a comment. `caps` are those that a model is
 * lowered for. */
VKD_MUST_USE vkd_status bench_shapes_add(vkd_arena *arena, const vkd_caps *caps, const char *source,
                                         bench_shapes *shapes);

/* The names of the built-in lists for int8, with commas between them. */
extern const char bench_shape_sets[];

/* "i8", "f32" or "f16"; false for anything else. */
bool bench_dtype_parse(const char *text, vkd_dtype *out);

/* Reads a shape. Null if it is one, else what is wrong with it. */
const char *bench_shape_parse(const char *text, conv2d_problem *out);

#endif
