//! A running average of the weights.

use super::state::{Saved, SavedTensor};
use crate::engine::Engine;
use crate::kernels::{SimdLevel, Workers, simd_dispatch};
use crate::network::Network;
use crate::parameter::Parameter;
use candlewick_protocol::Failure;
use std::sync::Arc;

/// Weights that are worth a thread.
const PARALLEL_WEIGHTS: usize = 1 << 16;

/// Exponential moving average of the weights: `average = decay average + (1 - decay) weights` after every update, as
/// torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn: the first update makes it a copy of the weights, and
/// buffers are copied always (Polyak and Juditsky 1992).
///
/// ```
/// use candlewick_model::{network::Network, optim::Ema};
/// use serde_json::json;
/// let document = json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 1}]});
/// let network = Network::from_document(&document, &[1])?;
/// let mut ema = Ema::new(0.75, &network, &[0.0, 0.0])?;
/// ema.update(&[1.0, 2.0])?;
/// ema.update(&[5.0, 2.0])?;
/// assert_eq!(ema.weights(), [2.0, 2.0]);
/// # Ok::<(), candlewick_protocol::Failure>(())
/// ```
#[derive(Debug, Clone)]
pub struct Ema {
    decay: f64,
    parameters: Vec<Parameter>,
    average: Vec<f32>,
    updates: u64,
    level: SimdLevel,
    workers: Option<Arc<Workers>>,
}

simd_dispatch! {
    /// torch.lerp of every element, by `take_keep.0`.
    fn lerp(take_keep: (f32, f32), average: &mut [f32], weights: &[f32]) {
        for (a, w) in average.iter_mut().zip(weights) {
            *a = if take_keep.0 < 0.5 {
                *a + take_keep.0 * (*w - *a)
            } else {
                *w - (*w - *a) * take_keep.1
            };
        }
    }
}

impl Ema {
    /// An average that starts as a copy of the weights.
    ///
    /// # Errors
    /// `InvalidParameter` where the decay is not in 0..=1, `Internal` where the weights are not the network's.
    pub fn new(decay: f64, network: &Network, weights: &[f32]) -> Result<Self, Failure> {
        if !(0.0..=1.0).contains(&decay) {
            return Err(Failure::parameter(format!(
                "the decay of the weights' running average is {decay}; expected a number from 0 to 1, such as 0.999"
            )));
        }
        if weights.len() != network.num_parameters() {
            return Err(Failure::internal(format!(
                "an average of {} weights of a network that has {}",
                weights.len(),
                network.num_parameters()
            )));
        }
        Ok(Ema {
            decay,
            parameters: network.parameters().to_vec(),
            average: weights.to_vec(),
            updates: 0,
            level: SimdLevel::detect(),
            workers: None,
        })
    }

    /// Lets updates run on the threads of an engine. The bits do not change.
    pub fn use_threads_of(&mut self, engine: &Engine) {
        self.workers = Some(engine.workers());
    }

    /// Takes in the weights after an update of the optimiser.
    ///
    /// # Errors
    /// `Internal` where their number is another.
    pub fn update(&mut self, weights: &[f32]) -> Result<(), Failure> {
        if weights.len() != self.average.len() {
            return Err(Failure::internal(format!(
                "an average of {} weights is to take in {}",
                self.average.len(),
                weights.len()
            )));
        }
        if self.updates == 0 {
            self.average.copy_from_slice(weights);
        } else {
            #[expect(clippy::cast_possible_truncation, reason = "computed in f64, applied in f32")]
            let factors = ((1.0 - self.decay) as f32, self.decay as f32);
            let level = self.level;
            let body = |start: usize, slice: &mut [f32]| {
                lerp(level, factors, slice, weights.get(start..).unwrap_or_default());
            };
            match &self.workers {
                Some(workers) => workers.chunks(&mut self.average, 1, PARALLEL_WEIGHTS, body),
                None => body(0, &mut self.average),
            }
            for buffer in self.parameters.iter().filter(|parameter| !parameter.trained) {
                let range = buffer.offset..buffer.offset + buffer.len();
                if let (Some(to), Some(from)) = (self.average.get_mut(range.clone()), weights.get(range)) {
                    to.copy_from_slice(from);
                }
            }
        }
        self.updates += 1;
        Ok(())
    }

    /// The average, in the order of the network's weights.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.average
    }

    /// Updates taken in so far.
    #[must_use]
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Everything that the next updates depend on (rule B10): tensors by the parameters' names.
    #[must_use]
    pub fn state(&self) -> Saved {
        let tensors = self.parameters.iter().map(|parameter| SavedTensor {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            values: self
                .average
                .get(parameter.offset..parameter.offset + parameter.len())
                .unwrap_or_default()
                .to_vec(),
        });
        Saved {
            counters: vec![("n_averaged".to_owned(), self.updates)],
            tensors: tensors.collect(),
            ..Saved::default()
        }
    }

    /// Goes back to a state that [`Ema::state`] gave.
    ///
    /// # Errors
    /// `InvalidParameter` where it is that of another network.
    pub fn restore(&mut self, saved: &Saved) -> Result<(), Failure> {
        let what = "the saved running average of the weights";
        saved.expect_counters(what, &["n_averaged"])?;
        let shapes: Vec<(String, Vec<usize>)> = self
            .parameters
            .iter()
            .map(|parameter| (parameter.name.clone(), parameter.shape.clone()))
            .collect();
        saved.expect_tensors(what, &shapes)?;
        for parameter in &self.parameters {
            let tensor = saved.tensor(what, &parameter.name)?;
            let range = parameter.offset..parameter.offset + parameter.len();
            if let Some(target) = self.average.get_mut(range) {
                target.copy_from_slice(&tensor.values);
            }
        }
        self.updates = saved.counter(what, "n_averaged")?;
        Ok(())
    }
}
