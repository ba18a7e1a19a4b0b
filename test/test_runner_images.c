/* What vkd-run makes of images: sizes, colours, orientation, formats, and files that are broken.
 * With the fake plug-in, whose model image.pte gives its input back, 1x3x4x6, so that the output is
 * the tensor that was made of the image. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <jpeglib.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "support/random.h"
#include "support/programs.h"
#include "support/runner.h"

enum { TO_WIDTH = 6, TO_HEIGHT = 4, MAX_SIDE = 40, MAX_FILE = 1 << 16, MAX_EXIF = 64 };

typedef struct picture {
    int width, height, channels; /* 1: gray, 2: gray and alpha, 3: RGB, 4: RGB and alpha */
    uint8_t pixels[MAX_SIDE * MAX_SIDE * 4];
} picture;

static picture random_picture(vkd_random *random, int width, int height, int channels)
{
    picture p = {width, height, channels, {0}};
    for (int i = 0; i < width * height * channels; i++)
        p.pixels[i] = (uint8_t)random_bits(random);
    return p;
}

static uint8_t *pixel(const picture *p, int x, int y)
{
    return (uint8_t *)(uintptr_t)&p->pixels[(y * p->width + x) * p->channels];
}

/* ------------------------------------------------------------------------------------ PNG files */

/* How a PNG file is written. All zero: 8 bits a sample, one after another, no EXIF data. */
typedef struct png_form {
    int depth; /* 0: 8 */
    bool interlaced, palette;
    const uint8_t *exif;
    size_t exif_size;
    bool exif_last; /* behind the pixels */
} png_form;

typedef struct bytes {
    size_t size;
    uint8_t data[MAX_FILE];
} bytes;

