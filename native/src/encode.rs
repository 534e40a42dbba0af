//! Results as UnsafeRow bytes: doubles and dense VectorUDT values, ready for Spark to point at.

use crate::row::header_bytes;

/// A column of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputType {
    /// double.
    Double,
    /// VectorUDT, dense, of so many values.
    Vector(usize),
}

/// Writes rows of a fixed type, each as `[u32 size][u32 0][row]` (a row's size is a multiple of 8).
#[derive(Debug, Clone)]
pub struct Encoder {
    /// A whole row with its frame, all values 0.
    template: Vec<u8>,
    /// The same of a row whose columns are all null.
    nulls: Vec<u8>,
    /// Per column: where its values begin in the template, and how many they are.
    places: Vec<(usize, usize)>,
}

/// Bytes of a VectorUDT's header: null bits and four slots.
const VECTOR_HEADER: usize = header_bytes(4);
/// Null bits of a dense vector: size and indices are null.
const DENSE_NULLS: u64 = 0b0110;

impl Encoder {
    /// An encoder for rows of these columns.
    #[must_use]
    pub fn new(columns: &[OutputType]) -> Self {
        let mut row = vec![0; header_bytes(columns.len())];
        let nulls = columns.len().div_ceil(64) * 8;
        let mut places = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            let slot = nulls + index * 8;
            match column {
                OutputType::Double => places.push((8 + slot, 1)),
                OutputType::Vector(count) => {
                    let vector = dense_vector(*count);
                    let at = row.len();
                    row[slot..slot + 8].copy_from_slice(&var_slot(at, vector.len()));
                    places.push((8 + at + vector.len() - count * 8, *count));
                    row.extend(vector);
                }
            }
        }
        let mut empty = vec![0; header_bytes(columns.len())];
        for index in 0..columns.len() {
            empty[index / 8] |= 1 << (index % 8);
        }
        Encoder {
            template: framed(row),
            nulls: framed(empty),
            places,
        }
    }

    /// Bytes of a row with its frame.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.template.len()
    }

    /// Appends a row whose columns hold zeros and returns it, to be filled with [`Encoder::set`].
    pub fn push<'a>(&self, out: &'a mut Vec<u8>) -> &'a mut [u8] {
        let from = out.len();
        out.extend_from_slice(&self.template);
        &mut out[from..]
    }

    /// Appends a row whose columns are all null.
    pub fn push_nulls(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.nulls);
    }

    /// Sets the values of a column in a row from [`Encoder::push`].
    pub fn set(&self, row: &mut [u8], column: usize, values: impl IntoIterator<Item = f64>) {
        let (from, count) = self.places[column];
        let places = row[from..from + count * 8].as_chunks_mut::<8>().0;
        for (place, value) in places.iter_mut().zip(values) {
            *place = value.to_le_bytes();
        }
    }
}

fn framed(row: Vec<u8>) -> Vec<u8> {
    let size = u32::try_from(row.len()).unwrap_or(u32::MAX);
    let mut framed = Vec::from(size.to_le_bytes());
    framed.extend([0; 4]);
    framed.extend(row);
    framed
}

fn dense_vector(count: usize) -> Vec<u8> {
    let mut array = Vec::from((count as u64).to_le_bytes());
    array.resize(8 + count.div_ceil(64) * 8 + count * 8, 0);
    let mut vector = Vec::from(DENSE_NULLS.to_le_bytes());
    vector.extend(1u64.to_le_bytes());
    vector.extend([0; 16]);
    vector.extend(var_slot(VECTOR_HEADER, array.len()));
    vector.extend(array);
    vector
}

/// `offset << 32 | size`. Results are far below 4 GiB: a network's outputs.
fn var_slot(offset: usize, size: usize) -> [u8; 8] {
    (((offset as u64) << 32) | size as u64).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Rows;

    #[test]
    fn a_dense_vector_has_the_bytes_that_spark_writes() {
        // Measured on Spark 3.5 and 4.3: dense(1, 2) takes 72 bytes, the first double at 56.
        let encoder = Encoder::new(&[OutputType::Vector(2)]);
        let mut out = Vec::new();
        let row = encoder.push(&mut out);
        encoder.set(row, 0, [1.0, 2.0]);
        let row = Rows::new(&out, 1).next().unwrap().unwrap();
        assert_eq!(row.len(), 16 + 72);
        let vector = &row[16..];
        assert_eq!(vector[..8], 6u64.to_le_bytes());
        assert_eq!(vector[8..16], 1u64.to_le_bytes());
        assert_eq!(vector[32..40], ((40u64 << 32) | 32).to_le_bytes());
        assert_eq!(vector[40..48], 2u64.to_le_bytes());
        assert_eq!(vector[56..64], 1.0f64.to_le_bytes());
        assert_eq!(vector[64..72], 2.0f64.to_le_bytes());
    }
}
