//! Failures as gRPC statuses and back.

use candlewick_protocol::{ErrorKind, Failure};
use std::error::Error;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// Metadata key of the failure's kind.
const KIND_HEADER: &str = "candlewick-kind";
/// Longest message in a status, bytes: it travels in a header, percent-encoded.
const MAX_MESSAGE: usize = 8 * 1024;

/// The status that carries a failure: its message as it is (shortened in the middle beyond 8 KiB), its kind in the
/// metadata and, for other Flight clients, in the code.
#[must_use]
pub fn to_status(failure: &Failure) -> Status {
    let code = match failure.kind {
        ErrorKind::InvalidParameter | ErrorKind::InvalidData => Code::InvalidArgument,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Unauthenticated => Code::Unauthenticated,
        ErrorKind::Cancelled => Code::Cancelled,
        ErrorKind::JobFailed => Code::Aborted,
        ErrorKind::Internal => Code::Internal,
    };
    let mut status = Status::new(code, shorten(&failure.message));
    let kind = serde_json::to_string(&failure.kind).unwrap_or_default();
    if let Ok(value) = MetadataValue::try_from(kind.trim_matches('"')) {
        status.metadata_mut().insert(KIND_HEADER, value);
    }
    status
}

/// The failure of a status: the kind that [`to_status`] put in, else one chosen by the code. The message begins with
/// `context`, which says what was being done and with whom; an empty one leaves the message as it is.
#[must_use]
pub fn from_status(status: &Status, context: &str) -> Failure {
    let sent = status
        .metadata()
        .get(KIND_HEADER)
        .and_then(|value| value.to_str().ok());
    let kind = sent.and_then(|text| serde_json::from_value(serde_json::Value::from(text)).ok());
    let cause = status.source().map(root_cause).unwrap_or_default();
    let text = match (status.message(), cause.as_str()) {
        ("", "") => status.code().description().to_owned(),
        ("", cause) => cause.to_owned(),
        (message, cause) if cause.is_empty() || message.contains(cause) => message.to_owned(),
        (message, cause) => format!("{message}: {cause}"),
    };
    let message = if context.is_empty() {
        text
    } else {
        format!("{context}: {text}")
    };
    Failure::new(kind.unwrap_or_else(|| kind_of(status)), message)
}

fn kind_of(status: &Status) -> ErrorKind {
    match status.code() {
        // Made on this side from an error of the connection: the other side is gone, whatever the code.
        _ if status.source().is_some() => ErrorKind::Unavailable,
        Code::InvalidArgument => ErrorKind::InvalidParameter,
        Code::Unauthenticated | Code::PermissionDenied => ErrorKind::Unauthenticated,
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::ResourceExhausted
        | Code::Unknown => ErrorKind::Unavailable,
        Code::Aborted => ErrorKind::JobFailed,
        _ => ErrorKind::Internal,
    }
}

/// The innermost error of a chain: "connection reset by peer" rather than "transport error".
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Keeps the beginning, which says what failed, and the end, where the last lines of a log are.
fn shorten(message: &str) -> String {
    if message.len() <= MAX_MESSAGE {
        return message.to_owned();
    }
    let head = message.floor_char_boundary(MAX_MESSAGE / 2);
    let tail = message.ceil_char_boundary(message.len() - MAX_MESSAGE / 2);
    format!("{} ... {}", &message[..head], &message[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_the_way() {
        for kind in [
            ErrorKind::InvalidParameter,
            ErrorKind::InvalidData,
            ErrorKind::Unavailable,
            ErrorKind::Unauthenticated,
            ErrorKind::Cancelled,
            ErrorKind::JobFailed,
            ErrorKind::Internal,
        ] {
            let failure = Failure::new(kind, "column \"x\" é");
            assert_eq!(from_status(&to_status(&failure), ""), failure);
        }
    }

    #[test]
    fn a_foreign_status_gets_a_kind_and_the_context() {
        let failure = from_status(&Status::deadline_exceeded("slow"), "feeding trainer 1");
        assert_eq!(failure, Failure::unavailable("feeding trainer 1: slow"));
        assert_eq!(
            from_status(&Status::unimplemented("no"), "").kind,
            ErrorKind::Internal
        );
    }

    #[test]
    fn a_long_message_keeps_both_ends() {
        let message = format!("first{}last", "é".repeat(MAX_MESSAGE));
        let status = to_status(&Failure::internal(message));
        assert!(status.message().len() <= MAX_MESSAGE + 8);
        assert!(status.message().starts_with("first") && status.message().ends_with("last"));
    }
}
