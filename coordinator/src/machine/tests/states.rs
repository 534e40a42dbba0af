//! States on their way to the driver, and from it.

use super::*;

fn counter(epoch: u32, step: u64) -> ProgramCounter {
    ProgramCounter {
        epoch,
        step,
        ..ProgramCounter::default()
    }
}

impl Stage {
    fn snapshot(&mut self, from: &str, generation: u64, counter: ProgramCounter, offset: u64, part: &[u8]) {
        let message = ToCoordinator::Snapshot {
            generation,
            counter,
            last: false,
            offset,
            total: 5,
        };
        self.machine.message(ms(self.now), from, message, part);
        self.said.extend(self.machine.take_outputs());
    }

    fn epoch(&mut self, epoch: u32) {
        let record = EpochRecord {
            epoch,
            step: u64::from(epoch + 1) * 2,
            loss: 1.0,
            lr: 0.1,
            rows: 7,
            seconds: 0.0,
            metrics: serde_json::Map::new(),
        };
        let generation = self.machine.generation;
        self.message("b", ToCoordinator::Epoch { generation, record });
    }

    fn snapshots(&self) -> Vec<u64> {
        let step = |event: Event| match event {
            Event::Snapshot { counter, .. } => Some(counter.step),
            _ => None,
        };
        self.events().into_iter().filter_map(step).collect()
    }

    /// To whom a state was sent.
    fn restores(&self) -> Vec<&str> {
        let sent = |output: &'_ Output| match output {
            Output::Restore {
                trainer,
                counter: at,
                state,
            } => {
                assert_eq!((*at, state.as_slice()), (counter(1, 3), &b"state"[..]));
                Some(if trainer == "a" { "a" } else { "b" })
            }
            _ => None,
        };
        self.said.iter().filter_map(sent).collect()
    }

    /// Training goes on from a checkpoint of step 3, in the second epoch.
    fn resume(&mut self) {
        self.machine.resume_from(0, b"sta").unwrap();
        self.machine.resume_from(3, b"te").unwrap();
        self.command(json!({"cmd": "train", "resume": counter(1, 3)}))
            .unwrap();
    }

    fn restored(&mut self, from: &str) {
        let counter = counter(1, 3);
        self.message(from, ToCoordinator::Restored { counter });
    }

    fn halted(&mut self, from: &str, generation: u64, counter: ProgramCounter) {
        self.message(
            from,
            ToCoordinator::Halted {
                generation,
                counter,
                made: counter.step,
            },
        );
    }

    /// The FORM that was said last: its counter and donor.
    fn formed(&self) -> Option<(u64, ProgramCounter, Option<String>)> {
        self.said.iter().rev().find_map(|output| match output {
            Output::Send {
                message:
                    ToTrainer::Form {
                        generation,
                        counter,
                        donor,
                        ..
                    },
                ..
            } => Some((*generation, *counter, donor.clone())),
            _ => None,
        })
    }

    /// Feeds and seals what the loss of "b" left: all shards are a's.
    fn feed_again(&mut self) {
        let ledgers = json!([task(0, &[(0, 2), (2, 1)]), task(1, &[(3, 4)])]);
        let mut ledgers: Vec<TaskLedger> = serde_json::from_value(ledgers).unwrap();
        // Rows of a's own shards are passed over.
        for (ledger, passed) in ledgers.iter_mut().zip([1, 4]) {
            ledger.rows_passed_over = passed;
            ledger.rows_sent -= passed;
        }
        self.command(json!({"cmd": "seal", "round": 1, "ledgers": ledgers}))
            .unwrap();
        let shards = vec![sum((0, 2)), sum((1, 0))];
        self.message(
            "a",
            ToCoordinator::Sealed {
                round: 1,
                shards,
                heaped: ShardSet::default(),
            },
        );
    }
}

