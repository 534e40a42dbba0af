//! Rounds of dealing: shard 3, which "a" has, is the home of a row that comes four times.

use super::recovery::sent;
use super::*;
use candlewick_protocol::feed::Owner;

fn heap(shard: u32, copies: u64) -> ShardSum {
    ShardSum {
        shard,
        rows: copies,
        hash_sum: u128::from(copies) * 1000,
    }
}

fn sealed(stage: &mut Stage, from: &str, round: u32, sums: &[(u32, u64)], heaped: &[u32]) {
    let message = ToCoordinator::Sealed {
        round,
        shards: sums.iter().map(|s| sum(*s)).collect(),
        heaped: heaped.iter().copied().collect(),
    };
    stage.message(from, message);
}

/// DEALT of all copies, or of those that `shares` says; it did not reach `lost`.
fn dealt(stage: &mut Stage, round: u32, shares: [u64; 4], lost: &[u32]) {
    let message = ToCoordinator::Dealt {
        round,
        lost: lost.iter().copied().collect(),
        because: (!lost.is_empty()).then(|| "connection refused".to_owned()),
        heaps: vec![heap(3, 4)],
        shares: (0..)
            .zip(shares)
            .map(|(shard, copies)| heap(shard, copies))
            .collect(),
    };
    stage.message("a", message);
}

fn opened(said: &[(String, ToTrainer)]) -> Vec<(&str, String)> {
    let opens = said.iter().filter_map(|(to, message)| match message {
        ToTrainer::Open { shards, .. } => Some((to.as_str(), shards.to_string())),
        _ => None,
    });
    opens.collect()
}

/// A fit whose first round of dealing has begun.
fn dealing() -> Stage {
    let mut stage = Stage::recoverable_at("sealing");
    sent(&mut stage);
    sealed(&mut stage, "b", 0, &[(0, 2), (1, 0)], &[]);
    sealed(&mut stage, "a", 0, &[(2, 1), (3, 4)], &[3]);
    stage
}

/// The homes that each trainer that takes rows is told of in SEAL, and the shards that are incomplete.
fn seals(said: &[(String, ToTrainer)]) -> Vec<(&str, String, String)> {
    let seals = said.iter().filter_map(|(to, message)| match message {
        ToTrainer::Seal {
            dealt: Some(homes),
            incomplete,
            ..
        } => Some((to.as_str(), homes.to_string(), incomplete.to_string())),
        _ => None,
    });
    seals.collect()
}

#[test]
fn rows_that_come_often_are_dealt_before_the_driver_hears_of_the_ledger() {
    let mut stage = dealing();
    assert_eq!(stage.machine.phase, Phase::Dealing { round: 1 });
    let told = "DEALT of round 1 from trainer 1 (hostB, executor 10, pid 4711)";
    assert_eq!(stage.machine.explain(), told);
    let said = sent(&mut stage);
    assert_eq!(opened(&said), [("b", "0 and 1".into()), ("a", "2 and 3".into())]);
    let Some((to, ToTrainer::Deal { owners, deal, .. })) = said.last() else {
        panic!("{said:?}")
    };
    let taken: Vec<(&str, u32, u32)> = owners
        .iter()
        .map(|Owner { trainer, lo, hi, .. }| (trainer.as_str(), *lo, *hi))
        .collect();
    assert_eq!((to.as_str(), deal.homes.to_string()), ("a", "3".into()));
    assert_eq!(taken, [("b", 0, 2), ("a", 2, 4)]);
    // Of another round.
    dealt(&mut stage, 0, [0; 4], &[]);
    assert_eq!(stage.machine.phase, Phase::Dealing { round: 1 });
    dealt(&mut stage, 1, [1; 4], &[]);
    let said = sent(&mut stage);
    let (none, home) = ("none".to_owned(), "3".to_owned());
    assert_eq!(
        seals(&said),
        [("b", none.clone(), none.clone()), ("a", home, none)]
    );
    sealed(&mut stage, "b", 1, &[(0, 3), (1, 1)], &[]);
    assert!(stage.events().is_empty());
    sealed(&mut stage, "a", 1, &[(2, 2), (3, 1)], &[3]);
    let Some(Event::Sealed { ledger }) = stage.events().pop() else {
        panic!("{:?}", stage.said)
    };
    assert_eq!((ledger.rows_spooled, ledger.rows_dealt), (7, 4));
    assert_eq!(ledger.shard_rows, [3, 1, 2, 1]);
    stage.train();
    let forms = sent(&mut stage);
    let Some((_, ToTrainer::Form { sums, .. })) = forms.first() else {
        panic!("{forms:?}")
    };
    assert_eq!(*sums, [(0, 3), (1, 1), (2, 2), (3, 1)].map(sum));
}

