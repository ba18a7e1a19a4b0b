#!/usr/bin/env bash
# executorch-test.sh DIR [MODELS...]: builds ExecuTorch's own executor_runner with this library as its backend, from a source tree of
# ExecuTorch (1.2 or later, with its submodules; nothing there is changed), and runs the models, all of models/ if none is named. Each
# output must have the bits that vkd-run gives. Prints a table; fails if a model gives others.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
if [[ -z ${1:-} ]]; then
    echo "skipped: no ExecuTorch source tree was named; usage: executorch-test.sh DIR [MODELS...]"
    exit 0
fi
tree=$(realpath "$1")
shift
[[ -f $tree/runtime/backend/interface.h ]] || fail "$tree is no source tree of ExecuTorch"
need_packages "${build_packages[@]}" python3-yaml
build build vkd-run

portable=ON
if ! python3 -c 'import torchgen.api.types' 2>/dev/null; then
    echo "torchgen, a part of PyTorch, is not there: models with operators between their delegates are skipped"
    portable=OFF
fi
folder=$root/build-executorch
mkdir -p "$folder"
{ cmake -S "$root/adapters/executorch/runner" -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release -DEXECUTORCH="$tree" \
    -DEXECUTORCH_BUILD_PORTABLE_OPS=$portable && cmake --build "$folder" --target executor_runner; } >"$folder/build.log" 2>&1 ||
    { tail -n 40 "$folder/build.log" >&2; fail "the build failed, all of its output is in $folder/build.log"; }
runner=$folder/executorch/executor_runner

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(($#)) || mapfile -t models < <(find "$root/models" -name model.pte -printf '%h\n' | sort)
(($# == 0)) || models=("$@")

# Prints "same", why it is not run, or what is wrong.
check() { # FOLDER
    local inputs=() i=0 file ours
    # of the first execution, where there are files for several
    while file=$(compgen -G "$1/input$i.s0.*" || compgen -G "$1/input$i.*"); do
        inputs+=("$file")
        ((++i))
    done
    rm -f "$work"/*
    if ! "$runner" --model_path "$1/model.pte" --inputs "$(IFS=,; echo "${inputs[*]}")" --output_file "$work/et" \
        --print_output none --etdump_path "$work/etdump" >"$work/log" 2>&1; then
        if [[ $portable == OFF ]] && grep -q 'Missing operator\|kernel .* not found\|ops are missing' "$work/log"; then
            echo "skipped: operators between its delegates"
            return 0
        elif grep -q 'inputs.cpp.*mismatch' "$work/log"; then
            echo "skipped: executor_runner takes inputs of the largest size alone"
            return 0
        elif ! "$root/build/vkd-run" "$1/model.pte" >"$work/log2" 2>&1; then
            echo "refused, by vkd-run too: $(head -n 1 "$work/log2")"
            return 0
        fi
        echo "failed: $(grep ' vkdelegate: \|^E ' "$work/log" | head -n 1)"
        return 1
    fi
    "$root/build/vkd-run" "$1/model.pte" "${inputs[@]/#/--input=}" --output "$work/vkd.f32" >"$work/log2" 2>&1 ||
        { echo "vkd-run: $(head -n 1 "$work/log2")"; return 1; }
    ours=("$work"/vkd*)
    for ((i = 0; i < ${#ours[@]}; i++)); do
        file=$work/vkd.$i.f32
        ((${#ours[@]} > 1)) || file=$work/vkd.f32
        cmp -s "$file" "$work/et-$i.bin" || { echo "output $i differs"; return 1; }
    done
    echo "same"
}

echo "| model | outputs |"
echo "| --- | --- |"
wrong=0
for model in "${models[@]}"; do
    result=$(check "$model") || ((++wrong))
    echo "| ${model#"$root"/models/} | $result |"
done
((!wrong)) || fail "$wrong of ${#models[@]} models"
