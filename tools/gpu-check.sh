#!/usr/bin/env bash
# gpu-check.sh: checks the GPU trainer on a machine with an NVIDIA GPU and Python, from the folder that `make gpu-pack` filled
# (docs/gpu.md). PYTHON names the interpreter; its packages hold torch, numpy, pyarrow and CUDA 13's libraries. Options go on to
# gpu_check.py: --device cpu rehearses without a GPU.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
command -v "$python" >/dev/null 2>&1 || {
  echo "gpu-check: there is no '$python': set PYTHON to an interpreter with torch, numpy and pyarrow" >&2
  exit 1
}
missing=$("$python" - <<'PY'
import importlib.util as u
print(*[name for name in ("torch", "numpy", "pyarrow") if u.find_spec(name) is None])
PY
)
[ -z "$missing" ] || {
  echo "gpu-check: $python lacks $missing: set PYTHON to an interpreter that has them" >&2
  exit 1
}
# Folders of libcudart, libcublas and libcurand among Python's packages: nvidia/cu13/lib, or one for each of them.
libraries=$("$python" - <<'PY'
import glob, os, sys
found = []
for base in sys.path:
    for name in ("libcudart.so*", "libcublas.so*", "libcublasLt.so*", "libcurand.so*"):
        for path in sorted(glob.glob(os.path.join(base, "nvidia", "**", "lib", name), recursive=True)):
            if os.path.dirname(path) not in found:
                found.append(os.path.dirname(path))
print(":".join(found))
PY
)
export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
exec "$python" "$here/gpu_check.py" "$@"
