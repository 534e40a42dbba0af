//! Where partitions go with `dataShuffle="none"` (rule A1): the first round finds it, later ones must go there again.

use candlewick_protocol::feed::{ShardSum, TaskLedger};
use candlewick_protocol::shuffle::{Home, Homes};
use candlewick_protocol::validation::FedShard;
use candlewick_protocol::{ErrorKind, Failure};

/// The homes that the winning tasks of a round tell. Each task's rows must lie within its own, and where `first` ones are known,
/// it must be that.
pub(crate) fn of(
    ledgers: &[TaskLedger],
    first: Option<&Homes>,
    logical_shards: u32,
) -> Result<Homes, Failure> {
    let mut ordered: Vec<&TaskLedger> = ledgers.iter().collect();
    ordered.sort_by_key(|task| task.partition);
    let mut homes = Vec::with_capacity(ordered.len());
    for (number, task) in (0u32..).zip(ordered) {
        if task.partition != number {
            return Err(wrong(format!("partition {number} has no ledger")));
        }
        let home = home_of(task, logical_shards)?;
        let before = first.and_then(|first| first.of(number));
        if first.is_some() && before != Some(home) {
            let told = |home: Option<Home>| {
                home.map_or("none".to_owned(), |home| {
                    format!("those from {} to below {}", home.lo, home.hi)
                })
            };
            return Err(wrong(format!(
                "partition {number} went to other shards than in the first round: {}, and then {}",
                told(before),
                told(Some(home))
            )));
        }
        homes.push(home);
    }
    if let Some(first) = first.filter(|first| first.len() != homes.len()) {
        return Err(wrong(format!(
            "{} partitions were fed in the first round, now {}",
            first.len(),
            homes.len()
        )));
    }
    Ok(homes.into_iter().collect())
}

fn home_of(task: &TaskLedger, logical_shards: u32) -> Result<Home, Failure> {
    let partition = task.partition;
    let home = task
        .home
        .filter(|home| home.lo < home.hi && home.hi <= logical_shards);
    let home = home.ok_or_else(|| {
        wrong(format!(
            "partition {partition} does not say which shards it went to"
        ))
    })?;
    let stray = |sum: &&ShardSum| !home.contains(FedShard::numbered(sum.shard, logical_shards).shard);
    match task.shards.iter().find(stray) {
        None => Ok(home),
        Some(sum) => Err(wrong(format!(
            "partition {partition} has {} rows of shard {}, but goes to those from {} to below {}",
            sum.rows, sum.shard, home.lo, home.hi
        ))),
    }
}

/// What the user is told besides where a source gives other rows.
pub(crate) fn explain(failure: Failure, placed: bool) -> Failure {
    if !placed || failure.kind != ErrorKind::InvalidData {
        return failure;
    }
    let more = "with dataShuffle=\"none\" each partition must have the rows again that it had; with \"hash\" they may be in other partitions";
    Failure::new(failure.kind, format!("{}; {more}", failure.message))
}

fn wrong(what: String) -> Failure {
    Failure::new(
        ErrorKind::JobFailed,
        format!("the ledger of the feed does not balance: {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(partition: u32, home: (u32, u32), shards: &[u32]) -> TaskLedger {
        let sum = |shard: &u32| ShardSum {
            shard: *shard,
            rows: 1,
            hash_sum: 5,
        };
        TaskLedger {
            partition,
            home: Some(Home {
                lo: home.0,
                hi: home.1,
            }),
            shards: shards.iter().map(sum).collect(),
            ..TaskLedger::default()
        }
    }

    #[test]
    fn every_partition_has_one_home_and_keeps_it() {
        // Shards 4 to 7 are the validation rows of 0 to 3.
        let ledgers = [
            task(1, (2, 4), &[2, 3, 7]),
            task(0, (0, 2), &[1, 4]),
            task(2, (2, 4), &[]),
        ];
        let homes = of(&ledgers, None, 4).unwrap();
        assert_eq!(homes.of(1), Some(Home { lo: 2, hi: 4 }));
        assert_eq!(of(&ledgers, Some(&homes), 4).unwrap(), homes);
        let told = |ledgers: &[TaskLedger], first| of(ledgers, first, 4).unwrap_err().message;
        let other = [task(0, (2, 4), &[2]), ledgers[0].clone(), ledgers[2].clone()];
        let message = told(&other, Some(&homes));
        assert!(
            message.ends_with(
                "partition 0 went to other shards than in the first round: those from 0 to below 2, and then those from 2 to below 4"
            ),
            "{message}"
        );
        assert!(
            told(&ledgers[..2], Some(&homes)).ends_with("3 partitions were fed in the first round, now 2")
        );
        let more: Vec<TaskLedger> = ledgers.iter().cloned().chain([task(3, (0, 2), &[])]).collect();
        assert!(told(&more, Some(&homes)).contains("partition 3 went to other shards"));
        assert!(told(&ledgers[..1], None).ends_with("partition 0 has no ledger"));
        assert!(
            told(&[task(0, (0, 2), &[6])], None)
                .ends_with("1 rows of shard 6, but goes to those from 0 to below 2")
        );
        for home in [None, Some(Home { lo: 2, hi: 2 }), Some(Home { lo: 2, hi: 5 })] {
            let task = TaskLedger {
                home,
                ..TaskLedger::default()
            };
            assert!(told(&[task], None).ends_with("does not say which shards it went to"));
        }
    }
}
