// Copies a tensor to another layout, other dims with the same row-major order, or both: one
// invocation per word of dst.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "copy_params.h"
#include "dispatch.glsl"
#include "tensor.glsl"

layout(constant_id = 3) const uint ELEMENT_SIZE = 4; // bytes: 1, 2 or 4
// Dims of 0: they are in the push constants. All of src equal to all of dst: the bytes are the
// same.
layout(constant_id = 4) const uint SRC_LAYOUT = 0;
layout(constant_id = 5) const uint SRC_C = 1;
layout(constant_id = 6) const uint SRC_H = 1;
layout(constant_id = 7) const uint SRC_W = 1;
layout(constant_id = 8) const uint DST_LAYOUT = 0;
layout(constant_id = 9) const uint DST_C = 1;
layout(constant_id = 10) const uint DST_H = 1;
layout(constant_id = 11) const uint DST_W = 1;

layout(push_constant) uniform params_block { copy_params params; };
layout(binding = 0) readonly buffer src_buffer { uint src[]; };
layout(binding = 1) writeonly buffer dst_buffer { uint dst[]; };

const bool PUSHED = SRC_W == 0;
const bool SAME_DIMS = !PUSHED && SRC_C == DST_C && SRC_H == DST_H && SRC_W == DST_W;
const bool SAME_BYTES = SAME_DIMS && SRC_LAYOUT == DST_LAYOUT;

// The element of src for an element of dst, 0 in dst's padding.
uint load(tensor_params from, tensor_params to, uvec4 i)
{
    if (!coords_valid(to, i))
        return 0;
    uint slot = coords_slot(from, SAME_DIMS ? i : flat_coords(from, coords_flat(to, i)));
    if (ELEMENT_SIZE == 4)
        return src[slot];
    return ELEMENT_SIZE == 2 ? bitfieldExtract(src[slot >> 1], int(16 * (slot & 1)), 16)
                             : bitfieldExtract(src[slot >> 2], int(8 * (slot & 3)), 8);
}

uint gather(uint word)
{
    tensor_params from =
        tensor_params(params.src_n, PUSHED ? params.src_c : SRC_C, PUSHED ? params.src_h : SRC_H,
                      PUSHED ? params.src_w : SRC_W, SRC_LAYOUT);
    tensor_params to =
        tensor_params(params.dst_n, PUSHED ? params.dst_c : DST_C, PUSHED ? params.dst_h : DST_H,
                      PUSHED ? params.dst_w : DST_W, DST_LAYOUT);
    if (ELEMENT_SIZE == 4)
        return load(from, to, slot_coords(to, word));
    uint packed = 0;
    const uint count = 4 / ELEMENT_SIZE; // elements of a word
    uvec4 i = slot_coords(to, count * word);
    for (uint k = 0; k < count; k++) {
        packed |= load(from, to, i) << (8 * ELEMENT_SIZE * k);
        i = next_coords(to, i);
    }
    return packed;
}

void main()
{
    uint word = linear_index();
    if (word < params.words)
        dst[word] = SAME_BYTES ? src[word] : gather(word);
}
