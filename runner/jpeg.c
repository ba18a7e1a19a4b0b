/* JPEG files, by libjpeg: a row at a time. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
/* after it */
#include <jerror.h>

#include "runner/exif.h"
#include "runner/picture.h"

typedef struct jpeg_input {
    struct jpeg_error_mgr errors; /* first: libjpeg knows no more of this */
    jmp_buf leave;
    struct jpeg_decompress_struct jpeg;
    run_picture *picture;
    run_exit result; /* of calls that have said why */
    char reason[JMSG_LENGTH_MAX];
} jpeg_input;

static void on_error(j_common_ptr jpeg)
{
    jpeg_input *in = (jpeg_input *)jpeg->err;
    in->errors.format_message(jpeg, in->reason);
    longjmp(in->leave, 1);
}

/* Damage that libjpeg makes up for is no error, but for missing data, in whose place there would be
 * gray. */
static void on_message(j_common_ptr jpeg, int level)
{
    if (level < 0 &&
        (jpeg->err->msg_code == JWRN_JPEG_EOF || jpeg->err->msg_code == JWRN_HIT_MARKER))
        on_error(jpeg);
}

/* libjpeg allocates as many coefficients as a header claims. A block of 8x8 pixels takes a bit at
 * least. */
static bool is_plausible(const struct jpeg_decompress_struct *jpeg, size_t size)
{
    return (uint64_t)jpeg->image_width * jpeg->image_height / (64 * 8) <= size;
}

static int find_orientation(const struct jpeg_decompress_struct *jpeg)
{
    static const char name[6] = "Exif\0";
    for (jpeg_saved_marker_ptr marker = jpeg->marker_list; marker; marker = marker->next)
        if (marker->data_length >= sizeof name && !memcmp(marker->data, name, sizeof name))
            return run_exif_orientation(marker->data + sizeof name,
                                        marker->data_length - sizeof name);
    return 1;
}

/* Four inks to three lights, in place. Adobe's files, nearly all of this kind, have them inverted:
 * 255 is no ink. */
static void cmyk_to_rgb(unsigned char *row, size_t width, bool inverted)
{
    for (size_t x = 0; x < width; x++) {
        int black = inverted ? row[4 * x + 3] : 255 - row[4 * x + 3];
        for (size_t c = 0; c < 3; c++) {
            int light = inverted ? row[4 * x + c] : 255 - row[4 * x + c];
            row[3 * x + c] = (unsigned char)((light * black + 127) / 255);
        }
    }
}

static void decode(jpeg_input *in, const unsigned char *bytes, size_t size)
{
    struct jpeg_decompress_struct *jpeg = &in->jpeg;
    jpeg_create_decompress(jpeg);
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xffff);
    jpeg_mem_src(jpeg, bytes, size);
    jpeg_read_header(jpeg, TRUE);
    if (!is_plausible(jpeg, size)) {
        in->result = run_fail(RUN_IO, "%s: a JPEG file that is too short for its %ux%u pixels",
                              in->picture->name, jpeg->image_width, jpeg->image_height);
        return;
    }
    bool cmyk = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    bool gray = jpeg->jpeg_color_space == JCS_GRAYSCALE;
    jpeg->out_color_space = cmyk ? JCS_CMYK : gray ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(jpeg);
    in->result = run_picture_begin(in->picture, jpeg->output_width, jpeg->output_height,
                                   gray ? 1 : 3, find_orientation(jpeg));
    if (in->result)
        return;
    JSAMPARRAY row =
        jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE,
                                jpeg->output_width * (JDIMENSION)jpeg->output_components, 1);
    for (size_t y = 0; y < jpeg->output_height; y++) {
        jpeg_read_scanlines(jpeg, row, 1);
        if (cmyk)
            cmyk_to_rgb(row[0], jpeg->output_width, jpeg->saw_Adobe_marker);
        run_picture_row(in->picture, y, row[0]);
    }
    jpeg_finish_decompress(jpeg);
}

run_exit run_jpeg_decode(const unsigned char *bytes, size_t size, run_picture *picture)
{
    jpeg_input in = {.picture = picture};
    in.jpeg.err = jpeg_std_error(&in.errors);
    in.errors.error_exit = on_error;
    in.errors.emit_message = on_message;
    if (setjmp(in.leave))
        in.result = run_fail(RUN_IO, "%s: a JPEG file that cannot be decoded: %s", picture->name,
                             in.reason);
    else
        decode(&in, bytes, size);
    jpeg_destroy_decompress(&in.jpeg);
    return in.result;
}
