//! Steps of trainers that do not wait for each other at every one of them (`asynchrony = "stale"`, docs/asynchrony.md).
//!
//! A round is one point of the program, as with `localSteps`: it computes aside and is committed as a whole, where all updates of
//! all trainers are in one vector of weights that all have. Within it every trainer makes its steps with the weights as it knows
//! them, and waits only where they lack more than the last steps of another ([`Board::may_begin`]).

use super::{Rows, Scalars, Session, scalars_of};
use crate::train::batch::HostBatch;
use crate::train::non_finite::NonFiniteContext;
use crate::train::stale::{Board, Desk, Stopped, carry};
use crate::train::{Interrupt, Observer, Reduce, TrainPlan};
use candlewick_model::engine::{Alone, Batch, Engine, NodeGradient};
use candlewick_model::meeting::STALE_HEAD as HEAD;
use candlewick_model::network::Network;
use candlewick_model::optim::Worker;
use candlewick_protocol::job::TrainSpec;
use candlewick_protocol::{Failure, tree};
use serde_json::{Map, Value};
use std::ops::Range;
use std::time::Duration;

/// Names in the history.
const MEAN: &str = "stalenessMean";
const MOST: &str = "stalenessMax";

/// What a trainer needs that does not wait for the others at every step.
#[derive(Debug)]
pub(super) struct Stale {
    staleness: u32,
    worker: Worker,
    /// The gradient of this trainer's rows.
    node: NodeGradient,
    /// Of each shard, as with `localSteps`.
    told: Vec<Vec<f64>>,
    /// Of the epoch at hand.
    met: Met,
}

/// How old weights were, and how long exchanges took.
#[derive(Debug, Clone, Copy, Default)]
struct Met {
    steps: f64,
    sum: f64,
    most: f64,
    exchanged: Duration,
    hidden: Duration,
}

impl Met {
    /// Counts a round of so many trainers and steps by what the shards tell.
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    fn count(&mut self, by_shard: &[Option<Vec<f64>>], (trainers, steps): (usize, usize)) {
        let head = |at: usize| by_shard.iter().flatten().filter_map(move |told| told.get(at));
        self.steps += trainers as f64 * steps as f64;
        self.sum += head(2).sum::<f64>();
        self.most = head(3).copied().fold(self.most, f64::max);
    }
}

/// Why the steps of a round end early.
enum Halt {
    Own(Interrupt),
    Waiting(Stopped),
}

impl From<Interrupt> for Halt {
    fn from(why: Interrupt) -> Self {
        Halt::Own(why)
    }
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Halt::Own(failure.into())
    }
}

impl Stale {
    /// Where the job asks for it.
    pub(super) fn of(train: &TrainSpec, network: &Network, engine: &Engine) -> Result<Option<Self>, Failure> {
        let Some(staleness) = train.asynchrony.staleness() else {
            return Ok(None);
        };
        Ok(Some(Stale {
            staleness,
            worker: Worker::new(train, network, engine)?,
            node: NodeGradient::new(0, train.logical_shards),
            told: Vec::new(),
            met: Met::default(),
        }))
    }

    /// A step begins with weights that lack updates of so many.
    #[expect(clippy::cast_precision_loss, reason = "a round has few steps")]
    fn lags(&mut self, lag: u64) {
        if let Some(told) = self.told.first_mut() {
            told[2] += lag as f64;
            told[3] = told[3].max(lag as f64);
        }
    }

    /// What shards tell of a step, of which some may have no rows.
    fn note(&mut self, scalars: Vec<Scalars>, by_running: bool) {
        for (told, (_, scalars)) in self.told.iter_mut().zip(scalars) {
            let Some(scalars) = scalars else {
                told.push(0.0);
                continue;
            };
            #[expect(clippy::cast_precision_loss, reason = "a slice has a few numbers")]
            told.push(scalars.len() as f64 + 1.0);
            told.push(f64::from(u8::from(by_running)));
            told.extend(scalars);
        }
    }

