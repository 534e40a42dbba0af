//! Spark's UnsafeRow and UnsafeArrayData as views of bytes. Every read is checked against the row's size: a corrupt row is
//! an error, never undefined behaviour.
//!
//! Layout, little endian: `[null bits: 8 bytes per 64 fields][8 bytes per field][variable part]`. A field of fixed width
//! lies in the low bytes of its 8; any other holds `offset << 32 | size`, counted from the start of the row.

use candlewick_protocol::Failure;

/// The bytes are not what they claim to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corrupt(pub String);

impl From<Corrupt> for Failure {
    fn from(corrupt: Corrupt) -> Self {
        Failure::internal(format!(
            "a row has a layout this version does not know: {}",
            corrupt.0
        ))
    }
}

/// Bytes of the header of a row of `fields` fields.
#[must_use]
pub const fn header_bytes(fields: usize) -> usize {
    fields.div_ceil(64) * 8 + fields * 8
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    bytes: &'a [u8],
    fields: usize,
}

impl<'a> Row<'a> {
    /// Views `bytes` as a row of `fields` fields.
    ///
    /// # Errors
    /// Where the header does not fit.
    pub fn new(bytes: &'a [u8], fields: usize) -> Result<Self, Corrupt> {
        let header = header_bytes(fields);
        if bytes.len() < header {
            let has = bytes.len();
            return Err(Corrupt(format!(
                "{has} bytes are too few for {fields} fields, which need {header}"
            )));
        }
        Ok(Row { bytes, fields })
    }

    /// True where field `index` is null. A field that is not there counts as null.
    #[must_use]
    pub fn is_null(&self, index: usize) -> bool {
        index >= self.fields
            || word(self.bytes, index / 64 * 8).is_none_or(|bits| bits >> (index % 64) & 1 == 1)
    }

    /// The 8 bytes of field `index`.
    ///
    /// # Errors
    /// Where there is no such field.
    pub fn slot(&self, index: usize) -> Result<[u8; 8], Corrupt> {
        let at = self.fields.div_ceil(64) * 8 + index * 8;
        if index >= self.fields {
            return Err(Corrupt(format!(
                "there is no field {index} in a row of {}",
                self.fields
            )));
        }
        bytes_at(self.bytes, at)
    }

    /// The variable part of field `index`.
    ///
    /// # Errors
    /// Where it lies outside the row.
    pub fn variable(&self, index: usize) -> Result<&'a [u8], Corrupt> {
        part(self.bytes, u64::from_le_bytes(self.slot(index)?))
    }
}

/// An array.
#[derive(Debug, Clone, Copy)]
pub struct Array<'a> {
    bytes: &'a [u8],
    len: usize,
}

impl<'a> Array<'a> {
    /// Views `bytes` as an array.
    ///
    /// # Errors
    /// Where the null bits do not fit.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let count = word(bytes, 0).ok_or_else(|| Corrupt("an array without a header".to_owned()))?;
        // Each element has a bit at least, so a count beyond the bytes is wrong; this also keeps the sums below in range.
        let len = usize::try_from(count)
            .ok()
            .filter(|len| *len <= bytes.len().saturating_mul(8));
        let len =
            len.ok_or_else(|| Corrupt(format!("an array of {count} elements in {} bytes", bytes.len())))?;
        let header = 8 + len.div_ceil(64) * 8;
        if bytes.len() < header {
            return Err(Corrupt(format!(
                "an array of {len} elements in {} bytes",
                bytes.len()
            )));
        }
        Ok(Array { bytes, len })
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// True where element `index` is null or not there.
    #[must_use]
    pub fn is_null(&self, index: usize) -> bool {
        index >= self.len
            || word(self.bytes, 8 + index / 64 * 8).is_none_or(|bits| bits >> (index % 64) & 1 == 1)
    }

    /// Index of the first element that is null.
    #[must_use]
    pub fn first_null(&self) -> Option<usize> {
        let words = self.bytes[8..8 + self.len.div_ceil(64) * 8].as_chunks::<8>().0;
        let (at, bits) = words
            .iter()
            .map(|word| u64::from_le_bytes(*word))
            .enumerate()
            .find(|(_, bits)| *bits != 0)?;
        Some(at * 64 + bits.trailing_zeros() as usize).filter(|index| *index < self.len)
    }