#[test]
fn a_state_is_the_drivers_once_it_is_whole() {
    let mut stage = Stage::at("running");
    stage.epoch(0);
    stage.snapshot("b", 1, counter(1, 2), 0, b"abc");
    assert!(stage.machine.take_snapshot().is_none());
    // A beat comes between its parts.
    stage.pass(1_000, &["a", "b"], true);
    stage.snapshot("b", 1, counter(1, 2), 3, b"de");
    assert_eq!(stage.snapshots(), [2]);
    let taken = stage.machine.take_snapshot().unwrap();
    assert_eq!(
        (taken.counter, taken.state.as_slice()),
        (counter(1, 2), &b"abcde"[..])
    );
    assert!(stage.machine.take_snapshot().is_none(), "it is taken once");
    // A younger one takes the place of one that nobody took.
    for step in [3, 4] {
        stage.snapshot("b", 1, counter(1, step), 0, b"abcde");
    }
    assert_eq!(stage.machine.take_snapshot().unwrap().counter.step, 4);
    assert_eq!(stage.failures().len(), 0);
}

#[test]
fn a_state_that_is_not_the_gangs_is_nobodys() {
    let mut stage = Stage::recoverable_at("running");
    stage.epoch(0);
    stage.snapshot("a", 1, counter(1, 2), 0, b"abcde");
    stage.snapshot("b", 2, counter(1, 2), 0, b"abcde");
    // Half of one, then a part of another.
    stage.snapshot("b", 1, counter(1, 2), 0, b"abc");
    stage.snapshot("b", 1, counter(1, 3), 3, b"de");
    // The records of its epochs are not here.
    stage.snapshot("b", 1, counter(2, 4), 0, b"abcde");
    assert_eq!(stage.snapshots(), [0; 0]);
    // The generation ends in the middle of one.
    stage.snapshot("b", 1, counter(1, 3), 0, b"abc");
    stage.suspect("b", "a");
    stage.snapshot("b", 1, counter(1, 3), 3, b"de");
    for id in ["a", "b"] {
        stage.halted(id, 1, counter(1, 3));
    }
    for id in ["a", "b"] {
        let ready = ToCoordinator::Ready {
            generation: 2,
            counter: counter(1, 3),
            state_hash: "s".into(),
        };
        stage.message(id, ready);
    }
    stage.snapshot("b", 2, counter(1, 3), 3, b"de");
    assert_eq!(stage.snapshots(), [0; 0]);
    stage.snapshot("b", 2, counter(1, 3), 0, b"abcde");
    assert_eq!((stage.snapshots(), stage.failures().len()), (vec![3], 0));
}

#[test]
fn parts_that_do_not_follow_each_other_fail_the_fit() {
    let mut stage = Stage::at("running");
    stage.snapshot("b", 1, counter(0, 1), 0, b"abc");
    stage.snapshot("b", 1, counter(0, 1), 4, b"e");
    assert!(stage.failure().message.contains("the state came out of order"));
}

#[test]
fn training_goes_on_from_a_state_that_one_member_gives_to_the_others() {
    let mut stage = Stage::at("sealed");
    stage.resume();
    assert_eq!((stage.restores(), stage.formed()), (vec!["b"], None));
    assert!(
        stage.machine.explain().starts_with("RESTORED from trainer 0"),
        "{}",
        stage.machine.explain()
    );
    stage.restored("b");
    assert_eq!(stage.formed(), Some((1, counter(1, 3), Some("b".to_owned()))));
    for id in ["a", "b"] {
        let ready = ToCoordinator::Ready {
            generation: 1,
            counter: counter(1, 3),
            state_hash: "s".into(),
        };
        stage.message(id, ready);
    }
    // Its first epoch is in the history already.
    stage.epoch(0);
    stage.epoch(1);
    let epochs = stage.events().into_iter().filter_map(|event| match event {
        Event::Epoch { record } => Some(record.epoch),
        _ => None,
    });
    assert_eq!(epochs.collect::<Vec<_>>(), [1]);
    assert!(stage.machine.states.is_empty(), "{:?}", stage.machine.states);
}

#[test]
fn a_state_that_was_not_given_is_not_gone_on_from() {
    let mut stage = Stage::at("sealed");
    let told = stage
        .command(json!({"cmd": "train", "resume": counter(1, 3)}))
        .unwrap_err();
    assert!(told.message.contains("was not given"), "{told}");
    assert!(stage.machine.resume_from(1, b"x").is_err());
    stage.machine.resume_from(0, b"wrong").unwrap();
    // It is begun anew.
    stage.resume();
    assert_eq!(stage.restores(), ["b"]);
}

