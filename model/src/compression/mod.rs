//! What gradients become before trainers exchange them (`gradientCompression`, docs/compression.md).
//!
//! A codec is three things that depend on a logical shard's gradient alone, never on who owns it: what a leaf of the reduction
//! tree becomes ([`Codec::leaf`]), what a sum of two nodes becomes, and what the root becomes. All of that is plain f32
//! arithmetic, which one trainer alone does too. [`Codec::pack`] then writes such values in fewer bytes and
//! [`Codec::unpack`] reads them back, without any loss.

mod low_rank;
mod node;
mod one_bit;
mod short;
mod topk;
mod tree;
mod trial;

pub use low_rank::LowRank;
pub use node::{Packed, read_nodes, write_node};
pub use tree::{Part, sum, sum_on};
pub use trial::packing_seconds;

use crate::kernels::{SimdLevel, add_into, simd_dispatch};
use crate::network::Network;
use crate::parameter::Parameter;
use candlewick_protocol::Failure;
use candlewick_protocol::compression::GradientCompression;
use short::Short;
use std::ops::Range;

/// The parts of the values that trainers add up begin at multiples of this.
pub const BLOCK: usize = 4_096;

/// Bits of an f32 that are all set where it is infinite or NaN.
const EXPONENT: u32 = 0x7f80_0000;

/// A kind of compression, for the gradients of a network.
#[derive(Debug, Clone)]
pub struct Codec {
    kind: Kind,
    /// Where the parameters lie in a node's values.
    parameters: Vec<Range<usize>>,
    /// Where running statistics do: nobody trains them.
    untrained: Vec<Range<usize>>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Short(Short),
    TopK(f64),
    OneBit,
}

impl Kind {
    /// What `auto` is where trainers decide for compression.
    const DECIDED: Kind = Kind::Short(Short::Bf16);

    fn of(compression: GradientCompression) -> Option<Self> {
        match compression {
            // No compression, none that is decided yet, no matter of leaves (`LowRank`).
            GradientCompression::None | GradientCompression::Auto | GradientCompression::PowerSgd(_) => None,
            GradientCompression::Bf16 => Some(Kind::Short(Short::Bf16)),
            GradientCompression::Fp16 => Some(Kind::Short(Short::Fp16)),
            GradientCompression::TopK(share) => Some(Kind::TopK(share)),
            GradientCompression::OneBit => Some(Kind::OneBit),
        }
    }
}

impl Codec {
    /// The codec of a job; none where gradients stay as they are, or become matrices of low rank. `length` is that of a node's values.
    #[must_use]
    pub fn new(compression: GradientCompression, network: &Network, length: usize) -> Option<Self> {
        let kind = Kind::of(compression)?;
        let (mut parameters, mut untrained) = (Vec::new(), Vec::new());
        let mut start = 0;
        let sparse = network.sparse_parameters();
        let dense = |parameter: &&Parameter| !sparse.iter().any(|one| one.offset == parameter.offset);
        for parameter in network.parameters().iter().filter(dense) {
            let list = if parameter.trained {
                &mut parameters
            } else {
                &mut untrained
            };
            list.push(start..start + parameter.len());
            start += parameter.len();
        }
        // What further calls of shared layers add.
        if start < length {
            parameters.push(start..length);
        }
        Some(Codec {
            kind,
            parameters,
            untrained,
        })
    }

    /// True where leaves travel as they are, and not the sums of a trainer's.
    #[must_use]
    pub fn sends_leaves(&self) -> bool {
        !matches!(self.kind, Kind::Short(_))
    }

    /// A shard's gradient becomes what is sent of it. `memory` holds what was not sent before, and then what is not sent now;
    /// it has as many values where the codec remembers, and is empty where it remembers nothing.
    ///
    /// A gradient that is not finite is told as such, by its first values: the memory stays as it is.
    pub fn leaf(&self, values: &mut [f32], memory: &mut [f32]) {
        match self.kind {
            Kind::Short(short) => short.round(values),
            Kind::TopK(_) | Kind::OneBit => self.remembering(values, memory),
        }
    }

    fn remembering(&self, values: &mut [f32], memory: &mut [f32]) {
        self.clear_untrained(values);
        let level = SimdLevel::detect();
        let mut finite = true;
        is_finite(level, values, memory, &mut finite);
        if !finite {
            values.fill(0.0);
            let told = values.len().min(BLOCK);
            values[..told].fill(f32::NAN);
            return;
        }
        // What is wanted, in both; then what is sent, and what of it is not.
        add_into(level, memory, values);
        values.copy_from_slice(memory);
        match self.kind {
            Kind::TopK(share) => self
                .parameters
                .iter()
                .for_each(|range| topk::keep(share, &mut values[range.clone()])),
            _ => one_bit::quantise(level, values),
        }
        subtract_from(level, memory, values);
        self.clear_untrained(memory);
    }

