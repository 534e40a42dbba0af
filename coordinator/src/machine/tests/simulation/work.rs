//! The computing thread of a simulated trainer: one thing at a time, orders in their turn, halts at once.

use super::elastic::Moving;
use super::rows;
use super::trainer::Word;
use super::truth::{self, SCHEDULE};
use super::{Happening, SHARDS, STEPS_PER_EPOCH, Simulation, TIMEOUTS};
use candlewick_collective::CollectiveError;
use candlewick_membership::{Boundary, Formation, Order, Place, Refusal, Shift};
use candlewick_protocol::Failure;
use candlewick_protocol::counter::{ProgramCounter, ProgramPhase};
use candlewick_protocol::dealing::Deal;
use candlewick_protocol::message::{EpochRecord, MemoryUse, Pace, ToCoordinator};

/// What it does.
#[derive(Debug)]
pub(super) enum Work {
    Idle,
    /// Connects, and takes or gives the state.
    Forms {
        place: Place,
        given: bool,
    },
    /// Waits for the coordinator's answer (rule C1).
    Pauses(u64),
    /// Computes its own part of a point.
    Computes(u64, ProgramCounter),
    /// Has its own part and waits for those of the others.
    Waits(u64, ProgramCounter),
    /// Sends rows.
    Moves,
}

impl Work {
    /// The generation that it belongs to.
    fn generation(&self) -> Option<u64> {
        match self {
            Work::Forms { place, .. } => Some(place.generation),
            _ => self.runs_in(),
        }
    }

    /// The generation in which it may complete a point.
    pub(super) fn runs_in(&self) -> Option<u64> {
        match self {
            Work::Pauses(generation) | Work::Computes(generation, _) | Work::Waits(generation, _) => {
                Some(*generation)
            }
            _ => None,
        }
    }

    /// True where it waits for peers.
    pub(super) fn waits(&self) -> bool {
        matches!(self, Work::Forms { .. } | Work::Waits(..))
    }
}

impl Simulation {
    /// Does what can be done now.
    pub(super) fn pump(&mut self, id: &str) {
        let mut again = true;
        while again && self.end.is_none() {
            let model = self.model(id);
            if !model.alive {
                return;
            }
            let over = |generation| model.control.halts().token(generation).is_cancelled();
            if model.work.generation().is_some_and(over) {
                model.work = Work::Idle;
            }
            let broken = self.missing(id).into_iter().find(|peer| {
                let model = &self.models[id];
                let generation = model.work.generation().unwrap_or_default();
                model.broken.contains(&(generation, peer.clone()))
            });
            if broken.is_some() {
                self.suspect(id, broken.as_ref());
            }
            again = self.take_up(id);
        }
    }

    /// The next thing; false where there is none.
    fn take_up(&mut self, id: &str) -> bool {
        let (all, now) = (self.missing(id).is_empty(), self.now);
        let model = self.model(id);
        match &model.work {
            Work::Idle => match model.orders.pop_front() {
                Some(order) => self.obey(id, order),
                None => return false,
            },
            Work::Forms { .. } if all => self.connected(id),
            Work::Pauses(generation) => {
                let generation = *generation;
                let halt = model.control.halts().token(generation);
                let epoch = model.course.counter().epoch;
                if model.control.boundary(model.clock(now), &halt, epoch) == Boundary::Pause {
                    return false;
                }
                self.next_point(id, generation);
            }
            Work::Waits(generation, at) if all => {
                let (generation, at) = (*generation, *at);
                self.complete(id, generation, at);
            }
            _ => return false,
        }
        true
    }

    /// Peers that it waits for.
    pub(super) fn missing(&self, id: &str) -> Vec<String> {
        let model = &self.models[id];
        let here = |peer: &String| match &model.work {
            Work::Forms { place, .. } => {
                let donor = place.donor().map(|rank| &model.members[rank]);
                let given = donor != Some(peer) || model.states.contains_key(&place.generation);
                given && model.hellos.contains(&(place.generation, peer.clone()))
            }
            Work::Waits(generation, at) => {
                let parts = model.parts.get(&(*generation, *at));
                parts.is_some_and(|parts| parts.contains_key(peer))
            }
            _ => true,
        };
        model.peers().into_iter().filter(|peer| !here(peer)).collect()
    }

    /// A peer was silent or its connection broke.
    pub(super) fn suspect(&mut self, id: &str, peer: Option<&String>) {
        let model = self.model(id);
        let generation = model.work.generation().unwrap_or_default();
        model.work = Work::Idle;
        let error = CollectiveError {
            peer: peer.cloned(),
            failure: Failure::unavailable("a word did not come"),
        };
        let told = model.seat.suspect(generation, error);
        self.tell(id, told);
    }

    /// The connections of a generation end.
    fn disconnect(&mut self, id: &str) {
        let generation = self.model(id).generation;
        if generation > 0 {
            self.tell_peers(id, &Word::Broken(generation, id.to_owned()));
        }
    }

