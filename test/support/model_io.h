/* The sample models under models/: their files, inputs and expected outputs, and running them
 * through the public interface. */
#ifndef VKD_TEST_SUPPORT_MODEL_IO_H
#define VKD_TEST_SUPPORT_MODEL_IO_H

#include "support/reading.h"

enum { SAMPLE_INPUTS = 4 };

typedef struct sample {
    const char *folder; /* "tiny/linear_1x20o7" */
    uint8_t *file;
    size_t file_size;
    reading reading;
    const vkd_container_method *method; /* the first */
    vkd_model model;                    /* all of it */
    size_t input_count;
    uint8_t *inputs[SAMPLE_INPUTS];
    size_t input_sizes[SAMPLE_INPUTS];
    float *expected; /* of pte_reference.py: what the program is to give */
    size_t count;    /* of expected */
} sample;

/* The test fails when a file is missing. folder is kept by pointer. */
void sample_open(sample *s, const char *folder);
void sample_close(sample *s);

/* An operator that keeps the library from running the sample, since it has no row. Null: there is
 * none. */
const char *sample_unsupported(const sample *s);

/* What one step of int8 means in the output: the scale of the last dequantize; 0 if there is none.
 */
double sample_output_step(const sample *s);

/* On failure nothing is left open, and options->error has the reason. */
vkd_status sample_load(const sample *s, const vkd_options *options, vkd_program **out_program,
                       vkd_method **out_method);
/* Runs the sample's method on its inputs; out: s->count floats. */
vkd_status sample_execute(const sample *s, vkd_method *method, float *out);

/* Loads, runs `runs` times, and gives the output, s->count floats from malloc; the test fails when
 * anything fails or when two runs differ in a bit. */
float *sample_run(const sample *s, const vkd_options *options, int runs);

/* A model of one operator of another: the tensors that the operator reads and that are no constants
 * are its inputs, in the order of the arguments; its results that somebody reads, or else the
 * first, are its outputs. Lies in the arena and shares the values of `model`. Null when there is no
 * memory. */
vkd_model *model_of_operator(const vkd_model *model, size_t op, vkd_arena *arena);

#endif
