//! The state of a training run (rule B10): everything that what comes next depends on, in one place.
//!
//! Every trainer of a gang holds the same state. It changes by completing a step, an evaluation or the close of an epoch,
//! each computed aside and committed once, or by taking in a saved one. So a run that is halted anywhere, here or in another
//! process, goes on with equal bits.

use super::compress::left_len;
use super::non_finite::NonFiniteGuard;
use super::stopping::Stopper;
use candlewick_membership::{Course, Noted, Schedule};
use candlewick_model::engine::Engine;
use candlewick_model::network::Network;
use candlewick_model::optim::{LossScale, Saved, SavedTensor, Updates};
use candlewick_model::resident::{Flat, FlatRef};
use candlewick_model::weights::update_with_values;
use candlewick_protocol::Failure;
use candlewick_protocol::compression::CompressionChoice;
use candlewick_protocol::counter::ProgramPhase;
use candlewick_protocol::job::{Precision, TrainSpec};
use candlewick_protocol::message::EpochRecord;
use candlewick_protocol::stopping::StoppingReport;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::borrow::Cow;
use xxhash_rust::xxh3::Xxh3;

/// Format of a saved state.
const FORMAT: &str = "candlewick.state/1";
/// Start of the message where one cannot be restored.
const WHAT: &str = "the saved state of the training run";
/// Prefixes of tensors and counters in it; those of [`Updates`] have their own.
const WEIGHTS: &str = "weights.";
const BEST: &str = "best.";
const GUARD: &str = "finite.";
const COMPRESSION: &str = "compression.";
const LOSS_SCALE: &str = "lossScale.";
/// The tensor in it.
const LEFT: &str = "left";
/// Notes in it.
const STOPPING: &str = "stopping";
const CHOICE: &str = "gradientCompression";

/// See the module.
#[derive(Debug)]
pub(super) struct TrainState {
    /// Where it stands, the sums of the epoch at hand, and the records that are not acknowledged.
    pub(super) course: Course,
    /// On the device of this process as far as they are computed there, but where trainers have weights of their own between points on which all agree.
    pub(super) weights: Flat,
    pub(super) updates: Updates,
    pub(super) guard: NonFiniteGuard,
    pub(super) stopper: Option<Stopper>,
    /// What the loss is multiplied with, where products are of fp16.
    pub(super) loss_scale: Option<LossScale>,
    /// What all shards together have not sent of their gradients; empty where nothing is remembered of that.
    pub(super) left: Vec<f32>,
    /// What the trainers have decided about their gradients, where the job leaves that to them. Not hashed: before the first step one
    /// may have decided and another not.
    pub(super) choice: Option<CompressionChoice>,
    /// Whether it does.
    chooses: bool,
    /// True where the driver has decided that training ends here. Nothing that comes next depends on it, so it is in no saved
    /// state: whoever takes one hears of the decision itself.
    pub(super) ended: bool,
}

impl TrainState {
    /// The state before the first step, with these weights.
    pub(super) fn new(
        train: &TrainSpec,
        network: &Network,
        engine: &Engine,
        weights: Vec<f32>,
    ) -> Result<Self, Failure> {
        let mut updates = Updates::new(train, network, engine, &weights)?;
        let weights = if train.has_own_weights() {
            weights.into()
        } else {
            updates.move_to_device(network, weights)?
        };
        Ok(TrainState {
            course: Course::default(),
            updates,
            weights,
            guard: NonFiniteGuard::new(train.on_non_finite),
            stopper: train.evaluation.early_stopping.clone().map(Stopper::new),
            loss_scale: (train.precision == Precision::Fp16).then(LossScale::default),
            left: vec![0.0; left_len(train.gradient_compression, network)],
            choice: None,
            chooses: train.gradient_compression.is_auto(),
            ended: false,
        })
    }

