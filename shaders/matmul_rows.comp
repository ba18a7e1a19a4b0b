// Matrix products of few rows: a workgroup makes four columns of a row, and its invocations share
// k.
// base: matmul
// glslc -O0: what reads elements of any type, inlined wherever it is called, takes twice the space
#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require
layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
#include "matmul.glsl"

shared vec4 partial[gl_WorkGroupSize.x];

void main()
{
    uint columns = (params.n + 3) / 4,
         index = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    uint n = index % columns * 4, row = index / columns, m = row % params.m, batch = row / params.m;
    if (batch >= params.batch)
        return;
    uint lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x;
    uint a_row = params.a_offset + batch * params.a_batch + m * params.a_m;
    uint b_base = params.b_offset + batch * params.b_batch;
    vec4 sum = vec4(0.0);
    for (uint k = 4 * lane; k < params.k; k += 4 * lanes) {
        mat4 right = load_b4(b_base, k, n);
        vec4 left = load_a(a_row, k);
        sum += left.x * right[0];
        if (k + 1 < params.k)
            sum += left.y * right[1];
        if (k + 2 < params.k)
            sum += left.z * right[2];
        if (k + 3 < params.k)
            sum += left.w * right[3];
    }
    partial[lane] = sum;
    barrier();
    for (uint step = lanes / 2; step > 0; step /= 2) {
        if (lane < step)
            partial[lane] += partial[lane + step];
        barrier();
    }
    if (lane == 0)
        finish(batch, m, n, partial[0]);
}
