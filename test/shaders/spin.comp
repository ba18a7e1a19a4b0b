// Keeps each workgroup's one invocation busy: y[workgroup] becomes the state of an xorshift
// generator after 16 * rounds steps. llvmpipe ends every loop after 65535 iterations, all loops of
// an invocation together, so rounds has to be less.
#version 450

layout(local_size_x = 1) in;

layout(set = 0, binding = 0) writeonly buffer Y { uint y[]; };
layout(push_constant) uniform Push { uint rounds; };

uint next(uint state)
{
    state ^= state << 13;
    state ^= state >> 17;
    return state ^ state << 5;
}

uint next4(uint state) { return next(next(next(next(state)))); }

void main()
{
    uint state = 1;
    for (uint i = 0; i < rounds; i++)
        state = next4(next4(next4(next4(state))));
    y[gl_WorkGroupID.x] = state;
}