static void append(bytes *b, const void *data, size_t size)
{
    assert_true(size <= sizeof b->data - b->size);
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static void append_u32(bytes *b, size_t value)
{
    append(b,
           (const uint8_t[]){(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                             (uint8_t)value},
           4);
}

static void append_chunk(bytes *b, const char *name, const void *data, size_t size)
{
    append_u32(b, size);
    append(b, name, 4);
    append(b, data, size);
    append_u32(b, crc32(0, b->data + b->size - size - 4, (uInt)size + 4));
}

static void append_header(bytes *b, size_t width, size_t height, int depth, int colour,
                          bool interlaced)
{
    bytes header = {0};
    append_u32(&header, width);
    append_u32(&header, height);
    append(&header, (const uint8_t[]){(uint8_t)depth, (uint8_t)colour, 0, 0, interlaced}, 5);
    append(b, "\211PNG\r\n\032\n", 8);
    append_chunk(b, "IHDR", header.data, header.size);
}

/* Every step'th pixel from x on, of every step'th row from y on: rows without a filter. */
static void append_rows(bytes *b, const picture *p, int depth, int x0, int x_step, int y0,
                        int y_step)
{
    for (int y = y0; y < p->height && x0 < p->width; y += y_step) {
        uint8_t row[1 + MAX_SIDE * 8] = {0};
        size_t bit = 8;
        for (int x = x0; x < p->width; x += x_step) {
            for (int c = 0; c < p->channels; c++, bit += (size_t)depth) {
                int value = pixel(p, x, y)[c]; /* the second byte of 16 bits is dropped */
                row[bit / 8] |=
                    (uint8_t)(depth >= 8 ? value
                                         : value >> (8 - depth) << (8 - depth - (int)(bit % 8)));
                if (depth == 16)
                    row[bit / 8 + 1] = 0xff;
            }
        }
        append(b, row, (bit + 7) / 8);
    }
}

static bytes encode_png(const picture *p, const png_form *form)
{
    static const int colours[] = {0, 0, 4, 2, 6};
    static const int passes[7][4] = {{0, 8, 0, 8}, {4, 8, 0, 8}, {0, 4, 4, 8}, {2, 4, 0, 4},
                                     {0, 2, 2, 4}, {1, 2, 0, 2}, {0, 1, 1, 2}};
    int depth = form->depth ? form->depth : 8;
    bytes file = {0}, rows = {0};
    append_header(&file, (size_t)p->width, (size_t)p->height, depth,
                  form->palette ? 3 : colours[p->channels], form->interlaced);
    if (form->palette) {
        uint8_t colours_of[256][3];
        for (int i = 0; i < 256; i++)
            memcpy(colours_of[i],
                   (const uint8_t[]){(uint8_t)(255 - i), (uint8_t)i, (uint8_t)(i / 2)}, 3);
        append_chunk(&file, "PLTE", colours_of, sizeof colours_of);
    }
    if (form->exif && !form->exif_last)
        append_chunk(&file, "eXIf", form->exif, form->exif_size);
    for (int i = 0; i < 7 && form->interlaced; i++)
        append_rows(&rows, p, depth, passes[i][0], passes[i][1], passes[i][2], passes[i][3]);
    if (!form->interlaced)
        append_rows(&rows, p, depth, 0, 1, 0, 1);
    uint8_t packed[MAX_FILE];
    uLongf size = sizeof packed;
    assert_int_equal(compress(packed, &size, rows.data, rows.size), Z_OK);
    append_chunk(&file, "IDAT", packed, size);
    if (form->exif && form->exif_last)
        append_chunk(&file, "eXIf", form->exif, form->exif_size);
    append_chunk(&file, "IEND", "", 0);
    return file;
}

/* ----------------------------------------------------------------------------------- JPEG files */

/* The best quality, no channel smaller than the others. channels 4: CMYK as Adobe's, inverted.
 * exif: without its name. */
static bytes encode_jpeg(const picture *p, bool progressive, const uint8_t *exif, size_t exif_size)
{
    static const J_COLOR_SPACE spaces[] = {JCS_UNKNOWN, JCS_GRAYSCALE, JCS_UNKNOWN, JCS_RGB,
                                           JCS_CMYK};
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *memory = NULL;
    unsigned long size = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &memory, &size);
    jpeg.image_width = (JDIMENSION)p->width;
    jpeg.image_height = (JDIMENSION)p->height;
    jpeg.input_components = p->channels;
    jpeg.in_color_space = spaces[p->channels];
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 100, TRUE);
    jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = 1;
    if (progressive)
        jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    if (exif) {
        uint8_t marker[6 + MAX_EXIF] = "Exif";
        memcpy(marker + 6, exif, exif_size);
        jpeg_write_marker(&jpeg, JPEG_APP0 + 1, marker, (unsigned)exif_size + 6);
    }
    for (int y = 0; y < p->height; y++) {
        JSAMPROW row = pixel(p, 0, y);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    bytes file = {0};
    append(&file, memory, size);
    free(memory);
    return file;
}

/* ------------------------------------------------------------------------------- what comes out */

/* The formula of PyTorch's interpolate(mode="bilinear", align_corners=False), in double. */
static double bilinear(const picture *p, int channel, int y, int x)
{
    double at_y = fmax((y + 0.5) * p->height / TO_HEIGHT - 0.5, 0),
           at_x = fmax((x + 0.5) * p->width / TO_WIDTH - 0.5, 0);
    int y0 = (int)at_y, x0 = (int)at_x;
    int y1 = y0 + 1 < p->height ? y0 + 1 : y0, x1 = x0 + 1 < p->width ? x0 + 1 : x0;
    double v = at_y - y0, u = at_x - x0;
    return (1 - v) * ((1 - u) * pixel(p, x0, y0)[channel] + u * pixel(p, x1, y0)[channel]) +
           v * ((1 - u) * pixel(p, x0, y1)[channel] + u * pixel(p, x1, y1)[channel]);
}

/* That a file is taken for this picture. tolerance: in steps of 255. */
static void expect_picture(runner *r, const char *what, const bytes *file, const picture *seen,
                           double tolerance)
{
    static const double mean[3] = {0.1, 0.2, 0.3}, std[3] = {0.5, 0.25, 2};
    float got[3 * TO_HEIGHT * TO_WIDTH];
    char path[128];
    program_write(runner_path(r, "image", path), file->data, file->size);
    runner_expect(r, "image.pte image --mean 0.1,0.2,0.3 --std 0.5,0.25,2 --output out.f32", 0, "");
    assert_int_equal(runner_read(runner_path(r, "out.f32", path), got, sizeof got), sizeof got);
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < TO_HEIGHT * TO_WIDTH; i++) {
            double value = bilinear(seen, seen->channels <= 2 ? 0 : c, i / TO_WIDTH, i % TO_WIDTH);
            double expected = (value / 255 - mean[c]) / std[c],
                   actual = (double)got[c * TO_HEIGHT * TO_WIDTH + i];
            if (fabs(actual - expected) > 1e-5 + tolerance / 255 / std[c])
                fail_msg("%s, %dx%dx%d, channel %d, element %d: %g, expected %g", what, seen->width,
                         seen->height, seen->channels, c, i, actual, expected);
        }
    }
}

