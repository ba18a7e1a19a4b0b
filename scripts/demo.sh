#!/usr/bin/env bash
# Builds vkd-run and classifies the sample images with the int8 ResNet50. Fails when a label is wrong.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_packages "${build_packages[@]}"
build build vkd-run

model=$root/models/resnet50-fashion
cd "$model/samples"
images=(*.png)
# The time-out: a CPU implementation compiles its shaders in the first execution, which takes seconds, and more on a busy machine.
results=$("$root/build/vkd-run" ../model.pte --labels ../labels.txt --mean 0.2860 --std 0.3530 --timeout 120000 --explain \
    "${images[@]}")

# vkd-run's header, its line for each image, and its summary of the choices for the convolutions.
grep -E '^\.\./model\.pte on |^[0-9]+-.*\.png  |^convolutions: ' <<<"$results"

# A file is named NUMBER-LABEL.png; its label is the class name in lower case with - for everything that is no letter or digit.
right=0
for image in "${images[@]}"; do
    label=$(awk -F '  +' -v image="$image" '$1 == image { print tolower($2) }' <<<"$results" | sed 's/[^a-z0-9]/-/g')
    expected=${image#*-}
    if [[ $label == "${expected%.png}" ]]; then
        right=$((right + 1))
    else
        echo "$image: wrong, '$label'" >&2
    fi
done
echo "$right of ${#images[@]} right"
((right == ${#images[@]}))
