//! Every trainer sees every shard's numbers, and an exchange that does not fit names who is to blame.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use candlewick_protocol::plan::ownership;
use std::sync::Barrier;
use support::{LONG, gang};

/// What a shard gives in an exchange: every third has no rows, and the lengths are beyond those of scalars.
fn numbers(shard: u32, step: u64, sequence: u32) -> Option<Vec<f64>> {
    let length = if sequence == 1 { 5_000 } else { u64::from(shard) };
    let value = |at| f64::from(shard) * 1e300 + (step * 10 + u64::from(sequence) + at) as f64 / 3.0;
    (!(shard + sequence).is_multiple_of(3)).then(|| (0..length).map(value).collect())
}

#[test]
fn all_see_all_shards() {
    for (ranks, shards) in [(1, 4), (2, 8), (3, 8), (4, 5), (4, 2)] {
        let results = gang(ranks, shards, LONG, |rank, gang, _| {
            let (lo, hi) = ownership(shards, ranks)[rank];
            let mut got = Vec::new();
            for step in 3..6 {
                for sequence in 0..3 {
                    // A shard without rows may be left out.
                    let own: Vec<(u32, Option<Vec<f64>>)> = (lo..hi)
                        .map(|shard| (shard, numbers(shard, step, sequence)))
                        .filter(|(_, values)| step > 3 || values.is_some())
                        .collect();
                    got.push(gang.all_gather_shards(step, sequence, &own).unwrap());
                }
                gang.all_equal("between steps", "same").unwrap();
            }
            got
        });
        for got in results {
            let wanted = (3..6).flat_map(|step| {
                (0..3).map(move |sequence| {
                    (0..shards)
                        .map(|shard| numbers(shard, step, sequence))
                        .collect::<Vec<_>>()
                })
            });
            assert!(got.into_iter().eq(wanted), "{ranks} trainers, {shards} shards");
        }
    }
}

#[test]
fn another_exchange_is_refused_and_blamed() {
    let results = gang(2, 4, LONG, |rank, gang, _| {
        let sequence = u32::from(rank == 1);
        gang.all_gather_shards(7, sequence, &[]).unwrap_err()
    });
    for (rank, error) in results.iter().enumerate() {
        let message = &error.failure.message;
        assert!(
            error.peer.is_some() && message.contains(&format!("exchange {rank} of step 7")),
            "{message}"
        );
    }
    assert!(
        results
            .iter()
            .any(|error| error.failure.message.contains("sent a frame of chunk"))
    );
}

#[test]
fn a_foreign_shard_is_a_defect() {
    let results = gang(2, 4, LONG, |rank, gang, _| {
        let foreign = if rank == 0 { 3 } else { 0 };
        gang.all_gather_shards(0, 0, &[(foreign, None)])
            .unwrap_err()
            .failure
            .message
    });
    assert!(
        results[0].contains("got scalars of shard 3, expected 0..2"),
        "{}",
        results[0]
    );
}

/// BatchNorm of many shards and channels: more than 16 MiB of one trainer.
#[test]
fn an_exchange_may_be_large() {
    let values = |shard: u32| vec![f64::from(shard) + 0.5; 1_100_000];
    let results = gang(2, 4, LONG, |rank, gang, _| {
        let (lo, hi) = ownership(4, 2)[rank];
        let own: Vec<(u32, Option<Vec<f64>>)> = (lo..hi).map(|shard| (shard, Some(values(shard)))).collect();
        gang.all_gather_shards(0, 0, &own).unwrap()
    });
    for got in results {
        assert!(got.into_iter().eq((0..4).map(|shard| Some(values(shard)))));
    }
}

#[test]
fn a_halt_ends_an_exchange() {
    let given_up = Barrier::new(2);
    let results = gang(2, 4, LONG, |rank, gang, halts| {
        if rank == 1 {
            // Stays away from the exchange, but is there, until the other has given up.
            given_up.wait();
            return String::new();
        }
        halts.halt_through(1);
        let ended = gang.all_gather_shards(0, 0, &[]);
        given_up.wait();
        format!("{:?}", ended.unwrap_err().failure.kind)
    });
    assert_eq!(results[0], "Cancelled");
}

#[test]
fn words_reach_the_trainer_that_they_are_for() {
    for ranks in [1, 2, 3] {
        let results = gang(ranks, 8, LONG, |rank, gang, _| {
            assert_eq!(gang.rank(), (rank, ranks));
            let words = |step: u64, to: usize| {
                vec![f32::from_bits((rank * 100 + to * 10) as u32 + step as u32); 1 + to]
            };
            (0..3)
                .map(|step| {
                    let own = (0..ranks).map(|to| words(step, to)).collect();
                    gang.all_to_all(step, 0, own, 8).unwrap()
                })
                .collect::<Vec<_>>()
        });
        for (rank, steps) in results.iter().enumerate() {
            for (step, received) in steps.iter().enumerate() {
                for (from, words) in received.iter().enumerate() {
                    let bits = (from * 100 + rank * 10 + step) as u32;
                    assert_eq!(words.len(), 1 + rank);
                    assert!(
                        words.iter().all(|word| word.to_bits() == bits),
                        "{rank} from {from}"
                    );
                }
            }
        }
    }
}

#[test]
fn more_words_than_are_expected_are_refused_with_who_sent_them() {
    let results = gang(2, 8, LONG, |rank, gang, _| {
        let own = vec![vec![0.0; if rank == 0 { 9 } else { 8 }]; 2];
        gang.all_to_all(0, 0, own, 8).map(|_| ())
    });
    let error = results[1].as_ref().unwrap_err();
    assert_eq!(error.peer.as_deref(), Some("id-0"), "{error:?}");
}
