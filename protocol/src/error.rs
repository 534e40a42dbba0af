//! Errors that cross a border (process, JNI, network): a kind, which decides what may be done about it, and a
//! sentence for the person who meets it.

use serde::{Deserialize, Serialize};

/// What sort of failure it is, and so whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ErrorKind {
    /// A parameter, network or schema is wrong: told before anything is started where that can be known; what only the
    /// rows show (a loss that is not finite, a schedule longer than the training) while training. Fatal.
    InvalidParameter,
    /// A row is wrong (null, NaN, wrong length, label out of range). Fatal.
    InvalidData,
    /// A process, connection or deadline was lost; the same call may succeed later. Retryable.
    Unavailable,
    /// The other side did not prove that it knows the job's secret. Fatal.
    Unauthenticated,
    /// The user or Spark cancelled the work. Fatal.
    Cancelled,
    /// The job failed for a cause named in the message. Fatal.
    JobFailed,
    /// A defect of Candlewick, a panic included. Fatal.
    Internal,
}

/// A failure as it travels in JSON: over the control stream, in a feed task's result, through JNI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// What sort of failure it is.
    pub kind: ErrorKind,
    /// What was wrong, what was expected, what to change.
    pub message: String,
}

impl Failure {
    /// A failure of `kind` with a sentence for its reader.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Failure {
            kind,
            message: message.into(),
        }
    }
    /// A wrong parameter, network or schema.
    pub fn parameter(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidParameter, message)
    }
    /// A wrong row.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidData, message)
    }
    /// A lost process, connection or deadline.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }
    /// A defect of Candlewick.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }
}
