//! A training run from point to point of its program: steps, evaluations, closes of epochs (rules B1 to B6).
//!
//! Each point computes aside and commits once. Peers are waited for before that, so that a halt finds the state of the last
//! completed point (invariant I4); that an epoch is over is told after it.

use super::batch::{HostBatch, Rows, prepare};
use super::class_weights::ClassWeights;
use super::compress::{Compressor, leaves};
use super::evaluator::Evaluator;
use super::needs::BATCHES;
use super::reduce::StepExchange;
use super::settled::SettledPoints;
use super::state::TrainState;
use super::validation::EvalContext;
use super::{Interrupt, Observer, Onward, Reduce, TrainPlan, placing};
use crate::rows::Takes;
use candlewick_membership::Schedule;
use candlewick_model::engine::{Batch, Engine, Gradient, NodeGradient};
use candlewick_model::meeting::SCALARS;
use candlewick_model::network::Network;
use candlewick_model::optim::Replicas;
use candlewick_protocol::compression::CompressionUse;
use candlewick_protocol::counter::{ProgramCounter, ProgramPhase};
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::stopping::StoppingReport;
use candlewick_protocol::{Failure, tree};
use std::borrow::Cow;
use std::time::Instant;

mod auto;
mod commit;
mod delayed;
mod line;
mod local;
mod stale;

use commit::{add_up, scalars_of};
use line::Line;
use local::Local;
use stale::Stale;

/// What a slice sends along with its gradient.
type Scalars = (u32, Option<Vec<f64>>);

/// Name in the history: by the clock of the trainer that tells of it, as `seconds` is.
const HIDDEN: &str = "exchangeHidden";

/// A training run on this trainer: its state, and what computes the next one.
#[derive(Debug)]
pub struct Session {
    network: Network,
    engine: Engine,
    evaluator: Evaluator,
    gradient: Gradient,
    /// What makes gradients smaller before they are exchanged.
    compressor: Option<Compressor>,
    state: TrainState,
    /// Where it can be saved and gone back to.
    settled: SettledPoints,
    /// A step is computed that is not complete, where gradients are applied late.
    under_way: bool,
    /// What shards need that make several steps by themselves.
    local: Option<Local>,
    /// What a trainer needs that does not wait for the others at every step.
    stale: Option<Stale>,
    /// Steps made in this run, those too that a halt takes back.
    made: u64,
    /// What rows of each class weigh, once it is known (rule B10 has no need of it: it follows from job and rows).
    classes: Option<ClassWeights>,
    /// For `seconds` of the history, which is no part of the state.
    epoch_began: Option<Instant>,
}

