//! Dropout: the host draws the zeros, by the same counters as the engine.

use super::layer::{Answer, Layer, Lowering};

pub(super) const LAYERS: &[(&str, Lowering)] = &[("Dropout", zeros), ("Dropout2d", zeros)];

fn zeros(layer: &Layer<'_>) -> Answer {
    match layer.training {
        Some(rows) => Ok((layer.input() * layer.own_factors(rows)?)?),
        None => Ok(layer.input().clone()),
    }
}
