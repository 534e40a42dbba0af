//! Values of 16 bits: those of f32's upper half (bf16), and those of IEEE 754 (fp16).

use super::take;
use crate::kernels::{SimdLevel, simd_dispatch};
use candlewick_protocol::Failure;

const SIGN: u32 = 0x8000_0000;
const INFINITY: u32 = 0x7f80_0000;
const QUIET: u32 = 0x7fc0_0000;
/// Bits of the largest fp16, 65504, and of the smallest that has all of its digits, 2^-14.
const LARGEST: u32 = 0x477f_e000;
const NORMAL: u32 = 0x3880_0000;
/// Below 2^-14 values are multiples of 2^-24: those that f32 has from 0.5 to 1.
const HALF: f32 = 0.5;
/// The exponent of an fp16 counts from 15, that of an f32 from 127.
const REBIAS: u32 = (127 - 15) << 10;

/// A type of 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Short {
    Bf16,
    Fp16,
}

impl Short {
    /// Every value becomes the nearest one of the type, of two that are equally near the even one. Where a finite value is too
    /// large for fp16, it becomes the largest; infinite and NaN stay that.
    pub(crate) fn round(self, values: &mut [f32]) {
        let level = SimdLevel::detect();
        match self {
            Short::Bf16 => round_bf16(level, values),
            Short::Fp16 => round_fp16(level, values),
        }
    }

    /// Two values in a word.
    pub(crate) fn pack(self, values: &[f32], words: &mut Vec<f32>) {
        let start = words.len();
        words.resize(start + values.len().div_ceil(2), 0.0);
        let (level, words) = (SimdLevel::detect(), &mut words[start..]);
        match self {
            Short::Bf16 => pack_bf16(level, values, words),
            Short::Fp16 => pack_fp16(level, values, words),
        }
    }

    /// Reads what [`Short::pack`] wrote.
    pub(crate) fn unpack<'a>(self, words: &'a [f32], into: &mut [f32]) -> Result<&'a [f32], Failure> {
        let (packed, rest) = take(words, into.len().div_ceil(2))?;
        let level = SimdLevel::detect();
        match self {
            Short::Bf16 => unpack_bf16(level, packed, into),
            Short::Fp16 => unpack_fp16(level, packed, into),
        }
        Ok(rest)
    }
}

simd_dispatch! {
    fn round_bf16(values: &mut [f32]) {
        values.iter_mut().for_each(|value| *value = bf16(*value));
    }
}

simd_dispatch! {
    fn round_fp16(values: &mut [f32]) {
        values.iter_mut().for_each(|value| *value = fp16(*value));
    }
}

simd_dispatch! {
    fn pack_bf16(values: &[f32], words: &mut [f32]) {
        pack_by(values, words, |value| value.to_bits() >> 16);
    }
}

simd_dispatch! {
    fn pack_fp16(values: &[f32], words: &mut [f32]) {
        pack_by(values, words, bits_of_fp16);
    }
}

simd_dispatch! {
    fn unpack_bf16(words: &[f32], into: &mut [f32]) {
        unpack_by(words, into, |bits| f32::from_bits(bits << 16));
    }
}

simd_dispatch! {
    fn unpack_fp16(words: &[f32], into: &mut [f32]) {
        unpack_by(words, into, value_of_fp16);
    }
}

/// An odd last value has a word of its own.
#[inline(always)]
fn pack_by(values: &[f32], words: &mut [f32], bits: impl Fn(f32) -> u32) {
    let (pairs, last) = values.as_chunks::<2>();
    for (word, [low, high]) in words.iter_mut().zip(pairs) {
        *word = f32::from_bits(bits(*low) | bits(*high) << 16);
    }
    for (word, value) in words[pairs.len()..].iter_mut().zip(last) {
        *word = f32::from_bits(bits(*value));
    }
}

#[inline(always)]
fn unpack_by(words: &[f32], into: &mut [f32], value: impl Fn(u32) -> f32) {
    let (pairs, last) = into.as_chunks_mut::<2>();
    for ([low, high], word) in pairs.iter_mut().zip(words) {
        let word = word.to_bits();
        (*low, *high) = (value(word & 0xffff), value(word >> 16));
    }
    for (to, word) in last.iter_mut().zip(&words[pairs.len()..]) {
        *to = value(word.to_bits() & 0xffff);
    }
}

/// The even one of two that are equally near: half of the last place is added, and one less where the last digit is 0.
#[inline(always)]
fn nearest(bits: u32, cut: u32) -> u32 {
    let half = (1 << (cut - 1)) - 1;
    (bits + half + (bits >> cut & 1)) & !((1 << cut) - 1)
}

#[inline(always)]
fn bf16(value: f32) -> f32 {
    let bits = value.to_bits();
    let (sign, size) = (bits & SIGN, bits & !SIGN);
    let rounded = if size > INFINITY { QUIET } else { nearest(size, 16) };
    f32::from_bits(sign | rounded)
}

#[inline(always)]
fn fp16(value: f32) -> f32 {
    let bits = value.to_bits();
    let (sign, size) = (bits & SIGN, bits & !SIGN);
    let normal = nearest(size, 13).min(LARGEST);
    let small = (f32::from_bits(size) + HALF - HALF).to_bits();
    let finite = if size < NORMAL { small } else { normal };
    let special = if size > INFINITY { QUIET } else { INFINITY };
    f32::from_bits(sign | if size >= INFINITY { special } else { finite })
}

