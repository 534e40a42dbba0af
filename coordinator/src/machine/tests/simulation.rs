//! The coordinator's machine among trainers, over a network and with clocks that are simulated, all from a seed: words come
//! late, twice or not at all; links are cut, processes end or stand still, the coordinator too. What trainers decide is
//! the code of the real ones (`candlewick_membership`); threads, sockets, rows and arithmetic are simulated, and so is the driver.
//!
//! `make simulate SEED=7 SEEDS=1` replays a run exactly.

mod driver;
mod elastic;
mod faults;
mod limits;
mod network;
mod planted;
mod replicas;
mod rows;
mod trainer;
mod truth;
mod work;

use super::*;
use elastic::{Moving, Plan};
use faults::{Fault, Faults};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use trainer::{Model, Word};

/// Steps of the whole run, and of an epoch.
const STEPS: u64 = 40;
const STEPS_PER_EPOCH: u64 = 8;
/// Rows of every shard.
const ROWS: u64 = 8;
/// No fault happens later; the run must be over this much after it.
const FAULTS_UNTIL: u64 = 60_000;
const PATIENCE: u64 = 240_000;

/// Numbers that look random and follow from the seed (SplitMix64).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// What happens at a time.
#[derive(Debug)]
enum Happening {
    Tick,
    /// A trainer's own clock: beats, waits that are over.
    Wake(String),
    /// A word on its way to a trainer, from whom.
    ToTrainer(String, Word),
    ToCoordinator(String, Box<ToCoordinator>, Vec<u8>),
    /// The stream of a trainer has ended, seen by the coordinator.
    StreamEnds(String),
    Exited(String),
    ExecutorLost(String),
    Fault(Fault),
    /// Another trainer registers.
    Comes(u64),
    /// Spark takes an executor away.
    Decommissioned(u64),
    /// A trainer hands rows over.
    Moves(Moving),
    /// The driver has fed a round.
    Fed(driver::Round),
    Train,
    /// The driver decides after so many epochs whether training is over.
    Decided(u32, bool),
    /// The coordinator has stood still for long enough.
    GoesOn,
}

