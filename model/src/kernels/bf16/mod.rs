//! Products of bf16 operands with sums in f32: rounding, packing, and the arithmetic in plain Rust.
//!
//! An element of a packed operand is a pair of neighbouring values of the sum over `k`, each rounded to bf16 (nearest, ties to
//! even; what is subnormal becomes zero), the value of the even index in the lower half. A sum takes from each pair first the product
//! of the odd index, then that of the even one, by fused multiply-adds whose results are flushed to zero where they are
//! subnormal: this is what the instruction `vdpbf16ps` does, whatever the floating-point modes of its thread are. Blocks are those
//! of f32; the last pair of one of odd length is filled up with zero.
//!
//! AMX has another order: of sixteen pairs it adds up the products of the even indices and those of the odd ones, each from zero, then
//! the two, and adds that to the sum. It is a precision of its own, so that each has one meaning on every processor.

#[cfg(target_arch = "x86_64")]
mod amx;
mod generic;
mod pack;
#[cfg(target_arch = "x86_64")]
mod pack_left;
#[cfg(target_arch = "x86_64")]
mod pack_x86;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
pub(super) use amx::{Amx, is_there as has_amx};
pub(super) use generic::{AmxGeneric, EmulatedGeneric};
pub(super) use pack::pair_lines;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{AmxAvx2, AmxAvx512, Bf16Avx512, EmulatedAvx2, EmulatedAvx512};
