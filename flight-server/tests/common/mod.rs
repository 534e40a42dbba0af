//! A gang of real trainer processes under an in-process coordinator, fed as a Spark job would feed them.

#![allow(dead_code, reason = "every test binary uses its own part")]

pub mod data;
pub mod events;
pub mod feed;
pub mod proxy;
pub mod runs;

use candlewick_coordinator::{Coordinator, CoordinatorConfig};
use candlewick_failpoint::{Gates, Hit};
use candlewick_protocol::feed::{Owner, TaskLedger};
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::keys::{JobSecret, Purpose};
use candlewick_protocol::launch::Listening;
use candlewick_protocol::shuffle::Homes;
use events::EventLog;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest wait for anything; far above what anything takes.
pub const WAIT: Duration = Duration::from_secs(120);

/// Where a trainer runs, where it is not beside the others.
pub struct Elsewhere {
    /// The program and what goes before the trainer's own arguments.
    pub command: Vec<String>,
    /// What it listens at.
    pub host: String,
}

/// Of each trainer by its index; one thread each then.
pub static ELSEWHERE: OnceLock<Vec<Elsewhere>> = OnceLock::new();

fn elsewhere(index: usize) -> Option<&'static Elsewhere> {
    ELSEWHERE.get()?.get(index)
}

/// A trainer process.
pub struct Trainer {
    pub id: String,
    pub listening: Listening,
    pub stdin: Option<ChildStdin>,
    child: Child,
    stderr: Arc<Mutex<String>>,
    drain: Option<JoinHandle<()>>,
}

/// Collects a stream's text on a thread.
fn drain(mut from: impl Read + Send + 'static) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let text = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&text);
    let thread = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            into.lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    });
    (text, thread)
}

/// The trainer binary with piped streams, on the device that `CANDLEWICK_TEST_DEVICE` names. `CANDLEWICK_TEST_TRAINER` names
/// another binary, where the tests were not built on the machine that they run on.
pub fn binary(arguments: &[&str]) -> Child {
    start(arguments, None)
}

/// The same, held at points where `gates` names some.
fn start(arguments: &[&str], gates: Option<(&Gates, &str)>) -> Child {
    let (built, elsewhere) = match gates {
        None => (
            env!("CARGO_BIN_EXE_candlewick-trainer"),
            "CANDLEWICK_TEST_TRAINER",
        ),
        Some(_) => (
            env!("CARGO_BIN_EXE_candlewick-trainer-failpoints"),
            "CANDLEWICK_TEST_TRAINER_FAILPOINTS",
        ),
    };
    let environment = gates.map(|(gates, points)| gates.environment(points));
    let device = std::env::var("CANDLEWICK_TEST_DEVICE").ok();
    let device = device.filter(|_| ["gang", "serve"].contains(&arguments[0]));
    let device = device.iter().flat_map(|device| ["--device", device]);
    let program = std::env::var(elsewhere).unwrap_or_else(|_| built.to_owned());
    let mut command = Command::new(program);
    command.args(arguments).args(device);
    piped(command.envs(environment.into_iter().flatten()))
}

fn piped(command: &mut Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The first line that a child prints; empty where it ends without one.
pub fn first_line(child: &mut Child) -> String {
    let stdout = child.stdout.take().unwrap();
    let (sender, line) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(stdout).read_line(&mut line);
        let _ = sender.send(line);
    });
    line.recv_timeout(WAIT)
        .unwrap_or_else(|_| panic!("a child prints no line within {WAIT:?}"))
}

