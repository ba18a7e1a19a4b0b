// The walk of a maximum pooling, for both element types: one invocation per group of four channels. Before the include:
// POOL_BUFFER, what a buffer holds for a group; POOL_VECTOR, four elements; POOL_LEAST. After it: pool_load, pool_store and
// pool_larger.
#include "pool2d.glsl"

layout(binding = 0) readonly buffer x_buffer { POOL_BUFFER x[]; };
layout(binding = 1) writeonly buffer y_buffer { POOL_BUFFER y[]; };

POOL_VECTOR pool_load(uint group);
void pool_store(uint group, POOL_VECTOR v);
POOL_VECTOR pool_larger(POOL_VECTOR a, POOL_VECTOR b);

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    uint pixel = group / BLOCKS, block = group % BLOCKS;
    uint row = pixel / Y_W;
    uint image = row / Y_H;
    int top = int(row % Y_H) * params.stride_h - params.padding_h;
    int left = int(pixel % Y_W) * params.stride_w - params.padding_w;

    POOL_VECTOR best = POOL_VECTOR(POOL_LEAST);
    for (int i = 0; i < KERNEL_H; i++) {
        int h = top + i * params.dilation_h;
        if (h < 0 || h >= params.x_h)
            continue;
        uint start = (image * uint(params.x_h) + uint(h)) * uint(params.x_w);
        for (int j = 0; j < KERNEL_W; j++) {
            int w = left + j * params.dilation_w;
            if (w >= 0 && w < params.x_w)
                best = pool_larger(best, pool_load((start + uint(w)) * BLOCKS + block));
        }
    }
    pool_store(group, best);
}
