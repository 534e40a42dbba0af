//! Trainers that are lost: what they held is fed again to those that are left, which go on with the bits of a run without
//! a loss.

use crate::common;
use crate::common::data::{Lcg, Row, evaluated_job, rows};
use crate::common::proxy::Proxy;
use crate::common::{Fit, Gang, WAIT};
use candlewick_failpoint::{Gates, Hit};
use candlewick_protocol::job::JobSpec;
use serde_json::Value;
use std::sync::LazyLock;

const TRAINERS: usize = 3;
const EPOCHS: u64 = 3;
const STEPS_PER_EPOCH: u64 = 9;
const STEPS: u64 = EPOCHS * STEPS_PER_EPOCH;
/// After so long a trainer that says nothing is lost: more than a busy machine keeps the others from speaking.
const FREEZE_MS: u64 = 6_000;

fn spec() -> JobSpec {
    evaluated_job(u32::try_from(EPOCHS).unwrap())
}

fn all_rows() -> Vec<Row> {
    rows(700)
}

/// The fit that nothing happens to.
static UNDISTURBED: LazyLock<Fit> = LazyLock::new(|| {
    let mut gang = Gang::start(spec(), TRAINERS);
    let ledger = gang.feed_and_seal(&all_rows());
    let fit = gang.train(ledger);
    assert_eq!(fit.steps, STEPS);
    fit
});

/// A gang whose trainers are held where `points` says for each by its index.
fn held(gates: &Gates, points: impl Fn(usize) -> Option<String>) -> Gang {
    Gang::start_held(spec(), TRAINERS, gates, points)
}

/// The next word of a gang that has lost somebody: a round to feed, or that training goes on.
fn next_word(gang: &Gang) -> Value {
    gang.event_where("a round to feed, or the end of a recovery", |event| {
        event["event"] == "needFeed" || event["event"] == "recovered"
    })
}

/// Feeds what is asked for until training goes on; the record of the recovery.
fn recovers(gang: &mut Gang) -> Value {
    loop {
        let word = next_word(gang);
        if word["event"] == "recovered" {
            return word["record"].clone();
        }
        gang.serve_feed(&word, &all_rows(), |_, _| {});
    }
}

/// The rest of a fit after a loss: the survivors are the processes that they were, and the bits are those of a run without
/// a loss.
fn goes_on(mut gang: Gang, ledger: Value) -> Value {
    let survivors = (0..TRAINERS).filter(|index| !gang.lost.contains(index));
    let pids: Vec<(usize, u32)> = survivors
        .map(|index| (index, gang.trainers[index].pid()))
        .collect();
    let record = recovers(&mut gang);
    let lost: Vec<String> = gang.lost.iter().map(|index| format!("trainer-{index}")).collect();
    let mut told: Vec<&str> = record["lost"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lost| lost["trainer"].as_str().unwrap())
        .collect();
    told.sort_unstable();
    assert_eq!(told, lost, "{record}");
    assert!(record["stepsRedone"].as_u64().unwrap() <= 1, "{record}");
    assert!(gang.events_named("failed").is_empty());
    let fit = gang.rest_with(ledger, |gang| {
        for (index, pid) in &pids {
            assert_eq!(gang.trainers[*index].pid(), *pid);
        }
    });
    let expected = &*UNDISTURBED;
    assert_eq!(fit.weights_hash, expected.weights_hash);
    assert_eq!((fit.steps, &fit.history), (expected.steps, &expected.history));
    assert_eq!(fit.weights, expected.weights);
    assert_eq!(fit.ledger["hashSum"], expected.ledger["hashSum"]);
    assert_eq!(fit.ledger["rowsSpooled"], expected.ledger["rowsSpooled"]);
    record
}

/// Rows of the shards that a trainer owns.
fn rows_of(ledger: &Value, gang: &Gang, index: usize) -> u64 {
    let owner = gang
        .owners
        .iter()
        .find(|owner| owner.trainer == format!("trainer-{index}"))
        .unwrap();
    let training = ledger["shardRows"].as_array().unwrap()[owner.lo as usize..owner.hi as usize]
        .iter()
        .map(|rows| rows.as_u64().unwrap());
    training.sum()
}

/// Kills `victim` where it stands at a point, and lets the others go on.
fn struck_at(point: &'static str, at: u64, victim: usize) -> Value {
    let gates = Gates::new().unwrap();
    let mut gang = held(&gates, |index| (index == victim).then(|| format!("{point}={at}")));
    let ledger = gang.feed_and_seal(&all_rows());
    gang.command(&serde_json::json!({"cmd": "train"}));
    let hit = stands_at(&gang, &gates, point, at);
    gang.kill(victim);
    drop(hit);
    let most = rows_of(&ledger, &gang, victim) + ledger["validationRows"].as_u64().unwrap();
    let record = goes_on(gang, ledger);
    let refed = record["rowsRefed"].as_u64().unwrap();
    assert!(refed > 0 && refed <= most, "{record}");
    let cause = record["cause"].as_str().unwrap();
    assert!(
        cause.starts_with(&format!("trainer {victim} (127.0.0.1, executor {victim}, pid "))
            && cause.contains("killed by signal 9 (SIGKILL)"),
        "{cause}"
    );
    record
}

