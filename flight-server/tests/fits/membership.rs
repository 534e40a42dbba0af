//! Who cannot be reached: a driver that stands still, hosts that no name server knows.

use crate::common;
use crate::common::data::{job, rows};
use crate::common::feed::{connect, route, runtime};
use crate::common::{Gang, WAIT, coordinator_config};
use arrow_flight::FlightData;
use candlewick_coordinator::CoordinatorConfig;
use candlewick_failpoint::Gates;
use candlewick_protocol::auth::COORDINATOR;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::keys::{JobSecret, Purpose};
use candlewick_protocol::message::{Progress, ToCoordinator, ToTrainer, TrainerInfo};
use candlewick_wire::{Client, ControlReader, Identity, control_frames};
use futures::StreamExt;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;

/// A host that no name server knows; a label this long is asked of none. It ranks before 127.0.0.1.
fn unknown_host() -> String {
    format!("0{}", "x".repeat(63))
}

/// Whoever gives many rows up takes long; a peer that only connects is waited for less long than one that exchanges.
#[test]
fn whoever_gives_rows_up_is_connected_already() {
    let gates = Gates::new().unwrap();
    let mut gang = Gang::start_held(job(1, 64), 2, &gates, |index| {
        Some(format!(
            "{}=1",
            if index == 0 { "gang.keep" } else { "gang.form" }
        ))
    });
    let ledger = gang.feed_and_seal(&rows(200));
    gang.command(&json!({"cmd": "train"}));
    let keeps = gates.hit("gang.keep", 1, WAIT).unwrap();
    // The other has its connections, and goes on to what it exchanges.
    drop(gates.hit("gang.form", 1, WAIT).unwrap());
    drop(keeps);
    gang.rest(ledger);
}

/// What the driver below is told by.
const DRIVE: &str = "CANDLEWICK_TEST_DRIVE";
/// The driver counts as gone sooner than its trainers give it up: they outlast its timeout.
const DRIVER_TIMEOUT_MS: u64 = 6_000;
const FAILURE_TIMEOUT_MS: u64 = 8_000;

/// A driver, in a process of its own (see the test below): trains without end and ticks; prints the ids of its trainers'
/// processes once they train, and then how the job failed.
#[test]
fn helper_that_drives() {
    if std::env::var_os(DRIVE).is_none() {
        return;
    }
    let endless = JobSpec {
        failure_timeout_ms: FAILURE_TIMEOUT_MS,
        ..job(1_000_000, 16)
    };
    let config = CoordinatorConfig {
        driver_timeout_ms: DRIVER_TIMEOUT_MS,
        ..coordinator_config(&endless)
    };
    let mut gang = Gang::gather(config, 2, |_, address| address, &|_| None);
    gang.fix_members(&[]);
    gang.seal(&gang.feed(&rows(200), 50));
    gang.command(&json!({"cmd": "train"}));
    let pids: Vec<u32> = gang.trainers.iter().map(common::Trainer::pid).collect();
    let mut told = false;
    let failed = loop {
        // As the JVM's thread does: an event or a tenth of a second, then a tick.
        let event = gang.coordinator.poll(Duration::from_millis(100));
        gang.coordinator.tick();
        let event: Value = event.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
        if !told && event["progress"]["step"].as_u64() >= Some(1) {
            println!("trains {}", json!(pids));
            told = true;
        }
        if event["event"] == "failed" {
            break event["failure"].clone();
        }
        // Whoever started a trainer reports its end.
        for index in 0..gang.trainers.len() {
            if gang.trainers[index].has_ended() {
                gang.report(index);
            }
        }
    };
    gang.all_end();
    println!("failed {failed}");
}

struct Driver(Child);

impl Driver {
    fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.0.id()).unwrap();
        // SAFETY: a signal to a child of this process that was not waited for: its id is still its own.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for the end of a process that is not ours. Its parent stands still and cannot take it: it is a zombie.
