//! How fast trainers are, and shards that move from slow ones to fast ones (rule C4). What a trainer takes for a step follows
//! from the shards that it owns, so these decide who waits for whom. Bits do not depend on it.

use super::{Machine, Now, Output, Phase, Trainer};
use crate::command::Event;
use crate::members::mean;
use candlewick_protocol::message::{Member, Pace, PaceRecord, TrainerPace};
use candlewick_protocol::plan;

/// Shards move where the slowest would take at most this share of its time afterwards, so that noise moves nothing.
const WORTH: f64 = 0.85;
/// And where that saves so many seconds in the epochs that are left: a move costs some.
const SAVES: f64 = 1.0;
/// An epoch in which the slowest worked fewer seconds tells nothing of trainers: what else the machine did decides.
const TELLS: f64 = 0.1;
/// A step that takes so much longer after a move than before it says that the move was wrong.
const WORSE: f64 = 1.05;

/// Whether shards move from slow trainers to fast ones.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Balance {
    #[default]
    On,
    /// They have: a step took so many seconds before.
    Moved(f64),
    /// They were moved back, since it made steps slower: a trainer that pauses is not one that is slow.
    Off,
}

impl Machine {
    /// A member has closed an epoch.
    pub(super) fn on_pace(&mut self, now: Now, from: &str, generation: u64, pace: Pace) {
        if self.phase != (Phase::Running { generation }) || self.rank_of(from).is_none() {
            return;
        }
        if let Some(trainer) = self.trainers.get_mut(from) {
            trainer.pace = Some(pace);
        }
        let same = |trainer: &Trainer| trainer.pace.is_some_and(|other| other.epoch == pace.epoch);
        if self.members.len() < 2 || !self.all_members(same) {
            return;
        }
        self.tell_pace(pace.epoch);
        if self.paces().iter().any(|(_, _, pace)| pace.steps == 0) {
            // It began at the end of an epoch: that is no step.
            return;
        }
        let step = self.seconds_of_a_step();
        match self.elastic.balance {
            Balance::Off => return,
            Balance::Moved(before) if step > before * WORSE => return self.move_back(now, before, step),
            Balance::Moved(_) | Balance::On => self.elastic.balance = Balance::On,
        }
        self.learn_costs();
        let left = f64::from(self.job.train.epochs.saturating_sub(pace.epoch + 1));
        if let Some(why) = self.worth_moving(left) {
            self.elastic.balance = Balance::Moved(step);
            self.rebalance(now, why);
        }
    }

    /// What a step took, waiting included.
    fn seconds_of_a_step(&self) -> f64 {
        let of = |pace: Pace| (pace.busy_seconds + pace.waited_seconds) / f64::from(pace.steps.max(1));
        self.paces()
            .into_iter()
            .map(|(_, _, pace)| of(pace))
            .fold(0.0, f64::max)
    }

    /// Others make the steps from now on: their time tells nothing of the last move.
    pub(super) fn forget_the_last_move(&mut self) {
        if matches!(self.elastic.balance, Balance::Moved(_)) {
            self.elastic.balance = Balance::On;
        }
    }

    /// Equal shares again, and no other move.
    fn move_back(&mut self, now: Now, before: f64, step: f64) {
        for trainer in self.trainers.values_mut() {
            trainer.cost = None;
        }
        let why = format!(
            "shards are shared equally again: a step took {:.1} ms before they moved and {:.1} ms after",
            before * 1e3,
            step * 1e3
        );
        self.rebalance(now, why);
        // Where something else goes on the next epoch tells again.
        let stays = matches!(self.phase, Phase::Running { .. });
        self.elastic.balance = if stays {
            Balance::Moved(before)
        } else {
            Balance::Off
        };
    }

    fn paces(&self) -> Vec<(&Member, &Trainer, Pace)> {
        let known = |member| {
            let member: &Member = member;
            let trainer = self.trainers.get(&member.trainer.id)?;
            Some((member, trainer, trainer.pace?))
        };
        self.members.iter().filter_map(known).collect()
    }

    fn tell_pace(&mut self, epoch: u32) {
        let of = |(member, _, pace): (&Member, &Trainer, Pace)| TrainerPace {
            trainer: member.trainer.id.clone(),
            host: member.trainer.host.clone(),
            executor: member.trainer.executor.clone(),
            shards: member.hi - member.lo,
            busy_seconds: pace.busy_seconds,
            waited_seconds: pace.waited_seconds,
        };
        let mut trainers: Vec<TrainerPace> = self.paces().into_iter().map(of).collect();
        trainers.sort_by(|a, b| b.busy_seconds.total_cmp(&a.busy_seconds));
        let slowest = trainers.first().map_or(0.0, |first| first.busy_seconds);
        let mean = mean(&trainers.iter().map(|one| one.busy_seconds).collect::<Vec<_>>());
        let record = PaceRecord {
            epoch,
            skew: if mean > 0.0 { slowest / mean } else { 1.0 },
            trainers,
        };
        self.out.push(Output::Event(Event::Pace { record }));
    }

    /// What each takes for a shard of a step.
    fn learn_costs(&mut self) {
        for member in &self.members {
            let Some(trainer) = self.trainers.get_mut(&member.trainer.id) else {
                continue;
            };
            let shards = f64::from(member.hi - member.lo);
            if let Some(pace) = trainer.pace.filter(|pace| pace.steps > 0) {
                trainer.cost = Some(pace.busy_seconds / (shards * f64::from(pace.steps)));
            }
        }
    }

    /// Why shards should move, where other shares would save enough of an epoch as long as the last one, `left` times.
    fn worth_moving(&self, left: f64) -> Option<String> {
        let paces = self.paces();
        let each = |trainer: &Trainer| Some((trainer.cost?, trainer.known().most_shards.unwrap_or(u32::MAX)));
        let costs: Vec<(f64, u32)> = paces.iter().filter_map(|(_, trainer, _)| each(trainer)).collect();
        if costs.len() < self.members.len() || costs.len() < 2 {
            return None;
        }
        let steps = f64::from(paces.first().map_or(0, |(_, _, pace)| pace.steps));
        let slowest = |sizes: &[u32]| {
            let times = sizes
                .iter()
                .zip(&costs)
                .map(|(size, (cost, _))| f64::from(*size) * cost * steps);
            times.fold(0.0, f64::max)
        };
        let sizes = |ranges: &[(u32, u32)]| -> Vec<u32> { ranges.iter().map(|(lo, hi)| hi - lo).collect() };
        let now = slowest(
            &paces
                .iter()
                .map(|(member, _, _)| member.hi - member.lo)
                .collect::<Vec<_>>(),
        );
        let ranges = plan::shares(self.job.train.logical_shards, &costs);
        // Where all together have memory for fewer, one would get more than it has; what stays as it is fits as it is.
        let held = |((member, trainer, _), range): (&(&Member, &Trainer, Pace), &(u32, u32))| {
            let most = trainer.known().most_shards.unwrap_or(u32::MAX);
            (member.lo, member.hi) == *range || range.1 - range.0 <= most
        };
        if !paces.iter().zip(&ranges).all(held) {
            return None;
        }
        let then = slowest(&sizes(&ranges));
        if now < TELLS || then > now * WORTH || (now - then) * left < SAVES {
            return None;
        }
        let longest = paces
            .iter()
            .max_by(|a, b| a.2.busy_seconds.total_cmp(&b.2.busy_seconds))?;
        Some(format!(
            "shards move from slow trainers to fast ones: {} worked {now:.2} s of an epoch, the longest; with other shares it \
             is about {then:.2} s",
            self.who(&longest.0.trainer.id)
        ))
    }
}