static void images_are_resized_as_pytorch_does(void **state)
{
    static const int sizes[][2] = {{6, 4}, {1, 1}, {3, 2}, {13, 17}, {40, 40}, {1, 7}};
    vkd_random random = random_begin("images");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int channels = 1; channels <= 4; channels++) {
            picture p = random_picture(&random, sizes[i][0], sizes[i][1], channels);
            bytes file = encode_png(&p, &(png_form){0});
            expect_picture(*state, "PNG", &file, &p, 0);
        }
    }
}

/* With --u8 a model gets the bytes themselves, those of a pixel side by side. */
static void images_as_bytes(void **state)
{
    static const int sizes[][2] = {{6, 4}, {13, 17}};
    vkd_random random = random_begin("bytes");
    runner *r = *state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int channels = 1; channels <= 3; channels += 2) {
            picture p = random_picture(&random, sizes[i][0], sizes[i][1], channels);
            bytes file = encode_png(&p, &(png_form){0});
            unsigned char got[TO_HEIGHT * TO_WIDTH * 3];
            char path[128];
            program_write(runner_path(r, "image", path), file.data, file.size);
            runner_expect(r, "image.pte image --u8 --mean 0.1,0.2,0.3 --std 1 --output out.u8", 0,
                          "");
            assert_int_equal(runner_read(runner_path(r, "out.u8", path), got, sizeof got),
                             sizeof got);
            for (int k = 0; k < TO_HEIGHT * TO_WIDTH * 3; k++) {
                const double expected =
                    bilinear(&p, channels == 1 ? 0 : k % 3, k / 3 / TO_WIDTH, k / 3 % TO_WIDTH);
                if (fabs(got[k] - expected) > (i ? 0.5001 : 0))
                    fail_msg("%dx%dx%d, byte %d: %d, expected %g", p.width, p.height, channels, k,
                             got[k], expected);
            }
        }
    runner_expect(r, "--list-devices --u8", 1, "--u8 needs a model");
}

/* What a PNG file of that depth can say. */
static void reduce(picture *p, int depth)
{
    int most = (1 << depth) - 1;
    for (int i = 0; i < p->width * p->height * p->channels; i++)
        p->pixels[i] = (uint8_t)((p->pixels[i] >> (8 - depth)) * 255 / most);
}

static void png_files_of_every_kind(void **state)
{
    static const struct {
        png_form form;
        int channels;
    } rows[] = {
        {{.depth = 1}, 1},         {{.depth = 2}, 1},
        {{.depth = 4}, 1},         {{.depth = 4, .interlaced = true}, 1},
        {{.depth = 16}, 1},        {{.depth = 16}, 3},
        {{.depth = 16}, 4},        {{.depth = 16}, 2},
        {{.interlaced = true}, 3}, {{.interlaced = true}, 2},
        {{.palette = true}, 1},
    };
    vkd_random random = random_begin("PNG");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        picture p = random_picture(&random, 17, 13, rows[i].channels);
        int depth = rows[i].form.depth;
        if (depth && depth < 8)
            reduce(&p, depth);
        bytes file = encode_png(&p, &rows[i].form);
        picture seen = p;
        if (rows[i].form.palette) {
            seen.channels = 3;
            for (int k = 0; k < p.width * p.height; k++)
                memcpy(seen.pixels + 3 * k,
                       (const uint8_t[]){(uint8_t)(255 - p.pixels[k]), p.pixels[k],
                                         (uint8_t)(p.pixels[k] / 2)},
                       3);
        }
        expect_picture(*state, "PNG", &file, &seen, 0);
    }
}

