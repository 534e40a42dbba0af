//! The ledger of a feed round: what the winning tasks say, against what the spools hold (rules A3, A8).

use candlewick_protocol::feed::{Ledger, ShardSum, TaskLedger, Winner};
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::shuffle::Homes;
use candlewick_protocol::validation::FedShard;
use candlewick_protocol::{ErrorKind, Failure};
use std::collections::{HashMap, HashSet};

/// What a round must have put into the spools.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expected {
    pub(crate) winners: Vec<Winner>,
    /// One entry per logical shard, in order.
    pub(crate) sums: Vec<ShardSum>,
    /// Shards of which not every task could hand over its rows.
    pub(crate) incomplete: ShardSet,
    /// Where partitions went, where that is not decided row by row.
    pub(crate) homes: Option<Homes>,
    pub(crate) ledger: Ledger,
}

/// Adds up the tasks' ledgers and checks each against itself.
pub(crate) fn add_up(ledgers: &[TaskLedger], logical_shards: u32) -> Result<Expected, Failure> {
    let mut sums: Vec<ShardSum> = (0..logical_shards)
        .map(|shard| ShardSum {
            shard,
            rows: 0,
            hash_sum: 0,
        })
        .collect();
    let mut ledger = Ledger::default();
    let mut seen = HashSet::new();
    let mut incomplete = ShardSet::default();
    let mut ordered: Vec<&TaskLedger> = ledgers.iter().collect();
    ordered.sort_by_key(|task| task.partition);
    for task in &ordered {
        if let Some(failure) = &task.failure {
            return Err(failure.clone());
        }
        if !seen.insert(task.partition) {
            return Err(unbalanced(format!(
                "partition {} was reported twice",
                task.partition
            )));
        }
        add_task(task, &mut sums, &mut ledger)?;
        incomplete.extend(task.lost_shards.ranges().iter().cloned());
    }
    ledger.shard_rows = sums.iter().map(|sum| sum.rows).collect();
    let total = sums
        .iter()
        .fold(0u128, |total, sum| total.wrapping_add(sum.hash_sum));
    ledger.hash_sum = format!("{total:032x}");
    let winners = ordered
        .iter()
        .map(|task| Winner {
            partition: task.partition,
            attempt: task.attempt,
        })
        .collect();
    Ok(Expected {
        winners,
        sums,
        incomplete,
        homes: None,
        ledger,
    })
}

/// A later round may have nothing to feed; the first one may not.
pub(crate) fn not_empty(expected: Expected) -> Result<Expected, Failure> {
    let ledger = &expected.ledger;
    if expected.sums.iter().any(|sum| sum.rows > 0) {
        return Ok(expected);
    }
    Err(Failure::data(format!(
        "there are no rows to train on: {} partitions gave {} rows, of which {} were left out as invalid",
        ledger.partitions, ledger.rows_read, ledger.rows_skipped
    )))
}

fn add_task(task: &TaskLedger, sums: &mut [ShardSum], ledger: &mut Ledger) -> Result<(), Failure> {
    let (read, sent, skipped) = (task.rows_read, task.rows_sent, task.rows_skipped);
    let passed_over = task.rows_passed_over;
    let others = match passed_over {
        0 => String::new(),
        rows => format!(", {rows} passed over"),
    };
    if read != sent + passed_over + skipped {
        return Err(unbalanced(format!(
            "partition {} gave {read} rows, but {sent} were sent{others} and {skipped} left out",
            task.partition
        )));
    }
    let routed: u64 = task.shards.iter().map(|sum| sum.rows).sum();
    if routed != sent + passed_over {
        return Err(unbalanced(format!(
            "partition {} sent {sent} rows{others}, but {routed} were routed to shards",
            task.partition
        )));
    }
    let shards = sums.len();
    for part in &task.shards {
        let Some(sum) = sums.get_mut(part.shard as usize) else {
            return Err(unbalanced(format!(
                "partition {} names shard {}, but the job has shards 0 to {}",
                task.partition,
                part.shard,
                shards.saturating_sub(1)
            )));
        };
        sum.rows += part.rows;
        sum.hash_sum = sum.hash_sum.wrapping_add(part.hash_sum);
    }
    ledger.partitions += 1;
    ledger.rows_read += read;
    // Those that were passed over come in another round.
    ledger.rows_sent += sent + passed_over;
    ledger.rows_skipped += skipped;
    ledger.feature_bytes += task.feature_bytes;
    Ok(())
}