    fn obey(&mut self, id: &str, order: Order) {
        match order {
            Order::Prepare(_) => {}
            Order::Seal {
                round,
                expected,
                incomplete,
                dealt,
                ..
            } => {
                let rows = expected.iter().map(|sum| sum.rows).sum();
                let dealing = self.machine.job.dealing(rows);
                self.seal_round(id, round, &incomplete, (dealing, dealt));
            }
            Order::Move(shift) => self.begin_moves(id, shift, None),
            Order::Deal(shift, deal) => self.begin_moves(id, shift, Some(deal)),
            Order::Restore { counter, file } => self.restore(id, counter, &file),
            Order::Form(formation) => self.form(id, &formation),
            Order::Start { generation } => self.start(id, generation),
            Order::Halt { generation } => {
                let model = self.model(id);
                let formed = model.seat.place().is_some();
                let answer = model
                    .seat
                    .halt(generation, model.course.counter(), model.course.counter().step);
                if formed && model.seat.place().is_none() {
                    self.disconnect(id);
                }
                if let Some(answer) = answer {
                    self.tell(id, answer);
                }
            }
        }
    }

    fn begin_moves(&mut self, id: &str, shift: Shift, deal: Option<Deal>) {
        self.model(id).work = Work::Moves;
        let moving = Moving {
            source: id.to_owned(),
            round: shift.round,
            owners: shift.owners,
            deal,
            waited: 0,
        };
        let delay = 50 + self.random.below(2_000);
        self.at(delay, Happening::Moves(moving));
    }

    fn refused(&mut self, id: &str, refusal: Refusal) {
        match refusal {
            Refusal::Over => {}
            Refusal::Failed(failure) => self.give_up(id, failure),
        }
    }

    fn form(&mut self, id: &str, formation: &Formation) {
        let now = self.now;
        if self.model(id).seat.place().is_some() {
            self.disconnect(id);
        }
        let model = self.model(id);
        let place = match model.seat.form(formation) {
            Ok(place) => place,
            Err(refusal) => return self.refused(id, refusal),
        };
        model.turn_to(formation);
        model.shards.retain(|shard, _| place.keeps.contains(*shard));
        let held = rows::numbers(&model.shards);
        if held != place.keeps {
            return self.violated(&format!("I5: {id} has {held} and is to keep {}", place.keeps));
        }
        if model.control.halts().token(place.generation).is_cancelled() {
            return;
        }
        model.waiting_since = now;
        let hello = Word::Hello(place.generation, id.to_owned());
        model.work = Work::Forms { place, given: false };
        self.tell_peers(id, &hello);
    }

    /// READY once all peers are connected and the state is there; a donor gives its own before.
    fn connected(&mut self, id: &str) {
        let model = self.model(id);
        let Work::Forms { place, given } = &mut model.work else {
            return;
        };
        let generation = place.generation;
        if place.gives() && !std::mem::replace(given, true) {
            let state = truth::save(model.weights, &model.course);
            return self.tell_peers(id, &Word::State(generation, state));
        }
        if let Some(state) = model.states.remove(&generation)
            && place.takes(model.course.counter())
        {
            match truth::restore(&state, SCHEDULE.steps_per_epoch) {
                Ok((weights, course)) => (model.weights, model.course) = (weights, course),
                Err(failure) => return self.give_up(id, failure),
            }
        }
        let Work::Forms { place, .. } = std::mem::replace(&mut model.work, Work::Idle) else {
            return;
        };
        let state_hash = truth::state_hash(model.weights, &model.course);
        match model.seat.ready(place, model.course.counter(), state_hash) {
            Ok(ready) => self.tell(id, ready),
            Err(failure) => self.give_up(id, failure),
        }
    }

    fn start(&mut self, id: &str, generation: u64) {
        let model = self.model(id);
        let place = match model.seat.start(generation) {
            Ok(place) => place.clone(),
            Err(refusal) => return self.refused(id, refusal),
        };
        model.course.acknowledged(model.control.epochs_acknowledged());
        let untold = model.course.untold().to_vec();
        for record in untold.into_iter().filter(|_| place.tells()) {
            self.tell_epoch(id, place.generation, record);
        }
        self.next_point(id, place.generation);
    }

    fn tell_epoch(&mut self, id: &str, generation: u64, record: EpochRecord) {
        self.tell(id, ToCoordinator::Epoch { generation, record });
    }

    /// Goes on to the next point, or ends.
    fn next_point(&mut self, id: &str, generation: u64) {
        let now = self.now;
        let model = self.model(id);
        let halt = model.control.halts().token(generation);
        let Some(phase) = model.course.next(&SCHEDULE, false) else {
            return self.finish(id, generation);
        };
        let epoch = model.course.counter().epoch;
        match model.control.boundary(model.clock(now), &halt, epoch) {
            Boundary::Halted => model.work = Work::Idle,
            Boundary::End => self.finish(id, generation),
            Boundary::Pause => model.work = Work::Pauses(generation),
            Boundary::Go => {
                let half = u64::try_from(TIMEOUTS.failure.as_millis()).unwrap() / 2;
                if model.unproved(now) > half {
                    return self.violated(&format!("C1: {id} begins a point that it must not"));
                }
                let at = model.course.counter();
                model.work = Work::Computes(generation, at);
                if phase == ProgramPhase::Step {
                    self.keep(id, generation, false);
                }
                let delay = 20 + self.random.below(150);
                let word = Word::Computed(generation, at);
                self.at(delay, Happening::ToTrainer(id.to_owned(), word));
            }
        }
    }

