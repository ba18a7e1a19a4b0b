#!/usr/bin/env bash
# Builds for arm64 with Debian's cross compiler and runs the result under qemu-user: the tests of the parts that need no device, then
# three small nets and a ResNet50 on arm64's llvmpipe, whose outputs must have the bits of this machine's. Debian's arm64 packages are
# downloaded and unpacked in build-arm64/sysroot; the system has only the cross compiler and qemu installed. Exit code 77, with a word,
# where these are not to be had, without a network say.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
(($# == 0)) || fail "usage: arm64.sh"
skip() {
    echo "skipped: $*"
    exit 77
}
(need_packages "${build_packages[@]}" gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user-static) ||
    skip "the cross compiler and qemu cannot be installed"
folder=$root/build-arm64
sysroot=$folder/sysroot
packages=(libc6-dev libstdc++-12-dev libvulkan-dev libpopt-dev libcjson-dev libpng-dev libjpeg62-turbo-dev
          libcmocka-dev zlib1g-dev libvulkan1 mesa-vulkan-drivers)

# An apt of its own, for arm64, that takes nothing for installed: it downloads the packages with all that they need.
make_sysroot() {
    local apt=$folder/apt deb
    mkdir -p "$apt"/{lists/partial,archives/partial} "$sysroot" && : >"$apt/status" || return
    local options=(-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::status="$apt/status" -o Debug::NoLocking=1
                   -o Dir::State::lists="$apt/lists" -o Dir::Cache::archives="$apt/archives" -o APT::Sandbox::User=root
                   -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Update::Error-Mode=any)
    apt-get -qq "${options[@]}" update &&
        apt-get -qq "${options[@]}" install -y --no-install-recommends --download-only "${packages[@]}" || return
    for deb in "$apt"/archives/*.deb; do
        dpkg-deb --extract "$deb" "$sysroot" || return
    done
    touch "$folder/sysroot-is-complete"
}
[[ -e $folder/sysroot-is-complete ]] || make_sysroot || skip "Debian's packages for arm64 cannot be downloaded"

export PKG_CONFIG_SYSROOT_DIR=$sysroot PKG_CONFIG_LIBDIR=$sysroot/usr/lib/aarch64-linux-gnu/pkgconfig:$sysroot/usr/share/pkgconfig
emulator=(qemu-aarch64-static -L "$sysroot")
tests=(cache-file caps container conv-measure conv-select data-file decode file-kind hazard inline inline-constants inline-refusals
       listing lower lower-linear lower-refusals math model net plan rewrite rewrite-fuse rewrite-int8 shape spirv
       tuning-file)
build build vkd-run
build build-arm64/build vkd-run "$packed_kernels" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_SYSROOT="$sysroot" \
    -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_FIND_ROOT_PATH_MODE_PROGRAM=NEVER \
    -DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY -DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY \
    "-DCMAKE_CROSSCOMPILING_EMULATOR=$(IFS=';'; echo "${emulator[*]}")"
cmake --build "$folder/build" --target "${tests[@]/#/test-}" --parallel "$(nproc)" >>"$folder/build/build.log" 2>&1 ||
    fail "the build of the tests failed, all of its output is in $folder/build/build.log"

failed=()
echo "== tests without a device"
VK_DRIVER_FILES=/nowhere ctest --test-dir "$folder/build" --parallel "$(nproc)" --output-on-failure --tests-regex "^test-($(IFS='|'; echo "${tests[*]}"))\$" ||
    failed+=(tests)

echo "== models, against the bits of $(uname -m)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for model in tiny/bottleneck_c12m7o20_s2_11x11 tiny/cat_conv_c3_o8o12o16_9x9 tiny/dw5x5_s2p2_c16_relu_13x13 resnet50-fashion; do
    folder_of=$root/models/$model
    arguments=("$folder_of/model.pte" --input "$folder_of/input0.f32" --no-cache --self-check none --timeout 600000 --device llvmpipe)
    rm -f "$work"/*
    "$root/build/vkd-run" "${arguments[@]}" --output "$work/here.f32" >"$work/log" 2>&1 || fail "$model: $(cat "$work/log")"
    start=$SECONDS
    VK_DRIVER_FILES=/usr/share/vulkan/icd.d/lvp_icd.aarch64.json "${emulator[@]}" "$folder/build/vkd-run" "${arguments[@]}" \
        --output "$work/arm64.f32" >"$work/log" 2>&1 || echo "$model: $(cat "$work/log")" >&2
    result="the same bits"
    cmp -s "$work"/*here*.f32 "$work"/*arm64*.f32 || { result=different; failed+=("$model"); }
    echo "$model: $result, $((SECONDS - start)) s"
done
((!${#failed[@]})) || fail "failed: ${failed[*]}"
echo "all passed"
