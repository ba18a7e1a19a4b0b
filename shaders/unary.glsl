// y = f(x), x seen through a view: an invocation makes a group of four elements, with ints where
// INTS is 1, else with floats. The including file has the functions, and math.glsl.
#include "dispatch.glsl"
#include "element.glsl"
#include "unary_params.h"

layout(constant_id = 3) const uint X_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint Y_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint RANK = 1;
layout(constant_id = 6) const uint WHOLE = 0;
layout(constant_id = 7) const uint X_READ = VKD_READ_SAME;
layout(constant_id = 8) const int FUNCTION = UNARY_COPY;
layout(constant_id = 9) const uint INTS = 0;

layout(push_constant) uniform params_block { unary_params params; };
#include "view.glsl"

ELEMENTS_IN(0, x, X_TYPE)
ELEMENTS_OUT(1, y, Y_TYPE)
OPERAND(x, X_TYPE, X_READ, params.x_strides, params.x_offset)

float of_float(float x);
int of_int(int x);

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    if (INTS == 1) {
        ivec4 v = x_get4i(group);
        y_store4i(group, ivec4(of_int(v.x), of_int(v.y), of_int(v.z), of_int(v.w)));
        return;
    }
    vec4 v = x_get4(group);
    for (int i = 0; i < 4; i++)
        v[i] = of_float(v[i]);
    y_store4(group, v);
}
