//! What every part of Candlewick agrees on: the job's specification, the messages between coordinator and
//! trainers, the feed's frames and ledger, keys, row identity, the plan of a step and the reduction tree.
//!
//! The crate knows no transport, no JVM and no tensor. Together with `candlewick-model` it is the only home of
//! defaults; the Scala and Python builders are generated from both.

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

pub mod asynchrony;
pub mod auth;
pub mod class_weight;
pub mod compression;
pub mod control;
pub mod counter;
pub mod dealing;
pub mod error;
pub mod exchange;
pub mod features;
pub mod feed;
pub mod job;
pub mod keys;
pub mod launch;
pub mod local_steps;
pub mod message;
pub mod order;
pub mod params;
pub mod pending;
pub mod placement;
pub mod plan;
pub mod ports;
pub mod precision;
pub mod row;
pub mod rows;
pub mod score_abi;
pub mod shards;
pub mod shuffle;
pub mod stopping;
pub mod suggest;
pub mod text;
pub mod throttle;
pub mod tree;
pub mod validation;
pub mod value;

pub use error::{ErrorKind, Failure};
