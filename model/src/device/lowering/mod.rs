//! Every layer as operations on candle's tensors, forward only: candle's tape finds the gradients, but for those of recurrent
//! layers (`recurrent`).
//!
//! A function here is generic over device and type: it makes its constants in the type of its inputs, so that f64
//! tensors give the reference that the engine's own gradients are checked against. It takes no candle operation whose
//! gradient is approximate (gelu), differs from PyTorch's (relu at 0, maxima of equals) or is missing (pooling with
//! overlapping windows); those are composed of simple ones.

mod activation;
mod attention;
mod convolution;
mod dropout;
mod embedding;
mod join;
pub(super) mod layer;
pub(super) mod limits;
mod linear;
mod normalization;
mod padding;
mod pooling;
mod product;
mod recurrent;
mod shape;
mod softmax;

pub(super) use join::{concat, select};
use layer::Lowering;
pub(super) use product::Products;

/// How the layers of the catalogue are lowered.
const FAMILIES: &[&[(&str, Lowering)]] = &[
    activation::LAYERS,
    attention::LAYERS,
    convolution::LAYERS,
    dropout::LAYERS,
    embedding::LAYERS,
    join::LAYERS,
    linear::LAYERS,
    normalization::LAYERS,
    padding::LAYERS,
    pooling::LAYERS,
    recurrent::LAYERS,
    shape::LAYERS,
    softmax::LAYERS,
];

/// Layers without a lowering: those that meet the other trainers in the middle of a step (rule B7), which `norm.rs` has, and what
/// makes masks, mostly of indices that a table of the host reads too.
#[cfg(test)]
pub(super) const HOST_LAYERS: [&str; 3] = ["BatchNorm1d", "BatchNorm2d", "Eq"];

/// How a layer is lowered, if it is.
pub(super) fn find(name: &str) -> Option<Lowering> {
    let mut all = FAMILIES.iter().copied().flatten();
    all.find(|(known, _)| *known == name).map(|(_, lower)| *lower)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Kind, entries};

    #[test]
    fn every_layer_of_the_catalogue_is_lowered_or_named_as_a_host_layer() {
        let composites: Vec<&str> = crate::network::composites().collect();
        for entry in entries().filter(|entry| entry.kind == Kind::Layer) {
            let places = [
                find(entry.name).is_some(),
                HOST_LAYERS.contains(&entry.name),
                composites.contains(&entry.name),
            ];
            assert_eq!(
                places.iter().filter(|known| **known).count(),
                1,
                "{} must be in exactly one list: {places:?}",
                entry.name
            );
        }
    }
}