/// One run.
struct Simulation {
    seed: u64,
    random: Random,
    now: u64,
    order: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    machine: Machine,
    models: BTreeMap<String, Model>,
    network: network::Network,
    driver: driver::Driver,
    faults: Faults,
    elastic: Plan,
    /// What the driver feeds.
    source: rows::Source,
    replicas: replicas::Judge,
    /// The checkpoint that training goes on from, where there is one.
    resumed: Option<(ProgramCounter, Vec<u8>)>,
    /// The furthest step that anybody has completed.
    furthest: u64,
    epochs: u32,
    end: Option<Result<(), String>>,
    /// What was said and done, for a run that goes wrong.
    trace: Vec<String>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let trainers = 2 + random.below(4);
        let mut job = JobSpec {
            max_recoveries: 3,
            min_trainers: if random.one_in(3) { 2 } else { 1 },
            data_replicas: if random.one_in(2) { 2 } else { 1 },
            ..job()
        };
        job.train.epochs = u32::try_from(STEPS / STEPS_PER_EPOCH).unwrap();
        job.snapshots = SnapshotSpec {
            epochs: u32::try_from(random.below(3)).unwrap(),
            steps: if random.one_in(3) { 5 } else { 0 },
        };
        let source = rows::Source::new(&mut random);
        job.data.data_shuffle = source.shuffle;
        let elastic = Plan::new(&mut random, trainers.min(u64::from(SHARDS)));
        let faults = Faults::plan(&mut random, trainers);
        let mut simulation = Simulation {
            seed,
            faults,
            elastic,
            source,
            replicas: replicas::Judge::default(),
            random,
            now: 0,
            order: 0,
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            machine: Machine::new(job, TIMEOUTS),
            models: BTreeMap::new(),
            network: network::Network::default(),
            driver: driver::Driver::new(seed),
            resumed: None,
            furthest: 0,
            epochs: 0,
            end: None,
            trace: Vec::new(),
        };
        simulation.network.weather = network::Weather::choose(&mut simulation.random);
        simulation.choose_checkpoint();
        for index in 0..trainers.min(u64::from(SHARDS)) {
            let id = format!("t{index}");
            let at = simulation.random.below(100);
            let started = simulation.machine.connect(ms(0), info(&id, &index.to_string()));
            started.unwrap();
            let ahead = simulation.random.below(100_000);
            simulation.models.insert(id.clone(), Model::new(&id, 0, ahead));
            simulation.at(at, Happening::Wake(id));
        }
        simulation.at(0, Happening::Tick);
        simulation.begin_elastic();
        for (at, fault) in simulation.faults.take() {
            simulation.at(at, Happening::Fault(fault));
        }
        let ids: Vec<String> = simulation.models.keys().cloned().collect();
        let answer = simulation
            .command(json!({"cmd": "members", "trainers": ids}))
            .unwrap();
        simulation.feed(0, &answer["owners"], None);
        simulation
    }

    /// Some go on from a checkpoint.
    fn choose_checkpoint(&mut self) {
        if self.random.one_in(3) {
            let files = &truth::truth().files;
            let (counter, file) = &files[self.random.below(files.len() as u64) as usize];
            self.furthest = counter.step;
            self.epochs = counter.epoch;
            self.resumed = Some((*counter, file.clone()));
        }
    }

    fn at(&mut self, delay: u64, happening: Happening) {
        self.order += 1;
        self.queue.push(Reverse((self.now + delay, self.order)));
        self.happenings.insert(self.order, happening);
    }

    fn command(&mut self, command: serde_json::Value) -> Result<serde_json::Value, Failure> {
        let command: Command = serde_json::from_value(command).unwrap();
        let answer = self.machine.command(ms(self.now), command);
        self.perform();
        answer
    }

    /// Runs to the end; what was wrong, if anything was.
    fn run(mut self) -> Result<Self, String> {
        while self.end.is_none() {
            let Some(Reverse((at, order))) = self.queue.pop() else {
                return Err(self.wrong("nothing is left to happen"));
            };
            self.now = at;
            if self.now > FAULTS_UNTIL + PATIENCE {
                let waits = self.machine.explain();
                return Err(self.wrong(&format!("it is not over; the coordinator waits for {waits}")));
            }
            let happening = self.happenings.remove(&order).unwrap();
            self.happen(happening);
            self.perform();
        }
        match self.end.take() {
            Some(Err(what)) => Err(self.wrong(&what)),
            _ => Ok(self),
        }
    }

    fn wrong(&self, what: &str) -> String {
        let last = self.trace.len().saturating_sub(60);
        let commit = std::env::var("CANDLEWICK_COMMIT").unwrap_or_default();
        format!(
            "seed {seed}, at {} ms: {what}\n{}\nagain, of commit {commit:?}: make simulate SEED={seed} SEEDS=1",
            self.now,
            self.trace[last..].join("\n"),
            seed = self.seed,
        )
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        self.trace.push(format!("{:>7} {}", self.now, line()));
    }

    /// Something that must never happen has.
    fn violated(&mut self, what: &str) {
        self.end.get_or_insert_with(|| Err(what.to_owned()));
    }

    fn happen(&mut self, happening: Happening) {
        let Some(happening) = self.unless_stalled(happening) else {
            return;
        };
        if !matches!(happening, Happening::Tick | Happening::Wake(_)) {
            self.note(|| format!("{happening:?}").chars().take(220).collect());
        }
        match happening {
            Happening::Tick => {
                self.machine.driver_seen = ms(self.now);
                self.machine.tick(ms(self.now));
                self.at(100, Happening::Tick);
            }
            Happening::Wake(id) => self.wake(&id),
            Happening::ToTrainer(id, word) => self.deliver(&id, word),
            Happening::ToCoordinator(id, message, body) => {
                self.machine.message(ms(self.now), &id, *message, &body);
            }
            Happening::StreamEnds(id) => self.machine.disconnect(ms(self.now), &id),
            Happening::Exited(id) => {
                let _ = self.command(json!({"cmd": "exited", "trainer": id, "code": 137}));
            }
            Happening::ExecutorLost(id) => {
                let executor = id.trim_start_matches('t').to_owned();
                let _ = self.command(json!({"cmd": "executorLost", "executor": executor, "reason": "gone"}));
            }
            Happening::Fault(fault) => self.strike(&fault),
            Happening::Comes(index) => self.comes(index),
            Happening::Decommissioned(index) => self.decommissioned(index),
            Happening::Moves(moving) => self.moves(&moving),
            Happening::Fed(round) => self.fed(round),
            Happening::Train => self.begin_training(),
            Happening::Decided(epochs, over) => self.decided(epochs, over),
            Happening::GoesOn => self.goes_on(),
        }
    }

    fn begin_training(&mut self) {
        let until = self.begin_limits(self.epochs);
        let command = match &self.resumed {
            Some((counter, file)) => {
                self.machine.resume_from(0, file).unwrap();
                json!({"cmd": "train", "resume": counter, "until": until})
            }
            None => json!({"cmd": "train", "until": until}),
        };
        let _ = self.command(command);
    }

    /// Does what the machine wants done.
    fn perform(&mut self) {
        for output in self.machine.take_outputs() {
            match output {
                Output::Send { trainer, message } => {
                    self.check_order(&trainer, &message);
                    self.check_copies(&trainer, &message);
                    self.send(
                        "",
                        &trainer.clone(),
                        Happening::ToTrainer(trainer, Word::Said(message)),
                    );
                }
                Output::Restore {
                    trainer,
                    counter,
                    state,
                } => {
                    // Beside the words, and slower than they are.
                    let delay = 1 + self.random.below(5_000);
                    let word = Word::Restore(counter, state.to_vec());
                    self.at(delay, Happening::ToTrainer(trainer, word));
                }
                Output::Close { trainer } => {
                    self.send("", &trainer.clone(), Happening::ToTrainer(trainer, Word::Closed));
                }
                Output::Event(event) => self.event(event),
            }
        }
    }

    /// The invariants, where the coordinator speaks.
    fn check_order(&mut self, to: &str, message: &ToTrainer) {
        let ToTrainer::Form {
            generation,
            members,
            sums,
            counter,
            ..
        } = message
        else {
            return;
        };
        let mut problem = None;
        let mut next = 0;
        for member in members {
            let model = &self.models[&member.trainer.id];
            if member.lo != next {
                problem = Some(format!("I5: shard {next} has no owner or two"));
            }
            next = member.hi;
            for shard in member.lo..member.hi {
                let (has, must) = (model.shards.get(&shard), self.source.dealt(shard));
                if has != Some(&must) {
                    problem = Some(format!(
                        "A7, I5: {} owns shard {shard} and has {has:?} of it, not {must:?}",
                        member.trainer.id
                    ));
                } else if sums.get(shard as usize) != Some(&must.sum(shard)) {
                    problem = Some(format!(
                        "A7: the sums of shard {shard} are not {:?}",
                        must.sum(shard)
                    ));
                }
            }
            if model.alive && model.runs_before(*generation) {
                problem = Some(format!(
                    "I3: {} still runs when generation {generation} is formed",
                    member.trainer.id
                ));
            }
        }
        if next != SHARDS {
            problem = Some(format!("I5: shards from {next} on have no owner"));
        }
        if counter.step + 1 < self.furthest {
            problem = Some(format!(
                "more than one step is redone: from {} at {}",
                self.furthest, counter.step
            ));
        }
        if let Some(problem) = problem {
            self.end = Some(Err(format!("FORM to {to}: {problem}")));
        }
    }
}