    /// The weights that are evaluated: their moving average where there is one.
    pub(super) fn judged(&self) -> FlatRef<'_> {
        self.updates.judged(self.weights.view())
    }

    /// The weights of the model, if training ended here: those of the best epoch where early stopping keeps them.
    pub(super) fn model(&self) -> Result<Cow<'_, [f32]>, Failure> {
        match self.stopper.as_ref().and_then(Stopper::best) {
            Some(best) => Ok(Cow::Borrowed(best)),
            None => self.judged().all(),
        }
    }

    /// How early stopping went, where it was asked for.
    pub(super) fn stopping(&self, epochs: u32) -> Option<StoppingReport> {
        self.stopper.as_ref().map(|stopper| stopper.report(epochs))
    }

    /// The next point of the program, where any comes.
    pub(super) fn next(&self, schedule: &Schedule) -> Option<ProgramPhase> {
        let stopped = self.ended || self.stopper.as_ref().is_some_and(Stopper::is_over);
        self.course.next(schedule, stopped)
    }

    /// Closes the epoch of `record`, where those before `acknowledged` are known to the coordinator. Nothing else changes the
    /// state at the end of an epoch, and nothing in it can be halted; what can fail is to bring the best weights from a device.
    pub(super) fn close(&mut self, record: &EpochRecord, acknowledged: u32) -> Result<(), Failure> {
        let judged = self.updates.judged(self.weights.view());
        if let Some(stopper) = &mut self.stopper {
            stopper.observe(record, judged)?;
        }
        self.updates.epoch(record);
        self.guard.close();
        self.course.close(record, acknowledged);
        Ok(())
    }

    /// Hash of all that what comes next depends on: equal on all trainers at all times (rule B11).
    pub(super) fn hash(&self) -> Result<String, Failure> {
        let mut hasher = Xxh3::new();
        let updates = self.updates.state_hash(&self.weights.all()?)?;
        hasher.update(updates.as_bytes());
        let small = self.small()?;
        for (name, value) in &small.counters {
            hasher.update(name.as_bytes());
            hasher.update(&value.to_le_bytes());
        }
        hasher.update(Value::Object(small.notes).to_string().as_bytes());
        if let Some(best) = self.stopper.as_ref().and_then(Stopper::best) {
            update_with_values(&mut hasher, best);
        }
        update_with_values(&mut hasher, &self.left);
        Ok(format!("{:032x}", hasher.digest128()))
    }

    /// Everything but what is as large as the weights, and but the records: when those are acknowledged differs between
    /// trainers.
    fn small(&self) -> Result<Saved, Failure> {
        let mut saved = Saved::default();
        saved.put(GUARD, self.guard.state());
        if let Some(scale) = &self.loss_scale {
            saved.put(LOSS_SCALE, scale.state());
        }
        let Noted { counters, notes } = self.course.noted();
        saved.counters.extend(counters);
        saved.notes.extend(notes);
        if let Some(stopper) = &self.stopper {
            saved.notes.insert(STOPPING.to_owned(), stopper.state()?);
        }
        Ok(saved)
    }

    /// The state as a safetensors file (format `candlewick.state/1`): tensors by the names of parameters and optimiser,
    /// with equal bits; the rest in its metadata.
    pub(super) fn save(&self, network: &Network) -> Result<Vec<u8>, Failure> {
        Ok(self.copy(network)?.into_file()?.into_bytes())
    }

    /// The same before it is a file: a copy, made at the speed of memory.
    pub(super) fn copy(&self, network: &Network) -> Result<Saved, Failure> {
        let mut saved = self.small()?;
        saved.notes.insert("format".to_owned(), FORMAT.into());
        saved.notes.extend([self.course.noted_records()]);
        saved.put(WEIGHTS, tensors(network, &self.weights.all()?));
        if let Some(best) = self.stopper.as_ref().and_then(Stopper::best) {
            saved.put(BEST, tensors(network, best));
        }
        if !self.left.is_empty() {
            saved.put(COMPRESSION, self.saved_left());
        }
        if let Some(choice) = &self.choice {
            let choice = serde_json::to_value(choice);
            let choice =
                choice.map_err(|error| Failure::internal(format!("{CHOICE} cannot be written: {error}")))?;
            saved.notes.insert(CHOICE.to_owned(), choice);
        }
        let updates = self.updates.state()?;
        saved.put("", updates);
        Ok(saved)
    }

    /// Goes to a state that [`TrainState::save`] wrote for the same job; an epoch has so many steps. Where it fails, this
    /// state is of no use any more.
    ///
    /// # Errors
    /// `InvalidParameter` with what is wrong with the file or does not fit the job.
    pub(super) fn restore(
        &mut self,
        network: &Network,
        steps_per_epoch: u64,
        file: &[u8],
    ) -> Result<(), Failure> {
        self.take_in(network, steps_per_epoch, Saved::from_bytes(file)?)
    }

    /// As [`TrainState::restore`], of what [`TrainState::copy`] gave.
    pub(super) fn take_in(
        &mut self,
        network: &Network,
        steps_per_epoch: u64,
        mut saved: Saved,
    ) -> Result<(), Failure> {
        let format: String = read(&mut saved, "format")?;
        if format != FORMAT {
            return Err(Failure::parameter(format!(
                "{WHAT} has the format {format:?}; this version reads {FORMAT:?}"
            )));
        }
        let mut noted = Noted {
            counters: std::mem::take(&mut saved.counters),
            notes: std::mem::take(&mut saved.notes),
        };
        self.course.restore(&mut noted, steps_per_epoch)?;
        (saved.counters, saved.notes) = (noted.counters, noted.notes);
        self.weights.set(&values(network, &saved.take(WEIGHTS))?)?;
        let best = saved.take(BEST);
        let best = (!best.tensors.is_empty())
            .then(|| values(network, &best))
            .transpose()?;
        if let Some(stopper) = &mut self.stopper {
            stopper.restore(read(&mut saved, STOPPING)?, best)?;
        }
        self.guard.restore(&saved.take(GUARD))?;
        if let Some(scale) = &mut self.loss_scale {
            scale.restore(&saved.take(LOSS_SCALE))?;
        }
        // None stands in a copy of the state that was made before anybody had decided.
        if self.chooses && saved.notes.contains_key(CHOICE) {
            self.choice = Some(read(&mut saved, CHOICE)?);
        }
        if !self.left.is_empty() {
            self.restore_left(&saved.take(COMPRESSION))?;
        }
        self.updates.begin(steps_per_epoch)?;
        self.updates.restore(&mut saved)?;
        let Saved {
            counters,
            tensors,
            notes,
        } = saved;
        let names = counters.into_iter().map(|(name, _)| name);
        let names = names.chain(tensors.into_iter().map(|tensor| tensor.name));
        match names.chain(notes.into_iter().map(|(name, _)| name)).next() {
            Some(name) => Err(Failure::parameter(format!(
                "{WHAT} holds {name:?}, which this job does not have: it was saved by a job with other parameters"
            ))),
            None => Ok(()),
        }
    }
}

