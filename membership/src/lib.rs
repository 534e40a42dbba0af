//! What a trainer of a gang decides (docs/protocol/membership.md), as pure state machines: time and messages come in, answers
//! go out. Threads, sockets and arithmetic are the trainer's (`flight-server/src/gang/`); the simulation
//! (`coordinator/src/machine/tests/simulation/`) runs the same code among simulated ones.
//!
//! - [`Control`]: what is heard from the coordinator, whatever the computing thread does meanwhile; the lease.
//! - [`Seat`]: the orders that the computing thread obeys one after another, and its answers.
//! - [`Course`]: the part of the training state that says what comes next: commits, the sums of the epoch, records.

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

mod control;
mod course;
mod lease;
mod order;
mod seat;

pub use control::{Boundary, Control, End, Heard};
pub use course::{Course, Noted, Schedule, StepSums};
pub use order::{Formation, Order, Shift};
pub use seat::{Place, Refusal, Seat};
