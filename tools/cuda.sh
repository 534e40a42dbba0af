#!/usr/bin/env bash
# cuda.sh: puts a CUDA tool chain into the folder $1: compiler, headers, libraries to link with. No GPU, no driver and no
# rights of an administrator are needed.
set -euo pipefail
target=$1
here=$(cd "$(dirname "$0")" && pwd)
home=$target/packages/nvidia/cu13
stamp=$target/.stamp

command -v g++ >/dev/null 2>&1 || {
  echo "make: 'g++' is missing: nvcc compiles with it (Debian: apt-get install g++)" >&2
  exit 1
}
if [ ! -e "$stamp" ] || [ "$here/cuda-requirements.txt" -nt "$stamp" ] || [ "$here/cuda.sh" -nt "$stamp" ]; then
  rm -rf "$target/packages" "$stamp"
  mkdir -p "$target"
  python3 -m pip install -q --disable-pip-version-check --root-user-action ignore --no-deps \
    --target "$target/packages" -r "$here/cuda-requirements.txt"
  # The names that linkers and build scripts look for.
  ln -s lib "$home/lib64"
  for library in "$home"/lib/lib*.so.*; do
    name=${library##*/}
    [ -e "$home/lib/${name%%.so.*}.so" ] || ln -s "$name" "$home/lib/${name%%.so.*}.so"
  done
  # libcuda comes with the driver. To link, its names are enough: every cu* that the header knows, as a function that
  # answers CUDA_ERROR_NO_DEVICE.
  mkdir -p "$home/lib/stubs"
  grep -oh '\bcu[A-Z][A-Za-z0-9_]*' "$home/include/cuda.h" "$home/include/cudaTypedefs.h" | sort -u |
    sed "s/.*/int &(void) { return 100; }/" |
    gcc -shared -fPIC -w -x c -Wl,-soname,libcuda.so.1 -o "$home/lib/stubs/libcuda.so" -
  touch "$stamp"
fi
echo "$home"
