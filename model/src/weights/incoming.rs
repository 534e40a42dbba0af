//! A safetensors file that comes in pieces: every number goes to its place at once, and the file is never whole in memory.

use candlewick_protocol::Failure;
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, Metadata};
use std::ops::Range;

/// Bytes before the header: its length.
const LENGTH: usize = 8;
/// Longest header, as the crate has it: a length from a file decides no allocation beyond it.
const MAX_HEADER: u64 = 100_000_000;
/// Bytes of the widest number.
const WIDEST: usize = 8;

/// Where the numbers of a tensor go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Elements of the flat weights.
    pub(super) range: Range<usize>,
    /// How the file holds them.
    pub(super) kind: Number,
}

/// How a file holds a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    F32,
    F64,
    F16,
    BF16,
    /// A count.
    I64,
}

impl Number {
    /// The kind for a tensor of a file; `None` where it is no weight.
    pub(super) fn of(dtype: Dtype, count: bool) -> Option<Number> {
        Some(match dtype {
            Dtype::F32 => Number::F32,
            Dtype::F64 => Number::F64,
            Dtype::F16 => Number::F16,
            Dtype::BF16 => Number::BF16,
            Dtype::I64 if count => Number::I64,
            _ => return None,
        })
    }

    fn width(self) -> usize {
        match self {
            Number::F64 | Number::I64 => 8,
            Number::F32 => 4,
            Number::F16 | Number::BF16 => 2,
        }
    }

    /// Converts whole numbers.
    fn read(self, data: &[u8], target: &mut [f32]) {
        match self {
            Number::F32 => fill(target, data, f32::from_le_bytes),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "rounding to f32 is what is wanted"
            )]
            Number::F64 => fill(target, data, |bytes| f64::from_le_bytes(bytes) as f32),
            Number::F16 => fill(target, data, |bytes| half(u16::from_le_bytes(bytes))),
            Number::BF16 => fill(target, data, |bytes| {
                f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)
            }),
            #[expect(clippy::cast_precision_loss, reason = "a count of batches, exact to 2^24")]
            Number::I64 => fill(target, data, |bytes| i64::from_le_bytes(bytes) as f32),
        }
    }
}

fn fill<const N: usize>(target: &mut [f32], data: &[u8], read: impl Fn([u8; N]) -> f32) {
    let (items, _) = data.as_chunks::<N>();
    for (value, bytes) in target.iter_mut().zip(items) {
        *value = read(*bytes);
    }
}

/// What is done with the tensors of a file, once its header is known.
#[derive(Debug)]
pub(super) struct Plan {
    /// The weights that the numbers go into.
    pub(super) weights: Vec<f32>,
    /// For each tensor, in the order of the file, its bytes and where they go; nowhere: they are passed over.
    pub(super) tensors: Vec<(usize, Option<Target>)>,
}

/// A file on its way.
#[derive(Debug)]
pub(super) struct Incoming {
    /// Start of the message where it is no safetensors file.
    what: &'static str,
    /// Length and header, as far as they are here.
    head: Vec<u8>,
    body: Option<Body>,
}

#[derive(Debug)]
struct Body {
    plan: Plan,
    /// The tensor that comes next or is on its way, and how many of its bytes have come.
    tensor: usize,
    done: usize,
    /// The beginning of a number whose end comes with the next piece.
    cut: Vec<u8>,
}

impl Incoming {
    pub(super) fn new(what: &'static str) -> Self {
        Incoming {
            what,
            head: Vec::new(),
            body: None,
        }
    }

    fn wrong(&self, error: &SafeTensorError) -> Failure {
        Failure::parameter(format!("{} not a safetensors file: {error}", self.what))
    }

    /// Takes the next bytes; `plan` is asked once, when the header is whole.
    pub(super) fn push(
        &mut self,
        mut bytes: &[u8],
        plan: impl FnOnce(&Metadata) -> Result<Plan, Failure>,
    ) -> Result<(), Failure> {
        if self.body.is_none() {
            let Some(metadata) = self.header(&mut bytes)? else {
                return Ok(());
            };
            self.body = Some(Body {
                plan: plan(&metadata)?,
                tensor: 0,
                done: 0,
                cut: Vec::with_capacity(WIDEST),
            });
        }
        let left = self.body.as_mut().map_or(bytes, |body| body.take(bytes));
        if left.is_empty() {
            Ok(())
        } else {
            Err(self.wrong(&SafeTensorError::MetadataIncompleteBuffer))
        }
    }

