//! Products of bf16 operands with sums in f32: rounding, packing, and the arithmetic in plain Rust.
//!
//! An element of a packed operand is a pair of neighbouring values of the sum over `k`, each rounded to bf16 (nearest, ties to
//! even; what is subnormal becomes zero), the value of the even index in the lower half. A sum takes from each pair first the product
//! of the odd index, then that of the even one, by fused multiply-adds whose results are flushed to zero where they are
//! subnormal: this is what the instruction `vdpbf16ps` does, whatever the floating-point modes of its thread are. Blocks are those
//! of f32; the last pair of one of odd length is filled up with zero.

mod generic;
mod pack;
#[cfg(target_arch = "x86_64")]
mod pack_x86;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(super) use generic::EmulatedGeneric;
pub(super) use pack::pair_lines;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Bf16Avx512, EmulatedAvx2, EmulatedAvx512};
