//! A model of a trainer: what it says to the coordinator and to its peers, and when.

use super::elastic::Moving;
use super::{BTreeSet, Happening, ROWS, STEPS, STEPS_PER_EPOCH, Simulation, TIMEOUTS};
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::feed::ShardSum;
use candlewick_protocol::message::{EpochRecord, Member, Pace, Progress, ToCoordinator, ToTrainer};
use candlewick_protocol::shards::ShardSet;
use std::collections::BTreeMap;

const BEAT: u64 = 750;
/// A peer is waited for so long, later than beats expire (rule C2).
const PEER: u64 = 25_000;

/// What a trainer hears.
#[derive(Debug, Clone)]
pub(super) enum Word {
    Order(ToTrainer),
    /// The coordinator has closed the stream.
    Closed,
    /// A peer is connected to it in a generation.
    Hello(u64, String),
    /// A donor's state.
    State(u64, u64),
    /// That of a checkpoint, whole.
    Restore(ProgramCounter),
    /// A peer's part of a step.
    Part(u64, u64, String),
    /// The connection to a peer is broken.
    Broken(u64, String),
    /// Its own part of a step is computed.
    Computed(u64, u64),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Model {
    id: String,
    pub(super) alive: bool,
    pub(super) frozen_until: u64,
    /// When it froze last, where it was not frozen before.
    pub(super) frozen_since: u64,
    /// Words that came while it was frozen.
    missed: Vec<Word>,
    pub(super) held: ShardSet,
    open: Option<(u32, ShardSet)>,
    pub(super) generation: u64,
    members: Vec<String>,
    halted_through: u64,
    hellos: BTreeSet<String>,
    /// Where the generation begins, and whether a donor's state is waited for.
    begins: u64,
    needs_state: bool,
    donates: bool,
    ready: bool,
    started: bool,
    /// Its own part of the step at hand, once computed; parts of peers by step.
    computed: bool,
    parts: BTreeMap<u64, BTreeSet<String>>,
    step: u64,
    done: bool,
    ticks: u64,
    beats: u64,
    /// When the youngest answered beat was sent, and when each was.
    lease: u64,
    sent: BTreeMap<u64, u64>,
    waiting_since: u64,
    suspected: bool,
}

impl Model {
    pub(super) fn new(id: &str) -> Self {
        Model {
            id: id.to_owned(),
            alive: true,
            frozen_until: 0,
            frozen_since: 0,
            missed: Vec::new(),
            held: ShardSet::default(),
            open: None,
            generation: 0,
            members: Vec::new(),
            halted_through: 0,
            hellos: BTreeSet::new(),
            begins: 0,
            needs_state: false,
            donates: false,
            ready: false,
            started: false,
            computed: false,
            parts: BTreeMap::new(),
            step: 0,
            done: false,
            ticks: 0,
            beats: 0,
            lease: 0,
            sent: BTreeMap::new(),
            waiting_since: 0,
            suspected: false,
        }
    }

    /// One that registers has the coordinator's word.
    pub(super) fn renew_lease(&mut self, now: u64) {
        self.lease = now;
    }

    pub(super) fn takes(&self, round: u32, shard: u32) -> bool {
        self.open
            .as_ref()
            .is_some_and(|(open, shards)| *open == round && shards.contains(shard))
    }

    /// True where it may still complete a step of a generation before this one.
    pub(super) fn runs_before(&self, generation: u64) -> bool {
        self.started
            && self.generation < generation
            && self.halted_through < self.generation
            && !self.suspected
    }

    fn is_in(&self, generation: u64) -> bool {
        self.generation == generation && self.halted_through < generation && !self.suspected
    }

    fn counter(&self) -> ProgramCounter {
        counter(self.step)
    }

    fn peers(&self) -> Vec<String> {
        self.members
            .iter()
            .filter(|member| **member != self.id)
            .cloned()
            .collect()
    }
}

pub(super) fn counter(step: u64) -> ProgramCounter {
    ProgramCounter {
        epoch: u32::try_from(step / STEPS_PER_EPOCH).unwrap(),
        step,
        ..ProgramCounter::default()
    }
}

impl Simulation {
    fn model(&mut self, id: &str) -> &mut Model {
        self.models.get_mut(id).unwrap()
    }

    pub(super) fn tell(&mut self, id: &str, message: ToCoordinator) {
        self.send(id, "", Happening::ToCoordinator(id.to_owned(), message));
    }

    fn tell_peers(&mut self, id: &str, word: &Word) {
        for peer in self.model(id).peers() {
            self.send(id, &peer.clone(), Happening::ToTrainer(peer, word.clone()));
        }
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
        if now.saturating_sub(model.lease) > u64::try_from(TIMEOUTS.failure.as_millis()).unwrap() {
            return self.crash(id);
        }
        let number = model.beats;
        model.beats += 1;
        model.sent.insert(number, now);
        let progress = Progress {
            counter: model.counter(),
            ticks: model.ticks,
            ..Progress::default()
        };
        let generation = model.generation;
        let waits = model.is_in(generation) && generation > 0 && !model.done;
        let late = waits && now.saturating_sub(model.waiting_since) > PEER;
        self.tell(
            id,
            ToCoordinator::Beat {
                number,
                generation,
                progress,
            },
        );
        if late {
            let model = self.model(id);
            let came = if model.ready {
                model.parts.get(&model.step)
            } else {
                Some(&model.hellos)
            };
            let missing = model
                .peers()
                .into_iter()
                .find(|peer| came.is_none_or(|came| !came.contains(peer)));
            self.suspect(id, missing);
        }
        self.at(BEAT, Happening::Wake(id.to_owned()));
    }

