//! Random numbers by counting, rule B8: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2,
//! 3"). A number is a function of its key and its counter, so no order of computing can change it.

use crate::kernels::simd_dispatch;
use xxhash_rust::xxh3::xxh3_64_with_seed;

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// The key of a stream: of a parameter's initial values, or of a layer's dropout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key([u32; 2]);

impl Key {
    /// The key for the job's seed and the path of the parameter or layer (such as `0.weight`): the two halves, low
    /// first, of the path's XXH3-64 seeded with the job's seed.
    #[must_use]
    pub fn new(seed: u64, path: &str) -> Self {
        let mixed = xxh3_64_with_seed(path.as_bytes(), seed);
        #[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
        let halves = [mixed as u32, (mixed >> 32) as u32];
        Key(halves)
    }
}

#[inline(always)]
fn high_low(a: u32, b: u32) -> (u32, u32) {
    let product = u64::from(a) * u64::from(b);
    #[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
    let halves = ((product >> 32) as u32, product as u32);
    halves
}

/// Four random words for a key and a counter.
///
/// ```
/// use candlewick_model::philox::{Key, philox};
/// let key = Key::new(7, "0.weight");
/// assert_eq!(philox([1, 2, 3, 4], key), philox([1, 2, 3, 4], key));
/// ```
#[inline(always)]
#[must_use]
pub fn philox(counter: [u32; 4], key: Key) -> [u32; 4] {
    let (mut c, mut k) = (counter, key.0);
    for _ in 0..ROUNDS {
        let (high0, low0) = high_low(MULTIPLIERS[0], c[0]);
        let (high1, low1) = high_low(MULTIPLIERS[1], c[2]);
        c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0];
        k = [k[0].wrapping_add(WEYL[0]), k[1].wrapping_add(WEYL[1])];
    }
    c
}

/// Counters computed together: their loops become vector code.
const LANES: usize = LANES_U32 as usize;
const LANES_U32: u32 = 16;

#[inline(always)]
fn philox_lanes(first: u32, rest: [u32; 3], key: Key) -> [[u32; LANES]; 4] {
    let mut c = [
        [0u32; LANES],
        [rest[0]; LANES],
        [rest[1]; LANES],
        [rest[2]; LANES],
    ];
    for (lane, word) in (0u32..).zip(c[0].iter_mut()) {
        *word = first.wrapping_add(lane);
    }
    let mut k = key.0;
    for _ in 0..ROUNDS {
        let [c0, c1, c2, c3] = &mut c;
        for (((c0, c1), c2), c3) in c0.iter_mut().zip(c1).zip(c2).zip(c3) {
            let (high0, low0) = high_low(MULTIPLIERS[0], *c0);
            let (high1, low1) = high_low(MULTIPLIERS[1], *c2);
            (*c0, *c1, *c2, *c3) = (high1 ^ *c1 ^ k[0], low1, high0 ^ *c3 ^ k[1], low0);
        }
        k = [k[0].wrapping_add(WEYL[0]), k[1].wrapping_add(WEYL[1])];
    }
    c
}

/// Which elements of a row dropout keeps, and by what it scales them.
#[derive(Debug, Clone, Copy)]
pub struct Mask {
    /// Key of the layer.
    pub key: Key,
    /// Counter words 1 to 3: row in its slice, shard, step.
    pub place: [u32; 3],
    /// An element is kept where its random word is below this (of 2^32).
    pub below: u64,
    /// Factor of what is kept.
    pub scale: f32,
}

simd_dispatch! {
    /// Scales the kept elements of a row and sets the others to 0.
    pub fn mask_row(mask: Mask, row: &mut [f32]) {
        for (first, chunk) in (0u32..).step_by(LANES).zip(row.chunks_mut(LANES * 4)) {
            let words = philox_lanes(first, mask.place, mask.key);
            let mut factors = [0.0f32; LANES * 4];
            for lane in 0..LANES {
                for word in 0..4 {
                    let kept = u64::from(words[word][lane]) < mask.below;
                    factors[lane * 4 + word] = if kept { mask.scale } else { 0.0 };
                }
            }
            for (value, factor) in chunk.iter_mut().zip(&factors) {
                *value = if *factor == 0.0 { 0.0 } else { *value * *factor };
            }
        }
    }
}

simd_dispatch! {
    /// As [`mask_row`], of the elements of a row from element `start` on.
    pub fn mask_row_from(mask: Mask, start: usize, row: &mut [f32]) {
        let (mut rest, mut skip) = (row, start % 4);
        #[expect(clippy::cast_possible_truncation, reason = "the counter's word; rows have at most 2^31 elements")]
        let mut first = (start / 4) as u32;
        while !rest.is_empty() {
            let words = philox_lanes(first, mask.place, mask.key);
            let mut factors = [0.0f32; LANES * 4];
            for lane in 0..LANES {
                for word in 0..4 {
                    let kept = u64::from(words[word][lane]) < mask.below;
                    factors[lane * 4 + word] = if kept { mask.scale } else { 0.0 };
                }
            }
            let (chunk, after) = rest.split_at_mut((LANES * 4 - skip).min(rest.len()));
            for (value, factor) in chunk.iter_mut().zip(&factors[skip..]) {
                *value = if *factor == 0.0 { 0.0 } else { *value * *factor };
            }
            (rest, skip) = (after, 0);
            first = first.wrapping_add(LANES_U32);
        }
    }
}

