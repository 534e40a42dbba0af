//! With two replicas a second member has what each one owns: a loss costs no feed.

use super::recovery::{at, beat, halted, recoveries, sent};
use super::*;

/// "b" has rank 0, "a" rank 1, "c" rank 2.
fn gathered(ids: &[&str]) -> Stage {
    let job = JobSpec {
        max_recoveries: 3,
        data_replicas: 2,
        ..job()
    };
    let mut stage = Stage::of(job);
    for (id, executor) in [("a", "10"), ("b", "9"), ("c", "11")] {
        if ids.contains(&id) {
            stage.machine.connect(ms(0), info(id, executor)).unwrap();
        }
    }
    stage.command(json!({"cmd": "members", "trainers": ids})).unwrap();
    stage.seal();
    stage
}

fn rows(shard: u32) -> u64 {
    [2, 0, 1, 4][shard as usize]
}

/// SEALED of what each takes in a round.
fn all_sealed(stage: &mut Stage, round: u32) {
    let taken: Vec<(String, ShardSet)> = stage
        .machine
        .members
        .iter()
        .map(|member| {
            let id = member.trainer.id.clone();
            let incomplete = &stage.machine.incomplete;
            let taken = stage.machine.trainers[&id]
                .taken
                .filter(|shard| !incomplete.contains(shard));
            (id, taken)
        })
        .collect();
    for (id, shards) in taken {
        let sealed = ToCoordinator::Sealed {
            round,
            shards: shards.iter().map(|shard| sum((shard, rows(shard)))).collect(),
            heaped: ShardSet::default(),
        };
        stage.message(&id, sealed);
    }
}

/// MOVED of one that could not hand over what is `lost`.
fn moved(stage: &mut Stage, from: &str, round: u32, lost: &[u32]) {
    let moved = ToCoordinator::Moved {
        round,
        rows: 0,
        lost: lost.iter().copied().collect(),
        because: (!lost.is_empty()).then(|| "a firewall".to_owned()),
    };
    stage.message(from, moved);
}

/// (from, to, lo, hi) of what is sent.
fn moves(said: &[(String, ToTrainer)]) -> Vec<(&str, &str, u32, u32)> {
    let moves = said.iter().filter_map(|(from, message)| match message {
        ToTrainer::Move { owners, .. } => Some(
            owners
                .iter()
                .map(move |owner| (from.as_str(), owner.trainer.as_str(), owner.lo, owner.hi)),
        ),
        _ => None,
    });
    moves.flatten().collect()
}

/// The copies that each is to keep of those to whom FORM is said.
fn forms(said: &[(String, ToTrainer)]) -> Vec<(&str, String)> {
    let forms = said.iter().filter_map(|(to, message)| match message {
        ToTrainer::Form { copies, .. } => Some((to.as_str(), copies.to_string())),
        _ => None,
    });
    forms.collect()
}

fn ready(stage: &mut Stage, ids: &[&str], generation: u64, counter: ProgramCounter) {
    for id in ids {
        let ready = ToCoordinator::Ready {
            generation,
            counter,
            state_hash: "s".into(),
        };
        stage.message(id, ready);
    }
}

fn feeds(stage: &Stage) -> usize {
    let feed = |event: &&Event| matches!(event, Event::NeedFeed { .. });
    stage.events().iter().filter(feed).count()
}

/// Two that train, each with a copy of what the other one owns.
fn two() -> Stage {
    let mut stage = gathered(&["a", "b"]);
    sent(&mut stage);
    all_sealed(&mut stage, 0);
    assert_eq!(stage.machine.phase, Phase::Moving { round: 1 });
    let said = sent(&mut stage);
    assert_eq!(moves(&said), [("a", "b", 2, 4), ("b", "a", 0, 2)]);
    for (to, taken) in [("a", 0..2), ("b", 2..4)] {
        let open = ToTrainer::Open {
            round: 1,
            shards: taken.into(),
        };
        assert!(said.contains(&(to.to_owned(), open)), "{said:?}");
    }
    for id in ["a", "b"] {
        moved(&mut stage, id, 1, &[]);
    }
    all_sealed(&mut stage, 1);
    let ledger = stage.events().into_iter().find_map(|event| match event {
        Event::Sealed { ledger } => Some(ledger),
        _ => None,
    });
    assert_eq!(ledger.unwrap().rows_spooled, 7, "copies are no rows");
    stage.train();
    assert_eq!(
        forms(&sent(&mut stage)),
        [("b", "2 and 3".to_owned()), ("a", "0 and 1".to_owned())]
    );
    ready(&mut stage, &["a", "b"], 1, at(0, 0));
    stage
}

