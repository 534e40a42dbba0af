//! The type that features have on their way to the trainers and in their memory: that of the columns they come from, where
//! it is a small one, or only what is not zero. What a row *is* does not depend on it: its hash (rule A6) is over f32 values.

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// How the features of all rows of a job are sent and held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeatureType {
    /// f32, scaled already: columns of all other types.
    #[default]
    Float32,
    /// Unsigned bytes: all columns are binary.
    UInt8,
    /// Signed bytes: all columns are tinyint.
    Int8,
    /// 16 bits with a sign: all columns are smallint or tinyint.
    Int16,
    /// Index and f32 of the values that are not zero, scaled already.
    Sparse,
}

/// The type of the numbers of a column.
fn element(column: &str) -> &str {
    let inner = column
        .strip_prefix("array<")
        .and_then(|rest| rest.strip_suffix('>'));
    inner.map_or(column, element)
}

impl FeatureType {
    /// The type in which rows of these columns take least, where the columns have types as [`crate::feed::Column`] has them,
    /// `width` features in all, and `nonzeros` that are not zero, where that is known.
    ///
    /// ```
    /// use candlewick_protocol::features::FeatureType;
    /// assert_eq!(FeatureType::of(&["binary", "binary"], 6_272, None), FeatureType::UInt8);
    /// assert_eq!(FeatureType::of(&["array<smallint>", "tinyint"], 9, None), FeatureType::Int16);
    /// assert_eq!(FeatureType::of(&["vector", "double"], 1_001, Some(60)), FeatureType::Sparse);
    /// assert_eq!(FeatureType::of(&["vector"], 1_000, Some(400)), FeatureType::Float32);
    /// ```
    #[must_use]
    pub fn of(columns: &[&str], width: usize, nonzeros: Option<u64>) -> Self {
        let all = |types: &[&str]| {
            !columns.is_empty() && columns.iter().all(|column| types.contains(&element(column)))
        };
        if all(&["binary"]) {
            return FeatureType::UInt8;
        }
        if all(&["tinyint"]) {
            return FeatureType::Int8;
        }
        if all(&["tinyint", "smallint"]) {
            return FeatureType::Int16;
        }
        // Whether nested arrays are tensors is found where all of their values are written.
        let nested = columns.iter().any(|column| column.starts_with("array<array<"));
        let of = |nonzeros| FeatureEncoding {
            kind: FeatureType::Sparse,
            scale: 1.0,
            nonzeros: Some(nonzeros),
        };
        let dense = FeatureEncoding::default().row_bytes(width);
        match nonzeros {
            Some(nonzeros)
                if columns.contains(&"vector") && !nested && of(nonzeros).row_bytes(width) * 2 < dense =>
            {
                FeatureType::Sparse
            }
            _ => FeatureType::Float32,
        }
    }

    /// Bytes of a value; none where rows have a length of their own.
    ///
    /// ```
    /// use candlewick_protocol::features::FeatureType;
    /// assert_eq!(FeatureType::UInt8.value_bytes(), Some(1));
    /// assert_eq!(FeatureType::Sparse.value_bytes(), None);
    /// ```
    #[must_use]
    pub const fn value_bytes(self) -> Option<usize> {
        match self {
            FeatureType::Float32 => Some(4),
            FeatureType::UInt8 | FeatureType::Int8 => Some(1),
            FeatureType::Int16 => Some(2),
            FeatureType::Sparse => None,
        }
    }

    /// Its name in messages, as Arrow says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            FeatureType::Float32 => "Float32",
            FeatureType::UInt8 => "UInt8",
            FeatureType::Int8 => "Int8",
            FeatureType::Int16 => "Int16",
            FeatureType::Sparse => "Struct<index: UInt32, value: Float32>",
        }
    }
}

/// Bytes of a value that is not zero, of a sparse row: its index and itself.
pub const NONZERO_BYTES: usize = 8;
/// Bytes of a sparse row beside those: where it ends.
pub const SPARSE_ROW_BYTES: usize = 8;

