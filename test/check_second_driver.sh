#!/bin/sh
# check_second_driver.sh BUILD SOURCE: the kernels, and models as wholes, on another software driver than llvmpipe: SwiftShader, which
# browsers bring along, or what $VKD_SECOND_DRIVER names, an ICD file. Exit code 77, with a word, where there is none.
build=$1 source=$2
for driver in "$VKD_SECOND_DRIVER" /usr/lib/chromium/vk_swiftshader_icd.json /usr/share/vulkan/icd.d/vk_swiftshader_icd.json \
    /opt/google/chrome/vk_swiftshader_icd.json; do
    [ -n "$driver" ] && [ -r "$driver" ] && break
    driver=
done
if [ -z "$driver" ]; then
    echo "skipped: no second software driver is installed (Debian's chromium has one)"
    exit 77
fi
export VK_DRIVER_FILES="$driver" VK_ICD_FILENAMES="$driver"
# Every operator once, in two processes side by side, about half a minute; what is missing are the variants of int8 convolutions,
# a thousand cases. VKD_SECOND_ROWS="q8ta_conv2d" has others.
et_vk="et_vk.a et_vk.conv1d et_vk.conv_with et_vk.e et_vk.f et_vk.grid et_vk.l et_vk.rms et_vk.sdpa q4gsw_r q8ta_add q8ta_relu
q8ta_pixel q8ta_linear"
run_rows() {
    for rows in "$@"; do
        "$build/vkd-selftest" --draws 1 --only "$rows" || return 1
    done
}
if [ -n "$VKD_SECOND_ROWS" ]; then
    run_rows $VKD_SECOND_ROWS || exit 1
else
    run_rows aten. &
    run_rows $et_vk
    code=$?
    wait $! && [ $code = 0 ] || exit 1
fi
# Every operator of a whole net against plain C there; VKD_SECOND_MODELS has others.
for model in ${VKD_SECOND_MODELS:-models/tiny/bottleneck_c12m7o20_s2_11x11 models/tiny/tinynet_32x32}; do
    "$build/vkd-selftest" "$source/$model/model.pte" || exit 1
done
