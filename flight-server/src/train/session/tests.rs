//! A run that is halted at any point of its program and goes on, in the same process or in another, ends with the bits and
//! the history of one that was not.

use super::super::SingleProcess;
use super::*;
use crate::chunk::{ChunkBuilder, Shape};
use crate::dataset::Dataset;
use candlewick_collective::Reduced;
use candlewick_model::job::complete;
use candlewick_model::memory::TrainingMemory;
use candlewick_model::optim::Saved;
use candlewick_protocol::job::SnapshotSpec;
use candlewick_protocol::message::EpochRecord;
use candlewick_protocol::rows::SparseRows;
use candlewick_protocol::shards::ShardSet;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

mod delayed;
mod device;
mod fp16;
mod jobs;
mod local;
mod parts;
mod rounds;
mod sums;

use jobs::jobs;

/// Rows of every job: few steps in an epoch, the last one short.
const ROWS: u16 = 46;
const NEVER: u64 = u64::MAX;
/// Tells the other process where the saved states are.
const FOLDER: &str = "CANDLEWICK_TEST_STATES";

/// The plan of a job over rows that are all here.
fn plan(job: &Value) -> TrainPlan {
    device::chosen();
    let mut input = job.clone();
    let huge = input.as_object_mut().unwrap().remove("huge").is_some();
    input["job"] = json!("00");
    input["featureWidth"] = json!(6);
    for (name, value) in [
        ("batchSize", json!(10)),
        ("seed", json!(5)),
        ("logicalShards", json!(4)),
    ] {
        input["params"][name] = value;
    }
    let mut job = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
    job.snapshots = SnapshotSpec { epochs: 2, steps: 3 };
    let shape = Shape::of(&job.data, 4);
    let classes = matches!(job.data.label, candlewick_protocol::job::LabelKind::Class { .. });
    let mut builder = ChunkBuilder::new(&shape, usize::from(ROWS));
    for row in 0..ROWS {
        // Whole numbers below 8: they are positions in a table too.
        let features = (0..6).map(|at| f32::from((row * 7 + at * at + row / 5) % 8));
        let label = match (classes, huge && row == 11) {
            (true, _) => f64::from(row % 3),
            // The square of its error is beyond f32.
            (false, true) => 1e38,
            (false, false) => f64::from(row % 9) / 4.0 - 1.0,
        };
        builder
            .push(features, std::iter::once(label), 1.0 + f64::from(row % 2))
            .unwrap();
    }
    let chunk = Arc::new(builder.finish());
    let (all, none) = ((0..4).into(), ShardSet::default());
    let data = Dataset::build(shape, &all, &none, vec![chunk], 1).unwrap();
    let sums = data.sums();
    TrainPlan::new(job, data, &sums).unwrap()
}

/// Who looks on, and stops the run after so many calls of anything that may be halted.
struct Fuse {
    left: AtomicU64,
    /// The driver ends training after so many epochs.
    until: Option<u32>,
    history: Mutex<Vec<EpochRecord>>,
    /// States that were due: where they stand, whether training is over there, the file.
    kept: Mutex<Vec<(ProgramCounter, bool, Vec<u8>)>>,
}

impl Fuse {
    fn of(length: u64, history: Vec<EpochRecord>) -> Self {
        Fuse {
            left: AtomicU64::new(length),
            until: None,
            history: Mutex::new(history),
            kept: Mutex::default(),
        }
    }

    fn pass(&self) -> Result<(), Interrupt> {
        // Two threads may come by at once.
        let less = |left: u64| left.checked_sub(1);
        let passed = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        passed.map(|_| ()).map_err(|_| Interrupt::Halted)
    }

    fn into_history(self) -> Vec<EpochRecord> {
        self.history.into_inner().unwrap()
    }
}

impl Observer for Fuse {
    fn boundary(&self, counter: ProgramCounter) -> Result<Onward, Interrupt> {
        self.pass()?;
        let over = self.until.is_some_and(|until| counter.epoch >= until);
        Ok(if over { Onward::End } else { Onward::Go })
    }

    fn progress(&self, _: ProgramCounter) {}

    fn epoch(&self, record: &EpochRecord) -> Result<(), Interrupt> {
        // The state is committed: where it is halted here, the record was not heard yet.
        self.pass()?;
        let mut history = self.history.lock().unwrap();
        if record.epoch as usize == history.len() {
            history.push(EpochRecord {
                seconds: 0.0,
                ..record.clone()
            });
        }
        Ok(())
    }

