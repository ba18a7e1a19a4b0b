// Addressing of tensors of either layout. A slot is the index of an element in memory; slots 4i ..
// 4i+3, a group, are one word of an int8 tensor.
#include "tensor_params.h"

// (n, c, h, w) of a slot. In the padding of 4C, c is >= t.c.
uvec4 slot_coords(tensor_params t, uint slot)
{
    if (t.tensor_layout == VKD_LAYOUT_4C) {
        uint c4 = (t.c + 3) & ~3u;
        uint pixel = slot / c4;
        uint row = pixel / t.w;
        return uvec4(row / t.h, slot - pixel * c4, row % t.h, pixel - row * t.w);
    }
    uint row = slot / t.w;
    uint plane = row / t.h;
    return uvec4(plane / t.c, plane % t.c, row - plane * t.h, slot - row * t.w);
}

// The coordinates of the next slot within a group, without a division.
uvec4 next_coords(tensor_params t, uvec4 i)
{
    if (t.tensor_layout == VKD_LAYOUT_4C)
        return i + uvec4(0, 1, 0, 0);
    i.w++;
    if (i.w == t.w) {
        i.w = 0;
        i.z++;
    }
    if (i.z == t.h) {
        i.z = 0;
        i.y++;
    }
    if (i.y == t.c) {
        i.y = 0;
        i.x++;
    }
    return i;
}

// False in the padding of 4C and behind the end of a plain tensor.
bool coords_valid(tensor_params t, uvec4 i) { return i.x < t.n && i.y < t.c; }

uint coords_slot(tensor_params t, uvec4 i)
{
    return t.tensor_layout == VKD_LAYOUT_4C
               ? ((i.x * t.h + i.z) * t.w + i.w) * ((t.c + 3) & ~3u) + i.y
               : ((i.x * t.c + i.y) * t.h + i.z) * t.w + i.w;
}

// Position in row-major order, which a view keeps.
uint coords_flat(tensor_params t, uvec4 i) { return ((i.x * t.c + i.y) * t.h + i.z) * t.w + i.w; }

uvec4 flat_coords(tensor_params t, uint position)
{
    uint row = position / t.w;
    uint plane = row / t.h;
    return uvec4(plane / t.c, plane % t.c, row - plane * t.h, position - row * t.w);
}
