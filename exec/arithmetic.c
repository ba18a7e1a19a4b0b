/* What SPIR-V's instructions compute, on words. */
#include "exec/module.h"
#include "runtime/base/element.h"

#include <math.h>
#include <string.h>

static float real(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint32_t to_int(float value)
{
    return value != value            ? 0
           : value >= 2147483648.0f  ? INT32_MAX
           : value <= -2147483648.0f ? (uint32_t)INT32_MIN
                                     : (uint32_t)(int32_t)value;
}

static uint32_t to_uint(float value)
{
    return !(value > 0) ? 0 : value >= 4294967296.0f ? UINT32_MAX : (uint32_t)value;
}

static uint32_t divide(uint32_t a, uint32_t b, bool rest)
{
    if (!b || (a == (uint32_t)INT32_MIN && b == UINT32_MAX))
        return 0;
    return (uint32_t)(rest ? (int32_t)a % (int32_t)b : (int32_t)a / (int32_t)b);
}

/* With the sign of b. */
static uint32_t modulo(uint32_t a, uint32_t b)
{
    int32_t rest = (int32_t)divide(a, b, true);
    return (uint32_t)(rest && (rest < 0) != ((int32_t)b < 0) ? rest + (int32_t)b : rest);
}

static uint32_t field(uint32_t base, uint32_t offset, uint32_t count, bool is_signed)
{
    if (!count || offset + count > 32)
        return 0;
    uint32_t top = base << (32 - offset - count);
    return is_signed ? (uint32_t)((int32_t)top >> (32 - count)) : top >> (32 - count);
}

static uint32_t dot(uint32_t a, uint32_t b, bool unsigned_b)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 32; i += 8)
        sum += field(a, i, 8, true) * field(b, i, 8, !unsigned_b);
    return sum;
}

static uint32_t highest_bit(uint32_t a)
{
    uint32_t at = UINT32_MAX;
    for (; a; a >>= 1)
        at++;
    return at;
}

static float smaller(float a, float b) { return b < a || a != a ? b : a; }
static float larger(float a, float b) { return a < b || a != a ? b : a; }

#define S(x) ((int32_t)(x))
#define F(x) real(x)
#define CASE(op, value)                                                                            \
    case op:                                                                                       \
        *out = (value);                                                                            \
        return true;

/* Integers and bits, of one word each. */
#define INT_OPERATIONS(X)                                                                          \
    X(VKD_SPV_BITCAST, a)                                                                          \
    X(VKD_SPV_S_NEGATE, 0 - a)                                                                     \
    X(VKD_SPV_I_ADD, a + b)                                                                        \
    X(VKD_SPV_I_SUB, a - b)                                                                        \
    X(VKD_SPV_I_MUL, a *b)                                                                         \
    X(VKD_SPV_U_DIV, b ? a / b : 0)                                                                \
    X(VKD_SPV_S_DIV, divide(a, b, false))                                                          \
    X(VKD_SPV_U_MOD, b ? a % b : 0)                                                                \
    X(VKD_SPV_S_REM, divide(a, b, true))                                                           \
    X(VKD_SPV_S_MOD, modulo(a, b))                                                                 \
    X(VKD_SPV_LOGICAL_EQUAL, a == b)                                                               \
    X(VKD_SPV_I_EQUAL, a == b)                                                                     \
    X(VKD_SPV_LOGICAL_NOT_EQUAL, a != b)                                                           \
    X(VKD_SPV_I_NOT_EQUAL, a != b)                                                                 \
    X(VKD_SPV_LOGICAL_OR, a | b)                                                                   \
    X(VKD_SPV_BIT_OR, a | b)                                                                       \
    X(VKD_SPV_LOGICAL_AND, a &b)                                                                   \
    X(VKD_SPV_BIT_AND, a &b)                                                                       \
    X(VKD_SPV_LOGICAL_NOT, !a)                                                                     \
    X(VKD_SPV_SELECT, a ? b : c)                                                                   \
    X(VKD_SPV_U_GREATER, a > b)                                                                    \
    X(VKD_SPV_S_GREATER, S(a) > S(b))                                                              \
    X(VKD_SPV_U_AT_LEAST, a >= b)                                                                  \
    X(VKD_SPV_S_AT_LEAST, S(a) >= S(b))                                                            \
    X(VKD_SPV_U_LESS, a < b)                                                                       \
    X(VKD_SPV_S_LESS, S(a) < S(b))                                                                 \
    X(VKD_SPV_U_AT_MOST, a <= b)                                                                   \
    X(VKD_SPV_S_AT_MOST, S(a) <= S(b))                                                             \
    X(VKD_SPV_SHIFT_U, b < 32 ? a >> b : 0)                                                        \
    X(VKD_SPV_SHIFT_S, (uint32_t)(S(a) >> (b < 31 ? b : 31)))                                      \
    X(VKD_SPV_SHIFT_LEFT, b < 32 ? a << b : 0)                                                     \
    X(VKD_SPV_BIT_XOR, a ^ b)                                                                      \
    X(VKD_SPV_NOT, ~a)                                                                             \
    X(VKD_SPV_SDOT, dot(a, b, false))                                                              \
    X(VKD_SPV_SUDOT, dot(a, b, true))                                                              \
    X(VKD_SPV_EXT + 5, S(a) < 0 ? 0 - a : a)                                                       \
    X(VKD_SPV_EXT + 7, (uint32_t)((S(a) > 0) - (S(a) < 0)))                                        \
    X(VKD_SPV_EXT + 38, b < a ? b : a)                                                             \
    X(VKD_SPV_EXT + 39, S(b) < S(a) ? b : a)                                                       \
    X(VKD_SPV_EXT + 41, a < b ? b : a)                                                             \
    X(VKD_SPV_EXT + 42, S(a) < S(b) ? b : a)                                                       \
    X(VKD_SPV_EXT + 44, a < b ? b : a > c ? c : a)                                                 \
    X(VKD_SPV_EXT + 45, S(a) < S(b) ? b : S(a) > S(c) ? c : a)                                     \
    X(VKD_SPV_EXT + 75, highest_bit(a))

