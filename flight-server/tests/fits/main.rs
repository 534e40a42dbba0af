//! Whole fits by real trainer processes: what they refuse, lose, gain, and give. One program, since each would compile what it shares
//! with the others once more; `--test fits spill::` runs those of one file.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

#[path = "../common/mod.rs"]
mod common;

mod checkpoints;
mod class_weights;
mod compression;
mod dealing;
mod delayed;
mod elastic;
mod faults;
mod intake;
mod local_steps;
mod lost_trainers;
mod membership;
mod output;
mod recovery;
mod replicas;
mod spill;
mod stale;
mod unshuffled;
