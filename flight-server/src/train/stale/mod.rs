//! A round whose trainers do not wait for each other at every step (`asynchrony = "stale"`, docs/adr/0043-stale-gradients.md): what a
//! trainer knows of it, and the thread that exchanges updates meanwhile.

mod board;
mod desk;

pub(super) use board::Board;
pub(super) use desk::{Desk, Stopped, carry};
