//! Transport and allreduce between the trainers of a job, over TCP with threads of its own and no async runtime.
//!
//! [`Listener`] lives as long as the process and lets in only who proves that it has the job's key. For every
//! generation of the gang [`Collective::connect`] makes one connection per pair. [`Collective::all_reduce`] adds up the
//! gradients of all logical shards in the order of one fixed tree (docs/protocol/arithmetic.md, rule B5), so the result does not
//! depend on who owns which shard.
//!
//! Every wait has a deadline and names whom it waited for.

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

mod chooser;
mod chunks;
mod collective;
mod config;
mod connect;
mod frame;
mod gang;
mod gather;
mod handshake;
mod io;
mod link;
mod listener;
mod manifest;
mod nodes;
mod peer;
mod plan;
mod probe;
mod reduce;
mod ring;
mod rounds;
mod shards;
mod sparse;
mod tree_sum;
mod words;

pub use chooser::Exchanged;
pub use collective::Collective;
pub use config::{CollectiveError, Config, Credentials, HaltToken, Halts};
pub use link::SHARED_BYTES;
pub use listener::Listener;
pub use nodes::Node;
pub use plan::Algorithm;
pub use plan::choose::{Choice, predict};
pub use plan::forecast::{Forecast, StepForecast, StepShape};
pub use plan::times::{Speed, Speeds};
pub use reduce::Reduced;

#[cfg(target_endian = "big")]
compile_error!("gradients travel as little-endian f32 without conversion");
