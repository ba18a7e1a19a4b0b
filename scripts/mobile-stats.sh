#!/usr/bin/env bash
# Static figures of the kernels that multiply, for mobile GPUs and without them: compiles each kernel with Mesa's compilers for Adreno
# and Mali on no-op devices, and writes the table of docs/mobile-stats.md. docs/mobile-stats.md says what the columns mean.
#   mobile-stats.sh TOOL    the folder with shaderstat, loopstat.py, and the wrappers adreno and mali
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
(($# == 1)) || fail "usage: mobile-stats.sh TOOL"
tool=$(cd "$1" && pwd) || fail "no folder $1"
for file in shaderstat loopstat.py adreno mali; do
    [[ -e $tool/$file ]] || fail "there is no $file in $tool"
done
need_packages glslc python3
document=$root/docs/mobile-stats.md
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

# DEVICE WRAPPER GPU FLAVOUR, the flavour (shaders/dot.glsl) being the one that the device multiplies in hardware.
devices=("Adreno 750|adreno|750|2" "Adreno 740|adreno|740|3" "Mali-G610|mali|G610|2")

# FILE | WHAT | OPTIONS | products of one iteration of the innermost loop | of an invocation, where the compiler unrolls all loops. Kernels
# with dot products need no numbers: each is four products.
kernels=(
    "gemm_4x4.dot|GEMM 4x4, pointwise|-s 3=0"
    "gemm_4x4.dot|GEMM 4x4, implicit|-s 3=1"
    "gemm_4x4_words.dot|GEMM 4x4 words, pointwise|-s 3=0"
    "gemm_4x4_words.dot|GEMM 4x4 words, implicit|-s 3=1"
    "gemm_8x8.dot|GEMM 8x8, pointwise|-s 3=0"
    "gemm_8x8.dot|GEMM 8x8, implicit|-s 3=1"
    "conv_general.dot|general"
    "conv_transposed.dot|transposed"
    "conv_bytes|general, split words||1"
    "conv_dw|depthwise, any window||4"
)
for window in 3 5; do
    for stride in 1 2; do
        for width in 2 4; do
            kernels+=("conv_dw_${window}x${window}_s${stride}_w$width|depthwise ${window}x$window, stride $stride, $width pixels|\
|$((window * width * 4))|$((window * window * width * 4))")
        done
    done
done

for kernel in "${kernels[@]}"; do
    IFS='|' read -r file what options loop_products all_products <<<"$kernel"
    for device in "${devices[@]}"; do
        IFS='|' read -r name wrapper gpu flavour <<<"$device"
        rm -rf "$work"/*
        glslc --target-env=vulkan1.1 -O -Werror -DVKD_DOT="$flavour" -I "$root/shaders" "$root/shaders/$file.comp" -o "$work/kernel.spv"
        # shellcheck disable=SC2086 # the options are several words
        "$tool/$wrapper" "$gpu" "$tool/shaderstat" -s 0=8 -s 1=8 -s 2=1 $options -r "$work" "$work/kernel.spv" >"$work/stats"
        python3 "$tool/loopstat.py" "$work"/*Assembly*.txt >"$work/loops"
        python3 - "$work" "$what" "$name" "${loop_products:-0}" "${all_products:-0}" <<'PYTHON'
import json, re, sys

folder, what, device, loop_products, all_products = sys.argv[1:]
stats = next(json.loads(line)["stats"] for line in open(folder + "/stats") if line[0] == "{")
loops = [json.loads(line) for line in open(folder + "/loops")]

def products(loop, names):
    return sum(count for name, count in loop["mix"].items() if re.match(names, name))

def span(loop):
    return [int(number) for number in re.findall(r"\d+", loop["where"])]

def innermost(loop):
    first, last = span(loop)
    return not any(other is not loop and span(other)[0] >= first and span(other)[1] <= last for other in loops[:-1])

# The loop that multiplies most; the last entry is the whole kernel.
hot = max((loop for loop in loops[:-1] if innermost(loop)), default=loops[-1],
          key=lambda loop: (products(loop, "dp4acc|idp"), products(loop, "mad|mul|fma|imul")))
if int(all_products) and products(hot, "mad|fma") < int(loop_products):
    hot = loops[-1]
macs = 4 * products(hot, "dp4acc|idp") or int(all_products if hot is loops[-1] else loop_products)
if not macs:
    sys.exit(f"{what} on {device}: the innermost loop has no dot product")

registers = stats["Registers used"] if "Registers used" in stats else stats["Work registers"]
occupancy = (f"{stats['Max Waves Per Core']} of 16 waves" if "Max Waves Per Core" in stats
             else f"{stats['Threads (2=full occupancy)']} of 2")
spills = stats["STP Count"] + stats["LDP Count"] if "STP Count" in stats else stats["Spills"] + stats["Fills"]
note = " (all unrolled)" if hot is loops[-1] else ""
print(f"| {what} | {device} | {hot['slots'] / macs:.2f} | {hot['slots']} / {macs}{note} | {registers} | {occupancy} | {spills} |")
PYTHON
    done
done >"$work.rows"