    /// The elements, each `N` bytes.
    ///
    /// # Errors
    /// Where they lie outside the array.
    pub fn elements<const N: usize>(&self) -> Result<&'a [[u8; N]], Corrupt> {
        let from = 8 + self.len.div_ceil(64) * 8;
        let bytes = self.bytes.get(from..from + self.len * N);
        let bytes = bytes.ok_or_else(|| {
            Corrupt(format!(
                "{} elements of {N} bytes do not fit into an array of {} bytes",
                self.len,
                self.bytes.len()
            ))
        })?;
        Ok(bytes.as_chunks::<N>().0)
    }

    /// The variable part that element `slot` (one of [`Array::elements`]) points to.
    ///
    /// # Errors
    /// Where it lies outside the array.
    pub fn variable(&self, slot: [u8; 8]) -> Result<&'a [u8], Corrupt> {
        part(self.bytes, u64::from_le_bytes(slot))
    }
}

/// The part of `bytes` that a slot names.
fn part(bytes: &[u8], slot: u64) -> Result<&[u8], Corrupt> {
    let (offset, size) = ((slot >> 32) as usize, (slot & 0xffff_ffff) as usize);
    let part = offset.checked_add(size).and_then(|end| bytes.get(offset..end));
    part.ok_or_else(|| {
        Corrupt(format!(
            "a value of {size} bytes at {offset} in a row or array of {}",
            bytes.len()
        ))
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes_at(bytes, at).ok().map(u64::from_le_bytes)
}

fn bytes_at(bytes: &[u8], at: usize) -> Result<[u8; 8], Corrupt> {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
    found
        .copied()
        .ok_or_else(|| Corrupt(format!("8 bytes at {at} of {}", bytes.len())))
}

/// A batch of rows as the JVM hands it over: `[u32 size][u32 0][row][zeros up to a multiple of 8]` for each.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Rows<'a> {
    /// The `count` rows in `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8], count: usize) -> Self {
        Rows {
            rest: bytes,
            left: count,
        }
    }

    fn take(&mut self) -> Result<&'a [u8], Corrupt> {
        let wrong = || Corrupt("a batch that ends inside a row".to_owned());
        let head = self.rest.first_chunk::<8>().ok_or_else(wrong)?;
        let size = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let row = self.rest.get(8..8 + size).ok_or_else(wrong)?;
        self.rest = self.rest.get(8 + size.next_multiple_of(8)..).unwrap_or_default();
        Ok(row)
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<&'a [u8], Corrupt>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let row = self.take();
        // After a break nothing that follows can be found.
        self.left = if row.is_ok() { self.left - 1 } else { 0 };
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_outside_are_errors() {
        assert!(Row::new(&[0; 15], 1).is_err());
        let row = [0u64.to_le_bytes(), ((8u64 << 32) | 9).to_le_bytes()].concat();
        let row = Row::new(&row, 1).unwrap();
        assert!(!row.is_null(0) && row.is_null(1));
        assert!(row.variable(0).is_err());
        assert!(row.slot(1).is_err());
        assert!(Array::new(&[0; 7]).is_err());
        assert!(Array::new(&u64::MAX.to_le_bytes()).is_err());
        assert!(
            Array::new(&[3u64.to_le_bytes(), [0; 8]].concat())
                .unwrap()
                .elements::<4>()
                .is_err()
        );
    }

    #[test]
    fn nulls_of_an_array() {
        let bytes = [70u64.to_le_bytes(), [0; 8], 4u64.to_le_bytes()].concat();
        assert_eq!(Array::new(&bytes).unwrap().first_null(), Some(66));
    }

    #[test]
    fn a_batch_of_rows_and_a_broken_one() {
        let mut bytes = Vec::new();
        for row in [&b"abc"[..], &b"12345678"[..]] {
            bytes.extend((row.len() as u32).to_le_bytes());
            bytes.extend([0; 4]);
            bytes.extend(row);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        let rows: Vec<_> = Rows::new(&bytes, 2).collect::<Result<_, _>>().unwrap();
        assert_eq!(rows, [&b"abc"[..], &b"12345678"[..]]);
        assert_eq!(Rows::new(&bytes, 3).filter(Result::is_err).count(), 1);
        assert!(Rows::new(&bytes[..20], 2).any(|row| row.is_err()));
    }
}
