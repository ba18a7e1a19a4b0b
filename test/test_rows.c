/* Operators that only move rows, drawn one behind the other, against themselves with each a
 * dispatch of its own: the same bits, by no more dispatches. And what windows of a turned image
 * cost; and a linear layer whose result is seen under other dims before something is added. */
#include "include/vkdelegate.h"
#include "support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 1 << 14, LEAST_STEPS = 2, STEPS = 9, LONGEST = 64 };

typedef struct drawn {
    hand_model m;
    vkd_random *random;
    vkd_dtype dtype;
    uint32_t x, rank, dims[VKD_MAX_RANK];
    int32_t indices[STEPS][LONGEST];
    char text[256];
} drawn;

static uint32_t between(drawn *d, int32_t low, int32_t high)
{
    return (uint32_t)random_range(d->random, low, high);
}

static bool chance(drawn *d, int of) { return between(d, 1, of) == 1; }

static size_t count_of(const drawn *d) { return (size_t)vkd_dims_count(d->rank, d->dims); }

static void become(drawn *d, uint32_t y, const char *what)
{
    d->x = y;
    strncat(d->text, what, sizeof d->text - strlen(d->text) - 1);
}

static uint32_t value(drawn *d) { return hand_tensor(&d->m, d->dtype, d->rank, d->dims); }

/* ---------------------------------------------------------------------------------------- steps */

static void view(drawn *d)
{
    int64_t sizes[VKD_MAX_RANK];
    for (uint32_t i = 0; i < d->rank; i++)
        sizes[i] = d->dims[i];
    const uint32_t x = d->x, y = value(d);
    HAND_OP(&d->m, "aten.view_copy.default", x, hand_ints(&d->m, d->rank, sizes), y);
    become(d, y, " view");
}

/* One dim becomes two, or two one. */
static void reshape(drawn *d)
{
    const uint32_t at = between(d, 0, (int32_t)d->rank - 2);
    if (d->rank > 3 && at + 2 < d->rank && chance(d, 2)) {
        d->dims[at] *= d->dims[at + 1];
        memmove(d->dims + at + 1, d->dims + at + 2, (d->rank - at - 2) * sizeof *d->dims);
        d->rank--;
        view(d);
        return;
    }
    for (uint32_t by = 2; by < 5 && d->rank < 6; by++)
        if (d->dims[at] % by == 0) {
            memmove(d->dims + at + 1, d->dims + at, (d->rank - at) * sizeof *d->dims);
            d->dims[at] /= by;
            d->dims[at + 1] = by;
            d->rank++;
            view(d);
            return;
        }
}

static void permute(drawn *d)
{
    int64_t order[VKD_MAX_RANK];
    uint32_t dims[VKD_MAX_RANK];
    const uint32_t turned = chance(d, 8) ? d->rank : d->rank - 1;
    for (uint32_t i = 0; i < d->rank; i++)
        order[i] = i;
    for (uint32_t i = turned; i-- > 1;) {
        const uint32_t k = between(d, 0, (int32_t)i);
        const int64_t other = order[i];
        order[i] = order[k];
        order[k] = other;
    }
    memcpy(dims, d->dims, sizeof dims);
    for (uint32_t i = 0; i < d->rank; i++)
        d->dims[i] = dims[order[i]];
    const uint32_t x = d->x, y = value(d);
    HAND_OP(&d->m, "aten.permute_copy.default", x, hand_ints(&d->m, d->rank, order), y);
    become(d, y, " permute");
}

static uint32_t slice_of(drawn *d, uint32_t x, uint32_t dim, int64_t start, int64_t end,
                         int64_t step, uint32_t size)
{
    const uint32_t before = d->dims[dim];
    d->dims[dim] = size;
    const uint32_t y = value(d);
    d->dims[dim] = before;
    HAND_OP(&d->m, "aten.slice_copy.Tensor", x, hand_int(&d->m, dim), hand_int(&d->m, start),
            hand_int(&d->m, end), hand_int(&d->m, step), y);
    return y;
}

