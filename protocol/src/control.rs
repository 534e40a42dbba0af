//! How the messages between coordinator and trainers are written: JSON.

use crate::message::{ToCoordinator, ToTrainer};

/// A message of a control stream.
///
/// Its JSON is read and written by code that is compiled here, once, and not by each crate that names the type.
///
/// ```
/// use candlewick_protocol::control::ControlMessage;
/// use candlewick_protocol::message::ToTrainer;
///
/// let json = ToTrainer::Start { generation: 3 }.to_json()?;
/// assert_eq!(ToTrainer::from_json(&json)?, ToTrainer::Start { generation: 3 });
/// # Ok::<(), serde_json::Error>(())
/// ```
pub trait ControlMessage: Sized {
    /// Reads a message.
    ///
    /// # Errors
    /// What is no JSON, or no message of this type.
    fn from_json(json: &[u8]) -> serde_json::Result<Self>;

    /// Writes it.
    ///
    /// # Errors
    /// A value that JSON does not have.
    fn to_json(&self) -> serde_json::Result<Vec<u8>>;
}

impl ControlMessage for ToTrainer {
    fn from_json(json: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(json)
    }

    fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }
}

impl ControlMessage for ToCoordinator {
    fn from_json(json: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(json)
    }

    fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }
}
