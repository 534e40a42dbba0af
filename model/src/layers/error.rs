//! Why a layer cannot be built.

use crate::arguments::Arguments;
use std::fmt;

/// Why a layer cannot be built. As text it continues the layer's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LayerError {
    /// Its inputs are not what it expects.
    Input {
        /// What it expects.
        expected: String,
        /// What came.
        got: String,
        /// What to change; empty where that goes without saying.
        hint: String,
    },
    /// A size was given that the input does not have.
    Size {
        /// Name of the argument.
        name: String,
        /// What it counts, such as "values in the last dimension".
        what: String,
        /// The size that was given.
        expected: usize,
        /// That of the input.
        got: usize,
        /// Shape of the input, without the batch.
        shape: Vec<usize>,
    },
    /// Its arguments are not legal, or do not fit each other or the input.
    Arguments(String),
}

impl LayerError {
    /// Inputs that are not what a layer expects.
    pub(super) fn input(expected: impl Into<String>, got: impl Into<String>) -> Self {
        LayerError::Input {
            expected: expected.into(),
            got: got.into(),
            hint: String::new(),
        }
    }

    /// A single number, where there must be at least one dimension.
    pub(super) fn single_number() -> Self {
        Self::input("an input of at least one dimension", "a single number")
    }

    /// The same with what to change.
    pub(super) fn hint(self, change: impl Into<String>) -> Self {
        match self {
            LayerError::Input { expected, got, .. } => LayerError::Input {
                expected,
                got,
                hint: change.into(),
            },
            other => other,
        }
    }
}

impl fmt::Display for LayerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayerError::Input { expected, got, hint } => {
                write!(formatter, "expects {expected}, got {got}")?;
                match hint.as_str() {
                    "" => Ok(()),
                    hint => write!(formatter, "; {hint}"),
                }
            }
            LayerError::Size {
                name,
                what,
                expected,
                got,
                shape,
            } => write!(
                formatter,
                "expects {expected} {what} ({name}={expected}), but the input has shape {shape:?}; set {name} to {got} or \
                 leave it out"
            ),
            LayerError::Arguments(message) => formatter.write_str(message),
        }
    }
}

impl From<String> for LayerError {
    fn from(message: String) -> Self {
        LayerError::Arguments(message)
    }
}

impl From<&str> for LayerError {
    fn from(message: &str) -> Self {
        LayerError::Arguments(message.to_owned())
    }
}

/// Sets an inferred size to what the input has of `what`, or checks the one that was given.
pub(super) fn infer(
    arguments: &mut Arguments,
    name: &str,
    got: usize,
    what: &str,
    shape: &[usize],
) -> Result<(), LayerError> {
    match arguments.size(name).filter(|given| *given != got) {
        Some(expected) => Err(LayerError::Size {
            name: name.to_owned(),
            what: what.to_owned(),
            expected,
            got,
            shape: shape.to_vec(),
        }),
        None => {
            arguments.set_size(name, got);
            Ok(())
        }
    }
}
