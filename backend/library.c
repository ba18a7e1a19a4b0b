/* The parts of the public interface that need no object. */
#include "backend/vkdelegate.h"
#include "runtime/device.h"

#include <string.h>

uint32_t vkd_version(void) { return (uint32_t)VKD_VERSION_MAJOR << 22 | VKD_VERSION_MINOR << 12 | VKD_VERSION_PATCH; }

const char *vkd_status_name(vkd_status status)
{
    static const char *const names[] = {
        [VKD_OK] = "VKD_OK",
        [VKD_INVALID_ARGUMENT] = "VKD_INVALID_ARGUMENT",
        [VKD_INVALID_MODEL] = "VKD_INVALID_MODEL",
        [VKD_UNSUPPORTED] = "VKD_UNSUPPORTED",
        [VKD_NO_DEVICE] = "VKD_NO_DEVICE",
        [VKD_DEVICE_LOST] = "VKD_DEVICE_LOST",
        [VKD_OUT_OF_MEMORY] = "VKD_OUT_OF_MEMORY",
        [VKD_IO_ERROR] = "VKD_IO_ERROR",
        [VKD_NOT_FOUND] = "VKD_NOT_FOUND",
        [VKD_DEVICE_ERROR] = "VKD_DEVICE_ERROR",
    };
    return (unsigned)status < sizeof names / sizeof *names ? names[status] : "unknown status";
}

static const struct {
    const char *name;
    size_t size;
} dtypes[VKD_DTYPE_COUNT] = {
    [VKD_DTYPE_BOOL] = {"bool", 1},   [VKD_DTYPE_UINT8] = {"u8", 1},    [VKD_DTYPE_INT8] = {"i8", 1},
    [VKD_DTYPE_INT32] = {"i32", 4},   [VKD_DTYPE_FLOAT16] = {"f16", 2}, [VKD_DTYPE_FLOAT32] = {"f32", 4},
    [VKD_DTYPE_FLOAT64] = {"f64", 8}, [VKD_DTYPE_INT64] = {"i64", 8},
};

const char *vkd_dtype_name(vkd_dtype dtype) { return (unsigned)dtype < VKD_DTYPE_COUNT ? dtypes[dtype].name : "unknown dtype"; }

size_t vkd_dtype_size(vkd_dtype dtype) { return (unsigned)dtype < VKD_DTYPE_COUNT ? dtypes[dtype].size : 0; }

static void discard(void *user, vkd_log_level level, const char *message) { (void)user, (void)level, (void)message; }

bool vkd_is_available(void)
{
    vkd_context context;
    vkd_options quiet = {.log = discard};
    uint32_t count = 0;
    vkd_context_init(&context, &quiet);
    return vkd_device_list(&context, NULL, 0, &count) == VKD_OK && count > 0;
}

vkd_status vkd_list_devices(const vkd_options *given, vkd_device_info *entries, uint32_t capacity, uint32_t *out_count)
{
    vkd_context context;
    vkd_options options;
    vkd_status status = vkd_options_read(&options, given, &context);
    if (status == VKD_OK && (!out_count || (capacity && !entries)))
        status = vkd_fail(&context, VKD_INVALID_ARGUMENT, "vkd_list_devices: a null pointer for the results");
    if (status == VKD_OK)
        status = vkd_device_list(&context, entries, capacity, out_count);
    vkd_context_report(&context, &options, status);
    return status;
}