/// Fills `values` with numbers uniform in `-bound..bound`: element `i` comes from word `i % 4` of counter
/// `[i / 4 low, i / 4 high, 0, 0]`, its upper 24 bits taken as a fraction.
pub fn uniform(key: Key, bound: f32, values: &mut [f32]) {
    for (at, chunk) in (0u64..).zip(values.chunks_mut(4)) {
        #[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
        let words = philox([at as u32, (at >> 32) as u32, 0, 0], key);
        for (value, word) in chunk.iter_mut().zip(words) {
            #[expect(clippy::cast_precision_loss, reason = "24 bits fit an f32")]
            let fraction = (word >> 8) as f32 * (1.0 / 16_777_216.0);
            *value = fraction * (2.0 * bound) - bound;
        }
    }
}

/// Fills `values` with normal numbers around 0: elements `i` and `i + 1` (`i` even) come from two words of counter
/// `[i / 4 low, i / 4 high, 0, 0]` by the transform of Box and Muller, in f64.
pub fn normal(key: Key, deviation: f32, values: &mut [f32]) {
    // Word w is the fraction (w + 0.5) / 2^32: never 0, so its logarithm is finite.
    let fraction = |word: u32| (f64::from(word) + 0.5) / 4_294_967_296.0;
    for (at, chunk) in (0u64..).zip(values.chunks_mut(4)) {
        #[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
        let words = philox([at as u32, (at >> 32) as u32, 0, 0], key);
        for (pair, words) in chunk.chunks_mut(2).zip(words.chunks_exact(2)) {
            let radius = libm::sqrt(-2.0 * libm::log(fraction(words[0]))) * f64::from(deviation);
            let angle = std::f64::consts::TAU * fraction(words[1]);
            let both = [radius * libm::cos(angle), radius * libm::sin(angle)];
            for (value, number) in pair.iter_mut().zip(both) {
                #[expect(clippy::cast_possible_truncation, reason = "computed in f64, used in f32")]
                let number = number as f32;
                *value = number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::SimdLevel;

    #[test]
    fn known_answers_of_random123() {
        // kat_vectors of Random123: philox4x32-10.
        let cases = [
            (
                [0; 4],
                [0; 2],
                [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8],
            ),
            (
                [u32::MAX; 4],
                [u32::MAX; 2],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
            ),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, wanted) in cases {
            assert_eq!(philox(counter, Key(key)), wanted);
            let lanes = philox_lanes(counter[0], [counter[1], counter[2], counter[3]], Key(key));
            assert_eq!([lanes[0][0], lanes[1][0], lanes[2][0], lanes[3][0]], wanted);
        }
    }

    #[test]
    fn a_mask_is_the_rule_element_by_element() {
        let mask = Mask {
            key: Key::new(3, "1"),
            place: [5, 6, 7],
            below: 1 << 31,
            scale: 2.0,
        };
        for level in SimdLevel::available() {
            let mut row: Vec<f32> = (0..150).map(|at| at as f32 + 1.0).collect();
            mask_row(level, mask, &mut row);
            for (at, value) in row.iter().enumerate() {
                let word = philox([at as u32 / 4, 5, 6, 7], mask.key)[at % 4];
                let wanted = if word < 1 << 31 {
                    (at as f32 + 1.0) * 2.0
                } else {
                    0.0
                };
                assert_eq!(*value, wanted, "element {at}");
            }
        }
    }

    #[test]
    fn a_mask_can_start_anywhere() {
        let mask = Mask {
            key: Key::new(3, "1"),
            place: [5, 6, 7],
            below: 1 << 31,
            scale: 2.0,
        };
        let mut whole = vec![1.0; 300];
        mask_row(SimdLevel::Generic, mask, &mut whole);
        for level in SimdLevel::available() {
            for start in [0, 1, 2, 3, 4, 63, 130] {
                let mut part = vec![1.0; 300 - start];
                mask_row_from(level, mask, start, &mut part);
                assert_eq!(part, whole[start..]);
            }
        }
    }

    #[test]
    fn seeds_and_paths_make_streams() {
        assert_ne!(Key::new(1, "0.weight"), Key::new(1, "2.weight"));
        assert_ne!(Key::new(1, "0.weight"), Key::new(1 << 32, "0.weight"));
        let mut values = vec![0.0; 10_001];
        uniform(Key::new(9, "0.weight"), 0.25, &mut values);
        let mean: f32 = values.iter().sum::<f32>() / 10_001.0;
        assert!(mean.abs() < 0.01 && values.iter().all(|value| (-0.25..0.25).contains(value)));
        assert!(values.iter().any(|value| *value > 0.24) && values.iter().any(|value| *value < -0.24));
    }
}
