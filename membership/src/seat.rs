//! A trainer's place among the members, by the orders that its computing thread obeys: HALT, FORM, START, and what it answers.
//! It obeys HALT and FORM of any generation from its own on, and ignores those of earlier ones.

use crate::order::Formation;
use candlewick_collective::CollectiveError;
use candlewick_failpoint::{Fault, planted};
use candlewick_protocol::Failure;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::message::ToCoordinator;
use candlewick_protocol::shards::ShardSet;
use std::ops::Range;

/// See the module.
#[derive(Debug)]
pub struct Seat {
    /// Id of this trainer.
    id: String,
    /// The generation that it turned to last.
    generation: u64,
    /// Its place, once READY is said.
    place: Option<Place>,
    /// The generation whose steps have begun.
    started: u64,
}

/// A place in one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The generation.
    pub generation: u64,
    /// Position among the members.
    pub rank: usize,
    /// Shards that this trainer owns.
    pub shards: Range<u32>,
    /// Shards that it has from now on: its own, and copies of others.
    pub keeps: ShardSet,
    /// Where training goes on.
    counter: ProgramCounter,
    /// Rank of who gives its state to those that are behind.
    donor: Option<usize>,
}

/// Why an order is not obeyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is of a generation that is over: a later order says how it goes on.
    Over,
    /// It must not come.
    Failed(Failure),
}

impl Place {
    /// Who gives its state to the others, where one of them is behind.
    #[must_use]
    pub fn donor(&self) -> Option<usize> {
        self.donor
    }

    /// True where this trainer gives its state.
    #[must_use]
    pub fn gives(&self) -> bool {
        self.donor == Some(self.rank)
    }

    /// True where this trainer, which stands there, takes the donor's state.
    #[must_use]
    pub fn takes(&self, stands: ProgramCounter) -> bool {
        if planted(Fault::ResumeOffByOne) {
            return stands.step + 1 < self.counter.step;
        }
        stands < self.counter
    }

    /// True for the one member that tells what all of them know: records, states, weights.
    #[must_use]
    pub fn tells(&self) -> bool {
        self.rank == 0
    }
}

impl Seat {
    /// A trainer that is no member yet.
    #[must_use]
    pub fn new(id: String) -> Self {
        Seat {
            id,
            generation: 0,
            place: None,
            started: 0,
        }
    }

    /// Id of this trainer.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The place in the generation that is formed.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    fn obeys(&self, generation: u64) -> bool {
        generation >= self.generation || planted(Fault::StaleGeneration)
    }

    /// HALT: the generations up to this one are over. The answer of a trainer that stands there and had made so many steps, if it
    /// has to answer; afterwards there is no connection left of them.
    pub fn halt(&mut self, generation: u64, stands: ProgramCounter, made: u64) -> Option<ToCoordinator> {
        if !self.obeys(generation) {
            return None;
        }
        self.place.take_if(|place| place.generation <= generation);
        Some(ToCoordinator::Halted {
            generation,
            counter: stands,
            made,
        })
    }

    /// FORM: leaves the generation before. The place to take once it is connected and has the state.
    ///
    /// # Errors
    /// `Over`; `Failed` where this trainer, or the donor, is no member.
    pub fn form(&mut self, formation: &Formation) -> Result<Place, Refusal> {
        let generation = formation.generation;
        if !self.obeys(generation) {
            return Err(Refusal::Over);
        }
        self.generation = generation;
        self.place = None;
        let rank_of = |id: &str| {
            let mut members = formation.members.iter();
            members.position(|member| member.trainer.id == id)
        };
        let mine = rank_of(&self.id).and_then(|rank| Some((rank, formation.members.get(rank)?)));
        let (rank, member) = mine.ok_or_else(|| failed("FORM of a gang without this trainer"))?;
        let donor = match &formation.donor {
            Some(donor) => Some(rank_of(donor).ok_or_else(|| failed("FORM with a donor that is no member"))?),
            None => None,
        };
        let mut keeps = ShardSet::from(member.lo..member.hi);
        if !planted(Fault::CopiesGivenUp) {
            keeps.extend(formation.copies.ranges().iter().cloned());
        }
        Ok(Place {
            generation,
            rank,
            shards: member.lo..member.hi,
            keeps,
            counter: formation.counter,
            donor,
        })
    }

    /// READY: connected, the shards sealed, the state there. The answer to FORM of a trainer that stands there.
    ///
    /// # Errors
    /// `Internal` where that is not where the generation begins.
    pub fn ready(
        &mut self,
        place: Place,
        stands: ProgramCounter,
        state_hash: String,
    ) -> Result<ToCoordinator, Failure> {
        let (generation, counter) = (place.generation, place.counter);
        if stands != counter {
            return Err(Failure::internal(format!(
                "generation {generation} begins at {counter}, but this trainer is at {stands}"
            )));
        }
        self.place = Some(place);
        Ok(ToCoordinator::Ready {
            generation,
            counter,
            state_hash,
        })
    }

    /// START: the place in which steps begin, once a generation.
    ///
    /// # Errors
    /// `Over` where a halt came between, or they have begun; `Failed` where the generation was not formed.
    pub fn start(&mut self, generation: u64) -> Result<&Place, Refusal> {
        let stale = !self.obeys(generation) || generation == self.started;
        let Some(place) = self.place.as_ref().filter(|_| !stale) else {
            return Err(Refusal::Over);
        };
        if place.generation != generation && !planted(Fault::StaleGeneration) {
            return Err(failed("START of a generation that was not formed"));
        }
        self.started = generation;
        Ok(place)
    }

    /// The answer to a state to go on from, once it is installed and stands there.
    ///
    /// # Errors
    /// `Internal` where it stands elsewhere than was said.
    pub fn restored(&self, stands: ProgramCounter, said: ProgramCounter) -> Result<ToCoordinator, Failure> {
        if stands == said {
            return Ok(ToCoordinator::Restored { counter: said });
        }
        Err(Failure::internal(format!(
            "the saved state stands at {stands}, expected {said}"
        )))
    }

    /// What is told where a peer was silent or its connection broke: the gang may well go on without it.
    #[must_use]
    pub fn suspect(&self, generation: u64, error: CollectiveError) -> ToCoordinator {
        ToCoordinator::Suspect {
            generation,
            peer: error.peer.unwrap_or_default(),
            why: error.failure.message,
        }
    }
}

