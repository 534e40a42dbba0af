//! From the gradient of a step to the next weights.

use super::outer::Outer;
use super::{Accumulator, Clip, Ema, LrSetting, Optimizer, Saved, Schedule};
use crate::engine::{Engine, Gradient};
use crate::network::Network;
use crate::resident::{Flat, FlatMut, FlatRef};
use crate::weights::update_with_values;
use candlewick_protocol::Failure;
use candlewick_protocol::job::TrainSpec;
use candlewick_protocol::message::EpochRecord;
use serde_json::Value;
use xxhash_rust::xxh3::Xxh3;

/// Prefixes of names in a saved state.
const OPTIMIZER: &str = "optimizer.";
const SCHEDULE: &str = "scheduler.";
const ACCUMULATION: &str = "accumulation.";
const EMA: &str = "ema.";
const OUTER: &str = "outer.";

/// Everything of a training run that turns gradients into weights: accumulation, schedule, clipping, optimiser and the
/// moving average.
///
/// With `gradientAccumulationSteps = k` an update comes after every `k` steps of an epoch and after its last; the
/// schedule counts updates, so that `k` steps of `B` rows follow the same schedule as one step of `k B` rows.
///
/// ```
/// use candlewick_model::{engine::{Engine, Gradient}, network::Network, optim::Updates};
/// use candlewick_protocol::job::{LabelKind, TrainSpec};
/// use serde_json::json;
/// let train: TrainSpec = serde_json::from_value(json!({
///     "network": {"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 1}]},
///     "loss": {"type": "MSELoss"}, "optimizer": {"type": "SGD", "lr": 1.0},
///     "lrScheduler": {"type": "ExponentialLR", "gamma": 0.5}, "gradientAccumulationSteps": 2, "epochs": 2,
///     "batchSize": 4, "dropLast": false, "seed": 0, "logicalShards": 1, "clipNorm": null, "clipValue": null,
/// }))?;
/// let network = Network::from_document(&train.network, &[1])?;
/// let engine = Engine::new(&network, &train.loss, &LabelKind::Real { width: 1 }, train.seed, 1)?;
/// let mut weights = vec![0.0, 0.0];
/// let mut updates = Updates::new(&train, &network, &engine, &weights)?;
/// updates.begin(3)?;
/// let mut seen = Vec::new();
/// for step in 0..6 {
///     // Every step: a gradient of 4 over 4 rows.
///     let mut gradient = Gradient::new(&network);
///     gradient.as_mut_dense().copy_from_slice(&[4.0, 0.0]);
///     updates.step(&mut weights, &mut gradient, 4.0, step)?;
///     seen.push(weights[0]);
/// }
/// // Updates after steps 1 and 2 (the last of the epoch), then at half the learning rate after 4 and 5.
/// assert_eq!(seen, [0.0, -1.0, -2.0, -2.0, -2.5, -3.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Updates {
    optimizer: Optimizer,
    clip: Clip,
    accumulator: Accumulator,
    every: u64,
    /// Whether the loss is a sum over rows.
    sum: bool,
    epochs: u32,
    /// Document of the schedule, which is made once the length of an epoch is known.
    scheduler: Option<Value>,
    schedule: Option<Schedule>,
    steps_per_epoch: u64,
    ema: Option<Ema>,
    /// Of steps that shards make by themselves.
    outer: Option<Outer>,
}

impl Updates {
    /// The state before the first step of a training run that starts from `weights`.
    ///
    /// # Errors
    /// `InvalidParameter` where a document or the decay is not legal, which the driver should have found.
    pub fn new(
        train: &TrainSpec,
        network: &Network,
        engine: &Engine,
        weights: &[f32],
    ) -> Result<Self, Failure> {
        let mut optimizer = Optimizer::from_document(&train.optimizer, network)?;
        optimizer.use_threads_of(engine);
        let average = |decay| -> Result<Ema, Failure> {
            let mut ema = Ema::new(decay, network, weights)?;
            ema.use_threads_of(engine);
            Ok(ema)
        };
        let every = train.gradient_accumulation_steps.max(1);
        Ok(Updates {
            optimizer,
            clip: Clip {
                norm: train.clip_norm,
                value: train.clip_value,
            },
            accumulator: Accumulator::new(every),
            every: u64::from(every),
            sum: engine.is_sum(),
            epochs: train.epochs,
            scheduler: train.lr_scheduler.clone(),
            schedule: None,
            steps_per_epoch: 1,
            ema: train.ema_decay.map(average).transpose()?,
            outer: train.local_steps.map(|local| Outer::new(&local, network)),
        })
    }

