// Pixels and taps of convolutions of floats that are computed as matrix products. A transposed one
// falls into phases, by where its pixels are within a stride: all pixels of a phase meet the same
// taps, those that are a stride apart, as of a convolution with stride 1. What is not transposed
// has one phase. Dilated transposed ones are not for here.

// Of h or w: input = position in the phase * scale + offset + number of the tap * dilation; tap =
// first + number * step.
struct conv_axis {
    int scale, offset, dilation, first, step, count;
};

conv_axis axis_of(uint phase, uint kernel, uint stride, uint padding, uint dilation)
{
    if (!TRANSPOSED)
        return conv_axis(int(stride), -int(padding), int(dilation), 0, 1, int(kernel));
    uint reach = phase + padding, first = reach % stride;
    return conv_axis(1, int(reach / stride), -1, int(first), int(stride),
                     first < kernel ? int((kernel - 1 - first) / stride) + 1 : 0);
}

// The phase of a tile of so many positions, and where its first one is.
struct conv_tile {
    conv_axis v, h;
    uvec2 phase; // x, y
    uint first;
};

uvec2 phase_size()
{
    return TRANSPOSED ? uvec2((p.out_w + p.stride_w - 1) / p.stride_w,
                              (p.out_h + p.stride_h - 1) / p.stride_h)
                      : uvec2(p.out_w, p.out_h);
}

conv_tile tile_at(uint tile, uint height)
{
    uvec2 size = phase_size();
    uint tiles = (p.n * size.x * size.y + height - 1) / height,
         number = TRANSPOSED ? tile / tiles : 0;
    uvec2 phase = TRANSPOSED ? uvec2(number % p.stride_w, number / p.stride_w) : uvec2(0);
    return conv_tile(axis_of(phase.y, p.kernel_h, p.stride_h, p.padding_h, p.dilation_h),
                     axis_of(phase.x, p.kernel_w, p.stride_w, p.padding_w, p.dilation_w), phase,
                     (tile - number * tiles) * height);
}

// A position's x, y and image. Those behind the end are the last one.
uvec3 position_at(uint index)
{
    uvec2 size = phase_size();
    index = min(index, p.n * size.x * size.y - 1);
    uint line = index / size.x, image = line / size.y;
    return uvec3(index - line * size.x, line - image * size.y, image);
}

// The output's pixel; ~0 where there is none.
uint pixel_at(conv_tile tile, uint index)
{
    uvec2 size = phase_size();
    uvec3 at = position_at(index);
    if (TRANSPOSED)
        at.xy = at.xy * uvec2(p.stride_w, p.stride_h) + tile.phase;
    bool exists = index < p.n * size.x * size.y && at.x < p.out_w && at.y < p.out_h &&
                  tile.phase.y < p.stride_h;
    return exists ? (at.z * p.out_h + at.y) * p.out_w + at.x : ~0u;
}
