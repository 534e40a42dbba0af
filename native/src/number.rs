//! Spark's numeric types: what a column's type says, and one value as f64.

use crate::convert;
use crate::row::{Array, Corrupt, Row};

/// A numeric type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// boolean: 0 or 1.
    Boolean,
    /// tinyint.
    Tiny,
    /// smallint.
    Short,
    /// int.
    Int,
    /// bigint.
    Long,
    /// float.
    Float,
    /// double.
    Double,
    /// decimal of at most 18 digits, stored as a long.
    Decimal {
        /// Digits after the point.
        scale: u32,
    },
    /// decimal of more digits, stored as big-endian bytes of variable length.
    WideDecimal {
        /// Digits after the point.
        scale: u32,
    },
}

impl Number {
    /// The type that a catalogString names; `None` where it is no number.
    #[must_use]
    pub fn parse(name: &str) -> Option<Number> {
        Some(match name {
            "boolean" => Number::Boolean,
            "tinyint" => Number::Tiny,
            "smallint" => Number::Short,
            "int" => Number::Int,
            "bigint" => Number::Long,
            "float" => Number::Float,
            "double" => Number::Double,
            _ => {
                let (precision, scale) = name
                    .strip_prefix("decimal(")?
                    .strip_suffix(')')?
                    .split_once(',')?;
                let (precision, scale) = (precision.trim().parse::<u32>().ok()?, scale.trim().parse().ok()?);
                if precision <= 18 {
                    Number::Decimal { scale }
                } else {
                    Number::WideDecimal { scale }
                }
            }
        })
    }

    /// Field `index` of a row, which is not null.
    ///
    /// # Errors
    /// Where the row is corrupt.
    pub fn field(self, row: &Row<'_>, index: usize) -> Result<f64, Corrupt> {
        let slot = row.slot(index)?;
        let [a, b, c, d, ..] = slot;
        Ok(match self {
            Number::Boolean => f64::from(u8::from(a != 0)),
            Number::Tiny => f64::from(a.cast_signed()),
            Number::Short => f64::from(i16::from_le_bytes([a, b])),
            Number::Int => f64::from(i32::from_le_bytes([a, b, c, d])),
            Number::Float => f64::from(f32::from_le_bytes([a, b, c, d])),
            #[expect(clippy::cast_precision_loss, reason = "as Spark's cast to double does")]
            Number::Long => i64::from_le_bytes(slot) as f64,
            Number::Double => f64::from_le_bytes(slot),
            Number::Decimal { scale } => decimal(i64::from_le_bytes(slot).into(), scale),
            Number::WideDecimal { scale } => decimal(big_endian(row.variable(index)?)?, scale),
        })
    }

    /// The elements of an array without nulls, times `factor`, as f32; true where all are finite.
    ///
    /// # Errors
    /// Where the array is corrupt.
    pub fn elements(self, array: &Array<'_>, out: &mut [f32], factor: f64) -> Result<bool, Corrupt> {
        Ok(match self {
            Number::Boolean => convert::booleans(array.elements()?, out, factor),
            Number::Tiny => convert::tinies(array.elements()?, out, factor),
            Number::Short => convert::shorts(array.elements()?, out, factor),
            Number::Int => convert::ints(array.elements()?, out, factor),
            Number::Long => convert::longs(array.elements()?, out, factor),
            Number::Float => convert::floats(array.elements()?, out, factor),
            Number::Double => convert::doubles(array.elements()?, out, factor),
            Number::Decimal { .. } | Number::WideDecimal { .. } => {
                for (at, out) in out.iter_mut().enumerate().take(array.len()) {
                    #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is meant")]
                    let value = (self.element(array, at)? * factor) as f32;
                    *out = value;
                }
                convert::first_not_finite(out).is_none()
            }
        })
    }

    /// Element `at` of an array, as f64.
    ///
    /// # Errors
    /// Where the array is corrupt or has no such element.
    pub fn element(self, array: &Array<'_>, at: usize) -> Result<f64, Corrupt> {
        fn one<const N: usize>(array: &Array<'_>, at: usize) -> Result<[u8; N], Corrupt> {
            let found = array.elements::<N>()?.get(at).copied();
            found.ok_or_else(|| Corrupt(format!("there is no element {at} in an array of {}", array.len())))
        }
        Ok(match self {
            Number::Boolean => f64::from(u8::from(one::<1>(array, at)?[0] != 0)),
            Number::Tiny => f64::from(one::<1>(array, at)?[0].cast_signed()),
            Number::Short => f64::from(i16::from_le_bytes(one(array, at)?)),
            Number::Int => f64::from(i32::from_le_bytes(one(array, at)?)),
            #[expect(clippy::cast_precision_loss, reason = "as Spark's cast to double does")]
            Number::Long => i64::from_le_bytes(one(array, at)?) as f64,
            Number::Float => f64::from(f32::from_le_bytes(one(array, at)?)),
            Number::Double => f64::from_le_bytes(one(array, at)?),
            Number::Decimal { scale } => decimal(i64::from_le_bytes(one(array, at)?).into(), scale),
            Number::WideDecimal { scale } => decimal(big_endian(array.variable(one(array, at)?)?)?, scale),
        })
    }
}

/// A two's complement number of any length up to 16 bytes, most significant byte first.
fn big_endian(bytes: &[u8]) -> Result<i128, Corrupt> {
    if bytes.is_empty() || bytes.len() > 16 {
        return Err(Corrupt(format!("a decimal of {} bytes", bytes.len())));
    }
    let sign = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
    let mut all = [sign; 16];
    all[16 - bytes.len()..].copy_from_slice(bytes);
    Ok(i128::from_be_bytes(all))
}

/// The f64 closest to `unscaled` / 10^`scale`, as BigDecimal.doubleValue gives it.
fn decimal(unscaled: i128, scale: u32) -> f64 {
    const EXACT: i128 = 1 << 53;
    if (-EXACT..=EXACT).contains(&unscaled) && scale <= 22 {
        // Both are exact in f64, so the one division rounds correctly.
        #[expect(clippy::cast_precision_loss, reason = "below 2^53 nothing is lost")]
        return unscaled as f64 / 10f64.powi(scale.cast_signed());
    }
    // The standard library's parser rounds correctly; a number written as digits and exponent always parses.
    format!("{unscaled}e-{scale}").parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_by_name() {
        assert_eq!(Number::parse("decimal(18,4)"), Some(Number::Decimal { scale: 4 }));
        assert_eq!(
            Number::parse("decimal(19,0)"),
            Some(Number::WideDecimal { scale: 0 })
        );
        assert_eq!(Number::parse("bigint"), Some(Number::Long));
        assert_eq!(Number::parse("string"), None);
        assert_eq!(Number::parse("decimal(x,1)"), None);
    }

    #[test]
    fn decimals_round_correctly() {
        assert_eq!(decimal(1234, 2), 12.34);
        assert_eq!(decimal(-1, 22), -1e-22);
        assert_eq!(decimal(123_456_789_012_345_678, 5), 1_234_567_890_123.456_8);
        assert_eq!(
            decimal(99_999_999_999_999_999_999_999_999_999_999_999_999, 38),
            1.0
        );
        assert_eq!(big_endian(&[0x04, 0xd2]), Ok(1234));
        assert_eq!(big_endian(&[0xff]), Ok(-1));
        assert!(big_endian(&[]).is_err());
        assert!(big_endian(&[0; 17]).is_err());
    }
}