static void slice(drawn *d)
{
    const uint32_t dim = between(d, 0, (int32_t)d->rank - (chance(d, 8) ? 1 : 2)),
                   size = d->dims[dim], start = between(d, 0, (int32_t)size - 1),
                   step = between(d, 1, 2), count = (size - start - 1) / step + 1;
    const uint32_t y = slice_of(d, d->x, dim, chance(d, 2) ? start : (int64_t)start - size,
                                INT64_MAX, step, count);
    d->dims[dim] = count;
    become(d, y, " slice");
}

/* By places of which some count from the end, or are out of range. */
static void index_select(drawn *d, uint32_t dim, int32_t *index, bool turns)
{
    const int32_t size = (int32_t)d->dims[dim];
    if (size > LONGEST)
        return;
    const uint32_t count = turns ? (uint32_t)size : between(d, 1, size);
    for (uint32_t i = 0; i < count; i++)
        index[i] = turns ? (int32_t)(i + 1) % size : random_range(d->random, -size - 1, size);
    d->dims[dim] = count;
    const uint32_t x = d->x, y = value(d);
    HAND_OP(&d->m, "aten.index_select.default", x, hand_int(&d->m, dim),
            hand_constant(&d->m, VKD_DTYPE_INT32, 1, &count, index), y);
    become(d, y, " index_select");
}

static void pad(drawn *d)
{
    const uint32_t x = d->x, y = value(d);
    HAND_OP(&d->m, "aten.constant_pad_nd.default", x, hand_pair(&d->m, 0, 0), hand_double(&d->m, 0),
            y);
    become(d, y, " pad");
}

/* Every second one, then the others, along a dim, side by side or one behind the other. */
static void cat(drawn *d)
{
    const uint32_t along = between(d, 0, (int32_t)d->rank - 2),
                   dim = chance(d, 2) ? along : d->rank - 1, half = d->dims[along] / 2;
    if (d->dims[along] % 2 || 2 * count_of(d) > MOST)
        return;
    const uint32_t x = d->x, parts[] = {slice_of(d, x, along, 1, INT64_MAX, 2, half),
                                        slice_of(d, x, along, 0, INT64_MAX, 2, half)};
    d->dims[along] = half;
    d->dims[dim] *= 2;
    const uint32_t y = value(d);
    HAND_OP(&d->m, "aten.cat.default", hand_list(&d->m, 2, parts), hand_int(&d->m, dim), y);
    become(d, y, " cat");
}

static void draw_step(drawn *d, uint32_t number)
{
    switch (between(d, 0, 6)) {
    case 0:
        permute(d);
        break;
    case 1:
        slice(d);
        break;
    case 2:
        pad(d);
        break;
    case 3:
        cat(d);
        break;
    case 4:
        index_select(d, between(d, 0, (int32_t)d->rank - 1), d->indices[number], false);
        break;
    default:
        reshape(d);
    }
}

/* ------------------------------------------------------------------------------------ comparing */

/* Dispatches with each call by itself, and together. */
typedef struct dispatches {
    size_t apart, one;
} dispatches;

static dispatches compare(harness *h, drawn *d, const void *const *inputs, size_t bytes)
{
    static char got[4 * MOST], expected[4 * MOST];
    void *outputs[] = {expected};
    dispatches n;
    hand_mark_output(&d->m, d->x);
    if (harness_run_rewritten(h, hand_finish(&d->m), NULL, VKD_REWRITE_MOVES, inputs, outputs,
                              &n.apart) != VKD_OK)
        fail_msg("%s", h->gpu.context.error);
    outputs[0] = got;
    if (harness_run_rewritten(h, hand_finish(&d->m), NULL, 0, inputs, outputs, &n.one) != VKD_OK)
        fail_msg("%s", h->gpu.context.error);
    if (memcmp(got, expected, bytes))
        fail_msg("other elements than apart:%s", d->text);
    return n;
}

static drawn *begin(vkd_random *random, uint32_t rank, const uint32_t *dims, float *data)
{
    drawn *d = checked_alloc(1, sizeof *d);
    static const vkd_dtype types[] = {VKD_DTYPE_FLOAT32, VKD_DTYPE_FLOAT16, VKD_DTYPE_INT32};
    d->random = random;
    d->dtype = types[between(d, 0, 2)];
    d->rank = rank;
    memcpy(d->dims, dims, rank * sizeof *dims);
    d->x = hand_input(&d->m, d->dtype, rank, dims);
    random_floats(random, -2, 2, data, count_of(d));
    return d;
}