    fn snapshot(
        &self,
        counter: ProgramCounter,
        last: bool,
        copy: &dyn Fn() -> Result<Saved, Failure>,
    ) -> Result<(), Interrupt> {
        self.pass()?;
        let file = copy()?.into_file()?.into_bytes();
        self.kept.lock().unwrap().push((counter, last, file));
        Ok(())
    }

    fn epochs_acknowledged(&self) -> u32 {
        u32::try_from(self.history.lock().unwrap().len()).unwrap()
    }
}

/// A trainer alone whose exchanges may be halted.
struct Halting<'a> {
    alone: SingleProcess,
    fuse: &'a Fuse,
}

impl Reduce for Halting<'_> {
    fn sum(
        &mut self,
        step: u64,
        scalars: &[Scalars],
        nodes: &[NodeGradient],
        out: (&mut [f32], &mut [SparseRows]),
    ) -> Result<Reduced, Interrupt> {
        self.fuse.pass()?;
        let reduced = self.alone.sum(step, scalars, nodes, out)?;
        // Every peer has it, this one is halted before it says so.
        self.fuse.pass()?;
        Ok(reduced)
    }

    fn words(
        &mut self,
        step: u64,
        sequence: u32,
        words: Vec<Vec<f32>>,
        most: usize,
    ) -> Result<Vec<Vec<f32>>, Interrupt> {
        self.fuse.pass()?;
        self.alone.words(step, sequence, words, most)
    }

    fn rank(&self) -> (usize, usize) {
        self.alone.rank()
    }

    fn gather(&mut self, what: &str, mine: &[f64]) -> Result<Vec<f64>, Interrupt> {
        self.fuse.pass()?;
        self.alone.gather(what, mine)
    }

    fn exchange(
        &mut self,
        step: u64,
        sequence: u32,
        own: Vec<Scalars>,
    ) -> Result<Vec<Option<Vec<f64>>>, Interrupt> {
        self.fuse.pass()?;
        self.alone.exchange(step, sequence, own)
    }

    fn broadcast(
        &mut self,
        what: &str,
        root: usize,
        mine: &[u8],
        alive: &dyn Fn(),
    ) -> Result<Vec<u8>, Interrupt> {
        self.alone.broadcast(what, root, mine, alive)
    }

    fn all_equal(&mut self, tag: &str, value: &str) -> Result<(), Interrupt> {
        self.fuse.pass()?;
        self.alone.all_equal(tag, value)
    }
}

/// What a run ends with.
#[derive(Debug, PartialEq)]
struct End {
    trained: Trained,
    model: Vec<u32>,
    history: Vec<EpochRecord>,
}

fn run(session: &mut Session, plan: &TrainPlan, fuse: &Fuse) -> Result<Trained, Interrupt> {
    let mut reduce = Halting {
        alone: SingleProcess { logical_shards: 4 },
        fuse,
    };
    session.run(plan, &mut reduce, fuse)
}

fn run_to_the_end(mut session: Session, plan: &TrainPlan, history: Vec<EpochRecord>) -> End {
    let fuse = Fuse::of(NEVER, history);
    let trained = run(&mut session, plan, &fuse).unwrap();
    End {
        trained,
        model: session
            .model()
            .unwrap()
            .iter()
            .map(|value| value.to_bits())
            .collect(),
        history: fuse.into_history(),
    }
}

fn restored(plan: &TrainPlan, threads: usize, file: &[u8]) -> Session {
    let mut session = Session::new(&plan.job, threads).unwrap();
    let steps = plan.step_plan.steps_per_epoch();
    session.restore(steps, file).unwrap();
    session
}

/// The undisturbed run, and how many points it comes by.
fn undisturbed(plan: &TrainPlan) -> (End, u64) {
    let fuse = Fuse::of(NEVER, Vec::new());
    let mut session = Session::new(&plan.job, 1).unwrap();
    run(&mut session, plan, &fuse).unwrap();
    let points = NEVER - fuse.left.load(Ordering::Relaxed);
    (
        run_to_the_end(Session::new(&plan.job, 1).unwrap(), plan, Vec::new()),
        points,
    )
}

