//! What goes wrong on a device.

use candle_core::Device;
use candlewick_protocol::{ErrorKind, Failure};

/// What an error says; candle's may have a backtrace behind it.
pub(super) fn first_line(error: &candle_core::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// What goes wrong on a device.
#[derive(Debug)]
pub(super) enum Trouble {
    /// By candle or the device.
    Candle(candle_core::Error),
    /// With its message.
    Failure(Failure),
}

impl Trouble {
    pub(super) fn defect(message: String) -> Self {
        Trouble::Failure(Failure::internal(message))
    }

    /// The failure, with the device that it happened on.
    pub(super) fn on(self, device: &Device) -> Failure {
        match self {
            Trouble::Failure(failure) => failure,
            Trouble::Candle(error) => Failure::new(
                ErrorKind::JobFailed,
                format!(
                    "the device {:?} failed: {}; where its memory is used up, lower batchSize or take more trainers",
                    device.location(),
                    first_line(&error)
                ),
            ),
        }
    }
}

impl From<candle_core::Error> for Trouble {
    fn from(error: candle_core::Error) -> Self {
        Trouble::Candle(error)
    }
}
