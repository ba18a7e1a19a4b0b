#include "runtime/caps.h"

#include <string.h>

#include "runtime/device.h"

vkd_int8_dot vkd_caps_best_dot(const vkd_caps *caps)
{
    if (!caps->dot_supported)
        return VKD_DOT_NONE;
    return caps->dot_signed_accelerated ? VKD_DOT_SIGNED : caps->dot_mixed_accelerated ? VKD_DOT_MIXED : VKD_DOT_NONE;
}

const char *vkd_int8_dot_name(vkd_int8_dot dot)
{
    static const char *const names[] = {
        [VKD_DOT_AUTO] = "auto", [VKD_DOT_NONE] = "none", [VKD_DOT_SIGNED] = "signed", [VKD_DOT_MIXED] = "mixed"};
    return (size_t)dot < sizeof names / sizeof names[0] ? names[dot] : "unknown";
}

const char *vkd_device_type_name(vkd_device_type type)
{
    static const char *const names[] = {
        [VKD_TYPE_OTHER] = "other",     [VKD_TYPE_DISCRETE] = "discrete", [VKD_TYPE_INTEGRATED] = "integrated",
        [VKD_TYPE_VIRTUAL] = "virtual", [VKD_TYPE_CPU] = "cpu",
    };
    return (size_t)type < sizeof names / sizeof names[0] ? names[type] : names[VKD_TYPE_OTHER];
}

void vkd_caps_info(const vkd_caps *caps, vkd_device_info *out)
{
    *out = (vkd_device_info){
        .type = vkd_device_type_name(caps->type),
        .vendor_id = caps->vendor_id,
        .device_id = caps->device_id,
        .api_version = caps->api_version,
        .driver_version = caps->driver_version,
        .int8_dot = caps->dot,
    };
    memcpy(out->name, caps->name, sizeof out->name);
}
