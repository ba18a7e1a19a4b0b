/* A net of floats in the manner of a ResNet whose images can have any size up to a largest one. */
#ifndef VKD_TEST_SUPPORT_DYNAMIC_NET_H
#define VKD_TEST_SUPPORT_DYNAMIC_NET_H

#include "include/vkdelegate.h"

enum { DYNAMIC_COLOURS = 3, DYNAMIC_CLASSES = 10, DYNAMIC_LEAST = 8 };

typedef struct dynamic_net {
    void *blob;
    size_t size;
    int most; /* height and width at most */
} dynamic_net;

/* blocks: bottlenecks of each of four stages; 3, 4, 6, 3 for as many layers as a ResNet50 has. */
void dynamic_net_begin(dynamic_net *net, int most, const int blocks[4]);
void dynamic_net_end(dynamic_net *net);
vkd_status dynamic_net_init(const dynamic_net *net, const vkd_options *options, vkd_delegate **out);

/* An execution with an image of h x w; x: DYNAMIC_COLOURS * h * w floats. */
typedef struct dynamic_call {
    vkd_tensor_arg args[2];
    float y[DYNAMIC_CLASSES];
} dynamic_call;
void dynamic_call_set(dynamic_call *call, int h, int w, const float *x);

#endif
