//! What goes wrong on a device.

use candle_core::Device;
use candlewick_protocol::{ErrorKind, Failure};

/// What an error says; candle's may have a backtrace behind it.
pub(crate) fn first_line(error: &candle_core::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// What goes wrong on a device.
#[derive(Debug)]
pub(crate) enum DeviceError {
    /// By candle or the device.
    Candle(candle_core::Error),
    /// With its message.
    Failure(Failure),
}

impl DeviceError {
    pub(crate) fn defect(message: String) -> Self {
        DeviceError::Failure(Failure::internal(message))
    }

    /// The failure, with the device that it happened on.
    pub(crate) fn on(self, device: &Device) -> Failure {
        match self {
            DeviceError::Failure(failure) => failure,
            DeviceError::Candle(error) => Failure::new(
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

impl From<candle_core::Error> for DeviceError {
    fn from(error: candle_core::Error) -> Self {
        DeviceError::Candle(error)
    }
}
