/* Attention that is written out against the one operator that the rewrite rule makes of it, on a
 * device: drawn spellings, whose numbers must agree and whose dispatches must be fewer; and near
 * misses, which stay as they are. */
#include "include/vkdelegate.h"
#include "runtime/base/element.h"
#include "support/harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 1 << 15 };

/* How it is spelt. */
typedef struct spelling {
    uint32_t images, windows, heads, queries, keys, width; /* windows: 0, or that an image is in */
    bool half, mask, number_first, divides, factors_before, safe, views;
    bool fixed;        /* masks are constants */
    bool turned;       /* operands and result have heads behind positions */
    bool weights_read; /* somebody else wants them: no attention any more */
    bool both;         /* a mask tells images apart, another one windows: neither */
} spelling;

typedef struct drawn {
    hand_model m;
    vkd_random *random;
    spelling s;
    vkd_dtype dtype;
    size_t input_count, constant_count;
    void *inputs[5], *constants[2];
    size_t count; /* of the result */
    float divisors[4];
    size_t divisor_count;
} drawn;

static bool chance(drawn *d, int of) { return random_range(d->random, 1, of) == 1; }

static uint32_t between(drawn *d, int32_t low, int32_t high)
{
    return (uint32_t)random_range(d->random, low, high);
}

static void draw_spelling(drawn *d)
{
    d->s = (spelling){.images = chance(d, 3) ? 2 : 1,
                      .windows = chance(d, 3) ? between(d, 1, 3) : 0,
                      .heads = between(d, 1, 4),
                      .queries = chance(d, 4) ? 1 : between(d, 1, 20),
                      .keys = between(d, 1, 40),
                      .width = chance(d, 2) ? 4 * between(d, 1, 8) : between(d, 1, 20),
                      .half = chance(d, 3),
                      .mask = chance(d, 2),
                      .number_first = chance(d, 2),
                      .divides = chance(d, 2),
                      .factors_before = chance(d, 2),
                      .safe = chance(d, 2),
                      .views = chance(d, 2),
                      .fixed = chance(d, 2),
                      .turned = chance(d, 2)};
    d->s.images *= d->s.windows ? d->s.windows : 1;
    d->s.keys += d->s.fixed && d->s.keys == 1; /* a constant of one element is a number */
}

/* ------------------------------------------------------------------------------------ operators */

static uint32_t value(drawn *d, uint32_t rank, const uint32_t *dims)
{
    return hand_tensor(&d->m, d->dtype, rank, dims);
}

static float *draw_numbers(drawn *d, size_t count)
{
    float *data = checked_alloc(count, sizeof *data);
    random_floats(d->random, -2, 2, data, count);
    for (size_t i = 0; d->s.half && i < count; i++)
        vkd_element_set(VKD_DTYPE_FLOAT16, data, i, (double)data[i]);
    return data;
}

static uint32_t add_input(drawn *d, uint32_t rank, const uint32_t *dims)
{
    d->inputs[d->input_count++] = draw_numbers(d, (size_t)vkd_dims_count(rank, dims));
    return hand_input(&d->m, d->dtype, rank, dims);
}

static uint32_t view(drawn *d, uint32_t x, uint32_t rank, const uint32_t *dims)
{
    int64_t sizes[VKD_MAX_RANK];
    const uint32_t y = value(d, rank, dims);
    for (uint32_t i = 0; i < rank; i++)
        sizes[i] = dims[i];
    HAND_OP(&d->m, "aten.view_copy.default", x, hand_ints(&d->m, rank, sizes), y);
    return y;
}

/* times a number, as a product with one or as a quotient by a constant */
static uint32_t times(drawn *d, uint32_t x, uint32_t rank, const uint32_t *dims, double factor)
{
    const uint32_t y = value(d, rank, dims);
    float *divisor = &d->divisors[d->divisor_count++];
    vkd_element_set(d->dtype, divisor, 0, 1 / factor);
    if (d->s.divides)
        HAND_OP(&d->m, "aten.div.Tensor", x, hand_constant(&d->m, d->dtype, 0, NULL, divisor), y);
    else
        HAND_OP(&d->m, "aten::mul.Scalar_out", x, hand_double(&d->m, factor), y);
    return y;
}

