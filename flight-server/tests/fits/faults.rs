//! Faults: what is lost is named, strangers are refused, nothing is left behind.

use crate::common;
use crate::common::data::{Lcg, job, rows};
use crate::common::feed::{connect, frames, put, route, runtime};
use crate::common::proxy::Proxy;
use crate::common::{Gang, WAIT};
use candlewick_collective::{Algorithm, Collective, Config, Credentials, Halts, Listener};
use candlewick_failpoint::Gates;
use candlewick_protocol::ErrorKind;
use candlewick_protocol::feed::StreamId;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::keys::{JobSecret, Purpose};
use candlewick_protocol::message::{Member, TrainerInfo};
use serde_json::{Value, json};

/// A job that does not end by itself within a test, with beats close to each other.
fn endless() -> JobSpec {
    JobSpec {
        failure_timeout_ms: 15_000,
        // What is lost ends the fit.
        max_recoveries: 0,
        ..job(1_000_000, 16)
    }
}

fn in_training(trainers: usize) -> Gang {
    let gang = Gang::start(endless(), trainers);
    gang.seal(&gang.feed(&rows(200), 50));
    gang.command(&json!({"cmd": "train"}));
    gang.in_training();
    gang
}

#[test]
fn a_trainer_killed_during_the_feed_fails_the_fit_with_its_name() {
    let mut gang = Gang::start(endless(), 2);
    gang.feed(&rows(100), 50);
    let pid = gang.trainers[1].pid();
    gang.kill(1);
    let told = gang.failure();
    assert!(
        told.contains(&format!(
            "trainer 1 (127.0.0.1, executor 1, pid {pid}) ended during feed: killed by signal 9"
        )),
        "{told}"
    );
    gang.all_end();
    assert!(gang.trainers[0].log().contains("told to end"), "{}", gang.logs());
}

#[test]
fn a_trainer_killed_at_any_step_fails_the_fit_with_its_name() {
    let mut random = Lcg(20_260_725);
    for _ in 0..3 {
        let (victim, step) = ((random.next() % 3) as usize, 1 + random.next() % 400);
        let gates = Gates::new().unwrap();
        let mut gang = Gang::start_held(endless(), 3, &gates, |index| {
            (index == victim).then(|| format!("train.step={step}"))
        });
        gang.seal(&gang.feed(&rows(200), 50));
        gang.command(&json!({"cmd": "train"}));
        let _held = gang.stands_at(&gates, step);
        let pid = gang.trainers[victim].pid();
        gang.kill(victim);
        let told = gang.failure();
        let wanted = format!(
            "trainer {victim} (127.0.0.1, executor {victim}, pid {pid}) ended during training, step "
        );
        assert!(
            told.contains(&wanted) && told.contains("killed by signal 9 (SIGKILL)"),
            "{told}"
        );
        gang.all_end();
    }
}

#[test]
fn the_end_of_stdin_ends_a_trainer_at_work() {
    let mut gang = in_training(2);
    drop(gang.trainers[0].stdin.take());
    gang.trainers[0].wait_for(0);
    gang.report(0);
    let told = gang.failure();
    assert!(
        told.contains("trainer 0") && told.contains("exit status 0") && told.contains("stdin has ended"),
        "{told}"
    );
    gang.all_end();
}

#[test]
fn trainers_end_with_their_coordinator() {
    let mut gang = in_training(2);
    gang.coordinator.shutdown();
    for trainer in &mut gang.trainers {
        trainer.wait_for(1);
    }
}

#[test]
fn trainers_end_with_the_connection_to_their_coordinator() {
    let proxy = Proxy::default();
    let mut gang = Gang::start_via(endless(), 1, |_, target| proxy.start(target), &|_| None);
    gang.feed(&rows(20), 20);
    proxy.cut();
    gang.trainers[0].wait_for(1);
    assert!(
        gang.trainers[0].log().contains("the coordinator is gone"),
        "{}",
        gang.logs()
    );
}

#[test]
fn a_trainer_whose_beats_are_not_answered_ends() {
    let proxy = Proxy::default();
    let job = JobSpec {
        failure_timeout_ms: 5_000,
        ..endless()
    };
    let mut gang = Gang::start_via(job, 1, |_, target| proxy.start(target), &|_| None);
    gang.seal(&gang.feed(&rows(100), 50));
    gang.command(&json!({"cmd": "train"}));
    gang.in_training();
    proxy.freeze();
    gang.trainers[0].wait_for(1);
    let log = gang.trainers[0].log();
    assert!(log.contains("did not answer for failureTimeout"), "{log}");
    // Both sides run on the same timeout, so the coordinator sees silence or the end of the process first.
    gang.report(0);
    let told = gang.failure();
    assert!(
        told.contains("trainer 0") && (told.contains("silent for") || told.contains("ended during")),
        "{told}"
    );
}

