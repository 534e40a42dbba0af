//! Calls that a trainer does not offer.

use tonic::Status;

pub(crate) fn unimplemented(what: &str) -> Status {
    Status::unimplemented(format!(
        "this trainer does not offer {what}; a trainer of a gang takes rows by DoPut, `candlewick-trainer serve` offers \
         more (docs/flight.md)"
    ))
}