/// Halted at every point; `check` gets the point, the halted session and the history so far.
fn halted_everywhere(plan: &TrainPlan, points: u64, mut check: impl FnMut(u64, Session, Vec<EpochRecord>)) {
    for point in 0..points {
        let fuse = Fuse::of(point, Vec::new());
        let mut session = Session::new(&plan.job, 1).unwrap();
        assert_eq!(
            run(&mut session, plan, &fuse).unwrap_err(),
            Interrupt::Halted,
            "point {point}"
        );
        check(point, session, fuse.into_history());
    }
}

#[test]
fn a_halted_run_goes_on_with_the_same_bits() {
    for (name, job) in jobs() {
        let plan = plan(&job);
        let (expected, points) = undisturbed(&plan);
        assert!(
            points > 30 && !expected.history.is_empty(),
            "{name}: {points} points"
        );
        let mut counters = Vec::new();
        let memory = TrainingMemory::of(&plan.job, 0..1).unwrap();
        let mut largest = 0;
        // One that was halted a point before, as a trainer that is a step behind the others.
        let mut earlier: Option<(u64, Session)> = None;
        halted_everywhere(&plan, points, |point, session, history| {
            counters.push(session.counter());
            let file = session.save().unwrap();
            let head = u64::from_le_bytes(file[..8].try_into().unwrap()) + 8;
            largest = largest.max(file.len() as u64 - head);
            let copy = restored(&plan, 1, &file);
            let mut again = Session::new(&plan.job, 1).unwrap();
            let fuse = Fuse::of(point, Vec::new());
            run(&mut again, &plan, &fuse).unwrap_err();
            assert_eq!(copy.state_hash(), session.state_hash(), "{name}, point {point}");
            assert_eq!(
                run_to_the_end(copy, &plan, history.clone()),
                expected,
                "{name}: restored at point {point}"
            );
            assert_eq!(
                run_to_the_end(session, &plan, history.clone()),
                expected,
                "{name}: halted at point {point}"
            );
            if let Some((behind, mut session)) = earlier.replace((point, again)) {
                session.restore(plan.step_plan.steps_per_epoch(), &file).unwrap();
                assert_eq!(
                    run_to_the_end(session, &plan, history),
                    expected,
                    "{name}: halted at point {behind}, given the state of point {point}"
                );
            }
        });
        let few = if name.contains("factors") { 50 } else { 10 };
        assert!(
            (memory.states..memory.states + few).contains(&largest),
            "{name}: {largest} bytes, {} are kept for it",
            memory.states
        );
        assert!(counters.is_sorted(), "{name}: {counters:?}");
        for phase in [ProgramPhase::Step, ProgramPhase::Close] {
            assert!(counters.iter().any(|counter| counter.phase == phase), "{name}");
        }
    }
}

/// What a run ends with, but for how early stopping went.
fn ended(session: &Session, trained: Trained, fuse: Fuse) -> End {
    End {
        trained: Trained {
            stopping: None,
            ..trained
        },
        model: session
            .model()
            .unwrap()
            .iter()
            .map(|value| value.to_bits())
            .collect(),
        history: fuse.into_history(),
    }
}

#[test]
fn a_run_that_its_driver_ends_has_the_bits_of_one_with_so_many_epochs() {
    const EPOCHS: u32 = 2;
    let fuse = |length, history| Fuse {
        until: Some(EPOCHS),
        ..Fuse::of(length, history)
    };
    for (name, mut job) in jobs() {
        // OneCycleLR moves by how many epochs there are to be.
        if job["params"]["lrScheduler"]["type"] == "OneCycleLR" {
            continue;
        }
        let plan = plan(&job);
        job["params"]["epochs"] = json!(EPOCHS);
        let (mut expected, _) = undisturbed(&self::plan(&job));
        expected.trained.stopping = None;
        let (mut session, whole) = (Session::new(&plan.job, 1).unwrap(), fuse(NEVER, Vec::new()));
        let trained = run(&mut session, &plan, &whole).unwrap();
        let points = NEVER - whole.left.load(Ordering::Relaxed);
        let kept = whole
            .kept
            .lock()
            .unwrap()
            .last()
            .map(|kept| (kept.0.epoch, kept.1));
        assert_eq!(
            kept,
            Some((EPOCHS, true)),
            "{name}: the last state is that of the end"
        );
        assert_eq!(ended(&session, trained, whole), expected, "{name}");
        for point in 0..points {
            let (mut session, halted) = (Session::new(&plan.job, 1).unwrap(), fuse(point, Vec::new()));
            let outcome = run(&mut session, &plan, &halted);
            assert_eq!(outcome.unwrap_err(), Interrupt::Halted, "{name}: point {point}");
            let again = fuse(NEVER, halted.into_history());
            let mut copy = restored(&plan, 1, &session.save().unwrap());
            let trained = run(&mut copy, &plan, &again).unwrap();
            assert_eq!(
                ended(&copy, trained, again),
                expected,
                "{name}: restored at point {point}"
            );
        }
    }
}

