//! Schedules of the learning rate: pure functions of the step and, for [`ReduceLROnPlateau`](Schedule::observe), of
//! the metrics so far.

mod curve;
mod plateau;
mod setting;

use super::document;
use super::optimizer::{Optimizer, StateSize, no_momentum, state_size};
use super::state::Saved;
use crate::arguments::Arguments;
use crate::catalogue::Kind;
use crate::network::Network;
use crate::numbers::real;
use candlewick_protocol::Failure;
use candlewick_protocol::job::TrainSpec;
use curve::Curve;
use serde_json::Value;
pub use setting::LrSetting;
use setting::{Length, count};

/// A schedule of the learning rate, of the classes of torch.optim.lr_scheduler.
///
/// It counts epochs or steps (`interval`), from 0. At every count the learning rate is what PyTorch's scheduler has
/// after as many calls of its `step()`. Its values are relative to the optimiser's learning rate; where a schedule has
/// a learning rate of its own (`eta_min`, `max_lr`, `min_lr`), that is the one of parameters in no group, and the
/// groups' move by the same factor.
///
/// A linear warm-up of `warmup_steps` steps may come before: from `warmup_start_factor` times the schedule's first
/// learning rate up to that, as SequentialLR of LinearLR and the schedule. The schedule starts to count after it; by
/// epochs with the first epoch that begins after it.
///
/// ```
/// use candlewick_model::{network::Network, optim::{Optimizer, Schedule}};
/// use serde_json::json;
/// let document = json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 1}]});
/// let network = Network::from_document(&document, &[1])?;
/// let optimizer = Optimizer::from_document(&json!({"type": "SGD", "lr": 0.1}), &network)?;
/// let document = json!({"type": "StepLR", "step_size": 2, "gamma": 0.5, "warmup_steps": 2, "warmup_start_factor": 0});
/// // 5 epochs of 2 steps: one of warm-up, two at 0.1, two at 0.05.
/// let schedule = Schedule::from_document(&document, &optimizer, 5, 2)?;
/// let factors: Vec<f64> = (0..10).map(|step| schedule.setting(step).factor).collect();
/// assert_eq!(factors, [0.0, 0.5, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5]);
/// # Ok::<(), candlewick_protocol::Failure>(())
/// ```
#[derive(Debug, Clone)]
pub struct Schedule {
    curve: Curve,
    base_lr: f64,
    by_epoch: bool,
    steps_per_epoch: u64,
    warmup_steps: u64,
    warmup_start: f64,
}

impl Schedule {
    /// The schedule of a document, for an optimiser and a training run of so many epochs and steps per epoch.
    ///
    /// # Errors
    /// `InvalidParameter` where the document is not legal or does not fit the optimiser or the training: a learning
    /// rate of 0, no momentum to cycle, a cycle shorter than the training, a warm-up longer than it.
    pub fn from_document(
        document: &Value,
        optimizer: &Optimizer,
        total_epochs: u64,
        steps_per_epoch: u64,
    ) -> Result<Self, Failure> {
        let arguments = read(document, &optimizer.arguments)?;
        let place = place(&arguments);
        let length = Length {
            epochs: total_epochs.max(1),
            steps_per_epoch: steps_per_epoch.max(1),
        };
        let warmup_steps = count(&arguments, "warmup_steps");
        let total = length.epochs.saturating_mul(length.steps_per_epoch);
        if warmup_steps > total {
            return Err(Failure::parameter(format!(
                "{place}: warmup_steps = {warmup_steps}, but the training has {total} steps ({} epochs of {}); make the \
                 warm-up shorter",
                length.epochs, length.steps_per_epoch
            )));
        }
        let by_epoch = arguments.text("interval") == "epoch";
        let left = if by_epoch {
            length.epochs - warmup_steps.div_ceil(length.steps_per_epoch)
        } else {
            total - warmup_steps
        };
        let base_lr = optimizer.base_lr();
        let curve = Curve::of(&arguments, base_lr, left, length)
            .map_err(|error| Failure::parameter(format!("{place}: {error}")))?;
        Ok(Schedule {
            curve,
            base_lr,
            by_epoch,
            steps_per_epoch: length.steps_per_epoch,
            warmup_steps,
            warmup_start: arguments.real("warmup_start_factor"),
        })
    }

    /// Checks a document against that of the optimiser and returns it complete: defaults filled in. What depends on the
    /// length of the training, [`Schedule::from_document`] checks.
    ///
    /// ```
    /// use candlewick_model::optim::Schedule;
    /// use serde_json::json;
    /// let complete = Schedule::resolve(&json!({"type": "ExponentialLR", "gamma": 0.9}), &json!({"type": "Adam"}))?;
    /// assert_eq!(complete["interval"], "epoch");
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidParameter` where it is not legal.
    pub fn resolve(document: &Value, optimizer: &Value) -> Result<Value, Failure> {
        let optimizer = document::read(optimizer)?;
        read(document, &optimizer).map(|arguments| arguments.to_document())
    }

    /// True where what the document says of a step depends on how many epochs there are: it cycles once over the training.
    ///
    /// ```
    /// use candlewick_model::optim::Schedule;
    /// use serde_json::json;
    /// let cycle = json!({"type": "OneCycleLR", "max_lr": 0.1});
    /// assert!(Schedule::spans_training(&cycle));
    /// let cycle = json!({"type": "OneCycleLR", "max_lr": 0.1, "total_steps": 100});
    /// assert!(!Schedule::spans_training(&cycle));
    /// assert!(!Schedule::spans_training(&json!({"type": "StepLR", "step_size": 3})));
    /// ```
    #[must_use]
    pub fn spans_training(document: &Value) -> bool {
        let given = |name: &str| !document[name].is_null();
        document["type"] == "OneCycleLR" && !given("total_steps") && !given("epochs")
    }

