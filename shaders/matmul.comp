// Matrix products: an invocation makes four rows of four columns.
// glslc -O0: what reads elements of any type, inlined wherever it is called, takes twice the space
#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "matmul.glsl"

void main()
{
    uint columns = (params.n + 3) / 4, rows = (params.m + 3) / 4, index = linear_index();
    uint n = index % columns * 4, tile = index / columns, m = tile % rows * 4, batch = tile / rows;
    if (batch >= params.batch)
        return;
    uint a_row[4];
    [[unroll]] for (uint i = 0; i < 4; i++) a_row[i] =
        params.a_offset + batch * params.a_batch + min(m + i, params.m - 1) * params.a_m;
    uint b_base = params.b_offset + batch * params.b_batch;
    vec4 sum[4] = vec4[4](vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0));
    for (uint k = 0; k < params.k; k += 4) {
        mat4 right = load_b4(b_base, k, n);
        bvec4 within = lessThan(k + uvec4(0, 1, 2, 3), uvec4(params.k));
        [[unroll]] for (uint i = 0; i < 4; i++)
        {
            vec4 left = load_a(a_row[i], k);
            sum[i] += left.x * right[0];
            if (within.y)
                sum[i] += left.y * right[1];
            if (within.z)
                sum[i] += left.z * right[2];
            if (within.w)
                sum[i] += left.w * right[3];
        }
    }
    [[unroll]] for (uint i = 0; i < 4; i++) if (m + i < params.m) finish(batch, m + i, n, sum[i]);
}
