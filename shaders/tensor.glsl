// Addressing of tensors of either layout. A slot is the index of an element in memory; slots 4i .. 4i+3 are one word of an
// int8 tensor.
#include "tensor_params.h"

uint slot_count(tensor_params t)
{
    return t.layout == VKD_LAYOUT_4C ? t.n * t.h * t.w * ((t.c + 3) & ~3u) : t.n * t.c * t.h * t.w;
}

// (n, c, h, w) of a slot. In the padding of 4C, c is >= t.c.
uvec4 slot_coords(tensor_params t, uint slot)
{
    if (t.layout == VKD_LAYOUT_4C) {
        uint c4 = (t.c + 3) & ~3u;
        uint pixel = slot / c4;
        uint row = pixel / t.w;
        return uvec4(row / t.h, slot - pixel * c4, row % t.h, pixel - row * t.w);
    }
    uint row = slot / t.w;
    uint plane = row / t.h;
    return uvec4(plane / t.c, plane % t.c, row - plane * t.h, slot - row * t.w);
}

uint coords_slot(tensor_params t, uvec4 i)
{
    return t.layout == VKD_LAYOUT_4C ? ((i.x * t.h + i.z) * t.w + i.w) * ((t.c + 3) & ~3u) + i.y
                                     : ((i.x * t.c + i.y) * t.h + i.z) * t.w + i.w;
}

// Position in row-major order, which a view keeps.
uint coords_flat(tensor_params t, uvec4 i) { return ((i.x * t.c + i.y) * t.h + i.z) * t.w + i.w; }

uvec4 flat_coords(tensor_params t, uint flat)
{
    uint row = flat / t.w;
    uint plane = row / t.h;
    return uvec4(plane / t.c, plane % t.c, row - plane * t.h, flat - row * t.w);
}