impl TrainState {
    fn saved_left(&self) -> Saved {
        let tensor = SavedTensor {
            name: LEFT.to_owned(),
            shape: vec![self.left.len()],
            values: self.left.clone(),
        };
        Saved {
            tensors: vec![tensor],
            ..Saved::default()
        }
    }

    fn restore_left(&mut self, saved: &Saved) -> Result<(), Failure> {
        saved.expect_tensors(WHAT, &[(LEFT.to_owned(), vec![self.left.len()])])?;
        self.left.copy_from_slice(&saved.tensor(WHAT, LEFT)?.values);
        Ok(())
    }
}

/// Takes a note out.
fn read<T: DeserializeOwned>(saved: &mut Saved, name: &str) -> Result<T, Failure> {
    let found = saved.notes.remove(name);
    let found = found.ok_or_else(|| Failure::parameter(format!("{WHAT} lacks {name:?}")))?;
    serde_json::from_value(found)
        .map_err(|error| Failure::parameter(format!("{WHAT}: {name:?} cannot be read: {error}")))
}

/// Flat weights as a tensor for each parameter.
fn tensors(network: &Network, weights: &[f32]) -> Saved {
    let named = network.parameters().iter().map(|parameter| SavedTensor {
        name: parameter.name.clone(),
        shape: parameter.shape.clone(),
        values: weights
            .get(parameter.offset..parameter.offset + parameter.len())
            .unwrap_or_default()
            .to_vec(),
    });
    Saved {
        tensors: named.collect(),
        ..Saved::default()
    }
}

/// The other way round.
fn values(network: &Network, saved: &Saved) -> Result<Vec<f32>, Failure> {
    let parameters = network.parameters();
    let shapes: Vec<(String, Vec<usize>)> = parameters
        .iter()
        .map(|parameter| (parameter.name.clone(), parameter.shape.clone()))
        .collect();
    saved.expect_tensors(WHAT, &shapes)?;
    let mut weights = vec![0.0; network.num_parameters()];
    for parameter in parameters {
        let tensor = saved.tensor(WHAT, &parameter.name)?;
        if let Some(target) = weights.get_mut(parameter.offset..parameter.offset + parameter.len()) {
            target.copy_from_slice(&tensor.values);
        }
    }
    Ok(weights)
}
