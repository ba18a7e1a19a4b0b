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
    for (int tap = 0; tap < KERNEL_H * KERNEL_W; tap++) { // one loop: nested, narrow windows cost llvmpipe three rounds a tap
        int h = top + tap / KERNEL_W * params.dilation_h, w = left + tap % KERNEL_W * params.dilation_w;
        if (h >= 0 && h < params.x_h && w >= 0 && w < params.x_w)
            best = pool_larger(best,
                               pool_load(((image * uint(params.x_h) + uint(h)) * uint(params.x_w) + uint(w)) * BLOCKS + block));
    }
    pool_store(group, best);
}
