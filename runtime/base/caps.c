#include "runtime/base/caps.h"

#include <string.h>

vkd_int8_dot vkd_caps_best_dot(const vkd_caps *caps)
{
    if (!caps->dot_supported)
        return VKD_DOT_NONE;
    return caps->dot_signed_accelerated  ? VKD_DOT_SIGNED
           : caps->dot_mixed_accelerated ? VKD_DOT_MIXED
                                         : VKD_DOT_NONE;
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