/* A mask with places that nobody sees, and now and then a query that sees none. */
static uint32_t add_mask(drawn *d, uint32_t rank, const uint32_t *full)
{
    uint32_t dims[5];
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = i + 1 < rank && chance(d, 2) ? 1 : full[i];
    if (rank == 4 && d->s.windows && !chance(d, 5))
        dims[0] = 1;
    d->s.both |= rank == 4 && d->s.windows && dims[0] > 1;
    const uint32_t row = dims[rank - 1];
    const size_t rows = (size_t)vkd_dims_count(rank - 1, dims);
    float *data = draw_numbers(d, rows * row);
    for (size_t i = 0; i < rows; i++)
        for (uint32_t k = 0, all = chance(d, 5); k < row; k++)
            if (all || chance(d, 4))
                vkd_element_set(d->dtype, data, i * row + k, -INFINITY);
    if (d->s.fixed) {
        d->constants[d->constant_count++] = data;
        return hand_constant(&d->m, d->dtype, rank, dims, data);
    }
    d->inputs[d->input_count++] = data;
    return hand_input(&d->m, d->dtype, rank, dims);
}

/* Zeros for the queries all of whose scores are -inf. */
static uint32_t make_safe(drawn *d, uint32_t scores, uint32_t weights, const uint32_t *full)
{
    hand_model *m = &d->m;
    const uint32_t each[] = {full[0], full[1], full[2], 1};
    const uint32_t hidden = hand_tensor(m, VKD_DTYPE_BOOL, 4, full),
                   seen = hand_tensor(m, VKD_DTYPE_BOOL, 4, full),
                   any = hand_tensor(m, VKD_DTYPE_BOOL, 4, each),
                   none = hand_tensor(m, VKD_DTYPE_BOOL, 4, each), zeros = value(d, 4, full),
                   y = value(d, 4, full), null = hand_null(m);
    HAND_OP(m, "aten.eq.Scalar", scores, hand_double(m, -INFINITY), hidden);
    HAND_OP(m, "aten.logical_not.default", hidden, seen);
    HAND_OP(m, "aten::any.out", seen, hand_int(m, -1), hand_bool(m, true), any);
    HAND_OP(m, "aten.logical_not.default", any, none);
    HAND_OP(m, "aten.full_like.default", weights, hand_int(m, 0), null, null, null,
            hand_bool(m, false), null, zeros);
    HAND_OP(m, "aten.where.self", none, zeros, weights, y);
    return y;
}

static uint32_t permute(drawn *d, uint32_t x, uint32_t rank, const uint32_t *dims,
                        const int64_t *order)
{
    uint32_t turned[4];
    for (uint32_t i = 0; i < rank; i++)
        turned[i] = dims[order[i]];
    const uint32_t y = value(d, rank, turned);
    HAND_OP(&d->m, "aten.permute_copy.default", x, hand_ints(&d->m, rank, order), y);
    return y;
}

/* An operand [batch, positions, width], or [batch, width, positions] as exporters turn keys. */
static uint32_t add_operand(drawn *d, uint32_t positions, bool is_keys)
{
    const spelling *s = &d->s;
    const uint32_t batch = s->images * s->heads, flat[] = {batch, positions, s->width},
                   keys[] = {batch, s->width, positions},
                   apart[] = {s->images, positions, s->heads, s->width};
    if (!s->turned) {
        const uint32_t x = add_input(d, 3, flat);
        return is_keys ? permute(d, x, 3, flat, (int64_t[]){0, 2, 1}) : x;
    }
    const uint32_t x = add_input(d, 4, apart);
    return is_keys ? view(d, permute(d, x, 4, apart, (int64_t[]){0, 2, 3, 1}), 3, keys)
                   : view(d, permute(d, x, 4, apart, (int64_t[]){0, 2, 1, 3}), 3, flat);
}

/* scores + mask, or mask + scores. */
static uint32_t add(drawn *d, uint32_t scores, uint32_t rank, const uint32_t *full)
{
    const uint32_t sum = value(d, rank, full), mask = add_mask(d, rank, full);
    HAND_OP(&d->m, "aten.add.Tensor", d->s.number_first ? mask : scores,
            d->s.number_first ? scores : mask, hand_int(&d->m, 1), sum);
    return sum;
}