#[test]
fn rows_that_come_or_go_on_the_way_fail_the_fit_with_the_numbers() {
    let mut stage = dealing();
    dealt(&mut stage, 1, [1, 1, 1, 0], &[]);
    let failure = stage.failure();
    assert_eq!(failure.kind, ErrorKind::Internal);
    assert_eq!(
        failure.message,
        format!(
            "dealing equal rows made 6 rows with hash sum {:032x} of 7 with hash sum {:032x}",
            6000, 7000
        )
    );
    // What was counted in the spool is another number than what follows from the words.
    let mut stage = dealing();
    dealt(&mut stage, 1, [1; 4], &[]);
    sealed(&mut stage, "b", 1, &[(0, 2), (1, 1)], &[]);
    let told = &stage.failure().message;
    assert!(
        told.contains("shard 0 on trainer 0") && told.contains("holds 2 rows"),
        "{told}"
    );
}

#[test]
fn a_shard_that_was_lost_is_dealt_to_again_by_all_homes_and_must_be_what_it_was() {
    for again in [1, 2] {
        let mut stage = dealing();
        dealt(&mut stage, 1, [1; 4], &[]);
        sealed(&mut stage, "b", 1, &[(0, 3), (1, 1)], &[]);
        sealed(&mut stage, "a", 1, &[(2, 2), (3, 1)], &[3]);
        stage.end("b");
        stage.train();
        assert_eq!(stage.machine.phase, Phase::Feeding { round: 2 });
        let ledgers = json!([task(0, &[(0, 2), (2, 1)]), task(1, &[(3, 4)])]);
        let mut ledgers: Vec<TaskLedger> = serde_json::from_value(ledgers).unwrap();
        (ledgers[0].rows_sent, ledgers[0].rows_passed_over) = (2, 1);
        (ledgers[1].rows_sent, ledgers[1].rows_passed_over) = (0, 4);
        stage
            .command(json!({"cmd": "seal", "round": 2, "ledgers": ledgers}))
            .unwrap();
        sent(&mut stage);
        sealed(&mut stage, "a", 2, &[(0, 2), (1, 0)], &[]);
        assert_eq!(stage.machine.phase, Phase::Dealing { round: 3 });
        assert_eq!(opened(&sent(&mut stage)), [("a", "0 and 1".into())]);
        let message = ToCoordinator::Dealt {
            round: 3,
            lost: ShardSet::default(),
            because: None,
            heaps: Vec::new(),
            shares: vec![heap(0, again), heap(1, 1)],
        };
        stage.message("a", message);
        if again == 2 {
            let told = &stage.failure().message;
            assert!(
                told.starts_with("shard 0 was dealt 3 rows with hash sum "),
                "{told}"
            );
            continue;
        }
        sealed(&mut stage, "a", 3, &[(0, 3), (1, 1)], &[]);
        assert_eq!(stage.machine.phase, Phase::Forming { generation: 1 });
        let refed = stage.machine.recovery.as_ref().unwrap();
        assert_eq!(refed.rows_refed, 2, "what is dealt was not fed");
    }
}

#[test]
fn who_is_lost_before_it_has_dealt_leaves_all_as_they_were_fed() {
    let mut stage = dealing();
    sent(&mut stage);
    stage.end("a");
    // Nothing of the round counts.
    assert_eq!(seals(&sent(&mut stage)), [("b", "none".into(), "0 and 1".into())]);
    sealed(&mut stage, "b", 1, &[], &[]);
    assert_eq!(stage.machine.phase, Phase::Feeding { round: 2 });
    assert!(stage.machine.trainers["b"].undealt.iter().eq(0..2));
}

#[test]
fn one_that_is_not_reached_is_tried_again_and_then_lost() {
    let mut stage = dealing();
    dealt(&mut stage, 1, [1; 4], &[0, 1]);
    sealed(&mut stage, "a", 1, &[(2, 2), (3, 1)], &[3]);
    sealed(&mut stage, "b", 1, &[], &[]);
    assert_eq!(stage.machine.phase, Phase::Dealing { round: 2 });
    assert_eq!(stage.machine.recoveries, 1);
    sent(&mut stage);
    let message = ToCoordinator::Dealt {
        round: 2,
        lost: (0..2).into(),
        because: Some("connection refused".into()),
        heaps: Vec::new(),
        shares: vec![heap(0, 1), heap(1, 1)],
    };
    stage.message("a", message);
    assert_eq!(stage.machine.recoveries, 1, "it is one recovery");
    assert!(stage.machine.rank_of("b").is_none());
    let told = stage.machine.recovery.as_ref().unwrap().told();
    assert_eq!(
        told,
        "equal rows could not be dealt to trainer 0 (hostA, executor 9, pid 4711): trainer 1 (hostB, executor 10, pid 4711) \
         did not reach shards 0 and 1: connection refused"
    );
    assert_eq!(stage.machine.phase, Phase::Feeding { round: 3 });
}

#[test]
fn a_trainer_that_makes_no_progress_while_it_deals_is_lost() {
    let mut stage = dealing();
    stage.pass(62_000, &["a", "b"], false);
    let lost = stage.said.iter().find_map(|output| match output {
        Output::Event(Event::Lost { trainer, why }) => Some((trainer.clone(), why.clone())),
        _ => None,
    });
    let (trainer, why) = lost.unwrap();
    assert_eq!(trainer, "a", "the other one waits by right");
    assert!(
        why.contains("made no progress for") && why.contains("during feed"),
        "{why}"
    );
}
