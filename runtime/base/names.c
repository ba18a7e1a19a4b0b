/* The version, statuses, dtypes and kinds of devices as text, and the sizes of dtypes. */
#include "runtime/base/caps.h"

uint32_t vkd_version(void)
{
    return (uint32_t)VKD_VERSION_MAJOR << 22 | VKD_VERSION_MINOR << 12 | VKD_VERSION_PATCH;
}

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
    [VKD_DTYPE_BOOL] = {"bool", 1},   [VKD_DTYPE_UINT8] = {"u8", 1},
    [VKD_DTYPE_INT8] = {"i8", 1},     [VKD_DTYPE_INT32] = {"i32", 4},
    [VKD_DTYPE_FLOAT16] = {"f16", 2}, [VKD_DTYPE_FLOAT32] = {"f32", 4},
    [VKD_DTYPE_FLOAT64] = {"f64", 8}, [VKD_DTYPE_INT64] = {"i64", 8},
};

const char *vkd_dtype_name(vkd_dtype dtype)
{
    return (unsigned)dtype < VKD_DTYPE_COUNT ? dtypes[dtype].name : "unknown dtype";
}

size_t vkd_dtype_size(vkd_dtype dtype)
{
    return (unsigned)dtype < VKD_DTYPE_COUNT ? dtypes[dtype].size : 0;
}

const char *vkd_int8_dot_name(vkd_int8_dot dot)
{
    static const char *const names[] = {[VKD_DOT_AUTO] = "auto",
                                        [VKD_DOT_NONE] = "none",
                                        [VKD_DOT_SIGNED] = "signed",
                                        [VKD_DOT_MIXED] = "mixed"};
    return (size_t)dot < sizeof names / sizeof names[0] ? names[dot] : "unknown";
}

const char *vkd_device_type_name(vkd_device_type type)
{
    static const char *const names[] = {
        [VKD_TYPE_OTHER] = "other",
        [VKD_TYPE_DISCRETE] = "discrete",
        [VKD_TYPE_INTEGRATED] = "integrated",
        [VKD_TYPE_VIRTUAL] = "virtual",
        [VKD_TYPE_CPU] = "cpu",
    };
    return (size_t)type < sizeof names / sizeof names[0] ? names[type] : names[VKD_TYPE_OTHER];
}
