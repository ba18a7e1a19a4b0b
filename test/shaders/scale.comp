// y[i] = x[i] * factor + offset for i < count
#version 450

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint factor = 1;

layout(set = 0, binding = 0) readonly buffer X { uint x[]; };
layout(set = 0, binding = 1) writeonly buffer Y { uint y[]; };
layout(push_constant) uniform Push
{
    uint count;
    uint offset;
};

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i < count)
        y[i] = x[i] * factor + offset;
}