/// Counts the rows of the shards from `logical_shards` on apart: they are put aside for validation.
pub(crate) fn set_aside(mut expected: Expected, logical_shards: u32) -> Result<Expected, Failure> {
    let shards = logical_shards as usize;
    if expected.sums.len() <= shards {
        return Ok(expected);
    }
    let ledger = &mut expected.ledger;
    let aside: u64 = ledger.shard_rows.split_off(shards).iter().sum();
    ledger.validation_rows = aside;
    let sent = ledger.rows_sent;
    let remedy =
        "look at validationIndicatorCol or change validationFraction (rows that are equal stay together)";
    if aside == sent {
        return Err(Failure::data(format!(
            "all {sent} rows are put aside for validation and none is left to train on: {remedy}"
        )));
    }
    if aside == 0 {
        return Err(Failure::data(format!(
            "none of the {sent} rows is put aside for validation: {remedy}"
        )));
    }
    Ok(expected)
}

/// Compares a trainer's answer to SEAL with what its shards must hold; returns its rows.
///
/// `who` describes the trainer for the message, `owned` are the shards that it took in the round.
pub(crate) fn compare(
    expected: &[ShardSum],
    owned: &ShardSet,
    who: &str,
    held: &[ShardSum],
    logical_shards: u32,
) -> Result<u64, Failure> {
    let mut rows = 0;
    let is_owned = |number: u32| owned.contains(FedShard::numbered(number, logical_shards).shard);
    for sum in held {
        if !is_owned(sum.shard) && sum.rows > 0 {
            return Err(unbalanced(format!(
                "{who} holds {} rows of shard {}, but owns {}",
                sum.rows,
                sum.shard,
                owned_text(owned)
            )));
        }
        rows += sum.rows;
    }
    let held: HashMap<u32, (u64, u128)> = held
        .iter()
        .map(|sum| (sum.shard, (sum.rows, sum.hash_sum)))
        .collect();
    for want in expected.iter().filter(|sum| is_owned(sum.shard)) {
        let (have_rows, have_sum) = held.get(&want.shard).copied().unwrap_or_default();
        if (have_rows, have_sum) != (want.rows, want.hash_sum) {
            return Err(unbalanced(format!(
                "shard {} on {who} holds {have_rows} rows with hash sum {have_sum:032x}, but the winning feed \
                 tasks sent {} rows with hash sum {:032x}",
                want.shard, want.rows, want.hash_sum
            )));
        }
    }
    Ok(rows)
}

/// "shards 2 to 4 only", "shard 2 only", "no shard".
fn owned_text(owned: &ShardSet) -> String {
    match owned.len() {
        0 => "no shard".to_owned(),
        1 => format!("shard {owned} only"),
        _ => format!("shards {owned} only"),
    }
}

/// Rule A5: what is fed again must be what was fed before, shard by shard.
pub(crate) fn check_again(
    first: &[ShardSum],
    again: &[ShardSum],
    shards: &ShardSet,
    logical_shards: u32,
) -> Result<(), Failure> {
    for (before, now) in first.iter().zip(again) {
        let shard = FedShard::numbered(before.shard, logical_shards);
        if !shards.contains(shard.shard) || before == now {
            continue;
        }
        let rows = if shard.validation {
            "validation rows"
        } else {
            "rows"
        };
        let how = if before.rows == now.rows {
            format!("had {} {rows}, now as many but not the same ones", before.rows)
        } else {
            format!("had {} {rows}, now {}", before.rows, now.rows)
        };
        return Err(Failure::data(format!(
            "the source gave other rows when read again: shard {} {how}. Rows are read again where a trainer is lost, and must \
             be the same then: checkpoint the DataFrame (df.checkpoint()), or write it out and read it back; what df.cache() \
             holds goes with a lost executor. Or leave out what differs each time: a UDF that draws at random, a limit without \
             an order, a table that changes. With dataReplicas = 2 nothing is read again after a loss in training",
            shard.shard
        )));
    }
    Ok(())
}

