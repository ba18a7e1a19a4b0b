#version 450
// glslc -O0: what is inlined wherever it is called takes twice the space
// Convolution of floats as a matrix product over the window's taps, in registers: an invocation
// computes WORDS fours of output channels, which must be of one group whose channels begin at a
// group of four, of ROWS pixels. The workgroup is x: tiles of channels, y: tiles of pixels, z:
// slices of k, whose sums are added through shared memory. Tiles beyond what a grid's y can have
// are along z.
#extension GL_EXT_control_flow_attributes : require
#include "conv_float.glsl"
#include "conv_float_product.glsl"

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
layout(constant_id = 12) const bool OVERHANG = true; // windows may reach beyond the image
layout(constant_id = 13) const
    bool TAIL = true; // the last group of four input channels has padding
layout(constant_id = 14) const int ROWS = 4;
layout(constant_id = 15) const int WORDS = 1;

const int SUMS = ROWS * WORDS;
shared vec4 partial[gl_WorkGroupSize.z > 1
                        ? (gl_WorkGroupSize.z - 1) * gl_WorkGroupSize.x *gl_WorkGroupSize.y *SUMS
                        : 1];

vec4 sum[SUMS];

// The steps from..to of one tap, four input channels each.
void accumulate(uint x_at[ROWS], bool inside[ROWS], uint w_at[WORDS], uint from, uint to)
{
    for (uint step = from; step < to; step++) {
        bvec4 exists = lessThan(4 * step + uvec4(0, 1, 2, 3), uvec4(p.ic_group));
        vec4 v[ROWS];
        [[unroll]] for (int i = 0; i < ROWS; i++)
        {
            v[i] = x_load4(x_at[i] +
                           step); // of the first pixel where it is not used: a branch costs more
            if (OVERHANG)
                v[i] = mix(vec4(0.0), v[i], bvec4(inside[i]));
            if (TAIL)
                v[i] = mix(vec4(0.0), v[i], exists);
        }
        [[unroll]] for (int j = 0; j < WORDS; j++) [[unroll]] for (int c = 0; c < 4; c++)
        {
            vec4 weights = w_load4(w_at[j] + 4 * step + c);
            [[unroll]] for (int i = 0; i < ROWS; i++) sum[i * WORDS + j] += v[i][c] * weights;
        }
    }
}

// The sums of the other slices, in slice 0.
void add_slices()
{
    uint tiles = gl_WorkGroupSize.x * gl_WorkGroupSize.y, slice = gl_LocalInvocationID.z;
    uint tile = gl_LocalInvocationID.y * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    if (slice > 0) [[unroll]]
        for (int i = 0; i < SUMS; i++)
            partial[((slice - 1) * SUMS + i) * tiles + tile] = sum[i];
    barrier();
    if (slice == 0)
        for (uint other = 0; other < gl_WorkGroupSize.z - 1; other++)
            [[unroll]] for (int i = 0; i < SUMS; i++) sum[i] +=
                partial[(other * SUMS + i) * tiles + tile];
}

void main()
{
    uint fold = gl_WorkGroupID.z * gl_NumWorkGroups.y + gl_WorkGroupID.y;
    conv_tile tile = tile_at(fold * gl_WorkGroupSize.y + gl_LocalInvocationID.y, ROWS);
    uint columns = (p.oc_group + 4 * WORDS - 1) / (4 * WORDS),
         group = gl_GlobalInvocationID.x / columns;
    uint word = group * p.oc_group / 4 + (gl_GlobalInvocationID.x - group * columns) * WORDS;
    uint end_word =
        group < p.groups ? (group * p.oc_group + p.oc_group + 3) / 4 : 0; // behind the group's last
    uint tap_steps = p.w_tap / 4, x_group = word < end_word ? group * tap_steps : 0;

    ivec2 start[ROWS]; // of the windows, in the input
    uint image[ROWS];
    [[unroll]] for (int i = 0; i < ROWS; i++)
    {
        uvec3 at = position_at(tile.first + i);
        start[i] =
            ivec2(at.xy) * ivec2(tile.h.scale, tile.v.scale) + ivec2(tile.h.offset, tile.v.offset);
        image[i] = at.z;
    }
    [[unroll]] for (int i = 0; i < SUMS; i++) sum[i] = vec4(0.0);

    uint steps = tile.v.count * tile.h.count * tap_steps;
    uint share = (steps + gl_WorkGroupSize.z - 1) / gl_WorkGroupSize.z;
    uint step = min(gl_LocalInvocationID.z * share, steps), end = min(step + share, steps);
    while (step < end) {
        uint number = step / tap_steps, from = step - number * tap_steps,
             to = min(end - step + from, tap_steps);
        int ky = int(number) / tile.h.count, kx = int(number) - ky * tile.h.count;
        uint tap = (tile.v.first + ky * tile.v.step) * p.kernel_w + tile.h.first + kx * tile.h.step;
        uint x_at[ROWS];
        bool inside[ROWS];
        [[unroll]] for (int i = 0; i < ROWS; i++)
        {
            uvec2 at = uvec2(start[i] + ivec2(kx, ky) * ivec2(tile.h.dilation, tile.v.dilation));
            inside[i] = at.x < p.in_w && at.y < p.in_h;
            x_at[i] =
                (inside[i] ? (image[i] * p.in_h + at.y) * p.in_w + at.x : 0) * p.in_c4 + x_group;
        }
        uint w_at[WORDS];
        [[unroll]] for (int j = 0; j < WORDS; j++) w_at[j] =
            (min(word + j, p.out_c4 - 1) * p.kernel_h * p.kernel_w + tap) * tap_steps * 4;
        accumulate(x_at, inside, w_at, from, to);
        step += to - from;
    }

    if (gl_WorkGroupSize.z > 1)
        add_slices();
    if (gl_LocalInvocationID.z == 0) [[unroll]]
        for (int i = 0; i < ROWS; i++) {
            uint pixel = pixel_at(tile, tile.first + i);
            [[unroll]] for (int j = 0; j < WORDS; j++) if (pixel != ~0u && word + j < end_word)
                finish(pixel, word + j, sum[i * WORDS + j]);
        }
}
