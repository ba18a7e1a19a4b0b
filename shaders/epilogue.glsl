// What may be fused behind requantize(), by the buffer `residual`: an addition, or where r_scale is
// 0 a function of the result, as a table. Word i of it has those of the bytes 4 i .. 4 i + 3, as
// unsigned numbers. A kernel that reads another kind of buffer defines RESIDUAL_WORD.
#ifndef RESIDUAL_WORD
#define RESIDUAL_WORD(at) residual[at]
#endif

int look_up(int byte) { return RESIDUAL_WORD(uint(byte) >> 2) >> (8 * (byte & 3)) & 255; }

int look_up_word(int word)
{
    return look_up(word & 255) | look_up(word >> 8 & 255) << 8 | look_up(word >> 16 & 255) << 16 |
           look_up(word >> 24 & 255) << 24;
}

int finish(int word, uint at, requantize_params p)
{
    if (p.r_scale == 0.0)
        return look_up_word(word);
    return add_residual(word, RESIDUAL_WORD(at), p);
}
