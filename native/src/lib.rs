//! The native library that Spark JVMs load through JNI: row decoding, feeding, scoring, the coordinator.
//!
//! `boundary` is the one way in; [`row`], `number`, `convert`, [`decode`], `values` and [`row_error`] read Spark's rows,
//! [`encode`] writes them; [`feeder`] with `frames`, `streams` and `connections` sends them to the trainers; [`scorer`]
//! scores them.

mod boundary;
pub mod canary;
mod connections;
mod convert;
pub mod decode;
mod delivery;
pub mod encode;
mod exports;
pub mod feeder;
mod frames;
mod handles;
mod memory;
mod number;
mod report;
pub mod row;
pub mod row_error;
pub mod runtime;
pub mod scorer;
mod streams;
mod values;
