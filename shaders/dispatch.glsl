// One-dimensional indexing over a grid that may be folded into y; the counterpart of
// vkd_node_linear.
layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;

uint linear_index()
{
    return gl_GlobalInvocationID.x +
           gl_GlobalInvocationID.y * (gl_NumWorkGroups.x * gl_WorkGroupSize.x);
}
