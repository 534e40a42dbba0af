//! The order of rows in an epoch, rule B4: a function of the rows' hashes, the seed and the epoch alone, so the same
//! on any cluster.

use crate::error::Failure;

/// Bytes of one bucket at most: what is sorted in memory at once.
const BUCKET_BYTES: u64 = 64 * 1024 * 1024;

/// Finaliser of splitmix64: a bijection of 64 bits (every step can be undone).
const fn finalise(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The two keys of [`mix`] for a seed and an epoch.
const fn keys(seed: u64, epoch: u32) -> (u64, u64) {
    let first = finalise(seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
    let second = finalise(
        first
            ^ (epoch as u64)
                .wrapping_mul(0xd6e8_feb8_6659_fd93)
                .wrapping_add(0x9e37_79b9),
    );
    (second, finalise(second.wrapping_add(0x9e37_79b9_7f4a_7c15)))
}

const fn mix_keyed(x: u64, keys: (u64, u64)) -> u64 {
    finalise(finalise(x ^ keys.0).wrapping_add(keys.1))
}

/// A bijection of `x`, another one for every seed and epoch.
///
/// ```
/// use candlewick_protocol::order::mix;
/// assert_ne!(mix(1, 7, 0), mix(2, 7, 0));
/// assert_ne!(mix(1, 7, 0), mix(1, 7, 1));
/// assert_ne!(mix(1, 7, 0), mix(1, 8, 0));
/// ```
#[must_use]
pub const fn mix(x: u64, seed: u64, epoch: u32) -> u64 {
    mix_keyed(x, keys(seed, epoch))
}

/// What orders rows and buckets in an epoch, where they are not all in memory at once: as [`epoch_order`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochKeys((u64, u64));

impl EpochKeys {
    /// Those of a seed and an epoch.
    #[must_use]
    pub const fn new(seed: u64, epoch: u32) -> Self {
        EpochKeys(keys(seed, epoch))
    }

    /// Comes before others where it is less: a bucket of `b` leading bits.
    #[must_use]
    pub const fn of_bucket(self, number: u64, b: u32) -> u64 {
        // One bucket alone has no order.
        if b == 0 { 0 } else { mix_keyed(number, self.0) }
    }

    /// The same of a row within its bucket; of those that are equal, the one with the lower hash comes first.
    #[must_use]
    pub const fn of_row(self, hash: u128) -> u64 {
        mix_keyed(high(hash), self.0)
    }
}

/// The bucket of a row: the leading `b` bits of its hash.
///
/// ```
/// use candlewick_protocol::order::bucket_of;
/// assert_eq!((bucket_of(u128::MAX, 0), bucket_of(u128::MAX, 3), bucket_of(1 << 127, 3)), (0, 7, 4));
/// ```
#[must_use]
pub const fn bucket_of(hash: u128, b: u32) -> u64 {
    match b {
        0 => 0,
        1..64 => high(hash) >> (64 - b),
        _ => high(hash),
    }
}

/// The number of leading hash bits that choose a row's bucket, so that a bucket of the shard holds about 64 MiB:
/// `max(0, ceil(log2(shard_bytes / 64 MiB)))`. It follows from the data, never from a machine's memory.
#[must_use]
pub const fn buckets_log2(shard_bytes: u64) -> u32 {
    let buckets = shard_bytes.div_ceil(BUCKET_BYTES);
    if buckets <= 1 {
        0
    } else {
        64 - (buckets - 1).leading_zeros()
    }
}

/// Rows that a shard may have: positions in it are 32 bits wide.
pub const MAX_SHARD_ROWS: u64 = 1 << 32;

/// Refuses a shard whose rows cannot be ordered.
///
/// ```
/// use candlewick_protocol::order::{MAX_SHARD_ROWS, check_shard};
/// assert!(check_shard(0, MAX_SHARD_ROWS).is_ok() && check_shard(0, MAX_SHARD_ROWS + 1).is_err());
/// ```
///
/// # Errors
/// `InvalidParameter` with what to change.
pub fn check_shard(shard: u32, rows: u64) -> Result<(), Failure> {
    if rows <= MAX_SHARD_ROWS {
        return Ok(());
    }
    Err(Failure::parameter(format!(
        "logical shard {shard} has {rows} rows, more than the {MAX_SHARD_ROWS} that one may have: raise logicalShards to share \
         the rows among more"
    )))
}

/// The rows of one shard in the order of an epoch, as positions in `rows`, which are sorted by their hashes in ascending order.
///
/// The key of a row is (mix of its bucket, mix of the high half of its hash, low half of its hash); the bucket is the
/// top `b` bits. Rows of equal hash are equal rows, so their order among themselves does not matter.
#[must_use]
pub fn epoch_order<T>(rows: &[T], hash: impl Fn(&T) -> u128, b: u32, (seed, epoch): (u64, u32)) -> Vec<u32> {
    debug_assert!(
        rows.is_sorted_by_key(&hash),
        "the rows of a shard are kept sorted by hash"
    );
    let keys = keys(seed, epoch);
    let mut order = Vec::with_capacity(rows.len());
    // Among rows of one high half the position grows with the low half, so it stands for it in the key.
    let mut bucket: Vec<(u64, u32)> = Vec::new();
    for (start, end) in buckets(rows, &hash, b, keys) {
        bucket.clear();
        bucket.extend(
            rows[start..end]
                .iter()
                .zip(start..end)
                .map(|(row, at)| (mix_keyed(high(hash(row)), keys), index(at))),
        );
        bucket.sort_unstable();
        order.extend(bucket.iter().map(|(_, at)| *at));
    }
    order
}

/// Ranges of the sorted rows that share a bucket, in the order of the buckets' mixes.
fn buckets<T>(rows: &[T], hash: impl Fn(&T) -> u128, b: u32, keys: (u64, u64)) -> Vec<(usize, usize)> {
    if b == 0 {
        return vec![(0, rows.len())];
    }
    let bucket_of = |row: &T| bucket_of(hash(row), b);
    let mut ranges = Vec::new();
    let mut start = 0;
    for rows in rows.chunk_by(|left, right| bucket_of(left) == bucket_of(right)) {
        ranges.push((mix_keyed(bucket_of(&rows[0]), keys), start, start + rows.len()));
        start += rows.len();
    }
    ranges.sort_unstable();
    ranges.into_iter().map(|(_, start, end)| (start, end)).collect()
}

const fn high(hash: u128) -> u64 {
    (hash >> 64) as u64
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "check_shard has refused a shard of more than 2^32 rows"
)]
const fn index(at: usize) -> u32 {
    at as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Undoes `x ^ (x >> shift)`.
    fn unshift(x: u64, shift: u32) -> u64 {
        let mut undone = x;
        for _ in 0..64 / shift + 1 {
            undone = x ^ (undone >> shift);
        }
        undone
    }

    /// The number that times `odd` is 1 modulo 2^64, by Newton's method.
    fn inverse_of(odd: u64) -> u64 {
        (0..6).fold(odd, |guess, _| {
            guess.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(guess)))
        })
    }

    fn unfinalise(x: u64) -> u64 {
        let x = unshift(x, 31).wrapping_mul(inverse_of(0x94d0_49bb_1331_11eb));
        let x = unshift(x, 27).wrapping_mul(inverse_of(0xbf58_476d_1ce4_e5b9));
        unshift(x, 30)
    }

    fn unmix(x: u64, seed: u64, epoch: u32) -> u64 {
        let keys = keys(seed, epoch);
        unfinalise(unfinalise(x).wrapping_sub(keys.1)) ^ keys.0
    }

    /// Hashes that look random and do not depend on `mix`.
    fn hashes(rows: u64) -> Vec<u128> {
        let mut hashes: Vec<u128> = (0..rows)
            .map(|row| xxhash_rust::xxh3::xxh3_128(&row.to_le_bytes()))
            .collect();
        hashes.sort_unstable();
        hashes
    }

    #[test]
    fn mix_has_an_inverse() {
        for seed in [0, 1, 7, u64::MAX] {
            for epoch in [0, 1, u32::MAX] {
                for x in [0, 1, 2, 0x8000_0000_0000_0000, u64::MAX, 0x0123_4567_89ab_cdef] {
                    assert_eq!(unmix(mix(x, seed, epoch), seed, epoch), x);
                }
            }
        }
    }

    #[test]
    fn mix_is_fixed_for_ever() {
        // A change here changes every trained model.
        let values = [
            mix(0, 0, 0),
            mix(1, 0, 0),
            mix(0, 1, 0),
            mix(0, 0, 1),
            mix(u64::MAX, 7, 9),
        ];
        assert_eq!(
            values,
            [
                15_027_125_973_504_626_791,
                3_957_110_024_481_721_986,
                7_983_464_084_910_677_686,
                16_105_936_789_886_009_983,
                14_435_168_251_858_441_882
            ]
        );
    }

    #[test]
    fn buckets_follow_the_bytes() {
        const MIB: u64 = 1024 * 1024;
        assert_eq!(buckets_log2(0), 0);
        assert_eq!(buckets_log2(64 * MIB), 0);
        assert_eq!(buckets_log2(64 * MIB + 1), 1);
        assert_eq!(buckets_log2(128 * MIB), 1);
        assert_eq!(buckets_log2(129 * MIB), 2);
        assert_eq!(buckets_log2(u64::MAX), 38);
    }

    #[test]
    fn an_order_is_a_permutation_by_the_rule() {
        let mut hashes = hashes(1000);
        // Equal rows, and rows that share a high half.
        hashes.extend([hashes[3], hashes[3], hashes[5] ^ 1]);
        hashes.sort_unstable();
        for b in [0, 1, 3, 12] {
            let order = epoch_order(&hashes, |hash| *hash, b, (42, 3));
            let mut seen: Vec<u32> = order.clone();
            seen.sort_unstable();
            assert!(seen.iter().enumerate().all(|(at, row)| at == *row as usize));

            let key = |hash: u128| {
                let bucket = if b == 0 { 0 } else { high(hash) >> (64 - b) };
                (mix(bucket, 42, 3), mix(high(hash), 42, 3), hash as u64)
            };
            let mut expected = hashes.clone();
            expected.sort_by_key(|hash| key(*hash));
            let got: Vec<u128> = order.iter().map(|row| hashes[*row as usize]).collect();
            assert_eq!(got, expected, "b = {b}");
        }
    }

    #[test]
    fn bucket_by_bucket_it_is_the_same_order() {
        let mut hashes = hashes(700);
        hashes.extend([hashes[9], hashes[5] ^ 1]);
        hashes.sort_unstable();
        for (b, seed, epoch) in [(0, 1, 0), (1, 7, 3), (4, u64::MAX, 1), (9, 3, u32::MAX)] {
            let keys = EpochKeys::new(seed, epoch);
            let mut by_bucket: std::collections::BTreeMap<u64, Vec<u128>> = Default::default();
            for hash in hashes.iter().rev() {
                by_bucket.entry(bucket_of(*hash, b)).or_default().push(*hash);
            }
            let mut buckets: Vec<(u64, Vec<u128>)> = by_bucket.into_iter().collect();
            buckets.sort_by_key(|(number, _)| keys.of_bucket(*number, b));
            let rows = buckets.into_iter().flat_map(|(_, mut rows)| {
                rows.sort_by_key(|hash| (keys.of_row(*hash), *hash));
                rows
            });
            let whole = epoch_order(&hashes, |hash| *hash, b, (seed, epoch));
            let whole: Vec<u128> = whole.into_iter().map(|at| hashes[at as usize]).collect();
            assert_eq!(rows.collect::<Vec<_>>(), whole, "b = {b}");
        }
    }

    #[test]
    fn the_order_does_not_depend_on_how_rows_arrived() {
        let sorted = hashes(500);
        let mut arrived: Vec<u128> = sorted.iter().rev().copied().collect();
        arrived.rotate_left(123);
        arrived.sort_unstable();
        assert_eq!(
            epoch_order(&sorted, |hash| *hash, 2, (1, 0)),
            epoch_order(&arrived, |hash| *hash, 2, (1, 0))
        );
    }

    #[test]
    fn epochs_and_seeds_differ() {
        let hashes = hashes(100);
        let base = epoch_order(&hashes, |hash| *hash, 0, (1, 0));
        assert_ne!(base, epoch_order(&hashes, |hash| *hash, 0, (1, 1)));
        assert_ne!(base, epoch_order(&hashes, |hash| *hash, 0, (2, 0)));
        assert!(epoch_order(&[], |hash: &u128| *hash, 0, (1, 0)).is_empty());
    }
}
