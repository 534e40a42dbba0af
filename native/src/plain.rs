//! Rows whose features are one column of numbers that are all there, the usual ones: read in one go. Whatever is another way is left
//! to [`crate::decode::Decoder`], which also says what is wrong.

use crate::convert;
use crate::row::header_bytes;
use candlewick_protocol::feed::Columns;

/// What the column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlainType {
    /// `array<float>`.
    Floats,
    /// `array<double>`.
    Doubles,
    /// A Vector, of which the dense ones are read.
    Vector,
}

/// A column of features and nothing beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlainColumn {
    /// Fields of a row.
    fields: usize,
    /// Which of them it is.
    ordinal: usize,
    kind: PlainType,
}

/// Bytes of the null bits and slots of a Vector, and the slot of its values.
const VECTOR: (usize, usize) = (4, 3);

impl PlainColumn {
    /// The column that is all that rows are read for, where there is one that holds numbers one after another.
    pub(crate) fn of(columns: &Columns) -> Option<PlainColumn> {
        let [column] = &columns.features[..] else {
            return None;
        };
        let kind = match column.data_type.as_str() {
            "array<float>" => PlainType::Floats,
            "array<double>" => PlainType::Doubles,
            "vector" => PlainType::Vector,
            _ => return None,
        };
        let (fields, ordinal) = (columns.num_fields as usize, column.ordinal as usize);
        let fits = column.width.is_none_or(|width| width == columns.feature_width);
        let alone = columns.labels.is_empty() && columns.weight.is_none() && columns.limits.is_empty();
        (alone && fits && ordinal < fields).then_some(PlainColumn {
            fields,
            ordinal,
            kind,
        })
    }

    /// Writes the values of a row times `scale`. False where the row is not a plain one, or one of its values is not finite; what `out`
    /// holds then is not defined.
    #[inline]
    pub(crate) fn read(&self, row: &[u8], out: &mut [f32], scale: f64) -> bool {
        let Some(column) = field(row, self.fields, self.ordinal) else {
            return false;
        };
        match self.kind {
            PlainType::Floats => {
                elements(column, out.len()).is_some_and(|values| convert::floats(values, out, scale))
            }
            PlainType::Doubles => {
                elements(column, out.len()).is_some_and(|values| convert::doubles(values, out, scale))
            }
            PlainType::Vector => {
                let (fields, values) = VECTOR;
                let dense = column.get(8) == Some(&1);
                let values = field(column, fields, values).filter(|_| dense);
                let values = values.and_then(|values| elements(values, out.len()));
                values.is_some_and(|values| convert::doubles(values, out, scale))
            }
        }
    }
}

/// The variable part of a field that is not null.
#[inline]
fn field(row: &[u8], fields: usize, ordinal: usize) -> Option<&[u8]> {
    let nulls = word(row, ordinal / 64 * 8)?;
    if nulls >> (ordinal % 64) & 1 == 1 {
        return None;
    }
    let slot = word(row, header_bytes(fields) - (fields - ordinal) * 8)?;
    let (offset, size) = ((slot >> 32) as usize, (slot & 0xffff_ffff) as usize);
    row.get(offset..)?.get(..size)
}

/// The elements of an array that has `count` of them and no null.
#[inline]
fn elements<const N: usize>(array: &[u8], count: usize) -> Option<&[[u8; N]]> {
    let nulls = count.div_ceil(64) * 8;
    let there = usize::try_from(word(array, 0)?).ok()? == count;
    let bits = array.get(8..)?.get(..nulls)?;
    if !there || bits.iter().any(|byte| *byte != 0) {
        return None;
    }
    Some(array.get(8 + nulls..)?.get(..count * N)?.as_chunks::<N>().0)
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let found = bytes.get(at..)?.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*found))
}
