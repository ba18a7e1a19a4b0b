#!/usr/bin/env bash
# What several threads do on one engine, under ThreadSanitizer.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_packages "${build_packages[@]}" "${test_packages[@]}"

tests=(test-engine test-sharing test-state test-resize steady)
build build vkd-kernels
for test in "${tests[@]}"; do
    build build-tsan "$test" "$packed_kernels" -DVKD_SANITIZE=thread -DCMAKE_BUILD_TYPE=RelWithDebInfo
done
ctest --test-dir "$root/build-tsan" --output-on-failure --timeout 600 --tests-regex "^($(IFS='|' && echo "${tests[*]/%steady/steady-threads}"))\$"
