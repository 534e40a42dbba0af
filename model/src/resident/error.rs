//! What goes wrong on a device.

use candle_core::Device;
use candlewick_protocol::{ErrorKind, Failure};

/// What an error says; candle's may have a backtrace behind it.
pub(crate) fn first_line(error: &candle_core::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// What the driver, its allocator and cuBLAS call a device whose memory is used up.
const USED_UP: [&str; 3] = ["CUDA_ERROR_OUT_OF_MEMORY", "out of memory", "ALLOC_FAILED"];

/// What an error of candle's on a device means for who started a fit.
fn told(device: &str, text: &str) -> Failure {
    let message = if USED_UP.iter().any(|word| text.contains(word)) {
        format!(
            "the memory of the GPU is used up ({device}: {text}): it holds the weights, their gradients and the activations of this \
             trainer's rows of a step; lower batchSize, raise numTrainers where there are more GPUs, or have fewer trainers \
             share one"
        )
    } else {
        format!("the device {device} failed: {text}")
    };
    Failure::new(ErrorKind::JobFailed, message)
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
            DeviceError::Candle(error) => told(&format!("{:?}", device.location()), &first_line(&error)),
        }
    }
}

impl From<candle_core::Error> for DeviceError {
    fn from(error: candle_core::Error) -> Self {
        DeviceError::Candle(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_used_up_is_told_with_what_to_lower() {
        for text in [
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")",
            "CublasError(CUBLAS_STATUS_ALLOC_FAILED)",
        ] {
            let told = told("Cuda { gpu_id: 0 }", text).message;
            assert!(
                told.contains("the memory of the GPU is used up") && told.contains("lower batchSize"),
                "{told}"
            );
        }
        let other = told("Cuda { gpu_id: 0 }", "CUDA_ERROR_ILLEGAL_ADDRESS").message;
        assert_eq!(
            other,
            "the device Cuda { gpu_id: 0 } failed: CUDA_ERROR_ILLEGAL_ADDRESS"
        );
    }
}
