#include "runner/image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stb_image.h>

bool run_image_fits(const vkd_tensor_info *info)
{
    return info->dtype == VKD_DTYPE_FLOAT32 && info->rank == 4 && info->dims[0] == 1 &&
           (info->dims[1] == 1 || info->dims[1] == 3) && info->dims[2] > 0 && info->dims[3] > 0;
}

typedef struct pixels {
    unsigned char *bytes; /* rows of `channels` interleaved bytes */
    int width, height, channels;
} pixels;

static run_exit read_pixels(const char *path, bool gray, pixels *out)
{
    int channels;
    FILE *file = fopen(path, "rb");
    if (!file)
        return run_fail(RUN_IO, "%s: %s", path, strerror(errno));
    bool known = stbi_info_from_file(file, &out->width, &out->height, &channels);
    if (known) {
        out->channels = gray || channels <= 2 ? 1 : 3; /* alpha is dropped */
        out->bytes = stbi_load_from_file(file, &out->width, &out->height, &channels, out->channels);
    }
    bool unreadable = ferror(file);
    fclose(file);
    if (unreadable)
        return run_fail(RUN_IO, "%s: cannot be read", path);
    if (!known || !out->bytes)
        return run_fail(RUN_IO, "%s: not an image that can be decoded, PNG or JPEG is expected (%s)", path,
                        stbi_failure_reason());
    return RUN_OK;
}

/* Where an output coordinate lies between two input ones. */
typedef struct sample {
    int low, high;
    float weight; /* of high */
} sample;

static void fill_samples(sample *samples, int from, int to)
{
    float scale = (float)from / (float)to;
    for (int i = 0; i < to; i++) {
        float at = scale * ((float)i + 0.5f) - 0.5f;
        if (at < 0)
            at = 0;
        int low = (int)at < from - 1 ? (int)at : from - 1;
        samples[i] = (sample){low, low < from - 1 ? low + 1 : low, at - (float)low};
    }
}

static void resize_plane(const pixels *image, int channel, float mean, float std, const sample *columns, int width,
                         const sample *rows, int height, float *out)
{
    float normal[256];
    size_t pitch = (size_t)image->width * (size_t)image->channels;
    for (int i = 0; i < 256; i++)
        normal[i] = ((float)i / 255 - mean) / std;
    for (int y = 0; y < height; y++) {
        const unsigned char *above = image->bytes + (size_t)rows[y].low * pitch + channel;
        const unsigned char *below = image->bytes + (size_t)rows[y].high * pitch + channel;
        float down = rows[y].weight;
        for (int x = 0; x < width; x++) {
            size_t left = (size_t)columns[x].low * (size_t)image->channels;
            size_t right = (size_t)columns[x].high * (size_t)image->channels;
            float across = columns[x].weight;
            float top = (1 - across) * normal[above[left]] + across * normal[above[right]];
            float bottom = (1 - across) * normal[below[left]] + across * normal[below[right]];
            *out++ = (1 - down) * top + down * bottom;
        }
    }
}

run_exit run_image_load(const char *path, const run_image_options *options, const vkd_tensor_info *info, float *out)
{
    int channels = (int)info->dims[1], height = (int)info->dims[2], width = (int)info->dims[3];
    size_t plane = (size_t)height * (size_t)width;
    pixels image = {0};
    run_exit result = read_pixels(path, options->gray || channels == 1, &image);
    if (result)
        return result;
    sample *samples = calloc((size_t)width + (size_t)height, sizeof *samples);
    if (samples) {
        fill_samples(samples, image.width, width);
        fill_samples(samples + width, image.height, height);
        for (int i = 0; i < channels; i++)
            resize_plane(&image, image.channels == 1 ? 0 : i, options->mean[i], options->std[i], samples, width,
                         samples + width, height, out + (size_t)i * plane);
    } else {
        result = run_fail_memory();
    }
    free(samples);
    stbi_image_free(image.bytes);
    return result;
}