    /// The weights that training starts from, of which those that can stay on the network's device do from now on; so does what
    /// belongs to them here. Without a device they stay on the host.
    ///
    /// # Errors
    /// `Internal` where they are not the network's; `JobFailed` where the device fails.
    pub fn move_to_device(&mut self, network: &Network, weights: Vec<f32>) -> Result<Flat, Failure> {
        let residence = network.residence();
        if weights.len() != network.num_parameters() {
            return Err(Failure::internal(format!(
                "{} weights of a network that has {}",
                weights.len(),
                network.num_parameters()
            )));
        }
        self.optimizer.move_to(residence)?;
        self.accumulator.move_to(residence);
        if let Some(ema) = &mut self.ema {
            ema.move_to(residence)?;
        }
        Flat::held(weights, residence, residence.places())
    }

    /// To be called before the first step, and again after a restart: an epoch has so many steps.
    ///
    /// # Errors
    /// `InvalidParameter` where the schedule does not fit the length of the training.
    pub fn begin(&mut self, steps_per_epoch: u64) -> Result<(), Failure> {
        self.steps_per_epoch = steps_per_epoch.max(1);
        if let (Some(document), None) = (&self.scheduler, &self.schedule) {
            let updates = self.steps_per_epoch.div_ceil(self.every);
            let epochs = u64::from(self.epochs);
            self.schedule = Some(Schedule::from_document(
                document,
                &self.optimizer,
                epochs,
                updates,
            )?);
        }
        Ok(())
    }

    /// Takes the gradient of the weighted sum of a step (counted from 0 over the training) and its denominator, 0
    /// where no row counts, and updates the weights where an update is due. What the gradient holds afterwards is not
    /// specified.
    ///
    /// # Errors
    /// `Internal` where the lengths do not agree.
    pub fn step(
        &mut self,
        weights: &mut [f32],
        gradient_sum: &mut Gradient,
        denominator: f64,
        step: u64,
    ) -> Result<(), Failure> {
        self.step_with(weights.into(), gradient_sum, denominator, step)
    }

    /// As [`Updates::step`], of weights that [`Updates::move_to_device`] gave. What is not on the device of the gradient of those that
    /// are there is brought up, once.
    ///
    /// # Errors
    /// As there, and `JobFailed` where the device fails.
    pub fn step_with(
        &mut self,
        mut weights: FlatMut<'_>,
        gradient_sum: &mut Gradient,
        denominator: f64,
        step: u64,
    ) -> Result<(), Failure> {
        if denominator != 0.0 {
            gradient_sum.go_up(weights.view())?;
        }
        let in_epoch = step % self.steps_per_epoch;
        let mut due = if self.every == 1 {
            // Not through the accumulator: it would forget which rows were touched.
            Some(denominator)
        } else {
            self.accumulator.add_from(gradient_sum, denominator)?
        };
        if due.is_none() && in_epoch + 1 == self.steps_per_epoch {
            due = self.accumulator.flush_into(gradient_sum)?;
        }
        let Some(mut denominator) = due else {
            return Ok(());
        };
        if self.sum && self.every > 1 && denominator != 0.0 {
            // Of a sum each step said 1: one step over all of their rows is a sum too.
            denominator = 1.0;
        }
        self.apply_schedule(step)?;
        let counted = self
            .optimizer
            .update_flat(weights.again(), gradient_sum, denominator, &self.clip)?;
        if counted {
            self.average(weights.view())
        } else {
            Ok(())
        }
    }

    /// What the schedule says at step `step` of the training.
    pub(super) fn schedule_at(&self, optimizer: &mut Optimizer, step: u64) -> Result<(), Failure> {
        let setting = self.setting(step);
        setting.map_or(Ok(()), |setting| optimizer.apply_schedule(&setting))
    }

    pub(super) fn apply_schedule(&mut self, step: u64) -> Result<(), Failure> {
        let setting = self.setting(step);
        setting.map_or(Ok(()), |setting| self.optimizer.apply_schedule(&setting))
    }

    fn setting(&self, step: u64) -> Option<LrSetting> {
        let (epoch, in_epoch) = (step / self.steps_per_epoch, step % self.steps_per_epoch);
        let update = epoch * self.steps_per_epoch.div_ceil(self.every) + in_epoch / self.every;
        self.schedule.as_ref().map(|schedule| schedule.setting(update))
    }

    /// The moving average takes in weights that were updated.
    pub(super) fn average(&mut self, weights: FlatRef<'_>) -> Result<(), Failure> {
        self.ema.as_mut().map_or(Ok(()), |ema| ema.update_with(weights))
    }