#[test]
fn the_jobs_have_what_they_are_named_for() {
    let ends: Vec<End> = jobs().iter().map(|(_, job)| undisturbed(&plan(job)).0).collect();
    let stopping = ends[0].trained.stopping.unwrap();
    assert!(
        stopping.stopped_early && stopping.best_epoch.unwrap() + 1 < ends[0].history.len() as u32,
        "{stopping:?}"
    );
    let within = ends[0].history[0].metrics["validations"].as_array().unwrap();
    assert!(!within.is_empty());
    let rates: Vec<f64> = ends[1].history.iter().map(|record| record.lr).collect();
    assert!(rates.first() > rates.last(), "{rates:?}");
    let skipped = |record: &EpochRecord| record.metrics["skippedSteps"].as_u64().unwrap();
    assert!(ends[3].history.iter().all(|record| skipped(record) == 1));
}

#[test]
fn another_process_goes_on_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for (index, (name, job)) in jobs().iter().enumerate() {
        let plan = plan(job);
        let (end, points) = undisturbed(&plan);
        halted_everywhere(&plan, points, |point, session, history| {
            let at = folder.path().join(format!("{index}-{point}"));
            std::fs::write(&at, session.save().unwrap()).unwrap();
            let history = serde_json::to_vec(&history).unwrap();
            std::fs::write(at.with_extension("history"), history).unwrap();
            expected.push((format!("{name}, point {point}"), at, format!("{end:?}")));
        });
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "train::session::tests::helper_that_goes_on_with_saved_states",
        ])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stdout)
    );
    for (what, at, end) in expected {
        let came = std::fs::read_to_string(at.with_extension("end")).unwrap();
        assert_eq!(came, end, "{what}");
    }
}

/// The other process of the test above, where that one has named a folder.
#[test]
fn helper_that_goes_on_with_saved_states() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = PathBuf::from(folder);
    for (index, (_, job)) in jobs().iter().enumerate() {
        let plan = plan(job);
        for point in 0.. {
            let at: &Path = &folder.join(format!("{index}-{point}"));
            let Ok(file) = std::fs::read(at) else { break };
            let history = std::fs::read(at.with_extension("history")).unwrap();
            let history = serde_json::from_slice(&history).unwrap();
            let end = run_to_the_end(restored(&plan, 2, &file), &plan, history);
            std::fs::write(at.with_extension("end"), format!("{end:?}")).unwrap();
        }
    }
}

#[test]
fn a_state_of_another_job_is_refused_with_what_differs() {
    let all: Vec<Value> = jobs().into_iter().map(|(_, job)| job).collect();
    let saved = |job: &Value| {
        let plan = plan(job);
        let mut session = Session::new(&plan.job, 1).unwrap();
        run(&mut session, &plan, &Fuse::of(20, Vec::new())).unwrap_err();
        session.save().unwrap()
    };
    let refused = |job: &Value, file: &[u8]| {
        let plan = plan(job);
        let mut session = Session::new(&plan.job, 1).unwrap();
        let steps = plan.step_plan.steps_per_epoch();
        let failure = session.restore(steps, file).unwrap_err();
        failure.message
    };
    let mut changed = all[0].clone();
    changed["params"]["emaDecay"] = Value::Null;
    let told = refused(&changed, &saved(&all[0]));
    assert!(
        told.contains("ema.") && told.contains("other parameters"),
        "{told}"
    );
    changed = all[0].clone();
    changed["params"]["optimizer"] = json!({"type": "SGD"});
    let told = refused(&changed, &saved(&all[0]));
    assert!(told.contains("exp_avg"), "{told}");
    let told = refused(&all[1], &saved(&all[0]));
    assert!(told.contains("weights") || told.contains("tensor"), "{told}");
    let told = refused(&all[0], b"no file");
    assert!(told.contains("not a safetensors file"), "{told}");
    let mut cut = saved(&all[0]);
    cut.truncate(cut.len() - 1);
    assert!(refused(&all[0], &cut).contains("not a safetensors file"));
}

