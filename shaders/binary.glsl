// y = f(a, b), both seen through views of y's dims: an invocation makes a group of four elements.
// Computed with ints where INTS is 1, which wrap, else with floats. The including file has the
// functions, and math.glsl.
#include "binary_params.h"
#include "dispatch.glsl"
#include "element.glsl"

layout(constant_id = 3) const uint A_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint B_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint Y_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 6) const uint RANK = 1;
layout(constant_id = 7) const uint WHOLE = 0;
layout(constant_id = 8) const uint A_READ = VKD_READ_SAME;
layout(constant_id = 9) const uint B_READ = VKD_READ_SAME;
layout(constant_id = 10) const int FUNCTION = BINARY_ADD;
layout(constant_id = 11) const uint INTS = 0;

layout(push_constant) uniform params_block { binary_params params; };
#include "view.glsl"

ELEMENTS_IN(0, a, A_TYPE)
ELEMENTS_IN(1, b, B_TYPE)
ELEMENTS_OUT(2, y, Y_TYPE)
OPERAND(a, A_TYPE, A_READ, params.a_strides, params.a_offset)
OPERAND(b, B_TYPE, B_READ, params.b_strides, params.b_offset)

float of_floats(float a, float b);
int of_ints(int a, int b);

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    if (INTS == 1) {
        ivec4 a = a_get4i(group), b = b_get4i(group);
        for (int i = 0; i < 4; i++)
            a[i] = of_ints(a[i], b[i]);
        y_store4i(group, a);
        return;
    }
    vec4 a = a_get4(group), b = b_get4(group);
    for (int i = 0; i < 4; i++)
        a[i] = of_floats(a[i], b[i]);
    y_store4(group, a);
}
