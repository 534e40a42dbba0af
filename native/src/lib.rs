//! The native library that Spark JVMs load through JNI: row decoding, feeding, scoring, the coordinator.
//!
//! [`funnel`] is the one way in; [`row`], [`number`], [`convert`], [`decode`] and [`invalid`] read Spark's rows, [`encode`]
//! writes them; [`feeder`] with [`frames`], [`streams`] and [`connections`] sends them to the trainers; [`scorer`] scores
//! them.

pub mod canary;
pub mod connections;
pub mod convert;
pub mod decode;
pub mod encode;
mod exports;
pub mod feeder;
pub mod frames;
pub mod funnel;
pub mod handles;
pub mod invalid;
pub mod memory;
pub mod number;
pub mod report;
pub mod row;
pub mod runtime;
pub mod scorer;
pub mod streams;
