//! How trainers exchange: what a frame between them may hold, and how gradients were exchanged, as a trainer says it when training
//! is over.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Largest description of the values of a frame between trainers, in bytes. They have proved themselves and headers have a
/// checksum: this is against defects only.
pub const MAX_DESCRIPTION: usize = 1 << 30;

/// How trainers exchanged most of their gradients, in the last generation; no part of the state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExchangeUse {
    /// "direct", "halving", "two-level", "host-halving" or "ring".
    pub algorithm: String,
    /// Why this one.
    pub reason: String,
    /// Values that were added up at a time.
    pub values: u64,
    /// How often.
    pub exchanges: u64,
    /// Seconds of one as the model of the links has it, where they were measured.
    pub predicted_seconds: Option<f64>,
    /// Seconds of one in the mean; who comes first waits for the others.
    pub mean_seconds: f64,
    /// Seconds of the fastest.
    pub least_seconds: f64,
    /// What the links take: "host" between trainers of one host, "network" between hosts.
    pub links: BTreeMap<String, LinkSpeed>,
}

/// What a kind of links takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkSpeed {
    /// Seconds of an exchange of next to nothing.
    pub latency_seconds: f64,
    /// Bytes in a second, in each direction.
    pub bytes_per_second: f64,
}