    pub(super) fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    pub(super) fn parts(&mut self) -> (&mut Optimizer, Option<&mut Outer>) {
        (&mut self.optimizer, self.outer.as_mut())
    }

    /// The end of an epoch, with its complete record: a schedule may look at a metric.
    pub fn epoch(&mut self, record: &EpochRecord) {
        let Some(schedule) = self.schedule.as_mut().filter(|schedule| schedule.observes()) else {
            return;
        };
        let named = self
            .scheduler
            .as_ref()
            .and_then(|document| document["metric"].as_str());
        schedule.observe(record.value(named.unwrap_or("loss")));
    }

    /// Learning rate of the last update.
    #[must_use]
    pub fn lr(&self) -> f64 {
        self.optimizer.lr()
    }

    /// The weights that are validated and become the model: their moving average where there is one.
    #[must_use]
    pub fn judged<'a>(&'a self, weights: FlatRef<'a>) -> FlatRef<'a> {
        self.ema.as_ref().map_or(weights, Ema::weights)
    }

    /// Everything that the next updates depend on, beside the weights (rule B10): the states of optimiser, schedule,
    /// accumulation and moving average, under the names of PyTorch.
    ///
    /// # Errors
    /// `JobFailed` where a device does that some of it is on.
    pub fn state(&self) -> Result<Saved, Failure> {
        let mut saved = Saved::default();
        saved.put(OPTIMIZER, self.optimizer.state()?);
        if let Some(schedule) = &self.schedule {
            saved.put(SCHEDULE, schedule.state());
        }
        saved.put(ACCUMULATION, self.accumulator.state()?);
        if let Some(ema) = &self.ema {
            saved.put(EMA, ema.state()?);
        }
        if let Some(outer) = &self.outer {
            saved.put(OUTER, outer.state());
        }
        Ok(saved)
    }

    /// Goes back to a state that [`Updates::state`] gave for the same job, after [`Updates::begin`]; takes it out of
    /// `saved`. Where it fails, part of it may be restored already.
    ///
    /// # Errors
    /// `InvalidParameter` where it is that of another network, optimiser, schedule or number of steps per update; the
    /// message names what differs.
    pub fn restore(&mut self, saved: &mut Saved) -> Result<(), Failure> {
        self.optimizer.restore(&saved.take(OPTIMIZER))?;
        if let Some(schedule) = &mut self.schedule {
            schedule.restore(&saved.take(SCHEDULE))?;
        }
        let accumulation = saved.take(ACCUMULATION);
        if let Some(sum) = accumulation.tensors.first()
            && !sum.values.is_empty()
            && sum.values.len() != self.optimizer.length()
        {
            return Err(Failure::parameter(format!(
                "the saved state of the gradient accumulation has {} values; expected {}, one for each parameter",
                sum.values.len(),
                self.optimizer.length()
            )));
        }
        self.accumulator.restore(&accumulation)?;
        if let Some(outer) = &mut self.outer {
            outer.restore(&saved.take(OUTER))?;
        }
        match &mut self.ema {
            Some(ema) => ema.restore(&saved.take(EMA)),
            None => Ok(()),
        }
    }

    /// Hash of everything that the next steps depend on: [`Optimizer::state_hash`], and where there are any also the
    /// states of schedule and accumulation and the moving average. Equal on all trainers at all times (rule B11).
    ///
    /// # Errors
    /// `JobFailed` where a device does that some of it is on.
    pub fn state_hash(&self, weights: &[f32]) -> Result<String, Failure> {
        let own = self.optimizer.state_hash(weights)?;
        let observed = self.schedule.as_ref().filter(|schedule| schedule.observes());
        if observed.is_none() && self.ema.is_none() && self.outer.is_none() && self.every == 1 {
            return Ok(own);
        }
        let mut hasher = Xxh3::new();
        hasher.update(own.as_bytes());
        let states = observed
            .map(Schedule::state)
            .into_iter()
            .chain([self.accumulator.state()?]);
        for state in states {
            for (_, counter) in &state.counters {
                hasher.update(&counter.to_le_bytes());
            }
            for tensor in &state.tensors {
                update_with_values(&mut hasher, &tensor.values);
            }
        }
        if let Some(ema) = &self.ema {
            hasher.update(&ema.updates().to_le_bytes());
            update_with_values(&mut hasher, &ema.weights().all()?);
        }
        if let Some(outer) = &self.outer {
            outer.hash_into(&mut hasher);
        }
        Ok(format!("{:032x}", hasher.digest128()))
    }
}
