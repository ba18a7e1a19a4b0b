// What becomes of an element by the two numbers of its run. A kernel has OP (VKD_NORMALISE_*) under
// the name NORMALISE, HAS_WEIGHT and HAS_BIAS.
float normalised(float x, vec2 s, float weight, float bias)
{
    precise float v = x - s.x;
    if (NORMALISE == VKD_NORMALISE_SOFTMAX)
        return exponential(v) / s.y;
    if (NORMALISE == VKD_NORMALISE_LOG_SOFTMAX)
        return v - logarithm(s.y);
    v = v * s.y;
    if (HAS_WEIGHT == 1)
        v = v * weight;
    if (HAS_BIAS == 1)
        v = v + bias;
    return v;
}
