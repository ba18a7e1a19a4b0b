/* A picture on its way from a decoder's rows to a tensor. Bilinear sampling without antialiasing
 * looks at four pixels for each one that comes out, so only the rows and columns with those are
 * kept: a picture may be of any size. */
#ifndef VKD_RUNNER_PICTURE_H
#define VKD_RUNNER_PICTURE_H

#include "runner/message.h"

/* Where an output coordinate lies between two input ones. */
typedef struct run_sample {
    size_t low, high;
    float weight; /* of high */
} run_sample;

typedef struct run_picture {
    const char *name;  /* for messages */
    int width, height; /* of the tensor */
    bool gray;         /* colour becomes gray */

    /* From run_picture_begin on. */
    size_t channels, kept;     /* of the decoder's rows, 1 or 3, and of what is kept of them */
    bool swapped;              /* the decoder's rows are the columns of what is to be seen */
    run_sample *across, *down; /* by the tensor's columns and rows */
    /* the decoder's that are kept, two for each sample, in the samples' order */
    size_t *columns, *rows;
    size_t column_count, row_count;
    unsigned char *pixels; /* row_count x column_count x kept */
} run_picture;

/* What a decoder calls: first with what it found, then for every row in any order. orientation:
 * EXIF's number. */
run_exit run_picture_begin(run_picture *picture, size_t width, size_t height, size_t channels,
                           int orientation);
void run_picture_row(run_picture *picture, size_t y, const unsigned char *row);

/* One plane of the tensor: x = (value / 255 - mean) / std of a channel, resized. Of a gray picture
 * all planes are the same. */
void run_picture_plane(const run_picture *picture, size_t channel, float mean, float std,
                       float *out);
void run_picture_release(run_picture *picture);

/* The decoders, over a whole file in memory: RUN_IO with the reason where it cannot be decoded. */
run_exit run_png_decode(const unsigned char *bytes, size_t size, run_picture *picture);
run_exit run_jpeg_decode(const unsigned char *bytes, size_t size, run_picture *picture);

#endif
