//! What a trainer hears from the coordinator: some of it counts at once, whatever the computing thread does, the rest is for
//! that thread to obey in its turn.

use crate::lease::Lease;
use crate::order::{Formation, Order, Shift};
use candlewick_collective::{HaltToken, Halts};
use candlewick_failpoint::{Fault, planted};
use candlewick_protocol::Failure;
use candlewick_protocol::feed::Owner;
use candlewick_protocol::message::ToTrainer;
use candlewick_protocol::shards::ShardSet;
use std::time::Duration;

/// See the module. Times are those of any one clock.
#[derive(Debug)]
pub struct Control {
    lease: Lease,
    /// Ends the waits of generations that are over.
    halts: Halts,
    epochs_acknowledged: u32,
    /// Epochs that may be made, and whether training ends after them.
    until: (u32, bool),
    generation: u64,
}

/// What comes of a message.
#[derive(Debug)]
pub enum Heard {
    /// Nothing more than what has been done.
    Nothing,
    /// A feed round begins.
    Open {
        /// Feed round.
        round: u32,
        /// Shards that this trainer takes.
        shards: ShardSet,
    },
    /// Something for the computing thread.
    Order(Order),
    /// The last message.
    End(End),
}

/// Why the process is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The job is over.
    Finished,
    /// The coordinator says so.
    Told(String),
}

/// Whether the next point of the program may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// It may.
    Go,
    /// Not before the coordinator answers again (rule C1), or says that another epoch may begin (rule C7).
    Pause,
    /// It is the driver's decision that training ends here.
    End,
    /// The generation is over.
    Halted,
}

impl Control {
    /// Before the coordinator has answered the registration. `halts` are those that the waits of this trainer look at.
    #[must_use]
    pub fn new(halts: Halts) -> Self {
        Control {
            lease: Lease::new(),
            halts,
            epochs_acknowledged: 0,
            until: (u32::MAX, false),
            generation: 0,
        }
    }

    /// The coordinator has answered the registration just now.
    pub fn begin(&mut self, now: Duration, failure_timeout: Duration) {
        self.lease.begin(now, failure_timeout);
    }

    /// The beat that is sent now: its number, and the generation that it tells.
    pub fn beat(&mut self, now: Duration) -> (u64, u64) {
        (self.lease.beat(now), self.generation)
    }

    /// A message of the coordinator, which has been heard just now.
    ///
    /// # Errors
    /// `Internal` where it must not come, or not this way.
    pub fn hear(&mut self, now: Duration, message: ToTrainer) -> Result<Heard, Failure> {
        match message {
            ToTrainer::BeatAck { number, epochs } => {
                self.lease.answered(number, now);
                self.epochs_acknowledged = self.epochs_acknowledged.max(epochs);
                return Ok(Heard::Nothing);
            }
            ToTrainer::Until { epochs, over } => {
                self.until = (epochs, over);
                return Ok(Heard::Nothing);
            }
            ToTrainer::Open { round, shards } => return Ok(Heard::Open { round, shards }),
            ToTrainer::Finish => return Ok(Heard::End(End::Finished)),
            ToTrainer::Die { reason } => return Ok(Heard::End(End::Told(reason))),
            // Whatever this trainer still does belongs to an older generation.
            ToTrainer::Form { generation, .. } => self.halts.halt_through(generation.saturating_sub(1)),
            ToTrainer::Halt { generation } if !planted(Fault::LostHalt) => {
                self.halts.halt_through(generation)
            }
            _ => {}
        }
        order(message).map(Heard::Order)
    }

    /// The computing thread turns to a generation.
    pub fn turn_to(&mut self, generation: u64) {
        self.generation = generation;
    }

    /// Whether the computing thread may go on in that epoch, in the generation of `halt`: asked at every point of the program.
    #[must_use]
    pub fn boundary(&self, now: Duration, halt: &HaltToken, epoch: u32) -> Boundary {
        let (epochs, over) = self.until;
        if halt.is_cancelled() {
            Boundary::Halted
        } else if self.lease.must_pause(now) || epoch >= epochs && !over && !planted(Fault::Unlimited) {
            Boundary::Pause
        } else if epoch >= epochs && over {
            Boundary::End
        } else {
            Boundary::Go
        }
    }

    /// Rule C1: without an answer for failureTimeout the coordinator counts this trainer as lost, and its process ends.
    #[must_use]
    pub fn must_exit(&self, now: Duration) -> bool {
        self.lease.must_exit(now)
    }

    /// failureTimeout, once it is known.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.lease.timeout()
    }

    /// The coordinator has the records of so many epochs.
    #[must_use]
    pub fn epochs_acknowledged(&self) -> u32 {
        self.epochs_acknowledged
    }

    /// The generations that are over.
    #[must_use]
    pub fn halts(&self) -> &Halts {
        &self.halts
    }
}