    /// Completes the record of an epoch, and begins the next one; the share of the time in exchanges in which this trainer computed.
    pub(super) fn tell(&mut self, metrics: &mut Map<String, Value>) -> Option<f64> {
        let met = std::mem::take(&mut self.met);
        if met.steps == 0.0 {
            // One trainer alone.
            return None;
        }
        metrics.insert(MEAN.to_owned(), (met.sum / met.steps).into());
        metrics.insert(MOST.to_owned(), met.most.into());
        let share = met.hidden.as_secs_f64() / met.exchanged.as_secs_f64();
        share.is_finite().then_some(share)
    }
}

/// What the steps of a round leave behind.
struct Computed {
    /// The rows of the last one.
    batch: HostBatch,
    waited: Duration,
}

/// What becomes of a trainer that makes no step while others wait for it.
fn silent(reduce: &dyn Reduce, (who, silence): (usize, Duration), (first, last): (u64, u64)) -> Interrupt {
    let why = format!(
        "made no step for {:.0} s while others waited for it, in the round of the steps {first} to {last}",
        silence.as_secs_f64()
    );
    reduce.blame(who, &why)
}

impl Session {
    /// Whether several steps are one point of the program.
    pub(super) fn has_rounds(&self, reduce: &dyn Reduce) -> bool {
        self.local.is_some() || (self.stale.is_some() && reduce.rank().1 > 1)
    }

    /// The steps up to the next point on which all agree, and that.
    pub(super) fn stale_round(
        &mut self,
        plan: &TrainPlan,
        reduce: &mut dyn Reduce,
        observer: &dyn Observer,
        rows: &Rows,
    ) -> Result<(), Interrupt> {
        let Some(mut stale) = self.stale.take() else {
            return Err(Failure::internal("a round without asynchrony=\"stale\"").into());
        };
        let outcome = self.stale_round_of(&mut stale, (plan, reduce), observer, rows);
        self.stale = Some(stale);
        outcome
    }

    fn stale_round_of(
        &mut self,
        stale: &mut Stale,
        (plan, reduce): (&TrainPlan, &mut dyn Reduce),
        observer: &dyn Observer,
        rows: &Rows,
    ) -> Result<(), Interrupt> {
        let (first, owned) = (self.counter().step, plan.owned());
        let steps = first..self.next_meeting(plan, first);
        let (last, count) = (steps.end - 1, steps.end - first);
        let weights = self.state.weights.all()?;
        stale.worker.depart(&self.state.updates, &weights, first)?;
        stale.told.clear();
        stale.told.resize_with(owned.len(), || vec![0.0; HEAD]);
        let shards = plan.job.train.logical_shards;
        let bound = (stale.staleness, count);
        let desk = Desk::new(Board::new(bound, reduce.rank(), (owned, shards), &weights));
        let (length, patience) = (weights.len(), reduce.patience());
        drop(weights);
        let (computed, exchanged) = std::thread::scope(|scope| {
            let (desk, reduce) = (&desk, &mut *reduce);
            let thread = std::thread::Builder::new().name("candlewick-exchange".to_owned());
            let thread = thread
                .spawn_scoped(scope, move || carry(desk, reduce, last, length))
                .map_err(|error| Failure::internal(format!("a thread cannot be started: {error}")))?;
            let computed =
                self.steps_of_round(stale, plan, (desk, patience), (observer, rows, steps.clone()));
            desk.stop();
            let exchanged = thread.join();
            let exchanged =
                exchanged.map_err(|_| Failure::internal("the thread that exchanges updates panicked"))?;
            Ok::<_, Interrupt>((computed, exchanged))
        })?;
        let (computed, exchanged) = match (computed, exchanged) {
            (Ok(computed), Ok(exchanged)) => (computed, exchanged),
            (Err(Halt::Waiting(Stopped::Silent(who, silence))), _) => {
                return Err(silent(reduce, (who, silence), (first, last)));
            }
            (Err(Halt::Own(why)), _) | (_, Err(why)) => return Err(why),
            (Err(Halt::Waiting(Stopped::Exchange)), Ok(_)) => {
                return Err(Failure::internal("the exchange of updates ended before the round did").into());
            }
        };
        // What was exchanged while this trainer computed is no waiting; that it waited for others is.
        reduce.hid(exchanged);
        reduce.waits(computed.waited);
        stale.met.exchanged += exchanged;
        stale.met.hidden += exchanged.saturating_sub(computed.waited);
        self.agree(
            stale,
            (plan, reduce),
            (steps, &computed.batch),
            &desk.into_board(),
        )?;
        rows.give_back(computed.batch);
        Ok(())
    }

