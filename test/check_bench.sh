#!/usr/bin/env bash
# check_bench.sh BENCH-SCRIPT: runs scripts/bench.sh on programs that only print, on a path without anything but bash, awk and
# coreutils: reading JSON and CSV, verdicts, failures, the history and its comparison.
set -euo pipefail
script=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/programs"
for tool in awk bash cat cp date dirname env mkdir mktemp mv readlink rm sort tail; do
    ln -s "$(command -v "$tool")" "$work/bin/$tool"
done

cat >"$work/programs/vkd-run" <<'END'
#!/usr/bin/env bash
arguments=" $* "
case $arguments in
    *" $FAKE_FAILS "*)
        echo "vkd-run: $FAKE_FAILS failed" >&2
        exit 5
        ;;
    *" --help "*) echo "$FAKE_HELP" ;;
    *" --list-devices "*)
        echo '{"devices": [{"name": "Other", "type": "cpu", "driver_version": 1},'
        echo ' {"name": "Fake (1, 2)", "type": "discrete", "driver_version": 4711}]}'
        ;;
    *" --loads "*) echo '{"init_ms": 1, "loads": {"count": 5, "load_median_ms": 7.5, "load_min_ms": 6}}' ;;
    *" --throughput "*) echo '{"throughput": {"executions": 5, "in_flight": 4, "per_second": 5, "images_per_second": 4400.5}}' ;;
    *" --bench "*)
        echo 'vkd-run: warning: a fake' >&2
        median=0.3
        [[ $arguments != *resnet.pte* ]] || median=8
        [[ $arguments != */net.pte* ]] || median=0.9
        printf '{\n\t"model":\t"x",\n\t"median_ms":\t%s,\n\t"gpu_median_ms":\t%s\n}\n' "$median" "$FAKE_GPU"
        ;;
    *) echo '{"model": "x", "device": "Fake (1, 2)", "init_ms": 1.5e3, "inputs": []}' ;;
esac
END
cat >"$work/programs/vkd-bench" <<'END'
#!/usr/bin/env bash
echo 'device,set,shape,macs,variant,measured_us,coarse,estimated_us,gops,peak_share,auto,measure,best'
count=0
while read -r shape; do
    echo "\"Fake (1, 2)\",shapes,$shape,1,slow one,99,0,1,1,1,0,0,0"
    echo "\"Fake (1, 2)\",shapes,$shape,1,fast one,$((++count)).5,0,1,1,1,1,0,1"
done <"$2"
END
cat >"$work/programs/make-net" <<'END'
#!/usr/bin/env bash
[[ $FAKE_FAILS != make-net ]] || { echo "make-net: a fake" >&2; exit 5; }
[[ $2 == --type && ${@: -1} == *.pte ]] || exit 1
size=${5:-1} batch=${7:-1}
echo "x y.pte: $1, seed 1: $((${size/*.pte/1} * ${batch/*.pte/1})).5 GMAC"
END
cat >"$work/bin/python3" <<'END'
#!/usr/bin/env bash
[[ $1 != -c ]] || exit "$FAKE_TORCH"
while read -r net type _; do
    [[ $net == vit_b16 ]] && echo 0.7 || echo "n/a $net is no net of torchvision"
