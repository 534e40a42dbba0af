//! Authenticated Arrow Flight over tonic: how the processes of a Candlewick job prove to each other who they are.
//!
//! A [`Client`] makes Flight's `Handshake` call first: a mutual HMAC challenge (see `candlewick_protocol::auth`) that
//! gives both sides the key of a session. Every later call carries a token over its method and a counter, so nothing
//! that can be used twice crosses the link. [`serve`] lets no other call through, and reads nothing of its body.
//!
//! Where the keys of a job say so, all of it is inside of TLS, and the proofs are bound to it (`candlewick_tls`).
//!
//! In `serve` mode of the trainer a bearer token takes the place of the handshake.

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

mod auth;
mod bulk;
mod client;
mod connection;
mod control;
mod flight;
mod frames;
mod put;
mod recent;
mod secure;
mod server;
mod session;
mod spare;
mod status;
mod windows;

pub use auth::{AuthMode, ServerAuth};
pub use bulk::{Assembly, BULK, outgoing};
pub use candlewick_protocol::ports::bind;
pub use client::{Client, Identity};
pub use control::{ControlReader, control_frames};
pub use flight::{Answer, Answers, PartialFlight};
pub use frames::{BatchFormat, OpenBatch};
pub use put::put_rows;
pub use server::serve;
pub use session::Caller;
pub use status::{from_status, to_status};
pub use windows::Windows;

/// Metadata key of the token that authorises a call.
pub const AUTH_HEADER: &str = "candlewick-auth";

/// Largest HTTP/2 frame either side accepts, bytes.
pub(crate) const HTTP_FRAME: u32 = 1024 * 1024;
/// Largest list of headers either side accepts, bytes: a failure's message travels in one.
pub(crate) const HEADER_LIST: u32 = 64 * 1024;
