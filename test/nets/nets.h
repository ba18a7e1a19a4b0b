/* Whole nets as ExecuTorch exports them, of any input size and with random weights, for
 * measurements: convolutional nets of floats and of int8, vision transformers, and a step of a
 * decoder.
 *
 *     net_shape shape = {.name = "resnet50", .dtype = VKD_DTYPE_INT8, .seed = 1};
 *     net_file net;
 *     if (!net_build(&shape, &net))
 *         puts(net.error);
 *     net_release(&net);
 *
 * The operators are those of the programs of these and of like nets, without the clones that only
 * change a layout there; what a shape alone decides, as the mask of a window, is a constant, and
 * attention of a ViT and of a decoder is one operator. Constants are named data in segments of the
 * file. ExecuTorch itself exports batch 1 only. Weights depend on the seed and the widths alone, so
 * that two files that differ in size and batch hold the same network, and keep activations at their
 * size at any depth. Of int8, scales follow from the weights' norms and biases centre the channels,
 * as batch normalisation would: different images give different outputs. Running out of memory ends
 * the process: this is for tests. */
#ifndef VKD_TEST_NETS_NETS_H
#define VKD_TEST_NETS_NETS_H

#include "include/vkdelegate.h"

typedef struct net_shape {
    const char *name; /* of net_names */
    vkd_dtype dtype;  /* FLOAT32, FLOAT16, or INT8 */
    bool nibbles;     /* the decoder's linear layers have 4-bit weights in groups of 32 */
    int size, batch;  /* of images; 0: what is usual, 1 */
    int width;        /* of images that are not square, whose height is `size`; 0: they are */
    bool resizes;     /* the program says that executions may come with smaller images */
    int tokens;       /* of the decoder, with a cache of 512; 0: 1 */
    int narrow;       /* channels of nets of images are divided by it; 0: 1 */
    int layers;       /* of each stage, at most; 0: all */
    int words;        /* of the decoder; 0: 151936 */
    uint64_t seed;
} net_shape;

typedef struct net_file {
    void *file; /* the bytes of the .pte */
    size_t file_size;
    uint64_t macs;   /* multiply-adds of the whole batch, but of a decoder's attention */
    int size, batch; /* of its images; size 0: it has none */
    char error[128];
} net_file;

/* All names, ended by a null. */
extern const char *const net_names[];

/* False, with the reason in out->error and nothing to release, for a name that there is not,
 * numbers out of range, or a tensor of 2^31 elements or more. */
bool net_build(const net_shape *shape, net_file *out);
void net_release(net_file *net);

enum { NET_COLOURS = 3 };

/* Image `index` of a batch for a net of this seed and size (not 0): NET_COLOURS * size * size
 * floats of variance 1, whatever the batch. */
void net_image(const net_shape *shape, int index, float *out);

#endif
