//! The features of the row at hand, in the type that a job sends them in.

use crate::decode::Decoder;
use crate::number::Number;
use crate::row::Corrupt;
use crate::row_error::RowError;
use crate::values::Values;
use candlewick_model::kernels::Csr;
use candlewick_protocol::features::{FeatureRow, FeatureType};
use candlewick_protocol::row::RowHasher;

/// Decodes rows one after another.
#[derive(Debug)]
pub struct EncodedRow {
    kind: FeatureType,
    /// As f32, of which the hash is made, but for sparse rows.
    floats: Vec<f32>,
    bytes: Vec<u8>,
    tinies: Vec<i8>,
    shorts: Vec<i16>,
    sparse: Csr,
}

impl EncodedRow {
    /// For rows of `width` features.
    #[must_use]
    pub fn new(kind: FeatureType, width: usize) -> Self {
        let dense = if kind == FeatureType::Sparse { 0 } else { width };
        EncodedRow {
            kind,
            floats: vec![0.0; dense],
            bytes: Vec::new(),
            tinies: Vec::new(),
            shorts: Vec::new(),
            sparse: Csr::default(),
        }
    }

    /// Decodes a row as [`Decoder::decode`] does.
    ///
    /// # Errors
    /// As there; the same rows are wrong in every type.
    pub fn decode(&mut self, decoder: &Decoder, row: &[u8], labels: &mut [f64]) -> Result<f64, RowError> {
        if self.kind == FeatureType::Sparse {
            self.sparse.clear();
            return decoder.decode_sparse_row(row, &mut self.sparse, labels);
        }
        let weight = decoder.decode(row, &mut self.floats, labels)?;
        self.bytes.clear();
        self.tinies.clear();
        self.shorts.clear();
        match self.kind {
            FeatureType::Float32 | FeatureType::Sparse => {}
            FeatureType::UInt8 => decoder.each_feature(row, &mut |values| match values {
                Values::Bytes(bytes) => {
                    self.bytes.extend_from_slice(bytes);
                    Ok(())
                }
                _ => Err(other(FeatureType::UInt8)),
            })?,
            FeatureType::Int8 => {
                decoder.each_feature(row, &mut |values| {
                    integers(values, &mut |part| self.tinies.add(part))
                })?;
            }
            FeatureType::Int16 => {
                decoder.each_feature(row, &mut |values| {
                    integers(values, &mut |part| self.shorts.add(part))
                })?;
            }
        }
        Ok(weight)
    }

    /// The row.
    #[must_use]
    pub fn row(&self) -> FeatureRow<'_> {
        match self.kind {
            FeatureType::Float32 => FeatureRow::Float32(&self.floats),
            FeatureType::UInt8 => FeatureRow::UInt8(&self.bytes),
            FeatureType::Int8 => FeatureRow::Int8(&self.tinies),
            FeatureType::Int16 => FeatureRow::Int16(&self.shorts),
            FeatureType::Sparse => {
                let (indices, values) = self.sparse.row(0);
                FeatureRow::Sparse(indices, values)
            }
        }
    }

    /// Its identity, rule A6: the same in every type.
    pub fn hash(&self, hasher: &mut RowHasher, labels: &[f64], weight: f64, marked: bool) -> u128 {
        match self.kind {
            FeatureType::Sparse => hasher.hash_sparse(self.sparse.row(0), labels, weight, marked),
            _ => hasher.hash(&self.floats, labels, weight, marked),
        }
    }
}

/// The driver looks at the types of the columns before it says what is sent.
fn other(kind: FeatureType) -> Corrupt {
    Corrupt(format!("a column that cannot be sent as {}", kind.name()))
}

/// Integers as they stand in a row.
#[derive(Clone, Copy)]
enum Part<'a> {
    /// A number, which is whole and within the range of its type.
    One(f64),
    /// tinyint.
    Tinies(&'a [[u8; 1]]),
    /// smallint.
    Shorts(&'a [[u8; 2]]),
}

/// Calls `see` with all integers of a column.
fn integers(
    values: &Values<'_>,
    see: &mut dyn FnMut(Part<'_>) -> Result<(), Corrupt>,
) -> Result<(), Corrupt> {
    match values {
        Values::One(value) => see(Part::One(*value)),
        Values::Array(Number::Tiny, array) => see(Part::Tinies(array.elements()?)),
        Values::Array(Number::Short, array) => see(Part::Shorts(array.elements()?)),
        Values::Nested(nested) => {
            let number = nested.number();
            nested.each_array(&mut |array| integers(&Values::Array(number, *array), see))
        }
        _ => Err(Corrupt(
            "a column that is sent as integers and holds none".to_owned(),
        )),
    }
}

/// Collects integers of one width.
trait Collect {
    fn add(&mut self, part: Part<'_>) -> Result<(), Corrupt>;
}

impl Collect for Vec<i8> {
    fn add(&mut self, part: Part<'_>) -> Result<(), Corrupt> {
        match part {
            #[expect(clippy::cast_possible_truncation, reason = "a tinyint")]
            Part::One(value) => self.push(value as i8),
            Part::Tinies(values) => self.extend(values.iter().map(|[byte]| byte.cast_signed())),
            Part::Shorts(_) => return Err(other(FeatureType::Int8)),
        }
        Ok(())
    }
}

impl Collect for Vec<i16> {
    fn add(&mut self, part: Part<'_>) -> Result<(), Corrupt> {
        match part {
            #[expect(clippy::cast_possible_truncation, reason = "a smallint or a tinyint")]
            Part::One(value) => self.push(value as i16),
            Part::Tinies(values) => self.extend(values.iter().map(|[byte]| i16::from(byte.cast_signed()))),
            Part::Shorts(values) => self.extend(values.iter().map(|bytes| i16::from_le_bytes(*bytes))),
        }
        Ok(())
    }
}
