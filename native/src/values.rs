//! The values of one column in one row: a view, before they are converted.

use crate::convert;
use crate::nested::Nested;
use crate::number::Number;
use crate::row::{Array, Corrupt, Row};
use candlewick_model::kernels::Csr;
use candlewick_protocol::text::number;
use std::fmt::Write;

/// Values that a message shows.
const SHOWN: usize = 6;

/// The values of one column in one row, not yet converted.
#[derive(Debug, Clone)]
pub enum Values<'a> {
    /// A number.
    One(f64),
    /// Unsigned bytes.
    Bytes(&'a [u8]),
    /// An array of numbers, or a dense vector.
    Array(Number, Array<'a>),
    /// Arrays within arrays.
    Nested(Nested<'a>),
    /// A sparse vector.
    Sparse {
        /// Number of values, zeros included.
        size: usize,
        /// Indices of the values that are given.
        indices: &'a [[u8; 4]],
        /// Those values, doubles.
        values: Array<'a>,
    },
}

impl Values<'_> {
    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Values::One(_) => 1,
            Values::Bytes(bytes) => bytes.len(),
            Values::Array(_, array) => array.len(),
            Values::Nested(nested) => nested.len(),
            Values::Sparse { size, .. } => *size,
        }
    }

    /// True without values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Value `index`, as it stands in the row.
    ///
    /// # Errors
    /// Where it lies outside the row.
    pub fn get(&self, index: usize) -> Result<f64, Corrupt> {
        match self {
            Values::One(value) => Ok(*value),
            Values::Bytes(bytes) => Ok(bytes.get(index).copied().map_or(f64::NAN, f64::from)),
            Values::Array(number, array) => number.element(array, index),
            Values::Nested(nested) => Ok(nested.get(index)?.unwrap_or(f64::NAN)),
            Values::Sparse { indices, values, .. } => {
                match indices
                    .iter()
                    .position(|at| u32::from_le_bytes(*at) as usize == index)
                {
                    Some(at) => Number::Double.element(values, at),
                    None => Ok(0.0),
                }
            }
        }
    }

    /// What is wrong with the indices of a sparse vector, which ascend and lie below its size. Spark checks neither where a
    /// vector is not made by its own functions.
    pub(crate) fn wrong_indices(&self) -> Option<String> {
        let Values::Sparse { size, indices, .. } = self else {
            return None;
        };
        let mut least = 0;
        for (at, index) in indices.iter().enumerate() {
            let index = u32::from_le_bytes(*index);
            // A negative int is a large u32.
            if index as usize >= *size {
                let (index, last) = (index.cast_signed(), size.saturating_sub(1));
                return Some(format!(
                    "is a sparse vector of {size} values with index {index}, expected whole numbers from 0 to {last}"
                ));
            }
            if u64::from(index) < least {
                let before = u32::from_le_bytes(indices[at - 1]);
                return Some(format!(
                    "is a sparse vector with index {index} after {before}, expected indices that ascend"
                ));
            }
            least = u64::from(index) + 1;
        }
        None
    }

    /// The first values for a message: `[0, 1.5, null, ...]`.
    pub(crate) fn show(&self) -> String {
        let mut text = String::from("[");
        for index in 0..self.len().min(SHOWN) {
            let separator = if index == 0 { "" } else { ", " };
            let null = match self {
                Values::Array(_, array) => array.is_null(index),
                Values::Nested(nested) => matches!(nested.get(index), Ok(None)),
                _ => false,
            };
            let _ = match (null, self.get(index)) {
                (true, _) => write!(text, "{separator}null"),
                (false, Ok(value)) => write!(text, "{separator}{}", number(value)),
                (false, Err(_)) => write!(text, "{separator}?"),
            };
        }
        text + if self.len() > SHOWN { ", ...]" } else { "]" }
    }
}

impl Values<'_> {
    /// Adds the values times `scale` that are not zero to the open row, counted from index `first` on; indices were looked at. The
    /// index of one that is not finite, where there is one.
    pub(crate) fn write_nonzeros(
        &self,
        first: u32,
        scale: f64,
        into: &mut Csr,
    ) -> Result<Option<usize>, Corrupt> {
        let mut odd = None;
        let mut push = |index: u32, value: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is meant")]
            let number = (value * scale) as f32;
            if !number.is_finite() {
                odd.get_or_insert(index as usize);
            }
            into.push(first + index, number);
        };
        if let Values::Sparse { indices, values, .. } = self {
            for (index, value) in indices.iter().zip(values.elements::<8>()?) {
                push(u32::from_le_bytes(*index), f64::from_le_bytes(*value));
            }
        } else {
            for index in 0..u32::try_from(self.len()).unwrap_or(u32::MAX) {
                push(index, self.get(index as usize)?);
            }
        }
        Ok(odd)
    }

    /// Writes the values times `scale`; true where all are finite.
    pub(crate) fn write(&self, out: &mut [f32], scale: f64) -> Result<bool, Corrupt> {
        match self {
            Values::One(value) => {
                #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is meant")]
                let number = (value * scale) as f32;
                out.fill(number);
                Ok(number.is_finite())
            }
            Values::Bytes(bytes) => Ok(convert::unsigned(bytes.as_chunks::<1>().0, out, scale)),
            Values::Array(number, array) => number.elements(array, out, scale),
            Values::Nested(nested) => Ok(nested.write(out, scale)?.unwrap_or(false)),
            Values::Sparse {
                size,
                indices,
                values,
            } => {
                out.fill(0.0);
                let mut finite = true;
                for (index, value) in indices.iter().zip(values.elements::<8>()?) {
                    let index = u32::from_le_bytes(*index) as usize;
                    let place = out.get_mut(index);
                    let place = place
                        .ok_or_else(|| Corrupt(format!("index {index} in a sparse vector of {size}")))?;
                    #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is meant")]
                    let number = (f64::from_le_bytes(*value) * scale) as f32;
                    *place = number;
                    finite &= number.is_finite();
                }
                Ok(finite)
            }
        }
    }
}

/// A VectorUDT: struct of type (1 dense, 0 sparse), size, indices, values.
pub(crate) fn vector(bytes: &[u8]) -> Result<Values<'_>, Corrupt> {
    let row = Row::new(bytes, 4)?;
    let values = Array::new(row.variable(3)?)?;
    match row.slot(0)?[0] {
        1 => Ok(Values::Array(Number::Double, values)),
        0 => {
            let [a, b, c, d, ..] = row.slot(1)?;
            let size = u32::from_le_bytes([a, b, c, d]);
            let indices = Array::new(row.variable(2)?)?;
            if indices.len() != values.len() {
                let (left, right) = (indices.len(), values.len());
                return Err(Corrupt(format!(
                    "a sparse vector of {left} indices and {right} values"
                )));
            }
            Ok(Values::Sparse {
                size: size as usize,
                indices: indices.elements()?,
                values,
            })
        }
        other => Err(Corrupt(format!(
            "a vector of type {other}, which is neither sparse (0) nor dense (1)"
        ))),
    }
}
