//! Rows that are put aside for validation, rule B9: they never train, and have shards of their own.
//!
//! With V logical shards the validation rows of shard `s` are known as shard `V + s`: whoever owns `s` owns them too.

use crate::order::mix;
use crate::row::shard_of;
use serde::{Deserialize, Serialize};

/// Which rows are put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Validation {
    /// Those a column marks; the mark is part of the row's identity.
    Column,
    /// A share of all rows, chosen by their hash: equal rows stay together, and no order or partition matters.
    Fraction {
        /// The job's seed.
        seed: u64,
        /// The share, times 2^64.
        below: u64,
    },
}

/// 2^64.
const ALL: f64 = 18_446_744_073_709_551_616.0;

/// Enters the choice, so that it has nothing to do with the order of an epoch.
const TAG: u64 = u64::from_le_bytes(*b"valid\0\0\0");

impl Validation {
    /// The share `fraction`, above 0 and below 1, of all rows.
    ///
    /// ```
    /// use candlewick_protocol::validation::Validation;
    /// let quarter = Validation::fraction(0.25, 7);
    /// let aside = (0..4000u64).filter(|row| quarter.holds_out(u128::from(*row) << 64, false)).count();
    /// assert!((900..1100).contains(&aside));
    /// ```
    #[must_use]
    pub fn fraction(fraction: f64, seed: u64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates; the share is between 0 and 1"
        )]
        let below = (fraction * ALL) as u64;
        Validation::Fraction { seed, below }
    }

    /// The part of many rows that is put aside; all of them where a column says which.
    ///
    /// ```
    /// use candlewick_protocol::validation::Validation;
    /// assert_eq!((Validation::fraction(0.25, 7).share(), Validation::Column.share()), (0.25, 1.0));
    /// ```
    #[must_use]
    pub fn share(&self) -> f64 {
        match *self {
            Validation::Column => 1.0,
            #[expect(clippy::cast_precision_loss, reason = "a share, told to 53 bits")]
            Validation::Fraction { below, .. } => below as f64 / ALL,
        }
    }

    /// True where a row of this hash is put aside; `marked` is what the column says.
    #[must_use]
    pub fn holds_out(&self, hash: u128, marked: bool) -> bool {
        match *self {
            Validation::Column => marked,
            // No epoch has this number.
            Validation::Fraction { seed, below } => mix((hash >> 64) as u64 ^ TAG, seed, u32::MAX) < below,
        }
    }
}

/// A shard as the feed numbers it: the training rows of logical shard `s` have number `s`, its validation rows `V + s`.
///
/// ```
/// use candlewick_protocol::validation::FedShard;
/// let held_out = FedShard { shard: 3, validation: true };
/// assert_eq!(held_out.number(8), 11);
/// assert_eq!(FedShard::numbered(11, 8), held_out);
/// assert_eq!(FedShard::count(8, true), 16);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FedShard {
    /// The logical shard: who owns it owns the validation rows that go with it.
    pub shard: u32,
    /// True for its validation rows.
    pub validation: bool,
}

impl FedShard {
    /// The shard of a row of this hash.
    #[must_use]
    pub fn of(hash: u128, validation: bool, logical_shards: u32) -> Self {
        FedShard {
            shard: shard_of(hash, logical_shards),
            validation,
        }
    }

    /// The shard of a number.
    #[must_use]
    pub fn numbered(number: u32, logical_shards: u32) -> Self {
        FedShard {
            shard: number % logical_shards.max(1),
            validation: number >= logical_shards,
        }
    }

    /// Its number.
    #[must_use]
    pub fn number(self, logical_shards: u32) -> u32 {
        self.shard + if self.validation { logical_shards } else { 0 }
    }

    /// How many numbers a job has.
    #[must_use]
    pub fn count(logical_shards: u32, validation: bool) -> u32 {
        if validation {
            logical_shards * 2
        } else {
            logical_shards
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_grows_with_its_fraction_and_follows_the_seed() {
        let hashes: Vec<u128> = (0..2000u64)
            .map(|row| xxhash_rust::xxh3::xxh3_128(&row.to_le_bytes()))
            .collect();
        let aside = |fraction, seed| -> Vec<bool> {
            let validation = Validation::fraction(fraction, seed);
            hashes
                .iter()
                .map(|hash| validation.holds_out(*hash, false))
                .collect()
        };
        let (few, many, other) = (aside(0.1, 1), aside(0.5, 1), aside(0.1, 2));
        assert!(few.iter().zip(&many).all(|(few, many)| !few || *many));
        assert_ne!(few, other);
        let count = few.iter().filter(|row| **row).count();
        assert!((140..260).contains(&count), "{count}");
        assert!(Validation::Column.holds_out(1, true) && !Validation::Column.holds_out(1, false));
    }

    #[test]
    fn the_choice_is_fixed_for_ever() {
        // A change here changes every model trained with a validation share.
        let hashes =
            [0, 1u128 << 64, 2 << 64, 3 << 64].map(|hash| mix((hash >> 64) as u64 ^ TAG, 7, u32::MAX));
        assert_eq!(hashes, EXPECTED);
    }

    const EXPECTED: [u64; 4] = [
        182_566_556_283_602_761,
        3_835_398_460_768_962_641,
        5_398_439_101_907_268_100,
        11_064_168_948_018_258_577,
    ];
}
