//! How long a trainer may go on without the coordinator (rule C1), by numbered beats.
//!
//! The lease runs from the moment a beat was *sent*, once it is answered: an answer that lay in a buffer while this process
//! was frozen proves nothing about now.

use candlewick_failpoint::{Fault, planted};
use std::collections::VecDeque;
use std::time::Duration;

/// See the module. Times are those of any one clock.
#[derive(Debug)]
pub(crate) struct Lease {
    timeout: Duration,
    /// When the youngest beat that was answered was sent.
    proved: Duration,
    /// Beats without an answer: their numbers and when they were sent. There are no more than are sent within `timeout`: then
    /// this process ends.
    unanswered: VecDeque<(u64, Duration)>,
    next: u64,
}

impl Lease {
    /// None ends before [`Lease::begin`].
    pub(crate) fn new() -> Self {
        Lease {
            timeout: Duration::MAX,
            proved: Duration::ZERO,
            unanswered: VecDeque::new(),
            next: 0,
        }
    }

    /// The coordinator has answered the registration just now.
    pub(crate) fn begin(&mut self, now: Duration, timeout: Duration) {
        self.timeout = timeout;
        self.proved = now;
    }

    /// The number of the beat that is sent now.
    pub(crate) fn beat(&mut self, now: Duration) -> u64 {
        let number = self.next;
        self.next += 1;
        self.unanswered.push_back((number, now));
        number
    }

    /// The coordinator answers a beat, and with it all earlier ones. When that is heard proves nothing.
    pub(crate) fn answered(&mut self, beat: u64, now: Duration) {
        while let Some((_, sent)) = self.unanswered.pop_front_if(|(number, _)| *number <= beat) {
            self.proved = if planted(Fault::LeaseFromArrival) {
                now
            } else {
                sent
            };
        }
    }

    /// Without a sign of the coordinator for half of failureTimeout no further step begins.
    pub(crate) fn must_pause(&self, now: Duration) -> bool {
        now.saturating_sub(self.proved) > self.timeout / 2
    }

    /// Without one for failureTimeout the coordinator counts this trainer as lost.
    pub(crate) fn must_exit(&self, now: Duration) -> bool {
        now.saturating_sub(self.proved) > self.timeout
    }

    /// failureTimeout, once it is known.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_lease_runs_from_the_beat_that_was_answered() {
        let mut lease = Lease::new();
        assert!(!lease.must_exit(second(1_000_000)));
        lease.begin(second(0), second(10));
        let (first, second_beat) = (lease.beat(second(1)), lease.beat(second(2)));
        assert!(!lease.must_pause(second(5)) && lease.must_pause(second(6)));
        lease.answered(first, second(5));
        assert!(!lease.must_pause(second(6)) && lease.must_pause(second(7)));
        lease.answered(second_beat, second(5));
        assert!(!lease.must_pause(second(7)) && lease.must_pause(second(8)));
        assert!(!lease.must_exit(second(12)) && lease.must_exit(second(13)));
    }

    #[test]
    fn an_answer_from_before_a_freeze_renews_nothing() {
        let mut lease = Lease::new();
        lease.begin(second(0), second(10));
        let beat = lease.beat(second(1));
        // SIGSTOP here, SIGCONT at 100: the answer that was on its way is read now.
        lease.answered(beat, second(100));
        assert!(lease.must_exit(second(100)));
    }

    #[test]
    fn answers_may_be_left_out_come_twice_or_late() {
        let mut lease = Lease::new();
        lease.begin(second(0), second(10));
        let beats: Vec<u64> = (1..=4).map(|at| lease.beat(second(at))).collect();
        lease.answered(beats[2], second(9));
        lease.answered(beats[0], second(9));
        lease.answered(beats[2], second(9));
        assert!(!lease.must_exit(second(13)) && lease.must_exit(second(14)));
        lease.answered(beats[3] + 1000, second(9));
        assert!(!lease.must_exit(second(14)) && lease.must_exit(second(15)));
    }
}
