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
# It compiles slowly: a few families, unless more are asked for, VKD_SECOND_ROWS="aten. et_vk."
for rows in ${VKD_SECOND_ROWS:-aten.add aten._softmax aten.mm aten.mean aten.cat q8ta_add}; do
    "$build/vkd-selftest" --draws 1 --only "$rows" || exit 1
done
# Every operator of whole nets against plain C there, VKD_SECOND_MODELS="models/tiny/tinynet_32x32": SwiftShader takes minutes and
# gigabytes to compile what is unrolled in them, so only where asked for.
for model in $VKD_SECOND_MODELS; do
    "$build/vkd-selftest" "$source/$model/model.pte" || exit 1
done