    /// Takes the header's share of `bytes`; the header, once it is whole.
    fn header(&mut self, bytes: &mut &[u8]) -> Result<Option<Metadata>, Failure> {
        self.extend_to(LENGTH, bytes);
        let Some(length) = self.head.first_chunk::<LENGTH>() else {
            return Ok(None);
        };
        let length = u64::from_le_bytes(*length);
        let end = usize::try_from(length).ok().filter(|_| length <= MAX_HEADER);
        let end = end.ok_or_else(|| self.wrong(&SafeTensorError::HeaderTooLarge))? + LENGTH;
        self.extend_to(end, bytes);
        if self.head.len() < end {
            return Ok(None);
        }
        let read = serde_json::from_slice(&self.head[LENGTH..]);
        read.map(Some)
            .map_err(|error| self.wrong(&SafeTensorError::InvalidHeaderDeserialization(error)))
    }

    fn extend_to(&mut self, end: usize, bytes: &mut &[u8]) {
        let missing = end.saturating_sub(self.head.len()).min(bytes.len());
        let (mine, rest) = bytes.split_at(missing);
        self.head.extend_from_slice(mine);
        *bytes = rest;
    }

    /// The weights, once everything has come.
    pub(super) fn finish(mut self) -> Result<Vec<f32>, Failure> {
        let Some(mut body) = self.body.take() else {
            return Err(self.wrong(&if self.head.len() < LENGTH {
                SafeTensorError::HeaderTooSmall
            } else {
                SafeTensorError::InvalidHeaderLength
            }));
        };
        // Tensors without elements have come with what was before them.
        body.pass_empty();
        if body.tensor < body.plan.tensors.len() {
            return Err(self.wrong(&SafeTensorError::MetadataIncompleteBuffer));
        }
        Ok(body.plan.weights)
    }
}

impl Body {
    /// Puts numbers into their places; what comes after the last tensor.
    fn take<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        loop {
            self.pass_empty();
            let Some((length, target)) = self.plan.tensors.get(self.tensor) else {
                return bytes;
            };
            if bytes.is_empty() {
                return bytes;
            }
            let (mine, rest) = bytes.split_at((length - self.done).min(bytes.len()));
            if let Some(target) = target {
                let weights = self
                    .plan
                    .weights
                    .get_mut(target.range.clone())
                    .unwrap_or_default();
                put(target.kind, weights, self.done, &mut self.cut, mine);
            }
            self.done += mine.len();
            bytes = rest;
        }
    }

    /// Goes on to the next tensor where this one is whole.
    fn pass_empty(&mut self) {
        while self
            .plan
            .tensors
            .get(self.tensor)
            .is_some_and(|(length, _)| self.done >= *length)
        {
            (self.tensor, self.done) = (self.tensor + 1, 0);
        }
    }
}

/// Puts the next bytes of a tensor, of which `done` have come, into its weights.
fn put(kind: Number, weights: &mut [f32], done: usize, cut: &mut Vec<u8>, mut bytes: &[u8]) {
    let width = kind.width();
    let mut at = done / width;
    if !cut.is_empty() {
        let (end, rest) = bytes.split_at((width - cut.len()).min(bytes.len()));
        cut.extend_from_slice(end);
        bytes = rest;
        if cut.len() < width {
            return;
        }
        kind.read(cut, weights.get_mut(at..).unwrap_or_default());
        cut.clear();
        at += 1;
    }
    let (whole, begun) = bytes.split_at(bytes.len() - bytes.len() % width);
    kind.read(whole, weights.get_mut(at..).unwrap_or_default());
    cut.extend_from_slice(begun);
}

/// IEEE half precision to single; every half is a single, so nothing is rounded.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, fraction) = (u32::from(bits >> 10) & 31, u32::from(bits) & 0x3ff);
    let magnitude = match exponent {
        // A subnormal is its fraction times 2^-24; the product is exact.
        #[expect(clippy::cast_precision_loss, reason = "10 bits")]
        0 => (fraction as f32 * f32::from_bits(0x3380_0000)).to_bits(),
        31 => 0x7f80_0000 | (fraction << 13),
        _ => ((exponent + 112) << 23) | (fraction << 13),
    };
    f32::from_bits(sign | magnitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves() {
        let cases = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x8000, -0.0),
            (0x3555, 0.333_251_95),
        ];
        for (bits, value) in cases {
            assert_eq!(half(bits).to_bits(), f32::to_bits(value), "{bits:x}");
        }
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
    }
}