/// The 16 bits of a value that is an fp16.
#[inline(always)]
fn bits_of_fp16(value: f32) -> u32 {
    let bits = value.to_bits();
    let (sign, size) = (bits >> 16 & 0x8000, bits & !SIGN);
    let normal = (size >> 13).wrapping_sub(REBIAS);
    // A multiple of 2^-24: added to 0.5, its digits stand in the last places.
    let small = (f32::from_bits(size) + HALF).to_bits() - HALF.to_bits();
    let finite = if size < NORMAL { small } else { normal };
    let special = if size > INFINITY { 0x7e00 } else { 0x7c00 };
    sign | if size >= INFINITY { special } else { finite }
}

#[inline(always)]
fn value_of_fp16(bits: u32) -> f32 {
    let (sign, size) = ((bits & 0x8000) << 16, bits & 0x7fff);
    let normal = (size + REBIAS) << 13;
    let small = (f32::from_bits(size + HALF.to_bits()) - HALF).to_bits();
    let finite = if size < 1 << 10 { small } else { normal };
    let special = if size > 0x7c00 { QUIET } else { INFINITY };
    f32::from_bits(sign | if size >= 0x7c00 { special } else { finite })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every fp16 there is, by its definition.
    fn by_definition(bits: u16) -> f64 {
        let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
        let size = match exponent {
            0 => fraction * 2f64.powi(-14),
            31 if fraction == 0.0 => f64::INFINITY,
            31 => f64::NAN,
            _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
        };
        if bits >> 15 == 1 { -size } else { size }
    }

    #[test]
    fn every_value_of_16_bits_comes_through_as_it_is() {
        for short in [Short::Bf16, Short::Fp16] {
            for bits in 0..=u16::MAX {
                let mut words = Vec::new();
                let mut value = [0.0];
                assert!(
                    short
                        .unpack(&[f32::from_bits(u32::from(bits))], &mut value)
                        .unwrap()
                        .is_empty()
                );
                if short == Short::Fp16 {
                    let expected = by_definition(bits);
                    assert!(
                        f64::from(value[0]) == expected || value[0].is_nan() && expected.is_nan(),
                        "{bits:#x}"
                    );
                }
                let mut rounded = value;
                short.round(&mut rounded);
                short.pack(&rounded, &mut words);
                if value[0].is_nan() {
                    assert!(rounded[0].is_nan());
                    continue;
                }
                assert_eq!(rounded[0].to_bits(), value[0].to_bits(), "{short:?} {bits:#x}");
                assert_eq!(words[0].to_bits(), u32::from(bits));
            }
        }
    }

    #[test]
    fn a_value_between_two_becomes_the_nearer_and_of_equals_the_even_one() {
        for short in [Short::Bf16, Short::Fp16] {
            let largest = if short == Short::Bf16 { 0x7f7f } else { 0x7bff };
            for bits in (0..largest).step_by(7) {
                let mut pair = [0.0; 2];
                short
                    .unpack(&[f32::from_bits(bits | (bits + 1) << 16)], &mut pair)
                    .unwrap();
                let [low, high] = pair.map(f64::from);
                // All of them are exact in f32.
                for (share, expected) in [
                    (0.25, low),
                    (0.75, high),
                    (0.5, if bits % 2 == 0 { low } else { high }),
                ] {
                    let between = low + (high - low) * share;
                    if f64::from(between as f32) != between {
                        continue;
                    }
                    let mut value = [between as f32, -between as f32];
                    short.round(&mut value);
                    assert_eq!(
                        value.map(f64::from),
                        [expected, -expected],
                        "{short:?} {bits:#x} {share}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_has_no_place_is_the_largest_and_what_is_not_finite_stays_that() {
        let mut values = [
            65519.0,
            65520.0,
            1e30,
            -1e30,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            -0.0,
            1e-9,
        ];
        Short::Fp16.round(&mut values);
        assert_eq!(
            values[..6],
            [
                65504.0,
                65504.0,
                65504.0,
                -65504.0,
                f32::INFINITY,
                f32::NEG_INFINITY
            ]
        );
        assert!(values[6].is_nan() && values[7].is_sign_negative() && values[8] == 0.0);
        let mut values = [1e38, f32::NAN, f32::NEG_INFINITY, f32::from_bits(0x7fff_ffff)];
        Short::Bf16.round(&mut values);
        assert!(
            values[0].is_finite()
                && values[1].is_nan()
                && values[2] == f32::NEG_INFINITY
                && values[3].is_nan()
        );
    }

    #[test]
    fn an_odd_number_of_values_takes_half_of_the_words() {
        let values = [1.0, -2.0, 0.5];
        let mut words = Vec::new();
        Short::Bf16.pack(&values, &mut words);
        assert_eq!(words.len(), 2);
        words.push(7.0);
        let mut read = [0.0; 3];
        assert_eq!(Short::Bf16.unpack(&words, &mut read).unwrap(), [7.0]);
        assert_eq!(read, values);
        assert!(Short::Bf16.unpack(&words[..1], &mut read).is_err());
    }
}
