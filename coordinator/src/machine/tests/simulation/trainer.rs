//! A trainer whose threads, sockets and arithmetic are simulated. What it decides is the real trainer's code
//! (`candlewick_membership`): what it hears, obeys and answers, its lease, the points of its program.

use super::rows::{self, Shards};
use super::truth::{self, SCHEDULE};
use super::work::Work;
use super::{BTreeSet, Happening, Simulation, TIMEOUTS, ms};
use candlewick_collective::Halts;
use candlewick_membership::{Control, Course, Formation, Heard, Order, Seat};
use candlewick_protocol::Failure;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::dealing::Dealing;
use candlewick_protocol::message::{Progress, ToCoordinator, ToTrainer};
use candlewick_protocol::shards::ShardSet;
use std::collections::{BTreeMap, VecDeque};

const BEAT: u64 = 750;
/// A peer is waited for so long, later than beats expire (rule C2).
const PEER: u64 = 25_000;

/// What a trainer hears.
#[derive(Debug, Clone)]
pub(super) enum Word {
    Said(ToTrainer),
    /// The coordinator has closed the stream.
    Closed,
    /// A peer is connected to it in a generation.
    Hello(u64, String),
    /// A donor's state.
    State(u64, Vec<u8>),
    /// That of a checkpoint, whole.
    Restore(ProgramCounter, Vec<u8>),
    /// A peer's part of a point of the program.
    Part(u64, ProgramCounter, String, truth::Part),
    /// The connection to a peer is broken.
    Broken(u64, String),
    /// Its own part of a point is computed.
    Computed(u64, ProgramCounter),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) id: String,
    pub(super) alive: bool,
    pub(super) frozen_until: u64,
    /// When it froze last, where it was not frozen before.
    pub(super) frozen_since: u64,
    /// Words that came while it was frozen.
    missed: Vec<Word>,
    pub(super) shards: Shards,
    /// Rows that other trainers have sent, by round and shard.
    pub(super) came: Vec<(u32, u32, rows::Content)>,
    open: Option<(u32, ShardSet)>,
    /// Its clock is so much ahead of others.
    ahead: u64,
    pub(super) control: Control,
    pub(super) seat: Seat,
    pub(super) course: Course,
    pub(super) weights: u64,
    /// The last generation that it turned to, and its members.
    pub(super) generation: u64,
    pub(super) members: Vec<String>,
    /// What the computing thread does, and what it is to do then.
    pub(super) work: Work,
    pub(super) orders: VecDeque<Order>,
    /// By generation: peers that are connected, and those whose connection is broken; a donor's state; parts.
    pub(super) hellos: BTreeSet<(u64, String)>,
    pub(super) broken: BTreeSet<(u64, String)>,
    pub(super) states: BTreeMap<u64, Vec<u8>>,
    pub(super) parts: BTreeMap<(u64, ProgramCounter), BTreeMap<String, truth::Part>>,
    ticks: u64,
    pub(super) waiting_since: u64,
    /// What the judge knows of it: HALT and START that it heard, when the youngest answered beat was sent, and when each was.
    pub(super) told_halt: u64,
    pub(super) told_start: BTreeSet<u64>,
    proved: u64,
    sent: BTreeMap<u64, u64>,
}

impl Model {
    /// One that registers just now; its clock is ahead.
    pub(super) fn new(id: &str, now: u64, ahead: u64) -> Self {
        let mut control = Control::new(Halts::default());
        control.begin(ms(now + ahead), TIMEOUTS.failure);
        Model {
            id: id.to_owned(),
            alive: true,
            frozen_until: 0,
            frozen_since: 0,
            missed: Vec::new(),
            shards: Shards::new(),
            came: Vec::new(),
            open: None,
            ahead,
            control,
            seat: Seat::new(id.to_owned()),
            course: Course::default(),
            weights: truth::BEGIN,
            generation: 0,
            members: Vec::new(),
            work: Work::Idle,
            orders: VecDeque::new(),
            hellos: BTreeSet::new(),
            broken: BTreeSet::new(),
            states: BTreeMap::new(),
            parts: BTreeMap::new(),
            ticks: 0,
            waiting_since: 0,
            told_halt: 0,
            told_start: BTreeSet::new(),
            proved: now,
            sent: BTreeMap::new(),
        }
    }

