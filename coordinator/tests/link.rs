//! The coordinator over real sockets: registration, refusal, and nothing left after the shutdown.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

use arrow_flight::{Action, FlightData};
use candlewick_coordinator::{Coordinator, CoordinatorConfig};
use candlewick_protocol::ErrorKind;
use candlewick_protocol::job::{
    DataSpec, Evaluation, JobSpec, LabelKind, OnNonFinite, SnapshotSpec, TrainSpec,
};
use candlewick_protocol::keys::{JobSecret, KeyRing, Purpose};
use candlewick_protocol::message::{ToCoordinator, ToTrainer, TrainerInfo};
use candlewick_protocol::shuffle::DataShuffle;
use candlewick_wire::{Client, ControlReader, Identity};
use futures::StreamExt;
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming};

/// One test at a time: one of them counts the threads of this process.
static ALONE: Mutex<()> = Mutex::new(());
/// Far more than anything takes; a test that waits for it has failed.
const WAIT: Duration = Duration::from_secs(60);

fn config() -> CoordinatorConfig {
    let train = TrainSpec {
        network: json!({}),
        loss: json!({}),
        optimizer: json!({}),
        epochs: 1,
        batch_size: 1,
        drop_last: false,
        seed: 0,
        logical_shards: 8,
        clip_norm: None,
        clip_value: None,
        class_weight: None,
        precision: Default::default(),
        lr_scheduler: None,
        gradient_accumulation_steps: 1,
        ema_decay: None,
        on_non_finite: OnNonFinite::Error,
        gradient_compression: Default::default(),
        asynchrony: Default::default(),
        allow_tf32: false,
        any_order: false,
        local_steps: None,
        evaluation: Evaluation::default(),
    };
    let data = DataSpec {
        feature_encoding: Default::default(),
        feature_width: 1,
        input_shape: vec![1],
        label: LabelKind::Real { width: 1 },
        validation: None,
        data_shuffle: DataShuffle::Hash,
        rows: None,
    };
    CoordinatorConfig {
        bind_host: "127.0.0.1".into(),
        port: "0".into(),
        job: JobSpec {
            job: "job".into(),
            data,
            train,
            failure_timeout_ms: 600_000,
            progress_timeout_ms: 60_000,
            max_recoveries: 3,
            min_trainers: 1,
            executor_timeout_ms: 60_000,
            data_replicas: 1,
            snapshots: SnapshotSpec::default(),
        },
        executor_grace_ms: 600_000,
        driver_timeout_ms: 600_000,
    }
}

fn ring(secret: &JobSecret) -> KeyRing {
    secret.ring("job", &[Purpose::Control], false)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

async fn connect(
    coordinator: &Coordinator,
    secret: &JobSecret,
    id: &str,
    purpose: Purpose,
) -> Result<Client, ErrorKind> {
    let (host, port) = coordinator.address();
    let identity = Identity {
        job: "job".into(),
        client: id.into(),
        server: "coordinator".into(),
        key: secret.derive("job", purpose, false),
        purpose,
    };
    Client::connect(&host, port, &identity, WAIT)
        .await
        .map_err(|failure| failure.kind)
}

/// A trainer of the test: both ends of its control stream.
struct Puppet {
    outbox: mpsc::Sender<FlightData>,
    inbox: Streaming<FlightData>,
    reader: ControlReader,
    /// Frames that were parts of longer messages.
    parts: usize,
}

impl Puppet {
    async fn register(client: &Client, id: &str) -> Result<Self, tonic::Status> {
        Self::register_on(client, id, "0").await
    }

    async fn register_on(client: &Client, id: &str, executor: &str) -> Result<Self, tonic::Status> {
        let info = TrainerInfo {
            id: id.into(),
            host: "127.0.0.1".into(),
            executor: executor.into(),
            index: 0,
            flight_port: 1,
            collective_port: 2,
            pid: 3,
            threads: 1,
            cpu_level: "generic".into(),
            device: "cpu".into(),
        };
        let (outbox, messages) = mpsc::channel(8);
        let register = serde_json::to_vec(&ToCoordinator::Register { trainer: info }).unwrap();
        outbox
            .send(FlightData::new().with_app_metadata(register))
            .await
            .unwrap();
        let request = client.authorize("DoExchange", Request::new(ReceiverStream::new(messages)));
        let inbox = client.flight().do_exchange(request).await?.into_inner();
        Ok(Puppet {
            outbox,
            inbox,
            reader: ControlReader::default(),
            parts: 0,
        })
    }

    /// The next message; `None` at the end of the stream.
    async fn next(&mut self) -> Option<ToTrainer> {
        loop {
            let frame = tokio::time::timeout(WAIT, self.inbox.next())
                .await
                .unwrap()?
                .ok()?;
            assert!(frame.app_metadata.len() <= 1 << 20);
            match self.reader.read(&frame).unwrap() {
                Some(message) => return Some(message),
                None => self.parts += 1,
            }
        }
    }
}

/// The events of a coordinator. One that a wait passes over stays for a later wait.
struct Events<'a> {
    coordinator: &'a Coordinator,
    passed_over: Vec<Value>,
}

