#!/usr/bin/env bash
# Builds everything and runs all tests three times: as released, with the Vulkan validation layer, and under
# AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_packages "${build_packages[@]}" "${test_packages[@]}"

failed=()
run_suite() { # NAME FOLDER [CTEST-OPTION...]
    local name=$1 folder=$2
    shift 2
    echo "== $name"
    ctest --test-dir "$root/$folder" --output-on-failure --parallel 2 --timeout 600 "$@" || failed+=("$name")
}

build build all
run_suite "release build" build
# The layer prints its messages, and the tests fail when they see one (test/CMakeLists.txt).
VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT \
    run_suite "validation layer" build --exclude-regex '^check-'
build build-asan all -DVKD_SANITIZE=address,undefined -DCMAKE_BUILD_TYPE=RelWithDebInfo
run_suite "sanitizers" build-asan

if ((${#failed[@]})); then
    fail "failed: ${failed[*]}"
fi
echo "all passed"