    fn suspect(&mut self, id: &str, peer: Option<String>) {
        let model = self.model(id);
        let generation = model.generation;
        model.suspected = true;
        let Some(peer) = peer else { return };
        let why = "a word did not come".to_owned();
        self.tell(
            id,
            ToCoordinator::Suspect {
                generation,
                peer,
                why,
            },
        );
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
            Word::Order(order) => self.obey(id, order),
            Word::Closed => self.crash(id),
            Word::Hello(generation, peer) => {
                // One that is ahead has connected; its own FORM is on its way.
                if generation >= model.generation {
                    if generation > model.generation {
                        model.hellos.clear();
                        model.generation = generation;
                        model.members.clear();
                        model.ready = false;
                        model.started = false;
                        model.suspected = false;
                        model.halted_through = model.halted_through.max(generation - 1);
                    }
                    model.hellos.insert(peer);
                    self.get_ready(id);
                }
            }
            Word::State(generation, step) => {
                if model.is_in(generation) && model.needs_state {
                    model.step = step;
                    model.needs_state = false;
                    self.get_ready(id);
                }
            }
            Word::Restore(counter) => self.restore(id, counter),
            Word::Part(generation, step, peer) => {
                if model.is_in(generation) {
                    model.parts.entry(step).or_default().insert(peer);
                    self.complete(id);
                }
            }
            Word::Computed(generation, step) => {
                if model.is_in(generation) && model.step == step && model.started {
                    model.computed = true;
                    let part = Word::Part(generation, step, id.to_owned());
                    self.tell_peers(id, &part);
                    self.complete(id);
                }
            }
            Word::Broken(generation, peer) => {
                let concerned = model.is_in(generation) && model.members.contains(&peer) && !model.done;
                if concerned {
                    self.suspect(id, Some(peer));
                }
            }
        }
    }

    /// Takes the state of a checkpoint, which comes before anything else and once.
    fn restore(&mut self, id: &str, counter: ProgramCounter) {
        let model = self.model(id);
        let gang = model.generation > 0 && model.is_in(model.generation);
        assert!(
            !gang && model.step == 0,
            "{id} is given a state at {}",
            model.step
        );
        model.step = counter.step;
        self.tell(id, ToCoordinator::Restored { counter });
    }

    fn obey(&mut self, id: &str, order: ToTrainer) {
        let model = self.models.get_mut(id).unwrap();
        match order {
            ToTrainer::BeatAck { number, .. } => {
                if let Some(sent) = model.sent.remove(&number) {
                    model.lease = model.lease.max(sent);
                }
            }
            ToTrainer::Open { round, shards } => model.open = Some((round, shards)),
            ToTrainer::Seal {
                round,
                expected,
                incomplete,
                ..
            } => self.seal_round(id, round, &expected, &incomplete),
            ToTrainer::Halt { generation } => {
                model.halted_through = model.halted_through.max(generation);
                let counter = model.counter();
                self.tell(id, ToCoordinator::Halted { generation, counter });
            }
            ToTrainer::Form {
                generation,
                members,
                counter,
                donor,
            } => self.form(id, (generation, &members), counter, donor.as_deref()),
            ToTrainer::Start { generation } if model.is_in(generation) && model.ready => {
                model.started = true;
                self.begin_step(id);
            }
            ToTrainer::Move { round, owners, .. } => {
                let moving = Moving {
                    source: id.to_owned(),
                    round,
                    owners,
                    waited: 0,
                };
                let delay = 50 + self.random.below(2_000);
                self.at(delay, Happening::Moves(moving));
            }
            ToTrainer::Die { .. } | ToTrainer::Finish => self.crash(id),
            ToTrainer::Start { .. } | ToTrainer::Welcome { .. } | ToTrainer::Restore { .. } => {}
        }
    }

    fn form(
        &mut self,
        id: &str,
        (generation, members): (u64, &[Member]),
        counter: ProgramCounter,
        donor: Option<&str>,
    ) {
        let now = self.now;

        self.give_up_moved(id, members);
        let model = self.models.get_mut(id).unwrap();
        let known = std::mem::take(&mut model.hellos);
        model.hellos = if model.generation == generation {
            known
        } else {
            BTreeSet::new()
        };
        model.generation = generation;
        model.halted_through = model.halted_through.max(generation - 1);
        model.members = members.iter().map(|member| member.trainer.id.clone()).collect();
        model.begins = counter.step;
        model.needs_state = model.step < counter.step;
        model.donates = donor == Some(id);
        (model.ready, model.started, model.done) = (false, false, false);
        (model.suspected, model.computed) = (false, false);
        model.parts.clear();
        model.waiting_since = now;
        if model.halted_through < generation {
            self.tell_peers(id, &Word::Hello(generation, id.to_owned()));
            self.get_ready(id);
        }
    }

