#include "runner/image.h"

#include <stdlib.h>
#include <string.h>

#include "runner/file.h"
#include "runner/picture.h"

/* Channels, height and width by the order of the dims. */
static void sizes_of(const vkd_tensor_info *info, int64_t out[3])
{
    const bool last = info->dtype == VKD_DTYPE_UINT8;
    out[0] = info->dims[last ? 3 : 1];
    out[1] = info->dims[last ? 1 : 2];
    out[2] = info->dims[last ? 2 : 3];
}

bool run_image_fits(const vkd_tensor_info *info)
{
    int64_t sizes[3];
    sizes_of(info, sizes);
    return (info->dtype == VKD_DTYPE_FLOAT32 || info->dtype == VKD_DTYPE_UINT8) &&
           info->rank == 4 && info->dims[0] == 1 && (sizes[0] == 1 || sizes[0] == 3) &&
           sizes[1] > 0 && sizes[2] > 0;
}

/* What is given instead of an image that can be read; null: who knows. */
static const char *kind_of(const unsigned char *bytes, size_t size)
{
    static const struct {
        size_t at, size;
        const char *bytes, *kind;
    } kinds[] = {
        {4, 8, "ftypheic", "HEIC"},
        {4, 8, "ftypheix", "HEIC"},
        {4, 8, "ftypmif1", "HEIC"},
        {4, 8, "ftypavif", "AVIF"},
        {8, 4, "WEBP", "WebP"},
        {0, 4, "GIF8", "GIF"},
        {0, 2, "BM", "BMP"},
        {0, 4, "II*\0", "TIFF"},
        {0, 4, "MM\0*", "TIFF"},
        {0, 2, "\xff\x0a", "JPEG XL"},
        {4, 4, "jP  ", "JPEG 2000"},
        {0, 4, "8BPS", "Photoshop"},
        {0, 7, "version", "Git LFS pointer ('git lfs pull' fetches what it stands for)"},
        {0, 1, "<", "HTML or XML"},
        {4, 4, "ET12", "program: the model comes first"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (size >= kinds[i].at + kinds[i].size &&
            !memcmp(bytes + kinds[i].at, kinds[i].bytes, kinds[i].size))
            return kinds[i].kind;
    return NULL;
}

static run_exit decode(const unsigned char *bytes, size_t size, run_picture *picture)
{
    static const struct {
        size_t size;
        const char *bytes;
        run_exit (*decode)(const unsigned char *bytes, size_t size, run_picture *picture);
    } formats[] = {
        {8, "\211PNG\r\n\032\n", run_png_decode},
        {3, "\xff\xd8\xff", run_jpeg_decode},
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (size >= formats[i].size && !memcmp(bytes, formats[i].bytes, formats[i].size))
            return formats[i].decode(bytes, size, picture);
    const char *kind = kind_of(bytes, size);
    return run_fail(RUN_IO, "%s: neither a PNG nor a JPEG file%s%s", picture->name,
                    kind ? ", it looks like " : "", kind ? kind : "");
}

/* A channel of bytes, each to the nearest, between those of the other channels. */
static run_exit load_bytes(const run_picture *picture, size_t channel, size_t channels,
                           unsigned char *out)
{
    const size_t count = (size_t)picture->width * (size_t)picture->height;
    float *plane = malloc(count * sizeof *plane);
    if (!plane)
        return run_fail_memory();
    run_picture_plane(picture, channel, 0, 1 / 255.0f, plane);
    for (size_t i = 0; i < count; i++)
        out[i * channels + channel] = (unsigned char)(plane[i] + 0.5f);
    free(plane);
    return RUN_OK;
}

run_exit run_image_load(const char *path, const run_image_options *options,
                        const vkd_tensor_info *info, void *out)
{
    int64_t sizes[3];
    sizes_of(info, sizes);
    const size_t channels = (size_t)sizes[0], plane = (size_t)sizes[1] * (size_t)sizes[2];
    size_t size;
    run_picture picture = {.name = run_file_name(path),
                           .width = (int)sizes[2],
                           .height = (int)sizes[1],
                           .gray = options->gray || channels == 1};
    char *bytes;
    run_exit result = run_file_read(path, &bytes, &size);
    if (result)
        return result;
    result = decode((const unsigned char *)bytes, size, &picture);
    for (size_t i = 0; i < channels && !result; i++)
        if (info->dtype == VKD_DTYPE_UINT8)
            result = load_bytes(&picture, i, channels, out);
        else
            run_picture_plane(&picture, i, options->mean[i], options->std[i],
                              (float *)out + i * plane);
    run_picture_release(&picture);
    free(bytes);
    return result;
}