static void jpeg_files_of_every_kind(void **state)
{
    vkd_random random = random_begin("JPEG");
    for (int channels = 1; channels <= 4; channels++) {
        picture p = random_picture(&random, 19, 11, channels), seen = p;
        if (channels == 2)
            continue;
        if (channels == 4) { /* how much light each ink leaves */
            seen.channels = 3;
            for (int i = 0; i < p.width * p.height; i++)
                for (int c = 0; c < 3; c++)
                    seen.pixels[3 * i + c] =
                        (uint8_t)(p.pixels[4 * i + c] * p.pixels[4 * i + 3] / 255);
        }
        for (int progressive = 0; progressive < 2; progressive++) {
            bytes file = encode_jpeg(&p, progressive, NULL, 0);
            expect_picture(*state, "JPEG", &file, &seen, 6);
        }
    }
}

/* A model whose input has its channels last gets the same numbers in that order. */
static void images_in_another_order(void **state)
{
    runner *r = *state;
    float planes[72], last[72];
    char path[128];
    vkd_random random = random_begin("another order");
    picture p = random_picture(&random, 6, 4, 3);
    bytes file = encode_png(&p, &(png_form){0});
    program_write(runner_path(r, "image.png", path), file.data, file.size);
    runner_expect(r, "image.pte image.png --output out.f32", 0, "");
    assert_int_equal(runner_read(runner_path(r, "out.f32", path), planes, sizeof planes),
                     sizeof planes);
    runner_expect(r, "last.pte image.png --output out.f32", 0, "");
    assert_int_equal(runner_read(runner_path(r, "out.f32", path), last, sizeof last), sizeof last);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 24; i++)
            assert_true(last[i * 3 + c] == planes[c * 24 + i]);
    runner_expect(r, "last.pte --input out.f32 --output out.f32", 0, "");
    program_write(runner_path(r, "short.f32", path), last, 4);
    runner_expect(r, "last.pte --input short.f32", 1, "f32 1x3x4x6 in the order 0,2,3,1");
}

/* ---------------------------------------------------------------------------------- orientation */

/* Where the pixel lies in the file that is seen at (x, y) of a picture of this size. */
static void place_of(int orientation, int x, int y, int width, int height, int *out_x, int *out_y)
{
    int right = width - 1 - x, up = height - 1 - y;
    switch (orientation) {
    case 2: /* row 0 of the file is seen at the top, column 0 on the right */
        *out_x = right, *out_y = y;
        break;
    case 3: /* bottom, right */
        *out_x = right, *out_y = up;
        break;
    case 4: /* bottom, left */
        *out_x = x, *out_y = up;
        break;
    case 5: /* left, top */
        *out_x = y, *out_y = x;
        break;
    case 6: /* right, top */
        *out_x = y, *out_y = right;
        break;
    case 7: /* right, bottom */
        *out_x = up, *out_y = right;
        break;
    case 8: /* left, bottom */
        *out_x = up, *out_y = x;
        break;
    default: /* top, left */
        *out_x = x, *out_y = y;
    }
}

static picture stored(const picture *seen, int orientation)
{
    picture p = *seen;
    p.width = orientation >= 5 ? seen->height : seen->width;
    p.height = orientation >= 5 ? seen->width : seen->height;
    for (int y = 0; y < seen->height; y++) {
        for (int x = 0; x < seen->width; x++) {
            int to_x, to_y;
            place_of(orientation, x, y, seen->width, seen->height, &to_x, &to_y);
            memcpy(pixel(&p, to_x, to_y), pixel(seen, x, y), (size_t)seen->channels);
        }
    }
    return p;
}