fn unbalanced(what: String) -> Failure {
    Failure::new(
        ErrorKind::JobFailed,
        format!("the ledger of the feed does not balance: {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(partition: u32, shards: &[(u32, u64, u128)]) -> TaskLedger {
        let rows = shards.iter().map(|(_, rows, _)| rows).sum();
        TaskLedger {
            partition,
            attempt: u64::from(partition) + 100,
            rows_read: rows,
            rows_sent: rows,
            feature_bytes: rows * 4,
            shards: shards
                .iter()
                .map(|&(shard, rows, hash_sum)| ShardSum {
                    shard,
                    rows,
                    hash_sum,
                })
                .collect(),
            ..TaskLedger::default()
        }
    }

    #[test]
    fn sums_wrap_and_partitions_without_rows_count() {
        let expected = add_up(
            &[
                task(1, &[(0, 2, u128::MAX), (1, 1, 7)]),
                task(0, &[(0, 1, 3)]),
                task(2, &[]),
            ],
            2,
        )
        .unwrap();
        assert_eq!(
            expected.sums[0],
            ShardSum {
                shard: 0,
                rows: 3,
                hash_sum: 2
            }
        );
        assert_eq!(expected.ledger.partitions, 3);
        assert_eq!(expected.ledger.shard_rows, [3, 1]);
        assert_eq!(expected.ledger.hash_sum, format!("{:032x}", 9));
        assert_eq!(
            expected.winners[0],
            Winner {
                partition: 0,
                attempt: 100
            }
        );
    }

    #[test]
    fn billions_of_rows_add_up() {
        let many = 5_000_000_000;
        let tasks: Vec<TaskLedger> = (0..3)
            .map(|at| task(at, &[(0, many, 1 << 127), (1, many + 1, 5)]))
            .collect();
        let expected = add_up(&tasks, 2).unwrap();
        assert_eq!(expected.ledger.shard_rows, [3 * many, 3 * (many + 1)]);
        assert_eq!(expected.ledger.rows_sent, 6 * many + 3);
        assert_eq!(expected.sums[0].hash_sum, 1 << 127, "sums wrap");
        // As the driver sends them.
        let text = serde_json::to_string(&tasks[0]).unwrap();
        assert_eq!(serde_json::from_str::<TaskLedger>(&text).unwrap(), tasks[0]);
    }

    #[test]
    fn rows_put_aside_are_counted_apart_and_belong_to_the_owner_of_their_shard() {
        let set_aside = |shards: &[(u32, u64, u128)]| set_aside(add_up(&[task(0, shards)], 4)?, 2);
        let expected = set_aside(&[(0, 2, 5), (3, 1, 7)]).unwrap();
        assert_eq!(
            (
                expected.ledger.shard_rows.as_slice(),
                expected.ledger.validation_rows
            ),
            (&[2, 0][..], 1)
        );
        assert_eq!(expected.sums.len(), 4);
        let none = set_aside(&[(0, 2, 5)]).unwrap_err().message;
        assert!(
            none.contains("none of the 2 rows is put aside for validation"),
            "{none}"
        );
        let all = set_aside(&[(3, 2, 5)]).unwrap_err().message;
        assert!(all.contains("all 2 rows are put aside for validation"), "{all}");
    }

    #[test]
    fn each_way_to_be_out_of_balance_is_named() {
        let told = |ledgers: &[TaskLedger]| add_up(ledgers, 2).and_then(not_empty).unwrap_err().message;
        let mut lost = task(4, &[(0, 5, 1)]);
        lost.rows_read = 6;
        assert!(told(&[lost]).contains("partition 4 gave 6 rows, but 5 were sent and 0 left out"));
        let mut routed = task(4, &[(0, 5, 1)]);
        (routed.rows_read, routed.rows_sent) = (6, 6);
        assert!(told(&[routed]).contains("partition 4 sent 6 rows, but 5 were routed"));
        assert!(
            told(&[task(1, &[(0, 1, 1)]), task(1, &[(0, 1, 1)])]).contains("partition 1 was reported twice")
        );
        assert!(told(&[task(1, &[(2, 1, 1)])]).contains("names shard 2"));
        let mut skipped = task(0, &[]);
        (skipped.rows_read, skipped.rows_skipped) = (12, 12);
        assert!(told(&[skipped]).contains("no rows to train on: 1 partitions gave 12 rows, of which 12"));
    }

    #[test]
    fn rows_passed_over_balance_and_the_shards_that_a_task_could_not_hand_over_are_incomplete() {
        let mut holes = task(0, &[(0, 5, 1), (1, 7, 2)]);
        (holes.rows_sent, holes.rows_passed_over) = (5, 7);
        holes.lost_shards = std::iter::once(1).collect();
        let whole = task(1, &[(0, 1, 3), (1, 2, 4)]);
        let expected = add_up(&[holes.clone(), whole], 2).unwrap();
        assert_eq!(expected.incomplete.to_string(), "1");
        assert_eq!(
            expected.ledger.rows_sent, 15,
            "all of them will have been sent in the end"
        );
        assert_eq!(expected.ledger.shard_rows, [6, 9]);
        holes.rows_passed_over = 6;
        let told = add_up(&[holes], 2).unwrap_err().message;
        assert!(
            told.contains("gave 12 rows, but 5 were sent, 6 passed over and 0 left out"),
            "{told}"
        );
    }

    #[test]
    fn a_source_that_gives_other_rows_is_told_with_the_shard_and_the_remedy() {
        let sums = |rows: [(u64, u128); 4]| -> Vec<ShardSum> {
            let sum = |(shard, (rows, hash_sum))| ShardSum {
                shard,
                rows,
                hash_sum,
            };
            (0..).zip(rows).map(sum).collect()
        };
        let first = sums([(5, 1), (6, 2), (7, 3), (8, 4)]);
        let told = |again: [(u64, u128); 4], shards: &[u32]| {
            let shards = shards.iter().copied().collect();
            check_again(&first, &sums(again), &shards, 2).map_err(|failure| failure.message)
        };
        assert_eq!(told([(5, 1), (6, 2), (7, 3), (8, 4)], &[0, 1]), Ok(()));
        // What was not lost need not come again.
        assert_eq!(told([(4, 9), (6, 2), (0, 0), (8, 4)], &[1]), Ok(()));
        let fewer = told([(5, 1), (4, 2), (7, 3), (8, 4)], &[0, 1]).unwrap_err();
        assert!(
            fewer.contains("read again: shard 1 had 6 rows, now 4. "),
            "{fewer}"
        );
        assert!(fewer.contains("df.checkpoint()"), "{fewer}");
        let others = told([(5, 1), (6, 2), (7, 9), (8, 4)], &[0]).unwrap_err();
        assert!(
            others.contains("shard 0 had 7 validation rows, now as many but not the same"),
            "{others}"
        );
    }

    #[test]
    fn what_a_trainer_owns_is_told_for_any_range() {
        let told = |lo, hi| {
            let held = [ShardSum {
                shard: 7,
                rows: 5,
                hash_sum: 1,
            }];
            let owned = (lo..hi).into();
            compare(&[], &owned, "trainer 1", &held, 8).unwrap_err().message
        };
        for (lo, hi, owned) in [
            (0, 0, "owns no shard"),
            (3, 3, "owns no shard"),
            (2, 3, "owns shard 2 only"),
            (2, 4, "owns shards 2 and 3 only"),
            (2, 5, "owns shards 2 to 4 only"),
        ] {
            assert!(told(lo, hi).ends_with(owned), "{}", told(lo, hi));
        }
    }

    #[test]
    fn an_invalid_row_of_the_first_partition_is_the_failure() {
        let mut bad = task(3, &[]);
        bad.failure = Some(Failure::data("NaN in column x"));
        let mut worse = task(2, &[]);
        worse.failure = Some(Failure::data("null in column y"));
        assert_eq!(
            add_up(&[bad, worse], 2).unwrap_err(),
            Failure::data("null in column y")
        );
    }
}
