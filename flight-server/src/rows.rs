//! Rows on their way out of a dataset.

use candlewick_protocol::dealing::Copies;

/// A row as it is sent to another trainer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) features: &'a [f32],
    pub(crate) labels: &'a [f64],
    /// Follows the label where a column marks validation rows.
    pub(crate) mark: Option<f64>,
    pub(crate) weight: f64,
    pub(crate) hash: u128,
    pub(crate) copies: Copies,
}

/// Where gathered rows go: values of the rows one after another.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Features.
    pub features: Vec<f32>,
    /// Labels.
    pub labels: Vec<f64>,
    /// Weights.
    pub weights: Vec<f64>,
}

impl Gathered {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.features.clear();
        self.labels.clear();
        self.weights.clear();
    }
}
