#!/usr/bin/env bash
# faults.sh [WORD...]: can the tests fail? Plants the faults of test/faults.tsv one by one in a copy of the sources, build-faults, and
# runs the tests that are to catch each; with words, only faults whose file or text has one of them. Prints docs/faults.md, and fails
# where a fault was missed. faults.sh --check only looks whether each can be planted.
# A row: file, what is there once, what is planted instead (- for nothing), the tests, and why none of them can catch it, where none can.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
table=$root/test/faults.tsv
words=("$@")

# Sets text, the file's, and fails unless the fault can be planted there.
find_place() { # FILE OLD
    text=$(<"$1")
    local rest=${text#*"$2"}
    [[ $rest != "$text" && $rest != *"$2"* ]] || fail "${1#"$root"/}: '$2' is not there once, adapt test/faults.tsv"
}

if [[ ${1:-} == --check ]]; then
    while IFS=$'\t' read -r file old _ tests _; do
        find_place "$root/$file" "$old"
        for name in ${tests//|/ }; do
            [[ -e $root/test/${name//-/_}.c ]] || fail "$file: there is no $name, adapt test/faults.tsv"
        done
    done <"$table"
    exit
fi

is_wanted() { # FILE OLD
    local word
    for word in "${words[@]}"; do
        [[ "$1 $2" == *"$word"* ]] && return
    done
    ((!${#words[@]}))
}

# Runs tests; prints the names of those that are red.
run_tests() { # NAME|NAME...
    { ctest --test-dir "$root/build" --parallel 2 --tests-regex "^($1)\$" --timeout 300 2>/dev/null || true; } |
        sed -n 's/^[\t 0-9]* - \([^ ]*\) (\(Timeout\)\?.*/\1 \2/p' | sed 's/ $//; s/ Timeout$/, which does not end/' | paste -sd ' '
}

need_packages "${build_packages[@]}"
copy=$root/build-faults
mkdir -p "$copy"
find "$copy" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
tar -C "$root" --exclude='./build*' --exclude=./.git -cf - . | tar -C "$copy" -xf -
root=$copy
build build all ${VKD_CMAKE_OPTIONS:-} >&2
all=$(cut -f 4 "$table" | tr '|' '\n' | sort -u | paste -sd '|')
red=$(run_tests "$all")
[[ -z $red ]] || fail "red without a fault: $red"

cat <<'END'
# Planted faults

What the tests catch: each of these faults was planted alone in a copy of the sources, by `scripts/faults.sh`, which made this table.

| file | was | planted | caught by |
| --- | --- | --- | --- |
END
missed=0
while IFS=$'\t' read -r file old new tests reason; do
    is_wanted "$file" "$old" || continue
    find_place "$root/$file" "$old"
    [[ $new != - ]] || new=
    printf '%s\n' "${text/"$old"/"$new"}" >"$root/$file"
    echo "$file: $old" >&2
    if IFS='|' read -ra names <<<"$tests" && nice ninja -C "$root/build" "${names[@]}" >"$root/build/fault.log" 2>&1; then
        caught=$(run_tests "$tests")
    else
        caught="the compiler"
    fi
    printf '%s\n' "$text" >"$root/$file"
    if [[ -z $caught ]]; then
        caught=${reason:-MISSED}
        [[ -n $reason ]] || ((++missed))
    fi
    printf '| %s | `%s` | %s | %s |\n' "$file" "${old//|/\\|}" "${new:+\`${new//|/\\|}\`}" "$caught"
done <"$table"
((!missed)) || fail "$missed missed"
