#!/usr/bin/env bash
# gpu-pack.sh: builds, strips and compresses what tools/gpu-check.sh needs into dist/gpu-pack, for the triple $1. With $2 = cpu it
# packs the trainer that ships, its tests and the library that rehearses into dist/gpu-pack-cpu: a rehearsal, without CUDA.
set -euo pipefail
triple=$1
kind=${2:-cuda}
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
limit_mb=60
if [ "$kind" = cuda ]; then
  source "$here/gpu-env.sh"
  command=(cargo test "${build[@]}" --lib "${trainers[@]}")
  pack=$root/dist/gpu-pack name=candlewick-trainer-gpu
else
  # What `make test` builds, so that nothing is compiled again.
  command=(cargo-zigbuild test --release --target "$triple.${GLIBC:-2.28}" --workspace)
  pack=$root/dist/gpu-pack-cpu name=candlewick-trainer
  trainer=$root/target/$triple/release/$name
  scorer=$root/target/$triple/release/examples/libcandlewick_score_rehearsal.so
  (cd "$root" && make rehearsal)
fi
rm -rf "$pack"
mkdir -p "$pack"
cd "$root"
[ "$kind" != cuda ] || cargo build "${build[@]}" "${library[@]}" "${trainers[@]}"
# Cargo says in JSON which programs it made of which sources.
"${command[@]}" --no-run --message-format=json >"$pack/built.json"
program() { # $1: end of the source's path
  python3 - "$pack/built.json" "$1" <<'PY'
import json, sys
for line in open(sys.argv[1]):
    made = json.loads(line) if line.startswith("{") else {}
    if made.get("executable") and made["profile"]["test"] and made["target"]["src_path"].endswith(sys.argv[2]):
        print(made["executable"])
PY
}
add() { # $1: a program, $2: its name in the pack
  [ -x "$1" ] || { echo "gpu-pack: $2 was not built" >&2; exit 1; }
  strip -o "$pack/$2" "$1"
  xz -6 -T2 "$pack/$2"
}
add "$trainer" "$name"
# The tests of gangs hold some trainers at named points.
add "$(dirname "$trainer")/candlewick-trainer-failpoints" candlewick-trainer-failpoints
add "$scorer" "$(basename "$scorer")"
add "$(program model/src/lib.rs)" device-tests
add "$(program flight-server/tests/gang.rs)" gang-tests
rm "$pack/built.json"
cp "$here/gpu-check.sh" "$here/gpu_check.py" "$root/benchmarks/torch_engine.py" "$pack/"
size=$(du -sm "$pack" | cut -f1)
ls -l "$pack"
[ "$size" -le "$limit_mb" ] || { echo "gpu-pack: $pack has $size MB, more than the $limit_mb MB that it may have" >&2; exit 1; }
echo "gpu-pack: ${pack#"$root"/} has $size MB; copy it to a machine with a GPU and run gpu-check.sh there (docs/gpu.md)"
