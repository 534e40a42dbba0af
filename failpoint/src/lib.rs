//! Named places in the code that a test can make last, fail or panic.
//!
//! A test that must strike in the middle of something names the middle: the code under test calls [`reach`] there, and
//! the test holds whoever comes by. No sleep and no guess about speed. Without the feature `armed`, which only builds
//! of tests have, [`reach`] is empty and nothing else of this crate exists (docs/adr/0013-failpoints.md).
//!
//! Code under test: `candlewick_failpoint::reach("train.step", step)?;`
//!
//! Test in the same process: `candlewick_failpoint::arm(|name, at| ...)`, once a process.
//!
//! Test of another process: that process' `main` calls `arm_from_environment()`; the test starts it with the
//! variables of `Gates::environment` and waits with `Gates::hit` until it stands at a point. It goes on when the `Hit` is
//! told to, or dropped.

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

#[cfg(feature = "armed")]
mod armed;
#[cfg(feature = "armed")]
mod gates;

mod planted;

#[cfg(feature = "armed")]
pub use armed::{arm, arm_from_environment};
#[cfg(feature = "armed")]
pub use gates::{Gates, Hit};

#[cfg(feature = "planted-faults")]
pub use planted::plant;
pub use planted::{Fault, planted};

use candlewick_protocol::Failure;

/// The code has come to the point `name` for the `at`-th time (or step, or frame: what the point counts). Blocks the
/// calling thread for as long as a test holds it there.
///
/// # Errors
/// What the test says; never without the feature `armed`.
#[inline]
pub fn reach(name: &'static str, at: u64) -> Result<(), Failure> {
    #[cfg(feature = "armed")]
    return armed::reach(name, at);
    #[cfg(not(feature = "armed"))]
    {
        let _ = (name, at);
        Ok(())
    }
}
