/* vkdelegate as a backend of ExecuTorch's own runtime (1.2 and later): what a .pte file has for the
 * backend "VulkanBackend" is run by this library.
 *
 * A program that links with the CMake target vkdelegate_executorch has it registered before main().
 * Options are set for the process, executorch::runtime::set_option("VulkanBackend", ...), or for
 * what is being loaded, as runtime specs. All have the names and the meaning of vkd_options'
 * fields:
 *
 *   device, cache_dir, variant    text
 *   select                        text: "auto" or "measure"
 *   self_check                    text: "auto", "none" or "all"
 *   priority                      text: "default", "low", "high" or "realtime"
 *   log_level                     text: "error", "warning", "info" or "debug"; default "warning"
 *   no_cache, validate, profile, no_self_check              bool
 *   timeout_ms, measure_budget_ms, max_submit_ms            int, 0: the default
 *
 * A name that is not there, a value of another type and a text that is none of those are
 * Error::InvalidArgument, and change nothing. An option holds for what is loaded after it.
 *
 * All delegates whose device, cache_dir, no_cache, validate and priority are equal share one
 * engine, so one device with its pipelines. It goes with the last of them. One whose device was
 * lost is not given to new ones.
 *
 * With an event tracer (ET_EVENT_TRACER_ENABLED) each dispatch is an event "op_id kernel shape" of
 * the delegate call, by the device's time stamps, from the call's start on.
 *
 * Tensors are row-major; a tensor in another dim order is refused. Messages go to ET_LOG.
 *
 *   vkd_status               executorch::runtime::Error
 *   VKD_INVALID_ARGUMENT     InvalidArgument
 *   VKD_INVALID_MODEL        InvalidProgram
 *   VKD_UNSUPPORTED          NotSupported
 *   VKD_NO_DEVICE            NotFound
 *   VKD_DEVICE_LOST          InvalidState
 *   VKD_OUT_OF_MEMORY        MemoryAllocationFailed
 *   VKD_IO_ERROR             AccessFailed
 *   VKD_NOT_FOUND            NotFound
 *   VKD_DEVICE_ERROR         Internal
 *
 * Where the named data map fails, its own error is passed on. */
#ifndef VKD_EXECUTORCH_H
#define VKD_EXECUTORCH_H

#include <executorch/runtime/core/error.h>

/* Registers the backend; once it is, does nothing. Error::InvalidArgument where another backend has
 * the name, Error::Internal where ExecuTorch's table of backends is full. From one thread at a
 * time. Called by a static initialiser of the same file. */
extern "C" executorch::runtime::Error vkd_executorch_register(void);

#endif
