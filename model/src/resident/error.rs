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

/// How a failure begins whose reason is that.
const TOLD_USED_UP: &str = "the memory of the GPU is used up";

/// How a failure begins whose reason is a tensor of too many elements.
const TOLD_TOO_MANY: &str = "a tensor has more elements than the kernels of a GPU count";

/// Who uses a device, and so what is to be done where its memory is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advice {
    /// A trainer.
    Training,
    /// A model that scores, with so many weights.
    Scoring(usize),
}

impl Advice {
    fn text(self) -> String {
        match self {
            Advice::Training => "it holds the weights, their gradients and the activations of this trainer's rows of a step; lower \
                 batchSize, raise numTrainers where there are more GPUs, or have fewer trainers share one"
                .to_owned(),
            Advice::Scoring(weights) => format!(
                "it holds the weights of this model ({:.1} MB) and what its layers put out of a batch, whose rows are halved as long as \
                 they do not fit; other models and trainers on the same GPU have the rest. Lower spark.candlewick.modelCache.maxSize, so \
                 that fewer models stay there, score while no trainer is on this GPU, or set scoreDevice to \"cpu\"",
                crate::numbers::real(weights as u64) * 4e-6
            ),
        }
    }
}

/// Whether a failure is that a device cannot compute so many rows together: fewer may do.
pub(crate) fn is_too_much(failure: &Failure) -> bool {
    let told = [TOLD_USED_UP, TOLD_TOO_MANY];
    told.iter().any(|told| failure.message.starts_with(told))
}

/// What is to be done where a tensor has too many elements.
fn with_fewer(advice: Advice) -> &'static str {
    match advice {
        Advice::Training => {
            "a shard's rows of a step are computed together: lower batchSize, or raise logicalShards"
        }
        Advice::Scoring(_) => {
            "rows are halved as long as they have too many, and one row has them by itself: set scoreDevice to \"cpu\""
        }
    }
}

/// What an error of candle's on a device means for who uses it.
fn told(device: &str, text: &str, advice: Advice) -> Failure {
    let message = if USED_UP.iter().any(|word| text.contains(word)) {
        format!("{TOLD_USED_UP} ({device}: {text}): {}", advice.text())
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
    /// A tensor would have more elements than kernels count; what it is, and of how many.
    TooMany(String),
}

impl DeviceError {
    pub(crate) fn defect(message: String) -> Self {
        DeviceError::Failure(Failure::internal(message))
    }

    /// The failure, with the device that it happened on.
    pub(crate) fn on(self, device: &Device, advice: Advice) -> Failure {
        match self {
            DeviceError::Failure(failure) => failure,
            DeviceError::TooMany(what) => {
                Failure::parameter(format!("{TOLD_TOO_MANY}: {what}; {}", with_fewer(advice)))
            }
            DeviceError::Candle(error) => {
                told(&format!("{:?}", device.location()), &first_line(&error), advice)
            }
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
            let training = told("Cuda { gpu_id: 0 }", text, Advice::Training);
            assert!(
                is_too_much(&training) && training.message.contains("lower batchSize"),
                "{training}"
            );
            let scoring = told("Cuda { gpu_id: 0 }", text, Advice::Scoring(2_500_000));
            assert!(
                is_too_much(&scoring)
                    && scoring.message.contains("the weights of this model (10.0 MB)")
                    && scoring
                        .message
                        .contains("Lower spark.candlewick.modelCache.maxSize"),
                "{scoring}"
            );
        }
        let other = told(
            "Cuda { gpu_id: 0 }",
            "CUDA_ERROR_ILLEGAL_ADDRESS",
            Advice::Training,
        );
        assert!(!is_too_much(&other));
        assert_eq!(
            other.message,
            "the device Cuda { gpu_id: 0 } failed: CUDA_ERROR_ILLEGAL_ADDRESS"
        );
    }
}