fn stands_at(gang: &Gang, gates: &Gates, point: &'static str, at: u64) -> Hit {
    match gates.hit(point, at, WAIT) {
        Ok(hit) => hit,
        Err(why) => panic!("{why}\n{}", gang.logs()),
    }
}

#[test]
fn a_trainer_killed_at_any_step_costs_that_step_and_changes_no_bit() {
    let mut random = Lcg(20_261_127);
    let mut points = vec![(0, 0), (2, STEPS - 1), (1, STEPS_PER_EPOCH)];
    points.extend((0..3).map(|_| ((random.next() % 3) as usize, random.next() % STEPS)));
    for (victim, step) in points {
        for point in ["train.step", "train.exchange"] {
            let record = struck_at(point, step, victim);
            assert_eq!(record["resumeStep"], step, "{record}");
        }
    }
}

#[test]
fn a_trainer_killed_where_the_others_have_its_part_of_the_step_costs_no_step() {
    for (victim, step) in [(0, 4), (2, STEPS_PER_EPOCH - 1)] {
        let record = struck_at("train.reduced", step, victim);
        let resume = record["resumeStep"].as_u64().unwrap();
        assert!(resume == step || resume == step + 1, "{record}");
    }
}

#[test]
fn a_trainer_killed_in_an_evaluation_or_at_the_close_of_an_epoch_changes_no_bit() {
    for (victim, epoch) in [(1, 0), (0, EPOCHS - 1)] {
        struck_at("train.evaluate", (epoch + 1) * STEPS_PER_EPOCH, victim);
        struck_at("train.close", epoch, victim);
    }
}

#[test]
fn a_trainer_killed_before_its_first_step_changes_no_bit() {
    struck_at("gang.form", 1, 1);
}

#[test]
fn the_one_that_delivers_the_model_may_be_killed_too() {
    let record = struck_at("gang.weights", 0, 0);
    assert_eq!(record["resumeStep"], STEPS, "{record}");
}

#[test]
fn a_trainer_killed_in_the_feed_or_before_training_changes_no_bit() {
    // Before the first partition, between two, after the last, and once all is sealed.
    for when in [0, 3, 8, 9] {
        let mut gang = Gang::start(spec(), TRAINERS);
        let owners = gang.owners.clone();
        let partitions = all_rows().len().div_ceil(common::feed::PARTITION_ROWS) as u32;
        let ledgers = gang.feed_round(0, &owners, &all_rows(), |gang, partition| {
            if partition == when {
                gang.kill(1);
            }
        });
        if when == partitions {
            gang.kill(1);
        }
        gang.command(&serde_json::json!({"cmd": "seal", "round": 0, "ledgers": ledgers}));
        let ledger = if when <= partitions {
            let asked = gang.event("needFeed");
            gang.serve_feed(&asked, &all_rows(), |_, _| {});
            let ledger = gang.event("sealed")["ledger"].clone();
            gang.command(&serde_json::json!({"cmd": "train"}));
            ledger
        } else {
            let ledger = gang.event("sealed")["ledger"].clone();
            gang.kill(1);
            gang.command(&serde_json::json!({"cmd": "train"}));
            ledger
        };
        assert_eq!(ledger["rowsRead"], 700);
        goes_on(gang, ledger);
    }
}

#[test]
fn a_trainer_killed_while_it_seals_changes_no_bit() {
    let gates = Gates::new().unwrap();
    let mut gang = held(&gates, |index| (index == 2).then(|| "gang.seal=0".to_owned()));
    let owners = gang.owners.clone();
    let ledgers = gang.feed_round(0, &owners, &all_rows(), |_, _| {});
    gang.command(&serde_json::json!({"cmd": "seal", "round": 0, "ledgers": ledgers}));
    let hit = stands_at(&gang, &gates, "gang.seal", 0);
    gang.kill(2);
    drop(hit);
    let asked = gang.event("needFeed");
    gang.serve_feed(&asked, &all_rows(), |_, _| {});
    let ledger = gang.event("sealed")["ledger"].clone();
    gang.command(&serde_json::json!({"cmd": "train"}));
    goes_on(gang, ledger);
}

#[test]
fn two_killed_at_once_leave_one_that_goes_on() {
    for (first, second) in [(0, 1), (2, 1)] {
        let gates = Gates::new().unwrap();
        let mut gang = held(&gates, |index| {
            (index == first).then(|| "train.step=12".to_owned())
        });
        let ledger = gang.feed_and_seal(&all_rows());
        gang.command(&serde_json::json!({"cmd": "train"}));
        let hit = stands_at(&gang, &gates, "train.step", 12);
        gang.kill(first);
        gang.kill(second);
        drop(hit);
        goes_on(gang, ledger);
    }
}

