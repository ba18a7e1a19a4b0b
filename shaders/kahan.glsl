// Kahan's sum: the error does not grow with the number of terms. `lost` is what the roundings so
// far have added too much; nothing once the sum is infinite, which it then stays.
struct accumulator {
    vec4 sum, lost;
};

void add(inout accumulator a, vec4 v)
{
    precise vec4 term = v - a.lost;
    precise vec4 next = a.sum + term;
    precise vec4 grown = next - a.sum;
    precise vec4 lost = grown - term;
    a = accumulator(next, mix(vec4(0), lost, equal(lost - lost, vec4(0))));
}
