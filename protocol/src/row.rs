//! Row identity, rule A6: XXH3-128 over the canonical row.
//!
//! Sparse and dense features, float and double, int and double labels of equal value are the same row. The low 64
//! bits of the hash choose the logical shard, all 128 order the rows.

mod wide;

use std::sync::LazyLock;
use wide::{Level, SLACK};

/// Collects the canonical bytes of one row and hashes them. Keep one per thread: the buffer is reused.
///
/// Layout, little endian: for every non-zero feature in index order `index u32, f32 bits u32`; then every label value
/// as f64 bits, the weight as f64 bits, and one byte, 1 for a validation row. Zeros, -0.0 included, are left out of
/// the features; -0.0 in label or weight counts as 0.0.
///
/// ```
/// use candlewick_protocol::row::RowHasher;
/// let mut hasher = RowHasher::default();
/// let dense = hasher.hash(&[0.0, 1.5, -0.0], &[3.0], 1.0, false);
/// assert_eq!(dense, hasher.hash(&[-0.0, 1.5, 0.0], &[3.0], 1.0, false));
/// assert_ne!(dense, hasher.hash(&[0.0, 1.5, 0.0], &[4.0], 1.0, false));
/// ```
#[derive(Debug, Default, Clone)]
pub struct RowHasher {
    bytes: Vec<u8>,
}

impl RowHasher {
    /// The 128-bit identity of a row.
    pub fn hash(&mut self, features: &[f32], labels: &[f64], weight: f64, validation: bool) -> u128 {
        let most = features.len() * 8 + labels.len() * 8 + 9 + SLACK;
        if self.bytes.len() < most {
            self.bytes.resize(most, 0);
        }
        let at = (BEST.expand)(features, &mut self.bytes);
        self.finish(at, labels, weight, validation)
    }

    /// The identity of a row of which `indices`, which ascend, have `values`, and all else is zero. Zeros among the values
    /// count as left out.
    ///
    /// ```
    /// use candlewick_protocol::row::RowHasher;
    /// let mut hasher = RowHasher::default();
    /// let dense = hasher.hash(&[0.0, 1.5, 0.0, -2.0], &[3.0], 1.0, false);
    /// assert_eq!(hasher.hash_sparse((&[1, 2, 3], &[1.5, -0.0, -2.0]), &[3.0], 1.0, false), dense);
    /// ```
    pub fn hash_sparse(
        &mut self,
        (indices, values): (&[u32], &[f32]),
        labels: &[f64],
        weight: f64,
        validation: bool,
    ) -> u128 {
        let most = values.len() * 8 + labels.len() * 8 + 9;
        if self.bytes.len() < most {
            self.bytes.resize(most, 0);
        }
        let at = wide::pairs(indices, values, &mut self.bytes);
        self.finish(at, labels, weight, validation)
    }

    /// Adds label, weight and flag to the bytes of the features.
    fn finish(&mut self, mut at: usize, labels: &[f64], weight: f64, validation: bool) -> u128 {
        for value in labels.iter().chain(std::iter::once(&weight)) {
            let value = if *value == 0.0 { 0.0 } else { *value };
            self.bytes[at..at + 8].copy_from_slice(&value.to_bits().to_le_bytes());
            at += 8;
        }
        self.bytes[at] = u8::from(validation);
        (BEST.hash)(&self.bytes[..=at])
    }
}

/// What this CPU does best.
static BEST: LazyLock<Level> = LazyLock::new(|| {
    let mut levels = wide::levels();
    levels.swap_remove(levels.len() - 1)
});

/// The logical shard of a row: low 64 bits of its hash modulo V.
#[must_use]
pub fn shard_of(hash: u128, logical_shards: u32) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low half is meant; the remainder is below a u32"
    )]
    let shard = (hash as u64 % u64::from(logical_shards)) as u32;
    shard
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_128;

    #[test]
    fn every_part_of_a_row_counts() {
        let mut hasher = RowHasher::default();
        let base = hasher.hash(&[1.0, 0.0, 2.0], &[1.0], 1.0, false);
        assert_ne!(
            base,
            hasher.hash(&[1.0, 2.0, 0.0], &[1.0], 1.0, false),
            "position of a feature"
        );
        assert_ne!(
            base,
            hasher.hash(&[1.0, 0.0, 2.5], &[1.0], 1.0, false),
            "value of a feature"
        );
        assert_ne!(base, hasher.hash(&[1.0, 0.0, 2.0], &[2.0], 1.0, false), "label");
        assert_ne!(base, hasher.hash(&[1.0, 0.0, 2.0], &[1.0], 2.0, false), "weight");
        assert_ne!(
            base,
            hasher.hash(&[1.0, 0.0, 2.0], &[1.0], 1.0, true),
            "validation flag"
        );
        assert_eq!(
            base,
            hasher.hash(&[1.0, -0.0, 2.0], &[1.0], 1.0, false),
            "-0.0 is 0.0"
        );
    }

    #[test]
    fn the_hash_is_fixed_for_ever() {
        // A saved data fingerprint must stay comparable: a change here is a change of the format.
        let bytes: Vec<u8> = [1u32.to_le_bytes(), 1.5f32.to_bits().to_le_bytes()].concat();
        let tail: Vec<u8> = [3.0f64.to_bits().to_le_bytes(), 1.0f64.to_bits().to_le_bytes()].concat();
        let expected = xxh3_128(&[bytes, tail, vec![0]].concat());
        assert_eq!(
            RowHasher::default().hash(&[0.0, 1.5], &[3.0], 1.0, false),
            expected
        );
    }

    #[test]
    fn blocks_of_zeros_and_others_give_the_canonical_bytes() {
        let mut hasher = RowHasher::default();
        for length in [0, 1, 15, 16, 17, 64, 100] {
            for period in 1..20_usize {
                let features: Vec<f32> = (0..length)
                    .map(|at| {
                        if at % period == 0 || at / 16 == 1 {
                            0.0
                        } else {
                            at as f32 - 40.0
                        }
                    })
                    .collect();
                let mut bytes: Vec<u8> = Vec::new();
                for (index, value) in features.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                    bytes.extend((index as u32).to_le_bytes());
                    bytes.extend(value.to_bits().to_le_bytes());
                }
                bytes.extend([2.0f64.to_bits().to_le_bytes(), 1.0f64.to_bits().to_le_bytes()].concat());
                bytes.push(0);
                assert_eq!(
                    hasher.hash(&features, &[2.0], 1.0, false),
                    xxh3_128(&bytes),
                    "{length} {period}"
                );
            }
        }
    }

    #[test]
    fn shards_follow_the_low_half() {
        assert_eq!(shard_of((7u128 << 64) | 13, 8), 5);
    }
}