fn wait_for_the_end_of(pid: u64) {
    let deadline = Instant::now() + WAIT;
    let lives = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map_or("", |(_, rest)| &rest[..1]);
        !["", "Z", "X"].contains(&state)
    };
    while lives() {
        assert!(Instant::now() < deadline, "process {pid} does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_driver_that_stood_still_past_its_timeout_is_told_what_became_of_its_trainers() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "membership::helper_that_drives", "--nocapture"])
        .env(DRIVE, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let driver = Driver(child);
    let mut lines = lines.map(Result::unwrap);
    let mut after = |word: &str| -> Value {
        let found = lines.find_map(|line| line.split_once(word).map(|(_, rest)| rest.to_owned()));
        serde_json::from_str(&found.unwrap_or_else(|| panic!("the driver never says {word}"))).unwrap()
    };
    let pids: Vec<u64> = serde_json::from_value(after("trains ")).unwrap();
    driver.signal(libc::SIGSTOP);
    // The trainers wait for failureTimeout, which is longer than the driver's own, and end.
    pids.iter().copied().for_each(wait_for_the_end_of);
    driver.signal(libc::SIGCONT);
    let failure = after("failed ");
    let told = failure["message"].as_str().unwrap();
    assert_eq!(failure["kind"], "jobFailed", "{told}");
    assert!(told.contains("did not answer for failureTimeout"), "{told}");
    assert!(told.contains("the driver itself stood still for"), "{told}");
}

/// A trainer of the test whose host is known to nobody: registers, beats, seals nothing, and then waits.
async fn register_unreachable(gang: &Gang, secret: &JobSecret) -> mpsc::Sender<FlightData> {
    let (host, port) = gang.coordinator.address();
    let identity = Identity {
        job: gang.job.job.clone(),
        client: "unreachable".into(),
        server: COORDINATOR.into(),
        key: secret.derive(&gang.job.job, Purpose::Control, false),
        purpose: Purpose::Control,
    };
    let client = Client::connect(&host, port, &identity, WAIT).await.unwrap();
    let (outbox, messages) = mpsc::channel(64);
    let say = |message: &ToCoordinator| control_frames(message, Vec::new()).unwrap().remove(0);
    let trainer = TrainerInfo {
        id: "unreachable".into(),
        host: unknown_host(),
        executor: "7".into(),
        index: 0,
        flight_port: 1,
        collective_port: 1,
        pid: 1,
        threads: 1,
        cpu_level: "generic".into(),
        device: "cpu".into(),
    };
    outbox
        .send(say(&ToCoordinator::Register { trainer }))
        .await
        .unwrap();
    let request = client.authorize("DoExchange", Request::new(ReceiverStream::new(messages)));
    let mut inbox = client.flight().do_exchange(request).await.unwrap().into_inner();
    let answers = outbox.clone();
    tokio::spawn(async move {
        let mut reader = ControlReader::default();
        while let Some(Ok(frame)) = inbox.next().await {
            if let Some(ToTrainer::Seal { round, .. }) = reader.read(&frame).unwrap() {
                let shards = Vec::new();
                let _ = answers
                    .send(say(&ToCoordinator::Sealed {
                        round,
                        shards,
                        heaped: candlewick_protocol::shards::ShardSet::default(),
                    }))
                    .await;
            }
        }
    });
    let beats = outbox.clone();
    tokio::spawn(async move {
        let beat = ToCoordinator::Beat {
            number: 0,
            generation: 0,
            progress: Progress::default(),
        };
        while beats.send(say(&beat)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    });
    outbox
}

#[test]
fn a_member_whose_host_nobody_knows_is_named_by_those_that_look_for_it() {
    let spec = JobSpec {
        failure_timeout_ms: 5_000,
        ..job(1, 16)
    };
    let config = CoordinatorConfig {
        executor_grace_ms: 1,
        ..coordinator_config(&spec)
    };
    let mut gang = Gang::gather(config, 1, |_, address| address, &|_| None);
    let runtime = runtime();
    let _stays = runtime.block_on(register_unreachable(&gang, &gang.secret));
    gang.event("registered");
    gang.fix_members(&["unreachable"]);
    assert_eq!(
        gang.owners[0].host,
        unknown_host(),
        "it is rank 0: the other looks for it"
    );
    let ledgers = runtime.block_on(async {
        let unknown = connect(&gang.owners[0], &gang.job.job, &gang.secret)
            .await
            .unwrap_err();
        assert!(
            unknown.message.contains(&unknown_host()) && unknown.message.contains("lookup"),
            "{unknown}"
        );
        let client = connect(&gang.owners[1], &gang.job.job, &gang.secret)
            .await
            .unwrap();
        let (mine, _) = route(&rows(200)[..190], &gang.owners[1], gang.job.train.logical_shards);
        // Without the rows that come twice, which would be dealt. It has no rows of the first owner: the second client is never asked.
        let clients = [client.clone(), client];
        vec![gang.feed_partition(&clients, 0, 100, &mine).await]
    });
    gang.seal(&ledgers);
    gang.command(&json!({"cmd": "train"}));
    let told = gang.failure();
    for part in [
        "trainer 1 (127.0.0.1, executor 0, pid ",
        "lost trainer 0 (0xxx",
        "training, before its first step",
        "its host is not known here",
    ] {
        assert!(told.contains(part), "{told}");
    }
    gang.all_end();
}

#[test]
fn a_trainer_whose_coordinator_has_an_unknown_host_says_so_and_ends() {
    let host = unknown_host();
    let secret = JobSecret::random().unwrap();
    let config = json!({
        "job": "j", "trainer": "t", "executor": "0", "index": 0, "keys": secret.ring("j", &Purpose::ALL, false),
        "coordinatorHost": host, "coordinatorPort": 1, "bindHost": "127.0.0.1", "portRange": "0", "threads": 1,
    });
    let mut trainer = common::Trainer::start(&config, None);
    trainer.wait_for(1);
    let log = trainer.log();
    assert!(
        log.contains(&format!("cannot connect to {host}:1")) && log.contains("lookup"),
        "{log}"
    );
}