    /// Its own clock.
    pub(super) fn clock(&self, now: u64) -> std::time::Duration {
        ms(now + self.ahead)
    }

    pub(super) fn takes(&self, round: u32, shard: u32) -> bool {
        self.open
            .as_ref()
            .is_some_and(|(open, shards)| *open == round && shards.contains(shard))
    }

    /// True where it may still complete a point of a generation before this one.
    pub(super) fn runs_before(&self, generation: u64) -> bool {
        let runs = self.work.runs_in();
        runs.is_some_and(|runs| runs < generation && !self.control.halts().token(runs).is_cancelled())
    }

    /// Milliseconds since the youngest beat that was answered was sent.
    pub(super) fn unproved(&self, now: u64) -> u64 {
        now.saturating_sub(self.proved)
    }

    pub(super) fn peers(&self) -> Vec<String> {
        let others = self.members.iter().filter(|member| **member != self.id);
        others.cloned().collect()
    }

    /// What came for generations before this one is of no use.
    pub(super) fn turn_to(&mut self, formation: &Formation) {
        let generation = formation.generation;
        self.control.turn_to(generation);
        self.generation = generation;
        let members = formation.members.iter();
        self.members = members.map(|member| member.trainer.id.clone()).collect();
        self.hellos.retain(|(of, _)| *of >= generation);
        self.broken.retain(|(of, _)| *of >= generation);
        self.states.retain(|of, _| *of >= generation);
        self.parts.retain(|(of, _), _| *of >= generation);
    }
}

impl Simulation {
    pub(super) fn model(&mut self, id: &str) -> &mut Model {
        self.models.get_mut(id).unwrap()
    }

    pub(super) fn tell(&mut self, id: &str, message: ToCoordinator) {
        self.tell_with(id, message, Vec::new());
    }

    pub(super) fn tell_with(&mut self, id: &str, message: ToCoordinator, body: Vec<u8>) {
        self.send(
            id,
            "",
            Happening::ToCoordinator(id.to_owned(), Box::new(message), body),
        );
    }

    pub(super) fn tell_peers(&mut self, id: &str, word: &Word) {
        for peer in self.model(id).peers() {
            self.send(id, &peer.clone(), Happening::ToTrainer(peer, word.clone()));
        }
    }

    /// It cannot go on, and says so.
    pub(super) fn give_up(&mut self, id: &str, failure: Failure) {
        self.model(id).work = Work::Idle;
        self.tell(id, ToCoordinator::Failed { failure });
    }

    /// Its own clock.
    pub(super) fn wake(&mut self, id: &str) {
        let now = self.now;
        let model = self.model(id);
        if !model.alive {
            return;
        }
        if model.frozen_until > now {
            let left = model.frozen_until - now;
            return self.at(left, Happening::Wake(id.to_owned()));
        }
        for word in std::mem::take(&mut model.missed) {
            self.deliver(id, word);
        }
        let model = self.model(id);
        if model.control.must_exit(model.clock(now)) {
            return self.crash(id);
        }
        let failure = u64::try_from(TIMEOUTS.failure.as_millis()).unwrap();
        if model.alive && model.unproved(now) > failure {
            let silent = model.unproved(now);
            return self.violated(&format!("C1: {id} goes on {silent} ms after what was answered"));
        }
        let (number, generation) = model.control.beat(model.clock(now));
        model.sent.insert(number, now);
        let progress = Progress {
            counter: model.course.counter(),
            ticks: model.ticks,
            ..Progress::default()
        };
        let late = model.work.waits() && now.saturating_sub(model.waiting_since) > PEER;
        self.tell(
            id,
            ToCoordinator::Beat {
                number,
                generation,
                progress,
            },
        );
        if late {
            let missing = self.missing(id);
            self.suspect(id, missing.first());
        }
        self.pump(id);
        self.at(BEAT, Happening::Wake(id.to_owned()));
    }

