//! The state of a training run and its steps, rules B1 to B6 and B10.

use super::batch::{HostBatch, prepare};
use super::evaluator::Evaluator;
use super::non_finite::{NonFiniteContext, NonFiniteGuard};
use super::reduce::StepExchange;
use super::validation::EvalContext;
use super::{Interrupt, Observer, Reduce, TrainPlan};
use candlewick_model::device;
use candlewick_model::engine::{Batch, Engine, Gradient, NodeGradient, SliceSums};
use candlewick_model::network::Network;
use candlewick_model::optim::Updates;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::message::EpochRecord;
use candlewick_protocol::stopping::StoppingReport;
use candlewick_protocol::{Failure, tree};
use serde_json::{Map, Value};
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

/// Scalars a slice sends along with its gradient: loss numerator, denominator, rows.
const SCALARS: usize = 3;
/// Batches in flight: one being computed, one being gathered.
const BATCHES: usize = 2;
/// Names in the history.
const WEIGHTLESS: &str = "stepsWithoutWeight";
const BY_RUNNING: &str = "batchNormByRunningStatistics";

/// Sums over an epoch, in the order of its steps.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    loss: f64,
    denominator: f64,
    rows: f64,
    /// Steps in which a BatchNorm had one value a channel and normalised by its running statistics.
    by_running: u64,
    /// Steps in which no row counted, so that nothing was updated (rule B6).
    weightless: u64,
}

/// The replicated state: everything a survivor would need to go on (rule B10).
#[derive(Debug)]
pub struct Session {
    network: Network,
    engine: Engine,
    updates: Updates,
    guard: NonFiniteGuard,
    weights: Vec<f32>,
    gradient: Gradient,
    steps: u64,
    epoch: Sums,
    evaluator: Evaluator,
}

/// What a training run ends with.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// Steps made since the start.
    pub steps: u64,
    /// Hash of weights and optimiser state.
    pub state_hash: String,
    /// weightsHash of the model, rule B12.
    pub weights_hash: String,
    /// How early stopping went, where it was asked for.
    pub stopping: Option<StoppingReport>,
}

impl Session {
    /// The state before the first step: initial weights by the job's seed.
    ///
    /// # Errors
    /// `InvalidParameter` where a document is wrong, which the driver should have found.
    pub fn new(job: &JobSpec, threads: usize) -> Result<Self, Failure> {
        Self::starting_from(job, threads, None)
    }

    /// The state before the first step: weights of a safetensors file, and by the job's seed what it does not hold. The
    /// driver has checked the file, and whether it may lack something.
    ///
    /// # Errors
    /// `InvalidParameter` where a document or the file is wrong, which the driver should have found.
    pub fn starting_from(job: &JobSpec, threads: usize, file: Option<&[u8]>) -> Result<Self, Failure> {
        let train = &job.train;
        let network = device::placed(&Network::from_document(&train.network, &job.data.input_shape)?)?;
        let engine = Engine::new(&network, &train.loss, &job.data.label, train.seed, threads.max(1))?;
        let weights = match file {
            Some(file) => network.load_initial(file, false, train.seed)?.0,
            None => network.initial_weights(train.seed),
        };
        let gradient = Gradient::new(&network);
        let updates = Updates::new(train, &network, &engine, &weights)?;
        let evaluator = Evaluator::new(job, &network, threads.max(1))?;
        Ok(Session {
            network,
            engine,
            updates,
            guard: NonFiniteGuard::new(train.on_non_finite),
            weights,
            gradient,
            steps: 0,
            epoch: Sums::default(),
            evaluator,
        })
    }

