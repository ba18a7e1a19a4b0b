// The values of attention: an invocation makes four elements of y, which lies [s][h][d] or
// [h][s][d] for each image, of a share of the keys; those along y of the workgroup have the other shares, which
// are added through shared memory. Where these are not all queries d is a multiple of 4.
// glslc -O0: what reads elements of any type, inlined wherever it is called, takes twice the space
#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require
layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
layout(constant_id = 6) const uint SEES = 0;
#include "attention.glsl"

layout(constant_id = 3) const uint V_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint Y_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const bool FOURS = false; // rows of v are whole groups of four

layout(binding = 0) readonly buffer p_buffer { float p[]; };
ELEMENTS_IN(1, v, V_TYPE)
layout(binding = 2) readonly buffer symbols_buffer { int symbols[]; };
ELEMENTS_OUT(3, y, Y_TYPE)
shared vec4 partial[gl_WorkGroupSize.y > 1 ? gl_WorkGroupSize.x *gl_WorkGroupSize.y : 1];

void main()
{
    uint group = unit_index() * gl_WorkGroupSize.x + gl_LocalInvocationID.x,
         total = params.queries * params.heads * params.width;
    uint share = gl_LocalInvocationID.y, shares = gl_WorkGroupSize.y;
    int position = params.symbol == ~0u ? params.start : symbols[params.symbol];
    vec4 result = vec4(0.0);
    uvec4 slot = min(4 * group + uvec4(0, 1, 2, 3), uvec4(total - 1));
    // y's rows by position or by head of an image: where query s of head h begins.
    uvec4 d = slot % params.width, unit = slot / params.width;
    uvec4 image = unit / (params.image_heads * params.queries);
    uvec4 h = unit / params.queries, s = unit % params.queries;
    if (params.y_h < params.y_s) {
        h = image * params.image_heads + unit % params.image_heads;
        s = unit / params.image_heads - image * params.queries;
    }
    uvec4 row = (h * params.queries + s) * row_size(),
          at = d + uvec4(v_begin(h.x), v_begin(h.y), v_begin(h.z), v_begin(h.w));
    uvec4 count = uvec4(keys_of(s.x, position), keys_of(s.y, position), keys_of(s.z, position),
                        keys_of(s.w, position));
    uint most = max(max(count.x, count.y), max(count.z, count.w));
    if (FOURS)
        for (uint l = share; l < most; l += shares)
            result += p[row.x + l] * v_load4((at.x + l * params.v_l) / 4);
    else
        for (uint l = share; l < most; l += shares)
            [[unroll]] for (uint i = 0; i < 4; i++) if (l < count[i]) result[i] +=
                p[row[i] + l] * v_load(at[i] + l * params.v_l);
    if (shares > 1) {
        partial[share * gl_WorkGroupSize.x + gl_LocalInvocationID.x] = result;
        barrier();
        for (uint other = 1; share == 0 && other < shares; other++)
            result += partial[other * gl_WorkGroupSize.x + gl_LocalInvocationID.x];
    }
    if (share > 0 || 4 * group >= total)
        return;
    y_store4((y_begin(h.x) + (params.first + s.x) * params.y_s + d.x) / 4, result);
}
