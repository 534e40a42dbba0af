#!/usr/bin/env bash
# gpu.sh: builds candlewick-trainer-gpu for the triple $1 into target/gpu, and runs the tests of devices on a GPU where
# there is one. Its own target folder and the plain C compiler keep it apart from what `make test` builds.
set -euo pipefail
triple=$1
source "$(dirname "$0")/gpu-env.sh"
cargo test "${build[@]}" --lib "${trainers[@]}" --no-run

needed=$(readelf -d "$trainer" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
for library in libcuda.so libcublas.so libcurand.so libcudart.so; do
  grep -q "^$library" <<<"$needed" || {
    echo "gpu: $trainer was not linked with $library; it wants" $needed >&2
    exit 1
  }
done
mkdir -p "$root/dist/gpu"
strip -o "$root/dist/gpu/candlewick-trainer-gpu" "$trainer"

libraries=$home/lib
if [ -z "$gpu" ]; then
  # Without a driver the functions that it was linked with stand in: they say that there is no GPU.
  ln -sf libcuda.so "$home/lib/stubs/libcuda.so.1"
  libraries=$libraries:$home/lib/stubs
fi
export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
"$trainer" --version
echo "gpu: dist/gpu/candlewick-trainer-gpu wants" $(grep '^libcu' <<<"$needed")
if [ -n "$gpu" ]; then
  echo "gpu: running the tests of devices and of trainers on $gpu"
  export CANDLEWICK_TEST_DEVICE=cuda:0
else
  echo "gpu: there is no GPU here: running the tests of devices and of trainers on candle's CPU device, as they were linked"
  export CANDLEWICK_TEST_DEVICE=candle
fi
cargo test "${build[@]}" --lib device
cargo test "${build[@]}" --lib train::session
cargo test "${build[@]}" "${trainers[@]}"
[ -n "$gpu" ] || echo "gpu: compiled and linked; nothing ran on a GPU"
