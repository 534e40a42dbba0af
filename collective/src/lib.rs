//! Transport and allreduce between the trainers of a job, over TCP with threads of its own and no async runtime.
//!
//! [`Listener`] lives as long as the process and lets in only who proves that it knows the job's secret. For every
//! generation of the gang [`Collective::connect`] makes one connection per pair. [`Collective::reduce`] adds up the
//! gradients of all logical shards in the order of one fixed tree (docs/protocols.md, rule B5), so the result does not
//! depend on who owns which shard.
//!
//! Every wait has a deadline and names whom it waited for.

mod collective;
mod config;
mod connect;
mod exchange;
mod frame;
mod gather;
mod handshake;
mod listener;
mod reduce;
mod shards;
mod sum;
mod tables;

pub use collective::{Collective, Node, Reduced};
pub use config::{Abort, CollectiveError, Config, Credentials};
pub use listener::Listener;

#[cfg(target_endian = "big")]
compile_error!("gradients travel as little-endian f32 without conversion");
