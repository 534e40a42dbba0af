//! Layers: one trait for those with parameters, one for elementwise functions, and the table that makes them.
//!
//! A new layer is an entry in the catalogue, a file here and a line in its family's table; neither the engine nor the
//! trainer knows any layer by name.

mod activation;
mod attention;
mod bilinear;
mod convolution;
mod counts;
mod dropout;
mod embedding;
mod error;
mod glu;
mod join;
mod limits;
mod linear;
mod module;
mod normalization;
mod padding;
mod parameters;
mod pooling;
mod power_pool;
mod prelu;
mod recurrent;
mod sequence;
mod shape;
mod softmax;
mod step;
mod table;

use crate::arguments::Arguments;
pub(crate) use attention::sines;
#[cfg(any(test, feature = "candle"))]
pub(crate) use dropout::Dropout as RandomZeros;
use error::LayerError;
pub(crate) use join::{join_outputs, select};
pub(crate) use limits::{MAX_ELEMENTS, check_output, elements};
#[cfg(any(test, feature = "candle"))]
pub(crate) use module::StepNorm;
pub(crate) use module::{
    BackwardInputs, BuiltLayer, Context, Elementwise, ElementwiseContext, Module, Operation, SavedForBackward,
};
use module::{Family, MakeJoin};
#[cfg(any(test, feature = "candle"))]
pub(crate) use normalization::{
    Centres, NormBackward, NormForward, NormLayout, NormPart, Slopes, Sums, places,
};
pub(crate) use padding::Around;
#[cfg(any(test, feature = "candle"))]
pub(crate) use padding::sides;
pub(crate) use parameters::{Init, ParameterSpec, uniform_by_fan};
pub(crate) use sequence::check_padding;
pub(crate) use shape::nearest;
pub use step::{Alone, Exchange, Slice};
pub(crate) use step::{RowKey, Training};
#[cfg(any(test, feature = "candle"))]
pub(crate) use table::{RowTable, index};

/// How the layers of the catalogue are made, in its order.
const FAMILIES: &[Family] = &[
    linear::LAYERS,
    embedding::LAYERS,
    attention::LAYERS,
    activation::LAYERS,
    convolution::LAYERS,
    pooling::LAYERS,
    power_pool::LAYERS,
    softmax::LAYERS,
    prelu::LAYERS,
    glu::LAYERS,
    normalization::LAYERS,
    dropout::LAYERS,
    shape::LAYERS,
    padding::LAYERS,
];

/// Layers of several inputs.
const JOINS: &[&[(&str, MakeJoin)]] = &[join::JOINS, bilinear::JOINS, attention::JOINS, recurrent::JOINS];

/// Makes the layer that `arguments` describe.
pub(crate) fn make(
    arguments: &mut Arguments,
    inputs: &[&[usize]],
    path: &str,
) -> Result<BuiltLayer, LayerError> {
    let name = arguments.name();
    let mut joins = JOINS.iter().copied().flatten();
    if let Some((_, make)) = joins.find(|(join, _)| *join == name) {
        return make(arguments, inputs, path);
    }
    let &[input] = inputs else {
        return Err(format!("takes one input, got {}", inputs.len()).into());
    };
    let mut layers = FAMILIES.iter().copied().flatten();
    match layers.find(|(layer, _)| *layer == name) {
        Some((_, make)) => make(arguments, input, path),
        None => Err(format!("{name} cannot be made by this version").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Kind, entries};

    #[test]
    fn every_layer_of_the_catalogue_can_be_made() {
        let mut listed: Vec<&str> = entries()
            .filter(|entry| entry.kind == Kind::Layer)
            .map(|entry| entry.name)
            .collect();
        let one = FAMILIES.iter().copied().flatten().map(|(name, _)| *name);
        let joins = JOINS.iter().copied().flatten().map(|(name, _)| *name);
        let composites = crate::network::composites();
        let mut made: Vec<&str> = one.chain(joins).chain(composites).collect();
        listed.sort_unstable();
        made.sort_unstable();
        assert_eq!(listed, made);
    }
}
