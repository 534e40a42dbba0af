//! The trainer of Candlewick: Arrow Flight server, spool and training loop.
//!
//! Two ways to run it, one code that trains:
//! - `gang`: a child of a Spark executor, one of several that train together under a coordinator;
//! - `serve`: a plain Flight server that any Arrow Flight client can feed, train and read (docs/flight.md).
//!
//! Rows arrive as Arrow, are checked, hashed and kept in canonical form ([`chunk`], [`frame`], `spool`), indexed by
//! logical shard (`dataset`) and trained on (`train`). What `memory` has no room for is on disk (`spill`). Same rows, parameters and seed give the same weights bit
//! for bit, in either mode and on any number of trainers and threads.

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

pub mod chunk;
pub mod cli;
mod dataset;
pub mod exit;
pub mod features;
pub mod frame;
mod gang;
mod memory;
mod refused;
mod rows;
mod serve;
mod spill;
mod spool;
mod train;
mod words;
