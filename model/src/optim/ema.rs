//! A running average of the weights.

use super::state::{Saved, SavedTensor};
use crate::engine::Engine;
use crate::kernels::{SimdLevel, Workers, simd_dispatch};
use crate::network::Network;
use crate::numbers::to_f32;
use crate::parameter::Parameter;
use crate::resident::{DeviceVec, Flat, FlatMut, FlatRef, Residence, Run, gaps};
use candlewick_protocol::Failure;
use std::ops::Range;
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
/// assert_eq!(ema.weights().all()?, [2.0, 2.0].as_slice());
/// # Ok::<(), candlewick_protocol::Failure>(())
/// ```
#[derive(Debug, Clone)]
pub struct Ema {
    decay: f64,
    parameters: Vec<Parameter>,
    average: Flat,
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
            average: weights.to_vec().into(),
            updates: 0,
            level: SimdLevel::detect(),
            workers: None,
        })
    }

    /// Lets updates run on the threads of an engine. The bits do not change.
    pub fn use_threads_of(&mut self, engine: &Engine) {
        self.workers = Some(engine.workers());
    }

    /// From now on the average of weights that stay on a device stays there too.
    pub(super) fn move_to(&mut self, residence: &Residence) -> Result<(), Failure> {
        self.average = Flat::held(self.average.all()?.into_owned(), residence, residence.places())?;
        Ok(())
    }

    /// Takes in the weights after an update of the optimiser.
    ///
    /// # Errors
    /// `Internal` where their number is another.
    pub fn update(&mut self, weights: &[f32]) -> Result<(), Failure> {
        self.update_with(weights.into())
    }

    /// As [`Ema::update`], of weights of which some may live on a device.
    pub(super) fn update_with(&mut self, weights: FlatRef<'_>) -> Result<(), Failure> {
        let FlatMut { host, runs } = self.average.view_mut();
        let places = |run: &Run| run.place.clone();
        if weights.len() != host.len() || !runs.iter().map(places).eq(weights.runs().iter().map(places)) {
            return Err(Failure::internal(format!(
                "an average of {} weights is to take in {}",
                host.len(),
                weights.len()
            )));
        }
        let first = self.updates == 0;
        let factors = (to_f32(1.0 - self.decay), to_f32(self.decay));
        for gap in gaps(host.len(), runs.iter().map(places)) {
            let (average, weights) = (&mut host[gap.clone()], &weights.host()[gap]);
            if first {
                average.copy_from_slice(weights);
                continue;
            }
            let level = self.level;
            let body = |start: usize, slice: &mut [f32]| lerp(level, factors, slice, &weights[start..]);
            match &self.workers {
                Some(workers) => workers.chunks(average, 1, PARALLEL_WEIGHTS, body),
                None => body(0, average),
            }
        }
        for (average, weights) in runs.iter_mut().zip(weights.runs()) {
            average.values = if first {
                weights.values.copied()?
            } else {
                lerp_on_device(factors, &average.values, &weights.values)?
            };
        }
        if !first {
            let buffers = self.parameters.iter().filter(|parameter| !parameter.trained);
            for buffer in buffers.map(|buffer| buffer.offset..buffer.offset + buffer.len()) {
                copy(&buffer, (&mut *host, &mut *runs), weights)?;
            }
        }
        self.updates += 1;
        Ok(())
    }

    /// The average, in the order of the network's weights.
    #[must_use]
    pub fn weights(&self) -> FlatRef<'_> {
        self.average.view()
    }

    /// Updates taken in so far.
    #[must_use]
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Everything that the next updates depend on (rule B10): tensors by the parameters' names.
    ///
    /// # Errors
    /// `JobFailed` where a device does that some of it is on.
    pub fn state(&self) -> Result<Saved, Failure> {
        let average = self.average.all()?;
        let tensors = self.parameters.iter().map(|parameter| SavedTensor {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            values: average
                .get(parameter.offset..parameter.offset + parameter.len())
                .unwrap_or_default()
                .to_vec(),
        });
        Ok(Saved {
            counters: vec![("n_averaged".to_owned(), self.updates)],
            tensors: tensors.collect(),
            ..Saved::default()
        })
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
        let mut average = vec![0.0; self.average.host().len()];
        for parameter in &self.parameters {
            let tensor = saved.tensor(what, &parameter.name)?;
            let range = parameter.offset..parameter.offset + parameter.len();
            if let Some(target) = average.get_mut(range) {
                target.copy_from_slice(&tensor.values);
            }
        }
        self.average.set(&average)?;
        self.updates = saved.counter(what, "n_averaged")?;
        Ok(())
    }
}

/// [`lerp`] on a device.
fn lerp_on_device(
    (take, keep): (f32, f32),
    average: &DeviceVec,
    weights: &DeviceVec,
) -> Result<DeviceVec, Failure> {
    let way = weights.sub(average)?;
    if take < 0.5 {
        average.add(&way.times(take)?)
    } else {
        weights.sub(&way.times(keep)?)
    }
}

/// Copies a buffer of the weights to the average, wherever it lies.
fn copy(
    buffer: &Range<usize>,
    (host, runs): (&mut [f32], &mut [Run]),
    weights: FlatRef<'_>,
) -> Result<(), Failure> {
    let mut both = runs.iter_mut().zip(weights.runs());
    match both.find(|(run, _)| run.place.contains(&buffer.start)) {
        Some((to, from)) => {
            let start = buffer.start - to.place.start;
            let own = from.values.part(&(start..start + buffer.len()))?;
            to.values.put(start, &own.copied()?)
        }
        None => {
            host[buffer.clone()].copy_from_slice(&weights.host()[buffer.clone()]);
            Ok(())
        }
    }
}
