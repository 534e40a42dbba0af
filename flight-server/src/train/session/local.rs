//! Steps that logical shards make by themselves, and the meetings between them (`localSteps`, docs/asynchrony.md).
//!
//! A round is one point of the program: it computes aside, with replicas of weights and optimiser that nothing but the round
//! knows, and its steps are committed together at the meeting. So every point is settled, and a halt within a round leaves the
//! state of the last meeting.

use super::{Rows, SCALARS, Scalars, Session, add_up, scalars_of};
use crate::train::batch::HostBatch;
use crate::train::non_finite::NonFiniteContext;
use crate::train::settled::INTERVAL;
use crate::train::{Interrupt, Observer, Reduce, TrainPlan};
use candlewick_membership::StepSums;
use candlewick_model::engine::{Alone, Batch, Features, NodeGradient, Slice};
use candlewick_model::meeting::HEAD;
use candlewick_model::optim::Replicas;
use candlewick_protocol::counter::{ProgramCounter, ProgramPhase};
use candlewick_protocol::{Failure, tree};
use std::ops::Range;

/// What shards need to be by themselves.
#[derive(Debug)]
pub(super) struct Local {
    replicas: Replicas,
    /// The gradient of the shard at hand.
    leaf: NodeGradient,
    /// Of each shard, step after step: how many numbers follow, whether a BatchNorm used its running statistics, the scalars.
    told: Vec<Vec<f64>>,
}

impl Local {
    pub(super) fn new(replicas: Replicas) -> Self {
        Local {
            replicas,
            leaf: NodeGradient::new(0, 1),
            told: Vec::new(),
        }
    }
}

impl Session {
    /// The steps up to the next meeting, and that.
    pub(super) fn round(
        &mut self,
        plan: &TrainPlan,
        reduce: &mut dyn Reduce,
        observer: &dyn Observer,
        rows: &Rows,
    ) -> Result<(), Interrupt> {
        let Some(mut local) = self.local.take() else {
            return Err(Failure::internal("a round without localSteps").into());
        };
        let outcome = self.round_of(&mut local, (plan, reduce), observer, rows);
        self.local = Some(local);
        outcome
    }

    fn round_of(
        &mut self,
        local: &mut Local,
        (plan, reduce): (&TrainPlan, &mut dyn Reduce),
        observer: &dyn Observer,
        rows: &Rows,
    ) -> Result<(), Interrupt> {
        let (counter, owned) = (self.counter(), plan.owned());
        let steps = counter.step..self.next_meeting(plan, counter.step);
        let shards = owned.len();
        let updates = &self.state.updates;
        local
            .replicas
            .depart(updates, &self.state.weights.all()?, (shards, steps.start))?;
        local.told.clear();
        local.told.resize_with(shards, || vec![0.0; HEAD]);
        let mut last = None;
        for step in steps.clone() {
            // The rows of the step after this one are gathered into it meanwhile.
            if let Some(batch) = last.take() {
                rows.give_back(batch);
            }
            if step > steps.start {
                // Training ends between epochs only.
                observer.boundary(counter)?;
                candlewick_failpoint::reach("train.step", step)?;
            }
            let batch = rows.next()?;
            self.apart(local, plan, (step, &batch))?;
            self.made = step + 1;
            observer.progress(counter);
            last = Some(batch);
        }
        let Some(batch) = last else {
            return Err(Failure::internal("a round without a step").into());
        };
        self.meet(local, (plan, reduce), (steps, &batch))?;
        rows.give_back(batch);
        Ok(())
    }

    /// After so many steps shards meet that have made `made` of them.
    pub(super) fn next_meeting(&self, plan: &TrainPlan, made: u64) -> u64 {
        let mut next = made + 1;
        while !self.meets_after(plan, next) {
            next += 1;
        }
        next
    }

    /// They meet every so many steps of an epoch, at its end, and where something else comes before the next step. Trainers that do
    /// not wait for each other do so too.
    fn meets_after(&self, plan: &TrainPlan, made: u64) -> bool {
        let schedule = self.schedule(plan);
        let per_epoch = schedule.steps_per_epoch;
        schedule.after(made) != ProgramPhase::Step
            || match &plan.job.train.local_steps {
                Some(rule) => rule.meets_after(made, per_epoch),
                None => (made % per_epoch).is_multiple_of(INTERVAL),
            }
    }