/// The type of a job's features, and what goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FeatureEncoding {
    /// The type.
    #[serde(rename = "type")]
    pub kind: FeatureType,
    /// Factor that turns an integer of the type into the feature; 1 for f32 and sparse rows, which are scaled already.
    pub scale: f64,
    /// Values that are not zero in a sparse row, about: what memory is reckoned with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonzeros: Option<u64>,
}

impl Default for FeatureEncoding {
    fn default() -> Self {
        FeatureEncoding {
            kind: FeatureType::Float32,
            scale: 1.0,
            nonzeros: None,
        }
    }
}

impl FeatureEncoding {
    /// True for f32, which a job document leaves out.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == FeatureEncoding::default()
    }

    /// Bytes that the features of a row take in memory, where there are `width` of them.
    ///
    /// ```
    /// use candlewick_protocol::features::{FeatureEncoding, FeatureType};
    /// let sparse = FeatureEncoding { kind: FeatureType::Sparse, nonzeros: Some(60), ..FeatureEncoding::default() };
    /// assert_eq!(sparse.row_bytes(1 << 18), 60 * 8 + 8);
    /// assert_eq!(FeatureEncoding::default().row_bytes(784), 3_136);
    /// ```
    #[must_use]
    pub fn row_bytes(&self, width: usize) -> u64 {
        let width = width as u64;
        match self.kind.value_bytes() {
            Some(bytes) => width * bytes as u64,
            None => {
                self.nonzeros.unwrap_or(width).min(width) * NONZERO_BYTES as u64 + SPARSE_ROW_BYTES as u64
            }
        }
    }
}

