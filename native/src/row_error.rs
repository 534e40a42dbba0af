//! Rows that cannot be used: what is wrong, where, and what to do about it.

use crate::row::Corrupt;
use crate::values::Values;
use candlewick_protocol::Failure;
use candlewick_protocol::feed::FeatureDomain;
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::text::number;

/// What to do about an invalid row of a fit.
const REMEDY: &str = "correct the data, or set handleInvalid=\"skip\" to leave such rows out";
/// What to do about one that is scored.
const SCORING_REMEDY: &str =
    "correct the data, or set handleInvalid=\"skip\" to leave such rows out or \"keep\" to give them null";
/// And about one that is scored by itself, which has no place in a partition.
const SINGLE_REMEDY: &str = "correct the data; rows of a query that is not scored row by row can be left out, or have null (handleInvalid)";

/// Why a row cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowError {
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

impl From<Corrupt> for RowError {
    fn from(corrupt: Corrupt) -> Self {
        RowError::Corrupt(corrupt)
    }
}

impl RowError {
    fn data(column: &str, what: String) -> RowError {
        RowError::Data {
            column: format!("column '{column}'"),
            what,
        }
    }

    /// A column that is an input of a graph has another number of values than the input's shape.
    pub(crate) fn wrong_input(column: &str, has: usize, wanted: usize) -> RowError {
        RowError::data(column, format!("has {has} values, expected {wanted}"))
    }

    /// Nested arrays are no tensor, or one of another shape; a sparse vector has indices that it cannot have.
    #[must_use]
    pub fn irregular(column: &str, what: &str) -> RowError {
        RowError::data(column, what.to_owned())
    }

    /// The column is null.
    #[must_use]
    pub fn null(column: &str) -> RowError {
        RowError::data(column, "is null".to_owned())
    }

    /// An element is null.
    #[must_use]
    pub fn null_element(column: &str, index: usize, values: &Values<'_>) -> RowError {
        RowError::data(
            column,
            format!("is null at index {index} (it begins with {})", values.show()),
        )
    }

    /// A value is not finite, or not once it is scaled and rounded to f32.
    #[must_use]
    pub fn not_finite(column: &str, index: usize, values: &Values<'_>, scale: f64) -> RowError {
        let place = match values {
            Values::One(_) => String::new(),
            Values::Nested(nested) => format!(" at {}", nested.place_text(index)),
            _ => format!(" at index {index}"),
        };
        let begins = match values {
            Values::One(_) => String::new(),
            _ => format!(" (it begins with {})", values.show()),
        };
        match values.get(index) {
            Err(corrupt) => RowError::Corrupt(corrupt),
            Ok(value) if value.is_nan() => RowError::data(column, format!("is NaN{place}{begins}")),
            Ok(value) if value.is_infinite() => RowError::data(column, format!("is infinite{place}{begins}")),
            Ok(value) => {
                let scaled = if scale == 1.0 {
                    String::new()
                } else {
                    format!(" times scale {scale}")
                };
                let limit = f32::MAX;
                RowError::data(
                    column,
                    format!(
                        "is {value:e}{scaled}{place}, beyond the range of 32-bit floats, which are used for features (at \
                         most {limit:e}); scale the column{begins}"
                    ),
                )
            }
        }
    }

    /// A value is none that its layer takes.
    #[must_use]
    pub fn not_taken(
        column: &str,
        index: usize,
        values: &Values<'_>,
        (value, domain): (f32, FeatureDomain),
    ) -> RowError {
        let expected = match domain {
            FeatureDomain::Index(entries) => format!(
                "but the network looks it up in an embedding of {entries} rows: expected whole numbers from 0 to {} \
                 (a StringIndexer with handleInvalid=\"keep\" needs one row more than it has labels)",
                entries.saturating_sub(1)
            ),
            FeatureDomain::Count => "but the network takes it for a count or weight, and divides by their sum: expected numbers of \
                 at least 0 (an EmbeddingBag with mode=\"sum\" takes any)"
                .to_owned(),
        };
        let value = number(f64::from(value));
        match values {
            Values::One(_) => RowError::data(column, format!("is {value}, {expected}")),
            _ => RowError::data(
                column,
                format!(
                    "is {value} at index {index} (it begins with {}), {expected}",
                    values.show()
                ),
            ),
        }
    }

