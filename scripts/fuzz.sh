#!/usr/bin/env bash
# Fuzzes: fuzz.sh [SECONDS [TARGET...]]. Builds test/fuzz with clang, libFuzzer and sanitizers, and runs each target (container,
# data_file, plan, execute, cache, plugin; all by default) for so long, 60 s by default. The corpus grows in build-fuzz/corpus, from the
# sample models, what test/fuzz/seeds.c makes and test/fuzz/corpus; what it finds lies in build-fuzz/found. When a finding has been
# fixed, its file belongs into test/fuzz/corpus/TARGET, where the suite runs it.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_packages "${build_packages[@]}" clang
seconds=${1:-60}
shift || true
targets=("$@")
((${#targets[@]})) || targets=(container data_file plan execute cache plugin)
folder=$root/build-fuzz
build build vkd-kernels
for target in "${targets[@]}" seeds; do
    build build-fuzz "fuzz-$target" "$packed_kernels" -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DVKD_FUZZ=ON -DVKD_BUILD_RUNNER=OFF \
        -DVKD_SANITIZE=address,undefined,fuzzer-no-link -DCMAKE_BUILD_TYPE=RelWithDebInfo ${VKD_CMAKE_OPTIONS:-}
done
mkdir -p "$folder/corpus" "$folder/found"
"$folder/fuzz-seeds" "$folder/corpus"
failed=()
for target in "${targets[@]}"; do
    corpus=$folder/corpus/$target
    mkdir -p "$corpus"
    # Programs are seeds of whatever reads programs.
    if [[ $target != cache && $target != data_file ]]; then
        find "$root/models" -name model.pte -size -64k -print0 | while IFS= read -r -d '' model; do
            name=${model#"$root"/models/}
            cp -n "$model" "$corpus/${name//\//-}"
        done
    fi
    echo "== $target: $seconds s"
    LSAN_OPTIONS=suppressions=$root/test/lsan.supp:print_suppressions=0 nice "$folder/fuzz-$target" -max_total_time="$seconds" -max_len=65536 -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 \
        -artifact_prefix="$folder/found/$target-" "$corpus" "$root/test/fuzz/corpus/$target" >"$folder/$target.log" 2>&1 ||
        failed+=("$target")
    grep -E 'cov:|stat::number_of_executed_units|ERROR|SUMMARY' "$folder/$target.log" | tail -n 3
done
if ((${#failed[@]})); then
    fail "findings of ${failed[*]}: see build-fuzz/*.log and build-fuzz/found"
fi
echo "nothing found"
