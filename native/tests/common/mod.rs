//! Rows as Spark writes them, for tests.
#![allow(dead_code)] // each test binary uses its part

use candlewick_native::decode::Decoder;
use candlewick_native::row_error::RowError;
use candlewick_protocol::feed::{Column, Columns};

/// Features, label and weight of a row.
pub type Decoded = (Vec<f32>, Vec<f64>, f64);

/// What a decoder of these columns reads of a row.
pub fn decode(columns: &Columns, bytes: &[u8]) -> Result<Decoded, RowError> {
    let decoder = Decoder::new(columns).unwrap();
    let (mut values, mut labels) = (vec![0.0; decoder.width()], vec![0.0; decoder.label_width()]);
    decoder
        .decode(bytes, &mut values, &mut labels)
        .map(|weight| (values, labels, weight))
}

/// A field's value.
#[derive(Debug, Clone)]
pub enum Field {
    Null,
    Boolean(bool),
    Tiny(i8),
    Short(i16),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    /// Unscaled value of a decimal of at most 18 digits.
    Decimal(i64),
    /// Big-endian unscaled value.
    WideDecimal(Vec<u8>),
    Binary(Vec<u8>),
    /// Elements, each as its bytes, `None` for null.
    Array(Vec<Option<Vec<u8>>>),
    Dense(Vec<f64>),
    Sparse(usize, Vec<i32>, Vec<f64>),
}

pub fn floats(values: &[f32]) -> Field {
    Field::Array(
        values
            .iter()
            .map(|value| Some(value.to_le_bytes().to_vec()))
            .collect(),
    )
}

pub fn doubles(values: &[f64]) -> Field {
    Field::Array(
        values
            .iter()
            .map(|value| Some(value.to_le_bytes().to_vec()))
            .collect(),
    )
}

/// An UnsafeRow.
pub fn row(fields: &[Field]) -> Vec<u8> {
    let nulls = fields.len().div_ceil(64) * 8;
    let mut row = vec![0; nulls + fields.len() * 8];
    for (index, field) in fields.iter().enumerate() {
        let mut slot = [0; 8];
        let mut put = |bytes: &[u8]| slot[..bytes.len()].copy_from_slice(bytes);
        match field {
            Field::Null => row[index / 8] |= 1 << (index % 8),
            Field::Boolean(value) => put(&[u8::from(*value)]),
            Field::Tiny(value) => put(&value.to_le_bytes()),
            Field::Short(value) => put(&value.to_le_bytes()),
            Field::Int(value) => put(&value.to_le_bytes()),
            Field::Long(value) | Field::Decimal(value) => put(&value.to_le_bytes()),
            Field::Float(value) => put(&value.to_le_bytes()),
            Field::Double(value) => put(&value.to_le_bytes()),
            Field::WideDecimal(bytes) => {
                put(&(((row.len() as u64) << 32) | bytes.len() as u64).to_le_bytes());
                let end = row.len() + 16;
                row.extend(bytes);
                row.resize(end, 0);
            }
            other => {
                let bytes = variable(other);
                put(&(((row.len() as u64) << 32) | bytes.len() as u64).to_le_bytes());
                row.extend(bytes);
                row.resize(row.len().next_multiple_of(8), 0);
            }
        }
        row[nulls + index * 8..nulls + index * 8 + 8].copy_from_slice(&slot);
    }
    row
}

/// An array of arrays, each as its bytes, `None` for null.
pub fn nested(arrays: &[Option<Vec<u8>>]) -> Field {
    let mut bytes = (arrays.len() as u64).to_le_bytes().to_vec();
    let nulls = bytes.len();
    bytes.resize(nulls + arrays.len().div_ceil(64) * 8, 0);
    let slots = bytes.len();
    bytes.resize(slots + arrays.len() * 8, 0);
    for (index, array) in arrays.iter().enumerate() {
        let Some(array) = array else {
            bytes[nulls + index / 8] |= 1 << (index % 8);
            continue;
        };
        let slot = ((bytes.len() as u64) << 32) | array.len() as u64;
        bytes[slots + index * 8..slots + index * 8 + 8].copy_from_slice(&slot.to_le_bytes());
        bytes.extend(array);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    // Laid out already: the same bytes as a binary field has.
    Field::Binary(bytes)
}

pub fn variable(field: &Field) -> Vec<u8> {
    match field {
        Field::Binary(bytes) => bytes.clone(),
        Field::Array(elements) => array(elements),
        Field::Dense(values) => vector(&[Field::Tiny(1), Field::Null, Field::Null, doubles(values)]),
        Field::Sparse(size, indices, values) => {
            let indices = indices
                .iter()
                .map(|index| Some(index.to_le_bytes().to_vec()))
                .collect();
            vector(&[
                Field::Tiny(0),
                Field::Int(*size as i32),
                Field::Array(indices),
                doubles(values),
            ])
        }
        other => panic!("{other:?} has no variable part"),
    }
}

fn vector(fields: &[Field]) -> Vec<u8> {
    row(fields)
}

fn array(elements: &[Option<Vec<u8>>]) -> Vec<u8> {
    let width = elements.iter().flatten().map(Vec::len).next().unwrap_or(8);
    let mut bytes = (elements.len() as u64).to_le_bytes().to_vec();
    let nulls = bytes.len();
    bytes.resize(nulls + elements.len().div_ceil(64) * 8, 0);
    for (index, element) in elements.iter().enumerate() {
        if element.is_none() {
            bytes[nulls + index / 8] |= 1 << (index % 8);
        }
        bytes.extend(element.clone().unwrap_or_else(|| vec![0; width]));
    }
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// Rows framed as the JVM hands them over.
pub fn batch(rows: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows {
        bytes.extend((row.len() as u32).to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(row);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    bytes
}

pub fn column(ordinal: u32, name: &str, data_type: &str) -> Column {
    Column {
        ordinal,
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        width: None,
        sizes: None,
    }
}

/// Features only.
pub fn features(num_fields: u32, columns: &[(u32, &str, &str)], width: u32) -> Columns {
    Columns {
        num_fields,
        features: columns
            .iter()
            .map(|(ordinal, name, data_type)| column(*ordinal, name, data_type))
            .collect(),
        feature_width: width,
        width_of_first_row: false,
        feature_type: Default::default(),
        scale: None,
        labels: Vec::new(),
        label_kind: None,
        weight: None,
        validation: None,
        limits: Vec::new(),
        skip_invalid: false,
    }
}

/// splitmix64: a random source that gives the same numbers for ever.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
