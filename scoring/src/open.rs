//! Models on candle's devices.

use crate::abi::Scores;
use candlewick_model::device::scoring::{DeviceModel, Place, Rows};
use candlewick_model::network::Network;
use candlewick_protocol::Failure;
use candlewick_protocol::score_abi::{Asked, Description};

/// Bytes of memory that a rehearsal's GPU has, a variable of the environment.
pub const REHEARSED_MEMORY: &str = "CANDLEWICK_REHEARSAL_MEMORY";

#[derive(Debug)]
struct OnDevice(DeviceModel);

impl Scores for OnDevice {
    fn score(
        &mut self,
        asked: &Asked,
        (count, features): (usize, &[f32]),
        outputs: &mut [f32],
        values: &mut [f32],
    ) -> Result<(), Failure> {
        let rows = Rows {
            count,
            features,
            outputs,
            inner: values,
        };
        self.0.score(asked, rows)
    }
}

fn opened(description: &Description, weights: &[f32], place: &Place) -> Result<Box<dyn Scores>, Failure> {
    let network = Network::from_document(&description.network, &description.input_shape)?;
    Ok(Box::new(OnDevice(DeviceModel::open(&network, weights, place)?)))
}

/// On an NVIDIA GPU.
///
/// # Errors
/// As of [`DeviceModel::open`].
pub fn on_gpu(description: &Description, weights: &[f32]) -> Result<Box<dyn Scores>, Failure> {
    opened(description, weights, &Place::Gpu(description.address.clone()))
}

/// On processors, as if they were a GPU.
///
/// # Errors
/// As of [`DeviceModel::open`].
pub fn rehearsed(description: &Description, weights: &[f32]) -> Result<Box<dyn Scores>, Failure> {
    let memory = std::env::var(REHEARSED_MEMORY).ok();
    let place = Place::Rehearsal {
        address: description.address.clone(),
        memory: memory.and_then(|bytes| bytes.parse().ok()),
    };
    opened(description, weights, &place)
}