    /// What is not trained has no gradient: means of a block are none for it.
    fn clear_untrained(&self, values: &mut [f32]) {
        self.untrained
            .iter()
            .for_each(|range| values[range.clone()].fill(0.0));
    }

    /// The last thing that is done to the sum of all shards, on every trainer.
    pub fn finish(&self, values: &mut [f32]) {
        self.clear_untrained(values);
    }

    /// What a sum of two nodes becomes.
    #[must_use]
    pub fn rounding(&self) -> fn(&mut [f32]) {
        match self.kind {
            Kind::Short(Short::Bf16) => |values| Short::Bf16.round(values),
            Kind::Short(Short::Fp16) => |values| Short::Fp16.round(values),
            Kind::TopK(_) | Kind::OneBit => |_| {},
        }
    }

    /// What the root becomes, before it goes to all.
    pub fn root(&self, values: &mut [f32]) {
        match self.kind {
            // Every node is rounded, the root is one of them.
            Kind::Short(_) | Kind::TopK(_) => {}
            Kind::OneBit => Short::Bf16.round(values),
        }
    }

    /// Writes values of a leaf or node, beginning at a multiple of [`BLOCK`], as words of which only the bits matter.
    pub fn pack(&self, values: &[f32], words: &mut Vec<f32>) {
        match self.kind {
            Kind::Short(short) => short.pack(values, words),
            Kind::TopK(_) => topk::pack(values, words),
            Kind::OneBit => values
                .chunks(one_bit::GROUP)
                .for_each(|block| one_bit::pack(block, words)),
        }
    }

    /// Reads what [`Codec::pack`] wrote of so many values as `into` holds; returns the words behind it.
    ///
    /// # Errors
    /// `Internal` where that is not what stands there.
    pub fn unpack<'a>(&self, words: &'a [f32], into: &mut [f32]) -> Result<&'a [f32], Failure> {
        match self.kind {
            Kind::Short(short) => short.unpack(words, into),
            Kind::TopK(_) => topk::unpack(words, into),
            Kind::OneBit => into
                .chunks_mut(one_bit::GROUP)
                .try_fold(words, |words, block| one_bit::unpack(words, block)),
        }
    }

    /// Writes the root.
    pub fn pack_root(&self, values: &[f32], words: &mut Vec<f32>) {
        match self.kind {
            Kind::OneBit => Short::Bf16.pack(values, words),
            Kind::Short(_) | Kind::TopK(_) => self.pack(values, words),
        }
    }

    /// Reads what [`Codec::pack_root`] wrote.
    ///
    /// # Errors
    /// As [`Codec::unpack`].
    pub fn unpack_root<'a>(&self, words: &'a [f32], into: &mut [f32]) -> Result<&'a [f32], Failure> {
        match self.kind {
            Kind::OneBit => Short::Bf16.unpack(words, into),
            Kind::Short(_) | Kind::TopK(_) => self.unpack(words, into),
        }
    }

    /// Words of a node of so many values at most, packed.
    #[must_use]
    pub fn most_words(&self, values: usize) -> usize {
        match self.kind {
            Kind::Short(_) => values.div_ceil(2),
            // Pairs, or all of them, and how many.
            Kind::TopK(_) => values + 1,
            Kind::OneBit => values.div_ceil(32) + 3 * values.div_ceil(one_bit::GROUP),
        }
    }
}

simd_dispatch! {
    /// Whether all sums are, and all values.
    fn is_finite(values: &[f32], memory: &[f32], finite: &mut bool) {
        let infinite = |value: f32| u32::from(value.to_bits() & EXPONENT == EXPONENT);
        let mut found = 0u32;
        for (value, left) in values.iter().zip(memory) {
            found |= infinite(*value + *left);
        }
        *finite = found == 0;
    }
}

simd_dispatch! {
    fn subtract_from(left: &mut [f32], right: &[f32]) {
        for (left, right) in left.iter_mut().zip(right) {
            *left -= *right;
        }
    }
}

/// What cannot be read of another trainer's words.
pub(crate) fn unreadable() -> Failure {
    Failure::internal("sent compressed gradients that cannot be read")
}

/// Takes so many words off the front.
pub(crate) fn take(words: &[f32], count: usize) -> Result<(&[f32], &[f32]), Failure> {
    words.split_at_checked(count).ok_or_else(unreadable)
}

#[cfg(test)]
mod tests;
