//! Layers next to PyTorch's numbers, and with the same bits for any owners, threads and batches. One program, since each would compile
//! what it shares with the others once more; `--test layers pooling::` runs those of one file.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod attention;
mod bilinear;
mod convolution;
mod counts;
mod embedding;
mod further;
mod joins;
mod multitask;
mod normalization;
mod padding;
mod pooling;
mod recurrent;
mod shared;
mod sparse;
mod sparse_input;
mod training;
mod transformer;