/// How the runs of some seeds ended.
#[derive(Debug, Default)]
struct Tally {
    done: u64,
    failed: u64,
    recoveries: u64,
    rescaled: u64,
    joined: u64,
    left: u64,
    rebalanced: u64,
    /// Rounds of dealing, and those that were not the first of their run.
    dealt: u64,
    dealt_again: u64,
    /// Rounds in which copies were made, those of them after training had begun, and losses in training after which copies
    /// were there and nothing was fed.
    copied: u64,
    copied_again: u64,
    spared: u64,
}

/// How a run of this seed ends.
fn outcome(seed: u64) -> Result<Simulation, String> {
    Simulation::new(seed).run()
}

fn simulate(seeds: std::ops::Range<u64>) -> Tally {
    let (mut tally, mut wrong) = (Tally::default(), Vec::new());
    for seed in seeds {
        match outcome(seed) {
            Ok(run) => {
                let done = run.machine.phase == Phase::Done;
                tally.done += u64::from(done);
                tally.failed += u64::from(!done);
                tally.recoveries += run.driver.told;
                tally.rescaled += run.elastic.rescaled;
                tally.joined += run.elastic.joined;
                tally.left += run.elastic.left;
                tally.rebalanced += run.elastic.rebalanced;
                tally.dealt += run.elastic.dealt;
                tally.dealt_again += run.elastic.dealt.saturating_sub(1);
                tally.copied += run.replicas.copied;
                tally.copied_again += run.replicas.copied_again;
                tally.spared += run.replicas.spared;
            }
            Err(what) => wrong.push(what),
        }
        if wrong.len() == 3 {
            break;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    tally
}

fn from_environment(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn every_simulated_fit_ends_as_it_should() {
    let first = from_environment("CANDLEWICK_SIMULATE_SEED", 1);
    let seeds = from_environment("CANDLEWICK_SIMULATE_SEEDS", 500);
    let tally = simulate(first..first + seeds);
    println!("{seeds} seeds from {first} on: {tally:?}");
    assert!(
        seeds < 500 || (tally.joined > seeds / 4 && tally.left > seeds / 20 && tally.rescaled > seeds / 4)
    );
    assert!(seeds < 500 || tally.rebalanced > seeds / 20);
    assert!(seeds < 500 || (tally.dealt > seeds / 2 && tally.dealt_again > seeds / 10));
    assert!(seeds < 500 || (tally.copied > seeds / 2 && tally.copied_again > seeds / 20));
    assert!(seeds < 500 || tally.spared > seeds / 100);
    assert!(seeds < 500 || (tally.recoveries > seeds / 2 && tally.done > seeds * 3 / 4 && tally.failed > 0));
}

#[test]
fn a_seed_gives_the_same_run_again() {
    let trace = |seed| {
        let mut simulation = Simulation::new(seed);
        for _ in 0..3_000 {
            let Some(Reverse((at, order))) = simulation.queue.pop() else {
                break;
            };
            simulation.now = at;
            let happening = simulation.happenings.remove(&order).unwrap();
            simulation.happen(happening);
            simulation.perform();
        }
        simulation.trace
    };
    assert_eq!(trace(3), trace(3));
    assert_ne!(trace(3), trace(4));
}
