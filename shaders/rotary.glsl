// What kernels that turn rows share. A kernel has FORM (VKD_ROTARY_*), a specialisation constant.

// The pair that an element belongs to: where the other one is, which of the two this is, and which
// angle of the position's is theirs.
struct turn {
    uint other, angle;
    bool first;
};

// Of element d of a row, of which so many are turned.
turn turn_of(uint d, uint rotated)
{
    uint away = FORM == VKD_ROTARY_HALVES ? rotated / 2 : 1;
    bool first = FORM == VKD_ROTARY_HALVES ? d < away : d % 2 == 0;
    return turn(first ? d + away : d - away, FORM == VKD_ROTARY_HALVES ? d : d / 2, first);
}

float turned_by(turn t, float own, float other, float cosine, float sine)
{
    precise float a = own * cosine, b = other * sine;
    return t.first ? a - b : a + b;
}

// What a row is multiplied by, of the squares of every sixteenth of its elements: of 0, 4, 8 and 12
// in the first lane of each, and so on.
float inverse_root_of(vec4 sums[4], uint width, float eps)
{
    vec4 squares = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    float mean = (squares.x + squares.y + squares.z + squares.w) / float(width);
    return 1.0 / sqrt(mean + eps);
}
