#!/usr/bin/env bash
# arm64.sh: what is built for ARM runs under qemu on this x86-64 machine and gives the bits of x86-64. $1: the oldest glibc.
#
# The kernels and the row decoder are tested themselves. Whole fits are those of the trainers' own tests: the coordinator is of this
# machine, the trainers are the program that ships for ARM, and their weights' hashes are those that x86-64 gave.
set -euo pipefail
glibc=$1
cd "$(dirname "$0")/.."
own=$(uname -m)-unknown-linux-gnu
arm=aarch64-unknown-linux-gnu
if [ "$own" = "$arm" ]; then
  echo "arm64: this machine has such a processor: make test" >&2
  exit 1
fi
for need in "qemu-aarch64-static qemu-user-static" "/usr/aarch64-linux-gnu/lib/libc.so.6 libc6-arm64-cross" \
  "/usr/aarch64-linux-gnu/lib/libgcc_s.so.1 libgcc-s1-arm64-cross"; do
  read -r what package <<<"$need"
  command -v "$what" >/dev/null 2>&1 || [ -e "$what" ] || {
    echo "arm64: '$what' is missing (Debian: apt-get install $package)" >&2
    exit 1
  }
done
qemu=(qemu-aarch64-static -L /usr/aarch64-linux-gnu)

make native-other
trainer=$PWD/target/arm64/candlewick-trainer
mkdir -p "$(dirname "$trainer")"
printf '#!/bin/sh\nexec %s "%s" "$@"\n' "${qemu[*]}" "$PWD/target/$arm/release/candlewick-trainer" >"$trainer"
chmod +x "$trainer"
"$trainer" --version
echo "arm64: whole fits"
fits=(cargo-zigbuild test --release --target "$own.$glibc" -p candlewick-trainer)
CANDLEWICK_TEST_TRAINER=$trainer "${fits[@]}" --test bits --test gang
echo "arm64: whole fits, every other trainer on x86-64"
printf '#!/bin/sh\nif mkdir "$0.turn" 2>/dev/null; then exec "%s" "$@"; fi\nrmdir "$0.turn"\nexec "%s" "$@"\n' \
  "$trainer" "$PWD/target/$own/release/candlewick-trainer" >"$trainer-mixed"
chmod +x "$trainer-mixed"
CANDLEWICK_TEST_TRAINER=$trainer-mixed "${fits[@]}" --test bits -- --test-threads=1
echo "arm64: the kernels, and the library that executors load"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="${qemu[*]}"
cargo-zigbuild test --release --target "$arm.$glibc" -p candlewick-model --lib --test kernels --test golden --test slices
cargo-zigbuild test --release --target "$arm.$glibc" -p candlewick-native --lib --tests

[ -n "${ARM64_ROOT:-}" ] || exit 0
echo "arm64: Spark in a JVM for ARM"
native=$PWD/target/arm64
cp "target/$arm/release/libcandlewick_native.so" "$native/"
.venv/bin/python examples/data/export_digits.py "$native/digits.csv"
pyspark=$(.venv/bin/python -c 'import pyspark; print(pyspark.__path__[0])')/jars
classes=jvm-bridge/target/classes:spark-package/target/classes:examples/target/classes:$pyspark/*
# What spark-submit gives to Java 17.
opens=(--add-modules=jdk.incubator.vector)
for package in java.lang java.lang.invoke java.lang.reflect java.io java.net java.nio java.util java.util.concurrent \
  java.util.concurrent.atomic jdk.internal.ref sun.nio.ch sun.nio.cs sun.security.action sun.util.calendar; do
  opens+=("--add-opens=java.base/$package=ALL-UNNAMED")
done
# $1: where the model goes; $2: folder of the native files; then the JVM.
digits() {
  local model=$1 files=$2
  shift 2
  rm -rf "$model"
  SPARK_LOCAL_IP=127.0.0.1 "$@" -Xmx1g "${opens[@]}" -Djdk.reflect.useDirectMethodHandle=false -Dcandlewick.native.dir="$files" \
    -Dspark.master='local[2]' -Dspark.ui.enabled=false -Dspark.driver.host=127.0.0.1 -Dspark.driver.bindAddress=127.0.0.1 \
    -Dspark.io.compression.codec=lzf -Dspark.log.level=ERROR -cp "$classes" Digits "$native/digits.csv" "$model" >&2
  grep -o '"weightsHash":"[^"]*"' "$model/data/model.json"
}
# qemu starts no helper of the JVM's, so that it forks itself.
there=$(digits "$native/model-arm" "$native" qemu-aarch64-static -L "$ARM64_ROOT" "$ARM64_ROOT"/usr/lib/jvm/*/bin/java \
  -XX:+UseSerialGC -Djdk.lang.Process.launchMechanism=FORK)
here=$(digits "$native/model" "target/$own/release" java)
echo "arm64: weights $there on ARM, $here on x86-64"
[ "$there" = "$here" ]
