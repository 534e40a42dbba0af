//! Features of many rows, in the type that they came in.

use candlewick_model::kernels::Csr;
use candlewick_protocol::features::{DenseValues, FeatureRow, FeatureType};

/// The features of rows one after another; -0.0 is stored as 0.0, and zeros of sparse rows are left out.
#[derive(Debug, Clone)]
pub enum Features {
    /// f32.
    Float32(Vec<f32>),
    /// Unsigned bytes, not yet scaled.
    UInt8(Vec<u8>),
    /// Signed bytes, not yet scaled.
    Int8(Vec<i8>),
    /// 16 bits with a sign, not yet scaled.
    Int16(Vec<i16>),
    /// Those that are not zero.
    Sparse(Csr),
}

impl Default for Features {
    fn default() -> Self {
        Features::Float32(Vec::new())
    }
}

impl Features {
    /// Room for so many values, of sparse rows those that are not zero.
    #[must_use]
    pub fn with_capacity(kind: FeatureType, rows: usize, values: usize) -> Self {
        match kind {
            FeatureType::Float32 => Features::Float32(Vec::with_capacity(values)),
            FeatureType::UInt8 => Features::UInt8(Vec::with_capacity(values)),
            FeatureType::Int8 => Features::Int8(Vec::with_capacity(values)),
            FeatureType::Int16 => Features::Int16(Vec::with_capacity(values)),
            FeatureType::Sparse => Features::Sparse(Csr::with_capacity(rows, values)),
        }
    }

    /// Their type.
    #[must_use]
    pub fn kind(&self) -> FeatureType {
        match self {
            Features::Float32(_) => FeatureType::Float32,
            Features::UInt8(_) => FeatureType::UInt8,
            Features::Int8(_) => FeatureType::Int8,
            Features::Int16(_) => FeatureType::Int16,
            Features::Sparse(_) => FeatureType::Sparse,
        }
    }

    /// Bytes of their memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Features::Float32(values) => values.capacity() * 4,
            Features::UInt8(values) => values.capacity(),
            Features::Int8(values) => values.capacity(),
            Features::Int16(values) => values.capacity() * 2,
            Features::Sparse(rows) => rows.bytes(),
        }
    }

    /// The values of all rows; `None` of sparse ones.
    #[must_use]
    pub fn dense(&self) -> Option<DenseValues<'_>> {
        match self {
            Features::Float32(values) => Some(DenseValues::Float32(values)),
            Features::UInt8(values) => Some(DenseValues::UInt8(values)),
            Features::Int8(values) => Some(DenseValues::Int8(values)),
            Features::Int16(values) => Some(DenseValues::Int16(values)),
            Features::Sparse(_) => None,
        }
    }

    /// Row `row`, where each has `width` features.
    #[must_use]
    pub fn row(&self, row: usize, width: usize) -> FeatureRow<'_> {
        let part = row * width..(row + 1) * width;
        match self {
            Features::Float32(values) => FeatureRow::Float32(&values[part]),
            Features::UInt8(values) => FeatureRow::UInt8(&values[part]),
            Features::Int8(values) => FeatureRow::Int8(&values[part]),
            Features::Int16(values) => FeatureRow::Int16(&values[part]),
            Features::Sparse(rows) => {
                let (indices, values) = rows.row(row);
                FeatureRow::Sparse(indices, values)
            }
        }
    }

    /// Appends a row of the same type.
    ///
    /// # Errors
    /// Where it is of another type.
    pub fn push(&mut self, row: FeatureRow<'_>) -> Result<(), String> {
        match (self, row) {
            (Features::Float32(values), FeatureRow::Float32(row)) => values.extend_from_slice(row),
            (Features::UInt8(values), FeatureRow::UInt8(row)) => values.extend_from_slice(row),
            (Features::Int8(values), FeatureRow::Int8(row)) => values.extend_from_slice(row),
            (Features::Int16(values), FeatureRow::Int16(row)) => values.extend_from_slice(row),
            (Features::Sparse(rows), FeatureRow::Sparse(indices, values)) => rows.push_row(indices, values),
            (own, row) => {
                let (own, row) = (own.kind().name(), row.kind().name());
                return Err(format!("its features are {row}, expected {own}"));
            }
        }
        Ok(())
    }

    /// Empties it and keeps its memory.
    pub(crate) fn clear(&mut self) {
        match self {
            Features::Float32(values) => values.clear(),
            Features::UInt8(values) => values.clear(),
            Features::Int8(values) => values.clear(),
            Features::Int16(values) => values.clear(),
            Features::Sparse(rows) => rows.clear(),
        }
    }

    /// Some of the rows, in memory of just their size.
    pub(crate) fn only(&self, rows: &[usize], width: usize) -> Features {
        let values = match self {
            Features::Sparse(all) => rows.iter().map(|row| all.row(*row).0.len()).sum(),
            _ => rows.len() * width,
        };
        let mut only = Features::with_capacity(self.kind(), rows.len(), values);
        for row in rows {
            // They are of one type.
            let _ = only.push(self.row(*row, width));
        }
        only
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_rows_of_any_type_take_the_memory_of_their_values() {
        let mut sparse = Csr::default();
        for row in 0..4u32 {
            (0..row).for_each(|at| sparse.push(at * 2, at as f32 + 0.5));
            sparse.end_row();
        }
        let all = [
            (
                Features::Float32(vec![0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]),
                16,
            ),
            (Features::UInt8((0..8).collect()), 4),
            (Features::Int8((-4..4).collect()), 4),
            (Features::Int16((-4..4).collect()), 8),
            (Features::Sparse(sparse), (1 + 3) * 8 + 2 * 8),
        ];
        for (features, bytes) in all {
            let only = features.only(&[1, 3], 2);
            assert_eq!(only.bytes(), bytes, "{:?}", features.kind());
            for (at, from) in [(0, 1), (1, 3)] {
                assert_eq!(only.row(at, 2), features.row(from, 2));
            }
        }
        let told = Features::UInt8(Vec::new())
            .push(FeatureRow::Int8(&[1]))
            .unwrap_err();
        assert_eq!(told, "its features are Int8, expected UInt8");
    }
}
