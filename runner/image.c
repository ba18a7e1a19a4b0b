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
