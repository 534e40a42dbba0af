//! A driver that decides at the end of every epoch.

use super::*;
use crate::command::Limit;

impl Stage {
    /// How far trainer "a" was told to go, in order; START between.
    fn told_until(&self) -> Vec<Option<Limit>> {
        let told = self.said.iter().filter_map(|output| match output {
            Output::Send { trainer, message } if trainer == "a" => match message {
                ToTrainer::Until { epochs, over } => Some(Some(Limit {
                    epochs: *epochs,
                    over: *over,
                })),
                ToTrainer::Start { .. } => Some(None),
                _ => None,
            },
            _ => None,
        });
        told.collect()
    }

    fn ends_epoch(&mut self, epoch: u32) {
        let record = EpochRecord {
            epoch,
            step: 2,
            loss: 1.0,
            lr: 0.1,
            rows: 7,
            seconds: 0.0,
            metrics: serde_json::Map::new(),
        };
        self.message(
            "b",
            ToCoordinator::Epoch {
                generation: 1,
                record,
            },
        );
    }

    fn limited(limit: Limit) -> Self {
        let mut stage = Stage::at("sealed");
        stage.command(json!({"cmd": "train", "until": limit})).unwrap();
        stage.all_ready();
        stage
    }
}

const FIRST: Limit = Limit {
    epochs: 1,
    over: false,
};

#[test]
fn trainers_know_how_far_they_may_go_before_they_start_and_whenever_it_changes() {
    let mut stage = Stage::limited(FIRST);
    assert_eq!(stage.told_until(), [Some(FIRST), None]);
    stage.ends_epoch(0);
    let next = Limit {
        epochs: 2,
        over: false,
    };
    for limit in [next, FIRST] {
        stage
            .command(json!({"cmd": "until", "epochs": limit.epochs, "over": limit.over}))
            .unwrap();
    }
    // What was decided is not taken back.
    assert_eq!(stage.told_until(), [Some(FIRST), None, Some(next)]);
}

#[test]
fn a_driver_that_thinks_long_loses_no_trainer_and_is_what_is_waited_for() {
    let mut stage = Stage::limited(FIRST);
    stage.pass(1_000, &["a", "b"], true);
    stage.ends_epoch(0);
    // Longer than progressTimeout.
    stage.pass(90_000, &["a", "b"], false);
    assert_eq!(stage.failures().len(), 0, "{:?}", stage.failures());
    let waits = "the driver, whose callbacks look at epoch 0 and say whether training goes on";
    assert_eq!(stage.machine.explain(), waits);
    let told =
        |output: &&Output| matches!(output, Output::Event(Event::Waiting { what, .. }) if what == waits);
    assert_eq!(stage.said.iter().filter(told).count(), 8);
    // From here on they are waited for again.
    stage
        .command(json!({"cmd": "until", "epochs": 2, "over": false}))
        .unwrap();
    stage.pass(50_000, &["a", "b"], false);
    assert_eq!(stage.failures().len(), 0);
    stage.pass(15_000, &["a", "b"], false);
    assert!(stage.failure().message.contains("made no progress"));
}

#[test]
fn an_end_stands() {
    let mut stage = Stage::limited(FIRST);
    stage.ends_epoch(0);
    let over = Limit {
        epochs: 1,
        over: true,
    };
    for (epochs, over) in [(1, true), (2, false)] {
        stage
            .command(json!({"cmd": "until", "epochs": epochs, "over": over}))
            .unwrap();
    }
    assert_eq!(stage.told_until(), [Some(FIRST), None, Some(over)]);
    // One that has just joined would be told too.
    stage.machine.say_limit("a");
    stage.said.extend(stage.machine.take_outputs());
    assert_eq!(stage.told_until().last(), Some(&Some(over)));
}

#[test]
fn who_said_that_it_decides_nothing_cannot() {
    let mut stage = Stage::at("running");
    let refused = stage
        .command(json!({"cmd": "until", "epochs": 2, "over": false}))
        .unwrap_err();
    assert!(refused.message.contains("decides nothing"), "{refused}");
}
