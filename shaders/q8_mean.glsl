// The mean over pixels of an int8 4C tensor, clamped before and requantised after, a word of four
// channels at a time: what q8_mean.comp and excite.comp share, so that their bits are the same. Lanes
// share the pixels, as far apart as there are lanes, and their sums are added in halves. A kernel has
// the pixels as int x[], the constant MEAN_TABLE, and float mean_table[], by which a function of
// -128 .. 127 is looked up then.
// It has included int8.glsl and q8_mean_params.h.
#include "kahan.glsl"

vec4 values_of(int word, q8_mean_params p)
{
    ivec4 v = unpack_int8(word);
    if (MEAN_TABLE)
        return vec4(mean_table[v.x + 128], mean_table[v.y + 128], mean_table[v.z + 128],
                    mean_table[v.w + 128]);
    return min(max(vec4(v) - p.x_zero, p.low), p.high);
}

void add_word(inout accumulator a, int word, bool counts, q8_mean_params p)
{
    if (!counts)
        return;
    if (MEAN_TABLE)
        add(a, values_of(word, p));
    else
        a.sum += values_of(word, p);
}

// Of `count` words from `at` on, `step` apart, Q8_MEAN_AT_ONCE at once.
vec4 sum_words(uint at, uint step, uint count, q8_mean_params p)
{
    accumulator a = accumulator(vec4(0), vec4(0));
    for (uint i = 0; i < count; i += Q8_MEAN_AT_ONCE) {
        uint last = count - 1;
        ivec4 words = ivec4(x[at + i * step], x[at + min(i + 1, last) * step],
                            x[at + min(i + 2, last) * step], x[at + min(i + 3, last) * step]);
        add_word(a, words.x, true, p);
        add_word(a, words.y, i + 1 <= last, p);
        add_word(a, words.z, i + 2 <= last, p);
        add_word(a, words.w, i + 3 <= last, p);
    }
    return a.sum;
}

int mean_word(vec4 sum, q8_mean_params p)
{
    precise vec4 real = sum * p.factor;
    precise vec4 result = real * p.y_inverse_scale;
    return pack_rounded(result, p.y_zero);
}