static bool compute_int(uint32_t op, uint32_t a, uint32_t b, uint32_t c, uint32_t *out)
{
    switch (op) {
        INT_OPERATIONS(CASE)
    default:
        return false;
    }
}

/* Floats where nothing is rounded. */
#define EXACT_OPERATIONS(X)                                                                        \
    X(VKD_SPV_F_TO_U, to_uint(F(a)))                                                               \
    X(VKD_SPV_F_TO_S, to_int(F(a)))                                                                \
    X(VKD_SPV_S_TO_F, bits_of((float)S(a)))                                                        \
    X(VKD_SPV_U_TO_F, bits_of((float)a))                                                           \
    X(VKD_SPV_F_NEGATE, a ^ 0x80000000u)                                                           \
    X(VKD_SPV_IS_NAN, F(a) != F(a))                                                                \
    X(VKD_SPV_IS_INF, (a & 0x7fffffffu) == 0x7f800000u)                                            \
    X(VKD_SPV_F_EQUAL, F(a) == F(b))                                                               \
    X(VKD_SPV_F_NOT_EQUAL, F(a) != F(b))                                                           \
    X(VKD_SPV_F_LESS, F(a) < F(b))                                                                 \
    X(VKD_SPV_F_GREATER, F(a) > F(b))                                                              \
    X(VKD_SPV_F_AT_MOST, F(a) <= F(b))                                                             \
    X(VKD_SPV_F_AT_LEAST, F(a) >= F(b))                                                            \
    X(VKD_SPV_EXT + 2, bits_of(rintf(F(a))))                                                       \
    X(VKD_SPV_EXT + 3, bits_of(truncf(F(a))))                                                      \
    X(VKD_SPV_EXT + 4, a & 0x7fffffffu)                                                            \
    X(VKD_SPV_EXT + 8, bits_of(floorf(F(a))))                                                      \
    X(VKD_SPV_EXT + 9, bits_of(ceilf(F(a))))                                                       \
    X(VKD_SPV_EXT + 37, bits_of(smaller(F(a), F(b))))                                              \
    X(VKD_SPV_EXT + 40, bits_of(larger(F(a), F(b))))                                               \
    X(VKD_SPV_EXT + 43, bits_of(smaller(larger(F(a), F(b)), F(c))))

static bool compute_exact(uint32_t op, uint32_t a, uint32_t b, uint32_t c, uint32_t *out)
{
    switch (op) {
        EXACT_OPERATIONS(CASE)
    default:
        return false;
    }
}