static void exif_turns_images(void **state)
{
    vkd_random random = random_begin("orientation");
    for (int orientation = 1; orientation <= 8; orientation++) {
        for (int channels = 1; channels <= 3; channels += 2) {
            const uint8_t o = (uint8_t)orientation;
            const uint8_t little[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3,
                                      0,   1,   0,  0, 0, o, 0, 0, 0, 0, 0,    0, 0};
            const uint8_t big[] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0,
                                   3,   0,   0, 0,  1, 0, o, 0, 0, 0, 0, 0,    0};
            picture seen = random_picture(&random, 9, 14, channels), p = stored(&seen, orientation);
            bytes file = encode_png(&p, &(png_form){.exif = little, .exif_size = sizeof little});
            expect_picture(*state, "PNG", &file, &seen, 0);
            file = encode_png(&p, &(png_form){.exif = big,
                                              .exif_size = sizeof big,
                                              .exif_last = true,
                                              .interlaced = true});
            expect_picture(*state, "PNG, EXIF last", &file, &seen, 0);
            file = encode_jpeg(&p, false, big, sizeof big);
            expect_picture(*state, "JPEG", &file, &seen, 6);
            file = encode_jpeg(&p, true, little, sizeof little);
            expect_picture(*state, "JPEG", &file, &seen, 6);
        }
    }
}

/* ---------------------------------------------------------------------------------------- sizes */

/* 2 000 000 x 600 pixels, the left half black: more than a gigabyte once unpacked, of which a row
 * at a time is held. */
static void an_image_of_any_size(void **state)
{
    enum { WIDTH = 2000000, HEIGHT = 600, ROW = 1 + WIDTH / 8 };
    runner *r = *state;
    static uint8_t row[ROW], packed[2 << 20];
    bytes begin = {0}, end = {0};
    char path[128];
    float got[72];
    memset(row + 1 + WIDTH / 16, 0xff, WIDTH / 16);
    append_header(&begin, WIDTH, HEIGHT, 1, 0, false);
    append_chunk(&end, "IEND", "", 0);
    z_stream z = {.next_out = packed + 4, .avail_out = sizeof packed - 8};
    memcpy(packed, "IDAT", 4);
    assert_int_equal(deflateInit(&z, 1), Z_OK);
    for (int y = 0; y < HEIGHT; y++) {
        z.next_in = row;
        z.avail_in = ROW;
        assert_int_equal(deflate(&z, y < HEIGHT - 1 ? Z_NO_FLUSH : Z_FINISH),
                         y < HEIGHT - 1 ? Z_OK : Z_STREAM_END);
    }
    append_u32(&begin, z.total_out);
    FILE *file = fopen(runner_path(r, "large.png", path), "wb");
    assert_non_null(file);
    bytes sum = {0};
    append_u32(&sum, crc32(0, packed, (uInt)z.total_out + 4));
    fwrite(begin.data, 1, begin.size, file);
    fwrite(packed, 1, z.total_out + 4, file);
    fwrite(sum.data, 1, sum.size, file);
    fwrite(end.data, 1, end.size, file);
    assert_int_equal(fclose(file), 0);
    deflateEnd(&z);
    runner_expect(r, "image.pte large.png --mean 0 --std 1 --output out.f32", 0, "");
    assert_int_equal(runner_read(runner_path(r, "out.f32", path), got, sizeof got), sizeof got);
    for (int i = 0; i < 72; i++)
        assert_true(got[i] == (i % TO_WIDTH < TO_WIDTH / 2 ? 0.0f : 1.0f));
}

/* A header that promises more than the file can have is believed by nobody: there is memory for
 * neither. */
static void headers_that_lie(void **state)
{
    static const struct {
        size_t width, height;
        bool interlaced;
    } rows[] = {
        {100000, 0x7fffffff, false}, {0x7fffffff, 1, false}, {0x7fffffff, 0x7fffffff, true}};
    runner *r = *state;
    char path[128];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bytes file = {0};
        append_header(&file, rows[i].width, rows[i].height, 16, 6, rows[i].interlaced);
        append_chunk(&file, "IDAT", "\x78\x9c\x03", 3);
        program_write(runner_path(r, "image.png", path), file.data, file.size);
        runner_expect(r, "image.pte image.png", 6,
                      "image.png: a PNG file that cannot be decoded: the file is too short");
    }
    const picture p = {8, 8, 3, {0}};
    for (int progressive = 0; progressive < 2; progressive++) {
        bytes file = encode_jpeg(&p, progressive, NULL, 0);
        size_t at = 0; /* of the frame's header: marker, length, depth, height, width */
        while (file.data[at] != 0xff || file.data[at + 1] != (progressive ? 0xc2 : 0xc0))
            at++;
        memcpy(file.data + at + 5, "\xff\x00\xff\x00", 4);
        program_write(runner_path(r, "image.jpg", path), file.data, file.size);
        runner_expect(r, "image.pte image.jpg", 6,
                      "image.jpg: a JPEG file that is too short for its 65280x65280 pixels");
    }
}