    fn seal_round(&mut self, id: &str, round: u32, expected: &[ShardSum], incomplete: &ShardSet) {
        let model = self.model(id);
        let Some((open, shards)) = model.open.take() else {
            return;
        };
        assert_eq!(open, round);
        let sealed = shards.filter(|shard| !incomplete.contains(shard));
        assert!(
            sealed.iter().all(|shard| !model.held.contains(shard)),
            "sealed twice"
        );
        model.held.extend(sealed.ranges().iter().cloned());
        let shards = sealed.iter().map(|shard| ShardSum {
            rows: ROWS,
            ..expected[shard as usize].clone()
        });
        let shards = shards.collect();
        self.tell(id, ToCoordinator::Sealed { round, shards });
    }

    /// READY once all peers are connected and the state is there; a donor gives its own before.
    fn get_ready(&mut self, id: &str) {
        let now = self.now;
        let model = self.model(id);
        let generation = model.generation;
        let all = !model.members.is_empty() && model.peers().iter().all(|peer| model.hellos.contains(peer));
        if model.ready || !all || !model.is_in(generation) {
            return;
        }
        if model.donates {
            model.donates = false;
            let state = Word::State(generation, model.step);
            self.tell_peers(id, &state);
        }
        let model = self.model(id);
        if model.needs_state {
            return;
        }
        model.ready = true;
        model.waiting_since = now;
        let (counter, begins) = (model.counter(), model.begins);
        assert_eq!(counter.step, begins, "{id} begins elsewhere");
        let state_hash = format!("state at {}", counter.step);
        self.tell(
            id,
            ToCoordinator::Ready {
                generation,
                counter,
                state_hash,
            },
        );
    }

    fn begin_step(&mut self, id: &str) {
        let now = self.now;
        let model = self.model(id);
        (model.computed, model.waiting_since) = (false, now);
        let (generation, step) = (model.generation, model.step);
        if step == STEPS {
            return self.finish(id);
        }
        let delay = 20 + self.random.below(150);
        self.at(
            delay,
            Happening::ToTrainer(id.to_owned(), Word::Computed(generation, step)),
        );
    }

    /// A step is completed with everybody's part.
    fn complete(&mut self, id: &str) {
        let model = self.model(id);
        let came = model.parts.get(&model.step);
        let all = model
            .peers()
            .iter()
            .all(|peer| came.is_some_and(|came| came.contains(peer)));
        if !model.computed || !all || !model.started || model.done {
            return;
        }
        model.step += 1;
        let (step, rank, generation) = (
            model.step,
            model.members.iter().position(|member| member == id),
            model.generation,
        );
        self.furthest = self.furthest.max(step);
        if step.is_multiple_of(STEPS_PER_EPOCH) {
            if rank == Some(0) {
                self.tell_epochs(id, generation, step);
            }
            self.tell_pace(id, generation, step);
        }
        self.begin_step(id);
    }

    /// Every epoch so far: who told them before may not have been heard.
    fn tell_epochs(&mut self, id: &str, generation: u64, step: u64) {
        for epoch in 0..step / STEPS_PER_EPOCH {
            let record = EpochRecord {
                epoch: u32::try_from(epoch).unwrap(),
                step: (epoch + 1) * STEPS_PER_EPOCH,
                loss: 1.0,
                lr: 0.1,
                rows: 1,
                seconds: 0.0,
                metrics: serde_json::Map::new(),
            };
            self.tell(id, ToCoordinator::Epoch { generation, record });
        }
    }

    /// Some are slower than others, which shards do not stay with.
    fn tell_pace(&mut self, id: &str, generation: u64, step: u64) {
        let slow = (self.seed + id.len() as u64 + u64::from(id.as_bytes()[1])).is_multiple_of(3);
        let shards = self.models[id].held.len() as f64;
        let pace = Pace {
            epoch: u32::try_from(step / STEPS_PER_EPOCH).unwrap() - 1,
            steps: u32::try_from(STEPS_PER_EPOCH).unwrap(),
            busy_seconds: shards * if slow { 3.0 } else { 1.0 },
            waited_seconds: 0.0,
        };
        self.tell(id, ToCoordinator::Pace { generation, pace });
    }

    fn finish(&mut self, id: &str) {
        let model = self.model(id);
        model.done = true;
        let (generation, rank) = (
            model.generation,
            model.members.iter().position(|member| member == id),
        );
        if rank == Some(0) {
            self.tell_epochs(id, generation, STEPS);
        }
        let done = ToCoordinator::Done {
            generation,
            steps: STEPS,
            state_hash: "end".into(),
            weights_hash: "w".into(),
            stopping: None,
        };
        self.tell(id, done);
        if rank == Some(0) {
            self.tell(
                id,
                ToCoordinator::Weights {
                    generation,
                    offset: 0,
                    total: 3,
                },
            );
        }
    }
}