/// What a training run ends with.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// Steps made since the start.
    pub steps: u64,
    /// Hash of the state.
    pub state_hash: String,
    /// weightsHash of the model, rule B12.
    pub weights_hash: String,
    /// How early stopping went, where it was asked for.
    pub stopping: Option<StoppingReport>,
    /// What rows of each class weighed, where `classWeight` said so.
    pub class_weights: Option<Vec<f64>>,
    /// What this trainer sent of its gradients, where they are compressed.
    pub compression: Option<CompressionUse>,
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
        let network = placing::network_of(job)?;
        let engine = Engine::new(&network, &train.loss, &job.data.label, train.seed, threads.max(1))?;
        let weights = match file {
            Some(file) => network.load_initial(file, false, train.seed)?.0,
            None => network.initial_weights(train.seed),
        };
        let replicas = |_| Replicas::new(train, &network, &engine).map(Local::new);
        Ok(Session {
            local: train.local_steps.map(replicas).transpose()?,
            stale: Stale::of(train, &network, &engine)?,
            evaluator: Evaluator::new(job, &network, threads.max(1))?,
            gradient: Gradient::new(&network),
            state: TrainState::new(train, &network, &engine, weights)?,
            compressor: Compressor::new(
                train.gradient_compression,
                train.logical_shards,
                &network,
                &engine.workers(),
            )?,
            settled: SettledPoints::of(train),
            under_way: false,
            network,
            engine,
            classes: None,
            epoch_began: None,
            made: 0,
        })
    }

    /// Where it stands.
    #[must_use]
    pub fn counter(&self) -> ProgramCounter {
        self.state.course.counter()
    }

    /// Steps that it has made: more than the counter says where it went back to a point from which others can go on too.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made.max(self.counter().step)
    }

    /// Hash of the state.
    ///
    /// # Errors
    /// `Internal` where a part of it cannot be written as JSON.
    pub fn state_hash(&self) -> Result<String, Failure> {
        self.state.hash()
    }

    /// An epoch has so many steps. Before the first of them the state is that of any other trainer that has heard so; it is
    /// said again by [`Session::run`].
    ///
    /// # Errors
    /// `InvalidParameter` where the schedule does not fit the length of the training.
    pub fn of_epochs(&mut self, steps_per_epoch: u64) -> Result<(), Failure> {
        self.state.updates.begin(steps_per_epoch)
    }

    /// The state as a file, for another trainer or a later time.
    ///
    /// # Errors
    /// `Internal` where it cannot be written.
    pub fn save(&self) -> Result<Vec<u8>, Failure> {
        self.state.save(&self.network)
    }

    /// Goes to a state that [`Session::save`] wrote for the same job and rows, whose epochs have so many steps. Where it
    /// fails, this session is of no use any more.
    ///
    /// # Errors
    /// `InvalidParameter` with what does not fit.
    pub fn restore(&mut self, steps_per_epoch: u64, file: &[u8]) -> Result<(), Failure> {
        self.state.restore(&self.network, steps_per_epoch, file)
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The weights of the model, if training ended where it stands.
    ///
    /// # Errors
    /// `JobFailed` where they are on a device that fails.
    pub fn model(&self) -> Result<Cow<'_, [f32]>, Failure> {
        self.state.model()
    }

    /// Makes the steps that are left. A run that was halted may be called again, with another plan of the same rows: it
    /// goes on where it stood.
    ///
    /// # Errors
    /// Why it stopped; the state is that of the last completed point (invariant I4).
    pub fn run(
        &mut self,
        plan: &TrainPlan,
        reduce: &mut dyn Reduce,
        observer: &dyn Observer,
    ) -> Result<Trained, Interrupt> {
        self.state.updates.begin(plan.step_plan.steps_per_epoch())?;
        self.classes = ClassWeights::of(plan, reduce)?;
        // A run that was halted counts what its epoch took before.
        self.epoch_began.get_or_insert_with(Instant::now);
        // Who told them before may not have been heard.
        self.state.course.acknowledged(observer.epochs_acknowledged());
        let mut untold = self.state.course.untold().iter();
        untold.try_for_each(|record| observer.epoch(record))?;
        self.begin(plan)?;
        let outcome = self.run_to_the_end(plan, reduce, observer);
        if let Err(why) = outcome {
            if self.go_back(plan)? {
                observer.progress(self.counter());
            }
            return Err(why);
        }
        Ok(Trained {
            steps: self.counter().step,
            state_hash: self.state.hash()?,
            weights_hash: self.network.weights_hash(&self.state.model()?),
            stopping: self.state.stopping(plan.job.train.epochs),
            class_weights: self.classes.as_ref().map(|classes| classes.0.clone()),
            compression: self.compression(),
        })
    }

    /// Gives every shard of this trainer its part of what is left.
    fn begin(&mut self, plan: &TrainPlan) -> Result<(), Failure> {
        self.follow_choice(plan)?;
        // The driver's word is heard again, where all hear it: who comes to this generation takes part in what comes before that.
        self.state.ended = false;
        self.settled.begin();
        self.under_way = false;
        self.made = self.counter().step;
        if let Some(compressor) = &mut self.compressor {
            compressor.deal(&plan.owned(), &self.state.left);
        }
        self.mark()
    }

    /// Whether all that comes next depends on is in the state, here and on all trainers.
    fn is_settled(&self) -> bool {
        !self.under_way && self.compressor.as_ref().is_none_or(Compressor::is_even)
    }

    /// Where the run stands is a point that it can go back to, if it is settled.
    fn mark(&mut self) -> Result<(), Failure> {
        if self.is_settled() {
            self.settled.mark(|| self.state.copy(&self.network))?;
        }
        Ok(())
    }

    /// Goes back to the last such point; true where there is one.
    fn go_back(&mut self, plan: &TrainPlan) -> Result<bool, Failure> {
        let Some(anchor) = self.settled.take_anchor() else {
            return Ok(false);
        };
        let steps = plan.step_plan.steps_per_epoch();
        self.state.take_in(&self.network, steps, anchor)?;
        Ok(true)
    }

    fn run_to_the_end(
        &mut self,
        plan: &TrainPlan,
        reduce: &mut dyn Reduce,
        observer: &dyn Observer,
    ) -> Result<(), Interrupt> {
        if self.state.next(&self.schedule(plan)).is_some() {
            let first = self.counter().step;
            let (network, classes) = (self.network.clone(), self.classes.clone());
            let reads = (&network, classes.as_ref());
            std::thread::scope(|scope| {
                // One more waits for its gradient.
                let count = BATCHES + usize::from(plan.job.train.asynchrony.is_delayed());
                let (rows, ends) = Rows::of(count, Takes::of(&self.network));
                let gather = std::thread::Builder::new().name("candlewick-rows".to_owned());
                gather
                    .spawn_scoped(scope, move || prepare(plan, reads, first, ends))
                    .map_err(|error| Failure::internal(format!("a thread cannot be started: {error}")))?;
                self.choose_compression(plan, reduce, &rows)?;
                self.advance_on_a_line(plan, reduce, observer, &rows)
            })?;
        }
        self.keep(plan, reduce, observer)?;
        self.tell_sent();
        Ok(())
    }

    fn schedule(&self, plan: &TrainPlan) -> Schedule {
        self.evaluator
            .schedule(plan.step_plan.steps_per_epoch(), plan.steps())
    }

    /// From point to point of the program, to its end.
    fn advance(
        &mut self,
        plan: &TrainPlan,
        line: &mut Line<'_, '_, '_>,
        observer: &dyn Observer,
        rows: &Rows,
    ) -> Result<(), Interrupt> {
        let schedule = self.schedule(plan);
        while let Some(phase) = self.state.next(&schedule) {
            if observer.boundary(self.counter())? == Onward::End {
                self.state.ended = true;
                break;
            }
            match phase {
                ProgramPhase::Step => {
                    if self.counter().step == u64::from(self.counter().epoch) * schedule.steps_per_epoch {
                        // What the driver took to decide is no part of the epoch.
                        self.epoch_began = Some(Instant::now());
                    }
                    self.keep(plan, line.reduce(), observer)?;
                    candlewick_failpoint::reach("train.step", self.counter().step)?;
                    match line {
                        Line::Direct(reduce, _) if self.local.is_some() => {
                            self.round(plan, &mut **reduce, observer, rows)?;
                        }
                        Line::Direct(reduce, _) if self.has_rounds(&**reduce) => {
                            self.stale_round(plan, &mut **reduce, observer, rows)?;
                        }
                        Line::Direct(reduce, nodes) => self.step(plan, rows, nodes, &mut **reduce)?,
                        Line::Parts(courier, nodes) => self.step_in_parts(plan, rows, nodes, courier)?,
                        Line::Late(late) => self.step_late(plan, late, rows)?,
                    }
                    observer.trained(self.state.course.mean_loss(), schedule.steps_per_epoch);
                }
                ProgramPhase::Evaluate => self.evaluate(plan, observer, line.reduce())?,
                ProgramPhase::Close => self.close(plan, observer, line.reduce())?,
            }
            observer.progress(self.counter());
        }
        Ok(())
    }

    /// Lets the observer have the state where it is due to be kept.
    fn keep(
        &mut self,
        plan: &TrainPlan,
        reduce: &mut dyn Reduce,
        observer: &dyn Observer,
    ) -> Result<(), Interrupt> {
        let (counter, steps_per_epoch) = (self.counter(), plan.step_plan.steps_per_epoch());
        let over = self.state.next(&self.schedule(plan)).is_none();
        let due = plan.job.snapshots.is_due(counter, steps_per_epoch, over)
            || self.was_due(plan, counter, &*reduce);
        let settled = self.is_settled();
        if !self.settled.keeps(due, settled) {
            return Ok(());
        }
        candlewick_failpoint::reach("train.snapshot", counter.step)?;
        if counter.step != u64::from(counter.epoch) * steps_per_epoch {
            // At the end of an epoch they have just found so. What is kept must be everybody's (rule B11).
            reduce.all_equal(&format!("state after step {}", counter.step), &self.state.hash()?)?;
        }
        observer.snapshot(counter, over, &|| self.state.copy(&self.network))
    }

    /// Evaluates the weights as they are, and keeps what it found.
    fn evaluate(
        &mut self,
        plan: &TrainPlan,
        observer: &dyn Observer,
        reduce: &mut dyn Reduce,
    ) -> Result<(), Interrupt> {
        let counter = self.counter();
        candlewick_failpoint::reach("train.evaluate", counter.step)?;
        let context = EvalContext {
            plan,
            observer,
            weights: self.state.judged(),
            classes: self.classes.as_ref(),
            counter,
        };
        let found = self.evaluator.evaluate(&context, &mut self.engine, reduce)?;
        let schedule = self.schedule(plan);
        self.state.course.evaluate(&schedule, found);
        self.mark()?;
        Ok(())
    }

    /// Closes an epoch: after the trainers have found that they agree, each by itself.
    fn close(
        &mut self,
        plan: &TrainPlan,
        observer: &dyn Observer,
        reduce: &mut dyn Reduce,
    ) -> Result<(), Interrupt> {
        let epoch = self.counter().epoch;
        candlewick_failpoint::reach("train.close", u64::from(epoch))?;
        reduce.all_equal(&format!("state after epoch {epoch}"), &self.state.hash()?)?;
        let mut record = self.record(plan)?;
        let now = Instant::now();
        let began = self.epoch_began.replace(now).unwrap_or(now);
        record.seconds = now.duration_since(began).as_secs_f64();
        let stale = self.stale.as_mut();
        let stale = stale.and_then(|stale| stale.tell(&mut record.metrics));
        if let Some(share) = reduce.hidden().or(stale) {
            tracing::info!(
                "epoch {epoch}: computed in {:.0} % of the time in exchanges",
                share * 100.0
            );
            record.metrics.insert(HIDDEN.to_owned(), share.into());
        }
        self.state.close(&record, observer.epochs_acknowledged())?;
        self.mark()?;
        observer.epoch(&record)
    }

    /// The nodes that this trainer computes: the maximal ones of its shards, or their leaves where they are compressed.
    fn nodes(&self, plan: &TrainPlan) -> Vec<NodeGradient> {
        let owned = plan.owned();
        if self.compressor.is_some() {
            return leaves(owned);
        }
        tree::cover(owned.start, owned.end, plan.job.train.logical_shards)
            .into_iter()
            .map(|(lo, hi)| NodeGradient::new(lo, hi))
            .collect()
    }

    /// The same for a line that is direct: of a trainer alone what is on a device stays there.
    fn direct_nodes(&self, plan: &TrainPlan, reduce: &mut dyn Reduce) -> Vec<NodeGradient> {
        let nodes = self.nodes(plan);
        if reduce.rank().1 > 1 || self.compressor.is_some() || plan.job.train.has_own_weights() {
            return nodes;
        }
        nodes.into_iter().map(NodeGradient::staying).collect()
    }

    fn step(
        &mut self,
        plan: &TrainPlan,
        rows: &Rows,
        nodes: &mut [NodeGradient],
        reduce: &mut dyn Reduce,
    ) -> Result<(), Interrupt> {
        let (step, batch) = (self.counter().step, rows.next()?);
        let scalars = self.compute(step, &batch, nodes, reduce)?;
        let reduced = match &mut self.compressor {
            Some(compressor) => compressor.reduce(reduce, (step, &scalars), nodes, &mut self.gradient)?,
            None => reduce.reduce(step, &scalars, nodes, &mut self.gradient)?,
        };
        self.finish(plan, (&batch, None), (nodes, &reduced), reduce)?;
        rows.give_back(batch);
        Ok(())
    }

    /// This trainer's part of a step, with the weights as they are: its nodes, and what its slices say beside them.
    fn compute(
        &mut self,
        step: u64,
        prepared: &HostBatch,
        nodes: &mut [NodeGradient],
        reduce: &mut dyn Reduce,
    ) -> Result<Vec<Scalars>, Interrupt> {
        let batch = Batch {
            step,
            slices: &prepared.slices,
            features: prepared.features(),
            labels: &prepared.rows.labels,
            weights: prepared.weights(self.classes.is_some()),
        };
        if let Some(scale) = &self.state.loss_scale {
            self.engine.scale_loss(scale.factor());
        }
        let mut exchange = StepExchange::new(&mut *reduce, step);
        let sums = match self
            .engine
            .step_with(self.state.weights.view(), &batch, nodes, &mut exchange)
        {
            Ok(sums) => sums,
            Err(failure) => return Err(exchange.why(failure)),
        };
        let mut scalars: Vec<Scalars> = sums.iter().map(scalars_of).collect();
        let own = Batch {
            weights: &prepared.rows.weights,
            ..batch
        };
        self.evaluator.append(&self.engine, &own, &mut scalars);
        Ok(scalars)
    }
}

#[cfg(test)]
mod tests;