/// Waits for the end of a child; `who` names it.
pub fn ended(child: &mut Child, who: &str) -> ExitStatus {
    let deadline = Instant::now() + WAIT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "{who} does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Trainer {
    pub fn start(config: &Value, gates: Option<(&Gates, &str)>) -> Self {
        let index = config["executor"].as_str().and_then(|index| index.parse().ok());
        let mut child = match index.and_then(elsewhere) {
            Some(elsewhere) => piped(
                Command::new(&elsewhere.command[0])
                    .args(&elsewhere.command[1..])
                    .arg("gang"),
            ),
            None => start(&["gang"], gates),
        };
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{config}").unwrap();
        let (stderr, drain) = drain(child.stderr.take().unwrap());
        let line = first_line(&mut child);
        let listening: Listening = serde_json::from_str(&line).unwrap_or_else(|error| {
            panic!("{error} in {line:?}; stderr: {}", stderr.lock().unwrap());
        });
        assert_eq!(listening.pid, child.id());
        let id = config["trainer"].as_str().unwrap().to_owned();
        Trainer {
            id,
            listening,
            stdin: Some(stdin),
            child,
            stderr,
            drain: Some(drain),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    pub fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.pid()).unwrap();
        // SAFETY: a signal to a child of this process that was not waited for: its id is still its own.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// True once the process has ended, though nobody waited for it.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end of the process; all of its stderr is read then.
    pub fn wait(&mut self) -> ExitStatus {
        let who = format!("trainer {}", self.id);
        let status = ended(&mut self.child, &who);
        if let Some(drain) = self.drain.take() {
            drain.join().unwrap();
        }
        status
    }

    /// Waits for the end of the process, which must have this exit status.
    pub fn wait_for(&mut self, code: i32) {
        let status = self.wait();
        assert_eq!(
            status.code(),
            Some(code),
            "trainer {}: {status}; stderr: {}",
            self.id,
            self.log()
        );
    }

    pub fn log(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }
}

impl Drop for Trainer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Coordinator and trainers.
pub struct Gang {
    pub coordinator: Coordinator,
    pub secret: JobSecret,
    pub trainers: Vec<Trainer>,
    pub job: JobSpec,
    pub owners: Vec<Owner>,
    /// What each trainer is told of its memory.
    pub memory: Value,
    /// Trainers that the fit goes on without.
    pub lost: BTreeSet<usize>,
    events: EventLog,
    /// Where a partition is read in the first round: the index of a trainer, whose executor it is.
    pub runs_on: fn(u32) -> usize,
    /// Where partitions went before, as the last round that was asked for says.
    pub homes: Option<Homes>,
}

/// What a fit ends with.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    pub weights_hash: String,
    pub steps: u64,
    pub losses: Vec<f64>,
    /// The records of the epochs, without the clock.
    pub history: Vec<Value>,
    pub weights: Vec<u8>,
    pub ledger: Value,
    /// Null where `classWeight` is not set.
    pub class_weights: Value,
    pub exchange: Value,
    /// Null where nothing is compressed.
    pub compression: Value,
}

/// Of a coordinator whose driver is not watched and that waits for every report.
pub fn coordinator_config(job: &JobSpec) -> CoordinatorConfig {
    CoordinatorConfig {
        bind_host: "127.0.0.1".into(),
        port: "0".into(),
        job: job.clone(),
        executor_grace_ms: 20_000,
        driver_timeout_ms: 600_000,
    }
}

/// What a trainer is given on stdin, by its index.
fn trainer_config(
    job: &JobSpec,
    (secret, memory): (&JobSecret, &Value),
    index: usize,
    (host, port): (String, u16),
) -> Value {
    json!({
        "memory": memory,
        "job": job.job,
        "trainer": format!("trainer-{index}"),
        "executor": index.to_string(),
        "index": 0,
        "keys": secret.ring(&job.job, &Purpose::ALL, false),
        "coordinatorHost": host,
        "coordinatorPort": port,
        "bindHost": elsewhere(index).map_or("127.0.0.1", |elsewhere| elsewhere.host.as_str()),
        "portRange": "0",
        "threads": if elsewhere(index).is_some() { 1 } else { 1 + index % 2 },
        "feeders": 1,
    })
}

impl Gang {
    /// Starts coordinator and trainers of a job, and fixes the members.
    pub fn start(job: JobSpec, trainers: usize) -> Self {
        Self::start_via(job, trainers, |_, address| address, &|_| None)
    }

    /// The same with trainers that are held at the points that `points` gives for each by its index.
    pub fn start_held(
        job: JobSpec,
        trainers: usize,
        gates: &Gates,
        points: impl Fn(usize) -> Option<String>,
    ) -> Self {
        Self::start_via(job, trainers, |_, address| address, &|index| {
            Some((gates, points(index)?))
        })
    }