static size_t bytes_of(const drawn *d) { return count_of(d) * vkd_dtype_size(d->dtype); }

static void drawn_moves_agree(void **state)
{
    static float data[MOST];
    vkd_random random = random_begin("moves of rows");
    dispatches all = {0};
    for (int i = 0; i < 150; i++) {
        const uint32_t dims[] = {
            (uint32_t)random_range(&random, 1, 2), (uint32_t)random_range(&random, 1, 8),
            (uint32_t)random_range(&random, 1, 8), 4 * (uint32_t)random_range(&random, 1, 3)};
        drawn *d = begin(&random, 4, dims, data);
        for (uint32_t s = between(d, LEAST_STEPS, STEPS); s-- > 0;)
            draw_step(d, s);
        if (d->x != d->m.inputs[0]) {
            const dispatches n =
                compare(harness_get(state), d, (const void *const[]){data}, bytes_of(d));
            if (n.one > n.apart)
                fail_msg("%zu dispatches, %zu apart:%s", n.one, n.apart, d->text);
            all.one += n.one;
            all.apart += n.apart;
        }
        free(d);
    }
    print_message("%zu dispatches, %zu apart\n", all.one, all.apart);
    assert_true(all.one < all.apart);
}

/* An image that is turned along both axes, in windows: one copy each way. */
static void windows_are_one_copy(void **state)
{
    static float data[MOST];
    vkd_random random = random_begin("windows");
    const uint32_t dims[] = {2, 6, 8, 12};
    for (int back = 0; back < 2; back++) {
        drawn *d = begin(&random, 4, dims, data);
        const uint32_t apart[] = {2, 3, 2, 4, 2, 12}, windows[] = {2, 3, 4, 2, 2, 12};
        if (!back) {
            index_select(d, 1, d->indices[0], true);
            index_select(d, 2, d->indices[1], true);
        }
        d->rank = 6;
        memcpy(d->dims, back ? windows : apart, sizeof apart);
        view(d);
        memcpy(d->dims, back ? apart : windows, sizeof apart);
        const uint32_t y = value(d);
        HAND_OP(&d->m, "aten.permute_copy.default", d->x,
                hand_ints(&d->m, 6, (int64_t[]){0, 1, 3, 2, 4, 5}), y);
        d->x = y;
        d->rank = back ? 4 : 2;
        memcpy(d->dims, back ? dims : (const uint32_t[]){96, 12}, d->rank * sizeof *dims);
        view(d);
        if (back) {
            index_select(d, 1, d->indices[0], true);
            index_select(d, 2, d->indices[1], true);
        }
        const dispatches n =
            compare(harness_get(state), d, (const void *const[]){data}, bytes_of(d));
        assert_int_equal(n.one, 1);
        assert_int_equal(n.apart, 4);
        free(d);
    }
}

/* What a file says wrongly is refused as by the operators themselves: a dim that is turned twice, a
 * result of other dims. */
static void wrong_moves_are_refused(void **state)
{
    enum { A = 4, B = 6, WIDTH = 8 };
    static const struct {
        uint32_t x[3];
        int64_t turned[3];
        uint32_t y[3];
        vkd_status status;
    } rows[] = {
        {{A, B, WIDTH}, {1, 0, 2}, {B, A, WIDTH}, VKD_OK},
        {{A, A, WIDTH}, {0, 0, 2}, {A, A, WIDTH}, VKD_INVALID_MODEL},
        {{A, B, WIDTH}, {1, 0, 2}, {A, B, WIDTH}, VKD_INVALID_MODEL},
        {{A, B, WIDTH}, {0, 1, 2}, {B, A, WIDTH}, VKD_INVALID_MODEL},
    };
    static float x[A * B * WIDTH], y[A * B * WIDTH];
    harness *h = harness_get(state);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hand_model *m = checked_alloc(1, sizeof *m);
        const uint32_t *dims = rows[i].y, back[] = {dims[1], dims[0], dims[2]},
                       in = hand_input(m, VKD_DTYPE_FLOAT32, 3, rows[i].x),
                       between = hand_tensor(m, VKD_DTYPE_FLOAT32, 3, dims),
                       out = hand_tensor(m, VKD_DTYPE_FLOAT32, 3, back);
        HAND_OP(m, "aten.permute_copy.default", in, hand_ints(m, 3, rows[i].turned), between);
        HAND_OP(m, "aten.permute_copy.default", between, hand_ints(m, 3, (int64_t[]){1, 0, 2}),
                out);
        HAND_OP(m, "aten.sin.default", out, hand_output(m, VKD_DTYPE_FLOAT32, 3, back));
        size_t nodes;
        const vkd_status status = harness_run_rewritten(h, hand_finish(m), NULL, 0,
                                                        (const void *[]){x}, (void *[]){y}, &nodes);
        if (status != rows[i].status)
            fail_msg("%zu: %s", i, vkd_status_name(status));
        free(m);
    }
}