    /// Learning rate and momentum of a step, counted from 0 over the whole training.
    #[must_use]
    pub fn setting(&self, step: u64) -> LrSetting {
        let count = if self.by_epoch {
            let first = self.warmup_steps.div_ceil(self.steps_per_epoch);
            (step / self.steps_per_epoch).saturating_sub(first)
        } else {
            step.saturating_sub(self.warmup_steps)
        };
        let (factor, momentum) = self.curve.at(self.base_lr, count);
        let warm = if step < self.warmup_steps {
            let share = real(step) / real(self.warmup_steps);
            self.warmup_start + (1.0 - self.warmup_start) * share
        } else {
            1.0
        };
        LrSetting {
            factor: warm * factor,
            momentum,
        }
    }

    /// True where the schedule moves the optimiser's momentum.
    #[must_use]
    pub fn moves_momentum(&self) -> bool {
        self.curve.at(self.base_lr, 0).1.is_some()
    }

    /// True where a schedule of this complete document moves the optimiser's momentum.
    ///
    /// ```
    /// use candlewick_model::optim::Schedule;
    /// use serde_json::json;
    /// let sgd = json!({"type": "SGD"});
    /// let cycle = json!({"type": "OneCycleLR", "max_lr": 0.1});
    /// assert!(Schedule::cycles_momentum(&Schedule::resolve(&cycle, &sgd)?));
    /// let cycle = json!({"type": "OneCycleLR", "max_lr": 0.1, "cycle_momentum": false});
    /// assert!(!Schedule::cycles_momentum(&Schedule::resolve(&cycle, &sgd)?));
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    #[must_use]
    pub fn cycles_momentum(document: &Value) -> bool {
        document["cycle_momentum"] == true
    }

    /// True where the schedule expects to be given a metric after every epoch: ReduceLROnPlateau.
    #[must_use]
    pub fn observes(&self) -> bool {
        matches!(self.curve, Curve::Plateau(_))
    }

    /// Tells a ReduceLROnPlateau the metric of an epoch that has ended; true where it reduces the learning rate. All
    /// trainers must be given the same bits. Other schedules do not listen.
    ///
    /// ```
    /// use candlewick_model::{network::Network, optim::{Optimizer, Schedule}};
    /// use serde_json::json;
    /// let document = json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 1}]});
    /// let network = Network::from_document(&document, &[1])?;
    /// let optimizer = Optimizer::from_document(&json!({"type": "SGD", "lr": 0.1}), &network)?;
    /// let document = json!({"type": "ReduceLROnPlateau", "patience": 0, "factor": 0.5});
    /// let mut schedule = Schedule::from_document(&document, &optimizer, 3, 10)?;
    /// assert!(!schedule.observe(1.0));
    /// assert!(schedule.observe(1.0));
    /// assert_eq!(schedule.setting(20).factor, 0.5);
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    pub fn observe(&mut self, metric: f64) -> bool {
        match &mut self.curve {
            Curve::Plateau(plateau) => plateau.observe(metric),
            _ => false,
        }
    }

    /// Everything that the settings depend on beside the document and the step (rule B10): of ReduceLROnPlateau the
    /// bits of `lr` and `best`, `num_bad_epochs` and `cooldown_counter`; of other schedules nothing.
    #[must_use]
    pub fn state(&self) -> Saved {
        match &self.curve {
            Curve::Plateau(plateau) => plateau.state(),
            _ => Saved::default(),
        }
    }

    /// Goes back to a state that [`Schedule::state`] gave for the same document.
    ///
    /// # Errors
    /// `InvalidParameter` where a counter is missing or unknown, or there are tensors.
    pub fn restore(&mut self, saved: &Saved) -> Result<(), Failure> {
        let what = "the saved state of the schedule";
        saved.expect_tensors(what, &[])?;
        match &mut self.curve {
            Curve::Plateau(plateau) => plateau.restore(what, saved),
            _ => saved.expect_counters(what, &[]),
        }
    }
}

/// What the optimiser of a job will need for its network, with the momentum that the job's schedule may move.
///
/// # Errors
/// As [`state_size`].
pub fn state_size_of_job(train: &TrainSpec, network: &Network) -> Result<StateSize, Failure> {
    let cycled = train.lr_scheduler.as_ref().is_some_and(Schedule::cycles_momentum);
    state_size(&train.optimizer, network, cycled)
}

fn place(arguments: &Arguments) -> String {
    format!("scheduler ({})", arguments.name())
}

/// Reads and checks a document as far as it can be without a training run.
fn read(document: &Value, optimizer: &Arguments) -> Result<Arguments, Failure> {
    let arguments = Arguments::read(Kind::Scheduler, document, "scheduler")?;
    let place = place(&arguments);
    for name in ["start_factor", "max_lr", "div_factor", "final_div_factor"] {
        if arguments.has(name) && arguments.real(name) <= 0.0 {
            return Err(Failure::parameter(format!(
                "{place}: {name} = {} is not legal: expected a number above 0",
                arguments.value(name)
            )));
        }
    }
    if optimizer.real("lr") <= 0.0 {
        return Err(Failure::parameter(format!(
            "{place}: it moves the learning rate of the optimiser, but {} has lr = 0; set an lr above 0",
            optimizer.name()
        )));
    }
    if arguments.flag("cycle_momentum") && !optimizer.has("momentum") && !optimizer.has("betas") {
        return Err(no_momentum(optimizer.name()));
    }
    Ok(arguments)
}