    /// Makes the steps, and waits until those of all are everywhere.
    fn steps_of_round(
        &mut self,
        stale: &mut Stale,
        plan: &TrainPlan,
        (desk, patience): (&Desk, Duration),
        (observer, rows, steps): (&dyn Observer, &Rows, Range<u64>),
    ) -> Result<Computed, Halt> {
        let (counter, first) = (self.counter(), steps.start);
        // Whoever waits gets on as far as the coordinator can see: else it may take the one that waits for the one that stands.
        let alive = || observer.progress(counter);
        let waits = |ready: fn(&Board) -> bool| desk.wait(patience, &alive, ready).map_err(Halt::Waiting);
        let mut ranges = plan
            .step_plan
            .steps_from(first % plan.step_plan.steps_per_epoch());
        let (mut waited, mut last) = (Duration::ZERO, None);
        for step in steps {
            // The rows of the step after this one are gathered into it meanwhile.
            if let Some(batch) = last.take() {
                rows.give_back(batch);
            }
            if step > first {
                // Training ends between epochs only.
                observer.boundary(counter)?;
                waited += waits(Board::may_begin)?;
                candlewick_failpoint::reach("train.step", step)?;
            }
            let batch = rows.next()?;
            let all = ranges.next().unwrap_or_default();
            let all: u64 = all.iter().map(|(start, end)| end - start).sum();
            self.own_step(stale, plan, (step, &batch, all), desk)?;
            self.made = step + 1;
            observer.progress(counter);
            last = Some(batch);
        }
        waited += waits(Board::is_over)?;
        let batch = last.ok_or_else(|| Failure::internal("a round without a step"))?;
        Ok(Computed { batch, waited })
    }

    /// A step of this trainer, of which its rows are a part of `all`: computed, applied, and told to the others.
    fn own_step(
        &mut self,
        stale: &mut Stale,
        plan: &TrainPlan,
        (step, prepared, all): (u64, &HostBatch, u64),
        desk: &Desk,
    ) -> Result<(), Failure> {
        let weights = stale.worker.weights_mut();
        let lag = desk.with(|board| {
            board.view(weights);
            board.lag()
        });
        stale.lags(lag);
        let batch = Batch {
            step,
            slices: &prepared.slices,
            features: prepared.features(),
            labels: &prepared.rows.labels,
            weights: prepared.weights(self.classes.is_some()),
        };
        let node = std::slice::from_mut(&mut stale.node);
        let sums = self
            .engine
            .step_among(stale.worker.weights(), &batch, node, &mut Alone)?;
        let mut scalars: Vec<Scalars> = sums.iter().map(scalars_of).collect();
        let own = Batch {
            weights: &prepared.rows.weights,
            ..batch
        };
        self.evaluator.append(&self.engine, &own, &mut scalars);
        let (mut loss, mut total, mut rows) = (0.0, 0.0, 0);
        for sums in &sums {
            (loss, total, rows) = (loss + sums.loss, total + sums.denominator, rows + sums.rows);
        }
        self.state.guard.check_slice(
            loss,
            &NonFiniteContext {
                plan,
                network: &self.network,
                weights: stale.worker.weights().into(),
                rows: prepared,
                step,
                lr: self.state.updates.lr(),
            },
        )?;
        let by_running = self.apply(stale, (step, total), (rows, all), desk)?;
        stale.note(scalars, by_running);
        Ok(())
    }

