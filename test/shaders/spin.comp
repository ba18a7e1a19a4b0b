// Keeps one invocation busy: y[0] becomes the state of an xorshift generator after so many rounds.
#version 450

layout(local_size_x = 1) in;

layout(set = 0, binding = 0) writeonly buffer Y { uint y[]; };
layout(push_constant) uniform Push { uint rounds; };

void main()
{
    uint state = 1;
    for (uint i = 0; i < rounds; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
    }
    y[0] = state;
}
