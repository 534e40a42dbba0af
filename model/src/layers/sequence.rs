//! What layers over sequences ask of their arguments and inputs.

use crate::arguments::Arguments;
use crate::layers::error::LayerError;

/// Refuses `batch_first=false`. In PyTorch it says where a batch that the caller stacked has its rows; here a row of
/// the data is one sequence and the engine stacks them, so there is nothing that it could say.
pub(crate) fn check_batch_first(arguments: &Arguments) -> Result<(), LayerError> {
    if arguments.flag("batch_first") {
        return Ok(());
    }
    Err(LayerError::Arguments(
            "batch_first=false is not supported: a row of the data is a sequence [time, features], so the batch is \
         always the first dimension; leave batch_first out or set it to true"
                .to_owned(),
        ))
}

/// Checks the input that tells which steps of a sequence are padding.
pub(crate) fn check_padding(padding: Option<&[usize]>, steps: usize) -> Result<(), LayerError> {
    match padding {
        Some(shape) if *shape != [steps] => Err(LayerError::input(
            format!(
                "a padding mask of shape [{steps}], a number for each step, which is not 0 where the step is padding, as the last input"
            ),
            format!("{shape:?}"),
        )),
        _ => Ok(()),
    }
}
