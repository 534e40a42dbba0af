//! What layers over sequences ask of their inputs.

use crate::layers::error::LayerError;

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