/* ----------------------------------------------------------------------------- what is no image */

static void colour_becomes_gray(void **state)
{
    runner *r = *state;
    const picture colour = {1, 1, 3, {200, 100, 50}};
    float got[72];
    char path[128];
    bytes file = encode_png(&colour, &(png_form){0});
    program_write(runner_path(r, "colour.png", path), file.data, file.size);
    runner_expect(r, "image.pte colour.png --gray --mean 0 --std 1 --output out.f32", 0, "");
    runner_read(runner_path(r, "out.f32", path), got, sizeof got);
    assert_true(got[0] == got[24] && got[0] == got[48]);
    /* about 0.30 r + 0.59 g + 0.11 b = 124 */
    assert_true(got[0] * 255 > 110 && got[0] * 255 < 130);
    runner_expect(r, "gray.pte colour.png --mean 0 --std 1 --output out.f32", 0, "");
    assert_true(runner_read(runner_path(r, "out.f32", path), got, sizeof got) == 96);
}

static void broken_images(void **state)
{
    enum { MUTATIONS = 200 };
    runner *r = *state;
    char path[128];
    vkd_random random = random_begin("broken images");
    picture p = random_picture(&random, 20, 20, 3);
    const bytes whole[] = {encode_png(&p, &(png_form){0}),
                           encode_png(&p, &(png_form){.interlaced = true}),
                           encode_jpeg(&p, false, NULL, 0), encode_jpeg(&p, true, NULL, 0)};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        for (size_t size = 8; size + 40 < whole[i].size; size += whole[i].size / 7) {
            program_write(runner_path(r, "cut", path), whole[i].data, size);
            runner_expect(r, "image.pte cut", 6,
                          i < 2 ? "cut: a PNG file that cannot be decoded: the file ends too early"
                                : "cut: a JPEG file that cannot be decoded: ");
        }
    }
    /* cut off where a progressive file's last scan begins, it decodes, in a poor quality */
    size_t scan = whole[3].size;
    while (memcmp(whole[3].data + scan - 2, "\xff\xda", 2))
        scan--;
    program_write(runner_path(r, "cut", path), whole[3].data, scan - 2);
    runner_expect(r, "image.pte cut", 6,
                  "cut: a JPEG file that cannot be decoded: Premature end of JPEG file");
    bytes gap = whole[2]; /* an end, but too little before it */
    gap.size /= 2;
    append(&gap, "\xff\xd9", 2);
    program_write(runner_path(r, "gap", path), gap.data, gap.size);
    runner_expect(r, "image.pte gap", 6, "premature end of data segment");
    for (int i = 0; i < MUTATIONS; i++) {
        bytes file = whole[i % 4];
        for (int k = 0; k <= i % 3; k++)
            file.data[random_bits(&random) % file.size] = (uint8_t)random_bits(&random);
        program_write(runner_path(r, "mutant", path), file.data, file.size);
        int code = runner_run(r, &(runner_how){0}, "image.pte mutant");
        if (code != 0 && (code != 6 || !strstr(r->err, "vkd-run: mutant: ")))
            fail_msg("mutation %d: exit code %d: %s", i, code, r->err);
    }
    bytes damaged = whole[0];
    damaged.data[damaged.size / 2] ^= 1;
    program_write(runner_path(r, "damaged", path), damaged.data, damaged.size);
    /* a checksum, or zlib */
    runner_expect(r, "image.pte damaged", 6, "damaged: a PNG file that cannot be decoded: ");
}

