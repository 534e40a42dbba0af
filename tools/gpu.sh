#!/usr/bin/env bash
# gpu.sh: builds candlewick-trainer-gpu and the library that scores on GPUs for the triple $1 into target/gpu, and runs the tests of devices on a GPU where
# there is one. Its own target folder and the plain C compiler keep it apart from what `make test` builds.
set -euo pipefail
triple=$1
source "$(dirname "$0")/gpu-env.sh"
cargo build "${build[@]}" "${library[@]}" "${trainers[@]}"
cargo test "${build[@]}" --lib "${trainers[@]}" --no-run

for built in "$trainer" "$scorer"; do
  needed=$(readelf -d "$built" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
  for cuda in libcuda.so libcublas.so libcurand.so libcudart.so; do
    grep -q "^$cuda" <<<"$needed" || {
      echo "gpu: $built was not linked with $cuda; it wants" $needed >&2
      exit 1
    }
  done
done
exported=$(nm -D --defined-only "$scorer" | grep -c ' candlewick_score_') || true
[ "$exported" = 5 ] || { echo "gpu: $scorer has $exported of its 5 functions" >&2; exit 1; }
mkdir -p "$root/dist/gpu"
strip -o "$root/dist/gpu/candlewick-trainer-gpu" "$trainer"
strip --strip-unneeded -o "$root/dist/gpu/libcandlewick_score_gpu.so" "$scorer"

libraries=$home/lib
if [ -z "$gpu" ]; then
  # Without a driver the functions that it was linked with stand in: they say that there is no GPU.
  ln -sf libcuda.so "$home/lib/stubs/libcuda.so.1"
  libraries=$libraries:$home/lib/stubs
fi
export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
"$trainer" --version
echo "gpu: dist/gpu/candlewick-trainer-gpu, and libcandlewick_score_gpu.so beside it, want" $(grep '^libcu' <<<"$needed")
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
