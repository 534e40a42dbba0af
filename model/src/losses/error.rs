//! Why a loss cannot be built, or does not fit a network.

use candlewick_protocol::Failure;
use std::fmt;

/// Why a loss cannot be built, or does not fit a network. As text it continues the loss's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LossError {
    /// An argument is not legal.
    Argument {
        /// Its name.
        name: &'static str,
        /// What it is.
        value: String,
        /// What was expected.
        expected: &'static str,
    },
    /// There are not as many weights as outputs.
    Weights {
        /// Name of the argument.
        name: &'static str,
        /// Weights that were given.
        given: usize,
        /// Outputs of the network.
        outputs: usize,
        /// What the argument expects.
        expected: &'static str,
    },
    /// The network has a number of outputs that the loss cannot read.
    Outputs {
        /// What it reads.
        reads: String,
        /// Outputs of the network.
        width: usize,
        /// What to end the network with.
        end: String,
    },
    /// A loss by this name is not in this version.
    Unknown,
    /// It cannot stand where it does: alone, or in a sum of losses.
    Misplaced(&'static str),
    /// Its losses read outputs or labels that do not fit each other or the network.
    Terms(String),
    /// The documents of its losses are not legal.
    Document(Failure),
    /// One of its losses cannot be built.
    Inner {
        /// Name of that loss.
        name: &'static str,
        /// What is wrong with it.
        error: Box<LossError>,
    },
    /// One of its losses does not fit the outputs that it reads.
    Term {
        /// Name of that loss.
        name: &'static str,
        /// What is wrong with it.
        error: Box<LossError>,
    },
    /// Its losses cannot be added up.
    Sum(Box<LossError>),
}

impl LossError {
    /// The error of a loss within another.
    pub(super) fn of(self, name: &'static str) -> Self {
        LossError::Inner {
            name,
            error: Box::new(self),
        }
    }

    /// The failure of the loss called `name`.
    pub(super) fn failure(&self, name: &str) -> Failure {
        Failure::parameter(format!("{name} {self}"))
    }
}

impl fmt::Display for LossError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LossError::Argument {
                name,
                value,
                expected,
            } => {
                write!(formatter, "has {name} = {value}: expected {expected}")
            }
            LossError::Weights {
                name,
                given,
                outputs,
                expected,
            } => write!(
                formatter,
                "has a {name} of {given} number(s), but the network has {outputs} output(s): {name} expects {expected}"
            ),
            LossError::Outputs { reads, width, end } => write!(
                formatter,
                "reads {reads}, but the network ends in width {width}; end it with {end}"
            ),
            LossError::Unknown => formatter.write_str("cannot be made by this version"),
            LossError::Misplaced(message) => formatter.write_str(message),
            LossError::Terms(message) => formatter.write_str(message),
            LossError::Document(failure) => formatter.write_str(&failure.message),
            LossError::Inner { name, error } => write!(formatter, "{name} {error}"),
            LossError::Term { name, error } => write!(formatter, "has a {name} that {error}"),
            LossError::Sum(error) => write!(formatter, "cannot add up its losses: {error}"),
        }
    }
}

/// Checks that there are no weights, or one for each of `outputs`.
pub(super) fn check_weights(
    name: &'static str,
    given: usize,
    outputs: usize,
    expected: &'static str,
) -> Result<(), LossError> {
    if given == 0 || given == outputs {
        return Ok(());
    }
    Err(LossError::Weights {
        name,
        given,
        outputs,
        expected,
    })
}
