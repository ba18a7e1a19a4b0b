#!/usr/bin/env bash
# A long run: soak.sh [MINUTES [PROCESSES]]. Loads, executions, other shapes, states and faults for so long (10 minutes by default), after
# which memory, file descriptors and threads must be as they were after the first third; then so many processes (64) on one cache
# folder, 8 at a time, most of which are killed; then 1000 executions of each model, by itself, and loads and executions by 8 threads on
# one engine, which must give the same bits each time.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_packages "${build_packages[@]}"
minutes=${1:-10} processes=${2:-64}
[[ $minutes =~ ^[0-9]+$ && $processes =~ ^[0-9]+$ ]] || fail "usage: soak.sh [MINUTES [PROCESSES]]"
build build soak
build build steady
models=("$root"/models/tiny/{tinynet_32x32,f16_tinynet_32x32,bottleneck_c12m7o20_s2_11x11}/model.pte "$root"/models/llama/*/model.pte)
"$root/build/soak" 1000000 $((minutes * 60)) "${models[@]}" || fail "the long run is not flat"
cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT
"$root/build/soak" --kill "$cache" "$processes" "${models[@]:0:3}" || fail "killed processes leave a broken cache"
"$root/build/steady" 1000 "${models[@]}" || fail "executions differ"
"$root/build/steady" --threads 8 20 "${models[@]}" || fail "executions by threads differ"
