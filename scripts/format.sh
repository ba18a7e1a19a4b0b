#!/usr/bin/env bash
# Formats all C, C++ and GLSL sources in place. --check: changes nothing and fails if a file is not formatted.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_packages clang-format
how=(-i)
case ${1:-} in
    '') ;;
    --check) how=(--dry-run -Werror) ;;
    *) fail "usage: format.sh [--check]" ;;
esac
cd "$root"
find adapters backend bench exec graph include ops runner runtime schema selftest shaders test \
    \( -name '*.c' -o -name '*.cpp' -o -name '*.h' -o -name '*.comp' -o -name '*.glsl' \) -print0 |
    xargs -0 clang-format "${how[@]}"