    /// Whether a state was due after one of the steps of the round that ended at `counter`.
    pub(super) fn was_due(&self, plan: &TrainPlan, counter: ProgramCounter, reduce: &dyn Reduce) -> bool {
        if !self.has_rounds(reduce) {
            return false;
        }
        let (steps, per_epoch) = (&plan.job.snapshots, plan.step_plan.steps_per_epoch());
        let within = (0..counter.step).rev();
        let mut within = within.take_while(|step| *step > 0 && !self.meets_after(plan, *step));
        within.any(|step| steps.is_due(ProgramCounter { step, ..counter }, per_epoch, false))
    }

    /// A step of each shard by itself.
    fn apart(
        &mut self,
        local: &mut Local,
        plan: &TrainPlan,
        (step, prepared): (u64, &HostBatch),
    ) -> Result<(), Failure> {
        let mut start = 0;
        for (at, slice) in prepared.slices.iter().enumerate() {
            let rows = start..start + slice.rows;
            start = rows.end;
            if slice.rows == 0 {
                local.told[at].push(0.0);
                continue;
            }
            let scalars = self.apart_of(local, plan, (step, prepared), (at, *slice, rows))?;
            #[expect(clippy::cast_precision_loss, reason = "a slice has a few numbers")]
            local.told[at].push(scalars.len() as f64);
            local.told[at].extend(scalars);
        }
        Ok(())
    }

    fn apart_of(
        &mut self,
        local: &mut Local,
        plan: &TrainPlan,
        (step, prepared): (u64, &HostBatch),
        (at, slice, rows): (usize, Slice, Range<usize>),
    ) -> Result<Vec<f64>, Failure> {
        let (width, labels) = (self.network.input_width(), plan.job.data.label.width());
        let batch = Batch {
            step,
            slices: &[slice],
            features: Features::Typed(prepared.dense().part(rows.clone(), width)),
            labels: &prepared.rows.labels[rows.start * labels..rows.end * labels],
            weights: &prepared.weights(self.classes.is_some())[rows.clone()],
        };
        (local.leaf.lo, local.leaf.hi) = (slice.shard, slice.shard + 1);
        let leaf = std::slice::from_mut(&mut local.leaf);
        let replicas = &mut local.replicas;
        let sums = self
            .engine
            .step_among(replicas.weights(at), &batch, leaf, &mut Alone)?;
        let mut scalars: Vec<Scalars> = sums.iter().map(scalars_of).collect();
        let own = Batch {
            weights: &prepared.rows.weights[rows],
            ..batch
        };
        self.evaluator.append(&self.engine, &own, &mut scalars);
        let told = scalars.pop().and_then(|(_, told)| told);
        let (Some(told), Some(sums)) = (told, sums.first()) else {
            return Err(Failure::internal("a slice with rows has no sums"));
        };
        self.state.guard.check_slice(
            sums.loss,
            &NonFiniteContext {
                plan,
                network: &self.network,
                weights: replicas.weights(at).into(),
                rows: prepared,
                step,
                lr: self.state.updates.lr(),
            },
        )?;
        let denominator = self.engine.denominator(sums.denominator);
        let by_running = denominator != 0.0 && !self.engine.update_buffers(replicas.weights_mut(at));
        self.gradient.set(&local.leaf);
        let weighs = (denominator, sums.denominator);
        replicas.step(&self.state.updates, (at, step), &mut self.gradient, weighs)?;
        Ok([f64::from(u8::from(by_running))]
            .into_iter()
            .chain(told)
            .collect())
    }

    fn meet(
        &mut self,
        local: &mut Local,
        (plan, reduce): (&TrainPlan, &mut dyn Reduce),
        (steps, batch): (Range<u64>, &HostBatch),
    ) -> Result<(), Interrupt> {
        let (owned, step) = (plan.owned(), steps.end - 1);
        let replicas = &mut local.replicas;
        let updates = &self.state.updates;
        let told = owned.clone().zip(&mut local.told).enumerate();
        let own = told.map(|(at, (shard, told))| {
            #[expect(clippy::cast_precision_loss, reason = "a round has few steps")]
            let made = replicas.made(updates, at).map(|(made, weight)| {
                (told[0], told[1]) = (made as f64, weight);
                std::mem::take(told)
            });
            (shard, made)
        });
        let by_shard = reduce.exchange(step, 0, own.collect())?;
        replicas.arrive(&self.state.weights.all()?);
        let length = replicas.brought();
        let cover = tree::cover(owned.start, owned.end, plan.job.train.logical_shards);
        let nodes = cover.into_iter().map(|(lo, hi)| {
            let mut node = NodeGradient::new(lo, hi);
            node.values.resize(length, 0.0);
            node.present = replicas.sum((lo, hi), owned.start, &mut node.values);
            node
        });
        let nodes: Vec<NodeGradient> = nodes.collect();
        let mut sum = vec![0.0; length];
        reduce.sum(step, &[], &nodes, (&mut sum, &mut []))?;
        // From here on nobody is waited for: the round is committed as a whole.
        self.commit_round(plan, (steps, batch), &by_shard, &sum)?;
        Ok(())
    }