static void other_formats_are_refused(void **state)
{
    runner *r = *state;
    char path[128];
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } files[] = {{"P6 2 2 255\n012345678901", 23, "nor a JPEG file\n"},
                 {"GIF89a\001\000\001\000\x80\000\000\000\000\000\xff\xff\xff,"
                  "\000\000\000\000\001\000\001\000\000\002\002D\001\000;",
                  35, "nor a JPEG file, it looks like GIF\n"},
                 {"BM\x3a\000\000\000\000\000\000\000\066\000\000\000\050\000\000\000\001\000\000"
                  "\000\001\000\000\000\001\000\030\000",
                  30, "it looks like BMP\n"},
                 {"RIFF\034\000\000\000WEBPVP8 ", 16, "it looks like WebP\n"},
                 {"\000\000\000\030ftypheic\000\000", 14, "it looks like HEIC\n"},
                 {"version https://git-lfs.github.com/spec/v1\n", 43, "Git LFS pointer"},
                 {"<!DOCTYPE html>", 15, "it looks like HTML or XML\n"},
                 {"\034\000\000\000ET12eh00", 12, "the model comes first"},
                 {"no image", 8, "nor a JPEG file\n"},
                 {"\211PNG", 4, "nor a JPEG file\n"},
                 {"", 0, "nor a JPEG file\n"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        program_write(runner_path(r, "file", path), files[i].bytes, files[i].size);
        runner_expect(r, "image.pte file", 6, "file: neither a PNG nor a JPEG file");
        runner_expect(r, "image.pte file", 6, files[i].message);
    }
    runner_expect(r, "image.pte .", 6, "Is a directory");
}

/* ---------------------------------------------------------------------------------- one of many */

static void one_bad_image_does_not_stop_the_others(void **state)
{
    runner *r = *state;
    char path[128];
    vkd_random random = random_begin("one bad image");
    picture p = random_picture(&random, 8, 8, 3);
    bytes file = encode_png(&p, &(png_form){0});
    program_write(runner_path(r, "a.png", path), file.data, file.size);
    program_write(runner_path(r, "b\xff.png", path), file.data, file.size / 2);
    program_write(runner_path(r, "c.png", path), file.data, file.size);
    const char line[] = "image.pte a.png b\xff.png none.png c.png";
    runner_expect(r, line, 6, "vkd-run: 2 of 4 images could not be read");
    assert_non_null(strstr(r->err, "none.png: No such file"));
    assert_true(strstr(r->out, "a.png") && strstr(r->out, "c.png"));
    assert_null(strstr(r->out, "none.png"));

    char json_line[128];
    snprintf(json_line, sizeof json_line, "%s --json", line);
    cJSON *root = runner_json(r, json_line, 6);
    const cJSON *results = cJSON_GetObjectItemCaseSensitive(root, "results");
    assert_int_equal(cJSON_GetArraySize(results), 4);
    for (int i = 0; i < 4; i++) {
        const cJSON *result = cJSON_GetArrayItem(results, i);
        bool good = i == 0 || i == 3;
        assert_int_equal(cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(result, "top")), good);
        assert_int_equal(cJSON_IsString(cJSON_GetObjectItemCaseSensitive(result, "error")), !good);
    }
    assert_string_equal(runner_string(cJSON_GetArrayItem(results, 1), "file"), "b\xef\xbf\xbd.png");
    assert_non_null(
        strstr(runner_string(cJSON_GetArrayItem(results, 1), "error"), "the file ends too early"));
    assert_non_null(strstr(runner_string(root, "error"), "2 of 4 images"));
    assert_true(runner_number(root, "exit_code") == 6);
    cJSON_Delete(root);

    assert_int_equal(
        runner_run(r, &(runner_how){.from = runner_path(r, "a.png", path)}, "image.pte none.png -"),
        6);
    assert_non_null(strstr(r->out, "-  ")); /* by standard input */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_resized_as_pytorch_does),
        cmocka_unit_test(images_as_bytes),
        cmocka_unit_test(png_files_of_every_kind),
        cmocka_unit_test(jpeg_files_of_every_kind),
        cmocka_unit_test(images_in_another_order),
        cmocka_unit_test(exif_turns_images),
        cmocka_unit_test(an_image_of_any_size),
        cmocka_unit_test(headers_that_lie),
        cmocka_unit_test(colour_becomes_gray),
        cmocka_unit_test(broken_images),
        cmocka_unit_test(other_formats_are_refused),
        cmocka_unit_test(one_bad_image_does_not_stop_the_others),
    };
    return cmocka_run_group_tests(tests, runner_setup, runner_teardown);
}
