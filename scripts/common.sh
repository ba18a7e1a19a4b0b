# shellcheck shell=bash disable=SC2034
# Sourced by the other scripts: where the project is, what it needs, how it is built.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Debian packages. mesa-vulkan-drivers brings llvmpipe, a Vulkan device that runs on the CPU.
build_packages=(gcc g++ cmake ninja-build pkg-config glslc flatbuffers-compiler libflatbuffers-dev libvulkan-dev
                libpopt-dev libcjson-dev libpng-dev libjpeg62-turbo-dev libcmocka-dev zlib1g-dev libvulkan1 mesa-vulkan-drivers)
test_packages=(vulkan-validationlayers dataset-fashion-mnist binutils libvulkan-volk-dev clang python3-numpy python3-pytest)

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# Installs those of the named packages that are missing. Says and does nothing when all are there.
need_packages() {
    local package missing=() become=()
    if ! command -v dpkg-query >/dev/null; then
        echo "${0##*/}: no Debian system; expecting what these packages hold: $*" >&2
        return
    fi
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    if ((EUID)); then
        # Without a terminal sudo cannot ask for a password.
        if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
            become=(sudo)
        else
            fail "packages are missing, install them with:
    sudo apt-get install --no-install-recommends ${missing[*]}"
        fi
    fi
    echo "installing ${missing[*]}"
    "${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    "${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
}

# Packing kernels is much of a build, and every build packs the same. One that has this option takes those of
# build build vkd-kernels.
packed_kernels=-DVKD_PACKED_KERNELS=$root/build/generated/shaders

# build FOLDER TARGET [CMAKE-OPTION...]: configures and builds one target in a folder of the project.
build() {
    local folder=$root/$1 target=$2 generator=()
    shift 2
    # An existing folder keeps the generator that it was made with.
    if [[ ! -e $folder/CMakeCache.txt ]] && command -v ninja >/dev/null; then
        generator=(-G Ninja)
    fi
    echo "building ${folder#"$root"/} ($target)"
    mkdir -p "$folder"
    if ! { cmake -S "$root" -B "$folder" "${generator[@]}" "$@" &&
        cmake --build "$folder" --target "$target" --parallel "$(nproc)"; } >"$folder/build.log" 2>&1; then
        tail -n 60 "$folder/build.log" >&2
        fail "the build failed, all of its output is in $folder/build.log"
    fi
}
