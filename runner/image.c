#include "runner/image.h"

#include <stdlib.h>
#include <string.h>

#include "runner/file.h"
#include "runner/picture.h"

bool run_image_fits(const vkd_tensor_info *info)
{
    return info->dtype == VKD_DTYPE_FLOAT32 && info->rank == 4 && info->dims[0] == 1 &&
           (info->dims[1] == 1 || info->dims[1] == 3) && info->dims[2] > 0 && info->dims[3] > 0;
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
    return run_fail(RUN_IO, "%s: neither a PNG nor a JPEG file", picture->name);
}

run_exit run_image_load(const char *path, const run_image_options *options,
                        const vkd_tensor_info *info, float *out)
{
    size_t channels = (size_t)info->dims[1], size,
           plane = (size_t)info->dims[2] * (size_t)info->dims[3];
    run_picture picture = {.name = run_file_name(path),
                           .width = (int)info->dims[3],
                           .height = (int)info->dims[2],
                           .gray = options->gray || channels == 1};
    char *bytes;
    run_exit result = run_file_read(path, &bytes, &size);
    if (result)
        return result;
    result = decode((const unsigned char *)bytes, size, &picture);
    for (size_t i = 0; i < channels && !result; i++)
        run_picture_plane(&picture, i, options->mean[i], options->std[i], out + i * plane);
    run_picture_release(&picture);
    free(bytes);
    return result;
}
