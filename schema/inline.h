/* A whole method as one model: the operators inside its delegates and the portable operators
 * between them, in the order in which the method runs them.
 *
 * - A delegate call becomes the operators of its blob. The blob's values get new ids, in order of
 * the calls, so that a method of one delegate call has the blob's; its inputs and outputs are the
 * method's own values.
 * - A portable operator keeps its name ("aten::mean.out"); its node id is the number of its step.
 * Its arguments are those of the schema, and behind them comes once what it returns, a VALUE_LIST
 * for several tensors: results that the caller supplies, which the file lists twice, are no
 * arguments. An operator that works in place ("aten::copy_") has its tensor twice, as an argument
 * and as the result.
 * - A value that is written again is another value of the model, unless it is state: what begins
 * with data, or is read before it is written, and is written. An operator that writes state has the
 * state's id as its result.
 * - An int that is an input or that an operator computes is a SYMINT, a double that one computes a
 *   SYMFLOAT. A list of ints is an
 * INT_LIST, or where one of them is such a number a VALUE_LIST.
 * - Elements of 64 bits have 32 here, those of constants too. Where a delegate has other floats
 * than the method (force_fp16), a _to_dim_order_copy stands between; but an input has the dtype
 * that its readers agree on, an output that of its producer, and the program's as staging_dtype:
 * the host converts.
 * - MoveCall gives a value another name, FreeCall does nothing. Views that the exporter dropped,
 * since they are in the place of what they view, are aten.view_copy again. */
#ifndef VKD_SCHEMA_INLINE_H
#define VKD_SCHEMA_INLINE_H

#include "schema/container.h"

/* delegate_id: the backend whose delegates are understood, "VulkanBackend". What is made lies in
 * `arena`; constants point into the program's file and data files, but those of 64-bit elements.
 * VKD_INVALID_MODEL with a message that names what is at fault, external data that is missing too;
 * VKD_UNSUPPORTED for a JumpFalseCall, a delegate of another backend or called twice, and for
 * tensors that cannot be described; what vkd_model_read returns. */
VKD_MUST_USE vkd_status vkd_inline_method(const vkd_container *container,
                                          const vkd_container_method *method,
                                          const char *delegate_id, vkd_arena *arena,
                                          vkd_model *out);

#endif
