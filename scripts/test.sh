#!/usr/bin/env bash
# Builds everything and runs all tests three times: as released, with the Vulkan validation layer, and under
# AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer. Then tests of several threads under ThreadSanitizer, and what clang
# makes of it: all tests that need no device, and a few that do. scripts/arm64.sh, which downloads packages, is apart.
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
# Drawn shapes, and the bits of models whatever the options, are for what kernels compute, which is the same below: a few are enough
# there, others each time. What runs by every variant, and every fixed shape, runs in each. Documents are the same, too.
export VKD_TEST_SWEEP=15
# The layer prints its messages, and the tests fail when they see one (test/CMakeLists.txt). It keeps memory of its own: not for
# the soak test.
VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT \
    run_suite "validation layer" build --exclude-regex '^(check-|soak$|test-docs$)'
build build-asan all "$packed_kernels" -DVKD_SANITIZE=address,undefined -DCMAKE_BUILD_TYPE=RelWithDebInfo
run_suite "sanitizers" build-asan --exclude-regex '^test-docs$'
echo "== threads"
"$root/scripts/test-threads.sh" || failed+=(threads)
build build-clang all "$packed_kernels" -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++
VK_DRIVER_FILES=/nowhere run_suite "clang, without a device" build-clang --exclude-regex '^(check-(bench|kernels|precise|second|skips)|test-docs$|vkd-bench|eval-)'
run_suite "clang, on the device" build-clang --tests-regex '^(test-(abi|engine|order|small-ops)|link-)'

if ((${#failed[@]})); then
    fail "failed: ${failed[*]}"
fi
echo "all passed"
