//! The largest values of a parameter and nothing else.

use super::{take, unreadable};
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

/// All values but the largest become 0. Of values of one size the first are kept.
pub(super) fn keep(share: f64, values: &mut [f32]) {
    let kept = share_of(share, values.len());
    if kept == values.len() {
        return;
    }
    let size = |value: f32| value.to_bits() & 0x7fff_ffff;
    let mut sizes: Vec<u32> = values.iter().map(|value| size(*value)).collect();
    // The size of the smallest that is kept: bits of finite values are in their order.
    let (_, least, _) = sizes.select_nth_unstable_by(kept - 1, |a, b| b.cmp(a));
    let least = *least;
    let larger = values.iter().filter(|value| size(**value) > least).count();
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
