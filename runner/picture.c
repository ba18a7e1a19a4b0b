#include "runner/picture.h"

#include <stdlib.h>
#include <string.h>

/* Half-pixel centres, as PyTorch's interpolate with align_corners=False. */
static void fill_samples(run_sample *samples, size_t from, int to)
{
    float scale = (float)from / (float)to;
    for (int i = 0; i < to; i++) {
        float at = scale * ((float)i + 0.5f) - 0.5f;
        if (at < 0)
            at = 0;
        size_t low = (size_t)at < from - 1 ? (size_t)at : from - 1;
        samples[i] = (run_sample){low, low < from - 1 ? low + 1 : low, at - (float)low};
    }
}

/* The decoder's coordinates of an axis of `size` that is seen from its end where flipped. */
static void fill_places(size_t *places, const run_sample *samples, size_t count, size_t size,
                        bool flipped)
{
    for (size_t i = 0; i < count; i++) {
        places[2 * i] = flipped ? size - 1 - samples[i].low : samples[i].low;
        places[2 * i + 1] = flipped ? size - 1 - samples[i].high : samples[i].high;
    }
}

run_exit run_picture_begin(run_picture *p, size_t width, size_t height, size_t channels,
                           int orientation)
{
    /* By EXIF's number: whether the decoder's rows and columns are seen from their end. From 5 on
     * they also change places. */
    static const bool right_to_left[] = {false, false, true, true, false, false, false, true, true};
    static const bool bottom_up[] = {false, false, false, true, true, false, true, true, false};
    size_t to_width = (size_t)p->width, to_height = (size_t)p->height;
    p->channels = channels;
    p->kept = p->gray ? 1 : channels;
    p->swapped = orientation >= 5;
    p->column_count = 2 * (p->swapped ? to_height : to_width);
    p->row_count = 2 * (p->swapped ? to_width : to_height);
    p->across = calloc(to_width, sizeof *p->across);
    p->down = calloc(to_height, sizeof *p->down);
    p->columns = calloc(p->column_count, sizeof *p->columns);
    p->rows = calloc(p->row_count, sizeof *p->rows);
    p->pixels = calloc(p->row_count * p->column_count, p->kept);
    if (!p->across || !p->down || !p->columns || !p->rows || !p->pixels)
        return run_fail_memory();
    fill_samples(p->across, p->swapped ? height : width, p->width);
    fill_samples(p->down, p->swapped ? width : height, p->height);
    fill_places(p->columns, p->swapped ? p->down : p->across, p->column_count / 2, width,
                right_to_left[orientation]);
    fill_places(p->rows, p->swapped ? p->across : p->down, p->row_count / 2, height,
                bottom_up[orientation]);
    return RUN_OK;
}

static void keep_row(const run_picture *p, const unsigned char *row, unsigned char *out)
{
    for (size_t i = 0; i < p->column_count; i++, out += p->kept) {
        const unsigned char *from = row + p->columns[i] * p->channels;
        if (p->kept == p->channels)
            memcpy(out, from, p->kept);
        else /* BT.601 in 256ths */
            *out = (unsigned char)((from[0] * 77 + from[1] * 150 + from[2] * 29) >> 8);
    }
}

void run_picture_row(run_picture *p, size_t y, const unsigned char *row)
{
    for (size_t i = 0; i < p->row_count; i++)
        if (p->rows[i] == y)
            keep_row(p, row, p->pixels + i * p->column_count * p->kept);
}

void run_picture_plane(const run_picture *p, size_t channel, float mean, float std, float *out)
{
    float normal[256];
    size_t step = p->kept, pitch = p->column_count * p->kept;
    /* to the other pixel of a sample */
    size_t right = p->swapped ? pitch : step, below = p->swapped ? step : pitch;
    for (int i = 0; i < 256; i++)
        normal[i] = ((float)i / 255 - mean) / std;
    for (int y = 0; y < p->height; y++) {
        float down = p->down[y].weight;
        const unsigned char *at = p->pixels + 2 * (size_t)y * below + (p->kept == 1 ? 0 : channel);
        for (int x = 0; x < p->width; x++, at += 2 * right) {
            float across = p->across[x].weight;
            float top = (1 - across) * normal[at[0]] + across * normal[at[right]];
            float bottom = (1 - across) * normal[at[below]] + across * normal[at[below + right]];
            *out++ = (1 - down) * top + down * bottom;
        }
    }
}

void run_picture_release(run_picture *p)
{
    free(p->across);
    free(p->down);
    free(p->columns);
    free(p->rows);
    free(p->pixels);
}
