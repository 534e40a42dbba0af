//! Equal rows are dealt, not heaped, rule A7.
//!
//! All copies of a row have one hash, and with it one home: the shard that the low half of the hash chooses. A row that comes
//! so often that its home would have far more to do than others is dealt: copy `i` belongs to shard `(home + i) mod V`.

use crate::shards::ShardSet;
use serde::{Deserialize, Serialize};

/// Rows that come less often than one in so many of a shard's stay in their home: as many heaps or more, spread by hash, make
/// shards about equal (one part in a hundred), and rows that are dealt cross the network once more.
const HEAPS_OF_A_SHARD: u64 = 10_000;

/// Which rows are dealt, and how. A pure function of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dealing {
    /// V.
    logical_shards: u32,
    /// Rows with at least so many copies are dealt.
    from: u64,
}

impl Dealing {
    /// Of `rows` rows in all, those that are held out too.
    ///
    /// ```
    /// use candlewick_protocol::dealing::Dealing;
    /// let dealing = Dealing::of(1_000, 4);
    /// assert!(dealing.deals(2) && !dealing.deals(1));
    /// let shares: Vec<u64> = (0..4).map(|shard| dealing.share(3, 10, shard)).collect();
    /// assert_eq!(shares, [3, 2, 2, 3]);
    /// assert!(!Dealing::of(1 << 40, 4).deals(1_000));
    /// assert!(!Dealing::of(1_000, 1).deals(1_000) && !Dealing::of_none(4).deals(1_000));
    /// ```
    #[must_use]
    pub fn of(rows: u64, logical_shards: u32) -> Self {
        let from = match logical_shards {
            0 | 1 => u64::MAX,
            shards => (rows / u64::from(shards) / HEAPS_OF_A_SHARD).max(2),
        };
        Dealing {
            logical_shards: logical_shards.max(1),
            from,
        }
    }

    /// Of no rows at all.
    #[must_use]
    pub fn of_none(logical_shards: u32) -> Self {
        Dealing {
            logical_shards: logical_shards.max(1),
            from: u64::MAX,
        }
    }

    /// The fewest copies of a row that is dealt; at least two.
    #[must_use]
    pub const fn from(&self) -> u64 {
        self.from
    }

    /// True where a row with so many copies is dealt.
    #[must_use]
    pub const fn deals(&self, copies: u64) -> bool {
        copies >= self.from
    }

    /// The copies, of so many in all, that belong to `shard`, where `home` is the shard of the row's hash.
    #[must_use]
    pub fn share(&self, home: u32, copies: u64, shard: u32) -> u64 {
        let v = u64::from(self.logical_shards);
        let first = (u64::from(shard) + v - u64::from(home) % v) % v;
        match copies.checked_sub(first + 1) {
            Some(after) => after / v + 1,
            None => 0,
        }
    }
}

/// How often a row is there, where that is more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// Copies that are meant here.
    #[serde(rename = "n")]
    pub here: u64,
    /// Copies in all shards, once they are dealt; else 0.
    #[serde(rename = "of", default, skip_serializing_if = "is_zero")]
    pub in_all: u64,
}

impl Copies {
    /// A row that is there once.
    pub const ONE: Copies = Copies { here: 1, in_all: 0 };
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// The copies of a row, by its position in a frame.
pub type CopiesAt = (u32, Copies);

/// What a trainer is asked to deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deal {
    /// Which rows.
    pub dealing: Dealing,
    /// The homes whose rows this trainer deals: shards that it owns.
    pub homes: ShardSet,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_copy_has_one_shard_and_they_come_in_turn() {
        let dealing = Dealing::of(100, 8);
        for (home, copies) in [(0, 1), (3, 2), (7, 9), (5, 8), (6, 10_000)] {
            let mut dealt = [0u64; 8];
            for copy in 0..copies {
                dealt[((u64::from(home) + copy) % 8) as usize] += 1;
            }
            let shares: Vec<u64> = (0..8).map(|shard| dealing.share(home, copies, shard)).collect();
            assert_eq!(shares, dealt, "home {home}, {copies} copies");
        }
    }

    /// The busiest of 16 shards over their mean.
    fn skew(counts: &[u64], dealt: bool) -> f64 {
        let rows: u64 = counts.iter().sum();
        let dealing = Dealing::of(rows, 16);
        let mut shards = [0u64; 16];
        for (row, copies) in counts.iter().enumerate() {
            let hash = xxhash_rust::xxh3::xxh3_128(&(row as u64).to_le_bytes());
            let home = crate::row::shard_of(hash, 16);
            if dealt && dealing.deals(*copies) {
                for shard in 0..16 {
                    shards[shard as usize] += dealing.share(home, *copies, shard);
                }
            } else {
                shards[home as usize] += copies;
            }
        }
        assert_eq!(shards.iter().sum::<u64>(), rows);
        shards.iter().max().map_or(0.0, |most| *most as f64) * 16.0 / rows as f64
    }

    #[test]
    fn tables_of_equal_rows_stay_within_a_twentieth_of_the_mean() {
        let zipf = |rows: f64| -> Vec<u64> {
            (1..=50_000)
                .map(|rank| (rows / f64::from(rank)) as u64 + 1)
                .collect()
        };
        // Clumps just below what is dealt are the worst.
        let rows = 16_000_000;
        let below = Dealing::of(rows, 16).from - 1;
        for (name, counts, heaped) in [
            ("100 distinct rows", vec![10_000; 100], 1.3),
            ("one row", vec![1_000_000], 15.0),
            ("Zipf", zipf(100_000.0), 1.5),
            ("Zipf, larger", zipf(5_000_000.0), 1.5),
            ("pairs", vec![2; 100_000], 1.0),
            ("clumps", vec![below; (rows / below) as usize], 1.0),
        ] {
            let (before, after) = (skew(&counts, false), skew(&counts, true));
            assert!(before >= heaped, "{name}: {before} without dealing");
            assert!(after <= 1.05, "{name}: {after}");
        }
    }
}
