// What the matrix products share: operands, and how a result of four columns is finished.
#include "floats.glsl"
#include "matmul_params.h"

layout(constant_id = 3) const uint A_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint B_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint C_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 6) const uint Y_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 7) const uint A_GROUPS =
    0; // 1: k is contiguous in a, rows and matrices are whole groups
layout(constant_id = 8) const uint B_FORM = VKD_B_STRIDED;
layout(constant_id = 9) const uint HAS_C = 0;
layout(constant_id = 10) const uint Y_GROUPS = 0; // row.glsl

layout(push_constant) uniform params_block { matmul_params params; };
FLOATS_IN(0, a, A_TYPE)
FLOATS_IN(1, b, B_TYPE)
FLOATS_IN(2, c, C_TYPE)
FLOATS_OUT(3, y, Y_TYPE)
#include "row.glsl"
#define EPILOGUE_ID 11
#define EPILOGUE_NUMBERS params.numbers
#include "float_epilogue.glsl"

// a[m, k .. k + 3] at a row's first slot; 0 behind the end.
vec4 load_a(uint row, uint k)
{
    if (A_GROUPS == 1)
        return a_load4((row + k) / 4);
    vec4 v = vec4(0.0);
    [[unroll]] for (uint i = 0; i < 4; i++) if (k + i < params.k) v[i] =
        a_load(row + (k + i) * params.a_k);
    return v;
}

// b[k, n .. n + 3]; what is behind the end is some element of b.
vec4 load_b(uint base, uint k, uint n)
{
    if (B_FORM == VKD_B_PACKED)
        return b_load4(n / 4 * params.k + k);
    if (B_FORM == VKD_B_ROWS)
        return b_load4((base + k * params.b_k + n) / 4);
    uint row = base + k * params.b_k, last = params.n - 1;
    return vec4(b_load(row + n * params.b_n), b_load(row + min(n + 1, last) * params.b_n),
                b_load(row + min(n + 2, last) * params.b_n),
                b_load(row + min(n + 3, last) * params.b_n));
}

// Four k of four columns: b[k + i, n + j] is result[i][j].
mat4 load_b4(uint base, uint k, uint n)
{
    if (B_FORM == VKD_B_COLUMNS) {
        uint at = base + k, last = params.n - 1;
        return transpose(mat4(b_load4((at + n * params.b_n) / 4),
                              b_load4((at + min(n + 1, last) * params.b_n) / 4),
                              b_load4((at + min(n + 2, last) * params.b_n) / 4),
                              b_load4((at + min(n + 3, last) * params.b_n) / 4)));
    }
    uint last = params.k - 1;
    return mat4(load_b(base, k, n), load_b(base, min(k + 1, last), n),
                load_b(base, min(k + 2, last), n), load_b(base, min(k + 3, last), n));
}

void finish(uint batch, uint m, uint n, vec4 sum)
{
    precise vec4 v = sum * params.alpha;
    if (HAS_C == 1) {
        uint at = params.c_offset + batch * params.c_batch + m * params.c_m;
        for (uint j = 0; j < 4; j++)
            v[j] += params.beta * c_load(at + min(n + j, params.n - 1) * params.c_n);
    }
    uint row = (batch * params.m + m) * params.n;
    vec4 r = v;
    if (RESIDUAL_TYPE != 0)
        for (uint j = 0; j < 4; j++)
            r[j] = residual_load(row + min(n + j, params.n - 1));
    y_store_row(row, n, params.n, epilogue(v, r));
}
