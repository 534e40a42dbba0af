//! How large a row may become, and what a layer holds for each place of it.

use super::error::LayerError;
use std::fmt::Display;

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

/// Bytes of a table that a layer holds: networks are read in the driver's JVM too, which memory that is not there would end.
const MAX_TABLE: usize = 256 << 20;

/// Checks the entries of a table of `T` that a layer holds, one for every place that an argument makes, before it asks for the
/// memory.
pub(super) fn check_table<T>(places: usize, argument: &str, given: impl Display) -> Result<(), LayerError> {
    let most = MAX_TABLE / size_of::<T>();
    if places <= most {
        return Ok(());
    }
    Err(format!(
        "{argument}={given} makes {places} places, of each of which it holds where it comes from; expected at most {most}: change \
         {argument}, or make the input smaller"
    )
    .into())
}