#[test]
fn a_kill_within_a_recovery_belongs_to_it() {
    // In the feed of what the first had, while that is sealed, and while the next generation forms. Round 1 deals rows that
    // come twice.
    for when in ["feed", "gang.seal=2", "gang.form=2"] {
        let gates = Gates::new().unwrap();
        let mut gang = held(&gates, |index| match index {
            0 => Some("train.step=12".to_owned()),
            1 if when != "feed" => Some(when.to_owned()),
            _ => None,
        });
        let ledger = gang.feed_and_seal(&all_rows());
        gang.command(&serde_json::json!({"cmd": "train"}));
        let hit = stands_at(&gang, &gates, "train.step", 12);
        gang.kill(0);
        drop(hit);
        let asked = gang.event("needFeed");
        gang.serve_feed(&asked, &all_rows(), |gang, partition| {
            if when == "feed" && partition == 4 {
                gang.kill(1);
            }
        });
        if let Some((point, at)) = [("gang.seal", 2), ("gang.form", 2)]
            .into_iter()
            .find(|(point, _)| when.starts_with(point))
        {
            let hit = stands_at(&gang, &gates, point, at);
            gang.kill(1);
            drop(hit);
        }
        goes_on(gang, ledger);
    }
}

#[test]
fn a_frozen_trainer_is_lost_and_ends_when_it_wakes() {
    let gates = Gates::new().unwrap();
    let job = JobSpec {
        failure_timeout_ms: FREEZE_MS,
        ..spec()
    };
    let mut gang = Gang::start_held(job, TRAINERS, &gates, |index| {
        (index == 1).then(|| "train.step=5".to_owned())
    });
    let ledger = gang.feed_and_seal(&all_rows());
    gang.command(&serde_json::json!({"cmd": "train"}));
    let hit = stands_at(&gang, &gates, "train.step", 5);
    gang.trainers[1].signal(libc::SIGSTOP);
    gang.lost.insert(1);
    drop(hit);
    let asked = gang.event("needFeed");
    gang.serve_feed(&asked, &all_rows(), |_, _| {});
    gang.trainers[1].signal(libc::SIGCONT);
    gang.trainers[1].wait_for(1);
    let record = goes_on(gang, ledger);
    let cause = record["lost"][0]["cause"].as_str().unwrap();
    assert!(cause.contains(" silent for "), "{record}");
    assert!(
        record["seconds"]["detect"].as_f64().unwrap() >= FREEZE_MS as f64 / 1e3,
        "{record}"
    );
}

#[test]
fn a_trainer_whose_host_is_cut_off_from_the_coordinator_is_lost_and_ends() {
    let (gates, proxy) = (Gates::new().unwrap(), Proxy::default());
    let job = JobSpec {
        failure_timeout_ms: FREEZE_MS,
        ..spec()
    };
    let mut gang = Gang::start_via(
        job,
        TRAINERS,
        |index, target| if index == 2 { proxy.start(target) } else { target },
        &|index| (index == 2).then(|| (&gates, "train.step=5".to_owned())),
    );
    let ledger = gang.feed_and_seal(&all_rows());
    gang.command(&serde_json::json!({"cmd": "train"}));
    let hit = stands_at(&gang, &gates, "train.step", 5);
    // Nobody is told of it: no connection ends.
    proxy.freeze();
    gang.lost.insert(2);
    let asked = gang.event("needFeed");
    drop(hit);
    gang.trainers[2].wait_for(1);
    assert!(
        gang.trainers[2].log().contains("counts this trainer as lost"),
        "{}",
        gang.logs()
    );
    gang.serve_feed(&asked, &all_rows(), |_, _| {});
    let record = goes_on(gang, ledger);
    let cause = record["lost"][0]["cause"].as_str().unwrap();
    assert!(cause.contains(" silent for "), "{record}");
}

#[test]
fn a_source_that_gives_other_rows_fails_the_fit_with_the_remedy() {
    let gates = Gates::new().unwrap();
    let mut gang = held(&gates, |index| (index == 1).then(|| "train.step=5".to_owned()));
    gang.feed_and_seal(&all_rows());
    gang.command(&serde_json::json!({"cmd": "train"}));
    let hit = stands_at(&gang, &gates, "train.step", 5);
    gang.kill(1);
    drop(hit);
    let asked = gang.event("needFeed");
    let owners: Vec<_> = serde_json::from_value(asked["owners"].clone()).unwrap();
    // One row of a shard that was lost is another one.
    let mut others = all_rows();
    others.iter_mut().for_each(|row| row.weight += 1.0);
    let round = u32::try_from(asked["round"].as_u64().unwrap()).unwrap();
    let ledgers = gang.feed_round(round, &owners, &others, |_, _| {});
    let seal = serde_json::json!({"cmd": "seal", "round": round, "ledgers": ledgers});
    let refused = gang.coordinator.command(&seal.to_string()).unwrap_err();
    assert!(
        refused
            .message
            .starts_with("the source gave other rows when read again: shard ")
            && refused.message.contains("df.checkpoint()"),
        "{refused}"
    );
    assert_eq!(gang.failure(), refused.message);
    gang.all_end();
}
