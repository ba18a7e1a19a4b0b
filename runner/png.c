/* PNG files, by libpng: a row at a time, or as a whole where they are interlaced. */
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "runner/exif.h"
#include "runner/picture.h"

typedef struct png_input {
    const unsigned char *at;
    size_t left, size;
    run_picture *picture;
    png_structp png;
    png_infop info;
    unsigned char *rows; /* one, or all */
    run_exit result;     /* of calls that have said why */
    char reason[128];    /* libpng's */
} png_input;

static void on_error(png_structp png, png_const_charp message)
{
    png_input *in = png_get_error_ptr(png);
    strncpy(in->reason, message, sizeof in->reason - 1);
    longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }

static void read_bytes(png_structp png, png_bytep out, size_t size)
{
    png_input *in = png_get_io_ptr(png);
    if (size > in->left)
        png_error(png, "the file ends too early");
    memcpy(out, in->at, size);
    in->at += size;
    in->left -= size;
}

/* The chunk may come after the pixels too, for which it is needed, so it is looked for before
 * libpng sees anything. */
static int find_orientation(const unsigned char *bytes, size_t size)
{
    enum { SIGNATURE = 8, AROUND = 12 }; /* a chunk's length, name and checksum */
    for (size_t at = SIGNATURE; size - at >= AROUND;) {
        size_t length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 |
                        (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (length > size - at - AROUND)
            break;
        if (!memcmp(bytes + at + 4, "eXIf", 4))
            return run_exif_orientation(bytes + at + 8, length);
        at += AROUND + length;
    }
    return 1;
}

/* libpng allocates rows for whatever width a header claims. */
static void check_size(png_input *in)
{
    enum { DEFLATE_RATIO = 1032 }; /* no more bytes come of one */
    size_t row = png_get_rowbytes(in->png, in->info),
           height = png_get_image_height(in->png, in->info);
    if (row > in->size * DEFLATE_RATIO / height)
        png_error(in->png, "the file is too short for so many pixels");
}

/* Whatever the file has becomes rows of 8-bit gray or RGB. Returns how often libpng goes over them.
 */
static int set_up(png_input *in)
{
    png_structp png = in->png;
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_read_fn(png, in, read_bytes);
    png_read_info(png, in->info);
    check_size(in);
    png_set_expand(png);
    png_set_strip_16(png);
    png_set_strip_alpha(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, in->info);
    return passes;
}

static run_exit decode(png_input *in, int orientation)
{
    int passes = set_up(in);
    size_t width = png_get_image_width(in->png, in->info),
           height = png_get_image_height(in->png, in->info);
    size_t pitch = png_get_rowbytes(in->png, in->info), kept = passes > 1 ? height : 1;
    if (kept > SIZE_MAX / pitch || !(in->rows = malloc(kept * pitch)))
        return run_fail(RUN_FAILED, "%s: out of memory for its %zux%zu pixels", in->picture->name,
                        width, height);
    run_exit result = run_picture_begin(in->picture, width, height,
                                        png_get_channels(in->png, in->info), orientation);
    for (int pass = 0; pass < passes && !result; pass++) {
        for (size_t y = 0; y < height; y++) {
            unsigned char *row = in->rows + (kept > 1 ? y * pitch : 0);
            png_read_row(in->png, row, NULL);
            if (pass == passes - 1)
                run_picture_row(in->picture, y, row);
        }
    }
    return result;
}

run_exit run_png_decode(const unsigned char *bytes, size_t size, run_picture *picture)
{
    png_input in = {.at = bytes, .left = size, .size = size, .picture = picture};
    in.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &in, on_error, on_warning);
    in.info = in.png ? png_create_info_struct(in.png) : NULL;
    if (!in.info)
        in.result = run_fail_memory();
    else if (setjmp(png_jmpbuf(in.png)))
        in.result =
            run_fail(RUN_IO, "%s: a PNG file that cannot be decoded: %s", picture->name, in.reason);
    else
        in.result = decode(&in, find_orientation(bytes, size));
    png_destroy_read_struct(&in.png, &in.info, NULL);
    free(in.rows);
    return in.result;
}
