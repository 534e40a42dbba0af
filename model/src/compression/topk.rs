//! The largest values of a parameter and nothing else.

use super::{take, unreadable};
use crate::kernels::{SimdLevel, simd_dispatch};
use candlewick_protocol::Failure;

/// How many of `count` values a share is: at least one.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of values is far below 2^53, and a share of it is one of them"
)]
fn share_of(share: f64, count: usize) -> usize {
    ((share * count as f64).ceil() as usize).clamp(usize::from(count > 0), count)
}

/// Bits of a value without its sign: those of finite values are in their order.
#[inline(always)]
fn size(value: f32) -> u32 {
    value.to_bits() & 0x7fff_ffff
}

/// All values but the largest become 0. Of values of one size the first are kept.
pub(super) fn keep(share: f64, values: &mut [f32]) {
    let kept = share_of(share, values.len());
    if kept == values.len() {
        return;
    }
    let least = largest(values, kept);
    let (level, mut found) = (SimdLevel::detect(), [0; 2]);
    count(level, values, least, &mut found);
    let [larger, equal] = found;
    if larger + equal == kept {
        clear_below(level, values, least);
        return;
    }
    let mut equal = kept - larger;
    for value in values {
        let own = size(*value);
        let takes = own > least || (own == least && equal > 0);
        equal -= usize::from(takes && own == least);
        if !takes {
            *value = 0.0;
        }
    }
}

simd_dispatch! {
    /// How many are larger than that size, and how many have it.
    fn count(values: &[f32], least: u32, found: &mut [usize; 2]) {
        // Counted in 32 bits, as many as a register has lanes.
        for part in values.chunks(1 << 20) {
            let (mut larger, mut equal) = (0u32, 0u32);
            for value in part {
                larger += u32::from(size(*value) > least);
                equal += u32::from(size(*value) == least);
            }
            found[0] += larger as usize;
            found[1] += equal as usize;
        }
    }
}

simd_dispatch! {
    fn clear_below(values: &mut [f32], least: u32) {
        for value in values {
            *value = if size(*value) < least { 0.0 } else { *value };
        }
    }
}

/// Bits of a size by which values are counted first: its exponent, and three digits.
const FIRST: u32 = 11;
const REST: u32 = 31 - FIRST;

/// The size of the `wanted` largest. Values are counted by their first bits, and only those that have the bits of the wanted one are
/// looked at more closely.
fn largest(values: &[f32], mut wanted: usize) -> u32 {
    let mut counts = [[0u32; 1 << FIRST]; 2];
    let (pairs, last) = values.as_chunks::<2>();
    // Two tables: neighbours are often of one size, and would wait for each other.
    for [even, odd] in pairs {
        counts[0][(size(*even) >> REST) as usize] += 1;
        counts[1][(size(*odd) >> REST) as usize] += 1;
    }
    for value in last {
        counts[0][(size(*value) >> REST) as usize] += 1;
    }
    let mut first = (1 << FIRST) - 1;
    loop {
        let here = (counts[0][first] + counts[1][first]) as usize;
        if here >= wanted || first == 0 {
            break;
        }
        wanted -= here;
        first -= 1;
    }
    let sizes = values.iter().map(|value| size(*value));
    let mut sizes: Vec<u32> = sizes.filter(|size| (size >> REST) as usize == first).collect();
    let at = wanted.clamp(1, sizes.len().max(1)) - 1;
    if sizes.is_empty() {
        return 0;
    }
    *sizes.select_nth_unstable_by(at, |a, b| b.cmp(a)).1
}

/// Pairs of place and value behind their number, or all values where that is shorter.
pub(super) fn pack(values: &[f32], words: &mut Vec<f32>) {
    let count = values.iter().filter(|value| value.to_bits() != 0).count();
    let word = |number: usize| f32::from_bits(u32::try_from(number).unwrap_or(u32::MAX));
    if 2 * count >= values.len() {
        words.push(word(usize::MAX));
        words.extend_from_slice(values);
        return;
    }
    words.push(word(count));
    for (at, value) in values
        .iter()
        .enumerate()
        .filter(|(_, value)| value.to_bits() != 0)
    {
        words.push(word(at));
        words.push(*value);
    }
}

/// Reads what [`pack`] wrote.
pub(super) fn unpack<'a>(words: &'a [f32], into: &mut [f32]) -> Result<&'a [f32], Failure> {
    let (head, words) = take(words, 1)?;
    if head[0].to_bits() == u32::MAX {
        let (values, rest) = take(words, into.len())?;
        into.copy_from_slice(values);
        return Ok(rest);
    }
    let count = head[0].to_bits() as usize;
    let (pairs, rest) = take(words, count.checked_mul(2).ok_or_else(unreadable)?)?;
    into.fill(0.0);
    for pair in pairs.chunks_exact(2) {
        let place = into.get_mut(pair[0].to_bits() as usize).ok_or_else(unreadable)?;
        *place = pair[1];
    }
    Ok(rest)
}