/* ------------------------------------------------------------------------------------- epilogue */

/* linear, view, relu or an addition: one dispatch, wherever what is added is made. */
static void views_are_no_obstacle(void **state)
{
    enum { ROWS = 24, IN = 8, OUT = 12 };
    static float x[ROWS * IN], other[ROWS * OUT], weight[OUT * IN], got[ROWS * OUT],
        expected[ROWS * OUT];
    vkd_random random = random_begin("views before epilogues");
    random_floats(&random, -2, 2, x, ROWS * IN);
    random_floats(&random, -2, 2, other, ROWS * OUT);
    random_floats(&random, -1, 1, weight, OUT * IN);
    for (int kind = 0; kind < 4; kind++) {
        hand_model *m = checked_alloc(1, sizeof *m);
        const uint32_t flat[] = {ROWS, IN}, w[] = {OUT, IN}, rows[] = {ROWS, OUT},
                       dims[] = {2, 3, 4, OUT};
        const vkd_dtype f32 = VKD_DTYPE_FLOAT32;
        const uint32_t a = hand_input(m, f32, 2, flat), b = hand_input(m, f32, 4, dims),
                       y = hand_tensor(m, f32, 2, rows), seen = hand_tensor(m, f32, 4, dims),
                       r = hand_tensor(m, f32, 4, dims), out = hand_tensor(m, f32, 4, dims);
        /* the residual is there before, or made before the view, or behind it; or there is none */
        if (kind == 0)
            HAND_OP(m, "aten.sin.default", b, r);
        HAND_OP(m, "aten.linear.default", a, hand_constant(m, f32, 2, w, weight), hand_null(m), y);
        if (kind == 1)
            HAND_OP(m, "aten.sin.default", b, r);
        HAND_OP(m, "aten.view_copy.default", y, hand_ints(m, 4, (int64_t[]){2, 3, 4, OUT}), seen);
        if (kind == 2)
            HAND_OP(m, "aten.sin.default", b, r);
        if (kind < 3)
            HAND_OP(m, "aten.add.Tensor", seen, r, hand_int(m, 1), out);
        else
            HAND_OP(m, "aten.hardtanh.default", seen, hand_double(m, -1), hand_double(m, 1), out);
        HAND_OP(m, "aten.sin.default", out, hand_output(m, f32, 4, dims));
        const void *inputs[] = {x, other};
        size_t apart, one;
        harness *h = harness_get(state);
        if (harness_run_rewritten(h, hand_finish(m), NULL, VKD_REWRITE_FUSE_CHAIN, inputs,
                                  (void *[]){expected}, &apart) != VKD_OK ||
            harness_run_rewritten(h, hand_finish(m), NULL, 0, inputs, (void *[]){got}, &one) !=
                VKD_OK)
            fail_msg("%s", h->gpu.context.error);
        for (int i = 0; i < ROWS * OUT; i++)
            assert_float_equal(got[i], expected[i], 1e-5);
        assert_true(kind == 2 ? one == apart : one < apart);
        free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drawn_moves_agree),
        cmocka_unit_test(windows_are_one_copy),
        cmocka_unit_test(wrong_moves_are_refused),
        cmocka_unit_test(views_are_no_obstacle),
    };
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
