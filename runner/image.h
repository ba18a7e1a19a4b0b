/* Image files to the input tensor of a vision model. */
#ifndef VKD_RUNNER_IMAGE_H
#define VKD_RUNNER_IMAGE_H

#include "runner/message.h"

typedef struct run_image_options {
    float mean[3], std[3];
    bool gray;
} run_image_options;

/* Whether a tensor can take an image: float32, 1 x C x H x W, or uint8, 1 x H x W x C, with C = 1
 * or 3. */
bool run_image_fits(const vkd_tensor_info *info);

/* Reads a PNG or JPEG file ("-": standard input) of any size into `out`, the info->size bytes of a
 * tensor that run_image_fits. It is turned as its EXIF data says; then x = (value / 255 - mean) /
 * std, or of uint8 the value itself, rounded at the end, then bilinear to H x W with half-pixel
 * centres and no antialiasing (PyTorch's interpolate with align_corners=False). Gray images are
 * copied to all channels; for C = 1, colour becomes gray and the first mean and std count. */
run_exit run_image_load(const char *path, const run_image_options *options,
                        const vkd_tensor_info *info, void *out);

#endif
