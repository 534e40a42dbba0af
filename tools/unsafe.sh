#!/usr/bin/env bash
# unsafe.sh: runs the tests of the files with `unsafe` under a checker of memory: $1 = miri or memcheck.
#
# miri      Miri interprets the code and finds undefined behaviour of every kind (aliasing, provenance, uninitialised values), in the
#           plain Rust of the kernels; it needs a nightly Rust with the components miri and rust-src.
# memcheck  Valgrind runs the compiled tests and finds accesses outside of what was allocated and decisions on uninitialised
#           values, in the AVX2 kernels too (Valgrind knows no AVX-512: the kernels fall back by themselves).
set -euo pipefail
kind=$1
cd "$(dirname "$0")/.."
# The files with unsafe code; those in brackets no test here reaches, for the reason that stands beside them.
known="
  collective/src/frame.rs
  collective/src/io.rs            [poll, a system call]
  flight-server/src/exit.rs       [geteuid, a system call]
  model/src/kernels/attention.rs
  model/src/kernels/conv/weights.rs
  model/src/kernels/generic.rs
  model/src/kernels/isa.rs
  model/src/kernels/packed.rs
  model/src/kernels/simd.rs
  model/src/kernels/tiles.rs
  model/src/kernels/x86.rs
  native/src/convert.rs
  native/src/exports.rs           [needs a JVM]
  native/src/memory.rs
  protocol/src/row/wide/x86.rs
"
for file in $(git grep -lE 'unsafe (\{|fn|impl|extern)' -- '*/src/*.rs'); do
  grep -q "^  $file\( \|$\)" <<<"$known" || {
    echo "$file has unsafe code and is not listed in tools/unsafe.sh: list it, with tests that reach it" >&2
    exit 1
  }
done
# Crate, target of its tests, and the tests that reach its unsafe code. Functions over many random numbers are left out: they
# hold no unsafe code and take hours when interpreted.
if [ "$kind" = miri ]; then
  # Attention takes a square root of the crate libm, which is assembler and so nothing for Miri; convolutions take too long.
  checks=(
    "candlewick-model --lib kernels::packed"
    "candlewick-model --test=kernels products_are_the_definition any_layout"
    "candlewick-collective --lib frame::"
    "candlewick-native --lib memory:: convert::"
    "candlewick-protocol --lib row::wide::tests::every_level_leaves"
  )
else
  checks=(
    "candlewick-model --lib kernels::attention kernels::conv kernels::packed kernels::program kernels::maps"
    "candlewick-model --test=kernels"
    "candlewick-collective --lib frame::"
    "candlewick-native --lib memory:: convert:: encode"
    "candlewick-protocol --lib row::"
  )
fi
if [ "$kind" = miri ]; then
  cargo +nightly miri --version >/dev/null 2>&1 || {
    echo "miri: this machine has no Miri: rustup toolchain install nightly --component miri --component rust-src" >&2
    echo "miri: without it, 'make memcheck' checks the same tests by Valgrind, which finds less" >&2
    exit 1
  }
  # Threads of rayon live as long as the process; its queues keep pointers as numbers and follow the rules of tree borrows.
  export MIRIFLAGS="${MIRIFLAGS:--Zmiri-tree-borrows -Zmiri-ignore-leaks -Zmiri-permissive-provenance -Zmiri-disable-isolation}"
  for check in "${checks[@]}"; do
    read -r crate target filters <<<"$check"
    echo "miri: $crate $target $filters"
    # shellcheck disable=SC2086
    cargo +nightly miri test --target-dir target/miri -p "$crate" ${target/=/ } -- $filters
  done
  exit
fi
command -v valgrind >/dev/null 2>&1 || {
  echo "memcheck: 'valgrind' is missing (Debian: apt-get install valgrind)" >&2
  exit 1
}
built=$(mktemp)
trap 'rm -f "$built"' EXIT
cargo-zigbuild test --release --target "$(uname -m)-unknown-linux-gnu.${GLIBC:-2.28}" --workspace --lib --tests --no-run \
  --message-format=json >"$built"
for check in "${checks[@]}"; do
  read -r crate target filters <<<"$check"
  program=$(python3 - "$built" "$crate" "$target" <<'PY'
import json, sys
path, crate, target = sys.argv[1:]
kind, _, name = target.removeprefix("--").partition("=")
for line in open(path):
    made = json.loads(line) if line.startswith("{") else {}
    if not made.get("executable") or not made["profile"]["test"]:
        continue
    about = made["target"]
    here = made["manifest_path"].split("/")[-2]
    of_crate = f"/{crate}@" in made["package_id"] or f"#{crate}@" in made["package_id"] or crate.endswith("-" + here)
    if of_crate and (about["name"] == name if kind == "test" else kind in about["kind"] or "cdylib" in about["kind"]):
        print(made["executable"])
PY
)
  [ -n "$program" ] || { echo "memcheck: $crate has no tests $target: correct the list in tools/unsafe.sh" >&2; exit 1; }
  echo "memcheck: $crate $target $filters"
  # shellcheck disable=SC2086
  text=$(valgrind -q --error-exitcode=99 --num-callers=20 "$program" $filters --test-threads=1 2>&1) || {
    echo "$text"
    echo "memcheck: $crate failed" >&2
    exit 1
  }
  grep '^test result' <<<"$text"
  ! grep -q '^test result: ok. 0 passed' <<<"$text" || { echo "memcheck: $filters found no test" >&2; exit 1; }
done
