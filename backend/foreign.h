/* Arguments of executions that lie in memory of others (vkd_tensor_arg.memory). */
#ifndef VKD_BACKEND_FOREIGN_H
#define VKD_BACKEND_FOREIGN_H

#include "backend/delegate.h"

/* Notes in delegate->foreign where the arguments of an execution to come lie, and checks that the
 * plan's kernels can use them there. */
VKD_MUST_USE vkd_status vkd_foreign_read(vkd_delegate *delegate, const vkd_plan *plan,
                                         const vkd_tensor_arg *args, size_t count);
/* Whether a slot of the plan is recorded for that already. */
bool vkd_foreign_fits(const vkd_delegate *delegate, const vkd_plan *plan, uint32_t slot);
void vkd_foreign_bind(const vkd_delegate *delegate, vkd_plan *plan, uint32_t slot);

#endif
