#include "runner/compare.h"

#include <math.h>
#include <stdlib.h>

#include "runner/tensor.h"

static bool same(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

static double difference(double a, double b)
{
    if (same(a, b))
        return 0;
    double d = fabs(a - b);
    return isnan(d) ? INFINITY : d;
}

static void measure(vkd_dtype dtype, const void *got, const void *expected, size_t count,
                    run_difference *out)
{
    double square = 0, of_got = 0, of_expected = 0, product = 0;
    for (size_t i = 0; i < count; i++) {
        double a = run_tensor_value(dtype, got, i), b = run_tensor_value(dtype, expected, i),
               d = difference(a, b);
        out->largest = fmax(out->largest, d);
        out->unequal += d != 0;
        square += d * d;
        if (!isfinite(a) || !isfinite(b))
            continue;
        of_got += a * a;
        of_expected += b * b;
        product += a * b;
    }
    out->relative = square == 0 ? 0 : of_expected > 0 ? sqrt(square / of_expected) : INFINITY;
    out->cosine = square == 0                     ? 1
                  : of_got > 0 && of_expected > 0 ? product / sqrt(of_got * of_expected)
                                                  : 0;
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* One step of a quantised output: the least distance between two values that occur, or, where
 * something has been computed of it since, what divides the range into 255. */
static run_exit find_step(vkd_dtype dtype, const void *data, size_t count, double *out)
{
    double *sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted)
        return run_fail_memory();
    for (size_t i = 0; i < count; i++)
        sorted[i] = run_tensor_value(dtype, data, i);
    qsort(sorted, count, sizeof *sorted, by_size);
    *out = 0;
    for (size_t i = 1; i < count; i++)
        if (sorted[i] > sorted[i - 1] && (*out == 0 || sorted[i] - sorted[i - 1] < *out))
            *out = sorted[i] - sorted[i - 1];
    *out = count ? fmax(*out, (sorted[count - 1] - sorted[0]) / 255) : 0;
    free(sorted);
    return RUN_OK;
}

static size_t largest_at(vkd_dtype dtype, const void *data, size_t count)
{
    size_t at = 0;
    for (size_t i = 1; i < count; i++)
        if (run_tensor_value(dtype, data, i) > run_tensor_value(dtype, data, at))
            at = i;
    return at;
}

static bool is_float(vkd_dtype dtype)
{
    return dtype == VKD_DTYPE_FLOAT16 || dtype == VKD_DTYPE_FLOAT32 || dtype == VKD_DTYPE_FLOAT64;
}

/* By which measure, and how much it may be. */
static run_exit choose(vkd_dtype dtype, const void *expected, size_t count,
                       const run_tolerance *tolerance, run_difference *out)
{
    const double rounding = 1e-3;
    run_exit result = RUN_OK;
    if (!is_float(dtype)) {
        out->measure = tolerance->off_by_one ? RUN_LARGEST : RUN_UNEQUAL;
        out->allowed = tolerance->off_by_one;
    } else if (tolerance->cosine > 0) {
        out->measure = RUN_COSINE;
        out->allowed = tolerance->cosine;
    } else if (tolerance->one_step) {
        out->measure = RUN_LARGEST;
        result = find_step(dtype, expected, count, &out->allowed);
        out->allowed *= 1 + rounding;
    } else {
        out->measure = RUN_RELATIVE;
        out->allowed = tolerance->relative;
    }
    return result;
}

static bool judge(const run_difference *d)
{
    switch (d->measure) {
    case RUN_UNEQUAL:
        return !d->unequal;
    case RUN_LARGEST:
        return d->largest <= d->allowed;
    case RUN_RELATIVE:
        return d->relative <= d->allowed;
    case RUN_COSINE:
        return d->cosine >= d->allowed && isfinite(d->largest);
    }
    return false;
}

run_exit run_compare(vkd_dtype dtype, const void *got, const void *expected, size_t count,
                     const run_tolerance *tolerance, run_difference *out)
{
    *out = (run_difference){0};
    measure(dtype, got, expected, count, out);
    run_exit result = choose(dtype, expected, count, tolerance, out);
    out->is_right = !result && judge(out);
    if (tolerance->same_largest &&
        largest_at(dtype, got, count) != largest_at(dtype, expected, count))
        out->is_right = false;
    return result;
}