impl<'a> Events<'a> {
    fn of(coordinator: &'a Coordinator) -> Self {
        Events {
            coordinator,
            passed_over: Vec::new(),
        }
    }

    /// The next event of this name.
    fn take(&mut self, name: &str) -> Value {
        if let Some(at) = self.passed_over.iter().position(|event| event["event"] == name) {
            return self.passed_over.remove(at);
        }
        let deadline = Instant::now() + WAIT;
        while Instant::now() < deadline {
            let Some(text) = self.coordinator.poll(Duration::from_millis(200)) else {
                continue;
            };
            let event: Value = serde_json::from_str(&text).unwrap();
            if event["event"] == name {
                return event;
            }
            self.passed_over.push(event);
        }
        panic!("no event {name}, but {:?}", self.passed_over);
    }
}

#[test]
fn a_trainer_registers_and_dies_with_the_coordinator() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let secret = JobSecret::random().unwrap();
    let coordinator = Coordinator::start(config(), &ring(&secret)).unwrap();
    let runtime = runtime();
    let mut puppet = runtime.block_on(async {
        let client = connect(&coordinator, &secret, "t", Purpose::Control)
            .await
            .unwrap();
        let mut puppet = Puppet::register(&client, "t").await.unwrap();
        assert!(matches!(puppet.next().await, Some(ToTrainer::Welcome { .. })));
        assert_eq!(
            Puppet::register(&client, "someone else")
                .await
                .err()
                .unwrap()
                .code(),
            tonic::Code::PermissionDenied
        );
        puppet
    });
    assert_eq!(Events::of(&coordinator).take("registered")["trainer"]["id"], "t");
    let answer: Value =
        serde_json::from_str(&coordinator.command(r#"{"cmd":"registered"}"#).unwrap()).unwrap();
    assert_eq!(answer["trainers"][0]["id"], "t");
    coordinator.tick();
    let threads_of_it = || {
        let names = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let of_it = |task: &std::fs::DirEntry| {
            std::fs::read_to_string(task.path().join("comm"))
                .is_ok_and(|name| name.starts_with("candlewick-coor"))
        };
        names.filter(of_it).count()
    };
    // A thread names itself, and may be in the list for a moment after its end.
    let wait_for_threads = |count: std::ops::RangeInclusive<usize>| {
        let deadline = Instant::now() + WAIT;
        while !count.contains(&threads_of_it()) {
            assert!(
                Instant::now() < deadline,
                "{} threads, expected {count:?}",
                threads_of_it()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait_for_threads(2..=64);
    coordinator.shutdown();
    coordinator.shutdown();
    runtime.block_on(async {
        assert!(matches!(puppet.next().await, Some(ToTrainer::Die { .. })));
        assert!(puppet.next().await.is_none());
    });
    let (host, port) = coordinator.address();
    assert!(
        std::net::TcpStream::connect((host, port)).is_err(),
        "the port must refuse connections"
    );
    wait_for_threads(0..=0);
    drop(puppet.outbox);
}

#[test]
fn a_stranger_is_refused_and_a_lost_trainer_reported_by_its_executor() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let secret = JobSecret::random().unwrap();
    let coordinator = Coordinator::start(config(), &ring(&secret)).unwrap();
    let runtime = runtime();
    runtime.block_on(async {
        let wrong = JobSecret::random().unwrap();
        let refused = connect(&coordinator, &wrong, "t", Purpose::Control).await;
        assert_eq!(refused.err(), Some(ErrorKind::Unauthenticated));
        let refused = connect(&coordinator, &secret, "t", Purpose::Feed).await;
        assert_eq!(
            refused.err(),
            Some(ErrorKind::Unauthenticated),
            "a feed key is no control key"
        );
        let client = connect(&coordinator, &secret, "t", Purpose::Control)
            .await
            .unwrap();
        let mut puppet = Puppet::register(&client, "t").await.unwrap();
        assert!(matches!(puppet.next().await, Some(ToTrainer::Welcome { .. })));
        coordinator
            .command(r#"{"cmd":"members","trainers":["t"]}"#)
            .unwrap();
        assert_eq!(
            puppet.next().await,
            Some(ToTrainer::Open {
                round: 0,
                shards: (0..8).into()
            })
        );
        drop(puppet);
        let executor = connect(&coordinator, &secret, "executor-0", Purpose::Control)
            .await
            .unwrap();
        let report = json!({"job": "job", "trainer": "t", "executor": "0", "code": 137, "stderr": "oops"});
        let action = Action::new("exited", report.to_string());
        let mut answer = executor
            .flight()
            .do_action(executor.authorize("DoAction", Request::new(action)))
            .await
            .unwrap()
            .into_inner();
        assert!(answer.next().await.is_none());
    });
    let failed = Events::of(&coordinator).take("failed");
    let told = failed["failure"]["message"].as_str().unwrap();
    assert!(
        told.contains("trainer 0 (127.0.0.1, executor 0, pid 3) ended during feed: killed by signal 9"),
        "{told}"
    );
    coordinator.shutdown();
}

/// A trainer that registered and went with its executor: who counts on it learns that, and an order longer than a part
/// reaches the others whole.
#[test]
fn a_trainer_lost_at_launch_is_told_and_a_long_order_arrives_whole() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let secret = JobSecret::random().unwrap();
    let coordinator = Coordinator::start(config(), &ring(&secret)).unwrap();
    let mut events = Events::of(&coordinator);
    let runtime = runtime();
    let (mut staying, _gone) = runtime.block_on(async {
        let mut puppets = Vec::new();
        for id in ["staying", "gone"] {
            let client = connect(&coordinator, &secret, id, Purpose::Control)
                .await
                .unwrap();
            let executor = if id == "gone" { "7" } else { "0" };
            let mut puppet = Puppet::register_on(&client, id, executor).await.unwrap();
            assert!(matches!(puppet.next().await, Some(ToTrainer::Welcome { .. })));
            puppets.push(puppet);
        }
        let gone = puppets.pop().unwrap();
        (puppets.pop().unwrap(), gone)
    });
    let lost = json!({"cmd": "executorLost", "executor": "7", "reason": "decommissioned"});
    coordinator.command(&lost.to_string()).unwrap();
    let why = "trainer gone (127.0.0.1, executor 7, pid 3) ended during launch: its executor was lost: decommissioned";
    assert_eq!(events.take("lost")["why"], why);
    let both = json!({"cmd": "members", "trainers": ["staying", "gone"]});
    assert_eq!(coordinator.command(&both.to_string()).unwrap_err().message, why);
    coordinator
        .command(r#"{"cmd":"members","trainers":["staying"]}"#)
        .unwrap();
    let partitions = 60_000u32;
    let ledger = |partition: u32| {
        let rows = u64::from(partition == 0);
        let shards = if rows > 0 {
            json!([{"shard": 3, "rows": rows, "hashSum": "07"}])
        } else {
            json!([])
        };
        json!({
            "partition": partition, "attempt": 1_000_000 + u64::from(partition), "rowsRead": rows, "rowsSent": rows,
            "rowsSkipped": 0, "featureBytes": 4 * rows, "shards": shards, "failure": null,
        })
    };
    let ledgers: Vec<Value> = (0..partitions).map(ledger).collect();
    coordinator
        .command(&json!({"cmd": "seal", "round": 0, "ledgers": ledgers}).to_string())
        .unwrap();
    runtime.block_on(async {
        assert!(matches!(staying.next().await, Some(ToTrainer::Open { .. })));
        let Some(ToTrainer::Seal { winners, .. }) = staying.next().await else {
            panic!("no Seal")
        };
        assert!(winners.iter().map(|winner| winner.partition).eq(0..partitions));
    });
    assert!(staying.parts >= 2, "it came in {} parts", staying.parts);
    coordinator.shutdown();
}

/// What a feeding executor holds does not do where it pretends to come for control.
#[test]
fn a_feed_key_does_not_call_control() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let secret = JobSecret::random().unwrap();
    let coordinator = Coordinator::start(config(), &ring(&secret)).unwrap();
    let (host, port) = coordinator.address();
    let held = secret.ring("job", &[Purpose::Feed], false);
    let feeder = Identity {
        job: "job".into(),
        client: "t".into(),
        server: "coordinator".into(),
        key: held.key(Purpose::Feed).unwrap().clone(),
        purpose: Purpose::Control,
    };
    let refused = runtime().block_on(Client::connect(&host, port, &feeder, WAIT));
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Unauthenticated);
    assert!(
        Coordinator::start(config(), &held).is_err(),
        "it needs the key for control"
    );
    coordinator.shutdown();
}

#[test]
fn wrong_commands_and_ports_say_what_is_legal() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let secret = JobSecret::random().unwrap();
    let coordinator = Coordinator::start(config(), &ring(&secret)).unwrap();
    let told = coordinator.command(r#"{"cmd":"explode"}"#).unwrap_err().message;
    assert!(
        told.contains("knows no such command") && told.contains("seal"),
        "{told}"
    );
    assert!(coordinator.command(r#"{"cmd":"train"}"#).is_err());
    assert!(coordinator.weights().is_err());
    let taken = CoordinatorConfig {
        port: coordinator.address().1.to_string(),
        ..config()
    };
    assert_eq!(
        Coordinator::start(taken, &ring(&secret)).unwrap_err().kind,
        ErrorKind::Unavailable
    );
}
