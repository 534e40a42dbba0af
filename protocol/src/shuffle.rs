//! Which shards rows go to, rule A1: those of their hash, or with `dataShuffle="none"` those of the trainer beside their executor.
//!
//! With `none` the unit of ownership is the partition. It has a home: the shards of one trainer in the first round. Within the
//! home the hash chooses. A partition that is fed again goes where it went first, whoever owns those shards by then.

use crate::row::shard_of;
use crate::shards::ShardSet;
use serde::{Deserialize, Serialize};

/// Parameter `dataShuffle`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DataShuffle {
    /// The hash of a row chooses its shard among all.
    #[default]
    Hash,
    /// Rows stay where they are read.
    None,
}

impl DataShuffle {
    /// True for the default, which is left out of documents: those without it stay as they were.
    #[must_use]
    pub const fn is_hash(&self) -> bool {
        matches!(self, DataShuffle::Hash)
    }
}

/// The shards that rows may go to, `lo..hi`; their hash chooses among them.
///
/// ```
/// use candlewick_protocol::shuffle::Home;
/// let home = Home { lo: 4, hi: 7 };
/// assert_eq!((0..5).map(|hash| home.shard_of(hash)).collect::<Vec<_>>(), [4, 5, 6, 4, 5]);
/// assert_eq!(Home::of_one(3).shard_of(12345), 3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Home {
    /// First shard.
    pub lo: u32,
    /// One past the last shard.
    pub hi: u32,
}

impl Home {
    /// One shard.
    #[must_use]
    pub const fn of_one(shard: u32) -> Self {
        Home {
            lo: shard,
            hi: shard.saturating_add(1),
        }
    }

    /// The shard of a row of this hash.
    #[must_use]
    pub fn shard_of(self, hash: u128) -> u32 {
        self.lo + shard_of(hash, self.hi.saturating_sub(self.lo).max(1))
    }

    /// True where the shard is one of them.
    #[must_use]
    pub const fn contains(self, shard: u32) -> bool {
        self.lo <= shard && shard < self.hi
    }

    /// True where one of its shards is among `shards`.
    #[must_use]
    pub fn meets(self, shards: &ShardSet) -> bool {
        let mut ranges = shards.ranges().iter();
        ranges.any(|range| range.start < self.hi && self.lo < range.end)
    }
}

/// The homes of all partitions of a feed, as the first round found them. There are as many different ones as trainers, and
/// every feed task gets them all, so each is written once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Homes {
    /// The different ones.
    homes: Vec<Home>,
    /// Which of them each partition has.
    of: Vec<u32>,
}

impl Homes {
    /// The home of a partition.
    #[must_use]
    pub fn of(&self, partition: u32) -> Option<Home> {
        let home = self.of.get(partition as usize)?;
        self.homes.get(*home as usize).copied()
    }

    /// How many partitions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// True where there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}

/// Of the partitions in order.
impl FromIterator<Home> for Homes {
    fn from_iter<T: IntoIterator<Item = Home>>(of_partitions: T) -> Self {
        let of_partitions: Vec<Home> = of_partitions.into_iter().collect();
        let mut homes = of_partitions.clone();
        homes.sort_unstable();
        homes.dedup();
        let place = |home: &Home| {
            homes
                .binary_search(home)
                .ok()
                .and_then(|at| u32::try_from(at).ok())
        };
        // Each is among them, and they are no more than shards.
        let of = of_partitions.iter().filter_map(place).collect();
        Homes { homes, of }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_within_the_home_and_fill_it_evenly() {
        let home = Home { lo: 2, hi: 5 };
        let mut rows = [0; 8];
        for row in 0..3_000u64 {
            rows[home.shard_of(xxhash_rust::xxh3::xxh3_128(&row.to_le_bytes())) as usize] += 1;
        }
        assert_eq!(rows[..2].iter().chain(&rows[5..]).sum::<i32>(), 0);
        assert!(
            rows[2..5].iter().all(|rows| (900..1_100).contains(rows)),
            "{rows:?}"
        );
        assert!((0..8).all(|shard| home.contains(shard) == (2..5).contains(&shard)));
        let meets = |shards: &[u32]| home.meets(&shards.iter().copied().collect());
        assert!(meets(&[0, 4]) && meets(&[2, 3]) && !meets(&[0, 1, 5]) && !meets(&[]));
    }

    #[test]
    fn the_choice_is_fixed_for_ever() {
        // A change here changes every model trained with dataShuffle="none".
        let hashes = (0..6u64).map(|row| xxhash_rust::xxh3::xxh3_128(&row.to_le_bytes()));
        let shards: Vec<u32> = hashes.map(|hash| Home { lo: 3, hi: 8 }.shard_of(hash)).collect();
        assert_eq!(shards, EXPECTED);
    }

    const EXPECTED: [u32; 6] = [7, 7, 4, 3, 6, 7];

    #[test]
    fn homes_are_written_once_each_and_a_partition_finds_its_own() {
        let home = |lo| Home { lo, hi: lo + 4 };
        let homes: Homes = [home(4), home(0), home(4)].into_iter().collect();
        let json = serde_json::to_string(&homes).unwrap();
        assert_eq!(
            json,
            r#"{"homes":[{"lo":0,"hi":4},{"lo":4,"hi":8}],"of":[1,0,1]}"#
        );
        let read: Homes = serde_json::from_str(&json).unwrap();
        assert_eq!(read, homes);
        assert_eq!(
            (0..4).map(|partition| read.of(partition)).collect::<Vec<_>>(),
            [Some(home(4)), Some(home(0)), Some(home(4)), None]
        );
        assert_eq!(serde_json::to_string(&DataShuffle::None).unwrap(), "\"none\"");
    }
}
