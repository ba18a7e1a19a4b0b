#!/usr/bin/env bash
# Static figures of the kernels that multiply, on mobile GPUs: compiles each for Adreno and Mali with Mesa's compilers, without a
# device, prints the table of docs/mobile-stats.md and writes it there. That file says what the columns mean.
#   mobile-stats.sh TOOL    the folder with shaderstat, loopstat.py and the wrappers adreno and mali
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
(($# == 1)) || fail "usage: mobile-stats.sh TOOL"
tool=$1
for file in shaderstat loopstat.py adreno mali; do
    [[ -e $tool/$file ]] || fail "there is no $file in $tool"
done
need_packages cmake glslc python3
shopt -s inherit_errexit # a kernel that fails ends the script before it writes anything
document=$root/docs/mobile-stats.md
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

# NAME | wrapper | GPU | flavour: of the dot product (shaders/dot.glsl), the one that the device has in hardware.
devices=("Adreno 750|adreno|750|signed" "Adreno 740|adreno|740|mixed" "Mali-G610|mali|G610|signed")

# Kernels with their sizes as constants get those of a 256->256 convolution on 14x14, 1x1 or 3x3: gemm_params from constant 6 on. k
# is counted in steps of 16 bytes or in words.
product="-s 6=196 -s 10=64 -s 11=64 -s 12=64 -s 13=14 -s 14=14 -s 15=14 -s 16=14"
pointwise="-s 3=0 $product" implicit="-s 3=1 $product -s 17=3 -s 20=1 -s 21=1 -s 24=-128"

# Of floats: 4 is halves, 5 floats (element_params.h); all tensors in one block of memory.
half="-s 3=4 -s 4=1" single="-s 3=5 -s 4=1" block="-s 0=64 -s 1=1 -s 13=0 -s 14=0 -s 15=64"

# MODULE | NAME | shaderstat's options | products in one iteration of the innermost loop | in all, should the compiler unroll every loop.
# Kernels with dot products need no numbers: a dot product is four. "floats": multiply-adds are counted.
kernels=(
    "gemm_4x4|GEMM 4x4, pointwise|$pointwise -s 7=16 -s 8=16 -s 9=16"
    "gemm_4x4|GEMM 4x4, implicit|$implicit -s 7=144 -s 8=16 -s 9=16"
    "gemm_4x4_words|GEMM 4x4 words, pointwise|$pointwise -s 7=64 -s 8=64 -s 9=64"
    "gemm_4x4_words|GEMM 4x4 words, implicit|$implicit -s 7=576 -s 8=64 -s 9=64"
    "conv_general|general"
    "conv_transposed|transposed"
    "conv_bytes|general, split words||4"
    "linear|linear|-s 0=64 -s 1=1"
    "linear_words|linear, words|-s 0=64 -s 1=1"
    "conv_dw|depthwise, any window||4"
)
kernels+=(
    "conv_float|floats, general|$single|floats"
    "conv_float_dw|floats, depthwise|$single|floats"
    "conv_float_row|floats, depthwise 3x3, 4 pixels|$single|floats"
    "conv_float_tile|floats, tile 4x4, pointwise|$single -s 12=0 -s 13=0|floats"
    "conv_float_tile|floats, tile 8x8, pointwise|$single -s 12=0 -s 13=0 -s 14=8 -s 15=2|floats"
    "conv_float_block|floats, block 32x32, pointwise|$single $block -s 12=0|floats"
    "conv_float_block|halves, block 32x32, implicit 3x3|$half $block -s 12=1 -s 16=3 -s 17=3|floats"
    "conv_float_block|floats, block 64x64, pointwise|$single $block -s 12=0 -s 18=64 -s 19=64|floats"
    "conv_float_vector|floats, vector, 1 row|$single -s 0=32 -s 1=8|floats"
    "conv_float_vector|halves, vector, 4 rows|$half -s 0=32 -s 1=8 -s 13=4|floats"
    "matmul|matrix product|-s 0=64 -s 1=1|floats"
    "qlinear|4-bit linear|-s 0=32 -s 1=2 -s 5=4|32"
)
for size in 3 5; do
    for stride in 1 2; do
        # 144 channels of 56x56, conv_params from constant 4 on.
        out=$((56 / stride)) pad=$((size / 2))
        sizes="-s 5=56 -s 6=56 -s 7=$out -s 8=$out -s 9=36 -s 10=36 -s 18=$pad -s 19=$pad -s 22=-128"
        for width in 2 4; do
            kernels+=("conv_dw_${size}x${size}_s${stride}_w$width|depthwise ${size}x$size, stride $stride, $width pixels|$sizes|$((
                size * width * 4))|$((size * size * width * 4))")
        done
    done
done

row() { # MODULE NAME OPTIONS PRODUCTS ALL-PRODUCTS DEVICE WRAPPER GPU FLAVOUR
    rm -rf "${work:?}"/*
    read -r _ _ file flags < <(grep -E "^$1 ($9|all) " <<<"$modules") || fail "there is no module $1"
    # shellcheck disable=SC2086 # the options are several words
    glslc --target-env=vulkan1.1 -Werror $flags -I "$root/shaders" -I "$root" "$file" -o "$work/kernel.spv"
    # shellcheck disable=SC2086
    "$tool/$7" "$8" "$tool/shaderstat" -s 0=8 -s 1=8 -s 2=1 $3 -r "$work" "$work/kernel.spv" >"$work/stats"
    python3 "$tool/loopstat.py" "$work"/*Assembly*.txt >"$work/loops"
    python3 "$root/scripts/mobile_stats_row.py" "$work/stats" "$work/loops" "$2" "$6" "${4:-0}" "${5:-0}"
}

modules=$(cmake -DSHADERS="$root/shaders" -P "$root/scripts/cmake/Kernels.cmake")
table=$(
    echo "| kernel | device | slots a product | slots / products | registers | waves or threads | spills |"
    echo "| --- | --- | --- | --- | --- | --- | --- |"
    for kernel in "${kernels[@]}"; do
        for device in "${devices[@]}"; do
            IFS='|' read -r module name options products all <<<"$kernel"
            IFS='|' read -r gpu_name wrapper gpu flavour <<<"$device"
            row "$module" "$name" "$options" "$products" "$all" "$gpu_name" "$wrapper" "$gpu" "$flavour"
        done
    done
)
echo "$table"

# The table is what lies between the two marks.
{
    sed '/^<!-- table -->$/q' "$document"
    echo "$table"
    sed -n '/^<!-- end -->$/,$p' "$document"
} >"$document.new"
mv "$document.new" "$document"