fn failed(what: &str) -> Refusal {
    Refusal::Failed(Failure::internal(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_protocol::counter::ProgramPhase;
    use candlewick_protocol::message::{Member, TrainerInfo};

    fn member(id: &str, shards: Range<u32>) -> Member {
        let trainer = TrainerInfo {
            id: id.into(),
            host: "h".into(),
            executor: "1".into(),
            index: 0,
            flight_port: 1,
            collective_port: 2,
            pid: 3,
            threads: 1,
            cpu_level: "generic".into(),
            device: "cpu".into(),
        };
        Member {
            trainer,
            lo: shards.start,
            hi: shards.end,
        }
    }

    fn at(step: u64) -> ProgramCounter {
        ProgramCounter {
            step,
            ..ProgramCounter::default()
        }
    }

    fn formation(generation: u64, step: u64, donor: Option<&str>) -> Formation {
        Formation {
            generation,
            members: vec![member("a", 0..3), member("b", 3..4)],
            sums: Vec::new(),
            counter: at(step),
            donor: donor.map(str::to_owned),
            copies: ShardSet::from(0..1),
        }
    }

    #[test]
    fn orders_of_its_generation_and_later_ones_are_obeyed_earlier_ones_are_not() {
        let mut seat = Seat::new("b".into());
        let place = seat.form(&formation(2, 5, None)).unwrap();
        assert_eq!((place.rank, place.shards.clone()), (1, 3..4));
        assert_eq!(place.keeps.to_string(), "0 and 3", "its own, and the copies");
        assert_eq!(seat.start(2), Err(Refusal::Over), "before READY");
        seat.ready(place, at(5), "s".into()).unwrap();
        assert_eq!(seat.start(1), Err(Refusal::Over));
        assert_eq!(seat.form(&formation(1, 0, None)), Err(Refusal::Over));
        assert_eq!(seat.halt(1, at(5), 5), None);
        assert!(seat.start(2).is_ok());
        assert_eq!(seat.start(2), Err(Refusal::Over), "it has begun");
        assert!(matches!(seat.start(3), Err(Refusal::Failed(_))));
        let halted = ToCoordinator::Halted {
            generation: 4,
            counter: at(6),
            made: 7,
        };
        assert_eq!(seat.halt(4, at(6), 7), Some(halted));
        assert_eq!(seat.start(2), Err(Refusal::Over), "it is over");
        assert!(seat.form(&formation(5, 6, None)).is_ok());
    }

    #[test]
    fn who_is_behind_takes_the_donors_state_and_begins_where_it_stands() {
        let mut seat = Seat::new("b".into());
        let place = seat.form(&formation(1, 5, Some("a"))).unwrap();
        assert!(place.takes(at(4)) && !place.takes(at(5)) && !place.gives() && !place.tells());
        let evaluates = ProgramCounter {
            phase: ProgramPhase::Evaluate,
            ..at(5)
        };
        assert!(place.takes(evaluates), "the evaluation comes before the step");
        let refused = seat.ready(place, at(4), String::new()).unwrap_err();
        assert!(
            refused.message.contains("but this trainer is at step 4"),
            "{refused}"
        );
        let mut donor = Seat::new("a".into());
        let place = donor.form(&formation(1, 5, Some("a"))).unwrap();
        assert!(place.gives() && place.tells() && !place.takes(at(5)));
    }

    #[test]
    fn a_generation_without_this_trainer_or_its_donor_is_refused() {
        let mut seat = Seat::new("c".into());
        assert!(matches!(
            seat.form(&formation(1, 0, None)),
            Err(Refusal::Failed(_))
        ));
        let mut seat = Seat::new("a".into());
        let stranger = formation(1, 0, Some("c"));
        assert!(matches!(seat.form(&stranger), Err(Refusal::Failed(_))));
        assert!(seat.restored(at(3), at(3)).is_ok() && seat.restored(at(2), at(3)).is_err());
    }
}
