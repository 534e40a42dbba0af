//! The canary: one row of every type, encoded by the JVM, decoded here, compared there (`candlewick.jni.Canary`).

use crate::decode::Decoder;
use candlewick_protocol::Failure;
use candlewick_protocol::feed::{Column, Columns};
use candlewick_protocol::job::LabelKind;
use serde_json::{Value, json};

/// The types of the row, the same as `candlewick.jni.Canary.TYPES`, with the number of values of each.
const TYPES: [(&str, u32); 16] = [
    ("boolean", 1),
    ("tinyint", 1),
    ("smallint", 1),
    ("int", 1),
    ("bigint", 1),
    ("float", 1),
    ("double", 1),
    ("decimal(10,2)", 1),
    ("decimal(30,2)", 1),
    ("binary", 3),
    ("array<float>", 3),
    ("array<double>", 2),
    ("array<int>", 3),
    ("vector", 2),
    ("vector", 5),
    ("double", 1),
];

/// Decodes the canary row: a list per column, `null` for a column that is null.
///
/// # Errors
/// `Internal` where the bytes are no such row.
pub fn read(row: &[u8]) -> Result<String, Failure> {
    let mut fields = Vec::new();
    for (ordinal, (data_type, width)) in (0u32..).zip(TYPES) {
        fields.push(read_field(row, ordinal, data_type, width)?);
    }
    Ok(Value::from(fields).to_string())
}

fn read_field(row: &[u8], ordinal: u32, data_type: &str, width: u32) -> Result<Value, Failure> {
    let column = Column {
        ordinal,
        name: data_type.to_owned(),
        data_type: data_type.to_owned(),
        width: None,
        sizes: None,
    };
    // Numbers are read as labels too, which keeps all digits of a double.
    let scalar = width == 1;
    let columns = Columns {
        num_fields: u32::try_from(TYPES.len()).unwrap_or(u32::MAX),
        features: vec![column.clone()],
        feature_width: width,
        width_of_first_row: false,
        feature_type: Default::default(),
        scale: None,
        labels: scalar.then_some(column).into_iter().collect(),
        label_kind: scalar.then_some(LabelKind::Real { width: 1 }),
        weight: None,
        validation: None,
        limits: Vec::new(),
        skip_invalid: false,
    };
    let decoder = Decoder::new(&columns)?;
    let mut features = vec![0.0; width as usize];
    let mut labels = vec![0.0; decoder.label_width()];
    match decoder.decode(row, &mut features, &mut labels) {
        Ok(_) if scalar => Ok(json!(labels)),
        Ok(_) => Ok(json!(features)),
        Err(invalid) if invalid == crate::row_error::RowError::null(data_type) => Ok(Value::Null),
        Err(invalid) => Err(Failure::internal(invalid.at(0, 0).message)),
    }
}
