// Constants next to every border of the packed form (runtime/spirv.h); test_spirv.c compares.
#version 450
layout(binding = 0) writeonly buffer y_buffer { uint y[]; };

void main()
{
    y[0] = 0x7fffu;
    y[1] = 0x8000u;
    y[2] = 0xffffu;
    y[3] = 0x10000u;
    y[4] = 0x1ffffu;
    y[5] = 0x3f01feu;
    y[6] = 0x3f01ffu;
    y[7] = 0x3f0200u;
    y[8] = 0x400000u;
    y[9] = 0x4001ffu;
    y[10] = 0xff0000u;
    y[11] = 0xffffffffu;
    y[12] = 0x00010001u;
    y[13] = 0x80000000u;
    y[14] = 63u;
    y[15] = 64u;
    y[16] = 15871u;
    y[17] = 15872u;
}