#[test]
fn a_state_is_kept_where_it_is_due_and_gives_the_same_end() {
    for (name, job) in jobs() {
        let plan = plan(&job);
        let fuse = Fuse::of(NEVER, Vec::new());
        run(&mut Session::new(&plan.job, 1).unwrap(), &plan, &fuse).unwrap();
        let expected = run_to_the_end(Session::new(&plan.job, 1).unwrap(), &plan, Vec::new());
        let (steps, kept) = (expected.trained.steps, fuse.kept.into_inner().unwrap());
        let per_epoch = plan.step_plan.steps_per_epoch();
        // Within an epoch every third step; its end counts once the epoch is closed.
        let due = |step: u64| step.is_multiple_of(3) || step.is_multiple_of(2 * per_epoch) || step == steps;
        // Where not every point is settled, it is every third step of an epoch and its end: states are kept there, or where shards
        // meet that are by themselves in between.
        let train = &plan.job.train;
        let some = train.gradient_compression.remembers() || train.asynchrony.is_delayed();
        let validates = u64::from(train.evaluation.validation_steps);
        let even = |step: u64| match &train.local_steps {
            Some(local) => {
                local.meets_after(step, per_epoch) || validates > 0 && step.is_multiple_of(validates)
            }
            None => !some || (step % per_epoch).is_multiple_of(3),
        };
        let mut owed = false;
        let expected_at = (1..=steps).filter(|step| {
            owed |= due(*step);
            even(*step) && std::mem::take(&mut owed)
        });
        let at: Vec<u64> = kept.iter().map(|(counter, _, _)| counter.step).collect();
        assert_eq!(at, expected_at.collect::<Vec<_>>(), "{name}");
        for (counter, last, file) in kept {
            assert_eq!(counter.phase, ProgramPhase::Step, "{name}");
            assert_eq!(
                (u64::from(counter.epoch), last),
                (counter.step / per_epoch, counter.step == steps)
            );
            let history = expected.history[..counter.epoch as usize].to_vec();
            assert_eq!(
                run_to_the_end(restored(&plan, 1, &file), &plan, history),
                expected,
                "{name}: {counter}"
            );
        }
    }
}

/// What training waits for at a checkpoint; run with --ignored --nocapture.
#[test]
#[ignore = "a measurement"]
fn time_to_copy() {
    let layers = [2_870, 2_870, 1].map(|width| json!({"type": "Linear", "out_features": width}));
    let job = json!({"task": "regressor", "params": {
        "network": {"format": "candlewick.network/1", "layers": layers}, "batchSize": 10}});
    let session = Session::new(&plan(&job).job, 2).unwrap();
    for round in 0..7 {
        let begin = Instant::now();
        let saved = session.state.copy(&session.network).unwrap();
        let copied = begin.elapsed();
        let begin = Instant::now();
        let file = saved.clone().into_file().unwrap().into_bytes();
        println!(
            "round {round}: {:.1} MB copied in {copied:.1?}, written in {:.1?} by the other thread",
            real(file.len()) / 1e6,
            begin.elapsed()
        );
    }
}

fn real(number: usize) -> f64 {
    number as f64
}

#[test]
fn a_counter_that_no_run_comes_by_is_refused() {
    let (_, job) = &jobs()[0];
    let plan = plan(job);
    let session = Session::new(&plan.job, 1).unwrap();
    let file = session.save().unwrap();
    let mut again = Session::new(&plan.job, 1).unwrap();
    let network = session.network();
    again.state.restore(network, 5, &file).unwrap();
    let mut saved = Saved::from_bytes(&file).unwrap();
    saved.notes["counter"]["step"] = json!(5);
    let file = saved.clone().into_file().unwrap().into_bytes();
    let refused = again.state.restore(network, 5, &file).unwrap_err();
    assert!(
        refused.message.contains("step 5 of training, in epoch 0") && refused.message.contains("batchSize"),
        "{refused}"
    );
}
