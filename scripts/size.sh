#!/usr/bin/env bash
# The size of the shared library, stripped: for this machine and, by Debian's cross compiler, for arm64, with all kernels and without
# those that VKD_KERNELS leaves out, compiled for size. Fails if one for arm64 has 1.6 MiB or more, or without those kernels 1 MiB.
# Linked for arm64 by lld, as Android's compiler does, and by GNU ld, both for pages of 16 KiB, the largest that Android has: GNU ld fills
# up files to whole pages.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
(($# == 0)) || fail "usage: size.sh"
need_packages "${build_packages[@]}"
need_packages lld gcc-aarch64-linux-gnu g++-aarch64-linux-gnu
lld_folder=$(dirname "$(readlink -f "$(command -v ld.lld)")") # gcc would look for one with its own prefix

# NAME | VKD_KERNELS | the compiler's prefix | the linker | fewer bytes than this
libraries=("$(uname -m), all kernels|all|||" "$(uname -m), without optional kernels||||"
           "arm64, all kernels|all|aarch64-linux-gnu-|lld|1677721" "arm64, all kernels, GNU ld|all|aarch64-linux-gnu-|bfd|1677721"
           "arm64, without optional kernels||aarch64-linux-gnu-|lld|1048576"
           "arm64, without optional kernels, GNU ld||aarch64-linux-gnu-|bfd|1048576")

# Prints the size of the library, and of the code and the constants in it: kernels are constants.
measure() { # VKD_KERNELS PREFIX LINKER
    local folder="$root/build-size/${2:-host-}${1:-core}" cross=()
    [[ -z $2 ]] || cross=(-DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="${2%%-*}"
                          -DCMAKE_SHARED_LINKER_FLAGS="-fuse-ld=$3 -B$lld_folder -Wl,-z,max-page-size=16384")
    cmake -S "$root" -B "$folder" -G Ninja -DCMAKE_C_COMPILER="$2gcc" -DCMAKE_CXX_COMPILER="$2g++" "${cross[@]}" \
        -DCMAKE_BUILD_TYPE=MinSizeRel -DVKD_KERNELS="$1" "$packed_kernels" -DVKD_BUILD_RUNNER=OFF -DVKD_BUILD_TESTS=OFF >"$folder.log" 2>&1 &&
        cmake --build "$folder" --target vkdelegate >>"$folder.log" 2>&1 || fail "the build failed: $folder.log"
    "$2strip" -o "$folder/stripped.so" "$folder/libvkdelegate.so"
    stat -c %s "$folder/stripped.so"
    "$2size" -A "$folder/stripped.so" | awk '$1 == ".text" { code = $2 } $1 == ".rodata" { constants = $2 } END { print code; print constants }'
}

mkdir -p "$root/build-size"
build build vkd-kernels >&2
echo "| library | bytes | code | constants |"
echo "| --- | --- | --- | --- |"
for library in "${libraries[@]}"; do
    IFS='|' read -r name kernels prefix linker limit <<<"$library"
    mapfile -t sizes < <(measure "$kernels" "$prefix" "$linker")
    ((${#sizes[@]} == 3)) || exit 1
    echo "| $name | ${sizes[0]} | ${sizes[1]} | ${sizes[2]} |"
    [[ -z $limit ]] || ((sizes[0] < limit)) || fail "$name: $limit bytes or more"
done
