//! Dropout: the host draws the zeros, by the same counters as the engine.

use super::layer::{Answer, Express, Layer};

pub(super) const LAYERS: &[(&str, Express)] = &[("Dropout", zeros), ("Dropout2d", zeros)];

fn zeros(layer: &Layer<'_>) -> Answer {
    match layer.training {
        Some(rows) => Ok((layer.input() * layer.own_factors(rows)?)?),
        None => Ok(layer.input().clone()),
    }
}
