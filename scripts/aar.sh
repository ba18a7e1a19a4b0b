#!/usr/bin/env bash
# aar.sh OUT.aar ABI=BUILD_DIR...: packs the Java classes and libvkdelegate_jni.so of Android builds (docs/android.md) into an Android
# archive: aar.sh vkdelegate.aar arm64-v8a=build-android x86_64=build-android-x86. Each library must have pages of 16 KB and an
# unversioned name.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
(($# >= 2)) || fail "usage: aar.sh OUT.aar ABI=BUILD_DIR..."
need_packages default-jdk-headless binutils
out=$(realpath -m "$1")
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for pair in "$@"; do
    abi=${pair%%=*} library=${pair#*=}/libvkdelegate_jni.so
    case $abi in
        arm64-v8a | x86_64) ;;
        *) fail "$pair: expected arm64-v8a=BUILD_DIR or x86_64=BUILD_DIR" ;;
    esac
    [[ -e $library ]] || fail "$library is not there; build with -DVKD_BUILD_JAVA=ON"
    readelf --dynamic --wide "$library" | grep -q 'SONAME.*\[libvkdelegate_jni\.so\]' || fail "$library: its name has a version"
    while read -r alignment; do
        ((alignment % 0x4000 == 0)) || fail "$library: segments are aligned to $alignment, expected 0x4000"
    done < <(readelf --segments --wide "$library" | awk '$1 == "LOAD" { print $NF }')
    mkdir -p "$work/aar/jni/$abi"
    cp "$library" "$work/aar/jni/$abi/"
done

mkdir "$work/classes"
javac --release 8 -Xlint:-options -d "$work/classes" "$root"/adapters/java/src/io/vkdelegate/*.java
jar --create --no-manifest --file "$work/aar/classes.jar" -C "$work/classes" .
cp "$root/adapters/java/AndroidManifest.xml" "$work/aar/"
: >"$work/aar/R.txt"
echo "-keep class io.vkdelegate.** { *; }" >"$work/aar/proguard.txt" # native code finds them by name
rm -f "$out"
jar --create --no-manifest --file "$out" -C "$work/aar" .
echo "$out: $(stat -c %s "$out") bytes, for $*"
