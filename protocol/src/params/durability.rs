//! Checkpoints, and models that training goes on from.

use super::{Param, Scope, ints, param};
use crate::value::{MAX_SIZE, Range, ValueType};

/// In the order of the documentation.
pub(super) const PARAMS: &[Param] = &[
    param(
        "checkpointDir",
        Scope::Estimator,
        ValueType::Text,
        Range::Any,
        None,
        "Folder on any Hadoop filesystem for checkpoints of the training. A fit of the same data and parameters (others than epochs, trainers and timeouts) goes on from the newest one there, with the bits of a fit that nobody ended. Not set: no checkpoints.",
    ),
    param(
        "checkpointInterval",
        Scope::Estimator,
        ValueType::Int,
        Range::IntsOr {
            min: 1,
            max: MAX_SIZE - 1,
            or: -1,
        },
        Some("1"),
        "Epochs between checkpoints, where checkpointDir is set. -1: none at the end of epochs but the last one.",
    ),
    param(
        "checkpointSteps",
        Scope::Estimator,
        ValueType::Int,
        ints(1, MAX_SIZE - 1),
        None,
        "Steps between checkpoints, where checkpointDir is set, beside those of checkpointInterval. Not set: none within epochs.",
    ),
    param(
        "keepCheckpoints",
        Scope::Estimator,
        ValueType::Int,
        ints(1, MAX_SIZE - 1),
        Some("2"),
        "The newest checkpoints that are kept; older ones are deleted. With one there is none to go back to where it is damaged.",
    ),
    param(
        "saveOptimizer",
        Scope::Estimator,
        ValueType::Bool,
        Range::Any,
        Some("false"),
        "Whether the model keeps the state that the training ended with, that of the optimiser too, so that a later fit can go on from it (resumeOptimizer). Saving the model writes it into the folder optimizer/. It has the size of the weights and of all that the optimiser keeps beside them: three times the weights with Adam.",
    ),
    param(
        "resumeOptimizer",
        Scope::Estimator,
        ValueType::Bool,
        Range::Any,
        Some("false"),
        "Whether training goes on where that of the initial model (setInitialModel) ended, with its optimiser, schedule and history, and not from its weights with a new optimiser. The model must have been fitted with saveOptimizer=true, from the same rows and parameters. epochs counts from the beginning: a model of 3 epochs and then epochs=6 give the bits of 6 epochs at once.",
    ),
];