    /// Steps made since the start.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Hash of the weights and of everything that updates them.
    #[must_use]
    pub fn state_hash(&self) -> String {
        self.updates.state_hash(&self.weights)
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The weights as they are.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Makes the steps that are left.
    ///
    /// # Errors
    /// Why it stopped; the state is that of the last completed step (invariant I4).
    pub fn run(
        &mut self,
        plan: &TrainPlan,
        reduce: &mut dyn Reduce,
        observer: &dyn Observer,
    ) -> Result<Trained, Interrupt> {
        self.updates.begin(plan.step_plan.steps_per_epoch())?;
        if self.steps < plan.steps() {
            let first = self.steps;
            std::thread::scope(|scope| {
                let (give_back, free) = channel::<HostBatch>();
                let (ready, batches) = sync_channel::<HostBatch>(BATCHES);
                for _ in 0..BATCHES {
                    // The receiver lives in the thread below.
                    let _ = give_back.send(HostBatch::default());
                }
                let gather = std::thread::Builder::new().name("candlewick-rows".to_owned());
                gather
                    .spawn_scoped(scope, move || prepare_steps(plan, first, free, ready))
                    .map_err(|error| Failure::internal(format!("a thread cannot be started: {error}")))?;
                self.steps_left(plan, reduce, observer, &|| batches.recv().ok(), &|batch| {
                    // At the last steps nobody takes it back.
                    let _ = give_back.send(batch);
                })
            })?;
        }
        self.updates.finish(&mut self.weights);
        let stopping = self.evaluator.finish(&mut self.weights);
        Ok(Trained {
            steps: self.steps,
            state_hash: self.state_hash(),
            weights_hash: self.network.weights_hash(&self.weights),
            stopping,
        })
    }

    fn steps_left(
        &mut self,
        plan: &TrainPlan,
        reduce: &mut dyn Reduce,
        observer: &dyn Observer,
        next: &dyn Fn() -> Option<HostBatch>,
        give_back: &dyn Fn(HostBatch),
    ) -> Result<(), Interrupt> {
        let per_epoch = plan.step_plan.steps_per_epoch();
        let mut nodes = Self::nodes(plan.data.owned(), plan.job.train.logical_shards);
        while self.steps < plan.steps() && !self.evaluator.is_over() {
            observer.boundary()?;
            candlewick_failpoint::reach("train.step", self.steps)?;
            let Some(batch) = next() else {
                return Err(Failure::internal("the rows of a step did not come").into());
            };
            let epoch = u32::try_from(self.steps / per_epoch).unwrap_or(u32::MAX);
            self.step(plan, &batch, &mut nodes, reduce)?;
            observer.progress(epoch, self.steps);
            if self.steps.is_multiple_of(per_epoch) {
                let counted = self.epoch.denominator > 0.0;
                let mut record = self.close_epoch(epoch, plan.step_plan.rows_per_epoch())?;
                let context = NonFiniteContext {
                    plan,
                    network: &self.network,
                    weights: &self.weights,
                    rows: &batch,
                    step: self.steps - 1,
                    lr: self.updates.lr(),
                };
                self.guard.close(&mut record, &context)?;
                if !counted {
                    return Err(Failure::data(format!(
                        "no row of epoch {epoch} counts in the loss: all weights (weightCol) are 0, or all labels are the \
                         loss's ignore_index"
                    ))
                    .into());
                }
                self.judged(plan, observer, epoch, |evaluator, context, engine| {
                    evaluator.close(context, engine, reduce, &mut record)
                })?;
                self.updates.epoch(&record);
                reduce.all_equal(&format!("state after epoch {epoch}"), &self.state_hash())?;
                observer.epoch(&record)?;
            } else {
                self.judged(plan, observer, epoch, |evaluator, context, engine| {
                    evaluator.after_step(context, engine, reduce)
                })?;
            }
            give_back(batch);
        }
        Ok(())
    }

    /// Lets the evaluator look at the weights as they are.
    fn judged(
        &mut self,
        plan: &TrainPlan,
        observer: &dyn Observer,
        epoch: u32,
        look: impl FnOnce(&mut Evaluator, &EvalContext<'_>, &mut Engine) -> Result<(), Interrupt>,
    ) -> Result<(), Interrupt> {
        let context = EvalContext {
            plan,
            observer,
            weights: self.updates.judged(&self.weights),
            epoch,
            steps: self.steps,
        };
        look(&mut self.evaluator, &context, &mut self.engine)
    }

    /// The maximal nodes of this trainer's shards.
    fn nodes(owned: Range<u32>, logical_shards: u32) -> Vec<NodeGradient> {
        let cover = tree::cover(owned.start, owned.end, logical_shards);
        cover
            .into_iter()
            .map(|(lo, hi)| NodeGradient::new(lo, hi))
            .collect()
    }

    fn step(
        &mut self,
        plan: &TrainPlan,
        prepared: &HostBatch,
        nodes: &mut [NodeGradient],
        reduce: &mut dyn Reduce,
    ) -> Result<(), Interrupt> {
        let batch = Batch {
            step: self.steps,
            slices: &prepared.slices,
            features: &prepared.rows.features,
            labels: &prepared.rows.labels,
            weights: &prepared.rows.weights,
        };
        let mut exchange = StepExchange::new(&mut *reduce, self.steps);
        let sums = match self
            .engine
            .step_among(&self.weights, &batch, nodes, &mut exchange)
        {
            Ok(sums) => sums,
            Err(failure) => return Err(exchange.why(failure)),
        };
        let mut scalars: Vec<(u32, Option<Vec<f64>>)> = sums.iter().map(scalars_of).collect();
        self.evaluator.append(&self.engine, &batch, &mut scalars);
        let reduced = reduce.reduce(self.steps, &scalars, nodes, &mut self.gradient)?;
        let mut total = add_up(&reduced.scalars);
        total.denominator = self.engine.denominator(total.denominator);
        let context = NonFiniteContext {
            plan,
            network: &self.network,
            weights: &self.weights,
            rows: prepared,
            step: self.steps,
            lr: self.updates.lr(),
        };
        let gradient: &[f32] = if reduced.present { &self.gradient } else { &[] };
        let counts = self
            .guard
            .counts(total.loss, total.denominator, gradient, &context)?;
        // Where no row counts (denominator 0) nothing is updated, rule B6.
        let denominator = if reduced.present && counts {
            total.denominator
        } else {
            0.0
        };
        if denominator != 0.0 && !self.engine.update_buffers(&mut self.weights) {
            self.epoch.by_running += 1;
        }
        self.updates
            .step(&mut self.weights, &mut self.gradient, denominator, self.steps)?;
        if counts {
            self.evaluator.add(&reduced.scalars, SCALARS);
            self.epoch.loss += total.loss;
            self.epoch.denominator += total.denominator;
            self.epoch.weightless += u64::from(total.denominator == 0.0);
        }
        self.epoch.rows += total.rows;
        self.steps += 1;
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "an epoch has far fewer than 2^53 rows")]
    fn close_epoch(&mut self, epoch: u32, rows: u64) -> Result<EpochRecord, Failure> {
        let sums = std::mem::take(&mut self.epoch);
        if sums.rows != rows as f64 {
            let message = format!("epoch {epoch} trained on {} rows, its plan has {rows}", sums.rows);
            return Err(Failure::internal(message));
        }
        let loss = if sums.denominator > 0.0 {
            sums.loss / sums.denominator
        } else {
            0.0
        };
        let mut metrics = Map::new();
        for (name, steps) in [(BY_RUNNING, sums.by_running), (WEIGHTLESS, sums.weightless)] {
            if steps > 0 {
                metrics.insert(name.to_owned(), Value::from(steps));
            }
        }
        Ok(EpochRecord {
            epoch,
            step: self.steps,
            loss,
            lr: self.updates.lr(),
            rows,
            seconds: 0.0,
            metrics,
        })
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the thread owns its ends of the channels"
)]
fn prepare_steps(plan: &TrainPlan, first: u64, free: Receiver<HostBatch>, ready: SyncSender<HostBatch>) {
    prepare(plan, first, &free, &ready);
}

/// A slice without rows is absent, not zero (rule B5).
#[expect(clippy::cast_precision_loss, reason = "a slice has far fewer than 2^53 rows")]
fn scalars_of(sums: &SliceSums) -> (u32, Option<Vec<f64>>) {
    let present = sums.rows > 0;
    (
        sums.shard,
        present.then(|| vec![sums.loss, sums.denominator, sums.rows as f64]),
    )
}

/// Sums over the shards along the tree, each scalar by itself.
fn add_up(by_shard: &[Option<Vec<f64>>]) -> Sums {
    let sum = |index: usize| {
        let leaves: Vec<Option<f64>> = by_shard
            .iter()
            .map(|leaf| leaf.as_ref().and_then(|values| values.get(index).copied()))
            .collect();
        tree::reduce_f64(&leaves).unwrap_or(0.0)
    };
    let [loss, denominator, rows]: [f64; SCALARS] = std::array::from_fn(sum);
    Sums {
        loss,
        denominator,
        rows,
        ..Sums::default()
    }
}
