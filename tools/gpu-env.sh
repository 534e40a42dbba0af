# gpu-env.sh: what tools/gpu.sh and tools/gpu-pack.sh share, to be sourced with the triple in $triple. It puts the CUDA tool chain
# on the paths and sets `build`, the arguments with which cargo builds the trainer for GPUs and the tests that run on one.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=$("$root/tools/cuda.sh" "$root/.cache/cuda")
out=$root/target/gpu/$triple/release
trainer=$out/candlewick-trainer-gpu
scorer=$out/examples/libcandlewick_score_gpu.so

gpu=""
if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1; then
  gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1)
  : "${CUDA_COMPUTE_CAP:=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)}"
elif [ -e /dev/nvidia0 ]; then
  gpu=/dev/nvidia0
fi
# Code for 9.0 (H100, H200) runs on everything newer too; set CUDA_COMPUTE_CAP for an older GPU.
export CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-90}
export CUDA_HOME=$home CUDA_PATH=$home PATH=$home/bin:$PATH LIBRARY_PATH=$home/lib:$home/lib/stubs

# The same packages, with their tests or examples, in every call: others would give their dependencies different features, and compile
# the kernels twice. A test of the package has its programs built along.
build=(--release --target "$triple" --target-dir "$root/target/gpu" -p candlewick-model -p candlewick-trainer
  -p candlewick-scoring --features candlewick-model/cuda,candlewick-trainer/cuda,candlewick-scoring/cuda)
# A library by `cargo build`; by `cargo test` it would be a program with its tests, of which there are none.
library=(--example candlewick_score_gpu)
trainers=(--test device --test gang --test serve)
echo "gpu: compiling for compute capability $CUDA_COMPUTE_CAP; the kernels alone take some minutes the first time" >&2
