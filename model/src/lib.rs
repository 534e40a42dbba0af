//! Networks of Candlewick: specification, shapes, layers, losses, optimisers, weights.
//!
//! A network is a JSON document. [`job::complete`] checks it against the [`catalogue`] on the driver, infers the
//! sizes that were left out and fills in defaults; [`network::Network`] is what comes of it; [`engine::Engine`]
//! computes losses and gradients of one step, [`optim::Optimizer`] applies them, [`engine::Predictor`] scores. Where a
//! build has the feature `candle` or `cuda`, [`device`] puts the layers of a network on a GPU.
//!
//! # Why an engine of our own
//!
//! The same data, parameters and seed give the same weights bit for bit for any number of trainers. Rows are placed
//! by content and sums follow one fixed tree (rule B5), so the arithmetic of a row may not depend on what it is
//! batched with. General-purpose matrix libraries choose kernels by shape and block by cache size; ours, in
//! [`kernels`], computes every element as one chain of fused multiply-adds whose order depends on the length of the
//! sum alone. A tape of tensor operations also allocates every step and adds up whole gradients; here forward and
//! backward are explicit calls over memory that is reused, and the tree of a weight gradient is evaluated while its
//! tile is in the cache.

// A cast that loses something says why; tests cast at will.
#![cfg_attr(
    not(test),
    deny(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss
    )
)]

// The tests of devices share what the integration tests check, which know the crate by its name.
#[cfg(test)]
extern crate self as candlewick_model;

pub mod arguments;
pub mod catalogue;
pub mod compression;
pub mod device;
pub mod engine;
mod gang;
pub mod head;
pub mod job;
pub mod kernels;
pub(crate) mod layers;
pub(crate) mod losses;
pub mod meeting;
pub mod memory;
pub mod metrics;
pub mod network;
mod numbers;
pub mod onnx;
pub mod optim;
pub mod parameter;
pub(crate) mod pattern;
pub mod philox;
pub mod probe;
pub mod resident;
pub mod resolve;
pub mod saved;
pub mod summary;
pub mod weights;

/// The instruction set that the products of this process use: `avx512_bf16` (which has products of bf16), `avx512`, `avx2` or `generic`. Results do not depend
/// on it.
///
/// ```
/// assert!(["avx512_bf16", "avx512", "avx2", "generic"].contains(&candlewick_model::cpu_level()));
/// ```
#[must_use]
pub fn cpu_level() -> &'static str {
    kernels::SimdLevel::detect().name()
}
