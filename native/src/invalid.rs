//! Rows that cannot be used: what is wrong, where, and what to do about it.

use crate::number::Number;
use crate::row::{Array, Corrupt};
use candlewick_protocol::Failure;
use candlewick_protocol::job::LabelKind;
use std::fmt::Write;

const REMEDY: &str = "correct the data, or set handleInvalid=\"skip\" to leave such rows out";
/// Values that a message shows.
const SHOWN: usize = 6;

/// Why a row cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalid {
    /// The data is wrong; such rows can be skipped.
    Data {
        /// The column.
        column: String,
        /// What is wrong with it.
        what: String,
    },
    /// The bytes are wrong, which nothing excuses.
    Corrupt(Corrupt),
}

impl From<Corrupt> for Invalid {
    fn from(corrupt: Corrupt) -> Self {
        Invalid::Corrupt(corrupt)
    }
}

/// The values of one column in one row, not yet converted.
#[derive(Debug, Clone)]
pub enum Values<'a> {
    /// A number.
    One(f64),
    /// Unsigned bytes.
    Bytes(&'a [u8]),
    /// An array of numbers, or a dense vector.
    Array(Number, Array<'a>),
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

    /// The first values for a message: `[0, 1.5, null, ...]`.
    fn show(&self) -> String {
        let mut text = String::from("[");
        for index in 0..self.len().min(SHOWN) {
            let separator = if index == 0 { "" } else { ", " };
            let null = matches!(self, Values::Array(_, array) if array.is_null(index));
            let _ = match (null, self.get(index)) {
                (true, _) => write!(text, "{separator}null"),
                (false, Ok(value)) => write!(text, "{separator}{value}"),
                (false, Err(_)) => write!(text, "{separator}?"),
            };
        }
        text + if self.len() > SHOWN { ", ...]" } else { "]" }
    }
}

impl Invalid {
    fn data(column: &str, what: String) -> Invalid {
        Invalid::Data {
            column: format!("column '{column}'"),
            what,
        }
    }

    /// A column that is an input of a graph has another number of values than the input's shape.
    pub(crate) fn wrong_input(column: &str, has: usize, wanted: usize) -> Invalid {
        Invalid::data(
            column,
            format!("has {has} values, but this input of the network has {wanted}"),
        )
    }

    /// The column is null.
    #[must_use]
    pub fn null(column: &str) -> Invalid {
        Invalid::data(column, "is null".to_owned())
    }

    /// An element is null.
    #[must_use]
    pub fn null_element(column: &str, index: usize, values: &Values<'_>) -> Invalid {
        Invalid::data(
            column,
            format!("is null at index {index} (it begins with {})", values.show()),
        )
    }

    /// A value is not finite, or not once it is scaled and rounded to f32.
    #[must_use]
    pub fn not_finite(column: &str, index: usize, values: &Values<'_>, scale: f64) -> Invalid {
        let place = match values {
            Values::One(_) => String::new(),
            _ => format!(" at index {index}"),
        };
        let begins = match values {
            Values::One(_) => String::new(),
            _ => format!(" (it begins with {})", values.show()),
        };
        match values.get(index) {
            Err(corrupt) => Invalid::Corrupt(corrupt),
            Ok(value) if value.is_nan() => Invalid::data(column, format!("is NaN{place}{begins}")),
            Ok(value) if value.is_infinite() => Invalid::data(column, format!("is infinite{place}{begins}")),
            Ok(value) => {
                let scaled = if scale == 1.0 {
                    String::new()
                } else {
                    format!(" times scale {scale}")
                };
                let limit = f32::MAX;
                Invalid::data(
                    column,
                    format!(
                        "is {value:e}{scaled}{place}, beyond the range of 32-bit floats, which are used for features (at \
                         most {limit:e}); scale the column{begins}"
                    ),
                )
            }
        }
    }

    /// The features have another number of values than expected.
    #[must_use]
    pub fn wrong_width(
        parts: &[(&str, usize)],
        total: usize,
        wanted: usize,
        first: Option<&Values<'_>>,
    ) -> Invalid {
        let begins = first.map_or(String::new(), |values| {
            format!(" (it begins with {})", values.show())
        });
        match parts {
            [(name, _)] => Invalid::data(name, format!("has {total} values, expected {wanted}{begins}")),
            _ => {
                let list: Vec<String> = parts
                    .iter()
                    .map(|(name, count)| format!("'{name}' {count}"))
                    .collect();
                let what = format!(
                    "have {total} values in all ({}), expected {wanted}",
                    list.join(", ")
                );
                Invalid::Data {
                    column: "the feature columns".to_owned(),
                    what,
                }
            }
        }
    }

    /// The failure to report for row `row` of partition `partition`, both from 0.
    #[must_use]
    pub fn at(&self, partition: u32, row: u64) -> Failure {
        match self {
            Invalid::Data { column, what } => Failure::data(format!(
                "{column} {what}, in partition {partition}, row {row} of it; {REMEDY}"
            )),
            Invalid::Corrupt(Corrupt(what)) => Failure::internal(format!(
                "row {row} of partition {partition} has a layout that this version of Candlewick does not know: {what}"
            )),
        }
    }
}

/// The label has another number of values than the network has outputs.
#[must_use]
pub fn label_width(column: &str, has: usize, wanted: usize) -> Invalid {
    Invalid::data(
        column,
        format!("(the label) has {has} values, expected {wanted}, one per output of the network"),
    )
}

/// The weight is no finite number of at least 0.
#[must_use]
pub fn weight(column: &str, value: f64) -> Invalid {
    Invalid::data(
        column,
        format!("(the weight) is {value}: a weight is finite and not negative"),
    )
}

/// Checks the label's values.
///
/// # Errors
/// Where one is not finite, or no class.
pub fn check_label(column: &str, kind: &LabelKind, values: &[f64]) -> Result<(), Invalid> {
    let wrong = |what: String| Err(Invalid::data(column, format!("(the label) {what}")));
    for (index, value) in values.iter().enumerate() {
        let place = if values.len() == 1 {
            String::new()
        } else {
            format!(" at index {index}")
        };
        if !value.is_finite() {
            return wrong(format!(
                "is {}{place}",
                if value.is_nan() { "NaN" } else { "infinite" }
            ));
        }
        if let LabelKind::Class { num_classes, ignored } = kind
            && !kind.ignores(*value)
            && (*value < 0.0 || *value >= f64::from(*num_classes) || value.fract() != 0.0)
        {
            let last = num_classes.saturating_sub(1);
            let but = ignored.map_or(String::new(), |ignored| {
                format!(", and {ignored} for rows that do not count")
            });
            return wrong(format!(
                "is {value}: the labels of a classifier with {num_classes} classes are the whole numbers 0 to {last}{but}; the \
                 number of classes is the width of the network's last layer (a last layer of width 1 stands for 2 classes)"
            ));
        }
    }
    Ok(())
}