/// What a trainer logs as a warning is told with its rank, for the driver's log.
fn has_told(gang: &Gang, what: &str) {
    let told = gang.event_where("a line of the trainer", |event| event["event"] == "trainerLog");
    let trainer = told["trainer"].as_str().unwrap();
    assert!(
        trainer.starts_with("trainer 0 (127.0.0.1, executor 0, pid "),
        "{told}"
    );
    assert!(told["line"].as_str().unwrap().contains(what), "{told}");
}

#[test]
fn a_wrong_secret_is_refused_on_both_ports_and_not_logged() {
    let mut gang = Gang::start(job(1, 16), 1);
    let wrong = JobSecret::random().unwrap();
    let refused = runtime()
        .block_on(connect(&gang.owners[0], &gang.job.job, &wrong))
        .unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Unauthenticated, "{refused}");
    // What a feeding executor holds does not open the collective.
    let credentials = Credentials {
        job: gang.job.job.clone(),
        trainer: "stranger".into(),
        key: gang.secret.derive(&gang.job.job, Purpose::Feed, false),
    };
    let listener = Listener::bind("127.0.0.1", "0", credentials).unwrap();
    let member = |id: &str, port: u16, lo: u32| Member {
        trainer: TrainerInfo {
            id: id.into(),
            host: "127.0.0.1".into(),
            executor: "0".into(),
            index: 0,
            flight_port: 1,
            collective_port: port,
            pid: 1,
            threads: 1,
            cpu_level: "generic".into(),
            device: "cpu".into(),
        },
        lo,
        hi: lo + 4,
    };
    let victim = member("trainer-0", gang.trainers[0].listening.collective_port, 0);
    let config = Config {
        generation: 1,
        rank: 1,
        members: vec![victim, member("stranger", listener.port(), 4)],
        timeout: WAIT,
        patience: WAIT,
        shared_memory: true,
        algorithm: Some(Algorithm::Direct),
        any_order: false,
    };
    let refused = Collective::connect(&listener, config, &Halts::default()).unwrap_err();
    assert_eq!(refused.failure.kind, ErrorKind::Unauthenticated, "{refused}");
    // The trainer is none the worse for it.
    let ledger = gang.seal(&gang.feed(&rows(40), 40));
    assert_eq!(ledger["rowsSpooled"], 40);
    has_told(&gang, "refused");
    gang.trainers[0].kill();
    gang.trainers[0].wait();
    let log = gang.trainers[0].log();
    assert!(log.contains("refused"), "{log}");
    for secret in [&gang.secret, &wrong] {
        let keys = serde_json::to_value(secret.ring(&gang.job.job, &Purpose::ALL, false)).unwrap();
        let keys: Vec<&str> = keys
            .as_object()
            .unwrap()
            .values()
            .flat_map(Value::as_str)
            .collect();
        for text in keys.into_iter().chain([secret.to_hex().as_str()]) {
            assert!(!log.contains(&text[..16]));
        }
    }
}

#[test]
fn frames_that_do_not_belong_are_refused_with_the_reason() {
    let gang = Gang::start(job(1, 16), 2);
    let id = StreamId {
        job: gang.job.job.clone(),
        round: 0,
        partition: 4,
        attempt: 4,
    };
    let rows = rows(120);
    runtime().block_on(async {
        let client = connect(&gang.owners[0], &gang.job.job, &gang.secret)
            .await
            .unwrap();
        let foreign = put(&client, frames(&id, &rows)).await.unwrap_err();
        assert!(foreign.message.contains("it belongs to shard"), "{foreign}");
        let (mine, _) = route(&rows, &gang.owners[0], 8);
        let mut gap = frames(&id, &mine);
        gap.remove(1);
        let gap = put(&client, gap).await.unwrap_err();
        assert!(
            gap.message
                .contains("frame 1 of partition 4, attempt 4 came where frame 0"),
            "{gap}"
        );
        let mut nan = mine.clone();
        nan[1].features[2] = f32::NAN;
        let nan = put(&client, frames(&id, &nan)).await.unwrap_err();
        assert!(
            nan.message
                .contains("row 1 of frame 0 of partition 4: features[2] is NaN"),
            "{nan}"
        );
        assert_eq!(nan.kind, ErrorKind::InvalidData);
        let mut narrow = mine.clone();
        narrow.iter_mut().for_each(|row| row.features.truncate(5));
        let narrow = put(&client, frames(&id, &narrow)).await.unwrap_err();
        assert!(
            narrow
                .message
                .contains("expected features FixedSizeList<Float32>[6]"),
            "{narrow}"
        );
        // After all of that the attempt may still be fed.
        assert_eq!(
            put(&client, frames(&id, &mine)).await.unwrap().rows,
            mine.len() as u64
        );
    });
}