done
END
chmod +x "$work/programs"/* "$work/bin/python3"

export FAKE_FAILS=none FAKE_HELP='' FAKE_GPU=0.25 FAKE_TORCH=1
failures=0
wrong() {
    echo "wrong: $*" >&2
    cat "$work/out" >&2
    failures=$((failures + 1))
}

# Runs bench.sh; output of both kinds to $work/out.
bench() { # EXIT-CODE ARGUMENT...
    local expected=$1 code=0
    shift
    PATH=$work/bin "$script" "$@" >"$work/out" 2>&1 || code=$?
    ((code == expected)) || wrong "exit code $code instead of $expected of: $*"
}

# Whether a line of the output has these words in this order, with any space between.
line() { # WORD...
    awk -v words=" $* " '{ $1 = $1 } index(" " $0 " ", words) { found = 1 } END { exit !found }' "$work/out" || wrong "no line: $*"
}

# A whole run: values, verdicts, what is not there, warnings, the history.
history=$work/history
bench 0 --build-dir "$work/programs" --save "$history" --commit first
line "Fake (1, 2), driver 4711, commit first"
line resnet50/wall ms 0.300 0.30 0.22 1.00 must
line resnet50/gpu ms 0.250
line resnet50/u8 ms 0.300
line resnet50/init-cold ms 1500.000 420 300 3.57 missed
line resnet50/init-second ms 7.500 15 5 0.50 must
line net resnet50 int8 ms 0.900 0.30 0.22 3.00 missed
line net swin_t f16 ms 0.900 1.2 0.7 0.75 must
line net decoder f16 --tokens 128 ms 0.900 3.0 1.5 0.30 aim
line resnet50/pipelined images/s n/a 4000 8000 this vkd-run has no --throughput
line resnet50/batch32 images/s 4000.000 8000 20000 0.50 missed
line resnet50/batch32-pipelined images/s n/a 8000 20000 this vkd-run has no --throughput
line conv "1x512x7x7 -> 512 3x3 p1" us 1.500 8 0.19 must
line conv "1x3x256x256 -> 32 3x3" us 9.500 8 1.19 missed
line vkd-run: warning: a fake

# No time stamps; a new option; the comparison with before.
FAKE_HELP='  --throughput=N' FAKE_GPU=null bench 0 --build-dir "$work/programs" --save "$history" --commit second --compare "$history"
line resnet50/gpu ms n/a the device has no time stamps
line resnet50/pipelined images/s 4400.500 4000 8000 1.10 must
line resnet50/batch32-pipelined images/s 4400.500 8000 20000 0.55 missed
line old: commit first
line resnet50/wall ms 0.300 0.300 1.000
line 37 measures in both, 24 only in the old one, 2 only in the new one

# What fails is in the table, all else is measured.
FAKE_FAILS=--no-cache bench 1 --build-dir "$work/programs"
line resnet50/init-cold ms failed 420 300 vkd-run: --no-cache failed
line resnet50/init-warm ms 1500.000
line bench.sh: not everything could be measured
FAKE_HELP='  --throughput=N' FAKE_FAILS=make-net bench 1 --build-dir "$work/programs"
line resnet50/batch32 images/s failed 8000 20000 make-net: a fake
line resnet50/batch32-pipelined images/s failed 8000 20000 make-net: a fake
line resnet50/pipelined images/s 4400.500
bench 0 --nets --build-dir "$work/programs"
line net vit_b16 f16 ms 0.900 1.1 0.6 0.82 must
FAKE_FAILS=make-net bench 1 --nets --build-dir "$work/programs"
line net decoder 4w ms failed 1.2 0.6 make-net: a fake
bench 1 --nets --torch --build-dir "$work/programs"
line bench.sh: --torch: there is no python3 that has torch and torchvision
FAKE_TORCH=0 bench 0 --nets --torch --build-dir "$work/programs"
line net vit_b16 f16/pytorch ms 0.700
line net decoder 4w/pytorch ms n/a decoder is no net of torchvision
FAKE_FAILS=--list-devices bench 1 --build-dir "$work/programs"
bench 1 --build-dir "$work"
line bench.sh: there is no vkd-run in "$work"

bench 0 --scale --quick --build-dir "$work/programs" --save "$work/scale" --commit third
line 64 2 128.500 8.000 0.250 4.000 0.062
line 64 1 64.500 8.000 0.250 8.000 0.124
[[ $(<"$work/scale") == *$'\nscale/size64/batch2\tms\t8\n'* ]] || wrong "the file of --scale"

FAKE_FAILS=--bench bench 1 --scale --quick --build-dir "$work/programs"
line 64 2 128.500 failed: vkd-run: --bench failed

# Two files; a commit of a history; better and worse.
printf '# commit a\tdate b\nwall\tms\t2\nrate\timages/s\t50\nsame\tms\t1\n' >"$work/a"
printf '# commit c\tdate d\nwall\tms\t1\nrate\timages/s\t40\nsame\tus\t1\n# commit e\tdate f\nwall\tms\t3\n' >"$work/c"
bench 0 --compare "$work/a" "$work/c@c"
line new: commit c date d
line wall ms 2.000 1.000 0.500 better
line rate images/s 50.000 40.000 0.800 worse
line 2 measures in both, 1 only in the old one, 1 only in the new one
bench 0 --compare "$work/a" "$work/c"
line wall ms 2.000 3.000 1.500 worse
bench 1 --compare "$work/a@x"
line holds no measurements of commit x
bench 1 --compare "$work/none"
bench 1 --compare
bench 1 --nonsense

# Nothing is lost when a file cannot be written: a new one beside it would have too long a name.
long=$work/$(printf 'x%.0s' {1..250})
echo kept >"$long"
bench 1 --scale --quick --build-dir "$work/programs" --save "$long"
line 64 1 64.500
[[ $(<"$long") == kept ]] || wrong "the old file is gone"
bench 1 --scale --quick --build-dir "$work/programs" --save "$work/none/file"

((!failures)) && echo "all right"