static void build(drawn *d)
{
    const spelling *s = &d->s;
    hand_model *m = &d->m;
    const uint32_t batch = s->images * s->heads,
                   full[] = {s->images, s->heads, s->queries, s->keys},
                   q_dims[] = {batch, s->queries, s->width}, k_dims[] = {batch, s->width, s->keys},
                   p_dims[] = {batch, s->queries, s->keys},
                   y_dims[] = {s->images, s->heads, s->queries, s->width};
    const double root = sqrt(sqrt(1.0 / s->width));
    uint32_t q = add_operand(d, s->queries, false), k = add_operand(d, s->keys, true),
             v = add_operand(d, s->keys, false), products = value(d, 3, p_dims),
             weights = value(d, 4, full);
    if (s->factors_before) {
        q = times(d, q, 3, q_dims, root);
        k = times(d, k, 3, k_dims, root);
    }
    HAND_OP(m, "aten.bmm.default", q, k, products);
    if (!s->factors_before && s->number_first)
        products = times(d, products, 3, p_dims, root * root);
    uint32_t scores = view(d, products, 4, full);
    if (!s->factors_before && !s->number_first)
        scores = times(d, scores, 4, full, root * root);
    if (s->mask)
        scores = add(d, scores, 4, full);
    if (s->windows) {
        const uint32_t apart[] = {s->images / s->windows, s->windows, s->heads, s->queries,
                                  s->keys};
        scores = view(d, add(d, view(d, scores, 5, apart), 5, apart), 4, full);
    }
    HAND_OP(m, "aten._softmax.default", scores, hand_int(m, -1), hand_bool(m, false), weights);
    if (s->safe)
        weights = make_safe(d, scores, weights, full);
    if (s->views)
        weights = view(d, view(d, weights, 2, (uint32_t[]){batch * s->queries, s->keys}), 4, full);
    if (s->weights_read)
        hand_mark_output(m, weights);
    d->count = batch * s->queries * s->width;
    const uint32_t y = s->turned ? value(d, 3, q_dims) : hand_output(m, d->dtype, 3, q_dims);
    HAND_OP(m, "aten.bmm.default", view(d, weights, 3, p_dims), v, y);
    if (s->turned)
        hand_mark_output(m, permute(d, view(d, y, 4, y_dims), 4, y_dims, (int64_t[]){0, 2, 1, 3}));
}

/* ------------------------------------------------------------------------------------ comparing */

static size_t run(harness *h, drawn *d, uint32_t skip, float *y)
{
    static float weights[MOST];
    size_t nodes = 0;
    void *outputs[] = {y, NULL};
    if (d->s.weights_read) {
        outputs[0] = weights;
        outputs[1] = y;
    }
    memset(y, 0, d->count * sizeof *y);
    const vkd_status status = harness_run_rewritten(
        h, hand_finish(&d->m), NULL, skip, (const void *const *)d->inputs, outputs, &nodes);
    if (status != VKD_OK)
        fail_msg("%s", h->gpu.context.error);
    return nodes;
}

/* Sums of other orders; halves are rounded on the way where operators are apart. */
static void compare(const drawn *d, const float *got, const float *expected)
{
    const double least = d->s.half ? 2e-2 : 2e-5;
    for (size_t i = 0; i < d->count; i++) {
        double a = vkd_element_get(d->dtype, got, i), b = vkd_element_get(d->dtype, expected, i);
        if (isnan(a) ? !isnan(b) : !(fabs(a - b) <= least * (1 + fabs(b))))
            fail_msg("element %zu of %u images, %u windows, %u heads, %u queries, %u keys, width "
                     "%u%s%s: %g, apart %g",
                     i, d->s.images, d->s.windows, d->s.heads, d->s.queries, d->s.keys, d->s.width,
                     d->s.safe ? ", safe" : "", d->s.turned ? ", turned" : "", a, b);
    }
}

/* Dispatches of a drawn spelling with attention as one operator and as it is written. */
typedef struct dispatches {
    size_t one, apart;
    bool fits; /* it can be one */
} dispatches;

/* Draws a spelling, where none is given, and compares both ways to run it. */
static dispatches compare_ways(harness *h, vkd_random *random, const spelling *given,
                               bool weights_read)
{
    static float got[MOST], expected[MOST];
    drawn *d = checked_alloc(1, sizeof *d);
    d->random = random;
    draw_spelling(d);
    if (given)
        d->s = *given;
    d->dtype = d->s.half ? VKD_DTYPE_FLOAT16 : VKD_DTYPE_FLOAT32;
    d->s.weights_read = weights_read;
    build(d);
    dispatches n = {.apart = run(h, d, VKD_REWRITE_ATTENTION, expected), .fits = !d->s.both};
    n.one = run(h, d, 0, got);
    compare(d, got, expected);
    for (size_t i = 0; i < d->input_count; i++)
        free(d->inputs[i]);
    for (size_t i = 0; i < d->constant_count; i++)
        free(d->constants[i]);
    free(d);
    return n;
}

