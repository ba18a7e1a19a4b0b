// Four results of a row of y that may begin anywhere in a group of slots.
//   Y_GROUPS  1: rows are whole groups; 2: pairs of halves, rows are whole words; 0: words
void y_store_row(uint row_slot, uint n, uint count, vec4 v)
{
    uint slot = row_slot + n;
    if (Y_GROUPS == 1)
        y_store4(slot / 4, v);
    else if (Y_GROUPS == 2) {
        y_words[slot / 2] = half_bits(v.x) | half_bits(v.y) << 16;
        if (n + 2 < count)
            y_words[slot / 2 + 1] = half_bits(v.z) | half_bits(v.w) << 16;
    } else {
        for (uint j = 0; j < 4; j++)
            if (n + j < count)
                y_words[slot + j] = floatBitsToUint(v[j]);
    }
}
