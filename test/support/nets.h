/* Whole nets of floats as ExecuTorch exports them, of any input size and with random weights, for
 * measurements: convolutional nets, a vision transformer, and a step of a decoder.
 *
 *     net_shape shape = {.name = "resnet50", .dtype = VKD_DTYPE_FLOAT16, .seed = 1};
 *     net_file net;
 *     if (!net_build(&shape, &net))
 *         puts(net.error);
 *     net_release(&net);
 *
 * The constants are named data in segments of the file. Weights are made so that activations keep
 * their size at any depth. Hardsigmoid, SiLU and attention are single operators, or two, where the
 * exporter may write more. Running out of memory ends the process: this is for tests. */
#ifndef VKD_TEST_SUPPORT_NETS_H
#define VKD_TEST_SUPPORT_NETS_H

#include "include/vkdelegate.h"

typedef struct net_shape {
    const char *name;  /* of net_names */
    vkd_dtype dtype;   /* FLOAT32 or FLOAT16 */
    bool nibbles;      /* the decoder's linear layers have 4-bit weights in groups of 32 */
    int size, batch;   /* of images; 0: 224, 1 */
    int tokens;        /* of the decoder, with a cache of 512; 0: 1 */
    int layers, words; /* of the decoder; 0: 28, 151936 */
    uint64_t seed;
} net_shape;

typedef struct net_file {
    void *file; /* the bytes of the .pte */
    size_t file_size;
    uint64_t macs; /* multiply-adds of convolutions and linear layers */
    char error[128];
} net_file;

/* All names, ended by a null. */
extern const char *const net_names[];

/* False, with the reason in out->error and nothing to release, for a name that there is not or
 * numbers out of range. */
bool net_build(const net_shape *shape, net_file *out);
void net_release(net_file *net);

#endif
