//! With `dataShuffle="none"`: where partitions go in the first round, and what tells one placement from another.

use crate::feed::{Owner, ShardSum};
use crate::shuffle::Home;
use xxhash_rust::xxh3::Xxh3;

/// Where a partition goes in the first round: to a trainer of its executor, else of its host, else to any. Where there are
/// several, partitions take turns: Spark deals neighbouring partitions to different executors, so that those of one executor
/// are about as far apart as there are executors.
#[must_use]
pub fn first_home(owners: &[Owner], executor: &str, host: &str, partition: u32) -> Option<Home> {
    let beside: [&dyn Fn(&Owner) -> bool; 3] = [
        &|owner| owner.executor == executor,
        &|owner| owner.host == host,
        &|_| true,
    ];
    let near = beside
        .into_iter()
        .map(|is_near| owners.iter().filter(|owner| is_near(owner)).collect::<Vec<_>>())
        .find(|near| !near.is_empty())?;
    let groups = (owners.len() / near.len()).max(1);
    let turn = (partition as usize / groups) % near.len();
    let owner = near.get(turn)?;
    Some(Home {
        lo: owner.lo,
        hi: owner.hi,
    })
}

/// Hash of what every shard holds: 32 hexadecimal digits.
#[must_use]
pub fn hash(sums: &[ShardSum]) -> String {
    let mut hasher = Xxh3::new();
    for sum in sums {
        hasher.update(&sum.shard.to_le_bytes());
        hasher.update(&sum.rows.to_le_bytes());
        hasher.update(&sum.hash_sum.to_le_bytes());
    }
    format!("{:032x}", hasher.digest128())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(trainer: &str, executor: &str, host: &str, (lo, hi): (u32, u32)) -> Owner {
        Owner {
            trainer: trainer.into(),
            host: host.into(),
            executor: executor.into(),
            port: 1,
            lo,
            hi,
        }
    }

    fn owners() -> Vec<Owner> {
        vec![
            owner("a", "1", "x", (0, 2)),
            owner("b", "1", "x", (2, 4)),
            owner("c", "2", "x", (4, 6)),
            owner("d", "3", "y", (6, 8)),
        ]
    }

    fn first(executor: &str, host: &str) -> Vec<u32> {
        let home = |partition| first_home(&owners(), executor, host, partition).unwrap().lo;
        (0..8).map(home).collect()
    }

    #[test]
    fn a_partition_goes_to_its_executor_else_to_its_host_else_in_turn() {
        assert_eq!(first("2", "x"), [4; 8]);
        assert_eq!(first("3", "elsewhere"), [6; 8]);
        // Two of one executor take turns, wherever Spark begins.
        assert_eq!(first("1", "x"), [0, 0, 2, 2, 0, 0, 2, 2]);
        assert_eq!(first("9", "x"), [0, 2, 4, 0, 2, 4, 0, 2]);
        assert_eq!(first("9", "z"), [0, 2, 4, 6, 0, 2, 4, 6]);
        assert_eq!(first_home(&[], "1", "x", 0), None);
    }

    #[test]
    fn a_placement_is_of_every_shard() {
        let sums = |rows: [u64; 2]| {
            [0u32, 1].map(|shard| ShardSum {
                shard,
                rows: rows[shard as usize],
                hash_sum: 7,
            })
        };
        assert_eq!(hash(&sums([1, 2])), hash(&sums([1, 2])));
        assert_ne!(hash(&sums([1, 2])), hash(&sums([2, 1])));
        assert_eq!(hash(&sums([1, 2])).len(), 32);
    }
}
