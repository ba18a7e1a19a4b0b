/* ResNets as ExecuTorch exports them, quantised to int8, of any input size and batch and with
 * random weights: for measurements of scale, and for tests that compare batches.
 *
 *     resnet_shape shape = resnet50;
 *     shape.batch = 8;
 *     resnet net;
 *     if (!resnet_build(&shape, &net))
 *         puts(net.error);
 *     resnet_release(&net);
 *
 * The operators and their arguments are those of models/resnet50-fashion, without its layout
 * clones; the constants are named data in segments of the file. ExecuTorch itself exports batch 1
 * only. Weights and quantisation depend on the seed and the widths alone, so two files that differ
 * in size and batch hold the same network. Scales follow from the weights' norms and biases centre
 * the channels, as batch normalisation would: int8 activations spread over their range at any
 * depth, and different images give different outputs. Running out of memory ends the process: this
 * is for tests. */
#ifndef VKD_TEST_SUPPORT_RESNET_H
#define VKD_TEST_SUPPORT_RESNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RESNET_STAGES = 4, RESNET_COLOURS = 3 };

typedef struct resnet_shape {
    /* inputs are [batch, RESNET_COLOURS, size, size], outputs [batch, classes]; float32 */
    int size, batch;
    int width;                 /* channels of the stem: 64 in all of torchvision's */
    int blocks[RESNET_STAGES]; /* bottlenecks of each stage */
    int classes;
    uint64_t seed;
} resnet_shape;

/* torchvision's ResNet50: 224 pixels, batch 1, 1000 classes; seed 1. */
extern const resnet_shape resnet50;

typedef struct resnet {
    void *file; /* the bytes of the .pte */
    size_t file_size;
    uint64_t macs;   /* multiply-adds of the convolutions and the linear layer, the whole batch */
    char error[128]; /* why there is none */
} resnet;

/* False, with the reason in out->error and nothing to release, when a number is out of its range or
 * a tensor would have 2^31 elements or more. */
bool resnet_build(const resnet_shape *shape, resnet *out);
void resnet_release(resnet *net);

/* Image `index` of a batch, RESNET_COLOURS * size * size floats. It depends on seed, size and
 * index, not on the batch. */
void resnet_image(const resnet_shape *shape, int index, float *out);

#endif
