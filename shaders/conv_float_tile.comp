// Convolution of floats as a matrix product over the window's taps, in registers: an invocation computes four output channels, which
// must be of one group whose channels begin at a group of four, of ROWS pixels. The workgroup is x: fours of channels, y: tiles of
// pixels, z: slices of k, whose sums are added through shared memory. Tiles beyond what a grid's y can have are along z.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "conv_float.glsl"

#define ROWS 4

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
layout(constant_id = 6) const bool OVERHANG = true; // windows may reach beyond the image
layout(constant_id = 7) const bool TAIL = true;     // the last group of four input channels has padding

shared vec4 partial[gl_WorkGroupSize.z > 1 ? (gl_WorkGroupSize.z - 1) * gl_WorkGroupSize.x * gl_WorkGroupSize.y * ROWS : 1];

vec4 sum[ROWS];

// The steps from..to of one tap, four input channels each.
void accumulate(uint x_at[ROWS], bool inside[ROWS], uint w_at, uint from, uint to)
{
    for (uint step = from; step < to; step++) {
        vec4 w0 = w_load4(w_at), w1 = w_load4(w_at + 1), w2 = w_load4(w_at + 2), w3 = w_load4(w_at + 3);
        bvec4 exists = lessThan(4 * step + uvec4(0, 1, 2, 3), uvec4(p.ic_group));
        [[unroll]] for (int i = 0; i < ROWS; i++) {
            vec4 v = x_load4(x_at[i] + step); // of the first pixel where it is not used: a branch costs more
            if (OVERHANG)
                v = mix(vec4(0.0), v, bvec4(inside[i]));
            if (TAIL)
                v = mix(vec4(0.0), v, exists);
            sum[i] += v.x * w0;
            sum[i] += v.y * w1;
            sum[i] += v.z * w2;
            sum[i] += v.w * w3;
        }
        w_at += 4;
    }
}

// The sums of the other slices, in slice 0.
void add_slices()
{
    uint tiles = gl_WorkGroupSize.x * gl_WorkGroupSize.y, slice = gl_LocalInvocationID.z;
    uint tile = gl_LocalInvocationID.y * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    if (slice > 0)
        [[unroll]] for (int i = 0; i < ROWS; i++)
            partial[((slice - 1) * ROWS + i) * tiles + tile] = sum[i];
    barrier();
    if (slice == 0)
        for (uint other = 0; other < gl_WorkGroupSize.z - 1; other++)
            [[unroll]] for (int i = 0; i < ROWS; i++)
                sum[i] += partial[(other * ROWS + i) * tiles + tile];
}

void main()
{
    uint tile = (gl_WorkGroupID.z * gl_NumWorkGroups.y + gl_WorkGroupID.y) * gl_WorkGroupSize.y + gl_LocalInvocationID.y;
    uint first = tile * ROWS, pixels = p.n * p.out_h * p.out_w;
    uint word = min(gl_GlobalInvocationID.x, p.out_c4 - 1), tap_steps = p.w_tap / 4;
    uint x_group = word * 4 / p.oc_group * tap_steps;

    // Rows beyond the end are computed as the last one is, and not stored.
    ivec2 at[ROWS];
    uint image[ROWS];
    [[unroll]] for (int i = 0; i < ROWS; i++) {
        uint pixel = min(first + i, pixels - 1), line = pixel / p.out_w;
        image[i] = line / p.out_h;
        at[i] = window_start(pixel - line * p.out_w, line - image[i] * p.out_h);
        sum[i] = vec4(0.0);
    }

    uint steps = p.kernel_h * p.kernel_w * tap_steps;
    uint share = (steps + gl_WorkGroupSize.z - 1) / gl_WorkGroupSize.z;
    uint step = min(gl_LocalInvocationID.z * share, steps), end = min(step + share, steps);
    while (step < end) {
        uint tap = step / tap_steps, tap_start = tap * tap_steps, stop = min(end, tap_start + tap_steps);
        uint ky = tap / p.kernel_w, kx = tap - ky * p.kernel_w;
        uint x_at[ROWS];
        bool inside[ROWS];
        [[unroll]] for (int i = 0; i < ROWS; i++) {
            uvec2 in_at = window_tap(at[i], kx, ky);
            inside[i] = in_at.x < p.in_w && in_at.y < p.in_h;
            x_at[i] = (inside[i] ? (image[i] * p.in_h + in_at.y) * p.in_w + in_at.x : 0) * p.in_c4 + x_group;
        }
        accumulate(x_at, inside, (word * steps + step) * 4, step - tap_start, stop - tap_start);
        step = stop;
    }

    if (gl_WorkGroupSize.z > 1)
        add_slices();
    if (gl_LocalInvocationID.z == 0 && gl_GlobalInvocationID.x < p.out_c4)
        [[unroll]] for (int i = 0; i < ROWS; i++)
            if (first + i < pixels)
                finish(first + i, word, sum[i]);
}
