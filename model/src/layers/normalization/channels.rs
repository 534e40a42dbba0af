//! What layers that normalise ask of their channels.

use crate::arguments::Arguments;
use crate::layers::error::{LayerError, infer};
use crate::layers::{Init, ParameterSpec};

/// Factor and summand of `shape`, from 1 and 0.
pub(super) fn affine_specs(shape: &[usize], weight: bool, bias: bool) -> Vec<ParameterSpec> {
    let one = weight.then(|| ParameterSpec::new("weight", shape, Init::Constant(1.0)));
    let zero = bias.then(|| ParameterSpec::new("bias", shape, Init::Constant(0.0)));
    one.into_iter().chain(zero).collect()
}

/// Checks an inferred number of channels against the input's first dimension.
pub(super) fn channels(arguments: &mut Arguments, name: &str, input: &[usize]) -> Result<usize, LayerError> {
    let Some(&channels) = input.first() else {
        return Err(LayerError::input(
            "an input of at least one dimension, the channels",
            "a single number",
        ));
    };
    infer(
        arguments,
        name,
        channels,
        "channels in the first dimension",
        input,
    )?;
    Ok(channels)
}
