//! Matrix products and elementwise functions whose bits depend on nothing but their operands.
//!
//! Every element of a product is a sum over `k` in ascending order: `k` is cut into blocks by a rule that looks at
//! its length alone ([`blocks`]), each block is one chain of fused multiply-adds from zero, and the blocks are added
//! in order. Products of bf16 ([`candlewick_protocol::job::Precision`]) have the same blocks, and an order of their own within
//! a pair of values. Number of rows, number of threads and instruction set do not enter, so a row has the same bits alone or
//! in a batch, here or on another machine. Elementwise functions use additions and multiplications that IEEE 754
//! defines, no library of the host, and no fusing.

mod activations;
mod arithmetic;
mod attention;
mod bf16;
mod column_products;
mod columns;
mod conv;
mod csr;
mod gemm;
mod generic;
mod isa;
mod lanes;
mod maps;
mod math;
mod matrix;
mod pack;
mod packed;
mod packed_linear;
mod program;
mod scratch;
mod shrink;
mod simd;
mod sparse_memory;
mod sparse_row;
mod tiles;
#[cfg(target_arch = "x86_64")]
mod transpose;
mod workers;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use activations::{
    Elu, Softplus, elu, elu_gradient, hardsigmoid, hardsigmoid_gradient, hardswish, hardswish_gradient,
    hardtanh, hardtanh_gradient, leaky_relu, leaky_relu_gradient, log_sigmoid, log_sigmoid_gradient, mish,
    mish_gradient, silu, silu_gradient, softplus, softplus_gradient, softsign, softsign_gradient,
};
pub(crate) use arithmetic::Arithmetic;
pub(crate) use attention::{Attention, Layout, Shape};
pub(crate) use column_products::RowGradients;
pub(crate) use columns::SparseInput;
pub(crate) use conv::Window;
pub use csr::{ByInput, Csr};
pub use gemm::Kernels;
pub(crate) use lanes::{LANES, lanes_of, sum_by, sum_lanes, sum_lanes_f64};
pub use maps::add_into;
pub(crate) use maps::{
    gelu, gelu_gradient, gelu_tanh, gelu_tanh_gradient, relu, relu_gradient, sigmoid, sigmoid_gradient, tanh,
    tanh_gradient,
};
pub(crate) use math::{exp, log1p};
pub use matrix::{Accumulate, Matrix, blocks};
pub(crate) use packed::{Packed, PackedValues, Packing};
pub(crate) use packed_linear::PackedLinear;
pub use program::Program;
pub(crate) use program::{Leaf, level_of};
pub(crate) use shrink::{
    Halves, Threshold, gated, gated_gradient, hardshrink, shrink_gradient, softshrink, tanhshrink,
    tanhshrink_gradient, threshold, threshold_gradient,
};
pub use simd::SimdLevel;
pub(crate) use simd::simd_dispatch;
pub(crate) use sparse_memory::SparseMemory;
pub use workers::Workers;

/// Whether this processor computes `precision="bf16_amx"` by its instructions: an Intel Xeon since Sapphire Rapids whose system lets
/// this process use them. Elsewhere the same bits come out, slowly.
#[must_use]
pub fn has_amx() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        bf16::has_amx()
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}