    pub(super) fn deliver(&mut self, id: &str, word: Word) {
        let now = self.now;
        let Some(model) = self.models.get_mut(id).filter(|model| model.alive) else {
            return;
        };
        if model.frozen_until > now {
            return model.missed.push(word);
        }
        model.ticks += 1;
        match word {
            Word::Said(message) => self.hear(id, message),
            Word::Closed => self.crash(id),
            Word::Hello(generation, peer) => {
                model.hellos.insert((generation, peer));
            }
            Word::State(generation, state) => {
                model.states.insert(generation, state);
            }
            Word::Restore(counter, file) => model.orders.push_back(Order::Restore { counter, file }),
            Word::Part(generation, at, peer, part) => {
                model
                    .parts
                    .entry((generation, at))
                    .or_default()
                    .insert(peer, part);
            }
            Word::Computed(generation, at) => self.computed(id, generation, at),
            Word::Broken(generation, peer) => {
                model.broken.insert((generation, peer));
            }
        }
        self.pump(id);
    }

    /// A message of the coordinator, on the control thread.
    fn hear(&mut self, id: &str, message: ToTrainer) {
        let now = self.now;
        let model = self.model(id);
        match &message {
            ToTrainer::BeatAck { number, .. } => {
                if let Some(sent) = model.sent.remove(number) {
                    model.proved = model.proved.max(sent);
                }
            }
            ToTrainer::Halt { generation } => model.told_halt = model.told_halt.max(*generation),
            ToTrainer::Start { generation } => {
                model.told_start.insert(*generation);
            }
            ToTrainer::Welcome { .. } => return,
            _ => {}
        }
        let heard = model.control.hear(model.clock(now), message);
        match heard {
            Ok(Heard::Nothing) => {}
            Ok(Heard::Open { round, shards }) => model.open = Some((round, shards)),
            Ok(Heard::Order(order)) => model.orders.push_back(order),
            Ok(Heard::End(_)) => self.crash(id),
            Err(failure) => self.give_up(id, failure),
        }
    }

    /// Takes the state of a checkpoint, which comes before anything else and once.
    pub(super) fn restore(&mut self, id: &str, counter: ProgramCounter, file: &[u8]) {
        let model = self.model(id);
        let restored = truth::restore(file, SCHEDULE.steps_per_epoch);
        let answer = restored.and_then(|(weights, course)| {
            let answer = model.seat.restored(course.counter(), counter);
            (model.weights, model.course) = (weights, course);
            answer
        });
        match answer {
            Ok(answer) => self.tell(id, answer),
            Err(failure) => self.give_up(id, failure),
        }
    }

    pub(super) fn seal_round(
        &mut self,
        id: &str,
        round: u32,
        incomplete: &ShardSet,
        (dealing, dealt): (Dealing, Option<ShardSet>),
    ) {
        let model = self.models.get_mut(id).unwrap();
        let Some((open, shards)) = model.open.take() else {
            return;
        };
        let sealed = shards.filter(|shard| !incomplete.contains(shard));
        let deals = dealt.is_some();
        // What is here as it was fed may come again dealt, and be the same.
        let known = self.machine.trainers.get(id);
        let as_fed = |shard: u32| known.is_some_and(|known| known.undealt.contains(shard));
        let misplaced = |shard: u32| match model.shards.get(&shard) {
            Some(here) => !deals && !as_fed(shard) && *here == self.source.dealt(shard),
            None => deals,
        };
        if open != round || sealed.iter().any(misplaced) {
            return self.violated(&format!(
                "round {round}: {id} seals what it has, or deals what it has not, or of round {open}"
            ));
        }
        let came = std::mem::take(&mut model.came);
        let content = |shard: u32| {
            let came = came.iter().filter(|(of, to, _)| (*of, *to) == (round, shard));
            let mut came: Vec<rows::Content> = came.map(|(_, _, rows)| rows.clone()).collect();
            match &dealt {
                Some(homes) => {
                    came.push(rows::owed(&model.shards, homes, dealing, shard));
                    rows::dealt(shard, &model.shards[&shard], &came, dealing)
                }
                // From another trainer, else from the tasks.
                None => came.pop().unwrap_or_else(|| self.source.fed(shard)),
            }
        };
        let contents: Shards = sealed.iter().map(|shard| (shard, content(shard))).collect();
        let sums = contents.iter().map(|(shard, content)| content.sum(*shard));
        let heaped = sealed.filter(|shard| rows::is_heaped(shard, &contents[&shard], dealing));
        let answer = ToCoordinator::Sealed {
            round,
            shards: sums.collect(),
            heaped,
        };
        model.shards.extend(contents);
        self.tell(id, answer);
    }
}
