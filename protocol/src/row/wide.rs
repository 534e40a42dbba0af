//! The bytes of a row and their XXH3-128 with the widest instructions of the CPU, chosen at run time.
//!
//! The crate xxhash-rust chooses when it is compiled, so that a library for every x86-64 gets SSE2 of it. What is here gives
//! the same values: a test compares them with the crate for all lengths. Inputs of up to 240 bytes, for which XXH3 has other
//! rules and nothing to gain, are left to the crate, and so is every CPU without AVX2; for ARM it has NEON.

#[cfg(target_arch = "x86_64")]
mod x86;

use xxhash_rust::xxh3::xxh3_128;

/// Bytes that an expansion may write beyond the pairs that it keeps.
pub(super) const SLACK: usize = 64;

/// Writes `index, bits` of every feature that is not zero to `out`, which has room for all and for [`SLACK`]; the bytes that
/// they take.
#[inline(always)]
fn expand(features: &[f32], out: &mut [u8]) -> usize {
    let mut at = 0;
    let mut index = 0;
    let (blocks, rest) = features.as_chunks::<16>();
    for block in blocks {
        at = expand_block(block, index, out, at);
        index += 16;
    }
    append_all(rest, index, out, at)
}

/// Writes the pairs of a block at once, which is vector code, and looks at single values only where the block holds zeros and
/// others.
#[inline(always)]
fn expand_block(block: &[f32; 16], index: u64, out: &mut [u8], at: usize) -> usize {
    let zeros = block.iter().filter(|value| **value == 0.0).count();
    if zeros == block.len() {
        return at;
    }
    if zeros > 0 {
        return append_all(block, index, out, at);
    }
    let pairs = out[at..at + 128].as_chunks_mut::<8>().0;
    for ((pair, value), index) in pairs.iter_mut().zip(block).zip(index..) {
        *pair = ((u64::from(value.to_bits()) << 32) | index).to_le_bytes();
    }
    at + 128
}

/// Without a branch: a pair is always written, and kept only where the value is not zero.
#[inline(always)]
fn append_all(values: &[f32], first: u64, out: &mut [u8], mut at: usize) -> usize {
    for (value, index) in values.iter().zip(first..) {
        let pair = (u64::from(value.to_bits()) << 32) | index;
        out[at..at + 8].copy_from_slice(&pair.to_le_bytes());
        at += if *value == 0.0 { 0 } else { 8 };
    }
    at
}

/// The same of a row that is given by its values that are not zero.
pub(super) fn pairs(indices: &[u32], values: &[f32], out: &mut [u8]) -> usize {
    let mut at = 0;
    for (index, value) in indices.iter().zip(values) {
        let pair = (u64::from(value.to_bits()) << 32) | u64::from(*index);
        out[at..at + 8].copy_from_slice(&pair.to_le_bytes());
        at += if *value == 0.0 { 0 } else { 8 };
    }
    at
}

/// Features to bytes, and bytes to their hash, with the instructions of one kind of CPU.
#[derive(Clone, Copy)]
pub(super) struct Level {
    pub(super) expand: fn(&[f32], &mut [u8]) -> usize,
    pub(super) hash: fn(&[u8]) -> u128,
}

impl std::fmt::Debug for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Level")
    }
}

/// What every CPU of its kind has; the crate has NEON for ARM.
const PLAIN: Level = Level {
    expand: |features, out| expand(features, out),
    hash: xxh3_128,
};

/// The levels that this CPU has, the best last.
pub(super) fn levels() -> Vec<Level> {
    #[cfg(target_arch = "x86_64")]
    let better = x86::levels();
    #[cfg(not(target_arch = "x86_64"))]
    let better = Vec::new();
    std::iter::once(PLAIN).chain(better).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes and values of every kind.
    fn noise(count: usize) -> impl Iterator<Item = u32> {
        let mut state = 7u64;
        std::iter::repeat_with(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 32) as u32
        })
        .take(count)
    }

    #[test]
    fn every_level_has_the_hash_of_the_crate_at_every_length() {
        let lengths = (0..2_200).chain([3_071, 3_072, 3_073, 6_272, 6_297, 100_001]);
        let bytes: Vec<u8> = noise(100_001).map(|word| word.to_be_bytes()[0]).collect();
        let levels = levels();
        for length in lengths {
            for (level, at) in levels.iter().zip(0..) {
                let of = &bytes[..length];
                assert_eq!((level.hash)(of), xxh3_128(of), "level {at}, {length} bytes");
            }
        }
    }

    #[test]
    fn every_level_leaves_zeros_out_and_keeps_every_other_bit_pattern() {
        for length in (0..70).chain([784, 1_001]) {
            for part in [1, 2, 3, 9, u32::MAX] {
                let features: Vec<f32> = noise(length)
                    .map(|word| match word % part {
                        0 => f32::from_bits(word & 0x8000_0000),
                        _ => f32::from_bits(word),
                    })
                    .collect();
                let pairs = features.iter().zip(0u32..).filter(|(value, _)| **value != 0.0);
                let expected: Vec<u8> = pairs
                    .flat_map(|(value, index)| [index.to_le_bytes(), value.to_bits().to_le_bytes()].concat())
                    .collect();
                for (level, at) in levels().iter().zip(0..) {
                    let mut out = vec![0xff; length * 8 + SLACK];
                    let end = (level.expand)(&features, &mut out);
                    assert_eq!(
                        &out[..end],
                        expected,
                        "level {at}, {length} values, one of {part} zero"
                    );
                }
            }
        }
    }
}