/// The features of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FeatureRow<'a> {
    /// f32.
    Float32(&'a [f32]),
    /// Unsigned bytes.
    UInt8(&'a [u8]),
    /// Signed bytes.
    Int8(&'a [i8]),
    /// 16 bits with a sign.
    Int16(&'a [i16]),
    /// Ascending indices, and the value of each, which is not zero.
    Sparse(&'a [u32], &'a [f32]),
}

/// The values of dense rows, one row after another, in the type that they are held in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DenseValues<'a> {
    /// f32, scaled already.
    Float32(&'a [f32]),
    /// Unsigned bytes.
    UInt8(&'a [u8]),
    /// Signed bytes.
    Int8(&'a [i8]),
    /// 16 bits with a sign.
    Int16(&'a [i16]),
}

/// Appends the features that integers stand for: the value times `scale` in f64, rounded once, as the feeder converts
/// columns. Adding 0.0 turns -0.0, which a negative factor makes, into 0.0.
fn scaled<T: Copy>(values: &[T], scale: f64, of: impl Fn(T) -> f64, into: &mut Vec<f32>) {
    #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is meant")]
    into.extend(values.iter().map(|value| (of(*value) * scale) as f32 + 0.0));
}

impl DenseValues<'_> {
    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        match self {
            DenseValues::Float32(values) => values.len(),
            DenseValues::UInt8(values) => values.len(),
            DenseValues::Int8(values) => values.len(),
            DenseValues::Int16(values) => values.len(),
        }
    }

    /// Some of them, which are there.
    ///
    /// ```
    /// use candlewick_protocol::features::DenseValues;
    /// assert_eq!(DenseValues::Int8(&[1, -2, 3]).part(1..3), DenseValues::Int8(&[-2, 3]));
    /// ```
    #[must_use]
    pub fn part(&self, of: Range<usize>) -> Self {
        match self {
            DenseValues::Float32(values) => DenseValues::Float32(&values[of]),
            DenseValues::UInt8(values) => DenseValues::UInt8(&values[of]),
            DenseValues::Int8(values) => DenseValues::Int8(&values[of]),
            DenseValues::Int16(values) => DenseValues::Int16(&values[of]),
        }
    }

    /// Appends the features that they are: integers are times `scale`.
    pub fn expand(&self, scale: f64, into: &mut Vec<f32>) {
        match *self {
            DenseValues::Float32(values) => into.extend_from_slice(values),
            DenseValues::UInt8(values) => scaled(values, scale, f64::from, into),
            DenseValues::Int8(values) => scaled(values, scale, f64::from, into),
            DenseValues::Int16(values) => scaled(values, scale, f64::from, into),
        }
    }
}

impl<'a> From<&'a [f32]> for FeatureRow<'a> {
    fn from(values: &'a [f32]) -> Self {
        FeatureRow::Float32(values)
    }
}

impl<'a, const N: usize> From<&'a [f32; N]> for FeatureRow<'a> {
    fn from(values: &'a [f32; N]) -> Self {
        FeatureRow::Float32(values)
    }
}

impl<'a> From<&'a Vec<f32>> for FeatureRow<'a> {
    fn from(values: &'a Vec<f32>) -> Self {
        FeatureRow::Float32(values)
    }
}

impl FeatureRow<'_> {
    /// The type of the row.
    #[must_use]
    pub const fn kind(&self) -> FeatureType {
        match self {
            FeatureRow::Float32(_) => FeatureType::Float32,
            FeatureRow::UInt8(_) => FeatureType::UInt8,
            FeatureRow::Int8(_) => FeatureType::Int8,
            FeatureRow::Int16(_) => FeatureType::Int16,
            FeatureRow::Sparse(..) => FeatureType::Sparse,
        }
    }

    /// Bytes of its values.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        match self {
            FeatureRow::Float32(values) => values.len() * 4,
            FeatureRow::UInt8(values) => values.len(),
            FeatureRow::Int8(values) => values.len(),
            FeatureRow::Int16(values) => values.len() * 2,
            FeatureRow::Sparse(indices, _) => indices.len() * NONZERO_BYTES,
        }
    }

    /// Appends its `width` features. Integers are times `scale`; what is beyond `width` in a sparse row is left out.
    ///
    /// ```
    /// use candlewick_protocol::features::FeatureRow;
    /// let mut features = Vec::new();
    /// FeatureRow::UInt8(&[0, 255]).expand(2, 1.0 / 255.0, &mut features);
    /// FeatureRow::Sparse(&[1], &[0.5]).expand(2, 1.0, &mut features);
    /// assert_eq!(features, [0.0, 1.0, 0.0, 0.5]);
    /// ```
    pub fn expand(&self, width: usize, scale: f64, into: &mut Vec<f32>) {
        match *self {
            FeatureRow::Float32(values) => DenseValues::Float32(values).expand(scale, into),
            FeatureRow::UInt8(values) => DenseValues::UInt8(values).expand(scale, into),
            FeatureRow::Int8(values) => DenseValues::Int8(values).expand(scale, into),
            FeatureRow::Int16(values) => DenseValues::Int16(values).expand(scale, into),
            FeatureRow::Sparse(indices, values) => {
                let first = into.len();
                into.resize(first + width, 0.0);
                for (index, value) in indices.iter().zip(values) {
                    if let Some(place) = into[first..].get_mut(*index as usize) {
                        *place = *value;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_without_the_type_means_f32() {
        let read = |value| serde_json::from_value::<FeatureEncoding>(value).unwrap();
        assert!(read(json!({})).is_default());
        let bytes = read(json!({"type": "uint8", "scale": 0.5}));
        assert_eq!(
            (bytes.kind, bytes.scale, bytes.nonzeros),
            (FeatureType::UInt8, 0.5, None)
        );
        assert_eq!(
            serde_json::to_value(bytes).unwrap(),
            json!({"type": "uint8", "scale": 0.5})
        );
    }

    #[test]
    fn integers_are_the_features_that_the_feeder_makes_of_them() {
        let mut features = Vec::new();
        FeatureRow::Int8(&[-128, 0, 3]).expand(3, -0.5, &mut features);
        FeatureRow::Int16(&[i16::MIN, 7]).expand(2, 0.1, &mut features);
        let expected = [64.0, 0.0, -1.5, -3276.8, 0.7f64 as f32];
        assert_eq!(
            features.iter().map(|value| value.to_bits()).collect::<Vec<_>>(),
            expected.map(f32::to_bits)
        );
    }
}
