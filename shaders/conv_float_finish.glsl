// How the convolutions of floats end: bias, clamp, store.

// NaN stays NaN.
void finish(uint pixel, uint word, vec4 sum)
{
    if (BIAS)
        sum += b_load4(word);
    sum = mix(sum, vec4(p.low), lessThan(sum, vec4(p.low)));
    y_store4(pixel * p.out_c4 + word, mix(sum, vec4(p.high), greaterThan(sum, vec4(p.high))));
}