    /// Rank 0 sends the state where it is due to be kept.
    fn keep(&mut self, id: &str, generation: u64, last: bool) {
        let spec = self.machine.job().snapshots;
        let model = self.model(id);
        let counter = model.course.counter();
        let tells = model.seat.place().is_some_and(Place::tells);
        if !tells || !spec.is_due(counter, STEPS_PER_EPOCH, last) {
            return;
        }
        let state = truth::save(model.weights, &model.course);
        let snapshot = ToCoordinator::Snapshot {
            generation,
            counter,
            last,
            offset: 0,
            total: state.len() as u64,
        };
        self.tell_with(id, snapshot, state);
    }

    /// Its own part is there.
    pub(super) fn computed(&mut self, id: &str, generation: u64, at: ProgramCounter) {
        let now = self.now;
        let model = self.model(id);
        if !matches!(model.work, Work::Computes(of, where_) if (of, where_) == (generation, at)) {
            return;
        }
        let Some(place) = model.seat.place() else { return };
        let part = truth::part(place.shards.clone(), model.weights, &model.course);
        let parts = model.parts.entry((generation, at)).or_default();
        parts.insert(id.to_owned(), part.clone());
        model.work = Work::Waits(generation, at);
        model.waiting_since = now;
        self.tell_peers(id, &Word::Part(generation, at, id.to_owned(), part));
    }

    /// A point is completed with everybody's part.
    fn complete(&mut self, id: &str, generation: u64, at: ProgramCounter) {
        let model = self.model(id);
        let parts = model.parts.remove(&(generation, at)).unwrap_or_default();
        let told = (
            model.told_halt >= generation,
            model.told_start.contains(&generation),
        );
        match told {
            (true, _) => return self.violated(&format!("{id} completes {at} of a generation that is over")),
            (_, false) => {
                return self.violated(&format!("I2: {id} completes {at} before START {generation}"));
            }
            _ => {}
        }
        let epoch = at.epoch;
        let parts: Vec<&truth::Part> = parts.values().collect();
        let acknowledged = model.control.epochs_acknowledged();
        let tells = model.seat.place().is_some_and(Place::tells);
        let record = match truth::commit(&parts, &mut model.weights, &mut model.course, acknowledged) {
            Ok(record) => record,
            Err(truth::Wrong::Parts(what)) => return self.violated(&format!("{id} at {at}: {what}")),
            Err(truth::Wrong::Failed(failure)) => return self.give_up(id, failure),
        };
        let (counter, hash) = (
            model.course.counter(),
            truth::state_hash(model.weights, &model.course),
        );
        if truth::truth().states.get(&counter) != Some(&hash) {
            return self.violated(&format!(
                "I7: {id} has another state than a run without faults at {counter}"
            ));
        }
        self.furthest = self.furthest.max(counter.step);
        self.check_limit(id, epoch);
        if let Some(record) = record {
            let epoch = record.epoch;
            if tells {
                self.tell_epoch(id, generation, record);
            }
            self.tell_pace(id, generation, epoch);
        }
        self.next_point(id, generation);
    }

    /// Some are slower than others, which shards do not stay with.
    fn tell_pace(&mut self, id: &str, generation: u64, epoch: u32) {
        let slow = (self.seed + id.len() as u64 + u64::from(id.as_bytes()[1])).is_multiple_of(3);
        let shards = self.models[id].shards.len() as f64;
        let pace = Pace {
            epoch,
            steps: u32::try_from(STEPS_PER_EPOCH).unwrap(),
            busy_seconds: shards * if slow { 3.0 } else { 1.0 },
            waited_seconds: 0.0,
            most_shards: None,
        };
        self.tell(id, ToCoordinator::Pace { generation, pace });
    }

    fn finish(&mut self, id: &str, generation: u64) {
        self.keep(id, generation, true);
        let model = self.model(id);
        model.work = Work::Idle;
        let weights = model.weights.to_le_bytes().to_vec();
        let tells = model.seat.place().is_some_and(Place::tells);
        let done = ToCoordinator::Done {
            generation,
            steps: model.course.counter().step,
            state_hash: truth::state_hash(model.weights, &model.course),
            weights_hash: format!("{:x}", model.weights),
            stopping: None,
            class_weights: None,
            exchange: None,
            memory: MemoryUse::default(),
            compression: None,
        };
        self.tell(id, done);
        if tells {
            let total = weights.len() as u64;
            let told = ToCoordinator::Weights {
                generation,
                offset: 0,
                total,
            };
            self.tell_with(id, told, weights);
        }
    }
}

/// All shards, each once.
pub(super) fn is_whole(shards: &[u32]) -> bool {
    shards.iter().copied().eq(0..SHARDS)
}
