#!/usr/bin/env bash
# Builds the Java classes and their native side, and runs their tests on this machine's JVM. With BUILD_DIR, a build folder that has
# libvkdelegate_jni.so, nothing is installed, and the exit code is 77 where there is no JDK, no JUnit or no Vulkan device.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
(($# <= 1)) || fail "usage: java-test.sh [BUILD_DIR]"
jars=/usr/share/java/junit4.jar:/usr/share/java/hamcrest-core.jar
if (($#)); then
    folder=$(realpath "$1")
    for needed in "$(command -v javac || true)" /usr/share/java/junit4.jar "$folder/libvkdelegate_jni.so"; do
        [[ -e $needed ]] || { echo "skipped: there is no JDK or no junit4; scripts/java-test.sh installs them"; exit 77; }
    done
else
    need_packages "${build_packages[@]}" default-jdk-headless junit4
    folder=$root/build
    build build vkdelegate_jni -DVKD_BUILD_JAVA=ON
fi
classes=$folder/java
rm -rf "$classes"
mkdir -p "$classes"
javac --release 8 -Xlint:all,-options -Werror -d "$classes" "$root"/adapters/java/src/io/vkdelegate/*.java
javac --release 8 -Xlint:-options -cp "$classes:$jars" -d "$classes" "$root"/adapters/java/test/io/vkdelegate/*.java
java -Xcheck:jni -cp "$classes:$jars" -Djava.library.path="$folder" -Dvkd.models="$root/models" io.vkdelegate.RunTests
# The README's example, as it stands.
sed -n '/^```java$/,/^```$/{/^```/d;p}' "$root/README.md" >"$classes/Example.java"
javac --release 8 -Xlint:-options -cp "$classes" -d "$classes" "$classes/Example.java"
java -cp "$classes" -Djava.library.path="$folder" Example "$root/models/resnet50-fashion/model.pte"