#[test]
fn a_ledger_that_does_not_balance_fails_the_fit_with_shard_and_numbers() {
    let mut gang = Gang::start(job(1, 16), 2);
    let mut ledgers = gang.feed(&rows(100), 50);
    // A task says that it sent a row more than it did.
    let shard = &mut ledgers[1].shards[0];
    shard.rows += 1;
    let (rows, number) = (shard.rows, shard.shard);
    ledgers[1].rows_sent += 1;
    ledgers[1].rows_read += 1;
    gang.command(&json!({"cmd": "seal", "round": 0, "ledgers": ledgers}));
    let told = gang.failure();
    let owner = gang
        .owners
        .iter()
        .position(|owner| (owner.lo..owner.hi).contains(&number))
        .unwrap();
    assert!(
        told.contains(&format!("shard {number} on trainer {owner} (127.0.0.1")),
        "{told}"
    );
    assert!(told.contains("the winning feed tasks sent") && rows > 0, "{told}");
    gang.all_end();
}

#[test]
fn drop_last_without_a_full_batch_and_a_cancel_are_told_as_they_are() {
    let mut spec = job(1, 64);
    spec.train.drop_last = true;
    let mut gang = Gang::start(spec, 2);
    gang.seal(&gang.feed(&rows(10), 5));
    gang.command(&json!({"cmd": "train"}));
    let told = gang.failure();
    assert!(
        told.starts_with("there are 10 rows, fewer than batchSize = 64, and dropLast = true"),
        "{told}"
    );
    gang.all_end();

    let mut gang = in_training(2);
    gang.command(&json!({"cmd": "cancel", "reason": "KeyboardInterrupt"}));
    assert_eq!(gang.failure(), "the fit was cancelled: KeyboardInterrupt");
    gang.all_end();
    assert_eq!(gang.events_named("failed").len(), 1, "a failure is told once");
}

#[test]
fn a_wrong_configuration_ends_with_status_2_and_without_the_secret() {
    for line in ["nonsense", r#"{"job": "j", "keys": {"feed": "5a5a5a5a"}}"#] {
        let mut child = common::binary(&["gang"]);
        use std::io::{Read, Write};
        writeln!(child.stdin.take().unwrap(), "{line}").unwrap();
        let status = common::ended(&mut child, "a trainer with a wrong configuration");
        assert_eq!(status.code(), Some(2));
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert!(
            stderr.contains("the trainer's configuration cannot be read") && !stderr.contains("5a5a"),
            "{stderr}"
        );
    }
}

/// In a process of its own (see the test below): a panic on some thread while the main thread is busy.
#[test]
fn helper_that_panics() {
    if std::env::var_os("CANDLEWICK_TEST_PANIC").is_none() {
        return;
    }
    candlewick_trainer::exit::on_panic(|failure| eprintln!("told: {} ({:?})", failure.message, failure.kind));
    let thread = std::thread::Builder::new().name("candlewick-train".into());
    let _ = thread.spawn(|| panic!("out of cheese")).unwrap().join();
    std::thread::sleep(WAIT);
}

#[test]
fn a_panic_is_told_and_ends_the_process_with_status_1() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "faults::helper_that_panics", "--nocapture"])
        .env("CANDLEWICK_TEST_PANIC", "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("told: thread candlewick-train panicked at ") && told.contains("out of cheese"),
        "{told}"
    );
    assert!(told.contains("(Internal)"), "{told}");
}

/// A log whose first word panics while the log is locked.
struct Brittle {
    words: u32,
}

impl std::io::Write for Brittle {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.words += 1;
        assert!(self.words > 1, "the log breaks");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// In a process of its own (see the test below).
#[test]
fn helper_that_panics_in_its_log() {
    if std::env::var_os("CANDLEWICK_TEST_PANIC").is_none() {
        return;
    }
    tracing_subscriber::fmt()
        .with_writer(std::sync::Mutex::new(Brittle { words: 0 }))
        .init();
    candlewick_trainer::exit::on_panic(|_| {});
    tracing::error!("a word");
    std::thread::sleep(WAIT);
}

#[test]
fn a_panic_in_the_log_ends_the_process_too() {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "faults::helper_that_panics_in_its_log", "--nocapture"])
        .env("CANDLEWICK_TEST_PANIC", "1")
        // On one core its outcomes would stand in the middle of a line of ours.
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let status = common::ended(&mut child, "a process whose log panicked");
    assert_eq!(status.code(), Some(1));
}
