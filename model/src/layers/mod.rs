//! Layers: one trait for those with parameters, one for elementwise functions, and the table that makes them.
//!
//! A new layer is an entry in the catalogue, a file here and a line in its family's table; neither the engine nor the trainer
//! knows any layer by name.

mod activation;
mod dropout;
mod flatten;
mod linear;

use crate::arguments::Arguments;
use crate::kernels::{Kernels, Level, Program};
use std::fmt::Debug;
use std::sync::Arc;

/// What a layer does to its input.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// Changes the shape only.
    View,
    /// Changes every element by itself.
    Map(Arc<dyn Map>),
    /// Has parameters, or mixes elements.
    Module(Arc<dyn Module>),
}

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Init {
    /// Uniform in ±bound.
    Uniform(f32),
}

/// A parameter of a layer.
#[derive(Debug, Clone)]
pub(crate) struct ParameterSpec {
    /// Name within the layer: `weight`, `bias`.
    pub name: &'static str,
    /// Shape, PyTorch's.
    pub shape: Vec<usize>,
    /// How it starts.
    pub init: Init,
}

/// What the gradient of a map needs to see again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// Neither side.
    Nothing,
    /// Its input: it cannot overwrite it.
    Input,
    /// Its output: the next layer cannot overwrite it.
    Output,
}

/// Where a row comes from: random numbers depend on it, not on its position in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowKey {
    /// Logical shard.
    pub shard: u32,
    /// Row in the slice.
    pub row: u32,
}

/// What a map knows beside the values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MapContext<'a> {
    /// Instruction set.
    pub level: Level,
    /// Elements in a row.
    pub width: usize,
    /// Seed of the job.
    pub seed: u64,
    /// Global step.
    pub step: u64,
    /// The rows, while training.
    pub rows: &'a [RowKey],
}

/// A layer that changes every element by itself, in place.
pub(crate) trait Map: Debug + Send + Sync {
    /// What [`Map::backward`] needs to see.
    fn keeps(&self) -> Keeps;

    /// True where the layer is the identity when scoring.
    fn only_training(&self) -> bool {
        false
    }

    /// Cost of an element, in multiples of an addition; decides what is worth a thread.
    fn cost(&self) -> usize;

    /// Replaces whole rows of the input by the output.
    fn forward(&self, context: &MapContext<'_>, values: &mut [f32]);

    /// Replaces whole rows of the output's gradient by the input's; `kept` is the input, the output, or empty.
    fn backward(&self, context: &MapContext<'_>, kept: &[f32], gradient: &mut [f32]);
}

/// A layer with parameters. Its weights lie one after another in the order of [`Module::parameters`].
///
/// A row's output and input gradient must have the same bits whatever rows it is computed with.
pub(crate) trait Module: Debug + Send + Sync {
    /// The parameters, in order.
    fn parameters(&self) -> Vec<ParameterSpec>;

    /// Output of `rows` rows.
    fn forward(&self, kernels: &mut Kernels, weights: &[f32], rows: usize, input: &[f32], output: &mut [f32]);

    /// Gradient of the input of `rows` rows.
    fn input_gradient(
        &self,
        kernels: &mut Kernels,
        weights: &[f32],
        rows: usize,
        gradient: &[f32],
        into: &mut [f32],
    );

    /// Gradient of one parameter over a node of the reduction tree.
    fn parameter_gradient(
        &self,
        kernels: &mut Kernels,
        parameter: usize,
        tree: &Program,
        sides: Sides<'_>,
        into: &mut [f32],
    );
}

/// Both ends of a layer for all rows of the batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sides<'a> {
    /// The input.
    pub input: &'a [f32],
    /// The gradient of the output.
    pub gradient: &'a [f32],
}

/// A layer made for an input shape.
#[derive(Debug)]
pub(crate) struct Made {
    /// What it does.
    pub operation: Operation,
    /// Shape of its output, without the batch.
    pub output: Vec<usize>,
}

/// Makes a layer from its arguments, the shape that comes in, and its path (`2.0`), which names its random numbers.
/// It sets inferred sizes in the arguments. An error says what shape it wanted.
type Make = fn(&mut Arguments, &[usize], &str) -> Result<Made, String>;

/// The layers of a family, by name.
type Family = &'static [(&'static str, Make)];

/// How the layers of the catalogue are made, in its order.
const FAMILIES: &[Family] = &[
    linear::LAYERS,
    activation::LAYERS,
    dropout::LAYERS,
    flatten::LAYERS,
];

/// Makes the layer that `arguments` describe.
pub(crate) fn make(arguments: &mut Arguments, input: &[usize], path: &str) -> Result<Made, String> {
    let mut all = FAMILIES.iter().copied().flatten();
    match all.find(|(name, _)| *name == arguments.name()) {
        Some((_, make)) => make(arguments, input, path),
        None => Err(format!("{} cannot be made by this version", arguments.name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Kind, entries};

    #[test]
    fn every_layer_of_the_catalogue_can_be_made() {
        let listed: Vec<&str> = entries()
            .filter(|entry| entry.kind == Kind::Layer)
            .map(|entry| entry.name)
            .collect();
        let made: Vec<&str> = FAMILIES
            .iter()
            .copied()
            .flatten()
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(listed, made);
    }
}