    /// The same with trainers that reach the coordinator at another address, each by its index.
    pub fn start_via<'g>(
        job: JobSpec,
        trainers: usize,
        via: impl Fn(usize, (String, u16)) -> (String, u16),
        held: &dyn Fn(usize) -> Option<(&'g Gates, String)>,
    ) -> Self {
        let mut gang = Self::gather(coordinator_config(&job), trainers, via, held);
        gang.fix_members(&[]);
        gang
    }

    /// Starts a coordinator of this configuration and trainers; the members are not fixed yet.
    pub fn gather<'g>(
        config: CoordinatorConfig,
        trainers: usize,
        via: impl Fn(usize, (String, u16)) -> (String, u16),
        held: &dyn Fn(usize) -> Option<(&'g Gates, String)>,
    ) -> Self {
        Self::gather_with(json!({}), (config, trainers), via, held)
    }

    /// The same with trainers of so much memory.
    pub fn gather_with<'g>(
        memory: Value,
        (config, trainers): (CoordinatorConfig, usize),
        via: impl Fn(usize, (String, u16)) -> (String, u16),
        held: &dyn Fn(usize) -> Option<(&'g Gates, String)>,
    ) -> Self {
        let (secret, job) = (JobSecret::random().unwrap(), config.job.clone());
        let coordinator =
            Coordinator::start(config, &secret.ring(&job.job, &[Purpose::Control], false)).unwrap();
        let trainers: Vec<Trainer> = (0..trainers)
            .map(|index| {
                let held = held(index);
                let held = held.as_ref().map(|(gates, points)| (*gates, points.as_str()));
                let (host, port) = via(index, coordinator.address());
                // The driver lives however long its trainers take to start.
                coordinator.tick();
                Trainer::start(
                    &trainer_config(&job, (&secret, &memory), index, (host, port)),
                    held,
                )
            })
            .collect();
        let gang = Gang {
            coordinator,
            secret,
            trainers,
            job,
            owners: Vec::new(),
            memory,
            lost: BTreeSet::new(),
            events: EventLog::default(),
            runs_on: |_| 0,
            homes: None,
        };
        for _ in 0..gang.trainers.len() {
            gang.event("registered");
        }
        gang
    }

    /// Starts another trainer while the fit runs, and waits until it has registered and built its network.
    pub fn join(&mut self, held: Option<(&Gates, &str)>) -> usize {
        let index = self.trainers.len();
        let id = format!("trainer-{index}");
        self.command(&json!({"cmd": "expect", "trainers": [id]}));
        let config = trainer_config(
            &self.job,
            (&self.secret, &self.memory),
            index,
            self.coordinator.address(),
        );
        self.trainers.push(Trainer::start(&config, held));
        self.event_where("its registration", |event| {
            event["event"] == "registered" && event["trainer"]["id"] == id
        });
        self.event_where("its network", |event| {
            let built = event["progress"]["ticks"].as_u64() >= Some(2);
            event["event"] == "progress" && event["trainer"] == id && built
        });
        index
    }

    /// A trainer that has the job's keys and that nobody announced.
    pub fn stranger(&self, index: usize) -> Trainer {
        let config = trainer_config(
            &self.job,
            (&self.secret, &self.memory),
            index,
            self.coordinator.address(),
        );
        Trainer::start(&config, None)
    }

    /// Fixes the members: all its trainers and `others`, which have registered too.
    pub fn fix_members(&mut self, others: &[&str]) {
        let ids = self.trainers.iter().map(|trainer| trainer.id.as_str());
        let ids: Vec<&str> = ids.chain(others.iter().copied()).collect();
        let answer = self.command(&json!({"cmd": "members", "trainers": ids}));
        self.owners = serde_json::from_value(answer["owners"].clone()).unwrap();
    }

