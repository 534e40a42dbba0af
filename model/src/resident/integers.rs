//! Integers that cross to a device, and the features that they are.

use candlewick_protocol::features::DenseValues;

/// Integers of a type, in bytes that go up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Integers {
    UInt8,
    Int8,
    Int16,
}

impl Integers {
    /// Bytes of one.
    pub(super) fn bytes(self) -> usize {
        match self {
            Integers::UInt8 | Integers::Int8 => 1,
            Integers::Int16 => 2,
        }
    }

    /// The feature that each of the type's integers is, by the bits of the integer: what the host makes of them, so that a row has
    /// the host's bits whatever arithmetic of f64 a device has.
    pub(super) fn features(self, scale: f64) -> Vec<f32> {
        let mut features = Vec::new();
        match self {
            Integers::UInt8 => {
                let all: Vec<u8> = (0..=u8::MAX).collect();
                DenseValues::UInt8(&all).expand(scale, &mut features);
            }
            Integers::Int8 => {
                let all: Vec<i8> = (0..=u8::MAX).map(u8::cast_signed).collect();
                DenseValues::Int8(&all).expand(scale, &mut features);
            }
            Integers::Int16 => {
                let all: Vec<i16> = (0..=u16::MAX).map(u16::cast_signed).collect();
                DenseValues::Int16(&all).expand(scale, &mut features);
            }
        }
        features
    }
}
