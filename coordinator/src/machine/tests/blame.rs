//! Who is to blame, where what is seen leaves more than one.

use super::recovery::{at, halted, sent, suspect};
use super::rounds::{ledgers, seal, sealed};
use super::*;

/// An executor that reaches a trainer not, which others reach, is named, and no healthy trainer is given up for it.
#[test]
fn an_executor_that_is_cut_off_is_named_and_costs_no_trainer() {
    let of = |executors: [&str; 2]| {
        let mut all = ledgers(&[0, 1, 2, 3], &[2, 3]);
        for (task, executor) in all.iter_mut().zip(executors) {
            task.executor = executor.to_owned();
        }
        // The first task, of executor 3, handed all over.
        (all[0].rows_passed_over, all[0].rows_sent) = (0, 3);
        (all[0].lost_shards, all[0].lost_because) = (ShardSet::default(), None);
        all
    };
    let mut stage = Stage::recoverable_at("feeding");
    seal(&mut stage, 0, &of(["3", "4"])).unwrap();
    let told = stage.machine.recovery.as_ref().unwrap().told();
    assert!(
        told.starts_with(
            "feed tasks of executor 4 could not hand over shards 2 and 3 of round 0 to trainer 1 (hostB"
        ),
        "{told}"
    );
    sealed(&mut stage, "b", 0, &[(0, 2), (1, 0)]);
    sealed(&mut stage, "a", 0, &[]);
    assert_eq!(stage.machine.phase, Phase::Feeding { round: 1 });
    let failed = seal(&mut stage, 1, &of(["3", "4"])).unwrap_err();
    assert!(
        failed.message.ends_with(
            "connection refused; tasks of other executors reached it: look at the network of executor 4"
        ),
        "{failed}"
    );
    assert_eq!(stage.machine.members.len(), 2);
    // Where nobody reaches it, or another task of that executor did, it is the trainer that is given up.
    let mut mixed = of(["3", "4"]);
    mixed.push(TaskLedger {
        executor: "4".to_owned(),
        ..task(2, &[(2, 1)])
    });
    for all in [ledgers(&[0, 1, 2, 3], &[2, 3]), mixed] {
        let mut stage = Stage::recoverable_at("feeding");
        stage.machine.unreached.insert("a".to_owned());
        seal(&mut stage, 0, &all).unwrap();
        assert_eq!(stage.machine.members.len(), 1);
    }
}

#[test]
fn who_was_not_reached_in_the_first_feed_has_a_new_chance_once_training_runs() {
    let mut stage = Stage::recoverable_at("sealed");
    stage.machine.unreached.insert("a".to_owned());
    stage.train();
    stage.all_ready();
    assert!(stage.machine.unreached.is_empty());
}

/// What a survivor has no memory for ends the fit with the loss that gave it more.
#[test]
fn a_refusal_in_a_recovery_is_told_with_what_it_began_with() {
    let mut stage = Stage::recoverable_at("running");
    stage.end("b");
    stage.exited("b", 137);
    stage.message(
        "a",
        ToCoordinator::Failed {
            failure: Failure::parameter("this trainer may use 1 MiB"),
        },
    );
    let failure = stage.failure();
    assert_eq!(failure.kind, ErrorKind::InvalidParameter);
    assert!(
        failure.message.contains("killed by signal 9 (SIGKILL)")
            && failure
                .message
                .ends_with("then, before training went on: this trainer may use 1 MiB"),
        "{failure}"
    );
}

/// One that is cut off from all others breaks with another one each time.
#[test]
fn who_has_part_in_three_breaks_is_given_up() {
    let mut stage = Stage::recoverable_at("running");
    stage.machine.breaks.insert("a".to_owned(), 2);
    stage.machine.suspected.insert("b".to_owned(), 2);
    sent(&mut stage);
    suspect(&mut stage, 1);
    let told = stage.machine.recovery.as_ref().unwrap().told();
    assert!(
        told.starts_with("trainer 1 (hostB, executor 10, pid 4711) is given up: ")
            && told.ends_with("it has lost others, or they it, 3 times"),
        "{told}"
    );
}

/// Beats of two trainers come at different moments, which says nothing of who waits for whom.
#[test]
fn of_several_that_stand_at_one_point_the_one_that_answers_no_halt_is_to_blame() {
    for phase in ["forming", "running"] {
        let mut stage = Stage::recoverable_at(phase);
        sent(&mut stage);
        stage.pass(63_000, &["a", "b"], false);
        assert_eq!(stage.machine.phase, Phase::Halting { generation: 1 }, "{phase}");
        assert!(sent(&mut stage).contains(&("a".to_owned(), ToTrainer::Halt { generation: 1 })));
        assert_eq!((stage.machine.recoveries, stage.machine.members.len()), (1, 2));
        halted(&mut stage, "b", 1, at(0, 7));
        stage.pass(62_000, &["a", "b"], false);
        assert!(stage.failures().is_empty());
        let [member] = &stage.machine.members[..] else {
            panic!("{:?}", stage.machine.members)
        };
        assert_eq!(member.trainer.id, "b", "it had answered");
        assert_eq!(stage.machine.recoveries, 1, "it is one recovery");
        let told = stage.machine.recovery.as_ref().unwrap().told();
        assert!(
            told.starts_with("trainer 1 (hostB") && told.contains("made no progress for 60 s"),
            "{told}"
        );
    }
    let mut stage = Stage::at("running");
    stage.pass(62_000, &["a", "b"], false);
    let told = &stage.failure().message;
    assert!(
        told.starts_with("trainer 1 (hostB")
            && told.contains(", trainer 0 (hostA")
            && told.ends_with("does not go on after a loss"),
        "{told}"
    );
}