fn shift(round: u32, owners: Vec<Owner>, partition: u32) -> Shift {
    Shift {
        round,
        owners,
        partition,
    }
}

/// What is for the computing thread.
fn order(message: ToTrainer) -> Result<Order, Failure> {
    Ok(match message {
        ToTrainer::Form {
            generation,
            members,
            sums,
            counter,
            donor,
            copies,
        } => Order::Form(Formation {
            generation,
            members,
            sums,
            counter,
            donor,
            copies,
        }),
        ToTrainer::Halt { generation } => Order::Halt { generation },
        ToTrainer::Start { generation } => Order::Start { generation },
        ToTrainer::Seal {
            round,
            winners,
            expected,
            incomplete,
            dealt,
        } => Order::Seal {
            round,
            winners,
            expected,
            incomplete,
            dealt,
        },
        ToTrainer::Move {
            round,
            owners,
            partition,
        } => Order::Move(shift(round, owners, partition)),
        ToTrainer::Deal {
            round,
            owners,
            partition,
            deal,
        } => Order::Deal(shift(round, owners, partition), deal),
        // The first message, and one that is taken with its body; the others are heard before.
        ToTrainer::Welcome { .. }
        | ToTrainer::Restore { .. }
        | ToTrainer::BeatAck { .. }
        | ToTrainer::Until { .. }
        | ToTrainer::Open { .. }
        | ToTrainer::Finish
        | ToTrainer::Die { .. } => return Err(Failure::internal("the coordinator said Welcome twice")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control() -> Control {
        let mut control = Control::new(Halts::default());
        control.begin(Duration::ZERO, Duration::from_secs(10));
        control
    }

    #[test]
    fn a_halt_counts_before_it_is_obeyed_and_a_form_ends_what_came_before_it() {
        let mut control = control();
        let token = |control: &Control, generation| control.halts().token(generation);
        let now = Duration::ZERO;
        assert_eq!(control.boundary(now, &token(&control, 1), 0), Boundary::Go);
        let heard = control.hear(now, ToTrainer::Halt { generation: 1 }).unwrap();
        assert!(matches!(heard, Heard::Order(Order::Halt { generation: 1 })));
        assert_eq!(control.boundary(now, &token(&control, 1), 0), Boundary::Halted);
        let form = ToTrainer::Form {
            generation: 4,
            members: Vec::new(),
            sums: Vec::new(),
            counter: candlewick_protocol::counter::ProgramCounter::default(),
            donor: None,
            copies: ShardSet::default(),
        };
        control.hear(now, form).unwrap();
        assert_eq!(control.boundary(now, &token(&control, 3), 0), Boundary::Halted);
        assert_eq!(control.boundary(now, &token(&control, 4), 0), Boundary::Go);
    }

    #[test]
    fn without_an_answer_it_pauses_and_an_answer_tells_how_many_epochs_are_known() {
        let mut control = control();
        let token = control.halts().token(1);
        let (number, generation) = control.beat(Duration::from_secs(1));
        assert_eq!((number, generation), (0, 0));
        assert_eq!(
            control.boundary(Duration::from_secs(6), &token, 0),
            Boundary::Pause
        );
        for epochs in [3, 2] {
            let answer = ToTrainer::BeatAck { number, epochs };
            control.hear(Duration::from_secs(6), answer).unwrap();
        }
        assert_eq!(control.epochs_acknowledged(), 3);
        assert_eq!(control.boundary(Duration::from_secs(6), &token, 0), Boundary::Go);
        assert!(!control.must_exit(Duration::from_secs(11)) && control.must_exit(Duration::from_secs(12)));
    }

    #[test]
    fn no_epoch_begins_beyond_the_limit_and_training_ends_there_where_it_is_over() {
        let mut control = control();
        let token = control.halts().token(1);
        let at = |control: &Control, epoch| control.boundary(Duration::ZERO, &token, epoch);
        assert_eq!(at(&control, 1_000_000), Boundary::Go, "nobody limits it");
        for (epochs, over, next) in [
            (1, false, Boundary::Pause),
            (2, false, Boundary::Pause),
            (2, true, Boundary::End),
        ] {
            let limit = ToTrainer::Until { epochs, over };
            assert!(matches!(control.hear(Duration::ZERO, limit), Ok(Heard::Nothing)));
            assert_eq!(
                (at(&control, epochs - 1), at(&control, epochs)),
                (Boundary::Go, next)
            );
        }
        control.halts().halt_through(1);
        assert_eq!(at(&control, 2), Boundary::Halted, "a halt comes first");
    }
}