#[test]
fn a_member_that_is_lost_while_it_takes_the_state_is_followed_by_another() {
    let mut stage = Stage::recoverable_at("sealed");
    stage.resume();
    stage.end("b");
    stage.feed_again();
    assert_eq!(stage.restores(), ["b", "a"]);
    stage.restored("a");
    assert_eq!(stage.formed(), Some((1, counter(1, 3), None)));
}

#[test]
fn a_member_that_is_lost_before_it_gave_the_state_is_followed_by_another() {
    // "b" has taken the state and is lost; "a" halts, and is fed what "b" had.
    let halted_at = |at: ProgramCounter| {
        let mut stage = Stage::recoverable_at("sealed");
        stage.resume();
        stage.restored("b");
        stage.end("b");
        stage.halted("a", 1, at);
        stage.feed_again();
        stage
    };
    let mut stage = halted_at(counter(0, 0));
    assert_eq!(stage.restores(), ["b", "a"]);
    let missing = stage.machine.missing().unwrap();
    assert!(missing.starts_with("RESTORED from trainer 1"), "{missing}");
    stage.restored("a");
    assert_eq!(stage.formed(), Some((2, counter(1, 3), None)));
    // Its word that it was halted is none that it has the state: one that stands still is lost.
    let mut stage = halted_at(counter(0, 0));
    stage.pass(63_000, &["a"], false);
    let told = &stage.failure().message;
    assert!(told.contains("made no progress for 60 s"), "{told}");
    // One that has it already needs it no more.
    let stage = halted_at(counter(1, 3));
    assert_eq!(stage.restores(), ["b"]);
    assert_eq!(stage.formed(), Some((2, counter(1, 3), None)));
}

#[test]
fn a_state_on_its_way_to_one_that_lives_on_is_not_sent_again() {
    let mut stage = Stage::recoverable_at("sealed");
    stage.resume();
    stage.end("a");
    let ledgers = json!([task(0, &[(0, 2), (2, 1)]), task(1, &[(3, 4)])]);
    let mut ledgers: Vec<TaskLedger> = serde_json::from_value(ledgers).unwrap();
    // Rows of b's own shards are passed over.
    ledgers[0].rows_passed_over = 2;
    ledgers[0].rows_sent = 1;
    stage
        .command(json!({"cmd": "seal", "round": 1, "ledgers": ledgers}))
        .unwrap();
    let shards = vec![sum((2, 1)), sum((3, 4))];
    stage.message(
        "b",
        ToCoordinator::Sealed {
            round: 1,
            shards,
            heaped: ShardSet::default(),
        },
    );
    assert_eq!((stage.restores(), stage.formed()), (vec!["b"], None));
    stage.restored("b");
    assert_eq!(stage.formed(), Some((1, counter(1, 3), None)));
}

#[test]
fn a_state_that_turned_out_damaged_is_let_go() {
    let mut stage = Stage::at("sealed");
    stage.machine.resume_from(0, b"sta").unwrap();
    stage.train();
    assert!(stage.machine.states.is_empty());
    assert_eq!(
        (stage.restores().len(), stage.formed().unwrap().1),
        (0, counter(0, 0))
    );
}

#[test]
fn a_member_that_is_stuck_with_the_state_is_lost_and_nobody_else() {
    let mut stage = Stage::recoverable_at("sealed");
    // What it did not do before is not held against it.
    stage.pass(100_000, &["a", "b"], false);
    stage.resume();
    stage.pass(50_000, &["a", "b"], false);
    assert_eq!(stage.machine.members.len(), 2);
    stage.pass(13_000, &["a", "b"], false);
    let lost = stage.said.iter().find_map(|output| match output {
        Output::Event(Event::Lost { trainer, why }) => Some((trainer.as_str(), why.as_str())),
        _ => None,
    });
    let (trainer, why) = lost.unwrap();
    assert_eq!(trainer, "b");
    assert!(
        why.contains("made no progress") && why.contains("before its first step"),
        "{why}"
    );
}