    pub fn command(&self, command: &Value) -> Value {
        let answer = self.coordinator.command(&command.to_string()).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// The first event that `wanted` accepts and that no wait before has taken, whether it came already or comes yet.
    pub fn event_where(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let poll = |limit| self.coordinator.poll(limit);
        match self.events.take(what, WAIT, poll, wanted) {
            Ok(event) => event,
            Err(why) => panic!("{why}\n{}", self.logs()),
        }
    }

    pub fn event(&self, name: &str) -> Value {
        self.event_where(name, |event| event["event"] == name)
    }

    /// The message of the failure that must come.
    pub fn failure(&self) -> String {
        let event = self.event("failed");
        event["failure"]["message"].as_str().unwrap().to_owned()
    }

    /// Waits for the word, which comes once a second, that a trainer is at a step. For jobs that do not end by
    /// themselves; to strike at a certain step start the gang with [`Gang::start_held`].
    pub fn in_training(&self) {
        self.event_where("progress in training", |event| {
            event["event"] == "progress" && event["progress"]["step"].as_u64().unwrap() >= 1
        });
    }

    /// Waits until a trainer stands before step `step`.
    pub fn stands_at(&self, gates: &Gates, step: u64) -> Hit {
        match gates.hit("train.step", step, WAIT) {
            Ok(hit) => hit,
            Err(why) => panic!("{why}\n{}", self.logs()),
        }
    }

    /// Every event of a name that has come so far.
    pub fn events_named(&self, name: &str) -> Vec<Value> {
        self.events.drain(|limit| self.coordinator.poll(limit));
        self.events.all(name)
    }

    pub fn logs(&self) -> String {
        self.trainers
            .iter()
            .map(|trainer| format!("--- {} (pid {})\n{}", trainer.id, trainer.pid(), trainer.log()))
            .collect()
    }

    pub fn seal(&self, ledgers: &[TaskLedger]) -> Value {
        self.command(&json!({"cmd": "seal", "round": 0, "ledgers": ledgers}));
        self.event("sealed")["ledger"].clone()
    }

    /// The first feed round, whole; its ledger.
    pub fn feed_and_seal(&mut self, rows: &[data::Row]) -> Value {
        let owners = self.owners.clone();
        let ledgers = self.feed_round(0, &owners, rows, |_, _| {});
        self.seal(&ledgers)
    }

    /// From the sealed feed to the weights and the orderly end of the trainers.
    pub fn train(self, ledger: Value) -> Fit {
        self.train_with(ledger, |_| {})
    }

    /// The same; `look` may look at the gang once training is over.
    pub fn train_with(self, ledger: Value, look: impl Fn(&Gang)) -> Fit {
        self.command(&json!({"cmd": "train"}));
        self.rest_with(ledger, look)
    }

    /// What is left of a fit that trains.
    pub fn rest(self, ledger: Value) -> Fit {
        self.rest_with(ledger, |_| {})
    }

    /// The same; `look` may look at the gang once training is over.
    pub fn rest_with(mut self, ledger: Value, look: impl Fn(&Gang)) -> Fit {
        let done = self.event("done");
        look(&self);
        let weights = self.coordinator.weights().unwrap().to_vec();
        self.command(&json!({"cmd": "finish"}));
        for (index, trainer) in self.trainers.iter_mut().enumerate() {
            if !self.lost.contains(&index) {
                trainer.wait_for(0);
            }
        }
        let epochs = self.events.all("epoch");
        let history: Vec<Value> = epochs
            .iter()
            .map(|event| {
                let mut record = event["record"].clone();
                for clock in ["seconds", "exchangeHidden"] {
                    record.as_object_mut().unwrap().remove(clock);
                }
                record
            })
            .collect();
        let losses = history.iter().map(|record| record["loss"].as_f64().unwrap());
        Fit {
            weights_hash: done["weightsHash"].as_str().unwrap().to_owned(),
            steps: done["steps"].as_u64().unwrap(),
            losses: losses.collect(),
            history,
            weights,
            ledger,
            class_weights: done["classWeights"].clone(),
            exchange: done["exchange"].clone(),
            compression: done["compression"].clone(),
        }
    }

    /// Kills a trainer and reports it as its executor's JVM would.
    pub fn kill(&mut self, index: usize) {
        self.lost.insert(index);
        self.trainers[index].kill();
        self.report(index);
    }

    /// Waits for the end of a trainer and reports it.
    pub fn report(&mut self, index: usize) {
        let trainer = &mut self.trainers[index];
        let status = trainer.wait();
        let code = status.code().or(status.signal().map(|signal| 128 + signal));
        let report = json!({
            "cmd": "exited",
            "trainer": trainer.id,
            "executor": index.to_string(),
            "code": code,
            "stderr": trainer.log(),
        });
        self.command(&report);
    }

    /// After a failure every trainer must end by itself.
    pub fn all_end(&mut self) {
        for trainer in &mut self.trainers {
            trainer.wait();
        }
    }
}
