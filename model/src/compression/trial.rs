//! What compressing gradients takes, tried on gradients that are made up.

use super::low_rank::random;
use super::{Codec, Kind, LowRank, Part, sum};
use crate::kernels::Kernels;
use candlewick_protocol::Failure;
use candlewick_protocol::compression::GradientCompression;
use std::time::Instant;

/// Values that are tried, at most: with what becomes of them as much as a cache holds, and little next to what a trainer needs.
const MOST: usize = 1 << 18;
/// And at least.
const LEAST: usize = 1 << 12;
/// The rank that is tried, at most: a product takes as much longer as the rank is higher.
const MOST_RANK: u32 = 32;
/// How often each piece of work is done; the fastest counts.
const TRIES: usize = 4;

/// Seconds of work that each shard asks for, and of that which is done once a step; of it what only several trainers do.
#[derive(Debug, Clone, Copy, Default)]
struct Tried {
    each: f64,
    each_sent: f64,
    once: f64,
    once_sent: f64,
}

impl Tried {
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    fn seconds(self, shards: usize, threads: usize, alone: bool) -> f64 {
        let sent = if alone { 0.0 } else { 1.0 };
        let of_shards =
            self.each * shards.div_ceil(threads.max(1)) as f64 + sent * self.each_sent * shards as f64;
        of_shards + self.once + sent * self.once_sent
    }
}

/// Seconds a step in which a trainer of so many logical shards and threads compresses gradients of so many values and adds them up, and,
/// where it is not alone, packs what it sends and unpacks what comes: of this machine as it is now. 0 without compression; `auto` is
/// tried as the bf16 that it may become.
///
/// # Errors
/// `Unavailable` where the operating system refuses threads.
#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 values")]
pub fn packing_seconds(
    compression: GradientCompression,
    values: usize,
    (shards, threads): (usize, usize),
    alone: bool,
) -> Result<f64, Failure> {
    let length = values.clamp(LEAST, MOST);
    let tried = match compression {
        GradientCompression::None => return Ok(0.0),
        GradientCompression::PowerSgd(rank) => low_rank(rank, length, &mut Kernels::new(1)?),
        other => by_leaves(Kind::of(other).unwrap_or(Kind::DECIDED), length),
    };
    Ok(tried.seconds(shards, threads, alone) * values as f64 / length as f64)
}

/// The fastest of some times.
fn least(mut work: impl FnMut()) -> f64 {
    let seconds = || {
        let begin = Instant::now();
        work();
        begin.elapsed().as_secs_f64()
    };
    std::iter::repeat_with(seconds)
        .take(TRIES)
        .fold(f64::INFINITY, f64::min)
}

/// Values of both signs and many sizes, as gradients are.
fn gradient(length: usize) -> Vec<f32> {
    (0..length as u64).map(|at| random(1, 0, at).powi(3)).collect()
}

fn by_leaves(kind: Kind, length: usize) -> Tried {
    let codec = Codec {
        kind,
        parameters: std::iter::once(0..length).collect(),
        untrained: Vec::new(),
    };
    let made = gradient(length);
    let (mut leaf, mut out) = (made.clone(), vec![0.0; length]);
    let mut memory = vec![0.0; length];
    let (mut words, mut root) = (Vec::with_capacity(codec.most_words(length)), Vec::new());
    let compressed = least(|| {
        leaf.copy_from_slice(&made);
        codec.leaf(&mut leaf, &mut memory);
    });
    let packed = least(|| {
        words.clear();
        codec.pack(&leaf, &mut words);
        // They are those that were just packed.
        let _ = codec.unpack(&words, &mut out);
    });
    let two = [0, 1].map(|lo| Part {
        lo,
        hi: lo + 1,
        values: Some(leaf.as_slice()),
    });
    let added = least(|| {
        sum((0, 2), &two, codec.rounding(), &mut out);
    }) / 2.0;
    let last = least(|| {
        codec.root(&mut out);
        root.clear();
        codec.pack_root(&out, &mut root);
        let _ = codec.unpack_root(&root, &mut leaf);
    });
    let each = Tried {
        each: compressed + added,
        once_sent: last,
        ..Tried::default()
    };
    // Sums travel once a trainer and not once a shard.
    if codec.sends_leaves() {
        Tried {
            each_sent: packed,
            ..each
        }
    } else {
        Tried {
            once_sent: packed + last,
            ..each
        }
    }
}

fn low_rank(rank: u32, length: usize, kernels: &mut Kernels) -> Tried {
    let side = length.isqrt();
    let (rule, length) = (LowRank::of_square(rank.min(MOST_RANK), side), side * side);
    let made = gradient(length);
    let (mut leaf, mut memory, mut out) = (made.clone(), vec![0.0; length], vec![0.0; length]);
    let (mut first, mut second) = (vec![0.0; rule.first_len()], vec![0.0; rule.factors_len()]);
    let mut right = second.clone();
    rule.renew(&mut right);
    let products = least(|| {
        leaf.copy_from_slice(&made);
        rule.first(kernels, (&mut leaf, &memory), &right, &mut first);
    });
    let normal = least(|| rule.orthonormalise(&mut first));
    let rest = least(|| {
        rule.second(kernels, &leaf, &first, &mut second);
        rule.rest(kernels, (&leaf, &first), &second, &mut memory);
    });
    let expanded = least(|| rule.expand(kernels, &first, &second, &mut out));
    let more = f64::from(rank.max(1)) / f64::from(rank.clamp(1, MOST_RANK));
    Tried {
        each: (products + rest) * more,
        once: (normal + expanded) * more,
        ..Tried::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shard_counts_and_what_is_sent_where_somebody_takes_it() {
        let tried = Tried {
            each: 1.0,
            each_sent: 10.0,
            once: 100.0,
            once_sent: 1000.0,
        };
        let found =
            [(1, true), (1, false), (2, false)].map(|(threads, alone)| tried.seconds(3, threads, alone));
        assert_eq!(found, [103.0, 1133.0, 1132.0]);
    }

    #[test]
    fn every_kind_is_tried_on_any_number_of_values() {
        for kind in [
            GradientCompression::Bf16,
            GradientCompression::Fp16,
            GradientCompression::Auto,
            GradientCompression::TopK(0.01),
            GradientCompression::OneBit,
            GradientCompression::PowerSgd(4),
            GradientCompression::PowerSgd(5_000),
        ] {
            for (values, shards, alone) in [(1, 1, true), (5_000, 8, false), (1 << 24, 1, false)] {
                let seconds = packing_seconds(kind, values, (shards, 1), alone).unwrap();
                assert!(
                    seconds > 0.0 && seconds.is_finite(),
                    "{kind:?}, {values} values: {seconds}"
                );
            }
        }
        let none = packing_seconds(GradientCompression::None, 1 << 20, (8, 1), false);
        assert_eq!(none.unwrap(), 0.0);
    }
}