#[test]
fn what_a_lost_member_had_another_one_has() {
    for lost in ["a", "b"] {
        let mut stage = two();
        let other = if lost == "a" { "b" } else { "a" };
        stage.end(lost);
        sent(&mut stage);
        halted(&mut stage, other, 1, at(0, 8));
        assert_eq!(
            forms(&sent(&mut stage)),
            [(other, "none".to_owned())],
            "it is alone"
        );
        assert_eq!(stage.machine.trainers[other].held.as_range(), Some(0..4));
        ready(&mut stage, &[other], 2, at(0, 8));
        stage.message(other, beat(at(0, 9)));
        let [record] = recoveries(&stage).try_into().unwrap();
        assert_eq!((record.rows_refed, record.lost.len()), (0, 1));
        assert_eq!(feeds(&stage), 0);
    }
}

#[test]
fn a_copy_that_cannot_be_made_is_not_tried_again_and_again_and_is_missing_when_it_is_needed() {
    let mut stage = gathered(&["a", "b"]);
    all_sealed(&mut stage, 0);
    moved(&mut stage, "a", 1, &[]);
    moved(&mut stage, "b", 1, &[0, 1]);
    all_sealed(&mut stage, 1);
    assert_eq!(stage.machine.phase, Phase::Sealed);
    let told = |output: &Output| {
        matches!(output, Output::Event(Event::Log { message }) if message.ends_with(
            "could not hand over copies of shards 0 and 1, the fit goes on without them: a firewall"))
    };
    assert!(stage.said.iter().any(told), "{:?}", stage.said);
    stage.train();
    assert_eq!(
        forms(&sent(&mut stage)),
        [("b", "2 and 3".to_owned()), ("a", "none".to_owned())]
    );
    ready(&mut stage, &["a", "b"], 1, at(0, 0));
    stage.end("b");
    halted(&mut stage, "a", 1, at(0, 8));
    assert_eq!(stage.machine.phase, Phase::Feeding { round: 2 });
    assert!(stage.failures().is_empty());
}

#[test]
fn a_copy_that_could_not_be_made_is_made_before_the_next_generation() {
    let mut stage = gathered(&["a", "b"]);
    all_sealed(&mut stage, 0);
    moved(&mut stage, "a", 1, &[]);
    moved(&mut stage, "b", 1, &[0, 1]);
    all_sealed(&mut stage, 1);
    stage.train();
    ready(&mut stage, &["a", "b"], 1, at(0, 0));
    stage.suspect("a", "b");
    sent(&mut stage);
    for id in ["a", "b"] {
        halted(&mut stage, id, 1, at(0, 8));
    }
    assert_eq!(moves(&sent(&mut stage)), [("b", "a", 0, 2)]);
}

/// Three that train; "c" is lost, of whose shards 2 and 3 "a" has copies.
fn one_of_three_is_lost() -> Stage {
    let mut stage = gathered(&["a", "b", "c"]);
    all_sealed(&mut stage, 0);
    // "a" and "c" are on one host.
    let said = sent(&mut stage);
    let copied = [("a", "b", 1, 2), ("b", "c", 0, 1), ("c", "a", 2, 4)];
    assert_eq!(moves(&said), copied);
    for id in ["a", "b", "c"] {
        moved(&mut stage, id, 1, &[]);
    }
    all_sealed(&mut stage, 1);
    stage.train();
    ready(&mut stage, &["a", "b", "c"], 1, at(0, 0));
    sent(&mut stage);
    stage.end("c");
    for id in ["a", "b"] {
        halted(&mut stage, id, 1, at(0, 8));
    }
    stage
}

#[test]
fn copies_that_were_lost_are_made_good_before_training_goes_on() {
    let mut stage = one_of_three_is_lost();
    // "b" has 0, "a" had 1 and gets 2 and 3, of which it has copies; those that "c" had are gone.
    assert_eq!(stage.machine.phase, Phase::Moving { round: 2 });
    let said = sent(&mut stage);
    assert_eq!(moves(&said), [("a", "b", 2, 4), ("b", "a", 0, 1)]);
    for id in ["a", "b"] {
        moved(&mut stage, id, 2, &[]);
    }
    all_sealed(&mut stage, 2);
    let said = sent(&mut stage);
    assert_eq!(forms(&said), [("b", "1 to 3".to_owned()), ("a", "0".to_owned())]);
    ready(&mut stage, &["a", "b"], 2, at(0, 8));
    stage.message("a", beat(at(0, 9)));
    stage.end("a");
    halted(&mut stage, "b", 2, at(0, 9));
    assert_eq!(forms(&sent(&mut stage)), [("b", "none".to_owned())]);
    assert_eq!(feeds(&stage), 0);
    assert_eq!(recoveries(&stage).len(), 0, "taken with what was sent");
}

#[test]
fn who_is_lost_while_copies_are_made_costs_no_more_than_what_nobody_has() {
    let mut stage = one_of_three_is_lost();
    moved(&mut stage, "b", 2, &[]);
    stage.end("a");
    all_sealed(&mut stage, 2);
    // "b" had a copy of 1; 2 and 3 were on their way to it.
    let feeding = Phase::Feeding { round: 3 };
    assert_eq!((stage.machine.phase, feeds(&stage)), (feeding, 1));
    assert_eq!(stage.machine.trainers["b"].taken.to_string(), "2 and 3");
}
