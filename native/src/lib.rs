//! The native library that Spark JVMs load through JNI: row decoding, feeding, scoring, the coordinator.
//!
//! `boundary` is the one way in; [`row`], `number`, `convert`, [`decode`], `values`, `nested` and [`row_error`] read Spark's rows,
//! [`encode`] writes them; [`feeder`] with `streams` and `connections` sends them to the trainers; [`scorer`]
//! scores them, on GPUs with [`score_library`].

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

mod boundary;
pub mod canary;
mod connections;
mod convert;
pub mod decode;
mod delivery;
pub mod encode;
pub mod encoded;
mod exports;
pub mod feeder;
mod forecasting;
mod handing;
mod handles;
mod memory;
mod nested;
mod number;
mod plain;
mod planning;
mod probing;
mod report;
pub mod row;
pub mod row_error;
pub mod runtime;
pub mod score_library;
pub mod scorer;
mod streams;
mod values;