    /// Applies what the round of all shards came to.
    fn commit_round(
        &mut self,
        plan: &TrainPlan,
        (steps, batch): (Range<u64>, &HostBatch),
        by_shard: &[Option<Vec<f64>>],
        sum: &[f32],
    ) -> Result<(), Failure> {
        let head = |at: usize| -> Vec<Option<f64>> {
            let of = |told: &Vec<f64>| told.get(at).copied();
            by_shard.iter().map(|told| told.as_ref().and_then(of)).collect()
        };
        let made = head(0).into_iter().flatten().fold(0.0, f64::max);
        let weight = tree::reduce_f64(&head(1)).unwrap_or(0.0);
        self.count_steps(plan, (steps.clone(), batch), (by_shard, HEAD))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of updates, told as f64"
        )]
        let made = made as u64;
        let state = &mut self.state;
        state.updates.meet(
            state.weights.view_mut().host_mut(),
            sum,
            (weight, made),
            steps.end - 1,
        )?;
        self.end_round(plan, (steps.end, batch))
    }

    /// Counts the steps of a round, by what each shard tells of them behind the first `head` numbers.
    pub(super) fn count_steps(
        &mut self,
        plan: &TrainPlan,
        (steps, batch): (Range<u64>, &HostBatch),
        (by_shard, head): (&[Option<Vec<f64>>], usize),
    ) -> Result<(), Failure> {
        let schedule = self.schedule(plan);
        let mut readers: Vec<Option<&[f64]>> = by_shard
            .iter()
            .map(|told| told.as_ref().and_then(|told| told.get(head..)))
            .collect();
        for step in steps {
            let (mut by_running, mut scalars) = (false, Vec::with_capacity(readers.len()));
            for reader in &mut readers {
                let told = reader.as_mut().map(read).transpose()?.flatten();
                by_running |= told.is_some_and(|(running, _)| running);
                scalars.push(told.map(|(_, scalars)| scalars.to_vec()));
            }
            let [loss, denominator, rows] = add_up(&scalars);
            let denominator = self.engine.denominator(denominator);
            let state = &mut self.state;
            let context = NonFiniteContext {
                plan,
                network: &self.network,
                weights: state.weights.view(),
                rows: batch,
                step,
                lr: state.updates.lr(),
            };
            let counts = state.guard.counts(loss, denominator, None, &context)?;
            self.evaluator
                .training()
                .add(state.course.tally(), &scalars, SCALARS);
            let sums = StepSums {
                loss,
                denominator,
                rows,
                counts,
                by_running,
            };
            state.course.step(&schedule, &sums);
        }
        Ok(())
    }

    /// A round has been committed, up to before step `next`.
    pub(super) fn end_round(
        &mut self,
        plan: &TrainPlan,
        (next, batch): (u64, &HostBatch),
    ) -> Result<(), Failure> {
        if next.is_multiple_of(plan.step_plan.steps_per_epoch()) {
            self.check_epoch(plan, batch)?;
        }
        Ok(())
    }
}

/// The next step of a shard; none where it had no rows in it.
fn read<'a>(told: &mut &'a [f64]) -> Result<Option<(bool, &'a [f64])>, Failure> {
    let wrong = || Failure::internal("what a shard tells of its steps cannot be read");
    let (count, rest) = told.split_first().ok_or_else(wrong)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small whole number, told as f64"
    )]
    let count = *count as usize;
    let (own, rest) = rest.split_at_checked(count).ok_or_else(wrong)?;
    *told = rest;
    Ok(own
        .split_first()
        .map(|(running, scalars)| (*running != 0.0, scalars)))
}