static void spellings_agree(void **state)
{
    vkd_random random = random_begin("attention");
    for (int i = 0; i < 90; i++) {
        const dispatches n = compare_ways(harness_get(state), &random, NULL, false);
        assert_true(n.fits ? n.one < n.apart : n.one == n.apart);
    }
}

/* Weights that are read, too, are made as the file says. */
static void weights_may_be_read(void **state)
{
    vkd_random random = random_begin("weights of attention");
    for (int i = 0; i < 10; i++) {
        const dispatches n = compare_ways(harness_get(state), &random, NULL, true);
        assert_int_equal(n.one, n.apart);
    }
}

/* Two masks are one sum, which constants are before the net runs; nothing is copied for windows. */
static void masks_are_one(void **state)
{
    vkd_random random = random_begin("two masks");
    for (int fixed = 0; fixed < 2; fixed++) {
        const spelling s = {.images = 3,
                            .windows = 3,
                            .heads = 2,
                            .queries = 5,
                            .keys = 7,
                            .width = 8,
                            .mask = true,
                            .turned = true,
                            .fixed = fixed};
        dispatches n;
        do
            n = compare_ways(harness_get(state), &random, &s, false);
        while (!n.fits);
        /* the sum, weights, values, and the result brought to where the host reads it */
        assert_int_equal(n.one, fixed ? 3 : 4);
    }
}

/* --------------------------------------------------------------------------------------- rotary */

/* Angles of each position, as exporters have them. */
static uint32_t add_angles(drawn *d, uint32_t positions, uint32_t half_width)
{
    return add_input(d, 2, (uint32_t[]){positions, half_width});
}

static uint32_t add_norm(drawn *d, const uint32_t dims[4], float *weight)
{
    const uint32_t x = add_input(d, 4, dims), y = value(d, 4, dims);
    for (uint32_t i = 0; i < dims[3]; i++)
        vkd_element_set(d->dtype, weight, i, (double)random_range(d->random, -16, 16) / 8);
    HAND_OP(&d->m, "et_vk.rms_norm.default", x, hand_constant(&d->m, d->dtype, 1, &dims[3], weight),
            hand_double(&d->m, 1e-5), y);
    return y;
}

/* Norms of queries and keys before they are turned: fused where rows are sixteens. */
static void norms_before_rotary(void **state)
{
    enum { WIDEST = 64 };
    static float got[MOST], expected[MOST], weights[2][WIDEST];
    vkd_random random = random_begin("norms before rotary");
    for (int i = 0; i < 20; i++) {
        drawn *d = checked_alloc(1, sizeof *d);
        d->random = &random;
        d->s.half = chance(d, 2);
        d->dtype = d->s.half ? VKD_DTYPE_FLOAT16 : VKD_DTYPE_FLOAT32;
        const uint32_t width = chance(d, 2) ? 16 * between(d, 1, WIDEST / 16)
                                            : 2 * between(d, 1, WIDEST / 2),
                       dims[] = {1, between(d, 1, 5), between(d, 1, 4), width};
        const uint32_t q = add_norm(d, dims, weights[0]), k = add_norm(d, dims, weights[1]),
                       cosine = add_angles(d, dims[1], width / 2),
                       sine = add_angles(d, dims[1], width / 2), k_turned = value(d, 4, dims);
        const uint32_t pair[] = {value(d, 4, dims), k_turned};
        HAND_OP(&d->m, "et_vk.apply_rotary_emb.default", q, k, cosine, sine,
                hand_list(&d->m, 2, pair));
        HAND_OP(&d->m, "aten.add.Tensor", pair[0], pair[1], hand_int(&d->m, 1),
                hand_output(&d->m, d->dtype, 4, dims));
        d->count = (size_t)vkd_dims_count(4, dims);
        const dispatches n = {.apart = run(harness_get(state), d, VKD_REWRITE_ATTENTION, expected),
                              .one = run(harness_get(state), d, 0, got)};
        assert_int_equal(n.apart - n.one, width % 16 ? 0 : 2);
        compare(d, got, expected);
        for (size_t j = 0; j < d->input_count; j++)
            free(d->inputs[j]);
        free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spellings_agree),
        cmocka_unit_test(weights_may_be_read),
        cmocka_unit_test(masks_are_one),
        cmocka_unit_test(norms_before_rotary),
    };
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
