//! Settled points of a run: all trainers hold one state there, and nothing that comes next depends on is known to one of them
//! alone or is under way. A run is saved, handed over and gone back to at these points only.
//!
//! Mostly every point is one. Where shards remember what others do not know (`gradientCompression` of some kinds), or gradients
//! are applied late (`asynchrony`), it is every so many steps of an epoch, and its end. Between them a trainer keeps a copy of the state of the last one: where its
//! generation is halted it goes back there, so that its program counter, which is all that the coordinator knows of it, says
//! the truth.

use candlewick_model::optim::Saved;
use candlewick_protocol::Failure;
use candlewick_protocol::asynchrony::AGREE_EVERY;
use candlewick_protocol::job::TrainSpec;

/// Steps from one to the next where not every point is settled. What is exchanged there costs 1/64 of what it would cost in
/// every step, and a loss 64 steps at most.
pub(super) const INTERVAL: u64 = if cfg!(test) { 3 } else { AGREE_EVERY };

/// The settled points of a run, and the copy of the last one.
#[derive(Debug)]
pub(super) struct SettledPoints {
    /// Steps of an epoch from one to the next.
    interval: u64,
    /// The state at the last one; none where every point is settled, and nobody needs to go back.
    anchor: Option<Saved>,
    /// The state was due to be kept since then.
    owed: bool,
}

impl SettledPoints {
    /// Those of a job.
    pub(super) fn of(train: &TrainSpec) -> Self {
        let some = train.gradient_compression.remembers() || train.asynchrony.is_delayed();
        SettledPoints::every(if some { INTERVAL } else { 1 })
    }

    /// After every so many steps of an epoch, and at its end.
    pub(super) fn every(interval: u64) -> Self {
        SettledPoints {
            interval,
            anchor: None,
            owed: false,
        }
    }

    /// Whether a run has to be at one after the step which is the epoch's step `within` (from 0) of so many.
    pub(super) fn is_due(&self, within: u64, steps_per_epoch: u64) -> bool {
        let next = within + 1;
        next == steps_per_epoch || next.is_multiple_of(self.interval)
    }

    /// A run begins, or goes on after a halt.
    pub(super) fn begin(&mut self) {
        self.owed = false;
    }

    /// The run is at one: that is where it goes back to from now on.
    pub(super) fn mark(&mut self, copy: impl FnOnce() -> Result<Saved, Failure>) -> Result<(), Failure> {
        if self.interval > 1 {
            // There is room for one of them.
            self.anchor = None;
            self.anchor = Some(copy()?);
        }
        Ok(())
    }

    /// The state at the last one, where the run has to go back to it.
    pub(super) fn take_anchor(&mut self) -> Option<Saved> {
        self.anchor.take()
    }

    /// Whether the state is to be kept now, where it is `due`: at the first point from there on that is `settled`.
    pub(super) fn keeps(&mut self, due: bool, settled: bool) -> bool {
        self.owed |= due;
        settled && std::mem::take(&mut self.owed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_every_so_many_steps_of_an_epoch_and_at_its_end() {
        let due = |interval: u64| {
            let points = SettledPoints::every(interval);
            (0..8)
                .filter(|step| points.is_due(*step, 8))
                .collect::<Vec<u64>>()
        };
        assert_eq!(due(3), [2, 5, 7]);
        assert_eq!(due(1).len(), 8);
    }

    #[test]
    fn a_state_that_is_due_between_two_is_kept_at_the_second_and_once() {
        let mut points = SettledPoints::every(3);
        let steps = [
            (false, true),
            (true, false),
            (false, false),
            (false, true),
            (false, true),
        ];
        let kept = steps.map(|(due, settled)| points.keeps(due, settled));
        assert_eq!(kept, [false, false, false, true, false]);
        assert!(!points.keeps(true, false));
        points.begin();
        assert!(
            !points.keeps(false, true),
            "a halted run begins at a point that was kept"
        );
    }

    #[test]
    fn only_a_run_with_points_that_are_not_settled_keeps_a_copy_to_go_back_to() {
        for (interval, copies) in [(1, false), (3, true)] {
            let mut points = SettledPoints::every(interval);
            points.mark(|| Ok(Saved::default())).unwrap();
            assert_eq!(points.take_anchor().is_some(), copies);
            assert!(points.take_anchor().is_none());
        }
    }
}