/* Floats that a device may round in another way. */
#define ROUNDED_OPERATIONS(X)                                                                      \
    X(VKD_SPV_F_ADD, bits_of(F(a) + F(b)))                                                         \
    X(VKD_SPV_F_SUB, bits_of(F(a) - F(b)))                                                         \
    X(VKD_SPV_F_MUL, bits_of(F(a) * F(b)))                                                         \
    X(VKD_SPV_F_DIV, bits_of(F(a) / F(b)))                                                         \
    X(VKD_SPV_EXT + 27, bits_of(expf(F(a))))                                                       \
    X(VKD_SPV_EXT + 28, bits_of(logf(F(a))))                                                       \
    X(VKD_SPV_EXT + 31, bits_of(sqrtf(F(a))))                                                      \
    X(VKD_SPV_EXT + 50, bits_of(fmaf(F(a), F(b), F(c))))

static bool compute_rounded(uint32_t op, uint32_t a, uint32_t b, uint32_t c, uint32_t *out)
{
    switch (op) {
        ROUNDED_OPERATIONS(CASE)
    default:
        return false;
    }
}

static bool compute_word(uint32_t op, uint32_t a, uint32_t b, uint32_t c, uint32_t *out,
                         bool *rounds)
{
    if (compute_int(op, a, b, c, out) || compute_exact(op, a, b, c, out))
        return true;
    *rounds = true;
    return compute_rounded(op, a, b, c, out);
}

/* What is not the same for each word of a vector. */
static bool compute_vector(const vkd_step *s, uint32_t *r, bool *rounds)
{
    const uint32_t *a = r + s->a, *b = r + s->b, half = s->width / 2u;
    uint32_t *to = r + s->to;
    switch (s->op) {
    case VKD_SPV_TRANSPOSE: /* c: how many columns a has */
        for (uint32_t i = 0; i < s->width; i++)
            to[i] = a[i % s->c * (s->width / s->c) + i / s->c];
        return true;
    case VKD_SPV_VECTOR_SCALE:
        *rounds = true;
        for (uint32_t i = 0; i < s->width; i++)
            to[i] = bits_of(F(a[i]) * F(b[0]));
        return true;
    case VKD_SPV_DOT: { /* c: words of an operand */
        float sum = 0;
        *rounds = true;
        for (uint32_t i = 0; i < s->c; i++)
            sum += F(a[i]) * F(b[i]);
        to[0] = bits_of(sum);
        return true;
    }
    case VKD_SPV_U_MUL_EXTENDED: /* low words, then high ones */
        for (uint32_t i = 0; i < half; i++) {
            uint64_t product = (uint64_t)a[i] * b[i];
            to[i] = (uint32_t)product;
            to[half + i] = (uint32_t)(product >> 32);
        }
        return true;
    case VKD_SPV_ANY:
    case VKD_SPV_ALL:
        to[0] = s->op == VKD_SPV_ALL;
        for (uint32_t i = 0; i < s->c; i++)
            to[0] = s->op == VKD_SPV_ALL ? to[0] & a[i] : to[0] | a[i];
        return true;
    case VKD_SPV_FIELD_S:
    case VKD_SPV_FIELD_U:
        for (uint32_t i = 0; i < s->width; i++)
            to[i] = field(a[i], b[0], r[s->c], s->op == VKD_SPV_FIELD_S);
        return true;
    case VKD_SPV_EXT + 62: /* two halves */
        to[0] = bits_of((float)vkd_element_get(VKD_DTYPE_FLOAT16, a, 0));
        to[1] = bits_of((float)vkd_element_get(VKD_DTYPE_FLOAT16, a, 1));
        return true;
    default:
        return false;
    }
}

bool vkd_step_compute(const vkd_step *s, uint32_t *r, bool *rounds)
{
    if (s->op == VKD_SPV_COPY) {
        for (uint32_t i = 0; i < s->width; i++)
            r[s->to + i] = r[s->a + i];
        return true;
    }
    if (compute_vector(s, r, rounds))
        return true;
    bool known = true;
    for (uint32_t i = 0; i < s->width && known; i++)
        known = compute_word(s->op, r[s->a + i], r[s->b + i], r[s->c + i], &r[s->to + i], rounds);
    return known;
}