    /// The features have another number of values than expected.
    #[must_use]
    pub fn wrong_width(
        parts: &[(&str, usize)],
        total: usize,
        wanted: usize,
        first: Option<&Values<'_>>,
    ) -> RowError {
        let begins = first.map_or(String::new(), |values| {
            format!(" (it begins with {})", values.show())
        });
        match parts {
            [(name, _)] => RowError::data(name, format!("has {total} values, expected {wanted}{begins}")),
            _ => {
                let list: Vec<String> = parts
                    .iter()
                    .map(|(name, count)| format!("'{name}' {count}"))
                    .collect();
                let what = format!(
                    "have {total} values in all ({}), expected {wanted}",
                    list.join(", ")
                );
                RowError::Data {
                    column: "the feature columns".to_owned(),
                    what,
                }
            }
        }
    }

    /// The same where the first row of the DataFrame alone says what is expected, and may be the wrong one.
    #[must_use]
    pub(crate) fn unlike_first_row(mut self, wanted: usize) -> RowError {
        if let RowError::Data { what, .. } = &mut self {
            what.push_str(&format!(
                ", as many as the first row of the DataFrame has: if that is the wrong one, set inputShape to the length of the others, not [{wanted}]"
            ));
        }
        self
    }

    /// The failure to report for row `row` of partition `partition` of a fit, both from 0.
    #[must_use]
    pub fn at(&self, partition: u32, row: u64) -> Failure {
        self.with_remedy(partition, row, REMEDY)
    }

    /// The same of a row that is scored, which has no place where it comes by itself.
    #[must_use]
    pub fn when_scored(&self, partition: Option<u32>, row: u64) -> Failure {
        match (partition, self) {
            (Some(partition), _) => self.with_remedy(partition, row, SCORING_REMEDY),
            (None, RowError::Data { column, what }) => scored(&format!("{column} {what}"), None, row),
            (None, RowError::Corrupt(_)) => self.with_remedy(0, row, ""),
        }
    }

    fn with_remedy(&self, partition: u32, row: u64, remedy: &str) -> Failure {
        match self {
            RowError::Data { column, what } => Failure::data(format!(
                "{column} {what}, in partition {partition}, row {row} of it; {remedy}"
            )),
            RowError::Corrupt(Corrupt(what)) => Failure::internal(format!(
                "row {row} of partition {partition} has a layout that this version of Candlewick does not know: {what}"
            )),
        }
    }
}

/// The failure of row `row` of partition `partition`, both from 0, of which `message` says what is wrong.
pub(crate) fn scored(message: &str, partition: Option<u32>, row: u64) -> Failure {
    Failure::data(match partition {
        Some(partition) => format!("{message}, in partition {partition}, row {row} of it; {SCORING_REMEDY}"),
        None => format!("{message}; {SINGLE_REMEDY}"),
    })
}

/// The label has another number of values than the network has outputs, or than `elsewhere` in this column.
#[must_use]
pub fn label_width(column: &str, has: usize, wanted: usize, elsewhere: bool) -> RowError {
    let why = if elsewhere {
        "as in other rows"
    } else {
        "one per output of the network"
    };
    RowError::data(
        column,
        format!("(the label) has {has} values, expected {wanted}, {why}"),
    )
}

/// The weight is no finite number of at least 0.
#[must_use]
pub fn weight(column: &str, value: f64) -> RowError {
    RowError::data(
        column,
        format!(
            "(the weight) is {}: a weight is finite and not negative",
            number(value)
        ),
    )
}

/// Checks the values of a column of the label, whose first one is value `at` of the label.
///
/// # Errors
/// Where one is not finite, or no class.
pub fn check_label(column: &str, kind: &LabelKind, at: usize, values: &[f64]) -> Result<(), RowError> {
    let wrong = |what: String| Err(RowError::data(column, format!("(the label) {what}")));
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
        if !kind.accepts(at + index, *value) {
            return wrong(format!(
                "is {}{place}: {}",
                number(*value),
                classes(kind, at + index)
            ));
        }
    }
    Ok(())
}

/// What a label that is no class should have been.
fn classes(kind: &LabelKind, at: usize) -> String {
    let count = kind.classes_at(at).unwrap_or_default();
    let last = count.saturating_sub(1);
    match kind {
        LabelKind::Class { ignored, .. } => {
            let but = ignored.map_or(String::new(), |ignored| {
                format!(", and {ignored} for rows that do not count")
            });
            format!(
                "the labels of a classifier with {count} classes are the whole numbers 0 to {last}{but}; the number of \
                 classes is the width of the network's last layer (a last layer of width 1 stands for 2 classes)"
            )
        }
        _ => format!(
            "the labels of an output with {count} classes are the whole numbers 0 to {last}; the number of classes is the \
             width of the output (a width of 1 stands for 2 classes)"
        ),
    }
}