    /// Applies the gradient at hand of `rows` rows out of `all`, whose denominators are `total` together. True where a BatchNorm
    /// normalised by its running statistics.
    fn apply(
        &mut self,
        stale: &mut Stale,
        (step, total): (u64, f64),
        (rows, all): (u64, u64),
        desk: &Desk,
    ) -> Result<bool, Failure> {
        if rows == 0 || total == 0.0 {
            desk.with(|board| board.step(|_| false));
            return Ok(false);
        }
        #[expect(clippy::cast_precision_loss, reason = "a step has far fewer than 2^53 rows")]
        let (rows, all) = (rows as f64, all as f64);
        let share = rows / all.max(rows);
        let by_running = !self.engine.update_buffers(stale.worker.begin_step());
        self.gradient.set(&stale.node);
        let denominator = self.engine.denominator_of(total, share);
        stale
            .worker
            .step(&self.state.updates, step, &mut self.gradient, (denominator, rows))?;
        desk.with(|board| {
            board.step(|pending| {
                stale.worker.share(share, pending);
                true
            });
        });
        Ok(by_running)
    }

    /// All trainers have one vector of weights: they tell each other of their steps, and agree on the state of the optimiser.
    fn agree(
        &mut self,
        stale: &mut Stale,
        (plan, reduce): (&TrainPlan, &mut dyn Reduce),
        (steps, batch): (Range<u64>, &HostBatch),
        board: &Board,
    ) -> Result<(), Interrupt> {
        let (owned, step) = (plan.owned(), steps.end - 1);
        #[expect(clippy::cast_precision_loss, reason = "a round has few steps")]
        if let (Some(told), Some((made, rows))) =
            (stale.told.first_mut(), stale.worker.made(&self.state.updates))
        {
            (told[0], told[1]) = (made as f64, rows);
        }
        let told = owned.clone().zip(stale.told.drain(..));
        let by_shard = reduce.exchange(step, 0, told.map(|(shard, told)| (shard, Some(told))).collect())?;
        let (state, present) = stale.worker.state();
        let mut sum = vec![0.0; state.len()];
        let mut nodes: Vec<NodeGradient> = tree::cover(owned.start, owned.end, plan.job.train.logical_shards)
            .into_iter()
            .map(|(lo, hi)| NodeGradient::new(lo, hi))
            .collect();
        if let Some(first) = nodes.first_mut() {
            (first.values, first.present) = (state, present);
        }
        reduce.sum(step, &[], &nodes, (&mut sum, &mut []))?;
        // From here on nobody is waited for: the round is committed as a whole.
        let counted = (reduce.rank().1, steps.clone().count());
        self.commit_agreed(plan, (steps, batch), &by_shard, (board.agreed(), &sum))?;
        stale.met.count(&by_shard, counted);
        Ok(())
    }

    fn commit_agreed(
        &mut self,
        plan: &TrainPlan,
        (steps, batch): (Range<u64>, &HostBatch),
        by_shard: &[Option<Vec<f64>>],
        (agreed, sum): (&[f32], &[f32]),
    ) -> Result<(), Failure> {
        let head = |at: usize| by_shard.iter().flatten().filter_map(move |told| told.get(at));
        let (made, rows) = (head(0).copied().fold(0.0, f64::max), head(1).sum::<f64>());
        self.count_steps(plan, (steps.clone(), batch), (by_shard, HEAD))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of updates, told as f64"
        )]
        let made = made as u64;
        let state = &mut self.state;
        let mut weights = state.weights.view_mut();
        state
            .updates
            .settle((weights.host_mut(), agreed), sum, (rows, made), steps.end - 1)?;
        self.end_round(plan, (steps.end, batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::SingleProcess;

    #[test]
    fn who_makes_no_step_is_named_with_the_round_and_for_how_long() {
        let reduce = SingleProcess { logical_shards: 2 };
        let named = silent(&reduce, (1, Duration::from_secs(610)), (64, 127));
        let Interrupt::Failed(failure) = named else {
            panic!("{named:?}");
        };
        let told = "trainer 1 of one made no step for 610 s while others waited for it, in the round of the steps 64 to 127";
        assert_eq!(failure.message, told);
    }
}
