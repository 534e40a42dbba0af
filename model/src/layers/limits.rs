//! How large a row may become.

use super::error::LayerError;

/// Parameters a network can have, and elements a row can have anywhere in it.
pub(crate) const MAX_ELEMENTS: usize = 1 << 31;

/// Elements of a shape, if there are at most [`MAX_ELEMENTS`].
pub(crate) fn elements(shape: &[usize]) -> Option<usize> {
    let product = shape
        .iter()
        .try_fold(1usize, |product, size| product.checked_mul(*size))?;
    (product <= MAX_ELEMENTS).then_some(product)
}

/// Checks the shape of an output. The network does so for every layer it is given; a layer that holds something for
/// each element of its output does so before it asks for the memory.
pub(crate) fn check_output(shape: &[usize]) -> Result<(), LayerError> {
    match elements(shape) {
        Some(_) => Ok(()),
        None => {
            Err(format!("its output of shape {shape:?} has more than {MAX_ELEMENTS} elements a row").into())
        }
    }
}
