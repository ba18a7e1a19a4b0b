// The gradient of the cross entropy of every row by its logits, and what the row adds to the loss.
// Rows with a negative label count for nothing. An invocation makes an element.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "nan.glsl"
#include "training_params.h"

layout(push_constant) uniform params_block { cross_entropy_params params; };
layout(binding = 0) readonly buffer logits_buffer { float logits[]; };
layout(binding = 1) readonly buffer labels_buffer { int labels[]; };
layout(binding = 2) readonly buffer stats_buffer
{
    vec2 stats[];
}; // maximum, sum of e^(x - maximum)
layout(binding = 3) writeonly buffer losses_buffer { float losses[]; };
layout(binding = 4) writeonly buffer gradient_buffer { float gradient[]; };

void main()
{
    uint index = linear_index(), row = index / params.classes, c = index % params.classes;
    if (row >= params.rows)
        return;
    int label = labels[row];
    bool counts = label >= 0 && uint(label) < params.classes;
    vec2 s = stats[row];
    precise float away = logits[index] - s.x, probability = exponential(away) / s.y;
    gradient[index] =
        counts ? (probability - (c == uint(label) ? 1.0 : 0.0)) * params.inverse_count : 0.0;
    if (c == 0)
        losses[row] = counts
                          ? (logarithm(s.y) - (logits[row * params.classes + uint(label)] - s.x)) *
                                params.inverse_count
                          : 0.0;
}
