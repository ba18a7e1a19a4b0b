#!/usr/bin/env bash
# Measures what matters and prints one table: values, targets (bench-targets.tsv), ratios. bench.sh --help describes the rest.
# With --build-dir it needs nothing but bash, coreutils, awk and the three programs.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
    cat <<'END'
usage: bench.sh [OPTION...]
  --build-dir DIR      use the programs in this folder; nothing is installed or built
  --quick              few repetitions, to see that everything runs: the times mean little
  --scale              instead: ResNet50's time against input size and against batch
  --nets               instead: the nets with random weights of bench-targets.tsv, alone
  --torch              and PyTorch's times beside those of the nets, where python3 has torch
                       and torchvision
  --save FILE          append the values to FILE, below commit, date, device and driver
  --commit NAME        what --save calls this state of the sources (default: git's)
  --compare OLD        print ratios to the last values in OLD; OLD@COMMIT: to the last of that commit
  --compare OLD NEW    compare two files and measure nothing
The device is $VKD_DEVICE or the default one. Measurements start from empty caches
and leave none behind.
Exit codes: 0 all was measured, whatever the verdicts; 1 wrong usage, or something
could not be measured or written; 4 no device.
END
}

# ------------------------------------------------------------------------------------------------------------- options

build_dir='' save='' commit='' old='' new='' quick=0 scale=0 nets_only=0 torch=0
while (($#)); do
    option=$1
    shift
    case $option in
        --quick) quick=1 ;;
        --scale) scale=1 ;;
        --nets) nets_only=1 ;;
        --torch) torch=1 ;;
        --help | -h)
            usage
            exit
            ;;
        --build-dir | --save | --commit | --compare)
            (($#)) || fail "$option needs a value, see bench.sh --help"
            case $option in
                --build-dir) build_dir=$1 ;;
                --save) save=$1 ;;
                --commit) commit=$1 ;;
                --compare)
                    old=$1
                    if (($# > 1)) && [[ $2 != --* ]]; then
                        new=$2
                        shift
                    fi
                    ;;
            esac
            shift
            ;;
        *) fail "$option: no such option, see bench.sh --help" ;;
    esac
done
[[ -z $new || -z $save ]] || fail "--save: nothing is measured when two files are compared"

[[ -z $save || -w $save || ( ! -e $save && -w $(dirname -- "$save") ) ]] || fail "$save: cannot be written"
[[ $commit != *[[:space:]]* ]] || fail "--commit: '$commit' has spaces"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ------------------------------------------------------------------------------------------------------------- history

# A section of a history is a line "# commit NAME<TAB>date ...<TAB>device ...<TAB>driver ...", then NAME<TAB>UNIT<TAB>VALUE.

last_section() { # FILE[@COMMIT]: prints the last section, or the last of the commit
    local file=$1 wanted=''
    if [[ ! -e $file && $file == *@* ]]; then
        wanted=${file##*@} file=${file%@*}
    fi
    [[ -r $file && ! -d $file ]] || fail "$file: cannot be read"
    awk -v wanted="$wanted" '
        /^# commit / { inside = index($3, wanted) == 1; if (inside) section = "" }
        inside { section = section $0 "\n" }
        END { printf "%s", section }' "$file" >"$work/read"
    [[ -s $work/read ]] || fail "$1: holds no measurements${wanted:+ of commit $wanted}"
    cat "$work/read"
}

compare() { # OLD-SECTION NEW-SECTION
    awk -F '\t' '
        FNR == 1 { files++; printf "%s: %s\n", files == 1 ? "old" : "new", substr($0, 3); next }
        /^#/ || NF < 3 { next }
        files == 1 { unit[$1] = $2; old[$1] = $3; next }
        !($1 in old) || unit[$1] != $2 { alone++; next }
        {
            if (!shared++)
                printf "\n%-44s %-9s %12s %12s %9s\n", "measure", "unit", "old", "new", "new/old"
            ratio = old[$1] > 0 ? $3 / old[$1] : 0
            better = $2 ~ /\/s$/ ? ratio > 1 : ratio < 1
            verdict = ratio > 0.95 && ratio < 1.05 ? "" : better ? "better" : "worse"
            printf "%-44s %-9s %12.3f %12.3f %9.3f  %s\n", $1, $2, old[$1], $3, ratio, verdict
            delete old[$1]
        }
        END {
            for (name in old)
                missing++
            printf "%d measures in both, %d only in the old one, %d only in the new one\n", shared, missing, alone
        }' "$1" "$2"
}

# A failure leaves the file as it was. Through links; what exists and is no regular file is written to directly.
append() { # SECTION FILE
    local target temporary
    target=$(readlink -f -- "$2") || fail "$2: cannot be written"
    temporary=$target.$$.new
    if [[ -e $target && ! -f $target ]]; then
        cat "$1" >"$target" || fail "$2: cannot be written"
    elif ! { { [[ ! -e $target ]] || cp -p -- "$target" "$temporary"; } && cat "$1" >>"$temporary" &&
        mv -f -- "$temporary" "$target"; }; then
        rm -f -- "$temporary"
        fail "$2: cannot be written"
    fi
}

if [[ $old ]]; then
    last_section "$old" >"$work/old"
fi
if [[ $new ]]; then
    last_section "$new" >"$work/new"
    compare "$work/old" "$work/new"
    exit
fi

# ------------------------------------------------------------------------------------------------------------ programs

if [[ -z $build_dir ]]; then
    need_packages "${build_packages[@]}"
    build_dir=$root/build
    for program in vkd-run vkd-bench make-net; do
        build build "$program"
    done
fi
for program in vkd-run vkd-bench make-net; do
    [[ -x $build_dir/$program ]] || fail "there is no $program in $build_dir"
done

# What earlier runs left behind, times of variants among it, has no say. Drivers keep their caches there, too, ...
export XDG_CACHE_HOME=$work/cache MESA_SHADER_CACHE_DIR=$work/cache __GL_SHADER_DISK_CACHE_PATH=$work/cache
mkdir "$XDG_CACHE_HOME"
# ... and have none where starts are timed.
no_driver_cache=(env __GL_SHADER_DISK_CACHE=0 MESA_SHADER_CACHE_DISABLE=true MESA_GLSL_CACHE_DISABLE=true)

if ((torch)) && ! python3 -c 'import torch, torchvision' 2>/dev/null; then
    fail "--torch: there is no python3 that has torch and torchvision"
fi

# Output to $work/out. On failure `reason` is the first line of what it said; warnings of successful runs are shown at the end.
try() { # COMMAND...
    local code=0
    reason=''
    "$@" >"$work/out" 2>"$work/err" </dev/null || code=$?
    if ((!code)); then
        cat "$work/err" >>"$work/warnings"
        return
    fi
    reason=$(awk 'NF { print; exit }' "$work/err")
    reason=${reason:-"${1##*/} failed with exit code $code"}
    return "$code"
}

vkd_run() { # ARGUMENT...
    try "$build_dir/vkd-run" --json "$@"
}

start() { # ARGUMENT...
    try "${no_driver_cache[@]}" "$build_dir/vkd-run" --json "$resnet50" "$@"
}

# The first number or text of that name in a JSON object on stdin. Nothing for null, or when there is none.
value_of() { # NAME
    awk -v name="\"$1\":" '
        { text = text $0 " " }
        END {
            at = index(text, name)
            text = substr(text, at + length(name))
            if (at && match(text, /^[ \t]*("[^"]*"|[-+.0-9eE]+)/)) {
                value = substr(text, 1, RLENGTH)
                gsub(/^[ \t]*"?|"$/, "", value)
                print value
            }
        }'
}

# ------------------------------------------------------------------------------------------------------------- results

# $work/results: NAME, UNIT, VALUE, and a REASON where VALUE is n/a (it cannot be measured here) or failed.

say() {
    if [[ -t 2 ]]; then
        printf '\r\033[K%s' "${1:+measuring $1 ...}" >&2
    fi
}

row() { # NAME UNIT VALUE [REASON]
    if [[ -z $3 ]]; then
        set -- "$1" "$2" failed "the program printed no such value"
    fi
    printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4:-}" >>"$work/results"
}

print_results() {
    awk -F '\t' -v device="$class" '
        function shown(value) { return value == "" || value == "-" ? "" : value }
        FILENAME == ARGV[1] { if ($1 == device) { must[$2] = $4; aim[$2] = $5 } next }
        FNR == 1 { printf "%-44s %-9s %10s %8s %8s %7s  %s\n", "measure", "unit", "value", "must", "aim", "ratio", "verdict" }
        $3 !~ /^[0-9.eE+-]+$/ {
            printf "%-44s %-9s %10s %8s %8s %7s  %s\n", $1, $2, $3, shown(must[$1]), shown(aim[$1]), "", $4
            next
        }
        {
            ratio = verdict = ""
            if (must[$1] > 0) {
                more = $2 ~ /\/s$/
                ratio = sprintf("%.2f", $3 / must[$1])
                verdict = "missed"
                if (more ? $3 >= must[$1] + 0 : $3 <= must[$1] + 0)
                    verdict = "must"
                if (aim[$1] > 0 && (more ? $3 >= aim[$1] + 0 : $3 <= aim[$1] + 0))
                    verdict = "aim"
            }
            printf "%-44s %-9s %10.3f %8s %8s %7s  %s\n", $1, $2, $3, shown(must[$1]), shown(aim[$1]), ratio, verdict
        }' "$targets" "$work/results"
}

# ------------------------------------------------------------------------------------------------------------ measures

median() {
    sort -g | awk '{ value[NR] = $1 } END { if (NR) print (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2 }'
}

# A net of bench-targets.tsv, "net NET TYPE [OPTION...]": rows of its name, and of PyTorch.
net() { # NAME
    local words
    read -ra words <<<"${1#net }"
    say "$1"
    if ! try "$build_dir/make-net" "${words[0]}" --type "${words[1]}" "${net_options[@]}" "${words[@]:2}" "$work/net.pte"; then
        row "$1" ms failed "$reason"
        return
    fi
    bench "$1" "$1/gpu" "$net_runs" "$work/net.pte"
    rm -f "$work/net.pte"
}

# PyTorch's times of all nets, a line each, before any is timed here. What it cannot run is told by it, and is no failure.
pytorch() { # NAME...
    say PyTorch
    printf "%s ${net_options[*]}\n" "${@#net }" >"$work/nets"
    python3 "$root/scripts/bench_torch.py" --device "$class" --runs "$net_runs" <"$work/nets" >"$work/torch" 2>"$work/err" ||
        fail "--torch: $(tail -n 1 "$work/err")"
}

nets() {
    local names i time why
    readarray -t names < <(awk -F '\t' -v device="$class" '$1 == device && $2 ~ /^net / { print $2 }' "$targets")
    if ((torch)); then
        pytorch "${names[@]}"
        readarray -t times <"$work/torch"
    fi
    for i in "${!names[@]}"; do
        net "${names[i]}"
        if ((torch)); then
            read -r time why <<<"${times[i]}"
            row "${names[i]}/pytorch" ms "$time" "$why"
        fi
    done
}

# Rows NAME and GPU-NAME.
bench() { # NAME GPU-NAME RUNS MODEL-AND-OPTIONS...
    local name=$1 gpu_name=$2 runs=$3 gpu
    shift 3
    say "$name"
    if ! vkd_run --bench "$runs" "$@"; then
        row "$name" ms failed "$reason"
        row "$gpu_name" ms failed "$reason"
        return
    fi
    row "$name" ms "$(value_of median_ms <"$work/out")"
    gpu=$(value_of gpu_median_ms <"$work/out")
    row "$gpu_name" ms "${gpu:-n/a}" "the device has no time stamps"
}

# The median of several starts.
starts() { # NAME VKD-RUN-OPTION...
    local name=$1 i
    shift
    say "$name"
    : >"$work/starts"
    for ((i = 0; i < start_count; i++)); do
        if ! start "$@"; then
            row "$name" ms failed "$reason"
            return
        fi
        value_of init_ms <"$work/out" >>"$work/starts"
    done
    row "$name" ms "$(median <"$work/starts")"
}

# The model again, beside itself on one engine.
second_load() { # NAME
    say "$1"
    if start --no-cache --loads "$start_count"; then
        row "$1" ms "$(value_of load_median_ms <"$work/out")"
    else
        row "$1" ms failed "$reason"
    fi
}

# With eight executions in flight.
pipelined() { # NAME EXECUTIONS VKD-RUN-ARGUMENT...
    local name=$1 executions=$2
    shift 2
    say "$name"
    if ! try "$build_dir/vkd-run" --help || [[ $(<"$work/out") != *--throughput* ]]; then
        row "$name" images/s n/a "this vkd-run has no --throughput"
    elif vkd_run "$@" --throughput "$executions" --in-flight 8; then
        row "$name" images/s "$(value_of images_per_second <"$work/out")"
    else
        row "$name" images/s failed "$reason"
    fi
}

# Writes $work/resnet.pte and sets gmac. False, with a reason, on failure.
make_resnet() { # SIZE BATCH
    gmac=0
    try "$build_dir/make-net" resnet50 --type int8 --size "$1" --batch "$2" "$work/resnet.pte" || return 1
    gmac=$(awk '{ print $(NF - 1) }' "$work/out")
}

# 32 images an execution, by itself and with others in flight.
batch() {
    local name=resnet50/batch32
    say "$name"
    if ((quick)) && [[ $class == cpu ]]; then
        row "$name" images/s n/a "takes too long for --quick on this device"
        row "$name-pipelined" images/s n/a "takes too long for --quick on this device"
        return
    fi
    if ! make_resnet 224 32; then
        row "$name" images/s failed "$reason"
        row "$name-pipelined" images/s failed "$reason"
        return
    fi
    if vkd_run --bench "$batch_runs" "$work/resnet.pte"; then
        row "$name" images/s "$(value_of median_ms <"$work/out" | awk '$1 > 0 { print 32000 / $1 }')"
    else
        row "$name" images/s failed "$reason"
    fi
    pipelined "$name-pipelined" $((batch_runs * 4)) "$work/resnet.pte"
}

# The automatic choice, which is the only variant that is timed: none is called "auto".
convs() {
    say convolutions
    awk -F '\t' '$2 ~ /^conv / && !seen[$2]++ { print substr($2, 6) }' "$targets" >"$work/shapes"
    try "$build_dir/vkd-bench" --shapes "$work/shapes" --variants auto --csv --time-per-case "$conv_ms" || : >"$work/out"
    # Without the device's name, which may have commas: set, shape, macs, variant, time, ..., and 10: whether it is the choice.
    awk -F ',' -v reason="${reason:-not in the output of vkd-bench}" '
        FILENAME == ARGV[1] { sub(/^"[^"]*",/, ""); if ($10 == 1) us[++count] = $5; next }
        { printf "conv %s\tus\t%s\t%s\n", $0, FNR in us ? us[FNR] : "failed", FNR in us ? "" : reason }
        ' "$work/out" "$work/shapes" >>"$work/results"
}

measure_all() {
    local model
    for model in resnet50-fashion mobilenet_v2-fashion resnet18; do
        bench "${model%-fashion}/wall" "${model%-fashion}/gpu" "$runs" "$root/models/$model/model.pte" \
            --input "$root/models/$model/input0.f32"
    done
    bench resnet50/u8 resnet50/u8-gpu "$runs" "$resnet50" --u8
    starts resnet50/init-cold --no-cache
    start --cache-dir "$work/warm" || true # fills it; a failure comes again
    starts resnet50/init-warm --cache-dir "$work/warm"
    second_load resnet50/init-second
    pipelined resnet50/pipelined $((runs * 10)) "$resnet50" --input "${resnet50%/*}/input0.f32"
    batch
    nets
    convs
}

# --------------------------------------------------------------------------------------------------------------- scale

# Rows scale/sizeS/batchN and .../gpu; a line of the table in $work/scale.
measure_scale() {
    local point size batch name
    for point in "${points[@]}"; do
        size=${point% *} batch=${point#* }
        name=scale/size$size/batch$batch
        if make_resnet "$size" "$batch"; then
            bench "$name" "$name/gpu" "$scale_runs" "$work/resnet.pte"
        else
            row "$name" ms failed "$reason"
        fi
        printf '%s\t%s\t%s\t%s\n' "$name" "$size" "$batch" "$gmac" >>"$work/scale"
    done
}

print_scale() {
    awk -F '\t' '
        FILENAME == ARGV[1] { value[$1] = $3; reason[$1] = $4; next }
        FNR == 1 {
            printf "%5s %6s %9s %12s %12s %13s %12s\n", "size", "batch", "GMAC", "wall ms", "GPU ms", "ms an image", "ms a GMAC"
        }
        {
            wall = value[$1]; gpu = value[$1 "/gpu"]
            if (wall == "failed")
                printf "%5d %6d %9.3f  failed: %s\n", $2, $3, $4, reason[$1]
            else
                printf "%5d %6d %9.3f %12.3f %12s %13.3f %12.3f\n", $2, $3, $4, wall, gpu == "n/a" ? gpu : sprintf("%.3f", gpu),
                    wall / $3, wall / $4
        }' "$work/results" "$work/scale"
}

# ---------------------------------------------------------------------------------------------------------------- main

# Sets device, driver and class.
find_device() {
    local code=0 entry
    vkd_run "$resnet50" || code=$?
    if ((code)); then
        say ''
        echo "bench.sh: $reason" >&2
        exit $((code == 4 ? 4 : 1))
    fi
    device=$(value_of device <"$work/out")
    vkd_run --list-devices || fail "$reason"
    entry=$(awk -v RS='}' -v name="\"$device\"" 'index($0, name) { print; exit }' "$work/out")
    driver=$(value_of driver_version <<<"$entry")
    class=gpu
    if [[ $(value_of type <<<"$entry") == cpu ]]; then
        class=cpu
    fi
}

# How often, and "SIZE BATCH" of --scale.
plan() {
    net_options=()
    case $class in
        gpu)
            runs=300 net_runs=300 batch_runs=50 scale_runs=50 start_count=5 conv_ms=300
            points=("64 1" "96 1" "128 1" "160 1" "224 1" "320 1" "448 1"
                    "224 2" "224 4" "224 8" "224 16" "224 32" "224 64")
            ;;
        cpu)
            runs=30 net_runs=5 batch_runs=3 scale_runs=10 start_count=5 conv_ms=300
            points=("64 1" "96 1" "128 1" "160 1" "224 1" "64 2" "64 4")
            ;;
    esac
    if ((quick)); then
        runs=3 net_runs=1 batch_runs=1 scale_runs=1 start_count=1 conv_ms=1
        points=("64 1" "64 2")
        net_options=(--size 64 --layers 1)
    fi
}

name_commit() {
    [[ -z $commit ]] || return 0
    commit=$(git -C "$root" rev-parse --short=10 HEAD 2>/dev/null) || commit=unknown
    if [[ $commit != unknown ]] && ! git -C "$root" diff --quiet HEAD; then
        commit+=-changed
    fi
}

print_section() {
    printf '# commit %s\tdate %s\tdevice %s\tdriver %s\n' "$commit" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$device" "$driver"
    awk -F '\t' '$3 ~ /^[0-9.eE+-]+$/ { printf "%s\t%s\t%s\n", $1, $2, $3 }' "$work/results"
}

targets=$root/scripts/bench-targets.tsv
resnet50=$root/models/resnet50-fashion/model.pte
: >"$work/warnings"
: >"$work/results"
: >"$work/scale"
say device
find_device
plan
name_commit
if ((scale)); then measure_scale; elif ((nets_only)); then nets; else measure_all; fi
say ''
sort -u "$work/warnings" >&2
print_section >"$work/new"

echo "$device, driver $driver, commit $commit"
if ((scale)); then print_scale; else print_results; fi
if [[ $old ]]; then
    echo
    compare "$work/old" "$work/new"
fi
if [[ $save ]]; then
    append "$work/new" "$save"
fi
if ! awk -F '\t' '$3 == "failed" { exit 1 }' "$work/results"; then
    fail "not everything could be measured"
fi
